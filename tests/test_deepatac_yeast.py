"""DeepATAC's input builder on real reads: six channels against the lines of the files."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

import kmerengine
import modelkit
from bench.deepatac_yeast import MOTIFS, SPLIT, WIDTH, prepare
from modelkit.registry import MODELS


@pytest.mark.data
def test_six_channels_are_those_of_the_files(data: Path, tmp_path: Path) -> None:
    """Of two chromosomes: bases of the FASTA, 5' ends of the fragments, a label where the motif's
    window lies in a peak.
    """
    made = prepare(data, tmp_path / "in")
    chosen = tmp_path / "w.bed"
    lines = [line for line in made.regions.read_text().splitlines()
             if line.split("\t")[0] in ("chrI", "chrVI")]  # fmt: skip
    assert len(lines) > 10
    chosen.write_text("\n".join(lines) + "\n")
    kmerengine.cuts([made.reads], output=tmp_path / "c.parquet", input_shift="none", shift="none",
                    genome=made.genome)  # fmt: skip
    made_data = kmerengine.dataset(
        chosen, genome=made.genome, cuts=tmp_path / "c.parquet", output=tmp_path / "d",
        labels=list(made.labels.values()), width=WIDTH, window=WIDTH, strands="split",
        split=["test=chrVI"], label_width=WIDTH,
    )  # fmt: skip
    assert set(made_data.label_names) == set(MOTIFS)
    assert made_data.labels.any(axis=1).all()
    letters, fragments = _files(made.genome, made.reads, ("chrI", "chrVI"))
    config = modelkit.read_config(model="deepatac", changes=["data.atac_mode=count"])
    task = MODELS["deepatac"].task(config.for_dataset(made_data), made_data)
    rows = np.arange(len(made_data))
    cpu = torch.device("cpu")
    (batch,) = task.batches(rows, training=False, batch_size=len(rows), device=cpu).batches(0)
    found = task.inputs(batch).numpy()
    seen = 0
    for line, channels in zip(lines, found, strict=True):
        chrom, start, end = line.split("\t")
        low, high = int(start), int(end)
        for base, row in zip("ACGT", channels[:4], strict=True):
            assert row.tolist() == [float(x == base) for x in letters[chrom][low:high]]
        plus, minus = [0.0] * WIDTH, [0.0] * WIDTH
        for first, last in fragments[chrom]:
            if low <= first < high:
                plus[first - low] += 1
            if low <= last - 1 < high:
                minus[last - 1 - low] += 1
        assert channels[4:].tolist() == [plus, minus]
        seen += sum(plus) + sum(minus)
    assert seen > 1000
    assert SPLIT[1] == "test=chrIV"


def _files(
    genome: Path, reads: Path, chroms: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, list[tuple[int, int]]]]:
    letters: dict[str, list[str]] = {}
    name = ""
    with gzip.open(genome, "rt") as file:
        for line in file:
            if line.startswith(">"):
                name = line[1:].split()[0]
                letters[name] = []
            else:
                letters[name].append(line.strip().upper())
    fragments: dict[str, list[tuple[int, int]]] = {chrom: [] for chrom in chroms}
    with gzip.open(reads, "rt") as file:
        for line in file:
            fields = line.split("\t")
            if fields[0] in fragments:
                fragments[fields[0]].append((int(fields[1]), int(fields[2])))
    return {chrom: "".join(letters[chrom]) for chrom in chroms}, fragments
