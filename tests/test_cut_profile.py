"""Cuts as windows: one suite over the slow twin, the loops compiled and not, and the array twin."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from native_kernels import cut_profile as op
from native_kernels.cut_profile import cpu, cut_profile, cut_profile_reference, gpu

CUTS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 1), st.integers(0, 9)), max_size=40
).map(lambda cuts: sorted(cuts, key=lambda cut: cut[:2]))
STARTS = st.lists(st.integers(-15, 55), max_size=12)
EDGE_CUTS = [(0, 0, 1), (0, 1, 2), (9, 0, 3), (10, 0, 4), (10, 0, 5), (10, 1, 6), (19, 1, 7)]


@contextmanager
def uncompiled():
    with pytest.MonkeyPatch.context() as patch:
        for name, loop in vars(cpu).copy().items():
            if hasattr(loop, "py_func"):
                patch.setattr(cpu, name, loop.py_func)
        yield


def not_compiled(*args, **kwargs):
    with uncompiled():
        return cut_profile(*args, **kwargs)


def arrays_on_numpy(*args, **kwargs):
    """The array twin, behind the same checks and dispatch as on a GPU."""

    def run(*arrays, **options):
        return gpu.fill_windows_arrays(np, *arrays, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(op, "_on_gpu", run)
        return cut_profile(*args, device="cuda", **kwargs)


def on_gpu(*args, **kwargs):
    return cut_profile(*args, device="cuda", **kwargs)


FAST = {"compiled": cut_profile, "py_func": not_compiled, "arrays": arrays_on_numpy}
CUPY = pytest.param(on_gpu, id="cupy", marks=pytest.mark.gpu("cupy"))
EVERY_FORM = pytest.mark.parametrize(
    "profile",
    [
        pytest.param(cut_profile_reference, id="reference"),
        *(pytest.param(form, id=name) for name, form in FAST.items()),
        CUPY,
    ],
)
EVERY_FAST_FORM = pytest.mark.parametrize(
    "profile", [*(pytest.param(form, id=name) for name, form in FAST.items()), CUPY]
)
BOTH_MODES = pytest.mark.parametrize("strands", ["sum", "split"])


def columns(cuts):
    position, strand, count = zip(*cuts, strict=True) if cuts else ((), (), ())
    return np.array(position, np.int64), np.array(strand, np.uint8), np.array(count, np.uint32)


def starts_of(*starts):
    return np.array(starts, np.int64)


def by_scan(cuts, starts, width, strands):
    """Every cut put into every window that holds it."""
    windows = []
    for start in starts:
        rows = [[0] * width, [0] * width]
        for position, strand, count in cuts:
            if start <= position < start + width:
                rows[strand][position - start] += count
        both = [plus + minus for plus, minus in zip(*rows, strict=True)]
        windows.append(rows if strands == "split" else both)
    return windows


@EVERY_FORM
@settings(deadline=None, max_examples=60)
@given(CUTS, STARTS, st.integers(1, 20), st.sampled_from(["sum", "split"]))
@example(EDGE_CUTS, [10, 0, 1, 9, 11, -9, -10, -11, 19, 20, 0], 10, "split")
@example(EDGE_CUTS, [10, 0, 1, 9, 11, -9, -10, -11, 19, 20, 0], 10, "sum")
@example([(5, 0, 0)], [5], 1, "sum")
@example([], [0, 3], 4, "split")
@example(EDGE_CUTS, [], 10, "split")
def test_windows_equal_a_scan_of_all_cuts(profile, cuts, starts, width, strands):
    found = profile(*columns(cuts), starts_of(*starts), width, strands=strands)
    assert found.dtype == np.int32
    shape = (len(starts), 2, width) if strands == "split" else (len(starts), width)
    assert found.shape == shape
    assert found.tolist() == by_scan(cuts, starts, width, strands)


@EVERY_FORM
def test_first_and_last_base_of_a_window_are_its_own(profile):
    cuts = columns([(99, 0, 1), (100, 0, 2), (104, 1, 3), (105, 1, 4)])
    assert profile(*cuts, starts_of(100), 5).tolist() == [[2, 0, 0, 0, 3]]
    split = profile(*cuts, starts_of(100), 5, strands="split")
    assert split.tolist() == [[[2, 0, 0, 0, 0], [0, 0, 0, 0, 3]]]


@EVERY_FORM
def test_far_positions_are_not_cut_to_32_bits(profile):
    far = (1 << 40) + 3
    found = profile(*columns([(3, 0, 5), (far, 0, 7)]), starts_of(far - 1, -(1 << 50)), 3)
    assert found.tolist() == [[0, 7, 0], [0, 0, 0]]


@EVERY_FORM
@BOTH_MODES
@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
)
def test_a_count_fits_its_type_or_is_an_error(profile, strands, dtype):
    largest = int(np.iinfo(dtype).max)
    most = min(largest, (1 << 32) - 1)
    if largest <= most:
        cuts = columns([(1, 0, 1), (4, 1, most - 1), (4, 1, 1)])
    else:  # beyond one cut's own type
        cuts, most = columns([(1, 0, 1), (4, 1, most), (4, 1, 5)]), most + 5
    found = profile(*cuts, starts_of(0), 6, strands=strands, dtype=dtype)
    assert found.dtype == dtype
    assert int(found.max()) == most
    if largest == most:
        over = columns([(1, 0, 1), (4, 1, most), (4, 1, 1)])
        with pytest.raises(OverflowError):
            profile(*over, starts_of(20, 0), 6, strands=strands, dtype=dtype)
        assert not profile(*over, starts_of(20, 5), 6, strands=strands, dtype=dtype).any()


@EVERY_FORM
def test_strands_overflow_together_where_they_are_added(profile):
    cuts = columns([(4, 0, 30_000), (4, 1, 30_000)])
    split = profile(*cuts, starts_of(4), 1, strands="split", dtype=np.int16)
    assert split.tolist() == [[[30_000], [30_000]]]
    with pytest.raises(OverflowError):
        profile(*cuts, starts_of(4), 1, strands="sum", dtype=np.int16)


@EVERY_FAST_FORM
@BOTH_MODES
def test_an_array_that_is_given_is_overwritten_in_place(profile, strands):
    cuts, starts = columns(EDGE_CUTS), starts_of(10, -3)
    block = np.full((2, 3, *((2, 12) if strands == "split" else (12,))), 77, np.int16)
    given_array = block[:, 1]
    found = profile(*cuts, starts, 12, strands=strands, out=given_array)
    assert found is given_array
    assert block[:, 1].tolist() == by_scan(EDGE_CUTS, starts.tolist(), 12, strands)
    assert (block[:, [0, 2]] == 77).all()


@EVERY_FAST_FORM
@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        ([(5, 0, 1), (4, 0, 1)], r"cut 1 is at 4 on strand 0"),
        ([(4, 0, 1), (5, 1, 1), (5, 0, 1)], r"cut 2 is at 5 on strand 0"),
        ([(4, 2, 1)], r"cut 0 is at 4 on strand 2"),
    ],
)
def test_cuts_out_of_order_are_refused(profile, cuts, message):
    with pytest.raises(ValueError, match=message):
        profile(*columns(cuts), starts_of(0), 6)


GOOD = dict(
    zip(("position", "strand", "count"), columns(EDGE_CUTS), strict=True),
    start=starts_of(0, 3),
    width=4,
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": np.arange(7, dtype=np.int32)}, "position must be int64"),
        ({"strand": np.zeros(7, np.int8)}, "strand must be uint8"),
        ({"count": np.ones(7, np.int64)}, "count must be uint32"),
        ({"start": np.zeros((1, 1), np.int64)}, "start must be int64 of one dimension"),
        ({"count": np.ones(6, np.uint32)}, "one length, got 7, 7 and 6"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"start": starts_of(0, (1 << 63) - 4)}, "must end below"),
        ({"strands": "both"}, "'sum' or 'split', got 'both'"),
        ({"dtype": np.float32}, "out must be of integers"),
        ({"out": np.zeros((2, 5), np.int32)}, r"and \(2, 4\), got int32 \(2, 5\)"),
        ({"out": np.zeros((2, 4), np.int32), "strands": "split"}, r"\(2, 2, 4\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    assert cut_profile(**GOOD).shape == (2, 4)
    with pytest.raises(ValueError, match=message):
        cut_profile(**(GOOD | change))
