"""What several commands explain or predict: tasks, or lineages of several tasks."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from kmerengine.cli._options import PATH
from kmerengine.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])


def target_options(command: F) -> F:
    """Targets, one by one or from a file; see `chosen_targets`."""
    for option in (
        click.option(
            "--lineages", type=PATH, metavar="FILE.toml",
            help='Or all of them, one in a line: B = ["B1", "B2"].',
        ),
        click.option(
            "--target", "targets", multiple=True, metavar="TASK|NAME=TASK,...",
            help="A task, or a lineage of several; repeatable.  [default: every task]",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def combine_option(command: F) -> F:
    """What the tasks of a lineage become."""
    return click.option(
        "--combine", type=click.Choice(["mean", "sum"]), default="mean", show_default=True,
        help="Of the tasks of a lineage.",
    )(command)  # fmt: skip


def chosen_targets(
    targets: tuple[str, ...], lineages: Path | None
) -> dict[str, Sequence[str]] | Sequence[str]:
    """As the functions take them; InputError if both are given, or the file is no such TOML."""
    if targets and lineages:
        raise InputError("target: found with lineages, expected one of them")
    return targets if lineages is None else _lineages(lineages)


def _lineages(path: Path) -> dict[str, Sequence[str]]:
    """Targets and their tasks from a TOML file."""
    example = 'expected TOML with a line such as B = ["B1", "B2"] for each target'
    try:
        found = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: {reason}; {example}") from error
    if not found:
        raise InputError(f"{path}: has no target; {example}")
    for name, members in found.items():
        if not isinstance(members, list) or not all(isinstance(each, str) for each in members):
            raise InputError(f"{path}: {name}: found {members!r:.60}, expected a list of tasks")
    return found
