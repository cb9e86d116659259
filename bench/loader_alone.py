"""One epoch of batches: `python -m bench.loader_alone KIND WORKERS` prints seconds, and sums.

Nothing looks at a batch while the clock runs. The sums are those of the first batches of another
epoch. The floor is memory: an example is 4 x 2,114 + 1,000 floats, 38 kB that have to be written.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader as TorchLoader
from torch.utils.data import Dataset as TorchDataset

from bench.data import WORK
from kmerengine import Dataset, schemas
from kmerengine.datasets.write import Examples, Stored, write_examples
from kmerengine.io.arrays import write_array
from kmerengine.regions import Regions
from modelkit.data import Loader

N_EXAMPLES = 50_176  # whole batches
BATCH = 256
WIDTH, OUTPUT, MARGIN = 2114, 1000, 500
STORED = WIDTH + 2 * MARGIN + 2 * (OUTPUT + 2 * MARGIN)  # bytes of an example
LOOKED_AT = 10  # batches
PATH = WORK / "loader"

assert STORED < 8_000

Arrays = tuple[Any, Any, Any]  # one-hot, counts, rows


def write(path: Path = PATH, n: int = N_EXAMPLES) -> Path:
    """Random bases and cuts as a data set, made unless it is there."""
    if path.exists():
        return path
    rng = np.random.default_rng(1)
    path.mkdir(parents=True)
    sequence = rng.integers(0, 4, (n, WIDTH + 2 * MARGIN), dtype=np.uint8)
    sequence[rng.random(sequence.shape) < 0.001] = 255
    counts = rng.poisson(0.1, (n, 1, OUTPUT + 2 * MARGIN)).astype(np.int16)
    start = (OUTPUT - WIDTH) // 2
    arrays = {
        "sequence": Stored(
            file=write_array(path / "sequence.arrow", sequence),
            start=start - MARGIN,
            span=(start, start + WIDTH),
        ),
        "counts": Stored(
            file=write_array(path / "counts.arrow", counts), start=-MARGIN, span=(0, OUTPUT)
        ),
    }
    at = 10_000 * np.arange(1, n + 1)
    regions = Regions(
        contig_names=("random",),
        contig=np.zeros(n, np.int32),
        start=at,
        end=at + OUTPUT,
        name=[""] * n,
        score=np.full(n, np.nan),
        strand=np.full(n, b"."),
        summit=np.full(n, -1),
        line=np.arange(1, n + 1),
    )
    examples = Examples(regions=regions, split=np.zeros(n, np.int8), negative=np.zeros(n, np.bool_))
    document = schemas.provenance("bench", {}, {})
    write_examples(path, examples, arrays, document, margin=MARGIN, window=(375, 625))
    return path


def loader_of(data: Dataset, workers: int) -> Loader:
    """The loader that is measured, and that says which windows the others make."""
    options = {"batch_size": BATCH, "jitter": MARGIN, "reverse_complement": True}
    return Loader(data, workers=workers, **options)  # type: ignore[arg-type]


def by_modelkit(data: Dataset, epoch: int, workers: int) -> Iterator[Arrays]:
    """Our own batches."""
    for batch in loader_of(data, workers).batches(epoch):
        yield batch.sequence, batch.counts, batch.rows


def window(
    codes: npt.NDArray[np.uint8], counts: npt.NDArray[Any], reverse: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """One-hot and counts of windows that were cut out, by whole arrays."""
    table = np.vstack([np.eye(4, dtype=np.float32), np.zeros((252, 4), np.float32)])
    one_hot = table[codes].transpose(0, 2, 1)
    made = counts.astype(np.float32)
    one_hot[reverse] = one_hot[reverse][:, ::-1, ::-1]
    made[reverse] = made[reverse][..., ::-1]
    return np.ascontiguousarray(one_hot), made


def by_numpy(data: Dataset, epoch: int, _: int) -> Iterator[Arrays]:
    """Batches by indexing with arrays."""
    plan = loader_of(data, 0)._plan(epoch)
    sequence, counts = data.stored("sequence")[0], data.stored("counts")[0]
    for first in range(0, len(plan.rows), BATCH):
        part = slice(first, first + BATCH)
        rows, moved = plan.rows[part, None], plan.moved[part, None] + MARGIN
        codes = sequence[rows, moved + np.arange(WIDTH)]
        cuts = counts[rows, 0, moved + np.arange(OUTPUT)][:, None]
        yield *window(codes, cuts, plan.reverse[part]), plan.rows[part]


class OneByOne(TorchDataset[Arrays]):
    """Example by example, as PyTorch's loader asks for them."""

    def __init__(self, data: Dataset, epoch: int) -> None:
        self._plan = loader_of(data, 0)._plan(epoch)
        self._sequence, self._counts = data.stored("sequence")[0], data.stored("counts")[0]

    def __len__(self) -> int:
        return len(self._plan.rows)

    def __getitem__(self, index: int) -> Arrays:
        row, first = self._plan.rows[index], self._plan.moved[index] + MARGIN
        codes = self._sequence[row, first : first + WIDTH]
        cuts = self._counts[row, :, first : first + OUTPUT]
        one_hot, made = window(codes[None], cuts[None], self._plan.reverse[index : index + 1])
        return one_hot[0], made[0], row


def by_dataloader(data: Dataset, epoch: int, workers: int) -> Iterator[Arrays]:
    """Batches of PyTorch's loader with worker processes."""
    yield from TorchLoader(OneByOne(data, epoch), batch_size=BATCH, num_workers=workers)


KINDS = {"modelkit": by_modelkit, "numpy": by_numpy, "dataloader": by_dataloader}


def sums(batches: Iterator[Arrays]) -> dict[str, int]:
    """Facts of the first batches: bases, cuts, and both by where they lie."""
    facts = {"examples": 0, "bases": 0, "cuts": 0, "checksum": 0}
    for _, (one_hot, counts, rows) in zip(range(LOOKED_AT), batches, strict=False):
        x, y, r = (np.asarray(each, np.float64) for each in (one_hot, counts, rows))
        facts["examples"] += len(x)
        facts["bases"] += int(x.sum())
        facts["cuts"] += int(y.sum())
        places = np.arange(1, 4 * WIDTH + 1).reshape(4, WIDTH)
        by_example = (x * places).sum((1, 2)) + (y[:, 0] * np.arange(1, OUTPUT + 1)).sum(1)
        facts["checksum"] += int(((r + 1) * by_example).sum())
    return facts


def main(kind: str, workers: int) -> None:
    """Time an epoch after one that warms up, and sum what it begins with."""
    torch.set_num_threads(1)
    data = Dataset.open(PATH)
    make = KINDS[kind]
    for epoch in range(2):
        start = time.perf_counter()
        for _ in make(data, epoch, workers):
            pass
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds} | sums(make(data, 2, workers))))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
