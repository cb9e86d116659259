"""`modelkit marginalize`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from modelkit.cli._insertion_options import TakesMany, insertion_options, shuffled_line
from modelkit.cli._targets import chosen_targets, combine_option


@click.command("marginalize", cls=TakesMany)
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--against",
    type=PATH,
    multiple=True,
    metavar="RUN...",
    help="Runs to compare with, by a rank-sum test.",
)
@insertion_options
@combine_option
@click.option("--differences", is_flag=True, help="Write every background's totals too.")
@force
@quiet
def command(
    runs: tuple[Path, ...],
    *,
    targets: tuple[str, ...],
    lineages: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Write what motifs change in the totals that RUNs predict for shuffled regions.

    Of several RUNs each is given, and their mean.
    """
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.interpretation.insertions.marginalize import marginalize

    chosen = chosen_targets(targets, lineages)
    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with work_bar("predicting", "sequence", 1, show=not quiet) as progress:
        made = marginalize(runs, targets=chosen, progress=progress, **options)
    if quiet:
        return
    about = made.provenance
    click.echo(
        f"{made.path}: {len(about['motifs'])} motifs, {len(about['targets'])} targets, "
        f"{shuffled_line(about)}, {perf_counter() - started:.2f} s",
        err=True,
    )
    if made.comparison is not None:
        p = made.comparison["p_bonferroni"].to_pylist()
        n = sum(each < 0.05 for each in p)
        click.echo(f"{n} of {len(p)} differences with p < 0.05 after Bonferroni", err=True)
