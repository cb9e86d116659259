"""Names of tasks, from a file."""

from pathlib import Path

from kmerengine.datasets.arrays import read_npy
from kmerengine.errors import InputError

__all__ = ["read_names"]


def read_names(path: str | Path) -> list[str]:
    """The names in a text, one a line, or in a .npy of texts.

    Raises
    ------
    InputError
        The file cannot be read; nothing in it is unpickled.
    """
    path = Path(path)
    if path.suffix == ".npy":
        names = read_npy(path)
        if names.ndim != 1 or names.dtype.kind not in "US":
            raise InputError(f"{path}: found {names.dtype} {names.shape}, expected a row of names")
        return [str(name) for name in names.astype(str)]
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as text: {error}; expected names") from error
    return [line.strip() for line in lines if line.strip()]
