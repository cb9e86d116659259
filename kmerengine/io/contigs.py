"""Contig names and lengths from a FASTA file, its `.fai`, or a table of chromosome sizes."""

from pathlib import Path

from kmerengine.errors import InputError

MAX_LENGTH = 1 << 40  # bp


def is_fasta(path: Path) -> bool:
    """Whether a file starts as FASTA, a byte order mark before it perhaps, or as gzip does."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return start.startswith((b">", b"\xef\xbb\xbf>", b"\x1f\x8b"))


def read_contigs(path: str | Path) -> dict[str, int]:
    """Length of each contig, bp, in the file's order.

    Parameters
    ----------
    path : str or Path
        FASTA (plain, gzip, bgzip), or a table whose first two columns are name and length.

    Raises
    ------
    InputError
        The file cannot be read, or a line is no contig.
    """
    path = Path(path)
    if is_fasta(path):
        from kmerengine.io.fasta import Genome

        with Genome.open(path) as genome:
            return genome.contigs
    contigs: dict[str, int] = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as FASTA or chromosome sizes") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 2 or not 0 < _number(fields[1]) < MAX_LENGTH:
            raise InputError(
                f"{path}: line {number}: found {line[:60]!r}, expected a contig and its length; "
                "give a FASTA file, its .fai, or a table of chromosome sizes"
            )
        if fields[0] in contigs:
            raise InputError(f"{path}: line {number}: contig {fields[0]!r} twice, expected once")
        contigs[fields[0]] = int(fields[1])
    if not contigs:
        raise InputError(f"{path}: holds no contigs, expected names and lengths")
    return contigs


def _number(text: str) -> int:
    """0 of what is no number, or longer than any that is looked for."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
