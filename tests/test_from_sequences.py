"""Data sets of labelled sequences: what the simulators' own files say, and damage to them."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from test_simulate_koo import TFS, write_meme

import kmerengine
from kmerengine import Dataset, InputError, dataset_from_sequences, schemas
from kmerengine.cli import main
from modelkit.data import Loader

FACTORS = list(TFS)
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of both simulators, and the classes of each."""
    folder = tmp_path_factory.mktemp("simulated")
    rng = np.random.default_rng(1)
    matrices = {name: rng.dirichlet([0.3] * 4, width) for name, width in TFS.values()}
    motifs = write_meme(folder / "m.meme", matrices)
    kmerengine.simulate_koo(folder / "koo", motifs=motifs, n_sequences=300, length=121, seed=3)
    kmerengine.simulate_gata_tal(
        folder / "gata-tal", n_train=41, n_validation=5, n_test=9, length=250, seed=4
    )
    return {"koo": (folder / "koo", FACTORS), "gata-tal": (folder / "gata-tal", ["TAL1"])}


def records(fasta):
    lines = fasta.read_text().split("\n")
    return [line[1:] for line in lines[:-1:2]], lines[1::2]


@pytest.mark.parametrize("simulator", ["koo", "gata-tal"])
def test_a_loader_gives_what_the_files_hold(made, tmp_path, simulator, monkeypatch):
    monkeypatch.setattr("kmerengine.datasets.from_sequences.BATCH_ROWS", 37)
    folder, classes = made[simulator]
    data = dataset_from_sequences(folder / "sequences.parquet", output=tmp_path / "d")
    rows = pq.read_table(folder / "sequences.parquet").to_pylist()
    names, letters = records(folder / "sequences.fa")
    assert data.label_names == tuple(classes)
    assert [row["name"] for row in rows] == names == data.regions["name"].to_pylist()
    assert data.regions["chrom"].to_pylist() == names
    assert set(data.regions["start"].to_pylist()) == {0}
    assert set(data.regions["end"].to_pylist()) == {len(letters[0])}
    seen = []
    for split in SPLITS:
        here = data.split(split)
        assert [names[row].rpartition("_")[0] for row in here] == [split] * len(here)
        assert [rows[row]["split"] for row in here] == [split] * len(here)
        for batch in Loader(data, here, batch_size=32, shuffle=False).batches(0):
            bases = batch.sequence.numpy()
            assert set(bases.sum(axis=1).ravel()) == {1.0}
            for one, labels in zip(bases.argmax(axis=1), batch.labels.tolist(), strict=True):
                row = len(seen)
                assert "".join("ACGT"[code] for code in one) == letters[row]
                assert labels == rows[row]["labels"]
                seen.append(row)
    assert len(seen) == len(rows)


def test_what_a_data_set_says_of_its_source(made, tmp_path):
    folder, _ = made["koo"]
    path = folder / "sequences.parquet"
    about = dataset_from_sequences(path, output=tmp_path / "d").provenance
    assert about["inputs"] == {"sequences": schemas.digest(path)}
    simulated = json.loads(pq.read_schema(path).metadata[b"kmerengine"])
    simulated.pop("sha256")
    assert about["simulated"] == simulated
    assert simulated["parameters"]["seed"] == 3
    assert (about["regions"], about["kept"], about["skipped"]) == (300, 300, {})
    assert about["splits"] == {"train": 210, "validation": 30, "test": 60}
    labels = np.array(pq.read_table(path)["labels"].to_pylist())
    of = np.repeat(SPLITS, (210, 30, 60))
    for number, name in enumerate(FACTORS):
        counts = {split: labels[of == split, number].sum() for split in SPLITS}
        assert about["positives"][name] == counts


def test_the_command_is_the_function(made, tmp_path):
    path = made["gata-tal"][0] / "sequences.parquet"
    expected = dataset_from_sequences(path, output=tmp_path / "e")
    command = ["dataset", str(path), "-o", str(tmp_path / "d")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "train           41" in result.stderr
    for name in ("dataset.json", "sequence.arrow", "regions.parquet"):
        assert (tmp_path / "d" / name).read_bytes() == (expected.path / name).read_bytes()
    again = CliRunner().invoke(main, command)
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
    assert "--force" in again.stderr
    assert CliRunner().invoke(main, [*command, "--force", "-q"]).stderr == ""


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("--genome g.fa", "--genome"),
        ("--genome g.fa --cuts c.parquet --split test=0.1", "--genome, --cuts, --split"),
        ("--width 1000", "--width"),  # its default, said aloud
        ("--seed 0 -k 6 --kmers --stranded", "--seed, --kmers, -k, --stranded"),
        ("--require-label --off-by-two --strands sum", "--off-by-two, --strands, --require-label"),
    ],
)
def test_options_of_regions_are_refused_by_name(made, tmp_path, options, named):
    path = made["koo"][0] / "sequences.parquet"
    result = CliRunner().invoke(main, f"dataset {path} -o {tmp_path}/d {options}")
    assert result.exit_code == 1
    assert f"labelled sequences: found {named}, expected none" in result.stderr
    assert not (tmp_path / "d").exists()


def test_regions_need_a_genome(tmp_path):
    (tmp_path / "a.bed").write_text("a\t0\t9\n")
    for name, message in (
        ("a.bed", "genome: found none, expected --genome"),
        ("none.parquet", "none.parquet: does not exist"),
    ):
        result = CliRunner().invoke(main, f"dataset {tmp_path / name} -o {tmp_path}/d")
        assert result.exit_code == 1
        assert message in result.stderr


def table(**columns):
    """Three sequences of two classes as a simulator's table; None leaves a column out."""
    given = {
        "name": ["a", "b", "c"],
        "split": ["train", "train", "test"],
        "sequence": ["ACGTA", "TTTTT", "CCCCC"],
        "labels": [[0, 1], [1, 1], [0, 0]],
    } | columns
    fields = [field for field in schemas.sequences_schema() if given[field.name] is not None]
    arrays = [
        pa.array(given[f.name], f.type.value_type).dictionary_encode().cast(f.type)
        if pa.types.is_dictionary(f.type)
        else pa.array(given[f.name], f.type)
        for f in fields
    ]
    return pa.table(arrays, pa.schema([field.with_nullable(True) for field in fields]))


def write(path, content, about=None):
    """As the simulators do, with `about` in place of what they say of the file."""
    said = schemas.provenance("simulate koo", {}, {}) | {"classes": ["X", "Y"]}
    said |= {"format": schemas.SEQUENCES} | (about or {})
    pq.write_table(content.cast(schemas.with_metadata(content.schema, said)), path)
    return path


def test_letters_in_either_case_and_those_of_several_bases(tmp_path):
    path = write(tmp_path / "s.parquet", table(sequence=["acgtN", "ACGTn", "RyKMV"]))
    data = dataset_from_sequences(path, output=tmp_path / "d")
    assert data.sequence.tolist() == [[0, 1, 2, 3, 255], [0, 1, 2, 3, 255], [255] * 5]
    assert data.provenance["with_other_bases"] == 3
    assert data.labels.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert data.warnings == ["label 'X' has no positives in test",
                             "label 'Y' has no positives in test"]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sequence": ["ACGTA", "ACGT", "ACGTA"]}, "row 1: found a sequence of 4 bp, expected 5"),
        ({"sequence": ["ACGTA", "ACGTA", "ACGTAA"]}, "row 2: found a sequence of 6 bp, expected 5"),
        ({"sequence": ["ACGTA", "ACGTA", "ACXTA"]}, "row 2: found 'X' as base 2, expected A C G T"),
        ({"sequence": ["ACGTA", "AC-TA", "ACXTA"]}, "row 1: found '-' as base 2"),
        ({"sequence": ["ACGTA", "ACGTA", "ACGÄA"]}, "row 2: found 'Ä' as base 3"),
        ({"sequence": ["ACGTA", "ACGTA", "ACGT "]}, "row 2: found ' ' as base 4"),
        ({"sequence": ["ACGTA", None, "ACGTA"]}, "row 1: found no sequence"),
        ({"sequence": [None, "ACGTA", "ACGTA"]}, "row 0: found no sequence"),
        ({"sequence": ["", "", ""]}, "row 0: found an empty sequence"),
        ({"labels": [[0, 1], [1], [0, 0]]}, "row 1: found 1 labels, expected 2"),
        ({"labels": [[0, 1], [1, 1], [0, 0, 0]]}, "row 2: found 3 labels, expected 2"),
        ({"labels": [[0, 1], [1], [0, 0, 0]]}, "row 1: found 1 labels, expected 2"),  # 6 in all
        ({"labels": [[0], [1], [0]]}, "row 0: found 1 labels, expected 2"),
        ({"labels": [[0, 1], [1, 2], [0, 0]]}, "row 1: found 2 as label 1, expected 0 or 1"),
        ({"labels": [[0, 1], [1, 1], [255, 0]]}, "row 2: found 255 as label 0, expected 0 or 1"),
        ({"labels": [[0, 1], None, [0, 0]]}, "row 1: found no labels"),
        ({"split": ["train", "valid", "test"]}, "row 1: found split 'valid', expected one of"),
        ({"split": ["train", "test", None]}, "row 2: found no split"),
        ({"name": ["a", "b", "a"]}, "row 2: found the name 'a' again"),
        ({"name": ["a", "", "c"]}, "row 1: found the name '', expected a name"),
        ({"name": ["a", None, "c"]}, "row 1: found no name"),
        ({"name": [], "split": [], "sequence": [], "labels": []}, "found no sequences"),
        ({"split": None}, "no column 'split'"),
        ({"labels": None}, "no column 'labels'"),
    ],
)
@pytest.mark.parametrize("rows", [2, 8192])
def test_rows_that_are_wrong(tmp_path, columns, message, rows, monkeypatch):
    monkeypatch.setattr("kmerengine.datasets.from_sequences.BATCH_ROWS", rows)
    path = write(tmp_path / "s.parquet", table(**columns))
    with pytest.raises(InputError, match=rf"s\.parquet: {message}") as error:
        dataset_from_sequences(path, output=tmp_path / "d")
    assert "\n" not in str(error.value)
    assert [each.name for each in tmp_path.iterdir()] == ["s.parquet"]


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"format": schemas.EMBEDDED}, f"holds {schemas.EMBEDDED}, expected {schemas.SEQUENCES}"),
        ({"version": 9}, "format version 9"),
        ({"classes": ["X", "X"]}, r"the classes \['X', 'X'\], expected different names"),
        ({"classes": []}, "the classes"),
        ({"classes": ["X", ""]}, "the classes"),
        ({"classes": "XY"}, "the classes"),
        ({"classes": None}, "the classes None"),
        ({"classes": ["X", "Y", "Z"]}, "row 0: found 2 labels, expected 3"),
    ],
)
def test_metadata_that_are_wrong(tmp_path, about, message):
    path = write(tmp_path / "s.parquet", table(), about)
    with pytest.raises(InputError, match=rf"s\.parquet: .*{message}"):
        dataset_from_sequences(path, output=tmp_path / "d")


def test_other_files(made, tmp_path):
    pq.write_table(table(), tmp_path / "plain.parquet")
    with pytest.raises(InputError, match="no kmerengine metadata"):
        dataset_from_sequences(tmp_path / "plain.parquet", output=tmp_path / "d")
    typed = write(tmp_path / "i.parquet", table().set_column(0, "name", pa.array([1, 2, 3])))
    with pytest.raises(InputError, match="column 'name' is int64, expected string"):
        dataset_from_sequences(typed, output=tmp_path / "d")
    nullable = pa.array([[0, 1], [1, None], [0, 0]], pa.list_(pa.field("element", pa.uint8())))
    lacking = write(tmp_path / "l.parquet", table().set_column(3, "labels", nullable))
    with pytest.raises(InputError, match="column 'labels' is list<element: uint8>, expected list"):
        dataset_from_sequences(lacking, output=tmp_path / "d")
    (tmp_path / "s.fa").write_text(">a\nACGT\n")
    for path in (tmp_path / "s.fa", tmp_path / "none.parquet", made["koo"][0]):
        with pytest.raises(InputError):
            dataset_from_sequences(path, output=tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_damaged_files_give_the_same_data_or_an_input_error(made, tmp_path):
    """Any byte may be another: nothing but an InputError, and never other bases or labels."""
    path = made["koo"][0] / "sequences.parquet"
    content = path.read_bytes()
    whole = dataset_from_sequences(path, output=tmp_path / "whole")
    rng = np.random.default_rng(0)
    refused = 0
    for number, at in enumerate(rng.integers(0, len(content), 120).tolist()):
        damaged = bytearray(content)
        damaged[at] ^= int(rng.integers(1, 256))
        bad = tmp_path / "bad.parquet"
        bad.write_bytes(damaged if number % 4 else content[:at])
        try:
            found = dataset_from_sequences(bad, output=tmp_path / "d", force=True)
        except InputError:
            refused += 1
        else:
            assert np.array_equal(found.sequence, whole.sequence)
            assert np.array_equal(found.labels, whole.labels)
    assert refused > 100


def test_the_data_set_opens_again(made, tmp_path):
    folder, classes = made["koo"]
    first = dataset_from_sequences(folder / "sequences.parquet", output=tmp_path / "d")
    again = Dataset.open(tmp_path / "d")
    assert repr(again) == "Dataset(300 examples, 121 bp, 0 samples, 12 labels)"
    assert again.label_names == tuple(classes)
    assert again.sequence.tolist() == first.sequence.tolist()
    assert again.counts is again.bias is again.totals is again.window is None
