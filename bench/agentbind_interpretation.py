"""AgentBind's benchmark: which method of interpretation finds the motifs that were laid in?

    python -m bench.agentbind_interpretation [--only danq,deepsea] [--minutes M] [--no-train]
    python -m bench.agentbind_interpretation --train 10000 --positives 100 --ism 20
    python -m bench.agentbind_interpretation --show      the table of docs/agentbind.md

Every sequence has a GATA1 motif in its centre, a positive has one to three of TAL1 elsewhere. A
network learns to tell positives; then each method scores the bases of positives of the test
sequences, and the scores are measured against TAL1's places (`modelkit.metrics.embedded`). The same
is done with weights that were never trained, which must know nothing. Data and training are those
of `bench.agentbind_runs`, scores and times those of `bench.agentbind_scores`.

A network that tells less than 0.90 of the test sequences (AU-ROC) is not explained: its row says
"not trained".

What is done is kept: sequences, epochs, scores of each method, and a row for each network in
results/models/agentbind-interpretation.json. A network that has been trained further has another
row. ``--no-train`` takes the best weights that there are, while training goes on elsewhere.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bench import agentbind_runs
from bench.agentbind_runs import NETWORKS, OP, Size, Trial
from bench.agentbind_scores import METHODS, Truth, bounds, measured, oracle_auroc, truth_of
from bench.harness import RESULTS, Row, append_rows, read_rows, say
from bench.machine import (
    ROOT,
    describe_commit,
    describe_machine,
    describe_versions,
    package_version,
)

ABOUT = "AgentBind's benchmark of methods of interpretation"
ROWS = RESULTS / "models" / f"{OP}.json"
DOCUMENT = ROOT / "docs" / "agentbind.md"
LEAST = 0.90  # AU-ROC of a network that is worth explaining
SAME = (
    "network",
    "seed",
    "size",
    "epochs",
    "best_epoch",
    "positives",
    "ism",
)  # what makes a row another one


def explained(
    trial: Trial, *, positives: int | None = None, ism: int | None = None, device: str = "cpu"
) -> Row | None:
    """The row of a network as it is, whose training may go on; None without an epoch.

    Of the positives of the test sequences the first `positives` are scored, by ism the first `ism`;
    all of them without a number.
    """
    import modelkit

    run = agentbind_runs.kept(trial)
    if run is None:
        return None
    truth = truth_of(trial.size)
    row: Row = {
        "network": trial.network,
        "seed": trial.seed,
        "size": list(trial.size),
        **_of_training(run),
        "changes": agentbind_runs.changes_of(run, trial),
        "positives": min(positives or len(truth.rows), len(truth.rows)),
        "ism": min(ism or len(truth.rows), len(truth.rows)),
    }
    found = [old for old in read_rows(ROWS) if all(old.get(k) == row[k] for k in SAME)]
    if found:
        return found[-1]
    tested = modelkit.evaluate(run, trial.size.data, split="test", device=device)
    row |= {f"test_{name}": tested.metrics["model"][name] for name in ("auroc", "auprc", "loss")}
    row |= {"oracle_auroc": oracle_auroc(trial.size, agentbind_runs.MOTIFS)}
    row |= bounds(truth.first(row["positives"]))
    row["trained"] = row["test_auroc"] >= LEAST
    if row["trained"]:
        untrained = agentbind_runs.control(trial)
        row["methods"] = _measure_all(trial, run, truth, row, device)
        row["control"] = _measure_all(trial, untrained, truth, row, device)
    return row


def _measure_all(trial: Trial, run: Any, truth: Truth, row: Row, device: str) -> list[Row]:
    found = []
    for method in METHODS:
        n = row["ism" if method == "ism" else "positives"]
        output = trial.size.path / "attributions" / run.path.name / f"{method}-{n}"
        found.append(measured(run, trial.size.data, truth.first(n), method, output, device))
    return found


def _of_training(run: Any) -> Row:
    """What is known of a training from its record, up to now."""
    from modelkit.training.checkpoint import read_checkpoint
    from modelkit.training.run import BEST, LINES

    epochs = [json.loads(line) for line in (run.path / LINES).read_text().splitlines()]
    _, about = read_checkpoint(run.path / BEST)
    return {
        "epochs": len(epochs),
        "best_epoch": about["epoch"],
        "steps": epochs[-1]["step"],
        "finished": run.about.get("status") == "finished",
        "validation_loss": min(each["validation_loss"] for each in epochs),
        "parameters": run.about["parameters"],
        "seconds": round(sum(e["seconds"] + e["validation_seconds"] for e in epochs), 1),
        "threads": run.about["threads"],
        "device": run.about["device"],
    }


def run_all(
    trials: Sequence[Trial],
    training: Mapping[str, Any] | None,
    *,
    positives: int | None = None,
    ism: int | None = None,
    device: str = "cpu",
) -> None:
    """Train each network as `agentbind_runs.trained` does, unless `training` is None; explain it,
    and append the rows that are new.
    """
    for trial in trials:
        agentbind_runs.prepare(trial.size)
        if training is not None:
            agentbind_runs.trained(trial, device=device, **training)
        row = explained(trial, positives=positives, ism=ism, device=device)
        if row is None:
            say(f"{trial.name}: no epoch of it is over")
            continue
        if "op" not in row:
            shared = {
                "op": OP,
                "date": datetime.now(UTC).date().isoformat(),
                **describe_commit(),
                "machine": describe_machine(1),
                "versions": describe_versions() | {"torch": package_version("torch")},
            }
            append_rows(ROWS, [shared | row])
        verdict = "" if row["trained"] else ", which is too low to be explained"
        say(
            f"{trial.name}: test AU-ROC {row['test_auroc']:.3f} after {row['epochs']} "
            f"epochs{verdict}"
        )


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(prog=f"bench.{OP.replace('-', '_')}", description=ABOUT)
    whole = Size()
    for name in Size._fields:
        parser.add_argument(
            f"--{name}", type=int, default=getattr(whole, name), metavar="N",
            help=f"sequences (default {getattr(whole, name):,})",
        )  # fmt: skip
    parser.add_argument("--positives", type=int, metavar="N", help="that are scored (default: all)")
    parser.add_argument("--ism", type=int, metavar="N", help="that ism scores (default: all)")
    parser.add_argument("--only", default=",".join(NETWORKS), help="networks (default: both)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default 0)")
    parser.add_argument("--epochs", type=int, metavar="N", help="at most (default: the preset's)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of each training")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="changes",
        help="another value of the config, such as training.warm_up=500; the row says so",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, help="of training (default 1)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto (default cpu)")
    parser.add_argument("--no-train", action="store_true", help="take what weights there are")
    parser.add_argument("--train-only", action="store_true", help="explain nothing")
    parser.add_argument("--show", action="store_true", help="the table alone")
    options = parser.parse_args()
    names = options.only.split(",")
    unknown = sorted(set(names) - set(NETWORKS))
    if unknown:
        parser.error(f"--only: found {unknown[0]}, expected some of {', '.join(NETWORKS)}")
    size = Size(options.train, options.validation, options.test)
    trials = [Trial(name, options.seed, size) for name in names]
    training = {
        "changes": options.changes, "epochs": options.epochs, "minutes": options.minutes,
        "threads": options.threads,
    }  # fmt: skip
    if options.train_only:
        for trial in trials:
            agentbind_runs.prepare(size)
            agentbind_runs.trained(trial, device=options.device, **training)
        return
    if not options.show:
        run_all(
            trials, None if options.no_train else training, positives=options.positives,
            ism=options.ism, device=options.device,
        )  # fmt: skip
    from bench.agentbind_document import put, table

    rows = read_rows(ROWS)
    if not rows:
        parser.error("no results yet")
    print(table(rows))
    DOCUMENT.write_text(put(DOCUMENT.read_text(), rows))
    say(f"{DOCUMENT}: {len(rows)} rows")


if __name__ == "__main__":
    main()
