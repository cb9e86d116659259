"""The files a counts table is written to: Parquet, Arrow IPC, npz, h5ad and BindVAE's id list."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.npz import read_arrays
from kmerengine.kmers.vocabulary import Vocabulary
from kmerengine.kmers.words import packed

if TYPE_CHECKING:
    import anndata
    from scipy.sparse import csr_matrix

_SEAL = b"\nkmerengine sha256 "  # and 32 bytes, at the end of an h5ad file

SUFFIXES = (".parquet", ".arrow", ".npz", ".h5ad", ".txt")


def check_suffix(path: Path) -> None:
    """InputError unless the suffix of an output names a format."""
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path}: found suffix {path.suffix!r}, expected one of {' '.join(SUFFIXES)}"
        )


def vocabulary_beside(path: Path) -> Path:
    """Where the vocabulary of the id list `path` is written."""
    return path.with_suffix(".vocabulary.npy")


def counts_batch(
    schema: pa.Schema,
    region_columns: list[pa.Array],
    indptr: npt.NDArray[np.int64],
    values: npt.NDArray[Any],
    counts: npt.NDArray[np.uint32],
) -> pa.RecordBatch:
    """Region columns and a CSR triple of their words (or features) as one batch."""
    offsets = pa.array(indptr.astype(np.int32))
    lists = []
    for field, flat in zip(list(schema)[-2:], (values, counts), strict=True):
        flat = pa.array(flat.astype(field.type.value_type.to_pandas_dtype(), copy=False))
        lists.append(pa.ListArray.from_arrays(offsets, flat, type=field.type))
    return pa.RecordBatch.from_arrays(region_columns + lists, schema=schema)


def write_npz(
    path: Path,
    regions: pa.Table,
    matrix: "csr_matrix",
    provenance: dict[str, Any],
    words: npt.NDArray[Any] | None,
) -> None:
    """A file that `scipy.sparse.load_npz` reads too; the region columns lie beside the matrix.

    `words` are those of the columns, where the vocabulary does not number them.
    """
    extra: dict[str, Any] = {} if words is None else {"words": words}
    for field in schemas.REGION_COLUMNS:
        column = regions[field.name]
        if _is_text(field.type):
            extra[field.name] = np.array(column.cast(pa.string()).to_pylist(), np.str_)
        else:
            extra[field.name] = column.to_numpy()
    with path.open("wb") as file:
        np.savez(
            file,
            format=np.array(b"csr"),
            shape=np.array(matrix.shape),
            data=matrix.data,
            indices=matrix.indices,
            indptr=matrix.indptr,
            kmerengine=np.array(schemas.as_text(provenance)),
            **extra,
        )


def read_npz(path: Path) -> pa.Table:
    """The counts table of an npz file; InputError if it is not one of ours."""
    from scipy.sparse import csr_matrix

    try:
        arrays = read_arrays(path)
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        matrix = csr_matrix(parts, shape=tuple(arrays["shape"]))
        return _table(path, str(arrays["kmerengine"]), matrix, arrays, arrays.get("words"))
    except InputError:
        raise
    except Exception as error:  # a damaged zip file can raise nearly anything
        raise _unreadable(path, "npz", error) from error


def as_anndata(
    regions: pa.Table, matrix: "csr_matrix", names: list[str], provenance: dict[str, Any]
) -> "anndata.AnnData":
    """Regions x words (or features) with their names, provenance in ``uns``."""
    anndata = need_anndata()
    obs = regions.to_pandas()
    obs.index = obs.index.astype(str)
    made = anndata.AnnData(X=matrix, obs=obs)
    made.var_names = names
    made.uns["kmerengine"] = schemas.as_text(provenance)
    return made


def read_h5ad(path: Path) -> pa.Table:
    """The counts table of an h5ad file; InputError if it is not one of ours."""
    from scipy.sparse import csr_matrix

    anndata = need_anndata()
    try:
        _check_seal(path)
        stored = anndata.read_h5ad(path)
        columns = {name: stored.obs[name].to_numpy() for name in schemas.REGION_COLUMNS.names}
        document = str(stored.uns["kmerengine"])
        # names are read as words where the vocabulary is not numbered; none of those has an N
        words = [packed(name.replace("N", "A")) for name in stored.var_names]
        matrix = csr_matrix(stored.X)
        return _table(path, document, matrix, columns, np.array(words, np.uint64))
    except InputError:
        raise
    except Exception as error:  # HDF5 raises a different error for every kind of damage
        raise _unreadable(path, "h5ad", error) from error


def write_h5ad(path: Path, counts: "anndata.AnnData") -> None:
    """An h5ad file and a digest of it: HDF5 passes over what follows its end.

    libhdf5 crashes where a disk is full, so the file is made in memory, and can crash on a damaged
    file, so damage has to be known before it reads one. A file that another program has changed
    has no digest any more, and is read as it is.
    """
    import h5py
    from anndata.io import write_elem

    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        write_elem(file, "/", counts)
        file.flush()
        content = file.id.get_file_image()
    with path.open("wb") as sealed:
        sealed.write(content)
        sealed.write(_SEAL + hashlib.sha256(content).digest())


def _check_seal(path: Path) -> None:
    content = memoryview(path.read_bytes())
    body, seal = content[: -len(_SEAL) - 32], content[-len(_SEAL) - 32 :]
    same = sum(a == b for a, b in zip(seal, _SEAL, strict=False))  # a damaged seal is still one
    if 2 * same > len(_SEAL) and hashlib.sha256(body).digest() != seal[len(_SEAL) :]:
        raise InputError(f"{path}: does not have the digest that it ends with; make it again")


def _table(
    path: Path,
    document: str,
    matrix: "csr_matrix",
    columns: dict[str, npt.NDArray[Any]],
    words: npt.NDArray[Any] | None,
) -> pa.Table:
    """The counts table of a matrix and its region columns."""
    found = schemas.parse_metadata(document, path, (schemas.KMERS, schemas.FEATURES))
    vocabulary = Vocabulary.from_spec(found.get("vocabulary"), path)
    materialized = found["format"] == schemas.FEATURES
    plain = schemas.counts_schema(vocabulary.k, materialized=materialized)
    schema = schemas.with_metadata(plain, found)
    matrix.check_format(full_check=True)
    matrix.sort_indices()
    listed = words
    if materialized:
        listed = np.arange(vocabulary.n_features, dtype=np.uint32)
    elif vocabulary.is_numbered:
        listed = vocabulary.exact_words
    if listed is None or matrix.shape[1] != len(listed):
        raise InputError(f"{path}: its columns do not fit its vocabulary; make it again")
    values = listed[matrix.indices]
    arrays = [
        pa.array(columns[field.name].tolist(), from_pandas=True).cast(field.type)
        if _is_text(field.type)
        else pa.array(columns[field.name], field.type, from_pandas=True)
        for field in schemas.REGION_COLUMNS
    ]
    batch = counts_batch(schema, arrays, matrix.indptr.astype(np.int64), values, matrix.data)
    return pa.Table.from_batches([batch])


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind))


def _unreadable(path: Path, kind: str, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(
        f"{path}: cannot be read as an {kind} file of counts ({reason}); "
        "it is missing, damaged or of another kind"
    )


def need_anndata() -> Any:
    """The module anndata, or InputError."""
    try:
        import anndata
    except ImportError as error:
        raise InputError(
            "h5ad: found no module anndata, expected it; pip install 'kmerengine[anndata]', or "
            "write another format"
        ) from error
    return anndata
