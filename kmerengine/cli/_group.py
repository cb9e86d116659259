"""A command whose sub-commands are imported when they are called."""

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from kmerengine.cli._signals import unwound_when_ended
from kmerengine.errors import InputError

UNREAD = 128 + signal.SIGPIPE  # as shells report programs that SIGPIPE ends


class Commands(click.Group):
    """Finds sub-commands by name and turns InputError into one line and exit status 1.

    Parameters
    ----------
    package : str
        Where they lie: one module each, `add_bias` of add-bias, with a `command`.
    table : dict of str to str
        Name and one line about it.
    """

    def __init__(self, *, package: str, table: dict[str, str], **options: Any) -> None:
        super().__init__(**options)
        self.package, self.table = package, table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(self.table)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in self.table:
            return None
        command = import_module(f"{self.package}.{name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self.table.items()))

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with in_one_line():  # --help and --version write here
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with in_one_line(), unwound_when_ended():
            return super().invoke(ctx)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turn errors into one line and exit status 1. Where nobody reads our output any more, as
    behind `| head -1`, there is nothing to be said: exit status 141.
    """
    try:
        yield
    except InputError as error:
        raise click.ClickException(str(error)) from error
    except MemoryError as error:
        raise click.ClickException(f"not enough memory: {error}; use fewer threads") from error
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise click.ClickException(str(error)) from error
        raise SystemExit(UNREAD) from error
