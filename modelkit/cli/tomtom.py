"""`modelkit tomtom`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("tomtom")
@click.argument("query", type=PATH)
@click.argument("database", type=PATH)
@click.option("-o", "--output", type=PATH, help=".parquet or .tsv  [default: the best, on stdout]")
@click.option(
    "--q",
    type=float,
    metavar="Q",
    help="Largest q-value (with two dashes: -q is --quiet)  [default: 0.05, any with --e]",
)
@click.option(
    "--e",
    type=float,
    metavar="E",
    help="Largest E-value: p-value times the motifs of DATABASE. With --q too, both must hold.",
)
@click.option("--threads", type=int, metavar="N", help="[default: all processors]")
@force
@quiet
def command(
    query: Path, database: Path, output: Path | None, *, quiet: bool, **options: Any
) -> None:
    """Name the motifs of QUERY after those of DATABASE that they are like."""
    started = perf_counter()
    from modelkit.interpretation.motifs.naming import tomtom

    found = tomtom(query, database, output, **options)
    best = found.best()
    if output is None:
        for name, row in best.items():
            click.echo(
                f"{name}\t{row['target']}\t{row['target_alt_name']}\t{row['q']:.3g}\t{row['e']:.3g}"
            )
    if not quiet:
        for note in found.notes:
            click.echo(f"note: {note}", err=True)
        click.echo(
            f"{output or query}: {len(found):,} matches, {len(best):,} motifs with one, "
            f"{perf_counter() - started:.2f} s",
            err=True,
        )
