"""Seeded paired-end BAM files on the bench's genome, in `bench/work/`, and what is in them.

Half of the fragments lie near peaks, all over the place else; sizes are those of ATAC-seq: short
ones between nucleosomes, and one or two nucleosomes. Every read is 50 bases of the genome, mapped
in a proper pair; the file is sorted by position.
"""

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import deflate
import numpy as np
import numpy.typing as npt

from bench.data import WORK, Genome

READ = 50  # bp
NAME = b"A00123:77:H5KJ2DRXX:%d:2000:00000:00000\0"  # lane, tile, x, y
NAME_BYTES = len(NAME % 1)
BLOCK_BYTES = 0xFF00  # of text in a BGZF block
LEVEL = 6  # samtools'
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
QUALITIES = np.array([2, 11, 15, 20, 25, 30, 34, 37], np.uint8)
CHANCES = np.array([0.01, 0.03, 0.02, 0.03, 0.06, 0.10, 0.15, 0.60])

Ints = npt.NDArray[np.int64]

# fmt: off
RECORD = np.dtype([
    ("bytes", "<i4"), ("contig", "<i4"), ("start", "<i4"), ("name_bytes", "u1"), ("mapq", "u1"),
    ("bin", "<u2"), ("n_cigar", "<u2"), ("flag", "<u2"), ("n_bases", "<i4"), ("mate_contig", "<i4"),
    ("mate_start", "<i4"), ("length", "<i4"), ("name", "u1", NAME_BYTES), ("cigar", "<u4"),
    ("bases", "u1", READ // 2), ("qualities", "u1", READ), ("tags", "u1", 8),
])
# fmt: on
BLOCK_RECORDS = BLOCK_BYTES // RECORD.itemsize
PIECE = 256 * BLOCK_RECORDS  # records made by one thread at a time

NIBBLE = np.zeros(256, np.uint8) + np.uint8(15)
NIBBLE[np.frombuffer(b"ACGTacgt", np.uint8)] = [1, 2, 4, 8] * 2


@dataclass(frozen=True, kw_only=True)
class PairedReads:
    """Read pairs on a genome.

    Attributes
    ----------
    name : str
        The file is `bench/work/<name>.bam`.
    pairs : int
        The same number on every contig.
    peaks : int
        Regions of the genome (`Genome.regions`) that half of the fragments lie near.
    """

    name: str
    genome: Genome
    pairs: int
    peaks: int
    seed: int = 1

    @property
    def reads(self) -> int:
        """Both mates of every pair."""
        return 2 * self.genome.contigs * (self.pairs // self.genome.contigs)

    def fragments(self, number: int, work: Path = WORK) -> tuple[Ints, Ints]:
        """Starts and ends of the fragments on one contig, in no order."""
        genome = self.genome
        rng = np.random.default_rng([self.seed, number, self.pairs])
        n = self.pairs // genome.contigs
        kind = rng.choice(3, n, p=[0.6, 0.3, 0.1])
        sizes = [35 + rng.gamma(4, 18, n), rng.normal(195, 20, n), rng.normal(380, 30, n)]
        size = np.clip(np.choose(kind, sizes), READ, 900).astype(np.int64)
        rows = [line.split() for line in genome.regions(self.peaks, work).read_text().splitlines()]
        peaks = np.array([int(start) for contig, start, _ in rows if contig == f"chr{number + 1}"])
        middle = rng.integers(0, genome.length, n)
        near = rng.random(n) < 0.5
        middle[near] = rng.choice(peaks, near.sum()) + rng.normal(100, 80, near.sum()).astype(int)
        start = np.clip(middle - size // 2, genome.telomere, genome.length - genome.telomere - size)
        return start, start + size

    def write(self, work: Path = WORK) -> Path:
        """The BAM file, made unless it is there."""
        path = work / f"{self.name}.bam"
        if path.exists():
            return path
        work.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file, ThreadPoolExecutor(2) as pool:
            file.write(block(self._header()))
            for number in range(self.genome.contigs):
                maker = RecordMaker(self, number, work)
                file.writelines(pool.map(maker.blocks, range(0, len(maker.order), PIECE)))
            file.write(END)
        temporary.replace(path)
        return path

    def sizes(self, work: Path = WORK) -> Path:
        """Names and lengths of the contigs, for tools that ask for them."""
        work.mkdir(parents=True, exist_ok=True)
        path = work / f"{self.genome.name}.sizes"
        names = [f"chr{i + 1}" for i in range(self.genome.contigs)]
        path.write_text("".join(f"{name}\t{self.genome.length}\n" for name in names))
        return path

    def _header(self) -> bytes:
        names = [f"chr{i + 1}".encode() for i in range(self.genome.contigs)]
        text = b"@HD\tVN:1.6\tSO:coordinate\n" + b"".join(
            b"@SQ\tSN:%s\tLN:%d\n" % (name, self.genome.length) for name in names
        )
        binary = b"".join(
            struct.pack("<i", len(name) + 1) + name + struct.pack("<xi", self.genome.length)
            for name in names
        )
        return (
            b"BAM\1" + struct.pack("<i", len(text)) + text + struct.pack("<i", len(names)) + binary
        )


class RecordMaker:
    """The records of one contig, sorted by position, by pieces."""

    def __init__(self, reads: PairedReads, number: int, work: Path) -> None:
        self.seed = [reads.seed, number]
        self.number = number
        self.start, self.end = reads.fragments(number, work)
        self.order = np.argsort(np.concatenate([self.start, self.end - READ]), kind="stable")
        self.nibbles = NIBBLE[reads.genome.contig(number)]

    def blocks(self, first: int) -> bytes:
        """Compressed blocks of the records from `first` on, PIECE of them."""
        rows = self.order[first : first + PIECE]
        rng = np.random.default_rng([*self.seed, first])
        n_pairs = len(self.start)
        pair, reverse = rows % n_pairs, rows >= n_pairs
        records = np.zeros(len(rows), RECORD)
        start, end = self.start[pair], self.end[pair]
        at = np.where(reverse, end - READ, start)
        records["bytes"] = RECORD.itemsize - 4
        records["contig"] = records["mate_contig"] = self.number
        records["start"], records["mate_start"] = at, np.where(reverse, start, end - READ)
        records["length"] = np.where(reverse, start - end, end - start)
        records["bin"] = bins(at, at + READ)
        mapped_well = rng.random(len(rows)) < 0.9
        records["mapq"] = np.where(mapped_well, 60, rng.integers(0, 60, len(rows)))
        first_in_pair = (pair % 2 == 0) != reverse
        records["flag"] = 0x3 + np.where(reverse, 0x10, 0x20) + np.where(first_in_pair, 0x40, 0x80)
        records["name_bytes"], records["n_cigar"], records["n_bases"] = NAME_BYTES, 1, READ
        records["name"] = self._names(pair)
        records["cigar"] = READ << 4
        bases = self.nibbles[at[:, None] + np.arange(READ)]
        records["bases"] = bases[:, ::2] << 4 | bases[:, 1::2]
        dice = rng.random((len(rows), READ), np.float32)
        records["qualities"] = QUALITIES[np.searchsorted(np.cumsum(CHANCES)[:-1], dice)]
        records["tags"] = np.frombuffer(b"NMC\0ASC2", np.uint8)
        text = records.tobytes()
        step = BLOCK_RECORDS * RECORD.itemsize
        return b"".join(block(text[i : i + step]) for i in range(0, len(text), step))

    def _names(self, pair: Ints) -> npt.NDArray[np.uint8]:
        """A name for each pair: lane and tile rise, x and y look random."""
        names = np.tile(np.frombuffer(NAME % (self.number % 8 + 1), np.uint8), (len(pair), 1))
        mixed = pair * 2_654_435_761 % 2**32
        for last, value in ((2, mixed % 32_749), (8, mixed // 32_749 % 32_749), (14, pair % 478)):
            for digit in range(5 if last < 14 else 3):
                names[:, -last - digit] = ord("0") + value // 10**digit % 10
        return names


def bins(start: Ints, end: Ints) -> Ints:
    """The BAM bin of [start, end): SAM specification, section 5.3."""
    found = np.zeros(len(start), np.int64)
    for shift, offset in ((26, 1), (23, 9), (20, 73), (17, 585), (14, 4681)):
        inside = start >> shift == (end - 1) >> shift
        found = np.where(inside, offset + (start >> shift), found)
    return found


def block(text: bytes) -> bytes:
    """`text` as one BGZF block."""
    data = deflate.deflate_compress(text, LEVEL)
    size = struct.pack("<H", 18 + len(data) + 8 - 1)
    return b"".join([END[:16], size, data, struct.pack("<II", zlib.crc32(text), len(text))])
