"""The tables of docs/bpaitac.md on yeast, from the rows of `bench.yeast`."""

from collections.abc import Sequence

from bench.yeast_measures import ADDITIVE, ALL, BASELINE, BOTH, ENSEMBLE, Row


def markdown(rows: Sequence[Row]) -> str:
    """The tables of the document."""
    tasks = list(dict.fromkeys(row["task"] for row in rows if row["measure"] == "totals"))
    lines = [*_profile_table(rows, [*tasks, BOTH]), "", *_difference_table(rows)]
    lines += ["", *_total_table(rows, tasks), "", *_captions(rows)]
    return "\n".join(lines)


def _profile_table(rows: Sequence[Row], tasks: Sequence[str]) -> list[str]:
    lines = _head("profile of the held-out peaks", [f"{t}: r, JSD" for t in tasks])
    for (name, label), found in _by_line(rows, "profile").items():
        cells = []
        for task in tasks:
            of_task = [row for row in found if row["task"] == task]
            cells.append(", ".join(_mean_and_range(of_task, key) for key in ("pearson", "jsd")))
        lines.append(_line(name + label, cells))
    return lines


def _difference_table(rows: Sequence[Row]) -> list[str]:
    """The ensemble; and of the seeds the median one, with how many intervals are below 0."""
    columns = ["cuts", "mean (95 % interval)", "p", "peaks", "intervals below 0"]
    lines = _head(f"JSD minus that of {BASELINE}", columns)
    for (name, label), found in _by_line(rows, "difference of jsd").items():
        for task in dict.fromkeys(row["task"] for row in found):
            ranked = sorted((r for r in found if r["task"] == task), key=lambda r: r["mean"])
            row = ranked[len(ranked) // 2]  # of two the worse one
            which = f", seed {row['seed']} (median)" if len(ranked) > 1 else label
            mean = f"{row['mean']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
            below = f"{sum(each['high'] < 0 for each in ranked)} of {len(ranked)}"
            lines.append(_line(name + which, [task, mean, f"{row['p']:.2g}", str(row["n"]), below]))
    return lines


def _total_table(rows: Sequence[Row], tasks: Sequence[str]) -> list[str]:
    lines = _head("log(1 + total): r over the peaks", tasks)
    for (name, label), found in _by_line(rows, "totals").items():
        of_tasks = [[row for row in found if row["task"] == task] for task in tasks]
        lines.append(_line(name + label, [_mean_and_range(each, "pearson") for each in of_tasks]))
    return lines


def _captions(rows: Sequence[Row]) -> list[str]:
    """What the reference is, and where the numbers come from."""
    first, machine = rows[0], rows[0]["machine"]
    known = [
        f"{name} r {row['pearson']:.3f}, JSD {row['jsd']:.3f}"
        for name in (ADDITIVE, BASELINE)
        for row in [_find(rows, "profile", name, ALL)]
    ]
    changed = " with uncommitted changes" if first["dirty"] else ""
    return [
        f"Cuts of all fragments, whatever their length: {'; '.join(known)}.",
        "",
        f"{first['train_peaks']:,} training peaks, {first['peaks']:,} held out. All of it took "
        f"{first['seconds'] / 60:.1f} minutes ({first['cpu_seconds'] / 60:.1f} of CPU time), of "
        f"which training {first['training_seconds'] / 60:.1f}. {machine['cpu']}, "
        f"{machine['cores']} cores; commit {first['commit'][:10]}{changed}; {first['run'][:10]}.",
    ]


def _by_line(rows: Sequence[Row], measure: str) -> dict[tuple[str, str], list[Row]]:
    """Rows of a measure by predictor and what the table adds to it: all seeds are one line."""
    seeds = {row["seed"] for row in rows if "seed" in row} - {ENSEMBLE}
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["measure"] == measure and row["task"] != ALL:
            label = f", {len(seeds)} seeds" if "seed" in row else ""
            label = f", {ENSEMBLE}" if row.get("seed") == ENSEMBLE else label
            found.setdefault((row["predictor"], label), []).append(row)
    return found


def _mean_and_range(rows: Sequence[Row], key: str) -> str:
    values = [row[key] for row in rows]
    mean = f"{sum(values) / len(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def _find(rows: Sequence[Row], measure: str, predictor: str, task: str) -> Row:
    wanted = (measure, predictor, task)
    keys = ("measure", "predictor", "task")
    return next(row for row in rows if tuple(row[key] for key in keys) == wanted)


def _head(first: str, columns: Sequence[str]) -> list[str]:
    return [_line(first, columns), "|" + "---|" * (1 + len(columns))]


def _line(first: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join([first, *cells]) + " |"
