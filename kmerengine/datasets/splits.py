"""Which examples train a model, which choose it and which judge it.

A rule is a list of words:

    validation=chr12,chr15 test=chr11,chr16      chromosomes, or parts such as chr7:100-200
    exclude=chrX,chrY                            left out of every split
    validation=0.1 test=0.1                      shares of the regions, drawn by seed
    fold=0/5                                     chromosomes dealt into 5 folds: fold 0 tests, the
                                                 next one validates
    bpaitac, agentbind, deepatac                 what the papers say; words after it change it

The rest trains. Windows that overlap are never in two splits: random shares are drawn by groups of
overlapping windows, and a window across the border of a part is left out and counted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError

__all__ = ["SPLITS", "Windows", "assign_splits", "check_splits"]

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)

PRESETS = {
    "bpaitac": ("validation=chr12,chr15", "test=chr11,chr16"),
    "agentbind": ("validation=chr8", "test=chr9"),
    "deepatac": ("validation=chr7:30508751-35296850", "test=chr8,chr9", "exclude=chrX,chrY"),
}
NOWHERE = -(1 << 62)
EXCLUDED, CROSSES = "excluded by the split", "crosses the border of a split"

_SHARE = re.compile(r"0?\.[0-9]+")
_FOLD = re.compile(r"([0-9]+)/([0-9]+)")
_PART = re.compile(r"(.+):([0-9]+)-([0-9]+)")

Splits = npt.NDArray[np.int8]
Part = tuple[str, int, int]  # contig, start, end


@dataclass(frozen=True, eq=False)
class Windows:
    """What models see of each example: contig, start and end, bp, 0-based half-open."""

    contig_names: tuple[str, ...]
    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)


def assign_splits(
    words: Sequence[str], windows: Windows, *, seed: int = 0
) -> tuple[Splits, dict[str, int]]:
    """The split of each window.

    Parameters
    ----------
    words : sequence of str
        The rule, see the module; none: all windows train.
    windows : Windows
    seed : int
        For shares, 0 or more.

    Returns
    -------
    split : int8, shape (n,)
        Index into `SPLITS`, -1 for windows that are left out.
    skipped : dict of str to int
        How many are left out, and why.

    Raises
    ------
    InputError
        A negative seed; a rule that cannot be read or contradicts itself; a contig that is not
        there; a split that is asked for and empty.
    """
    if seed < 0:
        raise InputError(f"seed: found {seed}, expected 0 or more")
    rule = _rule(words)
    if "fold" in rule:
        split = _by_fold(rule, windows)
    elif any(_SHARE.fullmatch(text) for text in rule.values()):
        split = _by_share(rule, windows, seed)
    else:
        split = _by_place(rule, windows)
    skipped = {EXCLUDED: int((split == -1).sum()), CROSSES: int((split == -2).sum())}
    split[split < 0] = -1
    names = SPLITS if "fold" in rule else ["train", *(name for name in SPLITS if name in rule)]
    check_splits(split, windows, names)
    return split, {reason: n for reason, n in skipped.items() if n}


def check_splits(split: Splits, windows: Windows | None, names: Sequence[str]) -> None:
    """InputError where one of the named splits is empty, or two have overlapping windows."""
    for name in names:
        if not np.any(split == SPLITS.index(name)):
            raise InputError(
                f"split: found no example for {name}, expected at least one in each split; change "
                "the rule"
            )
    if windows is None:
        return
    kept = np.flatnonzero(split >= 0)
    order = kept[np.lexsort((windows.start[kept], windows.contig[kept]))]
    # contigs laid end to end, so that one running maximum serves all
    far = int(windows.end.max(initial=0)) - min(0, int(windows.start.min(initial=0))) + 1
    base = windows.contig[order].astype(np.int64) * far
    start, end, of = windows.start[order] + base, windows.end[order] + base, split[order]
    for one in range(len(SPLITS)):
        reached = np.maximum.accumulate(np.where(of == one, end, NOWHERE)) if len(of) else end
        shared = np.flatnonzero((of != one) & (reached > start))
        if len(shared):
            row = int(order[shared[0]])
            chrom = windows.contig_names[windows.contig[row]]
            raise InputError(
                f"split: {chrom}:{windows.start[row]}-{windows.end[row]} of {SPLITS[split[row]]} "
                f"overlaps a window of {SPLITS[one]} ({len(shared)} such windows); expected splits "
                "that share no base, split by chromosome"
            )


def _rule(words: Sequence[str]) -> dict[str, str]:
    rule: dict[str, str] = {}
    listed = [word for each in words for word in each.split()]
    presets = [word for word in listed if word in PRESETS]
    own = [word for word in listed if word not in PRESETS]  # go before those of a preset
    keys = [word.partition("=")[0] for word in own]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice or len(presets) > 1:
        what = f"{twice[0]}= twice" if twice else " and ".join(presets)
        raise InputError(f"split: found {what}, expected one, with commas between contigs")
    for word in [*(word for each in presets for word in PRESETS[each]), *own]:
        key, equals, value = word.partition("=")
        if not equals or not value or key not in ("validation", "test", "exclude", "fold"):
            raise InputError(
                f"split: found {word!r}, expected validation=, test=, exclude= or fold=, or one of "
                f"{', '.join(PRESETS)}"
            )
        rule[key] = value
    if "fold" in rule and len(rule.keys() - {"exclude"}) > 1:
        raise InputError("split: found fold= with validation= or test=, expected one of the two")
    return rule


def _by_place(rule: dict[str, str], windows: Windows) -> Splits:
    split = np.full(len(windows), TRAIN, np.int8)
    taken: list[tuple[Part, str]] = []
    for key, value in ((SPLITS.index(k) if k in SPLITS else -1, v) for k, v in rule.items()):
        name = "exclude" if key < 0 else SPLITS[key]
        for part in map(_part, value.split(",")):
            for other, of in taken:
                if part[0] == other[0] and part[1] < other[2] and other[1] < part[2]:
                    raise InputError(f"split: found {part[0]} in {of} and in {name}, expected one")
            taken.append((part, name))
            if part[0] not in windows.contig_names:
                if key < 0:
                    continue
                raise InputError(
                    f"split: the genome has no contig {part[0]!r}; it has "
                    f"{', '.join(windows.contig_names[:3])}"
                )
            here = windows.contig == windows.contig_names.index(part[0])
            here &= (windows.start < part[2]) & (windows.end > part[1])
            inside = here & (windows.start >= part[1]) & (windows.end <= part[2])
            split[inside] = key
            split[here & ~inside] = -2
    return split


def _part(text: str) -> Part:
    found = _PART.fullmatch(text)
    if found is None:
        return text, NOWHERE, -NOWHERE
    start, end = int(found[2]), int(found[3])
    if start >= end:
        raise InputError(f"split: found {text!r}, expected contig:start-end with start below end")
    return found[1], start, end


def _without_excluded(rule: dict[str, str], windows: Windows) -> Splits:
    return _by_place({k: v for k, v in rule.items() if k == "exclude"}, windows)


def _by_fold(rule: dict[str, str], windows: Windows) -> Splits:
    """Contigs, the fullest first, each to the fold that has least."""
    found = _FOLD.fullmatch(rule["fold"])
    number, n_folds = (int(found[1]), int(found[2])) if found else (0, 0)
    if n_folds < 3 or number >= n_folds:
        raise InputError(
            f"split: found fold={rule['fold']}, expected a number and how many, such as 0/5, "
            "at least 3"
        )
    split = _without_excluded(rule, windows)
    sizes = np.bincount(windows.contig[split >= 0], minlength=len(windows.contig_names))
    fold_of = np.zeros(len(sizes), np.int64)
    filled = [0] * n_folds
    for contig in np.argsort(-sizes, kind="stable").tolist():
        fold_of[contig] = filled.index(min(filled))
        filled[fold_of[contig]] += int(sizes[contig])
    of = fold_of[windows.contig]
    split[(split >= 0) & (of == (number + 1) % n_folds)] = VALIDATION
    split[(split >= 0) & (of == number)] = TEST
    return split


def _by_share(rule: dict[str, str], windows: Windows, seed: int) -> Splits:
    """Groups of overlapping windows in random order: the first to test, the next to validation."""
    shares = {key: value for key, value in rule.items() if key != "exclude"}
    if not all(_SHARE.fullmatch(value) for value in shares.values()):
        raise InputError(f"split: found {shares}, expected shares or contigs, not both")
    if sum(map(float, shares.values())) >= 1:
        raise InputError(f"split: found shares {shares}, expected a sum below 1")
    split = _without_excluded(rule, windows)
    kept = np.flatnonzero(split >= 0)
    order = kept[np.lexsort((windows.start[kept], windows.contig[kept]))]
    contig, start, end = windows.contig[order], windows.start[order], windows.end[order]
    is_first = np.ones(len(order), np.bool_)
    far = int(end.max(initial=0)) - min(0, int(start.min(initial=0))) + 1
    base = contig.astype(np.int64) * far
    is_first[1:] = (start + base)[1:] >= np.maximum.accumulate(end + base)[:-1]
    group = np.cumsum(is_first) - 1
    sizes = np.bincount(group)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    before = np.cumsum(sizes[drawn]) - sizes[drawn]
    chosen = np.full(len(sizes), TRAIN, np.int8)
    first = 0.0
    for name in ("test", "validation"):
        until = first + float(shares.get(name, 0)) * len(order)
        chosen[drawn[(before >= first) & (before < until)]] = SPLITS.index(name)
        first = until
    split[order] = chosen[group]
    return split
