"""Vocabularies of gapped k-mers: which features there are, in which order, and what they read."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.kmers.numbering import Numbering, kept_positions, number_features
from kmerengine.kmers.words import BASES, mirrored_words, packed
from native_kernels.kmer_count import MAX_K, MAX_TABLE_K
from native_kernels.kmer_project import Projection, Rule

WILDCARD = "N"
MAX_FEATURES = 1 << 27  # enumerated at most: their table takes about 1 GB

Kind = Literal["wildcard", "gkm", "exact", "masks"]


@dataclass(frozen=True)
class Vocabulary:
    """A set of gapped k-mers; make one with `wildcard`, `gkm`, `exact` or `masks`.

    A feature is a mask over k positions (1 = the base is read, 0 = wildcard) and the bases it
    reads. Unless `stranded`, a feature and its reverse complement are one. Feature ids are
    0-based columns.

    Attributes
    ----------
    kind : "wildcard", "gkm", "exact" or "masks"
    k : int
        Bases in a window, wildcards included.
    mask_list : tuple of str
        Every mask in the order that numbers the features; closed under reversal unless stranded.
    stranded : bool
    """

    kind: Kind
    k: int
    mask_list: tuple[str, ...]
    stranded: bool = False

    @classmethod
    def wildcard(
        cls, k: int = 8, max_wildcards: int = 2, *, stranded: bool = False
    ) -> "Vocabulary":
        """Every k-mer with 0 to `max_wildcards` consecutive wildcards at any position.

        The defaults are BindVAE's vocabulary (112,800 features) in the order of the authors'
        file: their id is this id + 1, and 0 is 'EMPTY' (Kshirsagar et al. 2021, released file).
        """
        _check_k(k, "k")
        if not 0 <= max_wildcards < k:
            raise InputError(
                f"max_wildcards: found {max_wildcards}, expected 0 to {k - 1} (less than k = {k})"
            )
        if max_wildcards and k > MAX_TABLE_K:
            raise InputError(
                f"k: found {k}, expected at most {MAX_TABLE_K} with wildcards; "
                "use max_wildcards 0 for exact words"
            )
        masks = ["1" * k]
        for n in range(1, max_wildcards + 1):
            masks += ["1" * s + "0" * n + "1" * (k - n - s) for s in range(k - n + 1)]
        return cls("wildcard" if max_wildcards else "exact", k, tuple(masks), stranded)

    @classmethod
    def gkm(cls, l: int = 10, k: int = 6, *, stranded: bool = False) -> "Vocabulary":  # noqa: E741
        """Every choice of k informative positions among l (Ghandi et al. 2014)."""
        _check_k(l, "l", MAX_TABLE_K)
        if not 1 <= k <= l:
            raise InputError(f"gkm: found k = {k}, expected 1 to l = {l}")
        masks = []
        for kept in combinations(range(l), k):
            masks.append("".join("1" if i in kept else "0" for i in range(l)))
        return cls("gkm", l, tuple(masks), stranded)

    @classmethod
    def exact(cls, k: int, *, stranded: bool = False) -> "Vocabulary":
        """Every k-mer, without wildcards; k to 32 (features are numbered to k = 12)."""
        return cls.wildcard(k, 0, stranded=stranded)

    @classmethod
    def masks(cls, masks: Iterable[str], *, stranded: bool = False) -> "Vocabulary":
        """The given masks of 1 (read) and 0 (wildcard), all of one length.

        With strands merged, the mirror image of a mask that lacks it is added, so that counts do
        not depend on the strand that a sequence is written in.
        """
        given = list(dict.fromkeys(masks))
        if not given:
            raise InputError("masks: found none, expected at least one such as 11011")
        for mask in given:
            if not mask or set(mask) - {"0", "1"} or "1" not in mask:
                raise InputError(f"mask: found {mask!r}, expected 1s and 0s with at least one 1")
            if len(mask) != len(given[0]):
                raise InputError(
                    f"masks: found lengths {len(given[0])} ({given[0]}) and {len(mask)} ({mask}), "
                    "expected one length; count the other length in its own run"
                )
        _check_k(len(given[0]), "length of the masks", MAX_TABLE_K)
        if not stranded:
            given = list(dict.fromkeys(given + [mask[::-1] for mask in given]))
        return cls("masks", len(given[0]), tuple(given), stranded)

    @classmethod
    def choose(
        cls,
        *,
        k: int | None = None,
        max_wildcards: int | None = None,
        gkm: tuple[int, int] | None = None,
        mask: Sequence[str] = (),
        stranded: bool = False,
    ) -> "Vocabulary":
        """The vocabulary that the commands' options name: the default, wildcards, gkm or masks.

        `max_wildcards` is 2 for k = 8 and 0 for any other k unless it is given. `k` and
        `max_wildcards`, `gkm`, and `mask` exclude each other.
        """
        given = {"-k/--max-wildcards": (k, max_wildcards) != (None, None), "--gkm": gkm is not None}
        given["--mask"] = bool(mask)
        chosen = [name for name, is_given in given.items() if is_given]
        if len(chosen) > 1:
            raise InputError(f"options: found {' and '.join(chosen)}, expected one of them")
        if gkm is not None:
            return cls.gkm(*gkm, stranded=stranded)
        if mask:
            return cls.masks(mask, stranded=stranded)
        k = 8 if k is None else k
        if max_wildcards is None:
            max_wildcards = 2 if k == 8 else 0
        return cls.wildcard(k, max_wildcards, stranded=stranded)

    @property
    def n_words(self) -> int:
        """Number of exact words of k bases: 32,896 for the default."""
        return int(4**self.k) if self.stranded else _n_merged(self.k)

    @cached_property
    def n_features(self) -> int:
        """Number of features, in closed form: 112,800 for the default."""
        if self.stranded:
            return sum(4 ** mask.count("1") for mask in self.mask_list)
        total = 0
        for mask in self.mask_list:
            n = mask.count("1")
            if mask == mask[::-1]:
                total += _n_merged(n)
            elif mask < mask[::-1]:
                total += 4**n
        return total

    @property
    def is_numbered(self) -> bool:
        """Whether features have ids here: exact words beyond k = 12 are only counted."""
        return self.k <= MAX_TABLE_K

    @property
    def spec(self) -> dict[str, Any]:
        """What rebuilds this vocabulary: kind, k, masks and stranded, as JSON types."""
        return {
            "kind": self.kind,
            "k": self.k,
            "masks": list(self.mask_list),
            "stranded": self.stranded,
        }

    @classmethod
    def from_spec(cls, spec: Any, where: Path) -> "Vocabulary":
        """The vocabulary of a `spec` found in the file `where`; InputError if it is not one."""
        damaged = InputError(
            f"{where}: its vocabulary ({json.dumps(spec, default=str):.100}) is not one that this "
            "version makes; count again"
        )
        try:
            kind, k, masks, stranded = (spec[name] for name in ("kind", "k", "masks", "stranded"))
            if kind in ("wildcard", "exact"):
                made = cls.wildcard(k, max(mask.count("0") for mask in masks), stranded=stranded)
            elif kind == "gkm":
                made = cls.gkm(k, masks[0].count("1"), stranded=stranded)
            elif kind == "masks":
                made = cls.masks(masks, stranded=stranded)
            else:
                raise damaged
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise damaged from error
        if made.spec != spec or not isinstance(stranded, bool):
            raise damaged
        return made

    def check_projects(self, counted: "Vocabulary") -> None:
        """InputError unless features of this vocabulary follow from words of `counted`."""
        if (self.k, self.stranded) != (counted.k, counted.stranded):
            raise InputError(
                f"vocabulary: found k = {self.k}, stranded = {self.stranded}; expected those of "
                f"the counts, k = {counted.k}, stranded = {counted.stranded}"
            )

    # Numbering: one table from (group, packed bases) to feature, and its inverse.

    @cached_property
    def rule(self) -> Rule:
        """The projection from exact words to features as the kernels take it."""
        return self._numbering.rule

    @cached_property
    def projection(self) -> Projection:
        """P, ready to be applied: exact counts to gapped features."""
        return Projection(self.rule)

    def word(self, feature: int) -> str:
        """The word of a feature id, such as ``ACGNNGTA``."""
        if not 0 <= feature < self.n_features:
            raise InputError(f"feature: found {feature}, expected 0 to {self.n_features - 1}")
        return str(self.words(np.array([feature]))[0])

    def words(self, features: npt.ArrayLike | None = None) -> npt.NDArray[np.str_]:
        """The words of features (all by default), dtype ``<Uk``."""
        numbering = self._numbering
        chosen = np.arange(self.n_features) if features is None else np.asarray(features)
        letters = np.full((len(chosen), self.k), ord(WILDCARD), np.uint32)
        masks, reads = numbering.mask_of[chosen], numbering.read_of[chosen]
        alphabet = np.array([ord(base) for base in BASES], np.uint32)
        for number in np.unique(masks):
            rows = np.flatnonzero(masks == number)
            rest = reads[rows]
            for position in reversed(kept_positions(self.mask_list[number])):
                letters[rows, position] = alphabet[rest & 3]
                rest = rest >> 2
        return letters.view(f"<U{self.k}").ravel()

    def feature(self, word: str) -> int:
        """The id of a word, or of its reverse complement when strands are merged."""
        mask = "".join("0" if base == WILDCARD else "1" for base in word)
        if set(word) - set(BASES + WILDCARD) or mask not in self._numbering.group_of:
            raise InputError(
                f"word: found {word!r}, expected {self.k} of A C G T and N (wildcard), "
                f"with the wildcards of one of the masks {', '.join(self.mask_list[:4])} ..."
            )
        group, is_mirrored = self._numbering.group_of[mask]
        read = packed(word.replace(WILDCARD, ""))
        if is_mirrored:
            read = int(mirrored_words(np.array([read]), mask.count("1"))[0])
        return int(self.rule.feature_of[self.rule.first[group] + read])

    def n_wildcards(self) -> npt.NDArray[np.uint8]:
        """Number of wildcards of every feature; uint8, shape (n_features,)."""
        per_mask = np.array([mask.count("0") for mask in self.mask_list], np.uint8)
        return per_mask[self._numbering.mask_of]

    def digest(self) -> str:
        """SHA-256 of the words of all features in order, one per line."""
        lines = hashlib.sha256()
        for start in range(0, self.n_features, 1 << 18):
            chosen = np.arange(start, min(start + (1 << 18), self.n_features))
            lines.update("".join(f"{word}\n" for word in self.words(chosen)).encode())
        return lines.hexdigest()

    @cached_property
    def exact_words(self) -> npt.NDArray[np.uint32]:
        """The packed exact words (canonical unless stranded), ascending: the columns of counts."""
        if not self.is_numbered:
            raise InputError(f"k: found {self.k}, expected at most {MAX_TABLE_K} to list all words")
        words = np.arange(4**self.k, dtype=np.uint32)
        if self.stranded:
            return words
        return words[words <= mirrored_words(words, self.k)]

    @cached_property
    def _numbering(self) -> Numbering:
        if not self.is_numbered or self.n_features > MAX_FEATURES:
            raise InputError(
                f"vocabulary: {self.n_features:,} features of k = {self.k} are not numbered, only "
                f"counted; expected k <= {MAX_TABLE_K} and at most {MAX_FEATURES:,} features"
            )
        in_walking_order = self.exact_words if self.kind == "wildcard" else None
        return number_features(
            self.mask_list, self.k, stranded=self.stranded, walk=in_walking_order
        )


def _check_k(k: int, name: str, most: int = MAX_K) -> None:
    if not 1 <= k <= most:
        raise InputError(f"{name}: found {k}, expected 1 to {most}")


def _n_merged(n: int) -> int:
    """Words of n bases when a word and its reverse complement are one."""
    return int(4**n + (4 ** (n // 2) if n % 2 == 0 else 0)) // 2
