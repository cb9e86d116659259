"""Koo and Eddy's Table 1: twelve networks, how well they classify, and what their filters learn.

    python -m bench.koo_table1 [--only cnn-2,cnn-25] [--quick] [--seeds 1] [--jobs 2]
    python -m bench.koo_table1 --show            the table of docs/koo.md from the results
    python -m bench.koo_table1 --in-vivo FOLDER  Table 2: of DeepSEA's train, valid and test.mat

Networks are those of `bench.koo_runs`, which says how they are trained. A row is appended to
results/models/koo-table1.json when a network has been trained and analysed; rows that are there
are not made again, so a run can be stopped and started anew. ``--quick`` takes the three networks
of the paper's Fig. 2 alone.

AU-ROC is the mean over the twelve classes of the test sequences and, as in the paper, its error the
population standard deviation over the classes; of several seeds, that over the seeds stands beside
it. A filter is a known motif if Tomtom finds it in all of JASPAR 2016 at E <= 0.1, and relevant if
one of the motifs it finds is an accepted one of the twelve factors.
"""

import argparse
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kmerengine
from bench.harness import RESULTS, Row, append_rows, read_rows, say
from bench.koo_runs import (
    IN_VIVO,
    MOTIFS,
    NETWORKS,
    SIMULATED,
    Trial,
    data_of,
    prepare,
    prepare_in_vivo,
    train_all,
)
from bench.machine import (
    ROOT,
    describe_commit,
    describe_machine,
    describe_versions,
    package_version,
)

ABOUT = "Koo and Eddy's Table 1: what first-layer filters learn"
OP = "koo-table1"
ROWS = RESULTS / "models" / f"{OP}.json"  # not timings: apart from those
ROWS_IN_VIVO = RESULTS / "models" / "koo-table2.json"
DOCUMENT = ROOT / "docs" / "koo.md"
QUICK = ("cnn-2", "cnn-4", "cnn-25")
MODES = ("paper", "code")  # of the analysis of filters
E_VALUE = 0.1
ORACLE = "oracle"  # the motifs themselves in place of a network


def analysed(trial: Trial) -> Row:
    """The row of a network that has been trained."""
    import modelkit
    from modelkit.interpretation.filters.koo_truth import KOO_TRUTH
    from modelkit.interpretation.filters.recovery import recovery

    run = modelkit.Run.open(trial.path)
    found: Row = {"network": trial.network, "seed": trial.seed, **_of_training(run)}
    data = data_of(trial.of)
    measured = modelkit.evaluate(run, data, split="test", batch_size=500)
    found |= {name: measured.metrics["model"][name] for name in ("loss", "auroc", "auprc")}
    found["by_class"] = {
        name: {measure: float(values[i]) for measure, values in measured.by_name["model"].items()}
        for i, name in enumerate(run.about["tasks"])
    }
    for mode in MODES:
        learnt = modelkit.filters(run, data, preset=mode, database=MOTIFS, e=E_VALUE)
        assert learnt.matches is not None  # there is a database
        recovered = recovery(learnt.matches, len(learnt), KOO_TRUTH)
        found[f"filters_{mode}"] = {
            "matched": recovered.matched,
            "relevant": recovered.relevant,
            "by_factor": {name: len(those) for name, those in recovered.by_factor.items()},
            "n_fallback": sum(learnt.table["fallback"].to_pylist()),
            "n_dead": sum(learnt.table["dead"].to_pylist()),
        }
    return found


def _of_training(run: Any) -> Row:
    """What is known of a training from its record."""
    import pyarrow.parquet as pq

    epochs = pq.read_table(run.path / "metrics.parquet").to_pydict()
    return {
        "epochs": len(epochs["epoch"]),
        "stopped": run.about["stopped"],
        "best_epoch": run.about["best"]["epoch"],
        "validation_loss": run.about["best"]["value"],
        "parameters": run.about["parameters"],
        "seconds": round(sum(epochs["seconds"]) + sum(epochs["validation_seconds"]), 1),
        "threads": run.about["threads"],
    }


def of_oracle() -> Row:
    """The row of the motifs themselves, which no network can be much better than."""
    from bench.koo_oracle import oracle
    from kmerengine.simulators.koo import FACTORS

    data = kmerengine.Dataset.open(data_of(SIMULATED))
    assert data.labels is not None  # simulated with them
    motifs = {motif.name: motif for motif in kmerengine.read_motifs(MOTIFS)}
    rows = data.split("test")
    areas = oracle(data.sequence[rows], data.labels[rows], [motifs[i] for i in FACTORS.values()])
    return {
        "network": ORACLE,
        "seed": 0,
        "auroc": float(areas.mean()),
        "by_class": {name: {"auroc": float(a)} for name, a in zip(FACTORS, areas, strict=True)},
    }


def run_all(trials: Sequence[Trial], *, jobs: int, results: Path) -> None:
    """Train and analyse what has no row."""
    done = {(row["network"], row["seed"]) for row in read_rows(results)}
    shared = {
        "op": results.stem,
        "date": datetime.now(UTC).date().isoformat(),
        **describe_commit(),
        "machine": describe_machine(jobs),
        "versions": describe_versions() | {"torch": package_version("torch")},
    }
    if (ORACLE, 0) not in done and any(trial.of == SIMULATED for trial in trials):
        append_rows(results, [shared | of_oracle()])
    missing = [trial for trial in trials if (trial.network, trial.seed) not in done]
    say(f"{len(trials)} networks, {len(trials) - len(missing)} are done")

    def keep(trial: Trial) -> None:
        row = analysed(trial)
        append_rows(results, [shared | row])
        of_filters = row["filters_paper"]
        say(
            f"{trial.network}, seed {trial.seed}: AU-ROC {row['auroc']:.3f}, JASPAR "
            f"{of_filters['matched']:.0%}, relevant {of_filters['relevant']:.0%}, "
            f"{row['seconds']:.0f} s"
        )

    train_all(missing, jobs=jobs, then=keep)


def trials_of(names: Iterable[str], seeds: int, of: str = SIMULATED) -> list[Trial]:
    """All networks of a seed before the next seed."""
    names = list(names)
    return [Trial(name, seed, of) for seed in range(seeds) for name in names]


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(prog="bench.koo_table1", description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="networks, with commas (default: those of the table)")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)} alone")
    parser.add_argument("--seeds", type=int, default=1, help="of each (default 1)")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time (default 2)")
    parser.add_argument("--show", action="store_true", help="table and figures, no training")
    parser.add_argument("--in-vivo", type=Path, metavar="FOLDER", help="of DeepSEA's files")
    options = parser.parse_args()
    from bench.koo_document import PUBLISHED_IN_VIVO, put, table

    # Table 2 has nine networks: others would be trained for a line that is not shown
    known = NETWORKS if options.in_vivo is None else tuple(PUBLISHED_IN_VIVO)
    names = options.only.split(",") if options.only else QUICK if options.quick else known
    unknown = sorted(set(names) - set(known))
    if unknown:
        parser.error(f"--only: found {unknown[0]}, expected some of {', '.join(known)}")
    if options.in_vivo is not None:
        prepare_in_vivo(options.in_vivo)
        trials = trials_of(names, options.seeds, IN_VIVO)
        run_all(trials, jobs=options.jobs, results=ROWS_IN_VIVO)
        print(table(read_rows(ROWS_IN_VIVO), PUBLISHED_IN_VIVO))
        return
    if not options.show:
        prepare()
        run_all(trials_of(names, options.seeds), jobs=options.jobs, results=ROWS)
    rows = read_rows(ROWS)
    if not any(row["network"] != ORACLE for row in rows):
        parser.error("no results yet")
    print(table(rows))
    DOCUMENT.write_text(put(DOCUMENT.read_text(), rows))
    say(f"{DOCUMENT}: {len(rows)} rows")


if __name__ == "__main__":
    main()
