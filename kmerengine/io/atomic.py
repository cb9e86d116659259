"""Outputs that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from secrets import token_hex

from kmerengine.errors import InputError


def check_writable(path: Path, *, force: bool = False, folder: tuple[str, ...] = ()) -> None:
    """Raise InputError when `path` cannot become an output: say so before any work is done.

    Parameters
    ----------
    path : Path
    force : bool
        An existing output may be replaced.
    folder : tuple of str
        For a folder: patterns of the names that it holds. A folder that holds anything else is
        not an output of ours, and is not replaced even with `force`.
    """
    if path.name in ("", ".."):
        raise InputError(f"{path}: is not a name of its own; expected a name for the output")
    if _exists(path):
        _check_replaceable(path, folder)
        if not force:
            raise InputError(f"{path}: exists; choose another output, or replace it with --force")
    if not path.parent.is_dir():
        raise InputError(f"{path}: its folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: its folder {path.parent} is not writable; choose another output")


def _exists(path: Path) -> bool:
    """Whether anything is there, a link to nothing included."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{path}: {error.strerror}; choose another output") from error
    return True


def _check_replaceable(path: Path, folder: tuple[str, ...]) -> None:
    if not path.is_dir():
        if folder:
            raise InputError(f"{path}: is a file, expected a folder or none; choose another output")
        return
    if not folder:
        raise InputError(f"{path}: is a folder, expected a file or none; choose another output")
    for name in sorted(each.name for each in path.iterdir()):
        if not any(fnmatch(name, pattern) for pattern in folder):
            raise InputError(
                f"{path}: holds {name!r}, which is not of such an output, so the folder is not "
                "replaced; choose another output"
            )


@contextmanager
def atomic(path: Path, *, force: bool = False, folder: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield a temporary file (or folder) beside `path` that becomes `path` when the block succeeds.

    On success the data are fsynced and renamed into place; on any exception, Ctrl-C included,
    the temporary is removed and `path` is as it was. A write that the system refuses (disk full,
    file too large) becomes an InputError, and one that names the temporary names `path` instead: an
    output may be written within another. A symbolic link is replaced, what it points to is not
    touched. `folder` is as for `check_writable`.
    """
    check_writable(path, force=force, folder=folder)
    # named before it is there: no moment is left in which Ctrl-C would not find it
    temporary = path.with_name(f".{path.name[:48]}.{token_hex(4)}.tmp")
    try:
        if folder:
            temporary.mkdir()
        else:
            temporary.touch(exist_ok=False)
        yield temporary
        _sync(temporary)
        _replace(temporary, path)
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError):
            reason = str(error.strerror or error).partition("\n")[0]
            raise InputError(
                f"{path}: could not be written: {reason}; "
                "nothing was left behind, make room or choose another output"
            ) from error
        if isinstance(error, InputError) and str(temporary) in str(error):
            raise InputError(str(error).replace(str(temporary), str(path))) from error
        raise


def _sync(path: Path) -> None:
    for each in [*path.rglob("*"), path]:
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _replace(temporary: Path, path: Path) -> None:
    """Rename over `path`. A folder is moved aside first: rename cannot replace a full folder."""
    if not path.is_dir():
        temporary.rename(path)
        return
    aside = Path(tempfile.mkdtemp(".old", f".{path.name[:48]}.", path.parent))
    old = aside / "old"
    try:
        path.rename(old)
        temporary.rename(path)
    except BaseException:
        if os.path.lexists(old):
            old.rename(path)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # it is not there, or the system takes no change
            path.unlink()
