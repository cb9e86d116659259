"""Files of strangers: nothing is run or written elsewhere, or given the memory it asks for."""

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzz.mutate import bgzf_block
from fuzz.mutate_stored import document_of, put_document

import kmerengine
from kmerengine import Dataset, InputError, KmerCounts, KmerTotals, Vocabulary, schemas
from kmerengine.cut_sites.track import CutTrack
from kmerengine.datasets.arrays import read_npy
from kmerengine.io.arrays import map_array, write_array
from kmerengine.io.bam import BamFile
from kmerengine.io.deepsea import open_deepsea
from kmerengine.io.fasta import Genome
from kmerengine.io.mat import read_mat
from kmerengine.io.npz import read_arrays
from kmerengine.kmers.bindvae import read_vocabulary
from modelkit.training.checkpoint import read_checkpoint
from modelkit.training.run import Run
from modelkit.weights.import_weights import read_tensors
from modelkit.weights.names import read_names

HUGE = 1 << 60


class Payload:
    """When it is unpickled, a file appears."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def mark(tmp_path):
    """The file that only a pickle that is run would make."""
    path = tmp_path / "was-run"
    pickle.loads(pickle.dumps(Payload(path)))
    assert path.exists()  # the payload works
    path.unlink()
    return path


def header(shape: object, descr: str = "|O") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode()


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


# ----------------------------------------------------------------------------------------- pickles


def test_pickles_in_arrays_are_not_run(tmp_path, mark):
    payload = pickle.dumps(Payload(mark))
    (tmp_path / "a.npy").write_bytes(header("()") + payload)
    zipped(
        tmp_path / "a.npz", {"data.npy": header("()") + payload, "x.npy": header("(1,)") + payload}
    )
    for read in (read_npy, read_vocabulary, read_names):
        with pytest.raises(InputError, match=r"a\.npy"):
            read(tmp_path / "a.npy")
    for read in (KmerCounts.open, read_tensors):
        with pytest.raises(InputError, match=r"a\.npz"):
            read(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"a\.npz"), open_deepsea(tmp_path / "a.npz"):
        pass
    assert not mark.exists()


@pytest.mark.parametrize("form", ["zip", "legacy", "bare", "inside a state dict"])
def test_pickles_in_weights_are_not_run(tmp_path, mark, form):
    path = tmp_path / "w.pt"
    if form == "bare":
        path.write_bytes(pickle.dumps(Payload(mark)))
    else:
        held = {"a": torch.ones(2), "b": Payload(mark)} if form[0] == "i" else Payload(mark)
        torch.save(held, path, _use_new_zipfile_serialization=form != "legacy")
    with pytest.raises(InputError, match="more than tensors"):
        read_tensors(path)
    assert not mark.exists()


def test_pickles_for_checkpoints_are_not_run(tmp_path, mark):
    for content in (
        pickle.dumps(Payload(mark)),
        struct.pack("<Q", 8) + pickle.dumps(Payload(mark)),
    ):
        (tmp_path / "best.safetensors").write_bytes(content)
        with pytest.raises(InputError, match="safetensors"):
            read_checkpoint(tmp_path / "best.safetensors")
    torch.save({"a": Payload(mark)}, tmp_path / "best.safetensors")
    with pytest.raises(InputError, match="safetensors"):
        read_checkpoint(tmp_path / "best.safetensors")
    assert not mark.exists()


# ------------------------------------------------------------------------------------ other folders


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A small data set, and a file beside its folder."""
    from fuzz.stored_targets import make_dataset

    folder = tmp_path_factory.mktemp("d")
    made = make_dataset(folder)
    write_array(folder / "secret.arrow", np.zeros((5, 5), np.uint8))
    return made


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "sub/../../secret"])
def test_a_data_set_reads_no_array_of_another_folder(dataset, tmp_path, name):
    described = write_array(tmp_path / "x.arrow", np.zeros((5, 5), np.uint8))
    folder = tmp_path / "copy"
    folder.mkdir()
    files = {each.name: each.read_bytes() for each in dataset.iterdir()}
    about = document_of("dataset.json", files["dataset.json"])
    about["arrays"][name] = {"start": 0, "file": described}
    about["spans"][name] = [0, 5]
    for each in ("dataset.json", "regions.parquet"):
        files[each] = put_document(each, files[each], about)
    for each, content in files.items():
        (folder / each).write_bytes(content)
    with pytest.raises(InputError, match=r"describes|no such file|No such file|holds"):
        Dataset.open(folder)


def test_a_run_reads_nothing_that_its_document_names(tmp_path, monkeypatch):
    """run.json names other files as its data; only names that the code knows are opened."""
    import attribute_world

    attribute_world.make_files(tmp_path)
    data = attribute_world.make_data(tmp_path, tmp_path / "d")
    path = attribute_world.make_run(tmp_path / "run", data).path
    about = document_of("run.json", (path / "run.json").read_bytes())
    about |= {"dataset": {"name": "../../secret", "sha256": "0"}, "weights": "../best.safetensors"}
    (path / "run.json").write_bytes(put_document("run.json", b"", about))
    opened: list[str] = []
    monkeypatch.setattr(
        "modelkit.training.run.read_checkpoint",
        lambda p: opened.append(str(p)) or read_checkpoint(p),
    )
    Run.open(path).network()
    assert opened == [str(path / "best.safetensors")]


def test_members_of_archives_are_not_written_anywhere(tmp_path):
    ones = io.BytesIO()
    np.save(ones, np.ones(3))
    path = zipped(tmp_path / "a.npz", {"../up.npy": ones.getvalue(), "/abs.npy": ones.getvalue()})
    before = {each.name for each in tmp_path.parent.iterdir()}
    assert {name.strip("./") for name in read_arrays(path)} == {"up", "abs"}
    assert {each.name for each in tmp_path.parent.iterdir()} == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.npz"]


# ------------------------------------------------------------------------------------------- memory

GUARD = """
import resource, sys
sys.path[:0] = {path!r}
{setup}
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + (1 << 30), -1))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    {call}
except InputError as error:
    print("refused", error)
print("grew", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def guarded(setup: str, call: str) -> tuple[str, int]:
    """What a call says in a process that may take 1 GiB more, and by how many KiB it grew."""
    here = Path(__file__).parent
    code = GUARD.format(path=[str(here), str(here.parent)], setup=setup, call=call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    said, _, grew = done.stdout.rpartition("grew ")
    return said, int(grew)


def test_headers_that_promise_more_than_there_is(tmp_path):
    zipped(tmp_path / "a.npz", {"data.npy": header(f"({HUGE},)", "|u1")})
    (tmp_path / "a.npy").write_bytes(header(f"({HUGE},)", "<f8"))
    with pytest.raises(InputError, match="expected as many as it says"):
        read_arrays(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"a\.npy"):
        read_npy(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"a\.npz"):
        read_tensors(tmp_path / "a.npz")
    described = write_array(tmp_path / "a.arrow", np.zeros((3, 4), np.int16))
    for change in ({"shape": [HUGE, 4]}, {"offset": HUGE}, {"shape": [HUGE], "bytes": 2 * HUGE}):
        with pytest.raises(InputError, match=r"a\.arrow"):
            map_array(tmp_path / "a.arrow", described | change)
    metadata = json.dumps({"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}})
    for size in (len(metadata), HUGE):
        (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", size) + metadata.encode())
        with pytest.raises(InputError, match="safetensors"):
            read_checkpoint(tmp_path / "a.safetensors")
    text = b"BAM\1" + struct.pack("<iI", 0, 0x7FFFFFFF)
    (tmp_path / "a.bam").write_bytes(bgzf_block(text) + bgzf_block(b""))
    with pytest.raises(InputError, match=r"a\.bam"):
        BamFile(tmp_path / "a.bam")


def test_a_zip_file_that_unpacks_to_too_much_is_not_unpacked(tmp_path):
    zipped(tmp_path / "a.npz", {"data.npy": header("(9,)", "|u1") + bytes(9)})
    content = bytearray((tmp_path / "a.npz").read_bytes())
    at = content.index(b"PK\1\2")
    struct.pack_into("<I", content, at + 24, (1 << 31) + 200)  # what the directory says of its size
    (tmp_path / "a.npz").write_bytes(content)
    for read in (read_arrays, read_tensors, KmerCounts.open):
        with pytest.raises(InputError, match="unpacks to 2,1"):
            read(tmp_path / "a.npz")
    torch.save({"a": torch.ones(3)}, tmp_path / "w.pt")
    content = bytearray((tmp_path / "w.pt").read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\1\2") + 24, (1 << 32) - 10)
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(InputError, match="unpacks to 4,2"):
        read_tensors(tmp_path / "w.pt")


def test_a_gzip_bomb_does_not_fill_the_memory(tmp_path):
    """Much of one byte in little: one endless line, NUL, blank lines."""
    for name, byte in (("line", b"A"), ("nul", b"\0"), ("blank", b"\n")):
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        n = 130 if name == "blank" else 40
        body = b"".join(packer.compress(byte * (1 << 20)) for _ in range(n)) + packer.flush()
        (tmp_path / f"{name}.gz").write_bytes(body)
    setup = (
        "from kmerengine.errors import InputError\nfrom kmerengine.io.bed import read_regions\n"
        "from kmerengine.io.fasta import Genome\nfrom kmerengine.motifs.files import read_motifs\n"
        "def each(read, path):\n"
        "    try:\n        read(path)\n        print('read', path)\n"
        "    except InputError as error:\n        print('refused', error)\n"
    )
    call = ";".join(
        f"each({read}, {str(tmp_path / name)!r})"
        for read in ("read_regions", "read_motifs", "Genome.open")
        for name in ("line.gz", "nul.gz", "blank.gz")
        if (read, name) != ("read_regions", "blank.gz")  # which are regions: none
    )
    said, grew = guarded(setup, call)
    assert said.count("refused") == 8, said
    assert grew < 200 << 10, (grew, said)


def test_an_array_of_matlab_that_unpacks_to_too_much(tmp_path, monkeypatch):
    from scipy.io import savemat

    savemat(tmp_path / "a.mat", {"x": np.zeros((1000, 1000))}, do_compression=True)
    assert read_mat(tmp_path / "a.mat")["x"].shape == (1000, 1000)
    monkeypatch.setattr("kmerengine.io.mat.UNPACKED", 1 << 20)
    with pytest.raises(InputError, match="more than"):
        read_mat(tmp_path / "a.mat")


@pytest.mark.parametrize("packed", [False, True])
def test_arrays_of_matlab_are_those_of_scipy(tmp_path, packed):
    from scipy.io import loadmat, savemat

    rng = np.random.default_rng(0)
    given = {f"a{i}": rng.integers(0, 100, shape).astype(kind) for i, (kind, shape) in enumerate(
        [("u1", (3, 4, 5)), ("f8", (2, 2)), ("f4", (7,)), ("i4", (1, 1)), ("u2", (0, 3)),
         ("i8", (2, 3, 1, 2)), ("i1", (5, 1)), ("u8", (1, 9))])}  # fmt: skip
    others = {"text": "words", "cell": np.array([1, "a"], object), "z": np.array([1 + 2j])}
    savemat(tmp_path / "a.mat", {**given, **others}, do_compression=packed)
    expected, found = loadmat(tmp_path / "a.mat"), read_mat(tmp_path / "a.mat")
    assert found.keys() == given.keys()
    for name, values in found.items():
        assert values.dtype == expected[name].dtype
        np.testing.assert_array_equal(values, expected[name])


# ---------------------------------------------------------------------------- documents and columns


def test_documents_under_a_seal_that_fits(dataset, tmp_path):
    """Anyone can write a seal: what it covers is not trusted for that."""
    for change in (
        {"parameters": []}, {"inputs": 3}, {"kept": float("inf")}, {"margin": -1}, {"spans": {}},
        {"arrays": {}}, {"samples": None}, {"window": [1]}, {"kept": 10**400},
    ):  # fmt: skip
        folder = tmp_path / "copy"
        folder.mkdir(exist_ok=True)
        files = {each.name: each.read_bytes() for each in dataset.iterdir()}
        about = document_of("dataset.json", files["dataset.json"]) | change
        for name, content in files.items():
            same = name in ("dataset.json", "regions.parquet")
            (folder / name).write_bytes(put_document(name, content, about) if same else content)
        with pytest.raises(InputError):
            Dataset.open(folder)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Counts and totals, and cuts, as Arrow tables."""
    folder = tmp_path_factory.mktemp("t")
    (folder / "g.fa").write_text(">chr1\n" + "ACGTTGCATTGACC" * 9 + "\n")
    (folder / "f.tsv").write_text("".join(f"chr1\t{i}\t{i + 40}\tx\t1\n" for i in range(0, 60, 7)))
    small = Vocabulary.wildcard(4, 1)
    for name, options in (("t", {"materialize": True}), ("c", {"per_record": True})):
        path = folder / f"{name}.parquet"
        kmerengine.count(folder / "g.fa", output=path, vocabulary=small, **options)
    kmerengine.cuts([folder / "f.tsv"], output=folder / "x.arrow", input_shift="none")
    return folder


def changed(path, output, change):
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".arrow":
        table = change(pa.ipc.open_file(path).read_all())
        with pa.ipc.new_file(output, table.schema) as writer:
            writer.write_table(table)
    else:
        pq.write_table(change(pq.read_table(path)), output)
    return output


def with_null(name):
    import pyarrow as pa

    def change(table):
        column = table[name].combine_chunks()
        at = table.schema.get_field_index(name)
        gone = pa.array([None, *column.to_pylist()[1:]], column.type)
        return table.set_column(at, pa.field(name, column.type), gone)

    return change


def test_columns_that_are_there_twice_or_have_nulls(tables, tmp_path):
    twice = lambda name: lambda t: t.append_column(t.schema.field(name), t[name])  # noqa: E731
    for file, read, name in (
        ("t.parquet", lambda p: KmerTotals.open(p).features(), "count"),
        ("c.parquet", lambda p: KmerCounts.open(p).features(), "count"),
        ("x.arrow", lambda p: CutTrack.open(p).cuts("f", "chr1"), "count"),
    ):
        read(tables / file)
        path = changed(tables / file, tmp_path / file, twice(name))
        with pytest.raises(InputError, match="more than once"):
            read(path)
        path = changed(tables / file, tmp_path / file, with_null(name))
        with pytest.raises(InputError, match="nulls"):
            read(path)


def test_totals_and_cuts_that_cannot_be(tables, tmp_path):
    path = changed(tables / "t.parquet", tmp_path / "t.parquet", lambda table: table.slice(1))
    with pytest.raises(InputError, match="each of"):
        KmerTotals.open(path).features()

    def off(table):
        import pyarrow as pa

        position = pa.array(table["position"].to_pylist()[::-1], table["position"].type)
        at = table.schema.get_field_index("position")
        return table.set_column(at, table.schema.field("position"), position)

    path = changed(tables / "x.arrow", tmp_path / "x.arrow", off)
    with pytest.raises(InputError, match="do not ascend within"):
        CutTrack.open(path).cuts("f", "chr1")


def test_numbers_of_thousands_of_digits(tmp_path):
    many = "9" * 5000
    (tmp_path / "g.fa").write_text(">chr1\nACGT\n")
    (tmp_path / "g.fa.fai").write_text(f"chr1\t{many}\t6\t4\t5\n")
    with pytest.raises(InputError, match="four numbers"):
        Genome.open(tmp_path / "g.fa")
    (tmp_path / "g.fa.fai").write_text(f"{many}\t4\t6\t4\t5\n")
    with pytest.raises(InputError, match="expected the header") as error:
        Genome.open(tmp_path / "g.fa")
    assert len(str(error.value)) < 1000
    from kmerengine.io.contigs import read_contigs

    (tmp_path / "sizes").write_text(f"chr1\t{many}\n")
    with pytest.raises(InputError, match="a contig and its length"):
        read_contigs(tmp_path / "sizes")


def test_stages_of_a_pipeline_that_are_none(tmp_path):
    from modelkit.pipelines.stages import Stage, run_stages

    stages = [Stage(name="one", output="one.txt", run=lambda output, _: output.write_text("made"))]
    run_stages(stages, tmp_path / "w", name="x")
    about = tmp_path / "w" / "pipeline.json"
    good = document_of("pipeline.json", about.read_bytes())
    (first,) = good["stages"]
    for listed in (3, [{}], [{**first, "inputs": 3}]):
        change = {"stages": listed}
        about.write_bytes(put_document("pipeline.json", b"", good | change))
        with pytest.raises(InputError, match="lacks what a stage has"):
            run_stages(stages, tmp_path / "w", name="x")
    assert good["format"] == schemas.PIPELINE
