"""The benchmark of cut sites: its reads, and what it expects of them."""

from collections import Counter
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pysam

from bench import (
    cut_facts,
)
from bench.data import Genome
from bench.reads import READ, PairedReads, bins
from kmerengine.io.bigwig import write_bigwig

TINY = Genome(name="tiny", contigs=2, length=50_000)
PAIRS = PairedReads(name="pairs", genome=TINY, pairs=3_000, peaks=40)

Cut = tuple[str, int, str]  # contig, position, strand


def test_the_reads_are_a_function_of_their_seed(tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert PAIRS.write(tmp_path).read_bytes() == PAIRS.write(again).read_bytes()
    other = PairedReads(name="other", genome=TINY, pairs=3_000, peaks=40, seed=2)
    assert other.write(tmp_path).read_bytes() != PAIRS.write(tmp_path).read_bytes()
    assert (other.fragments(0, tmp_path)[0] != PAIRS.fragments(0, tmp_path)[0]).mean() > 0.9


def test_bins_of_the_specification() -> None:
    edges = np.array([1 << shift for shift in (14, 17, 20, 23, 26)])
    start = np.concatenate([edges - 50, edges - 49, edges - 1, edges, [0, 3 << 26]])
    found = bins(start, start + 50)
    assert found.tolist() == [spec_bin(at, at + 50) for at in start.tolist()]


def test_the_reads_are_proper_pairs_of_the_genome_sorted(tmp_path: Path) -> None:
    with pysam.AlignmentFile(str(PAIRS.write(tmp_path)), check_sq=True) as file:
        assert dict(zip(file.references, file.lengths, strict=True)) == {
            "chr1": 50_000,
            "chr2": 50_000,
        }
        reads = list(file)
    assert len(reads) == PAIRS.reads == 6_000
    places = [(read.reference_id, read.reference_start) for read in reads]
    assert places == sorted(places)
    letters = [TINY.contig(number).tobytes().decode().upper() for number in range(2)]
    fragments: list[list[tuple[int, int]]] = [[], []]
    for _, pair in groupby(sorted(reads, key=lambda r: r.query_name), lambda r: r.query_name):
        left, right = sorted(pair, key=lambda read: read.is_reverse)
        assert (left.is_reverse, right.is_reverse) == (False, True)
        assert left.is_read1 != right.is_read1
        assert left.is_proper_pair
        assert right.is_proper_pair
        for read, mate in ((left, right), (right, left)):
            assert read.cigarstring == f"{READ}M"
            start, end = read.reference_start, read.reference_end
            assert read.query_sequence == letters[read.reference_id][start:end]
            assert read.next_reference_start == mate.reference_start
            assert read.bin == spec_bin(start, end)
        assert left.template_length == -right.template_length
        assert left.template_length == right.reference_end - left.reference_start
        fragments[left.reference_id].append((left.reference_start, right.reference_end))
    for number in range(2):
        start, end = PAIRS.fragments(number, tmp_path)
        assert sorted(fragments[number]) == sorted(zip(start.tolist(), end.tolist(), strict=True))


def spec_bin(start: int, end: int) -> int:
    """The smallest BAM bin around [start, end): the specification's five levels, one by one."""
    for level in range(5, 0, -1):
        shift = 29 - 3 * level
        if start >> shift == (end - 1) >> shift:
            return ((1 << 3 * level) - 1) // 7 + (start >> shift)
    return 0


def cuts_by_hand(tmp_path: Path) -> Counter[Cut]:
    """The 5' end of every read, by pysam."""
    found: Counter[Cut] = Counter()
    with pysam.AlignmentFile(str(PAIRS.write(tmp_path))) as file:
        for read in file:
            at = read.reference_end - 1 if read.is_reverse else read.reference_start
            found[read.reference_name, at, "-" if read.is_reverse else "+"] += 1
    return found


def test_the_expected_cuts_are_those_of_the_file(tmp_path: Path) -> None:
    found = cuts_by_hand(tmp_path)
    facts = cut_facts.expected_cuts(PAIRS, tmp_path)
    assert facts["reads"] == facts["cuts"] == found.total() == 6_000
    assert facts["plus cuts"] == facts["minus cuts"] == 3_000
    assert facts["bases"] == len({(contig, at) for contig, at, _ in found})
    for prefix, strands in (("", "+-"), ("plus ", "+"), ("minus ", "-")):
        assert facts[f"{prefix}checksum"] == sum(
            int(contig[3:]) * (at + 1) * n for (contig, at, s), n in found.items() if s in strands
        )


def test_the_expected_profiles_are_those_of_the_file(tmp_path: Path) -> None:
    bed = TINY.regions(50, tmp_path)
    found = cuts_by_hand(tmp_path)
    profiles = np.zeros((50, 2, cut_facts.WIDTH), np.int32)
    for row, line in enumerate(bed.read_text().splitlines()):
        contig, start, end = line.split()
        first = (int(start) + int(end)) // 2 - cut_facts.WIDTH // 2
        for at in range(cut_facts.WIDTH):
            for strand in range(2):
                profiles[row, strand, at] = found[contig, first + at, "+-"[strand]]
    facts = cut_facts.expected_profiles(PAIRS, bed, tmp_path)
    assert facts["regions"] == 50
    assert facts["cuts"] == profiles.sum() > 1_000
    rows, _, columns = np.nonzero(profiles)
    weights = (rows + 1) * (columns + 1) * profiles[np.nonzero(profiles)]
    assert facts["checksum"] == weights.sum()
    assert cut_facts.profile_facts(profiles.sum(1, keepdims=True)) == facts


def test_cuts_are_read_back_from_all_kinds_of_files(tmp_path: Path) -> None:
    found = cuts_by_hand(tmp_path)
    facts = cut_facts.expected_cuts(PAIRS, tmp_path)
    rows = sorted(found)
    columns = {
        "chrom": pa.array([row[0] for row in rows]).dictionary_encode(),
        "position": pa.array([row[1] for row in rows], pa.int32()),
        "strand": pa.array([row[2] for row in rows]).dictionary_encode(),
        "count": pa.array([found[row] for row in rows], pa.uint32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "cuts.parquet", row_group_size=500)
    seen = [cut_facts.observe_cuts(tmp_path / "cuts.parquet")]

    both: Counter[tuple[str, int]] = Counter()
    for (contig, at, _), n in found.items():
        both[contig, at] += n
    for name, strands in (("both", "+-"), ("plus", "+"), ("minus", "-")):
        of: Counter[tuple[str, int]] = Counter()
        for (contig, at, strand), n in found.items():
            of[contig, at] += n if strand in strands else 0
        runs = []
        for contig in ("chr1", "chr2"):
            items = sorted((at, n) for (c, at), n in of.items() if c == contig and n)
            places, counts = (np.array(each) for each in zip(*items, strict=True))
            runs.append((contig, places, counts.astype(np.float32)))
        write_bigwig(tmp_path / f"{name}.bw", {"chr1": 50_000, "chr2": 50_000}, runs)
    seen.append(cut_facts.observe_bigwigs(tmp_path / "both.bw"))
    seen.append(cut_facts.observe_bigwigs(tmp_path / "plus.bw", tmp_path / "minus.bw"))

    lines, last = [], ("", -1, -1, -1)
    for (contig, at), n in [*sorted(both.items()), (("", -1), -1)]:  # neighbours share a line
        if (contig, at, n) == (last[0], last[2], last[3]):
            last = (contig, last[1], at + 1, n)
            continue
        lines.append("\t".join(map(str, last)) + "\n")
        last = (contig, at, at + 1, n)
    (tmp_path / "x.bedgraph").write_text("".join(lines[1:]))
    assert len(lines) < len(both)
    seen.append(cut_facts.observe_bedgraph(tmp_path / "x.bedgraph"))

    assert all(each.items() <= facts.items() for each in seen)
    assert [len(each) for each in seen] == [6, 3, 6, 3]
