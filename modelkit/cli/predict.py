"""`modelkit predict`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click
from click.core import ParameterSource

from kmerengine.cli._options import PATH, force, quiet


@click.command("predict")
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN...")
@click.option("--data", "dataset", type=PATH, required=True, help="From kmerengine dataset.")
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option("--genome", type=PATH, help="FASTA, .fai or chromosome sizes, for bigWigs.")
@click.option(
    "--split",
    default="all",
    show_default=True,
    help="train, validation or test, as the runs had it; or all.",
)
@click.option(
    "--bias/--no-bias", default=True, show_default=True, help="Write TASK.bw with the bias too."
)
@click.option("--reverse-complement", is_flag=True, help="Average over both strands.")
@click.option("--bigwig/--no-bigwig", default=True, show_default=True, help="Or the totals alone.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option(
    "--batch-size", type=int, default=64, show_default=True, help="Regions predicted at a time."
)
@force
@quiet
@click.pass_context
def command(ctx: click.Context, /, runs: tuple[Path, ...], *, quiet: bool, **options: Any) -> None:
    """Write what models predict: totals as Parquet and profiles as bigWigs of each task, or
    probabilities of labels as Parquet.

    Several RUNs are averaged.
    """
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.inference.predict import predict

    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with work_bar("predicting", "region", 1, show=not quiet) as progress:
        made = predict(runs, progress=progress, **options)
    if not quiet:
        n_files = sum(map(len, made.provenance["files"].values()))
        seconds = perf_counter() - started
        what = f"{len(made):,} regions, {len(made.tasks)} tasks, {n_files} bigWigs"
        if made.probabilities is not None:
            what = f"{len(made):,} sequences, {len(made.tasks)} labels"
            for name in ("bias", "bigwig"):
                if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
                    click.echo(f"note: --{name}/--no-{name} says nothing of labels", err=True)
        click.echo(f"{made.path}: {what}, {seconds:.2f} s", err=True)
