"""`kmerengine profiles` from real cuts: every base against the fragments they came from."""

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import kmerengine
from kmerengine.cli import main
from kmerengine.cut_profiles.profile_set import Profiles


@pytest.mark.data
@pytest.mark.parametrize("strands", ["sum", "split"])
def test_yeast_profiles_are_the_fragments_ends(strands: str, data: Path, tmp_path: Path) -> None:
    yeast = data / "yeast"
    kmerengine.cuts([yeast / "atac.bam"], output=tmp_path / "y.parquet", mode="fragments")
    result = CliRunner().invoke(
        main,
        f"profiles {tmp_path}/y.parquet {yeast}/yeast_peaks.narrowPeak -o {tmp_path}/p "
        f"--width 400 --window 100 --strands {strands}",
    )
    assert result.exit_code == 0, result.output
    made = Profiles.open(tmp_path / "p")
    cuts: tuple[Counter[tuple[str, int]], ...] = (Counter(), Counter())
    with gzip.open(yeast / "atac.bedpe.gz", "rt") as lines:
        for chrom, start, end, *_ in map(str.split, lines):
            cuts[0][chrom, int(start) + 4] += 1
            cuts[1][chrom, int(end) - 5] += 1
    sizes = dict(map(str.split, (yeast / "sacCer3.chrom.sizes").read_text().splitlines()))
    row = 0
    counts = made.counts()
    for line in (yeast / "yeast_peaks.narrowPeak").read_text().splitlines():
        fields = line.split()
        first = int(fields[1]) + int(fields[9]) - 200
        if first < 0 or first + 400 > int(sizes[fields[0]]):
            continue
        by_strand = np.array([[c[fields[0], first + i] for i in range(400)] for c in cuts])
        expected = by_strand if strands == "split" else by_strand.sum(axis=0)
        assert np.array_equal(counts[row, 0], expected)
        assert made.totals()[row, 0] == by_strand[:, 150:250].sum()
        row += 1
    assert row == len(made) == made.provenance["kept"]
    assert made.shift == "+4/-4"
    assert sum(made.provenance["skipped"].values()) == 1_411 - row > 0
