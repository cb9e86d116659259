"""What bases did to predictions: tracks of a few examples, letters where they did most."""

import numpy as np
import numpy.typing as npt

from kmerengine.logo import draw_logo
from modelkit.figures import COLOURS, GREY, Format, new_figure, style
from modelkit.interpretation.attribution.attributions import Attributions
from modelkit.reporting.page import (
    Block,
    Cell,
    Gallery,
    Picture,
    Section,
    Table,
    Text,
    integer,
    number,
    picture,
)

__all__ = ["tracks"]

KEY, TITLE = "attributions", "Attributions"
COMMAND = "modelkit attribute RUN --data DATASET --output ATTRIBUTIONS"
EXAMPLES = 4  # with a figure
LETTERS = 100  # bp whose letters are drawn
LONG = 1000  # bp; of longer sequences an SVG is larger than a PNG
SMALL = 0.02  # of the tallest stack: letters below it are not drawn

Floats = npt.NDArray[np.float64]


def tracks(found: Attributions | None) -> Section:
    """Examples with the largest predictions, on the genome's axis."""
    if found is None:
        return Section(key=KEY, title=TITLE, command=COMMAND)
    blocks: list[Block] = [Text(_sentence(found))]
    if len(found):
        chosen = _largest(found)
        blocks.append(Gallery([_track(found, i, k) for i, k in chosen]))
        blocks.append(_table(found))
    return Section(key=KEY, title=TITLE, blocks=blocks)


def _sentence(found: Attributions) -> str:
    listed = ", ".join(found.targets[:5])
    more = f" and {len(found.targets) - 5:,} more" if len(found.targets) > 5 else ""
    said = [
        f"{found.method} of {found.head}: {len(found):,} examples, {found.sequence.shape[1]:,} bp, "
        f"of {listed}{more}."
    ]
    if len(found):
        said.append(
            "Shown are examples with the largest predictions, each for the target of which it has "
            f"the largest, with letters in the {LETTERS} bp that did most."
        )
    return " ".join(said)


def _largest(found: Attributions) -> list[tuple[int, int]]:
    """Examples by their largest prediction, and the target that has it."""
    values = np.where(np.isfinite(found.prediction), found.prediction, -np.inf)
    order = np.argsort(-values.max(1), kind="stable")[:EXAMPLES]
    return [(int(i), int(values[i].argmax())) for i in order]


def _track(found: Attributions, i: int, k: int) -> Picture:
    scores, codes = found.read(i, i + 1)
    bases = codes[0][:, None] == np.arange(4)
    heights = np.where(bases, np.nan_to_num(scores[0, k, :4].T.astype(np.float64)), 0.0)
    heights = np.where(np.isinf(heights), 0.0, heights)
    each = heights.sum(1)
    low = _busiest(np.abs(each), min(LETTERS, len(each)))
    here = slice(low, low + LETTERS)
    chrom, start = str(found.chroms[i]), int(found.starts[i])
    letters = heights[here]
    tallest = float(np.abs(letters).max())
    letters = np.where(np.abs(letters) < SMALL * tallest, 0.0, letters)
    value, target = float(found.prediction[i, k]), found.targets[k]
    with style():
        figure = new_figure(9.5, 3.4)
        whole, part = figure.subplots(2, 1, height_ratios=(1, 1.5))
        at = start + np.arange(len(each))
        whole.axvspan(start + low - 0.5, at[here][-1] + 0.5, color=COLOURS[4], alpha=0.25)
        whole.vlines(at, np.minimum(each, 0), np.maximum(each, 0), color=COLOURS[0], linewidth=0.8)
        whole.axhline(0, color=GREY, linewidth=0.5)
        whole.set(xlim=(at[0] - 0.5, at[-1] + 0.5), ylabel="contribution")
        whole.set_title(f"{target}: predicted {value:.4g}")
        draw_logo(
            part, letters, start=start + low, ylabel="contribution",
            xlabel=f"{chrom}, position (bp, 0-based)",
        )  # fmt: skip
        for axes in (whole, part):
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    best = int(np.abs(each).argmax())
    window = f"{chrom}:{start + low:,}-{start + low + len(letters):,}"
    alt = (
        f"Attribution track of {chrom}:{start:,}-{start + len(each):,} for {target}, predicted "
        f"{value:.4g}: bars of the contribution of each base, below them letters of {window}. The "
        f"largest contribution is {each[best]:.3g} at {start + best:,}."
    )
    caption = f"{chrom}:{start:,}-{start + len(each):,}, {target}"
    form: Format = "svg" if len(each) <= LONG else "png"
    return picture(figure, alt, caption, form=form, wide=True)


def _busiest(values: Floats, width: int) -> int:
    """Where the window with the largest sum begins."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return int((sums[width:] - sums[:-width]).argmax())


def _table(found: Attributions) -> Table:
    """Of each target, what was predicted and how well the scores add up."""
    rows = []
    for k, name in enumerate(found.targets):
        delta, spread = np.abs(found.delta[:, k]), found.spread[:, k]
        usable = np.isfinite(delta) & (spread > 0)
        share = delta[usable] / spread[usable]
        rows.append(
            (
                Cell(name),
                number(_mean(found.prediction[:, k]), ".4g"),
                number(float(np.median(share)) if len(share) else None, ".2%"),
                integer(int(usable.sum())),
            )
        )
    columns = ("target", "mean prediction", "sum missed by", "examples with a sum")
    caption = (
        "By target; by how much the scores miss the sum that they should have, median of examples"
    )
    return Table(caption=caption, columns=columns, rows=rows)


def _mean(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
