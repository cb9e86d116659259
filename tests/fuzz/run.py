"""Many inputs for each reader, in processes of their own: what they did with them.

    python -m fuzz.run TARGET 123     (in tests/) reads one input again, here, with its traceback

Each batch runs in a child (`child.py`) with a limit on its memory and its time. A child that dies
or stands still is a fault of the input that it was reading, and the next one goes on behind it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz.child import FAULTS_KEPT, NOTES

TESTS = Path(__file__).parents[1]
STILL = 600  # s without a new input, or from the start to the first one

Row = dict[str, Any]


def fuzz(
    target: str,
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    keep: Path | None = None,
    still: float = STILL,
    say: Callable[[str], None] = lambda _: None,
) -> Row:
    """Give a target the inputs [first, first + n).

    Parameters
    ----------
    keep : path, optional
        A folder for the inputs that are faults.

    Returns
    -------
    dict
        target, inputs, refused, accepted, faults (each with its input's number, kind and what it
        was), seconds and peak memory, bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix="fuzz."))
    began = time.monotonic()
    try:
        work = folder / "work"
        work.mkdir()
        dead: list[dict[str, Any]] = []
        counts, at, peak = (0, 0, 0), first, 0
        (work / "notes").write_bytes(NOTES.pack(first - 1, *counts))
        while at < first + n:
            number, *found, problem, done = _child(work, target, seed, at, first + n, counts, still)
            counts = (found[0], found[1], found[2])
            peak = max(peak, done.get("peak", 0))
            if not problem:
                if done["strange"]:
                    dead.append({"input": -1, "kind": "escape", "what": str(done["strange"])})
                break
            if number < at:
                raise RuntimeError(f"{target}: no input was read: {problem}")
            say(f"{target}: input {number}: {problem}")
            dead.append({"input": number, "kind": "died", "what": problem})
            if keep is not None:
                shutil.copytree(work / "here", keep / f"{target}-{number}", dirs_exist_ok=True)
            at = number + 1
        lines = work / "faults.jsonl"
        faults = [*map(json.loads, lines.read_text().splitlines())] if lines.exists() else []
        shown = [*faults, *dead][:FAULTS_KEPT]
        for each in shown:  # files as the input names them
            each["what"] = each["what"].replace(f"{work / 'here'}/", "").replace(f"{folder}/", "")
        if keep is not None and (work / "faults").exists():
            shutil.copytree(work / "faults", keep, dirs_exist_ok=True)
        return {
            "target": target,
            "inputs": n,
            "refused": counts[0],
            "accepted": counts[1],
            "faults": counts[2] + len(dead),
            "shown": shown,
            "seconds": round(time.monotonic() - began, 2),
            "peak_bytes": peak,
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _child(
    work: Path, target: str, seed: int, first: int, stop: int, counts: tuple[int, ...], still: float
) -> tuple[Any, ...]:
    """Number of the last input, refused, accepted, faults; what went wrong; what it said."""
    job = {"folder": str(work), "target": target, "seed": seed, "first": first, "stop": stop,
           "counts": counts}  # fmt: skip
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
    )
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **threads, "MALLOC_ARENA_MAX": "2", "PYTHONPATH": path}
    (work / "done.json").unlink(missing_ok=True)
    with (work / "log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "fuzz.child", json.dumps(job)],
            stdout=log, stderr=log, cwd=TESTS, env=environment,
        )  # fmt: skip
        problem = _watched(child, work / "notes", still)
    number, *found = NOTES.unpack((work / "notes").read_bytes())
    done = work / "done.json"
    if not problem and done.exists():
        return number, *found, "", json.loads(done.read_text())
    tail = (work / "log").read_text(errors="replace").strip()[-2000:]
    return number, *found, f"{problem or 'ended'}: {tail}", {}


def _watched(child: subprocess.Popen[bytes], notes: Path, still: float) -> str:
    """Wait for the child; what ended it, empty if it ended by itself."""
    seen, since = b"", time.monotonic()
    while True:
        try:
            status = child.wait(1)
        except subprocess.TimeoutExpired:
            now = notes.read_bytes()
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > still:
                child.kill()
                child.wait()
                return f"stood still for {still:.0f} s"
            continue
        except BaseException:
            child.kill()
            raise
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}" if status else ""


def again(target: str, number: int, seed: int = 0) -> None:
    """One input in this process, with everything that it raises."""
    from fuzz.child import _read, input_of
    from fuzz.targets import target_of

    with tempfile.TemporaryDirectory() as folder:
        chosen, made, here = target_of(target), Path(folder, "made"), Path(folder, "here")
        made.mkdir(), here.mkdir()
        seeds = list(chosen.seeds(made))
        _read(chosen, here, input_of(chosen, seeds, seed, number))


if __name__ == "__main__":
    again(sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:]))
