"""Files of version 1 of every format say today what they said then."""

import hashlib
import json
import math
import re
import shutil
from pathlib import Path

import golden_readers
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import kmerengine
import modelkit
from kmerengine import InputError, schemas
from modelkit.baselines.kmer_set import KmerSet
from modelkit.pipelines import stages
from modelkit.training.checkpoint import read_checkpoint

FOLDER = Path(__file__).parent / "golden" / "v1"
READERS = golden_readers.readers_in(FOLDER)
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


def differences(found, expected, where=""):
    """Places where two documents differ by more than rounding."""
    if isinstance(found, dict) and isinstance(expected, dict):
        names = {*found, *expected}
        missing = [f"{where}.{name}" for name in names if name not in found or name not in expected]
        both = names - {name.rpartition(".")[2] for name in missing}
        return missing + [
            each for name in both
            for each in differences(found[name], expected[name], f"{where}.{name}")
        ]  # fmt: skip
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = enumerate(zip(found, expected, strict=True))
        return [each for i, (a, b) in pairs for each in differences(a, b, f"{where}[{i}]")]
    if isinstance(found, float) and isinstance(expected, float):
        return [] if math.isclose(found, expected, rel_tol=1e-12) else [where]
    return [] if type(found) is type(expected) and found == expected else [where]


def test_every_file_is_read():
    assert list(READERS) == list(EXPECTED)
    sizes = {path.name: path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 1_000_000
    assert [name for name, size in sizes.items() if size > 100_000] == ["expected.json"]


def test_every_format_has_a_file():
    """Names of formats in capitals, wherever one is said; the files say theirs."""
    wanted = set()
    for package in (kmerengine, modelkit):
        for path in Path(package.__file__).parent.rglob("*.py"):
            for line in re.findall(r"^[A-Z_]+(?:, [A-Z_]+)* = .*$", path.read_text(), re.MULTILINE):
                wanted |= set(re.findall(r'"(kmerengine\.[a-z_.]+)"', line))
    assert len(wanted) > 50
    raw = b"".join(path.read_bytes() for path in FOLDER.rglob("*") if path.is_file())
    said = raw.decode("latin-1").replace("\\", "")  # JSON within JSON
    found = set(re.findall(r'"format": "(kmerengine[a-z_.]+)"', said))
    assert wanted <= found, wanted - found
    assert found - wanted == {"kmerengine.attributions.partial"}


@pytest.mark.parametrize("name", EXPECTED)
def test_it_says_what_it_said(name):
    found = golden_readers.plain(READERS[name](FOLDER / name))
    assert differences(found, EXPECTED[name]) == []


# ------------------------------------------- what was written down by hand, of inputs seen by eye


@pytest.mark.parametrize(
    "name", ["counts.parquet", "counts.arrow", "counts.npz", "counts.h5ad", "parts"]
)
def test_words_of_the_small_genome(name):
    """chr1 0-12 is ACGGATTACACC; on either strand, the smaller of a word and its mirror image."""
    made = kmerengine.KmerCounts.open(FOLDER / name)
    words = ["ACGG", "CGGA", "ATCC", "AATC", "ATTA", "GTAA", "TACA", "ACAC", "CACC"]
    words[1] = min("CGGA", "TCCG")
    packed = [sum("ACGT".index(b) << 2 * (3 - i) for i, b in enumerate(word)) for word in words]
    packed[4] = min(packed[4], sum("ACGT".index(b) << 2 * (3 - i) for i, b in enumerate("TAAT")))
    row = made.exact[0].toarray()[0]
    found = {int(made.words[i]): int(row[i]) for i in np.flatnonzero(row)}
    assert found == dict.fromkeys(packed, 1)
    assert made.regions["name"].to_pylist() == ["a", "b", "c"]
    assert made.regions["start"].to_pylist() == [0, 10, 2]


@pytest.mark.parametrize("name", ["cuts.parquet", "cuts.arrow"])
def test_cuts_of_four_fragments(name):
    """First and last base of each fragment, as no shift was asked for."""
    position, strand, count = kmerengine.CutTrack.open(FOLDER / name).cuts("s", "chr1")
    found = list(zip(position.tolist(), strand.tolist(), count.tolist(), strict=True))
    assert found == [(2, 0, 2), (5, 0, 1), (8, 1, 1), (13, 1, 1), (19, 1, 1)]


def test_hits_of_the_motif():
    table = kmerengine.MotifHits.open(FOLDER / "hits.parquet").table()
    found = zip(*(table[name].to_pylist() for name in ("chrom", "start", "strand")), strict=True)
    assert [*found] == [("chr1", 3, "+"), ("chr1", 15, "-"), ("chr2", 4, "+")]


def test_tensors_of_a_checkpoint():
    found, about = read_checkpoint(FOLDER / "tensors.safetensors")
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (found["b"].tolist(), found["b"].dtype) == ([0.5, -1.25], torch.float64)
    assert about["note"] == "of version 1"


def test_a_run_predicts_what_it_predicted(one_thread, tmp_path):
    data = kmerengine.Dataset.open(FOLDER / "dataset")
    made = modelkit.predict(FOLDER / "run", data, tmp_path / "p", bigwig=False, device="cpu")
    then = modelkit.Predictions.open(FOLDER / "predictions")
    np.testing.assert_allclose(made.totals, then.totals, rtol=1e-4)


def test_a_word_was_learnt_from_where_it_was_planted():
    (word, *_), *_ = (m.words for m in KmerSet.open(FOLDER / "kmer_set/kmer_set.parquet").motifs)
    assert re.search(word.replace("N", "."), "ACCTGATC GATCAGGT")


def test_simulated_sequences_hold_the_motifs_that_their_table_says():
    for kind in ("koo", "gata_tal"):
        texts = pq.read_table(FOLDER / f"simulated.{kind}.sequences.parquet").to_pylist()
        sites = pq.read_table(FOLDER / f"simulated.{kind}.embedded.parquet").to_pylist()
        assert {site["row"] for site in sites} == set(range(len(texts)))
        for site in sites:
            word = texts[site["row"]]["sequence"][site["start"] : site["end"]]
            assert set(word) <= set("ACGT")
            assert len(word) == site["end"] - site["start"] > 5


def test_a_pipeline_s_record_still_says_that_all_is_made(tmp_path):
    shutil.copytree(FOLDER / "pipeline", tmp_path / "p")
    made = stages.run_stages(golden_readers.STAGES, tmp_path / "p", name="golden")
    assert [each.made for each in made] == [False, False]
    (tmp_path / "p/one.txt").write_text("another")
    made = stages.run_stages(golden_readers.STAGES, tmp_path / "p", name="golden", dry_run=True)
    assert [each.made for each in made] == [True, True]


# ------------------------------------------------------------------------ versions yet to come


def newer(raw):
    """A document whose version is 2, and whose seal fits if it has one."""
    document = json.loads(raw) | {"version": 2}
    sealed = document.pop(schemas.SEAL, None)
    return schemas.as_text(document) if sealed else json.dumps(document)


def make_newer(path):
    """Say in each document of a file or folder that it is of version 2."""
    for each in [path, *path.rglob("*")]:
        if each.suffix == ".json" and "version" in json.loads(each.read_text()):
            each.write_text(newer(each.read_text()))
        elif each.suffix == ".parquet" and schemas.METADATA_KEY in (
            pq.read_schema(each).metadata or {}
        ):
            table = pq.read_table(each)
            metadata = dict(table.schema.metadata)
            metadata[schemas.METADATA_KEY] = newer(metadata[schemas.METADATA_KEY]).encode()
            pq.write_table(table.replace_schema_metadata(metadata), each)
        elif each.suffix == ".arrow":
            table = pa.ipc.open_file(pa.BufferReader(each.read_bytes())).read_all()
            metadata = dict(table.schema.metadata or {})
            if schemas.METADATA_KEY in metadata:
                metadata[schemas.METADATA_KEY] = newer(metadata[schemas.METADATA_KEY]).encode()
                with pa.ipc.new_file(each, table.schema.with_metadata(metadata)) as sink:
                    sink.write_table(table.replace_schema_metadata(metadata))
        elif each.suffix == ".npz":
            with np.load(each) as file:
                arrays = dict(file)
            arrays["kmerengine"] = np.array(newer(str(arrays["kmerengine"])))
            np.savez(each, **arrays)
        elif each.suffix == ".h5ad":
            import h5py

            with h5py.File(each, "r+") as file:  # which writes off the digest behind its end
                old = file["uns/kmerengine"]
                text, about = newer(old.asstr()[()]), dict(old.attrs)
                del file["uns/kmerengine"]
                file["uns/kmerengine"] = text
                file["uns/kmerengine"].attrs.update(about)
        elif each.suffix == ".safetensors":
            from safetensors.torch import safe_open, save_file

            with safe_open(each, framework="pt") as file:
                text = file.metadata()["kmerengine"]
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            save_file(tensors, each, metadata={"kmerengine": newer(text)})


@pytest.mark.parametrize("name", EXPECTED)
def test_a_newer_version_is_refused_in_one_line(name, tmp_path):
    source, path = FOLDER / Path(name).parts[0], tmp_path / name
    copy = shutil.copytree if source.is_dir() else shutil.copyfile
    copy(source, tmp_path / source.name)
    if name == "cuts.bw":
        shutil.copyfile(FOLDER / "cuts.bw.json", tmp_path / "cuts.bw.json")
    before = digests(tmp_path)
    make_newer(tmp_path)
    assert digests(tmp_path) != before
    with pytest.raises(InputError, match=r"format version 2, this kmerengine reads 1|"
                       r"of version 2, expected kmerengine.evaluation of 1") as caught:  # fmt: skip
        READERS[name](path)
    assert "\n" not in str(caught.value)


def test_a_newer_summary_alone_is_refused(tmp_path):
    shutil.copytree(FOLDER / "evaluation", tmp_path / "evaluation")
    path = tmp_path / "evaluation/metrics.json"
    path.write_text(newer(path.read_text()))
    with pytest.raises(InputError, match=r"of version 2, expected kmerengine\.evaluation of 1"):
        golden_readers.of_evaluation(path)


def digests(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
