"""`modelkit mpra`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli._context_options import set_options


@click.command("mpra")
@set_options
@click.option("-o", "--output", type=PATH, required=True, help=".parquet or .tsv")
@click.option(
    "--table", type=PATH, required=True, metavar="TSV", help="Variants, with names of columns."
)
@click.option("--chrom-column", default="chrom", show_default=True, help="Its name.")
@click.option(
    "--position-column", default="pos", show_default=True, help="Its name; positions from 1."
)
@click.option("--fdr-column", default="C.Skew.fdr", show_default=True, help="Its name.")
@click.option(
    "--fdr", type=float, default=0.05, show_default=True, help="Below it a variant is positive."
)
@click.option("--figure", type=PATH, help="Draw the scores of both kinds: .png or .svg")
@force
@quiet
def command(sets: dict[str, Path], *, quiet: bool, **options: Any) -> None:
    """Ask whether a model scores variants higher that change expression in a reporter assay."""
    from modelkit.interpretation.snps.mpra import mpra

    made = mpra(sets, **options)
    if quiet:
        return
    for reason, n in made.left_out.items():
        if n:
            click.echo(f"left out {n:,} {reason}", err=True)
    for kind, n, median in zip(
        ("positives", "negatives"), (made.positives, made.negatives), made.medians, strict=True
    ):
        click.echo(f"{kind}: {n:,}, median score {median:.4g}", err=True)
    click.echo(f"Mann-Whitney U = {made.u:.1f} (two-sided P = {made.p:.3g})", err=True)
    click.echo(f"{made.path}: {len(made.table):,} variants", err=True)
