"""The tables of docs/bpaitac.md on yeast, from the rows of `bench.yeast`."""

from collections.abc import Sequence

from bench.yeast_measures import ADDITIVE, ALL, BASELINE, BOTH, Row


def markdown(rows: Sequence[Row]) -> str:
    """The tables of the document."""
    tasks = list(dict.fromkeys(row["task"] for row in rows if row["measure"] == "totals"))
    lines = [*_profile_table(rows, [*tasks, BOTH]), "", *_difference_table(rows)]
    lines += ["", *_total_table(rows, tasks), "", *_captions(rows)]
    return "\n".join(lines)


def _profile_table(rows: Sequence[Row], tasks: Sequence[str]) -> list[str]:
    lines = _head("profile of the held-out peaks", [f"{t}: r, JSD" for t in tasks])
    names = [row["predictor"] for row in rows if row["measure"] == "profile"]
    for name in dict.fromkeys(names):
        cells = []
        for task in tasks:
            row = _find(rows, "profile", name, task)
            cells.append(f"{row['pearson']:.3f}, {row['jsd']:.3f}")
        lines.append(_line(name, cells))
    return lines


def _difference_table(rows: Sequence[Row]) -> list[str]:
    lines = _head(f"JSD minus that of {BASELINE}", ["cuts", "mean (95 % interval)", "p", "peaks"])
    for row in rows:
        if row["measure"] == "difference of jsd":
            mean = f"{row['mean']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
            cells = [row["task"], mean, f"{row['p']:.2g}", str(row["n"])]
            lines.append(_line(row["predictor"], cells))
    return lines


def _total_table(rows: Sequence[Row], tasks: Sequence[str]) -> list[str]:
    lines = _head("log(1 + total): r over the peaks", tasks)
    for name in dict.fromkeys(row["predictor"] for row in rows if row["measure"] == "totals"):
        found = [_find(rows, "totals", name, task) for task in tasks]
        lines.append(_line(name, [f"{row['pearson']:.3f}" for row in found]))
    return lines


def _captions(rows: Sequence[Row]) -> list[str]:
    """What the reference is, and where the numbers come from."""
    first, machine = rows[0], rows[0]["machine"]
    known = [
        f"{name} r {row['pearson']:.3f}, JSD {row['jsd']:.3f}"
        for name in (ADDITIVE, BASELINE)
        for row in [_find(rows, "profile", name, ALL)]
    ]
    trained = " and ".join(
        f"{seconds:.0f} s ({name})" for name, seconds in first["training_seconds"].items()
    )
    changed = " with uncommitted changes" if first["dirty"] else ""
    return [
        f"Cuts of all fragments, whatever their length: {'; '.join(known)}.",
        "",
        f"{first['train_peaks']:,} training peaks, {first['peaks']:,} held out. All of it took "
        f"{first['seconds'] / 60:.1f} minutes ({first['cpu_seconds'] / 60:.1f} of CPU time), of "
        f"which training {trained}. {machine['cpu']}, {machine['cores']} cores; commit "
        f"{first['commit'][:10]}{changed}; {first['run'][:10]}.",
    ]


def _find(rows: Sequence[Row], measure: str, predictor: str, task: str) -> Row:
    wanted = (measure, predictor, task)
    keys = ("measure", "predictor", "task")
    return next(row for row in rows if tuple(row[key] for key in keys) == wanted)


def _head(first: str, columns: Sequence[str]) -> list[str]:
    return [_line(first, columns), "|" + "---|" * (1 + len(columns))]


def _line(first: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join([first, *cells]) + " |"
