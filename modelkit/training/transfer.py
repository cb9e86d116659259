# mypy: allow-untyped-calls
"""First weights from another run: the layers that a network passes on.

AgentBind (Zheng et al. 2021) trains a network on many labels, and begins that of one factor with
its convolutions and its LSTM. The dense layers are drawn anew, and all layers are trained. A class
that can be begun so says which of its parameters are passed on, by the beginning of their name:
`transferred`. What is no parameter, the running statistics of batch norms, begins anew.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from kmerengine.errors import InputError
from modelkit.registry import MODELS
from modelkit.training.checkpoint import TENSORS, read_checkpoint
from modelkit.training.run import BEST, MODEL, Run, as_config

__all__ = ["Start"]


class Start:
    """The best weights of a run, to begin another with; averages, if the run has kept such.

    Attributes
    ----------
    about : dict
        Name of the run, digest of its weights, the rule of its split, and which parameters are
        passed on.

    Raises
    ------
    InputError
        No such run, or of a model that passes nothing on.
    """

    def __init__(self, run: Run | str | Path) -> None:
        self.run = run if isinstance(run, Run) else Run.open(run)
        path = self.run.path / BEST
        self._tensors, about = read_checkpoint(path)
        self.model = as_config(about.get("config"), path).model
        self._passed_on = _passed_on(MODELS[self.model].model)
        if not self._passed_on:
            able = ", ".join(name for name, each in MODELS.items() if _passed_on(each.model))
            raise InputError(
                f"start: {self.run.path} is of {self.model}, which passes no layers on; expected "
                f"a run of {able}"
            )
        self.about: dict[str, Any] = {
            "name": self.run.path.name,
            "weights": about[TENSORS],
            "split": _split(self.run),
            "transferred": list(self._passed_on),
        }

    @torch.no_grad()
    def give(self, network: nn.Module, model: str) -> None:
        """Set the parameters of `network` that are passed on.

        Raises
        ------
        InputError
            A network of another model, or of other sizes.
        """
        if model != self.model:
            raise InputError(
                f"start: {self.run.path} is of {self.model}, expected a run of {model}, as is to "
                "be trained"
            )
        found = {n: p for n, p in network.named_parameters() if n.startswith(self._passed_on)}
        theirs = {n.removeprefix(MODEL) for n in self._tensors}
        more = {n for n in theirs if n.startswith(self._passed_on)} - network.state_dict().keys()
        for name in [*found, *sorted(more)]:
            held = self._tensors.get(MODEL + name)
            shapes = [None if t is None else tuple(t.shape) for t in (held, found.get(name))]
            if shapes[0] != shapes[1]:
                raise InputError(
                    f"start: {name} of {self.run.path} is {shapes[0] or 'missing'}, expected "
                    f"{shapes[1] or 'none'}; choose the sizes of its network"
                )
        for name, parameter in found.items():
            parameter.copy_(self._tensors[MODEL + name])

    def warning(self, run: Run) -> str | None:
        """A line that says so, if `run` may be judged by what the other one has learnt from."""
        there, here = self.about["split"], _split(run)
        if there in (None, [None, None], here):
            return None
        return (
            f"warning: {self.run.path.name} learnt by the split {there}, this is by {here}: its "
            "examples may be validated or tested here"
        )


def _passed_on(model: object) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(model, "transferred", ())
    return found


def _split(run: Run) -> Any:
    """The rule of a run, as a list of parts, and its seed: its config's, or that of its data."""
    own = getattr(run.config.data, "split", None)
    return run.about.get("split") if own is None else [[own], 0]
