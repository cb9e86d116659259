"""Motifs, genomes and hits that tests of `kmerengine scan` share."""

from pathlib import Path

from kmerengine import Motif

UNIFORM = [0.25] * 4

BOX = Motif.from_counts(
    "M1",
    [
        [12, 2, 3, 3], [0, 19, 1, 0], [18, 1, 0, 1], [1, 15, 2, 2], [0, 0, 20, 0], [2, 3, 4, 11],
        [1, 0, 18, 1],
    ],
    alt_name="box",
)  # fmt: skip


def write_fasta(contigs, path="g.fa", line=50):
    with Path(path).open("w") as file:
        for name, text in contigs.items():
            file.write(f">{name} x\n")
            file.writelines(f"{text[i : i + line]}\n" for i in range(0, len(text), line))
    return Path(path)


def rows_of(hits, *names):
    names = names or ("chrom", "start", "end", "motif", "score", "strand", "p", "sequence")
    table = hits.table()
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))
