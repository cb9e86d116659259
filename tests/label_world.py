"""What tests of models of labels share: sequences with words planted in them, small networks."""

from pathlib import Path

import numpy as np
import pyarrow as pa

import kmerengine
from kmerengine import Dataset, schemas
from modelkit.config import Config
from modelkit.config_files import read_config

WORDS = {"gata": "AGATAAGG", "tal": "CAGCTGTT", "sp1": "GGGCGGGG"}
LENGTH = 60
SPLITS = ("train", "validation", "test")

# a network of a few hundred weights that learns words of 8 bp in seconds
SMALL = [
    "network.filters=[8, 8]", "network.widths=[9, 3]", "network.pools=[6, 5]", "network.dense=16",
    "training.batch_size=25", "training.epochs=3",
]  # fmt: skip


def make_labels(
    folder: Path,
    *,
    n: tuple[int, int, int] = (150, 50, 75),
    words: dict[str, str] = WORDS,
    at_random: bool = False,
    seed: int = 0,
) -> Dataset:
    """Each word lies in two of five sequences, on either strand; or labels that say nothing."""
    rng = np.random.default_rng(seed)
    size = sum(n)
    labels = rng.random((size, len(words))) < 0.4
    codes = rng.integers(0, 4, (size, LENGTH))
    slots = LENGTH // len(words)
    for row, has in zip(codes, labels, strict=True):
        for slot, word in zip(rng.permutation(len(words)), np.array(list(words.values()))[has],
                              strict=False):  # fmt: skip
            letters = np.array(["ACGT".index(base) for base in word])
            letters = 3 - letters[::-1] if rng.random() < 0.5 else letters
            first = slot * slots + rng.integers(0, slots - len(word) + 1)
            row[first : first + len(word)] = letters
    if at_random:
        labels = rng.random(labels.shape) < 0.4
    return write_labels(folder, codes, labels, tuple(words), np.repeat(SPLITS, n))


def write_labels(folder: Path, codes, labels, names, splits) -> Dataset:
    """A data set of sequences (n, bp), in codes, and labels (n, classes)."""
    folder.mkdir(exist_ok=True)
    table = pa.table({
        "name": [f"seq{i}" for i in range(len(codes))],
        "split": pa.array(list(splits)).dictionary_encode(),
        "sequence": ["".join("ACGTN"[code] for code in row) for row in codes.tolist()],
        "labels": np.asarray(labels, np.uint8).tolist(),
    })  # fmt: skip
    schema = schemas.sequences_schema()
    about = schemas.provenance("simulate koo", {}, {})
    about |= {"format": schemas.SEQUENCES, "classes": list(names)}
    table = table.cast(schemas.with_metadata(schema, about))
    import pyarrow.parquet as pq

    pq.write_table(table, folder / "sequences.parquet")
    return kmerengine.dataset_from_sequences(folder / "sequences.parquet", output=folder / "data")


def small_config(*changes: str, preset: str | None = None) -> Config:
    return read_config(model="koo", preset=preset, changes=[*SMALL, *changes])
