"""`kmerengine qc`."""

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, cut_options, force, json_summary, quiet

SHOWN = (
    ("cuts", "cuts", "{:,}"),
    ("mitochondrial", "mitochondrial", "{:.1%}"),
    ("duplicates", "duplicates", "{:.1%}"),
    ("pbc1", "PBC1", "{:.3f}"),
    ("library_size", "library size", "{:,}"),
    ("median_length", "median length", "{} bp"),
    ("nucleosome_free", "under 147 bp", "{:.1%}"),
    ("frip", "in regions", "{:.1%}"),
    ("tss_enrichment", "TSS enrichment", "{:.2f}"),
    ("region_enrichment", "region enrichment", "{:.2f}"),
    ("shift_note", "shift", "{}"),
)


@click.command("qc")
@click.argument("samples", type=PATH, nargs=-1)
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option("--regions", type=PATH, help="BED or narrowPeak: cuts inside and around centres.")
@click.option("--tss", type=PATH, help="GTF, GFF3 or BED: cuts around start sites.")
@click.option(
    "--reach",
    type=int,
    default=2000,
    show_default=True,
    metavar="BP",
    help="Around start sites and centres, to either side.",
)
@click.option(
    "--figure", type=click.Choice(["png", "svg"]), default="png", show_default=True,
    help="Format of the figure.",
)  # fmt: skip
@click.option("--sheet", type=PATH, help="A table of sample, file instead of SAMPLES.")
@click.option("--name", "names", multiple=True, help="Sample name; one per file, in order.")
@cut_options(groups=False)
@force
@quiet
@json_summary
def command(
    samples: tuple[Path, ...], output: Path, *, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Measure the quality of SAMPLES: lengths, enrichment, duplicates, shift; with a figure."""
    started = perf_counter()
    from kmerengine.cli._startup import load_libraries

    load_libraries()
    from kmerengine import qc

    report = qc(samples, output=output, **options)
    seconds = round(perf_counter() - started, 2)
    if as_json:
        click.echo(json.dumps({"samples": report.metrics, "output": str(output)}))
    if not quiet:
        for metrics in report.metrics:
            click.echo(metrics["sample"], err=True)
            for name, label, form in SHOWN:
                if metrics[name] is not None:
                    click.echo(f"  {label:<18}{form.format(metrics[name])}", err=True)
        click.echo(f"{report.figure} and tables written in {seconds} s", err=True)
