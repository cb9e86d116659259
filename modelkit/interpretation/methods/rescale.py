# mypy: allow-untyped-calls
"""DeepLIFT's rescale rule (Shrikumar et al. 2017).

It replaces a slope by the chord between a sequence x and its reference r,

    m = (f(z_x) - f(z_r)) / (z_x - z_r)

so that all multipliers of a network, chained, add up to the difference of its outputs. Of a maximum
the one position that makes the difference has it: where x has its maximum if that is the greater
one, else where r has.

The sequences pass once, recorded, and then the references alone: what both do in a module meets in
its turn. Rows of references are grouped by sequence.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from modelkit.interpretation.methods.rules import SMOOTH, Function, Pool

__all__ = ["Rescale"]

CLOSE = 1e-6  # below this a chord is rounding; tangermeme's threshold


class Rescale:
    """The rescale rule: `record` a pass of some sequences, then `compare` their references."""

    def __init__(self) -> None:
        self._recording = False
        self._sequences = 0
        self._references = 0  # of each sequence, in this pass; 0 while nothing is compared
        self._seen: dict[nn.Module, list[Tensor]] = {}
        self._calls: dict[nn.Module, int] = {}

    @contextmanager
    def record(self, sequences: int) -> Iterator[None]:
        """Keep what comes into the modules of so many sequences."""
        self._seen.clear()
        self._sequences, self._recording = sequences, True
        try:
            yield
        finally:
            self._recording = False

    @contextmanager
    def compare(self, references: int) -> Iterator[None]:
        """Every row is a reference; so many of each recorded sequence, side by side."""
        self._calls.clear()
        self._references = references
        try:
            yield
        finally:
            self._references = 0

    def forget(self) -> None:
        """Let go of what was recorded."""
        self._seen.clear()

    def relu(self, module: nn.Module, z: Tensor) -> Tensor:
        z_x = self._of_sequences(module, z)
        if z_x is None:
            return z.relu()
        y: Tensor = _RescaledReLU.apply(z, z_x, self._sequences)
        return y

    def elementwise(self, module: nn.Module, function: Function, z: Tensor) -> Tensor:
        z_x = self._of_sequences(module, z)
        if z_x is None:
            return function(z)
        y: Tensor = _Rescaled.apply(z, z_x, self._sequences, function, type(module) in SMOOTH)
        return y

    def maximum(self, module: nn.Module, pool: Pool, z: Tensor) -> Tensor:
        z_x = self._of_sequences(module, z)
        if z_x is None:
            return pool.finished(pool.maxima(pool.laid(z))[0])
        z, z_x = pool.laid(z), pool.laid(z_x)
        y: Tensor = _RescaledMaximum.apply(z, z_x, self._sequences, pool)
        return pool.finished(y)

    def _of_sequences(self, module: nn.Module, z: Tensor) -> Tensor | None:
        """What came into this call of the module from the sequences; None to go by the gradient."""
        if self._recording:
            self._seen.setdefault(module, []).append(z)
        if not self._references:
            return None
        call = self._calls.get(module, 0)
        self._calls[module] = call + 1
        seen = self._seen.get(module, [])
        z_x = seen[call] if call < len(seen) else None
        if z_x is None or z_x.shape[1:] != z.shape[1:]:
            return None
        fits = len(z_x) % self._sequences == 0 and len(z) == len(z_x) * self._references
        return z_x if fits else None


def _beside(z: Tensor, z_x: Tensor, sequences: int) -> tuple[Tensor, Tensor]:
    """Rows (sequences x references x q) and (sequences x q), so that they broadcast: a module may
    see q rows of each sequence.
    """
    rows = len(z_x) // sequences
    return z.unflatten(0, (sequences, -1, rows)), z_x.unflatten(0, (sequences, 1, rows))


class _RescaledReLU(torch.autograd.Function):
    """The chord of ReLU is max(z_x, z_r) / |z_x - z_r|, at least 0 and at most 1."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, z_x: Tensor, sequences: int) -> Tensor:
        z_r, z_x = _beside(z, z_x, sequences)
        m = (z_r - z_x).abs_().add_(torch.finfo(z.dtype).tiny)  # where both are 0, 0
        torch.div(torch.maximum(z_r, z_x), m, out=m).clamp_(0, 1)
        ctx.save_for_backward(m.view_as(z))
        return z.relu()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (m,) = ctx.saved_tensors
        return gradients[0] * m, None, None


class _Rescaled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        z_x: Tensor,
        sequences: int,
        function: Function,
        smooth: bool,  # noqa: FBT001
    ) -> Tensor:
        y = function(z)
        y_r, y_x = _beside(y, function(z_x), sequences)
        z_r, z_x = _beside(z, z_x, sequences)
        away = z_x - z_r
        # where the chord is mostly rounding: the slope in its middle, which is nearly that of a
        # smooth function, or, beside a kink, that at the sequence
        near = away.abs() < (torch.finfo(z.dtype).eps ** (1 / 3) if smooth else CLOSE)
        m = (y_x - y_r) / away
        if near.any():
            at = (z_x + z_r) / 2 if smooth else z_x.expand_as(z_r)
            m = torch.where(near, _slope(function, at.flatten(0, 2)).view_as(m), m)
        ctx.save_for_backward(m.view_as(z))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (m,) = ctx.saved_tensors
        return gradients[0] * m, None, None, None, None


def _slope(function: Function, at: Tensor) -> Tensor:
    with torch.enable_grad():
        at = at.detach().requires_grad_()
        (slope,) = torch.autograd.grad(function(at).sum(), at)
    return slope


class _RescaledMaximum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, z_x: Tensor, sequences: int, pool: Pool) -> Tensor:
        y, at_r = pool.maxima(z)
        y_x, at_x = pool.maxima(z_x)
        y_x, at_x, z_x = (_repeated(each, len(z), sequences) for each in (y_x, at_x, z_x))
        away_x = y_x - z.gather(pool.axis, at_x)
        away_r = z_x.gather(pool.axis, at_r) - y
        top = torch.maximum(y, y_x)
        # each is at most 1: a maximum moves no more than the position that makes it; where that
        # does not move, the slope at the sequence
        m_x = torch.where(away_x == 0, 1, (top - y) / away_x)
        m_r = torch.where(away_r == 0, 0, (y_x - top) / away_r)
        ctx.save_for_backward(at_x, at_r, m_x, m_r)
        ctx.axis, ctx.shape = pool.axis, z.shape
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        at_x, at_r, m_x, m_r = ctx.saved_tensors
        dz = m_x.new_zeros(ctx.shape)
        dz.scatter_add_(ctx.axis, at_x, gradients[0] * m_x)
        dz.scatter_add_(ctx.axis, at_r, gradients[0] * m_r)
        return dz, None, None, None


def _repeated(of_x: Tensor, rows: int, sequences: int) -> Tensor:
    """Rows of sequences as often as they have references."""
    split: Tensor = of_x.unflatten(0, (sequences, 1, -1))
    return split.expand(-1, rows // len(of_x), *split.shape[2:]).flatten(0, 2)
