"""The first motif that `meme` of the MEME Suite finds in short sequences."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kmerengine.errors import InputError
from kmerengine.motifs.files import read_motifs
from kmerengine.motifs.motif import Motif

__all__ = ["find_motif", "meme_program"]

SHORTEST = 6  # bp of a motif
FOUND = re.compile(r"^MOTIF\s", re.MULTILINE)


def meme_program() -> str:
    """The program's path; InputError where there is none."""
    found = shutil.which("meme")
    if found is None:
        raise InputError(
            "found no program meme; install the MEME Suite, or use the aligner builtin"
        )
    return found


def find_motif(program: str, sequences: Sequence[str]) -> Motif | None:
    """One motif of 6 bp to a whole sequence, in any number of the sequences on either strand.

    None where `meme` finds none. Its random numbers are seeded by itself.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fasta = folder / "oligos.fa"
        fasta.write_text("".join(f">{i}\n{text}\n" for i, text in enumerate(sequences)))
        longest = max(map(len, sequences))
        words = [
            program, str(fasta), "-dna", "-revcomp", "-mod", "zoops", "-nmotifs", "1",
            "-minw", str(min(SHORTEST, longest)), "-maxw", str(longest), "-nostatus",
            "-oc", str(folder / "out"),
        ]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        made = folder / "out" / "meme.txt"
        if done.returncode or not made.is_file():
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise InputError(f"{program}: ended with {done.returncode} and said {said!r:.200}")
        return read_motifs(made)[0] if FOUND.search(made.read_text()) else None
