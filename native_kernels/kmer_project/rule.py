"""The rule of a projection: which features an exact word of k bases belongs to."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Rule(NamedTuple):
    """Groups of masks, each with a table from the bases a mask keeps to a feature.

    With strands merged, a group is a mask and its mirror image: the mirror of a word under the
    mask is the word under the mirrored mask.
    """

    k: int
    stranded: bool
    kept: tuple[tuple[int, ...], ...]  # per group, the positions that are not wildcards
    first: npt.NDArray[np.int64]  # (groups,), where the group's table starts in feature_of
    feature_of: npt.NDArray[np.int32]  # (sum of 4**len(kept),), feature of each packed rest
    n_features: int
