"""Kill every long command at random moments: `python -m bench.faults [--kills 20] [--seed 0]`.

Of each command the undisturbed output is made twice. Then it is killed (SIGKILL) after a random
share of its time and when it is about to make each of its changes of files, and by the system when
half of its largest file is written, every time where the last kill left it. After each kill, what
is under the output's name must be the undisturbed result or nothing, or a folder that says truly
how far it is; and whenever the command comes to its end, it must have the same bytes. The counts
go to `bench/results/faults/kills.json`, a row as each command is done; `--resume` goes on with the
rows that the same commit has there.
"""

import argparse
import hashlib
import json
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.fault_forks import Ended, Forks
from bench.fault_works import WORKS, Work, is_good_run, make_inputs, promised
from bench.machine import ROOT, describe_commit, describe_versions

RESULTS = ROOT / "bench" / "results" / "faults" / "kills.json"

MOST_CHANGES = 24  # of a command at which it is killed, drawn where there are more
OUTPUTS = ("out*", "genome.fa.fai")
SEEN = (
    "killed at a moment", "killed at a change", "killed at half",
    "ended",  # before the kill, and the last time: whole
    "whole", "parts",  # kills after which something is there under the output's name
    "left",  # kills that leave a temporary file
    "resumed", "forced",  # how it went on: with --resume, with --force; else as it began
)  # fmt: skip
REFUSAL = r"(?:.*\n)*Error: .*\n"  # one line, after what was said before it
TRIES = 4  # times the kills that are wanted: a command may end before it is killed

Tree = dict[str, str]


class Fault(RuntimeError):
    """What a command left behind, or made of it, is wrong."""


def tree(folder: Path, pattern: str = "*", *, dated: bool = False) -> Tree:
    """Digests of what is promised of a folder's files, by path."""
    found = {}
    for top in folder.glob(pattern):
        for path in [top, *(top.rglob("*") if top.is_dir() else ())]:
            content = promised(path, dated=dated) if path.is_file() else b"folder"
            found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


class Subject:
    """A command with what it makes when nothing disturbs it."""

    def __init__(self, work: Work, forks: Forks, inputs: Path, scratch: Path) -> None:
        self.work, self._forks, self._inputs, self._scratch = work, forks, inputs, scratch
        made = []
        self._half = 0  # bytes
        for _ in range(2):
            with self._folder() as folder:
                ended = self._run(folder)
                if ended.code:
                    raise Fault(f"{work.name}: {ended.said}")
                made.append(self._outputs(folder))
                files = [folder / name for name in made[-1] if (folder / name).is_file()]
                self._half = max(path.stat().st_size for path in files) // 2
        if made[0] != made[1]:
            names = sorted(dict(made[0].items() ^ made[1].items()))
            raise Fault(f"{work.name}: two runs differ in {', '.join(names)}")
        self.expected, self.seconds, self.changes = made[0], ended.seconds, ended.changes

    def kill_often(self, chance: random.Random, *, kills: int, changes: int) -> dict[str, int]:
        """Kill it `kills` times at random moments, at up to `changes` changes of files and in the
        middle of its largest file, each time where the last kill left it, then let it end; counts
        of what was seen.

        Raises
        ------
        Fault
        """
        every = range(1, self.changes + 1)
        drawn = every if len(every) <= changes else sorted(chance.sample(every, changes))
        seen = dict.fromkeys(SEEN, 0)
        with self._folder() as folder:
            for _ in range(TRIES * kills):
                if seen["killed at a moment"] == kills:
                    break
                after = chance.uniform(0, 1) * self.seconds
                seen["killed at a moment"] += self._strike(folder, seen, after=after)
            for number in drawn:
                seen["killed at a change"] += self._strike(folder, seen, at_change=number)
            half = {"file_bytes": self._half, "dies": True}
            seen["killed at half"] += self._strike(folder, seen, **half)
            self._strike(folder, seen)
        return seen

    def _strike(self, folder: Path, seen: dict[str, int], **when: Any) -> bool:
        """Begin or go on, whichever way is taken, and look at what is there; whether it was
        killed.
        """
        before = self._hidden(folder)
        ways = [self.work.resume, "", "--force"] if self._outputs(folder) or before else [""]
        for how in dict.fromkeys(ways):
            ended = self._run(folder, *([how] if how else []), **when)
            if ended.code != 1 or not re.fullmatch(REFUSAL, ended.said):
                break
        seen["forced"] += how == "--force"
        seen["resumed"] += how == self.work.resume != ""
        if ended.code < 0:
            there = self._outputs(folder)
            seen["parts" if self.work.grows else "whole"] += bool(there)
            self._check_part(folder, there) if self.work.grows else self._check_items(there)
            seen["left"] += bool(self._hidden(folder) - before)
            return True
        if ended.code != 0:
            raise Fault(f"{self.work.name}: ended with {ended.code}: {ended.said}")
        self._check_whole(folder)
        if strange := self._hidden(folder) - before:
            raise Fault(f"{self.work.name}: it left {', '.join(sorted(strange))}")
        seen["ended"] += 1
        for path in [each for pattern in OUTPUTS for each in folder.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return False

    def _run(self, folder: Path, *more: str, **when: Any) -> Ended:
        return self._forks.run(self.work.arguments(self._inputs, *more), folder, **when)

    def _outputs(self, folder: Path) -> Tree:
        return {
            name: digest
            for pattern in OUTPUTS
            for name, digest in tree(folder, pattern, dated=self.work.dated).items()
            if not Path(name).name.startswith(".")
        }

    @staticmethod
    def _hidden(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob(".*")}

    def _check_whole(self, folder: Path) -> None:
        if difference := _differing(self._outputs(folder), self.expected):
            raise Fault(f"{self.work.name}: at its end, {difference} not as undisturbed")

    def _check_items(self, there: Tree) -> None:
        """Every file and folder that has the name of an output is whole."""
        tops = {name.partition("/")[0] for name in there}
        expected = {n: d for n, d in self.expected.items() if n.partition("/")[0] in tops}
        if difference := _differing(there, expected):
            raise Fault(f"{self.work.name}: after a kill, {difference} not whole")

    def _check_part(self, folder: Path, found: Tree) -> None:
        """What a growing folder says of itself is so."""
        out = folder / "out"
        for about in out.rglob("run.json"):
            is_finished = json.loads(about.read_text())["status"] == "finished"
            if not is_good_run(about.parent) and is_finished:
                raise Fault(f"{self.work.name}: a finished run does not open")
            if is_finished:
                self._check_same(found, str(about.parent.relative_to(folder)))
        if (out / "pipeline.json").exists():
            for stage in json.loads((out / "pipeline.json").read_text())["stages"]:
                if stage["status"] == "done":
                    self._check_same(found, f"out/{stage['output']}")

    def _check_same(self, found: Tree, path: str) -> None:
        """A file or folder that is said to be whole is."""
        there, expected = (
            {name: digest for name, digest in each.items() if f"{name}/".startswith(f"{path}/")}
            for each in (found, self.expected)
        )
        if difference := _differing(there, expected):
            raise Fault(f"{self.work.name}: {path} says that it is whole: {difference} not")

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        (folder / "genome.fa").write_bytes((self._inputs / "e" / "genome.fa").read_bytes())
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _differing(one: Tree, other: Tree) -> str:
    names = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}" if names else ""


def measure(
    works: Sequence[Work], *, kills: int, changes: int, seed: int
) -> Iterator[dict[str, Any]]:
    """A row for each command, as it is done; with a `fault` where it failed."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        programs = {"kmerengine", *(work.program for work in works)}
        forks = {name: stack.enter_context(Forks(name)) for name in sorted(programs)}
        inputs = scratch / "inputs"
        inputs.mkdir()
        make_inputs(inputs, forks)
        for work in works:
            row: dict[str, Any] = {"command": work.name}
            try:
                subject = Subject(work, forks[work.program], inputs, scratch)
                row |= {
                    "seconds": round(subject.seconds, 3),
                    "changes": subject.changes, "files": len(subject.expected),
                }  # fmt: skip
                chance = random.Random(f"{seed} {work.name}")
                yield row | subject.kill_often(chance, kills=kills, changes=changes)
            except Fault as fault:
                yield row | {"fault": str(fault)}


def rows_so_far(path: Path, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of an earlier run that was as this one is, but for its date; not those with faults."""
    if not path.exists():
        return []
    found = json.loads(path.read_text())
    rows = found.pop("rows")
    return [r for r in rows if "fault" not in r] if found | {"date": ""} == document else []


def main() -> None:
    """Read the options, measure, write after each command."""
    parser = argparse.ArgumentParser(prog="bench.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="at random moments (default 20)")
    parser.add_argument("--changes", type=int, default=MOST_CHANGES, help="of files, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", action="append", default=[], metavar="NAME")
    parser.add_argument("--results", type=Path, help="default: the log; of --command, none")
    parser.add_argument("--resume", action="store_true", help="keep the rows of this commit")
    options = parser.parse_args()
    order = [work.name for work in WORKS]
    if strangers := set(options.command) - set(order):
        parser.error(f"unknown: {', '.join(sorted(strangers))}")
    results = options.results or (None if options.command and not options.resume else RESULTS)
    limits = {"kills": options.kills, "changes": options.changes, "seed": options.seed}
    document = {**limits, "date": "", **describe_commit(), "versions": describe_versions()}
    rows = rows_so_far(results, document) if results and options.resume else []
    done = {row["command"] for row in rows}
    wanted = set(options.command or order) - done
    document["date"] = datetime.now(UTC).date().isoformat()
    for row in measure([work for work in WORKS if work.name in wanted], **limits):
        print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
        rows = sorted([*rows, row], key=lambda each: order.index(each["command"]))
        if results:
            results.parent.mkdir(parents=True, exist_ok=True)
            results.write_text(json.dumps({**document, "rows": rows}, indent=1) + "\n")
    sys.exit(any("fault" in row for row in rows))


if __name__ == "__main__":
    main()
