"""What a model must be like to be asked about both strands."""

from pathlib import Path

from kmerengine.errors import InputError

__all__ = ["check_bases_alone", "check_middle"]


def check_middle(where: Path, window: tuple[int, int], length: int, advice: str) -> None:
    """The window must be in the middle of `length` bp, so that the other strand's is the same."""
    start, stop = window
    if start != length - stop:
        raise InputError(
            f"{where}: its window [{start}, {stop}) is not the middle of {length} bp of sequence, "
            f"so that a reverse complement would move it; {advice}"
        )


def check_bases_alone(where: Path, channels: int) -> None:
    """What is not bases has a meaning on the other strand that is not known here."""
    if channels != 4:
        raise InputError(
            f"{where}: takes {channels} channels, expected the 4 of bases for "
            "reverse_complement=True"
        )
