"""Small genomes and files for the tests of sampling, and bins of GC by letters."""

from collections import Counter
from fractions import Fraction

import numpy as np


def random_genome(seed, lengths=(2_000, 900, 30, 1_500), n_share=0.002):
    """Contigs whose GC drifts, with N and lower case; not in order of names."""
    rng = np.random.default_rng(seed)
    contigs = {}
    for name, length in zip(("c10", "c2", "tiny", "c1"), lengths, strict=True):
        gc = 0.5 + 0.3 * np.sin(np.arange(length) / 80 + rng.random() * 6)
        is_gc = rng.random(length) < gc
        pair = rng.integers(0, 2, length)
        letters = np.where(is_gc, np.array(["C", "G"])[pair], np.array(["A", "T"])[pair])
        letters[rng.random(length) < n_share] = "N"
        text = "".join(letters)
        contigs[name] = text[: length // 2] + text[length // 2 :].lower()
    return contigs


def write_genome(path, contigs):
    path.write_text("".join(f">{name} x\n{text}\n" for name, text in contigs.items()))
    return path


def write_bed(path, regions):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in regions))
    return path


def gc_bin(text, width=Fraction(1, 50)):
    letters = Counter(text.upper())
    known = sum(letters[base] for base in "ACGT")
    if not known:
        return None
    share = Fraction(letters["C"] + letters["G"], known)
    return min(share // width, -(-1 // width) - 1)
