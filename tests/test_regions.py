"""Which regions are used on a genome: windows at the ends of contigs, filters, messages."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.regions import Regions, place_regions

DATA = Path(os.environ.get("KMERENGINE_DATA", Path(__file__).parents[1] / "../shared/data"))
WHERE = Path("peaks.bed")
GENOME = {"chr1": 1000, "chr2": 500}


def make(*rows: tuple, scores: list[float] | None = None) -> Regions:
    """Regions of (contig, start, end) or (contig, start, end, summit)."""
    names = tuple(dict.fromkeys(row[0] for row in rows))
    n = len(rows)
    return Regions(
        contig_names=names,
        contig=np.array([names.index(row[0]) for row in rows], np.int32),
        start=np.array([row[1] for row in rows], np.int64),
        end=np.array([row[2] for row in rows], np.int64),
        name=[f"r{i}" for i in range(n)],
        score=np.full(n, np.nan) if scores is None else np.array(scores, np.float64),
        strand=np.full(n, b".", "S1"),
        summit=np.array([row[3] if len(row) > 3 else -1 for row in rows], np.int64),
        line=np.arange(1, n + 1),
    )


def placed(regions: Regions) -> list[tuple[str, int, int]]:
    names = [regions.contig_names[i] for i in regions.contig]
    return list(zip(names, regions.start.tolist(), regions.end.tolist(), strict=True))


def test_contigs_are_the_genomes_and_the_order_is_the_inputs():
    regions = make(("chr2", 0, 500), ("chr1", 3, 9), ("chr2", 1, 2))
    used, skipped = place_regions(regions, GENOME, WHERE)
    assert used.contig_names == ("chr1", "chr2")
    assert placed(used) == [("chr2", 0, 500), ("chr1", 3, 9), ("chr2", 1, 2)]
    assert used.name == ["r0", "r1", "r2"]
    assert used.contig.dtype == np.int32
    assert skipped == {}


@pytest.mark.parametrize(
    ("region", "width", "window"),
    [
        (("chr1", 300, 900, 400), 200, (300, 500)),  # SPEC: [summit - 100, summit + 100)
        (("chr1", 300, 900, 400), 201, (300, 501)),
        (("chr1", 300, 900, 400), 1, (400, 401)),
        (("chr1", 300, 500), 200, (300, 500)),
        (("chr1", 300, 501), 200, (300, 500)),  # midpoint (300 + 501) // 2 = 400
        (("chr1", 300, 301), 3, (299, 302)),
        (("chr1", 0, 200), 200, (0, 200)),  # touches the start
        (("chr1", 99, 100, 99), 200, None),  # one base before it
        (("chr1", 800, 1000), 200, (800, 1000)),  # touches the end
        (("chr1", 801, 1000, 901), 200, None),  # one base past it
        (("chr2", 300, 500, 499), 1, (499, 500)),
        (("chr2", 300, 500, 499), 2, (498, 500)),
        (("chr2", 300, 500, 499), 3, (498, 501)),
    ],
)
def test_windows(region, width, window):
    used, skipped = place_regions(make(region), GENOME, WHERE, width=width)
    if window is None or window[1] > GENOME[region[0]]:
        assert placed(used) == []
        assert skipped == {"window leaves its contig": 1}
    else:
        assert placed(used) == [(region[0], *window)]
        assert skipped == {}


def test_a_region_past_the_end_is_an_error_with_or_without_width():
    regions = make(("chr1", 0, 1000), ("chr2", 400, 501), ("chr2", 400, 502))
    for width in (None, 10):
        with pytest.raises(
            InputError,
            match=r"^peaks.bed: line 2: chr2:400-501 reaches past .* 500 bp .*\(2 such regions\)",
        ):
            place_regions(regions, GENOME, WHERE, width=width)


def test_short_regions_are_skipped():
    regions = make(("chr1", 0, 7), ("chr1", 0, 8), ("chr1", 0, 9))
    used, skipped = place_regions(regions, GENOME, WHERE, min_length=8)
    assert used.name == ["r1", "r2"]
    assert skipped == {"shorter than k": 1}


def test_missing_contigs_are_named_with_three_of_each_side():
    regions = make(*((f"s{i}", 0, 1) for i in range(5)))
    genome = {f"chr{i}": 9 for i in range(4)}
    with pytest.raises(InputError) as error:
        place_regions(regions, genome, WHERE)
    message = str(error.value)
    assert message.startswith("peaks.bed: line 1: ")
    assert "'s0', 's1', 's2' (and 2 more)" in message
    assert "'chr0', 'chr1', 'chr2' (and 1 more)" in message
    assert "--skip-missing-contigs" in message
    assert "prefix" not in message


@pytest.mark.parametrize(
    ("name", "genome", "verb"), [("1", "chr1", "add"), ("chr1", "1", "remove")]
)
def test_the_chr_prefix_is_suggested(name, genome, verb):
    with pytest.raises(InputError, match=f"differ by the prefix 'chr': {verb} it"):
        place_regions(make((name, 0, 1)), {genome: 9}, WHERE)


def test_missing_contigs_are_skipped_when_asked_and_unused_names_do_not_count():
    regions = make(("chr9", 0, 10**9), ("chr2", 0, 1), ("chr9", 0, 1))
    used, skipped = place_regions(regions, GENOME, WHERE, skip_missing_contigs=True)
    assert placed(used) == [("chr2", 0, 1)]
    assert used.name == ["r1"]
    assert skipped == {"contig not in genome": 2}
    assert len(place_regions(regions.take(np.array([1])), GENOME, WHERE)[0]) == 1


def test_the_best_scores_in_the_input_order_with_ties_to_the_earlier():
    regions = make(*(("chr1", i, i + 9) for i in range(6)), scores=[5, 1, 7, 5, np.nan, 5])
    for n, names in (
        (1, ["r2"]),
        (2, ["r0", "r2"]),
        (3, ["r0", "r2", "r3"]),
        (5, ["r0", "r1", "r2", "r3", "r5"]),
        (6, ["r0", "r1", "r2", "r3", "r4", "r5"]),
        (99, ["r0", "r1", "r2", "r3", "r4", "r5"]),
    ):
        used, skipped = place_regions(regions, GENOME, WHERE, max_regions=n)
        assert used.name == names
        assert skipped == ({"below the max_regions best scores": 6 - n} if n < 6 else {})


def test_many_ties_go_to_the_earlier():
    scores = [float(i % 3) for i in range(900)]  # enough rows for an unstable sort to show
    regions = make(*(("chr1", 0, 9) for _ in scores), scores=scores)
    used, _ = place_regions(regions, GENOME, WHERE, max_regions=400)
    expected = [i + 1 for i in range(900) if i % 3 == 2 or (i % 3 == 1 and i < 300)]
    assert used.line.tolist() == expected


def test_the_best_are_chosen_among_the_usable():
    regions = make(
        ("chr9", 0, 9), ("chr1", 0, 8), ("chr1", 50, 60), ("chr1", 70, 80), scores=[9, 8, 1, 2]
    )
    used, skipped = place_regions(
        regions, GENOME, WHERE, width=20, min_length=8, max_regions=1, skip_missing_contigs=True
    )
    assert used.name == ["r3"]
    assert skipped == {
        "contig not in genome": 1,
        "window leaves its contig": 1,
        "below the max_regions best scores": 1,
    }


def test_options_that_cannot_be():
    regions = make(("chr1", 0, 9))
    with pytest.raises(InputError, match="no region has one"):
        place_regions(regions, GENOME, WHERE, max_regions=1)
    with pytest.raises(InputError, match="--max-regions 0"):
        place_regions(regions, GENOME, WHERE, max_regions=0)
    with pytest.raises(InputError, match=r"--width 7: .* 8 bp needed"):
        place_regions(regions, GENOME, WHERE, width=7, min_length=8)
    with pytest.raises(InputError, match="--width 0"):
        place_regions(regions, GENOME, WHERE, width=0)
    assert len(place_regions(regions, GENOME, WHERE, width=8, min_length=8)[0]) == 1


def test_no_regions_are_fine():
    used, skipped = place_regions(make(), GENOME, WHERE, width=9, max_regions=5)
    assert len(used) == 0
    assert used.contig_names == ("chr1", "chr2")
    assert skipped == {}


def test_take_by_index_mask_and_slice():
    regions = make(*(("chr1", i, i + 1) for i in range(5)), scores=[0, 1, 2, 3, 4])
    assert regions.take(np.array([3, 1])).name == ["r3", "r1"]
    assert regions.take(np.array([True, False, False, True, False])).line.tolist() == [1, 4]
    assert regions.take(slice(1, 3)).score.tolist() == [1, 2]
    assert len(regions.take(np.array([], np.int64))) == 0


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["chr1", "chr2", "chr3"]),
            st.integers(0, 499),
            st.integers(1, 40),
            st.integers(-1, 39),
            st.integers(0, 3),
        ),
        max_size=20,
    ),
    st.one_of(st.none(), st.integers(8, 300)),
    st.one_of(st.none(), st.integers(1, 10)),
)
def test_against_one_region_at_a_time(table, width, max_regions):
    genome = {"chr1": 1000, "chr2": 540}
    rows = [(c, s, s + n, s + o if 0 <= o < n else -1) for c, s, n, o, _ in table]
    scores = [float(row[4]) for row in table]
    usable, reasons = [], Counter()
    for i, (contig, start, end, summit) in enumerate(rows):
        if contig not in genome:
            reasons["contig not in genome"] += 1
            continue
        if width is not None:
            centre = summit if summit >= 0 else (start + end) // 2
            start = centre - width // 2
            end = start + width
            if start < 0 or end > genome[contig]:
                reasons["window leaves its contig"] += 1
                continue
        if end - start < 8:
            reasons["shorter than k"] += 1
            continue
        usable.append((contig, start, end, scores[i], i))
    if max_regions is not None:
        best = sorted(usable, key=lambda row: (-row[3], row[4]))[:max_regions]
        reasons["below the max_regions best scores"] += len(usable) - len(best)
        usable = sorted(best, key=lambda row: row[4])

    used, skipped = place_regions(
        make(*rows, scores=scores),
        genome,
        WHERE,
        width=width,
        min_length=8,
        max_regions=max_regions,
        skip_missing_contigs=True,
    )
    assert placed(used) == [row[:3] for row in usable]
    assert used.line.tolist() == [row[4] + 1 for row in usable]
    assert skipped == {reason: n for reason, n in reasons.items() if n}
    assert len(used) + sum(skipped.values()) == len(rows)


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data at {DATA} (set KMERENGINE_DATA)")
def test_the_yeast_peaks_at_200_bp():
    sizes = (DATA / "yeast" / "sacCer3.chrom.sizes").read_text().split()
    genome = dict(zip(sizes[::2], map(int, sizes[1::2]), strict=True))
    path = DATA / "yeast" / "yeast_peaks.narrowPeak"
    expected, left = [], 0
    for line in path.read_text().splitlines():
        row = line.split("\t")
        summit = int(row[1]) + int(row[9])
        if summit - 100 < 0 or summit + 100 > genome[row[0]]:
            left += 1
        else:
            expected.append((row[0], summit - 100, summit + 100))
    used, skipped = place_regions(read_regions(path), genome, path, width=200, min_length=8)
    assert placed(used) == expected
    assert left > 0
    assert skipped == {"window leaves its contig": left}
    assert len(expected) + left == 1411
