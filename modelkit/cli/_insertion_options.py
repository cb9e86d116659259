"""What `modelkit marginalize` and `modelkit footprint` share, and options of many values."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kmerengine.cli._options import PATH
from modelkit.cli._targets import target_options

F = TypeVar("F", bound=Callable[..., Any])


class TakesMany(click.Command):
    """A command whose options `MANY` take all values up to the next option: --against A B C."""

    MANY = ("--runs", "--against")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the option's name before each of its values."""
        found: list[str] = []
        open_option: str | None = None
        n_values = 0
        for i, word in enumerate(args):
            if word == "--":
                found += args[i:]
                break
            if word in self.MANY:
                open_option, n_values = word, 0
                found.append(word)
            elif word.startswith("-") and len(word) > 1:
                open_option = None
                found.append(word)
            else:
                if open_option is not None and n_values:
                    found.append(open_option)
                n_values += 1
                found.append(word)
        return super().parse_args(ctx, found)


def insertion_options(command: F) -> F:
    """What is inserted, where, and of what it is predicted."""
    for option in (
        click.option(
            "--batch-size", type=int, default=64, show_default=True, help="Sequences at a time."
        ),
        click.option(
            "--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto."
        ),
        click.option(
            "--figure",
            type=click.Choice(["png", "svg"]),
            default="png",
            show_default=True,
            help="Format of the figure.",
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Of shuffles and motifs."
        ),
        click.option(
            "--offset",
            type=int,
            default=0,
            show_default=True,
            metavar="BP",
            help="From the window's middle to the motif's.",
        ),
        click.option(
            "--strand",
            type=click.Choice(["plus", "minus", "both"]),
            default="plus",
            show_default=True,
            help="Of the motif in the background; of both the mean.",
        ),
        click.option(
            "-n",
            "--backgrounds",
            "n_backgrounds",
            type=int,
            default=1000,
            show_default=True,
            help="Dinucleotide shuffles of regions.",
        ),
        click.option(
            "--split",
            default="test",
            show_default=True,
            help="Of the regions: train, validation or test, as the runs had it; or all.",
        ),
        target_options,
        click.option("--consensus", is_flag=True, help="A motif's likeliest bases, not a draw."),
        click.option(
            "--name",
            "names",
            multiple=True,
            help="Of the file, this motif, such as MA0139.1 or CTCF; repeatable.",
        ),
        click.option(
            "--word", "words", multiple=True, metavar="ACGTNN", help="Bases themselves; repeatable."
        ),
        click.option("--motifs", type=PATH, help="MEME, JASPAR, TRANSFAC or HOCOMOCO."),
        click.option("-o", "--output", type=PATH, required=True, help="A folder."),
        click.option(
            "--data", "dataset", type=PATH, required=True, help="From kmerengine dataset."
        ),
    ):
        command = option(command)
    return command


def shuffled_line(provenance: dict[str, Any]) -> str:
    """Of how many regions the backgrounds are."""
    return f"{provenance['backgrounds']:,} shuffles of {provenance['regions']:,} regions"
