"""Stages of a pipeline: each makes one output of its inputs and parameters, and only once.

A stage is not run again while its parameters, the bytes of its inputs and those of its output are
what they were. Else it is run, and so are the stages whose inputs are then others. pipeline.json in
the pipeline's folder says of each stage what it was made of, and when; it is written before a stage
begins and after it has ended, so that after a kill it is known which output is a part.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable

__all__ = ["ABOUT", "Outcome", "Stage", "run_stages"]

ABOUT = "pipeline.json"
DONE, BEGUN = "done", "begun"

Say = Callable[[str], None]
Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One step.

    Attributes
    ----------
    name : str
        Of this stage alone.
    output : str
        The file or folder that it makes, by its path in the pipeline's folder.
    run : callable
        Called with (output, resume); makes the output. With `resume` it goes on with what an
        interrupted run of the same inputs and parameters left, which may be nothing; otherwise
        nothing is there.
    inputs : dict of str to path
        What it reads, by a name: files and folders anywhere, or what earlier stages make, by their
        path in the pipeline's folder (or that of a file inside).
    parameters : dict of str to value
        All else that the output depends on; what JSON can hold.
    resumable : bool
        Whether `run` can go on; else an interrupted stage is made anew.
    """

    name: str
    output: str
    run: Callable[[Path, bool], Any]
    inputs: Mapping[str, str | Path] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    resumable: bool = False


class Outcome(NamedTuple):
    """What became of a stage.

    Attributes
    ----------
    name : str
    output : Path
    made : bool
        It was run (or, of a dry run, would be).
    why : str
        Why it was, or "done before".
    seconds : float
        That it took, now or before.
    """

    name: str
    output: Path
    made: bool
    why: str
    seconds: float


def run_stages(
    stages: Sequence[Stage],
    folder: str | Path,
    *,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    say: Say | None = None,
) -> list[Outcome]:
    """Run stages in their order, those that are done left out.

    Parameters
    ----------
    stages : sequence of Stage
    folder : path
        That of all outputs; made if it is not there. One that is there must be of a pipeline.
    name : str
        Of the pipeline, such as "agentbind".
    parameters : dict, optional
        Of the whole, for the record.
    dry_run : bool
        Only say what would be run; nothing is written.
    say : callable, optional
        Told a line for each stage.

    Returns
    -------
    list of Outcome

    Raises
    ------
    InputError
        An input that is not there, an output that no stage made, another process at work on the
        folder, and what stages raise.
    """
    folder, say = Path(folder), say or (lambda _: None)
    _check(stages)
    if dry_run:
        records = _opened(folder, name)[0]
        return _Work(stages, folder, records, say).listed()
    if not folder.exists():
        check_writable(folder, folder=("*",))
        folder.mkdir()
    with _alone(folder):
        records, document = _opened(folder, name)
        asked = json.loads(json.dumps(dict(parameters or {})))
        document = schemas.provenance(f"pipeline {name}", {}, asked) | {
            "format": schemas.PIPELINE,
            "begun": document.get("begun", _now()),
        }
        return _Work(stages, folder, records, say, document).done()


class _Work:
    """Stages and what is known of them."""

    def __init__(
        self,
        stages: Sequence[Stage],
        folder: Path,
        records: dict[str, Record],
        say: Say,
        document: dict[str, Any] | None = None,
    ) -> None:
        self.stages, self.folder, self.records, self.say = stages, folder, records, say
        self.document = document or {}
        self._digests: dict[Path, str] = {}
        width = len(str(len(stages)))
        self._numbers = {s.name: f"[{i:>{width}}/{len(stages)}]" for i, s in enumerate(stages, 1)}

    def done(self) -> list[Outcome]:
        """Run what must be run."""
        return [self._one(stage) for stage in self.stages]

    def listed(self) -> list[Outcome]:
        """Say what would be run. Inputs that would be made are taken as changed."""
        found: list[Outcome] = []
        for stage in self.stages:
            output = self.folder / stage.output
            before = next((e for e in found if e.made and self._reads(stage, e.output)), None)
            why = f"after {before.name}" if before else self._why(stage, self._inputs(stage))
            seconds = self.records[stage.name]["seconds"] if not why else 0.0
            what = f"would run ({why})" if why else "done before"
            self.say(f"{self._numbers[stage.name]} {stage.name}: {what}")
            found.append(Outcome(stage.name, output, bool(why), why or "done before", seconds))
        return found

    def _one(self, stage: Stage) -> Outcome:
        output, number = self.folder / stage.output, self._numbers[stage.name]
        inputs = self._inputs(stage)
        why = self._why(stage, inputs)
        if not why:
            seconds = self.records[stage.name]["seconds"]
            self.say(f"{number} {stage.name}: done before")
            return Outcome(stage.name, output, made=False, why="done before", seconds=seconds)
        resume = stage.resumable and why == _INTERRUPTED
        if not resume:
            self._clear(stage, output)
        started = monotonic()
        self.say(f"{number} {stage.name}: {'goes on' if resume else why}")
        record = {
            "name": stage.name,
            "output": stage.output,
            "inputs": inputs,
            "parameters": _plain(stage),
            "status": BEGUN,
            "begun": _now(),
            "seconds": 0.0,
        }
        self._keep(record)
        output.parent.mkdir(parents=True, exist_ok=True)
        self._digests = {p: d for p, d in self._digests.items() if not _within(p, output)}
        stage.run(output, resume)
        if not output.exists():
            raise AssertionError(f"{stage.name} made no {stage.output}")
        seconds = round(monotonic() - started, 2)
        self._keep({**record, "status": DONE, "seconds": seconds, "digest": self._digest(output)})
        self.say(f"{number} {stage.name}: {seconds:,.1f} s, {output}")
        return Outcome(stage.name, output, made=True, why=why, seconds=seconds)

    def _why(self, stage: Stage, inputs: dict[str, str]) -> str:
        """Why a stage must be run; empty if it need not."""
        record, output = self.records.get(stage.name), self.folder / stage.output
        if record is None:
            self._check_free(stage, output)
            return "to make"
        if record["output"] != stage.output:
            self._check_free(stage, output)
            return "another output"
        for what, old, new in (
            ("input", record["inputs"], inputs), ("parameter", record["parameters"], _plain(stage)),
        ):  # fmt: skip
            names = [n for n in {**old, **new} if n not in old or n not in new or old[n] != new[n]]
            if names:
                return f"{what} {names[0]} changed"
        if record["status"] != DONE:
            return _INTERRUPTED
        if not output.exists():
            return "its output is gone"
        return "" if self._digest(output) == record["digest"] else "its output was changed"

    def _inputs(self, stage: Stage) -> dict[str, str]:
        """Digest of each input."""
        found = {}
        for name, given in stage.inputs.items():
            path = self.folder / given  # an absolute path stays as it is
            if not path.exists():
                raise InputError(f"{path}: does not exist; stage {stage.name} reads it as {name}")
            found[name] = self._digest(path)
        return found

    def _reads(self, stage: Stage, output: Path) -> bool:
        return any(_within(self.folder / given, output) for given in stage.inputs.values())

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = digest_of(path)
        return self._digests[path]

    def _check_free(self, stage: Stage, output: Path) -> None:
        """What is there was made by a stage, or by nobody that is known here."""
        if output.exists() and stage.output not in {r["output"] for r in self.records.values()}:
            raise InputError(
                f"{output}: exists, but no stage of {self.folder / ABOUT} made it; move it away, "
                "or choose another output"
            )

    def _clear(self, stage: Stage, output: Path) -> None:
        """Remove an output that is no longer wanted, and what a killed process left beside it."""
        self._check_left(stage)
        for path in (output, *self._leftovers(output)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _leftovers(self, output: Path) -> list[Path]:
        """What a killed process left beside an output: of A, not what one left beside A.B."""
        mine = _hidden(output)
        named = [s.output for s in self.stages] + [r["output"] for r in self.records.values()]
        others = {_hidden(self.folder / each) for each in named if each} - {mine}
        longer = tuple(each for each in others if each.startswith(mine))
        found = output.parent.glob(f"{escape(mine)}*")
        return [path for path in found if not path.name.startswith(longer)]

    def _check_left(self, stage: Stage) -> None:
        """Another stage's record of this output is forgotten: the output will be this stage's."""
        for other in [r for r in self.records.values() if r["output"] == stage.output]:
            if other["name"] != stage.name:
                del self.records[other["name"]]

    def _keep(self, record: Record) -> None:
        """Write pipeline.json with a new record; stages of this pipeline first, in their order."""
        self.records[record["name"]] = record
        order = list(self._numbers)
        listed = sorted(
            self.records.values(),
            key=lambda r: order.index(r["name"]) if r["name"] in order else len(order),
        )
        text = schemas.as_text({**self.document, "changed": _now(), "stages": listed})
        with atomic(self.folder / ABOUT, force=True) as temporary:
            temporary.write_text(text + "\n")


_INTERRUPTED = "interrupted before"


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of a folder's names and the SHA-256 of each file in it."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if not p.is_dir())
        lines = (f"{digest_of(p)} {p.relative_to(path).as_posix()}\n" for p in files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(stages: Sequence[Stage]) -> None:
    """Names and outputs are of one stage each, no output lies in another."""
    for i, stage in enumerate(stages):
        path = Path(stage.output)
        inside = not path.is_absolute() and ".." not in path.parts and path.parts
        assert inside, f"{stage.name}: its output is {stage.output}"
        assert stage.output != ABOUT, stage.name
        for other in stages[:i]:
            assert other.name != stage.name, stage.name
            theirs = Path(other.output)
            assert not _within(path, theirs), f"{stage.name} writes into that of {other.name}"
            assert not _within(theirs, path), f"{stage.name} writes over that of {other.name}"


def _within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _hidden(output: Path) -> str:
    """How the names begin of what is written beside an output until it is whole."""
    return f".{output.name[:48]}."


def _plain(stage: Stage) -> dict[str, Any]:
    """Parameters as they come back from JSON."""
    found: dict[str, Any] = json.loads(json.dumps(dict(stage.parameters), sort_keys=True))
    return found


def _opened(folder: Path, name: str) -> tuple[dict[str, Record], dict[str, Any]]:
    """Records of a folder's stages, none if it is empty or not there; and its document."""
    if not folder.is_dir():
        if folder.exists():
            raise InputError(f"{folder}: is a file, expected a folder or none")
        return {}, {}
    if not (folder / ABOUT).exists():
        held = next((p.name for p in folder.iterdir() if not p.name.startswith(f".{ABOUT}.")), None)
        if held is not None:
            raise InputError(
                f"{folder}: holds {held!r} and no {ABOUT}, expected a folder of modelkit pipeline "
                "or an empty one"
            )
        return {}, {}
    document = schemas.read_document(folder / ABOUT, schemas.PIPELINE, "modelkit pipeline")
    if document.get("command") != f"pipeline {name}":
        raise InputError(
            f"{folder}: is of {document.get('command')}, expected pipeline {name}; choose another "
            "output"
        )
    kinds = {"name": str, "output": str, "status": str, "inputs": dict, "parameters": dict}
    try:
        records: dict[str, Record] = {each["name"]: each for each in document["stages"]}
        for each in records.values():
            for key, kind in kinds.items():
                if not isinstance(each[key], kind):
                    raise TypeError(f"{key} is {each[key]!r:.40}")
            if each["status"] == DONE:
                float(each["seconds"]), str(each["digest"])
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder / ABOUT}: lacks what a stage has ({error}); remove it, and all is made again"
        ) from error
    return records, document


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process works on a folder; the system lets go of it when that ends, however."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"{folder}: another process is at work on it; wait for it, or choose another output"
            ) from error
        yield
    finally:
        os.close(handle)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
