"""How training goes, on a terminal: a bar, and a line for each epoch."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import click

# of an epoch's row, if it has them, and how they are called
SHOWN = {
    "train_loss": "loss",
    "validation_loss": "validation",
    "validation_pearson_across_tasks": "r across tasks",
    "validation_profile_pearson": "profile r",
    "validation_jsd": "JSD",
    "validation_auprc": "AUPRC",
}


@contextmanager
def reporter(*, show: bool) -> Iterator[Any]:
    """A `Reporter` that writes to stderr, with a bar if that is a terminal; None to say nothing."""
    if not show:
        yield None
        return
    bar = _Bar()
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._epoch = -1
        self._started = 0.0
        self._first = 0

    def say(self, line: str) -> None:
        self.close()
        click.echo(line, err=True)

    def stepped(self, epoch: int, done: int, of: int) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None or epoch != self._epoch:
            self._open(epoch, done, of)
        rate = (done - self._first) / max(monotonic() - self._started, 1e-9)
        self._bar.update(self._task, completed=done, rate=rate)

    def epoch(self, row: dict[str, Any]) -> None:
        parts = [f"{name} {row[key]:.4f}" for key, name in SHOWN.items() if key in row]
        rate = row["examples_per_second"]
        self.say(f"epoch {row['epoch']:>3}: {', '.join(parts)}, {rate:,.0f} examples/s")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _open(self, epoch: int, done: int, of: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.close()
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[rate]:,.0f} examples/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._epoch, self._started, self._first = epoch, monotonic(), done
        self._task = self._bar.add_task("", total=of, completed=done, rate=0.0, epoch=epoch)
        self._bar.start()
