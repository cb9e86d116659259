"""Windows of examples by their letters: the slow twins and the loops, compiled and not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native_kernels.example_gather import (
    cpu,
    gather_one_hot,
    gather_one_hot_reference,
    gather_tracks,
    gather_tracks_reference,
)

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def not_compiled(gather, loop):
    def run(*args, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cpu, loop, getattr(cpu, loop).py_func)
            return gather(*args, **options)

    return run


ONE_HOT = pytest.mark.parametrize(
    "gather",
    [
        pytest.param(gather_one_hot, id="compiled"),
        pytest.param(not_compiled(gather_one_hot, "fill_one_hot"), id="py_func"),
        pytest.param(gather_one_hot_reference, id="reference"),
    ],
)
TRACKS = pytest.mark.parametrize(
    "gather",
    [
        pytest.param(gather_tracks, id="compiled"),
        pytest.param(not_compiled(gather_tracks, "fill_tracks"), id="py_func"),
        pytest.param(gather_tracks_reference, id="reference"),
    ],
)


def coded(texts):
    table = {letter: code for code, letter in enumerate("ACGT")}
    return np.array([[table.get(letter, 255) for letter in text] for text in texts], np.uint8)


def windows(draw, n_rows, length):
    width = draw(st.integers(1, length))
    n = draw(st.integers(0, 6))
    row = draw(st.lists(st.integers(0, n_rows - 1), min_size=n, max_size=n))
    start = draw(st.lists(st.integers(0, length - width), min_size=n, max_size=n))
    reverse = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return (
        np.array(row, np.int64), np.array(start, np.int64), np.array(reverse, np.bool_), width
    )  # fmt: skip


@st.composite
def texts_and_windows(draw):
    length = draw(st.integers(1, 40))
    texts = draw(
        st.lists(st.text("ACGTN", min_size=length, max_size=length), min_size=1, max_size=3)
    )
    return texts, windows(draw, len(texts), length)


@ONE_HOT
@settings(deadline=None, max_examples=50)
@given(texts_and_windows(), st.sampled_from([0.0, 0.25]), st.data())
def test_one_hot_equals_the_letters(gather, case, unknown, drawn):
    texts, (row, start, reverse, width) = case
    blocked, ends = None, [(0, 0)] * len(row)
    if drawn.draw(st.booleans()):
        place = st.integers(-3, len(texts[0]) + 3)
        ends = [drawn.draw(st.tuples(place, place)) for _ in row]
        blocked = np.array(ends, np.int64).reshape(-1, 2)
    found = gather(coded(texts), row, start, reverse, width, blocked=blocked, unknown=unknown)
    assert found.shape == (len(row), 4, width)
    assert found.dtype == np.float32
    for one, r, s, backwards, (low, high) in zip(found, row, start, reverse, ends, strict=True):
        whole = ["N" if low <= at < high else x for at, x in enumerate(texts[r])]
        text = "".join(whole)[s : s + width]
        text = text[::-1].translate(COMPLEMENT) if backwards else text
        expected = [[unknown if x == "N" else float(x == base) for x in text] for base in "ACGT"]
        assert one.tolist() == expected


@st.composite
def tracks_and_windows(draw):
    length, n_rows = draw(st.integers(1, 30)), draw(st.integers(1, 3))
    dtype = draw(st.sampled_from([np.int16, np.int32, np.int64, np.float32]))
    stranded = draw(st.booleans())
    n_tracks = 2 * draw(st.integers(1, 2)) if stranded else draw(st.integers(1, 3))
    values = np.arange(n_rows * n_tracks * length).reshape(n_rows, n_tracks, length) % 97
    return values.astype(dtype), stranded, windows(draw, n_rows, length)


@TRACKS
@settings(deadline=None, max_examples=50)
@given(tracks_and_windows(), st.booleans())
def test_tracks_equal_their_slices(gather, case, scaled):
    tracks, stranded, (row, start, reverse, width) = case
    n_tracks = tracks.shape[1]
    scale = None
    if scaled:
        scale = (np.arange(len(row) * n_tracks).reshape(-1, n_tracks) / 8).astype(np.float32)
    found = gather(tracks, row, start, reverse, width, stranded=stranded, scale=scale)
    assert found.shape == (len(row), n_tracks, width)
    listed = tracks.tolist()
    for b, (r, s, backwards) in enumerate(zip(row, start, reverse, strict=True)):
        for t in range(n_tracks):
            source = t
            if stranded and backwards:
                source = {0: 1, 1: 0, 2: 3, 3: 2}[t]
            expected = listed[r][source][s : s + width]
            expected = expected[::-1] if backwards else expected
            factor = 1 if scale is None else (b * n_tracks + t) / 8
            assert found[b, t].tolist() == [value * factor for value in expected]


def test_results_are_written_in_place_and_in_any_type():
    codes = coded(["ACGTN"])
    row, start, reverse = np.array([0, 0]), np.array([0, 1]), np.array([False, True])
    expected = gather_one_hot(codes, row, start, reverse, 4, unknown=0.25)
    out = np.full((2, 4, 4), 9, np.float32)
    given_array = gather_one_hot(codes, row, start, reverse, 4, unknown=0.25, out=out)
    assert given_array is out
    assert out.tolist() == expected.tolist()
    bits = np.array([0x0000, 0x3F80, 0x3E80], np.uint16)  # 0, 1 and 0.25 in bfloat16
    found = gather_one_hot(codes, row, start, reverse, 4, values=bits)
    as_float = (found.astype(np.uint32) << 16).view(np.float32)
    assert as_float.tolist() == expected.tolist()
    tracks = np.arange(5, dtype=np.int16).reshape(1, 1, 5)
    out = np.full((2, 1, 4), 9, np.float32)
    assert gather_tracks(tracks, row, start, reverse, 4, out=out) is out
    assert out.tolist() == [[[0, 1, 2, 3]], [[4, 3, 2, 1]]]


GOOD = {
    "row": np.array([0, 1]),
    "start": np.array([0, 3]),
    "reverse": np.array([False, True]),
    "width": 3,
}
BAD = [
    ({"row": np.array([0, 2])}, "rows must be 0 to 1, got 0 to 2"),
    ({"row": np.array([-1, 0])}, "rows must be 0 to 1, got -1 to 0"),
    ({"start": np.array([0, 4])}, "must lie inside 6 bp, got starts from 0 to 4"),
    ({"start": np.array([-1, 0])}, "must lie inside 6 bp"),
    ({"start": np.array([0])}, "of one length"),
    ({"row": np.array([0, 1], np.int32)}, "must be int64"),
    ({"reverse": np.array([0, 1])}, "reverse bool"),
    ({"width": 7}, "width must be 1 to 6"),
    ({"width": 0}, "width must be 1 to 6"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_windows_that_do_not_fit_are_refused(change, message):
    codes, tracks = np.zeros((2, 6), np.uint8), np.zeros((2, 1, 6), np.int16)
    assert gather_one_hot(codes, **GOOD).shape == (2, 4, 3)
    for gather, array in ((gather_one_hot, codes), (gather_tracks, tracks)):
        with pytest.raises(ValueError, match=message):
            gather(array, **(GOOD | change))


def test_arrays_that_do_not_fit_are_refused():
    tracks = np.zeros((2, 3, 6), np.int16)
    with pytest.raises(ValueError, match="of uint8, got int16"):
        gather_one_hot(tracks[:, 0], **GOOD)
    with pytest.raises(ValueError, match="come in pairs, got 3"):
        gather_tracks(tracks, **GOOD, stranded=True)
    with pytest.raises(ValueError, match=r"scale must be float32 of \(2, 3\)"):
        gather_tracks(tracks, **GOOD, scale=np.ones((2, 2), np.float32))
    codes = np.zeros((2, 6), np.uint8)
    for blocked in (np.zeros((1, 2), np.int64), np.zeros((2, 2), np.int32)):
        with pytest.raises(ValueError, match=r"blocked must be int64 of \(2, 2\), got"):
            gather_one_hot(codes, **GOOD, blocked=blocked)
    with pytest.raises(ValueError, match=r"out must be float32 of \(2, 3, 3\)"):
        gather_tracks(tracks, **GOOD, out=np.zeros((2, 3, 3), np.float64))
