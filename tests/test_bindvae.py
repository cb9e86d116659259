"""BindVAE's own files: id lists, and vocabularies read without running what they hold."""

import io
import os
import pickle
import subprocess
import sys

import numpy as np
import oracles
import pytest

from kmerengine import (
    InputError,
    Vocabulary,
    count_sequences,
    read_id_lists,
    read_vocabulary,
    vocab,
)

WORDS = oracles.wildcard_order(5, 2)
EXPECTED = {"EMPTY": 0} | {word: i for i, word in enumerate(WORDS, 1)}


def npy(path, payload: bytes, dtype: object = object, shape: tuple[int, ...] = ()):
    """A `.npy` file with this header and whatever bytes after it."""
    stream = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
    np.lib.format.write_array_header_1_0(stream, header | {"shape": shape})
    path.write_bytes(stream.getvalue() + payload)
    return path


def authors_pickle(pairs: object, protocol: int = 2) -> bytes:
    """The pickle of a 0-d object array, as NumPy before 2 wrote it."""
    made = pickle.dumps(np.array(pairs, dtype=object), protocol=protocol)
    if protocol == 2:
        assert b"numpy._core.multiarray" in made
        made = made.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    return made


# ---------------------------------------------------------------------------- vocabularies


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_authors_form_is_read(protocol, tmp_path):
    path = npy(tmp_path / "v.npy", authors_pickle(EXPECTED, protocol))
    found = read_vocabulary(path)
    assert found == EXPECTED
    assert list(found) == list(EXPECTED)
    assert np.load(path, allow_pickle=True).item() == EXPECTED  # the file is what it says


def test_the_whole_default_vocabulary_in_the_authors_form(tmp_path):
    words = Vocabulary.wildcard().words().tolist()
    pairs = {"EMPTY": 0} | {word: i for i, word in enumerate(words, 1)}
    found = read_vocabulary(npy(tmp_path / "v.npy", authors_pickle(pairs)))
    assert len(found) == 112_801
    assert found == pairs


def test_what_numpy_saves_today_is_read(tmp_path):
    np.save(tmp_path / "v.npy", np.array(EXPECTED, dtype=object), allow_pickle=True)
    assert read_vocabulary(tmp_path / "v.npy") == EXPECTED


def test_ids_in_another_order_stay_with_their_words(tmp_path):
    shuffled = dict(sorted(EXPECTED.items(), reverse=True))
    assert read_vocabulary(npy(tmp_path / "v.npy", authors_pickle(shuffled))) == EXPECTED


def test_our_own_form_is_plain_strings(tmp_path):
    vocab(tmp_path / "v.npy", vocabulary=Vocabulary.wildcard(5, 2))
    assert read_vocabulary(tmp_path / "v.npy") == EXPECTED
    stored = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert (stored.dtype, stored.tolist()) == (np.dtype("<U5"), list(EXPECTED))
    vocab(tmp_path / "default.npy")
    assert np.load(tmp_path / "default.npy", allow_pickle=False).dtype == np.dtype("<U8")


class Runs:
    """Pickles to a call of os.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_a_pickle_that_runs_a_command_is_refused_and_not_run(protocol, tmp_path):
    ran = tmp_path / "ran"
    pairs = EXPECTED | {"zzz": Runs(f"touch {ran}")}
    payload = authors_pickle(pairs, protocol)
    assert b"system" in payload
    assert (payload[:1] == b"\x80") == (protocol >= 2)
    path = npy(tmp_path / "v.npy", payload)
    with pytest.raises(InputError, match=r"v\.npy: its pickle .*refused"):
        read_vocabulary(path)
    assert not ran.exists()
    program = f"import numpy; numpy.load({str(path)!r}, allow_pickle=True)"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert ran.exists()  # the file is harmful indeed


def short(text: bytes) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text


GOOD = b"}(X\x05\x00\x00\x00EMPTYK\x00X\x01\x00\x00\x00AK\x01u."
SYSTEM = {
    "GLOBAL": b"cposix\nsystem\n(S'true'\ntR0",
    "GLOBAL without a call": b"cposix\nsystem\n0",
    "GLOBAL of builtins": b"cbuiltins\neval\n0",
    "GLOBAL of another of NumPy's": b"cnumpy.core.multiarray\nscalar\n0",
    "STACK_GLOBAL": short(b"posix") + short(b"system") + b"\x93" + b"0",
    "STACK_GLOBAL of one string": short(b"posix") + b"\x93" + b"0",
    "STACK_GLOBAL through the memo": (
        short(b"posix") + b"\x94" + short(b"system") + b"\x94"  # remembered as 0 and 1
        + short(b"numpy") + b"0" + short(b"ndarray") + b"0" + b"h\x00h\x01\x93" + b"0"
    ),
    "STACK_GLOBAL behind popped strings": (
        short(b"posix") + short(b"system") + short(b"numpy") + short(b"ndarray") + b"00\x93" + b"0"
    ),
    "INST": b"(S'true'\niposix\nsystem\n0",
    "OBJ": b"(cposix\nsystem\nS'true'\no0",
    "NEWOBJ": b"cnumpy\nndarray\n)\x810",
    "EXT1": b"\x82\x010",
    "PERSID": b"Pany\n0",
    "BINPERSID": b"S'x'\nQ0",
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEM)
def test_opcodes_that_could_run_something_are_refused(name, tmp_path):
    assert read_vocabulary(npy(tmp_path / "good.npy", b"\x80\x04" + GOOD)) == {"EMPTY": 0, "A": 1}
    path = npy(tmp_path / "v.npy", b"\x80\x04" + SYSTEM[name] + GOOD)
    with pytest.raises(InputError, match=r"v\.npy: its pickle .*refused"):
        read_vocabulary(path)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (authors_pickle(EXPECTED)[:-200], "cannot be read as a .npy vocabulary"),
        (authors_pickle(EXPECTED)[:30], "cannot be read as a .npy vocabulary"),
        (b"", "cannot be read as a .npy vocabulary"),
        (b"\xff\xfe\xfd", "cannot be read as a .npy vocabulary"),
        (authors_pickle({}), "holds 0 pairs of word and id"),
        (authors_pickle({"EMPTY": 0, "A": 2}), "holds 2 pairs of word and id, expected ids 0, 1"),
        (authors_pickle({"EMPTY": 0, "A": 1, "C": 1}), "holds 3 pairs of word and id"),
        (authors_pickle(["EMPTY", "A"]), "holds 0 pairs of word and id"),
        (authors_pickle({"EMPTY": 0, "A": 1.0}), "found BINFLOAT in its dict"),
        (authors_pickle({"EMPTY": 0, "A": None}), "found NONE in its dict"),
        (authors_pickle({"EMPTY": 0, "A": "C"}), "found BINUNICODE in its dict"),
        (authors_pickle({"EMPTY": 0, "A": {"C": 1}}), "found EMPTY_DICT in its dict"),
        (authors_pickle({"EMPTY": 0, 1: 2}), "found BININT1 in its dict"),
        (authors_pickle({"EMPTY": 0, "A": np.int64(1)}), "names numpy.core.multiarray.scalar"),
        (b"\x80\x04}(" + (b"X\x01\x00\x00\x00AK\x00X\x01\x00\x00\x00AK\x01") + b"u.", "twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_damaged_pickle_is_refused(payload, message, tmp_path):
    path = npy(tmp_path / "v.npy", payload)
    with pytest.raises(InputError, match=rf"v\.npy: .*({message})"):
        read_vocabulary(path)


def test_other_arrays_and_files_are_refused(tmp_path):
    path = tmp_path / "v.npy"
    for array in (np.arange(4), np.array([["EMPTY", "A"]]), np.array("EMPTY"), np.zeros(3, "S4")):
        np.save(path, array)
        with pytest.raises(InputError, match=r"v\.npy: "):
            read_vocabulary(path)
    vocab(path, vocabulary=Vocabulary.exact(3), force=True)
    whole = path.read_bytes()
    for size in (0, 5, 9, 60, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"v\.npy: cannot be read as a \.npy vocabulary"):
            read_vocabulary(path)
    path.write_bytes(b"PK\x03\x04" + whole)
    with pytest.raises(InputError, match="cannot be read"):
        read_vocabulary(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_vocabulary(tmp_path / "missing.npy")


@pytest.mark.parametrize(
    "words", [["A", "EMPTY"], ["EMPTY", "A", "A"], []], ids=["EMPTY not first", "twice", "none"]
)
def test_strings_that_are_no_vocabulary_are_refused(words, tmp_path):
    np.save(tmp_path / "v.npy", np.array(words, "U5"))
    with pytest.raises(InputError, match=r"v\.npy: "):
        read_vocabulary(tmp_path / "v.npy")


# --------------------------------------------------------------------------------- id lists

SEQUENCES = ["ACGTACGTTGCAGGATCC", "AAAAAAAAAAAA", "NNNNNNNNNN", "GATTACAGATTACA"]


def test_id_lists_hold_each_id_as_often_as_it_was_counted(tmp_path):
    output = tmp_path / "ids.txt"
    vocabulary = Vocabulary.wildcard(5, 2)
    count_sequences(SEQUENCES, vocabulary=vocabulary, output=output)
    number = {oracles.canonical(word): i for word, i in EXPECTED.items() if word != "EMPTY"}
    lines = []
    for sequence in SEQUENCES:
        features = oracles.gapped(sequence, oracles.wildcard_masks(5, 2))
        ids = sorted(number[feature] for feature in features.elements())
        lines.append(" ".join(map(str, ids)))
    assert output.read_text() == "\n".join(lines) + "\n"
    assert read_vocabulary(tmp_path / "ids.vocabulary.npy") == EXPECTED


@pytest.mark.parametrize("materialize", [False, True])
def test_id_lists_round_trip(materialize, tmp_path):
    vocabulary = Vocabulary.wildcard()
    output = tmp_path / "ids.txt"
    count_sequences(SEQUENCES, vocabulary=vocabulary, output=output, materialize=materialize)
    expected = count_sequences(SEQUENCES, vocabulary=vocabulary).features()
    found = read_id_lists(output, vocabulary.n_features)
    assert found.shape == expected.shape == (4, 112_800)
    assert found.dtype == np.uint32
    assert (found != expected).nnz == 0
    assert found.has_sorted_indices


def test_id_lists_in_any_order_and_spacing(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("3  1 3\n\n 5\t5 5 2\n1")
    assert read_id_lists(path, 5).toarray().tolist() == [
        [1, 0, 2, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 1, 0, 0, 3],
        [1, 0, 0, 0, 0],
    ]
    path.write_text("")
    assert read_id_lists(path, 5).shape == (0, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n1 x\n", r"ids\.txt:2: found '1 x', expected ids"),
        ("1 2\n\n0\n", r"ids\.txt:3: found id 0, expected 1 to 5"),
        ("1 6\n", r"ids\.txt:1: found id 6, expected 1 to 5"),
        ("-1\n", r"ids\.txt:1: found id -1, expected 1 to 5"),
        ("1.5\n", r"ids\.txt:1: found '1\.5', expected ids"),
        ("1 1_0\n", r"ids\.txt:1: found '1 1_0', expected ids"),
        ("9" * 30 + "\n", r"ids\.txt:1: found '9+', expected ids"),
        ("1 \u0663\n", r"ids\.txt: cannot be read as a text of feature ids"),
    ],
)
def test_what_is_no_id_is_refused_with_its_line(text, message, tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_id_lists(path, 5)


def test_a_missing_id_list_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: cannot be read"):
        read_id_lists(tmp_path / "none.txt", 5)
