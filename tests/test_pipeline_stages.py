"""Stages: what is made again and what is not, after changes, kills and damage."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kmerengine import schemas
from kmerengine.errors import InputError
from modelkit.pipelines.stages import ABOUT, Stage, digest_of, run_stages


class World:
    """Three stages: a and b of two files, c of both outputs. `ran` says what was run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.ran: list[str] = []
        self.lines: list[str] = []
        self.times = {"a": 1, "b": 1, "c": 1}
        for name in ("one", "two"):
            (folder / name).write_text(name)

    def stages(self) -> list[Stage]:
        def of(name: str, output: str, inputs: dict[str, Any], **more: Any) -> Stage:
            def run(path: Path, resume: bool) -> None:
                self.ran.append(name)
                text = "".join((self.out / each).read_text() for each in inputs.values())
                if path.suffix:
                    path.write_text(text * self.times[name])
                else:
                    path.mkdir()
                    (path / "text").write_text(text * self.times[name])

            parameters = {"times": self.times[name]}
            return Stage(
                name=name, output=output, run=run, inputs=inputs, parameters=parameters, **more
            )

        return [
            of("a", "parts/a", {"x": self.folder / "one"}),
            of("b", "b.txt", {"x": self.folder / "two"}),
            of("c", "c.txt", {"a": "parts/a/text", "b": "b.txt"}),
        ]

    def run(self, **options: Any) -> list[str]:
        self.ran, self.lines = [], []
        run_stages(self.stages(), self.out, name="toy", say=self.lines.append, **options)
        return self.ran

    def records(self) -> dict[str, Any]:
        document = json.loads((self.out / ABOUT).read_text())
        return {each["name"]: each for each in document["stages"]}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    assert made.run() == ["a", "b", "c"]
    return made


def test_each_is_made_once_and_the_record_says_of_what(world: World) -> None:
    assert (world.out / "c.txt").read_text() == "onetwo"
    records = world.records()
    assert list(records) == ["a", "b", "c"]
    assert records["b"]["inputs"] == {"x": hashlib.sha256(b"two").hexdigest()}
    assert records["c"]["inputs"]["a"] == hashlib.sha256(b"one").hexdigest()
    assert records["a"]["status"] == "done"
    assert records["a"]["parameters"] == {"times": 1}
    assert world.run() == []
    assert [line.split(": ")[1] for line in world.lines] == ["done before"] * 3
    assert world.lines[0].startswith("[1/3] a")


def test_a_folder_s_digest_is_of_its_names_and_bytes(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> str:
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        return digest_of(tmp_path / name)

    first = folder("p", {"x": "1", "in/y": "2"})
    assert first == folder("q", {"in/y": "2", "x": "1"})
    others = [{"x": "2", "in/y": "1"}, {"x": "1", "in/z": "2"}, {"x": "1"}, {"x": "1", "y": "2"}]
    digests = {folder(str(i), each) for i, each in enumerate(others)}
    assert len(digests | {first}) == 5


def test_what_depends_on_a_change_is_made_again(world: World) -> None:
    (world.folder / "two").write_text("TWO")
    assert world.run() == ["b", "c"]
    assert world.lines[1] == "[2/3] b: input x changed"
    assert (world.out / "c.txt").read_text() == "oneTWO"
    world.times["a"] = 2
    assert world.run() == ["a", "c"]
    assert world.lines[0] == "[1/3] a: parameter times changed"
    assert (world.out / "c.txt").read_text() == "oneoneTWO"
    world.times["c"] = 2
    assert world.run() == ["c"]
    assert world.run() == []


def test_the_same_output_again_changes_nothing_behind_it(world: World) -> None:
    (world.out / "b.txt").unlink()
    assert world.run() == ["b"]
    assert "its output is gone" in world.lines[1]


def test_an_output_that_was_changed_is_made_again(world: World) -> None:
    (world.out / "parts/a/text").write_text("ONE")
    assert world.run() == ["a"]  # c is of the bytes that a makes
    assert (world.out / "parts/a/text").read_text() == "one"
    (world.out / "parts/a/more").write_text("")
    assert world.run() == ["a"]
    assert not (world.out / "parts/a/more").exists()
    assert world.run() == []  # what was made is what is recorded


def test_what_a_kill_left_beside_another_output_is_not_cleared(tmp_path: Path) -> None:
    def run(path: Path, resume: bool) -> None:
        path.write_text("".join(sorted(each.name for each in path.parent.glob(".*"))))

    stages = [Stage(name=name, output=f"s/{name}", run=run) for name in ("A.B", "A")]
    run_stages(stages, tmp_path / "out", name="toy")
    for name in (".A.partial", ".A.1234.tmp", ".A.B.partial", ".A.B.1234.tmp", ".AB.1234.tmp"):
        (tmp_path / "out/s" / name).touch()
    (tmp_path / "out/s/A").unlink()
    run_stages(stages, tmp_path / "out", name="toy")
    assert (tmp_path / "out/s/A").read_text() == ".A.B.1234.tmp.A.B.partial.AB.1234.tmp"
    (tmp_path / "out/s/A.B").unlink()
    run_stages(stages, tmp_path / "out", name="toy")
    assert (tmp_path / "out/s/A.B").read_text() == ".AB.1234.tmp"


def test_a_stage_that_fails_is_begun_and_what_came_before_is_kept(world: World) -> None:
    (world.folder / "one").write_text("uno")
    good = Path.read_text

    def bad(path: Path, *args: Any, **more: Any) -> str:
        if path.name == "b.txt":
            raise InputError("no b")
        return good(path, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_text", bad)
        with pytest.raises(InputError, match="no b"):
            world.run()
    assert world.ran == ["a", "c"]
    assert world.records()["c"]["status"] == "begun"
    assert not (world.out / "c.txt").exists()  # what it was is not what it would be
    assert world.run() == ["c"]


def test_a_dry_run_lists_and_writes_nothing(world: World, tmp_path: Path) -> None:
    (world.folder / "two").write_text("TWO")
    before = digest_of(world.out)
    assert world.run(dry_run=True) == []
    assert world.lines == [
        "[1/3] a: done before",
        "[2/3] b: would run (input x changed)",
        "[3/3] c: would run (after b)",
    ]
    assert digest_of(world.out) == before
    world.out = tmp_path / "new"
    assert world.run(dry_run=True) == []
    assert world.lines[2] == "[3/3] c: would run (after a)"
    assert not world.out.exists()


def test_only_outputs_of_stages_are_replaced(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run()
    stages = world.stages()
    (world.out / "d.txt").write_text("mine")
    stages.append(Stage(name="d", output="d.txt", run=lambda p, _: p.write_text("theirs")))
    with pytest.raises(InputError, match=r"no stage of .* made it"):
        run_stages(stages, world.out, name="toy")
    assert (world.out / "d.txt").read_text() == "mine"
    with pytest.raises(InputError, match="is of pipeline toy, expected pipeline other"):
        run_stages(stages, world.out, name="other")
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes").touch()
    with pytest.raises(InputError, match=r"holds 'notes' and no pipeline\.json"):
        run_stages(stages, other, name="toy")
    document = schemas.read_document(world.out / ABOUT, schemas.PIPELINE, "toy")
    document["stages"][0]["seconds"] = 10**400  # by somebody who knows the seal
    (world.out / ABOUT).write_text(schemas.as_text(document))
    with pytest.raises(InputError, match="lacks what a stage has"):
        world.run()
    (world.out / ABOUT).write_text("{")
    with pytest.raises(InputError, match="damaged"):
        world.run()


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / "two").unlink()
    with pytest.raises(InputError, match="two: does not exist; stage b reads it as x"):
        world.run()
    assert world.ran == ["a"]
    assert world.records()["a"]["status"] == "done"


def test_stages_that_are_left_out_are_remembered(world: World) -> None:
    everything = world.stages
    world.stages = lambda: everything()[:1]  # type: ignore[method-assign]
    world.times["a"] = 3
    assert world.run() == ["a"]
    assert list(world.records()) == ["a", "b", "c"]
    world.stages = everything  # type: ignore[method-assign]
    assert world.run() == ["c"]


KILLED = """
import os, signal, sys
from pathlib import Path
from modelkit.pipelines.stages import Stage, run_stages

folder, resumable, kill = Path(sys.argv[1]), sys.argv[2] == "yes", sys.argv[3] == "kill"

def first(path, resume):
    path.write_text("first")
    print("first", resume)

def second(path, resume):
    print("second", resume, path.exists(), path.with_name(".second.x.tmp").exists(), flush=True)
    path.mkdir(exist_ok=True)
    path.with_name(".second.x.tmp").mkdir(exist_ok=True)
    done = len(list(path.iterdir()))
    for i in range(done, 4):
        (path / str(i)).write_text(str(i))
        if kill and i == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    path.with_name(".second.x.tmp").rmdir()

def third(path, resume):
    path.write_text(str(sorted(p.name for p in Path(folder / "second").iterdir())))
    print("third", resume)

run_stages([
    Stage(name="first", output="first", run=first),
    Stage(name="second", output="second", run=second, inputs={"x": "first"}, resumable=resumable),
    Stage(name="third", output="third", run=third, inputs={"x": "second"}),
], folder, name="killed")
"""


@pytest.mark.parametrize("resumable", ["yes", "no"])
def test_after_a_kill_it_goes_on_or_begins_the_stage_anew(tmp_path: Path, resumable: str) -> None:
    def run(kill: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", KILLED, str(tmp_path / "out"), resumable, kill]
        return subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)

    killed = run("kill")
    assert killed.returncode == -signal.SIGKILL
    # what is buffered of the first stage dies with the process
    assert killed.stdout.splitlines()[-1] == "second False False False"
    document = json.loads((tmp_path / "out" / ABOUT).read_text())
    assert [each["status"] for each in document["stages"]] == ["done", "begun"]
    again = run("no")
    assert again.returncode == 0, again.stderr
    resumed = "second True True True" if resumable == "yes" else "second False False False"
    assert again.stdout.splitlines() == [resumed, "third False"]
    assert (tmp_path / "out/third").read_text() == "['0', '1', '2', '3']"
    assert run("no").stdout == ""


def test_two_processes_do_not_share_a_folder(world: World) -> None:
    stages = world.stages()

    def meddle(path: Path, resume: bool) -> None:
        run_stages(world.stages(), world.out, name="toy")

    stages.append(Stage(name="d", output="d", run=meddle))
    with pytest.raises(InputError, match="another process is at work"):
        run_stages(stages, world.out, name="toy")
