"""Logos: the box of every letter against the heights given, and what drawing leaves alone."""

import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.stats import entropy

from kmerengine.logo import COLOURS, draw_logo, information


def draw(heights, **options):
    ax = Figure().add_subplot()
    return ax, draw_logo(ax, heights, ylabel="height (bits)", **options)


def boxes(letters):
    """Base, left, bottom, right and top of every letter, by its colour."""
    base = {colour.lower(): "ACGT"[i] for i, colour in enumerate(COLOURS)}
    return [
        (base[to_hex(colour)], *path.get_extents().extents)
        for path, colour in zip(letters.get_paths(), letters.get_facecolor(), strict=True)
    ]


def stacked(heights, start):
    """What `boxes` must be: letters of a sign from the smallest outwards."""
    expected = []
    for position, row in enumerate(heights, start):
        top = {1: 0.0, -1: 0.0}
        column = {}
        for i in sorted(range(4), key=lambda i: abs(row[i])):
            if row[i]:
                sign = 1 if row[i] > 0 else -1
                inner, top[sign] = top[sign], top[sign] + row[i]
                edges = sorted((inner, top[sign]))
                column[i] = ("ACGT"[i], position - 0.47, edges[0], position + 0.47, edges[1])
        expected += [column[i] for i in sorted(column)]
    return expected


def test_letters_stand_as_written_by_hand():
    ax, letters = draw([[1, 2, 0, 0.5], [-1, 0, 3, -0.25]], start=10)
    expected = [
        ("A", 9.53, 0.5, 10.47, 1.5),
        ("C", 9.53, 1.5, 10.47, 3.5),
        ("T", 9.53, 0.0, 10.47, 0.5),
        ("A", 10.53, -1.25, 11.47, -0.25),
        ("G", 10.53, 0.0, 11.47, 3.0),
        ("T", 10.53, -0.25, 11.47, 0.0),
    ]
    assert [box[0] for box in boxes(letters)] == [box[0] for box in expected]
    for box, want in zip(boxes(letters), expected, strict=True):
        assert box[1:] == pytest.approx(want[1:])
    assert ax.get_xlim() == (9.5, 11.5)
    assert ax.get_ylim() == pytest.approx((-1.25 * 1.05, 3.5 * 1.05))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("position (bp)", "height (bits)")
    assert [line.get_ydata() for line in ax.lines] == [[0, 0]]  # zero, where letters hang from it
    assert letters.get_linewidth() == [0]
    assert not draw([[1, 2, 0, 0.5]])[0].lines


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.just(4)),
        elements=st.one_of(st.just(0.0), st.integers(-40, 40).map(lambda n: n / 8)),
    ),
    st.integers(-1000, 10**9),
)
@example(np.zeros((2, 4)), 0)
@example(np.ones((1, 4)), 5)  # equal heights: A, C, G, T upwards
@example(-np.ones((1, 4)), 5)
def test_letters_have_the_heights_given(heights, start):
    _, letters = draw(heights, start=start)
    found, expected = boxes(letters), stacked(heights, start)
    assert [box[0] for box in found] == [box[0] for box in expected]
    for box, want in zip(found, expected, strict=True):
        assert box[1:] == pytest.approx(want[1:], rel=1e-12, abs=1e-6)


def test_negative_letters_are_upside_down():
    """A is widest at its foot: on zero where it stands, at the bottom where it hangs."""
    for sign in (1, -1):
        _, letters = draw([[sign, 0, 0, 0]])
        (path,) = letters.get_paths()
        corners = path.vertices[path.codes != path.CLOSEPOLY]
        foot = corners[np.isclose(np.abs(corners[:, 1]), 0), 0]
        tip = corners[np.isclose(np.abs(corners[:, 1]), 1), 0]
        assert np.ptp(foot) == pytest.approx(0.94)
        assert np.ptp(tip) < 0.5


def test_letters_cover_their_pixels():
    """The drawn image itself: each column has its colour over its height and none above."""
    figure = Figure(figsize=(4, 1), dpi=100)
    ax = figure.add_axes((0, 0, 1, 1))
    draw_logo(ax, [[1, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0.5, 0], [0, 0, 0, -1]], ylabel="")
    ax.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba")
    image = np.frombuffer(buffer.getvalue(), np.uint8).reshape(100, 400, 4)[..., :3]
    for column, colour in enumerate(COLOURS):
        shade = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        rows, places = np.nonzero((image == shade).all(axis=-1))
        assert places.min() >= 100 * column
        assert places.max() < 100 * (column + 1)
        top, foot = [(0, 50), (24, 50), (24, 50), (50, 100)][column]  # zero is at row 50
        assert abs(rows.min() - top) <= 4
        assert abs(rows.max() - foot) <= 4


def test_colours_and_start_and_labels_may_be_chosen():
    ax, letters = draw(np.eye(4), colours=("k", "r", "#123456", (0, 1, 0)), xlabel="bp from TSS")
    assert [to_hex(colour) for colour in letters.get_facecolor()] == [
        "#000000", "#ff0000", "#123456", "#00ff00"
    ]  # fmt: skip
    assert ax.get_xlabel() == "bp from TSS"
    assert ax.get_xlim() == (-0.5, 3.5)
    assert (np.asarray(ax.get_xticks()) % 1 == 0).all()


@pytest.mark.parametrize(
    ("heights", "words"),
    [
        (np.zeros((4, 3)), r"shape \(L, 4\) with L >= 1, got \(4, 3\)"),
        (np.zeros(4), r"got \(4,\)"),
        (np.zeros((0, 4)), r"got \(0, 4\)"),
        (np.zeros((1, 2, 4)), r"got \(1, 2, 4\)"),
        ([[1, 2, np.nan, 0]], "heights must be finite"),
        ([[1, 2, np.inf, 0]], "heights must be finite"),
    ],
)
def test_wrong_heights_are_refused(heights, words):
    ax = Figure().add_subplot()
    with pytest.raises(ValueError, match=words):
        draw_logo(ax, heights, ylabel="")
    assert not ax.collections


def test_information_written_by_hand():
    found = information([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4, [0.5, 0.25, 0.125, 0.125]])
    expected = [[2, 0, 0, 0], [0.5, 0.5, 0, 0], [0] * 4, [0.125, 0.0625, 0.03125, 0.03125]]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    # against a background: 0.5 log2(0.5 / 0.125) + 0.5 log2(0.5 / 0.5) = 1 bit
    found = information([[0.5, 0.5, 0, 0]], [0.125, 0.5, 0.375, 0])
    np.testing.assert_allclose(found, [[0.5, 0.5, 0, 0]])


@settings(deadline=None)
@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(0, 1)), st.floats(0.05, 0.45))
def test_information_is_the_relative_entropy(weights, gc):
    p = (weights + 1e-6) / (weights + 1e-6).sum(axis=1, keepdims=True)
    q = np.array([0.5 - gc, gc, gc, 0.5 - gc])
    found = information(p, q)
    np.testing.assert_allclose(found.sum(axis=1), entropy(p, q[None], base=2, axis=1), atol=1e-9)
    np.testing.assert_allclose(found, p * found.sum(axis=1, keepdims=True), atol=1e-12)
    assert (found >= 0).all()


def test_rounded_probabilities_are_no_negative_height():
    assert (information([[0.2499, 0.2499, 0.2499, 0.2499]]) == 0).all()


@pytest.mark.parametrize(
    ("p", "q", "words"),
    [
        ([[0.5, 0.5, 0.5, 0]], None, "probabilities must not be negative and must sum to 1"),
        ([[1.5, -0.5, 0, 0]], None, "probabilities must not be negative"),
        ([[1, 0, 0]], None, r"shape \(L, 4\)"),
        ([[1, 0, 0, 0]], [1, 0, 0], r"background must have shape \(4,\), got \(3,\)"),
        ([[1, 0, 0, 0]], [0.5, 0.5, 0.5, 0], "background must not be negative"),
        ([[1, 0, 0, 0]], [np.nan] * 4, "background must not be negative"),
        ([[0.5, 0.5, 0, 0]], [0, 0.5, 0.5, 0], "probability 0 for a letter that occurs"),
    ],
)
def test_wrong_probabilities_are_refused(p, q, words):
    with pytest.raises(ValueError, match=words):
        information(p, q)


PROGRAM = """
import sys
import kmerengine.logo
assert not [name for name in sys.modules if name.startswith("matplotlib")]
import matplotlib
from matplotlib.figure import Figure
def settings():  # to read the backend's name would choose one
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
figure = Figure()
kmerengine.logo.draw_logo(figure.add_subplot(), [[1, -2, 0, 0.5]], ylabel="bits")
figure.savefig(sys.argv[1])
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
"""


def test_importing_and_drawing_change_no_global_state(tmp_path):
    run = [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path / "logo.svg")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "logo.svg").read_text().count("<path") > 3
