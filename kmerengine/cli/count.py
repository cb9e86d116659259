"""`kmerengine count`."""

import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from kmerengine.cli._options import (
    Bytes,
    chosen_vocabulary,
    force,
    json_summary,
    quiet,
    scheduler,
    vocabulary_options,
)
from kmerengine.cli._regions import default_output, kept_lines

if TYPE_CHECKING:
    from kmerengine.kmers.counts import KmerCounts
    from kmerengine.kmers.total_counts import KmerTotals

PATH = click.Path(path_type=Path)


@click.command("count")
@click.argument("genome", type=PATH)
@click.argument("regions", type=PATH, required=False)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Suffix picks the format: .parquet .arrow .npz .h5ad .txt"
    "  [default: name of REGIONS or GENOME + .kmers.parquet]",
)
@vocabulary_options
@click.option("--width", type=int, metavar="BP", help="Window around the summit or midpoint.")
@click.option("--drop-n", is_flag=True, help="Skip regions with a base other than A C G T.")
@click.option("--max-regions", type=int, metavar="N", help="Only the N best scores.")
@click.option("--skip-missing-contigs", is_flag=True, help="Skip regions on unknown contigs.")
@click.option("--per-record", is_flag=True, help="One row per FASTA record.")
@click.option("--materialize", is_flag=True, help="Store gapped features, not exact words.")
@click.option("--parts", is_flag=True, help="A folder of Parquet parts, written in parallel.")
@click.option("--threads", type=int, metavar="N", help="[default: all processors]")
@click.option(
    "--memory",
    type=Bytes(),
    default=3 << 30,
    metavar="BYTES",
    help="For words held at once when k > 12.  [default: 3G]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto: a GPU for genomes so large that it pays.",
)
@scheduler
@force
@quiet
@json_summary
def command(
    genome: Path,
    regions: Path | None,
    output: Path | None,
    *,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Count gapped k-mers of GENOME in REGIONS (BED, narrowPeak), or in total without REGIONS."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from kmerengine.cli._startup import load_libraries

    load_libraries()
    from kmerengine import count

    vocabulary = chosen_vocabulary(options)
    output = default_output(regions or genome, "kmers") if output is None else output
    with work_bar("counting", show=not quiet) as progress:
        found = count(
            genome, regions, output=output, vocabulary=vocabulary, progress=progress, **options
        )
    if not quiet or as_json:
        summary = _summary(found, output, perf_counter() - started)
        if as_json:
            click.echo(json.dumps(summary))
        if not quiet:
            click.echo(_as_text(summary), err=True)


def _summary(found: "KmerCounts | KmerTotals", output: Path, seconds: float) -> dict[str, Any]:
    """What was counted, for people and machines."""
    made = found.provenance
    names = ("records", "bases", "regions", "kept", "skipped")
    summary = {name: made[name] for name in names if name in made}
    summary["notes"] = getattr(found, "notes", [])
    summary["features"] = found.vocabulary.n_features
    summary |= {"output": str(output), "seconds": round(seconds, 2)}
    return summary


def _as_text(summary: dict[str, Any]) -> str:
    lines = []
    if "regions" in summary:
        lines += kept_lines(summary["regions"], summary["kept"], summary["skipped"])
    else:
        lines.append(f"records   {summary['records']:>12,}")
        lines.append(f"bases     {summary['bases']:>12,}")
    lines.append(f"features  {summary['features']:>12,}")
    lines += [f"note: {note}" for note in summary["notes"]]
    lines.append(f"{summary['output']} written in {summary['seconds']} s")
    return "\n".join(lines)
