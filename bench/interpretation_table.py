"""The tables of docs/interpretation.md, from the rows of `bench.interpretation`."""

from collections.abc import Sequence
from typing import Any

__all__ = ["put", "tables"]

BEGIN, END = "<!-- begin measured -->", "<!-- end measured -->"

Row = dict[str, Any]


def put(document: str, text: str) -> str:
    """`document` with `text` between its two markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {BEGIN} and {END}, in this order")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def tables(rows: Sequence[Row]) -> str:
    """Markdown of all parts that there are rows of."""
    parts = {"bases": _bases, "seqlets": _seqlets, "footprints": _footprints,
             "enrichment": _enrichment}  # fmt: skip
    found = []
    for name, make in parts.items():
        mine = [row for row in rows if row["part"] == name]
        if mine:
            dirty = ", dirty" if mine[0]["dirty"] else ""
            found.append(f"{make(mine)}\n\n({mine[0]['date']}, {mine[0]['commit'][:10]}{dirty})")
    return "\n\n".join(found)


def _bases(rows: Sequence[Row]) -> str:
    head = ["scores of", "method", "auROC [95 %]", "beside idle motifs too", "regions", "seconds"]
    return _table(
        "Bases that matter against background, in regions that the network predicts well:",
        head,
        [
            [
                row["network"], row["method"],
                f"{row['auroc']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
                f"{row['auroc_with_idle']:.3f}", row["n_regions"], row["seconds"] or "",
            ]
            for row in rows
        ],
    )  # fmt: skip


def _seqlets(rows: Sequence[Row]) -> str:
    names = sorted({name for row in rows for name in row["recovered"]})
    recovered = _table(
        "Sites that matter with a seqlet over half of them, by motif:",
        ["", *(row["network"] for row in rows)],
        [[name, *(f"{row['recovered'].get(name, 0):.2f}" for row in rows)] for name in names],
    )
    made = _table(
        "Seqlets of five runs' mean attributions, and the motifs that they make:",
        ["network", "seqlets", "on a site", "motifs", "named rightly", "wrongly", "not",
         "true motifs found"],
        [
            [
                row["network"], f"{row['seqlets']:,}", f"{row['on_sites']:.0%}", row["motifs"],
                sum(row["named"].values()), row["named_wrongly"], row["not_named"],
                f"{len(row['named'])} of {len(names)}",
            ]
            for row in rows
        ],
    )  # fmt: skip
    return f"{recovered}\n\n{made}"


def _footprints(rows: Sequence[Row]) -> str:
    networks = list(dict.fromkeys(row["network"] for row in rows))
    by_motif: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_motif.setdefault(row["motif"], {})[row["network"]] = row
    body = []
    for motif, found in by_motif.items():
        cells = [motif, f"{next(iter(found.values()))['true']:.2f}"]
        cells += [
            f"{found[n]['depth']:.2f} ({found[n]['least']:.2f} to {found[n]['most']:.2f})"
            for n in networks
        ]
        body.append(cells)
    return _table(
        "Depth of the dip in bits, bias 0, mean over cell types (least to most):",
        ["motif", "true", *networks],
        body,
    )


def _enrichment(rows: Sequence[Row]) -> str:
    body = []
    for row in rows:
        names = [", ".join(each) or "none" for each in row["names"]]
        body.append(
            [
                row["compared"], f"{row['regions']} ({row['n_regions']})", row["count"],
                row["motifs"], *row["enriched"], " / ".join(names),
            ]
        )  # fmt: skip
    return _table(
        "Motifs that one network goes by more often than the other, p < 0.01 / motifs:",
        ["compared", "regions", "counted", "motifs", "in the first", "in the second", "names"],
        body,
    )


def _table(title: str, head: Sequence[str], body: Sequence[Sequence[Any]]) -> str:
    lines = [title, "", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(map(str, cells))} |" for cells in body]
    return "\n".join(lines)
