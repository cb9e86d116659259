"""Options and arguments of the form NAME=VALUE."""

from pathlib import Path
from typing import Any

import click

__all__ = ["Named", "by_name", "classes_by_name"]


class Named(click.ParamType[tuple[str, Path]]):
    """A file with a name before it; without one it is called as the file without suffix, or as the
    folder, whose name may have a dot in it.
    """

    name = "name=file"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Path]:  # noqa: ARG002
        if isinstance(value, tuple):
            return value
        name, sign, path = str(value).partition("=")
        if not sign:
            alone = Path(value)
            return alone.name if alone.is_dir() else alone.stem, alone
        if not name or not path:
            self.fail(f"found {value!r}, expected a name and a file such as CTCF=ctcf.bed", param)
        return name, Path(path)


def by_name(
    ctx: click.Context, param: click.Parameter, pairs: tuple[tuple[str, Path], ...]
) -> dict[str, Path] | None:
    """A callback: pairs as a dictionary; None where there are none."""
    found: dict[str, Path] = {}
    for name, path in pairs:
        if name in found:
            raise click.BadParameter(f"found {name!r} twice, expected each once", ctx, param)
        found[name] = path
    return found or None


def classes_by_name(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str] | None:
    """A callback: NAME=CLASS as a dictionary; None where there are none."""
    found: dict[str, str] = {}
    for value in values:
        name, sign, text = value.partition("=")
        if not (name and sign and text):
            raise click.BadParameter(f"found {value!r}, expected NAME=CLASS", ctx, param)
        if name in found:
            raise click.BadParameter(f"found {name!r} twice, expected each once", ctx, param)
        found[name] = text
    return found or None
