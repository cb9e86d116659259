"""Mutated files for every reader: InputError, or an answer that is right; see tests/fuzz."""

import ast
import json
import random
import re
import sys
import tempfile
import zlib
from collections.abc import Iterator
from inspect import getattr_static
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz import child, cram, readers, result_targets, run
from fuzz.cram import some_cram
from fuzz.mutate_stored import document_of, put_document
from fuzz.stored_targets import read_bam
from fuzz.target import Target, Wrong
from fuzz.targets import every_target, target_of

import kmerengine
import modelkit
from kmerengine import InputError
from modelkit.baselines.kmer_set import KmerSet
from modelkit.inference.cross_gc import gc_of_sample

TARGETS = [each.name for each in every_target()]
FAST = 60  # inputs of a cheap target; a slow one has as many as its cost allows


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_files_are_refused_or_read(name, tmp_path, monkeypatch):
    """In this process, without the limits of a child: a fault is a traceback."""
    target = target_of(name)
    made, here, home = (tmp_path / each for each in ("made", "here", "home"))
    for folder in (made, here, home):
        folder.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    seeds = list(target.seeds(made))
    outcomes = {"accepted": 0, "refused": 0}
    for files in seeds:
        child._read(target, here, files)
    before = set(home.rglob("*"))  # an index or a cache of a good file
    for number in range(max(12, FAST // target.cost)):
        kind, what = child._outcome(target, here, child.input_of(target, seeds, 1, number))
        assert kind in outcomes, f"{name}, input {number} of seed 1: {kind}: {what}"
        outcomes[kind] += 1
    assert outcomes["refused"], "nothing was refused: the mutations do nothing"
    assert set(home.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_mutated_files(name, tmp_path):
    found = run.fuzz(name, 100 + 4000 // target_of(name).cost, seed=2, keep=tmp_path)
    assert found["faults"] == 0, found["shown"][:3]
    assert found["peak_bytes"] < 1 << 30


# --------------------------------------------------------------------- that no reader is left out

READING = {
    "AlignmentFile", "BigWig", "ParquetFile", "TableReader", "load", "loads", "map_array",
    "open_folder", "parse_metadata", "read_arrays", "read_bytes", "read_checkpoint",
    "read_document", "read_metadata", "read_npy", "read_table", "read_text", "stream_fasta",
}  # fmt: skip
OPENING = {"kmerengine.io.bam", "kmerengine.io.compressed", "kmerengine.io.deepsea",
           "kmerengine.io.text", "kmerengine.io.bigwig", "kmerengine.cut_sites.sources",
           "kmerengine.kmers.bindvae", "kmerengine.datasets.from_arrays"}  # fmt: skip


def reading_modules() -> Iterator[str]:
    """Modules that call what reads files; of `open`, which writes too, those that are listed."""
    for package in (kmerengine, modelkit):
        root = Path(str(package.__file__)).parent
        for path in root.rglob("*.py"):
            calls = {
                node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
            }
            name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            of_weights = name.startswith("modelkit.") and calls & READING == {"load"}
            if (calls & READING and not of_weights) or name in OPENING:
                yield name


def test_every_module_that_reads_has_a_target_or_a_reason():
    found = set(reading_modules())
    assert found == readers.BY_TARGETS.keys() | readers.WITHOUT.keys()
    assert not readers.BY_TARGETS.keys() & readers.WITHOUT.keys()
    assert {t for each in readers.BY_TARGETS.values() for t in each.split()} <= set(TARGETS)


def test_every_public_reader_s_module_is_among_them():
    for package in (kmerengine, modelkit):
        for name in package.__all__:
            each = getattr(package, name)
            opens = isinstance(getattr_static(each, "open", None), classmethod)
            if opens or name.startswith("read_"):
                module = {"read_motifs": "kmerengine.io.text", "read_fimo": "kmerengine.io.text"}
                assert module.get(name, each.__module__) in readers.BY_TARGETS, name


def fits(content: bytes, low: int, high: int) -> bool:
    return zlib.crc32(content[low:high]) == int.from_bytes(content[high : high + 4], "little")


def test_changed_crams_have_checksums_that_fit(tmp_path):
    for content in crams_of(tmp_path)[:3]:
        places = list(cram._sealed(content))
        assert len(places) > 8
        assert all(fits(content, *each) for each in places)
        changed = [some_cram(content, random.Random(i)) for i in range(20)]
        same = [each for each in changed if all(fits(each, *place) for place in places)]
        assert len(same) >= 10
        assert content not in same


# ------------------------------------------------------------------------ what fuzzing has found


def put(name: str, path: Path, about: str = "", **changes: object) -> Path:
    """A golden file or folder with other values in a document, in every file that carries it."""
    files = result_targets.golden(name)(path)[0]
    for each, content in files.items():
        found = document_of(each, content)
        if found is not None and (not about or each == about):
            files[each] = put_document(each, content, found | changes)
    for each, content in files.items():
        (path / each).write_bytes(content)
    return path


def without_rows(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(0, 0), path)


def twice(path: Path, column: str) -> None:
    table = pq.read_table(path)
    pq.write_table(table.append_column(table.schema.field(column), table[column]), path)


def test_sets_of_words_without_names_are_refused(tmp_path):
    for sets in ([{}], ["x"], [{"name": "f"}], [None]):
        with pytest.raises(InputError, match="lacks what such a file has"):
            modelkit.ContextKmers.open(put("context_kmers", tmp_path, sets=sets))


def test_results_without_rows_are_refused(tmp_path):
    for name, table, opened in (
        ("context_profiles", "profiles.parquet", modelkit.AggregateProfiles),
        ("filters", "filters.parquet", modelkit.FilterMotifs),
    ):
        (tmp_path / name).mkdir()
        without_rows(put(name, tmp_path / name) / table)
        with pytest.raises(InputError, match="has no rows"):
            opened.open(tmp_path / name)


def test_a_column_twice_is_no_table_of_epochs_or_of_names(tmp_path):
    put("trained/metrics.parquet", tmp_path)
    result_targets.read_epochs(tmp_path)
    twice(tmp_path / "metrics.parquet", "train_loss")
    with pytest.raises(InputError, match="'train_loss' more than once"):
        result_targets.read_epochs(tmp_path)
    put("evaluation", tmp_path)
    result_targets.read_evaluation(tmp_path)
    names = pq.read_schema(tmp_path / "by_name.parquet").names
    twice(tmp_path / "by_name.parquet", names[1])
    with pytest.raises(InputError, match="more than once"):
        result_targets.read_evaluation(tmp_path)


def test_documents_with_numbers_that_are_none_are_refused(tmp_path):
    huge = json.loads("1e999")
    put("footprint", tmp_path, window=huge)
    with pytest.raises(InputError, match="lacks what such a file has"):
        result_targets.read_footprints(tmp_path)
    put("kmer_set/kmer_set.parquet", tmp_path, positives=huge)
    with pytest.raises(InputError, match="lacks what such a file has"):
        KmerSet.open(tmp_path / "kmer_set.parquet")
    put("kmer_set/kmer_set.parquet", tmp_path, negatives=1 << 40)
    with pytest.raises(InputError, match=r"found 1,099,511,627,\d+ sequences, expected fewer"):
        KmerSet.open(tmp_path / "kmer_set.parquet")
    put("evaluation", tmp_path)
    text = (tmp_path / "metrics.json").read_text()
    (tmp_path / "metrics.json").write_text(re.sub(r'"examples": \d+', '"examples": 1e999', text))
    with pytest.raises(InputError, match="is damaged"):
        result_targets.read_evaluation(tmp_path)
    put("begun.partial", tmp_path, document=[1])
    with pytest.raises(InputError, match="lacks what such a file has"):
        result_targets.read_begun(tmp_path)


def test_tables_that_lack_a_row_are_refused(tmp_path):
    for name, table, read, message in (
        ("footprint", "footprints.parquet", result_targets.read_footprints, "expected 40"),
        ("topic_map.parquet", "topic_map.parquet", result_targets.read_topic_map,
         "not every factor with every topic"),
    ):  # fmt: skip
        path = put(name, tmp_path) / table
        read(tmp_path)
        pq.write_table(pq.read_table(path).slice(1), path)
        with pytest.raises(InputError, match=message):
            read(tmp_path)


def test_a_motif_of_a_topic_that_is_none_is_refused(tmp_path):
    path = put("topic_motifs", tmp_path) / "topic_motifs.parquet"
    table = pq.read_table(path)
    assert table["frequencies"].null_count < len(table)
    field = table.schema.field("aligned")
    nulls = pa.nulls(len(table), field.type)
    pq.write_table(table.set_column(table.schema.get_field_index("aligned"), field, nulls), path)
    with pytest.raises(InputError, match="lacks what such a file has"):
        modelkit.TopicMotifs.open(tmp_path)


def test_a_sample_without_gc_is_refused(tmp_path):
    path = put("sample", tmp_path) / "regions.parquet"
    assert all(0 < each < 1 for each in gc_of_sample(path))
    pq.write_table(pq.read_table(path).drop_columns("gc"), path)
    with pytest.raises(InputError, match="no column 'gc'"):
        gc_of_sample(path)


def test_a_cram_whose_contigs_are_no_text_is_refused(tmp_path):
    plain = crams_of(tmp_path)[0]
    made = bytearray(plain.replace(b"SN:chr1", b"SN:ch\xff1"))
    assert bytes(made) != plain
    for low, high in cram._sealed(plain):
        made[high : high + 4] = zlib.crc32(made[low:high]).to_bytes(4, "little")
    (tmp_path / "x").mkdir()
    (tmp_path / "x/a.cram").write_bytes(made)
    with pytest.raises(InputError, match="cannot be read as CRAM"):
        read_bam(tmp_path / "x")


def crams_of(folder: Path) -> list[bytes]:
    return [files["a.cram"] for files in target_of("cram").seeds(folder)]


# ----------------------------------------------------------------------------- of fuzzing itself


def test_inputs_are_the_same_for_the_same_seed(tmp_path):
    target = target_of("bed")
    seeds = list(target.seeds(tmp_path))
    first, again, other = (
        [child.input_of(target, seeds, seed, number) for number in range(20)] for seed in (1, 1, 2)
    )
    assert first == again != other


def faulty(name: str):
    """A reader with a fault of each kind, by the first byte of its file."""

    def read(folder: Path) -> None:
        match (folder / "x").read_bytes()[:1]:
            case b"r":
                raise KeyError("x")
            case b"w":
                raise Wrong("another answer")
            case b"m":
                from kmerengine.errors import InputError

                raise InputError("two\nlines")
            case b"i":
                from kmerengine.errors import InputError

                raise InputError("one line")
            case b"s":
                while True:
                    pass

    return Target(name, lambda _: [{"x": b"good"}], lambda files, _: files, read)


def test_every_kind_of_fault_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "SECONDS", 0.2)
    import signal

    before = signal.signal(signal.SIGPROF, child._too_slow)
    try:
        kinds = [child._outcome(faulty("x"), tmp_path, {"x": each})[0]
                 for each in (b"good", b"i", b"r", b"w", b"m", b"s")]  # fmt: skip
    finally:
        signal.signal(signal.SIGPROF, before)
    assert kinds == ["accepted", "refused", "raised", "wrong", "message", "slow"]


CRASHING = """
import ctypes, os, random
from fuzz.target import Target
def read(folder):
    text = (folder / "x").read_bytes()
    if text == b"3": ctypes.string_at(0)
    if text == b"5": bytearray(8 << 30)
    if text == b"6": open("up", "w").close()
def change(files, rng): return {"x": str(rng.randrange(7)).encode()}
TARGETS = [Target("crashing", lambda _: [{"x": b"0"}], change, read)]
"""


def test_a_child_that_dies_is_a_fault_and_the_rest_is_read(tmp_path, monkeypatch):
    (tmp_path / "crashing.py").write_text(CRASHING)
    (tmp_path / "sitecustomize.py").write_text(
        "import fuzz.targets\nfuzz.targets.GROUPS = {'crashing': 'TARGETS'}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    drawn = [random.Random(f"0 crashing {number}").randrange(7) for number in range(12)]
    found = run.fuzz("crashing", 12, keep=tmp_path / "kept")
    kinds = {each["input"]: each["kind"] for each in found["shown"]}
    expected = {i: {3: "died", 5: "raised"}[d] for i, d in enumerate(drawn) if d in (3, 5)}
    assert {i: kind for i, kind in kinds.items() if i >= 0} == expected
    assert len(expected) >= 2
    assert (kinds.get(-1) == "escape") == (6 in drawn)
    what = {each["input"]: each["what"] for each in found["shown"]}
    assert what[-1] == "['work/home/up']"  # and not where that was
    n_bad = sum(each in (3, 5) for each in drawn)
    assert (found["accepted"], found["faults"]) == (12 - n_bad, n_bad + (6 in drawn))
    dead = next(i for i, kind in expected.items() if kind == "died")
    assert (tmp_path / "kept" / f"crashing-{dead}" / "x").read_bytes() == b"3"


def test_the_log_says_what_was_done(tmp_path):
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from bench.fuzz import joined, log_of, shares

    targets = list(every_target())
    wanted = shares(targets, 100_000)
    assert 100_000 <= sum(wanted.values()) <= 100_000 + len(targets)
    assert wanted["bed"] > wanted["dataset"] > 100
    row = {"inputs": 5, "refused": 3, "accepted": 1, "faults": 1, "seconds": 60.0,
           "peak_bytes": 3 << 20, "shown": [{"input": 4, "kind": "raised",
                                                "what": "KeyError"}]}  # fmt: skip
    both = joined(row, {**row, "shown": [], "faults": 0})
    assert (both["inputs"], both["faults"], len(both["shown"])) == (10, 1, 1)
    text = log_of({"seed": 0, "commit": {"commit": "abc"}, "date": "2026-01-01",
                   "targets": {"bed": both}})  # fmt: skip
    assert "| bed | 10 | 6 | 2 | 1 | 120 | 3 |" in text
    assert "bed 4: raised: `KeyError`" in text
    assert json.dumps(both)
    assert tempfile.gettempdir() not in text
