"""One process that reads mutated files, and notes what became of each.

Before an input is read its number is on disk, and so are its files: what kills this process, or
holds it up, is known by them.
"""

import json
import os
import random
import resource
import signal
import struct
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fuzz.target import Files, Target, Wrong

NOTES = struct.Struct("<qqqq")  # number of the input, then how many were refused, accepted, faults
MEMORY = 2 << 30  # bytes that may be mapped beyond what is when the first input comes
SECONDS = 20  # of processor time for an input
FAULTS_KEPT = 40  # of a target, in full


class Slow(BaseException):
    """An input took longer than it may."""


def main(job: dict[str, object]) -> None:
    """Inputs [first, stop) of a target; notes go to the folder, faults to its faults.jsonl."""
    from fuzz.targets import target_of

    folder = Path(str(job["folder"]))
    target = target_of(str(job["target"]))
    seed, first, stop = int(str(job["seed"])), int(str(job["first"])), int(str(job["stop"]))
    here = folder / "here"
    for name in ("here", "made", "home"):
        (folder / name).mkdir(exist_ok=True)
    os.chdir(folder / "home")
    os.environ |= {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home/cache")}
    warnings.simplefilter("ignore")
    known = folder / "known.json"  # of a child that died: what was there when it began
    escaped = _listing(folder) - set(json.loads(known.read_text())) if known.exists() else set()
    seeds = list(target.seeds(folder / "made"))
    for files in seeds:  # all of them are good, and reading them compiles what is compiled
        _read(target, here, files)
    before = _listing(folder) - escaped
    known.write_text(json.dumps(sorted(before)))
    _limit_memory()
    signal.signal(signal.SIGPROF, _too_slow)
    refused, accepted, faults = (int(n) for n in job.get("counts", (0, 0, 0)))  # type: ignore[attr-defined]
    began = time.perf_counter()
    with (folder / "notes").open("r+b", buffering=0) as notes:
        for number in range(first, stop):
            notes.seek(0)
            notes.write(NOTES.pack(number, refused, accepted, faults))
            files = input_of(target, seeds, seed, number)
            kind, what = _outcome(target, here, files)
            if kind == "refused":
                refused += 1
            elif kind == "accepted":
                accepted += 1
            else:
                faults += 1
                _keep(folder, target.name, number, kind, what, files, n=faults)
        notes.seek(0)
        notes.write(NOTES.pack(stop, refused, accepted, faults))
    strange = sorted(_listing(folder) - before)
    done = {
        "seconds": time.perf_counter() - began,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "strange": strange,  # files that no reader may have made
    }
    (folder / "done.json").write_text(json.dumps(done))


def input_of(target: Target, seeds: list[Files], seed: int, number: int) -> Files:
    """The files of one input, by the seed and its number alone."""
    rng = random.Random(f"{seed} {target.name} {number}")
    return target.change(dict(seeds[number % len(seeds)]), rng)


def _outcome(target: Target, here: Path, files: Files) -> tuple[str, str]:
    from kmerengine.errors import InputError

    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            _read(target, here, files)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except InputError as error:
        text = str(error)
        if "\n" in text or len(text) > 2000:
            return "message", f"InputError of {len(text)} characters: {text[:300]!r}"
        return "refused", ""
    except Slow:
        return "slow", f"more than {SECONDS} s"
    except Wrong as error:
        return "wrong", str(error)
    except BaseException as error:  # a panic of Rust's is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return "raised", _trace(error)
    return "accepted", ""


def _trace(error: BaseException) -> str:
    """The error and where it came from: our lines, innermost last."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if any(part in code.co_filename for part in ("kmerengine", "modelkit", "native_kernels")):
            places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__}: {str(error)[:300]} [{' '.join(places[-5:])}]"


def _read(target: Target, here: Path, files: Files) -> None:
    with _files(here, files):
        target.read(here)


@contextmanager
def _files(here: Path, files: Files) -> Iterator[None]:
    _clear(here)
    for name, content in files.items():
        path = here / name
        if "/" in name:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    yield


def _clear(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            _clear(each)
            each.rmdir()
        else:
            each.unlink()


def _keep(
    folder: Path, target: str, number: int, kind: str, what: str, files: Files, *, n: int
) -> None:
    if n > FAULTS_KEPT:
        return
    place = folder / "faults" / f"{target}-{number}"
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    with (folder / "faults.jsonl").open("a") as file:
        file.write(json.dumps({"input": number, "kind": kind, "what": what}) + "\n")


def _listing(folder: Path) -> set[str]:
    """Names beside the folder and in it, but for what this process itself writes."""
    ours = ("here", "notes", "faults", "faults.jsonl", "done.json", "known.json", "log")
    inside = [p for p in folder.rglob("*") if p.relative_to(folder).parts[0] not in ours]
    return {str(p) for p in [*inside, *folder.parent.glob("*")]}


def _limit_memory() -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, hard))


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise Slow


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
