"""The README's benchmark table, from the results: `python -m bench.table [--check]`.

It stands between two comment lines of the README; `--check` exits with 1 if it is not what the
results say.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bench.harness import RESULTS, Row, newest_rows, read_all
from bench.machine import ROOT

README = ROOT / "README.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
HEADER = [
    "| work | by | seconds (p20-p80) | rate | peak memory | output |",
    "|---|---|---|---|---|---|",
]


def make_table(rows: Sequence[Row]) -> str:
    """Markdown: the newest run of each case, and below it what it was measured on."""
    rows = newest_rows(rows)
    if not rows:
        return ""
    lines = list(HEADER)
    for _, of_case in groupby(rows, key=lambda row: row["case"]):
        for i, row in enumerate(of_case):
            lines.append(_line(row, label=row["label"] if i == 0 else ""))
    return "\n".join([*lines, "", *_captions(rows)])


def _line(row: Row, *, label: str) -> str:
    name, bracket, note = row["provider"].partition(" (")
    if not name.startswith("kmerengine"):  # the caption has its commit
        name += " " + row["versions"][row["provider"]]
    by = name + bracket + note
    if row["self_timed"]:
        spans = "", ""  # the process also does what is not timed
    else:
        output = row["output_bytes"]
        spans = _scaled(row["peak_rss_bytes"], "B"), _scaled(output, "B") if output else ""
    spread = f" ({row['p20']:.3g}-{row['p80']:.3g})" if row["runs"] > 1 else " (one run)"
    rate = _scaled(row["work_per_second"], row["unit"]) + "/s"
    cells = [label, by, f"{row['p50']:.3g}{spread}", rate, *spans]
    return "| " + " | ".join(cells) + " |"


def _scaled(number: float, unit: str) -> str:
    """Three figures and a prefix: 61.7 MB."""
    for prefix in ("", "k", "M"):
        if number < 999.5:
            return f"{number:.3g} {prefix}{unit}"
        number /= 1000
    return f"{number:.3g} G{unit}"


def _captions(rows: Sequence[Row]) -> list[str]:
    """One line for each place, commit and day that the rows come from."""
    captions = []
    for row in rows:
        machine, versions = row["machine"], row["versions"]
        changed = " with uncommitted changes" if row["dirty"] else ""
        caption = (
            f"{machine['cpu']}, {machine['cores']} cores, "
            f"{machine['memory_bytes'] / 2**30:.0f} GiB; Python {versions['python']}, "
            f"NumPy {versions['numpy']}, Numba {versions['numba']}, PyArrow {versions['pyarrow']}; "
            f"commit {row['commit'][:10]}{changed}; {row['date']}."
        )
        if caption not in captions:
            captions.append(caption)
    return captions


def put_table(readme: str, table: str) -> str:
    """`readme` with `table` between its two markers."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README needs the lines {BEGIN} and {END}, in this order")
    lines = f"{table}\n" if table else ""
    return f"{before}{BEGIN}\n{lines}{END}{after}"


def read_table(results: Path = RESULTS) -> str:
    """The table of all result files."""
    return make_table(read_all(results))


def main() -> int:
    """Write the table, or check it."""
    parser = argparse.ArgumentParser(prog="bench.table", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if out of date")
    options = parser.parse_args()
    if not README.exists():
        print(f"there is no {README.name}; this is its table", file=sys.stderr)
        print(read_table())
        return int(options.check)
    found = README.read_text()
    wanted = put_table(found, read_table())
    if options.check:
        return int(found != wanted)
    README.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
