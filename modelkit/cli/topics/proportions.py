"""`modelkit topics proportions`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("proportions")
@click.argument("run", type=PATH)
@click.argument("source", type=PATH)
@click.option("-o", "--output", type=PATH, help=".parquet  [default: the first topics, on stdout]")
@click.option(
    "--kind",
    type=click.Choice(["proportions", "concentrations"]),
    default="proportions",
    show_default=True,
    help="What further analyses take; a file holds both.",
)
@click.option(
    "--split", default="all", show_default=True,
    help="Of a data set: train, validation or test, as the run had it; or all.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option(
    "--batch-size", type=int, default=4096, show_default=True, help="Sequences at a time."
)
@force
@quiet
def command(run: Path, source: Path, *, output: Path | None, quiet: bool, **options: Any) -> None:
    """Say how much of each topic of RUN the sequences of SOURCE have.

    SOURCE is a data set, k-mer counts, a FASTA file, or a .txt of BindVAE's id lists. Without -o
    the three largest topics of each are said, with their values.
    """
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.interpretation.topics.proportions import topic_proportions

    with work_bar("encoding", "sequence", 1, show=not quiet) as progress:
        made = topic_proportions(run, source, output, progress=progress, **options)
    if output is None:
        values = made.values
        for name, row, order in zip(made.names, values, (-values).argsort(1), strict=True):
            largest = "\t".join(f"{made.topics[i]}\t{row[i]:.4g}" for i in order[:3])
            click.echo(f"{name}\t{largest}")
    if quiet:
        return
    for reason, n in made.provenance["skipped"].items():
        click.echo(f"{n:,} sequences left out: {reason}", err=True)
    if made.provenance["without_words"]:
        click.echo(f"{made.provenance['without_words']:,} sequences have no word", err=True)
    click.echo(
        f"{output or source}: {len(made):,} sequences, {len(made.topics)} topics, "
        f"{perf_counter() - started:.2f} s",
        err=True,
    )
