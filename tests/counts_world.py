"""Counts of a small genome, and how they are compared."""

import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import kmerengine
from kmerengine import KmerCounts, Vocabulary

H5AD = pytest.param(
    ".h5ad",
    marks=pytest.mark.skipif(find_spec("anndata") is None, reason="anndata is not installed"),
)
SUFFIXES = [".parquet", ".arrow", "", ".npz", H5AD]  # "" is a folder of parts

VOCABULARIES = {
    "default": (Vocabulary.wildcard(), False),
    "default, materialized": (Vocabulary.wildcard(), True),
    "stranded": (Vocabulary.exact(5, stranded=True), False),
    "gkm, materialized": (Vocabulary.gkm(6, 3, stranded=True), True),
    "masks": (Vocabulary.masks(["1101", "1010"]), False),
    "k = 13": (Vocabulary.exact(13), False),
    "k = 17": (Vocabulary.exact(17, stranded=True), False),
    "k = 20": (Vocabulary.exact(20), False),
}


def write_inputs(folder: Path) -> tuple[Path, Path]:
    """A genome with N, and regions with names, no scores, strands, some too short."""
    rng = random.Random(1)
    genome, regions = folder / "g.fa", folder / "r.bed"
    contigs = {name: "".join(rng.choices("ACGTN", [9, 9, 9, 9, 1], k=900)) for name in ("b", "ä")}
    genome.write_text("".join(f">{name} x\n{bases}\n" for name, bases in contigs.items()))
    lines = []
    for i in range(40):
        start, score = rng.randrange(700), rng.choice([".", "0", "-1.5", "1e300"])
        name = rng.choice(["", "N", "ü", '"', "a b", f"peak{i}"])
        fields = [rng.choice("bä"), start, start + rng.randrange(10, 90), name, score]
        lines.append("\t".join(map(str, [*fields, rng.choice("+-.")])) + "\n")
    regions.write_text("".join(lines))
    return genome, regions


def count(inputs: tuple[Path, Path], output: Path | None = None, **options: Any) -> KmerCounts:
    if output is not None:
        options["parts"] = output.suffix == ""
    found = kmerengine.count(*inputs, output=output, **options)
    assert isinstance(found, KmerCounts)
    return found


def equal(a: scipy.sparse.csr_matrix, b: scipy.sparse.csr_matrix) -> bool:
    return (
        (a.shape, a.dtype) == (b.shape, b.dtype)
        and np.array_equal(a.indptr, b.indptr)
        and np.array_equal(a.indices, b.indices)
        and np.array_equal(a.data, b.data)
    )


def difference(found: KmerCounts, expected: KmerCounts) -> str:
    """The first thing in which two counts differ, or an empty string."""
    if (found.vocabulary, found.is_materialized) != (
        expected.vocabulary,
        expected.is_materialized,
    ):
        return "vocabulary"
    if found.provenance != expected.provenance:
        return "provenance"
    if found.regions.to_pylist() != expected.regions.to_pylist():
        return "regions"
    if not found.to_polars().equals(expected.to_polars()):
        return "table"
    if found.vocabulary.is_numbered and not equal(found.features(), expected.features()):
        return "features"
    if not found.is_materialized:
        if found.words.dtype != expected.words.dtype or (found.words != expected.words).any():
            return "words"
        if not equal(found.exact, expected.exact):
            return "exact"
    return ""
