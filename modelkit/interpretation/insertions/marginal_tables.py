"""The tables of `marginalize`: a motif's differences summed up, and two groups of runs compared."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modelkit.interpretation.insertions.insertion_figures import Box

__all__ = ["ALL_SCHEMA", "COMPARISON_SCHEMA", "SUMMARY_SCHEMA", "Found", "compared"]

Floats = npt.NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

_NAME = pa.dictionary(pa.int32(), pa.string())
_KEYS = [pa.field(name, _NAME, nullable=False) for name in ("motif", "target")]
_RUN = [
    pa.field("group", _NAME, nullable=False),  # runs or against
    pa.field("run", pa.string()),  # null: the mean of the group's runs, background by background
]
_NUMBERS = pa.list_(pa.field("element", pa.float64(), nullable=False))


def _floats(*names: str) -> list[pa.Field]:
    return [pa.field(name, pa.float64()) for name in names]


SUMMARY_SCHEMA = pa.schema(
    [
        *_KEYS,
        *_RUN,
        *_floats("without", "within"),  # mean totals, cuts in the window
        *_floats("mean", "q05", "q25", "median", "q75", "q95"),  # of within - without
        *_floats("log2_fold_change"),  # mean of log2((1 + within) / (1 + without))
    ]
)
COMPARISON_SCHEMA = pa.schema(
    [
        *_KEYS,
        *_floats("median", "median_against"),  # of the differences; of several runs, their means
        *_floats("auc"),  # how often a background's difference is larger than one of `against`
        *_floats("p", "p_bonferroni"),  # rank-sum test over backgrounds
        *_floats("p_runs"),  # the same over the runs' mean differences; null of single runs
    ]
)
ALL_SCHEMA = pa.schema(
    [*_KEYS, *_RUN, *(pa.field(name, _NUMBERS, nullable=False) for name in ("without", "within"))]
)


class Found:
    """Rows of the tables, as they are found."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels
        self.summary: list[dict[str, Any]] = []
        self.comparison: list[dict[str, Any]] = []
        self.boxes: dict[str, dict[str, list[Box]]] = {}
        self._last: dict[str, Floats] = {}

    def add(
        self, motif: str, group: str, names: tuple[str, ...], without: Floats, within: Floats
    ) -> list[dict[str, Any]]:
        """Rows of the summary; returns the same backgrounds one by one."""
        self._last[group] = within - without
        runs: list[tuple[str | None, Floats, Floats]] = [
            (name, without[i], within[i]) for i, name in enumerate(names)
        ]
        if len(names) > 1:
            runs.append((None, without.mean(0), within.mean(0)))
        every = []
        for run, before, after in runs:
            change = after - before
            quantiles = np.quantile(change, QUANTILES, axis=0)
            fold = np.log2((1 + after) / (1 + before)).mean(0)
            for k, target in enumerate(self._labels):
                key = {"motif": motif, "target": target, "group": group, "run": run}
                q = dict(zip(("q05", "q25", "median", "q75", "q95"), quantiles[:, k], strict=True))
                means = {"without": before[:, k].mean(), "within": after[:, k].mean()}
                more = {"mean": change[:, k].mean(), "log2_fold_change": fold[k]}
                self.summary.append(key | means | q | more)
                every.append(key | {"without": before[:, k], "within": after[:, k]})
        self.boxes.setdefault(motif, {})[group] = [Box(*values) for values in quantiles.T]
        return every

    def compare(self, motif: str) -> None:
        """The two groups, of this motif."""
        runs, against = self._last["runs"], self._last["against"]
        for k, target in enumerate(self._labels):
            one, other = runs[..., k].mean(0), against[..., k].mean(0)
            auc, p = compared(one, other)
            single = len(runs) < 2 or len(against) < 2
            p_runs = None if single else compared(runs[..., k].mean(1), against[..., k].mean(1))[1]
            medians = {"median": np.median(one), "median_against": np.median(other)}
            key = {"motif": motif, "target": target}
            self.comparison.append(key | medians | {"auc": auc, "p": p, "p_runs": p_runs})

    def correct(self) -> None:
        """Bonferroni, over motifs and targets."""
        for row in self.comparison:
            row["p_bonferroni"] = min(1.0, row["p"] * len(self.comparison))


def compared(one: npt.ArrayLike, other: npt.ArrayLike) -> tuple[float, float]:
    """Wilcoxon's rank-sum test (Mann and Whitney's U), two-sided.

    Returns
    -------
    auc : float
        Share of pairs in which the first is larger; of equal ones half.
    p : float
        1 where all values are equal.
    """
    from scipy.stats import mannwhitneyu

    x, y = np.asarray(one, np.float64), np.asarray(other, np.float64)
    both = np.concatenate([x, y])
    if both.min() == both.max():
        return 0.5, 1.0
    found = mannwhitneyu(x, y, alternative="two-sided")
    return float(found.statistic) / (len(x) * len(y)), float(found.pvalue)
