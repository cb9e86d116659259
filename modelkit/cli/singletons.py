"""`modelkit singletons`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli._context_options import set_options


@click.command("singletons")
@set_options
@click.option("-o", "--output", type=PATH, required=True, help=".parquet or .tsv")
@click.option(
    "--variants", type=PATH, required=True, metavar="FILE",
    help="VCF; or chromosome, position from 1, REF, ALT, its count, count of all alleles.",
)  # fmt: skip
@click.option(
    "--share", "shares", type=float, multiple=True, default=(0.05, 0.005), show_default=True,
    help="Of the context's bases, those with the highest scores; repeatable.",
)  # fmt: skip
@click.option(
    "--least", type=int, default=1000, show_default=True, help="Alleles called, of a SNP."
)
@click.option(
    "--count-field", default="AC", show_default=True, metavar="NAME",
    help="Of INFO: count of each alternative allele.",
)  # fmt: skip
@click.option(
    "--total-field", default="AN", show_default=True, metavar="NAME",
    help="Of INFO: count of all alleles.",
)  # fmt: skip
@click.option("--figure", type=PATH, help="Draw the ratios: .png or .svg")
@force
@quiet
def command(sets: dict[str, Path], *, quiet: bool, **options: Any) -> None:
    """Count SNPs seen in one person alone where a model's scores are highest, and elsewhere."""
    started = perf_counter()
    from modelkit.interpretation.snps.singletons import singletons

    made = singletons(sets, **options)
    if quiet:
        return
    click.echo(f"alleles   {made.counts['alleles']:>12,}", err=True)
    click.echo(f"  counted {made.counts['snps']:>12,}", err=True)
    for reason, n in made.left_out.items():
        click.echo(f"  left out{n:>12,}  {reason}", err=True)
    for row in made.table.to_pylist():
        part = row["part"] if row["share"] is None else f"{row['part']} {100 * row['share']:g} %"
        ratio = "" if row["ratio"] is None else f", {100 * row['ratio']:.2f} % singletons"
        p = "" if row["p"] is None else f", P = {row['p']:.3g}"
        click.echo(f"{row['name']}: {part}: {row['snps']:,} SNPs{ratio}{p}", err=True)
    click.echo(f"{made.path}: {perf_counter() - started:.2f} s", err=True)
