"""What the interpretation experiment takes for true."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench.bpaitac_data import Experiment, genome
from bench.interpretation_table import BEGIN, END, put, tables
from bench.interpretation_truth import (
    BACKGROUND,
    IDLE,
    MATTERS,
    aurocs,
    match_scores,
    planted,
)
from kmerengine.simulators.atac_genome import FIRST_COFACTOR, FIRST_TF, NAMES, WORDS
from kmerengine.simulators.sequences import IUPAC, LETTERS

SMALL = Experiment(n_contigs=1, peaks_per_contig=40)
LENGTH = 400


@pytest.fixture(scope="module")
def contig():
    (found,) = genome(SMALL, np.random.default_rng(3))
    return found


@pytest.fixture(scope="module")
def starts(contig):
    return contig.summits - LENGTH // 2


def text(codes):
    return LETTERS[codes].tobytes().decode()


def is_word(bases, word):
    both = bases, bases[::-1].translate(str.maketrans("ACGT", "TGCA"))
    return any(all(b in IUPAC[w] for b, w in zip(each, word, strict=True)) for each in both)


def test_sites_that_matter_are_words_of_pioneers_bound_factors_and_their_helpers(contig, starts):
    found = planted([contig], [contig.name] * len(starts), starts, LENGTH)
    assert len(found.motif) > 100
    sites = contig.sites
    bound = {int(s) for s in sites.start[sites.bound & (sites.motif >= FIRST_TF)]}
    for region, start, end, motif in zip(*found[1:], strict=True):
        at = int(starts[region] + start)
        bases = text(contig.codes[at : at + end - start])
        assert is_word(bases, WORDS[NAMES[motif]])
        assert (found.kind[region, start:end] == MATTERS).all()
        if FIRST_TF <= motif < FIRST_COFACTOR:
            assert at in bound
        if motif >= FIRST_COFACTOR:  # a factor that is bound lies within the gap of 10 bp
            assert any(at - 10 - 12 <= b <= at + (end - start) + 10 for b in bound)
    decoys = sites.motif == NAMES.index("decoy")
    for at in sites.start[decoys]:
        for region in np.flatnonzero((starts <= at) & (at + 13 <= starts + LENGTH)):
            low = at - starts[region]
            assert (found.kind[region, low : low + 13] == IDLE).all()
    assert (found.kind == BACKGROUND).mean() > 0.5


def test_matches_of_true_words_score_1_and_nothing_else_does(contig, starts):
    codes = np.stack([contig.codes[s : s + LENGTH] for s in starts])
    found = planted([contig], [contig.name] * len(starts), starts, LENGTH)
    scores = match_scores(codes)
    perfect = np.isclose(scores, 1)
    for region, start, end in zip(found.region, found.start, found.end, strict=True):
        assert perfect[region, start:end].all()
    assert not perfect[found.kind == BACKGROUND].any()  # the simulator left no other match


def test_auroc_of_each_region_is_scikit_learns():
    rng = np.random.default_rng(1)
    kind = rng.integers(0, 3, (6, 50)).astype(np.uint8)
    kind[4], kind[5] = MATTERS, IDLE
    scores = rng.normal(size=kind.shape)
    found, beside = aurocs(kind, scores), aurocs(kind, scores, against_idle=True)
    for i in range(4):
        used = kind[i] != IDLE
        assert found[i] == pytest.approx(roc_auc_score(kind[i][used] == MATTERS, scores[i][used]))
        assert beside[i] == pytest.approx(roc_auc_score(kind[i] == MATTERS, scores[i]))
    assert np.isnan(found[4:]).all()


def test_tables_stand_between_the_markers():
    row = {
        "part": "footprints", "network": "bpaitac", "motif": "tf_1", "depth": -0.5, "least": -1.0,
        "most": 0.0, "true": -0.75, "dirty": True, "date": "2026-01-01", "commit": "0123456789ab",
    }  # fmt: skip
    text = tables([row])
    assert "| tf_1 | -0.75 | -0.50 (-1.00 to 0.00) |" in text
    assert "0123456789, dirty" in text
    assert put(f"a\n{BEGIN}\nold\n{END}\nb", text) == f"a\n{BEGIN}\n{text}\n{END}\nb"
    with pytest.raises(ValueError, match="needs the lines"):
        put("nothing", text)
