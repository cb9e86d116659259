"""The table of docs/agentbind.md's benchmark, from the rows of `bench.agentbind_interpretation`."""

from collections.abc import Sequence

from bench.harness import Row

__all__ = ["put", "table"]

BEGIN, END = "<!-- interpretation:begin -->", "<!-- interpretation:end -->"
TITLES = (
    "scores", "accuracy %", "recall %", "auROC of bases", "auROC of motifs", "signal / noise",
    "s a sequence", "times saliency's", "sequences", "control: auROC of bases",
)  # fmt: skip
CLOSE = 0.05  # of the control to a half
NAMES = {"saliency": "saliency", "gradcam": "Grad-CAM", "deeplift": "DeepLIFT", "ism": "ISM"}
UNBOUNDED = "∞"


def table(rows: Sequence[Row]) -> str:
    """Markdown: for each size and network, its newest row; [ ] around a control that is off."""
    newest = {(tuple(row["size"]), row["network"], row["seed"]): row for row in rows}
    lines = []
    for size in sorted({key[0] for key in newest}, reverse=True):
        here = [row for key, row in newest.items() if key[0] == size]
        lines += [_of_size(size), "", *_table(here), "", *(_caption(row) for row in here), ""]
    return "\n".join(lines[:-1])


def put(document: str, rows: Sequence[Row]) -> str:
    """`document` with the tables between its two markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {BEGIN} and {END}, in this order")
    return f"{before}{BEGIN}\n{table(rows)}\n{END}{after}"


def _of_size(size: tuple[int, ...]) -> str:
    train, validation, test = (f"{n:,}" for n in size)
    return f"{train} sequences to train, {validation} to validate, {test} to test:"


def _table(rows: Sequence[Row]) -> list[str]:
    lines = ["| " + " | ".join(TITLES) + " |", "|---" * len(TITLES) + "|"]
    of_most = max(rows, key=lambda row: row["positives"])
    for name, label in (("ceiling", "the truth itself"), ("chance", "chance")):
        lines.append(_line([label, *_measures(of_most[name]), "", "", _counted(of_most[name]), ""]))
    for row in rows:
        if not row["trained"]:
            verdict = f"not trained: test auROC {row['test_auroc']:.3f}"
            lines.append(_line([row["network"], verdict, *[""] * (len(TITLES) - 2)]))
            continue
        control = {each["method"]: each for each in row["control"]}
        once = next(each["seconds_per_sequence"] for each in row["methods"])
        lines += [_of_method(row, each, control[each["method"]], once) for each in row["methods"]]
    return lines


def _of_method(row: Row, found: Row, control: Row, once: float) -> str:
    label = f"{row['network']}, {NAMES[found['method']]}"
    if "undefined" in found:
        return _line([label, found["undefined"], *[""] * (len(TITLES) - 2)])
    seconds = found["seconds_per_sequence"]
    area = f"{control['auroc']:.3f}"
    return _line(
        [
            label, *_measures(found), f"{seconds:.3g}", f"{seconds / once:.3g}", _counted(found),
            area if abs(control["auroc"] - 0.5) <= CLOSE else f"[{area}]",
        ]
    )  # fmt: skip


def _measures(found: Row) -> list[str]:
    ratio = found["signal_to_noise"]
    return [
        f"{100 * found['accuracy']:.1f}", f"{100 * found['recall']:.1f}", f"{found['auroc']:.3f}",
        f"{found['motif_auroc']:.3f}", UNBOUNDED if ratio is None else f"{ratio:.2f}",
    ]  # fmt: skip


def _counted(found: Row) -> str:
    skipped = found["n_skipped"]
    return f"{found['n_sequences']}" + (f", {skipped} without a score left out" * bool(skipped))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _caption(row: Row) -> str:
    """What a network is, and how far it came."""
    changes = ", ".join(f"`{name}` {value}" for name, value in row["changes"].items())
    text = (
        f"{row['network']}: test auROC {row['test_auroc']:.3f}, TAL1's motif itself "
        f"{row['oracle_auroc']:.3f}. {row['parameters']:,} parameters, weights of epoch "
        f"{row['best_epoch']} of {row['epochs']}{'' if row['finished'] else ', not at its end'}, "
        f"{row['seconds'] / 60:.0f} minutes on {row['threads']} thread"
        f"{'s' if row['threads'] > 1 else ''} ({row['device']}; {row['machine']['cpu']}). "
        f"The recipe but for: {changes or 'nothing'}. Commit {row['commit'][:7]}."
    )
    return text + _cost(row)


def _cost(row: Row) -> str:
    """What ISM costs, beside the others."""
    times = {
        each["method"]: each["seconds_per_sequence"]
        for each in row.get("methods", [])
        if "undefined" not in each
    }
    if "ism" not in times:
        return ""
    others = [times["ism"] / each for name, each in times.items() if name != "ism"]
    return f" ISM takes {min(others):.0f} to {max(others):.0f} times as long as the others."
