"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kmerengine.kmers.vocabulary import Vocabulary

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
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


def cut_options(*, groups: bool = True) -> Callable[[F], F]:
    """The parameters of `CutOptions`: how reads become cuts; with those that split samples."""
    by_group = (
        click.option("--groups", type=PATH, help="Barcode and group in two columns."),
        click.option(
            "--barcode",
            default="CB",
            show_default=True,
            metavar="TAG",
            help="Of BAM reads: a tag, or name for the read's name up to a colon.",
        ),
        click.option(
            "--legacy-double-count",
            is_flag=True,
            help="Count a fragment once for each of its mates.",
        ),
    )
    always = (
        click.option(
            "--mode",
            type=click.Choice(["reads", "fragments"]),
            default="reads",
            show_default=True,
            help="Every read's 5' end, or both ends of proper pairs.",
        ),
        click.option(
            "--shift",
            default="+4/-4",
            show_default=True,
            metavar="PLUS/MINUS",
            help="Bases added to 5' bases of plus and minus reads; any pair, or none.",
        ),
        click.option(
            "--input-shift",
            type=click.Choice(["auto", "none", "+4/-5", "+4/-4"]),
            default="auto",
            show_default=True,
            help="What the files already hold.",
        ),
        click.option(
            "--detect-shift",
            is_flag=True,
            help="Tell that from the genome's sequence around 5' ends; needs --genome.",
        ),
        click.option(
            "--genome",
            "--reference",
            "genome",
            type=PATH,
            help="FASTA, .fai or chromosome sizes: contigs and their order.",
        ),
        click.option(
            "--min-mapq",
            type=int,
            default=0,
            show_default=True,
            help="Drop reads of lower mapping quality; of a pair, the left mate's.",
        ),
        click.option("--drop-duplicates", is_flag=True, help="Drop reads flagged so."),
        click.option(
            "--min-length",
            type=int,
            default=0,
            show_default=True,
            metavar="BP",
            help="Of a pair's fragment.",
        ),
        click.option("--max-length", type=int, metavar="BP", help="Of a pair's fragment."),
        click.option(
            "--contig", "contigs", multiple=True, help="Keep this contig only; repeatable."
        ),
        click.option("--blacklist", type=PATH, help="BED of regions whose cuts are dropped."),
        click.option(
            "--weighted", is_flag=True, help="Use the count column of 10x fragment files."
        ),
        click.option("--threads", type=int, metavar="N", help="[default: all processors]"),
        click.option(
            "--memory",
            type=Bytes(),
            default=256 << 20,
            metavar="BYTES",
            help="For cuts held at once.  [default: 256M]",
        ),
    )

    def decorate(command: F) -> F:
        for option in reversed([*(by_group if groups else ()), *always]):
            command = option(command)
        return command

    return decorate


def chosen_vocabulary(
    options: dict[str, Any], *, only_if_asked: bool = False
) -> "Vocabulary | None":
    """Take the vocabulary's options out of `options` and make it; None if none was given."""
    from kmerengine.kmers.vocabulary import Vocabulary

    names = ("k", "max_wildcards", "gkm", "mask", "stranded")
    given = {name: options.pop(name) for name in names}
    not_asked = {"mask": (), "stranded": False}  # and None; 0 was asked for
    if only_if_asked and all(given[name] == not_asked.get(name) for name in names):
        return None
    return Vocabulary.choose(**given)


scheduler = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Work on a Dask cluster, tcp://HOST:PORT; or on N processes of this machine, local:N.",
)
force = click.option("--force", is_flag=True, help="Replace an existing output.")
quiet = click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
json_summary = click.option("--json", "as_json", is_flag=True, help="Summary as JSON on stdout.")
