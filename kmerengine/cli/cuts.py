"""`kmerengine cuts`."""

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, cut_options, force, json_summary, quiet, scheduler


@click.command("cuts")
@click.argument("samples", type=PATH, nargs=-1)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="A .parquet or .arrow table; or .bw, .bedgraph[.gz] with {sample}, {strand} in its name.",
)
@click.option("--sheet", type=PATH, help="A table of sample, file[, groups] instead of SAMPLES.")
@click.option("--name", "names", multiple=True, help="Sample name; one per file, in order.")
@cut_options()
@click.option("--strands", type=click.Choice(["sum", "split"]), help="Of a signal.  [default: sum]")
@click.option(
    "--scale",
    type=click.Choice(["raw", "cpm", "binary"]),
    default="raw",
    show_default=True,
    help="Of a signal: cuts, cuts per million of the sample, or 1 where there is a cut.",
)
@scheduler
@force
@quiet
@json_summary
def command(
    samples: tuple[Path, ...], output: Path, *, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Count Tn5 cut sites of SAMPLES per base and strand.

    SAMPLES are BAM, CRAM, 10x fragments, BEDPE or tagAlign; or cuts (.parquet, .arrow), which are
    joined or written as a signal.
    """
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from kmerengine.cli._startup import load_libraries

    load_libraries()
    from kmerengine import CutTrack, cuts

    with work_bar("reading", "file", 1, show=not quiet) as progress:
        made = cuts(samples, output=output, progress=progress, **options)
    seconds = round(perf_counter() - started, 2)
    paths = [output] if isinstance(made, CutTrack) else list(made.paths)
    reads = made.provenance["reads"]
    if as_json:
        summary = {"shift": made.shift, "samples": reads, "output": [str(path) for path in paths]}
        click.echo(json.dumps(summary | {"seconds": seconds}))
    if not quiet:
        for name, file in reads.items():
            click.echo(f"{name}: {file['kept']:,} of {file['records']:,} records kept", err=True)
            for reason, n in file["dropped"].items():
                click.echo(f"  dropped {n:>12,}  {reason}", err=True)
            for reason, n in file["cuts_dropped"].items():
                click.echo(f"  of cuts {n:>12,}  {reason}", err=True)
            if file.get("barcodes", 0) > file.get("barcodes_seen", 0):
                never = file["barcodes"] - file["barcodes_seen"]
                click.echo(f"  {never:,} of {file['barcodes']:,} barcodes never seen", err=True)
            click.echo(f"  {file['note']}", err=True)
        click.echo(f"shift {made.shift}", err=True)
        click.echo(f"{', '.join(map(str, paths))} written in {seconds} s", err=True)
