"""How many regions are done, on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

APPEARS_AFTER = 1.0  # seconds; shorter work shows no bar


@contextmanager
def regions_bar(doing: str, *, show: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A callback (done, of) in regions that draws a bar on stderr, or None."""
    if not show:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    started, shown = perf_counter(), False
    rate = TextColumn("{task.fields[rate]:,.0f} regions/s")
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), rate, Remaining())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("", rate=0.0)

    def update(done: int, of: int) -> None:
        nonlocal shown
        elapsed = perf_counter() - started
        if elapsed > APPEARS_AFTER and not shown:
            bar.start()
            shown = True
        bar.update(task, completed=done, total=of, rate=done / elapsed)

    try:
        yield update
    finally:
        if shown:  # stopping one that never began prints an empty line
            bar.stop()
