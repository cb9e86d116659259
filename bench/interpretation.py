"""What attributions, seqlets and footprints find of simulated motifs, whose places are known.

    python -m bench.interpretation_runs         first: the networks (about half an hour of a core)
    python -m bench.interpretation [--only PART]
    python -m bench.interpretation --show       the tables of docs/interpretation.md

Parts, each a set of rows of results/models/interpretation.json:

    bases        auROC of the bases that matter, by method, in regions that are predicted well
    seqlets      sites that matter with a seqlet, and motifs that Tomtom names
    footprints   depth of a motif's dip with the bias off, beside the simulator's
    enrichment   motifs that one model sees and another does not, by Fisher's test
"""

import argparse
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

import kmerengine
import modelkit
from bench.harness import RESULTS, Row, append_rows, read_rows, say
from bench.interpretation_runs import DATA, DESTROYED, EXPERIMENT, FOLDER, KINDS, runs_of, truth
from bench.interpretation_table import put, tables
from bench.interpretation_truth import Planted, aurocs, match_scores, names, planted
from bench.machine import ROOT, describe_commit, describe_machine, describe_versions
from kmerengine import Motif
from kmerengine.simulators.atac_genome import (
    DECOY_NUMBER,
    FIRST_COFACTOR,
    FIRST_TF,
    NAMES,
    WIDTHS,
    WORDS,
)
from kmerengine.simulators.atac_rates import DIP, SHOULDER, CellType
from kmerengine.simulators.sequences import consensus_matrix
from modelkit.interpretation.attribution.attributions import Attributions, write_attributions
from modelkit.metrics import bootstrap, pearson
from modelkit.registry import MODELS

GAP = 5  # bp between a factor's motif and its co-factor's
P_BOUND = 0.9  # of a site with its co-factor
OP = "interpretation"
PATH = RESULTS / "models" / f"{OP}.json"
DOCUMENT = ROOT / "docs" / "interpretation.md"
PARTS = ("bases", "seqlets", "footprints", "enrichment")
METHODS = ("deepshap", "ism", "ig", "saliency", "guided", "gradcam")
PREDICTED_WELL = 0.5  # correlation of predicted with expected totals across cell types, at least
DECOYS = 20  # of each motif, its columns in another order: what Tomtom must not choose
LINEAGES = EXPERIMENT.lineages

Floats = npt.NDArray[np.float64]


class Data:
    """The test regions and what is known of them."""

    def __init__(self) -> None:
        self.contigs, self.cells = truth()
        self.data = kmerengine.Dataset.open(DATA)
        self.rows = self.data.split("test")
        regions = self.data.regions.take(self.rows)
        self.chroms: list[str] = regions["chrom"].to_pylist()
        self.starts = regions["start"].to_numpy() + self.data.spans["sequence"][0]
        self.codes = np.asarray(self.data.sequence[self.rows])
        self.sites: Planted = planted(
            self.contigs, self.chroms, self.starts, self.codes.shape[1]
        )
        by_name = {contig.name: contig.codes for contig in self.contigs}
        for chrom, start, codes in zip(self.chroms, self.starts, self.codes, strict=True):
            assert np.array_equal(by_name[chrom][start : start + len(codes)], codes)
        self.rates = np.load(FOLDER / "truth.npz")["rates"][self.rows].astype(np.float64)

    def predicted_well(self, run: Path) -> npt.NDArray[np.bool_]:
        """Test regions whose totals a run predicts well across cell types."""
        found = modelkit.predict(
            run, self.data, FOLDER / f"{run.name}.predictions", split="test", bigwig=False,
            device="cpu", force=True,
        )  # fmt: skip
        assert found.totals is not None
        well: npt.NDArray[np.bool_] = pearson(found.totals, self.rates) > PREDICTED_WELL
        return well


def attributions(run: Path, method: str = "deepshap") -> Attributions:
    """Of the totals of lineages, in the test regions; made once."""
    output = FOLDER / f"{run.name}.{method}"
    if output.exists():
        return Attributions.open(output)
    return modelkit.attribute(
        run, DATA, output, method=method, head="totals", targets=LINEAGES, device="cpu"
    )  # fmt: skip


def bases(data: Data) -> list[Row]:
    """auROC of the bases that matter."""
    rows: list[Row] = []

    def add(network: str, method: str, scores: Floats, well: Any, seconds: float) -> None:
        found = aurocs(data.sites.kind, scores)[well]
        beside_idle = aurocs(data.sites.kind, scores, against_idle=True)[well]
        mean = bootstrap(found[~np.isnan(found)])
        rows.append(
            {
                "part": "bases", "network": network, "method": method, "auroc": mean.value,
                "low": mean.low, "high": mean.high, "n_regions": int(well.sum()),
                "auroc_with_idle": float(np.nanmean(beside_idle)), "seconds": round(seconds, 1),
            }
        )  # fmt: skip
        say(f"bases {network} {method}: {mean.value:.3f} in {int(well.sum())} regions")

    for network in ("bpaitac", "aitac"):
        run = runs_of(network)[0]
        well = data.predicted_well(run)
        for method in METHODS:
            shutil.rmtree(FOLDER / f"{run.name}.{method}", ignore_errors=True)
            started = time.monotonic()
            found = attributions(run, method)
            seconds = time.monotonic() - started
            scores = np.abs(found.contributions()).mean(axis=1, dtype=np.float64)
            add(network, method, scores, well, seconds)
        if network == "bpaitac":
            add("true motifs", "best match", match_scores(data.codes), well, 0.0)
            for seed in range(3):
                scores = np.abs(attributions(untrained(run, seed)).contributions())
                name = f"untrained, seed {seed}"
                add(name, "deepshap", scores.mean(axis=1, dtype=np.float64), well, 0.0)
    return rows


def untrained(run: Path, seed: int) -> Path:
    """A run of the same network with its first weights."""
    like = modelkit.Run.open(run)
    path = FOLDER / f"untrained-{seed}"
    if not path.exists():
        torch.manual_seed(seed)
        network = MODELS[like.config.model].model(like.config.network)
        keys = ("dataset", "samples", "tasks", "shift", "off_by_two", "split", "bias")
        about = {key: like.about.get(key) for key in keys}
        provenance = {key: like.about[key] for key in ("command", "inputs", "parameters")
                      if key in like.about}  # fmt: skip
        modelkit.Run.create(path, like.config, network, about | provenance)
    return path


def true_motifs() -> list[Motif]:
    """The motifs that can matter, and others of the same columns."""
    rng = np.random.default_rng(0)
    found = []
    for name in names():
        matrix = consensus_matrix(WORDS[name])
        found.append(Motif(name=name, probabilities=matrix))
        for i in range(DECOYS):
            found.append(Motif(name=f"other-{name}-{i}", probabilities=rng.permutation(matrix)))
    return found


def mean_of(kind: str, seeds: slice, used: npt.NDArray[np.bool_] | None = None) -> Attributions:
    """Mean attributions of runs of a kind, of the regions that are used, as a folder."""
    runs = runs_of(kind)[seeds]
    parts = [attributions(run) for run in runs]
    keep = np.flatnonzero(np.ones(len(parts[0]), bool) if used is None else used)
    mean = np.mean([part.hypothetical[keep] for part in parts], axis=0, dtype=np.float64)
    return write_attributions(
        FOLDER / f"{kind}_{seeds.start + 1}_{seeds.stop}.mean", parts[0].regions.take(keep),
        np.asarray(parts[0].sequence)[keep], mean.astype(np.float32), targets=parts[0].targets,
        method="deepshap", head="totals", rows=parts[0].rows[keep], starts=parts[0].starts[keep],
        force=True,
    )  # fmt: skip


def found_seqlets(of: Attributions, like: Attributions | None = None) -> modelkit.Seqlets:
    """The seqlets of attributions; the cut-off may be that of others."""
    output = of.path.with_suffix(".seqlets.parquet")
    return modelkit.seqlets(of, output, of=like, force=True)


def seqlets(data: Data) -> list[Row]:
    """Sites that have a seqlet, and motifs that are named."""
    rows: list[Row] = []
    for network in ("bpaitac", "aitac"):
        of = mean_of(network, slice(5, 10))
        found = found_seqlets(of)
        table = found.table()
        example = table["example"].to_numpy()
        first = table["position"].to_numpy()
        last = first + table["end"].to_numpy() - table["start"].to_numpy()
        sites = data.sites
        by_motif: dict[str, float] = {}
        on_site = np.zeros(len(example), bool)
        hit = np.zeros(len(sites.motif), bool)
        for i in range(len(sites.motif)):
            here = example == sites.region[i]
            shared = np.minimum(last, sites.end[i]) - np.maximum(first, sites.start[i])
            hit[i] = bool((here & (2 * shared >= sites.end[i] - sites.start[i])).any())
            on_site |= here & (2 * shared >= last - first)
        for number in np.unique(sites.motif):
            by_motif[NAMES[number]] = float(hit[sites.motif == number].mean())
        made = modelkit.motifs(
            [found], FOLDER / f"{network}.motifs", database=true_motifs(), force=True
        )
        named = [name for name in made.table["match"].to_pylist() if name]
        rows.append(
            {
                "part": "seqlets", "network": network, "runs": 5, "seqlets": len(example),
                "on_sites": float(on_site.mean()), "recovered": by_motif, "motifs": len(made),
                "named": {name: named.count(name) for name in names() if name in named},
                "named_wrongly": sum(name.startswith("other-") for name in named),
                "not_named": len(made) - len(named),
            }
        )  # fmt: skip
        say(f"seqlets {network}: {rows[-1]}")
    return rows


COMPARED: dict[str, tuple[tuple[str, slice], tuple[str, slice]]] = {
    "bpaitac, aitac": (("bpaitac", slice(5, 10)), ("aitac", slice(5, 10))),
    "aitac, aitac": (("aitac", slice(5, 10)), ("aitac", slice(10, 15))),
    f"bpaitac, without {DESTROYED}": (("bpaitac", slice(5, 10)), ("destroyed", slice(0, 5))),
}  # kinds and seeds; none of them selects regions


def enrichment(data: Data) -> list[Row]:
    """Motifs that one of two models goes by more often, in regions that other seeds select."""
    chosen = modelkit.select(
        runs_of("bpaitac")[:5], data.data, FOLDER / "selected.parquet",
        against=runs_of("aitac")[:5], accessibility=20.0, variation=0.5, device="cpu", force=True,
    )  # fmt: skip
    used = np.isin(data.rows, chosen.table["row"].to_numpy())
    say(f"enrichment: {used.sum()} of {chosen.n} regions, {chosen.in_turn}")
    rows: list[Row] = []
    for where, mask in (("selected", used), ("all", np.ones(len(used), bool))):
        for name, (one, other) in COMPARED.items():
            pair = [mean_of(*one, mask), mean_of(*other, mask)]
            found = [found_seqlets(each, pair[0]) for each in pair]
            for count in ("lineages", "sequences") if where == "selected" else ("lineages",):
                made = modelkit.motifs(
                    found, FOLDER / f"{name.replace(', ', '-').replace(' ', '-')}.{count}",
                    database=true_motifs(), count=count, force=True,
                )  # fmt: skip
                table = made.table.to_pylist()
                enriched = [
                    sorted(str(row["match"]) for row in table if row["enriched"][model])
                    for model in range(2)
                ]
                rows.append(
                    {
                        "part": "enrichment", "compared": name, "regions": where,
                        "n_regions": int(mask.sum()), "count": count, "motifs": len(made),
                        "seqlets": [len(each) for each in found],
                        "enriched": [len(each) for each in enriched], "names": enriched,
                    }
                )  # fmt: skip
                say(f"enrichment {where} {name} {count}: {enriched}")
    return rows


def footprints(data: Data) -> list[Row]:
    """Depths of dips, predicted and true."""
    motifs = [Motif(name=n, probabilities=consensus_matrix(WORDS[n])) for n in NAMES[:FIRST_TF]]
    gap = np.full((GAP, 4), 0.25)
    for i in range(FIRST_TF, FIRST_COFACTOR):
        pair = NAMES[i], NAMES[i - FIRST_TF + FIRST_COFACTOR]
        parts = [consensus_matrix(WORDS[n]) for n in pair]
        matrix = np.concatenate([parts[0], gap, parts[1]])
        motifs.append(Motif(name="+".join(pair), probabilities=matrix))
    motifs.append(Motif(name="decoy", probabilities=consensus_matrix(WORDS["decoy"])))
    rows: list[Row] = []
    for network in ("bpaitac", "unbiased"):
        runs = runs_of(network)[:2]
        found = modelkit.footprint(
            runs, data.data, FOLDER / f"{network}.footprints", motifs=motifs, device="cpu",
            force=True,
        )  # fmt: skip
        table = pl.read_parquet(found.path / "footprints.parquet")
        for motif in motifs:
            number = NAMES.index(motif.name.partition("+")[0])
            of = table.filter(pl.col("motif") == motif.name)
            depths = np.array([predicted_depth(of, cell.name, number) for cell in data.cells])
            true = np.array([true_depth(cell, number) for cell in data.cells])
            rows.append(
                {
                    "part": "footprints", "network": network, "motif": motif.name,
                    "depth": float(depths.mean()), "least": float(depths.min()),
                    "most": float(depths.max()), "true": float(true.mean()),
                    "r": float(np.corrcoef(depths, true)[0, 1]) if true.any() else None,
                    "runs": len(runs),
                }
            )  # fmt: skip
            say(f"footprints {network} {motif.name}: {depths.mean():.2f}, true {true.mean():.2f}")
    return rows


def predicted_depth(of: pl.DataFrame, cell: str, number: int) -> float:
    """log2 of a factor's motif over the bp before it, with the motif less without: of medians."""
    each = of.filter(pl.col("target") == cell)
    at = each["position"].to_numpy()
    inside = (at >= -DIP) & (at < WIDTHS[number] + DIP)
    before = (at >= -DIP - SHOULDER) & (at < -DIP)
    found = 0.0
    for name, sign in (("within_median", 1), ("without_median", -1)):
        p = each[name].to_numpy()
        found += sign * np.log2(p[inside].mean() / p[before].mean())
    return float(found)


def true_depth(cell: CellType, number: int) -> float:
    """The same of the simulator's rates: a share of the cuts is kept off and comes down beside."""
    chance = 0.0 if number == DECOY_NUMBER else P_BOUND if number >= FIRST_TF else 1.0
    depth = chance * cell.footprint[number]
    beside = depth * (WIDTHS[number] + 2 * DIP) / (2 * SHOULDER)
    return float(np.log2((1 - depth) / (1 + beside)))


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="bench.interpretation", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--only", action="append", choices=PARTS, default=[])
    parser.add_argument("--show", action="store_true", help="tables of what is there")
    options = parser.parse_args()
    if not options.show:
        data = Data()
        shared = {
            "op": OP,
            "date": datetime.now(UTC).date().isoformat(),
            **describe_commit(),
            "machine": describe_machine(torch.get_num_threads()),
            "versions": describe_versions() | {"torch": torch.__version__},
            "seeds": {kind: len(seeds) for kind, (seeds, _) in KINDS.items()},
        }
        works: dict[str, Callable[[Data], list[Row]]] = {
            "bases": bases, "seqlets": seqlets, "footprints": footprints, "enrichment": enrichment,
        }  # fmt: skip
        for part in options.only or PARTS:
            append_rows(PATH, [shared | row for row in works[part](data)])
    DOCUMENT.write_text(put(DOCUMENT.read_text(), tables(newest(read_rows(PATH)))))


def newest(rows: Sequence[Row]) -> list[Row]:
    """The rows of each part that were made last."""
    last = {row["part"]: (row["date"], row["commit"]) for row in rows}
    return [row for row in rows if (row["date"], row["commit"]) == last[row["part"]]]


if __name__ == "__main__":
    main()
