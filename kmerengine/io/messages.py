"""Words that messages about lines of text files share."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from kmerengine.errors import InputError


def refuse(path: Path, line: int, problem: str) -> NoReturn:
    """Raise InputError for a line."""
    raise InputError(f"{path}: line {line}: {problem}")


def shown(text: str) -> str:
    """Text for a message, cut short."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def how_many(columns: Sequence[str]) -> str:
    """Such as "1 column" and "2 columns"."""
    return f"{len(columns)} column{'' if len(columns) == 1 else 's'}"
