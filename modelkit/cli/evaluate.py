"""`modelkit evaluate`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("evaluate")
@click.argument("run", type=PATH)
@click.option("--data", "dataset", type=PATH, required=True, help="From kmerengine dataset.")
@click.option("-o", "--output", type=PATH, help="A folder for the measures of each example.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    help="train, validation or test, as the run had it; or all.",
)
@click.option(
    "--compare/--no-compare",
    default=True,
    show_default=True,
    help="Mean profile and bias of the training split beside it.",
)
@click.option(
    "--replicates",
    type=PATH,
    nargs=2,
    metavar="DATASET DATASET",
    help="The same regions from two halves of the reads.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--batch-size", type=int, default=64, show_default=True, help="Examples at a time.")
@click.option("--resamples", type=int, default=1000, show_default=True, help="Of the bootstrap.")
@click.option("--json", "as_lines", is_flag=True, help="Print metrics as one line of JSON.")
@force
@quiet
def command(run: Path, *, quiet: bool, as_lines: bool, **options: Any) -> None:
    """Measure the model of RUN on examples that it has not seen, and print its metrics."""
    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.inference.evaluate import evaluate
    from modelkit.training.checkpoint import as_json

    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with work_bar("measuring", "region", 1, show=not quiet) as progress:
        found = evaluate(run, progress=progress, **options)
    if as_lines:
        intervals = {
            name: {measure: each._asdict() for measure, each in measures.items()}
            for name, measures in found.intervals.items()
        }
        summary = {"examples": found.n, "metrics": found.metrics, "intervals": intervals}
        click.echo(as_json(summary | {"notes": list(found.notes)}))
        return
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{found.n:,} examples")
    for reason, n in found.skipped.items():
        click.echo(f"  left out {n:,}: {reason}")
    for line in found.lines():
        click.echo(line)
