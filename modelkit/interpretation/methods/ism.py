"""In-silico mutagenesis: what the targets are when a base is another one.

    values[b, k, c, p] = f_k(sequence b with base c at position p)

By brute force every mutant passes the whole network. A network that offers `body()` and `heads()`
(see `modelkit.models.bpaitac.BpAITAC`) is faster: position i of a layer of its body depends on
bases near i alone, so a layer is calculated only where a mutant's can differ from the sequence's,
as fastISM does (Nair et al. 2022). Such a window lies among activations of the sequence itself,
and grows from layer to layer:

    bp       . . . . . . . x . . . . . . .      x  the base that is changed
    layer 1  . . . . . x x x x x . . . . .      x  changed     .  as in the sequence
    layer 2  . . . x x x x x x x x x . . .

The heads are given all positions. `heads_see()` of a network, if it has one, is the (start, stop)
of the positions that its heads look at: of others nothing is calculated.

B = sequences, R = rows (mutants of one sequence), C = channels, P = bp, K = targets.
"""

from collections.abc import Iterator
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from modelkit.interpretation.methods.explained import Explained
from native_kernels.dilated_conv import dilated_conv
from native_kernels.dilated_conv.block import Block, Conv, folded

__all__ = ["ism", "largest_change"]

BASES = 4


@torch.no_grad()
def ism(explained: Explained, x_BCP: Tensor, max_rows: int = 64, *, fast: bool = True) -> Tensor:
    """Targets of every sequence with every base at every position.

    Parameters
    ----------
    explained : Explained
        It is anchored to each sequence in turn, so that what a head takes as given, such as the
        probabilities of a profile, is the unchanged sequence's; at the end it is let go of.
    x_BCP : Tensor, float, shape (B, C, P)
        One-hot bases, an all-zero column where none is known, then signals, which stay as they are.
    max_rows : int
        Mutants that pass the network at once.
    fast : bool
        Leave out what a mutant does not change, of a network that can; else, and of a network
        that trains, every mutant passes all of it. They agree to rounding.

    Returns
    -------
    values : Tensor, shape (B, K, 4, P)
        At a base that stands in the sequence: the targets of the sequence.
    """
    by_sequence = []
    layers = _layers(explained.network) if fast else None
    try:
        for b in range(len(x_BCP)):
            x_1CP = x_BCP[b : b + 1]
            explained.anchor(x_1CP)
            mutants = _Mutants(x_1CP[0])
            if layers is None:
                by_sequence.append(_naive(explained, x_1CP, mutants, max_rows))
            else:
                by_sequence.append(_fast(explained, layers, x_1CP, mutants, max_rows))
    finally:
        explained.anchor(None)
    if not by_sequence:
        return x_BCP.new_zeros(0, explained.weights.shape[1], BASES, x_BCP.shape[2])
    return torch.stack(by_sequence)


def largest_change(values_BKLP: Tensor, x_BCP: Tensor, *, absolute: bool = False) -> Tensor:
    """What changes most if a base is another one, as AgentBind has it (Zheng et al. 2021).

    Parameters
    ----------
    values_BKLP : Tensor, shape (B, K, 4, P)
        Of `ism`.
    x_BCP : Tensor, shape (B, C, P)
        The sequences.
    absolute : bool
        Without its sign.

    Returns
    -------
    changes : Tensor, shape (B, K, P)
        Of the differences f(x) - f(mutant) at a position the one that is furthest from 0; 0 where
        no base is known.
    """
    known_B1LP = _is_base(x_BCP)[:, None]
    at_base = torch.where(known_B1LP, values_BKLP, 0).sum(2, keepdim=True)
    changes = torch.where(known_B1LP.any(2, keepdim=True), at_base - values_BKLP, 0)
    largest = changes.gather(2, changes.abs().argmax(2, keepdim=True)).squeeze(2)
    return largest.abs() if absolute else largest


def _is_base(x_BCP: Tensor) -> Tensor:
    """Which base stands at each position, bool (B, 4, P); none in a column that is not one-hot."""
    bases = x_BCP[:, :BASES]
    one_hot = (bases.amax(1) == 1) & (bases.ne(0).sum(1) == 1)
    return bases.eq(1) & one_hot[:, None]


class _Mutants:
    """All single changes of a sequence, by position and then base.

    Attributes
    ----------
    position, base : int64, shape (M,)
    """

    def __init__(self, x_CP: Tensor) -> None:
        self.x = x_CP
        self.others = ~_is_base(x_CP[None])[0]
        self.position, self.base = self.others.T.nonzero(as_tuple=True)

    def columns(self, rows: slice) -> Tensor:
        """The column that is changed, (R, C)."""
        x_RC = self.x[:, self.position[rows]].T.contiguous()
        x_RC[:, :BASES] = functional.one_hot(self.base[rows], BASES).to(x_RC.dtype)
        return x_RC

    def inserted(self, values_MK: Tensor, values_K: Tensor) -> Tensor:
        """Values of the mutants and of the sequence itself, (K, 4, P)."""
        found = values_K[:, None, None].repeat(1, *self.others.shape)
        found[:, self.base, self.position] = values_MK.T
        return found

    def parts(self, size: int) -> Iterator[slice]:
        """At most `size` rows each."""
        for low in range(0, len(self.position), size):
            yield slice(low, low + size)


def _naive(explained: Explained, x_1CP: Tensor, mutants: _Mutants, max_rows: int) -> Tensor:
    values = []
    for rows in mutants.parts(max_rows):
        columns_RC = mutants.columns(rows)
        x_RCP = x_1CP.repeat(len(columns_RC), 1, 1)
        x_RCP[torch.arange(len(x_RCP)), :, mutants.position[rows]] = columns_RC
        values.append(explained(x_RCP))
    itself = explained(x_1CP)
    return mutants.inserted(torch.cat([*values, itself[:0]]), itself[0])


class _Layer(NamedTuple):
    """One of the body, its norm folded into its weights."""

    module: nn.Module
    weight: Tensor
    bias: Tensor | None
    dilation: int
    relu: bool
    residual: bool
    tf32: bool

    @property
    def reach(self) -> int:
        """bp to each side that a position depends on."""
        return self.dilation * (self.weight.shape[-1] // 2)

    def inside(self, x_RWC: Tensor) -> Tensor:
        """Of the positions whose surroundings are all in `x`."""
        return dilated_conv(
            x_RWC, self.weight, self.bias, dilation=self.dilation, padding="valid",
            relu=self.relu, residual=self.residual, tf32=self.tf32,
        )  # fmt: skip


def _layers(network: nn.Module) -> list[_Layer] | None:
    """The body of a network, or None if it offers none that can be calculated in windows."""
    body, heads = getattr(network, "body", None), getattr(network, "heads", None)
    if network.training or not callable(heads) or not callable(body) or signature(body).parameters:
        return None
    found = []
    for module in body():
        conv = module.conv if isinstance(module, Block) else module
        if not isinstance(conv, Conv) or conv.padding != "same":
            return None
        weight, bias, residual = conv.weight, conv.bias, False
        if isinstance(module, Block):
            residual = module.residual
            if module.norm is not None:
                weight, bias = folded(weight, bias, module.norm)
        found.append(_Layer(module, weight, bias, conv.dilation, conv.relu, residual, conv.tf32))
    return found or None


def _fast(
    explained: Explained, layers: list[_Layer], x_1CP: Tensor, mutants: _Mutants, max_rows: int
) -> Tensor:
    network: Any = explained.network
    body = _Body(layers, x_1CP, max_rows, getattr(network, "heads_see", None))
    values = []
    for rows in mutants.parts(max_rows):
        y_RPC = body.changed(mutants.columns(rows), mutants.position[rows])
        values.append(explained.read(network.heads(y_RPC)))
    itself = explained.read(network.heads(body.output))
    return mutants.inserted(torch.cat([*values, itself[:0]]), itself[0])


class _Body:
    """What the body of a network makes of a sequence, and of mutants of it.

    Attributes
    ----------
    output : Tensor, shape (1, P, C)
    """

    def __init__(self, layers: list[_Layer], x_1CP: Tensor, max_rows: int, heads_see: Any) -> None:
        self.layers, self.length = layers, x_1CP.shape[2]
        self.inputs: list[Tensor] = []  # of each layer, with zeros beyond both ends
        self.margins: list[int] = []
        x_1PC = x_1CP.mT
        for layer in layers:
            # a window is the same of all rows of a batch, which are of max_rows bp at most
            margin = layer.reach + max_rows
            self.inputs.append(functional.pad(x_1PC[0], (0, 0, margin, margin)))
            self.margins.append(margin)
            x_1PC = layer.module(x_1PC)
        self.output = x_1PC
        low, high = heads_see() if heads_see else (0, self.length)
        self.needed = [(low, high)]  # of the output of each layer
        for layer in reversed(layers[1:]):
            low, high = max(low - layer.reach, 0), min(high + layer.reach, self.length)
            self.needed.insert(0, (low, high))

    def changed(self, columns_RC: Tensor, position_R: Tensor) -> Tensor:
        """(R, P, C) of the mutants with these columns; `position` ascends.

        A window is [low, high) bp from the position of its row. What of it lies beyond an end of
        the sequence is 0, as the padding of the layer that follows.
        """
        rows = _runs(position_R)
        first, last = rows[0].position, rows[-1].position
        window_RWC, low, high = columns_RC[:, None], 0, 1
        for i, layer in enumerate(self.layers):
            least, most = self.needed[i]
            new_low, new_high = max(low - layer.reach, least - last), high + layer.reach
            new_high = min(new_high, most - first)
            if new_low >= new_high:
                return self.output.expand(len(columns_RC), -1, -1)
            if new_high - new_low >= self.length:
                return self._whole(i, window_RWC, low, rows)
            x_RWC = self._surrounded(i, window_RWC, low, new_low, new_high, rows)
            window_RWC, low, high = layer.inside(x_RWC), new_low, new_high
            if first + low < 0 or last + high > self.length:
                at_RW = position_R[:, None] + torch.arange(low, high, device=position_R.device)
                outside = (at_RW < 0) | (at_RW >= self.length)
                window_RWC.masked_fill_(outside[..., None], 0)
        y_RPC = self.output.repeat(len(columns_RC), 1, 1)
        _place(y_RPC, window_RWC, low, rows)
        return y_RPC

    def _surrounded(
        self, i: int, window_RWC: Tensor, low: int, new_low: int, new_high: int, rows: "list[_Run]"
    ) -> Tensor:
        """The window among the sequence's own values: what layer i sees for [new_low, new_high)."""
        reach, margin = self.layers[i].reach, self.margins[i]
        start, stop = new_low - reach, new_high + reach
        x_RWC = window_RWC.new_empty(len(window_RWC), stop - start, window_RWC.shape[2])
        for row, end, position in rows:
            at = position + margin
            x_RWC[row:end] = self.inputs[i][at + start : at + stop]
        seen = slice(max(start - low, 0), stop - low)
        part_RWC = window_RWC[:, seen]
        at = max(low - start, 0)
        x_RWC[:, at : at + part_RWC.shape[1]] = part_RWC
        return x_RWC

    def _whole(self, i: int, window_RWC: Tensor, low: int, rows: "list[_Run]") -> Tensor:
        """The layers from i on, at all positions."""
        x_PC = self.inputs[i][self.margins[i] : self.margins[i] + self.length]
        x_RPC = x_PC.repeat(len(window_RWC), 1, 1)
        _place(x_RPC, window_RWC, low, rows)
        for layer in self.layers[i:]:
            x_RPC = layer.module(x_RPC)
        return x_RPC


class _Run(NamedTuple):
    """Rows [first, end) that change one position."""

    first: int
    end: int
    position: int


def _runs(position_R: Tensor) -> list[_Run]:
    positions, counts = torch.unique_consecutive(position_R, return_counts=True)
    ends = counts.cumsum(0).tolist()
    return list(map(_Run, [0, *ends[:-1]], ends, positions.tolist()))


def _place(y_RPC: Tensor, window_RWC: Tensor, low: int, rows: list[_Run]) -> None:
    """Write windows where they belong, without what lies beyond the ends."""
    length, width = y_RPC.shape[1], window_RWC.shape[1]
    for row, end, position in rows:
        start = position + low
        seen = slice(max(-start, 0), min(length - start, width))
        y_RPC[row:end, start + seen.start : start + seen.stop] = window_RWC[row:end, seen]
