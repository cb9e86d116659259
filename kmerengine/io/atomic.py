"""Outputs that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kmerengine.errors import InputError


def check_writable(path: Path, *, force: bool = False) -> None:
    """Raise InputError when `path` cannot become an output: say so before any work is done."""
    if path.exists() and not force:
        raise InputError(f"{path}: exists; choose another output, or replace it with --force")
    if not path.parent.is_dir():
        raise InputError(f"{path}: its folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: its folder {path.parent} is not writable; choose another output")


@contextmanager
def atomic(path: Path, *, force: bool = False, folder: bool = False) -> Iterator[Path]:
    """Yield a temporary file (or folder) beside `path` that becomes `path` when the block succeeds.

    On success the data are fsynced and renamed into place; on any exception, Ctrl-C included,
    the temporary is removed and `path` is as it was. A write that the system refuses (disk full,
    file too large) becomes an InputError.
    """
    check_writable(path, force=force)
    kind = tempfile.mkdtemp if folder else _make_file
    temporary = Path(kind(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        yield temporary
        _sync(temporary)
        _replace(temporary, path)
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError):
            raise InputError(
                f"{path}: could not be written: {error.strerror or error}; "
                "nothing was left behind, make room or choose another output"
            ) from error
        raise


def _make_file(prefix: str, suffix: str, dir: Path) -> str:  # noqa: A002
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=dir)
    umask = os.umask(0)
    os.umask(umask)
    os.fchmod(handle, 0o666 & ~umask)  # mkstemp makes private files; outputs are ordinary ones
    os.close(handle)
    return name


def _sync(path: Path) -> None:
    for each in [*path.rglob("*"), path]:
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _replace(temporary: Path, path: Path) -> None:
    """Rename over `path`. A folder is moved aside first: rename cannot replace a full folder."""
    if path.is_dir():
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
        path.rename(aside / path.name)
        temporary.rename(path)
        shutil.rmtree(aside)
    else:
        temporary.rename(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
