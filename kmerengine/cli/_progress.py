"""Progress on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

APPEARS_AFTER = 1.0  # seconds; shorter work shows no bar


@contextmanager
def work_bar(
    doing: str, unit: str = "Mbase", per_unit: float = 1e6, *, show: bool
) -> Iterator[Callable[[int, int], None] | None]:
    """A callback (done, of), in bases or other pieces, that draws a bar on stderr; or None, also
    where stderr is no terminal: a log is for lines that stay.
    """
    if not show or sys.stderr is None or not sys.stderr.isatty():  # None: closed by the caller
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    started, shown = perf_counter(), False
    bar = Progress(
        TextColumn(doing),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn(f"{{task.fields[rate]:,.0f}} {unit}/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", rate=0.0)

    def update(done: int, of: int) -> None:
        elapsed = perf_counter() - started
        nonlocal shown
        if elapsed > APPEARS_AFTER and not shown:
            bar.start()
            shown = True
        bar.update(task, completed=done, total=of, rate=done / per_unit / elapsed)

    try:
        yield update
    finally:
        if shown:  # stopping one that never began prints an empty line
            bar.stop()
