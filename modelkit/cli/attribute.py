"""`modelkit attribute`."""

import os
import warnings
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from click.core import ParameterSource

from kmerengine.cli._options import PATH, force, quiet, scheduler
from kmerengine.errors import InputError
from modelkit.cli._targets import chosen_targets, combine_option, target_options
from modelkit.interpretation.methods.options import METHODS, AttributionOptions


class RowNumbers(click.ParamType[list[int]]):
    """Row numbers and half-open ranges of them."""

    name = "rows"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        found: list[int] = []
        for part in str(value).split(","):
            ends = part.strip().split(":")
            if len(ends) > 2 or not all(end.isdecimal() for end in ends):
                self.fail(f"found {part!r}, expected a row such as 7 or rows 0:100", param, ctx)
            first = int(ends[0])
            stop = int(ends[1]) if len(ends) == 2 else first + 1
            if stop <= first:
                self.fail(f"found {part!r}, expected a range with an end behind its start, such as "
                          "0:100", param, ctx)  # fmt: skip
            found += range(first, stop)
        return found


@click.command("attribute")
@click.argument("run", type=PATH)
@click.option("--data", "dataset", type=PATH, required=True, help="From kmerengine dataset.")
@click.option("-o", "--output", type=PATH, required=True, help="A folder.")
@click.option(
    "--method", type=click.Choice(METHODS), default="deepshap", show_default=True,
    help="How scores are made.",
)  # fmt: skip
@click.option(
    "--head", help="Of the output: totals or profile; of labels logit or probability.  [default: "
    "the first there is]",
)  # fmt: skip
@target_options
@combine_option
@click.option(
    "--split", default="test", show_default=True,
    help="train, validation or test, as the run had it; or all.",
)  # fmt: skip
@click.option("--rows", type=RowNumbers(), metavar="5,10:20", help="Of the data set, 0-based.")
@click.option("--regions", type=PATH, help="BED: sequences that share a base with one of these.")
@click.option("--labelled", metavar="NAME", help="Only sequences with this label of the data set.")
@click.option(
    "--at-least", type=float, metavar="P",
    help="Only sequences whose label is predicted with this probability or more.",
)  # fmt: skip
@click.option("--reverse-complement", is_flag=True, help="Average over both strands.")
@click.option(
    "--references", type=click.Choice(["shuffle", "zeros", "background"]),
    help="What a sequence is compared with.  [default: the method's]",
)  # fmt: skip
@click.option("--n-references", type=int, default=20, show_default=True, help="Shuffles of each.")
@click.option(
    "--background", type=float, nargs=4, default=(0.3, 0.2, 0.2, 0.3), show_default=True,
    metavar="A C G T", help="Shares of the bases.",
)  # fmt: skip
@click.option(
    "--signals", type=float, default=0.5, show_default=True,
    help="What channels behind the bases are compared with.",
)  # fmt: skip
@click.option("--steps", type=int, default=50, show_default=True, help="Of ig.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the shuffles.")
@click.option("--layer", help="Of gradcam.  [default: the first convolution]")
@click.option("--npz", is_flag=True, help="Write one_hot.npz and TARGET.npz, for modisco.")
@click.option("--bigwig", is_flag=True, help="Write TARGET.bw of contributions; needs --genome.")
@click.option("--genome", type=PATH, help="FASTA, .fai or chromosome sizes, for bigWigs.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option(
    "--batch-size", type=int, default=16, show_default=True,
    help="Sequences that are explained and recorded together.",
)  # fmt: skip
@click.option(
    "--max-rows", type=int, default=40, show_default=True,
    help="References and mutants that pass the network at once.",
)  # fmt: skip
@click.option("--bfloat16", is_flag=True, help="Calculate in bfloat16 where that is safe.")
@scheduler
@click.option("--resume", is_flag=True, help="Go on with what a killed process has left.")
@force
@quiet
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: Path,
    *,
    targets: tuple[str, ...],
    lineages: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Write what each base of a data set's sequences does to the output of RUN.

    Under torchrun its processes share the sequences.
    """
    started = perf_counter()
    import numpy as np

    from kmerengine.cli._progress import work_bar
    from modelkit.devices import chosen_device, described
    from modelkit.interpretation.attribution.attribute import attribute

    _refuse_without_use(ctx, options)
    chosen = chosen_targets(targets, lineages)
    quiet = quiet or os.environ.get("RANK", "0") != "0"  # one process of torchrun's speaks
    if not quiet:
        click.echo(described(chosen_device(options["device"])), err=True)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with work_bar("explaining", "sequence", 1, show=not quiet) as progress:
            made = attribute(run, targets=chosen, progress=progress, **options)
    for each in dict.fromkeys(str(warning.message) for warning in warned):
        click.echo(f"warning: {each}", err=True)
    if quiet:
        return
    click.echo(
        f"{made.path}: {made.method} of {made.head}, {len(made):,} sequences, "
        f"{len(made.targets)} targets, {perf_counter() - started:.2f} s",
        err=True,
    )
    for reason, n in made.provenance.get("skipped", {}).items():
        click.echo(f"left out {n:,} of the sequences: {reason}", err=True)
    has = made.spread > 0
    if has.any():
        share = float(np.median(np.abs(made.delta[has]) / made.spread[has]))
        click.echo(f"median |delta| {share:.2g} of |prediction - that of the references|", err=True)


def _refuse_without_use(ctx: click.Context, options: dict[str, Any]) -> None:
    """InputError for what was given and the method has no use for."""
    method, references = options["method"], options["references"]
    compared = AttributionOptions(method=method, references=references).compared_with
    used = {
        "steps": method == "ig",
        "n_references": compared == "shuffle",
        "background": compared == "background",
    }
    for name, is_used in used.items():
        if not is_used and ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            against = f" against {references}" if references else ""
            raise InputError(
                f"{name}: found {options[name]} for {method}{against}, which has no use for it; "
                "leave it out, or choose another --method or --references"
            )
