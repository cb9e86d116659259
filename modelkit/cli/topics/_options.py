"""Options that commands of topics share."""

from collections.abc import Callable
from typing import Any

import click

from kmerengine.cli._options import PATH

FOLDER = "A folder."


def or_none(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    values: tuple[str, ...],
) -> tuple[str, ...] | None:
    """A callback: None where an option that may be repeated is not there."""
    return values or None


def probes(command: Callable[..., Any]) -> Callable[..., Any]:
    """PROPORTIONS and PROBES."""
    command = click.argument("labels", type=PATH, metavar="PROBES")(command)
    return click.argument("values", type=PATH, metavar="PROPORTIONS")(command)


def kind(default: str) -> Callable[..., Any]:
    """--kind."""
    return click.option(
        "--kind",
        type=click.Choice(["concentrations", "proportions"]),
        default=default,
        show_default=True,
        help="What of PROPORTIONS is taken.",
    )


output = click.option("-o", "--output", type=PATH, required=True, help=FOLDER)
topic_map = click.option(
    "--map", "topic_map", type=PATH, help="Of topics map: topics without a factor are left out."
)
chip_help = "BED or narrowPeak of a factor's ChIP-seq; repeatable."
min_overlap = click.option(
    "--min-overlap",
    type=int,
    default=50,
    show_default=True,
    metavar="BP",
    help="That a peak and one of the ChIP-seq have in common.",
)
figure = click.option(
    "--figure",
    type=click.Choice(["png", "svg"]),
    default="png",
    show_default=True,
    help="Format of the figure.",
)
top = click.option(
    "--top",
    type=float,
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="Of the other probes, those with most of a topic, to compare with.",
)
