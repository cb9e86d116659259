"""What the commands of pipelines share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from kmerengine.cli._options import quiet
from kmerengine.errors import InputError

__all__ = ["named", "named_files", "run_options", "watched"]

F = TypeVar("F", bound=Callable[..., Any])


def named(values: tuple[str, ...], what: str) -> dict[str, str]:
    """NAME=VALUE options as a dictionary."""
    found: dict[str, str] = {}
    for value in values:
        name, sign, text = value.partition("=")
        if not (name and sign and text):
            raise InputError(f"{what}: found {value!r}, expected NAME={what.upper()}")
        if name in found:
            raise InputError(f"{what}: found {name!r} twice, expected each once")
        found[name] = text
    return found


def named_files(values: tuple[str, ...], what: str) -> dict[str, Path]:
    """NAME=BED, region files, folders and tables."""
    from kmerengine.datasets.labels import label_files

    pairs = {v: v.partition("=") for v in values if "=" in v and not Path(v).exists()}
    found = {name: Path(path) for name, _, path in pairs.values()}
    others = label_files([v for v in values if v not in pairs])
    if len(found) < len(pairs) or found.keys() & others.keys():
        raise InputError(f"{what}: found a name twice, expected each once")
    return found | others


def run_options(command: F) -> F:
    """Options of how stages are run, and what of them is seen."""
    for option in (
        quiet,
        click.option("--dry-run", is_flag=True, help="Only list the stages."),
        click.option("--threads", type=int, metavar="N", help="On the CPU.  [default: all]"),
        click.option(
            "--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto."
        ),
        click.option(
            "--figure", type=click.Choice(["png", "svg"]), default="png", show_default=True,
            help="Format of the figures.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@contextmanager
def watched(*, quiet: bool) -> Iterator[dict[str, Any]]:
    """What a pipeline tells: `say`, `reporter` and `progress`, to be passed on by these names."""
    from kmerengine.cli._progress import work_bar
    from modelkit.cli._progress import reporter

    def say(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    with (
        reporter(show=not quiet) as told,
        work_bar("working", "piece", 1, show=not quiet) as progress,
    ):
        yield {"say": say, "reporter": told, "progress": progress}
