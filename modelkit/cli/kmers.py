"""`modelkit kmers`."""

from pathlib import Path
from time import perf_counter
from typing import Any

import click
from click.core import ParameterSource

from kmerengine.cli._options import PATH, force, quiet
from kmerengine.errors import InputError
from modelkit.cli._context_options import set_options
from modelkit.cli.topics._options import figure, output


@click.command("kmers")
@set_options
@output
@click.option("-k", "k", type=int, default=5, show_default=True, help="Bases of a word.")
@click.option(
    "--share", type=float, default=0.01, show_default=True, help="Of the windows that are top."
)
@click.option(
    "--shift", type=int, default=0, show_default=True, metavar="BP",
    help="A control: move scores away from the bases they are of.",
)  # fmt: skip
@click.option("--tss", type=PATH, help="GTF, GFF3 or BED of start sites, for --part.")
@click.option(
    "--within", type=int, default=3000, show_default=True, metavar="BP",
    help="From a core motif to a start site, of a proximal one.",
)  # fmt: skip
@click.option(
    "--part",
    type=click.Choice(["all", "proximal", "distal"]),
    default="all",
    show_default=True,
    help="Sequences that are taken.",
)
@click.option("--top", type=int, default=50, show_default=True, help="Words of each setting shown.")
@click.option(
    "-p", "--p", "p", type=float, default=0.01, show_default=True,
    help="Largest P of an odds ratio that is shown.",
)  # fmt: skip
@click.option(
    "--cap", type=float, default=10.0, show_default=True, help="Odds ratio at which colours end."
)
@click.option(
    "--like", type=PATH, metavar="DIR", help="Show words and factors as this output of kmers does."
)
@figure
@force
@quiet
@click.pass_context
def command(
    ctx: click.Context, /, sets: dict[str, Path], *, quiet: bool, **options: Any
) -> None:
    """Test which words are enriched where a model's scores around core motifs are highest."""
    started = perf_counter()
    from kmerengine.cli._progress import work_bar
    from modelkit.interpretation.context.kmers import kmers

    given = ctx.get_parameter_source("within") is not ParameterSource.DEFAULT
    if given and options["part"] == "all":
        raise InputError(
            f"within: found {options['within']} with part 'all', expected proximal or distal with "
            "it; leave it out, or choose a part"
        )
    with work_bar("counting words", "factor", 1, show=not quiet) as progress:
        made = kmers(sets, progress=progress, **options)
    if quiet:
        return
    for each in made.sets:
        name = f"{each['setting']}:{each['name']}".lstrip(":")
        for left, what in (("sequences_left_out", ""), ("windows_left_out", "windows that ")):
            for reason, n in each[left].items():
                if n:
                    click.echo(f"{name}: left out {n:,} {what}{reason}", err=True)
        first = made.best(each["name"], 1, setting=each["setting"])[0]
        click.echo(
            f"{name}: {each['windows']:,} windows, {each['top']:,} of them top; "
            f"{first['kmer']} is first, at log10 P = {first['log10_p']:.1f}",
            err=True,
        )
    for each in made.without:
        name = f"{each['setting']}:{each['name']}".lstrip(":")
        click.echo(f"{name}: left out, it has no {options['part']} sequence", err=True)
    if not made.heatmap["kmers"]:
        click.echo(f"no word has P <= {options['p']:g}: there is no heatmap", err=True)
    click.echo(
        f"{made.path}: {len(made):,} words of {len(made.sets):,} factors, "
        f"{perf_counter() - started:.2f} s",
        err=True,
    )
