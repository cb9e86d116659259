"""`kmerengine dataset` against letters of a string, a dict of cuts and slow overlap counting."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyBigWig
import pytest
from click.testing import CliRunner

import kmerengine
from kmerengine import schemas
from kmerengine.cli import main
from kmerengine.cut_profiles.quantiles import quantile_normalise
from kmerengine.errors import InputError
from kmerengine.io.arrays import map_array
from kmerengine.io.bigwig import write_bigwig

SIZES = {"chr1": 3000, "chr2": 2000, "chr3": 1500}
LETTERS = np.random.default_rng(0)
GENOME = {
    name: "".join(LETTERS.choice(list("ACGTN"), size, p=[0.24, 0.25, 0.25, 0.25, 0.01]))
    for name, size in SIZES.items()
}
PEAKS = [
    ("chr1", 500, 700, "a"),
    ("chr1", 900, 1100, "b"),
    ("chr2", 40, 120, "edge"),  # its wide window leaves the contig
    ("chr2", 1000, 1101, "c"),
    ("chr3", 600, 800, "d"),
    ("chr1", 2000, 2300, "e"),
]
KEPT = ["a", "b", "c", "d", "e"]
CENTRES = {name: (chrom, (start + end) // 2) for chrom, start, end, name in PEAKS}
CODE = {letter: code for code, letter in enumerate("ACGT")}


def text(codes):
    return "".join("ACGT"[code] if code < 4 else "N" for code in codes.tolist())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    fasta = "".join(f">{name}\n{letters}\n" for name, letters in GENOME.items())
    (folder / "g.fa").write_text(fasta)
    bed = "".join(f"{c}\t{s}\t{e}\t{name}\n" for c, s, e, name in PEAKS)
    (folder / "peaks.bed").write_text(bed)
    rng = np.random.default_rng(1)
    for sample in ("B", "NK"):
        rows = []
        for chrom, size in SIZES.items():
            for _ in range(size):
                start = int(rng.integers(0, size - 60))
                rows.append((chrom, start, start + int(rng.integers(20, 60))))
        lines = "".join(f"{c}\t{s}\t{e}\tcell\t1\n" for c, s, e in sorted(rows))
        (folder / f"{sample}.tsv").write_text(lines)
    kmerengine.cuts(
        [folder / "B.tsv", folder / "NK.tsv"],
        output=folder / "cuts.parquet",
        input_shift="+4/-5",
        genome=folder / "g.fa",
    )
    values = {chrom: np.round(rng.normal(size=size), 3) for chrom, size in SIZES.items()}
    runs = [(c, np.arange(SIZES[c]), v.astype(np.float32)) for c, v in values.items()]
    write_bigwig(folder / "bias.bw", SIZES, runs)
    np.savez(folder / "bias.npz", **values)
    return folder


def cuts_of(files):
    """(sample, chrom, position, strand) -> cuts, from the fragments as bedtools would list them."""
    found = {}
    for sample in ("B", "NK"):
        for line in (files / f"{sample}.tsv").read_text().splitlines():
            chrom, start, end, *_ = line.split()
            for key in (
                (sample, chrom, int(start), 0),
                (sample, chrom, int(end), 1),  # +4/-5 rows: the cuts of +4/-4 are start and end
            ):
                found[key] = found.get(key, 0) + 1
    return found


def make(files, tmp_path, **options):
    given = {"genome": files / "g.fa", "output": tmp_path / "d", "width": 100, "window": 30}
    return kmerengine.dataset(files / "peaks.bed", **(given | options))


@pytest.mark.parametrize("strands", ["sum", "split"])
def test_every_array_equals_a_look_up_of_each_base(files, tmp_path, strands):
    made = make(
        files,
        tmp_path,
        cuts=files / "cuts.parquet",
        bias=files / "bias.bw",
        input_width=301,
        margin=7,
        strands=strands,
    )
    cuts, bias = cuts_of(files), np.load(files / "bias.npz")
    assert made.regions["name"].to_pylist() == KEPT
    assert made.provenance["skipped"] == {"window leaves its contig": 1}
    assert (made.samples, made.shift, made.strands) == (("B", "NK"), "+4/-4", strands)
    assert made.sequence.dtype == np.uint8
    for row, name in enumerate(KEPT):
        chrom, centre = CENTRES[name]
        low = centre - 150
        assert text(made.sequence[row]) == GENOME[chrom][low : low + 301]
        stored, start = made.stored("sequence")
        assert text(stored[row]) == GENOME[chrom][low - 7 : low + 308]
        assert start == 50 - 150 - 7
        region = range(centre - 50, centre + 50)
        for column, sample in enumerate(made.samples):
            by_strand = [[cuts.get((sample, chrom, at, s), 0) for at in region] for s in (0, 1)]
            both = np.sum(by_strand, axis=0).tolist()
            expected = by_strand if strands == "split" else both
            assert made.counts[row, column].tolist() == expected
            assert made.totals[row, column] == sum(both[35:65])
        expected = bias[chrom][centre - 50 : centre + 50].astype(np.float32)
        assert made.bias[row].tolist() == expected.tolist()
    counts, start = made.stored("counts")
    assert (counts.shape[-1], start, counts.dtype) == (114, -7, np.int16)
    assert made.window == (35, 65)
    assert made.totals.sum() > 100
    assert made.normalised.tolist() == quantile_normalise(made.totals).tolist()
    assert not made.counts.flags.writeable
    table = pa.ipc.open_file(made.path / "sequence.arrow").read_all()
    assert table.column(0).combine_chunks().to_numpy_ndarray().shape == (5, 315)


def test_profiles_that_were_made_before_are_shared_or_taken_from(files, tmp_path):
    cuts = files / "cuts.parquet"
    expected = make(files, tmp_path, cuts=cuts, margin=4, output=tmp_path / "e")
    kmerengine.profiles(
        cuts, files / "peaks.bed", output=tmp_path / "p", width=108, window=30,
        skip_missing_contigs=True,
    )  # fmt: skip
    some = make(files, tmp_path, profiles=tmp_path / "p", margin=4, input_width=300)
    assert some.regions["name"].to_pylist() == KEPT
    assert some.counts.tolist() == expected.counts[[0, 1, 3, 4, 5]].tolist()
    assert some.totals.tolist() == expected.totals[[0, 1, 3, 4, 5]].tolist()
    every = make(files, tmp_path, profiles=tmp_path / "p", margin=4, output=tmp_path / "f")
    assert (tmp_path / "f" / "counts.arrow").samefile(tmp_path / "p" / "counts.arrow")
    assert every.counts.tolist() == expected.counts.tolist()
    assert every.totals.tolist() == expected.totals.tolist()
    assert every.stored("counts")[1] == -4
    with pytest.raises(InputError, match="108 bp wide, expected 100 and a margin of 5"):
        make(files, tmp_path, profiles=tmp_path / "p", margin=5, output=tmp_path / "g")
    (tmp_path / "other.bed").write_text("chr1\t500\t702\n")
    with pytest.raises(InputError, match="has no profile of chr1:547-655"):
        kmerengine.dataset(
            tmp_path / "other.bed", genome=files / "g.fa", profiles=tmp_path / "p",
            output=tmp_path / "g", width=100, window=30, margin=4,
        )  # fmt: skip
    assert not (tmp_path / "g").exists()


def test_margins_lie_inside_the_contig_to_the_base(files, tmp_path):
    """chr3 has 1,500 bp; windows of 100 bp with a margin of 7."""
    centres = [56, 57, 1500 - 57, 1500 - 56]
    rows = "".join(f"chr3\t{c - 1}\t{c + 1}\t{c}\n" for c in centres)
    (tmp_path / "p.bed").write_text(rows)
    made = kmerengine.dataset(
        tmp_path / "p.bed", genome=files / "g.fa", output=tmp_path / "d", width=100, margin=7
    )
    assert made.regions["name"].to_pylist() == ["57", "1443"]
    assert made.provenance["skipped"] == {"window leaves its contig": 2}
    stored, start = made.stored("sequence")
    assert (text(stored[0]), start) == (GENOME["chr3"][:114], -7)
    assert text(stored[1]) == GENOME["chr3"][-114:]
    for apart, margin, fits in ((114, 7, True), (113, 7, False), (113, 6, True)):
        (tmp_path / "p.bed").write_text(f"chr3\t300\t500\nchr3\t{300 + apart}\t{500 + apart}\n")
        options = {"width": 100, "margin": margin, "force": True, "output": tmp_path / "d"}
        options["split"] = [f"test=chr3:{450 + margin}-1400"]
        if fits:
            made = kmerengine.dataset(tmp_path / "p.bed", genome=files / "g.fa", **options)
            assert [len(made.split(name)) for name in ("train", "test")] == [1, 1]
        else:
            with pytest.raises(InputError, match="no example for test"):
                kmerengine.dataset(tmp_path / "p.bed", genome=files / "g.fa", **options)


def test_profiles_of_another_parity_have_the_same_centre(files, tmp_path):
    cuts = files / "cuts.parquet"
    expected = make(files, tmp_path, cuts=cuts, output=tmp_path / "e")
    for width in (108, 109):
        kmerengine.profiles(
            cuts, files / "peaks.bed", output=tmp_path / f"p{width}", width=width, window=30
        )
        made = make(files, tmp_path, profiles=tmp_path / f"p{width}", output=tmp_path / f"d{width}")
        assert made.counts.tolist() == expected.counts.tolist()
        assert made.totals.tolist() == expected.totals.tolist()


def test_profiles_on_another_file_system_are_copied(files, tmp_path, monkeypatch):
    kmerengine.profiles(
        files / "cuts.parquet", files / "peaks.bed", output=tmp_path / "p", width=100, window=30
    )

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("kmerengine.io.link.os.link", refuse)
    made = make(files, tmp_path, profiles=tmp_path / "p")
    assert not (made.path / "counts.arrow").samefile(tmp_path / "p" / "counts.arrow")
    again = kmerengine.Dataset.open(made.path)
    cuts = cuts_of(files)
    chrom, centre = CENTRES["c"]
    expected = [cuts.get(("B", chrom, at, 0), 0) + cuts.get(("B", chrom, at, 1), 0)
                for at in range(centre - 50, centre + 50)]  # fmt: skip
    assert again.counts[3, 0].tolist() == expected


def test_off_by_two_by_an_impulse(tmp_path):
    """One G, one cut and one bias value, all at base 500 of a region of 1,000."""
    letters = ["A"] * 3000
    letters[1500] = "G"
    (tmp_path / "g.fa").write_text(">c\n" + "".join(letters) + "\n")
    (tmp_path / "p.bed").write_text("c\t1000\t2000\n")
    (tmp_path / "f.tsv").write_text("c\t1500\t1700\tx\t1\n")
    kmerengine.cuts(
        [tmp_path / "f.tsv"], output=tmp_path / "c.parquet", input_shift="+4/-5",
        genome=tmp_path / "g.fa",
    )  # fmt: skip
    write_bigwig(
        tmp_path / "b.bw", {"c": 3000}, [("c", np.array([1500]), np.array([7], np.float32))]
    )
    common = {"genome": tmp_path / "g.fa", "cuts": tmp_path / "c.parquet"}
    common["bias"] = tmp_path / "b.bw"
    plain = kmerengine.dataset(tmp_path / "p.bed", output=tmp_path / "plain", **common)
    made = kmerengine.dataset(
        tmp_path / "p.bed", output=tmp_path / "d", off_by_two=True, margin=5, **common
    )
    assert np.flatnonzero(plain.sequence[0] == 2).tolist() == [500]
    assert np.flatnonzero(plain.counts[0, 0]).tolist() == [500, 700]
    assert made.sequence.shape == made.bias.shape == (1, 998)
    assert made.counts.shape == (1, 1, 998)
    assert np.flatnonzero(made.sequence[0] == 2).tolist() == [498], "the first 2 bp are gone"
    assert np.flatnonzero(made.bias[0]).tolist() == [498]
    assert np.flatnonzero(made.counts[0, 0]).tolist() == [500, 700], "the last 2 bp are gone"
    assert made.window == plain.window == (375, 625)
    assert made.totals.tolist() == plain.totals.tolist() == [[1.0]]


def covered(chrom, start, end, listed):
    bases = {at for c, s, e in listed if c == chrom for at in range(s, e)}
    return sum(at in bases for at in range(start, end))


@pytest.mark.parametrize("rule", ["half", "within"])
def test_labels_equal_counting_of_bases(files, tmp_path, rule):
    rng = np.random.default_rng(4)
    folder = tmp_path / "tf"
    folder.mkdir()
    listed = {"CTCF": [("chr1", 560, 610), ("chr1", 590, 641), ("chr1", 970, 1020)]}
    listed["SPI1"] = [("chr1", 550, 650), ("chr1", 949, 1049), ("chr2", 1000, 1051)]
    for name in ("X", "Y"):
        listed[name] = []
        for _ in range(40):
            chrom = rng.choice(list(SIZES))
            start = int(rng.integers(0, SIZES[chrom] - 200))
            listed[name].append((chrom, start, start + int(rng.integers(1, 200))))
    for name, places in listed.items():
        lines = "".join(f"{c}\t{s}\t{e}\n" for c, s, e in places)
        (folder / f"{name}.bed").write_text(lines)
    made = make(files, tmp_path, labels=[folder], label_rule=rule, label_width=100)
    assert made.label_names == ("CTCF", "SPI1", "X", "Y")
    names = made.regions["name"].to_pylist()
    for row, name in enumerate(names):
        chrom, centre = CENTRES[name]
        low, high = centre - 50, centre + 50
        for column, label in enumerate(made.label_names):
            if rule == "half":
                expected = covered(chrom, low, high, listed[label]) > 50
            else:
                expected = any(c == chrom and s <= low and high <= e for c, s, e in listed[label])
            assert made.labels[row, column] == expected, (name, label)
    assert made.labels.any(axis=0)[1:].all()
    some = make(
        files, tmp_path, labels=[folder / "SPI1.bed"], label_rule=rule, label_width=100,
        require_label=True, output=tmp_path / "some",
    )  # fmt: skip
    assert some.regions["name"].to_pylist() == [
        name for row, name in enumerate(names) if made.labels[row, 1]
    ]
    assert some.provenance["skipped"]["no positive label"] == len(made) - len(some)
    (tmp_path / "t.tsv").write_text("first\ttf/SPI1.bed\nsecond\ttf/CTCF.bed\n")
    listed = make(files, tmp_path, labels=[tmp_path / "t.tsv"], label_rule=rule, label_width=100,
                  output=tmp_path / "listed")  # fmt: skip
    assert listed.label_names == ("first", "second")
    assert listed.labels.tolist() == made.labels[:, [1, 0]].tolist()


def test_negatives_follow_and_kmers_are_counted(files, tmp_path):
    (tmp_path / "n.bed").write_text("chr3\t100\t300\tn1\nchr2\t1500\t1700\tn2\n")
    made = make(files, tmp_path, negatives=tmp_path / "n.bed", kmers=True)
    assert made.regions["name"].to_pylist() == [*(peak[3] for peak in PEAKS), "n1", "n2"]
    assert made.negative.tolist() == [False] * (len(made) - 2) + [True] * 2
    assert made.provenance["negatives"] == 2
    expected = kmerengine.count_sequences([text(row) for row in made.sequence])
    assert (made.kmers.exact != expected.exact).nnz == 0
    without = make(files, tmp_path, output=tmp_path / "without", window=250)
    assert (without.kmers, without.window, without.counts) == (None, None, None)


def test_negatives_on_peaks_are_a_warning(files, tmp_path):
    chrom, start, end, _ = PEAKS[0]
    (tmp_path / "n.bed").write_text(f"{chrom}\t{start}\t{end}\nchr3\t100\t300\n")
    made = make(files, tmp_path, negatives=tmp_path / "n.bed")
    assert made.warnings == ["1 negatives overlap a region that is none"]


def test_splits_and_classes_are_counted_and_said(files, tmp_path):
    (tmp_path / "none.bed").write_text("chr1\t0\t3000\n")
    result = CliRunner().invoke(
        main,
        f"dataset {files}/peaks.bed -o {tmp_path}/d --genome {files}/g.fa --width 100 --window 30 "
        f"--labels {tmp_path}/none.bed --split 'validation=chr2 test=chr3' --input-width 300",
    )
    assert result.exit_code == 0, result.output
    assert "warning: label 'none' has no positives in validation" in result.stderr
    made = kmerengine.Dataset.open(tmp_path / "d")
    assert made.split("train").tolist() == [0, 1, 4]
    assert made.split("validation").tolist() == [2]
    assert made.split("test").tolist() == [3]
    assert made.provenance["positives"] == {"none": {"train": 3, "validation": 0, "test": 0}}
    assert made.warnings == [
        "label 'none' has no positives in validation", "label 'none' has no positives in test"
    ]  # fmt: skip
    frame = pl.read_parquet(made.path / "regions.parquet")
    assert frame["split"].to_list() == ["train", "train", "validation", "test", "train"]
    assert frame["labels"].to_list() == made.labels.tolist()
    with pytest.raises(InputError, match="expected one of train, validation, test"):
        made.split("valid")


def test_arguments_that_do_not_fit_are_refused_and_leave_nothing(files, tmp_path):
    cuts = files / "cuts.parquet"
    for options, message in (
        ({"window": 101, "cuts": cuts}, "window: found 101, expected 1 to 100"),
        ({"window": 0, "bias": files / "bias.bw"}, "window: found 0, expected 1 to 100"),
        ({"margin": -1}, "margin: found -1"),
        ({"off_by_two": True, "input_width": 200}, "expected the same width for both"),
        ({"cuts": cuts, "profiles": tmp_path}, "expected one of the two"),
        ({"require_label": True}, "expected --labels with it"),
        ({"split": ["validation=chr9"]}, "no contig 'chr9'"),
        ({"labels": [files / "peaks.bed"], "label_rule": "most"}, "expected half or within"),
        ({"labels": [files / "peaks.bed"] * 2}, "'peaks' twice"),
        ({"input_width": 2900}, "peaks.bed: no example is left of 6 regions .* leaves its contig"),
        ({"profiles": tmp_path, "strands": "split"}, "strands: found with profiles"),
        ({"vocabulary": kmerengine.Vocabulary.exact(4)}, "expected --kmers with it"),
        ({"split": ["test=0.2"], "seed": -1}, "seed: found -1, expected 0 or more"),
    ):
        with pytest.raises(InputError, match=message):
            make(files, tmp_path, **options)
    assert not list(tmp_path.iterdir())
    np.save(tmp_path / "b.npy", np.zeros((6, 99), np.float32))
    with pytest.raises(InputError, match=r"\(6, 99\), expected a row of 100 bp"):
        make(files, tmp_path, bias=tmp_path / "b.npy")
    np.save(tmp_path / "b.npy", np.full((6, 100), np.nan, np.float32))
    with pytest.raises(InputError, match="row 0: found a value that is no number"):
        make(files, tmp_path, bias=tmp_path / "b.npy")


def test_options_that_were_asked_for_are_not_dropped(files, tmp_path):
    call = f"dataset {files}/peaks.bed -o {tmp_path}/d --genome {files}/g.fa --width 100"
    result = CliRunner().invoke(main, f"{call} --kmers --max-wildcards 0")
    assert result.exit_code == 0, result.output
    made = kmerengine.Dataset.open(tmp_path / "d")
    assert made.kmers.vocabulary == kmerengine.Vocabulary.exact(8)
    for options, message in (
        ("--kmers -k 0", "k: found 0, expected 1 to 32"),
        ("--max-wildcards 0", "expected --kmers with it"),
        ("--label-width 200", "label_width: found without labels, expected --labels with it"),
        ("--label-rule within", "label_rule: found without labels, expected --labels with it"),
    ):
        result = CliRunner().invoke(main, f"{call} --force {options}")
        assert result.exit_code == 1
        assert message in result.stderr


def test_signals_of_another_assembly_are_refused(files, tmp_path):
    other = {"chr1": 3000, "chr2": 2100, "chr3": 1500}
    (tmp_path / "sizes.txt").write_text("".join(f"{c}\t{n}\n" for c, n in other.items()))
    write_bigwig(tmp_path / "bias.bw", other, [("chr2", np.arange(9), np.ones(9, np.float32))])
    given = {"output": tmp_path / "cuts.parquet", "input_shift": "+4/-5"}
    kmerengine.cuts([files / "B.tsv"], genome=tmp_path / "sizes.txt", **given)
    message = r": its contig chr2 has 2,100 bp, 2,000 in .*g\.fa; give the genome"
    with pytest.raises(InputError, match="cuts.parquet" + message):
        make(files, tmp_path, cuts=given["output"])
    with pytest.raises(InputError, match="bias.bw" + message):
        make(files, tmp_path, bias=tmp_path / "bias.bw")
    kmerengine.cuts([files / "B.tsv"], force=True, **given)  # text does not say how long they are
    assert make(files, tmp_path, cuts=given["output"]).samples == ("B",)


def test_an_infinite_bias_is_refused_with_its_place(files, tmp_path):
    with pyBigWig.open(str(tmp_path / "b.bw"), "w") as file:  # ours writes none
        file.addHeader(list(SIZES.items()))
        for chrom, size in SIZES.items():
            values = [1.0] * size
            values[701] = float("inf") if chrom == "chr3" else 1.0
            file.addEntries(chrom, 0, values=values, span=1, step=1)
    with pytest.raises(InputError, match=r"b.bw: chr3:701: found an infinite value"):
        make(files, tmp_path, bias=tmp_path / "b.bw")
    assert not (tmp_path / "d").exists()


def resealed(path, **changes):
    document = json.loads(path.read_text())
    document.pop("sha256")
    path.write_text(schemas.as_text(document | changes))


def change(path, edit):
    raw = bytearray(path.read_bytes())
    edit(raw)
    path.write_bytes(raw)


def flip(raw, at):
    raw[at] ^= 0x10


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("sequence.arrow", lambda p: change(p, lambda raw: raw.pop()), "truncated or damaged"),
        ("sequence.arrow", lambda p: change(p, lambda raw: flip(raw, 100)), "is damaged"),
        ("counts.arrow", lambda p: p.unlink(), "No such file"),
        ("counts.arrow", lambda p: change(p, lambda raw: flip(raw, -20)), "is damaged"),
        ("dataset.json", lambda p: change(p, lambda raw: flip(raw, 30)), "metadata is damaged"),
        ("dataset.json", lambda p: resealed(p, version=2), "format version 2, .* reads 1; update"),
        ("dataset.json", lambda p: resealed(p, format="other"), "holds other"),
        ("dataset.json", lambda p: resealed(p, margin=3), "which does not hold"),
        ("dataset.json", lambda p: resealed(p, spans={"sequence": [0, 101]}), "does not hold"),
        ("dataset.json", lambda p: resealed(p, arrays={}), "not of the same data set"),
        ("dataset.json", lambda p: resealed(p, arrays=[1]), "lacks what such a file has"),
        ("dataset.json", lambda p: resealed(p, samples=["B", "T"]), "not of the same data set"),
        ("dataset.json", lambda p: p.unlink(), "no readable dataset.json"),
        ("regions.parquet", lambda p: change(p, lambda raw: raw.pop()), "cannot be read"),
        ("regions.parquet", lambda p: p.unlink(), "does not exist"),
    ],
)
def test_a_damaged_folder_is_an_input_error(files, tmp_path, name, damage, message):
    made = make(files, tmp_path, cuts=files / "cuts.parquet")
    damage(made.path / name)
    with pytest.raises(InputError, match=message):
        kmerengine.Dataset.open(made.path)


def test_any_byte_around_the_values_is_checked(files, tmp_path):
    made = make(files, tmp_path)
    about = made.provenance["arrays"]["sequence"]["file"]
    path = made.path / "sequence.arrow"
    good = path.read_bytes()
    first, last = about["offset"], about["offset"] + made.stored("sequence")[0].nbytes
    for at in [*range(0, first, 7), *range(last, len(good), 7)]:
        raw = bytearray(good)
        raw[at] ^= 0xFF
        path.write_bytes(raw)
        with pytest.raises(InputError, match="is damaged"):
            map_array(path, about)
    for length in range(0, len(good), 13):
        path.write_bytes(good[:length])
        with pytest.raises(InputError, match="truncated"):
            map_array(path, about)


def test_opening_takes_the_same_time_for_any_size(files, tmp_path):
    """A data set of 4 GB, most of it holes: nothing of the arrays is read."""
    made = make(files, tmp_path)
    n = 4_000_000
    document = {k: v for k, v in made.provenance.items() if k != "sha256"}
    table = pq.read_table(made.path / "regions.parquet")
    described = document["arrays"]["sequence"]["file"]
    path = made.path / "sequence.arrow"
    head = path.read_bytes()[: described["offset"]]
    with path.open("wb") as file:
        file.write(head)
        file.truncate(described["offset"] + n * 1000)
    described |= {"shape": [n, 1000], "bytes": described["offset"] + n * 1000}
    described["frame"] = hashlib.sha256(head).hexdigest()
    document |= {"kept": n}
    document["spans"]["sequence"] = [0, 1000]
    rows = pa.table([pa.repeat(c[0], n) if c.null_count == 0 else pa.nulls(n, c.type)
                     for c in table.columns], schema=table.schema)  # fmt: skip
    pq.write_table(
        rows.cast(schemas.with_metadata(table.schema, document)), made.path / "regions.parquet"
    )
    (made.path / "dataset.json").write_text(schemas.as_text(document))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        opened = kmerengine.Dataset.open(made.path)
        seconds.append(time.perf_counter() - start)
    assert len(opened) == n
    assert opened.sequence.shape == (n, 1000)
    assert min(seconds) < 0.05


def test_the_same_inputs_give_the_same_bytes(files, tmp_path):
    folders = [
        make(files, tmp_path, cuts=files / "cuts.parquet", output=tmp_path / name, memory=memory)
        for name, memory in (("one", 1 << 20), ("two", 1 << 28))
    ]
    for name in ("sequence.arrow", "counts.arrow", "regions.parquet", "dataset.json"):
        assert (folders[0].path / name).read_bytes() == (folders[1].path / name).read_bytes()


@pytest.mark.data
def test_yeast_peaks(data: Path, tmp_path: Path) -> None:
    yeast = data / "yeast"
    kmerengine.cuts([yeast / "atac.bam"], output=tmp_path / "y.parquet", mode="fragments")
    made = kmerengine.dataset(
        yeast / "yeast_peaks.narrowPeak",
        genome=yeast / "sacCer3.fa.gz",
        cuts=tmp_path / "y.parquet",
        output=tmp_path / "d",
        input_width=2114,
        margin=100,
        split=["validation=chrII,chrIII", "test=chrIV"],
    )
    import pysam

    with pysam.FastaFile(str(yeast / "sacCer3.fa.gz")) as genome:
        regions = made.regions.to_pylist()
        for row in range(0, len(made), 97):
            low = regions[row]["start"] + 500 - 1057
            expected = genome.fetch(regions[row]["chrom"], low, low + 2114).upper()
            assert text(made.sequence[row]) == expected
    assert len(made) > 1_000
    assert {regions[row]["chrom"] for row in made.split("test").tolist()} == {"chrIV"}
    totals = made.counts[:, 0, 375:625].sum(axis=1)
    assert (totals == made.totals[:, 0]).all()
