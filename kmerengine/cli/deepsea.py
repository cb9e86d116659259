"""`kmerengine deepsea`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH, force, quiet
from kmerengine.cli._regions import kept_lines


@click.command("deepsea")
@click.argument("files", nargs=-1, required=True, metavar="SPLIT=FILE...")
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option(
    "--columns",
    metavar="A,B,...",
    help="Labels to keep: 0-based columns, names with --names, or koo: Koo and Eddy's twelve, "
    "named, whose sequences are of --width 1000.  [default: all]",
)
@click.option("--names", type=PATH, help="Text file with the name of every label, one in a line.")
@click.option(
    "--width", type=int, default=200, show_default=True, metavar="BP", help="Around the middle."
)
@click.option("--alphabet", default="AGCT", show_default=True, help="Order of the channels.")
@click.option(
    "--require-label/--every-sequence",
    default=True,
    show_default=True,
    help="Leave out sequences without any of the labels.",
)
@force
@quiet
def command(
    files: tuple[str, ...],
    output: Path,
    *,
    columns: str | None,
    names: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Make a training data set of DeepSEA's files, such as train=train.mat test=test.mat."""
    from kmerengine import deepsea
    from kmerengine.errors import InputError
    from kmerengine.io.deepsea import COLUMN_SETS
    from kmerengine.io.text import text_blocks

    by_split = dict(each.partition("=")[::2] for each in files)
    if len(by_split) != len(files) or not all(by_split.values()):
        raise InputError(
            f"files: found {' '.join(files)}, expected each split once, such as train=train.mat"
        )
    listed = None
    if names is not None:
        listed = "".join(text for _, text in text_blocks(names, "a list of names")).splitlines()
    wanted: list[int | str] | str | None = columns
    if columns is not None and (columns not in COLUMN_SETS or names is not None):
        wanted = [int(each) if each.isdecimal() else each for each in columns.split(",")]
    made = deepsea(
        by_split,
        output=output,
        columns=wanted,
        names=listed,
        **options,
    )
    for warning in made.warnings:
        click.echo(f"warning: {warning}", err=True)
    if not quiet:
        about = made.provenance
        for line in kept_lines(
            about["regions"], len(made), about["skipped"], what="sequences", splits=about["splits"]
        ):
            click.echo(line, err=True)
