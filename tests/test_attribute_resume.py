"""A kill, a full disk or another process's end costs a chunk, and no bit of what comes out."""

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from attribute_world import make_data, make_files, make_run, same_files

from kmerengine import Dataset, InputError
from modelkit.interpretation.attribution.attribute import attribute
from modelkit.interpretation.attribution.attributions import Attributions
from modelkit.training.run import Run

pytestmark = pytest.mark.usefixtures("one_thread")

CHUNKS = 9  # of one example each
OPTIONS: dict[str, Any] = {"split": "all", "batch_size": 1, "n_references": 2, "npz": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    files = make_files(tmp_path_factory.mktemp("files"))
    return make_data(files, files / "d")


@pytest.fixture(scope="module")
def run(data: Dataset) -> Run:
    return make_run(data.path.parent / "run", data)


@pytest.fixture(scope="module")
def whole(run: Run, data: Dataset) -> Path:
    return attribute(run, data, data.path.parent / "whole", **OPTIONS).path


class Stopped(Exception):
    """Of a test."""


def stop_after(n: int) -> Any:
    def progress(done: int, _: int) -> None:
        if done == n:
            raise Stopped

    return progress


def begun(run: Run, data: Dataset, output: Path, n: int = 4, **options: Any) -> Path:
    """What a process leaves that ended after `n` chunks."""
    with pytest.raises(Stopped):
        attribute(run, data, output, progress=stop_after(n), **(OPTIONS | options))
    return output.with_name(f".{output.name}.partial")


def test_what_was_begun_is_gone_on_with(
    run: Run, data: Dataset, whole: Path, tmp_path: Path
) -> None:
    partial = begun(run, data, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert (partial / "done").read_bytes() == b"\x01" * 4 + b"\x00" * 5
    with (partial / "attributions.arrow").open("r+b") as file:  # a chunk that was half written
        at = json.loads((partial / "partial.json").read_text())["arrays"]["hypothetical"]
        row = 4 * 3 * 4 * 60
        file.seek(at["offset"] + 4 * row)
        file.write(b"\x11" * (row // 2))
    seen: list[tuple[int, int]] = []
    attribute(run, data, tmp_path / "a", resume=True,
              progress=lambda *each: seen.append(each), **OPTIONS)  # fmt: skip
    assert seen == [(done, CHUNKS) for done in range(5, CHUNKS + 1)]
    assert same_files(tmp_path / "a", whole)
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_what_cannot_begin_leaves_nothing(run: Run, data: Dataset, tmp_path: Path) -> None:
    """Else the right options, given next, would be refused too."""
    output = tmp_path / "a"
    with pytest.raises(InputError, match="layer: found 'convs'"):
        attribute(run, data, output, method="gradcam", layer="convs")
    assert list(tmp_path.iterdir()) == []
    other = make_run(tmp_path / "run", data)
    weights = other.path / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:40])
    with pytest.raises(InputError, match="safetensors"):
        attribute(other, data, output, method="saliency")
    assert [each.name for each in tmp_path.iterdir()] == ["run"]
    assert len(attribute(run, data, output, method="saliency"))


def test_what_is_done_is_not_done_again(run: Run, data: Dataset, tmp_path: Path) -> None:
    """Else the test above would say nothing: values of a chunk that is marked are taken as they
    are.
    """
    partial = begun(run, data, tmp_path / "a")
    with (partial / "attributions.arrow").open("r+b") as file:
        at = json.loads((partial / "partial.json").read_text())["arrays"]["hypothetical"]
        file.seek(at["offset"])
        file.write(b"\x00" * 4)
    made = attribute(run, data, tmp_path / "a", resume=True, **OPTIONS)
    assert made.hypothetical.ravel()[0] == 0


def test_a_partial_folder_is_neither_lost_nor_mixed(
    run: Run, data: Dataset, whole: Path, tmp_path: Path
) -> None:
    output = tmp_path / "a"
    partial = begun(run, data, output)
    with pytest.raises(InputError, match="go on with --resume, or begin anew with --force"):
        attribute(run, data, output, **OPTIONS)
    torch.manual_seed(8)
    other = make_run(tmp_path / "run", data, linear=True)
    for change, named in (
        ({"n_references": 3}, "parameters.n_references 2, found 3"),
        ({"method": "ig"}, "method 'deepshap', found 'ig'"),
        ({"head": "profile"}, "head 'totals', found 'profile'"),
        ({"targets": ["B"]}, "parameters.weights .*, found"),
        ({"batch_size": 2}, "parameters.batch_size 1, found 2"),
        ({"rows": [1, 2]}, "kept 9, found 2"),
        ({"reverse_complement": True}, "parameters.reverse_complement False, found True"),
        ({"run": other}, "config.network.blocks 1, found 0"),
    ):
        given = {"run": run} | OPTIONS | change
        with pytest.raises(InputError, match="was begun with " + named) as found:
            attribute(dataset=data, output=output, resume=True, **given)
        assert "\n" not in str(found.value)
    about = (partial / "partial.json").read_text()
    (partial / "partial.json").write_text(about.replace('"cpu"', '"tpu"'))
    with pytest.raises(InputError, match="metadata is damaged"):
        attribute(run, data, output, resume=True, **OPTIONS)
    (partial / "partial.json").unlink()
    with pytest.raises(InputError, match=r"has no readable partial\.json; begin anew with --force"):
        attribute(run, data, output, resume=True, **OPTIONS)
    (partial / "partial.json").write_text(about)
    for name, message in (("done", "holds 8 bytes, expected one for each of 9"),
                          ("attributions.arrow", "truncated or damaged"),
                          ("numbers.arrow", "truncated or damaged")):  # fmt: skip
        kept = (partial / name).read_bytes()
        (partial / name).write_bytes(kept[:-1])
        with pytest.raises(InputError, match=message):
            attribute(run, data, output, resume=True, **OPTIONS)
        (partial / name).write_bytes(kept)
    begun(run, data, output, 2, force=True, seed=5)
    assert (partial / "done").read_bytes() == b"\x01" * 2 + b"\x00" * 7
    made = attribute(run, data, output, force=True, **OPTIONS)
    assert same_files(made.path, whole)
    assert not partial.exists()


def test_an_output_stays_until_the_next_is_whole(
    run: Run, data: Dataset, whole: Path, tmp_path: Path
) -> None:
    output = tmp_path / "a"
    first = attribute(run, data, output, **(OPTIONS | {"seed": 3}))
    before = first.hypothetical.copy()
    with pytest.raises(InputError, match="exists; choose another output"):
        attribute(run, data, output, **OPTIONS)
    with pytest.raises(InputError, match="exists; choose another output"):
        attribute(run, data, output, resume=True, **OPTIONS)
    begun(run, data, output, force=True)
    assert (Attributions.open(output).hypothetical == before).all()
    attribute(run, data, output, resume=True, force=True, **OPTIONS)
    assert same_files(output, whole)
    again = attribute(run, data, output, resume=True, **OPTIONS)  # of just this: it is there
    assert again.path == output


def test_a_disk_that_takes_no_more_is_one_line(
    run: Run, data: Dataset, whole: Path, tmp_path: Path
) -> None:
    begun(run, data, tmp_path / "a")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(InputError, match="File too large; make room, and go on with --resume"):
            attribute(run, data, tmp_path / "a", resume=True, **OPTIONS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    made = attribute(run, data, tmp_path / "a", resume=True, **OPTIONS)
    assert same_files(made.path, whole)


class Forks:
    """Processes of `attribute_forks`."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("attribute_forks.py")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", script], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def __call__(self, name: str, *args: Any, **options: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        words = [each if isinstance(each, float | int) else str(each) for each in args]
        self.process.stdin.write(json.dumps([name, words, options]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def forks(run: Run, data: Dataset) -> Iterator[Forks]:
    found = Forks()
    found("warm", run.path, data.path, data.path.parent / "first")
    yield found
    found.process.communicate()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def test_kills_at_random_moments_change_no_bit(
    forks: Forks, run: Run, data: Dataset, whole: Path, tmp_path: Path
) -> None:
    tries = forks("kills", run.path, data.path, tmp_path / "a", CHUNKS)
    assert [code for code, _ in tries] == [-9] * (len(tries) - 1) + [0]
    assert sum(0 < marks < CHUNKS for _, marks in tries) >= 3, tries
    assert same_files(tmp_path / "a", whole)
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_two_ranks_write_the_file_of_one(
    forks: Forks, run: Run, data: Dataset, whole: Path, tmp_path: Path
) -> None:
    given = run.path, data.path, tmp_path / "a", free_port()
    assert forks("ranks", *given, dies=False, resume=False) == [0, 0]
    assert same_files(tmp_path / "a", whole)


def test_a_rank_that_dies_leaves_what_can_be_gone_on_with(
    forks: Forks, run: Run, data: Dataset, whole: Path, tmp_path: Path
) -> None:
    given = run.path, data.path, tmp_path / "a"
    assert forks("ranks", *given, free_port(), dies=True, resume=False) == [1, 9]
    said = (tmp_path / "a.said").read_text()
    assert "rank 0 of 2: another rank has ended or does not answer" in said
    assert "--resume" in said
    marks = (tmp_path / ".a.partial" / "done").read_bytes()
    assert marks == bytes([1, 1, 1, 1, 1, 0, 0, 0, 0])
    attribute(run, data, tmp_path / "a", resume=True, **OPTIONS)
    assert same_files(tmp_path / "a", whole)


def test_memory_does_not_grow_with_the_regions(forks: Forks, tmp_path: Path) -> None:
    """Scores of 2,000 regions are 58 MB, in one copy, and the cuts of the data set 7 MB."""
    centres = [("chr2", 300 + i % 1100) for i in range(2_000)]
    many = make_data(make_files(tmp_path, centres), tmp_path / "d", split=[], width=600)
    run = make_run(tmp_path / "run", many)
    sizes = (200, 200, 2_000)  # the first loads what is not there yet
    _, few, most = (
        forks("peak", run.path, many.path, tmp_path / f"{i}", n) for i, n in enumerate(sizes)
    )
    assert few > 0
    assert most - few < 12_000  # kB
