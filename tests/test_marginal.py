"""Backgrounds with and without a motif."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmerengine import InputError, Motif, marginal_sequences

COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def as_codes(texts: list[str]) -> np.ndarray:
    return np.array([["ACGT".index(base) for base in text] for text in texts], np.uint8)


def as_texts(codes: np.ndarray) -> list[str]:
    return ["".join("ACGT"[code] for code in row) for row in codes.tolist()]


def dinucleotides(text: str) -> Counter[str]:
    return Counter(text[i : i + 2] for i in range(len(text) - 1))


@settings(deadline=None)
@given(
    st.lists(st.text("ACGT", min_size=12, max_size=12), min_size=1, max_size=4),
    st.text("ACGTN", min_size=1, max_size=12),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 2**32),
)
def test_only_the_motif_differs(
    texts: list[str], word: str, minus: bool, shuffles: int, seed: int
) -> None:
    made = marginal_sequences(as_codes(texts), word, shuffles=shuffles, minus=minus, seed=seed)
    planted = word.translate(COMPLEMENT)[::-1] if minus else word
    assert made.start == (12 - len(word)) // 2
    sources = [text for text in texts for _ in range(max(1, shuffles))]
    backgrounds, within = as_texts(made.without), as_texts(made.within)
    assert len(backgrounds) == len(within) == len(sources)
    for source, background, planted_in in zip(sources, backgrounds, within, strict=True):
        assert dinucleotides(background) == dinucleotides(source)
        if not shuffles:
            assert background == source
        expected = list(background)
        for i, base in enumerate(planted):
            if base != "N":
                expected[made.start + i] = base
        assert planted_in == "".join(expected)


def test_a_motif_is_drawn_anew_for_each_background() -> None:
    rows = np.array([[0.7, 0.1, 0.1, 0.1], [0, 0.5, 0.5, 0], [0, 0, 0, 1.0]])
    motif = Motif(name="m", probabilities=rows)
    codes = np.zeros((1, 9), np.uint8)
    for minus in (False, True):
        made = marginal_sequences(codes, motif, shuffles=20_000, start=2, minus=minus, seed=5)
        core = made.within[:, 2:5]
        if minus:
            core = 3 - core[:, ::-1]
        shares = np.array([(core == base).mean(axis=0) for base in range(4)]).T
        np.testing.assert_allclose(shares, rows, atol=0.015)
        assert not made.within[:, :2].any()
        assert not made.within[:, 5:].any()
    again = marginal_sequences(codes, motif, shuffles=20_000, start=2, minus=True, seed=5)
    np.testing.assert_array_equal(again.within, made.within)
    other = marginal_sequences(codes, motif, shuffles=20_000, start=2, minus=True, seed=6)
    assert (other.within != made.within).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"motif": "ACXT"}, "motif: found 'X' in 'ACXT'"),
        ({"motif": ""}, "motif: found 0 bp"),
        ({"motif": "ACGTACGTAC"}, "motif: found 10 bp from base -1, expected a part of the 9 bp"),
        ({"motif": "ACG", "start": 7}, "motif: found 3 bp from base 7"),
        ({"motif": "ACG", "shuffles": -1}, "shuffles: found -1"),
    ],
)
def test_what_does_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        marginal_sequences(np.zeros((2, 9), np.uint8), **options)
    assert message in str(caught.value)
