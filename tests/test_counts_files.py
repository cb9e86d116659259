"""Every file of counts: what is read is what was written, lazily."""

import hashlib
import json
import os
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from counts_world import SUFFIXES, VOCABULARIES, count, difference, equal, write_inputs

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


# ---------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", VOCABULARIES)
def test_an_opened_file_is_what_was_counted(inputs, name, suffix, tmp_path):
    vocabulary, materialize = VOCABULARIES[name]
    options = {"vocabulary": vocabulary, "materialize": materialize}
    expected = count(inputs, **options)
    assert len(expected) > 30
    assert expected.exact.nnz if not materialize else expected.features().nnz
    written = count(inputs, tmp_path / f"a{suffix}", **options)
    assert difference(written, expected) == ""
    assert difference(KmerCounts.open(tmp_path / f"a{suffix}"), expected) == ""
    if suffix:  # and what was read can be saved
        KmerCounts.open(tmp_path / f"a{suffix}").save(tmp_path / f"b{suffix}")
        assert difference(KmerCounts.open(tmp_path / f"b{suffix}"), expected) == ""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_name_that_is_no_utf_8(inputs, suffix, tmp_path):
    folder = tmp_path / os.fsdecode(b"b\xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("names are UTF-8 on this file system")
    genome, regions = (shutil.copy(path, folder) for path in inputs)
    options = {"vocabulary": Vocabulary.exact(4)}
    count((genome, regions), folder / f"a{suffix}", **options)
    found = KmerCounts.open(folder / f"a{suffix}")
    assert equal(found.exact, count(inputs, **options).exact)


def test_the_fixture_has_what_can_go_wrong(inputs):
    regions = count(inputs).regions.to_pydict()
    assert {None, 0.0, -1.5, 1e300} <= set(regions["score"])
    assert {"", "N", "ü", '"', "a b"} <= set(regions["name"])
    assert set(regions["strand"]) == {"+", "-", "."}
    assert set(regions["chrom"]) == {"b", "ä"}
    assert count(inputs, vocabulary=Vocabulary.exact(20)).provenance["skipped"]


@pytest.mark.parametrize("name", ["default", "gkm, materialized", "k = 20"])
def test_any_format_becomes_any_other(inputs, name, tmp_path):
    vocabulary, materialize = VOCABULARIES[name]
    expected = count(inputs, vocabulary=vocabulary, materialize=materialize)
    chain = [".arrow", ".npz", ".parquet", ".npz", ".arrow"]
    if find_spec("anndata"):
        chain += [".h5ad", ".parquet", ".h5ad", ".npz"]
    found = count(inputs, tmp_path / "0", vocabulary=vocabulary, materialize=materialize)
    for i, suffix in enumerate(chain, 1):
        found.save(tmp_path / f"{i}{suffix}")
        found = KmerCounts.open(tmp_path / f"{i}{suffix}")
        assert difference(found, expected) == "", suffix


@pytest.mark.parametrize("name", [name for name, (v, _) in VOCABULARIES.items() if v.is_numbered])
def test_id_lists(inputs, name, tmp_path):
    vocabulary, materialize = VOCABULARIES[name]
    expected = count(inputs, vocabulary=vocabulary, materialize=materialize)
    count(inputs, tmp_path / "a.txt", vocabulary=vocabulary, materialize=materialize)
    expected.save(tmp_path / "b.txt")
    for stem in "ab":
        path = tmp_path / f"{stem}.txt"
        found = kmerengine.read_id_lists(path, vocabulary.n_features)
        assert equal(found, expected.features())
        words = kmerengine.read_vocabulary(tmp_path / f"{stem}.vocabulary.npy")
        assert list(words) == ["EMPTY", *vocabulary.words()]
        assert list(words.values()) == list(range(vocabulary.n_features + 1))
        with pytest.raises(InputError, match=f"{stem}.txt: an id list has no .*read_id_lists"):
            KmerCounts.open(path)


def test_an_id_list_needs_numbered_features_and_leaves_nothing_without(inputs, tmp_path):
    with pytest.raises(InputError, match="not numbered"):
        count(inputs, vocabulary=Vocabulary.exact(13)).save(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["default", "default, materialized", "k = 20"])
def test_scipy_reads_the_npz(inputs, name, tmp_path):
    vocabulary, materialize = VOCABULARIES[name]
    counts = count(inputs, tmp_path / "a.npz", vocabulary=vocabulary, materialize=materialize)
    expected = counts.features() if materialize else counts.exact
    assert equal(scipy.sparse.load_npz(tmp_path / "a.npz"), expected)


def test_anndata_reads_the_h5ad(inputs, tmp_path):
    import anndata
    counts = count(inputs, tmp_path / "a.h5ad", vocabulary=Vocabulary.exact(6))
    found = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert equal(scipy.sparse.csr_matrix(found.X), counts.exact)
    words = [counts.vocabulary.word(i) for i in range(counts.vocabulary.n_features)]
    assert found.var_names.tolist() == words
    assert found.obs["name"].tolist() == counts.regions["name"].to_pylist()
    assert found.obs["start"].tolist() == counts.regions["start"].to_pylist()
    # changed by another program, it has no digest any more, and is read as it is
    found[5:9].copy().write_h5ad(tmp_path / "b.h5ad")
    some = KmerCounts.open(tmp_path / "b.h5ad")
    assert equal(some.exact, counts.exact_rows(5, 9))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ""])
@pytest.mark.parametrize("materialize", [False, True])
@pytest.mark.parametrize("k", [4, 13, 17])
def test_totals(inputs, suffix, materialize, k, tmp_path):
    if materialize and k > 12:
        return
    options = {"vocabulary": Vocabulary.choose(k=k), "materialize": materialize}
    path = tmp_path / f"a{suffix}"
    expected = kmerengine.count(inputs[0], **options)
    kmerengine.count(inputs[0], output=path, parts=not suffix, **options)
    found = KmerTotals.open(path)
    assert len(found) == len(expected) > 0
    assert found.provenance == expected.provenance
    assert found.to_polars().equals(expected.to_polars())
    assert found.counts.dtype == np.uint64
    np.testing.assert_array_equal(found.counts, expected.counts)
    if k == 4:
        np.testing.assert_array_equal(found.features(), expected.features())
    if not materialize:
        assert found.words.dtype == (np.uint32 if k <= 16 else np.uint64)
        np.testing.assert_array_equal(found.words, expected.words)


# ------------------------------------------------------------------------------------- laziness


@pytest.fixture
def groups_read(monkeypatch) -> list[tuple[int, tuple[str, ...]]]:
    """Row groups (and columns) that are read from Parquet, in order."""
    read: list[tuple[int, tuple[str, ...]]] = []
    original = pq.ParquetFile.read_row_group

    def read_row_group(self, number, columns=None, **options):
        read.append((number, tuple(columns or ())))
        return original(self, number, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    for name in ("read", "read_row_groups", "iter_batches"):
        monkeypatch.delattr(pq.ParquetFile, name)
    return read


@pytest.mark.parametrize(
    ("rows", "groups"),
    [((0, 7), [0]), ((6, 8), [0, 1]), ((7, 14), [1]), ((13, 15), [1, 2]), ((30, 30), [])],
)
def test_a_slice_of_rows_reads_its_row_groups(inputs, rows, groups, groups_read, tmp_path):
    counts = count(inputs, tmp_path / "a.parquet", vocabulary=Vocabulary.exact(4))
    assert groups_read == []
    expected = count(inputs, vocabulary=Vocabulary.exact(4)).exact[slice(*rows)]
    assert equal(counts.exact_rows(*rows), expected)
    assert groups_read == [(group, ("word", "count")) for group in groups]


def test_a_slice_reads_the_row_groups_of_its_parts(inputs, groups_read, tmp_path):
    counts = count(inputs, tmp_path / "a", vocabulary=Vocabulary.exact(4))
    assert len(list((tmp_path / "a").iterdir())) == 3  # of two row groups each
    assert (len(counts), groups_read) == (len(count(inputs)), [])
    some = counts.features(start=12, stop=16)
    assert groups_read == [(1, ("word", "count")), (0, ("word", "count"))]
    assert equal(some, counts.features()[12:16])
    groups_read.clear()
    assert counts.regions.num_columns == 6
    assert {columns for _, columns in groups_read} == {tuple(schemas.REGION_COLUMNS.names)}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_slice_is_that_slice(inputs, suffix, tmp_path):
    counts = count(inputs, tmp_path / f"a{suffix}", vocabulary=Vocabulary.exact(4))
    whole, n = counts.exact, len(counts)
    for start, stop in [(0, n), (0, 0), (n, n), (3, 3), (5, 4), (n - 1, n + 9), (1, None)]:
        assert equal(counts.exact_rows(start, stop), whole[start:stop])


# --------------------------------------------------------------------------- bytes and metadata


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", "", ".npz", ".txt"])
@pytest.mark.parametrize("materialize", [False, True])
def test_the_same_input_gives_the_same_bytes(inputs, suffix, materialize, tmp_path):
    found = []
    for i, threads in enumerate((1, 2, 2)):
        path = tmp_path / str(i) / f"a{suffix}"
        path.parent.mkdir()
        options = {"vocabulary": Vocabulary.exact(5), "materialize": materialize}
        count(inputs, path, threads=threads, **options)
        files = sorted(file for file in path.parent.rglob("*") if file.is_file())
        found.append({file.name: file.read_bytes() for file in files})
    assert found[0]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ""])
@pytest.mark.parametrize("k", [5, 14])
def test_the_same_genome_gives_the_same_bytes(inputs, suffix, k, tmp_path):
    found = []
    for threads in (1, 2):
        path = tmp_path / f"{threads}{suffix}"
        vocabulary = Vocabulary.exact(k)
        kmerengine.count(
            inputs[0], output=path, vocabulary=vocabulary, threads=threads, parts=not suffix
        )
        files = [path] if suffix else sorted(path.iterdir())
        found.append([file.read_bytes() for file in files])
    assert found[0] == found[1]


def test_a_file_says_how_it_was_made(inputs, tmp_path):
    genome, regions = inputs
    vocabulary = Vocabulary.wildcard(20, 0, stranded=True)
    counts = count(inputs, tmp_path / "a.parquet", vocabulary=vocabulary, max_regions=20)
    document = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[b"kmerengine"])
    contigs = hashlib.sha256("b\t900\nä\t900\n".encode()).hexdigest()
    bed = regions.read_bytes()
    expected = {
        "format": "kmerengine.kmers",
        "version": 1,
        "package_version": version("kmerengine"),
        "command": "count",
        "vocabulary": {"kind": "exact", "k": 20, "masks": ["1" * 20], "stranded": True},
        "parameters": {
            "width": None,
            "drop_n": False,
            "max_regions": 20,
            "skip_missing_contigs": False,
        },
        "inputs": {
            "genome": {
                "name": "g.fa",
                "bytes": genome.stat().st_size,
                "contigs_sha256": contigs,
            },
            "regions": {
                "name": "r.bed",
                "bytes": len(bed),
                "sha256": hashlib.sha256(bed).hexdigest(),
            },
        },
        "regions": 40,
        "kept": 20,
    }
    lengths = [int(b) - int(a) for _, a, b, *_ in map(str.split, regions.read_text().splitlines())]
    short = sum(length < 20 for length in lengths)
    assert short > 0
    assert document["skipped"] == {
        "shorter than k": short,
        "below the max_regions best scores": 20 - short,
    }
    assert {name: document[name] for name in expected} == expected
    del document["sha256"]
    assert counts.provenance == document
    assert Vocabulary.from_spec(document["vocabulary"], Path()) == vocabulary


def test_columns_are_those_of_the_schema(inputs, tmp_path):
    count(inputs, tmp_path / "a.parquet")
    schema = pq.read_schema(tmp_path / "a.parquet")
    assert [(field.name, str(field.type), field.nullable) for field in schema] == [
        ("chrom", "dictionary<values=string, indices=int32, ordered=0>", False),
        ("start", "int64", False),
        ("end", "int64", False),
        ("name", "string", False),
        ("score", "double", True),
        ("strand", "dictionary<values=string, indices=int8, ordered=0>", False),
        ("word", "list<element: uint32 not null>", False),
        ("count", "list<element: uint32 not null>", False),
    ]
    count(inputs, tmp_path / "b.parquet", vocabulary=Vocabulary.exact(17))
    assert str(pq.read_schema(tmp_path / "b.parquet").field("word").type.value_type) == "uint64"
