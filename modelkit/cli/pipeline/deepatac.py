"""`modelkit pipeline deepatac`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH
from modelkit.cli.pipeline._options import named, named_files, run_options, watched


@click.command("deepatac")
@click.option("--genome", type=PATH, required=True, help="FASTA.")
@click.option("--regions", type=PATH, required=True, help="BED of windows.")
@click.option(
    "--labels", multiple=True, required=True, metavar="[NAME=]BED|DIR|TABLE",
    help="Peaks of each factor, a folder of them, or a table of name and file; repeatable.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=PATH, required=True, help="A folder, to make or to go on with."
)
@click.option(
    "--sample", "samples", type=PATH, multiple=True,
    help="Reads of ATAC-seq, as of kmerengine cuts; repeatable.",
)  # fmt: skip
@click.option("--cuts", type=PATH, help="Or what kmerengine cuts wrote.")
@click.option("--shift", default="none", show_default=True, help="Of --sample, as of cuts.")
@click.option(
    "--width", type=int, default=200, show_default=True, metavar="BP", help="Of the windows."
)
@click.option(
    "--split", multiple=True, default=("deepatac",), show_default=True, metavar="RULE",
    help="As of kmerengine dataset.",
)  # fmt: skip
@click.option("--atac", is_flag=True, help="Train on cuts alone too.")
@click.option("--preset", help="Of the networks, such as small.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change the config.")
@click.option("--motifs", type=PATH, help="A motif file: its hits in --peaks are compared too.")
@click.option(
    "--motif", "motif_of", multiple=True, metavar="FACTOR=MOTIF",
    help="Of --motifs: a factor's motif; repeatable.",
)  # fmt: skip
@click.option("--peaks", type=PATH, help="BED of open chromatin: measure windows in it apart.")
@click.option("--explain", multiple=True, metavar="FACTOR", help="[default: the first]")
@click.option(
    "--at-least", type=float, default=0.95, show_default=True,
    help="Predicted probability of the windows that are explained.",
)  # fmt: skip
@click.option("--steps", type=int, default=50, show_default=True, help="Of integrated gradients.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the networks.")
@run_options
def command(
    genome: Path,
    regions: Path,
    labels: tuple[str, ...],
    output: Path,
    *,
    motif_of: tuple[str, ...],
    quiet: bool,
    **options: Any,
) -> None:
    """What cuts add to bases, and what of both matters, from windows, reads and labels (DeepATAC).

    What was made before, of the same inputs and options, is not made again; an interrupted run goes
    on when it is called again.
    """
    from modelkit.pipelines.deepatac import pipeline_deepatac

    with watched(quiet=quiet) as told:
        pipeline_deepatac(
            genome, regions, named_files(labels, "labels"), output,
            motif_of=named(motif_of, "motif") or None, **told, **options,
        )  # fmt: skip
