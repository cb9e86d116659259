"""The tables of docs/deepatac.md, from the rows of `bench.deepatac_footprints`."""

from collections.abc import Sequence
from typing import Any

from bench.interpretation_table import put

__all__ = ["put", "tables"]

Row = dict[str, Any]


def tables(rows: Sequence[Row]) -> str:
    """Markdown of all parts that there are rows of."""
    found = []
    for name, make in (("auprc", _auprc), ("wins", _wins), ("attribution", _attribution)):
        mine = [row for row in rows if row["part"] == name]
        if mine:
            dirty = ", dirty" if mine[0]["dirty"] else ""
            found.append(f"{make(mine)}\n\n({mine[0]['date']}, {mine[0]['commit'][:10]}{dirty})")
    return "\n\n".join(found)


def _auprc(rows: Sequence[Row]) -> str:
    models = list(dict.fromkeys(row["model"] for row in rows))
    lines = []
    for where in dict.fromkeys(row["where"] for row in rows):
        for factor in dict.fromkeys(row["factor"] for row in rows):
            of = {r["model"]: r for r in rows if (r["where"], r["factor"]) == (where, factor)}
            one = next(iter(of.values()))
            areas = [f"{of[m]['auprc']:.3f}" if of[m]["auprc"] is not None else "" for m in models]
            lines.append([where, factor, one["examples"], f"{one['prevalence']:.3f}", *areas])
    return _table(
        "AUPRC of test windows; a model that knows nothing has the prevalence:",
        ["where", "factor", "windows", "prevalence", *models],
        lines,
    )


def _wins(rows: Sequence[Row]) -> str:
    return _table(
        "The first model against the others:",
        ["where", "model", "against", "better on", "mean AUPRC", "of the other", "difference"],
        [
            [
                r["where"], r["model"], r["against"], f"{r['wins']} of {r['factors']}",
                f"{r['mean']:.3f}", f"{r['mean_against']:.3f}", f"{r['mean_difference']:+.3f}",
            ]
            for r in rows
        ],
    )  # fmt: skip


def _attribution(rows: Sequence[Row]) -> str:
    places = {
        "inside": "motif", "inside_absent": "motif, no cut", "inside_present": "motif, cut",
        "flank_absent": "beside, no cut", "flank_present": "beside, cut", "far": "elsewhere",
    }  # fmt: skip
    every = {row["run"]: row for row in rows if row["factor"] == "all"}
    found = _table(
        "Integrated gradients of the logit per base and strand of cuts, times 1000, means over "
        "windows [95 %]:",
        ["run", "factor", "windows", *places.values()],
        [
            [r["run"], r["factor"], r["windows"], *(_interval(r[name]) for name in places)]
            for r in rows
        ],
    )
    text = [found]
    for name, row in every.items():
        text.append(
            f"{name}: what {row['steps']} steps miss of the differences is "
            f"{row['completeness']:.2%} in all, {row['completeness_median']:.2%} at the median, "
            f"{row['completeness_most']:.2%} at most."
        )
    if {"both", "without"} <= every.keys():
        share = every["without"]["inside"][0] / every["both"]["inside"][0]
        text.append(f"Inside motifs, without footprints over with them: {share:+.1%}.")
    return "\n\n".join(text)


def _interval(values: Sequence[float]) -> str:
    value, low, high = (1000 * x for x in values)
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return f"{title}\n\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
