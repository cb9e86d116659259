"""`modelkit topics assignment`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli._names import Named, by_name
from modelkit.cli.topics._options import chip_help, min_overlap, output


@click.command("assignment")
@click.argument("values", type=PATH, metavar="PROPORTIONS")
@click.argument("topic_map", type=PATH, metavar="MAP")
@output
@click.option("--chip", type=Named(), multiple=True, callback=by_name, help=chip_help)
@min_overlap
@click.option(
    "--threshold", "c", type=float, default=2.0, show_default=True, metavar="C",
    help="A topic counts from C times an equal share on.",
)  # fmt: skip
@force
@quiet
def command(values: Path, topic_map: Path, *, quiet: bool, **options: Any) -> None:
    """Assign peaks to the factors of their topics, and compare with ChIP-seq.

    By two rules: factors of the largest topic, and of every topic above a threshold.
    """
    from modelkit.interpretation.topics.assignment import topic_assignment

    made = topic_assignment(values, topic_map, **options)
    if quiet:
        return
    for row in [] if made.chip is None else made.chip.to_pylist():
        shares = [
            "-" if row[name] is None else f"{row[name]:.2f}" for name in ("precision", "recall")
        ]
        click.echo(
            f"{row['factor']:<12} {row['rule']:<9} overlap {row['overlap']:>8,}  mapped "
            f"{row['mapped']:>8,}  precision {shares[0]}  recall {shares[1]}",
            err=True,
        )
    for rule, n in made.n_without.items():
        click.echo(f"{n:,} peaks without a factor by {rule}", err=True)
    click.echo(f"{made.path}: {len(made.peaks):,} peaks", err=True)
