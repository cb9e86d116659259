"""What a target of fuzzing is."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Files = dict[str, bytes]  # name in the folder -> content


class Wrong(Exception):
    """A damaged file was read, and as something that it does not say."""


@dataclass(frozen=True)
class Target:
    """A reader, and files for it.

    Attributes
    ----------
    name : str
    seeds : (folder) -> sequence of files
        Good files, made with the help of an empty folder; the same each time.
    change : (files, rng) -> files
        An input.
    read : (folder) -> None
        Read everything. What raises anything but InputError, or Wrong, is a fault.
    cost : int
        How long an input takes, roughly, ms: cheap ones get more inputs.
    """

    name: str
    seeds: Callable[[Path], Sequence[Files]]
    change: Callable[[Files, random.Random], Files]
    read: Callable[[Path], None]
    cost: int = 1


def folder_files(folder: Path) -> Files:
    """All files of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def check(condition: object, what: str) -> None:
    """Wrong unless it holds."""
    if not condition:
        raise Wrong(what)
