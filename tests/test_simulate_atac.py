"""The simulated ATAC experiment: what is written agrees with its truth, read by other tools."""

import json
import math
import re
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from simulated_atac import CELLS, SIZE, counted, table, totals

from kmerengine import simulate_atac
from kmerengine.errors import InputError
from kmerengine.simulators.atac_auroc import bayes_auroc, by_setting
from kmerengine.simulators.atac_genome import NAMES, WORDS, Chances, make_contig
from kmerengine.simulators.atac_rates import tn5_bias

IUPAC = {"R": "[AG]", "Y": "[CT]", "S": "[CG]", "W": "[AT]"} | {base: base for base in "ACGT"}
PAIRS = str.maketrans("ACGTRYSW", "TGCAYRSW")


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The default depth."""
    folder = tmp_path_factory.mktemp("atac")
    return simulate_atac(folder / "usual", sites_per_tf=2_000, **SIZE)


@pytest.fixture(scope="module")
def usual_cuts(usual):
    return counted(usual, usual.genome.parent / "cuts.parquet")


def genome(made) -> list[str]:
    records = made.genome.read_text().split(">")[1:]
    assert [record.split("\n")[0] for record in records] == ["chr1", "chr2"]
    return [record.partition("\n")[2].replace("\n", "") for record in records]


def within(found: float, expected: float, n: int, sigmas: float = 4) -> bool:
    """A share of n, by its binomial error."""
    return abs(found - expected) <= sigmas * math.sqrt(expected * (1 - expected) / n)


# ------------------------------------------------------------------------- the genome and its sites


def test_every_match_of_a_word_is_a_site_of_the_table_and_no_other(usual):
    sites = table(usual.sites)
    listed = Counter(
        zip(sites["chrom"], sites["start"], sites["end"], sites["motif"], sites["strand"],
            strict=True)
    )  # fmt: skip
    found: Counter[tuple[str, int, int, str, str]] = Counter()
    for chrom, text in zip(("chr1", "chr2"), genome(usual), strict=True):
        assert len(text) == 1_000_000
        for name, word in WORDS.items():
            for strand, letters in (("+", word), ("-", word.translate(PAIRS)[::-1])):
                pattern = "".join(IUPAC[letter] for letter in letters)
                for match in re.finditer(f"(?=({pattern}))", text):
                    start = match.start()
                    found[chrom, start, start + len(word), name, strand] += 1
    assert found == listed
    numbers = Counter(sites["motif"])
    assert all(numbers[f"tf_{i}"] == 2_000 for i in range(1, 5))
    assert numbers["decoy"] == 400
    assert sum(numbers[f"pioneer_{i}"] for i in range(1, 4)) == 400
    strands = Counter(sites["strand"])
    assert within(strands["+"] / len(sites["start"]), 0.5, len(sites["start"]))


def test_gc_content_of_open_and_closed_dna(usual):
    sites = table(usual.sites)
    near = {"within": [], "beyond": []}
    for chrom, text in zip(("chr1", "chr2"), genome(usual), strict=True):
        codes = np.frombuffer(text.encode(), np.uint8)
        strong = (codes == ord("C")) | (codes == ord("G"))
        is_open = np.zeros(len(codes), bool)
        background = np.ones(len(codes), bool)
        here = np.flatnonzero(sites["chrom"] == chrom)
        for i in here:
            background[sites["start"][i] : sites["end"][i]] = False
            if sites["role"][i] == "pioneer":
                middle = (sites["start"][i] + sites["end"][i]) // 2
                is_open[middle - 300 : middle + 300] = True
                near["within"] += [strong[middle - 300 : middle - 270], strong[middle + 270 :][:30]]
                near["beyond"] += [strong[middle - 330 : middle - 300], strong[middle + 300 :][:30]]
        for share, part in ((0.48, is_open), (0.38, ~is_open)):
            part = part & background
            assert within(strong[part].mean(), share, part.sum())
    for share, side in ((0.48, "within"), (0.38, "beyond")):  # a few sites are among them
        found = np.concatenate(near[side])
        assert len(found) == 400 * 60
        assert within(found.mean(), share, len(found), 5)


def test_open_sites_are_those_near_a_pioneer_motif(usual):
    sites = table(usual.sites)
    middle = (sites["start"] + sites["end"]) / 2 + 1e9 * (sites["chrom"] == "chr2")
    pioneers = np.sort(middle[sites["role"] == "pioneer"])
    after = np.searchsorted(pioneers, middle).clip(1, len(pioneers) - 1)
    nearest = np.minimum(abs(pioneers[after] - middle), abs(middle - pioneers[after - 1]))
    assert (sites["open"] == (nearest <= 300)).all()
    assert nearest[~sites["open"]].min() > 300


def test_states_are_as_frequent_as_their_probabilities(usual):
    sites = table(usual.sites)
    tf = sites["role"] == "tf"
    is_open, cofactor, bound = (sites[name][tf] for name in ("open", "cofactor", "bound"))
    assert within(is_open.mean(), 0.05, tf.sum())
    for part in (is_open, ~is_open):
        assert within(cofactor[part].mean(), 0.3, part.sum())
    for share, part in (
        (0.9, is_open & cofactor),
        (0.15, is_open & ~cofactor),
        (0.001, ~is_open),
    ):
        assert within(bound[part].mean(), share, part.sum())
    assert (is_open & bound).any()
    assert (is_open & ~bound).any()
    assert (~is_open & cofactor & ~bound).any()


def test_co_factors_lie_beside_their_sites(usual):
    sites = table(usual.sites)
    of = [i for i in sites["of"] if i is not None]
    rows = [row for row, i in enumerate(sites["of"]) if i is not None]
    assert sorted(of) == np.flatnonzero(sites["cofactor"]).tolist()
    for row, i in zip(rows, of, strict=True):
        assert sites["motif"][row] == sites["motif"][i].replace("tf", "cofactor")
        gap = max(sites["start"][row], sites["start"][i]) - min(sites["end"][row], sites["end"][i])
        assert 3 <= gap <= 10
        assert sites["chrom"][row] == sites["chrom"][i]
        assert sites["peak"][row] == sites["peak"][i]


def test_peaks_and_their_sites(usual):
    rows = [line.split("\t") for line in usual.peaks.read_text().splitlines()]
    truth = table(usual.peak_truth)
    sites = table(usual.sites)
    assert [row[0] for row in rows] == truth["chrom"].tolist()
    assert [int(row[1]) + int(row[9]) for row in rows] == truth["summit"].tolist()
    assert {int(row[2]) - int(row[1]) for row in rows} == {500}
    assert Counter(truth["chrom"]) == {"chr1": 200, "chr2": 200}
    for row, peak in enumerate(sites["peak"]):
        assert (peak is not None) == sites["open"][row]
        if peak is not None:
            assert sites["chrom"][row] == truth["chrom"][peak]
            assert abs(sites["start"][row] - truth["summit"][peak]) < 400
            if sites["role"][row] == "pioneer":
                assert sites["motif"][row] == truth["pioneer"][peak]


def test_cell_types_lack_factors_and_differ_in_accessibility(usual):
    cells = table(usual.cell_types)
    activity = {
        (cell, motif): value
        for cell, motif, value in zip(
            cells["cell_type"], cells["motif"], cells["activity"], strict=True
        )
    }
    assert len(activity) == 3 * 7
    np.testing.assert_allclose(cells["footprint"], 0.8 * cells["activity"], rtol=1e-6)
    for motif in NAMES[:7]:
        off = sum(activity[cell, motif] == 0 for cell in CELLS)
        assert off == (1 if motif.startswith("tf") else 0)
    peaks = table(usual.peak_truth)
    own = np.array([[activity[cell, pioneer] for cell in CELLS] for pioneer in peaks["pioneer"]])
    strength = peaks["accessibility"] ** 2 / own / 25
    np.testing.assert_allclose(strength, strength[:, :1].repeat(3, axis=1), rtol=1e-5)
    sites = table(usual.sites)
    depth = np.array([
        [0.8 * activity[cell, motif] if bound else 0 for cell in CELLS]
        for motif, bound in zip(sites["motif"], sites["bound"], strict=True)
    ])  # fmt: skip
    np.testing.assert_allclose(sites["footprint"], depth, rtol=1e-6)


def test_bound_factors_open_their_peak_further_with_a_gain(tmp_path):
    many = SMALL | {"p_open": 0.2, "p_bound_closed": 0.5}
    plain, more = (simulate_atac(tmp_path / str(gain), gain=gain, **many) for gain in (0.0, 3.0))
    sites = table(more.sites)
    cells = table(more.cell_types)
    names = zip(cells["cell_type"], cells["motif"], strict=True)
    activity = dict(zip(names, cells["activity"], strict=True))
    expected = np.ones((16, 3))
    for role, motif, bound, peak in zip(
        sites["role"], sites["motif"], sites["bound"], sites["peak"], strict=True
    ):
        if role == "tf" and bound and peak is not None:
            expected[peak] += 3 * np.array([activity[cell, motif] for cell in CELLS])
    assert (expected > 1.5).any()
    assert (expected == 1).any()
    found = table(more.peak_truth)["accessibility"] / table(plain.peak_truth)["accessibility"]
    np.testing.assert_allclose(found**2, expected, rtol=1e-5)


# ------------------------------------------------------------------------------------------- reads


def test_reads_are_proper_pairs_of_the_genome(usual):
    import pysam

    texts = dict(zip(("chr1", "chr2"), genome(usual), strict=True))
    names = Counter()
    mates: dict[str, list[pysam.AlignedSegment]] = {}
    last = (0, 0)
    with pysam.AlignmentFile(str(usual.bams[0])) as file:
        assert dict(zip(file.references, file.lengths, strict=True)) == dict.fromkeys(
            ("chr1", "chr2"), 1_000_000
        )
        assert file.header["HD"]["SO"] == "coordinate"
        assert file.header["RG"] == [{"ID": "cell_1", "SM": "cell_1"}]
        for read in file:
            here = (read.reference_id, read.reference_start)
            assert here >= last
            last = here
            assert read.cigarstring == "36M"
            start = read.reference_start
            assert read.query_sequence == texts[read.reference_name][start : start + 36]
            assert read.mapping_quality == 60
            assert set(read.query_qualities) == {40}
            names[read.flag] += 1
            mates.setdefault(read.query_name, []).append(read)
    assert set(names) == {99, 147, 83, 163}
    assert names[99] == names[147]
    assert within(names[99] / sum(names.values()), 0.25, sum(names.values()))
    for pair in mates.values():
        left, right = sorted(pair, key=lambda read: read.is_reverse)
        assert (left.is_reverse, right.is_reverse) == (False, True)
        length = right.reference_end - left.reference_start
        assert 38 <= length <= 700
        assert (left.template_length, right.template_length) == (length, -length)
        assert left.next_reference_start == right.reference_start
        assert right.next_reference_start == left.reference_start
        assert left.is_read1 != right.is_read1
    document = json.loads(pq.read_schema(usual.sites).metadata[b"kmerengine"])
    assert document["fragments"]["cell_1"] == len(mates)


# -------------------------------------------------------------------------------------------- cuts


def test_the_shift_of_the_default_depth_is_found(usual_cuts):
    track, _ = usual_cuts
    assert track.shift == "+4/-4"
    for reads in track.provenance["reads"].values():
        assert reads["input_shift"] == "none"
        assert "offset -9" in reads["note"]
        assert reads["confidence"] > 0.5
        assert reads["kept"] == reads["records"]


def test_the_default_depth_is_that_of_real_data(usual, usual_cuts):
    expected = table(usual.peak_truth)["expected"]
    np.testing.assert_allclose(np.median(expected, axis=0), 12, rtol=1e-4)
    observed = totals(usual, usual_cuts[1])
    assert all(10 <= median <= 15 for median in np.median(observed, axis=0))


def test_footprints_leave_the_cuts_of_a_peak_as_many(usual, tmp_path):
    """Bound and unbound sites differ by the shape of their profiles alone."""
    without = simulate_atac(tmp_path / "a", sites_per_tf=2_000, footprint=0.0, **SIZE)
    ratio = table(usual.peak_truth)["expected"] / table(without.peak_truth)["expected"]
    assert abs(ratio.mean() - 1) < 0.01
    assert 0 < ratio.std() < 0.025


def test_bias_is_that_of_the_consensus_and_the_same_on_both_strands(usual):
    texts = genome(usual)
    peaks = table(usual.peak_truth)
    tracks = np.load(usual.bias)
    letters = {"Y": "CT", "W": "AT", "R": "AG", "A": "A", "C": "C", "G": "G", "T": "T"}

    def score(window):
        total = 0.0
        for base, letter in zip(window, "AGNTYWRANCT", strict=True):
            if letter != "N":
                gains = (0.3, -0.3) if len(letters[letter]) == 2 else (0.6, -0.2)
                total += 0.8 * gains[base not in letters[letter]]
        return total

    for number, (chrom, summit) in enumerate(zip(peaks["chrom"][:20], peaks["summit"][:20],
                                                 strict=True)):  # fmt: skip
        text = texts[int(chrom == "chr2")]
        raw = [score(text[i - 5 : i + 6]) for i in range(summit - 500, summit + 500)]
        np.testing.assert_allclose(np.diff(tracks[number]), np.diff(raw), atol=1e-5)
    codes = np.array(["ACGT".index(base) for base in texts[0][:5000]], np.uint8)
    track = tn5_bias(codes, 0.8)
    np.testing.assert_allclose(tn5_bias(3 - codes[::-1], 0.8), track[::-1], atol=1e-12)
    assert np.exp(track).mean() == pytest.approx(1)
    assert not tn5_bias(codes, 0).any()


# ------------------------------------------------------------------------------ the best classifier


def test_bayes_auroc_by_counting_pairs():
    rng = np.random.default_rng(3)
    for _ in range(20):
        positive, negative = rng.integers(0, 5, (2, 6))
        negative[0], positive[0] = 2, 4  # two states of one ratio are a tie
        negative[1], positive[1] = 1, 2
        both = positive + negative
        total = 0.0
        for a, p in enumerate(positive):
            for b, n in enumerate(negative):
                if p and n:  # p / (p + n) of a against that of b, without division
                    mine, other = p * both[b], positive[b] * both[a]
                    total += p * n * ((mine > other) + (mine == other) / 2)
        area = total / positive.sum() / negative.sum()
        assert bayes_auroc(positive.astype(float), negative.astype(float)) == pytest.approx(area)


def test_the_sampling_settings(usual):
    rows = pq.read_table(usual.sampling).to_pylist()
    found = {row["setting"]: row["bayes_auroc"] for row in rows}
    assert found["baseline"] == pytest.approx(0.970, abs=5e-4)
    # of open sites: 0.0135 and 0.00525 bound, 0.0015 and 0.02975 not
    best = 0.72 * (0.952 + 0.048 / 2) + 0.28 * 0.952 / 2
    assert found["accessibility"] == pytest.approx(best, abs=1e-9)
    assert found["accessibility"] == pytest.approx(0.837, abs=2e-3)
    assert found["accessibility"] < found["gc"] < found["baseline"]


def test_matching_gc_content_by_sampling_it():
    """Draw bound and unbound sites, keep as many of each GC bin, rank by state and bin."""
    chances = Chances(0.2, 0.3, (0.9, 0.15, 0.01))
    rng = np.random.default_rng(4)
    contigs = [make_contig("c", 500_000, 200, 2_000, 0, chances, (0.55, 0.35), rng)]
    found = by_setting(contigs, chances)
    sites, codes = contigs[0].sites, contigs[0].codes
    part = np.isin(sites.motif, [NAMES.index(f"tf_{i}") for i in range(1, 5)])
    middle = ((sites.start + sites.end) // 2)[part]
    gc = np.array([np.isin(codes[max(0, m - 500) : max(0, m - 500) + 1000], (1, 2)).mean()
                   for m in middle])  # fmt: skip
    bins = (gc / 0.02).astype(int)
    is_open, cofactor = sites.is_open[part], sites.cofactor[part]
    p = np.where(is_open, np.where(cofactor, 0.9, 0.15), 0.01)
    times = 40
    weight_p = np.zeros(len(p))
    weight_n = np.zeros(len(p))
    for _ in range(times):
        bound = rng.random(len(p)) < p
        for each in np.unique(bins):
            yes, no = (np.flatnonzero((bins == each) & which) for which in (bound, ~bound))
            n = min(len(yes), len(no))
            np.add.at(weight_p, rng.permutation(yes)[:n], 1)
            np.add.at(weight_n, rng.permutation(no)[:n], 1)
    key = bins * 4 + 2 * is_open + cofactor
    states = np.unique(key)
    pos = np.array([weight_p[key == each].sum() for each in states])
    neg = np.array([weight_n[key == each].sum() for each in states])
    assert bayes_auroc(pos, neg) == pytest.approx(found["gc"], abs=0.01)
    assert found["gc"] < found["baseline"] - 0.02


def test_settings_without_positives_or_negatives():
    chances = Chances(0.0, 0.3, (0.9, 0.15, 0.0))
    contigs = [make_contig("c", 20_000, 5, 20, 0, chances, (0.5, 0.4), np.random.default_rng(0))]
    assert all(math.isnan(value) for value in by_setting(contigs, chances).values())


# --------------------------------------------------------------------------------- seeds and limits

SMALL = {
    "n_contigs": 2, "contig_length": 40_000, "n_cell_types": 3, "n_peaks": 16, "sites_per_tf": 60,
    "n_decoys": 10,
}  # fmt: skip


def test_the_seed_decides_every_byte_and_threads_none(tmp_path):
    def contents(name, **options):
        made = simulate_atac(tmp_path / name, **SMALL, **options)
        return {path.name: path.read_bytes() for path in made.genome.parent.iterdir()}

    first = contents("a", seed=1, threads=1)
    assert len(first) == 2 + 3 + 4 + 2
    assert contents("b", seed=1, threads=3) == first
    other = contents("c", seed=2)
    assert all(other[name] != first[name] for name in first)


def test_no_bias_no_signal_no_footprint_is_flat(tmp_path):
    flat = {"bias": 0.0, "signal": 0.0, "footprint": 0.0}
    made = simulate_atac(tmp_path / "a", **SMALL, **flat)
    rates = np.load(made.rates)
    np.testing.assert_allclose(rates, rates[0, 0, 0], rtol=1e-4)
    assert not np.load(made.bias).any()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"p_open": 1.1}, "--p-open 1.1: expected 0 to 1"),
        ({"gc_closed": -0.1}, "--gc-closed -0.1"),
        ({"p_bound_closed": float("nan")}, "--p-bound-closed nan"),
        ({"depth": 0}, "--depth 0"),
        ({"footprint": 1.0}, "--footprint 1.0"),
        ({"n_cell_types": 0}, "--n-cell-types 0"),
        ({"n_peaks": 100}, "--n-peaks: 50 on chr1 of 40,000 bp"),
        ({"sites_per_tf": 1_000, "p_open": 0.01}, "--sites-per-tf: .* closed DNA of chr1, which"),
        ({"sites_per_tf": 100, "p_open": 1.0}, "--sites-per-tf: .* open DNA of chr1"),
        ({"threads": 0}, "threads: found 0"),
        ({"seed": -1}, "--seed -1: expected 0 to 9223372036854775808;"),
    ],
)
def test_impossible_parameters(tmp_path, wrong, words):
    with pytest.raises(InputError, match=words):
        simulate_atac(tmp_path / "a", **(SMALL | wrong))
    assert not (tmp_path / "a").exists()
