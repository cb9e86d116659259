"""Full disks, pipes that nobody reads, and memory: `python -m bench.fault_limits`.

Each command is run where no file may grow beyond half of its largest output, and on a file system
of so many bytes where one can be mounted: it must end with one line and leave nothing, and run
afterwards. Where its standard output or error is a pipe whose reader has gone, it must end in
silence with exit status 141, and leave whole outputs or none. Its peak of memory is measured
against --memory. The rows go to `bench/results/faults/limits.json`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.fault_forks import Ended, Forks
from bench.fault_works import TABLES, WORKS, Work, make_inputs
from bench.faults import tree
from bench.machine import ROOT, describe_commit, describe_versions

RESULTS = ROOT / "bench" / "results" / "faults" / "limits.json"

UNREAD = 141  # exit status, as of programs that SIGPIPE ends
LINE = r"(?:.*\n)*Error: .*\n"  # what was said before the end, and one line

PARTIAL = ".out.partial"  # attributions that a further run goes on with
INDEX = "genome.fa.fai"  # is made before any output, and whole
PAGE = 4096  # bytes: the smallest file system holds one

# Bytes that a command may take beyond --memory and what it takes with next to nothing: blocks of
# text, row groups of outputs. Fitted to what was measured, 122 MB at most, with a little to spare:
# nothing derives it, and it goes red when a command takes more than it did.
ROOM = 160 << 20


class Fault(RuntimeError):
    """A command did not end as it should."""


def names(folder: Path) -> set[str]:
    """All paths in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def fill(work: Work, forks: Forks, inputs: Path, folder: Path) -> dict[str, Any]:
    """Run a command where half of its largest file has no room; then where it has."""
    genome = (inputs / "e" / "genome.fa").read_bytes()
    with _fresh(folder, genome) as here:
        _whole(work, _run(work, forks, inputs, here))
        largest = max(
            path.stat().st_size for path in here.rglob("*") if path.name != "genome.fa"
        )  # the genome is no output
    with _fresh(folder, genome) as here:
        before = names(here)
        ended = _run(work, forks, inputs, here, file_bytes=largest // 2)
        found = _refused(work, ended, here, before)
        _run_again(work, forks, inputs, here)
    return {"command": work.name, "largest": largest, "said": found}


def fill_disk(work: Work, forks: Forks, inputs: Path, folder: Path, size: int) -> str:
    """The same on a file system of `size` bytes; what was said."""
    with _fresh(folder, b"") as here, _mounted(here, size):
        before = names(here)
        return _refused(work, _run(work, forks, inputs, here), here, before)


def leave_unread(
    work: Work, forks: Forks, inputs: Path, folder: Path
) -> Iterator[dict[str, Any]]:
    """Run a command where nobody reads its standard output, then its error; those it writes to.

    Raises
    ------
    Fault
    """
    genome = (inputs / "e" / "genome.fa").read_bytes()
    with _fresh(folder, genome) as here:
        undisturbed = _run(work, forks, inputs, here)
        _whole(work, undisturbed)
        expected = tree(here, dated=work.dated)
    for stream in ("out", "said"):
        if not getattr(undisturbed, stream):
            continue
        with _fresh(folder, genome) as here:
            before = tree(here)
            ended = _run(work, forks, inputs, here, unread=stream)
            if ended.code != UNREAD or "Traceback" in ended.said or "Error" in ended.said:
                raise Fault(f"{work.name}: unread, it ended with {ended.code}: {ended.said}")
            found = tree(here, dated=work.dated)
            if not work.grows and not found.items() <= expected.items():
                raise Fault(f"{work.name}: unread, it left {', '.join(sorted(found))}")
            _run_again(work, forks, inputs, here)
            if tree(here, dated=work.dated) != expected:
                raise Fault(f"{work.name}: after it was unread, a run does not end as undisturbed")
        left = "whole" if found == expected else "nothing" if found == before else "a part"
        yield {"command": work.name, "unread": stream, "left": left}


def _run(work: Work, forks: Forks, inputs: Path, here: Path, *more: str, **limits: Any) -> Ended:
    return forks.run(work.arguments(inputs, *more), here, **limits)


def _refused(work: Work, ended: Ended, here: Path, before: set[str]) -> str:
    if ended.code != 1 or "Traceback" in ended.said or not re.fullmatch(LINE, ended.said):
        raise Fault(f"{work.name}: on a full disk it ended with {ended.code}: {ended.said}")
    if ".tmp" in ended.said:
        raise Fault(f"{work.name}: on a full disk it named what nobody gave: {ended.said}")
    left = {name for name in names(here) - before - {INDEX} if not name.startswith(PARTIAL)}
    if left and not work.grows:
        raise Fault(f"{work.name}: on a full disk it left {', '.join(sorted(left))}")
    if hidden := [name for name in left if Path(name).name.startswith(".")]:
        raise Fault(f"{work.name}: on a full disk it left {', '.join(sorted(hidden))}")
    return ended.said.rpartition("Error: ")[2].strip()


def _run_again(work: Work, forks: Forks, inputs: Path, here: Path) -> None:
    for how in dict.fromkeys([work.resume, "", "--force"]):
        ended = _run(work, forks, inputs, here, *([how] if how else []))
        if ended.code == 0:
            return
    _whole(work, ended)


def _whole(work: Work, ended: Ended) -> None:
    if ended.code:
        raise Fault(f"{work.name}: ended with {ended.code}: {ended.said}")


@contextmanager
def _fresh(folder: Path, genome: bytes) -> Iterator[Path]:
    here = Path(tempfile.mkdtemp(dir=folder))
    (here / "genome.fa").write_bytes(genome)
    try:
        yield here
    finally:
        shutil.rmtree(here)


@contextmanager
def _mounted(folder: Path, size: int) -> Iterator[None]:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


# ---------------------------------------------------------------------------------------- memory


def peak(arguments: Sequence[str], folder: Path) -> int:
    """Bytes that `python -m kmerengine ARGUMENTS` takes at most."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "kmerengine", *arguments]
    subprocess.run(
        [sys.executable, "-S", "-m", "bench.measure", str(report), os.devnull,
         str(folder / "said"), *command],
        cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    found = json.loads(report.read_text())
    if found["status"]:
        raise Fault((folder / "said").read_text())
    return int(found["peak_rss_bytes"])


def guard(
    name: str, line: Sequence[str], small: Sequence[str], folder: Path, *, memory: int
) -> dict[str, Any]:
    """A command's peak with --memory against what it takes of an input of next to nothing.

    Raises
    ------
    Fault
        It is more than `memory` and ROOM beyond.
    """
    least = peak([*small, "--memory", str(memory), "--force"], folder)
    most = peak([*line, "--memory", str(memory), "--force"], folder)
    row = {"command": name, "memory": memory, "peak_small": least, "peak": most}
    if most - least > memory + ROOM:
        raise Fault(f"{name}: took {most - least:,} bytes beyond its {least:,}, of {memory:,}")
    return row


def write_random_genome(path: Path, bases: int) -> Path:
    """One contig of random bases."""
    import numpy as np

    codes = np.random.default_rng(0).integers(0, 4, bases)
    path.write_bytes(b">chr1\n" + np.frombuffer(b"ACGT", "S1")[codes].tobytes() + b"\n")
    return path


def write_random_fragments(path: Path, n: int, bases: int) -> Path:
    """Fragments at random places of that contig."""
    import numpy as np

    starts = np.sort(np.random.default_rng(1).integers(0, bases - 200, n))
    path.write_text("".join(f"chr1\t{s}\t{s + 100}\tx\t1\n" for s in starts.tolist()))
    return path


def memory_rows(folder: Path, bases: int = 60_000_000) -> Iterator[dict[str, Any]]:
    """Words of 24 bases, most of which occur once; and cuts, most of which do."""
    big = write_random_genome(folder / "big.fa", bases)
    small = write_random_genome(folder / "small.fa", 1000)
    many = write_random_fragments(folder / "many.tsv", 6_000_000, bases)
    few = write_random_fragments(folder / "few.tsv", 10, bases)
    out = str(folder / "out.parquet")
    sizes = folder / "sizes"
    sizes.write_text(f"chr1\t{bases}\n")
    words = ["-k", "24", "--max-wildcards", "0", "--threads", "1", "-o", out, "-q"]
    cuts = ["--genome", str(sizes), "--input-shift", "none", "-o", out, "-q"]
    for memory in (64 << 20, 256 << 20):
        yield guard("count -k 24", ["count", str(big), *words], ["count", str(small), *words],
                    folder, memory=memory)  # fmt: skip
    for memory in (32 << 20, 128 << 20):
        yield guard("cuts", ["cuts", str(many), *cuts], ["cuts", str(few), *cuts],
                    folder, memory=memory)  # fmt: skip


def measure(
    part: str | None, commands: Sequence[str], scratch: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows as they are measured, each with the part that it is of; with a `fault` where one was."""
    if part != "memory":
        inputs = scratch / "inputs"
        inputs.mkdir()
        with Forks("kmerengine") as engine, Forks("modelkit") as models:
            forks = {"kmerengine": engine, "modelkit": models}
            make_inputs(inputs, forks)
            for work in [*WORKS, *TABLES]:
                if commands and work.name not in commands:
                    continue
                at = work, forks[work.program], inputs, scratch
                if part != "pipes" and work in WORKS:
                    yield from _caught("disk", work.name, _disk_rows(*at))
                if part != "disk":
                    yield from _caught("pipes", work.name, leave_unread(*at))
    if part == "memory" or not (part or commands):
        yield from _caught("memory", "memory", memory_rows(scratch))


def _caught(
    part: str, name: str, rows: Iterator[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        for row in rows:
            yield part, row
    except Fault as fault:
        yield part, {"command": name, "fault": str(fault)}


def _disk_rows(work: Work, forks: Forks, inputs: Path, scratch: Path) -> Iterator[dict[str, Any]]:
    row = fill(work, forks, inputs, scratch)
    fits = row["largest"] <= PAGE or "genome.fa " in work.line.partition("{w}")[0]
    if os.geteuid() == 0 and not fits:
        size = max(PAGE, row["largest"] // 2)
        row["said on a file system"] = fill_disk(work, forks, inputs, scratch, size)
    yield row


def main() -> None:
    """Measure all, print, write after each row."""
    parser = argparse.ArgumentParser(prog="bench.fault_limits", description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=["disk", "pipes", "memory"], help="this part alone")
    parser.add_argument("--command", action="append", default=[], metavar="NAME")
    parser.add_argument("--results", type=Path, help="default: the log; of a part, none")
    options = parser.parse_args()
    results = options.results or (None if options.part or options.command else RESULTS)
    document: dict[str, Any] = {"versions": describe_versions()}
    commit = describe_commit()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        for part, row in measure(options.part, options.command, Path(scratch)):
            print(part, row, flush=True)
            failed |= "fault" in row
            document.setdefault(part, []).append(row | commit)
            if results:
                results.parent.mkdir(exist_ok=True)
                results.write_text(json.dumps(document, indent=1) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
