"""`modelkit topics heatmap`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import force, quiet
from modelkit.cli.topics._options import figure, kind, or_none, output, probes


@click.command("heatmap")
@probes
@output
@click.option(
    "--factor", "factors", multiple=True, callback=or_none, help="To show; repeatable."
    "  [default: all]",
)  # fmt: skip
@click.option("-n", "--n-probes", type=int, default=200, show_default=True, help="Of each factor.")
@click.option(
    "--signal", type=float, default=2.0, show_default=True, metavar="FOLD",
    help="A topic is shown if its mean over the probes of a factor is so many times that of all "
    "other probes, and an equal share.",
)  # fmt: skip
@kind("proportions")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the probes drawn.")
@figure
@force
@quiet
def command(values: Path, labels: Path, *, quiet: bool, **options: Any) -> None:
    """Show probes by factor, and the topics that carry signal, as a heatmap."""
    from modelkit.interpretation.topics.heatmap import topic_heatmap

    made = topic_heatmap(values, labels, **options)
    if quiet:
        return
    if made.few:
        click.echo(f"{len(made.few):,} factors have fewer probes than asked for", err=True)
    n = sum(made.topics["shown"].to_pylist())
    click.echo(
        f"{made.path}: {len(made.probes):,} probes, {n:,} of {len(made.topics):,} topics", err=True
    )
