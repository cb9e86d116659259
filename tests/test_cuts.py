"""BAM files to cut tracks: the real yeast data against other tools, damage, and bounds."""

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import polars
import pytest
from bam_oracle import END, Read, bam, block, cuts_of, header, record
from click.testing import CliRunner

import kmerengine
from kmerengine import InputError
from kmerengine.cli import main
from kmerengine.cut_sites.tally import CutTally, TalliedEnds, merge

CONTIGS = {"chr1": 5_000, "chr2": 900, "empty": 10}
SITES = Counter[tuple[str, int, int]]


def sites(track: kmerengine.CutTrack, sample: str) -> SITES:
    found: SITES = Counter()
    for chrom in track.contigs:
        position, strand, count = track.cuts(sample, chrom)
        for at, minus, n in zip(position.tolist(), strand.tolist(), count.tolist(), strict=True):
            found[chrom, at, minus] += n
    return found


def reads_of(seed: int, n: int) -> list[Read]:
    rng = np.random.default_rng(seed)
    return [
        Read(
            contig=int(contig),
            start=int(rng.integers(0, list(CONTIGS.values())[contig] - 60)),
            cigar=(("S", 3), ("M", int(rng.integers(1, 40))), ("D", 2), ("M", 5)),
            flag=int(rng.choice([0, 0x10, 0x4, 0x100, 0x400])),
        )
        for contig in rng.integers(0, 2, n)
    ]


def named(found: Counter[tuple[int, int, int]]) -> SITES:
    names = list(CONTIGS)
    return Counter({(names[contig], at, strand): n for (contig, at, strand), n in found.items()})


@pytest.mark.data
def test_yeast_equals_bedtools_at_every_position(data: Path, tmp_path: Path) -> None:
    """`bedtools genomecov -5 -strand` of the same BAM, unshifted (the data's README)."""
    track = kmerengine.cuts([data / "yeast/atac.bam"], output=tmp_path / "y.parquet", shift="none")
    expected: SITES = Counter()
    for strand, name in enumerate(("plus", "minus")):
        with gzip.open(data / f"yeast/atac.bedtools_5p.{name}.bedgraph.gz", "rt") as lines:
            for chrom, start, end, n in map(str.split, lines):
                for at in range(int(start), int(end)):
                    expected[chrom, at, strand] += int(n)
    assert sites(track, "atac") == expected


@pytest.mark.data
def test_yeast_fragments_equal_the_bedpe_they_came_from(data: Path, tmp_path: Path) -> None:
    track = kmerengine.cuts(
        [data / "yeast/atac.bam"], output=tmp_path / "y.parquet", mode="fragments"
    )
    expected: SITES = Counter()
    with gzip.open(data / "yeast/atac.bedpe.gz", "rt") as lines:
        for chrom, start, end, *_ in map(str.split, lines):
            expected[chrom, int(start) + 4, 0] += 1
            expected[chrom, int(end) - 5, 1] += 1
    assert sites(track, "atac") == expected
    assert track.provenance["reads"]["atac"]["kept"] == 467_908


@pytest.mark.data
@pytest.mark.parametrize("held", ["none", "+4/-5", "+4/-4"])
def test_yeast_in_every_form_gives_the_same_cuts(held: str, data: Path, tmp_path: Path) -> None:
    """The BAM, the BEDPE, and the fragments as they are or shifted by another tool before."""
    yeast = data / "yeast"
    n = 0
    moved = {"none": (0, 0), "+4/-5": (4, -5), "+4/-4": (4, -4)}[held]
    with (
        gzip.open(yeast / "atac.fragments.tsv.gz", "rt") as source,
        (tmp_path / "moved.tsv").open("w") as target,
    ):
        for line in source:
            chrom, start, end, *rest = line.rstrip("\n").split("\t")
            if int(end) - int(start) < 20:  # shifted, the shortest would end before they start
                continue
            n += int(rest[1])
            row = [chrom, str(int(start) + moved[0]), str(int(end) + moved[1]), *rest]
            target.write("\t".join(row) + "\n")
    track = kmerengine.cuts([tmp_path / "moved.tsv"], output=tmp_path / "f.parquet", weighted=True)
    assert track.provenance["reads"]["moved"]["input_shift"] == held
    found = sites(track, "moved")
    assert sum(found.values()) == 2 * n
    if held == "none":
        pairs = kmerengine.cuts(
            [yeast / "atac.bedpe.gz"], output=tmp_path / "p.parquet", min_length=20
        )
        assert sites(pairs, "atac") == found
    bam_cuts = kmerengine.cuts(
        [yeast / "atac.bam"], output=tmp_path / "b.parquet", mode="fragments", min_length=20
    )
    note = bam_cuts.provenance["reads"]["atac"]["note"]
    assert "not shifted" in note
    assert "offset -9 (" in note
    assert sites(bam_cuts, "atac") == found


@pytest.mark.data
def test_single_cells_by_group_sum_to_all(data: Path, tmp_path: Path) -> None:
    """Real 10x fragments: already +4/-5 (offset 0); a row counts once."""
    fragments = data / "scatac/chr22.fragments.tsv.gz"
    with gzip.open(fragments, "rt") as lines:
        barcodes = sorted({line.split("\t")[3] for line in lines if not line.startswith("#")})
    assert len(barcodes) == 100
    table = "".join(f"{name}\t{'odd' if i % 2 else 'even'}\n" for i, name in enumerate(barcodes))
    (tmp_path / "groups.tsv").write_text(table)
    everything = kmerengine.cuts([fragments], output=tmp_path / "all.parquet")
    read = everything.provenance["reads"]["chr22"]
    assert (read["input_shift"], read["records"]) == ("+4/-5", 57_115)
    assert "offset 0 (2,591 pairs" in read["note"]
    expected: SITES = Counter()
    with gzip.open(fragments, "rt") as lines:
        for line in lines:
            if not line.startswith("#"):
                chrom, start, end = line.split("\t")[:3]
                expected[chrom, int(start), 0] += 1
                expected[chrom, int(end), 1] += 1
    assert sites(everything, "chr22") == expected
    split = kmerengine.cuts(
        [fragments], output=tmp_path / "split.parquet", groups=tmp_path / "groups.tsv"
    )
    assert split.samples == ["even", "odd"]
    assert sites(split, "even") + sites(split, "odd") == sites(everything, "chr22")
    (tmp_path / "one.tsv").write_text(f"{barcodes[0]},only\n")
    one = kmerengine.cuts([fragments], output=tmp_path / "one.parquet", groups=tmp_path / "one.tsv")
    assert one.provenance["reads"]["chr22"]["dropped"]["barcode without a group"] > 50_000


@pytest.mark.parametrize("block_bytes", [40, 333, 60_000])
def test_records_may_be_cut_anywhere_by_blocks(block_bytes: int, tmp_path: Path) -> None:
    reads = reads_of(1, 300)
    (tmp_path / "a.bam").write_bytes(bam(CONTIGS, reads, block_bytes=block_bytes))
    track = kmerengine.cuts([tmp_path / "a.bam"], output=tmp_path / "a.parquet")
    assert sites(track, "a") == named(cuts_of(reads, list(CONTIGS.values())))


@pytest.mark.parametrize("memory", [200, 5_000, 1 << 28])
def test_any_memory_and_threads_give_the_same_bytes(memory: int, tmp_path: Path) -> None:
    (tmp_path / "a.bam").write_bytes(bam(CONTIGS, reads_of(2, 500), block_bytes=500))
    kmerengine.cuts([tmp_path / "a.bam"], output=tmp_path / "1.parquet", threads=1)
    kmerengine.cuts([tmp_path / "a.bam"], output=tmp_path / "2.parquet", threads=3, memory=memory)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_samples_are_kept_apart_and_regions_are_read(tmp_path: Path) -> None:
    ones, others = reads_of(3, 200), reads_of(4, 100)
    (tmp_path / "a.bam").write_bytes(bam(CONTIGS, ones))
    (tmp_path / "b.rep1.bam").write_bytes(bam(CONTIGS, others))
    track = kmerengine.cuts(
        [tmp_path / "a.bam", tmp_path / "b.rep1.bam"], output=tmp_path / "t.parquet"
    )
    assert track.samples == ["a", "b"]
    lengths = list(CONTIGS.values())
    expected = named(cuts_of(others, lengths))
    assert sites(track, "a") == named(cuts_of(ones, lengths))
    assert sites(track, "b") == expected
    for start, end in [(0, 1), (100, 200), (899, 900), (0, 5_000), (700, 700)]:
        position, strand, count = track.cuts("b", "chr1", start, end)
        inside = {
            (at, s): n for (c, at, s), n in expected.items() if c == "chr1" and start <= at < end
        }
        assert dict(zip(zip(position, strand, strict=True), count, strict=True)) == inside
    frame = polars.read_parquet(tmp_path / "t.parquet")
    assert frame.columns == ["chrom", "position", "strand", "sample", "count"]
    assert frame["count"].sum() == sum(expected.values()) + sum(sites(track, "a").values())


def test_filters_and_shift_are_in_the_file(tmp_path: Path) -> None:
    reads = [Read(start=50), Read(start=50, flag=0x400), Read(start=60, mapq=2), Read(contig=1)]
    (tmp_path / "a.bam").write_bytes(bam(CONTIGS, reads))
    result = CliRunner().invoke(
        main,
        f"cuts {tmp_path}/a.bam -o {tmp_path}/a.parquet --shift 4/-5 --min-mapq 10 "
        "--drop-duplicates --contig chr1 --json",
    )
    assert result.exit_code == 0, result.output
    track = kmerengine.CutTrack.open(tmp_path / "a.parquet")
    assert track.shift == "+4/-5"
    assert sites(track, "a") == Counter({("chr1", 54, 0): 1})
    assert track.provenance["reads"]["a"]["dropped"] == {
        "duplicate": 1, "low mapping quality": 1, "contig not wanted": 1,
    }  # fmt: skip


def with_wrong_checksum(whole: bytes) -> bytes:
    """Another CRC in the last block with records; all else, the text too, as it was."""
    at = len(whole) - len(END) - 8
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


def damaged(kind: str, whole: bytes) -> bytes:
    middle = len(whole) // 2
    return {
        "empty": b"",
        "text": b"@HD\tVN:1.6\n" * 20,
        "plain gzip": gzip.compress(b"BAM\1" * 100),
        "no end marker": whole[: -len(END)],
        "cut in a block": whole[:middle] + END,
        "byte changed": whole[:middle] + bytes([whole[middle] ^ 0x55]) + whole[middle + 1 :],
        "wrong checksum": with_wrong_checksum(whole),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "text",
        "plain gzip",
        "no end marker",
        "cut in a block",
        "byte changed",
        "wrong checksum",
    ],
)
def test_a_damaged_file_is_one_line_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    whole = bam(CONTIGS, reads_of(5, 400), block_bytes=2_000)
    (tmp_path / "a.bam").write_bytes(damaged(kind, whole))
    result = CliRunner().invoke(main, f"cuts {tmp_path}/a.bam -o {tmp_path}/a.parquet")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"Error: {tmp_path}/a.bam: ")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bam"]


def test_a_file_that_ends_inside_a_record_is_refused(tmp_path: Path) -> None:
    reads = bam({"chr1": 900}, [Read(name="n" * 100)])
    with_half = bam({"chr1": 900}, [Read(name="n" * 100), Read(name="n" * 100)], block_bytes=300)
    blocks = with_half.split(END[:12])
    assert len(blocks) > 3
    (tmp_path / "a.bam").write_bytes(END[:12].join(blocks[:2]) + END)
    (tmp_path / "good.bam").write_bytes(reads)
    with pytest.raises(InputError, match="ends inside record"):
        kmerengine.cuts([tmp_path / "a.bam"], output=tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": "4"}, "shift: found '4'"),
        ({"mode": "pairs"}, "mode: found 'pairs'"),
        ({"mode": "fragments"}, "nothing is left of 1 records (1 not a proper pair)"),
        ({"legacy_double_count": True}, "legacy_double_count: found with mode reads"),
        ({"contigs": ["chrX"]}, "has no contig 'chrX'"),
        ({"weighted": True}, "expected 10x fragment files"),
        ({"input_shift": "+5"}, "input_shift: found '+5'"),
        ({"names": ["a", "b"]}, "names: found 2 for 1 files"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.bam").write_bytes(bam(CONTIGS, [Read()]))
    with pytest.raises(InputError) as caught:
        kmerengine.cuts([tmp_path / "a.bam"], output=tmp_path / "a.parquet", **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("n", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_bytes_are_an_error_or_the_right_answer(n: int, tmp_path: Path) -> None:
    """Flips in uncompressed records, in blocks with right checksums: pysam is the judge."""
    import pysam

    whole = reads_of(6, 40)
    rng = np.random.default_rng(0)
    plain = bytearray(header(CONTIGS) + b"".join(map(record, whole)))
    agreed = refused = 0
    for _ in range(n):
        changed = bytearray(plain)
        for _ in range(int(rng.integers(1, 4))):
            changed[int(rng.integers(len(header(CONTIGS)), len(changed)))] = int(rng.integers(256))
        (tmp_path / "m.bam").write_bytes(block(bytes(changed)) + END)
        try:
            track = kmerengine.cuts([tmp_path / "m.bam"], output=tmp_path / "m.parquet", force=True)
        except InputError:
            refused += 1
            continue
        expected: SITES = Counter()
        save = pysam.set_verbosity(0)
        try:
            with pysam.AlignmentFile(str(tmp_path / "m.bam"), check_sq=False) as file:
                for read in file.fetch(until_eof=True):
                    if read.is_unmapped or read.flag & 0xB00 or not read.reference_length:
                        continue
                    strand = int(read.is_reverse)
                    at = read.reference_end - 5 if strand else read.reference_start + 4
                    if 0 <= at < CONTIGS[read.reference_name]:
                        expected[read.reference_name, at, strand] += 1
        except (OSError, ValueError):
            continue  # pysam refuses what lies outside the fields that cuts are made of
        finally:
            pysam.set_verbosity(save)
        assert sites(track, "m") == expected
        agreed += 1
    assert agreed > n // 5
    assert refused > n // 25


def test_a_tally_is_a_counter(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    for memory in (80, 2_000, 1 << 20):
        tally = CutTally(memory)
        expected: Counter[int] = Counter()
        for _ in range(30):
            keys = rng.integers(0, 500, int(rng.integers(0, 60))).astype(np.uint64)
            tally.add(keys)
            expected.update(keys.tolist())
        weighted = np.array([3, 499, 3], np.uint64)
        tally.add(weighted, np.array([10, 1, 5], np.uint32))
        expected.update({3: 15, 499: 1})
        keys, counts = merge(tally.runs())
        assert (np.diff(keys.astype(np.int64)) > 0).all()
        assert dict(zip(keys.tolist(), counts.tolist(), strict=True)) == expected
        ends = TalliedEnds(tally, np.array([0, 100, 101, 250]))
        for contig, low, high in [(0, 0, 100), (1, 0, 5), (2, 3, 149), (2, -9, 7), (0, 50, 50)]:
            first, stop = (
                [0, 200, 202][contig] + 2 * max(0, low),
                min([0, 200, 202][contig] + 2 * high, [200, 202, 500][contig]),
            )
            found: Counter[int] = Counter()
            for run, n in ends.between(contig, low, high):
                found.update(dict(zip(run.tolist(), n.tolist(), strict=True)))
            start = [0, 200, 202][contig]
            inside = {key - start: n for key, n in expected.items() if first <= key < stop}
            assert found == inside
            assert ends.size(contig, low, high) >= len(inside)
        tally.close()
