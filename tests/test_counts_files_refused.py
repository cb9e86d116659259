"""Files of counts that are of other kinds, in parts that do not fit, or damaged."""

import json
import random
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from counts_world import SUFFIXES, VOCABULARIES, count, difference, write_inputs

import kmerengine
from kmerengine import InputError, KmerCounts, KmerTotals, Vocabulary, schemas


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> tuple[Path, Path]:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Row groups of 7 rows, parts of 2 row groups."""
    monkeypatch.setattr("kmerengine.kmers.rows.BATCH_ROWS", 7)
    monkeypatch.setattr("kmerengine.kmers.rows.PART_BATCHES", 2)


# ------------------------------------------------------------------------------------- refusals


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The file at `path` with its metadata changed, and sealed as if that had been meant."""
    table = pq.read_table(path)
    document = json.loads(table.schema.metadata[b"kmerengine"])
    del document["sha256"]
    change(document)
    pq.write_table(table.cast(schemas.with_metadata(table.schema, document)), path)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "format version 2, this kmerengine reads 1; update kmerengine"),
        ({"version": None}, "format version None"),
        ({"format": "kmerengine.cuts"}, "holds kmerengine.cuts, expected kmerengine.kmers"),
        ({"vocabulary": None}, "vocabulary"),
        ({"vocabulary": {"kind": "exact"}}, "vocabulary"),
        (
            {"vocabulary": {"kind": "exact", "k": 9, "masks": ["11111"], "stranded": False}},
            "vocabulary",
        ),
        (
            {"vocabulary": {"kind": "exact", "k": 17, "masks": ["1" * 17], "stranded": False}},
            "'word' is list<element: uint32 not null>, expected list<element: uint64 not null>",
        ),
        ({"kept": 3}, "expected 3"),
    ],
)
def test_metadata_of_another_kind_is_refused(inputs, change, words, tmp_path):
    path = tmp_path / "a.parquet"
    count(inputs, path, vocabulary=Vocabulary.exact(5))
    rewritten(path, dict)
    KmerCounts.open(path)
    with pytest.raises(InputError) as caught:
        KmerCounts.open(rewritten(path, lambda document: document.update(change)))
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


def others(folder: Path) -> dict[str, Path]:
    """Files that are not counts."""
    table = pa.table({"chrom": ["a"], "start": [1], "end": [2]})
    made = {
        name: folder / name
        for name in ("other.parquet", "other.arrow", "matrix.npz", "text.parquet", "empty.arrow")
    }
    pq.write_table(table, made["other.parquet"])
    with pa.ipc.new_file(made["other.arrow"], table.schema) as writer:
        writer.write_table(table)
    scipy.sparse.save_npz(made["matrix.npz"], scipy.sparse.eye(3, format="csr"))
    made["text.parquet"].write_text("chr1\t1\t2\n")
    made["empty.arrow"].write_bytes(b"")
    made["vocabulary.parquet"] = folder / "vocabulary.parquet"
    kmerengine.vocab(made["vocabulary.parquet"], vocabulary=Vocabulary.exact(3))
    for name in ("empty.npz", "empty.h5ad", "empty.parquet"):
        made[name] = folder / name
        made[name].write_bytes(b"")
    made["folder"] = folder / "folder"
    made["folder"].mkdir()
    for name in ("missing.parquet", "missing.npz", "missing.h5ad", "missing"):
        made[name] = folder / name
    for name in ("folder.npz", "folder.h5ad"):
        made[name] = folder / name
        made[name].mkdir()
    return made


def test_files_of_other_tools_are_refused(tmp_path):
    for name, path in others(tmp_path).items():
        if path.suffix == ".h5ad" and find_spec("anndata") is None:
            continue
        for kind in (KmerCounts, KmerTotals):
            with pytest.raises(InputError) as caught:
                kind.open(path)
            assert name in str(caught.value)
            assert "\n" not in str(caught.value)


def test_h5ad_of_other_tools_is_refused(tmp_path):
    import anndata
    path = tmp_path / "other.h5ad"
    anndata.AnnData(X=np.eye(3, dtype=np.float32)).write_h5ad(path)
    with pytest.raises(InputError, match=r"other.h5ad: cannot be read .*of another kind"):
        KmerCounts.open(path)


def test_counts_are_no_totals(inputs, tmp_path):
    count(inputs, tmp_path / "counts.arrow")
    kmerengine.count(inputs[0], output=tmp_path / "totals.arrow")
    with pytest.raises(
        InputError, match=r"holds kmerengine.kmers, expected kmerengine.kmer_totals"
    ):
        KmerTotals.open(tmp_path / "counts.arrow")
    with pytest.raises(
        InputError, match=r"holds kmerengine.kmer_totals, expected kmerengine.kmers"
    ):
        KmerCounts.open(tmp_path / "totals.arrow")


def test_materialized_counts_have_no_words(inputs, tmp_path):
    options = {"vocabulary": Vocabulary.exact(4), "materialize": True}
    counts = count(inputs, tmp_path / "a.parquet", **options)
    for action in (lambda: counts.exact, lambda: counts.words, lambda: counts.exact_rows(0, 1)):
        with pytest.raises(InputError, match="count again without --materialize"):
            action()
    with pytest.raises(InputError, match="another vocabulary"):
        counts.features(Vocabulary.masks(["1101"]))
    totals = kmerengine.count(inputs[0], **options)
    assert isinstance(totals, KmerTotals)
    with pytest.raises(InputError, match="count again without --materialize"):
        _ = totals.words
    with pytest.raises(InputError, match="k = 5"):
        count(inputs, vocabulary=Vocabulary.exact(4)).features(Vocabulary.exact(5))


def remove_first(folder: Path, _: Path) -> None:
    (folder / "part-00000.parquet").unlink()


def remove_last(folder: Path, _: Path) -> None:
    sorted(folder.iterdir())[-1].unlink()


def mix(folder: Path, other: Path) -> None:
    shutil.copy(other / "part-00001.parquet", folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remove_first, "no part-00000.parquet"),
        (remove_last, "regions, expected"),
        (mix, "part-00001.parquet: is not of the same count as part 0"),
    ],
)
def test_a_folder_of_the_wrong_parts_is_refused(inputs, change, words, tmp_path):
    count(inputs, tmp_path / "a", vocabulary=Vocabulary.exact(4))
    count(inputs, tmp_path / "b", vocabulary=Vocabulary.exact(5))
    change(tmp_path / "a", tmp_path / "b")
    with pytest.raises(InputError, match=words):
        KmerCounts.open(tmp_path / "a")


# --------------------------------------------------------------------------------------- damage

N_DAMAGED = 300


def damaged(content: bytes, seed: int) -> bytes:
    """Cut short, or with a few bytes changed, half of them near the end, where the tables are."""
    rng = random.Random(seed)
    if seed % 3 == 0:
        return content[: rng.randrange(len(content))]
    made = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        near_the_end = len(made) - 1 - int(rng.expovariate(1 / 400))
        at = rng.randrange(len(made)) if seed % 2 else max(0, near_the_end)
        made[at] ^= rng.choice([1 << rng.randrange(8), 255, rng.randrange(1, 256)])
    return bytes(made)


def check(messages: list[str], path: Path) -> None:
    """Most of the damage was refused, each time in one line that names the file."""
    assert len(messages) > N_DAMAGED / 2
    for message in messages:
        assert str(path) in message
        assert "\n" not in message


def used(counts: KmerCounts) -> None:
    """Everything that can be asked of counts."""
    counts.to_polars()
    assert counts.regions.num_rows == len(counts)
    if counts.vocabulary.is_numbered:
        counts.features()
    if not counts.is_materialized:
        _ = counts.exact


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["masks", "gkm, materialized", "k = 20"])
def test_a_damaged_file_is_an_error_or_right(inputs, name, suffix, tmp_path):
    """Arrow IPC carries no checksum of its data: there, changed numbers may be read, no more."""
    vocabulary, materialize = VOCABULARIES[name]
    path = tmp_path / f"a{suffix}"
    options = {"vocabulary": vocabulary, "materialize": materialize, "max_regions": 12}
    expected = count(inputs, path, **options)
    file = path if suffix else path / "part-00000.parquet"
    content = file.read_bytes()
    messages: list[str] = []
    for seed in range(N_DAMAGED):
        file.unlink()  # a new file: the old one may be mapped
        file.write_bytes(damaged(content, seed))
        try:
            found = KmerCounts.open(path)
            used(found)
            different = difference(found, expected) if suffix != ".arrow" else ""
        except InputError as error:
            messages.append(str(error))
        else:
            assert different == "", f"seed {seed}"
    check(messages, path)
    file.unlink()
    file.write_bytes(content)
    assert difference(KmerCounts.open(path), expected) == ""


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("materialize", [False, True])
def test_damaged_totals_are_an_error_or_right(inputs, suffix, materialize, tmp_path):
    path = tmp_path / f"a{suffix}"
    options = {"vocabulary": Vocabulary.masks(["1101"]), "materialize": materialize}
    expected = kmerengine.count(inputs[0], output=path, **options)
    assert isinstance(expected, KmerTotals)
    frame, features = expected.to_polars(), expected.features()
    content = path.read_bytes()
    messages: list[str] = []
    for seed in range(N_DAMAGED):
        path.unlink()
        path.write_bytes(damaged(content, seed))
        try:
            found = KmerTotals.open(path)
            result = found.to_polars(), found.features(), found.counts
        except InputError as error:
            messages.append(str(error))
        else:
            if suffix == ".parquet":
                assert result[0].equals(frame)
                assert np.array_equal(result[1], features)
    check(messages, path)


def test_damaged_id_lists_and_vocabularies_are_an_error_or_text(inputs, tmp_path):
    path, words = tmp_path / "a.txt", tmp_path / "a.vocabulary.npy"
    vocabulary = Vocabulary.exact(4)
    count(inputs, path, vocabulary=vocabulary)
    lines, listed = path.read_bytes(), words.read_bytes()
    messages: list[str] = []
    for seed in range(N_DAMAGED):
        path.write_bytes(damaged(lines, seed))
        words.write_bytes(damaged(listed, seed))
        for read in (
            lambda: kmerengine.read_id_lists(path, vocabulary.n_features),
            lambda: kmerengine.read_vocabulary(words),
        ):
            try:
                read()
            except InputError as error:
                messages.append(str(error))
    check(messages, tmp_path)


# ----------------------------------------------------------------------------- nothing is run


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["data", "indices", "kmerengine", "name", "words", "other"])
def test_an_npz_with_objects_is_refused_and_not_unpickled(inputs, name, tmp_path):
    path, trap = tmp_path / "a.npz", Trap(tmp_path / "sprung")
    count(inputs, path, vocabulary=Vocabulary.exact(13))
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    arrays[name] = np.array([trap] * len(np.atleast_1d(arrays.get(name, [0]))), object)
    np.savez(path, **arrays, allow_pickle=True)
    with pytest.raises(InputError, match=r"a.npz"):
        KmerCounts.open(path)
    assert not trap.path.exists()
    with np.load(path, allow_pickle=True) as file:  # the trap works
        _ = file[name]
    assert trap.path.exists()


def test_a_vocabulary_with_objects_is_refused_and_not_unpickled(tmp_path):
    path, trap = tmp_path / "a.npy", Trap(tmp_path / "sprung")
    np.save(path, np.array({"A": 0, "C": trap}, object), allow_pickle=True)
    with pytest.raises(InputError, match=r"a.npy: its pickle names .*; expected only NumPy's"):
        kmerengine.read_vocabulary(path)
    assert not trap.path.exists()
