"""How many filters are known motifs: by hand, as published, and of filters whose truth is known."""

import numpy as np
import pyarrow as pa
import pytest

from kmerengine import InputError, Motif, read_motifs
from kmerengine.simulators.koo import FACTORS
from modelkit.interpretation.filters.koo_truth import KOO_TRUTH
from modelkit.interpretation.filters.recovery import Recovery, recovery
from modelkit.interpretation.motifs.naming import MotifMatches, tomtom
from modelkit.interpretation.motifs.seqlet_tables import matches_schema

JASPAR = "motifs/JASPAR_CORE_2016_vertebrates.meme"

# What Tomtom found at E <= 0.1 for the 30 filters of Koo and Eddy's CNN-4, of their released
# results; of filter25, which has 26 hits, the first four.
CNN_4 = {
    "filter0": "MA0497.1", "filter1": "MA1099.1", "filter3": "MA0615.1 MA0067.1",
    "filter4": "MA0893.1 MA0706.1 MA0892.1", "filter6": "MA0136.2",
    "filter8": "MA0699.1 MA0644.1 MA0518.1", "filter9": "MA0672.1",
    "filter10": "MA0043.2 MA0639.1 MA0837.1 MA0843.1 MA0466.2 MA0836.1",
    "filter13": "MA0502.1 MA0095.2", "filter15": "MA0620.1 MA0831.1",
    "filter16": "MA0615.1 MA0043.2 MA0837.1 MA0466.2 MA0639.1 MA0836.1 MA0843.1",
    "filter18": "MA0144.2", "filter20": "MA0615.1", "filter21": "MA0495.1",
    "filter22": "MA0518.1 MA0144.2", "filter25": "MA0831.1 MA0825.1 MA0058.3 MA0620.1",
    "filter27": "MA0632.1 MA0615.1 MA1099.1 MA0616.1",
}  # fmt: skip


def matches(hits: dict[str, str]) -> MotifMatches:
    rows = [
        {"query": query, "target": target, "target_alt_name": "", "p": 1e-5, "e": 1e-3, "q": 1e-3,
         "score": 1.0, "offset": 0, "overlap": 5, "strand": "+"}
        for query, targets in hits.items()
        for target in targets.split()
    ]  # fmt: skip
    return MotifMatches(pa.Table.from_pylist(rows, schema=matches_schema()))


def test_shares_are_of_all_filters_and_any_hit_counts():
    truth = {"X": ["x1", "x2"], "Y": ["y1", "x2"], "Z": ["z1"], "none": []}
    found = recovery(matches({"a": "n1 x2", "b": "n1", "c": "x1 x2 n2"}), 8, truth)
    assert found == Recovery(
        8, 3 / 8, 2 / 8, {"X": ("a", "c"), "Y": ("a", "c"), "Z": (), "none": ()}
    )
    assert found.recovered == 2
    nothing = recovery(matches({}), 30, truth)
    assert (nothing.matched, nothing.relevant, nothing.recovered) == (0, 0, 0)


def test_cnn_4_of_the_paper_is_found_as_published():
    """Table 1: 57 % of its filters are in JASPAR, 13 % are relevant."""
    found = recovery(matches(CNN_4), 30, KOO_TRUTH)
    assert (round(100 * found.matched), round(100 * found.relevant)) == (57, 13)
    assert {name: filters for name, filters in found.by_factor.items() if filters} == {
        "CEBPB": ("filter10", "filter16"),
        "MAX": ("filter25",),
        "NFYB": ("filter13",),
        "YY1": ("filter13",),
    }


@pytest.mark.parametrize("n_filters", [0, -1, 16])
def test_fewer_filters_than_have_matches_are_refused(n_filters):
    with pytest.raises(InputError, match=f"found {n_filters}, .*at least 17, as many have matches"):
        recovery(matches(CNN_4), n_filters, KOO_TRUTH)


def test_what_else_is_refused():
    with pytest.raises(InputError, match="n_filters: found 0"):
        recovery(matches({}), 0, KOO_TRUTH)
    for truth in ({}, {"X": []}):
        with pytest.raises(InputError, match="truth: found no names of motifs"):
            recovery(matches(CNN_4), 30, truth)


@pytest.mark.data
def test_accepted_motifs_are_of_the_simulated_factors(data):
    names = {each.name: each.alt_name for each in read_motifs(data / JASPAR)}
    assert list(KOO_TRUTH) == list(FACTORS)
    for factor, accepted in KOO_TRUTH.items():
        assert FACTORS[factor] in accepted
        held = {names[each] for each in accepted if each in names}
        relatives = {"Arid3a": {"Arid3b"}, "MEF2A": {"MEF2B", "MEF2D"}, "NFYB": {"NFYA"}}
        assert held == {factor} | relatives.get(factor, set())
    every = [each for accepted in KOO_TRUTH.values() for each in accepted]
    assert len(every) == len(set(every)) == 32


@pytest.mark.data
def test_the_true_motifs_are_all_relevant(data):
    """Filters that are the 24 matrices of the simulation: 100 %, each of its own factor."""
    database = read_motifs(data / JASPAR)
    known = {each.name: each for each in database}
    assert len(database) == 519
    filters, of = [], {}
    for factor, identifier in FACTORS.items():
        motif = known[identifier]
        for name, each in ((factor + "+", motif), (factor + "-", motif.reverse_complement())):
            filters.append(Motif(name=name, probabilities=each.probabilities))
            of[name] = identifier
    found = tomtom(filters, database, e=0.1)
    assert {name: row["target"] for name, row in found.best().items()} == of
    result = recovery(found, len(filters), KOO_TRUTH)
    assert (result.matched, result.relevant, result.recovered) == (1, 1, 12)
    for factor, names in result.by_factor.items():
        assert {factor + "+", factor + "-"} <= set(names)


@pytest.mark.data
@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_matrices_of_chance_are_hardly_ever_relevant(data, spread):
    """30 filters of 19 bp as an untrained network may have them: at most 7 %."""
    rng = np.random.default_rng(0)
    filters = [
        Motif(name=f"filter_{i}", probabilities=rng.dirichlet([spread] * 4, 19)) for i in range(30)
    ]
    result = recovery(tomtom(filters, data / JASPAR, e=0.1), 30, KOO_TRUTH)
    assert result.relevant <= 2 / 30
    assert result.matched <= 6 / 30
