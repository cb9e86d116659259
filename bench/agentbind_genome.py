"""AgentBind's whole pipeline on a simulated genome of four factors, whose truth is known.

    python -m bench.agentbind_genome [--threads 1] [--set KEY=VALUE] [--name NAME]
    python -m bench.agentbind_genome --show      put the table into docs/agentbind.md again

The genome is that of `bench.agentbind_data`; sizes are `SIZES`. `modelkit pipeline agentbind` runs
with its three settings on it, the network DanQ of preset small, windows of 1,000 bp, chr8 for
validation and chr9 for testing. Of each factor and setting there is a row in
results/models/agentbind-genome.json:

    auroc       on chr9, both strands of each site
    bayes       of the same sites: auROC of the odds that each is bound (`best_scores`)
    expected    the simulator's own number for the setting, of all sites
    cofactor    in the accessibility-controlled set: words of the co-factor among the ten first
                words with Bonferroni P < 1e-10, the rank of the first, its P
    decoys      the same of the co-factors that the factor does not use, and of Tn5's decoy
    shifted     words of the co-factor with P < 1e-10 when scores are moved by 26 bp, least P

Stages that are done are not made again: a run that was stopped goes on when it is called again.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.agentbind_data import P, best_auroc, context_words, prepare
from bench.data import WORK
from bench.harness import RESULTS, Row, append_rows, read_rows, say
from bench.machine import (
    ROOT,
    describe_commit,
    describe_machine,
    describe_versions,
    package_version,
)

OP = "agentbind-genome"
DOCUMENT = ROOT / "docs" / "agentbind.md"
BEGIN, END = "<!-- genome:begin -->", "<!-- genome:end -->"
ROWS = RESULTS / "models" / f"{OP}.json"
SIZES: dict[str, Any] = {
    "n_contigs": 10, "contig_length": 2_000_000, "n_cell_types": 1, "n_peaks": 4_000,
    "sites_per_tf": 25_000, "n_decoys": 2_000, "p_open": 0.15, "p_cofactor": 0.3,
    "p_bound_cofactor": 0.9, "p_bound_open": 0.15, "p_bound_closed": 0.001, "depth": 0.01,
    "seed": 1,
}  # fmt: skip
# a network that leaves the plateau of ln 2 within three epochs of 2,300 sites
CHANGES: tuple[str, ...] = (
    "network.filters=64", "training.batch_size=64", "training.ema=0.99", "training.epochs=10",
    "training.drop_epochs=10", "training.patience=3",
)  # fmt: skip
SETTINGS = ("baseline", "gc", "accessibility")
TEST = {"chr9"}
FIRST = 10  # words
P_WORD = 1e-10
SHIFT = 26  # bp
MOST_ABOVE = 0.02  # of auROC over that of Bayes
LEAST_DROP = 0.05  # of auROC from baseline to accessibility
LEAST_SHARE = 0.8  # of factors whose co-factor is found


def run(
    folder: Path, sizes: dict[str, Any], changes: tuple[str, ...], threads: int | None
) -> list[Row]:
    """Run the pipeline in `folder`, and judge it."""
    import modelkit

    folder.mkdir(parents=True, exist_ok=True)
    given = prepare(folder, **sizes)
    started = time.monotonic()
    made = modelkit.pipeline_agentbind(
        output=folder / "pipeline", p=P, background="uniform", preset="small", changes=changes,
        settings=SETTINGS, threads=threads, device="cpu", say=say, **given,
    )  # fmt: skip
    say(f"pipeline: {time.monotonic() - started:,.0f} s")
    return judged(folder, made, sizes)


def judged(folder: Path, made: Any, sizes: dict[str, Any]) -> list[Row]:
    """The row of each factor and setting."""
    truth, out = folder / "truth", made.path
    expected = {
        row["setting"]: row["bayes_auroc"]
        for row in pq.read_table(truth / "sampling.parquet").to_pylist()
    }
    seconds = {each.name: each.seconds for each in made.stages}
    shifted = words_of_folder(_shifted(folder, out, list(given_names(made))))
    words = words_of_folder(out / "kmers" / "kept")
    rows: list[Row] = []
    for row in made.summary.to_pylist():
        setting, name = row["setting"], row["name"]
        sample, trained = out / "samples" / setting / name, out / "runs" / setting / name
        about = json.loads((trained / "run.json").read_text())
        found: Row = {key: row[key] for key in ("name", "setting", "examples", "positives")}
        found |= {key: row[key] for key in ("auroc", "auprc", "pauc", "pauc_mcclish", "gain")}
        found["bayes"] = best_auroc(truth, sample, sizes, TEST)
        found["expected"] = expected[setting]
        found["training_positives"] = _positives(out / "data" / setting / name)
        found["epoch"] = about["best"]["epoch"]
        found["stopped"] = about["stopped"]
        found["seconds"] = seconds[f"train {setting} {name}"]
        own, others = context_words()[name]
        found["cofactor"] = _among(words[setting, name], own)
        found["decoys"] = _among(words[setting, name], others)
        if (setting, name) in shifted:
            found["shifted"] = _among(shifted[setting, name], own)
        found["words"] = [(w["kmer"], w["log10_p"]) for w in words[setting, name][:FIRST]]
        rows.append(found)
    return rows


def given_names(made: Any) -> dict[str, None]:
    """Names of the factors, each once."""
    return dict.fromkeys(made.summary["name"].to_pylist())


def _shifted(folder: Path, out: Path, names: list[str]) -> Path:
    """Context k-mers with the scores moved."""
    import modelkit

    path = folder / "shifted"
    sets = {f"accessibility:{name}": out / "scores" / "accessibility" / name for name in names}
    modelkit.kmers(sets, path, shift=SHIFT, force=True)
    return path


def words_of_folder(path: Path) -> dict[tuple[str, str], list[Row]]:
    """Words of each setting and factor, by their ranks."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in pq.read_table(path / "kmers.parquet").to_pylist():
        found.setdefault((row["setting"], row["name"]), []).append(row)
    return {key: sorted(rows, key=lambda row: row["rank"]) for key, rows in found.items()}


def _among(words: list[Row], wanted: set[str]) -> Row:
    """How well words of a motif do: among the first, of small P, and the best of them."""
    small = [w for w in words if w["bonferroni"] < P_WORD and w["kmer"] in wanted]
    mine = [w for w in words if w["kmer"] in wanted]
    return {
        "first": sum(w["rank"] <= FIRST for w in small),
        "significant": len(small),
        "rank": mine[0]["rank"],
        "kmer": mine[0]["kmer"],
        "log10_p": mine[0]["log10_p"],
        "odds_ratio": mine[0]["odds_ratio"],
    }


def _positives(data: Path) -> int:
    document = json.loads((data / "dataset.json").read_text())
    (by_split,) = document["positives"].values()
    return int(by_split["train"])


def table(rows: list[Row]) -> str:
    """Markdown: each factor and setting beside the best that is possible, and what was found."""
    lines = [
        "| factor | setting | training positives | auROC | Bayes, same sites | Bayes, expected "
        "| auPRC | pAUC | co-factor's words in the first ten | rank | log10 P | decoys' | shifted: "
        "words, log10 P |",
        "|---" * 13 + "|",
    ]
    for row in rows:
        shifted = row.get("shifted")
        cells = [
            row["name"], row["setting"], f"{row['training_positives']:,}", f"{row['auroc']:.3f}",
            f"{row['bayes']:.3f}", f"{row['expected']:.3f}", f"{row['auprc']:.3f}",
            f"{row['pauc']:.3f}", str(row["cofactor"]["first"]), str(row["cofactor"]["rank"]),
            f"{row['cofactor']['log10_p']:.0f}", str(row["decoys"]["first"]),
            f"{shifted['significant']}, {shifted['log10_p']:.0f}" if shifted else "",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *verdicts(rows)])


def put(document: str, rows: list[Row]) -> str:
    """`document` with the table between its two markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {BEGIN} and {END}, in this order")
    return f"{before}{BEGIN}\n{table(rows)}\n{END}{after}"


def verdicts(rows: list[Row]) -> list[str]:
    """What must be shown, and whether it is."""
    of = {(row["setting"], row["name"]): row for row in rows}
    names = list(dict.fromkeys(row["name"] for row in rows))
    above = max(row["auroc"] - row["bayes"] for row in rows)
    mean = {
        setting: sum(of[setting, name]["auroc"] for name in names) / len(names)
        for setting in ("baseline", "accessibility")
    }
    controlled = [of["accessibility", name] for name in names]
    found = sum(row["cofactor"]["first"] > 0 for row in controlled)
    decoys = sum(row["decoys"]["first"] > 0 for row in controlled)
    left = sum(row["shifted"]["significant"] > 0 for row in controlled)
    drop = mean["baseline"] - mean["accessibility"]
    return [
        f"- auROC above that of Bayes: {above:+.3f} at most (bar {MOST_ABOVE}).",
        f"- baseline less accessibility-controlled: {drop:.3f} (bar {LEAST_DROP}).",
        f"- factors with a word of their co-factor in the first ten: {found} of {len(names)} (bar "
        f"{LEAST_SHARE:.0%}); with one of a decoy: {decoys} (bar 0).",
        f"- factors with a word of their co-factor left when scores are shifted: {left} (bar 0).",
    ]


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="bench.agentbind_genome", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--threads", type=int, help="of PyTorch (default: all)")
    parser.add_argument("--set", action="append", default=[], help="change the network's config")
    parser.add_argument("--name", default="small", help="of the run's folder and rows")
    parser.add_argument("--show", action="store_true", help="the table, no training")
    options = parser.parse_args()
    if not options.show:
        shared = {
            "op": OP, "date": datetime.now(UTC).date().isoformat(), **describe_commit(),
            "machine": describe_machine(options.threads or 1),
            "versions": describe_versions() | {"torch": package_version("torch")},
            "run": options.name, "sizes": SIZES, "changes": [*CHANGES, *options.set],
        }  # fmt: skip
        folder = WORK / OP / options.name
        rows = run(folder, SIZES, (*CHANGES, *options.set), options.threads)
        kept = [row for row in read_rows(ROWS) if row["run"] != options.name]
        ROWS.unlink(missing_ok=True)
        append_rows(ROWS, [*kept, *(shared | row for row in rows)])
    rows = [row for row in read_rows(ROWS) if row["run"] == options.name]
    if not rows:
        parser.error("no results yet")
    DOCUMENT.write_text(put(DOCUMENT.read_text(), rows))
    print(table(rows))


if __name__ == "__main__":
    main()
