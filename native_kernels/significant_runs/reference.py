"""The slow twin of `significant_runs`: lists, one value after the other."""

import numpy as np
import numpy.typing as npt


def significant_runs_reference(
    values: npt.NDArray[np.float32], cutoff: float, max_gap: int = 1, min_significant: int = 4
) -> npt.NDArray[np.int64]:
    """`significant_runs`, slowly."""
    found: list[tuple[int, int, int, int, int]] = []
    for row, each in enumerate(values.astype(np.float64)):
        run: list[int] = []
        sign = gap = at = 0
        while at < len(each) or run:
            ended = at >= len(each)
            if not ended:
                near = each[max(0, at - max_gap) : at + max_gap + 1]
                significant = abs(each[at]) > cutoff
                if significant and (not run or each[at] * sign > 0):
                    sign = int(np.sign(each[at]))
                    run.append(at)
                    gap = 0
                elif run and sign * near.sum() / len(near) < cutoff:
                    gap += 1
                    ended = gap > max_gap
            if ended:
                if len(run) >= min_significant:
                    found.append((row, run[0], run[-1] + 1, sign, len(run)))
                at -= max_gap + 1 if at < len(each) else 0
                run, gap = [], 0
            at += 1
    return np.array(found, np.int64).reshape(-1, 5)
