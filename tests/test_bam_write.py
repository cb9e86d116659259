"""BAM files from fragments: other readers find what was given."""

import struct

import numpy as np
import pysam
import pytest

from kmerengine.io import bam_write
from kmerengine.io.bam import BamFile
from kmerengine.io.bam_write import ContigFragments, write_bam

CONTIGS = {"chr1": 600_000, "empty": 50, "chrM": 200}


def fragments(codes, n, rng, read):
    start = np.sort(rng.integers(0, len(codes) - 2 * read - 20, n))
    end = start + rng.integers(read, 2 * read + 20, n)
    return ContigFragments(codes, start, end, rng.random(n) < 0.5)


@pytest.fixture(params=[20, 35], ids=["even", "odd"])
def made(request, tmp_path, monkeypatch):
    """A file whose records cross blocks and pieces."""
    monkeypatch.setattr(bam_write, "_RECORDS", 777)
    rng = np.random.default_rng(0)
    read = request.param
    given = []
    for length, n in zip(CONTIGS.values(), (3_000, 0, 40), strict=True):
        codes = rng.integers(0, 4, length).astype(np.uint8)
        empty = np.zeros(0, np.int64)
        given.append(
            fragments(codes, n, rng, read)
            if n
            else ContigFragments(codes, empty, empty, np.zeros(0, bool))
        )
    path = tmp_path / "a.bam"
    n = write_bam(path, CONTIGS, given, read_length=read, sample="s1")
    assert n == 3_040
    return path, given, read


def test_every_fragment_is_a_pair_of_its_ends(made):
    path, given, read = made
    found = {}
    order = []
    with pysam.AlignmentFile(str(path)) as file:
        assert dict(zip(file.references, file.lengths, strict=True)) == CONTIGS
        for each in file:
            order.append((each.reference_id, each.reference_start))
            found.setdefault(each.query_name, {})[each.is_reverse] = each
    assert order == sorted(order)
    rows = [
        (contig, start, end, minus)
        for contig, each in zip(CONTIGS, given, strict=True)
        for start, end, minus in zip(
            each.start.tolist(), each.end.tolist(), each.first_minus.tolist(), strict=True
        )
    ]
    assert list(map(int, (name[1:] for name in sorted(found)))) == list(range(1, 3_041))
    texts = {
        contig: "".join("ACGT"[code] for code in each.codes)
        for contig, each in zip(CONTIGS, given, strict=True)
    }
    for (contig, start, end, minus), name in zip(rows, sorted(found), strict=True):
        left, right = found[name][False], found[name][True]
        assert left.reference_name == right.reference_name == contig
        assert (left.reference_start, right.reference_end) == (start, end)
        assert left.query_sequence == texts[contig][start : start + read]
        assert right.query_sequence == texts[contig][end - read : end]
        assert (right.is_read1, left.is_read1) == (minus, not minus)
        assert {left.flag, right.flag} in ({99, 147}, {83, 163})
        assert (left.template_length, right.template_length) == (end - start, start - end)
        assert left.next_reference_start == right.reference_start
        assert right.next_reference_start == left.reference_start
        assert left.next_reference_name == contig
        for each in (left, right):
            assert each.cigarstring == f"{read}M"
            assert (each.mapping_quality, set(each.query_qualities)) == (60, {40})


def test_blocks_are_whole_and_an_index_finds_reads(made):
    path, given, _ = made
    assert BamFile(path).contigs == CONTIGS
    text = b"".join(piece.tobytes() for piece in BamFile(path).pieces())  # checks every checksum
    assert len(text) > 2 * 65_280
    pysam.index(str(path))
    each = given[0]
    with pysam.AlignmentFile(str(path)) as file:
        for low in (0, 16_000, 16_384, 131_000, 580_000):
            names = {read.query_name for read in file.fetch("chr1", low, low + 700)}
            reads = made[2]
            lefts = (each.start < low + 700) & (each.start + reads > low)
            rights = (each.end - reads < low + 700) & (each.end > low)
            assert len(names) == (lefts | rights).sum()


def test_bins_of_reads(made):
    """Read from the bytes: htslib reckons them anew. The specification's scheme, section 5.3."""
    path, _, read = made
    spans = []
    for level, width in enumerate((29, 26, 23, 20, 17, 14)):
        spans += [(i << width, (i + 1) << width) for i in range(8**level)]
    low, high = np.array(spans).T
    text = b"".join(piece.tobytes() for piece in BamFile(path).pieces())
    at = n = n_larger = 0
    while at < len(text):
        size, _, position, _, _, found = struct.unpack_from("<iiiBBH", text, at)
        at += 4 + size
        n += 1
        assert found == np.flatnonzero((low <= position) & (position + read <= high)).max()
        n_larger += found < 4681
    assert (at, n) == (len(text), 2 * 3_040)
    assert n_larger > 0


def test_reads_that_end_with_a_bin():
    start = np.array([16_384 - 20, 16_384 - 19, 16_384, (1 << 17) - 20, (1 << 26) - 1])
    found = bam_write._bins(start, start + 20)
    assert found.tolist() == [4681, 585, 4682, 4681 + 7, 0]


def test_the_same_bytes_again(made, tmp_path):
    path, given, read = made
    write_bam(tmp_path / "b.bam", CONTIGS, given, read_length=read, sample="s1")
    assert (tmp_path / "b.bam").read_bytes() == path.read_bytes()
