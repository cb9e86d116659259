"""Windows of cuts by whole arrays, filled a part at a time: CuPy assigns by 32-bit indices."""

import numpy as np
import pytest

from native_kernels.cut_profile import gpu


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("elements", [1, 7, 40, gpu.ELEMENTS])
def test_parts_of_the_windows_are_the_windows(elements, split, monkeypatch):
    monkeypatch.setattr(gpu, "ELEMENTS", elements)
    rng = np.random.default_rng(elements)
    for n_cuts, n_windows, width in ((50, 11, 9), (30, 12, 1), (0, 4, 5), (20, 0, 5)):
        position, strand = rng.integers(0, 40, n_cuts), rng.integers(0, 2, n_cuts)
        order = np.lexsort((strand, position))
        position, strand = position[order], strand[order].astype(np.uint8)
        count = rng.integers(1, 9, n_cuts).astype(np.uint32)
        start = rng.integers(-20, 60, n_windows)
        wanted = np.zeros((n_windows, 2 if split else 1, width), np.int32)
        for window, first in zip(wanted, start, strict=True):
            for at, on, cuts in zip(position, strand, count, strict=True):
                if first <= at < first + width:
                    window[on if split else 0, at - first] += cuts
        found = gpu.fill_windows_arrays(
            np, position, strand, count, start, width, split=split, limit=99, dtype=np.int32
        )
        assert found.dtype == np.int32
        assert np.array_equal(found, wanted)
