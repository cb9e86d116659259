"""How filters are made motifs: as Koo and Eddy's paper says, and as their code does."""

from dataclasses import dataclass
from typing import Final

from kmerengine.errors import InputError

__all__ = ["PRESETS", "Preset", "preset_of"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """
    Parameters
    ----------
    threshold : float
        Share of the largest activation that a window needs.
    possible : bool
        The largest is what the filter could reach, not what it reached on the sequences.
    every : bool
        Take all positions above the threshold, weighted by their activation, beyond the ends of
        sequences too; else one of each sequence: its first maximum, if the whole window is there.
    width : int, optional
        bp of a window; by default what the filter sees.
    """

    threshold: float
    possible: bool
    every: bool
    width: int | None


PRESETS: Final = {
    "paper": Preset(threshold=0.7, possible=True, every=False, width=None),
    "code": Preset(threshold=0.5, possible=False, every=True, width=19),
}


def preset_of(name: str) -> Preset:
    """InputError if there is none of that name."""
    if name not in PRESETS:
        raise InputError(f"preset: found {name!r}, expected {' or '.join(PRESETS)}")
    return PRESETS[name]
