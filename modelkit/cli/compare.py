"""`modelkit compare`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli._names import Named, by_name


def _motifs(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, tuple[str, ...]] | None:
    """A callback: FACTOR=MOTIF as a dictionary; None where there are none."""
    found: dict[str, tuple[str, ...]] = {}
    for value in values:
        factor, sign, motif = value.partition("=")
        if not (factor and sign and motif):
            raise click.BadParameter(f"found {value!r}, expected FACTOR=MOTIF", ctx, param)
        found[factor] = (*found.get(factor, ()), motif)
    return found or None


@click.command("compare")
@click.argument(
    "runs", type=Named(), nargs=-1, required=True, metavar="[NAME=]RUN...", callback=by_name
)
@click.option("--data", "dataset", type=PATH, required=True, help="From kmerengine dataset.")
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option(
    "--split", default="test", show_default=True,
    help="train, validation or test, as the runs had it; or all.",
)  # fmt: skip
@click.option(
    "--hits", type=PATH, help="Of kmerengine scan --q, or FIMO: the motifs' best hits as a model."
)
@click.option(
    "--motif", "motifs", multiple=True, callback=_motifs, metavar="FACTOR=MOTIF",
    help="Of --hits: a factor's motif; repeatable.",
)  # fmt: skip
@click.option("--peaks", type=PATH, help="Of --hits: a window in none of them has no hit.")
@click.option(
    "--q", type=float, default=0.05, show_default=True, help="Of --hits: the largest q-value."
)
@click.option(
    "--within", "within_regions", type=PATH,
    help="BED: measure the examples that share a base with one of these apart.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--batch-size", type=int, default=64, show_default=True, help="Examples at a time.")
@click.option(
    "--figure", type=click.Choice(["png", "svg"]), default="png", show_default=True,
    help="Format of the figures.",
)  # fmt: skip
@force
@quiet
def command(runs: dict[str, Path], *, output: Path, quiet: bool, **options: Any) -> None:
    """Measure models of labels on the same examples: AUPRC by factor, and where the first wins.

    The first RUN is compared with each of the others, and with motif hits within peaks where they
    are given.
    """
    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.inference.compare import compare

    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with work_bar("measuring", "run", 1, show=not quiet) as progress:
        made = compare(runs, output=output, progress=progress, **options)
    for line in made.lines():
        click.echo(line)
    if not quiet:
        click.echo(f"{output}: {len(made.factors)} factors, {len(made.rows):,} examples", err=True)
