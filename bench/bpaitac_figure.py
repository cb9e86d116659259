"""Tables and the figure of `bench.bpaitac_sweep`, from its rows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.bpaitac_data import SETS
from bench.bpaitac_sweep import (
    BESIDE,
    CELLS,
    LAMBDAS,
    LINEAGES,
    LOSSES,
    SINGLE,
    WITHOUT,
    Training,
)
from bench.harness import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEGIN, END = "<!-- sweep:begin -->", "<!-- sweep:end -->"

Rows = Mapping[Training, Row]
Group = tuple[str, Callable[[int], Training]]  # label, and its training of a seed

TRUTHS = (("rate", "expected totals"), ("counts", "counts"))


def scores(rows: Rows, of: Callable[[int], Training], column: str) -> dict[int, float]:
    """By seed, of those that are done."""
    seeds = sorted({training.seed for training in rows})
    return {seed: float(rows[of(seed)][column]) for seed in seeds if of(seed) in rows}


def gains(
    rows: Rows, data: str, column: str, beside: tuple[str, float] = BESIDE[0]
) -> npt.NDArray[np.float64]:
    """That of a loss and lambda less that of lambda 0, of each seed that has both."""
    less = scores(rows, _on("A", WITHOUT), column)  # the same for all: totals are
    more = scores(rows, _on(data, beside), column)
    return np.array([more[seed] - less[seed] for seed in sorted(less.keys() & more)])


def interval(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean and the ends of Student's 95 % interval; no number from fewer than two values."""
    if len(values) < 2:
        return float(values.mean()) if len(values) else np.nan, np.nan, np.nan
    from scipy.stats import t

    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    reach = t.ppf(0.975, len(values) - 1) * error
    return float(mean), float(mean - reach), float(mean + reach)


def tables(rows: Rows) -> str:
    """Markdown: the data, the three sets, and what else there is."""
    parts = [_data_table(rows), _sets_table(rows)]
    for title, groups, of in _panels():
        parts.append(_table(rows, title, groups, of))
    parts.append(_seconds(rows))
    return "\n\n".join(part for part in parts if part)


def _panels() -> list[tuple[str, list[Group], str]]:
    return [
        ("loss", [(loss, _with(loss=loss)) for loss in LOSSES], ""),
        ("lambda", [(f"{each:g}", _with(lambda_=each)) for each in LAMBDAS], ""),
        (
            "networks, of lineages",
            [
                ("one of all cell types, averaged", _with(tasks=CELLS)),
                ("one of all lineages", _with(tasks=LINEAGES)),
                ("one of each lineage", _with(tasks=SINGLE)),
            ],
            "lineages_",
        ),
    ]


def _with(**changes: Any) -> Callable[[int], Training]:
    return lambda seed: Training(seed=seed, **changes)


def _on(data: str, beside: tuple[str, float]) -> Callable[[int], Training]:
    return _with(data=data, loss=beside[0], lambda_=beside[1])


def _data_table(rows: Rows) -> str:
    by_seed = {training.seed: row["data_facts"] for training, row in rows.items()}
    names = list(next(iter(by_seed.values())))
    lines = ["| seed | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for seed, found in sorted(by_seed.items()):
        lines.append(f"| {seed} | " + " | ".join(f"{found[name]:.3g}" for name in names) + " |")
    return "\n".join(lines)


def _sets_table(rows: Rows) -> str:
    lines = [
        "| loss at lambda 0.5 | data | scored by | r | r at lambda 0 | gain (95 % interval) "
        "| of A's | seeds |",
        "|---" * 8 + "|",
    ]
    for beside in BESIDE:
        for column, what in TRUTHS:
            of_a = gains(rows, "A", column, beside)
            for data in SETS:
                found = gains(rows, data, column, beside)
                if not len(found):
                    continue
                mean, low, high = interval(found)
                share = f"{mean / of_a.mean():.2f}" if len(of_a) and of_a.mean() > 0 else "-"
                around = f" ({low:+.3f} to {high:+.3f})" if len(found) > 1 else ""
                both = [scores(rows, _on(data, beside), column),
                        scores(rows, _on("A", WITHOUT), column)]  # fmt: skip
                seeds = both[0].keys() & both[1].keys()
                more, less = (_shown({seed: each[seed] for seed in seeds}) for each in both)
                lines.append(
                    f"| {beside[0]} | {data} | {what} | {more} | {less} | {mean:+.3f}{around} "
                    f"| {share} | {len(found)} |"
                )
    means = [
        _shown({t.seed: row[f"mean_{column}"] for t, row in rows.items() if t.tasks == CELLS})
        for column, _ in TRUTHS
    ]
    lines.append("")
    lines.append(
        "The mean counts of the training regions, the same prediction for every region, have "
        f"{means[0]} with the expected totals and {means[1]} with the counts."
    )
    return "\n".join(lines)


def _table(rows: Rows, title: str, groups: Sequence[Group], of: str) -> str:
    lines = [f"| {title} | expected totals | counts | seeds |", "|---|---|---|---|"]
    shared = _shared(rows, groups)
    for label, training in groups:
        cells = []
        for column, _ in TRUTHS:
            found = scores(rows, training, of + column)
            cells.append(_shown({seed: r for seed, r in found.items() if seed in shared}))
        if shared:
            lines.append(f"| {label} | {' | '.join(cells)} | {len(shared)} |")
    return "\n".join(lines) if shared else ""


def _shared(rows: Rows, groups: Sequence[Group]) -> set[int]:
    """Seeds that all groups have: others would not compare."""
    each = [{s for s in {t.seed for t in rows} if of(s) in rows} for _, of in groups]
    return set.intersection(*each)


def _shown(found: Mapping[int, float]) -> str:
    values = np.array(list(found.values()))
    if not len(values):
        return "-"
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"


def _seconds(rows: Rows) -> str:
    one = [row["seconds"] for training, row in rows.items() if training.tasks == CELLS]
    n_constant = sum(row["n_constant"] for row in rows.values())
    row = next(iter(rows.values()))
    return (
        f"{len(rows)} trainings, {np.median(one):.0f} s each on one core (median); "
        f"{n_constant} regions with a constant prediction, counted as r = 0. "
        f"{row['machine']['cpu']}; PyTorch {row['versions']['torch']}; commit {row['commit'][:10]}."
    )


def put(document: str, text: str) -> str:
    """`document` with `text` between its two markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {BEGIN} and {END}, in this order")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def draw(rows: Rows, path: Path) -> None:
    """Mean and standard deviation over seeds, and each seed as a point."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [(f"by {title}", groups, of) for title, groups, of in _panels()]
    for beside in BESIDE:
        groups = [("lambda 0", _on("A", WITHOUT))]
        groups += [(data, _on(data, beside)) for data in SETS]
        panels.insert(0, (f"{beside[0]}, lambda {beside[1]:g}, by data set", groups, ""))
    panels = [panel for panel in panels if len(_shared(rows, panel[1])) > 1]
    n_columns = min(2, len(panels))
    n_rows = -(-len(panels) // max(n_columns, 1))
    figure = Figure(figsize=(5.5 * max(n_columns, 1), 3.4 * max(n_rows, 1)), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (title, groups, of) in enumerate(panels):
        place = figure.add_subplot(n_rows, n_columns, number + 1)
        seeds = _shared(rows, groups)
        _points(place, rows, groups, of, seeds)
        place.set_title(f"{title} ({len(seeds)} seeds)", loc="left", fontsize=10)
        place.set_ylabel(f"Pearson r across {'lineages' if of else 'cell types'}")
        place.set_ylim(0, 1)
        place.legend(frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _points(place: "Axes", rows: Rows, groups: Sequence[Group], of: str, seeds: set[int]) -> None:
    for shift, (column, what) in zip((-0.12, 0.12), TRUTHS, strict=True):
        colour = "#1f4e79" if column == "rate" else "#c0562f"
        label = f"against {what}"
        for x, (_, training) in enumerate(groups):
            found = scores(rows, training, of + column)
            values = np.array([r for seed, r in found.items() if seed in seeds])
            if not len(values):
                continue
            spread = values.std(ddof=1) if len(values) > 1 else 0.0
            place.errorbar(
                x + shift, values.mean(), spread, fmt="o", color=colour, capsize=3, label=label
            )
            place.plot(np.full(len(values), x + shift), values, ".", color=colour, alpha=0.4)
            label = "_nolegend_"
    place.set_xticks(range(len(groups)), [label.replace(", averaged", "") for label, _ in groups])
    longest = max(len(label) for label, _ in groups)
    place.tick_params("x", labelsize=8 if longest < 14 else 6)
    place.spines[["top", "right"]].set_visible(False)
