"""Samples of cuts: sheets, barcodes, genomes, blacklists, joined tracks, and filters."""

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from bam_oracle import Read, cuts_of
from cut_world import CONTIGS, LENGTHS, named, reads_of, sites, write_bam

import kmerengine
from kmerengine import InputError


@pytest.mark.parametrize("place", ["CB", "name"])
def test_reads_are_grouped_by_their_barcode(place: str, tmp_path: Path) -> None:
    reads = reads_of(2, 400, tagged=True)
    source = write_bam(tmp_path / "a.bam", reads)
    (tmp_path / "g.csv").write_text("# cells\nAAAA-1,x\nGGGG-1,y\nTTTT-1,never\n")
    if place == "name":
        (tmp_path / "g.csv").write_text("AAAA-1,x\nGGGG-1,y\nTTTT-1,never\n")
    track = kmerengine.cuts(
        [source], output=tmp_path / "g.parquet", groups=tmp_path / "g.csv", barcode=place
    )
    assert track.samples == ["never", "x", "y"]
    for sample, barcode in (("x", "AAAA-1"), ("y", "GGGG-1"), ("never", "TTTT-1")):
        mine = [read for read in reads if read.name.startswith(barcode)]
        assert sites(track, sample) == named(cuts_of(mine, LENGTHS))
    report = track.provenance["reads"]["a"]
    assert (report["barcodes"], report["barcodes_seen"]) == (3, 2)
    others = sum(read.name.startswith("CCCC-1") and not read.flag & 0x4 for read in reads)
    assert track.provenance["reads"]["a"]["dropped"]["barcode without a group"] == others


def test_a_sheet_names_pools_and_groups(tmp_path: Path) -> None:
    first, second = reads_of(3, 200), reads_of(4, 100)
    third = reads_of(5, 300, tagged=True)
    (tmp_path / "reads").mkdir()
    for name, reads in (("1", first), ("2", second), ("3", third)):
        write_bam(tmp_path / "reads" / f"{name}.bam", reads)
    (tmp_path / "cells.tsv").write_text("AAAA-1\tliver\nCCCC-1\tblood\n")
    (tmp_path / "sheet.csv").write_text(
        "file,sample,groups\nreads/1.bam,liver,\nreads/2.bam,liver,\nreads/3.bam,cells,cells.tsv\n"
    )
    track = kmerengine.cuts(sheet=tmp_path / "sheet.csv", output=tmp_path / "s.parquet")
    assert track.samples == ["liver", "cells.blood", "cells.liver"]
    of_liver = [read for read in third if read.name.startswith("AAAA-1")]
    of_blood = [read for read in third if read.name.startswith("CCCC-1")]
    assert sites(track, "liver") == named(cuts_of(first + second, LENGTHS))
    assert sites(track, "cells.liver") == named(cuts_of(of_liver, LENGTHS))
    assert sites(track, "cells.blood") == named(cuts_of(of_blood, LENGTHS))
    assert set(track.provenance["reads"]) == {"liver", "liver (2.bam)", "cells"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ("sample,file\n", "names no samples"),
        ("sample,path\na,a.bam\n", "line 1: found columns sample, path"),
        ("sample\tfile\na\n", "line 2: found 'a', expected sample and file"),
        ("sample,file\n,a.bam\n", "line 2: found ',a.bam'"),
        ("sample,file,file\na,b,c\n", "line 1: found columns"),
        ("sample,file\na,a.bam\nb,a.bam\na,./a.bam\n", "line 4: sample 'a' has the file"),
        ("sample,file\na,a.bam\na,b\0.bam\n", "line 3: found 'a,b"),
    ],
)
def test_a_sheet_that_is_none(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        kmerengine.cuts(sheet=tmp_path / "s.csv", output=tmp_path / "s.parquet")
    assert str(caught.value).startswith(f"{tmp_path}/s.csv: ")
    assert message in str(caught.value)


def test_cuts_in_the_blacklist_are_dropped_and_counted(tmp_path: Path) -> None:
    reads = reads_of(6, 500)
    source = write_bam(tmp_path / "a.bam", reads)
    stretches = [("chr1", 100, 400), ("chr1", 300, 350), ("chr1", 400, 600), ("chr2", 0, 50)]
    lines = [f"{c}\t{s}\t{e}\n" for c, s, e in [*stretches, ("other", 0, 9), ("chr1", 4000, 9000)]]
    (tmp_path / "b.bed").write_text("".join(lines))
    track = kmerengine.cuts([source], output=tmp_path / "b.parquet", blacklist=tmp_path / "b.bed")
    everything = named(cuts_of(reads, LENGTHS))
    inside = {
        site: n for site, n in everything.items()
        if any(site[0] == c and s <= site[1] < e for c, s, e in [*stretches, ("chr1", 4000, 9000)])
    }  # fmt: skip
    assert len(inside) > 50
    assert sites(track, "a") == everything - Counter(inside)
    read = track.provenance["reads"]["a"]
    assert read["cuts_dropped"]["in the blacklist"] == sum(inside.values())
    assert read["kept"] + sum(read["dropped"].values()) == read["records"]
    assert track.provenance["parameters"]["blacklisted"] == 5
    (tmp_path / "b.bed").write_text("other\t0\t9\n")
    with pytest.raises(InputError, match="none of its 1 regions is on a contig of the reads"):
        kmerengine.cuts([source], output=tmp_path / "c.parquet", blacklist=tmp_path / "b.bed")


def test_a_genome_gives_text_its_contigs_and_is_held_against_bam(tmp_path: Path) -> None:
    (tmp_path / "f.bedpe").write_text("chr2\t100\t200\nchr1\t50\t90\n")
    (tmp_path / "g.sizes").write_text("".join(f"{name}\t{n}\n" for name, n in CONTIGS.items()))
    reached = kmerengine.cuts([tmp_path / "f.bedpe"], output=tmp_path / "f.parquet")
    assert (reached.contigs, reached.lengths_known) == ({"chr2": 200, "chr1": 90}, False)
    track = kmerengine.cuts(
        [tmp_path / "f.bedpe"], output=tmp_path / "g.parquet", genome=tmp_path / "g.sizes"
    )
    assert (track.contigs, track.lengths_known) == (CONTIGS, True)
    assert sites(track, "f") == sites(reached, "f")
    source = write_bam(tmp_path / "a.bam", [Read(start=7)])
    for text, message in (
        ("chr1\t4999\nchr2\t900\n", "its contig chr1 has 5,000 bp, 4,999 in"),
        ("chr1\t5001\nchr2\t900\n", "its contig chr1 has 5,000 bp, 5,001 in"),
        ("chr2\t900\n", "has reads on chr1, which"),
        ("chr1\t5000\t\nchr1\t5\n", "line 2: contig 'chr1' twice"),
        ("chr1\tlong\n", "line 1: found 'chr1\\tlong', expected a contig and its length"),
    ):
        (tmp_path / "bad.sizes").write_text(text)
        with pytest.raises(InputError) as caught:
            kmerengine.cuts([source], output=tmp_path / "x.parquet", genome=tmp_path / "bad.sizes")
        assert message in str(caught.value)
    (tmp_path / "g.fa").write_text(">chr1 x\nACGT\n")
    with pytest.raises(InputError, match="its contig chr1 has 5,000 bp, 4 in"):
        kmerengine.cuts([source], output=tmp_path / "x.parquet", genome=tmp_path / "g.fa")
    (tmp_path / "f.bedpe").write_text("chr2\t100\t2000\n")
    with pytest.raises(InputError, match=r"reaches chr2:2,000, past the contigs of .*g.sizes"):
        kmerengine.cuts(
            [tmp_path / "f.bedpe"], output=tmp_path / "x.parquet", genome=tmp_path / "g.sizes"
        )


def test_tracks_are_joined_and_shifts_are_not_mixed(tmp_path: Path) -> None:
    one, two = reads_of(7, 300), reads_of(8, 200)
    for name, reads, suffix in (("a", one, "parquet"), ("b", two, "arrow")):
        write_bam(tmp_path / f"{name}.bam", reads)
        kmerengine.cuts([tmp_path / f"{name}.bam"], output=tmp_path / f"{name}.{suffix}")
    files = [tmp_path / "a.parquet", tmp_path / "b.arrow"]
    joined = kmerengine.cuts(
        [*files, write_bam(tmp_path / "c.bam", two)], output=tmp_path / "j.parquet"
    )
    assert joined.samples == ["a", "b", "c"]
    made = joined.provenance["inputs"]["a"]["made"]
    assert made["reads"]["a"]["records"] == 300
    assert sites(joined, "a") == named(cuts_of(one, LENGTHS))
    assert sites(joined, "b") == sites(joined, "c") == named(cuts_of(two, LENGTHS))
    (tmp_path / "s.csv").write_text("sample,file\nall,a.parquet\nall,b.arrow\n")
    pooled = kmerengine.cuts(sheet=tmp_path / "s.csv", output=tmp_path / "p.arrow")
    assert sites(pooled, "all") == named(cuts_of(one + two, LENGTHS))
    for options, message in (
        ({"shift": "none"}, r"a.parquet: its cuts have shift \+4/-4, expected \+0/\+0"),
        ({"min_mapq": 3}, "a.parquet: cuts have no mapping qualities"),
        ({"mode": "fragments"}, "a.parquet: cuts have no barcodes, weights or fragments"),
        ({"max_length": 0}, "a.parquet: cuts have no barcodes, weights or fragments"),
        ({"input_shift": "none"}, "a.parquet: cuts have no barcodes, weights or fragments"),
    ):
        with pytest.raises(InputError, match=message):
            kmerengine.cuts(files, output=tmp_path / "x.parquet", **options)
    with pytest.raises(InputError, match="sample 'a' is in another file, too"):
        kmerengine.cuts([files[0], files[0]], output=tmp_path / "x.parquet")
    with pytest.raises(InputError, match="holds 3 samples, which keep their names"):
        kmerengine.cuts([tmp_path / "j.parquet"], names=["z"], output=tmp_path / "x.parquet")


def test_arrow_is_the_same_table(tmp_path: Path) -> None:
    source = write_bam(tmp_path / "a.bam", reads_of(9, 300))
    parquet = kmerengine.cuts([source], output=tmp_path / "a.parquet")
    arrow = kmerengine.cuts([source], output=tmp_path / "a.arrow")
    assert arrow.to_polars().equals(parquet.to_polars())
    for start, end in [(0, 100), (77, 3_000), (4_999, 5_000)]:
        for a, b in zip(
            arrow.cuts("a", "chr1", start, end), parquet.cuts("a", "chr1", start, end), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_mates_that_are_no_fragment_are_records_that_were_dropped(tmp_path: Path) -> None:
    apart = "chr1\t100\t136\tchr2\t164\t200\tr\t60\t+\t-\n"
    (tmp_path / "a.bedpe").write_text(apart + "chr1\t100\t136\tchr1\t164\t200\tr\t60\t+\t-\n")
    made = kmerengine.cuts([tmp_path / "a.bedpe"], output=tmp_path / "a.parquet")
    report = made.provenance["reads"]["a"]
    assert (report["records"], report["kept"]) == (2, 1)
    assert report["dropped"] == {"mates on different contigs": 1}
    (tmp_path / "b.bedpe").write_text(apart)
    message = r"nothing is left of 1 records \(1 mates on different contigs\)"
    with pytest.raises(InputError, match=message):
        kmerengine.cuts([tmp_path / "b.bedpe"], output=tmp_path / "b.parquet")


@pytest.mark.data
@pytest.mark.parametrize("held", ["none", "+4/-5", "+4/-4"])
def test_the_genome_tells_what_the_yeast_set_holds(held: str, data: Path, tmp_path: Path) -> None:
    """Must show 2: +4/-4 leads to the centre of unshifted reads; a shifted copy is said to be."""
    plus, minus = {"none": (0, 0), "+4/-5": (4, -5), "+4/-4": (4, -4)}[held]
    yeast = data / "yeast"
    with gzip.open(yeast / "atac.bedpe.gz", "rt") as rows, (tmp_path / "m.bedpe").open("w") as out:
        for row in rows:
            chrom, start, end = row.split()[:3]
            if int(end) - int(start) >= 20:
                out.write(f"{chrom}\t{int(start) + plus}\t{int(end) + minus}\n")
    track = kmerengine.cuts(
        [tmp_path / "m.bedpe"], output=tmp_path / "m.parquet", detect_shift=True,
        genome=yeast / "sacCer3.fa.gz",
    )  # fmt: skip
    read = track.provenance["reads"]["m"]
    assert read["input_shift"] == held
    assert read["sequence_shift"]["confidence"] >= 0.99
    to_centre = {"none": "+4/-4", "+4/-5": "+0/+1", "+4/-4": "+0/+0"}[held]
    assert read["sequence_shift"]["shift"] == read["sequence_shift"]["ranking"][0][0] == to_centre
    assert ("already shifted" in read["note"]) == (held != "none")
    # the user's word wins
    forced = kmerengine.cuts(
        [tmp_path / "m.bedpe"], output=tmp_path / "f.parquet", detect_shift=True,
        genome=yeast / "sacCer3.fa.gz", input_shift="none",
    )  # fmt: skip
    said = forced.provenance["reads"]["m"]
    assert said["input_shift"] == "none"
    assert said["sequence_shift"]["shift"] == to_centre


def test_an_unusual_sequence_is_no_error(tmp_path: Path) -> None:
    source = write_bam(tmp_path / "a.bam", reads_of(12, 300))
    for sequence in ("A", "N"):
        (tmp_path / "g.fa").write_text(
            "".join(f">{name}\n{sequence * n}\n" for name, n in CONTIGS.items())
        )
        track = kmerengine.cuts(
            [source], output=tmp_path / "a.parquet", genome=tmp_path / "g.fa", detect_shift=True,
            force=True,
        )  # fmt: skip
        read = track.provenance["reads"]["a"]
        assert (read["input_shift"], read["sequence_shift"]["confidence"]) == ("none", 0)
        (tmp_path / "g.fa.fai").unlink()
    with pytest.raises(InputError, match="detect_shift: found without a genome"):
        kmerengine.cuts([source], output=tmp_path / "b.parquet", detect_shift=True)
    (tmp_path / "g.sizes").write_text("".join(f"{name}\t{n}\n" for name, n in CONTIGS.items()))
    with pytest.raises(InputError, match="holds no sequence, expected FASTA"):
        kmerengine.cuts(
            [source], output=tmp_path / "b.parquet", detect_shift=True, genome=tmp_path / "g.sizes"
        )


def test_filters_include_their_bounds(tmp_path: Path) -> None:
    """A read of the lowest quality, and fragments of the least and greatest length, are kept."""
    reads = [Read(start=i, mapq=q) for i, q in enumerate((9, 10, 11))]
    reads += [Read(start=100 + n, flag=0x3, length=n) for n in (49, 50, 60, 61)]
    source = write_bam(tmp_path / "a.bam", reads)
    track = kmerengine.cuts(
        [source], output=tmp_path / "a.parquet", min_mapq=10, min_length=50, max_length=60,
        shift="none",
    )  # fmt: skip
    assert sorted(at for _, at, _ in sites(track, "a")) == [1, 2, 150, 160]
    (tmp_path / "f.bedpe").write_text("".join(f"chr1\t9\t{9 + n}\n" for n in (49, 50, 60, 61)))
    text = kmerengine.cuts(
        [tmp_path / "f.bedpe"], output=tmp_path / "f.parquet", min_length=50, max_length=60,
        shift="none",
    )  # fmt: skip
    assert sum(sites(text, "f").values()) == 4
    assert text.provenance["reads"]["f"]["dropped"] == {"fragment length": 2}


def test_every_record_is_kept_or_dropped(tmp_path: Path) -> None:
    left = Read(start=100, cigar=(("M", 30),), flag=0x1 | 0x2 | 0x20, length=80)
    right = Read(start=150, cigar=(("M", 30),), flag=0x1 | 0x2 | 0x10, length=-80, mapq=0)
    source = write_bam(tmp_path / "a.bam", [left, right, Read(start=9), Read(start=9, flag=4)])
    track = kmerengine.cuts([source], output=tmp_path / "a.parquet", mode="fragments", min_mapq=20)
    read = track.provenance["reads"]["a"]
    assert (read["records"], read["kept"]) == (4, 1)
    assert read["dropped"] == {
        "unmapped": 1, "not a proper pair": 1, "right mate, told by its left mate": 1,
    }  # fmt: skip
    (tmp_path / "f.tsv").write_text("chr1\t5\t50\tAAAAAAAA-1\t1\nchr2\t5\t50\tAAAAAAAA-1\t1\n")
    text = kmerengine.cuts([tmp_path / "f.tsv"], output=tmp_path / "f.parquet", contigs=["chr2"])
    assert text.provenance["reads"]["f"]["kept"] == 1


def test_tables_of_barcodes_may_have_a_header_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "f.tsv").write_text("chr1\t5\t50\tAAAAAAAA-1\t1\n")
    (tmp_path / "g.csv").write_text('"barcode","cluster"\n"AAAAAAAA-1","T cells"\n')
    track = kmerengine.cuts(
        [tmp_path / "f.tsv"], output=tmp_path / "f.parquet", groups=tmp_path / "g.csv"
    )
    assert track.samples == ["T cells"]
    (tmp_path / "g.csv").write_text("AAAAAAAA,T\n")
    with pytest.raises(InputError) as caught:
        kmerengine.cuts(
            [tmp_path / "f.tsv"], output=tmp_path / "x.parquet", groups=tmp_path / "g.csv"
        )
    assert "none of the 1 barcodes in" in str(caught.value)
    assert "such as 'AAAAAAAA', is among its reads, such as 'AAAAAAAA-1'" in str(caught.value)


def test_a_bam_is_known_by_its_content(tmp_path: Path) -> None:
    reads = reads_of(13, 50)
    write_bam(tmp_path / "a.bam", reads).rename(tmp_path / "a.dat")
    track = kmerengine.cuts([tmp_path / "a.dat"], output=tmp_path / "a.parquet")
    assert sites(track, "a") == named(cuts_of(reads, LENGTHS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_mapq": 300}, "min_mapq: found 300, expected 0 to 255"),
        ({"min_length": -5}, "min_length: found -5"),
        ({"memory": 0}, "memory: found 0"),
        ({"min_length": 9, "max_length": 5}, "max_length: found 5, expected at least"),
        ({"barcode": "CBX"}, "barcode: found 'CBX'"),
        ({"barcode": "name"}, "barcode: found 'name' without groups, expected them with it"),
    ],
)
def test_numbers_that_cannot_be(options: dict[str, object], message: str, tmp_path: Path) -> None:
    source = write_bam(tmp_path / "a.bam", [Read()])
    with pytest.raises(InputError) as caught:
        kmerengine.cuts([source], output=tmp_path / "a.parquet", **options)
    assert message in str(caught.value)


def test_a_region_may_start_at_the_last_cut_of_a_row_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmerengine.cut_sites.track.ROWS", 4)
    source = write_bam(tmp_path / "a.bam", [Read(start=10 * i) for i in range(10)])
    track = kmerengine.cuts([source], output=tmp_path / "a.parquet")
    for start in range(0, 100):
        position, _, _ = track.cuts("a", "chr1", start, start + 1)
        assert position.tolist() == ([start] if start % 10 == 4 else [])


@pytest.mark.data
def test_a_confident_unknown_shift_names_the_way_out(tmp_path: Path, data: Path) -> None:
    """Ends that were moved by +5/-4: no known shift, and said so."""
    yeast = data / "yeast"
    with gzip.open(yeast / "atac.bedpe.gz", "rt") as rows, (tmp_path / "m.bedpe").open("w") as out:
        for row in list(rows)[:40_000]:
            chrom, start, end = row.split()[:3]
            if int(end) - int(start) >= 20:
                out.write(f"{chrom}\t{int(start) + 5}\t{int(end) - 4}\n")
    track = kmerengine.cuts(
        [tmp_path / "m.bedpe"], output=tmp_path / "m.parquet", detect_shift=True,
        genome=yeast / "sacCer3.fa.gz",
    )  # fmt: skip
    assert "give --input-shift none --shift -1/+0" in track.provenance["reads"]["m"]["note"]
