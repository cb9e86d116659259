"""Data sets of motif sites: against the letters of the genome and a search for the words."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from label_world import make_labels
from site_world import WORDS, SiteWorld, backwards

import kmerengine
from kmerengine import Dataset, InputError, dataset_from_sites, schemas
from kmerengine.cli import main


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return SiteWorld(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def data(world):
    return world.data()


def text_of(codes):
    return "".join("ACGTN"[min(code, 4)] for code in codes.tolist())


def test_examples_are_the_windows_around_the_words(world, data):
    table = data.regions.to_pylist()
    assert len(data) == len({(row["chrom"], row["start"], row["end"]) for row in table}) > 80
    seen = set()
    for i, row in enumerate(table):
        text = world.genome[row["chrom"]][row["start"] : row["end"]].upper()
        assert text_of(data.sequence[i]) == text
        first, stop = data.cores[i].tolist()
        word = text[first:stop]
        assert (word if row["strand"] == "+" else backwards(word)) in WORDS
        site = (row["chrom"], row["start"] + first, row["start"] + stop, row["strand"])
        assert site in world.sites
        assert data.labels[i].tolist() == [int(site in world.bound)]
        assert row["split"] == {"chr8": "validation", "chr9": "test"}.get(row["chrom"], "train")
        assert row["score"] == 9.5
        assert row["name"].startswith("bound" if site in world.bound else "unbound")
        # the window is centred as AgentBind has it: one base more to the right of an odd rest
        assert (first, 41 - stop) in {(17, 17), (16, 17)}
        seen.add((site in world.bound, row["strand"], len(word)))
    assert len(seen) == 8
    assert data.label_names == ("bound",)
    assert data.cores.dtype == np.int64
    assert np.array_equal(data.negative, data.labels[:, 0] == 0)
    strange = sum("N" in text_of(codes) for codes in data.sequence)
    assert data.provenance["with_other_bases"] == strange > 0
    assert data.provenance["sampled"]["command"] == "sample sites"
    assert Dataset.open(data.path).provenance["cores"] is True


def test_a_margin_moves_no_motif_and_leaves_out_what_has_none(world):
    data = world.data("wide", margin=80, label="MYB", split=["agentbind", "exclude=chrX"])
    assert data.label_names == ("MYB",)
    assert data.margin == 80
    stored, start = data.stored("sequence")
    assert start == -80
    for i, row in enumerate(data.regions.to_pylist()):
        low, high = row["start"] - 80, row["end"] + 80
        assert text_of(stored[i]) == world.genome[row["chrom"]][low:high].upper()
        first, stop = data.cores[i].tolist()
        assert (row["chrom"], row["start"] + first, row["start"] + stop) in {
            site[:3] for site in world.sites
        }
    plain = world.sample("plain", width=41)
    rows = pq.read_table(plain.regions).to_pylist()
    outside = sum(row["start"] < 80 or row["end"] + 80 > 3000 for row in rows)
    on_x = sum(row["chrom"] == "chrX" and 80 <= row["start"] <= 2879 for row in rows)
    assert data.provenance["skipped"] == {
        "window leaves its contig": outside, "excluded by the split": on_x
    }  # fmt: skip
    assert outside > 0 < on_x
    assert data.provenance["regions"] == len(rows) == len(data) + outside + on_x


def test_splits_of_agentbind_are_by_chromosome_on_both_sides_of_a_window(data):
    chroms = np.array(data.regions["chrom"].to_pylist())
    for name, of in (("train", {"chr1", "chrX"}), ("validation", {"chr8"}), ("test", {"chr9"})):
        assert set(chroms[data.split(name)]) == of


def test_windows_have_a_label_and_no_motifs(world, tmp_path):
    (tmp_path / "p.bed").write_text("".join(f"chr1\t{at}\t{at + 30}\n" for at in (300, 900, 1500)))
    sample = kmerengine.sample_windows(
        world.folder / "g.fa", tmp_path / "p.bed", output=tmp_path / "s", width=30, gc_bin=0.2,
        balance="positives", max_n=0.5,
    )  # fmt: skip
    data = dataset_from_sites(sample.regions, genome=world.folder / "g.fa", output=tmp_path / "d")
    assert data.cores is None
    assert data.label_names == ("positive",)
    rows = pq.read_table(sample.regions).to_pylist()
    assert data.labels[:, 0].tolist() == [row["label"] for row in rows]
    assert data.regions["score"].null_count == len(rows)
    for i, row in enumerate(rows):
        text = world.genome[row["chrom"]][row["start"] : row["end"]].upper()
        assert text_of(data.sequence[i]) == text


def test_data_sets_without_motifs_open_as_before(tmp_path, data):
    plain = make_labels(tmp_path)
    assert plain.cores is None
    old = tmp_path / "old"
    old.mkdir()
    about = {k: v for k, v in plain.provenance.items() if k != "cores"}
    table = pq.read_table(plain.path / "regions.parquet").replace_schema_metadata(None)
    pq.write_table(
        table.cast(schemas.with_metadata(table.schema, about)), old / "regions.parquet"
    )
    (old / "dataset.json").write_text(schemas.as_text(about) + "\n")
    (old / "sequence.arrow").write_bytes((plain.path / "sequence.arrow").read_bytes())
    opened = Dataset.open(old)
    assert opened.cores is None
    assert np.array_equal(opened.labels, plain.labels)
    assert "core_start" not in schemas.dataset_schema(labels=True).names
    assert schemas.dataset_schema(labels=True, cores=True).names[8:] == [
        "core_start", "core_end", "labels"
    ]  # fmt: skip


def rewritten(source, target, change=None, *, metadata=True):
    """The sample with other rows."""
    table = pq.read_table(source)
    schema = table.schema
    rows = table.to_pylist()
    if change is not None:
        change(rows)
    made = pa.Table.from_pylist(rows, schema=schema.remove_metadata())
    pq.write_table(made.replace_schema_metadata(schema.metadata if metadata else None), target)
    return target


def put(row, **values):
    def change(rows):
        rows[row].update(values)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(3, chrom="chr7"), r"row 3, 'chr7', .*a contig that is not in it"),
        (put(2, end=5), r"row 2, .*-5: found a window that is empty"),
        (put(4, label=2), "row 4, .*found a label, expected 0 or 1"),
        (put(5, core_end=42), "row 5, .*a motif outside its window, expected one within 41 bp"),
        (put(5, core_start=-1), "row 5, .*a motif outside"),
        (put(5, core_start=30, core_end=30), "row 5, .*a motif outside"),
        (put(6, start=2990, end=3031), "row 6, .*a window that leaves its contig"),
        (put(6, start=-1, end=40), "row 6, .*a window that leaves its contig"),
        (put(1, strand="*"), r"row 1, .*a strand that is none, expected \+, - or \."),
        (put(7, gc=0.999), r"row 7, .*found GC 0\.999 in the sample and 0\.\d+ in .*g\.fa"),
        (lambda rows: rows[8].update(end=rows[8]["end"] + 1), "row 8, .*of another width"),
        (lambda rows: rows.clear(), "found no windows, expected at least one"),
    ],
)
def test_what_no_sample_holds_is_refused(world, data, tmp_path, change, message):
    given = rewritten(world.folder / "data.sample" / "regions.parquet", tmp_path / "r.parquet",
                      change)  # fmt: skip
    with pytest.raises(InputError, match=message) as raised:
        dataset_from_sites(given, genome=world.folder / "g.fa", output=tmp_path / "d")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "d").exists()


def test_another_genome_is_seen(world, data, tmp_path):
    other = tmp_path / "other.fa"
    letters = {name: text[1:] + "A" for name, text in world.genome.items()}
    other.write_text("".join(f">{n}\n{text}\n" for n, text in letters.items()))
    sample = world.folder / "data.sample" / "regions.parquet"
    with pytest.raises(InputError, match=r"found GC .*expected the same; give the genome that"):
        dataset_from_sites(sample, genome=other, output=tmp_path / "d")


def invoked(*words):
    return CliRunner().invoke(main, ["dataset", *map(str, words)])


def test_the_command_knows_what_a_file_holds(world, data, tmp_path):
    sample = world.folder / "data.sample" / "regions.parquet"
    genome = world.folder / "g.fa"
    result = invoked(sample, "--genome", genome, "--split", "agentbind", "--label", "MYB",
                     "-o", tmp_path / "d")  # fmt: skip
    assert result.exit_code == 0, result.output
    made = Dataset.open(tmp_path / "d")
    assert made.label_names == ("MYB",)
    assert np.array_equal(made.cores, data.cores)
    assert np.array_equal(made.sequence, data.sequence)
    assert f"  kept    {len(data):>12,}" in result.stderr
    for words, message in (
        ([sample], "genome: found none, expected --genome"),
        ([sample, "--genome", genome, "--width", "50"],
         "is Parquet, which is for a sample: found --width, expected none of these"),
        ([sample, "--genome", genome, "--kmers", "--cuts", sample], "found --cuts, --kmers,"),
        ([world.folder / "peaks.bed", "--genome", genome, "--label", "x"],
         "label: found 'x' with the regions of"),
        ([world.folder / "data.sample" / "bins.parquet", "--genome", genome],
         "holds kmerengine.sample.bins, expected kmerengine.simulated.sequences or kmer"),
        ([rewritten(sample, tmp_path / "bare.parquet", metadata=False), "--genome", genome],
         "no kmerengine metadata"),
        ([sample, "--genome", genome, "--label", ""], "label: found no letter"),
        ([sample, "--genome", genome, "--margin", "-1"], "margin: found -1"),
        ([sample, "--genome", genome, "--margin", "2000"], "a margin of 2,000 bp, expected some"),
    ):  # fmt: skip
        result = invoked(*words, "-o", tmp_path / "e")
        assert result.exit_code == 1, result.output
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "e").exists()
    (tmp_path / "damaged.parquet").write_bytes(sample.read_bytes()[:-300])
    result = invoked(tmp_path / "damaged.parquet", "--genome", genome, "-o", tmp_path / "e")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("core", [(-1, 5), (38, 42), (20, 20)])
def test_a_motif_outside_its_sequence_is_damage(data, tmp_path, core):
    for path in data.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())

    def change(rows):
        rows[2]["core_start"], rows[2]["core_end"] = core

    rewritten(data.path / "regions.parquet", tmp_path / "regions.parquet", change)
    opened = Dataset.open(tmp_path)
    with pytest.raises(InputError, match=r"row 2: found a motif at \[.*within the sequence \[0"):
        _ = opened.cores
