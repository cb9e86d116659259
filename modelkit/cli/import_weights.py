"""`modelkit import-weights`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("import-weights")
@click.argument("file", type=PATH)
@click.option("--from", "source", required=True, metavar="MODEL", help="Whose weights they are.")
@click.option("-o", "--output", type=PATH, required=True, metavar="RUN", help="A folder.")
@click.option(
    "--length", type=int, metavar="BP", help="Of sequence.  [default: 1000; 998 with the next]"
)
@click.option(
    "--off-by-two/--no-off-by-two",
    default=True,
    show_default=True,
    help="Of bpAI-TAC: trained on data with its correction.",
)
@click.option(
    "--alphabet", metavar="ACGT", help="Order of the first layer's bases.  [default: the model's]"
)
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="One for each task, in order.")
@click.option("--tasks-from", type=PATH, help="Or their names: a text with one a line, or .npy.")
@force
@quiet
def command(
    file: Path,
    source: str,
    output: Path,
    *,
    tasks: tuple[str, ...],
    tasks_from: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Make a run of the released weights in FILE: a PyTorch state dict, or TensorFlow's variables
    as .npz.
    """
    from modelkit.weights.import_weights import import_weights
    from modelkit.weights.names import read_names

    if tasks_from is not None:
        tasks = (*tasks, *read_names(tasks_from))
    run = import_weights(source, file, output, tasks=tasks, **options)
    if not quiet:
        n = len(run.about["tasks"])
        click.echo(f"{output}: {run.config.model}, {n} tasks, shift {run.about['shift']}", err=True)
