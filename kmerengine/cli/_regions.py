"""What commands of regions share: what their output is called, and how many regions it is of."""

from collections.abc import Mapping
from pathlib import Path

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
    """How many there were, were kept (by split), and were skipped, by reason; with a warning where
    none is left.
    """
    lines = [f"{what:<10}{n:>{width},}", f"  kept    {kept:>{width},}"]
    lines += [f"    {split:<10}{of:>{width - 4},}" for split, of in (splits or {}).items()]
    lines += [f"  skipped {of:>{width},}  {reason}" for reason, of in skipped.items()]
    if n == 0:
        lines.append("warning: REGIONS holds no regions; the result is empty")
    elif kept == 0:
        from kmerengine.regions import MISSING_CONTIG  # imports NumPy, which --help needs not

        advice = ": check that REGIONS calls the contigs as the other file does"
        lines.append(
            "warning: no region is kept; the result is empty"
            + (advice if MISSING_CONTIG in skipped else "")
        )
    return lines
