"""The tables of docs/scale.md: what a unit of work costs, by `bench.scale`, and what many samples
then cost: `python -m bench.scale_plan`.

A cost is the slope between a command with little work and one with more; what is left is what
every command costs.
"""

from collections.abc import Mapping
from typing import NamedTuple

from bench.harness import RESULTS, Row, newest_rows, read_rows
from bench.machine import ROOT
from bench.scale import STEPS

PAGE = ROOT / "docs" / "scale.md"
FILE = RESULTS / "scale.json"

SAMPLES, READS, PEAKS = 1_500, 100e6, 150_000  # of a sample
WORKERS, SHEET, WRITERS = 256, 100, 5  # samples of a sheet, and commands at a time
GENOME, SCAN_PIECE, BATCH = 3.1e9, 1e6, 16  # bases; sequences of `modelkit attribute`
LIBRARIES, FRAGMENTS, SHEETS = 100, 100e6, 4  # of a library
DISK = 2e9  # bytes a second, of all workers together
KEPT = 12  # bytes of a cut between worker and command
TRACKED = 4 * 2_114 * 4  # bytes of a sequence's scores
ORDER = ("cuts-bam", "cuts-cells", "join", "count", "scan", "attribute", "pieces")

TIMES = (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))
NUMBERS = (("G", 1e9), ("M", 1e6), ("", 1.0))


class Cost(NamedTuple):
    """Of a step.

    Attributes
    ----------
    seconds, start : float
        CPU, of a unit of work and of a command.
    bytes_in, bytes_out : float
        Of a unit; 0 where they were not looked at.
    memory : int
        Bytes, at most.
    """

    seconds: float
    start: float
    bytes_in: float
    bytes_out: float
    memory: int


def scaled(number: float, units: tuple[tuple[str, float], ...], least: float = 1.0) -> str:
    """Two figures, or all before the point, in the largest unit of which it has `least`."""
    name, unit = next((each for each in units if number >= least * each[1]), units[-1])
    value = number / unit
    text = f"{value:.2g}" if value < 9.95 else f"{value:,.0f}"
    return f"{text} {name}".rstrip()


def time(seconds: float) -> str:
    """Hours and minutes from two on."""
    return scaled(seconds, TIMES, 1.0 if seconds < 60 else 2.0)


def size(n: float) -> str:
    """Bytes."""
    return scaled(n, SIZES)


def count(n: float) -> str:
    """100 M."""
    return scaled(n, NUMBERS) if n >= 1e6 else f"{n:,.0f}"


def costs(rows: Mapping[str, Row]) -> dict[str, Cost]:
    """Of every step, from its rows by case."""
    found = {}
    for step in STEPS:
        few, many = rows[step.few], rows[step.name]
        more = many["work"] - few["work"]
        seconds = (many["cpu_seconds"] - few["cpu_seconds"]) / more
        read = (many["facts"].get("bytes in", 0) - few["facts"].get("bytes in", 0)) / more
        written = (many["output_bytes"] - few["output_bytes"]) / more
        start = few["cpu_seconds"] - few["work"] * seconds
        found[step.name] = Cost(seconds, start, read, written, many["peak_rss_bytes"])
    for name in ("join", "attribute", "pieces"):
        row = rows[name]
        found[name] = Cost(row["p50"] / row["work"], 0.0, 0.0, 0.0, row["peak_rss_bytes"])
    return found


def measured(rows: Mapping[str, Row], found: Mapping[str, Cost]) -> list[str]:
    """A line for each step."""
    lines = ["| step | measured | a command | a unit |", "| --- | --- | --- | --- |"]
    few = {step.name: step.few for step in STEPS}
    for name in ORDER:
        row, cost = rows[name], found[name]
        if name in few:
            less = rows[few[name]]
            taken = f"{row['cpu_seconds']:.1f} CPU s, {less['cpu_seconds']:.1f} of {less['work']:,}"
            start = f"{cost.start:.1f} CPU s"
        else:
            taken, start = f"{row['p50']:.2f} CPU s", ""
        taken += f"; {size(cost.memory)} of memory"
        sizes = [
            f"{size(n)} {way}" for n, way in ((cost.bytes_in, "in"), (cost.bytes_out, "out")) if n
        ]
        unit = ", ".join([time(cost.seconds), *sizes]) + f", a {row['unit']}"
        lines.append(f"| {row['label']} | {taken} | {start} | {unit} |")
    return lines


def caption(row: Row) -> str:
    """Where and with what."""
    machine, versions = row["machine"], row["versions"]
    changed = " with uncommitted changes" if row["dirty"] else ""
    return (
        f"{machine['cpu']}, {machine['system']}; Python {versions['python']}, NumPy "
        f"{versions['numpy']}, Numba {versions['numba']}, PyArrow {versions['pyarrow']}; median of "
        f"{row['runs']}; commit {row['commit'][:10]}{changed}; {row['date']}."
    )


HEADER = [
    "| step | CPU | storage | memory of a process | wall time |",
    "| --- | --- | --- | --- | --- |",
]


def line(*cells: str) -> str:
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"


def samples(of: Mapping[str, Cost]) -> list[str]:
    """1,500 samples of bulk ATAC-seq."""
    n, reads = SAMPLES, SAMPLES * READS
    each = f"{n:,} × {count(READS)}"
    bam, join, words, scan, score, piece = (
        of[name] for name in ("cuts-bam", "join", "count", "scan", "attribute", "pieces")
    )
    reading, joining = reads * (bam.seconds - join.seconds), reads * join.seconds
    counting = n * (PEAKS * words.seconds + words.start)
    scanning, scoring = GENOME * scan.seconds, PEAKS * score.seconds
    stored = reads * bam.bytes_out + n * PEAKS * words.bytes_out + PEAKS * TRACKED
    pieces, scores = GENOME / SCAN_PIECE, PEAKS / BATCH
    cpu = reading + joining + counting + scanning + scoring
    wall = reads * bam.bytes_in / DISK + joining / WRITERS
    return [
        *HEADER,
        line(
            "BAM in", "", f"{each} × {bam.bytes_in:.0f} B = {size(reads * bam.bytes_in)}", "",
            f"at {size(DISK)}/s of shared disk: {time(reads * bam.bytes_in / DISK)}",
        ),
        line(
            "cuts, reading",
            f"{each} × ({time(bam.seconds)} - {time(join.seconds)}) = {time(reading)}",
            f"between: {KEPT} B a cut, {size(SHEET * READS * KEPT)} for each sheet of {SHEET}",
            f"{size(bam.memory)}, for a share of 256 MB",
            f"{time(reading)} / {WORKERS} = {time(reading / WORKERS)}: the disk decides",
        ),
        line(
            "cuts, joining and writing", f"{each} × {time(join.seconds)} = {time(joining)}",
            f"{each} × {bam.bytes_out:.1f} B = {size(reads * bam.bytes_out)}",
            f"the command: {size(join.memory)} with one file",
            f"{n // SHEET} sheets in one go: {time(joining)}; {WRITERS} commands at a time: "
            f"{time(joining / WRITERS)}",
        ),
        line(
            "k-mers of peaks",
            f"{n:,} × ({PEAKS:,} × {time(words.seconds)} + {words.start:.1f} s) = {time(counting)}",
            f"{n:,} × {PEAKS:,} × {words.bytes_out:.0f} B = "
            f"{size(n * PEAKS * words.bytes_out)}",
            size(words.memory),
            f"one command a sample, without a cluster: {time(counting / WORKERS)} on as many "
            "processors",
        ),
        line(
            "motifs of the genome, once",
            f"{count(GENOME)}b × {time(scan.seconds)} = {time(scanning)} of 50 motifs", "",
            size(scan.memory),
            f"{time(scanning / WORKERS)} on {WORKERS} workers, but {pieces:,.0f} pieces are "
            f"{time(pieces * piece.seconds)} of the scheduler",
        ),
        line(
            f"DeepSHAP of {PEAKS:,} peaks, one network and target",
            f"{PEAKS:,} × {time(score.seconds)} = {time(scoring)}",
            f"{PEAKS:,} × {size(TRACKED)} = {size(PEAKS * TRACKED)}", size(score.memory),
            f"{time(scoring)} / {WORKERS} = {time(scoring / WORKERS)}; {scores:,.0f} pieces are "
            f"{time(scores * piece.seconds)} of the scheduler",
        ),
        "",
        f"In all {time(cpu)} of CPU, {size(reads * bam.bytes_in)} read and {size(stored)} written; "
        f"wall time {time(wall)}, which the shared disk and the writing of tables set, not the "
        f"workers. One machine of 16 processors has {time(cpu / 16)} of work, where its disk keeps "
        f"up. DeepSHAP for every one of {n:,} networks would be {n:,} × {time(scoring)} = "
        f"{time(n * scoring)}: choose peaks (`--regions`, `--rows`), or GPUs.",
    ]  # fmt: skip


def cells(of: Mapping[str, Cost]) -> list[str]:
    """A million cells, of 100 libraries."""
    n = LIBRARIES * FRAGMENTS
    one, join = of["cuts-cells"], of["join"]
    both = n * one.seconds
    joining = 2 * n * join.seconds
    reading = both - joining
    return [
        *HEADER,
        line(
            "fragments in", "", f"{count(n)} × {one.bytes_in:.0f} B = {size(n * one.bytes_in)}", "",
            f"at {size(DISK)}/s: {time(n * one.bytes_in / DISK)}",
        ),
        line(
            "reading", f"{count(n)} × ({time(one.seconds)} - 2 × {time(join.seconds)}) = "
            f"{time(reading)}",
            f"between: {count(2 * n)} cuts × {KEPT} B = {size(2 * n * KEPT)}, at most",
            f"{size(one.memory)}, for a share of 256 MB",
            f"{time(reading)} / {LIBRARIES} = {time(reading / LIBRARIES)}: a library of "
            f"{count(FRAGMENTS)} fragments",
        ),
        line(
            "joining and writing", f"{count(2 * n)} × {time(join.seconds)} = {time(joining)}",
            f"{count(n)} × {one.bytes_out:.1f} B = {size(n * one.bytes_out)}, at most: groups "
            "share bases",
            f"the command: {size(join.memory)} with one file",
            f"{time(joining)} in one command, {time(joining / SHEETS)} in {SHEETS} sheets",
        ),
        "",
        f"In all {time(both)} of CPU and {size(n * (one.bytes_in + one.bytes_out + 2 * KEPT))} at "
        "the peak.",
    ]  # fmt: skip


def parts() -> dict[str, str]:
    """What stands between the markers of the page, by their names."""
    rows = {row["case"]: row for row in newest_rows(read_rows(FILE))}
    found = costs(rows)
    captions = list(dict.fromkeys(caption(row) for row in rows.values()))
    return {
        "costs": "\n".join([*measured(rows, found), "", *captions]),
        "samples": "\n".join(samples(found)),
        "cells": "\n".join(cells(found)),
    }


def put(page: str, made: Mapping[str, str]) -> str:
    """`page` with each part between its two markers."""
    for name, text in made.items():
        before, begin, rest = page.partition(f"<!-- {name}:begin -->\n")
        _, end, after = rest.partition(f"<!-- {name}:end -->")
        if not begin or not end:
            raise ValueError(f"the page has no <!-- {name}:begin --> ... <!-- {name}:end -->")
        page = f"{before}{begin}\n{text}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(put(PAGE.read_text(), parts()))
