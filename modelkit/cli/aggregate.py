"""`modelkit aggregate`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import force, quiet
from modelkit.cli._context_options import set_options
from modelkit.cli.topics._options import figure, output


@click.command("aggregate")
@set_options
@output
@click.option(
    "--orient/--genome", default=False, show_default=True,
    help="Turn sequences along the strand of their core motif, or not.",
)  # fmt: skip
@click.option("--cap", type=float, help="Larger |scores| count as so much.")
@figure
@force
@quiet
def command(sets: dict[str, Path], *, quiet: bool, **options: Any) -> None:
    """Average a model's scores by their distance from core motifs."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.interpretation.context.aggregate import aggregate

    with work_bar("averaging", "factor", 1, show=not quiet) as progress:
        made = aggregate(sets, progress=progress, **options)
    if quiet:
        return
    for row in made.table.select(["setting", "name", "bound", "without_score"]).to_pylist():
        if row["without_score"]:
            name = f"{row['setting']}:{row['name']}".lstrip(":")
            click.echo(
                f"{name}: left out {row['without_score']:,} "
                f"{'bound' if row['bound'] else 'unbound'} sequences without any score",
                err=True,
            )
    click.echo(
        f"{made.path}: {len(made):,} profiles of {len(made.names):,} factors, "
        f"{len(made.offsets):,} bp, {perf_counter() - started:.2f} s",
        err=True,
    )
