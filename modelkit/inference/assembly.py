"""Whether a file is of the genome that a data set was made of."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.contigs import is_fasta
from kmerengine.io.fasta import Genome

__all__ = ["check_assembly"]

COMPARED = 1000  # sequences, spread evenly; in a plain gzip file one pass finds them all


def check_assembly(
    dataset: Dataset, rows: npt.NDArray[np.int64], genome: Path, contigs: dict[str, int]
) -> None:
    """InputError unless the contigs are those of the data set's genome, or else the file is FASTA
    with the bases of the data set at the places of its sequences, in COMPARED of some rows.

    Of a data set that was made without a genome nothing is known.
    """
    known = dataset.provenance.get("inputs", {}).get("genome")
    digest = schemas.contigs_digest(genome, contigs)["contigs_sha256"]
    if not isinstance(known, dict) or known.get("contigs_sha256") == digest:
        return
    if not is_fasta(genome):
        raise InputError(
            f"{genome}: has other contigs than the genome of {dataset.path}, or in another order; "
            "expected the genome of the data set, as FASTA or with its names and lengths"
        )
    some = rows[np.unique(np.linspace(0, len(rows) - 1, COMPARED).astype(np.int64))]
    regions = dataset.regions.take(pa.array(some)).combine_chunks()
    low, high = dataset.spans["sequence"]
    first = regions["start"].to_numpy().astype(np.int64)
    start, end = first + low, first + high
    chroms = regions["chrom"].to_pylist()
    with Genome.open(genome) as opened:
        number = {name: i for i, name in enumerate(opened.contigs)}
        contig = np.array([number[name] for name in chroms], np.int64)
        lengths = np.array(list(opened.contigs.values()), np.int64)[contig]
        is_same = (start >= 0) & (end <= lengths)
        here = np.flatnonzero(is_same)
        codes, _ = opened.fetch(contig[here], start[here], end[here])
    found = codes.reshape(len(here), high - low)
    is_same[here] = (found == dataset.sequence[some[here]]).all(axis=1)
    if not is_same.all():
        i = int(np.argmin(is_same))
        raise InputError(
            f"{genome}: has other bases at {chroms[i]}:{start[i]}-{end[i]} than {dataset.path}; "
            "expected the genome of the data set"
        )
