"""How a file says what it is: a JSON document in it, or beside it, under a seal.

It stands under the metadata key ``kmerengine``, or in a file of a folder: format, version, the
vocabulary, the command with its parameters, the inputs with their digests, the package version,
and how many regions were skipped by reason.
"""

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pyarrow as pa

from kmerengine.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")

METADATA_KEY = b"kmerengine"
VERSION = 1
SEAL = "sha256"  # of the other keys


def provenance(command: str, inputs: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """How a file was made; nothing in it depends on when or where."""
    return {
        "version": VERSION,
        "package_version": version("kmerengine"),
        "command": command,
        "parameters": parameters,
        "inputs": inputs,
    }


def as_text(document: dict[str, Any]) -> str:
    """`document` as JSON with its own SHA-256: of a damaged one no other numbers are read."""
    return json.dumps({**document, SEAL: _seal(document)})


def _seal(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def with_metadata(schema: pa.Schema, document: dict[str, Any]) -> pa.Schema:
    """`schema` that carries `document`."""
    return schema.with_metadata({METADATA_KEY: as_text(document).encode()})


def read_metadata(schema: pa.Schema, where: Path, formats: tuple[str, ...]) -> dict[str, Any]:
    """The document of a file we wrote, if it is of one of `formats`; else InputError."""
    raw = (schema.metadata or {}).get(METADATA_KEY)
    if raw is None:
        raise InputError(
            f"{where}: no kmerengine metadata; expected a file that kmerengine wrote "
            f"({' or '.join(formats)})"
        )
    return parse_metadata(raw, where, formats)


def read_document(path: Path, kind: str, made_by: str) -> dict[str, Any]:
    """The document `path` of a folder that `made_by` wrote, such as "modelkit train".

    Raises
    ------
    InputError
        It is missing, damaged, newer, or of another kind.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path.parent}: has no readable {path.name}; expected a folder of {made_by}"
        ) from error
    return parse_metadata(raw, path, (kind,))


def parse_metadata(raw: bytes | str, where: Path, formats: tuple[str, ...]) -> dict[str, Any]:
    """`read_metadata` for a document that is not in an Arrow schema."""
    try:
        document = json.loads(raw)
        stated = document.pop(SEAL)
        if stated != _seal(document):
            raise ValueError(f"{SEAL} is {stated}")
        found, found_version = document["format"], document["version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{where}: its kmerengine metadata is damaged; make the file again"
        ) from error
    if found not in formats:
        raise InputError(f"{where}: holds {found}, expected {' or '.join(formats)}")
    if found_version != VERSION:
        raise InputError(
            f"{where}: format version {found_version}, this kmerengine reads {VERSION}; "
            "update kmerengine or make the file again"
        )
    return dict(document)


def damage_refused(opener: Callable[P, T]) -> Callable[P, T]:
    """A method or function of (cls or self, path) whose file may have a document, under a seal that
    fits, without what ours have: InputError then.
    """

    @wraps(opener)
    def opened(*args: P.args, **options: P.kwargs) -> T:
        try:
            return opener(*args, **options)
        except InputError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            reason = str(error).partition("\n")[0][:100] or type(error).__name__
            raise InputError(
                f"{args[1]}: lacks what such a file has ({type(error).__name__}: {reason}); "
                "make it again"
            ) from error

    return opened


def digest(path: Path) -> dict[str, Any]:
    """Name, size (bytes) and SHA-256 of an input file; of a pipe, read once, only the name."""
    if not path.is_file():
        return {"name": path.name}
    with path.open("rb") as file:
        return {
            "name": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def contigs_digest(path: Path, contigs: dict[str, int]) -> dict[str, Any]:
    """Name, size and the SHA-256 of contig names and lengths: says which assembly it is.

    The bases are not read for it: that would cost more than counting a few thousand regions.
    """
    table = "".join(f"{name}\t{length}\n" for name, length in contigs.items())
    return {
        "name": path.name,
        "bytes": path.stat().st_size,
        "contigs_sha256": hashlib.sha256(table.encode()).hexdigest(),
    }
