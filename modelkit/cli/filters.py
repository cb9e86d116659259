"""`modelkit filters`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click
from click.core import ParameterSource

from kmerengine.cli._options import PATH, force, quiet
from kmerengine.errors import InputError


@click.command("filters")
@click.argument("run", type=PATH)
@click.option("--data", "dataset", type=PATH, required=True, help="From kmerengine dataset.")
@click.option("-o", "--output", type=PATH, help="A folder  [default: the motifs, on stdout]")
@click.option(
    "--layer", type=int, default=0, show_default=True, help="0 is the convolution on the bases."
)
@click.option(
    "--preset",
    type=click.Choice(["paper", "code"]),
    default="paper",
    show_default=True,
    help="One window of each sequence, or all; gives threshold and width: 0.7, or 0.5 and 19.",
)
@click.option("--threshold", type=float, help="Share of the largest activation of a window.")
@click.option("--width", type=int, metavar="BP", help="Of a window  [default: what a filter sees]")
@click.option(
    "--split", default="test", show_default=True,
    help="train, validation or test, as the run had it; or all.",
)  # fmt: skip
@click.option("--database", type=PATH, help="Motifs to name them after.")
@click.option("--e", type=float, default=0.1, show_default=True, help="Largest E-value of a name.")
@click.option(
    "--batch-size", type=int, default=64, show_default=True, help="Sequences that pass together."
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--threads", type=int, metavar="N", help="Of names  [default: all processors]")
@force
@quiet
@click.pass_context
def command(
    ctx: click.Context, /, run: Path, *, output: Path | None, quiet: bool, **options: Any
) -> None:
    """Make motifs of what the filters of RUN answer to."""
    started = perf_counter()
    if options["database"] is None:
        _refuse_of_names(ctx)
    from kmerengine.cli._progress import work_bar
    from modelkit.interpretation.filters.activations import FEWEST
    from modelkit.interpretation.filters.filters import filters

    with work_bar("looking", "sequence", 1, show=not quiet) as progress:
        made = filters(run, output=output, progress=progress, **options)
    rows = made.table.to_pylist()
    if output is None:
        for row in rows:
            if row["consensus"] is not None:
                said = (row["filter"], row["consensus"], f"{row['information']:.2f}",
                        row["windows"], row["match"] or "")  # fmt: skip
                click.echo("\t".join(map(str, said)))
    if quiet:
        return
    flags = {
        "never answer: they have no motif": [r["dead"] for r in rows],
        "have no window inside a sequence: they have no motif": [
            r["consensus"] is None and not r["dead"] for r in rows
        ],
        f"reach their threshold in fewer than {FEWEST} sequences: it is made a share of the "
        "largest observed activation, not of the largest possible": [r["fallback"] for r in rows],
        "have no informative position: they are not clipped": [r["plain"] for r in rows],
    }
    for what, flagged in flags.items():
        if any(flagged):
            click.echo(f"{sum(flagged):,} of {len(rows):,} filters {what}", err=True)
    if made.matches is not None and made.matched is not None:
        for note in made.matches.notes:
            click.echo(f"note: {note}", err=True)
        click.echo(
            f"{len(made.matches.best()):,} of {len(made):,} filters ({100 * made.matched:.0f} %) "
            f"are like a motif of {options['database'].name} at E <= {options['e']:g}",
            err=True,
        )
    click.echo(
        f"{output or run}: {len(made.motifs):,} motifs of layer {options['layer']}, "
        f"{perf_counter() - started:.2f} s",
        err=True,
    )


def _refuse_of_names(ctx: click.Context) -> None:
    """InputError for options that are of names, which only a database has."""
    for name in ("e", "threads"):
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise InputError(
                f"{name}: found --{name} without --database, expected it with motifs to name the "
                "filters after; give them, or leave it out"
            )
