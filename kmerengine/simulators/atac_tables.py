"""The truth of a simulated ATAC experiment as tables."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.simulators.atac_genome import FIRST_COFACTOR, NAMES, ROLE_OF, ROLES, Contig
from kmerengine.simulators.atac_rates import CellType
from kmerengine.simulators.sequences import categories, lists, nullable, write_table

PEAK = 500  # bp around a summit


class Truth:
    """What differs between cell types, filled in one by one; float32.

    Of `rates` the shape is (n_peaks, n_cell_types, bp), of the others (n_peaks or n_sites,
    n_cell_types).
    """

    def __init__(self, shape: tuple[int, int, int], n_sites: list[int]) -> None:
        n_peaks, n_cell_types, _ = shape
        self.rates = np.zeros(shape, np.float32)
        self.accessibility = np.zeros((n_peaks, n_cell_types), np.float32)
        self.expected = np.zeros((n_peaks, n_cell_types), np.float32)
        self.footprint = [np.zeros((n, n_cell_types), np.float32) for n in n_sites]


def write_peaks(
    folder: Path,
    contigs: list[Contig],
    strength: list[npt.NDArray[np.float64]],
    truth: Truth,
    about: dict[str, Any],
) -> None:
    """peaks.narrowPeak and peaks.parquet."""
    summit = np.concatenate([contig.summits for contig in contigs])
    number = np.repeat(np.arange(len(contigs)), [len(contig.summits) for contig in contigs])
    names = [f"peak_{i + 1}" for i in range(len(summit))]
    signal = np.concatenate(strength)
    score = np.clip(np.rint(200 * signal), 0, 1000).astype(np.int64)
    start = summit - PEAK // 2
    rows = zip(number.tolist(), start.tolist(), names, score.tolist(), signal.tolist(), strict=True)
    with (folder / "peaks.narrowPeak").open("w") as file:
        for contig, low, name, points, value in rows:
            file.write(
                f"{contigs[contig].name}\t{low}\t{low + PEAK}\t{name}\t{points}\t.\t{value:.4f}"
                f"\t-1\t-1\t{PEAK // 2}\n"
            )
    columns = [
        categories(number, [contig.name for contig in contigs]),
        start,
        start + PEAK,
        names,
        score.astype(np.float64),
        categories(np.zeros(len(start), np.int8), ["."]),
        summit,
        categories(np.concatenate([contig.pioneer for contig in contigs]), NAMES),
        lists(truth.accessibility),
        lists(truth.expected),
    ]
    about = {**about, "format": schemas.PEAKS}
    write_table(folder / "peaks.parquet", schemas.simulated_peaks_schema(), columns, about)


def write_sites(path: Path, contigs: list[Contig], truth: Truth, about: dict[str, Any]) -> None:
    """sites.parquet; rows of peaks and of sites are those of the whole tables."""
    peak, of = [], []
    n_peaks = n_sites = 0
    for contig in contigs:
        sites = contig.sites
        peak.append(np.where(sites.peak >= 0, sites.peak + n_peaks, -1))
        of.append(np.where(sites.of >= 0, sites.of + n_sites, -1))
        n_peaks += len(contig.summits)
        n_sites += len(sites.start)

    def whole(name: str) -> Any:
        return np.concatenate([getattr(contig.sites, name) for contig in contigs])

    number = np.repeat(np.arange(len(contigs)), [len(contig.sites.start) for contig in contigs])
    columns = [
        categories(number, [contig.name for contig in contigs]),
        whole("start"),
        whole("end"),
        categories(whole("minus").astype(np.int8), ["+", "-"]),
        categories(whole("motif"), NAMES),
        categories(ROLE_OF[whole("motif")], list(ROLES)),
        whole("is_open"),
        whole("cofactor"),
        whole("bound"),
        *(nullable(np.concatenate(each)) for each in (peak, of)),
        lists(np.concatenate(truth.footprint)),
    ]
    write_table(path, schemas.sites_schema(), columns, {**about, "format": schemas.SITES})


def write_cell_types(path: Path, cells: list[CellType], about: dict[str, Any]) -> None:
    """cell_types.parquet: one row per cell type and factor."""
    motifs = np.tile(np.arange(FIRST_COFACTOR), len(cells))
    columns = [
        categories(np.repeat(np.arange(len(cells)), FIRST_COFACTOR), [c.name for c in cells]),
        categories(motifs, NAMES),
        np.concatenate([cell.activity[:FIRST_COFACTOR] for cell in cells]).astype(np.float32),
        np.concatenate([cell.footprint[:FIRST_COFACTOR] for cell in cells]).astype(np.float32),
    ]
    write_table(path, schemas.cell_types_schema(), columns, {**about, "format": schemas.CELL_TYPES})


def write_sampling(path: Path, aurocs: dict[str, float], about: dict[str, Any]) -> None:
    """sampling.parquet."""
    columns = [list(aurocs), list(aurocs.values())]
    write_table(path, schemas.sampling_schema(), columns, {**about, "format": schemas.SAMPLING})
