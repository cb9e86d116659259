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
    temporary = _temporary(path, folder=folder)
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


def _temporary(path: Path, *, folder: bool) -> Path:
    umask = os.umask(0)
    os.umask(umask)
    if folder:
        made = Path(tempfile.mkdtemp(".tmp", f".{path.name}.", path.parent))
        made.chmod(0o777 & ~umask)  # tempfile makes private ones; outputs are ordinary
        return made
    handle, name = tempfile.mkstemp(".tmp", f".{path.name}.", path.parent)
    os.close(handle)
    Path(name).chmod(0o666 & ~umask)
    return Path(name)


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
