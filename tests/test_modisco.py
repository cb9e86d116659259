"""TF-MoDISco behind `modelkit motifs --method modisco`."""

import sys

import numpy as np
import pytest
from seqlet_words import matrix_of
from test_seqlets import write

from kmerengine import InputError
from modelkit.interpretation.motifs.motifs import motifs

WORDS = ("GATAAGGCAT", "TGACTCATTC")
P = 120


def attributions_of(folder, seed, *, words=WORDS, n=160):
    """Words that raise the output, in one target of sequences that say nothing else."""
    rng = np.random.default_rng(seed)
    sequence = rng.integers(0, 4, (n, P)).astype(np.uint8)
    scores = rng.normal(0, 0.01, (n, 1, 4, P))
    planted = []
    for e in range(n):
        word, minus = words[e % len(words)], bool(rng.random() < 0.5)
        at = int(rng.integers(30, P - 40))
        codes = np.array(["ACGT".index(base) for base in word])
        matrix = matrix_of(word, rng, 0.05)
        if minus:
            codes, matrix = (3 - codes)[::-1], matrix[::-1, ::-1]
        sequence[e, at : at + len(word)] = codes
        scores[e, 0, :, at : at + len(word)] += matrix.T
        planted.append((at, minus, word))
    return write(folder, sequence, scores, targets=("all",)), planted


@pytest.mark.slow  # it compiles for a minute
def test_planted_words_are_found_by_tf_modisco(tmp_path):
    pytest.importorskip("modiscolite", reason="the package modisco is not installed")
    one, planted = attributions_of(tmp_path / "a", 0)
    made = motifs([one], tmp_path / "m", method="modisco")
    assert made.provenance["method"] == "modisco"
    consensus = made.table["consensus"].to_pylist()
    turned = [each[::-1].translate(str.maketrans("ACGT", "TGCA")) for each in consensus]
    found = {w for w in WORDS for a, b in zip(consensus, turned, strict=True) if w in a or w in b}
    assert found == set(WORDS)
    right = 0
    for row in made.seqlets.to_pylist():
        at, minus, word = planted[row["example"]]
        motif = consensus[int(row["motif"].removeprefix("motif_")) - 1]
        place = motif.find(word)
        forward = place >= 0
        if not forward:
            place = motif.find(word[::-1].translate(str.maketrans("ACGT", "TGCA")))
        assert row["sign"] == 1
        assert (row["strand"] == "-") == (minus == forward)
        start = row["motif_start"] + (
            place if row["strand"] == "+" else len(motif) - place - len(word)
        )
        right += start == 1000 * row["example"] - 5 + at
    assert right > 0.9 * len(made.seqlets) > 100


def test_what_modisco_refuses(tmp_path, monkeypatch):
    one, _ = attributions_of(tmp_path / "a", 0, n=4)
    with pytest.raises(InputError, match="expected seqlets or modisco"):
        motifs([one], tmp_path / "m", method="meme")
    with pytest.raises(InputError, match="is a folder, expected a file of modelkit seqlets"):
        motifs([one.path], tmp_path / "m")
    monkeypatch.setitem(sys.modules, "modiscolite.tfmodisco", None)
    with pytest.raises(InputError, match="install it with pip install modisco"):
        motifs([one], tmp_path / "m", method="modisco")
