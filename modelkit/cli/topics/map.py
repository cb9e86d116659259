"""`modelkit topics map`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli.topics._options import kind, probes, top


@click.command("map")
@probes
@click.option("-o", "--output", type=PATH, help=".parquet or .tsv  [default: pairs, on stdout]")
@kind("concentrations")
@top
@click.option(
    "-p", "--p", "p", type=float, default=0.05, show_default=True, help="Tests below are mapped."
)
@click.option(
    "--peaks", type=PATH, metavar="PROPORTIONS",
    help="Of peaks: map only topics that one of them has more of than most.",
)
@click.option(
    "--threshold", "c", type=float, default=4.0, show_default=True, metavar="C",
    help="With --peaks: C times an equal share.",
)
@force
@quiet
def command(
    values: Path, labels: Path, *, output: Path | None, quiet: bool, **options: Any
) -> None:
    """Map topics to the factors whose probes have most of them.

    PROPORTIONS are of topics proportions RUN PROBES.fa. PROBES are probes.parquet of kmerengine
    simulate kmers, or a table of two columns: name of a probe, and factor.
    """
    started = perf_counter()
    from modelkit.interpretation.topics.map import topic_map

    made = topic_map(values, labels, output, **options)
    if output is None:
        for m, topic in enumerate(made.topics):
            for factor in made.factors_of(m):
                t = made.factors.index(factor)
                click.echo(f"{topic}\t{factor}\t{made.p[t, m]:.3g}\t{made.effect[t, m]:.3f}")
    if quiet:
        return
    in_use = made.provenance["topics_in_use"]
    if in_use is not None:
        click.echo(f"{in_use:,} of {len(made.topics):,} topics are in use in peaks", err=True)
    without = made.provenance["without_values"]
    if without:
        click.echo(f"{without:,} probes of {labels} have no proportions", err=True)
    click.echo(
        f"{output or values}: {len(made.found):,} of {len(made.factors):,} factors, "
        f"{int(made.mapped.any(0).sum()):,} of {len(made.topics):,} topics, "
        f"{int(made.mapped.sum()):,} pairs, {perf_counter() - started:.2f} s",
        err=True,
    )
