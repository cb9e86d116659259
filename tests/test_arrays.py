"""Arrays that one process begins and another goes on with, and pages that are let go of."""

from pathlib import Path

import numpy as np
import pytest

from kmerengine import InputError
from kmerengine.io.arrays import ArrayWriter, let_go, map_array, write_array


def resident(path: Path) -> int:
    """kB of a mapped file that are this process's."""
    text = Path("/proc/self/smaps").read_text()
    _, _, of_file = text.partition(f"{path}\n")
    return int(of_file.partition("Rss:")[2].split()[0]) if of_file else 0


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "|u1", "<i4"])
def test_an_array_is_gone_on_with(tmp_path: Path, dtype: str) -> None:
    values = np.arange(10 * 3 * 2).reshape(10, 3, 2).astype(dtype)
    path = tmp_path / "a.arrow"
    first = ArrayWriter(path, values.shape, [np.dtype(dtype)])
    first.put(np.array([1, 2, 7]), values[[1, 2, 7]])
    described = first.describe()
    written = np.isin(np.arange(10), [1, 7])  # row 2 may have been cut short
    second = ArrayWriter.reopen(path, described, written)
    with pytest.raises(InputError, match="found row 7 twice"):
        second.put(np.array([6, 7]), values[6:8])
    with pytest.raises(InputError, match="found nothing for row 0"):
        second.finish()
    rest = np.flatnonzero(~written)
    second.put(rest, values[rest])
    assert second.finish() == described
    np.testing.assert_array_equal(map_array(path, described), values)
    assert written.sum() == 2  # the caller's stays as it was
    whole = tmp_path / "whole" / "a.arrow"
    whole.parent.mkdir()
    assert write_array(whole, values) == described
    assert whole.read_bytes() == path.read_bytes()


def test_a_file_that_is_not_what_was_begun_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    described = ArrayWriter(path, (4, 2), [np.dtype("<f4")]).describe()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="truncated or damaged"):
        ArrayWriter.reopen(path, described, np.zeros(4, np.bool_))


def test_values_do_not_widen_when_an_array_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    described = ArrayWriter(path, (2, 1), [np.dtype("<i2")]).describe()
    again = ArrayWriter.reopen(path, described, np.zeros(2, np.bool_))
    with pytest.raises(InputError, match="found a value of 40000, expected 0 to 32767"):
        again.put(np.array([0]), np.array([[40_000]]))


def test_pages_are_let_go_of_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    values = np.arange(500_000, dtype=np.float32).reshape(1000, 500)
    mapped = map_array(path, write_array(path, values))
    assert mapped.sum(dtype=np.float64) == values.sum(dtype=np.float64)
    assert resident(path) > 1_000
    let_go(mapped[3:, :40])  # any view is of the same pages
    assert resident(path) < 200
    np.testing.assert_array_equal(mapped, values)
    let_go(values)  # in memory: nothing happens
