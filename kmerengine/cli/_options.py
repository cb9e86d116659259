"""Options that several commands share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kmerengine.vocabulary import Vocabulary

F = TypeVar("F", bound=Callable[..., Any])

UNITS = {"K": 10, "M": 20, "G": 30}


class Bytes(click.ParamType[int]):
    """A number of bytes, such as 500M or 3G."""

    name = "bytes"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        text = str(value).upper().removesuffix("B")
        shift = UNITS.get(text[-1:], 0)
        digits = text[:-1] if shift else text
        if not digits.isdigit():
            self.fail(f"found {value!r}, expected a number of bytes such as 500M or 3G", param, ctx)
        return int(digits) << shift


class Pair(click.ParamType[tuple[int, int]]):
    """Two integers with a comma between."""

    name = "l,k"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        fields = str(value).split(",")
        if len(fields) != 2 or not all(field.strip().isdigit() for field in fields):
            self.fail(f"found {value!r}, expected two integers such as 10,6", param, ctx)
        return int(fields[0]), int(fields[1])


def vocabulary_options(command: F) -> F:
    """-k, --max-wildcards, --gkm, --mask, --stranded: the parameters of `Vocabulary.choose`."""
    for option in (
        click.option("--stranded", is_flag=True, help="Keep words and reverse complements apart."),
        click.option("--mask", multiple=True, metavar="11011", help="Bases to read; repeatable."),
        click.option("--gkm", type=Pair(), metavar="L,K", help="All choices of K among L bases."),
        click.option(
            "--max-wildcards",
            type=int,
            metavar="W",
            help="Consecutive wildcards, 0 to W  [default: 2; 0 with -k other than 8]",
        ),
        click.option("-k", "k", type=int, metavar="K", help="Bases in a word  [default: 8]"),
    ):
        command = option(command)
    return command


def chosen_vocabulary(options: dict[str, Any]) -> "Vocabulary":
    """Take the vocabulary's options out of `options` and make it."""
    from kmerengine.vocabulary import Vocabulary

    names = ("k", "max_wildcards", "gkm", "mask", "stranded")
    return Vocabulary.choose(**{name: options.pop(name) for name in names})


force = click.option("--force", is_flag=True, help="Replace an existing output.")
quiet = click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
json_summary = click.option("--json", "as_json", is_flag=True, help="Summary as JSON on stdout.")
