"""One style for all figures of modelkit, and their files: the same drawing gives the same bytes.

    with style():
        figure = new_figure(6, 3)
        axes = figure.subplots()
        axes.plot(offset, depth, label="with bias")
        save(figure, path)

Nothing global changes: settings hold inside `style` alone, and pyplot is not imported. Names are
drawn as they are, a $ included: no text is mathematics, so that a logarithmic axis needs a
formatter of its own. Colours are those of Okabe and Ito (Color Universal Design, 2008), which the
colour-blind tell apart; lines differ in their dashes too, so that a figure can be read in grey.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "GREY", "MAP", "Format", "encoded", "new_figure", "plain", "save", "style"]

Format = Literal["png", "svg"]

# in the order in which lines take them: those that stand out most from white first
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: Final = ("-", "--", "-.", ":", "-", "--", "-.")
GREY: Final = "#595959"  # of what is only there to compare with; 7:1 on white
MAP: Final = "cividis"  # of values in a plane: as even to the colour-blind as to others
DPI = 150

_SETTINGS: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",  # matplotlib's own, the same everywhere
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.formatter.useoffset": False,  # genome positions are written out
    "axes.formatter.limits": (-4, 12),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "image.cmap": MAP,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "path.simplify": True,
    "text.parse_math": False,
    # letters are outlines: a page looks the same whatever fonts its reader has
    "svg.fonttype": "path",
    "svg.hashsalt": "kmerengine",
}


@contextmanager
def style() -> Iterator[None]:
    """The settings of all figures, while the block draws and writes."""
    import matplotlib
    from cycler import cycler

    cycle = cycler(color=COLOURS) + cycler(linestyle=DASHES)
    settings: Any = {**_defaults(), **_SETTINGS, "axes.prop_cycle": cycle}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # a letter that the font lacks is drawn as a box
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        yield


def _defaults() -> dict[str, Any]:
    """Matplotlib's own settings: a user's matplotlibrc has no part in the bytes."""
    import matplotlib

    left = ("backend", "backend_fallback", "interactive", "toolbar", "timezone")
    found: Any = matplotlib.rcParamsDefault
    return {name: value for name, value in found.items() if name not in left}


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, whose parts make room for each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(text: str) -> str:
    """Text that a file in UTF-8 can hold and a reader can see: other characters are marked."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def encoded(figure: "Figure", form: Format) -> bytes:
    """A figure as a file's bytes, without date or version."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text(plain(text.get_text()))
    metadata: dict[str, Any]
    metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    file = io.BytesIO()
    with style():
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine("none")  # it would move the parts a little with every file
        figure.savefig(file, format=form, dpi=DPI, metadata=metadata)
    return file.getvalue()


def save(figure: "Figure", path: str | Path, *, force: bool = False) -> None:
    """Write a figure to a .png or .svg file, whole or not at all.

    Raises
    ------
    InputError
        Another ending, or a file that is there without `force`.
    """
    path = Path(path)
    endings: dict[str, Format] = {".png": "png", ".svg": "svg"}
    if path.suffix not in endings:
        raise InputError(f"{path}: is a figure, expected a name that ends in .png or .svg")
    with atomic(path, force=force) as temporary:
        temporary.write_bytes(encoded(figure, endings[path.suffix]))
