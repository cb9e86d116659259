"""`modelkit pipeline agentbind`."""

from pathlib import Path
from typing import Any

import click

from kmerengine.cli._options import PATH
from modelkit.cli.pipeline._options import named, named_files, run_options, watched


def _listed(ctx: click.Context, param: click.Parameter, text: str) -> tuple[str, ...]:  # noqa: ARG001
    """A callback: A,B as names."""
    return tuple(each.strip() for each in text.split(","))


@click.command("agentbind")
@click.option("--genome", type=PATH, required=True, help="FASTA.")
@click.option("--motifs", type=PATH, required=True, help="A motif file with one of each factor.")
@click.option(
    "--chip", multiple=True, required=True, metavar="[NAME=]BED|DIR|TABLE",
    help="Peaks of each factor, a folder of them, or a table of name and file; repeatable.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=PATH, required=True, help="A folder, to make or to go on with."
)
@click.option("--open", "accessible", type=PATH, help="BED of open chromatin, for accessibility.")
@click.option(
    "--settings", default="baseline,gc,accessibility", show_default=True, callback=_listed,
    help="How unbound sites are matched.",
)  # fmt: skip
@click.option(
    "--core", "cores", default="kept", show_default=True, callback=_listed,
    help="kept, blocked or kept,blocked: whether networks see the core motif.",
)  # fmt: skip
@click.option(
    "--motif-of", multiple=True, metavar="NAME=MOTIF",
    help="Of a factor with another name than its motif; repeatable.",
)  # fmt: skip
@click.option("--p", type=float, default=1e-4, show_default=True, help="Of motif instances.")
@click.option(
    "--background", default="genome", show_default=True, help="Of their scores, as of scan."
)
@click.option(
    "--width", type=int, default=1000, show_default=True, metavar="BP", help="Of all windows."
)
@click.option(
    "--split", multiple=True, default=("agentbind",), show_default=True, metavar="RULE",
    help="As of kmerengine dataset.",
)  # fmt: skip
@click.option(
    "--model", type=click.Choice(["danq", "deepsea"]), default="danq", show_default=True,
    help="The network.",
)  # fmt: skip
@click.option("--preset", help="Of the network, such as small.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change the config.")
@click.option("--start", type=PATH, help="A pretrained run to begin with.")
@click.option("--pretrain", type=PATH, help="Or data of many labels, to train one on.")
@click.option(
    "--class-of", multiple=True, metavar="NAME=CLASS",
    help="Of the pretrained run, to compare with.  [default: that of the factor's name]",
)  # fmt: skip
@click.option(
    "--accessibility-class", metavar="CLASS", help="Of the pretrained run, to compare with."
)
@click.option("--scratch", is_flag=True, help="Train networks from nothing too, to compare with.")
@click.option(
    "--method", type=click.Choice(["gradcam", "saliency", "ism", "deeplift"]), default="gradcam",
    show_default=True, help="Of attributions.",
)  # fmt: skip
@click.option("--unbound", is_flag=True, help="Score unbound sites, too.")
@click.option("--tss", type=PATH, help="GTF, GFF3 or BED: k-mers of proximal and distal sites.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of samples and networks.")
@run_options
def command(
    genome: Path,
    motifs: Path,
    chip: tuple[str, ...],
    output: Path,
    *,
    motif_of: tuple[str, ...],
    class_of: tuple[str, ...],
    quiet: bool,
    **options: Any,
) -> None:
    """Bound sites of factors and their context, from a genome, motifs and peaks (AgentBind).

    What was made before, of the same inputs and options, is not made again; an interrupted run goes
    on when it is called again.
    """
    from modelkit.pipelines.agentbind import pipeline_agentbind

    with watched(quiet=quiet) as told:
        made = pipeline_agentbind(
            genome, motifs, named_files(chip, "chip"), output,
            motif_of=named(motif_of, "motif") or None, class_of=named(class_of, "class") or None,
            **told, **options,
        )  # fmt: skip
    for line in made.lines():
        click.echo(line)
