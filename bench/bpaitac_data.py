"""Simulated ATAC-seq of several cell types, four times: what is in the profiles differs.

    A   Poisson cuts of the simulator's rates: dips at bound factors, as deep as they are active
    B   the same totals spread by Tn5's preference alone
    C   the counts of A with the positions of each region permuted, the same for all cell types
    D   A without its dips: Tn5's preference and the shape of the peak around its pioneer

Totals are the same numbers in all. Genome, sites, rates and Tn5's preference are those of
`kmerengine.simulate_atac`; cell types and strengths of peaks are drawn here, so that they come in
lineages and that depth and spread are those of real data (`Facts`). The truth is in `truth.npz`.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import kmerengine
from kmerengine import schemas
from kmerengine.cut_sites.track import cut_batches
from kmerengine.io.atomic import atomic
from kmerengine.io.tables import table_writer
from kmerengine.simulators.atac_genome import (
    FIRST_COFACTOR,
    FIRST_TF,
    NAMES,
    Chances,
    Contig,
    make_contig,
)
from kmerengine.simulators.atac_library import CENTRE, WIDTH, Library
from kmerengine.simulators.atac_rates import CellType, tn5_bias
from kmerengine.simulators.atac_tables import Truth
from kmerengine.simulators.sequences import LETTERS, wrapped

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SETS = ("A", "B", "C", "D")
ABOUT = "experiment.json"  # written last
LOW = (WIDTH - CENTRE) // 2  # of the centre, bp from the start of the rates


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is simulated.

    Attributes
    ----------
    n_contigs, peaks_per_contig : int
        The last contig tests, the one before it validates.
    n_lineages, cells_per_lineage : int
        Two of three lineages have a factor; the cell types of one differ a little.
    sites_per_peak : float
        Motifs of each of the four factors for each peak; about three in eight of them are bound.
    input_width : int
        bp of sequence.
    depth : float
        Median over the peaks of the expected cuts of a cell type in the 250 bp.
    strength : float
        Standard deviation of the logarithm of a peak's strength.
    signal, gain, footprint, bias : float
        As of `kmerengine.simulate_atac`.
    noise : float
        Standard deviation of the logarithm of what changes a total beside its sequence, drawn for
        each peak and cell type: counts vary more than Poisson's, as those of replicates do.
    """

    n_contigs: int = 10
    peaks_per_contig: int = 300
    n_lineages: int = 8
    cells_per_lineage: int = 2
    sites_per_peak: float = 1.25
    input_width: int = 400
    depth: float = 13.0
    strength: float = 0.5
    signal: float = 30.0
    gain: float = 15.0
    footprint: float = 0.9
    bias: float = 0.8
    noise: float = 0.6

    @property
    def samples(self) -> list[str]:
        """Names of the cell types, lineage by lineage."""
        return [name for names in self.lineages.values() for name in names]

    @property
    def lineages(self) -> dict[str, list[str]]:
        """Cell types of each lineage."""
        cells = range(1, self.cells_per_lineage + 1)
        return {
            f"lineage_{i}": [f"cell_{i}_{j}" for j in cells] for i in range(1, self.n_lineages + 1)
        }


class Counts(NamedTuple):
    """What is drawn; arrays of (peaks, cell types, 250), of `rates` and `totals` without bp."""

    A: Ints
    B: Ints
    C: Ints
    D: Ints
    rates: Floats  # expected totals


def make(folder: Path, experiment: Experiment, seed: int) -> None:
    """Write the data sets A, B, C and D, and the truth, into a folder; nothing if they are there.

    A folder of another experiment or seed is replaced, with what was trained on it.

    truth.npz: `rates`, float32, shape (peaks, cell types), the expected total of each example, in
    the order of the data sets' rows.
    """
    about = json.dumps(asdict(experiment) | {"seed": seed}, indent=1)
    if (folder / ABOUT).exists() and (folder / ABOUT).read_text() == about:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    contigs = genome(experiment, rng)
    strength = [np.exp(rng.normal(0, experiment.strength, len(c.summits))) for c in contigs]
    log_bias = [tn5_bias(contig.codes, experiment.bias) for contig in contigs]
    counts = draw(contigs, strength, log_bias, cell_types(experiment, rng), experiment, rng)
    with atomic(folder / "genome.fa", force=True) as path, path.open("wb") as file:
        for contig in contigs:
            file.write(f">{contig.name}\n".encode() + wrapped(LETTERS[contig.codes]))
    starts = [contig.summits - CENTRE // 2 for contig in contigs]
    with atomic(folder / "peaks.bed", force=True) as path, path.open("w") as file:
        for contig, each in zip(contigs, starts, strict=True):
            file.writelines(f"{contig.name}\t{at}\t{at + CENTRE}\n" for at in each.tolist())
    at = [each[:, None] + np.arange(CENTRE) for each in starts]
    around = [track[where] for track, where in zip(log_bias, at, strict=True)]
    np.save(folder / "bias.npy", np.concatenate(around).astype(np.float32))
    for name in SETS:
        _write_cuts(folder / f"{name}.parquet", contigs, at, getattr(counts, name), experiment)
        kmerengine.dataset(
            folder / "peaks.bed",
            output=folder / name,
            genome=folder / "genome.fa",
            cuts=folder / f"{name}.parquet",
            bias=folder / "bias.npy",
            split=[f"validation={contigs[-2].name}", f"test={contigs[-1].name}"],
            width=CENTRE,
            window=CENTRE,
            input_width=experiment.input_width,
            force=True,
        )
    with atomic(folder / "truth.npz", force=True) as path, path.open("wb") as file:
        np.savez(file, rates=counts.rates.astype(np.float32))
    (folder / ABOUT).write_text(about)


def cell_types(experiment: Experiment, rng: np.random.Generator) -> list[CellType]:
    """Pioneers are more or less active in each lineage, other factors active or lacking; the cell
    types of a lineage differ a little.
    """
    n = experiment.n_lineages
    found = []
    level = np.zeros((n, len(NAMES)))
    level[:, :FIRST_TF] = np.exp(rng.uniform(np.log(0.1), 0.0, (n, FIRST_TF)))
    for factor in range(FIRST_TF, FIRST_COFACTOR):
        has = rng.permutation(n) >= n // 3
        level[has, factor] = rng.uniform(0.3, 1.0, has.sum())
    for lineage, names in enumerate(experiment.lineages.values()):
        for name in names:
            activity = np.minimum(level[lineage] * np.exp(rng.normal(0, 0.3, len(NAMES))), 1.0)
            found.append(CellType(name, activity, experiment.footprint * activity))
    return found


def draw(
    contigs: list[Contig],
    strength: list[Floats],
    log_bias: list[Floats],
    cells: list[CellType],
    experiment: Experiment,
    rng: np.random.Generator,
) -> Counts:
    """Totals of each peak and cell type, and how they lie in A, B, C and D."""
    preference = [np.exp(each).astype(np.float32) for each in log_bias]
    n_peaks = sum(len(contig.summits) for contig in contigs)
    n_sites = [len(contig.sites.start) for contig in contigs]

    def rates(of: list[CellType]) -> Floats:
        truth = Truth((n_peaks, len(of), WIDTH), n_sites)
        for number, cell in enumerate(of):
            library = Library(
                contigs, strength, preference, cell, experiment.signal, experiment.gain
            )
            library.measure(experiment.depth, truth, number)
        return truth.rates[:, :, LOW : LOW + CENTRE].astype(np.float64)

    bound = rates(cells)
    free = rates([cell._replace(footprint=np.zeros(len(NAMES))) for cell in cells])
    expected = bound.sum(axis=2)
    shape = expected.shape
    totals = rng.poisson(expected * np.exp(rng.normal(0, experiment.noise, shape)))
    a = _spread(totals, bound, rng)
    by_bias = [
        each[contig.summits[:, None] + np.arange(-CENTRE // 2, CENTRE // 2)].astype(np.float64)
        for contig, each in zip(contigs, preference, strict=True)
    ]
    b = _spread(totals, np.broadcast_to(np.concatenate(by_bias)[:, None], bound.shape), rng)
    order = rng.permuted(np.tile(np.arange(CENTRE), (n_peaks, 1)), axis=1)
    c = np.take_along_axis(a, order[:, None], axis=2)
    return Counts(a, b, c, _spread(totals, free, rng), expected)


def _spread(totals: Ints, rates: Floats, rng: np.random.Generator) -> Ints:
    """Totals over bp, each cut by itself."""
    found: Ints = rng.multinomial(totals, rates / rates.sum(axis=2, keepdims=True))
    return found


def genome(experiment: Experiment, rng: np.random.Generator) -> list[Contig]:
    """Contigs with a peak in every 1,000 bp; all sites lie in open DNA, the rest no model sees."""
    n_sites = round(experiment.sites_per_peak * experiment.peaks_per_contig)
    return [
        make_contig(
            f"chr{i + 1}",
            1_000 * experiment.peaks_per_contig + 1_000,
            experiment.peaks_per_contig,
            n_sites,
            n_sites // 3,
            Chances(1.0, 0.3, (0.9, 0.15, 0.0)),
            (0.48, 0.38),
            rng,
        )
        for i in range(experiment.n_contigs)
    ]


def _write_cuts(
    path: Path, contigs: list[Contig], at: list[Ints], counts: Ints, experiment: Experiment
) -> None:
    """The counts as `kmerengine cuts` writes cuts; all are of plus reads, whose sums count."""
    lengths = {contig.name: len(contig.codes) for contig in contigs}
    samples = experiment.samples
    document = schemas.provenance("simulated cuts", {}, asdict(experiment)) | {
        "format": schemas.CUTS, "samples": samples, "contigs": list(lengths.items()),
        "lengths_known": True, "shift": "+4/-5", "reads": {},
    }  # fmt: skip
    schema = schemas.with_metadata(schemas.cuts_schema(), document)
    first = np.cumsum([0, *map(len, at)])
    with (
        atomic(path, force=True) as temporary,
        table_writer(temporary, schema, ".parquet") as writer,
    ):
        for sample in range(len(samples)):
            pieces = []
            for number, where in enumerate(at):
                some = counts[first[number] : first[number + 1], sample]
                keys = where[some > 0].astype(np.uint64) << np.uint64(1)
                pieces.append((number, (keys, some[some > 0].astype(np.uint32))))
            for batch in cut_batches(schema, sample, samples, lengths, pieces):
                writer.write(batch)


def facts(folder: Path) -> dict[str, float]:
    """How real the data look: of ImmGen's 124 regions and 90 cell types in brackets.

    `median_total` is the median over cell types of the median over regions (12 to 13), `sd_log1p`
    the mean over regions of the standard deviation of log(1 + total) across cell types (1.0),
    `zeros` the share of regions and cell types without a cut (0.10). `low` and `high` are the
    totals that 5 and 95 of 100 regions and cell types stay below (0 and about 240).
    """
    totals = kmerengine.Dataset.open(folder / "A").totals
    rates = np.load(folder / "truth.npz")["rates"]
    return {
        "median_total": float(np.median(np.median(totals, axis=0))),
        "sd_log1p": float(np.log1p(totals).std(axis=1).mean()),
        "sd_log1p_rate": float(np.log1p(rates).std(axis=1).mean()),
        "zeros": float((totals == 0).mean()),
        "low": float(np.quantile(totals, 0.05)),
        "high": float(np.quantile(totals, 0.95)),
    }
