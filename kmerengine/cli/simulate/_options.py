"""Options that several simulators share."""

from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)


class Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers with commas between."""

    name = "p,p,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(field) for field in str(value).split(","))
        except ValueError:
            self.fail(f"found {value!r}, expected numbers such as 0.5,0.3,0.2", param, ctx)


seed = click.option(
    "--seed", default=0, show_default=True, help="The same seed gives the same bytes."
)
