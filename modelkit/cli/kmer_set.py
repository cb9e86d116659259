"""`modelkit kmer-set`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("kmer-set")
@click.argument("dataset", type=PATH, metavar="DATA")
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option("--label", metavar="NAME", help="What to tell; may be left out if there is only one.")
@click.option(
    "--window", type=int, default=61, show_default=True, metavar="BP",
    help="Middle of each sequence that is looked at.",
)  # fmt: skip
@click.option("--k-min", type=int, default=5, show_default=True, help="Bases of the shortest word.")
@click.option("--k-max", type=int, default=13, show_default=True, help="Bases of the longest word.")
@click.option("--k-top", type=int, default=10, show_default=True, help="Seeds of each k, at most.")
@click.option(
    "--combine",
    type=click.Choice(["max", "sum"]),
    default="max",
    show_default=True,
    help="Scores of several sets in a sequence.",
)
@click.option(
    "--trials", type=int, default=0, show_default=True, metavar="N",
    help="Learn and test N times at random, in place of the data set's own split.",
)  # fmt: skip
@click.option(
    "--test-share", type=float, default=0.2, show_default=True, metavar="SHARE",
    help="Of all sequences that a trial tests on.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the trials.")
@force
@quiet
def command(dataset: Path, *, quiet: bool, **options: Any) -> None:
    """Tell labels by sets of aligned k-mers, without a network, to compare with."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.baselines.kmer_set_run import kmer_set

    with work_bar("learning", "trial", 1, show=not quiet) as progress:
        made = kmer_set(dataset, progress=progress, **options)
    if quiet:
        return
    if made.model is not None:
        for motif in made.model.motifs:
            click.echo(
                f"set of {len(motif.words):,} words around {motif.words[0]}: "
                f"P = 1e{motif.log10_p:.1f}",
                err=True,
            )
        if not made.model.motifs:
            click.echo("no word is enriched: every score is 0", err=True)
    for name, value in made.mean.items():
        spread = f" sd {made.sd[name]:.4f}" if len(made.measures) > 1 else ""
        click.echo(f"{name:<14}{value:.4f}{spread}", err=True)
    click.echo(f"{made.path}: {perf_counter() - started:.2f} s", err=True)
