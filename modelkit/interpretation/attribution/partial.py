"""Attributions while they are made: chunks in any order, by several processes, before and after
a kill.

A folder `.NAME.partial` beside the output NAME:

    partial.json         what is made, of what, and how: to go on it must be the same
    attributions.arrow   hypothetical scores; a hole where a chunk is not done
    numbers.arrow        examples x 3 x targets, float64: prediction, delta, spread
    sequence.arrow       whole from the beginning
    done                 a byte for each chunk: 1 once its values are on the disk

A chunk is marked after its values. What a killed process has left of a chunk without a mark is
written again.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.arrays import ArrayWriter, let_go, map_array
from kmerengine.io.atomic import atomic
from kmerengine.io.link import link_or_copy
from modelkit.interpretation.attribution.attributions import (
    NUMBERS,
    SCORES,
    SEQUENCE,
    write_regions,
)

__all__ = ["Partial"]

ABOUT, VALUES, DONE = "partial.json", "numbers.arrow", "done"
NAMES = (ABOUT, SCORES, SEQUENCE, VALUES, DONE)
FORMAT = schemas.ATTRIBUTIONS + ".partial"
COPY_ROWS = 512

Codes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


class Partial:
    """Attributions of some rows, in chunks of `size`.

    Attributes
    ----------
    path : Path
        The folder, which has been begun; InputError if that was for something else.
    done : bool, shape (chunks,)
        As it was when the folder was opened, and what this process has done since.
    """

    @schemas.damage_refused
    def __init__(self, path: Path, document: dict[str, Any], device: str) -> None:
        self.path = path
        about = _read_about(path)
        begun = {**about["document"], "device": about["device"]}
        _check_same(path, begun, {**document, "device": device})
        n, self._size = int(about["kept"]), int(about["size"])
        self._arrays: dict[str, Any] = about["arrays"]
        with _failure_is_an_input_error(path):
            marks = np.frombuffer((path / DONE).read_bytes(), np.uint8)
        if len(marks) != -(-n // self._size):
            raise InputError(
                f"{path / DONE}: holds {len(marks)} bytes, expected one for each of "
                f"{-(-n // self._size)} chunks; begin anew with --force"
            )
        self.done: npt.NDArray[np.bool_] = marks == 1
        self._n = n
        written = np.repeat(self.done, self._size)[:n]
        self._scores = ArrayWriter.reopen(path / SCORES, self._arrays["hypothetical"], written)
        self._numbers = ArrayWriter.reopen(path / VALUES, self._arrays["numbers"], written)

    @staticmethod
    def begin(
        path: Path,
        document: dict[str, Any],
        device: str,
        sequence: Codes,
        rows: Rows,
        *,
        targets: int,
        channels: int,
        size: int,
        blocked: Rows | None = None,
        force: bool = False,
    ) -> None:
        """Make the folder, whole or not at all.

        Parameters
        ----------
        path : Path
        document : dict
            Of the output: how it is made.
        device : str
            "cpu" or "cuda", whose last bits differ. Document and device must be the same for
            another process to go on.
        sequence : uint8, shape (N, P)
            Of the data set.
        rows : int64, shape (n,)
        targets, channels : int
        size : int
            Examples of a chunk.
        blocked : int64, shape (N, 2), optional
            Start and end of bases of each row that are recorded as unknown: the network is not
            shown them.
        force : bool
            Replace a folder that is there.
        """
        n, length = len(rows), sequence.shape[1]
        with atomic(path, force=force, folder=NAMES) as folder:
            codes = ArrayWriter(folder / SEQUENCE, (n, length), [np.dtype("|u1")])
            for low in range(0, n, COPY_ROWS):
                part = np.arange(low, min(low + COPY_ROWS, n))
                codes.put(part, _shown(sequence, rows[part], blocked))
                let_go(sequence)
            of_scores, of_numbers = (n, targets, channels, length), (n, len(NUMBERS), targets)
            scores = ArrayWriter(folder / SCORES, of_scores, [np.dtype("<f4")])
            numbers = ArrayWriter(folder / VALUES, of_numbers, [np.dtype("<f8")])
            (folder / DONE).write_bytes(bytes(-(-n // size)))
            about = {
                "format": FORMAT,
                "version": schemas.VERSION,
                "document": document,
                "device": device,
                "kept": n,
                "size": size,
                "arrays": {
                    "hypothetical": scores.describe(),
                    "sequence": codes.finish(),
                    "numbers": numbers.describe(),
                },
            }
            (folder / ABOUT).write_text(schemas.as_text(about) + "\n")

    def chunk(self, number: int) -> Rows:
        """Places of a chunk's examples among all."""
        low = number * self._size
        return np.arange(low, min(low + self._size, self._n))

    def put(
        self, number: int, scores: npt.NDArray[np.float32], numbers: npt.NDArray[np.float64]
    ) -> None:
        """Write a chunk, hypothetical scores (m, K, C, P) and numbers (m, 3, K), and mark it."""
        at = self.chunk(number)
        with _failure_is_an_input_error(self.path):
            self._scores.put(at, scores)
            self._numbers.put(at, numbers)
            _sync(self.path / SCORES)
            _sync(self.path / VALUES)
            with (self.path / DONE).open("r+b") as file:
                file.seek(number)
                file.write(b"\x01")
            _sync(self.path / DONE)
        self.done[number] = True

    def finish(
        self,
        folder: Path,
        regions: pa.Table,
        rows: Rows,
        starts: Rows,
    ) -> None:
        """Fill the folder of an output; the partial one stays as it is."""
        arrays = {"hypothetical": self._scores.finish(), "sequence": self._arrays["sequence"]}
        self._numbers.finish()
        with _failure_is_an_input_error(self.path):
            link_or_copy(self.path / SCORES, folder / SCORES)
            link_or_copy(self.path / SEQUENCE, folder / SEQUENCE)
        values = map_array(self.path / VALUES, self._arrays["numbers"])
        numbers = {name: values[:, i] for i, name in enumerate(NUMBERS)}
        document = _read_about(self.path)["document"] | {"arrays": arrays}
        write_regions(folder, regions, rows, starts, numbers, document)

    def remove(self) -> None:
        """Remove the folder, the document first: what is left after a kill is nobody's."""
        (self.path / ABOUT).unlink()
        shutil.rmtree(self.path)


def _shown(sequence: Codes, rows: Rows, blocked: Rows | None) -> Codes:
    """Bases of some rows, 255 where they are blocked."""
    codes = sequence[rows]
    if blocked is None:
        return codes
    place = np.arange(codes.shape[1])
    first, stop = blocked[rows].T[:, :, None]
    return np.where((first <= place) & (place < stop), np.uint8(255), codes)


def _read_about(path: Path) -> dict[str, Any]:
    try:
        text = (path / ABOUT).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: has no readable {ABOUT}; begin anew with --force instead of --resume"
        ) from error
    return schemas.parse_metadata(text, path / ABOUT, (FORMAT,))


def _check_same(path: Path, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    """InputError naming the first difference."""
    there, here = _flat(begun), _flat(json.loads(json.dumps(wanted)))
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            raise InputError(
                f"{path}: was begun with {name} {_short(there.get(name))}, found "
                f"{_short(here.get(name))}; go on with the same, or begin anew with --force"
            )


def _flat(document: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(document, dict) or not document:
        return {name: document}
    found: dict[str, Any] = {}
    for key, value in document.items():
        found |= _flat(value, f"{name}.{key}" if name else str(key))
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _failure_is_an_input_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: could not be written or read: {error.strerror}; make room, and go on with "
            "--resume"
        ) from error
