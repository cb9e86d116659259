"""A synthetic ATAC-seq experiment of several cell types, whose truth is known.

    genome.fa            contigs with planted motifs (`atac_genome`)
    peaks.narrowPeak     the open regions, with summits
    CELL_TYPE.bam        proper pairs, coordinate-sorted, not shifted
    sites.parquet        every motif: open or closed, bound or not, footprints by cell type
    peaks.parquet        every peak: its pioneer, accessibility and expected cuts by cell type
    cell_types.parquet   activity of each factor in each cell type
    sampling.parquet     the best auROC of bound against unbound sites (`atac_auroc`)
    rates.npy            float32, shape (n_peaks, n_cell_types, 1000): expected cuts at each bp
                         around the summits, which are at 500 (`atac_rates`)
    bias.npy             float32, shape (n_peaks, 1000): logarithm of Tn5's preference there
"""

from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.bam_write import write_bam
from kmerengine.parallel import available_threads, in_order
from kmerengine.simulators import atac_tables as tables
from kmerengine.simulators.atac_auroc import by_setting
from kmerengine.simulators.atac_genome import (
    FIRST_COFACTOR,
    FIRST_TF,
    NAMES,
    Chances,
    Contig,
    make_contig,
)
from kmerengine.simulators.atac_library import WIDTH, Library
from kmerengine.simulators.atac_rates import CellType, tn5_bias
from kmerengine.simulators.sequences import LETTERS, check_ranges, wrapped

Floats = npt.NDArray[np.float64]

READ = 36  # bp; no fragment is shorter
FILES = (
    *("genome.*", "peaks.*", "sites.*", "cell_types.*", "sampling.*", "rates.npy", "bias.npy"),
    "cell_*.bam*",
)
_STRENGTH = 0.5  # sd of the logarithm of a peak's strength
_PIONEER_ACTIVITY = (0.2, 1.0)
_TF_ACTIVITY = (0.3, 1.0)  # in the cell types that have the factor; every third one lacks it


class AtacData(NamedTuple):
    """The files written."""

    genome: Path
    peaks: Path
    bams: list[Path]  # one per cell type
    sites: Path
    peak_truth: Path
    cell_types: Path
    sampling: Path
    rates: Path
    bias: Path


def simulate_atac(
    output: str | Path,
    *,
    n_contigs: int = 5,
    contig_length: int = 2_000_000,
    n_cell_types: int = 8,
    n_peaks: int = 2_000,
    sites_per_tf: int = 10_000,
    n_decoys: int = 2_000,
    p_open: float = 0.05,
    p_cofactor: float = 0.3,
    p_bound_cofactor: float = 0.9,
    p_bound_open: float = 0.15,
    p_bound_closed: float = 0.001,
    gc_open: float = 0.48,
    gc_closed: float = 0.38,
    depth: float = 12.0,
    signal: float = 5.0,
    gain: float = 0.0,
    footprint: float = 0.8,
    bias: float = 0.8,
    seed: int = 0,
    threads: int | None = None,
    force: bool = False,
) -> AtacData:
    """Write a synthetic ATAC-seq experiment and its truth into a folder.

    Parameters
    ----------
    output : path
        The folder to make.
    n_contigs, contig_length : int
        Contigs chr1, chr2, ... and the bp of each.
    n_cell_types : int
        cell_1, cell_2, ...; they differ in the activity of pioneers and of the other factors.
    n_peaks : int
        Open regions in all, each with one pioneer motif. Their accessibility follows the
        pioneer's activity.
    sites_per_tf : int
        Motifs of each of the four factors in all.
    n_decoys : int
        Places of a word that Tn5 prefers and no factor binds, half of them in open DNA.
    p_open, p_cofactor : float
        Probability that a site is within 300 bp of a pioneer motif, and that it has a co-factor's
        motif beside it; independent of each other.
    p_bound_cofactor, p_bound_open, p_bound_closed : float
        Probability that a site is bound: open with a co-factor, open without, closed.
    gc_open, gc_closed : float
        Share of G and C within 300 bp of pioneer motifs, and elsewhere.
    depth : float
        Median over the peaks of the expected cuts in 250 bp around the summit, for each cell type.
    signal : float
        Accessibility at the summit of a usual peak over that of closed DNA, per fragment end.
    gain : float
        What each bound factor of activity 1 adds to the cuts of its peak, relative to those that
        the pioneer gives; by default bound and unbound sites differ by their footprints alone.
    footprint : float
        Share of cuts that a bound factor of activity 1 keeps off its motif and 2 bp beside it; the
        12 bp on both sides gain as many.
    bias : float
        Standard deviation, about, of the logarithm of Tn5's preference; 0 for none.
    seed : int
        The same arguments and seed give the same bytes.
    threads : int, optional
        That work on cell types; by default the processors this process may use.
    force : bool
        Replace `output` when it exists.

    Returns
    -------
    AtacData

    Raises
    ------
    InputError
        Arguments out of range; peaks or sites that do not fit; an output that cannot be written.
    """
    output = Path(output)
    parameters = {
        name: value
        for name, value in locals().items()
        if name not in ("output", "threads", "force")
    }
    _check(parameters)
    n_threads = available_threads() if threads is None else threads
    if n_threads < 1:
        raise InputError(f"threads: found {n_threads}, expected at least 1")
    check_writable(output, force=force, folder=FILES)
    chances = Chances(p_open, p_cofactor, (p_bound_cofactor, p_bound_open, p_bound_closed))
    rng = np.random.default_rng(seed)
    contigs = [
        make_contig(
            f"chr{i + 1}",
            contig_length,
            _share(n_peaks, i, n_contigs),
            _share(sites_per_tf, i, n_contigs),
            _share(n_decoys, i, n_contigs),
            chances,
            (gc_open, gc_closed),
            rng,
        )
        for i in range(n_contigs)
    ]
    strength = [np.exp(rng.normal(0, _STRENGTH, len(contig.summits))) for contig in contigs]
    cells = _cell_types(n_cell_types, footprint, rng)
    log_bias = [tn5_bias(contig.codes, bias) for contig in contigs]
    around = _around(contigs, log_bias)
    preference = [np.exp(each).astype(np.float32) for each in log_bias]
    del log_bias
    n_sites = [len(contig.sites.start) for contig in contigs]
    truth = tables.Truth((n_peaks, n_cell_types, WIDTH), n_sites)
    about = schemas.provenance("simulate atac", {}, parameters)
    about |= {"cell_types": [cell.name for cell in cells]}
    with atomic(output, force=force, folder=FILES) as folder:
        with (folder / "genome.fa").open("wb") as file:
            for contig in contigs:
                file.write(f">{contig.name}\n".encode() + wrapped(LETTERS[contig.codes]))

        def sequence(number: int) -> int:
            """Write the reads of a cell type; a column of the truth is its own."""
            library = Library(contigs, strength, preference, cells[number], signal, gain)
            n_primary = library.measure(depth, truth, number)
            return write_bam(
                folder / f"{cells[number].name}.bam",
                {contig.name: contig_length for contig in contigs},
                library.draw(n_primary, np.random.default_rng([seed, number + 1])),
                read_length=READ,
                sample=cells[number].name,
            )

        with closing(in_order(sequence, range(n_cell_types), n_threads)) as written:
            about["fragments"] = {cell.name: n for cell, n in zip(cells, written, strict=True)}
        np.save(folder / "rates.npy", truth.rates)
        np.save(folder / "bias.npy", around)
        tables.write_peaks(folder, contigs, strength, truth, about)
        tables.write_sites(folder / "sites.parquet", contigs, truth, about)
        tables.write_cell_types(folder / "cell_types.parquet", cells, about)
        tables.write_sampling(folder / "sampling.parquet", by_setting(contigs, chances), about)
    return AtacData(
        output / "genome.fa",
        output / "peaks.narrowPeak",
        [output / f"{cell.name}.bam" for cell in cells],
        output / "sites.parquet",
        output / "peaks.parquet",
        output / "cell_types.parquet",
        output / "sampling.parquet",
        output / "rates.npy",
        output / "bias.npy",
    )


def _share(total: int, i: int, n: int) -> int:
    """Part i of n parts that are as equal as they can be."""
    return total * (i + 1) // n - total * i // n


def _cell_types(n: int, footprint: float, rng: np.random.Generator) -> list[CellType]:
    """Pioneers are active everywhere, more or less; every third cell type lacks a factor."""
    activity = np.zeros((n, len(NAMES)))
    activity[:, :FIRST_TF] = rng.uniform(*_PIONEER_ACTIVITY, (n, FIRST_TF))
    for motif in range(FIRST_TF, FIRST_COFACTOR):
        has = rng.permutation(n) >= n // 3
        activity[has, motif] = rng.uniform(*_TF_ACTIVITY, has.sum())
    return [CellType(f"cell_{i + 1}", row, footprint * row) for i, row in enumerate(activity)]


def _around(contigs: list[Contig], tracks: list[Floats]) -> npt.NDArray[np.float32]:
    """Tracks around the summits, float32, shape (n_peaks, WIDTH)."""
    rows = [
        track[contig.summits[:, None] + np.arange(-WIDTH // 2, WIDTH // 2)]
        for contig, track in zip(contigs, tracks, strict=True)
    ]
    return np.concatenate(rows).astype(np.float32)


def _check(given: dict[str, Any]) -> None:
    ranges = {
        "n_contigs": (1, 10_000), "contig_length": (10_000, 2**29), "n_cell_types": (1, 1_000),
        "n_peaks": (1, 10**7), "sites_per_tf": (0, 10**8), "n_decoys": (0, 10**8),
        "depth": (1e-6, 1e6), "signal": (0, 1e3), "gain": (0, 100), "footprint": (0, 0.95),
        "bias": (0, 2), "seed": (0, 2**63),
    }  # fmt: skip
    chances = [name for name in given if name.startswith(("p_", "gc_"))]
    limits = ranges | dict.fromkeys(chances, (0, 1))
    check_ranges({f"--{name.replace('_', '-')}": (given[name], *limits[name]) for name in limits})
