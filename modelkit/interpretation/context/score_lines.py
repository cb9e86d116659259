"""Base scores as the text file that AgentBind's code writes (`weight.txt`).

Of each sequence two lines, their fields separated by semicolons:

    chr1;501;512;0;1000
    0.001;-0.0002;...

The first gives contig, core motif and sequence; the second the score of each base of the sequence,
along the genome. The sequence's start and end are 0-based and half-open. The core's are one more:
the authors take FIMO's start, which is 1-based, and one more than its end. Files of theirs with a
sixth field have the strand of the core there, and scores along that strand.

A sequence without any score is left out by their code; here its scores are "nan", so that there are
two lines for each example.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from modelkit.interpretation.context.sites import Given, read_sites

__all__ = ["ScoreLines", "read_score_lines", "score_lines"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class ScoreLines(NamedTuple):
    """Scores with their places, in the order of the file.

    Attributes
    ----------
    chroms : list of str, length n
    starts : int64, shape (n,)
        Of the sequences, 0-based.
    cores : int64, shape (n, 2)
        Start and end of the core motif, bp from the sequence's start.
    strands : list of str, length n
        + or -; "." where the file has none.
    scores : float64, shape (n, P)
        Along the genome. A row without scores is NaN.
    """

    chroms: list[str]
    starts: Ints
    cores: Ints
    strands: list[str]
    scores: Floats


def score_lines(
    attributions: Given,
    output: str | Path,
    *,
    target: str | None = None,
    stranded: bool = False,
    force: bool = False,
) -> int:
    """Write base scores as text.

    Parameters
    ----------
    attributions : Attributions or path
        Of a data set of `kmerengine sample sites`.
    output : path
        A text file.
    target : str, optional
        Of the attributions; may be left out where there is only one.
    stranded : bool
        Give the strand of the core as a sixth field, and scores along it. A core without a strand
        has +.
    force : bool
        Replace `output` when it exists.

    Returns
    -------
    n : int
        Examples that were written.

    Raises
    ------
    InputError
        As of `read_sites`.
    """
    path = Path(output)
    check_writable(path, force=force)
    sites = read_sites(attributions, target, labelled=False)
    n, length = map(int, sites.scores.shape)
    with (
        atomic(path, force=force) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for i in range(n):
            start, (low, high) = int(sites.starts[i]), sites.cores[i].tolist()
            fields = [sites.chroms[i], start + low + 1, start + high + 1, start, start + length]
            scores = sites.scores[i]
            if stranded:
                fields.append("-" if sites.minus[i] else "+")
                scores = scores[::-1] if sites.minus[i] else scores
            file.write(";".join(map(str, fields)) + "\n")
            file.write(";".join(map(repr, scores.tolist())) + "\n")
    return n


def read_score_lines(path: str | Path) -> ScoreLines:
    """Read such a file, AgentBind's own or of `score_lines`.

    Raises
    ------
    InputError
        It cannot be read; a line is no such line, or has another number of scores.
    """
    path = Path(path)
    chroms: list[str] = []
    strands: list[str] = []
    starts: list[int] = []
    cores: list[tuple[int, int]] = []
    rows: list[Floats] = []
    try:
        with path.open(encoding="utf-8") as file:
            lines = enumerate(file, 1)
            for number, line in lines:
                chrom, (low, high, start, end), strand = _place(line, number, path)
                _, of_scores = next(lines, (number, ""))
                scores = _scores(of_scores, end - start, number + 1, path)
                if rows and len(scores) != len(rows[0]):
                    raise InputError(
                        f"{path}: line {number + 1}: found {len(scores)} scores, expected "
                        f"{len(rows[0])} as before"
                    )
                chroms.append(chrom)
                strands.append(strand or ".")
                starts.append(start)
                cores.append((low - 1 - start, high - 1 - start))
                rows.append(scores[::-1] if strand == "-" else scores)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise InputError(f"{path}: {reason}; expected lines of places and of scores") from error
    if not rows:
        raise InputError(f"{path}: is empty, expected lines of places and of scores")
    return ScoreLines(chroms, np.array(starts), np.array(cores), strands, np.stack(rows))


def _place(line: str, number: int, path: Path) -> tuple[str, list[int], str]:
    fields = line.rstrip("\n").split(";")
    numbers = [int(each) for each in fields[1:5] if each.isascii() and each.isdigit()]
    strand = fields[5] if len(fields) == 6 else ""
    ordered = len(numbers) == 4 and numbers[2] < numbers[0] < numbers[1] <= numbers[3] + 1
    if len(fields) not in (5, 6) or not ordered or strand not in ("", "+", "-") or not fields[0]:
        raise InputError(
            f"{path}: line {number}: found {line.strip()[:60]!r}, expected "
            "CONTIG;CORE_START;CORE_END;START;END[;STRAND], the core within"
        )
    return fields[0], numbers, strand


def _scores(line: str, length: int, number: int, path: Path) -> Floats:
    fields = line.rstrip("\n").split(";")
    try:
        found = np.array([float(each) for each in fields])
    except ValueError:
        found = np.zeros(0)
    if len(found) != length:
        raise InputError(
            f"{path}: line {number}: found {line.strip()[:40]!r}, expected {length} scores with "
            "semicolons between"
        )
    return found
