"""`modelkit footprint`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli._insertion_options import insertion_options, shuffled_line
from modelkit.cli._targets import chosen_targets

MOST_LINES = 20


@click.command("footprint")
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN...")
@insertion_options
@click.option(
    "--margin",
    type=int,
    default=2,
    show_default=True,
    metavar="BP",
    help="On each side of the motif, of the dip.",
)
@click.option(
    "--flank",
    type=int,
    default=20,
    show_default=True,
    metavar="BP",
    help="On each side of the dip, what it is compared with.",
)
@force
@quiet
def command(
    runs: tuple[Path, ...],
    *,
    targets: tuple[str, ...],
    lineages: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Write the profiles that RUNs predict around motifs in shuffled regions, without bias.

    Several RUNs are averaged.
    """
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.interpretation.insertions.footprint import footprint

    chosen = chosen_targets(targets, lineages)
    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with work_bar("predicting", "sequence", 1, show=not quiet) as progress:
        made = footprint(runs, targets=chosen, progress=progress, **options)
    if quiet:
        return
    about = made.provenance
    click.echo(
        f"{made.path}: {len(about['motifs'])} motifs, {len(about['targets'])} targets, "
        f"{shuffled_line(about)}, {perf_counter() - started:.2f} s",
        err=True,
    )
    rows = made.depths.to_pylist()
    for row in rows[:MOST_LINES]:
        depth = "unknown" if row["depth"] is None else f"{row['depth']:+.2f} bits"
        click.echo(f"  {row['motif']}, {row['target']}: depth {depth}", err=True)
    if len(rows) > MOST_LINES:
        click.echo(f"  and {len(rows) - MOST_LINES:,} more in depths.parquet", err=True)
