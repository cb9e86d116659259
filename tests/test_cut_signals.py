"""Signals of cuts, bigWig and bedGraph, against the table."""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from bam_oracle import Read
from cut_world import reads_of, sites, write_bam

import kmerengine
from kmerengine import InputError


def bigwig_sites(path: Path) -> dict[tuple[str, int], float]:
    found = {}
    with pyBigWig.open(str(path)) as file:
        for chrom in file.chroms():
            for start, end, value in file.intervals(chrom) or ():
                found |= {(chrom, at): value for at in range(start, end)}
    return found


@pytest.mark.parametrize("scale", ["raw", "cpm", "binary"])
def test_a_signal_is_the_table(scale: str, tmp_path: Path) -> None:
    one, two = reads_of(10, 800), reads_of(11, 50)
    files = [write_bam(tmp_path / "a.bam", one), write_bam(tmp_path / "b.bam", two)]
    track = kmerengine.cuts(files, output=tmp_path / "t.parquet")
    summed = kmerengine.cuts(files, output=tmp_path / "{sample}.bw", scale=scale)
    split = kmerengine.cuts(
        [tmp_path / "t.parquet"], output=tmp_path / "{sample}.{strand}.bedGraph.gz",
        strands="split", scale=scale,
    )  # fmt: skip
    assert [path.name for path in summed.paths] == ["a.bw", "b.bw"]
    assert len(split.paths) == 4
    assert summed.shift == "+4/-4"
    for sample in "ab":
        found = sites(track, sample)
        times = 1e6 / sum(found.values()) if scale == "cpm" else 1
        assert sample == "b" or max(found.values()) > 1
        both: Counter[tuple[str, int]] = Counter()
        for (chrom, at, _), n in found.items():
            both[chrom, at] += n
        if scale == "binary":
            found, both = (Counter(dict.fromkeys(each, 1)) for each in (found, both))
        expected = {site: float(np.float32(n * times)) for site, n in both.items()}
        assert bigwig_sites(tmp_path / f"{sample}.bw") == expected
        for strand, name in enumerate(("plus", "minus")):
            values = {}
            with gzip.open(tmp_path / f"{sample}.{name}.bedGraph.gz", "rt") as lines:
                for chrom, start, end, value in map(str.split, lines):
                    values |= {(chrom, at): float(value) for at in range(int(start), int(end))}
            mine = {(c, at): n * times for (c, at, minus), n in found.items() if minus == strand}
            assert values == pytest.approx(mine, rel=1e-6)
    document = json.loads((tmp_path / "a.bw.json").read_text())
    assert (document["shift"], document["samples"]) == ("+4/-4", ["a", "b"])


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("x.bw", {}, "2 samples and no {sample} in the output's name"),
        ("{sample}.bw", {"strands": "split"}, "two strands and no {strand}"),
        ("{sample}.{strand}.bw", {}, "found {strand} in the output's name"),
        ("{sample}.{stand}.bw", {}, "found {stand} in the output's name, expected {sample} or"),
        ("x.parquet", {"strands": "split"}, "is a table, which keeps strands apart"),
        ("x.parquet", {"scale": "cpm"}, "is a table"),
        ("x.txt", {}, "found suffix '.txt', expected .parquet or .arrow"),
        ("{sample}.bw", {"names": ["../a", "b"]}, "sample '../a' is no file name"),
    ],
)
def test_outputs_that_cannot_be(
    output: str, options: dict[str, object], message: str, tmp_path: Path
) -> None:
    files = [write_bam(tmp_path / "a.bam", [Read()]), write_bam(tmp_path / "b.bam", [Read()])]
    with pytest.raises(InputError) as caught:
        kmerengine.cuts(files, output=tmp_path / output, **options)
    assert message in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bam", "b.bam"]


@pytest.mark.data
def test_the_bigwig_of_yeast_equals_its_parquet(data: Path, tmp_path: Path) -> None:
    source = data / "yeast/atac.bam"
    track = kmerengine.cuts([source], output=tmp_path / "y.parquet")
    kmerengine.cuts([source], output=tmp_path / "{strand}.bw", strands="split")
    for strand, name in enumerate(("plus", "minus")):
        with pyBigWig.open(str(tmp_path / f"{name}.bw")) as file:
            assert file.chroms() == track.contigs
            for chrom, length in track.contigs.items():
                position, minus, count = track.cuts("atac", chrom)
                expected = np.zeros(length)
                expected[position[minus == strand]] = count[minus == strand]
                found = np.nan_to_num(np.array(file.values(chrom, 0, length)))
                np.testing.assert_array_equal(found, expected)
