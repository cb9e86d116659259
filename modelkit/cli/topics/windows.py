"""`modelkit topics windows`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli.topics._options import topic_map


@click.command("windows")
@click.argument("run", type=PATH)
@click.argument("regions", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help=".bed or .parquet")
@click.option("--genome", type=PATH, required=True, help="FASTA that REGIONS go by.")
@topic_map
@click.option("--width", type=int, default=30, show_default=True, metavar="BP", help="Of a window.")
@click.option(
    "--step", type=int, default=10, show_default=True, metavar="BP", help="From one to the next."
)
@click.option(
    "--threshold", "c", type=float, default=2.0, show_default=True, metavar="C",
    help="Topics are listed from C times an equal share on.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@force
@quiet
def command(run: Path, regions: Path, *, quiet: bool, **options: Any) -> None:
    """Write the topics of RUN, and their factors, in windows along REGIONS."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.interpretation.topics.windows import topic_windows

    with work_bar("encoding", "window", 1, show=not quiet) as progress:
        made = topic_windows(run, regions, progress=progress, **options)
    if quiet:
        return
    for reason, n in made.skipped.items():
        click.echo(f"{n:,} left out: {reason}", err=True)
    click.echo(
        f"{made.path}: {len(made.table):,} topics of {made.n_windows:,} windows, "
        f"{perf_counter() - started:.2f} s",
        err=True,
    )
