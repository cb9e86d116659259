"""Koo and Eddy's synthetic sequences: motifs of 12 transcription factors in random DNA.

Koo and Eddy 2019, Methods, "Synthetic dataset". Each sequence has a model of its own, a base
distribution per position: uniform, with some of 24 matrices (12 motifs and their reverse
complements) laid into it; one sequence is drawn from each model. A label says that a factor's
motif was laid in; occurrences by chance are not labelled.

The paper and the released code differ:

    preset   motifs per sequence                             gaps between motifs and to the ends
    paper    1 to 5, all equally likely                      at least 1 bp
    code     1 to 5 with 0.50, 0.25, 0.17, 0.05, 0.03        0 bp and more

so that a class is positive in 22.4 % or 14.6 % of the sequences.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.simulators.sequences import (
    Embedded,
    Matrix,
    check_ranges,
    draw_bases,
    embed,
    read_by_name,
    reverse_complement,
    spread,
    write_sequences,
)

Preset = Literal["paper", "code"]

# JASPAR 2016, CORE vertebrates
FACTORS = {
    "Arid3a": "MA0151.1",
    "CEBPB": "MA0466.2",
    "FOSL1": "MA0477.1",
    "Gabpa": "MA0062.2",
    "MAFK": "MA0496.1",
    "MAX": "MA0058.3",
    "MEF2A": "MA0052.3",
    "NFYB": "MA0502.1",
    "SP1": "MA0079.3",
    "SRF": "MA0083.3",
    "STAT1": "MA0137.3",
    "YY1": "MA0095.2",
}
NUMBER: dict[Preset, tuple[float, ...]] = {
    "paper": (0.2, 0.2, 0.2, 0.2, 0.2),
    "code": (0.50, 0.25, 0.17, 0.05, 0.03),
}
BUFFER: dict[Preset, int] = {"paper": 1, "code": 0}  # bp

NAMES = ("sequences.*", "embedded.*", "models.npy")


class KooData(NamedTuple):
    """The files written."""

    sequences: Path  # Parquet: name, split, sequence, labels
    fasta: Path  # the same sequences
    embedded: Path  # Parquet: which motif lies where
    models: Path  # float32, shape (n_test, 4, length): base probabilities of the test sequences


def simulate_koo(
    output: str | Path,
    *,
    motifs: str | Path,
    preset: Preset = "paper",
    n_sequences: int = 25_000,
    length: int = 200,
    number: Sequence[float] | None = None,
    buffer: int | None = None,
    seed: int = 0,
    force: bool = False,
) -> KooData:
    """Write Koo and Eddy's synthetic classification task into a folder.

    Parameters
    ----------
    output : path
        The folder to make.
    motifs : path
        JASPAR CORE 2016 vertebrates; the 12 motifs of `FACTORS` are taken from it by identifier.
    preset : "paper" or "code"
        What the paper says, or what the released code does: `number` and `buffer`.
    n_sequences : int
        Sequences in all: 70 % train, 10 % validation, 20 % test.
    length : int
        bp of a sequence.
    number : sequence of float, optional
        Probabilities of 1, 2, 3 ... motifs in a sequence.
    buffer : int, optional
        bp that at least lie between two motifs and between a motif and an end.
    seed : int
        The same arguments and seed give the same bytes.
    force : bool
        Replace `output` when it exists.

    Returns
    -------
    KooData

    Raises
    ------
    InputError
        Motifs that are missing, or that do not fit into a sequence; numbers out of range.

    Notes
    -----
    Gaps are the paper's code's: n + 1 uniform numbers, scaled to the free length and rounded, drawn
    again until they add up to it.
    """
    output, motifs = Path(output), Path(motifs)
    if preset not in get_args(Preset):
        raise InputError(f"--preset {preset}: expected {' or '.join(get_args(Preset))}")
    chance = np.array(NUMBER[preset] if number is None else number, np.float64)
    buffer = BUFFER[preset] if buffer is None else buffer
    check_ranges(
        {
            "--n-sequences": (n_sequences, 10, 10**8),
            "--length": (length, 1, 10**6),
            "--buffer": (buffer, 0, 10**6),
            "--seed": (seed, 0, 2**63),
        }
    )
    if not len(chance) or not (chance >= 0).all() or not np.isclose(chance.sum(), 1):
        raise InputError(
            f"--number {','.join(map(str, chance))}: expected probabilities of 1, 2, ... motifs "
            "that add up to 1"
        )
    check_writable(output, force=force, folder=NAMES)
    found = read_by_name(motifs, list(FACTORS.values()))
    matrices = [motif.probabilities for motif in found]
    longest = max(map(len, matrices))
    most = int(np.flatnonzero(chance).max()) + 1
    if most * longest + (most + 1) * buffer > length:
        raise InputError(
            f"--length {length}: {most} motifs of up to {longest} bp with {buffer} bp around each "
            f"need {most * longest + (most + 1) * buffer}; lengthen the sequences"
        )
    sizes = (n_sequences * 7 // 10, n_sequences // 10)
    sizes3 = (*sizes, n_sequences - sum(sizes))
    rng = np.random.default_rng(seed)
    sites = _lay_out(n_sequences, length, chance, buffer, np.array(list(map(len, matrices))), rng)
    codes = draw_bases(np.full(4, 0.25), (n_sequences, length), rng)
    embed(codes, sites, matrices, rng)
    labels = np.zeros((n_sequences, len(FACTORS)), np.uint8)
    labels[sites.row, sites.motif] = 1
    parameters = {
        "preset": preset, "n_sequences": n_sequences, "length": length,
        "number": chance.tolist(), "buffer": buffer, "seed": seed,
    }  # fmt: skip
    about = schemas.provenance("simulate koo", {"motifs": schemas.digest(motifs)}, parameters)
    about |= {"classes": list(FACTORS), "identifiers": FACTORS}
    with atomic(output, force=force, folder=NAMES) as folder:
        write_sequences(folder, sizes3, codes, labels, sites, list(FACTORS), about)
        np.save(folder / "models.npy", _models(sites, matrices, sum(sizes), n_sequences, length))
    return KooData(
        output / "sequences.parquet",
        output / "sequences.fa",
        output / "embedded.parquet",
        output / "models.npy",
    )


def _lay_out(
    n_sequences: int,
    length: int,
    chance: npt.NDArray[np.float64],
    buffer: int,
    widths: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Embedded:
    """Which motif lies where, in which direction."""
    most = len(chance)
    n_motifs = 1 + rng.choice(most, n_sequences, p=chance / chance.sum())
    used = np.arange(most) < n_motifs[:, None]
    motif = rng.integers(0, len(widths), (n_sequences, most))
    minus = rng.integers(0, 2, (n_sequences, most)) == 1
    width = np.where(used, widths[motif], 0)
    start = spread(width, length, buffer, rng)
    row, column = np.nonzero(used)
    at = (row, column)
    return Embedded(row, motif[at], start[at], (start + width)[at], minus[at])


def _models(
    sites: Embedded, matrices: list[Matrix], first: int, end: int, length: int
) -> npt.NDArray[np.float32]:
    """Base probabilities of sequences [first, end), shape (n, 4, length)."""
    models = np.full((end - first, 4, length), 0.25, np.float32)
    for number, matrix in enumerate(matrices):
        for minus in (False, True):
            part = (sites.motif == number) & (sites.minus == minus) & (sites.row >= first)
            laid = reverse_complement(matrix) if minus else matrix
            columns = sites.start[part, None] + np.arange(len(matrix))
            models[sites.row[part, None] - first, :, columns] = laid
    return models
