"""Every file of counts: what is read is what was written, lazily; damage is an error."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse

import kmerengine
from kmerengine import InputError, KmerCounts, KmerTotals, Vocabulary, schemas

H5AD = pytest.param(
    ".h5ad",
    marks=pytest.mark.skipif(find_spec("anndata") is None, reason="anndata is not installed"),
)
SUFFIXES = [".parquet", ".arrow", "", ".npz", H5AD]  # "" is a folder of parts

VOCABULARIES = {
    "default": (Vocabulary.wildcard(), False),
    "default, materialized": (Vocabulary.wildcard(), True),
    "stranded": (Vocabulary.exact(5, stranded=True), False),
    "gkm, materialized": (Vocabulary.gkm(6, 3, stranded=True), True),
    "masks": (Vocabulary.masks(["1101", "1010"]), False),
    "k = 13": (Vocabulary.exact(13), False),
    "k = 17": (Vocabulary.exact(17, stranded=True), False),
    "k = 20": (Vocabulary.exact(20), False),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> tuple[Path, Path]:
    """A genome with N, and regions with names, no scores, strands, some too short."""
    rng = random.Random(1)
    folder = tmp_path_factory.mktemp("inputs")
    genome, regions = folder / "g.fa", folder / "r.bed"
    contigs = {name: "".join(rng.choices("ACGTN", [9, 9, 9, 9, 1], k=900)) for name in ("b", "ä")}
    genome.write_text("".join(f">{name} x\n{bases}\n" for name, bases in contigs.items()))
    lines = []
    for i in range(40):
        start, score = rng.randrange(700), rng.choice([".", "0", "-1.5", "1e300"])
        name = rng.choice(["", "N", "ü", '"', "a b", f"peak{i}"])
        fields = [rng.choice("bä"), start, start + rng.randrange(10, 90), name, score]
        lines.append("\t".join(map(str, [*fields, rng.choice("+-.")])) + "\n")
    regions.write_text("".join(lines))
    return genome, regions


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Row groups of 7 rows, parts of 2 row groups."""
    monkeypatch.setattr("kmerengine.kmers.rows.BATCH_ROWS", 7)
    monkeypatch.setattr("kmerengine.kmers.rows.PART_BATCHES", 2)


def count(inputs: tuple[Path, Path], output: Path | None = None, **options: Any) -> KmerCounts:
    if output is not None:
        options["parts"] = output.suffix == ""
    found = kmerengine.count(*inputs, output=output, **options)
    assert isinstance(found, KmerCounts)
    return found


def equal(a: scipy.sparse.csr_matrix, b: scipy.sparse.csr_matrix) -> bool:
    return (
        (a.shape, a.dtype) == (b.shape, b.dtype)
        and np.array_equal(a.indptr, b.indptr)
        and np.array_equal(a.indices, b.indices)
        and np.array_equal(a.data, b.data)
    )


def difference(found: KmerCounts, expected: KmerCounts) -> str:
    """The first thing in which two counts differ, or an empty string."""
    if (found.vocabulary, found.is_materialized) != (
        expected.vocabulary,
        expected.is_materialized,
    ):
        return "vocabulary"
    if found.provenance != expected.provenance:
        return "provenance"
    if found.regions.to_pylist() != expected.regions.to_pylist():
        return "regions"
    if not found.to_polars().equals(expected.to_polars()):
        return "table"
    if found.vocabulary.is_numbered and not equal(found.features(), expected.features()):
        return "features"
    if not found.is_materialized:
        if found.words.dtype != expected.words.dtype or (found.words != expected.words).any():
            return "words"
        if not equal(found.exact, expected.exact):
            return "exact"
    return ""


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
