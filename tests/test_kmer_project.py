"""Gapped counts from exact ones: by matrix and by rule, compiled and not, against strings."""

from collections import Counter
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

import numpy as np
import oracles
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kmerengine import Vocabulary
from native_kernels import kmer_project
from native_kernels.kmer_project import (
    Projection,
    cpu,
    features_of_reference,
    project_rows_reference,
)

# name: vocabulary, masks that it reads (closed under reversal where strands are merged)
VOCABULARIES = {
    "wildcard 4 2": (Vocabulary.wildcard(4, 2), oracles.wildcard_masks(4, 2)),
    "wildcard 5 4": (Vocabulary.wildcard(5, 4), oracles.wildcard_masks(5, 4)),
    "wildcard 1 0": (Vocabulary.wildcard(1, 0), ["1"]),
    "gkm 5 3": (Vocabulary.gkm(5, 3), oracles.gkm_masks(5, 3)),
    "gkm 5 2": (Vocabulary.gkm(5, 2), oracles.gkm_masks(5, 2)),
    "exact 4": (Vocabulary.exact(4), ["1111"]),
    "masks": (Vocabulary.masks(["1101", "0110"]), ["1101", "0110", "1011"]),
    "wildcard 4 2 stranded": (
        Vocabulary.wildcard(4, 2, stranded=True),
        oracles.wildcard_masks(4, 2),
    ),
    "gkm 5 3 stranded": (Vocabulary.gkm(5, 3, stranded=True), oracles.gkm_masks(5, 3)),
    "masks stranded": (Vocabulary.masks(["1101", "0110"], stranded=True), ["1101", "0110"]),
}
EVERY_VOCABULARY = pytest.mark.parametrize("name", VOCABULARIES)
PIECES = st.one_of(
    st.text("ACGT", max_size=30),
    st.sampled_from(["GAATTC", "ACGT" * 4, "N", "a", "ANGT", "A" * 20, "AT" * 8]),
)
SEQUENCES = st.lists(PIECES, max_size=5).map("".join)


@contextmanager
def uncompiled():
    with pytest.MonkeyPatch.context() as patch:
        for name, loop in vars(cpu).copy().items():
            if hasattr(loop, "py_func"):
                patch.setattr(cpu, name, loop.py_func)
        yield


def by_reference(rule, indptr, words, counts):
    return project_rows_reference(indptr, words, counts, rule)


def by_matrix(rule, indptr, words, counts):
    return Projection(rule, matrix=True).rows(indptr, words, counts)


def by_rule(rule, indptr, words, counts):
    return Projection(rule, matrix=False).rows(indptr, words, counts)


def by_rule_in_pieces(rule, indptr, words, counts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmer_project, "BATCH_ELEMENTS", 40)
        return by_rule(rule, indptr, words, counts)


def by_table(rule, indptr, words, counts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmer_project, "MAX_SORTED", 1)
        return by_matrix(rule, indptr, words, counts)


def not_compiled(project):
    def projected(*args):
        with uncompiled():
            return project(*args)

    return projected


EVERY_WAY = pytest.mark.parametrize(
    "project",
    [
        pytest.param(by_reference, id="reference"),
        pytest.param(by_matrix, id="matrix"),
        pytest.param(by_table, id="matrix, by table"),
        pytest.param(by_rule, id="rule"),
        pytest.param(by_rule_in_pieces, id="rule in pieces"),
        pytest.param(not_compiled(by_matrix), id="matrix, py_func"),
        pytest.param(not_compiled(by_table), id="matrix, by table, py_func"),
        pytest.param(not_compiled(by_rule), id="rule, py_func"),
    ],
)


@cache
def names_of(vocabulary):
    """The one name of every feature, by id."""
    words = vocabulary.words().tolist()
    return words if vocabulary.stranded else [oracles.canonical(word) for word in words]


def exact_rows(sequences, vocabulary):
    """Exact counts as the kernels give them, made from strings."""
    indptr, words, counts = [0], [], []
    for sequence in sequences:
        found = oracles.exact(sequence, vocabulary.k, stranded=vocabulary.stranded)
        for word in sorted(found):
            words.append(packed(word))
            counts.append(found[word])
        indptr.append(len(words))
    return np.array(indptr, np.int64), np.array(words, np.uint32), np.array(counts, np.uint32)


def packed(word):
    return sum("ACGT".index(base) << 2 * i for i, base in enumerate(reversed(word)))


# ---------------------------------------------------------------------------------- rows


@EVERY_WAY
@EVERY_VOCABULARY
@given(st.lists(SEQUENCES, max_size=4))
@settings(deadline=None, max_examples=12)
@example([])
@example(["", "N", ""])
@example(["ACGTACGTTTGACCAGT", "", "ACNGTA", "AATTCGCGAATT"])
@example(["acgtacgt", "AAAAAAAAAAAAAAAAAAAAAAAA", "TTTTTTTTTTTTTTTTTTTTTTTT"])
def test_rows_equal_the_oracle(project, name, sequences):
    vocabulary, masks = VOCABULARIES[name]
    exact = exact_rows(sequences, vocabulary)
    indptr, features, counts = project(vocabulary.rule, *exact)
    assert (indptr.dtype, features.dtype, counts.dtype) == (np.int64, np.uint32, np.uint32)
    assert len(indptr) == len(sequences) + 1
    assert indptr[0] == 0
    assert indptr[-1] == len(features) == len(counts)
    found = []
    for a, b in pairwise(indptr.tolist()):
        row = features[a:b].tolist()
        assert row == sorted(set(row))
        texts = [names_of(vocabulary)[feature] for feature in row]
        found.append(dict(zip(texts, counts[a:b].tolist(), strict=True)))
    assert found == [
        dict(oracles.gapped(sequence, masks, stranded=vocabulary.stranded))
        for sequence in sequences
    ]


@pytest.mark.parametrize("matrix", [True, False])
@pytest.mark.parametrize(
    ("vocabulary", "masks"),
    [
        (Vocabulary.wildcard(), oracles.wildcard_masks(8, 2)),
        (Vocabulary.wildcard(stranded=True), oracles.wildcard_masks(8, 2)),
        (Vocabulary.gkm(8, 5), oracles.gkm_masks(8, 5)),
        (Vocabulary.wildcard(9, 1), oracles.wildcard_masks(9, 1)),
    ],
    ids=["default", "default stranded", "gkm 8 5", "wildcard 9 1"],
)
def test_rows_of_large_vocabularies_equal_the_oracle(vocabulary, masks, matrix):
    rng = np.random.default_rng(4)
    sequences = ["".join(rng.choice(list("ACGTACGTACGTN"), 200)) for _ in range(4)]
    sequences += ["", "ACGTACGT" * 20, "GAATTCGAATTC", "A" * 300]
    exact = exact_rows(sequences, vocabulary)
    indptr, features, counts = Projection(vocabulary.rule, matrix=matrix).rows(*exact)
    names = names_of(vocabulary)
    for row, sequence in enumerate(sequences):
        part = slice(indptr[row], indptr[row + 1])
        texts = [names[feature] for feature in features[part].tolist()]
        found = dict(zip(texts, counts[part].tolist(), strict=True))
        assert found == oracles.gapped(sequence, masks, stranded=vocabulary.stranded)


def test_a_vocabulary_too_large_for_a_matrix_goes_by_the_rule():
    vocabulary = Vocabulary.gkm(11, 9)
    masks = oracles.gkm_masks(11, 9)
    sequences = ["ACCTGGAACTTTGACATTNGACCATGACGTACGTACG", "AATTCCGGAATT"]
    assert not vocabulary.projection.holds_matrix
    indptr, features, counts = vocabulary.projection.rows(*exact_rows(sequences, vocabulary))
    for row, sequence in enumerate(sequences):
        part = slice(indptr[row], indptr[row + 1])
        texts = [oracles.canonical(w) for w in vocabulary.words(features[part]).tolist()]
        found = dict(zip(texts, counts[part].tolist(), strict=True))
        assert found == oracles.gapped(sequence, masks)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_size_of_pieces_changes_nothing(size, monkeypatch):
    vocabulary, _ = VOCABULARIES["gkm 5 3"]
    exact = exact_rows(["ACGTTGACCA", "", "A", "GGGGCCATTACA" * 3, ""], vocabulary)
    whole = by_rule(vocabulary.rule, *exact)
    monkeypatch.setattr(kmer_project, "BATCH_ELEMENTS", size)
    for a, b in zip(whole, by_rule(vocabulary.rule, *exact), strict=True):
        assert a.dtype == b.dtype
        assert a.tolist() == b.tolist()


@pytest.mark.parametrize("form", ["compiled", "py_func"])
def test_a_row_is_sorted_while_it_fits_and_added_up_beyond(form, monkeypatch):
    vocabulary, masks = VOCABULARIES["wildcard 5 4"]
    sequence = "ACGTTGACCAGGATTACATTTGG"
    expected = oracles.gapped(sequence, masks)
    assert vocabulary.n_features > expected.total() > len(expected)
    if form == "py_func":
        monkeypatch.setattr(cpu, "sum_rows", cpu.sum_rows.py_func)
    for room in (expected.total() - 1, expected.total(), expected.total() + 1):
        monkeypatch.setattr(kmer_project, "MAX_SORTED", room)
        exact = exact_rows([sequence, "ACGTACGT", sequence], vocabulary)
        indptr, features, counts = by_matrix(vocabulary.rule, *exact)
        for row in (0, 2):
            part = slice(indptr[row], indptr[row + 1])
            texts = [names_of(vocabulary)[feature] for feature in features[part].tolist()]
            assert dict(zip(texts, counts[part].tolist(), strict=True)) == expected


# --------------------------------------------------------------------------------- total


@pytest.mark.parametrize("form", ["compiled", "py_func"])
@pytest.mark.parametrize("matrix", [True, False])
@EVERY_VOCABULARY
@given(SEQUENCES)
@settings(deadline=None, max_examples=10)
@example("")
@example("ACGTACGTTTGACCAGTNNAATTCGCGAATT")
def test_totals_equal_the_oracle(name, matrix, form, sequence):
    vocabulary, masks = VOCABULARIES[name]
    _, words, counts = exact_rows([sequence], vocabulary)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmer_project, "BATCH_ELEMENTS", 50)
        if form == "py_func":
            patch.setattr(cpu, "sum_all", cpu.sum_all.py_func)
            patch.setattr(cpu, "expand", cpu.expand.py_func)
        # counts beyond 32 bits: of a genome they can be
        total = Projection(vocabulary.rule, matrix=matrix).total(
            words, counts.astype(np.uint64) << np.uint64(33)
        )
    assert total.dtype == np.uint64
    assert len(total) == vocabulary.n_features
    found = {names_of(vocabulary)[i]: int(total[i]) >> 33 for i in np.flatnonzero(total)}
    assert found == dict(oracles.gapped(sequence, masks, stranded=vocabulary.stranded))


# ----------------------------------------------------------------------------------- set


@EVERY_VOCABULARY
def test_every_word_has_the_features_of_the_oracle(name):
    vocabulary, masks = VOCABULARIES[name]
    indptr, features = Projection(vocabulary.rule).matrix
    words = oracles.all_words(vocabulary.k)
    for number, (word, (a, b)) in enumerate(zip(words, pairwise(indptr.tolist()), strict=True)):
        found = features[a:b].tolist()
        texts = {names_of(vocabulary)[feature] for feature in found}
        assert texts == oracles.features_of(word, masks, stranded=vocabulary.stranded)
        assert set(found) == features_of_reference(number, vocabulary.rule)
        assert len(found) == len(texts)


def features_of(word, vocabulary):
    _, features = vocabulary.projection.expand(np.array([packed(word)], np.uint32))
    return sorted(vocabulary.words(features).tolist())


def test_a_palindrome_reaches_9_features_and_not_16():
    vocabulary = Vocabulary.wildcard()
    assert len(features_of("ACGTTGAC", vocabulary)) == 16
    assert len(features_of("ACGTACGT", Vocabulary.wildcard(stranded=True))) == 16
    assert features_of("ACGTACGT", vocabulary) == sorted(
        [
            "ACGTACGT",
            *("NCGTACGT", "ANGTACGT", "ACNTACGT", "ACGNACGT"),
            *("NNGTACGT", "ANNTACGT", "ACNNACGT", "ACGNNCGT"),
        ]
    )


@pytest.mark.parametrize(
    ("word", "vocabulary", "features"),
    [
        # AC... and ...GT are mirror images, and so are A..G. and .C..T: each pair counts once
        (
            "ACAGT",
            Vocabulary.gkm(5, 2),
            ["ACNNN", "ANANN", "ANNGN", "ANNNT", "NCANN", "NCNGN", "NCTNN", "ANTNN"],
        ),
        ("ATAT", Vocabulary.gkm(4, 2), ["ATNN", "ANAN", "ANNT", "NTAN"]),
        ("AAAA", Vocabulary.gkm(4, 2), ["AANN", "ANAN", "ANNA", "NAAN", "NANA", "NNAA"]),
        ("ACGT", Vocabulary.masks(["1100"]), ["ACNN"]),
        ("ACGA", Vocabulary.masks(["1100"]), ["ACNN", "NNGA"]),
        ("ACGT", Vocabulary.masks(["1100", "0011"], stranded=True), ["ACNN", "NNGT"]),
    ],
)
def test_features_are_a_set(word, vocabulary, features):
    found = features_of(word, vocabulary)
    name = str if vocabulary.stranded else oracles.canonical
    assert len(found) == len(features)
    assert {name(feature) for feature in found} == {name(feature) for feature in features}


# -------------------------------------------------------------------------------- tokens

NO_PALINDROME = "AACCAACCAACCAACCAACC"  # without T and G: no word is its own mirror image


def tokens(sequence):
    vocabulary = Vocabulary.wildcard()
    exact = exact_rows([sequence], vocabulary)
    return int(vocabulary.projection.rows(*exact)[2].sum())


@pytest.mark.parametrize(
    ("sequence", "palindromes", "n"),
    [
        (NO_PALINDROME, 0, 208),
        ("ACGTACGT" + "A" * 12, 1, 201),
        ("ACGTACGT" + "AAAA" + "GGAATTCC", 2, 194),
        ("TTACGTACGTACGTAAAACC", 3, 187),
        (NO_PALINDROME * 10, 0, 3_088),
        ("AACCAACCAA", 0, 48),
        ("AACCAAC", 0, 0),
        ("AACCAACCNAACCAACC", 0, 32),
    ],
)
def test_tokens_of_a_probe(sequence, palindromes, n):
    windows = oracles.windows(sequence, 8)
    found = sum(window == oracles.mirrored(window) for window in windows)
    assert (found, tokens(sequence)) == (palindromes, n)


def test_tokens_add_up_over_the_features():
    sequence = "ACCTGGAACTTTGACATTGACCATGACGTACGTACGGATCC" * 3
    vocabulary = Vocabulary.wildcard()
    expected = oracles.gapped(sequence, oracles.wildcard_masks(8, 2))
    by_wildcards = Counter()
    for feature, n in expected.items():
        by_wildcards[feature.count("N")] += n
    _, features, counts = vocabulary.projection.rows(*exact_rows([sequence], vocabulary))
    found = np.bincount(vocabulary.n_wildcards()[features], counts, 3)
    assert found.tolist() == [by_wildcards[n] for n in range(3)]
