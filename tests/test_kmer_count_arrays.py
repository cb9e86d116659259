"""Exact counts by whole arrays: types, slices and bytes, on NumPy and on a GPU."""

from types import SimpleNamespace

import numpy as np
import oracles
import pytest
from kmer_forms import encoded, joined, on_gpu, on_numpy, spelled

from native_kernels.kmer_count import count_rows, count_words, gpu

BORDERS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 16, 17, 31, 32]  # where types and ways change
EVERY_BORDER = pytest.mark.parametrize("k", BORDERS)
BOTH_STRANDS = pytest.mark.parametrize("stranded", [False, True])
GPU = pytest.mark.gpu("cupy")


def forms(arrays, count):
    return pytest.mark.parametrize(
        "form",
        [
            pytest.param(on_numpy(arrays), id="numpy"),
            pytest.param(on_gpu(count), id="cupy", marks=GPU),
        ],
    )


WORDS = forms(gpu.count_words_arrays, count_words)
ROWS = forms(gpu.count_rows_arrays, count_rows)


def drawn(n, share=0.02, seed=0):
    """Bases, some of them none, and runs of one base: the words of only 0 and only 1 bits."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, n, dtype=np.uint8)
    codes[rng.random(n) < share] = 255
    ends = [encoded("A" * 70), encoded("T" * 70), encoded("N"), encoded("ACGT" * 9)]
    return np.concatenate([codes, *ends])


def assert_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@WORDS
@pytest.mark.parametrize("k", [k for k in BORDERS if k != 12])  # the tables of 12 take a second
@BOTH_STRANDS
def test_words_are_numbas_at_every_border(form, k, stranded):
    for codes in (drawn(3000), drawn(500, share=0.3, seed=1), encoded("N" * 50), encoded("")):
        found = form(codes, k, stranded=stranded)
        assert_same(found, count_words(codes, k, stranded=stranded))


@ROWS
@EVERY_BORDER
@BOTH_STRANDS
def test_rows_are_numbas_at_every_border(form, k, stranded):
    rng = np.random.default_rng(k)
    codes = drawn(3000, seed=2)
    offsets = np.sort(rng.integers(3, len(codes) - 5, 60))  # rows of no base among them
    offsets[20:23] = offsets[20]
    options = {"stranded": stranded, "reverse": rng.random(59) < 0.5}
    found = form(codes, offsets, k, **options)
    assert_same(found, count_rows(codes, offsets, k, **options))


@WORDS
@BOTH_STRANDS
@pytest.mark.parametrize("k", [1, 5, 8, 13, 32])
@pytest.mark.parametrize("size", [1, 7, 32, 100])
def test_no_window_is_lost_or_doubled_at_a_seam(form, size, k, stranded, monkeypatch):
    monkeypatch.setattr(gpu, "SLICE", size)
    sequence = "ACCTGGAACGTTGACATTAGGC" * 3 + "N" + "ACGT" * 9 + "NN" + "T" * 33
    for text in (sequence, sequence[:k], sequence[: k - 1], "N" * 40, "ACGTN" * 30):
        words, counts = form(encoded(text), k, stranded=stranded)
        assert spelled(words, counts, k) == dict(oracles.exact(text, k, stranded=stranded))


@ROWS
@pytest.mark.parametrize("size", [1, 10, 25, 1000])
@pytest.mark.parametrize("k", [3, 13])
def test_rows_by_slices_are_the_rows(form, size, k, monkeypatch):
    texts = ["ACGTTGACA" * 3, "", "N" * 12, "GATTACA" * 4, "", "", "ACGNACGTTTACGAGTACA", ""]
    codes, offsets = joined(["NNAC", *texts, "GGG"])
    reverse = np.arange(len(texts)) % 2 == 0
    offsets, options = offsets[1:-1], {"stranded": True, "reverse": reverse}
    wanted = count_rows(codes, offsets, k, **options)
    monkeypatch.setattr(gpu, "SLICE", size)
    assert_same(form(codes, offsets, k, **options), wanted)
    assert_same(form(codes, offsets[:1], k), count_rows(codes, offsets[:1], k))


@pytest.mark.parametrize("windows", [59, 60])
def test_many_windows_are_counted_in_64_bits(windows, monkeypatch):
    monkeypatch.setattr(gpu, "UINT32_WINDOWS", 59)
    made = []
    stand_in = SimpleNamespace(**vars(np))
    stand_in.zeros = lambda shape, dtype: made.append(dtype) or np.zeros(shape, dtype)
    codes = encoded("ACGTTG" * 20)[: windows + 2]
    assert_same(gpu.count_words_arrays(stand_in, codes, 3), count_words(codes, 3))
    assert made == [np.uint32 if windows == 59 else np.uint64]


@pytest.mark.parametrize("mirrored", [False, True])
@EVERY_BORDER
def test_words_have_the_narrowest_type(k, mirrored):
    bits = next(bits for bits in (8, 16, 32, 64) if 2 * k <= bits)
    words = gpu._words(np, drawn(100), k, mirrored=mirrored)
    assert words.dtype == np.dtype(f"uint{bits}")
    assert int(words.max()) < 4**k  # of windows with non-bases too: it is an index of the table


class Metered(np.ndarray):
    """An array whose operations add up the bytes that they read and write."""

    moved = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        plain = [np.asarray(one) if isinstance(one, Metered) else one for one in inputs]
        if out:
            options["out"] = tuple(map(np.asarray, out))
        result = getattr(ufunc, method)(*plain, **options)
        arrays = [*plain[method == "at" :], result]  # the table that is added to stays in cache
        Metered.moved += sum(one.nbytes for one in arrays if isinstance(one, np.ndarray))
        return result.view(Metered) if isinstance(result, np.ndarray) else result


@pytest.mark.parametrize(("non_bases", "wanted"), [(0, 23), (1, 35)])
def test_bytes_moved_for_each_base(non_bases, wanted, monkeypatch):
    """The count that docs/kernels.md gives for k = 8; a test, so that it stays true."""
    codes = np.zeros(100_000, np.uint8)
    codes[:non_bases] = 255
    monkeypatch.setattr(Metered, "moved", 0)
    gpu.count_words_arrays(np, codes.view(Metered), 8, stranded=True)
    assert Metered.moved / len(codes) == pytest.approx(wanted, abs=0.1)
