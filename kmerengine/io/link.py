"""A file under another name, without copying it where that can be."""

import os
import shutil
from pathlib import Path


def link_or_copy(source: Path, target: Path) -> None:
    """`target` becomes another name of `source`, or a copy of it on another file system.

    For files of ours: they are replaced, never written to, so that one name never sees another
    change.
    """
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
