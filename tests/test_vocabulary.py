"""Vocabularies: how many features, in which order, what they read, and the way back."""

import copy
import hashlib
import json
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import oracles
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kmerengine import InputError, Vocabulary

# sha256sum of the 112,800 words, one per line: print(*oracles.wildcard_order(8, 2), sep="\n"),
# the procedure that reproduces the authors' released vocabulary in order.
DEFAULT_SHA256 = "83d27eb6516fbdc4930b751ae1cbc6d53dbd68df049b2d90a07b2ab69fd70120"
SMALL_WILDCARDS = [(k, most) for k in range(1, 7) for most in range(k)]
SMALL_GKM = [(length, k) for length in range(1, 7) for k in range(1, length + 1)]
MASKS = [["1"], ["101"], ["1101"], ["1101", "0011"], ["10010", "11111", "01001"], ["000100"]]
BOTH = pytest.mark.parametrize("stranded", [False, True], ids=["merged", "stranded"])


@cache
def default_words() -> list[str]:
    return oracles.wildcard_order(8, 2)


def closed(masks: list[str]) -> list[str]:
    return list(dict.fromkeys(masks + [mask[::-1] for mask in masks]))


# ------------------------------------------------------------------------- size and order


@BOTH
@pytest.mark.parametrize(("k", "most"), SMALL_WILDCARDS)
def test_wildcards_are_in_the_order_of_the_authors_procedure(k, most, stranded):
    expected = oracles.wildcard_order(k, most, stranded=stranded)
    vocabulary = Vocabulary.wildcard(k, most, stranded=stranded)
    assert vocabulary.n_features == len(expected)
    assert vocabulary.words().tolist() == expected
    assert vocabulary.n_wildcards().tolist() == [word.count("N") for word in expected]
    assert vocabulary.kind == ("wildcard" if most else "exact")


@BOTH
@pytest.mark.parametrize(("length", "k"), SMALL_GKM)
def test_gkm_is_every_choice_of_k_positions(length, k, stranded):
    expected = oracles.mask_order(oracles.gkm_masks(length, k), stranded=stranded)
    vocabulary = Vocabulary.gkm(length, k, stranded=stranded)
    assert vocabulary.n_features == len(expected)
    assert vocabulary.words().tolist() == expected


@BOTH
@pytest.mark.parametrize("masks", MASKS, ids=",".join)
def test_masks_are_closed_under_reversal_when_strands_are_merged(masks, stranded):
    listed = masks if stranded else closed(masks)
    expected = oracles.mask_order(listed, stranded=stranded)
    vocabulary = Vocabulary.masks(masks, stranded=stranded)
    assert vocabulary.mask_list == tuple(listed)
    assert vocabulary.n_features == len(expected)
    assert vocabulary.words().tolist() == expected


def test_a_mask_given_twice_counts_once():
    assert Vocabulary.masks(["1101", "1011", "1101"]) == Vocabulary.masks(["1101"])


def test_the_default_is_bindvaes_vocabulary():
    vocabulary = Vocabulary.wildcard()
    words = vocabulary.words().tolist()
    assert words == default_words()
    assert vocabulary.n_features == 112_800
    assert Counter(vocabulary.n_wildcards().tolist()) == {0: 32_896, 1: 65_536, 2: 14_368}
    # of each pair of mirrored masks the one met first names nearly all features
    assert sum(word[0] == "N" and word.count("N") == 1 for word in words) == 14_368
    assert sum(word[7] == "N" and word.count("N") == 1 for word in words) == 2_016
    listed = "".join(f"{word}\n" for word in default_words())
    assert hashlib.sha256(listed.encode()).hexdigest() == DEFAULT_SHA256
    assert vocabulary.digest() == DEFAULT_SHA256


def test_the_digest_does_not_depend_on_how_many_words_are_made_at_once():
    vocabulary = Vocabulary.exact(10, stranded=True)  # 1,048,576 words: four pieces
    listed = "".join(f"{''.join(word)}\n" for word in product("ACGT", repeat=10))
    assert vocabulary.digest() == hashlib.sha256(listed.encode()).hexdigest()


@pytest.mark.parametrize(
    ("vocabulary", "size"),
    [
        (Vocabulary.wildcard(8, 2), 112_800),
        (Vocabulary.wildcard(8, 2, stranded=True), 65_536 + 8 * 4**7 + 7 * 4**6),
        (Vocabulary.exact(10), 524_800),
        (Vocabulary.exact(32), (4**32 + 4**16) // 2),
        (Vocabulary.exact(31), 4**31 // 2),
        (Vocabulary.exact(32, stranded=True), 4**32),
        # 210 masks of 6 among 10, of which C(5, 3) = 10 read the same backwards
        (Vocabulary.gkm(10, 6), 100 * 4**6 + 10 * (4**6 + 4**3) // 2),
        # 330 of 7 among 11; the middle one is read in each of the C(5, 3) = 10 symmetric ones
        (Vocabulary.gkm(11, 7), 160 * 4**7 + 10 * 4**7 // 2),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else value.kind,
)
def test_sizes_in_closed_form(vocabulary, size):
    assert vocabulary.n_features == size


@pytest.mark.parametrize(
    "vocabulary",
    [Vocabulary.exact(10), Vocabulary.wildcard(9, 3), Vocabulary.gkm(10, 6), Vocabulary.gkm(9, 8)],
    ids=["exact 10", "wildcard 9 3", "gkm 10 6", "gkm 9 8"],
)
def test_large_vocabularies_hold_each_feature_once(vocabulary):
    words = vocabulary.words()
    names = {oracles.canonical(word) for word in words.tolist()}
    assert len(words) == len(names) == vocabulary.n_features
    assert int(vocabulary.rule.feature_of.min()) == 0
    assert int(vocabulary.rule.feature_of.max()) == vocabulary.n_features - 1


@BOTH
@pytest.mark.parametrize("k", range(1, 8))
def test_exact_words_are_the_canonical_ones(k, stranded):
    expected = [w for w in oracles.all_words(k) if stranded or w == oracles.canonical(w)]
    vocabulary = Vocabulary.exact(k, stranded=stranded)
    assert vocabulary.n_words == len(expected)
    assert [oracles.text_of(word, k) for word in vocabulary.exact_words.tolist()] == expected


# -------------------------------------------------------------------------------- look-up


@BOTH
@pytest.mark.parametrize(
    "make",
    [
        lambda stranded: Vocabulary.wildcard(5, 3, stranded=stranded),
        lambda stranded: Vocabulary.gkm(5, 3, stranded=stranded),
        lambda stranded: Vocabulary.masks(["11001", "01110"], stranded=stranded),
    ],
    ids=["wildcard", "gkm", "masks"],
)
def test_look_up_both_ways(make, stranded):
    vocabulary = make(stranded)
    for feature, word in enumerate(vocabulary.words().tolist()):
        assert vocabulary.word(feature) == word
        assert vocabulary.feature(word) == feature
        if not stranded:
            assert vocabulary.feature(oracles.mirrored(word)) == feature


def test_look_up_in_the_default_vocabulary():
    vocabulary = Vocabulary.wildcard()
    rng = np.random.default_rng(3)
    for feature in [0, 32_895, 32_896, 98_431, 98_432, 112_799, *rng.integers(0, 112_800, 300)]:
        word = default_words()[feature]
        assert vocabulary.word(feature) == word
        assert vocabulary.feature(word) == vocabulary.feature(oracles.mirrored(word)) == feature
    assert vocabulary.words([7, 40_000, 7]).tolist() == [default_words()[i] for i in (7, 40_000, 7)]
    assert vocabulary.words(np.array([], int)).tolist() == []


@pytest.mark.parametrize(
    "word", ["", "ACGT", "ACGTACGTA", "NACGTACN", "ACNNNCGT", "NNNNNNNN", "acgtacgt", "ACGTACG-"]
)
def test_a_word_that_is_no_feature_is_refused(word):
    with pytest.raises(InputError, match=r"word: found .*expected 8 of A C G T and N"):
        Vocabulary.wildcard().feature(word)


@pytest.mark.parametrize("feature", [-1, 112_800])
def test_an_id_out_of_range_is_refused(feature):
    with pytest.raises(InputError, match=f"feature: found {feature}, expected 0 to 112799"):
        Vocabulary.wildcard().word(feature)


# ------------------------------------------------------------------------- the projection


def test_the_default_projection_has_524_544_elements():
    vocabulary = Vocabulary.wildcard()
    words = vocabulary.exact_words
    indptr, features = vocabulary.projection.expand(words)
    assert len(words) == 32_896
    assert len(features) == indptr[-1] == 524_544
    assert Counter(np.diff(indptr).tolist()) == {16: 32_896 - 256, 9: 256}  # 256 palindromes
    assert vocabulary.projection.holds_matrix
    assert not Vocabulary.gkm(11, 7).projection.holds_matrix


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Vocabulary.wildcard(0, 0), "k: found 0, expected 1 to 32"),
        (lambda: Vocabulary.exact(33), "k: found 33, expected 1 to 32"),
        (lambda: Vocabulary.wildcard(8, 8), "max_wildcards: found 8, expected 0 to 7"),
        (lambda: Vocabulary.wildcard(8, -1), "max_wildcards: found -1, expected 0 to 7"),
        (lambda: Vocabulary.wildcard(13, 1), "k: found 13, expected at most 12 with wildcards"),
        (lambda: Vocabulary.gkm(13, 6), "l: found 13, expected 1 to 12"),
        (lambda: Vocabulary.gkm(6, 7), "gkm: found k = 7, expected 1 to l = 6"),
        (lambda: Vocabulary.gkm(6, 0), "gkm: found k = 0, expected 1 to l = 6"),
        (lambda: Vocabulary.masks([]), "masks: found none"),
        (lambda: Vocabulary.masks(["000"]), "mask: found '000'"),
        (lambda: Vocabulary.masks([""]), "mask: found ''"),
        (lambda: Vocabulary.masks(["1121"]), "mask: found '1121'"),
        (lambda: Vocabulary.masks(["11", "111"]), r"found lengths 2 \(11\) and 3 \(111\)"),
        (lambda: Vocabulary.masks(["1" * 13]), "length of the masks: found 13, expected 1 to 12"),
        (lambda: Vocabulary.exact(13).words(), "are not numbered, only counted"),
        (lambda: Vocabulary.exact(13).exact_words, "k: found 13, expected at most 12"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_too_many_features_to_number_are_only_counted():
    every = ["".join(bits) for bits in product("01", repeat=12)][1:]
    vocabulary = Vocabulary.masks(every, stranded=True)
    assert vocabulary.n_features == 5**12 - 1
    with pytest.raises(InputError, match="at most 134,217,728 features"):
        vocabulary.words()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Vocabulary.wildcard(8, 2)),
        ({"k": 8}, Vocabulary.wildcard(8, 2)),
        ({"k": 8, "max_wildcards": 0}, Vocabulary.exact(8)),
        ({"k": 7}, Vocabulary.exact(7)),
        ({"k": 7, "max_wildcards": 1}, Vocabulary.wildcard(7, 1)),
        ({"max_wildcards": 3}, Vocabulary.wildcard(8, 3)),
        ({"gkm": (6, 4)}, Vocabulary.gkm(6, 4)),
        ({"mask": ["101"], "stranded": True}, Vocabulary.masks(["101"], stranded=True)),
    ],
)
def test_choose(options, expected):
    assert Vocabulary.choose(**options) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"k": 8, "gkm": (6, 4)},
        {"max_wildcards": 0, "mask": ["101"]},
        {"gkm": (6, 4), "mask": ["101"]},
    ],
)
def test_choices_exclude_each_other(options):
    with pytest.raises(InputError, match=r"options: found .* and .*, expected one of them"):
        Vocabulary.choose(**options)


# ----------------------------------------------------------------------------------- spec


@given(
    st.one_of(
        st.integers(1, 12).flatmap(
            lambda k: st.builds(
                Vocabulary.wildcard, st.just(k), st.integers(0, k - 1), stranded=st.booleans()
            )
        ),
        st.builds(Vocabulary.exact, st.integers(1, 32), stranded=st.booleans()),
        st.integers(1, 8).flatmap(
            lambda l: st.builds(  # noqa: E741
                Vocabulary.gkm, st.just(l), st.integers(1, l), stranded=st.booleans()
            )
        ),
        st.integers(1, 8).flatmap(
            lambda k: st.builds(
                Vocabulary.masks,
                st.lists(
                    st.text("01", min_size=k, max_size=k).filter(lambda mask: "1" in mask),
                    min_size=1,
                    max_size=5,
                ),
                stranded=st.booleans(),
            )
        ),
    )
)
@settings(deadline=None, max_examples=200)
@example(Vocabulary.wildcard())
@example(Vocabulary.gkm(10, 6))
def test_a_spec_survives_json(vocabulary):
    spec = json.loads(json.dumps(vocabulary.spec))
    assert Vocabulary.from_spec(spec, Path("x")) == vocabulary


def tampered(**changes):
    spec = copy.deepcopy(Vocabulary.wildcard(4, 1).spec)
    for name, value in changes.items():
        if value is None:
            del spec[name]
        else:
            spec[name] = value
    return spec


GKM = Vocabulary.gkm(4, 2).spec


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        "wildcard",
        {},
        tampered(kind="words"),
        tampered(kind="exact"),
        tampered(kind="gkm"),
        tampered(k=5),
        tampered(k=33),
        tampered(k=4.0, masks=[]),
        tampered(k="4"),
        tampered(masks=["1111", "0111"]),
        tampered(masks=["1111", "1011", "0111", "1101", "1110"]),
        tampered(masks="1111"),
        tampered(masks=[1111]),
        tampered(stranded="no"),
        tampered(stranded=0),
        tampered(stranded=None),
        tampered(extra=1),
        GKM | {"masks": GKM["masks"][:-1]},
        GKM | {"masks": ["1001"]},
        {"kind": "masks", "k": 4, "masks": ["1101"], "stranded": False},  # not closed
        {"kind": "masks", "k": 3, "masks": ["1111"], "stranded": False},
        {"kind": "masks", "k": 4, "masks": ["1111", "111"], "stranded": True},
    ],
    ids=str,
)
def test_a_tampered_spec_is_refused(spec):
    with pytest.raises(InputError, match=r"counts\.parquet: its vocabulary .* count again"):
        Vocabulary.from_spec(spec, Path("counts.parquet"))


def test_features_of_other_words_are_refused():
    Vocabulary.gkm(8, 6).check_projects(Vocabulary.wildcard())
    for other in (Vocabulary.exact(7), Vocabulary.exact(8, stranded=True)):
        with pytest.raises(InputError, match="vocabulary: found k = 8, stranded = False"):
            Vocabulary.wildcard().check_projects(other)
