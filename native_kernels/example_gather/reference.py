"""The slow twins of `gather_one_hot` and `gather_tracks`: one example, one base at a time."""

from typing import Any

import numpy as np
import numpy.typing as npt


def gather_one_hot_reference(
    sequence: npt.NDArray[np.uint8],
    row: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    reverse: npt.NDArray[np.bool_],
    width: int,
    *,
    blocked: npt.NDArray[np.int64] | None = None,
    unknown: float = 0.0,
) -> npt.NDArray[np.float32]:
    """`gather_one_hot`, slowly."""
    out = np.zeros((len(row), 4, width), np.float32)
    for b in range(len(row)):
        low, high = (0, 0) if blocked is None else blocked[b]
        places = range(start[b], start[b] + width)
        codes = [255 if low <= at < high else int(sequence[row[b], at]) for at in places]
        if reverse[b]:
            codes = [3 - code if code < 4 else code for code in codes[::-1]]
        for i, code in enumerate(codes):
            if code < 4:
                out[b, code, i] = 1
            else:
                out[b, :, i] = unknown
    return out


def gather_tracks_reference(
    tracks: npt.NDArray[Any],
    row: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    reverse: npt.NDArray[np.bool_],
    width: int,
    *,
    stranded: bool = False,
    scale: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """`gather_tracks`, slowly."""
    out = np.zeros((len(row), tracks.shape[1], width), np.float32)
    for b in range(len(row)):
        window = tracks[row[b], :, start[b] : start[b] + width]
        for t in range(tracks.shape[1]):
            source = (t + 1 if t % 2 == 0 else t - 1) if reverse[b] and stranded else t
            values = window[source][::-1] if reverse[b] else window[source]
            factor = np.float32(1) if scale is None else scale[b, t]
            out[b, t] = values.astype(np.float32) * factor
    return out
