"""A page of sections: text, tables and figures, as one HTML file that needs nothing else.

The page loads nothing: figures are in it as data, and its Content-Security-Policy forbids all but
them, its own style and its own script, whose digests it names. All text is escaped.
"""

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from kmerengine.errors import InputError
from modelkit.figures import Format, encoded, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Block", "Cell", "Gallery", "Picture", "Section", "Table", "Text", "integer", "number",
    "picture", "render",
]  # fmt: skip

TEMPLATES = Path(__file__).parent / "templates"
PAGE, STYLE, SCRIPT = "page.html", "page.css", "sort.js"
NONE = "–"  # of a number that is none
COLLAPSED = 20  # rows; longer tables are folded away


class Picture(NamedTuple):
    """A figure in the page.

    Attributes
    ----------
    source : str
        A data: address.
    alt : str
        What it shows, for who does not see it.
    caption : str
    width, height : int
        CSS pixels; narrower screens make it smaller, unless it is `wide`.
    wide : bool
        Too fine to be made smaller: it scrolls in its own box.
    """

    source: str
    alt: str
    caption: str
    width: int
    height: int
    wide: bool = False


class Cell(NamedTuple):
    """A cell of a table.

    Attributes
    ----------
    text : str
    value : float, optional
        What a number sorts by, in full; NaN for a number that is none.
    picture : Picture, optional
    """

    text: str
    value: float | None = None
    picture: Picture | None = None

    @property
    def sorts_by(self) -> str | None:
        """As it stands in the page: "" sorts last."""
        if self.value is None:
            return None
        return repr(float(self.value)) if math.isfinite(self.value) else ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows whose first cell is their name; `caption` says what they are.

    Long ones are folded away, unless they are not to be.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    folds: bool = True
    kind: ClassVar = "table"

    @property
    def is_folded(self) -> bool:
        return self.folds and len(self.rows) > COLLAPSED

    @property
    def numbers(self) -> tuple[bool, ...]:
        """Which columns are of numbers, which stand to the right."""
        return tuple(
            any(row[column].value is not None for row in self.rows)
            for column in range(len(self.columns))
        )


@dataclass(frozen=True)
class Gallery:
    """Figures side by side, as many as fit."""

    pictures: Sequence[Picture]
    kind: ClassVar = "gallery"


@dataclass(frozen=True)
class Text:
    """A paragraph; with `code` a passage that is folded away under `title`."""

    text: str
    title: str = ""
    code: bool = False
    kind: ClassVar = "text"


Block = Table | Gallery | Text


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page under a heading.

    `command` makes what the section needs, where that was not given and `blocks` is empty.
    """

    key: str
    title: str
    blocks: Sequence[Block] = ()
    command: str = ""


def number(value: float | None, form: str = ".4f") -> Cell:
    """A number in a cell; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return Cell(NONE, math.nan)
    return Cell(format(value, form), float(value))


def integer(value: float | None) -> Cell:
    """A whole number, with commas."""
    return number(value, ",.0f")


def picture(
    figure: "Figure", alt: str, caption: str = "", *, form: Format = "svg", wide: bool = False
) -> Picture:
    """A drawing as part of the page; `form` png for many points."""
    width, height = figure.get_size_inches()
    kind = "image/png" if form == "png" else "image/svg+xml"
    data = base64.b64encode(encoded(figure, form)).decode()
    size = round(96 * width), round(96 * height)
    return Picture(f"data:{kind};base64,{data}", alt, caption, *size, wide)


def render(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page."""
    try:
        import jinja2
    except ImportError as error:
        raise InputError(
            "report: found no module jinja2, expected it; pip install 'kmerengine[report]'"
        ) from error
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return plain(value) if type(value) is str else value

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
    )
    ours = {name: (TEMPLATES / name).read_text("utf-8") for name in (STYLE, SCRIPT)}
    page = environment.get_template(PAGE).render(
        title=title,
        lead=lead,
        sections=sections,
        style=Markup(ours[STYLE]),
        script=Markup(ours[SCRIPT]),
        style_digest=_digest(ours[STYLE]),
        script_digest=_digest(ours[SCRIPT]),
    )
    return page.strip() + "\n"


def _digest(text: str) -> str:
    """As a Content-Security-Policy names what is between the tags."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
