"""Processes that attribute and come to an end, for tests; asked for by lines of JSON.

They are forked from this one, which has loaded all that they need: that takes seconds, and kills
are to come while they work. A request is a name and its arguments; so is the answer to it.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from modelkit.interpretation.attribution.attribute import attribute
from modelkit.interpretation.attribution.partial import Partial

OPTIONS: dict[str, Any] = {"split": "all", "batch_size": 1, "n_references": 2, "npz": True}
CHUNK_OF_DEATH = 5


def warm(run: str, data: str, output: str) -> None:
    attribute(run, data, output, split="all", method="ism", npz=True)
    shutil.rmtree(output)


def kills(run: str, data: str, output: str, chunks: int) -> list[tuple[int, int]]:
    """Kill until a process comes to its end: some at once, most after another chunk, and any number
    while they finish; exit codes, and chunks that were then done.
    """
    chance = random.Random(5)
    path = Path(output).with_name(f".{Path(output).name}.partial") / "done"
    found: list[tuple[int, int]] = []

    def marks() -> int:
        try:
            return sum(path.read_bytes())
        except OSError:
            return -1

    def work() -> None:
        attribute(run, data, output, resume=True, progress=lambda *_: time.sleep(0.05), **OPTIONS)

    while len(found) < 100 and (not found or found[-1][0] != 0):
        child, before, code = _child(output, work), marks(), None
        if len(found) >= 2:
            while marks() == before < chunks and code is None:
                time.sleep(0.002)
                code = _ended(child)
        time.sleep(chance.uniform(0, 0.05 + 0.02 * len(found)))
        if code is None:
            os.kill(child, signal.SIGKILL)
            code = _end(child)
        found.append((code, marks()))
    return found


def ranks(run: str, data: str, output: str, port: int, *, dies: bool, resume: bool) -> list[int]:
    """Exit codes of two, of which the second may die."""
    whole = Partial.put

    def put(self: Partial, number: int, *values: Any) -> None:
        if number == CHUNK_OF_DEATH:
            os._exit(9)
        whole(self, number, *values)

    def work(rank: int) -> None:
        here = {"RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in here.items()})
        if dies and rank == 1:
            Partial.put = put  # type: ignore[method-assign]
        attribute(run, data, output, resume=resume, **OPTIONS)

    children = [_child(output, lambda rank=rank: work(rank)) for rank in range(2)]
    return [_end(child) for child in children]


def peak(run: str, data: str, output: str, rows: int) -> int:
    """kB that a process took at most."""

    def work() -> None:
        Path("/proc/self/clear_refs").write_text("5")  # what it was before is forgotten
        attribute(run, data, output, split="all", method="saliency", npz=True, rows=range(rows))
        lines = Path("/proc/self/status").read_text().splitlines()
        of = dict(line.split(":", 1) for line in lines)
        Path(f"{output}.peak").write_text(of["VmHWM"].split()[0])

    if _end(_child(output, work)) != 0:
        return -1
    return int(Path(f"{output}.peak").read_text())


def _child(output: str, act: Callable[[], None]) -> int:
    """A process, whose error is added to OUTPUT.said."""
    number = os.fork()
    if number:
        return number
    try:
        act()
        os._exit(0)
    except BaseException as error:  # to the parent's code it must not go back
        with Path(f"{output}.said").open("a") as file:
            file.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)


def _ended(child: int) -> int | None:
    number, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if number else None


def _end(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        name, args, options = json.loads(line)
        print(json.dumps(globals()[name](*args, **options)), flush=True)
