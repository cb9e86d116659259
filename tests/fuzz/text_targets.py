"""Readers of text and of genomes: what they accept is compared with a few plain lines of Python."""

import gzip
import random
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.mutate import Change, bgzipped, gzipped, npy, packed, some_bytes, some_text
from fuzz.target import Files, Target, check
from kmerengine.cut_sites.sample_sheet import read_groups, read_sheet
from kmerengine.datasets import labels as dataset_labels
from kmerengine.io.bed import read_regions
from kmerengine.io.contigs import read_contigs
from kmerengine.io.fasta import Genome, stream_fasta
from kmerengine.io.fragments import FragmentFile
from kmerengine.io.gtf import read_features
from kmerengine.io.vcf import read_allele_counts, read_variants
from kmerengine.kmers.bindvae import read_id_lists, read_vocabulary
from kmerengine.motifs.files import read_motifs
from kmerengine.motifs.fimo import read_fimo
from kmerengine.motifs.meme import write_meme
from kmerengine.sampling.hits import read_instances
from kmerengine.tss import read_tss

BASES = "ACGTTGCATGCCGATTACAGNNTTGACCATGCAAGCTTGGCCATTACGGTCAAtgcatNNNNacgtacgatcgatcgggatatc"
SEQUENCES = {"chr1": BASES, "chr2": BASES[7:61], "chrM": BASES[::-1][:23]}
FASTA = "".join(
    f">{name} some words\n" + "".join(f"{text[i : i + 20]}\n" for i in range(0, len(text), 20))
    for name, text in SEQUENCES.items()
).encode()
CODES = {ord(base): code for code, base in enumerate("ACGT")} | {
    ord(base): code for code, base in enumerate("acgt")
}


def one_file(name: str, change: Change) -> Callable[[Files, random.Random], Files]:
    """Change that file of an input."""

    def changed(files: Files, rng: random.Random) -> Files:
        return {**files, name: change(files[name], rng)}

    return changed


def any_form(change: Change) -> Change:
    """As plain text, or as gzip or bgzip of it."""

    def changed(content: bytes, rng: random.Random) -> bytes:
        pack = rng.choice((None, None, gzipped, bgzipped))
        return change(content, rng) if pack is None else packed(change, pack)(content, rng)

    return changed


def unpacked(content: bytes) -> bytes | None:
    """The text of a file; None where Python's gzip refuses it."""
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except Exception:
        return None


# ----------------------------------------------------------------------------------------- genomes


def fasta_of(content: bytes) -> dict[str, list[int]]:
    """Codes by name, of FASTA as lines."""
    found: dict[str, list[int]] = {}
    sequence: list[int] = []
    for line in content.split(b"\n"):
        text = line.rstrip(b"\r") if not line.startswith(b">") else line
        if text.startswith(b">"):
            sequence = found.setdefault(text[1:].split()[0].decode(), [])
        else:
            sequence.extend(CODES.get(byte, 255) for byte in text)
    return found


def read_genome(folder: Path) -> None:
    path = folder / "g.fa"
    with Genome.open(path) as genome:
        n = len(genome.contigs)
        lengths = np.fromiter(genome.contigs.values(), np.int64, n)
        whole = genome.fetch(np.arange(n), np.zeros(n, np.int64), lengths)
        codes, offsets = whole
        names = list(genome.contigs)
    text = unpacked(path.read_bytes())
    if text is None:
        return
    expected = {name: found for name, found in fasta_of(text).items() if found or name in names}
    check(names == list(expected), f"contigs {names}, expected {list(expected)}")
    for i, name in enumerate(names):
        found = codes[offsets[i] : offsets[i + 1]].tolist()
        check(found == expected[name], f"{name} has {found[:60]}, expected {expected[name][:60]}")


def read_stream(folder: Path) -> None:
    path = folder / "g.fa"
    found = b"".join(block.tobytes() for block in stream_fasta(path, block_bytes=100))
    text = unpacked(path.read_bytes())
    check(text is None or found == text, "the text is another than gzip's")


def indexed(files: Files, rng: random.Random) -> Files:
    """Another index beside a good FASTA file, or a good one beside another FASTA file."""
    name = rng.choice([n for n in files if n != "g.fa"] * 4 + ["g.fa"])
    if name.endswith(".gzi") and rng.random() < 0.5:
        numbers = bytearray(files[name])
        at = 8 * rng.randrange(len(numbers) // 8)
        (before,) = struct.unpack_from("<Q", numbers, at)
        value = rng.choice((0, 1, before + 1, before * 2, 1 << 60, (1 << 64) - 1))
        struct.pack_into("<Q", numbers, at, value % (1 << 64))
        return {**files, name: bytes(numbers)}
    return {**files, name: (some_text if name.endswith(".fai") else some_bytes)(files[name], rng)}


def with_indexes(content: bytes) -> Callable[[Path], list[Files]]:
    def seeds(folder: Path) -> list[Files]:
        (folder / "g.fa").write_bytes(content)
        Genome.open(folder / "g.fa").close()
        return [{p.name: p.read_bytes() for p in sorted(folder.iterdir())}]

    return seeds


# ------------------------------------------------------------------------------- lines and columns


def lines_of(path: Path) -> list[str] | None:
    text = unpacked(path.read_bytes())
    return None if text is None else text.decode("utf-8-sig").split("\n")


def read_bed(folder: Path) -> None:
    found = read_regions(folder / "r.bed")
    lines = lines_of(folder / "r.bed")
    if lines is None:
        return
    names = [found.contig_names[i] for i in found.contig]
    for line, *region in zip(found.line, names, found.start, found.end, strict=True):
        text = lines[line - 1].rstrip("\r")
        fields = text.split("\t") if "\t" in text else text.split()
        check([fields[0], int(fields[1]), int(fields[2])] == region, f"line {line}: {region}")
    kept = [line for line in lines if line.strip() and line[0] != "#"]
    others = [line for line in kept if line.split()[0] in ("track", "browser")]
    kept = [line for line in kept if line not in others]
    check(len(kept) <= len(found) <= len(kept) + len(others), f"{len(found)} of {len(kept)} lines")


def read_fragments(folder: Path) -> None:
    path = folder / "f.tsv"
    file = FragmentFile.open(path)
    found = []
    for rows in file.batches(200):
        contigs = [file.contigs[i] for i in rows.contig]
        found += list(zip(contigs, rows.start.tolist(), rows.end.tolist(), strict=True))
    lines = lines_of(path)
    if lines is None or file.kind == "bedpe":
        return
    expected = []
    for line in lines:
        fields = line.rstrip("\r").split("\t")
        is_row = all(field.isdigit() for field in [*fields, "", ""][1:3])  # of a contig "track"
        named = line.split()[:1] in (["track"], ["browser"]) and not is_row
        if line.strip() and line[0] != "#" and not named:
            expected.append((fields[0], int(fields[1]), int(fields[2])))
    check(found == expected, f"{found[:5]}, expected {expected[:5]}")


def read_vcf(folder: Path) -> None:
    path = folder / "v.vcf"
    found = list(read_variants(path, skipped=Counter(), seen=Counter()))
    lines = lines_of(path)
    for each in found if lines is not None else ():
        contig, position, name, reference, alternative = lines[each.line - 1].split("\t")[:5]
        alleles = alternative.rstrip("\r").upper().split(",")
        check(
            (each.contig, each.start + 1, each.name, each.reference)
            == (contig, int(position), name, reference.upper())
            and each.alternative in alleles,
            f"{each} of {lines[each.line - 1]!r}",
        )
    for count in read_allele_counts(path):
        check(0 <= count.n <= count.of, f"{count}")


def read_annotation(folder: Path) -> None:
    path = folder / "a.gtf"
    found = list(read_features(path))
    lines = lines_of(path)
    for each in found if lines is not None else ():
        fields = lines[each.line - 1].split("\t")
        place = (int(fields[3]) - 1, int(fields[4]), fields[6])
        check((each.start, each.end, each.strand) == place, f"{each} of {fields}")
    sites = read_tss(path)
    check(len(sites) <= len(found), "more start sites than lines")


def read_any_motifs(folder: Path) -> None:
    path = folder / "m.txt"
    found = read_motifs(path, rename_duplicates=True)
    for motif in found:
        matrix = motif.probabilities
        check(matrix.ndim == 2 and matrix.shape[1] == 4 and len(matrix), f"{matrix.shape}")
        check(np.isfinite(matrix).all() and (matrix >= 0).all(), "probabilities are none")
        check(np.allclose(matrix.sum(axis=1), 1, atol=1e-9), "probabilities do not sum to 1")
    check(len({motif.name for motif in found}) == len(found), "a name twice")
    write_meme(folder / "again.meme", found)
    again = read_motifs(folder / "again.meme", "meme")
    for one, other in zip(found, again, strict=True):
        same = np.allclose(one.probabilities, other.probabilities, atol=1e-9)
        check(same and one.name == other.name, f"{one.name!r} is another when it is read again")


def read_hit_table(folder: Path) -> None:
    table = read_fimo(folder / "hits.txt")
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    check((start >= 0).all() and (start < end).all(), "a hit without bases")


def read_hit_lines(folder: Path) -> None:
    found = read_instances(folder / "hits.txt")
    check(((found.p >= 0) & (found.p <= 1)).all(), "p beyond 1")
    check((found.start < found.end).all(), "a hit without bases")


def read_sizes(folder: Path) -> None:
    path = folder / "chrom.sizes"
    found = read_contigs(path)
    if path.read_bytes()[:1] in (b">", b"\x1f"):
        return
    for line in path.read_text().splitlines():
        fields = line.split("\t") if "\t" in line else line.split()
        if line.strip() and not line.startswith("#"):
            check(found.get(fields[0]) == int(fields[1]), f"{line!r} is {found.get(fields[0])}")


def read_tables(folder: Path) -> None:
    """A sample sheet, groups of barcodes and a list of labels."""
    for name, reader in (
        ("sheet.tsv", read_sheet), ("groups.tsv", read_groups),
        ("labels.tsv", dataset_labels._listed),
    ):  # fmt: skip
        if (folder / name).exists():
            check(len(reader(folder / name)) > 0, f"nothing in {name}")


def read_ids(folder: Path) -> None:
    path = folder / "ids.txt"
    found = read_id_lists(path, 50)
    rows = [[int(word) for word in line.split()] for line in path.read_text().splitlines()]
    if "\r" in path.read_bytes().decode() or len(rows) != found.shape[0]:
        return
    for i, row in enumerate(rows):
        counts = Counter(row)
        ours = dict(zip((found[i].indices + 1).tolist(), found[i].data.tolist(), strict=True))
        check(ours == counts, f"row {i} is {ours}")


def read_words(folder: Path) -> None:
    found = read_vocabulary(folder / "v.npy")
    check(sorted(found.values()) == list(range(len(found))), "ids with gaps")


def vocabularies(folder: Path) -> list[Files]:
    """As we write it, and the authors' dict, pickled."""
    words = {"EMPTY": 0, "ACGT": 1, "AACC": 2, "GGTT": 3, "ANNT": 4}
    np.save(folder / "ours.npy", np.array(list(words)))
    holder = np.empty((), object)
    holder[()] = words
    np.save(folder / "theirs.npy", holder, allow_pickle=True)
    return [{"v.npy": (folder / name).read_bytes()} for name in ("ours.npy", "theirs.npy")]


def given(*contents: str | bytes, name: str) -> Callable[[Path], Sequence[Files]]:
    return lambda _: [{name: c if isinstance(c, bytes) else c.encode()} for c in contents]


BEDS = (
    "# about\nchr1\t0\t40\ta\t5\t+\nchr2\t2\t27\tb\t7.5\t-\nchr1\t9\t11\tc\t.\t.\n",
    "track name=x\nchr1\t0\t40\nchr2\t2\t27\n\nchrM\t1\t2\n",
    "chr1\t0\t40\tp1\t960\t.\t5.5\t1e-10\t-1\t12\nchr2\t3\t30\tp2\t1\t.\t0.1\t7\t6.5\t-1\n",
    "chr1 0 40\nchr2 2 27\n",
)
FRAGMENTS = (
    "# id=x\n"
    + "".join(f"chr{1 + i % 2}\t{9 * i}\t{9 * i + 50}\tACGTACGT-1\t{1 + i}\n" for i in range(9)),
    "".join(f"chr1\t{9 * i}\t{9 * i + 30}\tr{i}\t37\t{'+-'[i % 2]}\n" for i in range(9)),
    "".join(f"chr1\t{9 * i}\t{9 * i + 30}\n" for i in range(9)),
    "".join(f"chr1\t{i}\t{i + 9}\tchr1\t{i + 30}\t{i + 40}\tr{i}\t9\t+\t-\n" for i in range(9)),
)  # fmt: skip
VCF = (
    "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "chr1\t10\trs1\tA\tG\t9\tPASS\tAC=3;AN=10;X\nchr1\t12\t.\tAC\tGT,A,<DEL>\t.\t.\tAC=1,2,3;AN=10\n"
    "chr2\t5\trs2\tN\tC,*\t.\tq10\tAC=.;AN=4\nchr2\t0\t.\tA\t]chr1:5]A\t.\t.\tAN=2\n"
)
GTF = "".join(
    f'chr1\tx\t{kind}\t{10 * i + 1}\t{10 * i + 9}\t.\t{"+-"[i % 2]}\t0\tgene_id "G{i // 3}"; '
    f'transcript_id "T{i}"; gene_name "a;b\\"c"; tag "basic"; level 2;\n'
    for i, kind in enumerate(["gene", "transcript", "exon"] * 2)
)
GFF = "##gff-version 3\n" + "".join(
    f"chr1\tx\t{kind}\t{10 * i + 1}\t{10 * i + 9}\t.\t+\t.\t"
    f"ID={kind}{i};Parent=gene0;Name=a%3Bb,c\n"
    for i, kind in enumerate(["gene", "mRNA", "exon"])
)
MEME = (
    "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\n"
    "A 0.3 C 0.2 G 0.2 T 0.3\n\nMOTIF M1 one\nletter-probability matrix: alength= 4 w= 3 "
    "nsites= 20 E= 1e-5\n 0.1 0.2 0.3 0.4\n 1 0 0 0\n 0.25 0.25 0.25 0.25\nURL http://x\n\n"
    "MOTIF M2\n"
    "log-odds matrix: alength= 4 w= 2 E= 0\n 100 -50 20 1\n -99 3 4 5\n"
)
JASPAR = (
    ">MA1 one\nA [ 4 19 0 ]\nC [ 16 0 20 ]\nG [ 0 1 0 ]\nT [ 0 0 0 ]\n>MA2\n"
    "A [1 2 3]\nC [4 5 6]\nG [7 8 9]\nT [1 1 1]\n"
)
TRANSFAC = (
    "VV  version\nXX\n//\nAC  M1\nXX\nID  V$ONE\nNA  one\nP0      A      C      G      T\n"
    "01      1      2      2      0      S\n02      2      1      2      0      R\nXX\n//\n"
)
HOCOMOCO = ">M1 one\n1.5 2 3 4\n5 6 7 8\n0 0 1 9\n9 9 9 9\n4 3 2 1\n"
FIMO = (
    "motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\t"
    "matched_sequence\nM1\tone\tchr1\t5\t12\t+\t11.5\t1e-06\t0.01\tACGTACGT\n"
    "M2\t\tchr2\t7\t14\t-\t-3\t0.0001\t\tGGGGACGT\n\n# FIMO 5.4\n"
)
SCANNED = (
    "#chrom\tstart\tend\tmotif\tscore\tstrand\tp-value\n"
    "chr1\t4\t12\tM1\t11.5\t+\t1e-06\nchr2\t7\t15\tM2\t-3\t-\t0.0001\n"
)


def a_table(files: Files, rng: random.Random) -> Files:
    name = rng.choice(sorted(files))
    return {name: some_text(files[name], rng)}


def _targets() -> list[Target]:
    def text(name: str, file: str, read: Any, *contents: str | bytes, cost: int = 1) -> Target:
        return Target(
            name, given(*contents, name=file), one_file(file, any_form(some_text)), read, cost
        )

    tables = {
        "sheet.tsv": b"sample\tfile\tgroups\na\ta.bam\t\nb\tb.tsv.gz\tg.tsv\n",
        "groups.tsv": b"barcode\tgroup\nACGT-1\tB\nGGGG-1\tT\n",
        "labels.tsv": b"CTCF\tctcf.bed\nGATA1,gata.bed\n",
    }
    return [
        Target("fasta", given(FASTA, name="g.fa"), one_file("g.fa", some_text), read_genome, 1),
        Target("fasta.gz", given(FASTA, name="g.fa"),
               one_file("g.fa", packed(some_text, gzipped)), read_genome, 2),
        Target("fasta.bgz", given(FASTA, name="g.fa"),
               one_file("g.fa", packed(some_text, lambda c: bgzipped(c, 60))), read_genome, 2),
        Target("fasta.stream", given(FASTA, name="g.fa"), one_file("g.fa", any_form(some_text)),
               read_stream, 1),
        Target("fai", with_indexes(FASTA), indexed, read_genome, 1),
        Target("gzi", with_indexes(bgzipped(FASTA, 60)), indexed, read_genome, 1),
        text("bed", "r.bed", read_bed, *BEDS),
        text("fragments", "f.tsv", read_fragments, *FRAGMENTS),
        text("vcf", "v.vcf", read_vcf, VCF),
        text("gtf", "a.gtf", read_annotation, GTF, GFF),
        text("motifs", "m.txt", read_any_motifs, MEME, JASPAR, TRANSFAC, HOCOMOCO, cost=2),
        text("fimo", "hits.txt", read_hit_table, FIMO),
        text("hits.bed", "hits.txt", read_hit_lines, SCANNED, FIMO),
        text("chrom.sizes", "chrom.sizes", read_sizes, "chr1\t1000\nchr2\t500\n", "chr1 99\n"),
        Target("sheets", lambda _: [tables], a_table, read_tables, 1),
        Target("id.lists", given("1 1 2 50\n\n7 8 9\n", name="ids.txt"),
               one_file("ids.txt", some_text), read_ids, 1),
        Target("vocabulary.npy", vocabularies, one_file("v.npy", npy), read_words, 1),
    ]  # fmt: skip


TEXT_TARGETS = _targets()
