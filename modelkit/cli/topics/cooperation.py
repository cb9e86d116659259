"""`modelkit topics cooperation`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import force, quiet
from modelkit.cli.topics._options import figure, kind, or_none, output, probes, top


@click.command("cooperation")
@probes
@output
@click.option("--factors", nargs=2, required=True, metavar="ONE OTHER", help="Labels of PROBES.")
@click.option("--pair", help="Label of probes of both  [default: ONE:OTHER]")
@click.option(
    "--topic", "topics", multiple=True, callback=or_none, metavar="TOPIC_3",
    help="Repeatable.  [default: that of the least p-value of the pair]",
)  # fmt: skip
@kind("concentrations")
@top
@figure
@force
@quiet
def command(values: Path, labels: Path, *, quiet: bool, **options: Any) -> None:
    """Compare a topic in probes of two factors, of their pair and of all others."""
    from modelkit.interpretation.topics.cooperation import topic_cooperation

    made = topic_cooperation(values, labels, **options)
    if quiet:
        return
    for row in made.table.to_pylist():
        click.echo(
            f"{row['topic']}  {row['group']}: {row['n']:,} probes, mean {row['mean']:.4g}, "
            f"p = {row['p']:.3g}",
            err=True,
        )
    click.echo(f"{made.path}: {len(made.table):,} rows", err=True)
