"""Quality of samples: every metric against counting by hand, and the figure against its data."""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars
import pytest
from bam_oracle import Read, bam
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import kmerengine
from kmerengine import InputError
from kmerengine.cli import main
from kmerengine.quality import aggregate
from kmerengine.quality.aggregate import LENGTH_BIN, OFFSET_BINS, Aggregate, Anchors, VPlot
from kmerengine.quality.figure import draw_figure
from kmerengine.quality.metrics import SampleQC, library_size

CONTIGS = {"chr1": 5_000, "chrM": 900}
PLACES = st.lists(st.tuples(st.integers(0, 120), st.booleans()), min_size=1, max_size=8)


def anchors_of(places: list[tuple[int, bool]]) -> Anchors:
    places = sorted(places)
    position = np.array([at for at, _ in places], np.int64)
    return Anchors([position], [np.array([minus for _, minus in places], np.bool_)])


@settings(deadline=None)
@given(
    PLACES,
    st.lists(st.tuples(st.integers(0, 130), st.integers(0, 1)), max_size=30),
    st.integers(1, 60),
    st.sampled_from([1, 9, 1 << 21]),
)
def test_an_aggregate_is_counted_one_by_one(
    places: list[tuple[int, bool]], cuts: list[tuple[int, int]], reach: int, most: int
) -> None:
    """Behind a minus anchor lies what is before it on the genome, and strands change sides."""
    expected = np.zeros((2, 2 * reach + 1), np.int64)
    for at, minus in places:
        for position, strand in cuts:
            offset = at - position if minus else position - at
            if abs(offset) <= reach:
                expected[strand ^ minus, offset + reach] += 1
    counted = Counter(cuts)
    sites = sorted(counted)
    found = Aggregate(anchors_of(places), reach)
    usual, aggregate.AT_A_TIME = aggregate.AT_A_TIME, most
    try:
        found.add(
            0,
            np.array([at for at, _ in sites], np.int64),
            np.array([strand for _, strand in sites], np.int64),
            np.array([counted[site] for site in sites], np.int64),
        )
    finally:
        aggregate.AT_A_TIME = usual
    np.testing.assert_array_equal(found.counts, expected)


@settings(deadline=None)
@given(
    PLACES,
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 800)), max_size=20),
    st.integers(1, 300),
)
def test_a_v_plot_is_counted_one_by_one(
    places: list[tuple[int, bool]], fragments: list[tuple[int, int]], reach: int
) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    for at, minus in places:
        for start, length in fragments:
            offset = start + length // 2 - at
            if abs(offset) <= reach and length < 700:
                side = -offset if minus else offset
                expected[length // LENGTH_BIN, (side + reach) * OFFSET_BINS // (2 * reach + 1)] += 1
    counted = Counter(fragments)
    found = VPlot(anchors_of(places), reach)
    columns = np.array(sorted(counted), np.int64).reshape(-1, 2).T
    found.add(0, *columns, np.array([counted[each] for each in sorted(counted)], np.int64))
    there = {(int(i), int(j)): int(found.counts[i, j]) for i, j in np.argwhere(found.counts)}
    assert there == expected


def test_the_enrichment_is_over_the_ends_of_the_window() -> None:
    found = Aggregate(anchors_of([(50, False)]), 2000)
    found.counts[:] = 2
    found.counts[0, 1900:2101] = 18  # 201 bp at 20 cuts a base over both strands, 4 elsewhere
    assert found.score() == pytest.approx(5.0)
    found.counts[:, :100] = found.counts[:, -100:] = 0
    assert found.score() is None
    assert Aggregate(anchors_of([(50, False)]), 150).score() is None


@pytest.mark.parametrize("size", [1_000, 250_000])
def test_the_library_size_is_found_again(size: int) -> None:
    """Draws from a library of known size, with replacement."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, size, size)
    found = library_size(size, len(np.unique(draws)))
    assert found is not None
    assert found == pytest.approx(size, rel=0.1 if size == 1_000 else 0.01)
    assert library_size(10, 10) is None
    assert library_size(0, 0) is None


def pair(start: int, length: int, contig: int = 0, flag: int = 0) -> list[Read]:
    """Both mates of a fragment, 20 bp each."""
    cigar = (("M", 20),)
    return [
        Read(contig=contig, start=start, cigar=cigar, flag=0x3 | 0x20 | flag, length=length),
        Read(
            contig=contig, start=start + length - 20, cigar=cigar, flag=0x3 | 0x10 | flag,
            length=-length,
        ),
    ]  # fmt: skip


def test_lengths_are_told_apart_at_a_nucleosome(tmp_path: Path) -> None:
    reads = [*pair(100, 146), *pair(100, 147), *pair(100, 293), *pair(100, 294)]
    (tmp_path / "s.bam").write_bytes(bam(CONTIGS, reads))
    (row,) = kmerengine.qc([tmp_path / "s.bam"], output=tmp_path / "q").metrics
    assert (row["nucleosome_free"], row["nucleosome_signal"]) == (1 / 4, 2 / 1)


def test_both_ends_of_the_window_are_the_background() -> None:
    found = Aggregate(anchors_of([(50, False)]), 500)
    found.counts[0, :100] = 3
    found.counts[0, -100:] = 1
    found.counts[0, 450:551] = 8
    assert found.score() == pytest.approx(4.0)
    found.counts[0, 450:551] = 0
    found.counts[0, 300:400] = 80  # further than 50 bp and half the smoothing
    assert found.score() == 0


def test_a_smaller_genome_leaves_out_contigs_without_reads(tmp_path: Path) -> None:
    source = small(tmp_path)
    (tmp_path / "g.sizes").write_text("chr1\t5000\n")
    (row,) = kmerengine.qc(
        [source], output=tmp_path / "q", genome=tmp_path / "g.sizes", contigs=["chr1"]
    ).metrics
    assert (row["cuts"], row["fragments"], row["mitochondrial"]) == (14, 7, 0)


@pytest.mark.parametrize("name", ["chrM", "MT", "M", "chrmt"])
def test_mitochondria_are_known_by_their_names(name: str, tmp_path: Path) -> None:
    (tmp_path / "s.bam").write_bytes(bam({"a": 900, name: 900}, [*pair(9, 60), *pair(9, 60, 1)]))
    (row,) = kmerengine.qc([tmp_path / "s.bam"], output=tmp_path / "q").metrics
    assert row["mitochondrial"] == 0.5


def test_a_10x_file_says_itself_how_often_a_fragment_was_seen(tmp_path: Path) -> None:
    rows = [(10, 60, "AAAAAAAA-1", 1), (10, 60, "CCCCCCCC-1", 3), (90, 300, "AAAAAAAA-1", 2)]
    (tmp_path / "f.tsv").write_text(
        "".join(f"chr1\t{start}\t{end}\t{cell}\t{n}\n" for start, end, cell, n in rows)
    )
    for weighted in (False, True):
        (row,) = kmerengine.qc(
            [tmp_path / "f.tsv"], output=tmp_path / "q", weighted=weighted, force=True
        ).metrics
        assert row["cuts"] == (12 if weighted else 6)
        assert (row["fragments"], row["distinct_fragments"]) == (6, 3)
        assert (row["pbc1"], row["pbc2"]) == (1 / 3, 1.0)
        lengths = polars.read_parquet(tmp_path / "q/lengths.parquet")
        expected = {50: 4, 210: 2} if weighted else {50: 2, 210: 1}
        assert dict(lengths.select("length", "fragments").iter_rows()) == expected


def test_regions_are_centred_on_their_summits(tmp_path: Path) -> None:
    source = small(tmp_path)
    (tmp_path / "p.narrowPeak").write_text("chr1\t900\t1500\tp\t1\t.\t1\t1\t1\t110\n")
    kmerengine.qc([source], output=tmp_path / "q", regions=tmp_path / "p.narrowPeak", reach=50)
    around = polars.read_parquet(tmp_path / "q/aggregate.parquet")
    along = dict(around.filter(polars.col("along") > 0).select("offset", "along").iter_rows())
    assert along == {1004 - 1010: 3, 1014 - 1010: 1}


def small(tmp_path: Path) -> Path:
    reads = [
        *pair(1000, 100), *pair(1000, 100), *pair(1000, 100, flag=0x400), *pair(1010, 100),
        *pair(3000, 200), *pair(3000, 200), *pair(10, 50, contig=1), *pair(2000, 400),
    ]  # fmt: skip
    (tmp_path / "s.bam").write_bytes(bam(CONTIGS, reads))
    (tmp_path / "p.bed").write_text("chr1\t1000\t1020\nchr1\t1010\t1050\nchr1\t3100\t3300\n")
    return tmp_path / "s.bam"


def test_metrics_are_what_one_counts_by_hand(tmp_path: Path) -> None:
    report = kmerengine.qc(
        [small(tmp_path)], output=tmp_path / "qc", regions=tmp_path / "p.bed", reach=500
    )
    (row,) = report.metrics
    assert row["records"] == row["kept"] == row["cuts"] == 16
    assert row["mitochondrial"] == 2 / 16
    assert row["flagged_duplicates"] == 2
    # distinct fragments: 1000 (3 times), 1010, 3000 (twice), chrM, 2000
    assert (row["fragments"], row["distinct_fragments"]) == (8, 5)
    assert row["duplicates"] == pytest.approx(3 / 8)
    assert (row["pbc1"], row["pbc2"]) == (3 / 5, 3 / 1)
    assert row["library_size"] == library_size(8, 5)
    assert row["median_length"] == 100
    assert row["nucleosome_free"] == 5 / 8
    assert row["nucleosome_signal"] == 2 / 5
    # cuts at 1004 (3), 1014, 3195 (2) lie inside; 1095, 1105, 3004, 2004, 2395 do not
    assert row["frip"] == 6 / 16
    assert row["tss_enrichment"] is None
    table = polars.read_parquet(tmp_path / "qc/qc.parquet")
    assert table.to_dicts() == [row]
    lengths = polars.read_parquet(tmp_path / "qc/lengths.parquet")
    assert dict(lengths.select("length", "fragments").iter_rows()) == {
        50: 1,
        100: 4,
        200: 2,
        400: 1,
    }
    around = polars.read_parquet(tmp_path / "qc/aggregate.parquet").filter(anchor="regions")
    middle = {-6: 3, 4: 1}  # of [1000, 1020): cuts on plus at 1004 and 1014, from 1010
    near = around.filter(polars.col("offset").is_in(list(middle)))
    # [1010, 1050) has its centre at 1030, [3100, 3300) at 3200
    assert dict(near.select("offset", "along").iter_rows()) == middle
    assert around.filter(offset=-5)["against"].to_list() == [2]
    assert around["along"].sum() == 2 * 4 + 2  # the first two see four, the third those at 3004
    v_plot = polars.read_parquet(tmp_path / "qc/v_plot.parquet")
    assert v_plot.filter(length=100)["fragments"].sum() == 8
    assert v_plot.filter(length=200)["fragments"].sum() == 2


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_figure_is_the_same_bytes_again(form: str, tmp_path: Path) -> None:
    made = []
    for name in "ab":
        report = kmerengine.qc(
            [small(tmp_path)], output=tmp_path / name, regions=tmp_path / "p.bed", figure=form
        )
        assert sorted(path.name for path in report.path.iterdir()) == [
            "aggregate.parquet", "lengths.parquet", "qc.parquet", f"qc.{form}", "v_plot.parquet",
        ]  # fmt: skip
        made.append(report.figure.read_bytes())
    assert made[0].startswith(b"\x89PNG" if form == "png" else b"<?xml")
    if form == "png":
        assert made[0] == made[1]


def test_the_figure_draws_the_tables_with_units() -> None:
    anchors = anchors_of([(50, False), (60, True)])
    around = {"tss": Aggregate(anchors, 100)}
    around["tss"].counts[0] = np.arange(201)
    lengths = np.bincount([40, 40, 200, 650], minlength=2001)
    metrics = {
        "cuts": 7, "duplicates": 0.5, "mitochondrial": None, "frip": 0.25, "tss_enrichment": 3.0,
        "input_shift": "none",
    }  # fmt: skip
    sample = SampleQC("one", metrics, lengths, around, VPlot(anchors, 100), np.full((9, 4), 0.25))
    figure = draw_figure([sample, sample])
    axes = [ax for row in figure.subfigs for ax in row.axes if ax.get_xlabel()]
    labels = [(ax.get_xlabel(), ax.get_ylabel()) for ax in axes[:4]]
    assert labels == [
        ("fragment length (bp)", "fragments (%)"),
        ("from transcription start sites (bp)", "cuts per base and place"),
        ("midpoint from transcription start sites (bp)", "fragment length (bp)"),
        ("from centre of the duplication (bp)", "information (bits)"),
    ]
    (line,) = axes[0].lines
    np.testing.assert_allclose(np.flatnonzero(line.get_ydata()), [40, 200, 650])
    assert line.get_ydata()[40] == 50
    plus, minus = axes[1].lines
    np.testing.assert_array_equal(plus.get_xdata(), np.arange(-100, 101))
    np.testing.assert_array_equal(plus.get_ydata(), np.arange(201) / 2)
    assert not minus.get_ydata().any()
    assert [text.get_text() for text in axes[1].get_legend().get_texts()] == [
        "reads along the site", "reads against it",
    ]  # fmt: skip
    title = figure.subfigs[0].get_suptitle()
    assert title.split(",  ") == [
        "one:  7 cuts", "duplicates 50.0%", "in regions 25.0%", "TSS enrichment 3.0",
        "input shift none",
    ]  # fmt: skip


@pytest.mark.data
def test_yeast_is_a_good_library(data: Path, tmp_path: Path) -> None:
    """Of the real data: FRiP counted from the track, complexity from the fragment file's counts."""
    yeast = data / "yeast"
    report = kmerengine.qc(
        [yeast / "atac.bam"], output=tmp_path / "q", regions=yeast / "yeast_peaks.narrowPeak"
    )
    (row,) = report.metrics
    track = kmerengine.cuts([yeast / "atac.bam"], output=tmp_path / "y.parquet")
    inside = 0
    rows = [line.split() for line in (yeast / "yeast_peaks.narrowPeak").read_text().splitlines()]
    peaks = sorted((row[0], int(row[1]), int(row[2])) for row in rows if len(row) == 10)
    reached: dict[str, int] = {}
    for chrom, start, end in peaks:
        first = max(start, reached.get(chrom, 0))
        if first < end:
            inside += int(track.cuts("atac", chrom, first, end)[2].sum())
            reached[chrom] = end
    assert row["frip"] == inside / 935_816
    times: Counter[tuple[str, ...]] = Counter()
    with gzip.open(yeast / "atac.fragments.tsv.gz", "rt") as lines:
        for line in lines:
            chrom, start, end, _, n = line.split()
            times[chrom, start, end] += int(n)
    assert row["distinct_fragments"] == len(times)
    assert row["pbc1"] == sum(n == 1 for n in times.values()) / len(times)
    assert row["fragments"] == sum(times.values()) == 467_908
    assert row["region_enrichment"] > 4


def test_start_sites_come_from_gtf_or_bed_and_have_a_direction(tmp_path: Path) -> None:
    source = small(tmp_path)
    (tmp_path / "g.gtf").write_text(
        'chr1\tx\ttranscript\t901\t1500\t.\t+\t.\tgene_id "a"; transcript_id "a1";\n'
        'chr1\tx\ttranscript\t2801\t3300\t.\t-\t.\tgene_id "b"; transcript_id "b1";\n'
    )
    (tmp_path / "g.bed").write_text("chr1\t900\t1500\ta\t0\t+\nchr1\t2800\t3300\tb\t0\t-\n")
    tables = []
    for name in ("g.gtf", "g.bed"):
        kmerengine.qc([source], output=tmp_path / "q", tss=tmp_path / name, reach=300, force=True)
        tables.append(polars.read_parquet(tmp_path / "q/aggregate.parquet"))
    assert tables[0].equals(tables[1])
    along = dict(tables[0].filter(polars.col("along") > 0).select("offset", "along").iter_rows())
    # from 900: plus cuts at 1004 (3) and 1014; from 3299 backwards: minus cuts at 3195 (2)
    assert along == {104: 3 + 2, 114: 1}


def test_a_sheet_of_replicates_is_measured_file_by_file(tmp_path: Path) -> None:
    small(tmp_path).rename(tmp_path / "1.bam")
    (tmp_path / "2.bam").write_bytes((tmp_path / "1.bam").read_bytes())
    (tmp_path / "s.tsv").write_text("sample\tfile\nx\t1.bam\nx\t2.bam\n")
    result = CliRunner().invoke(
        main, f"qc --sheet {tmp_path}/s.tsv -o {tmp_path}/q --json --figure svg"
    )
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["samples"]
    assert [row["sample"] for row in rows] == ["x (1.bam)", "x (2.bam)"]
    assert "PBC1" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"figure": "gif"}, "figure: found 'gif'"),
        ({"reach": 0}, "reach: found 0"),
        ({"regions": "other.bed"}, "none of its 1 places is on a contig of the reads"),
        ({"tss": "empty.gtf"}, "empty.gtf"),
    ],
)
def test_what_cannot_be_measured(options: dict[str, object], message: str, tmp_path: Path) -> None:
    source = small(tmp_path)
    (tmp_path / "other.bed").write_text("chrX\t1\t2\n")
    (tmp_path / "empty.gtf").write_text("#nothing\n")
    options = {
        key: tmp_path / value if key in ("regions", "tss") else value
        for key, value in options.items()
    }
    with pytest.raises(InputError) as caught:
        kmerengine.qc([source], output=tmp_path / "q", **options)
    assert message in str(caught.value)
    assert not (tmp_path / "q").exists()
