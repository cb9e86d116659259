"""Profiles of regions: against dicts and real cuts."""

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
from profile_cuts import CONTIGS, PLACES, DictCuts, expected_counts, random_cuts, regions_of

from kmerengine import schemas
from kmerengine.cut_profiles import profile_set as module
from kmerengine.cut_profiles import profile_write
from kmerengine.cut_profiles.profile_set import Profiles, centre_start
from kmerengine.cut_profiles.profile_write import make_profiles
from kmerengine.cut_profiles.quantiles import quantile_normalise
from kmerengine.errors import InputError
from kmerengine.io import arrays
from kmerengine.io.bed import read_regions
from kmerengine.regions import place_regions


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
