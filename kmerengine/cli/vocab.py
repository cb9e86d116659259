"""`kmerengine vocab`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import chosen_vocabulary, force, vocabulary_options


@click.command("vocab")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Suffix picks the format: .parquet .arrow .npy .txt",
)
@vocabulary_options
@force
def command(output: Path, **options: Any) -> None:
    """Write a vocabulary: id, word with N for a wildcard, number of wildcards."""
    from kmerengine import vocab

    made = vocab(output, vocabulary=chosen_vocabulary(options), **options)
    click.echo(f"{output}: {made.n_features:,} features", err=True)
