"""A column of another type is refused: by `schemas.require`, and by every reader of tables."""

import random
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pytest
from fuzz.child import _read
from fuzz.mutate_stored import as_file, stored, table_of
from fuzz.targets import every_target, target_of

from kmerengine import InputError, schemas

KINDS = [
    pa.bool_(), pa.int8(), pa.uint8(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64(),
    pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.binary(), pa.null(),
    pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int32(), pa.int64()), pa.list_(pa.int64()), pa.list_(pa.int32()),
    pa.list_(pa.field("element", pa.int64(), nullable=False)), pa.list_(pa.list_(pa.int64())),
    pa.list_(pa.int64(), 2), pa.large_list(pa.int64()),
]  # fmt: skip
OF_ANY_TYPE = {"run", "evaluation", "epochs"}  # measures, as many as there are, by their names
WITHOUT_TABLES = {"counts.npz", "array", "checkpoint", "pipeline", "attributions.begun"}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_type_passes_for_another(kind):
    expected = pa.schema([pa.field("a", pa.int8()), pa.field("b", kind)])
    schemas.require(expected, expected, Path("x"))
    for other in KINDS:
        if other is not kind:
            found = pa.schema([pa.field("b", other), pa.field("a", pa.int8())])
            with pytest.raises(InputError) as caught:
                schemas.require(found, expected, Path("x"))
            assert str(caught.value) == (
                f"x: column 'b' is {other}, expected {kind}; make the file again"
            )


def test_the_types_are_all_different():
    assert not any(one.equals(other) for one, other in permutations(KINDS, 2))


def another(kind: pa.DataType) -> pa.DataType:
    """A type that holds nearly the same: of other width, or no dictionary."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(another(kind.value_type)))
    near = {pa.string(): pa.large_string(), pa.bool_(): pa.uint8(), pa.int64(): pa.int32(),
            pa.float64(): pa.float32(), pa.float32(): pa.float64()}  # fmt: skip
    return near.get(kind, pa.int64())


def targets_with_tables() -> list[str]:
    """Those whose files are mutated by what they hold, and the one of them with a genome."""
    of_ours = {each.name for each in every_target() if each.change is stored} | {"sample"}
    return sorted(of_ours - OF_ANY_TYPE - WITHOUT_TABLES)


@pytest.mark.parametrize("name", targets_with_tables())
def test_every_reader_refuses_a_column_of_another_type(name, tmp_path, monkeypatch):
    """Of the good files of fuzzing, each column of each table."""
    target = target_of(name)
    made, here = tmp_path / "made", tmp_path / "here"
    made.mkdir(), here.mkdir()
    monkeypatch.chdir(tmp_path)
    checked = 0
    for files in target.seeds(made):
        for each, content in files.items():
            table = table_of(content) if each.endswith((".parquet", ".arrow")) else None
            for i, field in enumerate(table.schema if table is not None else ()):
                kind = another(field.type)
                column = table.column(i).cast(kind, safe=False)
                other = table.set_column(i, field.with_type(kind), column)
                changed = as_file(other, content[:4] == b"PAR1", random.Random(0))
                with pytest.raises(InputError, match=f"column '{field.name}' is "):
                    _read(target, here, {**files, each: changed})
                checked += 1
    assert checked
