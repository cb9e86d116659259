"""Attributions around core motifs as arrays, and sequences turned along the strand of their core.

n = examples, P = bp of sequence.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError
from modelkit.interpretation.attribution.attributions import ABOUT, Attributions
from modelkit.interpretation.context.base_scores import base_scores

__all__ = ["Along", "Sites", "named_sets", "read_sites", "target_of"]

UNBOUND, NO_SCORE = "unbound sequences", "sequences without any score"

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Given = Attributions | str | Path


class Along(NamedTuple):
    """Sequences along the strand of their core motif.

    Attributes
    ----------
    scores : float64, shape (m, P)
    codes : uint8, shape (m, P)
        A C G T = 0 1 2 3, 255 for anything else.
    cores : int64, shape (m, 2)
        Start and end of the core motif, bp from the first base of the row.
    """

    scores: Floats
    codes: Codes
    cores: Ints


class Sites(NamedTuple):
    """Examples with their base scores, in the order of the attributions.

    Attributes
    ----------
    path : Path
    target : str
    scores : float64, shape (n, P)
        See `base_scores`.
    codes : uint8, shape (n, P)
    cores : int64, shape (n, 2)
        Start and end of the core motif, bp from the first base of the sequence.
    minus : bool, shape (n,)
        Whether the core motif lies on the minus strand.
    chroms : object, shape (n,)
    starts : int64, shape (n,)
        Where the first base lies in the genome, 0-based.
    bound : bool, shape (n,), or None
        Label of each example, where there are labels.
    """

    path: Path
    target: str
    scores: Floats
    codes: Codes
    cores: Ints
    minus: Flags
    chroms: npt.NDArray[np.object_]
    starts: Ints
    bound: Flags | None

    @property
    def scored(self) -> Flags:
        """Examples that have a score, shape (n,)."""
        return ~np.isnan(self.scores[:, 0])

    @property
    def is_bound(self) -> Flags:
        """Whether each example is bound, shape (n,); all are where there are no labels."""
        return np.ones(len(self.scores), np.bool_) if self.bound is None else self.bound

    def bound_rows(self) -> tuple[Ints, dict[str, int]]:
        """Bound examples that have a score, and the number of the others by reason.

        Raises
        ------
        InputError
            There are none.
        """
        bound, scored = self.is_bound, self.scored
        rows = np.flatnonzero(bound & scored)
        if not len(rows):
            raise InputError(
                f"{self.path}: no bound sequence has a score, of {int(bound.sum()):,} bound and "
                f"{int((~bound).sum()):,} others; expected one at least"
            )
        return rows, {UNBOUND: int((~bound).sum()), NO_SCORE: int((bound & ~scored).sum())}

    @property
    def centres(self) -> Ints:
        """Middle base of each core, of two the left one, bp from the sequence's first, (n,)."""
        return middle(self.cores)

    def along(self, rows: Ints, *, orient: bool = True) -> Along:
        """Some examples; with `orient` those of the minus strand as their reverse complements."""
        scores, codes, cores = self.scores[rows], self.codes[rows], self.cores[rows].copy()
        if orient:
            turned = self.minus[rows]
            back = codes[turned][:, ::-1]
            codes[turned] = np.where(back < 4, 3 - np.minimum(back, 3), back)
            scores[turned] = scores[turned][:, ::-1]
            cores[turned] = codes.shape[1] - cores[turned][:, ::-1]
        return Along(scores, codes, cores)


def middle(cores: Ints) -> Ints:
    """Middle base of each core, of two the left one."""
    centres: Ints = (cores[:, 0] + cores[:, 1] - 1) // 2
    return centres


def read_sites(
    given: Given, target: str | None = None, label: str | None = None, *, labelled: bool = True
) -> Sites:
    """Read the attributions of one model.

    Parameters
    ----------
    given : Attributions or path
    target : str, optional
        Of the attributions; may be left out if there is only one.
    label : str, optional
        That says which examples are bound, of attributions with labels; by default that of the
        target's name, or the only one.
    labelled : bool
        Without it labels are not looked at.

    Raises
    ------
    InputError
        There are no cores; the target or the label is not there, or not named.
    """
    known = given if isinstance(given, Attributions) else Attributions.open(given)
    target = target_of(known, target)
    cores = known.cores
    if cores is None:
        raise InputError(
            f"{known.path}: has no core motifs; expected attributions of a data set that was made "
            "of kmerengine sample sites"
        )
    length = known.sequence.shape[1]
    outside = (cores[:, 0] < 0) | (cores[:, 1] > length) | (cores[:, 0] >= cores[:, 1])
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(
            f"{known.path}: row {row}: has its core motif at {cores[row].tolist()} of its "
            f"sequence, expected it within its {length} bp"
        )
    strand = known.regions["strand"].combine_chunks().cast("string").to_numpy(zero_copy_only=False)
    return Sites(
        known.path, target, base_scores(known, target), known.sequence, cores, strand == "-",
        known.chroms, known.starts, _bound(known, target, label) if labelled else None,
    )  # fmt: skip


def target_of(known: Attributions, target: str | None) -> str:
    """The target's name; InputError if there is no such, or several and none is named."""
    if target is None:
        if len(known.targets) != 1:
            raise InputError(
                f"{known.path}: has {len(known.targets)} targets, {', '.join(known.targets[:3])} "
                "...; name one of them with --target"
            )
        return known.targets[0]
    known.target(target)
    return target


def _bound(known: Attributions, target: str, label: str | None) -> Flags | None:
    labels = known.labels
    if labels is None:
        if label is not None:
            raise InputError(f"{known.path}: has no labels, expected some with {label!r}")
        return None
    names = known.label_names
    if label is None:
        if target not in names and len(names) != 1:
            raise InputError(
                f"{known.path}: has {len(names)} labels, none of them {target!r}; name the one "
                "that says what is bound with --label"
            )
        label = target if target in names else names[0]
    if label not in names:
        raise InputError(f"{known.path}: has no label {label!r}; it has {', '.join(names[:5])}")
    bound: Flags = labels[:, names.index(label)] == 1
    return bound


class NamedSet(NamedTuple):
    """Attributions of one model: of a factor, in a setting."""

    setting: str  # "" where none is named
    name: str
    given: Given
    target: str | None


def named_sets(
    sets: Mapping[str, Given], targets: Mapping[str, str] | str | None
) -> list[NamedSet]:
    """Attributions by the names of settings and factors.

    Parameters
    ----------
    sets : mapping of str to attributions
        By factor, or by ``SETTING:FACTOR``.
    targets : str or mapping of str to str, optional
        Target of all, or by factor; that of "" is for those that are not named.

    Raises
    ------
    InputError
        There are none, some have a setting and others none, or a target is of no factor.
    """
    if not sets:
        raise InputError("sets: found none, expected attributions of one factor at least")
    of = {"": targets} if isinstance(targets, str) else dict(targets or {})
    found = []
    for full, given in sets.items():
        setting, sign, name = full.partition(":")
        if not sign:
            setting, name = "", full
        elif not setting or not name:
            raise InputError(f"sets: found {full!r}, expected a name such as GC:CTCF")
        found.append(NamedSet(setting, name, given, of.get(name, of.get(""))))
    if len({each.setting == "" for each in found}) > 1:
        raise InputError(
            f"sets: found {', '.join(sets)}, expected all of them with a setting, or none"
        )
    for name in of:
        if name and name not in {each.name for each in found}:
            raise InputError(f"targets: found one of {name!r}, which is none of {', '.join(sets)}")
    return found


def input_digests(sets: list[NamedSet]) -> dict[str, Any]:
    """What a document says of the attributions it was made of."""
    inputs = {}
    for each in sets:
        path = each.given.path if isinstance(each.given, Attributions) else Path(each.given)
        name = f"{each.setting}:{each.name}" if each.setting else each.name
        inputs[name] = schemas.digest(path / ABOUT) | {"name": path.resolve().name}
    return inputs
