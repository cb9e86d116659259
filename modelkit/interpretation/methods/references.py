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
    dinucleotide occurs, those of unknown bases too. In the others a base that is unknown in the
    sequence stays so. Signals are `options.signals` everywhere.

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
        found_BN1P = torch.from_numpy(shuffled).to(x_BCP.device)[:, :, None]
        four = torch.arange(4, device=x_BCP.device)[:, None]
        # unknown bases of a sequence have one value, which goes with them
        level_B = x_BCP[:, 0].masked_fill(~_is_unknown(x_BCP), 0).amax(1)
        bases_BN4P[:] = found_BN1P == four
        bases_BN4P += (found_BN1P == UNKNOWN) * level_B[:, None, None, None]
        return out
    share = x_BCP.new_zeros(4)
    if kind == "background":
        share = torch.tensor(options.background, dtype=x_BCP.dtype, device=x_BCP.device)
    bases_BN4P[:] = torch.where(_is_unknown(x_BCP)[:, None], x_BCP[:, :4], share[:, None])[:, None]
    return out


def _is_unknown(x_BCP: Tensor) -> Tensor:
    """Where no base is known, bool (B, P): all four channels have the same, 0 or a share."""
    bases = x_BCP[:, :4]
    most = bases.amax(1)
    return (bases.amin(1) == most) & (most < 1)


def codes_of(x_BCP: Tensor) -> npt.NDArray[np.uint8]:
    """Codes (B, P) of one-hot bases, 255 where all four channels have the same."""
    bases = x_BCP[:, :4].detach()
    unknown = _is_unknown(x_BCP.detach())
    one_hot = (bases.amax(1) == 1) & (bases.ne(0).sum(1) == 1)
    if not (unknown | one_hot).all():
        raise ValueError("shuffles need one-hot bases, found other values")
    codes = bases.argmax(1).masked_fill(unknown, UNKNOWN)
    return codes.to(torch.uint8).cpu().numpy()
