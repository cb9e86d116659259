"""Motifs of seqlets: a table with logos, counts, tests and the nearest motif of a database."""

import numpy as np
import numpy.typing as npt

from kmerengine.logo import draw_logo
from modelkit.figures import new_figure, style
from modelkit.interpretation.motifs.motif_set import TABLE, Motifs
from modelkit.reporting.page import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Text,
    integer,
    number,
    picture,
)

__all__ = ["motif_table"]

KEY, TITLE = "motifs", "Motifs"
COMMAND = "modelkit motifs SEQLETS -o MOTIFS"
SHOWN = 40  # with a logo, the largest first; motifs.parquet has them all
WIDTH, HEIGHT = 0.16, 0.75  # inches: of a base, of a logo
SMALL = 0.02  # of the tallest stack: letters below it are not drawn

Matrix = npt.NDArray[np.float64]


def motif_table(found: Motifs | None) -> Section:
    """The motifs with most seqlets; of two models by whose they are too."""
    if found is None:
        return Section(key=KEY, title=TITLE, command=COMMAND)
    n_seqlets = len(found.seqlets)
    said = [f"{len(found):,} motifs of {n_seqlets:,} seqlets of {', '.join(found.models)}."]
    if len(found) > SHOWN:
        said.append(f"Shown are the {SHOWN} largest; {found.path.name}/{TABLE} has them all.")
    if len(found.models) == 2:
        said.append("p is that of Fisher's test, corrected by Bonferroni, for the model it names.")
    said.append("A logo shows average contributions; a match is the nearest motif by Tomtom.")
    blocks: list[Block] = [Text(" ".join(said))]
    if len(found):
        blocks.append(_table(found))
    return Section(key=KEY, title=TITLE, blocks=blocks)


def _table(found: Motifs) -> Table:
    two = len(found.models) == 2
    columns = ["motif", "logo", "match", "q", "seqlets", "positive"]
    if len(found.models) > 1:
        columns += [f"seqlets of {name}" for name in found.models]
    if two:
        columns += [f"p for {name}" for name in found.models]
    rows = []
    for row in found.table.slice(0, SHOWN).to_pylist():
        cwm = np.array(row["cwm"], np.float64).reshape(-1, 4)
        cells = [
            Cell(row["motif"]),
            Cell("", picture=_logo(row["motif"], row["consensus"], cwm)),
            Cell(_match(row["match"], row["match_alt_name"])),
            number(row["match_q"], ".2g"),
            integer(row["seqlets"]),
            number(row["positive"], ".0%"),
        ]
        if len(found.models) > 1:
            cells += [integer(n) for n in row["seqlets_by_model"]]
        if two:
            p = row["p_bonferroni"] or (None, None)
            cells += [number(each, ".2g") for each in p]
        rows.append(cells)
    caption = "Motifs, those with most seqlets first"
    return Table(caption=caption, columns=columns, rows=rows, folds=False)


def _match(name: str | None, other: str | None) -> str:
    if not name:
        return ""
    return f"{name} ({other})" if other and other != name else name


def _logo(name: str, consensus: str, cwm: Matrix) -> Picture:
    heights = np.where(np.isfinite(cwm), cwm, 0.0)
    heights = np.where(np.abs(heights) < SMALL * np.abs(heights).max(), 0.0, heights)
    with style():
        figure = new_figure(max(1.0, WIDTH * len(heights)), HEIGHT)
        axes = figure.subplots()
        draw_logo(axes, heights, ylabel="", xlabel="")
        axes.set_axis_off()
    return picture(figure, f"Logo of {name}, {consensus}", form="png")
