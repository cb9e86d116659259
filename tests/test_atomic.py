"""Outputs appear whole or not at all, whatever happens, and replace nothing but an output."""

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

import kmerengine
from kmerengine import InputError, KmerCounts, Vocabulary
from kmerengine.cli import main
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.tables import write_parts

PARTS = ("part-*",)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, content: str = "new", *, force: bool = False) -> None:
    """An output of one file."""
    with atomic(path, force=force) as temporary:
        temporary.write_text(content)


def write_folder(path: Path, n: int = 2, *, force: bool = False) -> None:
    """An output of `n` files in a folder."""
    with atomic(path, force=force, folder=PARTS) as temporary:
        for i in range(n):
            (temporary / f"part-{i}").write_text("new")


def refused(path: Path, *words: str, force: bool = True, folder: bool = False) -> None:
    """Both the early check and the writing refuse `path` in one line, and change nothing."""
    before = names(path.parent) if path.parent.is_dir() else []
    make = write_folder if folder else write
    messages = []
    for action in (
        lambda: check_writable(path, force=force, folder=PARTS if folder else ()),
        lambda: make(path, force=force),
    ):
        with pytest.raises(InputError) as caught:
            action()
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert messages[0].startswith(f"{path}: ")
    assert "\n" not in messages[0]
    for word in words:
        assert word in messages[0]
    assert (names(path.parent) if path.parent.is_dir() else []) == before


# --------------------------------------------------------------------------- whole, or not at all


def test_nothing_is_there_before_the_end(tmp_path):
    with atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path  # a rename within one file system
        assert temporary.name.startswith(".a.txt.")
        assert not (tmp_path / "a.txt").exists()
        temporary.write_text("whole")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"
    with atomic(tmp_path / "b", folder=PARTS) as temporary:
        (temporary / "part-0").write_text("x")
        assert not (tmp_path / "b").exists()
    assert names(tmp_path) == ["a.txt", "b"]
    assert names(tmp_path / "b") == ["part-0"]


ENDINGS = [ValueError("x"), KeyboardInterrupt(), SystemExit(143), MemoryError(), GeneratorExit()]


@pytest.mark.parametrize("error", ENDINGS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("folder", [False, True])
def test_after_any_error_all_is_as_it_was(tmp_path, error, existing, folder):
    path = tmp_path / "a"
    if existing:
        write_folder(path, 1) if folder else write(path, "old")
    with (  # noqa: PT012
        pytest.raises(type(error)) as caught,
        atomic(path, force=True, folder=PARTS if folder else ()) as temporary,
    ):
        if folder:
            (temporary / "part-0").write_text("half")
            (temporary / "part-1").write_text("half")
        else:
            temporary.write_text("half")
        raise error
    assert caught.value is error
    assert names(tmp_path) == (["a"] if existing else [])
    if existing:
        assert names(path) == ["part-0"] if folder else path.read_text() == "old"


def test_what_the_system_refuses_is_an_input_error(tmp_path):
    with (
        pytest.raises(InputError, match=r"a: could not be written: No space left") as caught,
        atomic(tmp_path / "a"),
    ):
        raise OSError(28, "No space left on device\nand more")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_what_is_written_within_an_output_is_said_to_be_in_it(tmp_path):
    """And nothing is said of hidden names, which the user has not given."""
    with (
        pytest.raises(InputError) as caught,
        atomic(tmp_path / "a", folder=("b",)) as outer,
        atomic(outer / "b", folder=("c",)) as inner,
        atomic(inner / "c"),
    ):
        raise OSError(28, "No space left on device")
    assert str(caught.value).startswith(f"{tmp_path}/a/b/c: could not be written: No space")
    assert names(tmp_path) == []


@pytest.mark.parametrize("folder", [False, True])
def test_an_output_is_replaced_only_with_force(tmp_path, folder):
    path, make = tmp_path / "a", write_folder if folder else write
    make(path)
    refused(path, "exists", "--force", force=False, folder=folder)
    if folder:
        make(path, n=1, force=True)
        assert names(path) == ["part-0"]
    else:
        make(path, "newer", force=True)
        assert path.read_text() == "newer"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("fails", [1, 2])
def test_a_folder_that_cannot_be_moved_stays(tmp_path, monkeypatch, fails):
    """The first rename moves the old folder aside, the second the new one into its place."""
    path = tmp_path / "a"
    write_folder(path, 1)
    calls = []
    original = Path.rename

    def rename(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == fails:
            raise OSError(16, "Device or resource busy")
        return original(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(InputError, match="Device or resource busy"):
        write_folder(path, 2, force=True)
    assert len(calls) == (1 if fails == 1 else 3)
    assert names(tmp_path) == ["a"]
    assert names(path) == ["part-0"]


def test_a_failing_part_stops_the_others_and_leaves_nothing(tmp_path):
    schema = pa.schema([("word", pa.uint32())])
    batch = pa.record_batch([pa.array([1], pa.uint32())], schema=schema)
    running = threading.Event()

    def slow() -> Iterator[pa.RecordBatch]:
        running.set()
        for _ in range(20):
            time.sleep(0.005)
            yield batch

    def failing() -> Iterator[pa.RecordBatch]:
        running.wait(10)
        raise OSError(28, "No space left on device")
        yield batch

    with pytest.raises(InputError, match="No space left on device"):
        write_parts(
            tmp_path / "a", schema, iter([failing(), *(slow() for _ in range(9))]), threads=2
        )
    assert names(tmp_path) == []
    time.sleep(0.05)
    assert names(tmp_path) == []  # and no thread goes on


# ------------------------------------------------------------------------- what is not an output


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    path = tmp_path / "a"
    write_folder(path)
    (path / "thesis.tex").write_text("precious")
    refused(path, "holds 'thesis.tex'", folder=True)
    (path / "thesis.tex").rename(path / ".hidden")
    refused(path, "holds '.hidden'", folder=True)
    (path / ".hidden").unlink()
    write_folder(path, force=True)
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "empty", force=True)


@pytest.mark.parametrize(
    "arguments", ["count g.fa --parts -o a --force", "simulate peaks a --force"]
)
def test_the_commands_replace_no_folder_of_something_else(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    Path("g.fa").write_text(">a\nACGTACGTACGT\n")
    Path("a").mkdir()
    Path("a/thesis.tex").write_text("precious")
    result = CliRunner().invoke(main, arguments.split())
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "a: holds 'thesis.tex'" in result.stderr
    assert Path("a/thesis.tex").read_text() == "precious"
    assert names(tmp_path) == ["a", "g.fa"]


def test_a_simulated_folder_is_replaced_with_what_was_made_in_it(tmp_path):
    size = {"contig_length": 5000, "n_peaks": 2}
    made = kmerengine.simulate_peaks(tmp_path / "a", **size)
    kmerengine.count(made.genome, made.peaks, output=tmp_path / "a" / "peaks.kmers.parquet")
    kmerengine.simulate_peaks(tmp_path / "a", force=True, **size)
    assert len(names(tmp_path / "a")) == 3


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for force in (False, True):
        refused(tmp_path / "folder", "is a folder, expected a file", force=force)
        refused(tmp_path / "file", "is a file, expected a folder", force=force, folder=True)


@pytest.mark.parametrize("name", ["", ".", "..", "a/.."])
@pytest.mark.parametrize("folder", [False, True])
def test_a_folder_by_its_dots_is_no_name(tmp_path, monkeypatch, name, folder):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with pytest.raises(InputError, match="expected a name for the output"):
        (write_folder if folder else write)(Path(name), force=True)
    assert names(tmp_path) == ["a"]


def test_a_link_is_replaced_and_what_it_points_to_is_not(tmp_path):
    """The file that was not named stays as it is."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    refused(link, "exists", force=False)
    write(link, force=True)
    assert (link.is_symlink(), link.read_text(), target.read_text()) == (False, "new", "old")

    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nothing")
    refused(dangling, "exists", force=False)
    write(dangling, force=True)
    assert (dangling.is_symlink(), dangling.read_text()) == (False, "new")
    assert not (tmp_path / "nothing").exists()


def test_a_link_to_a_folder_is_replaced_and_the_folder_is_not(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    write_folder(target, 3)
    link.symlink_to(target)
    refused(link, "exists", force=False, folder=True)
    write_folder(link, 1, force=True)
    assert not link.is_symlink()
    assert (names(link), len(names(target))) == (["part-0"], 3)
    assert names(tmp_path) == ["link", "target"]


def test_a_path_through_a_linked_folder_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link" / "a")
    assert names(tmp_path / "real") == ["a"]


@pytest.mark.parametrize("how", ["same name", "relative", "hard link", "link", "linked folder"])
@pytest.mark.parametrize("which", ["g.parquet", "r.txt"])
@pytest.mark.parametrize("force", [False, True])
def test_an_output_is_never_an_input(tmp_path, monkeypatch, how, which, force):
    monkeypatch.chdir(tmp_path)
    contents = {"g.parquet": ">a\nACGTACGTACGT\n", "r.txt": "a\t0\t12\n"}
    for name, content in contents.items():
        Path(name).write_text(content)
    other = Path(f"other{Path(which).suffix}")
    match how:
        case "same name":
            other = Path(which)
        case "relative":
            other = tmp_path / ".." / tmp_path.name / which
        case "hard link":
            other.hardlink_to(which)
        case "link":
            other.symlink_to(which)
        case "linked folder":
            Path("here").symlink_to(tmp_path)
            other = Path("here") / which
    with pytest.raises(InputError) as caught:
        kmerengine.count("g.parquet", "r.txt", output=other, force=force)
    assert str(caught.value) == f"{other}: is the input {which}; choose another output"
    if which == "g.parquet":
        with pytest.raises(InputError, match="is the input"):
            kmerengine.count("g.parquet", output=other, force=force)
    assert {name: Path(name).read_text() for name in contents} == contents


# ------------------------------------------------------------------------------ where it may be


def test_folders_that_are_missing_or_no_folders(tmp_path):
    (tmp_path / "file").write_text("x")
    for folder in (False, True):
        refused(tmp_path / "no" / "a", "its folder", "does not exist", "create", folder=folder)
        refused(tmp_path / "file" / "a", "its folder", "does not exist", folder=folder)


def test_a_folder_that_is_not_writable(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # for root, permissions do not bind
    refused(tmp_path / "a", "is not writable; choose another output")


def test_a_folder_that_takes_no_files(tmp_path):
    """The system says so only when it is tried."""
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc on this system")
    for make in (write, write_folder):
        with pytest.raises(InputError, match=r"^/proc/a: could not be written: .*choose another"):
            make(Path("/proc/a"))


@pytest.mark.parametrize("letter", ["x", "ü", "字"])
def test_long_names(tmp_path, letter):
    longest = 255 // len(letter.encode())
    for make in (write, write_folder):
        path = tmp_path / (letter * (longest - 1) + make.__name__[-1])
        make(path)
        make(path, force=True)
    assert len(names(tmp_path)) == 2
    refused(tmp_path / (letter * (longest + 1)), "File name too long; choose another output")


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_is_respected(tmp_path, mask):
    before = os.umask(mask)
    try:
        write(tmp_path / "file")
        write_folder(tmp_path / "folder")
    finally:
        assert os.umask(before) == mask
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~mask


# ------------------------------------------------------------------------------------ disk full

OUTPUTS = ["a.parquet", "a.arrow", "a.npz", "a.txt", "a --parts", "a.parquet --materialize"]


@contextmanager
def full_disk() -> Iterator[None]:
    """Files of at most 30,000 bytes: a write beyond is refused as on a full disk (EFBIG).

    Only inside: pytest's own output may be a longer file.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def enough(tmp_path, monkeypatch):
    """A genome and regions whose counts take more than 30,000 bytes in every format."""
    monkeypatch.chdir(tmp_path)
    Path("g.fa").write_text(f">a\n{'ACGTTGCATGCCGATTACAG' * 50}\n")
    Path("g.fa.fai").write_text("a\t1000\t3\t1000\t1001\n")
    Path("r.bed").write_text("".join(f"a\t{i}\t{i + 100}\tname{i}\n" for i in range(900)))
    kmerengine.count("g.fa", "r.bed", materialize=True)  # compiled before the disk is full
    kmerengine.count("g.fa", vocabulary=Vocabulary.exact(13))
    kmerengine.count("g.fa", materialize=True, output="warm.parquet")
    Path("warm.parquet").unlink()


@pytest.mark.usefixtures("enough")
@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("output", [*OUTPUTS, "a.h5ad"])
def test_a_full_disk_is_one_line_and_leaves_nothing(output, existing):
    line = f"count g.fa r.bed --force -o {output}"
    path = Path(output.split()[0])
    if existing:
        assert CliRunner().invoke(main, line.split()).exit_code == 0
    before = {file: file.read_bytes() for file in Path().rglob("*") if file.is_file()}
    with full_disk():
        result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 1, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {path.stem}")  # of a.txt, it may be the vocabulary
    assert "could not be written" in result.stderr
    assert result.stderr.count("\n") == 1
    assert {file: file.read_bytes() for file in Path().rglob("*") if file.is_file()} == before
    assert path.exists() == existing


@pytest.mark.usefixtures("enough")
@pytest.mark.parametrize("line", ["vocab -o v.parquet", "vocab -o v.npy", "vocab -o v.txt"])
def test_a_vocabulary_on_a_full_disk(line):
    before = names(Path())
    with full_disk():
        result = CliRunner().invoke(main, line.split())
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "could not be written" in result.stderr
    assert names(Path()) == before


@pytest.mark.usefixtures("enough")
@pytest.mark.parametrize("output", ["t.parquet", "t.arrow", "t --parts"])
def test_totals_on_a_full_disk(output):
    before = names(Path())
    line = f"count g.fa --materialize -o {output}"
    with full_disk():
        result = CliRunner().invoke(main, line.split())
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "could not be written" in result.stderr
    assert names(Path()) == before


def test_an_index_on_a_full_disk_is_not_kept_and_counting_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("g.fa").write_text("".join(f">contig{i}\nACGTACGTACGT\n" for i in range(2000)))
    Path("r.bed").write_text("contig7\t0\t12\n")
    kmerengine.count("g.fa", "r.bed")
    Path("g.fa.fai").unlink()
    with full_disk():
        counts = kmerengine.count("g.fa", "r.bed", output="a.parquet")
    assert isinstance(counts, KmerCounts)
    assert len(counts) == 1
    assert "not kept, the next run makes it again" in counts.notes[0]
    assert names(tmp_path) == ["a.parquet", "g.fa", "r.bed"]
