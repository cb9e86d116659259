"""Splits: by chromosome, part, share and fold, against rules applied one window at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmerengine.datasets.splits import SPLITS, Windows, assign_splits, check_splits
from kmerengine.errors import InputError

NAMES = tuple(f"chr{i}" for i in [*range(1, 23), "X", "Y"])


def windows_of(*places, names=NAMES):
    return Windows(
        names,
        np.array([names.index(place[0]) for place in places], np.int32),
        np.array([place[1] for place in places], np.int64),
        np.array([place[2] for place in places], np.int64),
    )


def named(split):
    return [SPLITS[each] if each >= 0 else "" for each in split.tolist()]


EVERYWHERE = windows_of(*((name, at, at + 100) for name in NAMES for at in (0, 200)))


def rule(words, windows=EVERYWHERE, **options):
    split, skipped = assign_splits(words.split(), windows, **options)
    return named(split), skipped


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("validation=chr12,chr15 test=chr11,chr16", {"validation": "12 15", "test": "11 16"}),
        ("bpaitac", {"validation": "12 15", "test": "11 16"}),
        ("agentbind", {"validation": "8", "test": "9"}),
        ("agentbind validation=chr1,chr2", {"validation": "1 2", "test": "9"}),
        ("deepatac validation=chr7", {"validation": "7", "test": "8 9", "": "X Y"}),
        ("test=chr3", {"test": "3"}),
        ("", {}),
    ],
)
def test_chromosomes(words, expected):
    by_name = {f"chr{n}": split for split, names in expected.items() for n in names.split()}
    found, skipped = rule(words)
    assert found == [by_name.get(name, "train") for name in NAMES for _ in range(2)]
    assert skipped == ({"excluded by the split": 4} if "" in expected else {})


def test_a_window_across_the_border_of_a_part_is_left_out():
    low, high = 30_508_751, 35_296_850  # DeepSEA's validation block
    places = [low - 100, low - 99, low - 1, low, high - 100, high - 99, high - 1, high]
    windows = windows_of(
        *(("chr7", at, at + 100) for at in places), ("chr8", low, low + 100), ("chr1", 0, 100)
    )
    found, skipped = rule("deepatac", windows)
    assert found == [
        "train", "", "", "validation", "validation", "", "", "train", "test", "train",
    ]  # fmt: skip
    assert skipped == {"crosses the border of a split": 4}


PLACES = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2", "chrX"]), st.integers(-50, 900)),
    min_size=30,
    max_size=60,
)


@settings(deadline=None, max_examples=60)
@given(PLACES, st.integers(0, 9))
def test_shares_keep_overlapping_windows_together(places, seed):
    windows = windows_of(*((chrom, at, at + 40) for chrom, at in places))
    try:
        found, _ = rule("validation=0.2 test=0.3 exclude=chrX", windows, seed=seed)
    except InputError as error:
        if "no example for" not in str(error):
            raise
        return
    for i, (chrom, at) in enumerate(places):
        assert (found[i] == "") == (chrom == "chrX")
        for j, (other, place) in enumerate(places):
            if chrom == other and abs(at - place) < 40:
                assert found[i] == found[j]
    assert found == rule("validation=0.2 test=0.3 exclude=chrX", windows, seed=seed)[0]


def test_shares_are_as_large_as_asked_for_and_drawn_by_seed():
    windows = windows_of(*(("chr1", 100 * i, 100 * i + 100) for i in range(1000)))
    found, _ = rule("validation=0.1 test=0.25", windows, seed=1)
    assert [found.count(name) for name in SPLITS] == [650, 100, 250]
    assert rule("validation=0.1 test=0.25", windows, seed=1)[0] == found
    other = rule("validation=0.1 test=0.25", windows, seed=2)[0]
    assert other != found
    assert other.count("test") == 250


def test_folds_test_every_chromosome_once():
    sizes = {"chr1": 50, "chr2": 40, "chr3": 30, "chr4": 30, "chr5": 20, "chrX": 9}
    windows = windows_of(*((name, 200 * i, 200 * i + 100) for name, n in sizes.items()
                           for i in range(n)))  # fmt: skip
    tested, validated = [], []
    for fold in range(4):
        found, _ = rule(f"fold={fold}/4 exclude=chrX", windows)
        chrom = [name for name, n in sizes.items() for _ in range(n)]
        tested.append({c for c, split in zip(chrom, found, strict=True) if split == "test"})
        validated.append({c for c, s in zip(chrom, found, strict=True) if s == "validation"})
        assert all((split == "") == (c == "chrX") for c, split in zip(chrom, found, strict=True))
    assert tested == [{"chr1"}, {"chr2"}, {"chr3", "chr5"}, {"chr4"}]
    assert validated == [*tested[1:], tested[0]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("valid=chr1", "found 'valid=chr1', expected validation=, test="),
        ("validation=", "found 'validation='"),
        ("paper", "found 'paper'"),
        ("test=chr30", "no contig 'chr30'; it has chr1"),
        ("test=chr1 validation=chr1", "found chr1 in test and in validation"),
        ("test=chr1 validation=chr1:5-9", "chr1 in test and in validation"),
        ("test=chr1:9-9", "with start below end"),
        ("test=0.5 validation=chr1", "shares or contigs, not both"),
        ("test=0.5 validation=0.5", "sum below 1"),
        ("fold=0/2", "at least 3"),
        ("fold=3/3", "expected a number and how many"),
        ("fold=1/5 test=chr1", "expected one of the two"),
        ("test=chr1:50000-60000", "no example for test"),
        ("test=chr1 test=chr2", "found test= twice, expected one, with commas"),
        ("agentbind bpaitac", "found agentbind and bpaitac, expected one"),
        ("exclude=" + ",".join(NAMES), "no example for train"),
    ],
)
def test_rules_that_cannot_be_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        rule(words)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["chr1", "chr2"]),
            st.integers(-30, 300),
            st.integers(1, 40),
            st.integers(-1, 2),
        ),
        max_size=12,
    )
)
def test_shared_bases_are_found(rows):
    windows = windows_of(*((chrom, at, at + length) for chrom, at, length, _ in rows))
    split = np.array([row[3] for row in rows], np.int8)
    shared = any(
        a[0] == b[0] and a[1] < b[1] + b[2] and b[1] < a[1] + a[2]
        for a in rows
        for b in rows
        if a[3] >= 0 and b[3] >= 0 and a[3] != b[3]
    )
    if shared:
        with pytest.raises(InputError, match="overlaps a window of"):
            check_splits(split, windows, [])
    else:
        check_splits(split, windows, [])
