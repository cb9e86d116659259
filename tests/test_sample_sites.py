"""AgentBind's matched motif sites: labels, windows and bins against plain Python."""

import json
import math
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_oracle import gc_bin, random_genome, write_bed, write_genome

from kmerengine import InputError, Motif, sample_sites, scan
from kmerengine.cli import main
from kmerengine.sampling.hits import read_instances
from kmerengine.sampling.motif_sites import PBins, window_starts

HEADER = (
    "# motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\t"
    "matched_sequence\n"
)


def write_fimo(path, hits, motif="M1"):
    """FIMO's text: 1-based, closed, and no second name."""
    rows = [
        f"{motif}\t\t{chrom}\t{start + 1}\t{end}\t{strand}\t9.5\t{p!r}\t\t\n"
        for chrom, start, end, strand, p in hits
    ]
    path.write_text(HEADER + "".join(rows))
    return path


def random_hits(contigs, seed, n, names=("c10", "c2", "c1")):
    rng = np.random.default_rng(seed)
    hits = []
    for _ in range(n):
        chrom = str(rng.choice(names))
        length = int(rng.choice([8, 9]))
        start = int(rng.integers(0, len(contigs[chrom]) - length + 1))
        p = float(10.0 ** -rng.choice([4.05, 4.15, 4.17, 4.31, 5.5]))
        hits.append((chrom, start, start + length, str(rng.choice(["+", "-"])), p))
        if rng.random() < 0.2:  # the other strand too, or the same again
            strand = str(rng.choice(["+", "-"]))
            hits.append((chrom, start, start + length, strand, float(rng.choice([p, p / 2]))))
    return hits


def rows_of(sample, label=None):
    rows = pq.read_table(sample.regions).to_pylist()
    return [row for row in rows if label is None or row["label"] == label]


# ------------------------------------------------------------------------ the whole, by hand


def expected_sites(contigs, hits, peaks, *, width, strict, accessible, by_gc):
    """What is left of the hits, with label and bin, and how many were left out and why."""
    skipped = Counter()
    with_peak = {chrom for chrom, *_ in peaks}
    best = {}
    n_here = 0
    for row, (chrom, start, end, strand, p) in enumerate(hits):
        if chrom not in with_peak:
            skipped["contig without a peak"] += 1
            continue
        n_here += 1
        rank = (p, strand == "-", row)
        key = (chrom, start, end)
        best[key] = min(best.get(key, rank), rank)
    skipped["at the place of a better one"] = n_here - len(best)
    sites = {}
    for (chrom, start, end), (p, is_minus, row) in best.items():
        if accessible is not None and not any(
            chrom == c and low <= start and end <= high for c, low, high in accessible
        ):
            skipped["outside accessible regions"] += 1
            continue
        # the authors' formula
        first = start - int((width - (end - start)) / 2)
        if first < 0 or first + width > len(contigs[chrom]):
            skipped["window leaves its contig"] += 1
            continue
        window = contigs[chrom][first : first + width].upper()
        if strict:
            bound = any(chrom == c and low < start and end < high for c, low, high in peaks)
        else:
            bound = any(chrom == c and low <= start and end <= high for c, low, high in peaks)
        sites[row] = {
            "chrom": chrom, "start": first, "end": first + width, "label": int(bound),
            "strand": "-" if is_minus else "+", "p": p, "gc": window,
            "core_start": start - first, "core_end": end - first,
            "bin": (math.floor(-math.log10(p) * 10), gc_bin(window) if by_gc else None),
        }  # fmt: skip
    return sites, {reason: n for reason, n in skipped.items() if n}


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    setting=st.sampled_from(["baseline", "gc", "accessibility"]),
    width=st.sampled_from([20, 21, 100]),
    strict=st.booleans(),
    ratio=st.integers(1, 2),
    balance=st.sampled_from(["min", "positives"]),
)
def test_the_sample_is_what_plain_python_allows(
    tmp_path_factory, seed, setting, width, strict, ratio, balance
):
    folder = tmp_path_factory.mktemp("s")
    contigs = random_genome(seed)
    hits = random_hits(contigs, seed, 300)
    rng = np.random.default_rng(seed)
    peaks = [(c, s, s + 150) for c in ("c10", "c1") for s in rng.integers(0, 1_300, 4).tolist()]
    chosen = [hits[i] for i in rng.integers(0, len(hits), 12).tolist() if hits[i][0] != "c2"]
    peaks += [(c, s, e) for c, s, e, *_ in chosen]  # that end where their motifs do
    is_open = setting == "accessibility"
    accessible = [("c10", 0, 1_200), ("c1", 100, 1_400)] if is_open else None
    sites, skipped = expected_sites(
        contigs, hits, peaks, width=width, strict=strict, accessible=accessible,
        by_gc=setting != "baseline",
    )  # fmt: skip
    sample = sample_sites(
        write_genome(folder / "g.fa", contigs), write_fimo(folder / "f.txt", hits),
        write_bed(folder / "p.bed", peaks), output=folder / "o", setting=setting, width=width,
        accessible=write_bed(folder / "a.bed", accessible) if is_open else None,
        strict=strict, ratio=ratio, balance=balance, seed=seed, skip_missing_contigs=True,
    )  # fmt: skip
    assert sample.report["skipped"] == skipped
    assert sample.report["bound"] == sum(site["label"] for site in sites.values())
    assert sample.report["unbound"] == sum(1 - site["label"] for site in sites.values())
    touching = sum(
        any(
            c == site["chrom"]
            and low < site["start"] + site["core_end"]
            and site["start"] + site["core_start"] < high
            for c, low, high in peaks
        )
        for site in sites.values()
        if not site["label"]
    )
    assert sample.report["unbound_that_touch_a_peak"] == touching
    there = defaultdict(lambda: [0, 0])
    for site in sites.values():
        there[site["bin"]][site["label"]] += 1
    drawn = defaultdict(lambda: [0, 0])
    found = rows_of(sample)
    assert len({row["row"] for row in found}) == len(found)
    for row in found:
        site = sites[row["row"]]
        drawn[site["bin"]][site["label"]] += 1
        for name in ("chrom", "start", "end", "label", "strand", "p", "core_start", "core_end"):
            assert row[name] == site[name]
        window = site["gc"]
        known = sum(map(window.count, "ACGT"))
        assert row["gc"] == pytest.approx((window.count("G") + window.count("C")) / known)
        assert row["p_bin"] == pytest.approx(site["bin"][0] / 10)
        assert (row["gc_bin"] is None) == (setting == "baseline")
        assert row["gc_bin"] is None or row["gc_bin"] == pytest.approx(site["bin"][1] / 50)
        assert row["name"] == ("unbound", "bound")[row["label"]] + f"_{row['row']}"
        assert (row["motif"], row["score"]) == ("M1", 9.5)
    table = {
        (round(r["p_bin"] * 10), None if r["gc_bin"] is None else round(r["gc_bin"] * 50)): r
        for r in pq.read_table(sample.bins).to_pylist()
    }
    assert set(table) == set(there)
    for key, (unbound, bound) in there.items():
        assert (table[key]["negatives"], table[key]["positives"]) == (unbound, bound)
        kept = [table[key]["kept_negatives"], table[key]["kept_positives"]]
        assert kept == drawn[key]
        if balance == "min":
            assert kept == [ratio * min(bound, unbound // ratio), min(bound, unbound // ratio)]
        else:
            assert kept == [min(unbound, ratio * bound), bound]
    bed = [line.split("\t") for line in sample.bed.read_text().splitlines()]
    assert [(b[0], int(b[1]), int(b[2]), b[3], int(b[4]), b[5]) for b in bed] == [
        tuple(row[name] for name in ("chrom", "start", "end", "name", "label", "strand"))
        for row in found
    ]


# ------------------------------------------------------------------------------- boundaries

PEAK = (1_000, 1_100)


@pytest.mark.parametrize(
    ("start", "end", "loose", "strict"),
    [
        (1_000, 1_100, 1, 0),  # the peak itself
        (1_000, 1_010, 1, 0),  # begins where the peak does
        (1_001, 1_010, 1, 1),
        (1_090, 1_100, 1, 0),  # ends where the peak does
        (1_090, 1_099, 1, 1),
        (999, 1_010, 0, 0),
        (1_090, 1_101, 0, 0),
        (990, 1_000, 0, 0),  # beside it
        (1_095, 1_115, 0, 0),  # within the union of two peaks that overlap, in neither
        (1_105, 1_115, 1, 1),
    ],
)
def test_a_site_is_bound_if_it_lies_within_one_peak(tmp_path, start, end, loose, strict):
    genome = write_genome(tmp_path / "g.fa", {"c": "ACGT" * 600})
    peaks = write_bed(tmp_path / "p.bed", [("c", *PEAK), ("c", 1_098, 1_120), ("c", 300, 320)])
    # of the same p-value: one that is surely bound, and many that are surely not
    others = [("c", 305, 315), *(("c", 1_500 + i, 1_510 + i) for i in range(9))]
    hits = [(*place, "+", 1e-5) for place in (("c", start, end), *others)]
    for flag, label in ((False, loose), (True, strict)):
        sample = sample_sites(
            genome, write_fimo(tmp_path / "f", hits), peaks, output=tmp_path / f"o{flag}",
            width=200, strict=flag, balance="positives", ratio=10,
        )  # fmt: skip
        assert {row["row"]: row["label"] for row in rows_of(sample)}[0] == label


@pytest.mark.parametrize(
    ("start", "end", "width", "first"),
    [
        (1_000, 1_010, 1_000, 505),  # 495 bp on both sides
        (1_000, 1_011, 1_000, 506),  # 494 on the left, 495 on the right
        (1_000, 1_010, 1_001, 505),
        (1_000, 1_011, 1_001, 505),
        (1_000, 1_001, 1, 1_000),
        (495, 505, 1_000, 0),
    ],
)
def test_windows_are_centred_as_the_authors_do(start, end, width, first):
    assert first == start - int((width - (end - start)) / 2)
    assert window_starts(np.array([start]), np.array([end]), width).tolist() == [first]


def test_windows_that_leave_their_contig_are_left_out_and_counted(tmp_path):
    genome = write_genome(tmp_path / "g.fa", {"c": "ACGT" * 500})
    starts = (494, 495, 700, 1_495, 1_496)  # windows from -1, 0, 205, 1000 and 1001
    hits = [("c", s, s + 10, "-", 1e-5) for s in starts]
    sample = sample_sites(
        genome, write_fimo(tmp_path / "f", hits), write_bed(tmp_path / "p", [("c", 690, 720)]),
        output=tmp_path / "o", ratio=2,
    )  # fmt: skip
    assert [(r["row"], r["start"], r["label"]) for r in rows_of(sample)] == [
        (1, 0, 0), (2, 205, 1), (3, 1_000, 0),
    ]  # fmt: skip
    assert sample.report["skipped"] == {"window leaves its contig": 2}


def test_p_bins():
    bins = PBins(0.1)
    p = np.array([1e-4, 1e-5, 10**-4.05, 10**-4.1999, 0.99, 1.0, 0.0, 5e-324])
    assert bins.of(p).tolist() == [40, 50, 40, 41, 0, 0, 3233, 3233]
    low, high = bins.edges(np.array([43]))
    assert (low.tolist(), high.tolist()) == ([4.3], [4.4])
    assert PBins(0.5).of(np.array([1e-4, 10**-4.6])).tolist() == [8, 9]


# --------------------------------------------------------------------- what may not matter


@pytest.fixture
def scanned(tmp_path):
    contigs = random_genome(3, lengths=(30_000, 9_000, 30, 20_000), n_share=0)
    genome = write_genome(tmp_path / "g.fa", contigs)
    matrix = np.full((8, 4), 0.05)
    matrix[np.arange(8), [0, 2, 1, 0, 3, 1, 2, 2]] = 0.85
    hits = scan(
        genome,
        [Motif(name="M1", probabilities=matrix)],
        p=0.02,
        output=tmp_path / "h.parquet",
        sequence=True,
    )
    rng = np.random.default_rng(0)
    peaks = [(c, s, s + 400) for c in ("c10", "c1") for s in rng.integers(0, 19_000, 9).tolist()]
    return contigs, genome, hits, write_bed(tmp_path / "p.bed", peaks), tmp_path


def same_bytes(a, b):
    names = ("regions", "bed", "bins")
    return all(getattr(a, name).read_bytes() == getattr(b, name).read_bytes() for name in names)


@pytest.mark.parametrize("setting", ["baseline", "gc"])
def test_threads_and_orders_change_nothing(scanned, setting):
    contigs, genome, hits, peaks, folder = scanned
    options = {"setting": setting, "width": 200}
    first = sample_sites(genome, hits.path, peaks, output=folder / "a", threads=1, **options)
    again = sample_sites(genome, hits.path, peaks, output=folder / "b", threads=3, **options)
    assert same_bytes(first, again)
    assert len(rows_of(first, 1)) == len(rows_of(first, 0)) > 30

    def places(sample):
        names = ("chrom", "start", "label", "p", "strand", "core_start")
        return sorted(tuple(row[name] for name in names) for row in rows_of(sample))

    table = hits.table()
    shuffled = [
        (row["chrom"], row["start"], row["end"], row["strand"], row["p"])
        for row in table.take(np.random.default_rng(1).permutation(len(table))).to_pylist()
    ]
    (folder / "x").mkdir()
    turned = write_genome(folder / "x" / "g.fa", dict(reversed(contigs.items())))
    other = sample_sites(
        turned, write_fimo(folder / "f.txt", shuffled), peaks, output=folder / "c", **options
    )
    assert places(other) == places(first)
    seeded = sample_sites(genome, hits.path, peaks, output=folder / "d", seed=1, **options)
    assert places(seeded) != places(first)


def test_every_kind_of_hits_gives_the_same(scanned):
    _, genome, hits, peaks, folder = scanned
    matrix = np.full((8, 4), 0.05)
    matrix[np.arange(8), [0, 2, 1, 0, 3, 1, 2, 2]] = 0.85
    kept = scan(genome, [Motif(name="M1", probabilities=matrix)], p=0.02, sequence=True)
    first = sample_sites(genome, hits.path, peaks, output=folder / "a", width=200)
    rows = [
        tuple(row[name] for name in ("chrom", "start", "end", "strand", "p"))
        for row in hits.table().to_pylist()
    ]
    names = ("chrom", "start", "end", "strand", "label", "row", "motif", "p_bin", "core_end")
    expected = pq.read_table(first.regions).select(names).to_pylist()
    kinds = [kept, write_fimo(folder / "f.txt", rows)]
    for suffix in ("bed", "bed.gz"):
        path = folder / f"h.{suffix}"
        scan(
            genome,
            [Motif(name="M1", probabilities=matrix)],
            p=0.02,
            output=path,
            sequence=suffix == "bed",
        )
        kinds.append(path)
    for number, kind in enumerate(kinds):
        sample = sample_sites(genome, kind, peaks, output=folder / f"k{number}", width=200)
        assert pq.read_table(sample.regions).select(names).to_pylist() == expected
    bed = read_instances(folder / "h.bed")
    assert [bed.contig_names[i] for i in bed.contig.tolist()] == [row[0] for row in rows]
    np.testing.assert_allclose(bed.p, [row[4] for row in rows], rtol=1e-5)
    np.testing.assert_allclose(bed.score, hits.table()["score"].to_numpy(), rtol=1e-5)


def test_a_motif_is_chosen_by_name(scanned):
    _, genome, _, peaks, folder = scanned
    hits = random_hits(random_genome(3, lengths=(30_000, 9_000, 30, 20_000)), 1, 400)
    text = write_fimo(folder / "f.txt", hits).read_text()
    second = write_fimo(folder / "f2.txt", hits[:200], "M2").read_text().removeprefix(HEADER)
    both = folder / "both.txt"
    both.write_text(text + second)
    options = {"output": folder / "o", "width": 100, "force": True}
    with pytest.raises(InputError, match=r"found 2 motifs \(M1, M2\.\.\.\), expected one"):
        sample_sites(genome, both, peaks, **options)
    with pytest.raises(InputError, match="found no motif 'M3', expected one of its 2"):
        sample_sites(genome, both, peaks, motifs=["M3"], **options)
    alone = rows_of(sample_sites(genome, folder / "f.txt", peaks, **options))
    chosen = sample_sites(genome, both, peaks, motifs=["M1"], **options)
    assert rows_of(chosen) == alone
    assert chosen.report["skipped"]["another motif"] == second.count("\n")
    joined = sample_sites(genome, both, peaks, motifs=["M1", "M2"], **options)
    assert len(rows_of(joined)) == len(alone)  # the same places: each is one site


# --------------------------------------------------------------------------------- refusals


@pytest.fixture
def plain(tmp_path):
    """One bound site and two unbound ones in one bin, two bound and one unbound in another."""
    contigs = {"chr1": "ACGT" * 500, "chr2": "ACGT" * 100}
    hits = [("chr1", 500 + 20 * i, 510 + 20 * i, "+", 1e-5 if i < 3 else 1e-6) for i in range(6)]
    return {
        "genome": write_genome(tmp_path / "g.fa", contigs),
        "hits": write_fimo(tmp_path / "f.txt", hits),
        "peaks": write_bed(tmp_path / "p.bed", [("chr1", 500, 510), ("chr1", 560, 590)]),
        "output": tmp_path / "o",
        "width": 100,
    }


@pytest.mark.parametrize(
    ("balance", "ratio", "counts"),
    [
        ("min", 1, (2, 2)),
        ("min", 2, (1, 2)),
        ("positives", 1, (3, 2)),
        ("positives", 2, (3, 3)),
    ],
)
def test_bins_are_balanced(plain, balance, ratio, counts):
    sample = sample_sites(**plain, balance=balance, ratio=ratio)
    assert (len(rows_of(sample, 1)), len(rows_of(sample, 0))) == counts


def test_exact_says_which_bin_ran_dry_and_by_how_much(plain):
    with pytest.raises(InputError) as caught:
        sample_sites(**plain, balance="exact")
    assert str(caught.value).startswith(
        "negatives: the bin of -log10 p 6 to 6.1 ran dry: found 1 for 2 positives at 1:1, 1 short "
        "(1 bins are short, by 1 in all); "
    )
    with pytest.raises(InputError, match=r"-log10 p 6 to 6\.1, GC 0\.5 to 0\.52 ran dry"):
        sample_sites(**plain, balance="exact", setting="gc")
    with pytest.raises(InputError, match=r"3 short \(1 bins are short, by 3 in all\)"):
        sample_sites(**plain, balance="exact", ratio=2)
    assert not plain["output"].exists()


BED = "#chrom\tstart\tend\tmotif\tscore\tstrand\tp\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"setting": "dnase"}, "setting: found 'dnase', expected baseline, gc, accessibility"),
        ({"setting": "accessibility"}, "accessible: found none, expected a BED file"),
        ({"accessible": "chr1\t0\t9\n"}, "expected none with setting 'baseline'"),
        (
            {"setting": "accessibility", "accessible": "chr1\t0\t9\n"},
            "none of 6 motif instances lies within one of its 1 regions",
        ),
        ({"setting": "accessibility", "accessible": ""}, "holds no regions, expected some"),
        ({"setting": "accessibility", "accessible": "1\t0\t9\n"}, "differ by the prefix 'chr'"),
        ({"peaks": ""}, "p.bed: holds no regions"),
        ({"peaks": "1\t0\t9\n"}, "no contig '1'.*differ by the prefix 'chr'"),
        (
            {"peaks": "1\t0\t9\n", "skip_missing_contigs": True},
            "none of 6 motif instances is on a contig with a peak: found chr1 and others, and "
            r"peaks of .*p\.bed on 1 \(the names differ by the prefix 'chr'\); give peaks",
        ),
        ({"peaks": "chr2\t0\t9\n"}, "none of 6 motif instances is on a contig with a peak"),
        ({"peaks": "chr1\t0\t9\n"}, "found none of 6 motif instances within a peak"),
        ({"peaks": "chr1\t0\t1999\n"}, "found all of 6 motif instances within a peak"),
        ({"peaks": "chr1\t499\t551\n"}, "no bin has enough bound and unbound instances .3 and 3"),
        ({"width": 9}, "found 9 bp, expected at least the length of the motif"),
        ({"width": 2_000}, "width: none of the 6 windows of 2,000 bp lies within its contig"),
        ({"width": 0}, "width: found 0"),
        ({"p_bin": 0}, "p_bin: found 0"),
        ({"p_bin": float("nan")}, "p_bin: found nan"),
        ({"gc_bin": -1}, "gc_bin: found -1"),
        ({"hits": HEADER}, "f.txt: holds no motif instances"),
        ({"hits": ""}, "f.txt: line 1: found '', expected motif instances"),
        ({"hits": "chr1\t1\t9\tx\t1\t+\n"}, "without p-values has nothing to match by"),
        ({"hits": BED}, "f.txt: holds no motif instances"),
        ({"hits": BED + "chr1\t1\t9\tm\t1\t+\n"}, "line 2: found 6 columns, expected 7"),
        ({"hits": BED + "chr1\t1\t9\tm\t1\t+\tx\n"}, "line 2: found p 'x', expected a number"),
        ({"hits": BED + "chr1\t9\t9\tm\t1\t+\t.1\n"}, "line 2: start 9 is not before end 9"),
        ({"hits": BED + "chr1\t1\t-9\tm\t1\t+\t.1\n"}, "line 2: found '1 -9', expected start"),
        ({"hits": BED + "chr1\t1\t9\tm\t1\t*\t.1\n"}, r"line 2: found strand '\*'"),
        ({"hits": BED + "chr1\t1\t9\tm\t1\t+\t2\n"}, "instance 1: found p-value 2"),
        ({"hits": BED + "1\t1\t9\tm\t1\t+\t.1\n"}, "instance 1: the genome has no contig '1'"),
        ({"hits": BED + "chr1\t1\t2009\tm\t1\t+\t.1\n"}, "past the end of chr1, which has 2000"),
        ({"hits": None}, "f.txt: cannot be read: No such file"),
    ],
)
def test_refusals_are_one_line(plain, tmp_path, changes, words):
    options = dict(plain)
    for name, value in changes.items():
        if name in ("peaks", "hits", "accessible"):
            options.setdefault(name, tmp_path / "a.bed")
            if value is None:
                options[name].unlink()
            else:
                options[name].write_text(value)
        else:
            options[name] = value
    with pytest.raises(InputError, match=words) as caught:
        sample_sites(**options)
    assert "\n" not in str(caught.value)
    assert not options["output"].exists()


def test_a_damaged_table_is_an_error(scanned):
    _, genome, hits, peaks, folder = scanned
    content = hits.path.read_bytes()
    damaged = folder / "d.parquet"
    for text in (content[:-200], content[:4] + bytes(300) + content[304:]):
        damaged.write_bytes(text)
        with pytest.raises(InputError, match="damaged"):
            sample_sites(genome, damaged, peaks, output=folder / "o", width=100)


def test_the_command_and_the_document(scanned):
    _, genome, hits, peaks, folder = scanned
    words = f"sample sites {genome} {hits.path} {peaks} -o {folder / 'o'} --width 200 --setting gc"
    result = CliRunner().invoke(main, [*words.split(), "--json"])
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["positives"] == report["negatives"] > 10
    assert "contig without a peak" in result.stderr
    document = json.loads(pq.read_schema(folder / "o/regions.parquet").metadata[b"kmerengine"])
    assert document["parameters"]["setting"] == "gc"
    assert set(document["inputs"]) == {"genome", "hits", "peaks"}
    assert document["report"]["bound"] == report["bound"]


def test_a_long_name_in_a_bed_file(plain):
    rows = [f"chr1\t{500 + 20 * i}\t{510 + 20 * i}\t{'m' * 99}\t1.5\t+\t1e-05\n" for i in range(6)]
    plain["hits"].write_text(BED + "".join(rows))
    sample = sample_sites(**plain)
    assert {row["motif"] for row in rows_of(sample)} == {"m" * 99}
    assert sample.report["bound"] == 3


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("p", None, "found null in column 'p'"),
        ("chrom", None, "found null in column 'chrom'"),
        ("start", -1, "instance 1: found start -1 and end"),
        ("end", 0, "expected 0 <= start < end"),
        ("p", float("nan"), "instance 1: found p-value nan"),
        ("p", -0.5, "instance 1: found p-value -0.5"),
        ("strand", "\u2028", r"found strand '\\u2028', expected \+, - or \."),
    ],
)
def test_values_that_no_scan_writes(scanned, column, value, words):
    _, genome, hits, peaks, folder = scanned
    table = hits.table()
    at = table.column_names.index(column)
    plain = table.column(at).cast(
        pa.string() if column in ("chrom", "strand") else table.schema.types[at]
    )
    changed = pa.array([value, *plain.to_pylist()[1:]], plain.type)
    field = table.schema.field(at).with_nullable(True)
    wrong = folder / "w.parquet"
    pq.write_table(table.set_column(at, field, changed.cast(field.type)), wrong)
    with pytest.raises(InputError, match=words):
        sample_sites(genome, wrong, peaks, output=folder / "o", width=100)


def test_bound_sites_that_are_given_up_are_drawn_at_random(plain):
    """Rows 3 and 4 are bound and share the one unbound site of their bin."""
    seen = Counter()
    for seed in range(24):
        found = rows_of(sample_sites(**plain, seed=seed, force=True), 1)
        seen.update(row["row"] for row in found if row["p"] == 1e-6)
    assert set(seen) == {3, 4}
    assert sum(seen.values()) == 24
