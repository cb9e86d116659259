"""Files that a pipeline is given: as absolute paths, by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kmerengine.datasets.labels import label_files

__all__ = ["Files", "absolute", "by_name"]

Files = Mapping[str, str | Path] | Sequence[str | Path]


def by_name(files: Files) -> dict[str, Path]:
    """Files with their names; or region files, folders of them and tables of name and file."""
    named = files if isinstance(files, Mapping) else label_files(files)
    return {name: Path(path).absolute() for name, path in named.items()}


def absolute(path: str | Path | None) -> Path | None:
    """A path that may be left out."""
    return None if path is None else Path(path).absolute()
