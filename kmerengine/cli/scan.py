"""`kmerengine scan`."""

import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from kmerengine.cli._options import force, json_summary, quiet, scheduler
from kmerengine.cli._regions import default_output, kept_lines

if TYPE_CHECKING:
    from kmerengine.motifs.hits import MotifHits

PATH = click.Path(path_type=Path)


@click.command("scan")
@click.argument("genome", type=PATH)
@click.argument("motifs", type=PATH)
@click.argument("regions", type=PATH, required=False)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Suffix picks the format: .parquet .bed .bed.gz"
    "  [default: name of REGIONS or GENOME + .hits.parquet]",
)
@click.option(
    "--p", type=float, default=1e-4, show_default=True, help="Keep hits of at most this p-value."
)
@click.option(
    "--q",
    type=float,
    help="Of hits within --p, keep those of at most this q-value (Benjamini-Hochberg).",
)
@click.option("--best", is_flag=True, help="Only the best hit of each region and motif.")
@click.option(
    "--strands",
    type=click.Choice(["both", "best", "plus"]),
    default="both",
    show_default=True,
    help="Hits of each strand, the better of two at one place, or plus alone.",
)
@click.option(
    "--background",
    default="uniform",
    show_default=True,
    help="uniform, genome, motifs (as their file says), or A,C,G,T frequencies.",
)
@click.option(
    "--pseudocount",
    type=float,
    default=0.1,
    show_default=True,
    metavar="SITES",
    help="Added to each position of a motif.",
)
@click.option("--name", "names", multiple=True, help="Scan this motif only; repeatable.")
@click.option("--sequence", is_flag=True, help="Give the bases matched, too.")
@click.option(
    "--motif-format",
    type=click.Choice(["meme", "jaspar", "transfac", "hocomoco"]),
    help="[default: told from the content]",
)
@click.option("--rename-duplicates", is_flag=True, help="Number motifs of one name.")
@click.option("--skip-missing-contigs", is_flag=True, help="Skip regions on unknown contigs.")
@click.option("--threads", type=int, metavar="N", help="[default: all processors]")
@scheduler
@force
@quiet
@json_summary
def command(
    genome: Path,
    motifs: Path,
    regions: Path | None,
    output: Path | None,
    *,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find instances of MOTIFS (MEME, JASPAR, TRANSFAC, HOCOMOCO) in GENOME, or in its REGIONS."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from kmerengine.cli._startup import load_libraries

    load_libraries()
    from kmerengine import scan

    output = default_output(regions or genome, "hits") if output is None else output
    with work_bar("scanning", show=not quiet) as progress:
        hits = scan(genome, motifs, regions, output=output, progress=progress, **options)
    summary = _summary(hits, output, perf_counter() - started)
    if as_json:
        click.echo(json.dumps(summary))
    if not quiet:
        click.echo(_as_text(summary), err=True)


def _summary(hits: "MotifHits", output: Path, seconds: float) -> dict[str, Any]:
    """What was found, for people and machines."""
    made = hits.provenance
    summary: dict[str, Any] = {
        name: made[name] for name in ("regions", "kept", "skipped") if name in made
    }
    summary |= {"bases": made["bases"], "motifs": len(made["motifs"])}
    summary |= {"windows": hits.windows, "windows_not_acgt": hits.skipped, "hits": len(hits)}
    return summary | {"notes": hits.notes, "output": str(output), "seconds": round(seconds, 2)}


def _as_text(summary: dict[str, Any]) -> str:
    lines = []
    if "regions" in summary:
        lines += kept_lines(summary["regions"], summary["kept"], summary["skipped"], width=14)
    lines.append(f"bases     {summary['bases']:>14,}")
    lines.append(f"motifs    {summary['motifs']:>14,}")
    lines.append(f"windows   {summary['windows']:>14,}")
    lines.append(f"  skipped {summary['windows_not_acgt']:>14,}  a base other than A C G T")
    lines.append(f"hits      {summary['hits']:>14,}")
    lines += [f"note: {note}" for note in summary["notes"]]
    lines.append(f"{summary['output']} written in {summary['seconds']} s")
    return "\n".join(lines)
