"""`modelkit topics motifs`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("motifs")
@click.argument("run", type=PATH)
@click.option("-o", "--output", type=PATH, help="A folder  [default: the motifs, on stdout]")
@click.option(
    "--topic", "topics", multiple=True, help="Such as topic_3; repeatable  [default: all]"
)
@click.option(
    "--length", type=int, default=10, show_default=True, metavar="BP", help="Of sequences."
)
@click.option(
    "--sample", type=float, default=1.0, show_default=True,
    help="Share of all sequences of that length; 0.1 of those of 15 bp, for composite motifs.",
)  # fmt: skip
@click.option("--top", type=int, default=200, show_default=True, help="Sequences of a motif.")
@click.option(
    "--kind",
    type=click.Choice(["concentrations", "proportions"]),
    default="concentrations",
    show_default=True,
    help="By what sequences are ranked.",
)
@click.option(
    "--aligner",
    type=click.Choice(["builtin", "meme"]),
    default="builtin",
    show_default=True,
    help="meme is that of the MEME Suite, if it is installed.",
)
@click.option("--database", type=PATH, help="Motifs to name them after.")
@click.option("--q", type=float, default=0.05, show_default=True, help="Largest q-value of a name.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sample.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option(
    "--batch-size", type=int, default=8192, show_default=True, help="Sequences at a time."
)
@click.option("--threads", type=int, metavar="N", help="Of names  [default: all processors]")
@force
@quiet
def command(run: Path, *, output: Path | None, quiet: bool, **options: Any) -> None:
    """Make a motif of the short sequences that have the most of each topic of RUN."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.interpretation.topics.motifs import topic_motifs

    with work_bar("encoding", "Msequence", 1e6, show=not quiet) as progress:
        made = topic_motifs(run, output, progress=progress, **options)
    rows = made.table.to_pylist()
    if output is None:
        for row in rows:
            if row["consensus"] is not None:
                said = (row["topic"], row["consensus"], f"{row['information']:.2f}",
                        row["aligned"], row["match_alt_name"] or row["match"] or "")  # fmt: skip
                click.echo("\t".join(map(str, said)))
    if quiet:
        return
    silent = sum(row["silent"] for row in rows)
    if silent:
        click.echo(f"{silent:,} topics prefer no sequence: they have no motif", err=True)
    if made.matches is not None:
        for note in made.matches.notes:
            click.echo(f"note: {note}", err=True)
        click.echo(
            f"{len(made.matches.best()):,} of {len(made):,} topics are like a motif of "
            f"{options['database'].name} at q <= {options['q']:g}",
            err=True,
        )
    click.echo(
        f"{output or run}: {len(made.motifs):,} motifs of {made.provenance['n']:,} sequences, "
        f"{perf_counter() - started:.2f} s",
        err=True,
    )
