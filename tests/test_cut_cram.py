"""Cuts of CRAM: those of the BAM that it was made of, without its reference."""

from collections import Counter
from pathlib import Path

import pysam
import pytest
from bam_oracle import Read, cuts_of
from click.testing import CliRunner
from cut_world import CONTIGS, LENGTHS, named, reads_of, sites, write_bam

import kmerengine
from kmerengine import InputError
from kmerengine.cli import main


def write_cram(path: Path, source: Path) -> Path:
    """The BAM as CRAM, against a genome of A, which is what the records' bases are."""
    fasta = path.with_suffix(".fa")
    fasta.write_text("".join(f">{name}\n{'A' * n}\n" for name, n in CONTIGS.items()))
    with (
        pysam.AlignmentFile(str(source), "rb") as reads,
        pysam.AlignmentFile(str(path), "wc", template=reads, reference_filename=str(fasta)) as out,
    ):
        for read in reads:
            out.write(read)
    fasta.unlink()
    fasta.with_suffix(".fa.fai").unlink()
    return path


def test_cram_is_its_bam_without_the_reference(tmp_path: Path) -> None:
    reads = reads_of(1, 300, tagged=True)
    source = write_bam(tmp_path / "a.bam", reads)
    cram = write_cram(tmp_path / "c.cram", source)
    assert not list(tmp_path.glob("*.fa"))
    track = kmerengine.cuts([cram], output=tmp_path / "c.parquet")
    assert sites(track, "c") == named(cuts_of(reads, LENGTHS))
    expected = kmerengine.cuts([source], output=tmp_path / "a.parquet")
    for key in ("records", "kept", "dropped"):
        assert track.provenance["reads"]["c"][key] == expected.provenance["reads"]["a"][key]
    (tmp_path / "g.tsv").write_text("AAAA-1\tone\nCCCC-1\ttwo\n")
    for place in ("CB", "name"):
        groups = kmerengine.cuts(
            [cram], output=tmp_path / "g.parquet", groups=tmp_path / "g.tsv",
            barcode=place, force=True,
        )  # fmt: skip
        if place == "CB":
            assert groups.samples == ["one", "two"]
            mine = [read for read in reads if read.name.startswith("CCCC-1")]
            assert sites(groups, "two") == named(cuts_of(mine, LENGTHS))


def test_a_long_cram_repeats_and_loses_no_record(tmp_path: Path) -> None:
    source = write_bam(tmp_path / "a.bam", [Read(start=i % 4_000) for i in range(70_001)])
    cram = write_cram(tmp_path / "c.cram", source)
    track = kmerengine.cuts([cram], output=tmp_path / "c.parquet")
    expected = Counter({("chr1", i + 4, 0): 17 + (i < 70_001 - 68_000) for i in range(4_000)})
    assert sites(track, "c") == expected


def test_a_cram_cut_between_containers_is_refused(tmp_path: Path) -> None:
    """htslib may read such a file to its end without a word."""
    source = write_bam(tmp_path / "a.bam", [Read(start=i % 4_000) for i in range(30_000)])
    whole = write_cram(tmp_path / "c.cram", source).read_bytes()
    assert whole.endswith(bytes.fromhex("ee63014b"))
    (tmp_path / "c.cram").write_bytes(whole[:-38])
    with pytest.raises(InputError, match="found no CRAM end marker"):
        kmerengine.cuts([tmp_path / "c.cram"], output=tmp_path / "c.parquet")


@pytest.mark.parametrize("keep", [0, 20, 400, -40])
def test_a_broken_cram_is_one_line(keep: int, tmp_path: Path) -> None:
    cram = write_cram(tmp_path / "c.cram", write_bam(tmp_path / "a.bam", reads_of(1, 300)))
    cram.write_bytes(cram.read_bytes()[:keep])
    result = CliRunner().invoke(main, f"cuts {cram} -o {tmp_path}/c.parquet")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {cram}: ")
    assert result.stderr.count("\n") == 1
