"""How a step moves the weights: optimizer, penalties, clipping, warm-up, averaged weights."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from kmerengine.errors import InputError
from modelkit.config import TrainingOptions
from native_kernels.gapped_linear import AdamStep

__all__ = ["Averages", "Stepper", "TakesSteps", "penalised"]


@runtime_checkable
class TakesSteps(Protocol):
    """A network that takes Adam's step on some weights itself, so that their gradient is not made.

    While `takes_steps`, a backward leaves what it would have made a gradient of in `steps`: by the
    name of a parameter, a function of Adam's two averages and the step. The numbers are Adam's but
    for rounding, the averages are the optimizer's.
    """

    takes_steps: bool
    steps: dict[str, Callable[[Tensor, Tensor, AdamStep], None]]


def _needs_gradients(options: TrainingOptions) -> bool:
    """Whether a step wants more of gradients than Adam does, or they come in pieces."""
    other = options.optimizer == "sgd" or options.compile or options.accumulate > 1
    mixed = options.optimizer == "adam" and options.weight_decay  # decay within the averages
    return bool(other or mixed or options.l1 or options.l2 or options.clip_norm is not None)


def penalised(model: nn.Module) -> dict[str, nn.Parameter]:
    """Weights of convolutions and dense layers: what l1 and l2 are of."""
    return {
        name: weight
        for name, weight in model.named_parameters()
        if name.rpartition(".")[2] == "weight" and weight.ndim > 1
    }


def _check_names(
    options: TrainingOptions, parameters: Collection[str], weights: Collection[str]
) -> None:
    """Options that name parameters by a beginning: each must be of one at least."""
    asked: dict[str, tuple[Iterable[str], Collection[str]]] = {
        "frozen": (options.frozen, parameters),
        "rates": (options.rates, parameters),
        "l1_on": (options.l1_on, weights),
        "l2_on": (options.l2_on, weights),
    }
    for option, (beginnings, names) in asked.items():
        for part in beginnings:
            if not any(name.startswith(part) for name in names):
                raise InputError(
                    f"training.{option}: found {part!r}, with which no name begins; expected the "
                    f"beginning of one of {', '.join(names)}"
                )


def _chosen(weights: dict[str, nn.Parameter], beginnings: tuple[str, ...]) -> list[nn.Parameter]:
    """Those whose names begin so; all, if nothing is said."""
    return [weight for name, weight in weights.items() if name.startswith(beginnings or "")]


class Stepper:
    """Takes steps on the gradients that a model holds.

    The penalties' gradients, ``2 * l2 * w + l1 * sign(w)``, are added to those of the loss, which
    is the same as adding l1 * sum of |w| and l2 * sum of w**2 to it.

    A model of `TakesSteps` on the CPU, `alone` (no other ranks have gradients to be added), takes
    its steps itself where nothing else needs its gradients.

    Raises
    ------
    InputError
        An option names a parameter that the model has not.
    """

    def __init__(self, model: nn.Module, options: TrainingOptions, *, alone: bool = True) -> None:
        self.options = options
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        weights = penalised(model)
        _check_names(options, self.parameters, weights)
        self.l1_of = _chosen(weights, options.l1_on) if options.l1 else []
        self.l2_of = _chosen(weights, options.l2_on) if options.l2 else []
        self.frozen = {name: self._frozen(name) for name in self.parameters}
        self.step_number = 0
        self.factor = 1.0  # of the learning rate: what the drops have made of it
        self.rates = {name: self._rate(name) for name in self.parameters}
        held, rate = self._groups(), options.learning_rate
        decay = options.weight_decay
        self.optimizer: torch.optim.Optimizer
        if options.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(
                held, rate, momentum=options.momentum, weight_decay=decay
            )
        else:
            kind = torch.optim.Adam if options.optimizer == "adam" else torch.optim.AdamW
            self.optimizer = kind(
                held, rate, options.betas, options.eps, weight_decay=decay, fused=True
            )
        self.model = model if isinstance(model, TakesSteps) else None
        if self.model is not None:
            on_cpu = all(parameter.is_cpu for parameter in self.parameters.values())
            self.model.takes_steps = alone and on_cpu and not _needs_gradients(options)

    @property
    def learning_rate(self) -> float:
        """Of the next step, of parameters without a rate of their own."""
        options = self.options
        rate = options.learning_rate * self.factor
        if self.step_number < options.warm_up:
            share = self.step_number / options.warm_up
            rate *= options.warm_up_from + (1 - options.warm_up_from) * share
        return rate

    def _frozen(self, name: str) -> int:
        """For how many steps a parameter stays as it is."""
        frozen = self.options.frozen.items()
        return max((steps for part, steps in frozen if name.startswith(part)), default=0)

    def _rate(self, name: str) -> float:
        """The learning rate of a parameter over that of the others."""
        rates = self.options.rates
        named = [part for part in rates if name.startswith(part)]
        return rates[max(named, key=len)] if named else 1.0

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters of one learning rate each."""
        found: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.parameters.items():
            found.setdefault(self.rates[name], []).append(parameter)
        return [{"params": held, "rate": rate} for rate, held in found.items()]

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights and forget the gradients."""
        options = self.options
        for name, steps in self.frozen.items():
            if self.step_number < steps:
                self.parameters[name].grad = None
        for weight in self.l2_of:
            if weight.grad is not None:  # it is not frozen
                weight.grad.add_(weight, alpha=2 * options.l2)
        for weight in self.l1_of:
            if weight.grad is not None:
                weight.grad.add_(weight.sign(), alpha=options.l1)
        if options.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters.values(), options.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * group["rate"]
        self._let_the_model_step()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step_number += 1

    def _let_the_model_step(self) -> None:
        if self.model is None:
            return
        options = self.options
        for name, take in self.model.steps.items():
            if self.step_number < self.frozen[name]:
                continue
            parameter = self.parameters[name]
            state = self.optimizer.state[parameter]
            if not state:  # as Adam begins
                state["step"] = torch.zeros(())
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["step"] += 1
            rate = self.learning_rate * self.rates[name]
            step = AdamStep(
                int(state["step"]), rate, options.betas, options.eps, options.weight_decay
            )
            take(state["exp_avg"], state["exp_avg_sq"], step)
        self.model.steps.clear()

    def state(self) -> dict[str, Tensor]:
        """What the optimizer remembers of each weight, by the weight's name."""
        return {
            f"{name}/{slot}": value
            for name, parameter in self.parameters.items()
            for slot, value in self.optimizer.state[parameter].items()
            if isinstance(value, Tensor)
        }

    def restore(self, tensors: dict[str, Tensor], steps: int) -> None:
        """Take up `state` after so many steps again; ValueError if it is not whole."""
        slots = ("step", "exp_avg", "exp_avg_sq")
        if self.options.optimizer == "sgd":
            slots = ("momentum_buffer",) if self.options.momentum else ()  # type: ignore[assignment]
        if not steps:
            slots = ()  # type: ignore[assignment]
        self.step_number = steps
        moved = [name for name in self.parameters if steps > self.frozen[name]]
        expected = {f"{name}/{slot}" for name in moved for slot in slots}
        if expected != tensors.keys():
            raise ValueError(f"it lacks {min(expected ^ tensors.keys())}")
        for key, value in tensors.items():
            name, _, slot = key.rpartition("/")
            parameter = self.parameters[name]
            if value.shape not in (parameter.shape, torch.Size([])):
                raise ValueError(f"{key} is {tuple(value.shape)}")
            # the count of steps stays where the optimizer keeps it
            place = parameter.device if value.ndim or parameter.is_cuda else value.device
            self.optimizer.state[parameter][slot] = value.to(place)


class Averages:
    """Exponential moving averages of the weights, and of the statistics of batch norms: those of
    the newest weights do not fit the averages.

    The decay at step t is ``min(decay, (1 + t) / (10 + t))`` (TensorFlow's `num_updates`).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: each.clone() for name, each in _averaged(model)}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """After step number `step`, from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, weight in _averaged(model):
            self.weights[name].lerp_(weight, 1 - decay)

    def of(self, model: nn.Module) -> dict[str, Tensor]:
        """The state of a network with averaged weights."""
        return {**model.state_dict(), **self.weights}

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """The network holds the averages, and afterwards what it held before."""
        before = {name: each.clone() for name, each in _averaged(model)}
        try:
            self._put(model, self.weights)
            yield
        finally:
            self._put(model, before)

    @torch.no_grad()
    def _put(self, model: nn.Module, weights: dict[str, Tensor]) -> None:
        for name, each in _averaged(model):
            each.copy_(weights[name])


def _averaged(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Weights, and buffers of floats."""
    yield from ((name, each.detach()) for name, each in model.named_parameters())
    yield from ((name, each) for name, each in model.named_buffers() if each.is_floating_point())
