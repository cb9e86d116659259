"""What cuts add to bases where binding leaves footprints, and what DeepATAC's attributions say.

    python -m bench.deepatac_footprints [--only auprc|attribution]
    python -m bench.deepatac_footprints --show      the tables of docs/deepatac.md

Windows are those of `bench.deepatac_data`. Four small networks of the same sizes, on one thread:

    both, dna, atac     on bases and cuts, on bases, on cuts
    without             on bases and cuts of the same genome, simulated without footprints

Parts, each a set of rows of results/models/deepatac.json:

    auprc          of each factor, beside the share of positives and motif hits in open DNA
    attribution    integrated gradients of cuts in and beside motifs of bound test windows

Finished data and networks are kept, so it can be stopped and started anew.
"""

import argparse
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

import kmerengine
import modelkit
from bench.data import WORK
from bench.deepatac_data import FACTOR_NAMES, WIDTH, Design, make, motifs, sites_of
from bench.deepatac_table import put, tables
from bench.harness import RESULTS, Row, append_rows, read_rows, say
from bench.machine import ROOT, describe_commit, describe_machine, describe_versions
from kmerengine.simulators.atac_rates import DIP, SHOULDER
from modelkit.inference.compare import Comparison
from modelkit.metrics import bootstrap

OP = "deepatac"
PATH = RESULTS / "models" / f"{OP}.json"
DOCUMENT = ROOT / "docs" / "deepatac.md"
FOLDER = WORK / "deepatac"
PARTS = ("auprc", "attribution")
DESIGNS = {"footprints": Design(), "none": Design(footprint=0.0)}
RUNS = {
    "both": ("footprints", "both"), "dna": ("footprints", "dna"), "atac": ("footprints", "atac"),
    "without": ("none", "both"),
}  # fmt: skip
CONFIG = [
    "network.filters=[32, 48, 64]", "network.dense=64", "network.dropouts=[0.1, 0.1, 0.2]",
    "network.norm_momentum=0.1", "data.reverse_complement=true", "training.epochs=12",
    "training.batch_size=32", "training.learning_rate=2e-3",
]  # fmt: skip
SURE = 0.95  # predicted probability of the windows that are explained, at least (the paper's)
MOST = 25  # windows of each factor
STEPS = 256

Floats = npt.NDArray[np.float64]


def data_of(run: str) -> kmerengine.Dataset:
    """What a run is of."""
    name = RUNS[run][0]
    return make(FOLDER / name, DESIGNS[name])


def trained(run: str) -> modelkit.Run:
    """A run, trained unless it is there."""
    path = FOLDER / run
    try:
        found = modelkit.Run.open(path)
        if found.about["status"] == "finished":
            return found
    except kmerengine.InputError:
        pass
    changes = [*CONFIG, f"network.inputs={RUNS[run][1]}"]
    config = modelkit.read_config(model="deepatac", changes=changes)
    made = modelkit.train(config, data_of(run), path, device="cpu", threads=1, force=True)
    best = made.about["best"]
    say(f"{run}: {best['metric']} {best['value']:.3f} of epoch {best['epoch']}")
    return made


def compared() -> Comparison:
    """The runs of bases and cuts on the test windows, and hits of the true motifs in open DNA."""
    folder = FOLDER / "footprints"
    hits = FOLDER / "hits.parquet"
    kmerengine.scan(
        folder / "simulated" / "genome.fa", motifs(), folder / "windows.bed", output=hits, p=1e-4,
        q=0.05, threads=1, force=True,
    )  # fmt: skip
    return modelkit.compare(
        {name: trained(name) for name in ("both", "dna", "atac")}, data_of("both"),
        FOLDER / "compared", hits=hits, motifs={name: name for name in FACTOR_NAMES},
        peaks=folder / "open.bed", within_regions=folder / "open.bed", device="cpu", force=True,
    )  # fmt: skip


def auprc() -> list[Row]:
    """Of each factor and model."""
    made = compared()
    sizes = {
        name: sum(p.numel() for p in trained(name).network().parameters())
        for name in ("both", "dna", "atac")
    }
    rows: list[Row] = [
        {"part": "auprc", **row, "parameters": sizes.get(row["model"], 0)}
        for row in made.by_factor.to_pylist()
    ]
    for wins in made.wins:
        rows.append({"part": "wins", **wins._asdict()})
        say(str(wins))
    return rows


class Window(NamedTuple):
    """A bound site that lies with its surroundings in a test window."""

    row: int  # of the data set
    factor: str
    inside: slice  # the motif and what is covered beside it, bp of the window


def windows(scores: Floats, rows: npt.NDArray[np.int64], data: kmerengine.Dataset) -> list[Window]:
    """Windows of bound sites that the run on both is sure of, the first of each factor."""
    sites = sites_of(FOLDER / "footprints").filter(pl.col("bound") & (pl.col("role") == "tf"))
    regions = data.regions
    chroms, starts = regions["chrom"].to_pylist(), regions["start"].to_numpy()
    least = np.log(SURE / (1 - SURE))
    found = []
    for k, factor in enumerate(FACTOR_NAMES):
        mine = sites.filter(pl.col("motif") == factor)
        by_chrom = {
            str(c): table.select("start", "end").to_numpy()
            for (c,), table in mine.group_by("chrom")
        }
        chosen: list[Window] = []
        for row in rows[scores[:, k] > least].tolist():
            low = starts[row]
            reach = DIP + SHOULDER
            for start, end in by_chrom[chroms[row]].tolist():
                if low <= start - reach and end + reach <= low + WIDTH:
                    chosen.append(Window(row, factor, slice(start - DIP - low, end + DIP - low)))
                    break
        found += chosen[:MOST]
    return found


class Means(NamedTuple):
    """Mean attribution of a cut channel's base in a window; NaN where there is none of a kind."""

    inside: float
    inside_absent: float
    inside_present: float
    flank_absent: float
    flank_present: float
    far: float


def means(scores: Floats, cuts: npt.NDArray[np.bool_], inside: slice) -> Means:
    """Of one window: attributions and whether there is a cut, shape (2, bp) each."""
    position = np.arange(scores.shape[1])
    within = (position >= inside.start) & (position < inside.stop)
    near = (position >= inside.start - SHOULDER) & (position < inside.stop + SHOULDER)

    def mean(where: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_] | None = None) -> float:
        chosen = np.broadcast_to(where, scores.shape) & (True if of is None else of)
        return float(scores[chosen].mean()) if chosen.any() else float("nan")

    flank = near & ~within
    return Means(
        mean(within), mean(within, ~cuts), mean(within, cuts), mean(flank, ~cuts),
        mean(flank, cuts), mean(~near),
    )  # fmt: skip


def attribution() -> list[Row]:
    """Of cuts in and beside motifs, with footprints and without."""
    made = compared()
    chosen = windows(made.scores["both"], made.rows, data_of("both"))
    found: list[Row] = []
    for run in ("both", "without"):
        data, values = data_of(run), []
        missed: list[Floats] = []
        assert data.counts is not None
        for factor in FACTOR_NAMES:
            mine = {window.row: window for window in chosen if window.factor == factor}
            output = FOLDER / f"{run}.{factor}.ig"
            shutil.rmtree(output, ignore_errors=True)
            of = modelkit.attribute(
                trained(run), data, output, method="ig", targets=[factor], rows=sorted(mine),
                steps=STEPS, device="cpu", max_rows=STEPS,
            )  # fmt: skip
            missed.append(np.stack([of.delta[:, 0], of.spread[:, 0]], 1))
            for i, row in enumerate(of.rows.tolist()):
                scores = of.hypothetical[i, 0, 4:].astype(np.float64)
                cuts = data.counts[row].sum(axis=0) > 0
                values.append((factor, means(scores, cuts, mine[row].inside)))
        delta, spread = np.abs(np.concatenate(missed)).T
        for factor in ("all", *FACTOR_NAMES):
            part = np.array([m for name, m in values if factor in ("all", name)])
            row: Row = {"part": "attribution", "run": run, "factor": factor, "windows": len(part)}
            for name, column in zip(Means._fields, part.T, strict=True):
                mean = bootstrap(column[~np.isnan(column)])
                row[name] = [mean.value, mean.low, mean.high]
            found.append(row)
        found[-len(FACTOR_NAMES) - 1] |= {
            "completeness": float(delta.sum() / spread.sum()),
            "completeness_median": float(np.median(delta / spread)),
            "completeness_most": float((delta / spread).max()),
            "steps": STEPS,
        }
        say(f"{run}: {found[-len(FACTOR_NAMES) - 1]}")
    return found


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="bench.deepatac_footprints", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--only", action="append", choices=PARTS, default=[])
    parser.add_argument("--show", action="store_true", help="tables of what is there")
    options = parser.parse_args()
    if not options.show:
        torch.set_num_threads(1)
        FOLDER.mkdir(parents=True, exist_ok=True)
        for run in RUNS:
            trained(run)
        shared = {
            "op": OP,
            "date": datetime.now(UTC).date().isoformat(),
            **describe_commit(),
            "machine": describe_machine(1),
            "versions": describe_versions() | {"torch": torch.__version__},
            "depth": DESIGNS["footprints"].depth,
        }
        works: dict[str, Callable[[], list[Row]]] = {"auprc": auprc, "attribution": attribution}
        for part in options.only or PARTS:
            append_rows(PATH, [shared | row for row in works[part]()])
    DOCUMENT.write_text(put(DOCUMENT.read_text(), tables(newest(read_rows(PATH)))))


def newest(rows: Sequence[Row]) -> list[Row]:
    """The rows of each part that were made last."""
    last = {row["part"]: (row["date"], row["commit"]) for row in rows}
    return [row for row in rows if (row["date"], row["commit"]) == last[row["part"]]]


if __name__ == "__main__":
    main()
