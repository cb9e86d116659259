"""The style of figures: the same bytes whatever a user has set, and nothing global that changes."""

import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from kmerengine import InputError
from kmerengine.logo import draw_logo
from modelkit.figures import COLOURS, GREY, encoded, new_figure, save, style


def drawing() -> object:
    with style():
        figure = new_figure(4, 3)
        left, right = figure.subplots(1, 2)
        for i in range(3):
            left.plot(np.arange(5) * i, label=f"line {i}")
        left.legend()
        left.text(1, 1, "text")
        draw_logo(right, np.eye(4) - 0.3, ylabel="contribution", start=123_456_789)
        return figure


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_same_drawing_has_the_same_bytes_whatever_is_set(form: str) -> None:
    plain = encoded(drawing(), form)  # type: ignore[arg-type]
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 7, "axes.grid": True}):
        assert encoded(drawing(), form) == plain  # type: ignore[arg-type]
    assert b"Matplotlib" not in plain
    assert b"<dc:date>" not in plain


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    """Ids of SVG elements do not depend on a random hash."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_figures import drawing, encoded\n"
        "sys.stdout.buffer.write(encoded(drawing(), 'svg'))"
    )
    folder = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, check=True)
    assert done.stdout == encoded(drawing(), "svg")  # type: ignore[arg-type]


def test_nothing_global_changes() -> None:
    before = dict(matplotlib.rcParams)
    encoded(drawing(), "svg")  # type: ignore[arg-type]
    assert dict(matplotlib.rcParams) == before


def test_importing_loads_no_matplotlib() -> None:
    code = "import sys, modelkit.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_positions_of_a_genome_are_written_out() -> None:
    figure = drawing()
    figure.draw_without_rendering()  # type: ignore[attr-defined]
    labels = [each.get_text() for each in figure.axes[1].get_xticklabels()]  # type: ignore[attr-defined]
    assert "123456790" in labels


def test_lines_differ_in_dashes_and_colours() -> None:
    lines = drawing().axes[0].get_lines()  # type: ignore[attr-defined]
    assert [line.get_color() for line in lines] == list(COLOURS[:3])
    assert len({line.get_linestyle() for line in lines}) == 3


def test_contrast_with_white() -> None:
    """3:1 for lines, 4.5:1 for text (WCAG 2.2, 1.4.11 and 1.4.3)."""
    for colour in COLOURS[:3]:
        assert 1.05 / (luminance(colour) + 0.05) >= 3, colour
    assert 1.05 / (luminance(GREY) + 0.05) >= 4.5


def test_files(tmp_path: Path) -> None:
    figure = drawing()
    for name in ("a.svg", "a.png"):
        save(figure, tmp_path / name)  # type: ignore[arg-type]
        assert (tmp_path / name).read_bytes() == encoded(figure, name[2:])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="exists"):
        save(figure, tmp_path / "a.svg")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"\.png or \.svg"):
        save(figure, tmp_path / "a.pdf")  # type: ignore[arg-type]


def test_names_are_drawn_as_they_are() -> None:
    """No mathematics, letters that no font has, nothing that UTF-8 cannot hold."""
    with style():
        figure = new_figure(3, 2)
        axes = figure.subplots()
        axes.set_title("$x^{$ \\frac 組織 \udc80 \x07 --> ]]>")
        axes.set_xlabel("_name")
    for form in ("svg", "png"):
        assert encoded(figure, form)  # type: ignore[arg-type]
    xml.etree.ElementTree.fromstring(encoded(figure, "svg"))
    assert axes.get_title(loc="left") == "$x^{$ \\frac 組織 \ufffd \ufffd --> ]]>"
