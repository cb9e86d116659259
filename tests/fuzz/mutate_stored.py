"""Mutations of what the project writes itself: as a stranger would who knows the formats.

Documents get seals that fit, the same document goes into every file that carries it, and where a
document says how an array lies in its file, the digest of the rest of that file fits as well.
"""

import copy
import hashlib
import io
import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.mutate import npy, plain_json, safetensors, some_bytes, some_json, some_text, zip_members
from fuzz.target import Files
from kmerengine import schemas
from kmerengine.io.arrays import DTYPES

KEY = schemas.METADATA_KEY
FIXED = ("format", "version")  # of a document: another one is refused before all else
EXTREME = (0, 1, -1, 255, -128, 2**15, 2**31 - 1, -(2**31), 2**32 - 1, 2**62, 2**63 - 1, -(2**63))


def stored(files: Files, rng: random.Random) -> Files:
    """An input: one file is changed, or one document in all files that carry it."""
    name = rng.choice(sorted(files))
    sealed = [each for each in sorted(files) if document_of(each, files[each]) is not None]
    if sealed and rng.random() < 0.55:
        return with_document(files, rng.choice(sealed), rng)
    if len(files) > 1 and rng.random() < 0.03:
        return {other: content for other, content in files.items() if other != name}
    return {**files, name: _changed(name, files[name], rng)}


def _changed(name: str, content: bytes, rng: random.Random) -> bytes:
    suffix = name.rpartition(".")[2]
    if suffix in ("parquet", "arrow") and rng.random() < 0.6 and (table := table_of(content)):
        return as_file(some_table(table, rng), content[:4] == b"PAR1", rng)
    if suffix == "npy":
        return npy(content, rng)
    if suffix == "npz":
        return zip_members(npy)(content, rng)
    if suffix == "safetensors":
        return safetensors(some_json)(content, rng)
    if suffix == "json" and rng.random() < 0.4:
        return plain_json(content, rng)
    if suffix in ("txt", "tsv", "json", "toml", "meme", "bed"):
        return some_text(content, rng)
    return some_bytes(content, rng)


def table_of(content: bytes) -> pa.Table | None:
    """The table of Parquet or of Arrow, but not the frame of an array."""
    try:
        if content[:4] == b"PAR1":
            return pq.read_table(pa.BufferReader(content))
        table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
    except (pa.ArrowException, OSError):
        return None
    return table if KEY in (table.schema.metadata or {}) else None


def as_file(table: pa.Table, is_parquet: bool, rng: random.Random) -> bytes:
    made = io.BytesIO()
    try:
        if is_parquet:
            rows = rng.choice((1 << 20, 1 << 20, 2, max(1, len(table) // 2)))
            pq.write_table(
                table, made, row_group_size=rows, compression=rng.choice(("none", "zstd"))
            )
        else:
            with pa.ipc.new_file(made, table.schema) as writer:
                writer.write_table(table.combine_chunks())
    except (pa.ArrowException, OSError, ValueError, TypeError):  # no writer takes it
        return b""
    return made.getvalue()


def document_of(name: str, content: bytes) -> dict[str, Any] | None:
    """The sealed document that a file carries."""
    try:
        if name.endswith(".json"):
            found = json.loads(content)
        elif name.endswith((".parquet", ".arrow")):
            table = table_of(content)
            found = None if table is None else json.loads(table.schema.metadata[KEY])
        elif name.endswith(".safetensors"):
            size = int.from_bytes(content[:8], "little")
            found = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][KEY.decode()])
        elif name.endswith(".npz"):
            with np.load(io.BytesIO(content)) as file:
                found = json.loads(str(file[KEY.decode()]))
        else:
            return None
        found.pop(schemas.SEAL)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return dict(found)


def with_document(files: Files, name: str, rng: random.Random) -> Files:
    """The document of a file changed, there and in every file that has the same one."""
    before = document_of(name, files[name])
    assert before is not None
    after = some_json(before, rng, keep=FIXED)
    if rng.random() < 0.25 and (described := _arrays(after, ())):
        after = _another_layout(after, rng.choice(described), files, rng)
    alone = rng.random() < 0.1
    made = dict(files)
    for other, content in files.items():
        found = document_of(other, content)
        if other == name:
            made[other] = put_document(other, content, after)
        elif not alone and found is not None and _without_table(found) == _without_table(before):
            own = {"table": found["table"]} if "table" in found else {}
            made[other] = put_document(other, content, {**_without_table(after), **own})
    return made


def _without_table(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "table"}


def put_document(name: str, content: bytes, document: Any) -> bytes:
    """The file with this document, under a seal that fits."""
    text = schemas.as_text(document).encode("utf-8", "surrogateescape")
    if name.endswith(".json"):
        return text
    if name.endswith(".npz"):
        with np.load(io.BytesIO(content)) as file:
            arrays = {key: file[key] for key in file.files}
        made = io.BytesIO()
        np.savez(made, **{**arrays, KEY.decode(): np.array(text.decode())})
        return made.getvalue()
    if name.endswith(".safetensors"):
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        header["__metadata__"][KEY.decode()] = text.decode()
        raw = json.dumps(header).encode()
        raw += b" " * (-len(raw) % 8)
        return len(raw).to_bytes(8, "little") + raw + content[8 + size :]
    table = table_of(content)
    assert table is not None
    schema = table.schema.with_metadata({**table.schema.metadata, KEY: text})
    return as_file(table.cast(schema), content[:4] == b"PAR1", random.Random(0))


def _arrays(value: Any, here: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Where a document describes arrays."""
    if not isinstance(value, dict):
        return []
    if {"dtype", "shape", "offset", "bytes", "frame"} <= value.keys():
        return [here]
    return [place for key, each in value.items() for place in _arrays(each, (*here, key))]


def _another_layout(document: Any, place: tuple[Any, ...], files: Files, rng: random.Random) -> Any:
    """An array of another type, shape or place in its file, with a digest of the rest that fits."""
    made = copy.deepcopy(document)
    described = made
    for key in place:
        described = described[key]
    name = next((n for n in sorted(files) if n.endswith(f"{place[-1]}.arrow")), None)
    name = name or next((n for n in sorted(files) if len(files[n]) == described["bytes"]), None)
    if name is None or not isinstance(described["shape"], list):
        return made
    try:
        match rng.randrange(4):
            case 0:
                described["dtype"] = rng.choice([*DTYPES, "|O", "<U9"])
            case 1:
                described["shape"] = [
                    int(n) for n in rng.sample(described["shape"], len(described["shape"]))
                ]
            case 2:
                at = rng.randrange(len(described["shape"]))
                described["shape"][at] = rng.choice((0, 1, described["shape"][at] - 1, 2**40))
            case _:
                described["offset"] = rng.choice((0, 1, 7, described["offset"] - 8))
        item = np.dtype(DTYPES.get(described["dtype"], np.uint8)).itemsize
        n_bytes = int(item * np.prod([1, *described["shape"]], dtype=object))
        raw, offset = files[name], int(described["offset"])
        described["bytes"] = len(raw)
        rest = raw[: max(0, offset)] + raw[max(0, offset) + n_bytes :]
        described["frame"] = hashlib.sha256(rest).hexdigest()
    except (TypeError, ValueError, IndexError, OverflowError):
        pass  # it was changed before
    return made


# ------------------------------------------------------------------------------------------ tables


def some_table(table: pa.Table, rng: random.Random) -> pa.Table:
    """One or two other columns, types, values, nulls, lists, words or rows."""
    for _ in range(rng.choice((1, 1, 2))):
        if not table.num_columns:
            return table
        at = rng.randrange(table.num_columns)
        field = table.schema.field(at)
        try:
            match rng.randrange(8):
                case 0:
                    table = table.remove_column(at)
                case 1:
                    table = table.append_column(field, table.column(at))
                case 2:
                    low = rng.randrange(len(table) + 1)
                    table = table.slice(low, rng.randrange(len(table) + 1))
                case 3:
                    table = table.take(pa.array(rng.choices(range(len(table)), k=len(table))))
                case 4:
                    kind = rng.choice(
                        (pa.int64(), pa.string(), pa.float64(), pa.binary(), pa.int8())
                    )
                    table = table.set_column(at, field.name, table.column(at).cast(kind))
                case _:
                    values = _other_values(table.column(at), field.type, rng)
                    nullable = rng.random() < 0.5 or values.null_count > 0
                    other = pa.field(field.name, values.type, nullable)
                    table = table.set_column(at, other, values)
        except (pa.ArrowException, ValueError, TypeError, IndexError, OverflowError):
            continue  # such a table cannot be made
    return table


def _other_values(column: pa.ChunkedArray, kind: pa.DataType, rng: random.Random) -> pa.Array:
    """Some rows have another value of the same type, or none."""
    rows = column.to_pylist()
    if pa.types.is_dictionary(kind) and rng.random() < 0.5:
        return _other_dictionary(column, rng)
    for _ in range(rng.choice((1, 1, 3, len(rows)))):
        row = rng.randrange(len(rows))
        rows[row] = None if rng.random() < 0.25 else _other(rows[row], rng)
    if pa.types.is_dictionary(kind):
        return pa.array(rows, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(rows, kind)


def _other_dictionary(column: pa.ChunkedArray, rng: random.Random) -> pa.Array:
    """Words that are null or there twice, or rows without a word."""
    array = column.combine_chunks()
    words, indices = array.dictionary.to_pylist(), array.indices.to_pylist()
    if words and rng.random() < 0.7:
        words[rng.randrange(len(words))] = rng.choice(
            (None, words[0], "", "\x00", "x" * 500, "../x")
        )
    if indices and rng.random() < 0.5:
        indices[rng.randrange(len(indices))] = None
    return pa.DictionaryArray.from_arrays(
        pa.array(indices, array.type.index_type), pa.array(words, array.type.value_type)
    )


def _other(value: Any, rng: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((*EXTREME, value + 1, value - 1))
    if isinstance(value, float):
        return rng.choice((float("nan"), float("inf"), -1.0, 0.0, 1e308, -1e-300, value * 2))
    if isinstance(value, str):
        return rng.choice(("", "N", "../x", "a\tb\n", "\x00", "x" * 300, value * 2, "\u2028", "*"))
    if isinstance(value, list):
        made = list(value)
        match rng.randrange(4):
            case 0:
                return made[:-1]
            case 1:
                return made * 2
            case 2:
                return []
        for at in rng.sample(range(len(made)), min(len(made), 2)):
            made[at] = _other(made[at], rng)
        return made
    return value
