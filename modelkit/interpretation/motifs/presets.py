"""Settings of the motif pipeline as bpAI-TAC's paper states them, and as its notebook has them."""

from dataclasses import dataclass
from typing import Final, Literal

from kmerengine.errors import InputError

__all__ = ["PRESETS", "Count", "Preset", "preset_of"]

Count = Literal["lineages", "sequences", "seqlets"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """
    Parameters
    ----------
    z : float
        Standard deviations of a significant attribution.
    threshold : float
        The p-value that all members of a cluster share at least.
    rounds : int
        Times of clustering: after the first, what it made is clustered.
    count : "lineages", "sequences" or "seqlets"
        What is counted of each model.
    """

    z: float
    threshold: float
    rounds: int
    count: Count


PRESETS: Final = {
    "paper": Preset(z=1.96, threshold=0.05, rounds=1, count="lineages"),
    "code": Preset(z=3.2905267314919255, threshold=0.001, rounds=2, count="sequences"),  # p 0.001
}


def preset_of(name: str) -> Preset:
    """InputError if there is none of that name."""
    if name not in PRESETS:
        raise InputError(f"preset: found {name!r}, expected {' or '.join(PRESETS)}")
    return PRESETS[name]
