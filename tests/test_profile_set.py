"""Profiles of regions: against dicts, real cuts, and folders that somebody has damaged."""

import gzip
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmerengine import schemas
from kmerengine.cut_profiles import profile_set as module
from kmerengine.cut_profiles import profile_write
from kmerengine.cut_profiles.profile_set import Profiles, centre_start
from kmerengine.cut_profiles.profile_write import make_profiles, write_profiles
from kmerengine.cut_profiles.quantiles import quantile_normalise
from kmerengine.errors import InputError
from kmerengine.io import arrays
from kmerengine.io.bed import read_regions
from kmerengine.regions import Regions, place_regions

CONTIGS = {"chr1": 400, "chr2": 90, "empty": 50}


class DictCuts:
    """Cuts as a dict of (sample, contig) to {(position, strand): count}."""

    shift = "+4/-4"

    def __init__(self, samples, contigs, cuts):
        self.samples = list(samples)
        self.contigs = contigs
        self.by_place = cuts
        self.asked = []

    def cuts(self, sample, chrom, start, end):
        assert 0 <= start <= end <= self.contigs[chrom]
        self.asked.append((sample, chrom, start, end))
        here = self.by_place.get((sample, chrom), {})
        found = sorted((*key, n) for key, n in here.items() if start <= key[0] < end)
        position, strand, count = zip(*found, strict=True) if found else ((), (), ())
        return np.array(position, np.int64), np.array(strand, np.uint8), np.array(count, np.uint32)


def random_cuts(samples=("B", "NK"), contigs=CONTIGS, n=300, seed=0, most=5):
    rng = np.random.default_rng(seed)
    cuts = defaultdict(dict)
    for sample in samples:
        for chrom, length in contigs.items():
            if chrom == "empty":
                continue
            edges = {(0, 0): 1, (0, 1): 2, (length - 1, 0): 3, (length - 1, 1): 4}
            cuts[sample, chrom] = edges | {
                (int(rng.integers(length)), int(rng.integers(2))): int(rng.integers(1, most))
                for _ in range(n)
            }
    return DictCuts(samples, contigs, cuts)


def regions_of(*places, contigs=CONTIGS):
    names = list(contigs)
    n = len(places)
    return Regions(
        contig_names=tuple(names),
        contig=np.array([names.index(place[0]) for place in places], np.int32),
        start=np.array([place[1] for place in places], np.int64),
        end=np.array([place[2] for place in places], np.int64),
        name=[f"peak{i}" for i in range(n)],
        score=np.where(np.arange(n) % 2, np.nan, 1.5),
        strand=np.array([b"+", b"-", b"."] * n, "S1")[:n],
        summit=np.full(n, -1, np.int64),
        line=np.arange(1, n + 1),
    )


def expected_counts(source, places, strands):
    """What every base of every region has, looked up one by one."""
    whole = []
    for chrom, start, end in places:
        row = []
        for sample in source.samples:
            here = source.by_place.get((sample, chrom), {})
            plus, minus = ([here.get((at, s), 0) for at in range(start, end)] for s in (0, 1))
            both = [a + b for a, b in zip(plus, minus, strict=True)]
            row.append([plus, minus] if strands == "split" else both)
        whole.append(row)
    return whole


PLACES = [
    ("chr2", 70, 90),  # ends with its contig
    ("chr1", 380, 400),
    ("chr1", 0, 20),  # starts with its contig
    ("chr1", 1, 21),
    ("empty", 5, 25),
    ("chr1", 100, 120),
    ("chr2", -7, 13),  # leaves it on either side
    ("chr2", 85, 105),
    ("chr1", 100, 120),  # twice
    ("chr1", 110, 130),
]


@pytest.fixture
def made(tmp_path):
    return make_profiles(random_cuts(), regions_of(*PLACES), tmp_path / "p", width=20, window=6)


@pytest.mark.parametrize("strands", ["sum", "split"])
@pytest.mark.parametrize("memory", [1, 4 * 20 * 2 * 2 * 3, 1 << 20])
def test_counts_equal_the_cuts_of_every_base(tmp_path, strands, memory):
    source, regions = random_cuts(), regions_of(*PLACES)
    steps = []
    made = make_profiles(
        source,
        regions,
        tmp_path / "p",
        width=20,
        window=6,
        strands=strands,
        memory=memory,
        progress=lambda done, of: steps.append((done, of)),
    )
    expected = expected_counts(source, PLACES, strands)
    assert made.counts().tolist() == expected
    assert made.counts().dtype == np.int16
    assert steps[-1] == (10, 10)
    totals = np.array(expected)[..., 7:13].reshape(10, 2, -1).sum(-1)
    assert made.totals().tolist() == totals.tolist()
    assert made.normalised().tolist() == quantile_normalise(totals).tolist()
    most_rows = max(1, memory // (4 * 2 * 20 * (2 if strands == "split" else 1)))
    assert len(source.asked) >= 2 * len(PLACES) / most_rows


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from(list(CONTIGS)), st.integers(-9, 95)), max_size=12),
    st.integers(1, 12),
    st.integers(1, 4000),
    st.sampled_from(["sum", "split"]),
)
def test_any_regions_in_any_order(tmp_path_factory, starts, width, memory, strands):
    places = [(chrom, start, start + width) for chrom, start in starts]
    source = random_cuts(n=60)
    folder = tmp_path_factory.mktemp("any") / "p"
    made = make_profiles(
        source,
        regions_of(*places),
        folder,
        width=width,
        window=1,
        strands=strands,
        memory=memory,
    )
    assert made.counts().tolist() == expected_counts(source, places, strands)


def test_cuts_are_asked_for_by_stretches_of_a_contig(tmp_path, monkeypatch):
    monkeypatch.setattr(profile_write, "MAX_SPAN", 100)
    source = random_cuts(samples=["B"])
    places = [("chr1", 300, 320), ("chr1", 10, 30), ("chr1", 109, 129), ("chr1", 110, 130)]
    made = make_profiles(source, regions_of(*places), tmp_path / "p", width=20, window=6)
    assert [asked[1:] for asked in source.asked] == [
        ("chr1", 10, 129),
        ("chr1", 110, 130),
        ("chr1", 300, 320),
    ]
    assert made.counts().tolist() == expected_counts(source, places, "sum")


@pytest.mark.parametrize("memory", [1, 1 << 20])
@pytest.mark.parametrize(
    ("most", "dtype"),
    [
        ((1 << 15) - 1, np.int16),
        (1 << 15, np.int32),
        ((1 << 31) - 1, np.int32),
        (1 << 31, np.int64),
        ((1 << 33) - 2, np.int64),
    ],
)
def test_counts_have_the_narrowest_type_that_holds_them(tmp_path, monkeypatch, most, dtype, memory):
    monkeypatch.setattr(arrays, "COPY_BYTES", 1)
    source = random_cuts()
    source.by_place["B", "chr1"][105, 0] = most // 2
    source.by_place["B", "chr1"][105, 1] = most - most // 2
    made = make_profiles(
        source, regions_of(*PLACES), tmp_path / "p", width=20, window=6, memory=memory
    )
    assert made.counts().dtype == dtype
    assert made.counts().max() == most
    assert made.counts().tolist() == expected_counts(source, PLACES, "sum")
    assert made.totals(20).max() >= most
    assert sorted(each.name for each in made.path.iterdir()) == sorted(module.NAMES)


def test_centre_of_a_window():
    assert centre_start(1000, 250) == 375
    assert centre_start(1001, 250) == 375
    assert centre_start(998, 250) == 374
    assert centre_start(5, 5) == 0


@pytest.mark.parametrize("width", [20, 21])
@pytest.mark.parametrize("window", [1, 6, 7, 20])
def test_centre_is_what_place_regions_would_give(tmp_path, width, window):
    peaks = regions_of(("chr1", 50, 90), ("chr1", 201, 260), ("chr2", 30, 45))
    wide, _ = place_regions(peaks, CONTIGS, Path("bed"), width=width)
    narrow, _ = place_regions(peaks, CONTIGS, Path("bed"), width=window)
    assert (wide.start + centre_start(width, window) == narrow.start).all()
    source = random_cuts()
    both = [
        make_profiles(source, each, tmp_path / name, width=w, window=window).totals()
        for each, name, w in ((wide, "wide", width), (narrow, "narrow", window))
    ]
    assert both[0].tolist() == both[1].tolist()


def test_totals_of_another_window(made, monkeypatch):
    monkeypatch.setattr(module, "COPY_BYTES", 200)
    counts = made.counts().astype(int)
    assert made.window == (7, 13)
    assert made.totals(6).tolist() == made.totals().tolist()
    assert made.totals(20).tolist() == counts.sum(-1).tolist()
    assert made.totals(4, 1).tolist() == counts[..., 1:5].sum(-1).tolist()
    assert made.totals(start=8).tolist() == counts[..., 8:14].sum(-1).tolist()
    assert made.normalised(4, 1).tolist() == quantile_normalise(made.totals(4, 1)).tolist()
    made.totals()[:] = -1
    assert made.totals().min() >= 0, "a copy each time"
    for window, start in ((21, None), (0, None), (5, 16), (5, -1)):
        with pytest.raises(InputError, match="expected a part of the 20 bp"):
            made.totals(window, start)


def test_counts_of_some_regions_and_samples(made):
    counts = made.counts().tolist()
    assert made.counts(slice(2, 5)).tolist() == counts[2:5]
    assert not made.counts(slice(2, 5)).flags.writeable
    assert made.counts(np.array([4, 1])).tolist() == [counts[4], counts[1]]
    mask = np.arange(10) % 3 == 0
    assert made.counts(mask, ["NK"]).tolist() == [[counts[row][1]] for row in (0, 3, 6, 9)]
    swapped = made.counts(slice(1, 3), ["NK", "B"]).tolist()
    assert swapped == [counts[row][::-1] for row in (1, 2)]
    for samples in (["T"], "NK"):
        with pytest.raises(InputError, match=r"no sample .* it has B, NK"):
            made.counts(samples=samples)


def test_rescaled_profiles_sum_to_normalised_totals(made):
    some = made.totals() > 0
    found = made.rescaled()
    assert np.allclose(found[..., 7:13].sum(-1)[some], made.normalised()[some])
    assert (found[~some] == made.counts()[~some]).all()
    rows = np.array([5, 0])
    assert made.rescaled(rows, ["NK"]).tolist() == found[rows][:, [1]].tolist()


@pytest.mark.parametrize("strands", ["sum", "split"])
def test_group_averages(tmp_path, strands):
    samples = ["a", "b", "c"]
    source, regions = random_cuts(samples), regions_of(*PLACES)
    made = make_profiles(source, regions, tmp_path / "p", width=20, window=6, strands=strands)
    groups = {"late": ["c"], "early": ["b", "a"]}
    counts, rescaled = made.counts().astype(float), made.rescaled()
    for whole, normalised in ((counts, False), (rescaled, True)):
        found = made.average(groups, normalised=normalised)
        assert np.array_equal(found[:, 0], whole[:, 2])
        assert np.allclose(found[:, 1], (whole[:, 0] + whole[:, 1]) / 2, rtol=1e-15)
        part = made.average(groups, slice(3, 5), normalised=normalised)
        assert np.array_equal(part, found[3:5])
    for bad in ({"none": []}, {"twice": ["a", "a"]}):
        with pytest.raises(InputError, match="expected samples, each once"):
            made.average(bad)


def test_files_open_in_numpy_and_polars(made):
    table = pa.ipc.open_file(made.path / "counts.arrow").read_all()
    assert table.schema.names == ["counts"]
    assert table.schema.field(0).type == pa.fixed_shape_tensor(pa.int16(), (2, 20))
    tensor = table.column(0).combine_chunks().to_numpy_ndarray()
    assert tensor.tolist() == made.counts().tolist()
    assert pl.read_ipc(made.path / "counts.arrow").height == 10
    frame = pl.read_parquet(made.path / "totals.parquet")
    assert frame["total"].to_list() == made.totals().tolist()
    assert frame["normalised"].to_list() == made.normalised().tolist()
    assert [tuple(row) for row in frame.select("chrom", "start", "end").rows()] == PLACES
    assert frame["name"].to_list() == [f"peak{i}" for i in range(10)]
    assert frame["score"].to_list() == [1.5, None] * 5
    assert made.regions["strand"].to_pylist() == ["+", "-", "."] * 3 + ["+"]
    about = json.loads((made.path / "profiles.json").read_text())
    assert about["samples"] == ["B", "NK"]
    assert (about["shift"], about["window"], about["kept"]) == ("+4/-4", [7, 13], 10)
    assert (
        schemas.read_metadata(
            pq.read_schema(made.path / "totals.parquet"), made.path, ("kmerengine.profiles",)
        )
        == made.provenance
    )


def test_a_data_set_is_the_same_bytes_however_it_was_cut_into_blocks(tmp_path):
    source = random_cuts()
    source.by_place["NK", "chr2"][75, 0] = 40_000
    folders = []
    for memory in (1, 1 << 20):
        folders.append(tmp_path / str(memory))
        regions = regions_of(*PLACES)
        make_profiles(source, regions, folders[-1], width=20, window=6, memory=memory)
    for name in module.NAMES:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_provenance_travels(tmp_path):
    document = schemas.provenance("profiles", {"cuts": {"name": "x"}}, {"width": 20})
    made = make_profiles(
        random_cuts(),
        regions_of(*PLACES),
        tmp_path / "p",
        width=20,
        window=6,
        provenance=document | {"skipped": {"contig not in genome": 3}},
    )
    again = Profiles.open(made.path)
    assert again.provenance["inputs"] == {"cuts": {"name": "x"}}
    assert again.provenance["skipped"] == {"contig not in genome": 3}
    assert (again.samples, again.shift, again.width) == (("B", "NK"), "+4/-4", 20)
    assert repr(again) == "Profiles(10 regions, 2 samples, 20 bp)"


@pytest.mark.parametrize("strands", ["sum", "split"])
def test_no_regions(tmp_path, strands):
    source, regions = random_cuts(), regions_of()
    made = make_profiles(source, regions, tmp_path / "p", width=20, window=6, strands=strands)
    raw = pa.ipc.open_file(made.path / "counts.arrow").read_all()
    assert raw.schema.field(0).type.shape == ([2, 2, 20] if strands == "split" else [2, 20])
    shape = (0, 2, 2, 20) if strands == "split" else (0, 2, 20)
    assert made.counts().shape == made.rescaled().shape == shape
    assert made.totals().shape == made.normalised().shape == made.totals(3).shape == (0, 2)
    assert len(made) == len(made.regions) == 0


BLOCK = np.arange(2 * 1 * 4, dtype=np.int64).reshape(2, 1, 4)
TWO = [("chr1", 0, 4), ("chr1", 8, 12)]


def write(tmp_path, blocks, samples=("s",), places=TWO, **options):
    given_options = {"shift": "none", "width": 4, "window": 2} | options
    return write_profiles(
        tmp_path / "p", regions_of(*places), list(samples), blocks, **given_options
    )


def test_blocks_in_any_order_and_of_any_integers(tmp_path):
    rows = [np.array([1]), np.array([0])]
    made = write(tmp_path, [(rows[0], BLOCK[1:].astype(np.uint64)), (rows[1], BLOCK[:1])])
    assert made.counts().tolist() == BLOCK.tolist()
    assert made.totals().tolist() == [[1 + 2], [5 + 6]]
    assert made.shift == "none"


BOTH = np.array([0, 1])


@pytest.mark.parametrize(
    ("blocks", "options", "message"),
    [
        ([(BOTH[:1], BLOCK[:1])], {}, "nothing for row 1"),
        ([], {}, "nothing for row 0"),
        ([(BOTH, BLOCK), (BOTH[1:], BLOCK[1:])], {}, "row 1 twice"),
        ([(BOTH[::-1], BLOCK)], {}, "rows 1 to 0, expected ascending"),
        ([(np.array([1, 2]), BLOCK)], {}, "rows 1 to 2, expected ascending rows of 2"),
        ([(np.array([-1, 0]), BLOCK)], {}, "rows -1 to 0"),
        ([(BOTH, BLOCK[:1])], {}, r"int64 \(1, 1, 4\), expected integers of \(2, 1, 4\)"),
        ([(BOTH, BLOCK.astype(float))], {}, "block of float64"),
        ([(BOTH, BLOCK - 1)], {}, "value of -1, expected 0 to"),
        ([(BOTH, BLOCK.astype(np.uint64) << np.uint64(61))], {}, "value of 16"),
        ([(BOTH, BLOCK)], {"strands": "split"}, r"expected integers of \(2, 1, 2, 4\)"),
        ([(BOTH, BLOCK)], {"strands": "both"}, "strands: found 'both'"),
        ([(BOTH, BLOCK)], {"samples": ["s", "s"]}, "each once"),
        ([(BOTH, BLOCK)], {"samples": []}, "at least one"),
        ([(BOTH, BLOCK)], {"window": 5}, "window: found 5 bp .* choose a smaller window"),
        ([(BOTH, BLOCK)], {"width": 0}, "width: found 0"),
        ([(BOTH, BLOCK)], {"width": 5}, "line 1: 0-4 is 4 bp wide, expected 5"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path, blocks, options, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path, blocks, **options)
    assert not list(tmp_path.iterdir())


def test_regions_of_other_contigs_are_refused(tmp_path):
    source = random_cuts(contigs={"chr1": 400})
    make_profiles(source, regions_of(("chr1", 0, 20)), tmp_path / "p", width=20, window=6)
    with pytest.raises(InputError, match="cuts have no contig 'chr2'"):
        make_profiles(source, regions_of(*PLACES), tmp_path / "q", width=20, window=6)


def test_an_error_of_the_source_leaves_nothing(tmp_path):
    source = random_cuts()
    real = source.cuts

    def failing(sample, chrom, start, end):
        if chrom == "chr2":
            raise InputError("cuts: damaged")
        return real(sample, chrom, start, end)

    source.cuts = failing
    with pytest.raises(InputError, match="cuts: damaged"):
        make_profiles(source, regions_of(*PLACES), tmp_path / "p", width=20, window=6)
    assert not list(tmp_path.iterdir())


def test_only_a_data_set_is_replaced_and_only_by_force(tmp_path, made):
    source, regions = random_cuts(seed=5), regions_of(*PLACES)
    with pytest.raises(InputError, match="exists"):
        make_profiles(source, regions, made.path, width=20, window=6)
    again = make_profiles(source, regions, made.path, width=20, window=6, force=True)
    assert again.counts().tolist() == expected_counts(source, PLACES, "sum")
    assert made.counts().tolist() == expected_counts(random_cuts(), PLACES, "sum"), "still mapped"
    (made.path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds 'notes.txt'"):
        make_profiles(source, regions, made.path, width=20, window=6, force=True)


def change_bytes(path, change):
    raw = bytearray(path.read_bytes())
    path.write_bytes(change(raw))


def resealed(path, **changes):
    document = json.loads(path.read_text())
    document.pop("sha256")
    path.write_text(schemas.as_text(document | changes))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("counts.arrow", lambda path: change_bytes(path, lambda raw: raw[:-1]), "truncated or"),
        ("counts.arrow", lambda path: change_bytes(path, lambda raw: raw + b"x"), "truncated or"),
        ("counts.arrow", lambda path: path.write_bytes(b""), "holds 0 bytes"),
        ("counts.arrow", lambda path: change_bytes(path, lambda raw: flip(raw, 40)), "is not the"),
        ("counts.arrow", lambda path: change_bytes(path, lambda raw: flip(raw, -9)), "is not the"),
        ("counts.arrow", lambda path: path.unlink(), "No such file"),
        ("totals.parquet", lambda path: path.unlink(), "does not exist"),
        ("totals.parquet", lambda path: change_bytes(path, lambda raw: raw[:-9]), "cannot be read"),
        ("profiles.json", lambda path: path.unlink(), "no readable profiles.json"),
        ("profiles.json", lambda path: path.write_bytes(b"\xff{"), "metadata is damaged"),
        (
            "profiles.json",
            lambda path: change_bytes(path, lambda raw: raw.replace(b'"NK"', b'"MK"')),
            "metadata is damaged",
        ),
        ("profiles.json", lambda path: resealed(path, format="other"), "holds other"),
        ("profiles.json", lambda path: resealed(path, version=99), "format version 99"),
        ("profiles.json", lambda path: resealed(path, samples=["B", "T"]), "same profiles"),
        ("profiles.json", lambda path: resealed(path, samples=None), "lacks what such a file has"),
        ("profiles.json", lambda path: resealed(path, window=[1]), "lacks what such a file has"),
        ("profiles.json", lambda path: resealed(path, counts=3), "without what an array needs"),
        ("profiles.json", lambda path: resealed(path, strands="x"), "found strands 'x'"),
        (
            "profiles.json",
            lambda path: resealed(path, width=19),
            r"expected integers of \(10, 2, 19\)",
        ),
    ],
)
def test_a_damaged_folder_is_an_input_error(made, name, damage, message):
    damage(made.path / name)
    with pytest.raises(InputError, match=message):
        Profiles.open(made.path)


def test_totals_of_other_profiles_are_refused(tmp_path, made):
    other = make_profiles(
        random_cuts(["B", "T"]), regions_of(*PLACES), tmp_path / "q", width=20, window=6
    )
    (made.path / "totals.parquet").write_bytes((other.path / "totals.parquet").read_bytes())
    with pytest.raises(InputError, match="not of the same profiles"):
        Profiles.open(made.path)


def test_a_flipped_byte_of_the_totals_is_seen(made):
    path = made.path / "totals.parquet"
    group = pq.ParquetFile(path).metadata.row_group(0)
    column = next(
        group.column(i)
        for i in range(group.num_columns)
        if group.column(i).path_in_schema == "total.list.element"
    )
    start = column.dictionary_page_offset or column.data_page_offset
    change_bytes(path, lambda raw: flip(raw, start + column.total_compressed_size - 3))
    with pytest.raises(InputError, match="cannot be read"):
        Profiles.open(made.path).totals()


def flip(raw, at):
    raw[at] ^= 0x10
    return raw


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(InputError, match="expected a folder that kmerengine profiles wrote"):
        Profiles.open(tmp_path)
    with pytest.raises(InputError, match="expected a folder"):
        Profiles.open(tmp_path / "none")


@pytest.mark.data
def test_real_cuts_in_real_peaks(tmp_path, data):
    yeast = data / "yeast"
    sizes = (yeast / "sacCer3.chrom.sizes").read_text().split()
    contigs = {name: int(bp) for name, bp in zip(sizes[::2], sizes[1::2], strict=True)}
    cuts = defaultdict(dict)
    for strand, word in enumerate(("plus", "minus")):
        with gzip.open(yeast / f"atac.bedtools_5p.{word}.bedgraph.gz", "rt") as lines:
            for line in lines:
                chrom, start, end, count = line.split()
                for at in range(int(start), int(end)):
                    cuts["yeast", chrom][at, strand] = int(count)
    source = DictCuts(["yeast"], contigs, cuts)
    bed = yeast / "yeast_peaks.narrowPeak"
    peaks, _ = place_regions(read_regions(bed), contigs, bed, width=1000)
    assert len(peaks) > 500
    for strands in ("sum", "split"):
        made = make_profiles(source, peaks, tmp_path / strands, strands=strands)
        assert made.window == (375, 625)
        for row in range(0, len(peaks), 50):
            chrom, start = contigs_of(peaks, row)
            expected = expected_counts(source, [(chrom, start, start + 1000)], strands)
            assert made.counts(slice(row, row + 1)).tolist() == expected
        sums = [
            sum(
                cuts["yeast", chrom].get((at, s), 0) for at in range(low, low + 250) for s in (0, 1)
            )
            for chrom, low in (contigs_of(peaks, row, 375) for row in range(len(peaks)))
        ]
        assert made.totals()[:, 0].tolist() == sums
        assert sum(sums) > 10_000


def contigs_of(regions, row, offset=0):
    return regions.contig_names[regions.contig[row]], int(regions.start[row]) + offset
