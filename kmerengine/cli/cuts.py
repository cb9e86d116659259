"""`kmerengine cuts`."""

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import Bytes, force, json_summary, quiet

PATH = click.Path(path_type=Path)


@click.command("cuts")
@click.argument("samples", type=PATH, nargs=-1, required=True)
@click.option("-o", "--output", type=PATH, required=True, help="A .parquet file.")
@click.option("--name", "names", multiple=True, help="Sample name; one per file, in order.")
@click.option("--groups", type=PATH, help="Barcode and group in two columns.")
@click.option(
    "--mode",
    type=click.Choice(["reads", "fragments"]),
    default="reads",
    show_default=True,
    help="Every read's 5' end, or both ends of proper pairs.",
)
@click.option(
    "--shift",
    default="+4/-4",
    show_default=True,
    help="Added to 5' bases of plus and minus reads; any pair, or none.",
)
@click.option(
    "--input-shift",
    type=click.Choice(["auto", "none", "+4/-5", "+4/-4"]),
    default="auto",
    show_default=True,
    help="What the files already hold.",
)
@click.option("--min-mapq", type=int, default=0, help="Drop reads of lower mapping quality.")
@click.option("--drop-duplicates", is_flag=True, help="Drop reads flagged as duplicates.")
@click.option("--min-length", type=int, default=0, metavar="BP", help="Of a pair's fragment.")
@click.option("--max-length", type=int, metavar="BP", help="Of a pair's fragment.")
@click.option("--contig", "contigs", multiple=True, help="Keep this contig only; repeatable.")
@click.option("--weighted", is_flag=True, help="Use the count column of 10x fragment files.")
@click.option(
    "--legacy-double-count", is_flag=True, help="Count a fragment once for each of its mates."
)
@click.option("--threads", type=int, metavar="N", help="[default: all processors]")
@click.option(
    "--memory",
    type=Bytes(),
    default=256 << 20,
    metavar="BYTES",
    help="For cuts held at once.  [default: 256M]",
)
@force
@quiet
@json_summary
def command(
    samples: tuple[Path, ...], output: Path, *, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Count Tn5 cut sites of SAMPLES (BAM, 10x fragments, BEDPE, tagAlign) per base and strand."""
    started = perf_counter()
    from kmerengine.cli._startup import load_numba

    load_numba()
    from kmerengine import cuts

    track = cuts(samples, output=output, **options)
    summary = {
        "shift": track.shift,
        "samples": track.provenance["reads"],
        "rows": len(track),
        "output": str(output),
        "seconds": round(perf_counter() - started, 2),
    }
    if as_json:
        click.echo(json.dumps(summary))
    if not quiet:
        for name, reads in track.provenance["reads"].items():
            click.echo(f"{name}: {reads['kept']:,} of {reads['records']:,} records kept", err=True)
            for reason, n in reads["dropped"].items():
                click.echo(f"  dropped {n:>12,}  {reason}", err=True)
            click.echo(f"  {reads['note']}", err=True)
        click.echo(f"shift {track.shift}", err=True)
        click.echo(f"{output} written in {summary['seconds']} s", err=True)
