"""The tables of `footprint`: profiles along the window, and how deep a motif's dip is.

Depth, of each background and in bits:

    log2(inside / beside) with the motif  -  the same without it

inside: mean probability over the motif and `margin` bp on each side of it; beside: over the `flank`
bp further on each side. Core and flanks are compared as for hits in a genome (such as in Neph et
al. 2012); the second term, which a hit does not have, takes away what the background does.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = [
    "DEPTHS_SCHEMA",
    "PROFILES_SCHEMA",
    "Profiles",
    "Site",
    "along_window",
    "depths",
    "profiles_batch",
]

Floats = npt.NDArray[np.float64]
Profiles = npt.NDArray[np.float32]

QUARTILES = (0.25, 0.5, 0.75)

_NAME = pa.dictionary(pa.int32(), pa.string())
_KEYS = [pa.field(name, _NAME, nullable=False) for name in ("motif", "target")]
_WHAT = ("without", "within", "ratio")  # probabilities, and log2 of within over without
PROFILES_SCHEMA = pa.schema(
    [
        *_KEYS,
        pa.field("position", pa.int32(), nullable=False),  # bp from the motif's first base
        *(
            pa.field(f"{what}_{q}", pa.float64())  # over backgrounds; null where in no bin
            for what in _WHAT
            for q in ("q25", "median", "q75")
        ),
    ]
)
DEPTHS_SCHEMA = pa.schema(
    [
        *_KEYS,
        pa.field("n", pa.int64(), nullable=False),  # backgrounds with cuts expected everywhere
        *(
            pa.field(name, pa.float64())  # bits; below 0: fewer cuts than beside it
            for name in ("depth", "depth_q25", "depth_q75", "without", "within")
        ),
    ]
)


class Site(NamedTuple):
    """Where a motif lies, bp of the window."""

    start: int
    length: int
    margin: int
    flank: int

    @property
    def first(self) -> int:
        return self.start - self.margin - self.flank

    @property
    def last(self) -> int:
        return self.start + self.length + self.margin + self.flank

    def contrast(self, profiles: Profiles) -> Floats:
        """log2(inside / beside) of each row."""
        part = profiles[:, self.first : self.last].astype(np.float64)
        inside = part[:, self.flank : -self.flank].mean(1)
        beside = (part[:, : self.flank].mean(1) + part[:, -self.flank :].mean(1)) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = np.log2(inside) - np.log2(beside)
        return found


def along_window(without: Profiles, within: Profiles) -> dict[str, Floats]:
    """Quartiles over backgrounds of each bp, (3, W) each, of profiles (n, W)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log2(within.astype(np.float64)) - np.log2(without.astype(np.float64))
    ratio[~np.isfinite(ratio)] = np.nan
    values = zip(_WHAT, (without, within, ratio), strict=True)
    return {what: np.quantile(each.astype(np.float64), QUARTILES, axis=0) for what, each in values}


def depths(site: Site, without: Profiles, within: Profiles) -> dict[str, Any]:
    """A row of the depths, of profiles (n, W)."""
    one, other = site.contrast(without), site.contrast(within)
    known = np.isfinite(one) & np.isfinite(other)
    if not known.any():
        none = dict.fromkeys(("depth", "depth_q25", "depth_q75", "without", "within"), np.nan)
        return {"n": 0, **none}
    low, median, high = np.quantile((other - one)[known], QUARTILES)
    return {
        "n": int(known.sum()),
        "depth": median,
        "depth_q25": low,
        "depth_q75": high,
        "without": np.median(one[known]),
        "within": np.median(other[known]),
    }


def profiles_batch(
    motif: str, targets: tuple[str, ...], site: Site, quartiles: list[dict[str, Floats]]
) -> pa.RecordBatch:
    """Rows of one motif, target by target."""
    width = quartiles[0]["within"].shape[1]
    position = np.tile(np.arange(width, dtype=np.int32) - site.start, len(targets))
    columns = {
        "motif": pa.array([motif] * len(position), _NAME),
        "target": pa.array(np.repeat(np.array(targets, object), width), _NAME),
        "position": pa.array(position),
    }
    for what in _WHAT:
        for i, q in enumerate(("q25", "median", "q75")):
            values = np.concatenate([each[what][i] for each in quartiles])
            columns[f"{what}_{q}"] = pa.array(values, from_pandas=True)
    arrays = [columns[field.name] for field in PROFILES_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=PROFILES_SCHEMA)
