"""Motifs in shuffled regions: what `marginalize` and `footprint` predict."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.datasets.folder import ABOUT as DATASET_ABOUT
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.messages import shown
from kmerengine.motifs.files import named_motifs, read_motifs
from kmerengine.motifs.marginal import marginal_sequences
from kmerengine.motifs.motif import Motif
from modelkit.interpretation.synthetic import SequenceModels
from modelkit.training.run import BEST, Run
from native_kernels.dinucleotide_shuffle import dinucleotide_shuffle

__all__ = [
    "Motifs",
    "Strand",
    "backgrounds",
    "chosen_motifs",
    "inputs_of",
    "inserted",
    "place",
    "strands_of",
]

Codes = npt.NDArray[np.uint8]
Motifs = str | Path | Sequence[Motif]
Strand = Literal["plus", "minus", "both"]

SEEDS = 1 << 64


def chosen_motifs(
    motifs: Motifs | None, words: Sequence[str], names: Sequence[str], *, consensus: bool
) -> dict[str, str | Motif]:
    """What is to be inserted, by name.

    Parameters
    ----------
    motifs : path or sequence of Motif, optional
        A file that `kmerengine.read_motifs` reads, or what it has read.
    words : sequence of str
        A C G T, and N where the background stays; named by themselves.
    names : sequence of str
        Of the motifs, those of these names or second names; by default all.
    consensus : bool
        A motif's most probable bases, in place of a draw from it for every background.

    Raises
    ------
    InputError
        No motif, a name that is not there or twice.
    """
    given: list[Motif] = []
    if motifs is not None:
        given = read_motifs(motifs) if isinstance(motifs, str | Path) else list(motifs)
    elif names:
        raise InputError(f"names: found {names[0]!r} without motifs, expected a file that has it")
    where = str(motifs) if isinstance(motifs, str | Path) else "the motifs"
    wanted = named_motifs(given, names, where)
    found: dict[str, str | Motif] = {}
    pairs = [(each.name, each.consensus if consensus else each) for each in wanted]
    for name, motif in [*pairs, *((word.upper(), word) for word in words)]:
        if name in found:
            raise InputError(f"motifs: found {shown(name)} twice, expected every name once")
        found[name] = motif
    if not found:
        raise InputError("motifs: found none, expected --motifs or --word")
    return found


def backgrounds(dataset: Dataset, rows: npt.NDArray[np.int64], n: int, seed: int) -> Codes:
    """Dinucleotide shuffles of regions.

    Each is a function of the seed, its region, and which of the region's shuffles it is.

    Parameters
    ----------
    dataset : Dataset
    rows : int64
        Of the regions: of more than `n`, so many are drawn; of fewer, each is shuffled anew until
        there are `n`.
    n, seed : int

    Returns
    -------
    codes : uint8, shape (n, bp)
    """
    if n < 1 or not 0 <= seed < SEEDS:
        raise InputError(
            f"backgrounds: found {n} with seed {seed}, expected at least 1, and a seed of 0 or more"
        )
    drawn = np.random.default_rng([seed, 0]).permutation(rows)[:n].astype(np.int64)
    each = -(-n // len(drawn))
    order = np.argsort(drawn)  # a file is read from its start to its end
    codes = np.empty((len(drawn), dataset.sequence.shape[1]), np.uint8)
    codes[order] = dataset.sequence[drawn[order]]
    shuffled = dinucleotide_shuffle(codes, seed=seed, n=each, numbers=drawn)
    return np.ascontiguousarray(shuffled.swapaxes(0, 1).reshape(-1, codes.shape[1])[:n])


def place(models: SequenceModels, name: str, length: int, offset: int) -> int:
    """First bp of the window that the motif covers; InputError unless it lies in the window.

    Parameters
    ----------
    models : SequenceModels
    name : str
        For messages.
    length : int
        bp of the motif.
    offset : int
        bp from the window's middle to the motif's.
    """
    width = models.window[1] - models.window[0]
    position = (width - length) // 2 + offset
    start = models.in_sequence(position)
    inside = 0 <= position <= width - length and 0 <= start <= models.length - length
    if not length or not inside:
        raise InputError(
            f"motif {shown(name)}: found {length} bp from bp {position} of the window, expected a "
            f"part of its {width} bp; choose a shorter one or another offset"
        )
    return position


def inserted(
    models: SequenceModels, codes: Codes, motif: str | Motif, position: int, strand: str, seed: int
) -> Codes:
    """Backgrounds with a motif.

    On the minus strand it is the reverse complement at the mirrored place of the window: the
    window read backwards has the motif where it was. Both strands have the same draws of it.
    """
    minus = strand == "minus"
    if minus:
        position = models.window[1] - models.window[0] - position - len(motif)
    start = models.in_sequence(position)
    return marginal_sequences(codes, motif, shuffles=0, start=start, minus=minus, seed=seed).within


def strands_of(strand: Strand) -> tuple[str, ...]:
    """The strands that are predicted."""
    if strand not in ("plus", "minus", "both"):
        raise InputError(f"strand: found {strand!r}, expected plus, minus or both")
    return ("plus", "minus") if strand == "both" else (strand,)


def inputs_of(dataset: Dataset, **groups: Sequence[Run]) -> dict[str, Any]:
    """Data set and runs, for a file's provenance."""
    found: dict[str, Any] = {
        "dataset": schemas.digest(dataset.path / DATASET_ABOUT)
        | {"name": dataset.path.resolve().name}
    }
    for name, runs in groups.items():
        found[name] = [
            schemas.digest(run.path / BEST) | {"name": run.path.resolve().name} for run in runs
        ]
    return found
