"""Read back what `kmerengine count` wrote, as facts that other providers can be held to."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.harness import Facts


def read_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Batches of a Parquet file, of a folder of Parquet parts in order, or of an Arrow file."""
    if path.suffix == ".arrow":
        with pa.memory_map(str(path)) as file:
            reader = pa.ipc.open_file(file)
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i).select(columns)
        return
    for part in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        with pq.ParquetFile(part) as file:
            yield from file.iter_batches(columns=columns)


def observe_regions(path: Path) -> Facts:
    """Exact words of regions; `bench.expected` says what the facts are."""
    n_rows = total = nonzeros = checksum = 0
    for batch in read_batches(path, ["word", "count"]):
        lists = batch["word"]
        rows = np.asarray(pc.list_parent_indices(lists), np.uint64) + np.uint64(n_rows)
        words = np.asarray(lists.flatten(), np.uint64)
        counts = np.asarray(batch["count"].flatten(), np.uint64)
        checksum += int(np.sum((rows + np.uint64(1)) * (words + np.uint64(1)) * counts))
        total += int(counts.sum())
        nonzeros += len(counts)
        n_rows += batch.num_rows
    return {"regions": n_rows, "total": total, "nonzeros": nonzeros, "checksum": checksum % 2**64}


def observe_features(path: Path) -> Facts:
    """Gapped features of regions."""
    n_rows = total = nonzeros = 0
    for batch in read_batches(path, ["feature", "count"]):
        counts = batch["count"].flatten()
        total += pc.sum(counts).as_py() or 0
        nonzeros += len(counts)
        n_rows += batch.num_rows
    return {"regions": n_rows, "feature_total": total, "feature_nonzeros": nonzeros}


def observe_totals(path: Path) -> Facts:
    """Exact words of a whole genome."""
    total = distinct = 0
    for batch in read_batches(path, ["count"]):
        total += pc.sum(batch["count"]).as_py() or 0
        distinct += batch.num_rows
    return {"total": total, "distinct": distinct}
