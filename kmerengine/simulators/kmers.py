"""Peaks whose motifs come from latent topics, for testing a topic model of k-mers.

A topic is a set of motifs. Each peak has proportions of topics from a Dirichlet distribution; each
of its motifs takes a topic by these proportions, and one of the topic's motifs with equal
probability. Probes are short sequences of one motif each, planted in peaks or not: a model that
found the topics maps the first and not the second.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.motifs.files import read_motifs
from kmerengine.simulators.peaks import MOTIFS
from kmerengine.simulators.sequences import (
    LETTERS,
    Codes,
    Embedded,
    Matrix,
    categories,
    check_ranges,
    consensus_matrix,
    draw_bases,
    embed,
    lists,
    nullable,
    spread,
    strings,
    wrapped,
    write_embedded,
    write_fasta,
    write_table,
)

# Where no file is given; a site takes each of a letter's bases with equal probability.
CONSENSUS = {
    **MOTIFS,
    "REST": "TTCAGCACCATGGACAG",
    "MEF2A": "KCTAWAAATAGM",
    "RUNX1": "BTGTGGTTWS",
    "TEAD1": "CACATTCCAT",
    "HNF1A": "GTTAATNATTAA",
    "IRF1": "GAAASYGAAASY",
    "POU2F1": "TATGCAAATNW",
    "SRF": "CCATATWAGG",
    "YY1": "CAAGATGGCGGC",
    "TP53": "RGACATGCCY",
    "NFKB1": "GGGRNTTYCC",
    "STAT1": "TTCCNGGAA",
    "KLF4": "RGGGYGTGGC",
    "FOXA1": "TGTTTACWYW",
    "HNF4A": "CAAAGTCCA",
    "E2F1": "TTTSGCGCC",
}

NAMES = ("genome.*", "peaks.*", "embedded.*", "topics.*", "probes.*")
_SPACE = 50  # bp between peaks, and at the ends


class KmerData(NamedTuple):
    """The files written."""

    genome: Path  # FASTA, one contig
    peaks: Path  # narrowPeak
    peak_topics: Path  # Parquet: topic proportions of each peak
    embedded: Path  # Parquet: the motifs in peaks; positions count from the peak's start
    topics: Path  # Parquet: the motifs of each topic, and those that no peak has
    probes: Path  # Parquet: sequences of one motif
    probes_fasta: Path


def simulate_kmers(
    output: str | Path,
    *,
    motifs: str | Path | None = None,
    n_topics: int = 8,
    motifs_per_topic: int = 2,
    n_absent: int = 4,
    n_peaks: int = 5_000,
    width: int = 200,
    motifs_per_peak: int = 3,
    concentration: float = 0.1,
    gc: float = 0.5,
    n_probes: int = 200,
    probe_length: int = 20,
    seed: int = 0,
    force: bool = False,
) -> KmerData:
    """Write peaks with motifs of latent topics, their truth, and probes into a folder.

    Parameters
    ----------
    output : path
        The folder to make.
    motifs : path, optional
        A motif file; topics take motifs from it at random. Without one, from 22 consensus
        sequences.
    n_topics, motifs_per_topic : int
        No motif is in two topics.
    n_absent : int
        Motifs that no peak has; probes have them.
    n_peaks : int
    width : int
        bp of a peak.
    motifs_per_peak : int
        On either strand, at least 1 bp apart.
    concentration : float
        Of the Dirichlet distribution, the same for every topic; the smaller, the purer are peaks.
    gc : float
        Share of G and C between motifs.
    n_probes : int
        Probes of each motif, on either strand.
    probe_length : int
        bp; of a longer motif the part with the most information is taken.
    seed : int
        The same arguments and seed give the same bytes.
    force : bool
        Replace `output` when it exists.

    Returns
    -------
    KmerData

    Raises
    ------
    InputError
        Too few motifs, or motifs that do not fit into a peak; numbers out of range.
    """
    output = Path(output)
    check_ranges(
        {
            "--n-topics": (n_topics, 1, 10_000),
            "--motifs-per-topic": (motifs_per_topic, 1, 10_000),
            "--n-absent": (n_absent, 0, 10_000),
            "--n-peaks": (n_peaks, 1, 10**7),
            "--width": (width, 1, 10**6),
            "--motifs-per-peak": (motifs_per_peak, 1, 1_000),
            "--concentration": (concentration, 1e-3, 1e6),
            "--gc": (gc, 0, 1),
            "--n-probes": (n_probes, 0, 10**6),
            "--probe-length": (probe_length, 1, 10_000),
            "--seed": (seed, 0, 2**63),
        }
    )
    check_writable(output, force=force, folder=NAMES)
    pool, inputs = _pool(motifs)
    rng = np.random.default_rng(seed)
    n_planted = n_topics * motifs_per_topic
    if n_planted + n_absent > len(pool):
        raise InputError(
            f"--n-topics: {n_topics} topics of {motifs_per_topic} motifs and {n_absent} absent "
            f"ones need {n_planted + n_absent} motifs, found {len(pool)}; ask for fewer, or give "
            "a file of more"
        )
    names = [list(pool)[i] for i in rng.permutation(len(pool))[: n_planted + n_absent]]
    matrices = [pool[name] for name in names]
    widths = np.array([len(matrix) for matrix in matrices])
    needed = motifs_per_peak * int(widths[:n_planted].max()) + motifs_per_peak + 1
    if needed > width:
        raise InputError(
            f"--width {width}: {motifs_per_peak} motifs of up to {widths[:n_planted].max()} bp "
            f"need {needed}; widen the peaks, or plant fewer motifs"
        )
    background = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
    shares = rng.dirichlet(np.full(n_topics, concentration), n_peaks)
    sites = _sites(shares, motifs_per_peak, motifs_per_topic, widths, width, rng)
    codes = draw_bases(background, (n_peaks, width), rng)
    embed(codes, sites, matrices, rng)
    probes, probe_motif = _probes(matrices, n_probes, probe_length, background, rng)
    genome = draw_bases(background, (1, n_peaks * (width + _SPACE) + _SPACE), rng)[0]
    start = _SPACE + (width + _SPACE) * np.arange(n_peaks)
    genome[start[:, None] + np.arange(width)] = codes
    parameters = {
        "n_topics": n_topics, "motifs_per_topic": motifs_per_topic, "n_absent": n_absent,
        "n_peaks": n_peaks, "width": width, "motifs_per_peak": motifs_per_peak,
        "concentration": concentration, "gc": gc, "n_probes": n_probes,
        "probe_length": probe_length, "seed": seed,
    }  # fmt: skip
    about = schemas.provenance("simulate kmers", inputs, parameters)
    with atomic(output, force=force, folder=NAMES) as folder:
        (folder / "genome.fa").write_bytes(b">chr1\n" + wrapped(LETTERS[genome]))
        _write_peaks(folder, start, width, shares, about)
        write_embedded(folder / "embedded.parquet", sites, names, about)
        topic = np.append(np.repeat(np.arange(n_topics), motifs_per_topic), [-1] * n_absent)
        write_table(
            folder / "topics.parquet",
            schemas.topics_schema(),
            [nullable(topic), names, [_text(matrix) for matrix in matrices]],
            {**about, "format": schemas.TOPICS},
        )
        probe_names = [f"probe_{i + 1}" for i in range(len(probes))]
        write_fasta(folder / "probes.fa", probe_names, probes)
        write_table(
            folder / "probes.parquet",
            schemas.probes_schema(),
            [probe_names, categories(probe_motif, names), probe_motif < n_planted, strings(probes)],
            {**about, "format": schemas.PROBES},
        )
    return KmerData(
        output / "genome.fa",
        output / "peaks.narrowPeak",
        output / "peaks.parquet",
        output / "embedded.parquet",
        output / "topics.parquet",
        output / "probes.parquet",
        output / "probes.fa",
    )


def _pool(motifs: str | Path | None) -> tuple[dict[str, Matrix], dict[str, Any]]:
    """Motifs by name, and the file that they are from."""
    if motifs is None:
        return {name: consensus_matrix(word) for name, word in CONSENSUS.items()}, {}
    path = Path(motifs)
    found = {motif.name: motif.probabilities for motif in read_motifs(path)}
    return found, {"motifs": schemas.digest(path)}


def _sites(
    shares: npt.NDArray[np.float64],
    per_peak: int,
    per_topic: int,
    widths: npt.NDArray[np.int64],
    length: int,
    rng: np.random.Generator,
) -> Embedded:
    """The motifs of every peak by start; motif i is of topic i // per_topic."""
    below = np.cumsum(shares, axis=1)[:, None, :-1]
    topic = (rng.random((len(shares), per_peak, 1)) >= below).sum(axis=2)
    motif = per_topic * topic + rng.integers(0, per_topic, topic.shape)
    start = spread(widths[motif], length, 1, rng)
    minus = rng.integers(0, 2, topic.shape) == 1
    row = np.repeat(np.arange(len(shares)), per_peak)
    end = start + widths[motif]
    return Embedded(row, motif.ravel(), start.ravel(), end.ravel(), minus.ravel())


def _probes(
    matrices: list[Matrix],
    n: int,
    length: int,
    background: list[float],
    rng: np.random.Generator,
) -> tuple[Codes, npt.NDArray[np.int64]]:
    """n probes of each motif, which lies anywhere in them."""
    parts = [_best_part(matrix, length) for matrix in matrices]
    motif = np.repeat(np.arange(len(parts)), n)
    width = np.array([len(part) for part in parts])[motif]
    start = rng.integers(0, length - width + 1)
    minus = rng.integers(0, 2, len(motif)) == 1
    codes = draw_bases(background, (len(motif), length), rng)
    row = np.arange(len(motif))
    embed(codes, Embedded(row, motif, start, start + width, minus), parts, rng)
    return codes, motif


def _best_part(matrix: Matrix, length: int) -> Matrix:
    """`length` positions that together have the most information."""
    if len(matrix) <= length:
        return matrix
    log = np.log2(matrix, out=np.zeros_like(matrix), where=matrix > 0)
    bits = 2 + (matrix * log).sum(axis=1)
    first = int(np.argmax(np.convolve(bits, np.ones(length), "valid")))
    return matrix[first : first + length]


def _write_peaks(
    folder: Path,
    start: npt.NDArray[np.int64],
    width: int,
    shares: npt.NDArray[np.float64],
    about: dict[str, Any],
) -> None:
    """peaks.narrowPeak and peaks.parquet."""
    names = [f"peak_{i + 1}" for i in range(len(start))]
    with (folder / "peaks.narrowPeak").open("w") as file:
        for low, name in zip(start.tolist(), names, strict=True):
            file.write(f"chr1\t{low}\t{low + width}\t{name}\t0\t.\t0\t-1\t-1\t{width // 2}\n")
    zeros = np.zeros(len(start), np.int64)
    columns = [
        categories(zeros, ["chr1"]),
        start,
        start + width,
        names,
        zeros.astype(np.float64),
        categories(zeros, ["."]),
        lists(shares.astype(np.float32)),
    ]
    about = {**about, "format": schemas.PEAK_TOPICS}
    write_table(folder / "peaks.parquet", schemas.peak_topics_schema(), columns, about)


def _text(matrix: Matrix) -> str:
    """The most probable base of each position."""
    return str(LETTERS[matrix.argmax(axis=1)].tobytes(), "ascii")
