"""Probes: short sequences that a transcription factor has bound, each with the factor's name.

Such as of HT-SELEX, where a factor has some hundred enriched sequences of 20 bp, or of CAP-SELEX
with pairs of factors.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.errors import InputError
from kmerengine.io.fasta import stream_fasta
from kmerengine.io.tables import TableReader
from kmerengine.io.text import text_blocks

__all__ = ["Probes", "factors_of", "numbered", "read_labels"]

LETTERS = b"ACGTURYSWKMBDHVNacgturyswkmbdhvn"
HEADER = ("name", "factor")


class Probes:
    """Sequences with the factor of each.

    Parameters
    ----------
    names : sequence of str
        Different ones.
    factors : sequence of str
        Of each probe.
    sequences : sequence of str
    path : Path, optional
        Where they are from.

    Raises
    ------
    InputError
        Lists of different lengths, a name that is there twice, an empty name or factor.
    """

    def __init__(
        self,
        names: Sequence[str],
        factors: Sequence[str],
        sequences: Sequence[str],
        path: Path | None = None,
    ) -> None:
        self.names, self.factors, self.sequences = list(names), list(factors), list(sequences)
        self.path = path
        where = "probes" if path is None else str(path)
        if not len(self.names) == len(self.factors) == len(self.sequences):
            raise InputError(
                f"{where}: found {len(self.names)} names, {len(self.factors)} factors and "
                f"{len(self.sequences)} sequences, expected as many of each"
            )
        if not self.names:
            raise InputError(f"{where}: found no probes, expected at least one")
        seen: set[str] = set()
        for row, (name, factor) in enumerate(zip(self.names, self.factors, strict=True)):
            if not name or not factor or name in seen:
                found = f"the name {name!r} again" if name in seen else "no name or no factor"
                raise InputError(
                    f"{where}: probe {row}: found {found}, expected a name of its own and a factor"
                )
            seen.add(name)

    @classmethod
    def open(cls, path: str | Path, table: str | Path | None = None) -> "Probes":
        """Read probes.

        Parameters
        ----------
        path : path
            probes.parquet of `kmerengine simulate kmers`, or FASTA.
        table : path, optional
            Of FASTA: name and factor of each record in two columns, separated by tabs; further
            columns, comments (#) and a first line "name  factor" are passed over.

        Raises
        ------
        InputError
            A file that is none of these; a record without a factor, or a factor without its record.
        """
        path = Path(path)
        if _is_parquet(path):
            if table is not None:
                raise InputError(f"{table}: {path} has factors itself, expected no table with it")
            return cls._of_parquet(path)
        if table is None:
            raise InputError(f"{path}: is not Parquet; expected a table of names and factors too")
        factors = _read_factors(Path(table))
        sequences = _read_fasta(path)
        for name in sequences:
            if name not in factors:
                raise InputError(f"{table}: has no factor of {name!r}, a record of {path}")
        for name in factors:
            if name not in sequences:
                raise InputError(f"{path}: has no record {name!r}, which has a factor in {table}")
        return cls(
            list(sequences), [factors[name] for name in sequences], list(sequences.values()), path
        )

    @classmethod
    def _of_parquet(cls, path: Path) -> "Probes":
        reader = TableReader(path)
        schemas.read_metadata(reader.schema, path, (schemas.PROBES,))
        schemas.require(reader.schema, schemas.probes_schema(), path)
        table = reader.read()
        names, factors, sequences = (table[c].to_pylist() for c in ("name", "motif", "sequence"))
        if None in names or None in factors or None in sequences:
            raise InputError(f"{path}: has nulls, expected none; make the file again")
        return cls(names, factors, sequences, path)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> dict[str, str]:
        """The factor of each probe, by its name."""
        return dict(zip(self.names, self.factors, strict=True))


def read_labels(path: str | Path) -> dict[str, str]:
    """The factor of each probe by its name, of probes.parquet or of the table alone."""
    path = Path(path)
    return Probes.open(path).labels if _is_parquet(path) else _read_factors(path)


def factors_of(labels: dict[str, str], names: Sequence[str], where: str) -> list[str]:
    """The factor of each of these probes.

    Raises
    ------
    InputError
        A name of no probe, or one that is there twice.
    """
    seen: set[str] = set()
    for row, name in enumerate(names):
        if name not in labels or name in seen:
            found = f"{name!r} again" if name in seen else f"{name!r}, which has no factor"
            raise InputError(
                f"{where}: row {row}: found {found}; expected the probes that have one, each once"
            )
        seen.add(name)
    return [labels[name] for name in names]


def numbered(labels: Sequence[object]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Different labels in the order of the alphabet, and the number of each one among them."""
    texts = np.array([str(each) for each in labels], object)
    names, number = np.unique(texts, return_inverse=True)
    return tuple(map(str, names)), np.asarray(number, np.int64).reshape(-1)


def _is_parquet(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _read_factors(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for first, text in text_blocks(path, "a table of names and factors"):
        for number, line in enumerate(text.splitlines(), first):
            fields = tuple(line.split("\t"))
            if not line.strip() or line.startswith("#") or (not found and fields[:2] == HEADER):
                continue
            if len(fields) < 2 or not fields[0] or not fields[1]:
                raise InputError(
                    f"{path}: line {number}: found {line[:40]!r}, expected a name and a factor "
                    "with a tab between"
                )
            if fields[0] in found:
                raise InputError(
                    f"{path}: line {number}: found the name {fields[0]!r} again, expected each once"
                )
            found[fields[0]] = fields[1]
    if not found:
        raise InputError(f"{path}: found no line, expected names of probes with their factors")
    return found


def _read_fasta(path: Path) -> dict[str, str]:
    """Sequences by name, the header up to white space."""
    text = b"".join(block.tobytes() for block in stream_fasta(path))
    found: dict[str, str] = {}
    for number, record in enumerate(b"\n".join(text.splitlines())[1:].split(b"\n>"), 1):
        header, _, lines = record.partition(b"\n")
        words = header.split(None, 1)
        name = words[0].decode(errors="replace") if words else ""
        sequence = lines.replace(b"\n", b"")
        strange = sequence.translate(None, LETTERS)
        if not name or name in found or strange or not sequence:
            raise InputError(
                f"{path}: record {number}: found {_wrong(name, found, strange)}, expected a name "
                "of its own and bases"
            )
        found[name] = sequence.decode()
    return found


def _wrong(name: str, found: dict[str, str], strange: bytes) -> str:
    if not name:
        return "no name"
    if name in found:
        return f"the name {name!r} again"
    return f"byte 0x{strange[0]:02x} in {name!r}" if strange else f"no bases of {name!r}"
