"""Windows of the simulated footprints, against letters and the table of sites; their means."""

import re

import numpy as np
import polars as pl
import pytest
from binding_world import COMPLEMENT

from bench.deepatac_data import FACTOR_NAMES, OFF_CENTRE, WIDTH, Design, make, sites_of
from bench.deepatac_footprints import SHOULDER, means
from bench.deepatac_table import tables
from kmerengine.simulators.atac_genome import FACTORS, REACH
from kmerengine.simulators.sequences import IUPAC


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "w"
    return folder, make(folder, Design(sites=60, contig_length=45_000, depth=40.0))


def found_words(text):
    """Factors whose word is there, on either strand."""
    both = text + "n" + text[::-1].translate(COMPLEMENT)
    return {
        name
        for name, word in FACTORS.items()
        if re.search("".join(f"[{IUPAC[letter]}]" for letter in word), both)
    }


def test_windows_are_of_their_kind_and_labels_of_bound_sites(made):
    folder, data = made
    sites = sites_of(folder)
    regions = data.regions.to_pylist()
    kinds = [row["name"] for row in regions]
    counted = {kind: kinds.count(kind) for kind in ("bound", "unbound", "closed", "empty")}
    assert sum(counted.values()) == len(data)
    assert min(counted.values()) > 0.6 * max(counted.values())
    pioneers = sites.filter(pl.col("role") == "pioneer").select("chrom", "start", "end").rows()
    factors = sites.filter(pl.col("role") == "tf").to_dicts()
    assert data.label_names == FACTOR_NAMES
    for row, codes, labels in zip(regions, data.sequence, data.labels, strict=True):
        low, high, kind = row["start"], row["end"], row["name"]
        words = found_words("".join("ACGT"[code] for code in codes))
        near = [s for s in factors if s["chrom"] == row["chrom"]
                and abs((s["start"] + s["end"]) // 2 - (low + high) // 2) <= OFF_CENTRE
                and (s["bound"], s["open"]) == (kind == "bound", kind != "closed")]  # fmt: skip
        assert (not words) if kind == "empty" else near, row
        within = [c == row["chrom"] and abs((s + e) // 2 - (low + high) // 2) <= REACH
                  for c, s, e in pioneers]  # fmt: skip
        if kind in ("closed", "empty"):
            assert any(within) == (kind == "empty")
        # of the window more than half lies within 100 bp of a bound site
        for factor, label in zip(FACTOR_NAMES, labels, strict=True):
            covered = np.zeros(WIDTH, bool)
            for site in factors:
                if (site["chrom"], site["motif"], site["bound"]) == (row["chrom"], factor, True):
                    start = (site["start"] + site["end"]) // 2 - WIDTH // 2 - low
                    covered[max(0, start) : max(0, start + WIDTH)] = True
            assert label == (2 * covered.sum() > WIDTH)
    assert data.strands == "split"


def test_means_of_a_window():
    scores = np.arange(2 * 60, dtype=np.float64).reshape(2, 60)
    cuts = np.zeros((2, 60), bool)
    cuts[0, [20, 24, 33]] = cuts[1, [23, 50]] = True
    found = means(scores, cuts, slice(22, 26))
    inside = [(s, p) for s in (0, 1) for p in range(22, 26)]
    flank = [(s, p) for s in (0, 1) for p in (*range(22 - SHOULDER, 22), *range(26, 26 + SHOULDER))]
    far = [(s, p) for s in (0, 1) for p in range(60) if (s, p) not in inside + flank]

    def mean(places, cut=None):
        return np.mean([scores[each] for each in places if cut is None or cuts[each] == cut])

    expected = (mean(inside), mean(inside, False), mean(inside, True), mean(flank, False),
                mean(flank, True), mean(far))  # fmt: skip
    assert found == pytest.approx(expected)
    assert np.isnan(means(scores, cuts, slice(28, 32)).inside_present)


def test_tables_are_of_the_rows():
    wins = {"part": "wins", "dirty": False, "date": "d", "commit": "c" * 40, "where": "all",
            "model": "both", "against": "dna", "wins": 3, "factors": 4, "mean": 0.8,
            "mean_against": 0.5, "mean_difference": 0.3}  # fmt: skip
    area = {"part": "auprc", "dirty": True, "date": "d", "commit": "c" * 40, "where": "all",
            "factor": "tf_1", "prevalence": 0.08, "examples": 9}  # fmt: skip
    rows = [wins, *(area | {"model": m, "auprc": a} for m, a in (("both", 0.91), ("dna", None)))]
    text = tables(rows)
    assert "| all | both | dna | 3 of 4 | 0.800 | 0.500 | +0.300 |" in text
    assert "| all | tf_1 | 9 | 0.080 | 0.910 |  |" in text
    assert "cccccccccc, dirty)" in text
    places = ("inside", "inside_absent", "inside_present", "flank_absent", "flank_present", "far")
    six = {place: [0.01, 0.005, 0.02] for place in places}
    of = {"part": "attribution", "dirty": False, "date": "d", "commit": "c" * 40, "factor": "all",
          "windows": 5, "steps": 9, "completeness": 0.004, "completeness_median": 0.003,
          "completeness_most": 0.02} | six  # fmt: skip
    without = of | {"run": "without", "inside": [-0.0005, -0.001, 0.0]}
    text = tables([of | {"run": "both"}, without])
    assert "| both | all | 5 | +10.00 [+5.00, +20.00]" in text
    assert "without footprints over with them: -5.0%." in text
    assert "9 steps miss of the differences is 0.40% in all" in text
