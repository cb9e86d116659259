"""`modelkit add-bias`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("add-bias")
@click.argument("run", type=PATH)
@click.option("--data", "dataset", type=PATH, required=True, help="From kmerengine dataset.")
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="cpu, cuda, cuda:N or auto.",
)
@force
@quiet
def command(run: Path, dataset: Path, output: Path, *, quiet: bool, **options: Any) -> None:
    """Write a data set with the logits of the bias model RUN as its bias."""
    started = perf_counter()
    from modelkit.inference.bias import add_bias

    made = add_bias(run, dataset, output, **options)
    if not quiet:
        seconds = perf_counter() - started
        click.echo(f"{output}: {len(made):,} examples, {seconds:.2f} s", err=True)
