"""Cuts of simulated ATAC-seq at a depth that shows footprints, and Tn5's preferences."""

import math

import numpy as np
import pytest
from simulated_atac import CELLS, SIZE, counted, table, totals

import kmerengine
from kmerengine import simulate_atac
from kmerengine.simulators import atac_rates
from kmerengine.simulators.atac_genome import NAMES, Chances, make_contig
from kmerengine.simulators.atac_rates import CellType, expected_cuts, length_law


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atac")
    return simulate_atac(folder / "deep", sites_per_tf=4_000, depth=400, seed=1, **SIZE)


@pytest.fixture(scope="module")
def deep_cuts(deep):
    """Cuts per base, shape (cell types, contigs, bp), by `kmerengine cuts`."""
    return counted(deep, deep.genome.parent / "cuts.parquet")


def lengths(path) -> np.ndarray:
    import pysam

    with pysam.AlignmentFile(str(path)) as file:
        found = [read.template_length for read in file if not read.is_reverse]
    return np.bincount(found, minlength=701)


def test_fragment_lengths_have_nucleosomes_and_the_helix(deep):
    found = lengths(deep.bams[0]).astype(float)
    assert found[:38].sum() == 0
    assert found.sum() == found[38:701].sum()
    smooth = np.convolve(found, np.ones(21) / 21, "same")
    assert 45 < 40 + np.argmax(smooth[40:120]) < 75
    assert smooth[195] > 1.3 * smooth[150]
    assert 180 < 150 + np.argmax(smooth[150:260]) < 205
    assert 365 < 320 + np.argmax(smooth[320:450]) < 400
    wave = found[50:300] / smooth[50:300]
    power = abs(np.fft.rfft(wave - wave.mean(), 4096)) ** 2
    frequency = np.fft.rfftfreq(4096)
    strongest = frequency[np.argmax(power * (frequency > 0.02))]
    assert 1 / strongest == pytest.approx(10.4, abs=0.3)


def test_expected_cuts_are_those_observed(deep, deep_cuts):
    """By peak, and by distance from the summit; a fragment may cut a window twice: variance 2 n."""
    _, counts = deep_cuts
    rates = np.load(deep.rates)
    peaks = table(deep.peak_truth)
    np.testing.assert_allclose(rates[:, :, 375:625].sum(axis=2), peaks["expected"], rtol=1e-4)
    z = (totals(deep, counts) - peaks["expected"]) / np.sqrt(2 * peaks["expected"])
    assert abs(z).max() < 5
    assert abs(z.mean()) < 5 / math.sqrt(z.size)
    assert 0.6 < z.std() < 1.05
    chance = np.corrcoef(z.T)[np.triu_indices(3, 1)]  # cell types are drawn independently
    assert abs(chance).max() < 4.5 / math.sqrt(len(z))
    windows = np.array([
        counts[:, int(chrom == "chr2"), summit - 500 : summit + 500]
        for chrom, summit in zip(peaks["chrom"], peaks["summit"], strict=True)
    ])  # fmt: skip
    expected = rates.sum(axis=0)
    z = (windows.sum(axis=0) - expected) / np.sqrt(1.3 * expected)
    assert abs(z).max() < 5.5
    assert 0.8 < z.std() < 1.1


def test_expected_cuts_by_the_sum_over_all_fragments(monkeypatch):
    monkeypatch.setattr(atac_rates, "MARGIN", 3)
    rng = np.random.default_rng(2)
    law = length_law()[:60]
    w = rng.gamma(1, size=300)
    w[:3] = w[-3:] = 0
    found, z = expected_cuts(w, law)
    pair = np.zeros((300, 300))
    for x in range(300):
        for d in range(60):
            if x + d < 300:
                pair[x, x + d] = w[x] * w[x + d] * law[d]
    assert z == pytest.approx(pair.sum())
    expected = pair.sum(axis=1) + pair.sum(axis=0)
    for y in range(300):  # a neighbour starts where a fragment ends
        weight = pair[y].sum()
        if weight:
            neighbours = 0.2 * pair[:, y].sum() * pair[y] / weight
            expected[y] += neighbours.sum()
            expected += neighbours
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def aggregate(counts, sites, part, reach=70):
    """Mean cuts around motif starts, by strand of the genome, shape (2 reach,)."""
    rows = [
        counts[int(sites["chrom"][i] == "chr2"), sites["start"][i] - reach :][: 2 * reach]
        for i in part
    ]
    return np.mean(rows, axis=0)


def test_footprints_at_bound_sites_follow_activity_and_unbound_sites_have_none(deep, deep_cuts):
    """Cuts on the motif and 2 bp beside it over those 14 to 44 bp away.

    The ratio of bound to unbound sites takes Tn5's taste for the motif away.
    """
    _, counts = deep_cuts
    sites = table(deep.sites)
    cells = table(deep.cell_types)
    pairs = zip(cells["cell_type"], cells["motif"], strict=True)
    depth = dict(zip(pairs, cells["footprint"], strict=True))
    for number, cell in enumerate(CELLS):
        for motif in ("tf_1", "tf_2", "tf_3", "tf_4"):
            ratio = {}
            for bound in (True, False):
                part = np.flatnonzero(
                    (sites["motif"] == motif) & sites["open"] & (sites["bound"] == bound)
                )
                assert len(part) > 40
                mean = aggregate(counts[number], sites, part)
                core = mean[68:84].mean()
                flank = np.concatenate([mean[26:56], mean[96:126]]).mean()
                ratio[bound] = core / flank
            found = 1 - ratio[True] / ratio[False]
            assert found == pytest.approx(depth[cell, motif], abs=0.12), (cell, motif)


def test_qc_shows_the_footprint_of_a_pioneer(deep, tmp_path):
    """On its motif most cuts are missing, on both strands; 14 bp and more away none are."""
    sites = table(deep.sites)
    part = np.flatnonzero(sites["motif"] == "pioneer_2")
    rows = [
        "\t".join(str(sites[name][i]) for name in ("chrom", "start", "end", "motif"))
        + f"\t0\t{sites['strand'][i]}\n"
        for i in part
    ]
    (tmp_path / "p.bed").write_text("".join(rows))
    depth = sites["footprint"][part[0]]
    cell = int(np.argmax(depth))
    kmerengine.qc([deep.bams[cell]], output=tmp_path / "qc", regions=tmp_path / "p.bed", reach=60)
    found = table(tmp_path / "qc" / "aggregate.parquet")
    for strand in ("along", "against"):
        dip = found[strand][(abs(found["offset"]) <= 5)].mean()
        flank = found[strand][(abs(found["offset"]) >= 25)].mean()
        assert 1 - dip / flank == pytest.approx(depth[cell], abs=0.2)


def test_shoulders_gain_what_the_dip_loses():
    contig = make_contig("c", 50_000, 10, 100, 0, Chances(0.1, 0.3, (1, 1, 1)), (0.5, 0.4),
                         np.random.default_rng(1))  # fmt: skip
    depth = np.where(np.array([name.startswith("tf_1") for name in NAMES]), 0.6, 0.0)
    factor, of_site = atac_rates.footprints(contig, CellType("a", depth, depth))
    starts = contig.sites.start[contig.sites.motif == NAMES.index("tf_1")]
    assert (of_site > 0).sum() == len(starts) == 100
    alone = [s for s in starts if np.sort(abs(starts - s))[1] > 60]
    for start in alone:
        assert factor[start - 14 : start + 26].sum() == pytest.approx(40)
        assert factor[start - 2 : start + 14] == pytest.approx(0.4)
        assert factor[[start - 15, start + 26]] == pytest.approx(1)


def test_tn5_prefers_the_decoy_in_every_cell_type(deep, deep_cuts):
    _, counts = deep_cuts
    sites = table(deep.sites)
    for is_open in (True, False):
        for strand, middle in (("+", 6), ("-", 6)):
            part = np.flatnonzero(
                (sites["motif"] == "decoy") & (sites["open"] == is_open)
                & (sites["strand"] == strand)
            )  # fmt: skip
            for number in range(3):
                mean = aggregate(counts[number], sites, part)
                assert np.argmax(mean) == 70 + middle
                assert mean[70 + middle] > 8 * mean[:60].mean()
