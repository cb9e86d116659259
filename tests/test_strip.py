"""The loop from FASTA text to codes, compiled and not, in blocks of any size, against strings."""

import numpy as np
import oracles
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kmerengine import InputError
from kmerengine.io import code_stream
from kmerengine.io.code_stream import CodeStream
from native_kernels.fasta_parse import strip

LOOPS = pytest.mark.parametrize("form", ["compiled", "py_func"])
LETTERS = "ACGTacgtNnRYSWKMBDHVUuZ"
OTHERS = "-*."


@st.composite
def fasta_texts(draw):
    """Records of lines of every length: many as long as the one before, blank ones, CRLF."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    lines = []
    for number in range(draw(st.integers(1, 4))):
        lines.append(f">r{number}" + draw(st.sampled_from(["", " about > it", "\tx"])))
        width = draw(st.integers(1, 9))
        for _ in range(draw(st.integers(0, 5))):
            length = draw(st.sampled_from([width, width, width, 0, 1, 2 * width]))
            alphabet = draw(st.sampled_from(["ACGT", "acgtN", LETTERS, LETTERS + OTHERS]))
            lines.append(draw(st.text(alphabet, min_size=length, max_size=length)))
    return newline.join(lines) + draw(st.sampled_from(["", newline]))


def expected(text):
    """Codes (255 for each header), where the headers start, and the letters of sequence."""
    codes, headers, n_bases, at = [], [], 0, 0
    for line in text.split("\n"):
        if line.startswith(">"):
            codes.append(255)
            headers.append(at)
        else:
            sequence = line.replace("\r", "")
            codes += oracles.codes_of(sequence)
            n_bases += len(sequence)
        at += len(line) + 1
    return codes, headers, n_bases


def stripped(form, text, size, room):
    """What the loop gives for `text` in blocks of `size`, `room` headers at a time."""
    loop = strip.strip_block.py_func if form == "py_func" else strip.strip_block
    data = np.array(list(text.encode("latin-1")), np.uint8)
    state = strip.new_state()
    codes, headers = [], []
    for start in range(0, len(data), size):
        at, block = start, data[start : start + size]
        while len(block):
            block_codes = np.full(len(block), 77, np.uint8)
            listed = np.full(room, -7, np.int64)
            before = int(state[strip.PLACE])
            stopped = loop(block, state, block_codes, listed)
            codes += block_codes[: state[strip.N_CODES]].tolist()
            found = listed[: state[strip.N_HEADERS]].tolist()
            if before == strip.IN_HEADER:
                assert found.pop(0) == -1
            headers += [at + place for place in found]
            if state[strip.BAD_AT] >= 0:
                assert stopped == state[strip.BAD_AT]
                return codes, headers, int(state[strip.N_BASES]), at + stopped
            assert stopped == len(block) or block[stopped] == ord(">")
            at, block = at + stopped, block[stopped:]
    return codes, headers, int(state[strip.N_BASES]), -1


@LOOPS
@given(fasta_texts(), st.integers(1, 40), st.integers(1, 3))
@settings(deadline=None, max_examples=150)
@example(">a\nACGT\nACGT\nACNT\nAC-T\nacgt\nAC", 100, 1)
@example(">a\nACGT\n\nACGT\nACGT\n", 100, 1)
@example(">a\n>b\n>c\n\n>d", 100, 2)
@example(">a\nACGT\n>bcd\nACGT\n", 100, 2)  # a header as long as the line before it
@example(">a\nACGT\nAC\nG\nACGT\n", 8, 1)  # the guess reaches over a line end
@example(">a\nACGT\nACGT", 100, 1)  # the guess reaches the end of the text
@example(">a", 1, 1)
def test_codes_equal_the_oracle(form, text, size, room):
    assert stripped(form, text, size, room) == (*expected(text), -1)


@LOOPS
@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "before",
    [">a\n", ">a\nACGT\n", ">a\nAC\n"],
    ids=["first line", "line as long as the last", "longer line"],
)
def test_every_byte_is_a_letter_or_refused(form, before, size):
    for byte in map(chr, range(256)):
        text = f"{before}A{byte}GT\nTT\n"
        found = stripped(form, text, size, 2)
        if (byte.isascii() and byte.isalpha()) or byte in OTHERS + "\r\n":
            assert found == (*expected(text), -1)
        else:
            refused = len(before) + 1
            codes, headers, n_bases = expected(text[:refused])
            assert found == (codes, headers, n_bases, refused)


def test_every_header_is_named_however_many_a_block_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(code_stream, "HEADERS_AT_ONCE", 3)
    long_name = "x" * 5000
    text = "".join(f">r{i} about\nAC\n" for i in range(20)) + f">{long_name}\nGT\n>end\n"
    path = tmp_path / "g.fa"
    path.write_text(text)
    for size in (1, 7, 100, 10_000):
        stream = CodeStream(path, 2, block_bytes=size)
        pieces = list(stream)
        assert (stream.found.records, stream.found.bases) == (22, 42)
        assert sum(int((piece < 4).sum()) for piece in pieces) >= 42
    for again in ("r19", long_name, "end"):
        path.write_text(text + f">{again} twice\nAC\n")
        for size in (1, 7, 10_000):
            with pytest.raises(InputError, match=f"record 23: the name '{again}' is there twice"):
                list(CodeStream(path, 2, block_bytes=size))


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_a_stream_holds_every_window_once(size, tmp_path):
    path = tmp_path / "g.fa"
    text = ">a x\nACGTNAC\nGTTG\n\n>b\nC\n>c\r\nAAAACC\r\n"
    path.write_bytes(text.encode())
    sequences = ["ACGTNACGTTG", "C", "AAAACC"]
    for k in (1, 2, 4, 6):
        found = []
        for piece in CodeStream(path, k, block_bytes=size):
            for start in range(len(piece) - k + 1):
                window = piece[start : start + k].tolist()
                if max(window) < 4:
                    found.append("".join("ACGT"[code] for code in window))
        assert found == [
            window for sequence in sequences for window in oracles.windows(sequence, k)
        ]


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_a_stream_names_the_offset_of_a_byte_that_is_no_letter(size, tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\n>b\nAC7T\n")
    with pytest.raises(InputError, match=r"g\.fa: found byte 0x37 in a sequence at offset 13 of"):
        list(CodeStream(path, 2, block_bytes=size))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\n\n>b\n", "2 records without a base"),
        (">a\nAC\n>\nAC\n", "record 2: found a header without a name"),
        (">a\nAC\n> b\nAC\n", "record 2: found a header without a name"),
        (">a\nAC\n>", "record 2: found the end of the file inside a header"),
        (">a\nAC\n>b", "record 2: found the end of the file inside a header"),
        (">a\nAC\n>b x", "record 2: found the end of the file inside a header"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_stream_without_names_or_bases_is_refused(text, message, size, tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(CodeStream(path, 2, block_bytes=size))
