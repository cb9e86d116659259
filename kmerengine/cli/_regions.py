"""What commands of regions share: what their output is called, and how many regions it is of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

KNOWN_SUFFIXES = {
    ".gz", ".bgz", ".fa", ".fasta", ".fna", ".bed", ".narrowpeak", ".broadpeak", ".txt", ".fas",
}  # fmt: skip


def default_output(source: Path, kind: str) -> Path:
    """`<name without suffixes>.<kind>.parquet` in the current folder."""
    name = source
    while name.suffix.lower() in KNOWN_SUFFIXES and name.stem:
        name = name.with_suffix("")
    return Path(f"{name.name}.{kind}.parquet")


def kept_lines(
    n: int,
    kept: int,
    skipped: Mapping[str, int],
    *,
    what: str = "regions",
    splits: Mapping[str, int] | None = None,
    width: int = 12,
) -> list[str]:
    """How many there were, were kept (by split), and were skipped, by reason."""
    lines = [f"{what:<10}{n:>{width},}", f"  kept    {kept:>{width},}"]
    lines += [f"    {split:<10}{of:>{width - 4},}" for split, of in (splits or {}).items()]
    return lines + [f"  skipped {of:>{width},}  {reason}" for reason, of in skipped.items()]


def summary_lines(summary: Mapping[str, Any], width: int) -> list[str]:
    """The same of a summary, with a warning where there was no region."""
    lines = kept_lines(summary["regions"], summary["kept"], summary["skipped"], width=width)
    if summary["regions"] == 0:
        lines.append("warning: REGIONS holds no regions; the result is empty")
    return lines
