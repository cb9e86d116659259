"""`modelkit train`."""

from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)


@click.command("train")
@click.argument("config", type=PATH, required=False)
@click.option("--model", help="A model's defaults instead of a config file.")
@click.option("--preset", help="One of the model's, such as code; or several: A,B.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change the config.")
@click.option("--data", "dataset", type=PATH, required=True, help="From kmerengine dataset.")
@click.option("-o", "--output", type=PATH, required=True, help="The run's folder.")
@click.option("--start", type=PATH, metavar="RUN", help="Begin with layers of another run.")
@click.option("--folds", type=int, metavar="N", help="A run for each of N folds of chromosomes.")
@click.option("--seeds", type=int, metavar="N", help="A run for each of N seeds: OUTPUT/seed-0 ...")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--threads", type=int, metavar="N", help="Of PyTorch on the CPU.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted.")
@click.option("--force", is_flag=True, help="Replace an existing run.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    config: Path | None,
    model: str | None,
    preset: str | None,
    changes: tuple[str, ...],
    *,
    folds: int | None,
    seeds: int | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a model of CONFIG (TOML or JSON), or --model, on a data set.

    To use several GPUs: torchrun --nproc-per-node N -m modelkit train ...
    """
    from kmerengine.errors import InputError
    from modelkit.cli._progress import reporter
    from modelkit.config_files import read_config
    from modelkit.training.several import train_folds, train_seeds
    from modelkit.training.train import train

    chosen = config is not None or model is not None
    if not chosen and not options["resume"]:
        raise InputError("train: found neither CONFIG nor --model, expected one of them")
    if not chosen and (preset or changes or folds or seeds):
        raise InputError(
            "train: found --preset, --set, --folds or --seeds without CONFIG or --model"
        )
    if folds is not None and seeds is not None:
        raise InputError("train: found --folds and --seeds, expected one of them")
    read = read_config(config, model=model, preset=preset, changes=changes) if chosen else None
    with reporter(show=not quiet) as told:
        if folds is not None and read is not None:
            train_folds(read, folds=folds, reporter=told, **options)
        elif seeds is not None and read is not None:
            train_seeds(read, seeds=seeds, reporter=told, **options)
        else:
            train(read, reporter=told, **options)
    if not quiet:
        click.echo(f"{options['output']}: done", err=True)
