"""What sequences are compared with."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from modelkit.interpretation.methods.options import AttributionOptions
from native_kernels.dinucleotide_shuffle import dinucleotide_shuffle

__all__ = ["Numbers", "references"]

Numbers = npt.NDArray[np.int64]

UNKNOWN = 255


def references(x_BCP: Tensor, options: AttributionOptions, numbers: Numbers) -> Tensor:
    """References of each sequence, (B, n, C, P) of the type and device of `x`.

    A shuffle depends on the seed, the sequence and its number, and keeps how often each
    dinucleotide occurs, those of unknown bases too. In the background a base that is unknown in
    the sequence stays so. Signals are `options.signals` everywhere.

    Raises
    ------
    ValueError
        Shuffles of what is not one-hot.
    """
    kind = options.compared_with
    n = options.n_references if kind == "shuffle" else 1
    out = x_BCP.new_full((len(x_BCP), n, *x_BCP.shape[1:]), options.signals)
    bases_BN4P = out[:, :, :4]
    if kind == "shuffle":
        codes = codes_of(x_BCP)
        shuffled = dinucleotide_shuffle(codes, seed=options.seed, n=n, numbers=numbers)
        four = torch.arange(4, device=x_BCP.device)[:, None]
        bases_BN4P[:] = torch.from_numpy(shuffled).to(x_BCP.device)[:, :, None] == four
    elif kind == "background":
        share = torch.tensor(options.background, dtype=x_BCP.dtype, device=x_BCP.device)
        known_B1P = x_BCP[:, :4].sum(1, keepdim=True) != 0
        bases_BN4P[:] = (share[:, None] * known_B1P)[:, None]
    else:
        bases_BN4P[:] = 0
    return out


def codes_of(x_BCP: Tensor) -> npt.NDArray[np.uint8]:
    """Codes (B, P) of one-hot bases, 255 where there is none."""
    bases = x_BCP[:, :4].detach()
    filled = bases.sum(1)
    if not ((bases == 0) | (bases == 1)).all() or (filled > 1).any():
        raise ValueError("shuffles need one-hot bases, found other values")
    codes = bases.argmax(1).masked_fill(filled == 0, UNKNOWN)
    return codes.to(torch.uint8).cpu().numpy()
