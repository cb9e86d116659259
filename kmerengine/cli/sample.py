"""`kmerengine sample`: windows and sites."""

import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kmerengine.cli._options import PATH, force, json_summary, quiet

if TYPE_CHECKING:
    from kmerengine.sampling.output import Sample

F = TypeVar("F", bound=Callable[..., Any])


@click.group(name="sample")
def command() -> None:
    """Choose negatives that match positives.

    The folder that is written holds regions.parquet and regions.bed, with the label as the score,
    and bins.parquet: how many there were of each bin, and how many were kept.
    """


def _shared(command: F) -> F:
    """Options of both."""
    options = (
        click.option("-o", "--output", type=PATH, required=True, help="A folder."),
        click.option(
            "--width",
            type=int,
            default=1000,
            show_default=True,
            metavar="BP",
            help="Of all windows.",
        ),
        click.option(
            "--gc-bin", type=float, default=0.02, show_default=True, help="Width of GC bins."
        ),
        click.option(
            "--ratio", type=int, default=1, show_default=True, help="Negatives for each positive."
        ),
        click.option(
            "--balance",
            type=click.Choice(["min", "positives", "exact"]),
            default="min",
            show_default=True,
            help="Where a bin has too few negatives: drop positives too, keep all, or refuse.",
        ),
        click.option(
            "--skip-missing-contigs", is_flag=True, help="Skip what lies on unknown contigs."
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Same seed, same bytes."
        ),
        click.option("--threads", type=int, metavar="N", help="[default: all processors]"),
        force,
        quiet,
        json_summary,
    )

    for option in reversed(options):
        command = option(command)
    return command


@command.command(name="windows")
@click.argument("genome", type=PATH)
@click.argument("regions", type=PATH)
@click.option("--same-chromosome", is_flag=True, help="Each on the contig of its positive.")
@click.option(
    "--exclude",
    "--blacklist",
    "exclude",
    type=PATH,
    multiple=True,
    help="BED that no negative overlaps; repeatable.",
)
@click.option(
    "--margin",
    type=int,
    default=0,
    show_default=True,
    metavar="BP",
    help="Kept from regions and from what is excluded.",
)
@click.option(
    "--max-n",
    type=float,
    default=0.0,
    show_default=True,
    help="Largest share of bases other than A C G T in a window.",
)
@click.option("--allow-overlaps", is_flag=True, help="Negatives may overlap one another.")
@_shared
def windows(genome: Path, regions: Path, *, quiet: bool, as_json: bool, **options: Any) -> None:
    """Choose random windows of GENOME with the GC of REGIONS (BED or narrowPeak)."""

    def work(progress: Any) -> "Sample":
        from kmerengine import sample_windows

        return sample_windows(genome, regions, progress=progress, **options)

    _run(work, options["output"], quiet=quiet, as_json=as_json)


@command.command(name="sites")
@click.argument("genome", type=PATH)
@click.argument("hits", type=PATH)
@click.argument("peaks", type=PATH)
@click.option(
    "--setting",
    type=click.Choice(["baseline", "gc", "accessibility"]),
    default="baseline",
    show_default=True,
    help="Match by p-value, by GC too, or both within open chromatin.",
)
@click.option("--accessible", type=PATH, help="BED of open chromatin, for that setting.")
@click.option("--motif", "motifs", multiple=True, help="Of HITS this motif only; repeatable.")
@click.option("--strict", is_flag=True, help="Peaks must reach past the motif on both sides.")
@click.option(
    "--p-bin", type=float, default=0.1, show_default=True, help="Width of bins of -log10 p."
)
@_shared
def sites(
    genome: Path, hits: Path, peaks: Path, *, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Match unbound motif instances to bound ones, those within PEAKS (AgentBind).

    HITS is what `kmerengine scan` found in GENOME, or FIMO's table.
    """

    def work(progress: Any) -> "Sample":
        from kmerengine import sample_sites

        return sample_sites(genome, hits, peaks, progress=progress, **options)

    _run(work, options["output"], quiet=quiet, as_json=as_json)


def _run(work: Callable[[Any], "Sample"], output: Path, *, quiet: bool, as_json: bool) -> None:
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from kmerengine.cli._startup import load_libraries

    load_libraries()
    with work_bar("sampling", show=not quiet) as progress:
        sample = work(progress)
    seconds = round(perf_counter() - started, 2)
    if as_json:
        further = {"notes": sample.notes, "output": str(output), "seconds": seconds}
        click.echo(json.dumps({**sample.report, **further}))
    if not quiet:
        for line in [*_lines(sample.report), *(f"note: {note}" for note in sample.notes)]:
            click.echo(line, err=True)
        click.echo(f"{output} written in {seconds} s", err=True)


def _lines(report: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in report.items():
        if isinstance(value, int):
            lines.append(f"{name.replace('_', ' '):<26}{value:>14,}")
        else:  # by reason
            lines += [f"  {'skipped':<24}{n:>14,}  {reason}" for reason, n in value.items()]
    return lines
