"""`modelkit variants`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet


@click.command("variants")
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN...")
@click.argument("vcf", type=PATH, metavar="VCF")
@click.option("--genome", type=PATH, required=True, help="FASTA that VCF goes by.")
@click.option("-o", "--output", type=PATH, required=True, help="A .parquet file.")
@click.option(
    "--data",
    "dataset",
    type=PATH,
    help="From kmerengine dataset: its peaks are predicted too, for quantiles of the alleles.",
)
@click.option(
    "--reverse-complement/--no-reverse-complement",
    default=True,
    show_default=True,
    help="Average over both strands.",
)
@click.option(
    "--pseudocount",
    type=float,
    default=1.0,
    show_default=True,
    metavar="CUTS",
    help="Added to both totals of a fold change.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option(
    "--batch-size", type=int, default=64, show_default=True, help="Sequences predicted at a time."
)
@force
@quiet
def command(runs: tuple[Path, ...], *, quiet: bool, **options: Any) -> None:
    """Write how the substitutions in VCF change what models expect: totals and profiles.

    Several RUNs are averaged. Insertions and deletions are counted and left out.
    """
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.interpretation.variants.variants import variants

    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with work_bar("predicting", "variant", 1, show=not quiet) as progress:
        made = variants(runs, progress=progress, **options)
    if quiet:
        return
    about = made.provenance
    click.echo(f"lines     {about['lines']:>12,}", err=True)
    click.echo(f"alleles   {about['alleles']:>12,}", err=True)
    click.echo(f"  scored  {about['scored']:>12,}", err=True)
    for reason, n in made.skipped.items():
        click.echo(f"  skipped {n:>12,}  {reason}", err=True)
    for note in about["notes"]:
        click.echo(f"note: {note}", err=True)
    if not about["alleles"]:
        click.echo("warning: VCF holds no variants; the result is empty", err=True)
    seconds = perf_counter() - started
    click.echo(
        f"{made.path}: {len(made):,} variants, {len(made.tasks)} tasks, {seconds:.2f} s", err=True
    )
