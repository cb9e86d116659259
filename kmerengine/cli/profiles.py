"""`kmerengine profiles`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, Bytes, force, quiet
from kmerengine.cli._regions import kept_lines


@click.command("profiles")
@click.argument("cuts", type=PATH)
@click.argument("regions", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option(
    "--width",
    type=int,
    default=1000,
    show_default=True,
    metavar="BP",
    help="Window around the summit or midpoint.",
)
@click.option(
    "--window",
    type=int,
    default=250,
    show_default=True,
    metavar="BP",
    help="Around the centre; its cuts are the totals.",
)
@click.option(
    "--strands",
    type=click.Choice(["sum", "split"]),
    default="sum",
    show_default=True,
    help="Add the strands, or keep them apart.",
)
@click.option("--max-regions", type=int, metavar="N", help="Only the N best scores.")
@click.option("--skip-missing-contigs", is_flag=True, help="Skip regions on unknown contigs.")
@click.option(
    "--memory",
    type=Bytes(),
    default=256 << 20,
    metavar="BYTES",
    help="For profiles held at once.  [default: 256M]",
)
@force
@quiet
def command(cuts: Path, regions: Path, output: Path, *, quiet: bool, **options: Any) -> None:
    """Cut out regions x samples x bp from CUTS, with totals and quantile normalisation."""
    started = perf_counter()
    from kmerengine.cli._startup import load_libraries

    load_libraries()
    from kmerengine import profiles

    made = profiles(cuts, regions, output=output, **options)
    if not quiet:
        about = made.provenance
        for line in kept_lines(about["regions"], len(made), about["skipped"]):
            click.echo(line, err=True)
        seconds = perf_counter() - started
        click.echo(
            f"{output}: {len(made.samples)} samples, shift {made.shift}, {seconds:.2f} s", err=True
        )
