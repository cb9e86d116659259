"""BindVAE's own files: id lists as text, and the vocabulary as `.npy`.

In them id 0 is 'EMPTY' and the id of a feature is its column + 1 (Kshirsagar et al. 2021).
"""

import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from kmerengine.errors import InputError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# What the authors' pickled 0-d array names, and nothing else may be named.
HARMLESS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
FORBIDDEN = ("INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEWOBJ", "NEWOBJ_EX")
STRINGS = ("BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "BINSTRING", "SHORT_BINSTRING")
INTEGERS = ("BININT", "BININT1", "BININT2", "INT", "LONG1")
REMEMBER = ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE")
RECALL = ("BINGET", "LONG_BINGET", "GET")
AROUND_ITEMS = (
    "MARK", "SETITEM", "SETITEMS", "APPEND", "APPENDS", "LIST", "TUPLE", "BUILD", "FRAME", "STOP",
)  # fmt: skip


def id_lines(
    indptr: npt.NDArray[np.int64],
    features: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.uint32],
) -> Iterator[str]:
    """One line per row: each feature's id, ascending, repeated as often as it was counted."""
    ids = (features.astype(np.int64) + 1).astype(str)
    for row in range(len(indptr) - 1):
        part = slice(indptr[row], indptr[row + 1])
        yield " ".join(np.repeat(ids[part], counts[part])) + "\n"


def read_id_lists(path: str | Path, n_features: int) -> "csr_matrix":
    """Counts from a file of id lists.

    Parameters
    ----------
    path : path
        One row a line: feature ids separated by spaces, an id as often as it was counted.
    n_features : int
        Size of the vocabulary, 'EMPTY' not counted.

    Returns
    -------
    csr_matrix, uint32, shape (n_lines, n_features)
        Column = id - 1.

    Raises
    ------
    InputError
        With the line, for anything that is not an id of the vocabulary.
    """
    from scipy.sparse import csr_matrix

    path = Path(path)
    indptr, columns, counts = [0], [], []
    try:
        with path.open(encoding="ascii") as file:
            for number, line in enumerate(file, 1):
                found, repeats = np.unique(_ids(line, path, number, n_features), return_counts=True)
                columns.append(found - 1)
                counts.append(repeats)
                indptr.append(indptr[-1] + len(found))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a text of feature ids ({error})") from error
    data = np.concatenate(counts) if counts else np.zeros(0)
    indices = np.concatenate(columns) if columns else np.zeros(0)
    shape = (len(indptr) - 1, n_features)
    return csr_matrix((data.astype(np.uint32), indices.astype(np.int64), indptr), shape=shape)


def _ids(line: str, path: Path, number: int, n_features: int) -> npt.NDArray[np.int64]:
    try:
        if "_" in line:  # int would pass over it
            raise ValueError
        ids = np.array([int(field) for field in line.split()], np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{path}:{number}: found {line.strip()[:60]!r}, expected ids with spaces between"
        ) from error
    if len(ids) and not (ids.min() >= 1 and ids.max() <= n_features):
        wrong = ids[(ids < 1) | (ids > n_features)][0]
        raise InputError(
            f"{path}:{number}: found id {wrong}, expected 1 to {n_features}; "
            "is it of another vocabulary?"
        )
    return ids


def write_vocabulary(path: Path, words: npt.NDArray[np.str_]) -> None:
    """Write 'EMPTY' and the words, in order, as a plain array of strings."""
    with path.open("wb") as file:
        np.save(file, np.concatenate([["EMPTY"], words]), allow_pickle=False)


def read_vocabulary(path: str | Path) -> dict[str, int]:
    """Word -> id of a BindVAE vocabulary `.npy`, without unpickling it.

    Reads arrays of strings (what `write_vocabulary` makes) and the authors' file, a 0-d array
    that holds a pickled dict: its stream of opcodes is walked and only string-integer pairs are
    taken. A file that names any other global than NumPy's array constructors is refused.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            version = npy.read_magic(file)
            header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = header(file)
            if dtype.kind == "U" and len(shape) == 1:
                file.seek(0)
                words = [str(word) for word in np.load(file, allow_pickle=False)]
                if words[:1] != ["EMPTY"] or len(set(words)) < len(words):
                    raise InputError(
                        f"{path}: holds {len(words)} strings, expected 'EMPTY' first and every "
                        "word once"
                    )
                return {word: i for i, word in enumerate(words)}
            if not dtype.hasobject:
                raise InputError(
                    f"{path}: an array of {dtype} {shape}, expected a vocabulary (strings, or the "
                    "dict of BindVAE's authors)"
                )
            return _pairs(file.read(), path)
    except InputError:
        raise
    except Exception as error:  # NumPy evaluates the header: damage there raises nearly anything
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read as a .npy vocabulary ({reason})") from error


def _pairs(stream: bytes, path: Path) -> dict[str, int]:
    """The (string, integer) items of a pickled dict, by reading its opcodes only."""
    found: dict[str, int] = {}
    word: str | None = None
    inside = False
    # all of it is checked first: a call is named as what it is
    for name, value in list(_harmless_opcodes(stream, path)):
        if not inside:
            inside = name in ("EMPTY_DICT", "DICT")
        elif word is None and isinstance(value, str):
            word = value
        elif word is not None and isinstance(value, int):
            if word in found:
                raise InputError(f"{path}: word {word!r} is there twice, expected each word once")
            found[word] = value
            word = None
        elif word is not None or name not in AROUND_ITEMS:
            raise InputError(f"{path}: found {name} in its dict, expected only words and their ids")
    if not found or sorted(found.values()) != list(range(len(found))):
        raise InputError(
            f"{path}: holds {len(found)} pairs of word and id, expected ids 0, 1, 2 ... each once"
        )
    return found


def _harmless_opcodes(stream: bytes, path: Path) -> Iterator[tuple[str, str | int | None]]:
    """Every opcode, but those of the memo, with the string or integer it pushes."""
    below: str | int | None = None  # what the last two opcodes pushed: what STACK_GLOBAL names
    above: str | int | None = None
    memo: dict[int, str | int | None] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name in REMEMBER:
            memo[len(memo) if argument is None else int(argument)] = above
            continue
        if name == "GLOBAL":
            _refuse_unless_harmless(tuple(str(argument).split(" ", 1)), path)
        elif name == "STACK_GLOBAL":
            _refuse_unless_harmless((below, above), path)
        elif name in FORBIDDEN:
            raise InputError(f"{path}: its pickle uses {name}, which no vocabulary needs; refused")
        value = memo.get(int(argument or 0)) if name in RECALL else None
        if name in STRINGS + INTEGERS:
            value = argument
        below, above = above, value
        yield name, value


def _refuse_unless_harmless(name: tuple[str | int | None, ...], path: Path) -> None:
    if name not in HARMLESS:
        raise InputError(
            f"{path}: its pickle names {'.'.join(map(str, name))}; expected only NumPy's array "
            "constructors in a vocabulary; the file is refused and nothing in it was run"
        )
