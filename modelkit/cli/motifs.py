"""`modelkit motifs`."""

import warnings
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("motifs")
@click.argument("seqlets", type=PATH, nargs=-1, required=True, metavar="SEQLETS...")
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option(
    "--method",
    type=click.Choice(["seqlets", "modisco"]),
    default="seqlets",
    show_default=True,
    help="modisco: TF-MoDISco, of attributions in place of SEQLETS.",
)
@click.option("--name", "names", multiple=True, help="Of each model's seqlets; repeatable.")
@click.option("--database", type=PATH, help="Motifs to name them after.")
@click.option(
    "--preset",
    type=click.Choice(["paper", "code"]),
    default="paper",
    show_default=True,
    help="Gives threshold 0.05, 1 round, lineages; or 0.001, 2, sequences.",
)
@click.option("--threshold", type=float, help="Largest p of two seqlets of a motif.")
@click.option("--rounds", type=int, help="Times of clustering.")
@click.option(
    "--count",
    type=click.Choice(["lineages", "sequences", "seqlets"]),
    help="What Fisher's test counts: pairs of sequence and target, or sequences, or seqlets.",
)
@click.option(
    "--alpha", type=float, default=0.01, show_default=True, help="Over the number of motifs."
)
@click.option("--q", type=float, default=0.05, show_default=True, help="Of a name.")
@click.option(
    "--window",
    type=int,
    default=400,
    show_default=True,
    metavar="BP",
    help="Of modisco: around the middle.",
)
@click.option(
    "--max-seqlets", type=int, default=20_000, show_default=True, help="Of modisco, of either sign."
)
@click.option("--threads", type=int, metavar="N", help="[default: all processors]")
@force
@quiet
def command(seqlets: tuple[Path, ...], *, quiet: bool, **options: Any) -> None:
    """Cluster SEQLETS of one model or several to motifs; of two, find what either has more of."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.interpretation.motifs.motifs import motifs

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with work_bar("comparing", "Mpair", 1e6, show=not quiet) as progress:
            made = motifs(seqlets, progress=progress, **options)
    for each in dict.fromkeys(str(warning.message) for warning in warned):
        click.echo(f"warning: {each}", err=True)
    if not quiet:
        if len(made.models) == 2:
            for model in made.models:
                click.echo(f"{model}: {len(made.enriched(model)):,} motifs enriched", err=True)
        if not len(made.seqlets):
            click.echo("warning: there is no seqlet to make motifs of", err=True)
        click.echo(
            f"{made.path}: {len(made):,} motifs of {len(made.seqlets):,} seqlets, "
            f"{perf_counter() - started:.2f} s",
            err=True,
        )
