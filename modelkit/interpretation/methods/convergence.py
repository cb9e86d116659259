"""Whether contributions add up, and which module of a network keeps them from it.

    leak of a module = sum m_in (in_x - in_r) - sum m_out (out_x - out_r)

m = multipliers at its inputs and outputs. It is 0 where a rule holds, and leaks add up to delta:
what a module leaks beyond the modules inside it is its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from modelkit.interpretation.methods.deepshap import recorded
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.explanation import Explanation
from modelkit.interpretation.methods.gradients import calculating
from modelkit.interpretation.methods.options import AttributionOptions
from modelkit.interpretation.methods.rescale import Rescale

__all__ = ["BETWEEN_STEPS", "INCOMPLETE", "Leak", "incomplete", "leaks", "shares"]

INCOMPLETE = 0.01  # of the differences between predictions
BETWEEN_STEPS = 0.05  # the same of integrated gradients
ROUNDING = 1e-5  # of the predictions themselves


class Leak(NamedTuple):
    """What one module loses or adds.

    Attributes
    ----------
    name, kind : str
        Of the module; the name is empty for the network itself.
    amount : float
        Sum of the absolute values, of each sequence.
    share : float
        Of sum |f(x) - f(r)|.
    """

    name: str
    kind: str
    amount: float
    share: float


def shares(explanation: Explanation) -> Tensor:
    """mean |delta| over mean |f(x) - f(reference)| of each target, (K,), means over the sequences;
    0 if it is no more than rounding.
    """
    off, spread = explanation.delta.abs().sum(0), explanation.spread.sum(0)
    is_off = off > ROUNDING * explanation.prediction.abs().sum(0)
    found = off / spread.clamp(min=torch.finfo(spread.dtype).tiny)
    return found.masked_fill(~is_off, 0)


def incomplete(explanation: Explanation) -> float:
    """Mean over the targets of `shares`: one of small numbers does not hide behind the others."""
    return float(shares(explanation).mean())


def leaks(
    explained: Explained,
    rule: Rescale,
    x_BCP: Tensor,
    r_BCP: Tensor,
    options: AttributionOptions,
    target: int,
) -> list[Leak]:
    """Modules by how much they leak between sequences and one reference of each, greatest first.

    `explained` is a copy whose modules follow `rule`. It is of one target: of several together
    what one gains another may lose. Modules that never ran, or do what they must to rounding, are
    left out.
    """
    modules = {name: module for name, module in explained.named_modules() if name}
    amounts: dict[str, float] = dict.fromkeys(modules, 0.0)
    total = 0.0
    for i in range(len(x_BCP)):
        one = slice(i, i + 1)
        away, own = _leaks_of(explained, rule, modules, x_BCP[one], r_BCP[one], options, target)
        total += away
        for name, amount in own.items():
            amounts[name] += abs(amount)
    explained.anchor(None)
    rule.forget()
    found = [
        Leak(name, type(modules[name]).__name__, amount, amount / (total or 1.0))
        for name, amount in amounts.items()
    ]
    kept = [leak for leak in found if leak.share > INCOMPLETE / 10]
    return sorted(kept, key=lambda leak: -leak.share)


def _leaks_of(
    explained: Explained,
    rule: Rescale,
    modules: dict[str, nn.Module],
    x_1CP: Tensor,
    r_1CP: Tensor,
    options: AttributionOptions,
    target: int,
) -> tuple[float, dict[str, float]]:
    """|f(x) - f(r)| of the target, and what each module that ran leaks by itself."""
    of_x, of_r = _Calls(), _Calls()
    with of_x.watching(modules):
        at_x = recorded(explained, rule, x_1CP, options)[0, target]
    r = r_1CP.clone().requires_grad_()
    with of_r.watching(modules), torch.enable_grad(), rule.compare(1), calculating(r, options):
        at_r = explained(r)[0, target]
    seen = of_r.tensors()
    gradients = torch.autograd.grad(at_r, seen, allow_unused=True, materialize_grads=True)
    multipliers = {id(each): m for each, m in zip(seen, gradients, strict=True)}
    ran = {name: _leak(of_x.of(name), of_r.of(name), multipliers) for name in of_r.names()}
    own = {
        name: amount - sum(ran.get(inner, 0.0) for inner in _inside(name, modules[name]))
        for name, amount in ran.items()
    }
    return float((at_x - at_r.detach()).abs()), own


def _inside(name: str, module: nn.Module) -> list[str]:
    """The next modules inside; those that a list holds are inside of what holds the list."""
    found = []
    for child, inner in module.named_children():
        below = f"{name}.{child}"
        lists = isinstance(inner, nn.ModuleList | nn.ModuleDict)
        found += _inside(below, inner) if lists else [below]
    return found


class _Calls:
    """What modules were given and put out, call by call."""

    def __init__(self) -> None:
        self._calls: dict[str, list[tuple[list[Tensor], list[Tensor]]]] = {}

    @contextmanager
    def watching(self, modules: dict[str, nn.Module]) -> Iterator[None]:
        hooks = []
        for name, module in modules.items():
            hooks.append(module.register_forward_pre_hook(_aliased, with_kwargs=False))
            hooks.append(module.register_forward_hook(self._seeing(name)))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _seeing(self, name: str) -> Any:
        def see(_: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            self._calls.setdefault(name, []).append((_floats(given), _floats(output)))

        return see

    def names(self) -> list[str]:
        """Of the modules that ran."""
        return list(self._calls)

    def of(self, name: str) -> list[tuple[list[Tensor], list[Tensor]]]:
        """The calls of a module."""
        return self._calls.get(name, [])

    def tensors(self) -> list[Tensor]:
        """All that a gradient can be taken by."""
        each = [t for calls in self._calls.values() for ends in calls for end in ends for t in end]
        return [t for t in {id(t): t for t in each}.values() if t.requires_grad]


def _aliased(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Inputs of this module's own, so that a gradient by them is what flows through it alone."""
    return tuple(each.view_as(each) if isinstance(each, Tensor) else each for each in given)


def _floats(values: Any) -> list[Tensor]:
    """The tensors of floats among what a module is given or puts out."""
    if isinstance(values, Tensor):
        return [values] if values.is_floating_point() else []
    if isinstance(values, dict):
        values = list(values.values())
    return [t for each in values for t in _floats(each)] if isinstance(values, list | tuple) else []


def _leak(
    of_x: list[tuple[list[Tensor], list[Tensor]]],
    of_r: list[tuple[list[Tensor], list[Tensor]]],
    multipliers: dict[int, Tensor],
) -> float:
    total = 0.0
    for call_x, call_r in zip(of_x, of_r, strict=False):
        for sign, end_x, end_r in zip((1, -1), call_x, call_r, strict=True):
            for x, r in zip(end_x, end_r, strict=True):
                m = multipliers.get(id(r))
                if m is not None and x.shape == r.shape:
                    total += sign * float((m * (x - r.detach())).double().sum())
    return total
