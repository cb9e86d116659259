"""GC-matched genome windows: every promise checked on the letters of small genomes."""

import json
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_oracle import gc_bin, random_genome, write_bed, write_genome
from scipy.stats import chisquare, ks_2samp

from kmerengine import InputError, sample_windows
from kmerengine.cli import main
from kmerengine.io.fasta import Genome
from kmerengine.sampling.gc_content import GcBins, measure_gc
from kmerengine.sampling.gc_windows import list_candidates
from kmerengine.sampling.places import Line, inside_one, merged, overlap


def random_regions(contigs, seed, n, width):
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        name = rng.choice(["c10", "c1"])
        start = int(rng.integers(0, len(contigs[name]) - 10))
        end = int(min(len(contigs[name]), start + rng.integers(5, 6 + 2 * width)))
        rows.append((str(name), start, end, ".", 0, str(rng.choice(["+", "-"]))))
    return rows


def window_of(row, width):
    start = (row[1] + row[2]) // 2 - width // 2
    return row[0], start, start + width


def usable(contigs, name, start, end, max_n=0.0):
    if start < 0 or end > len(contigs[name]):
        return False
    text = contigs[name][start:end].upper()
    n_other = sum(base not in "ACGT" for base in text)
    return n_other <= max_n * (end - start) and n_other < len(text)


def rows_of(sample, label):
    return [row for row in pq.read_table(sample.regions).to_pylist() if row["label"] == label]


def blocked_bases(contigs, regions, width, exclude=(), margin=0):
    taken = {name: set() for name in contigs}
    windows = [window_of(row, width) for row in regions]
    inside = [w for w in windows if w[1] >= 0 and w[2] <= len(contigs[w[0]])]
    for name, start, end, *_ in [*regions, *inside, *exclude]:
        low, high = max(0, start - margin), min(len(contigs[name]), end + margin)
        taken[name].update(range(low, high))
    return taken


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    width=st.sampled_from([1, 2, 7, 20, 33]),
    ratio=st.integers(1, 3),
    same=st.booleans(),
    overlapping=st.booleans(),
    margin=st.sampled_from([0, 1, 13]),
    max_n=st.sampled_from([0.0, 0.1]),
)
def test_every_promise_holds(
    tmp_path_factory, seed, width, ratio, same, overlapping, margin, max_n
):
    folder = tmp_path_factory.mktemp("s")
    contigs = random_genome(seed)
    regions = random_regions(contigs, seed, 12, width)
    exclude = [("c1", 5, 40), ("c10", 100, 101), ("elsewhere", 1, 2)]
    sample = sample_windows(
        write_genome(folder / "g.fa", contigs), write_bed(folder / "r.bed", regions),
        output=folder / "o", width=width, ratio=ratio, same_chromosome=same,
        allow_overlaps=overlapping, exclude=[write_bed(folder / "x.bed", exclude)],
        margin=margin, max_n=max_n, balance="positives", seed=seed,
    )  # fmt: skip
    assert (sample.report["excluded"], sample.report["excluded_on_other_contigs"]) == (2, 1)
    windows = {i: window_of(row, width) for i, row in enumerate(regions)}
    kept = {i for i, window in windows.items() if usable(contigs, *window, max_n)}
    positives, negatives = rows_of(sample, 1), rows_of(sample, 0)
    assert {row["row"] for row in positives} == kept
    assert len(positives) == len(kept)
    for row in positives:
        assert (row["chrom"], row["start"], row["end"]) == windows[row["row"]]
        assert row["strand"] == regions[row["row"]][5]
        assert row["name"] == f"positive_{row['row']}"
    blocked = blocked_bases(contigs, regions, width, exclude[:2], margin)
    used = Counter()
    for row in negatives:
        name, start, end = row["chrom"], row["start"], row["end"]
        assert end - start == width
        assert usable(contigs, name, start, end, max_n)
        assert not blocked[name] & set(range(start, end))
        assert name in {windows[i][0] for i in kept}
        match = windows[row["row"]]
        assert gc_bin(contigs[name][start:end]) == gc_bin(contigs[match[0]][match[1] : match[2]])
        assert row["strand"] == regions[row["row"]][5]
        assert not same or name == match[0]
        used.update((name, base) for base in (range(start, end) if not overlapping else [start]))
    assert max(used.values(), default=1) == 1
    for row in [*positives, *negatives]:
        text = contigs[row["chrom"]][row["start"] : row["end"]].upper()
        known = sum(text.count(base) for base in "ACGT")
        assert row["gc"] == pytest.approx((text.count("G") + text.count("C")) / known, abs=1e-12)
        assert row["gc_bin"] == pytest.approx(gc_bin(text) / 50, abs=1e-12)
    assert max(Counter(row["row"] for row in negatives).values(), default=0) <= ratio
    # what there was, by brute force
    available = Counter(
        (name if same else None, gc_bin(text[start : start + width]))
        for name, text in contigs.items()
        if name in {windows[i][0] for i in kept}
        for start in range(len(text) - width + 1)
        if usable(contigs, name, start, start + width, max_n)
        and not blocked[name] & set(range(start, start + width))
    )
    wanted = Counter(
        (w[0] if same else None, gc_bin(contigs[w[0]][w[1] : w[2]]))
        for w in (windows[i] for i in kept)
    )
    taken = Counter(
        (row["chrom"] if same else None, round(row["gc_bin"] * 50)) for row in negatives
    )
    table = pq.read_table(sample.bins).to_pylist()
    assert {(row["chrom"], round(row["gc_bin"] * 50)) for row in table} == set(wanted)
    for row in table:
        key = (row["chrom"], round(row["gc_bin"] * 50))
        assert row["positives"] == row["kept_positives"] == wanted[key]
        assert row["negatives"] == available[key]
        assert row["kept_negatives"] == taken[key]
        if overlapping:
            assert taken[key] == min(available[key], ratio * wanted[key])
    bed = [line.split("\t") for line in sample.bed.read_text().splitlines()]
    assert [(b[0], int(b[1]), int(b[2]), b[3], int(b[4]), b[5]) for b in bed] == [
        tuple(row[name] for name in ("chrom", "start", "end", "name", "label", "strand"))
        for row in pq.read_table(sample.regions).to_pylist()
    ]
    order = [(list(contigs).index(b[0]), int(b[1])) for b in bed]
    assert order == sorted(order)
    assert len({b[3] for b in bed}) == len(bed)


@pytest.fixture
def small(tmp_path):
    contigs = random_genome(7, lengths=(60_000, 40_000, 30, 50_000))
    regions = [r for r in random_regions(contigs, 3, 80, 100) if r[1] > 100]
    genome = write_genome(tmp_path / "g.fa", contigs)
    return contigs, genome, write_bed(tmp_path / "r.bed", regions), tmp_path


def places(sample, label=0):
    return sorted((r["chrom"], r["start"], r["row"]) for r in rows_of(sample, label))


@pytest.mark.parametrize(("same", "candidates"), [(False, 1 << 25), (True, 20_000)])
def test_threads_and_the_order_of_contigs_change_nothing(small, same, candidates, monkeypatch):
    """With a candidate at every base, and with one in 6 bp."""
    monkeypatch.setattr("kmerengine.sampling.gc_windows.CANDIDATES", candidates)
    contigs, genome, regions, folder = small
    first = sample_windows(
        genome, regions, output=folder / "a", width=100, same_chromosome=same, threads=1
    )
    for threads in (2, 5):
        again = sample_windows(
            genome, regions, output=folder / f"b{threads}", width=100, same_chromosome=same,
            threads=threads,
        )  # fmt: skip
        for name in ("regions", "bed", "bins"):
            assert getattr(first, name).read_bytes() == getattr(again, name).read_bytes()
    (folder / "other").mkdir()
    turned = write_genome(folder / "other" / "g.fa", dict(reversed(contigs.items())))
    other = sample_windows(turned, regions, output=folder / "c", width=100, same_chromosome=same)
    assert places(other) == places(first)
    assert places(other, 1) == places(first, 1)
    seeded = sample_windows(
        genome, regions, output=folder / "d", width=100, same_chromosome=same, seed=1
    )
    assert places(seeded) != places(first)


def test_pieces_and_strides_change_nothing_that_is_measured(small, monkeypatch):
    """Candidates come from cells, one each, and their bins are those of the letters."""
    contigs, genome, _, _ = small
    width, stride = 100, 7
    monkeypatch.setattr("kmerengine.sampling.gc_windows._AT_ONCE", 1_000)
    monkeypatch.setattr("kmerengine.motifs.pieces.PIECE_BASES", 4_099)
    line = Line({name: len(text) for name, text in contigs.items()}, width)
    bins = GcBins(0.02)
    blocked = merged(*(line.places(np.array([0]), np.array([at])) for at in (500, 900)))
    lengths = np.array([len(text) for text in contigs.values()])
    allowed = np.array([True, False, True, True])
    with Genome.open(genome) as opened:
        for seed in range(16):  # the last cell of a contig may reach past it: its window may not
            found = list_candidates(
                opened, line, allowed, width, bins, blocked=blocked, max_n=0, seed=seed,
                threads=2, stride=stride,
            )  # fmt: skip
            contig, start = line.positions(found.place[found.bins != 65535])
            assert (start + width <= lengths[contig]).all()
    contig, start = line.positions(found.place)
    names = list(contigs)
    assert Counter(names[i] for i in contig.tolist()) == {
        "c10": -(-(60_000 - 99) // 7),
        "c1": -(-(50_000 - 99) // 7),
    }
    assert (np.diff(found.place) > 0).all()
    assert set((start % stride).tolist()) == set(range(stride))
    for i, first, at in zip(contig.tolist(), start.tolist(), range(len(start)), strict=True):
        end = first + width
        text = contigs[names[i]][first:end].upper()
        good = end <= len(contigs[names[i]]) and "N" not in text
        good = good and not (i == 0 and first < 900 and end > 500)
        assert found.bins[at] == (gc_bin(text) if good else 65535)
        cell = at - (found.cells[1] if names[i] == "c10" else 0)  # c1 lies before c10
        assert first // stride == cell


def test_every_window_is_as_likely(tmp_path):
    contigs = {"a": "ACGT" * 10, "b": "NNNN" + "GATC" * 9}
    genome = write_genome(tmp_path / "g.fa", contigs)
    regions = write_bed(tmp_path / "r.bed", [("a", 0, 8), ("b", 4, 12)])
    seen = Counter()
    for seed in range(120):
        sample = sample_windows(
            genome, regions, output=tmp_path / "o", width=8, ratio=4, allow_overlaps=True,
            seed=seed, force=True,
        )  # fmt: skip
        seen.update((r["chrom"], r["start"]) for r in rows_of(sample, 0))
    valid = [("a", i) for i in range(8, 33)] + [("b", i) for i in range(12, 33)]
    assert set(seen) == set(valid)
    assert sum(seen.values()) == 960
    assert chisquare([seen[each] for each in valid]).pvalue > 1e-4


def test_the_gc_of_negatives_is_that_of_positives(tmp_path):
    contigs = random_genome(1, lengths=(400_000, 10, 10, 300_000), n_share=0)
    rng = np.random.default_rng(0)
    regions = []
    for name, text in contigs.items():
        for start in range(0, len(text) - 200, 2_000):
            part = text[start : start + 200].upper()
            if rng.random() < ((part.count("G") + part.count("C")) / 200) ** 4 * 2:
                regions.append((name, start, start + 200))
    assert len(regions) > 50
    genome = write_genome(tmp_path / "g.fa", contigs)
    sample = sample_windows(
        genome, write_bed(tmp_path / "r.bed", regions), output=tmp_path / "o", width=200, ratio=4
    )
    positive, negative = ([r["gc"] for r in rows_of(sample, i)] for i in (1, 0))
    assert len(negative) == 4 * len(positive)
    assert ks_2samp(positive, negative).statistic < 0.05
    with Genome.open(genome) as opened:
        start = rng.integers(0, 399_000, 5_000)
        gc, known = measure_gc(opened, np.zeros(5_000, np.int64), start, 200, threads=1)
    assert ks_2samp(positive, gc / known).statistic > 0.3


# ------------------------------------------------------------------------- bins that run dry

DRY = {"a": "G" * 50 + "A" * 150, "b": "AG" * 50}


@pytest.fixture
def dry(tmp_path):
    """Two positives of GC 1, and room for one more window of it; five of GC 0."""
    regions = [("a", 0, 10), ("a", 10, 20), *(("a", 60 + 10 * i, 70 + 10 * i) for i in range(5))]
    genome = write_genome(tmp_path / "g.fa", DRY)
    blocked = write_bed(tmp_path / "x.bed", [("a", 36, 50)])
    return genome, write_bed(tmp_path / "r.bed", regions), {"exclude": [blocked], "width": 10}


def test_exact_says_which_bin_ran_dry_and_by_how_much(dry, tmp_path):
    genome, regions, options = dry
    with pytest.raises(InputError) as caught:
        sample_windows(genome, regions, output=tmp_path / "o", balance="exact", **options)
    assert str(caught.value).startswith(
        "negatives: the bin of GC 0.98 to 1 ran dry: found 1 for 2 positives at 1:1, 1 short "
        "(1 bins are short, by 1 in all); "
    )
    assert "--allow-overlaps" in str(caught.value)
    with pytest.raises(InputError, match=r"bin of GC 0\.98 to 1 on a ran dry: found 1 for 2"):
        sample_windows(
            genome, regions, output=tmp_path / "o", balance="exact", same_chromosome=True, **options
        )
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("balance", "ratio", "counts"),
    [
        ("positives", 1, {1.0: (2, 1), 0.0: (5, 5)}),
        ("min", 1, {1.0: (1, 1), 0.0: (5, 5)}),
        ("min", 2, {1.0: (0, 0)}),
        ("positives", 2, {1.0: (2, 1)}),
    ],
)
def test_what_is_kept_of_a_dry_bin(dry, tmp_path, balance, ratio, counts):
    genome, regions, options = dry
    sample = sample_windows(
        genome, regions, output=tmp_path / "o", balance=balance, ratio=ratio, **options
    )
    for gc, expected in counts.items():
        found = tuple(sum(r["gc"] == gc for r in rows_of(sample, label)) for label in (1, 0))
        assert found == expected
    table = {row["gc_bin"]: row for row in pq.read_table(sample.bins).to_pylist()}
    assert table[0.98]["negatives"] == 7  # 20 to 26, which overlap
    assert (table[0.98]["kept_positives"], table[0.98]["kept_negatives"]) == counts[1.0]
    assert sample.report["short_bins"] >= 1
    per_row = Counter(row["row"] for row in rows_of(sample, 0))
    shares = [per_row[row] for row in range(2, 7)]  # of the five of GC 0
    if balance == "positives":  # a shortage is shared out evenly
        assert max(shares) - min(shares) <= 1
    if balance == "min":
        assert set(per_row.values()) <= {ratio}
        assert set(per_row) == {row["row"] for row in rows_of(sample, 1)}


# --------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("regions", "options", "words"),
    [
        ("c1 0 10", {"width": 5_000}, r"none of its 1 regions can be used \(1: window leaves"),
        ("", {}, "none of its 0 regions can be used, expected some"),
        ("1 0 10", {}, "no contig '1'.* add it in one of the two files"),
        ("c1 1400 1600", {}, "reaches past the end of c1"),
        ("n 0 40", {}, r"r.bed: none of its 1 regions can be used \(1: bases other than"),
        ("c1 700 720", {"exclude": "chr9 0 10"}, "no contig 'chr9'"),
        ("c1 700 720", {"width": 0}, "width: found 0"),
        ("c1 700 720", {"width": 2_000_000}, "width: found 2000000"),
        ("c1 700 720", {"ratio": 0}, "ratio: found 0"),
        ("c1 700 720", {"gc_bin": 0}, "gc_bin: found 0"),
        ("c1 700 720", {"gc_bin": 1.5}, "gc_bin: found 1.5"),
        ("c1 700 720", {"gc_bin": float("nan")}, "gc_bin: found nan"),
        ("c1 700 720", {"margin": -1}, "margin: found -1"),
        ("c1 700 720", {"max_n": 1}, "max_n: found 1"),
        ("c1 700 720", {"balance": "all"}, "balance: found 'all', expected min, positives, exact"),
        ("c1 700 720", {"seed": -1}, "seed: found -1"),
        ("c1 700 720", {"threads": 0}, "threads: found 0"),
        ("c1 700 720", {"margin": 10_000, "balance": "exact"}, "ran dry: found 0 for 1 positives"),
    ],
)
def test_refusals_are_one_line(tmp_path, regions, options, words):
    contigs = random_genome(5, n_share=0) | {"n": "N" * 40, "chr1": "ACGT" * 20}
    options = {"width": 20} | options
    if "exclude" in options:
        options["exclude"] = [write_bed(tmp_path / "x.bed", [options["exclude"].split()])]
    rows = [regions.split()] if regions else []
    genome = write_genome(tmp_path / "g.fa", contigs)
    with pytest.raises(InputError, match=words) as caught:
        sample_windows(
            genome, write_bed(tmp_path / "r.bed", rows), output=tmp_path / "o", **options
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "o").exists()


def test_an_output_is_replaced_only_when_asked(small):
    _, genome, regions, folder = small
    (folder / "o").mkdir()
    (folder / "o" / "mine.txt").touch()
    with pytest.raises(InputError, match=r"holds 'mine.txt'"):
        sample_windows(genome, regions, output=folder / "o", width=100, force=True)
    sample_windows(genome, regions, output=folder / "p", width=100)
    with pytest.raises(InputError, match="exists"):
        sample_windows(genome, regions, output=folder / "p", width=100)
    sample_windows(genome, regions, output=folder / "p", width=100, force=True)


def test_compressed_genomes_and_skipped_contigs_give_the_same(small):
    import gzip

    contigs, genome, regions, folder = small
    packed = folder / "g.fa.gz"
    packed.write_bytes(gzip.compress(genome.read_bytes()))
    regions.write_text(regions.read_text() + "elsewhere\t1\t500\t.\t0\t+\n")
    options = {"width": 100, "skip_missing_contigs": True}
    plain = sample_windows(genome, regions, output=folder / "a", **options)
    seen = []
    zipped = sample_windows(
        packed, regions, output=folder / "b", progress=lambda *done: seen.append(done), **options
    )
    assert places(plain) == places(zipped)
    assert plain.report["skipped"]["contig not in genome"] == 1
    total = sum(map(len, contigs.values()))
    assert seen[-1] == (total, total)


def test_the_command_and_the_document(small, monkeypatch):
    _, genome, regions, folder = small
    monkeypatch.chdir(folder)
    words = f"sample windows {genome} {regions} -o o --width 100 --blacklist r.bed --json"
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["positives"] == report["negatives"] > 50
    assert "contigs without positives              2" in result.stderr
    document = json.loads(pq.read_schema("o/regions.parquet").metadata[b"kmerengine"])
    assert document["command"] == "sample windows"
    assert document["format"] == "kmerengine.sample"
    assert document["report"]["positives"] == report["positives"]
    assert document["parameters"]["width"] == 100
    assert document["inputs"]["exclude"][0]["name"] == "r.bed"
    again = CliRunner().invoke(main, words.split())
    assert again.exit_code == 1
    assert again.stderr == "Error: o: exists; choose another output, or replace it with --force\n"
    assert "sites" in CliRunner().invoke(main, ["sample", "--help"]).stdout


# ----------------------------------------------------------------------- what it stands on


def test_gc_bins_are_exact_at_their_bounds():
    for width in (0.02, 0.05, 0.1, 0.07, 1.0, 0.3):
        bins = GcBins(width)
        known = np.repeat(np.arange(1, 90), 91).astype(np.int32)
        gc = np.minimum(np.tile(np.arange(91), 89), known).astype(np.int32)
        exact = Fraction(str(width))
        expected = [
            min(Fraction(g, k) // exact, -(-1 // exact) - 1)
            for g, k in zip(gc.tolist(), known.tolist(), strict=True)
        ]
        found = bins.of(gc, known)
        assert found.tolist() == expected
        low, high = bins.edges(found)
        share = gc / known
        assert (low <= share + 1e-12).all()
        assert ((share < high + 1e-12) | (high == 1)).all()
        assert bins.n == max(expected) + 1
    assert GcBins(0.02).of(np.zeros(1, np.int32), np.zeros(1, np.int32)).tolist() == [-1]


@settings(deadline=None, max_examples=100)
@given(
    stretches=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=6),
    sites=st.lists(st.tuples(st.integers(0, 35), st.integers(1, 6)), min_size=1, max_size=8),
)
def test_overlap_and_containment_are_what_sets_of_bases_say(stretches, sites):
    low = np.array([a for a, _ in stretches], np.int64)
    high = np.array([a + n for a, n in stretches], np.int64)
    start = np.array([a for a, _ in sites])
    end = np.array([a + n for a, n in sites])
    bases = [set(range(a, a + n)) for a, n in stretches]
    every = set().union(*bases)
    mine = [set(range(a, a + n)) for a, n in sites]
    assert overlap(start, end, merged(low, high)).tolist() == [bool(m & every) for m in mine]
    assert inside_one(start, end, low, high).tolist() == [any(m <= b for b in bases) for m in mine]
    assert inside_one(start, end, low, high, strict=True).tolist() == [
        any(m | {min(m) - 1, max(m) + 1} <= b for b in bases) for m in mine
    ]


@pytest.mark.data
def test_peaks_of_a_real_genome(data, tmp_path):
    """Every base of every window of the yeast genome is a candidate's first."""
    genome = data / "yeast" / "sacCer3.fa.gz"
    peaks = data / "yeast" / "yeast_peaks.narrowPeak"
    sample = sample_windows(
        genome, peaks, output=tmp_path / "o", width=500, same_chromosome=True, balance="min"
    )
    positives, negatives = rows_of(sample, 1), rows_of(sample, 0)
    assert len(positives) == len(negatives) > 1_300
    assert Counter(r["chrom"] for r in positives) == Counter(r["chrom"] for r in negatives)
    by_row = {row["row"]: row for row in positives}
    assert all(by_row[row["row"]]["gc_bin"] == row["gc_bin"] for row in negatives)
    gc = [[row["gc"] for row in rows] for rows in (positives, negatives)]
    assert ks_2samp(*gc).statistic < 0.05
    called = defaultdict(set)
    for line in peaks.read_text().splitlines():
        chrom, start, end = line.split("\t")[:3]
        called[chrom].update(range(int(start), int(end)))
    assert not any(called[r["chrom"]] & set(range(r["start"], r["end"])) for r in negatives)


def test_positives_that_are_given_up_are_drawn_at_random(dry, tmp_path):
    """Rows 0 and 1 share the one window of their bin."""
    genome, regions, options = dry
    seen = Counter()
    for seed in range(24):
        sample = sample_windows(
            genome, regions, output=tmp_path / "o", balance="min", seed=seed, force=True, **options
        )
        seen.update(row["row"] for row in rows_of(sample, 1) if row["gc"] == 1)
    assert set(seen) == {0, 1}
    assert sum(seen.values()) == 24
