"""Attributions for other tools, some examples at a time.

`one_hot.npz` and `TARGET.npz` hold one array `arr_0` each, examples x 4 x bp: one-hot bases (uint8)
and hypothetical scores (float32), as `modisco motifs -s one_hot.npz -a TARGET.npz` reads them.
`TARGET.bw` holds contributions; a base in several examples has their mean.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.bigwig import write_bigwig
from kmerengine.parallel import available_threads
from modelkit.inference.overlay import Overlay, Places
from modelkit.interpretation.attribution.attributions import Attributions

__all__ = ["BIGWIG", "NPZ", "file_names", "write_bigwigs", "write_npz"]

NPZ, BIGWIG, ONE_HOT = ".npz", ".bw", "one_hot.npz"
SPOOL = ".values"
BYTES = 1 << 22  # of scores that are held at once
EPOCH = (1980, 1, 1, 0, 0, 0)  # a file says nothing of when it was made

Array = npt.NDArray[np.generic]


def file_names(targets: tuple[str, ...], suffix: str) -> list[str]:
    """A file name for each target that every file system takes; InputError if two are the same."""
    names: dict[str, str] = {}
    for target in targets:
        name = (re.sub(r"[^\w.+-]", "_", target).lstrip(".") or "_") + suffix
        if name in names or name == ONE_HOT:
            other = repr(names[name]) if name in names else "the bases"
            raise InputError(
                f"targets: {target!r} and {other} would share the file {name}; rename one"
            )
        names[name] = target
    return list(names)


def write_npz(attributions: Attributions, folder: Path) -> None:
    """Write `one_hot.npz`, and hypothetical scores of each target."""
    n, _, _, length = attributions.hypothetical.shape
    shape = (n, 4, length)
    blocks = (_one_hot(codes) for _, codes in _blocks(attributions))
    _write_array(folder / ONE_HOT, shape, np.dtype("|u1"), blocks, compress=True)
    for k, name in enumerate(file_names(attributions.targets, NPZ)):
        of_target = (np.ascontiguousarray(s[:, k, :4]) for s, _ in _blocks(attributions))
        _write_array(folder / name, shape, np.dtype("<f4"), of_target, compress=False)


def write_bigwigs(
    attributions: Attributions, folder: Path, contigs: dict[str, int], places: Places
) -> None:
    """Write contributions of each target. While they are made they take 4 bytes more for each base
    and target.
    """
    n_targets, length = len(attributions.targets), attributions.sequence.shape[1]
    overlay = Overlay(folder / SPOOL, *places, length, n_targets)
    for i in overlay.order.tolist():
        overlay.add(attributions.contributions(slice(i, i + 1)))
    names = tuple(contigs)
    for k, name in enumerate(file_names(attributions.targets, BIGWIG)):
        runs = overlay.runs(k, names)
        write_bigwig(folder / name, contigs, runs, threads=available_threads())
    (folder / SPOOL).unlink()


def _blocks(attributions: Attributions) -> Iterator[tuple[Array, npt.NDArray[np.uint8]]]:
    """Scores and bases, some examples at a time."""
    n, shape = len(attributions), attributions.hypothetical.shape
    step = max(1, BYTES // (4 * int(np.prod(shape[1:]))))
    for first in range(0, n, step):
        yield attributions.read(first, min(first + step, n))


def _one_hot(codes: npt.NDArray[np.uint8]) -> Array:
    found: Array = (codes[:, None] == np.arange(4, dtype=np.uint8)[:, None]).astype(np.uint8)
    return found


def _write_array(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    blocks: Iterator[Array],
    *,
    compress: bool,
) -> None:
    """An npz of one array, `arr_0`, from blocks of its rows."""
    header = io.BytesIO()
    described = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    entry = zipfile.ZipInfo("arr_0.npy", EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w") as file, file.open(entry, "w", force_zip64=True) as sink:
        sink.write(header.getvalue())
        for block in blocks:
            sink.write(np.ascontiguousarray(block).data)
