"""The table of docs/koo.md, from the rows of `bench.koo_table1`, beside the published one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.harness import Row
from bench.koo_runs import NETWORKS
from bench.koo_table1 import MODES, ORACLE
from modelkit.inference.by_name import spread

__all__ = ["PUBLISHED", "PUBLISHED_IN_VIVO", "Published", "put", "table"]

BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"
CLOSE = 0.03  # of the published mean AU-ROC
MANY, FEW = 0.80, 0.25  # relevant filters of networks with wide and with narrow views
WIDE = ("cnn-10", "cnn-25", "cnn-50", "cnn-100", "cnn9-25", "cnn-50-2", "cnn19-1-2")
BLIND = "cnn3-50"  # sees neither whole motifs nor parts that it could assemble
BLIND_MOST = 0.75  # its AU-ROC


class Published(NamedTuple):
    """A line of Table 1 or 2."""

    auroc: float
    auroc_sd: float  # over the classes
    matched: float
    relevant: float


PUBLISHED = {
    "cnn-2": Published(0.968, 0.028, 0.30, 0.00),
    "cnn-4": Published(0.952, 0.056, 0.57, 0.13),
    "cnn-10": Published(0.970, 0.038, 1.00, 0.97),
    "cnn-25": Published(0.954, 0.094, 1.00, 1.00),
    "cnn-50": Published(0.965, 0.040, 1.00, 0.97),
    "cnn-100": Published(0.961, 0.042, 0.97, 0.97),
    "cnn9-4": Published(0.958, 0.039, 0.13, 0.00),
    "cnn9-25": Published(0.961, 0.038, 0.93, 0.93),
    "cnn3-2": Published(0.968, 0.027, 0.33, 0.00),
    "cnn3-50": Published(0.652, 0.060, 0.17, 0.00),
    "cnn-50-2": Published(0.917, 0.136, 0.97, 0.90),
    "cnn19-1-2": Published(0.969, 0.033, 0.90, 0.87),
}
# Table 2; that of CNN9-4 is 57 % of 30 filters, printed as 56
PUBLISHED_IN_VIVO = {
    "cnn-2": Published(0.906, 0.050, 0.23, 0.03),
    "cnn-4": Published(0.907, 0.048, 0.57, 0.30),
    "cnn-10": Published(0.901, 0.053, 0.93, 0.77),
    "cnn-25": Published(0.900, 0.060, 0.90, 0.77),
    "cnn-50": Published(0.901, 0.054, 0.83, 0.70),
    "cnn-100": Published(0.889, 0.061, 0.93, 0.73),
    "cnn9-4": Published(0.900, 0.052, 0.57, 0.30),
    "cnn9-25": Published(0.882, 0.066, 0.83, 0.57),
    "cnn-50-2": Published(0.890, 0.070, 0.87, 0.60),
}


def table(rows: Sequence[Row], published: Mapping[str, Published] = PUBLISHED) -> str:
    """Markdown: our table beside the published one; in brackets what misses the bars of Table 1."""
    of = {name: [row for row in rows if row["network"] == name] for name in NETWORKS}
    lines = [
        "| network | seeds | AU-ROC ± sd of classes (± sd of seeds) | published | difference "
        "| AU-PR | JASPAR % | published | relevant % | published | code: JASPAR %, relevant % "
        "| best epoch |",
        "|---" * 12 + "|",
    ]
    for name in sorted(NETWORKS, key=list(PUBLISHED).index):
        if of[name] and name in published:
            lines.append(_line(name, of[name], published))
    return "\n".join([*lines, "", *_captions(rows)])


def misses(name: str, auroc: float, relevant: float) -> tuple[bool, bool]:
    """Whether AU-ROC, and the share of relevant filters, miss the bars of this reproduction."""
    off = auroc >= BLIND_MOST if name == BLIND else abs(auroc - PUBLISHED[name].auroc) > CLOSE
    return off, relevant < MANY if name in WIDE else relevant > FEW


def _line(name: str, rows: Sequence[Row], published: Mapping[str, Published]) -> str:
    known = published[name]
    auroc, over_seeds, _ = spread([row["auroc"] for row in rows])
    over_classes = spread(
        [spread([each["auroc"] for each in row["by_class"].values()]).sd for row in rows]
    ).mean
    auprc = spread([row["auprc"] for row in rows]).mean
    shares = {
        mode: [
            spread([row[f"filters_{mode}"][what] for row in rows]).mean
            for what in ("matched", "relevant")
        ]
        for mode in MODES
    }
    matched, relevant = shares["paper"]
    off = misses(name, auroc, relevant) if published is PUBLISHED else (False, False)
    seeds = f" (± {over_seeds:.3f})" if len(rows) > 1 else ""
    cells = [
        name,
        str(len(rows)),
        _marked(f"{auroc:.3f} ± {over_classes:.3f}{seeds}", missed=off[0]),
        f"{known.auroc:.3f} ± {known.auroc_sd:.3f}",
        f"{auroc - known.auroc:+.3f}",
        f"{auprc:.3f}",
        f"{100 * matched:.0f}",
        f"{100 * known.matched:.0f}",
        _marked(f"{100 * relevant:.0f}", missed=off[1]),
        f"{100 * known.relevant:.0f}",
        ", ".join(f"{100 * share:.0f}" for share in shares["code"]),
        ", ".join(str(row["best_epoch"]) for row in rows),
    ]
    return "| " + " | ".join(cells) + " |"


def _marked(text: str, *, missed: bool) -> str:
    return f"[{text}]" if missed else text


def _captions(rows: Sequence[Row]) -> list[str]:
    """What stands in the table, and where the numbers come from."""
    found = [row for row in rows if row["network"] == ORACLE]
    lines = []
    for row in found[:1]:
        areas = {name: each["auroc"] for name, each in row["by_class"].items()}
        mean, sd, _ = spread(list(areas.values()))
        lowest = min(areas, key=lambda name: areas[name])
        lines.append(
            f"The motifs themselves, in place of a network: {mean:.3f} ± {sd:.3f}, lowest "
            f"{lowest} with {areas[lowest]:.3f}."
        )
    trained = [row for row in rows if row["network"] != ORACLE]
    lowest = {
        min(row["by_class"], key=lambda name: row["by_class"][name]["auroc"])
        for row in trained
        if row["auroc"] >= 0.95
    }
    epochs = sorted({row["epochs"] for row in trained})
    commits = sorted({row["commit"][:7] for row in trained})
    lines += [
        f"Lowest class of the networks of at least 0.95: {', '.join(sorted(lowest))}. "
        f"Epochs: {', '.join(map(str, epochs))}. {trained[0]['machine']['cpu']}, "
        f"{trained[0]['threads']} thread a network; analysed at commit {', '.join(commits)}.",
        "",
        "| class | " + " | ".join(row["network"] for row in [*found[:1], *trained]) + " |",
        "|---" * (len(trained) + len(found[:1]) + 1) + "|",
    ]
    for name in trained[0]["by_class"]:
        areas_of = [row["by_class"][name]["auroc"] for row in [*found[:1], *trained]]
        lines.append(f"| {name} | " + " | ".join(f"{area:.3f}" for area in areas_of) + " |")
    return lines


def put(document: str, rows: Sequence[Row]) -> str:
    """`document` with the table between its two markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {BEGIN} and {END}, in this order")
    return f"{before}{BEGIN}\n{table(rows)}\n{END}{after}"
