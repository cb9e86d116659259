"""Which id each gapped word has, and the table that takes exact words there."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.kmers.words import mirrored_words, read_positions
from native_kernels.kmer_project import Rule


class Numbering(NamedTuple):
    """Ids of the features of a vocabulary, and what each reads."""

    rule: Rule
    group_of: dict[str, tuple[int, bool]]  # mask -> its group; is it the mirror of the group's own?
    mask_of: npt.NDArray[np.uint16]  # (n_features,), index into the masks
    read_of: npt.NDArray[np.uint32]  # (n_features,), the bases read under that mask, packed


def number_features(
    masks: Sequence[str],
    k: int,
    *,
    stranded: bool,
    walk: npt.NDArray[np.uint32] | None = None,
) -> Numbering:
    """Number every gapped word of `masks`, mask by mask.

    Parameters
    ----------
    masks : sequence of str
        1 = the base is read, 0 = wildcard; closed under reversal unless stranded.
    k : int
        Length of the masks.
    stranded : bool
        Keep a gapped word apart from its reverse complement.
    walk : uint32, shape (n,), optional
        Packed words to walk for each mask, appending what each reads unless that, or its reverse
        complement, is there already: with the canonical words in order, the order of BindVAE's
        file. Without it each group numbers what it reads in ascending order.
    """
    group_of = _groups(masks, stranded=stranded)
    own = {group: mask for mask, (group, is_mirror) in group_of.items() if not is_mirror}
    kept = tuple(kept_positions(own[group]) for group in range(len(own)))
    first = np.cumsum([0] + [4 ** len(positions) for positions in kept])
    feature_of = np.full(first[-1], -1, np.int32)
    mask_of, read_of = [], []
    n = 0
    for number, mask in enumerate(masks):
        group, is_mirror = group_of[mask]
        if is_mirror and walk is None:
            continue  # every read of this mask has its feature by the mirror image's
        n_kept = len(kept[group])
        table = feature_of[first[group] : first[group + 1]]
        if walk is None:
            reads = np.arange(4**n_kept, dtype=np.uint32)
        else:
            reads = read_positions(walk, kept_positions(mask), k)
        keys = mirrored_words(reads, n_kept) if is_mirror else reads
        is_own_mirror = not stranded and mask == mask[::-1]
        if is_own_mirror:
            keys = np.minimum(keys, mirrored_words(keys, n_kept))
        new = _first_appearances(keys, len(table))
        new = new[table[keys[new]] < 0]
        table[keys[new]] = np.arange(n, n + len(new), dtype=np.int32)
        if is_own_mirror:
            table[mirrored_words(keys[new], n_kept)] = table[keys[new]]
        mask_of.append(np.full(len(new), number, np.uint16))
        read_of.append(reads[new])
        n += len(new)
    rule = Rule(k, stranded, kept, first[:-1], feature_of, n)
    return Numbering(rule, group_of, np.concatenate(mask_of), np.concatenate(read_of))


def kept_positions(mask: str) -> tuple[int, ...]:
    """The positions that a mask reads."""
    return tuple(i for i, bit in enumerate(mask) if bit == "1")


def _groups(masks: Sequence[str], *, stranded: bool) -> dict[str, tuple[int, bool]]:
    """A mask and its mirror image are one group, unless stranded."""
    groups: dict[str, tuple[int, bool]] = {}
    n = 0
    for mask in masks:
        if mask in groups:
            continue
        groups[mask] = (n, False)
        if not stranded and mask[::-1] != mask:
            groups[mask[::-1]] = (n, True)
        n += 1
    return groups


def _first_appearances(values: npt.NDArray[np.uint32], n: int) -> npt.NDArray[np.int64]:
    """Where each distinct value of `values` (all below n) appears first, in that order."""
    at = np.empty(n, np.int64)
    places = np.arange(len(values))
    at[values[::-1]] = places[::-1]  # the last assignment to a place stays: the first appearance
    return np.flatnonzero(at[values] == places)
