"""Options of commands about what is around core motifs."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from modelkit.cli._names import Named, by_name

F = TypeVar("F", bound=Callable[..., Any])


def of_names(
    ctx: click.Context,
    param: click.Parameter,
    values: tuple[str, ...],
) -> dict[str, str] | None:
    """A callback: targets by factor, that of all factors under ""; None where there are none."""
    found: dict[str, str] = {}
    for text in values:
        name, sign, target = text.partition("=")
        name, target = (name, target) if sign else ("", name)
        if not target or (sign and not name) or name in found:
            raise click.BadParameter(
                f"found {text!r}, expected TARGET, or NAME=TARGET, of each name once", ctx, param
            )
        found[name] = target
    return found or None


def set_options(command: F) -> F:
    """Attributions by factor, their targets, and the label of bound examples."""
    for option in (
        click.option(
            "--label", help="That says what is bound.  [default: of the target's name, or the only]"
        ),
        click.option(
            "--target", "targets", multiple=True, metavar="[NAME=]TARGET", callback=of_names,
            help="Target of the attributions; repeatable.  [default: the only one]",
        ),
        click.argument(
            "sets", type=Named(), nargs=-1, required=True, callback=by_name,
            metavar="[[SETTING:]NAME=]ATTRIBUTIONS...",
        ),
    ):  # fmt: skip
        command = option(command)
    return command
