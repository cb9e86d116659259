"""Commands that are killed, or whose disk is full; `python -m bench.faults` does more of it."""

import random
import shutil

import pytest

from bench.fault_forks import Forks
from bench.fault_limits import fill
from bench.fault_works import WORKS, make_inputs
from bench.faults import Fault, Subject

KILLED = ("count .parquet", "count --parts", "count, no .fai", "cuts .parquet",
          "cuts .bw, two samples by strand", "dataset", "profiles")  # fmt: skip
FULL = ("scan .parquet", "sample windows", "dataset", "profiles")
CLOSED = ("count .parquet", "count, no .fai", "cuts .bw, two samples by strand", "dataset")
NAMED = {work.name: work for work in WORKS}


@pytest.fixture(scope="module")
def forks():
    with Forks("kmerengine") as engine:
        yield {"kmerengine": engine}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, forks):
    folder = tmp_path_factory.mktemp("inputs")
    make_inputs(folder, forks)
    return folder


@pytest.mark.parametrize("name", KILLED)
def test_a_kill_leaves_nothing_that_passes_for_a_result(name, forks, inputs, tmp_path):
    work = NAMED[name]
    subject = Subject(work, forks[work.program], inputs, tmp_path)
    found = subject.kill_often(random.Random(name), kills=2, changes=3)
    assert found["killed at a moment"] == 2
    assert found["killed at a change"] >= 1
    assert found["killed at half"] == 1
    assert found["ended"] >= 1


@pytest.mark.parametrize("name", FULL)
def test_a_full_disk_is_one_line(name, forks, inputs, tmp_path):
    work = NAMED[name]
    assert "could not be written" in fill(work, forks[work.program], inputs, tmp_path)["said"]


class TestTheTestSeesFaults:
    """Of commands whose outputs are not whole, or not the same."""

    def subject(self, forks, inputs, tmp_path):
        work = NAMED["cuts .parquet"]
        return Subject(work, forks["kmerengine"], inputs, tmp_path)

    def test_a_part_under_the_name_of_an_output(self, forks, inputs, tmp_path, monkeypatch):
        subject = self.subject(forks, inputs, tmp_path)
        run = subject._run

        def leave_a_part(folder, *more, **when):
            ended = run(folder, *more, **when)
            if ended.code == -9:
                (folder / "out.parquet").write_bytes(b"PAR1")
            return ended

        monkeypatch.setattr(subject, "_run", leave_a_part)
        with pytest.raises(Fault, match=r"after a kill, out\.parquet is not whole"):
            subject.kill_often(random.Random(0), kills=0, changes=1)

    def test_other_bytes_at_the_end(self, forks, inputs, tmp_path):
        subject = self.subject(forks, inputs, tmp_path)
        subject.expected = {"out.parquet": "0"}
        with pytest.raises(Fault, match=r"at its end, out\.parquet is not as undisturbed"):
            subject.kill_often(random.Random(0), kills=0, changes=0)

    def test_a_temporary_file_that_stays(self, forks, inputs, tmp_path, monkeypatch):
        subject = self.subject(forks, inputs, tmp_path)
        run = subject._run

        def leave_one(folder, *more, **when):
            if not when:  # it comes to its end
                (folder / ".out.tmp").touch()
            return run(folder, *more, **when)

        monkeypatch.setattr(subject, "_run", leave_one)
        with pytest.raises(Fault, match=r"it left \.out\.tmp"):
            subject.kill_often(random.Random(0), kills=0, changes=0)


# -------------------------------------------------------------------- folders that take no files


@pytest.fixture
def closed(tmp_path):
    """A folder that permissions forbid to write to."""
    folder = tmp_path / "closed"
    folder.mkdir()
    yield folder
    folder.chmod(0o755)


@pytest.mark.parametrize("name", CLOSED)
def test_an_output_in_a_folder_that_takes_none(name, forks, inputs, closed):
    work = NAMED[name]
    shutil.copyfile(inputs / "e" / "genome.fa", closed / "genome.fa")
    closed.chmod(0o555)
    ended = forks[work.program].run(work.arguments(inputs), closed, rights=False)
    assert ended.code == 1
    assert ended.said.startswith("Error: ")
    assert ended.said.count("\n") == 1
    assert "is not writable; choose another output" in ended.said
    assert [path.name for path in closed.iterdir()] == ["genome.fa"]


def test_a_genome_in_a_folder_that_takes_no_index(forks, inputs, closed, tmp_path, monkeypatch):
    """Its .fai goes to the cache; what is counted is the same."""
    shutil.copyfile(inputs / "e" / "genome.fa", closed / "genome.fa")
    closed.chmod(0o555)
    made = tmp_path / "made"
    made.mkdir()
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    line = [str(closed / "genome.fa"), str(inputs / "e" / "peaks.narrowPeak"), "--width", "200"]
    with Forks("kmerengine") as here:
        for name in ("one", "two"):
            ended = here.run(["count", *line, "-o", f"{name}.parquet"], made, rights=False)
            assert ended.code == 0, ended.said
            assert (f"{cache}/" in ended.said) == (name == "one")
    assert [path.name for path in closed.iterdir()] == ["genome.fa"]
    held = [path.suffix for path in (cache / "kmerengine").rglob("*") if path.is_file()]
    assert held == [".fai"]
    line[0] = str(inputs / "e" / "genome.fa")
    ended = forks["kmerengine"].run(["count", *line, "-o", "three.parquet"], made)
    contents = {path.read_bytes() for path in made.iterdir()}
    assert ended.code == 0
    assert len(contents) == 1
