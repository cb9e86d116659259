"""Peaks of topics that are drawn one by one, and the part of a motif that a probe holds."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from kmerengine import simulate_kmers
from kmerengine.motifs.meme import write_meme
from kmerengine.motifs.motif import Motif


def test_each_motif_of_a_peak_takes_a_topic_of_its_own(tmp_path: Path) -> None:
    """Of two equal topics, two motifs of a peak are of one in half of the peaks."""
    n = 2000
    made = simulate_kmers(
        tmp_path / "sim", n_topics=2, motifs_per_topic=1, n_absent=0, n_peaks=n,
        motifs_per_peak=2, concentration=1e6, n_probes=0,
    )  # fmt: skip
    table = pq.read_table(made.embedded)
    motifs = np.array(table["motif"].to_pylist()).reshape(n, 2)
    assert table["row"].to_pylist() == np.repeat(np.arange(n), 2).tolist()
    same = float((motifs[:, 0] == motifs[:, 1]).mean())
    assert same == pytest.approx(0.5, abs=4.5 * 0.5 / n**0.5)


@pytest.mark.parametrize("core", ["GATA", "CCCA"])
def test_a_short_probe_holds_what_tells_most_of_its_motif(core: str, tmp_path: Path) -> None:
    matrix = np.full((9, 4), 0.25)
    matrix[3:7] = np.eye(4)[["ACGT".index(base) for base in core]]
    write_meme(tmp_path / "m.meme", [Motif(name="long", probabilities=matrix, nsites=20.0)])
    made = simulate_kmers(
        tmp_path / "sim", motifs=tmp_path / "m.meme", n_topics=1, motifs_per_topic=1, n_absent=0,
        n_peaks=1, n_probes=40, probe_length=4,
    )  # fmt: skip
    turned = core[::-1].translate(str.maketrans("ACGT", "TGCA"))
    found = pq.read_table(made.probes)["sequence"].to_pylist()
    assert set(found) == {core, turned}
