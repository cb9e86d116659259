"""`kmerengine dataset`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click
from click.core import ParameterSource

from kmerengine.cli._options import (
    PATH,
    Bytes,
    chosen_vocabulary,
    force,
    quiet,
    vocabulary_options,
)
from kmerengine.cli._regions import kept_lines
from kmerengine.errors import InputError

OF_SAMPLES = ("genome", "label", "split", "seed", "margin")


@click.command("dataset")
@click.argument("regions", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option("--genome", type=PATH, help="FASTA: plain, bgzip or gzip. Regions need it.")
@click.option("--cuts", type=PATH, help="Cuts per base, from kmerengine cuts.")
@click.option("--profiles", type=PATH, help="Or profiles of these regions that were made before.")
@click.option("--bias", type=PATH, help="bigWig, or .npy with a row per region.")
@click.option(
    "--labels",
    type=PATH,
    multiple=True,
    help="Region file, folder of them, or table of name and file; repeatable.",
)
@click.option(
    "--label",
    metavar="NAME",
    help="What the label of a sample is called.  [default: bound; of windows, positive]",
)
@click.option("--negatives", type=PATH, help="BED of examples that are no peaks.")
@click.option(
    "--split",
    multiple=True,
    metavar="RULE",
    help="validation=chr12,chr15 test=chr11; validation=0.1 test=0.1; fold=0/5; bpaitac, "
    "agentbind or deepatac.  [default: all train]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of random shares.")
@click.option(
    "--width", type=int, default=1000, show_default=True, metavar="BP", help="Of counts and bias."
)
@click.option(
    "--input-width", type=int, metavar="BP", help="Of the sequence.  [default: the width]"
)
@click.option(
    "--margin",
    type=int,
    default=0,
    show_default=True,
    metavar="BP",
    help="Stored on either side, for jitter.",
)
@click.option(
    "--window",
    type=int,
    default=250,
    show_default=True,
    metavar="BP",
    help="Around the centre; its cuts are the totals.",
)
@click.option(
    "--off-by-two", is_flag=True, help="Sequence and bias drop their first 2 bp, counts their last."
)
@click.option(
    "--strands",
    type=click.Choice(["sum", "split"]),
    default="sum",
    show_default=True,
    help="Add the strands of --cuts, or keep them apart.",
)
@click.option(
    "--label-rule",
    type=click.Choice(["half", "within"]),
    default="half",
    show_default=True,
    help="More than half of a bin is covered, or one region holds all of it.",
)
@click.option(
    "--label-width", type=int, default=200, show_default=True, metavar="BP", help="Of that bin."
)
@click.option("--require-label", is_flag=True, help="Leave out regions without any label.")
@click.option("--kmers", is_flag=True, help="Count k-mers of the regions too.")
@vocabulary_options
@click.option("--max-regions", type=int, metavar="N", help="Only the N best scores.")
@click.option("--skip-missing-contigs", is_flag=True, help="Skip regions on unknown contigs.")
@click.option(
    "--memory",
    type=Bytes(),
    default=256 << 20,
    metavar="BYTES",
    help="For counts held at once.  [default: 256M]",
)
@force
@quiet
@click.pass_context
def command(
    ctx: click.Context, /, regions: Path, output: Path, *, quiet: bool, **options: Any
) -> None:
    """Join genome, cuts, labels, bias and splits of REGIONS into a training data set.

    REGIONS is BED or narrowPeak. Or it is the regions.parquet of kmerengine sample: it has its own
    labels, and where motifs lie, and takes --genome, --label, --split, --seed and --margin. Or it
    is a Parquet file of labelled sequences that kmerengine simulate koo or gata-tal wrote: it has
    its own bases, labels and splits, and takes none. All take --output, --force and --quiet.
    """
    started = perf_counter()
    from kmerengine.cli._startup import load_libraries

    load_libraries()
    from kmerengine import dataset, dataset_from_sequences, dataset_from_sites, schemas
    from kmerengine.datasets.from_sequences import format_of_examples

    kind, label = format_of_examples(regions), options.pop("label")
    if kind == schemas.SEQUENCES:
        _refuse_others(ctx, regions, "labelled sequences", ())
        made = dataset_from_sequences(regions, output=output, force=options["force"])
    elif not regions.exists():
        raise InputError(
            f"{regions}: does not exist; expected regions, or a sample or sequences in Parquet"
        )
    elif options["genome"] is None:
        raise InputError(
            f"genome: found none, expected --genome for the regions of {regions}; only sequences "
            "in Parquet, of kmerengine simulate koo or gata-tal, need none"
        )
    elif kind == schemas.SAMPLE:
        _refuse_others(ctx, regions, "a sample", OF_SAMPLES)
        known = {name: options[name] for name in (*OF_SAMPLES, "force") if name in options}
        made = dataset_from_sites(regions, output=output, label=label, **known)
    elif label is not None:
        raise InputError(
            f"label: found {label!r} with the regions of {regions}, expected it with a sample of "
            "kmerengine sample; --labels are files that name their labels"
        )
    else:
        for name in ("label_rule", "label_width"):
            is_given = ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
            if is_given and not options["labels"]:
                raise InputError(f"{name}: found without labels, expected --labels with it")
        vocabulary = chosen_vocabulary(options, only_if_asked=True)
        made = dataset(regions, output=output, vocabulary=vocabulary, **options)
    for warning in made.warnings:
        click.echo(f"warning: {warning}", err=True)
    if not quiet:
        about = made.provenance
        for line in kept_lines(
            about["regions"], len(made), about["skipped"], splits=about["splits"]
        ):
            click.echo(line, err=True)
        click.echo(f"{output}: {made!r}, {perf_counter() - started:.2f} s", err=True)


def _refuse_others(ctx: click.Context, path: Path, what: str, known: tuple[str, ...]) -> None:
    """InputError for options that say something about regions of a genome."""
    given = [
        each.opts[0]
        for each in ctx.command.params
        if each.name not in ("regions", "output", "force", "quiet", *known)
        and ctx.get_parameter_source(str(each.name)) is not ParameterSource.DEFAULT
    ]
    if given:
        raise InputError(
            f"{path}: is Parquet, which is for {what}: found {', '.join(given)}, "
            "expected none of these with it; leave them out, or give regions as BED or narrowPeak"
        )
