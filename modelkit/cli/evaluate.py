"""`modelkit evaluate`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("evaluate")
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN...")
@click.option("--data", "dataset", type=PATH, required=True, help="From kmerengine dataset.")
@click.option("-o", "--output", type=PATH, help="A folder for the measures of each example.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    help="train, validation or test, as the run had it; or all.",
)
@click.option(
    "--as-class",
    metavar="CLASS",
    help="Of a run of several classes this one, on data of one label.",
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
def command(runs: tuple[Path, ...], *, quiet: bool, as_lines: bool, **options: Any) -> None:
    """Measure the model of RUN on examples that it has not seen, and print its metrics.

    Several RUNs are trials of one model: of each the metrics, and how they spread.
    """
    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.inference.evaluate import evaluate
    from modelkit.inference.trials import evaluate_trials
    from modelkit.training.checkpoint import as_json

    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with work_bar("measuring", "region", 1, show=not quiet) as progress:
        if len(runs) > 1:
            trials = evaluate_trials(runs, progress=progress, **options)
            first, notes = trials.each[0], [n for each in trials.each for n in each.notes]
            lines, summary = trials.lines, trials.summary
        else:
            first = evaluate(runs[0], progress=progress, **options)
            notes, lines, summary = list(first.notes), first.lines, first.summary
    if as_lines:
        click.echo(as_json(summary()))
        return
    for note in dict.fromkeys(notes):
        click.echo(f"note: {note}", err=True)
    click.echo(f"{first.n:,} examples")
    for reason, n in first.skipped.items():
        click.echo(f"  left out {n:,}: {reason}")
    for line in lines():
        click.echo(line)
