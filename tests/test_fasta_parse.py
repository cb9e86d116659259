"""FASTA loops, compiled and not, against the slow twin and against strings."""

import types

import numpy as np
import pytest
from fasta_oracle import encode, parse, wrap
from hypothesis import example, given, settings
from hypothesis import strategies as st

from native_kernels.fasta_parse import DamageError, cpu, cut_pieces, lay_out_spans, reference


def uncompiled(module):
    """A copy of the module with plain Python in the place of every compiled loop."""
    copy = types.ModuleType(module.__name__)
    copy.__dict__.update(module.__dict__)
    for name, value in vars(module).items():
        body = getattr(value, "py_func", value if isinstance(value, types.FunctionType) else None)
        if body is not None and body.__module__ == module.__name__:
            copy.__dict__[name] = types.FunctionType(body.__code__, copy.__dict__, name)
    return copy


LOOPS = [
    pytest.param(cpu, id="compiled"),
    pytest.param(uncompiled(cpu), id="py_func"),
    pytest.param(reference, id="reference"),
]

SEQUENCES = st.text("ACGTacgtNnRY-*.", max_size=40)
NAMES = st.lists(st.text("abc|:é", min_size=1, max_size=5), min_size=1, max_size=8, unique=True)


@st.composite
def fasta_texts(draw):
    names = draw(NAMES)
    records = []
    for name in names:
        header = name + draw(st.sampled_from(["", " description", "\tx > y", " "]))
        records.append((header, draw(SEQUENCES), draw(st.integers(1, 12))))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = wrap(records, newline, last=draw(st.booleans()) or not records[-1][1])
    return text + newline * draw(st.integers(0, 2)) if text.endswith(newline) else text


def blocks_of(text: bytes, size: int):
    data = np.frombuffer(text, np.uint8)
    return [data[i : i + size] for i in range(0, len(data), size)]


def outcome(loops, text: bytes, size: int):
    """Everything that a scan says, damage included, as plain values."""
    try:
        names, *columns, n_bytes = loops.scan_records(blocks_of(text, size))
    except DamageError as error:
        return error.kind, error.line, error.offset, str(error)
    return names, [column.tolist() for column in columns], n_bytes


@pytest.mark.parametrize("loops", LOOPS)
@settings(deadline=None)
@given(fasta_texts(), st.integers(1, 50))
@example(">a\nACGT\nAC\n\n>b\n>c\nN", 1)
@example(">a x\r\nACGT\r\nAC\r\n\r\n", 3)
@example(">a\nAC\r", 2)
def test_records_equal_the_oracle(loops, text, size):
    names, (length, offset, line_bases, line_bytes, line), n_bytes = outcome(
        loops, text.encode(), size
    )
    data = text.encode()
    expected = parse(text.removesuffix("\r"))
    assert [name.decode() for name in names] == list(expected)
    assert length == [len(sequence) for sequence in expected.values()]
    assert n_bytes == len(data)
    for i, sequence in enumerate(expected.values()):
        at = [offset[i] + p // line_bases[i] * line_bytes[i] + p % line_bases[i]
              for p in range(length[i])]  # fmt: skip
        assert "".join(chr(data[byte]) for byte in at) == sequence
        assert data[: offset[i]].count(b"\n") == line[i]
        assert data[: offset[i]].endswith(b"\n")


DAMAGED = [
    (b"ACGT\n", 1, 0, "expected '>'"),
    (b"\n>a\nAC\n", 1, 0, "expected '>'"),
    (b"\x00\x01", 1, 0, "found byte 0x00 at offset 0"),
    (b">a\nAC\n> b\nAC\n", 3, 7, "without a name"),
    (b">\nAC\n", 1, 1, "without a name"),
    (b">\r\nAC\n", 1, 1, "without a name"),
    (b">a\x01b\nAC\n", 1, 2, "0x01 at offset 2 in a header"),
    (b">a b\x00\nAC\n", 1, 4, "0x00 at offset 4 in a header"),
    (b">a\nAC\nA7\n", 3, 7, "(record 'a'): found byte 0x37 at offset 7"),
    (b">a\nAC\nA C\n", 3, 7, "found byte 0x20 at offset 7"),
    (b">a\nAC\nA>b\n", 3, 7, "found byte 0x3e at offset 7"),
    (b">a\nAC\rAC\n", 2, 5, "found byte 0x0d at offset 5"),
    (b">a\nAC\r\r\n", 2, 5, "found byte 0x0d at offset 5"),
    (b">a\nAC\xc3\x28\n", 2, 5, "found byte 0xc3 at offset 5"),
    (b">a\nACGT\nAC\nACGT\n", 3, 8, "line 3 (record 'a'): found 2 bases, expected 4"),
    (b">a\nACGT\nACGTA\n", 3, 8, "found 5 bases, expected 4"),
    (b">a\nACGT\n\nACGT\n", 3, 8, "found 0 bases, expected 4"),
    (b">a\nACGT\nACGT\r\n", 3, 8, "found 4 bases, expected 4"),
    (b">a\nAC\n>b", 3, 8, "end of the file inside a header"),
    (b">", 1, 1, "end of the file inside a header"),
    (b">" + b"x" * 65_537 + b"\nAC\n", 1, 65_537, "more than 65536 bytes"),
]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("loops", LOOPS)
@pytest.mark.parametrize(("text", "line", "offset", "words"), DAMAGED)
def test_damage_is_named_with_its_place(loops, text, line, offset, words, size):
    with pytest.raises(DamageError) as caught:
        loops.scan_records(blocks_of(text, size))
    assert (caught.value.line, caught.value.offset) == (line, offset)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=300)
@given(fasta_texts(), st.data(), st.integers(1, 20))
def test_twins_agree_on_damaged_text(text, data, size):
    """One byte is overwritten, removed or put in anywhere, or the end is cut."""
    broken = bytearray(text.encode())
    at = data.draw(st.integers(0, len(broken) - 1))
    byte = data.draw(st.sampled_from(b">\n\r\x00 \tA7\x80"))
    match data.draw(st.sampled_from(["set", "insert", "remove", "cut"])):
        case "set":
            broken[at] = byte
        case "insert":
            broken.insert(at, byte)
        case "remove":
            del broken[at]
        case "cut":
            del broken[at:]
    expected = outcome(reference, bytes(broken), size)
    assert outcome(cpu, bytes(broken), size) == expected
    assert outcome(LOOPS[1].values[0], bytes(broken), size) == expected


@pytest.mark.parametrize("loops", LOOPS[::2])
def test_more_records_than_one_call_returns(loops):
    names = [b"%04d" % i * 50 for i in range(3 * cpu.ROWS)]  # more name bytes than the buffer too
    text = b"".join(b">" + name + b"\nAC\nG\n" for name in names)
    records = loops.scan_records([np.frombuffer(text, np.uint8)])
    assert records.names == names
    assert records.length.tolist() == [3] * len(names)


def pieces_of(text: str, width: int, ending: int, regions: list[tuple[int, int]]):
    start = np.array([a for a, _ in regions], np.int64).reshape(-1)
    n_bases = np.array([b - a for a, b in regions], np.int64)
    at = start // width * (width + ending) + start % width
    full = np.full(len(regions), width, np.int64)
    codes_at = np.cumsum(n_bases) - n_bases
    return at, start % width, n_bases, full, full + ending, codes_at


@pytest.mark.parametrize("loops", LOOPS)
@settings(deadline=None)
@given(st.text("ACGTacgtNRY-*.", min_size=1, max_size=60), st.integers(1, 20), st.data())
def test_codes_equal_the_oracle(loops, sequence, width, data):
    newline = data.draw(st.sampled_from(["\n", "\r\n"]))
    pairs = st.tuples(st.integers(0, len(sequence)), st.integers(0, len(sequence))).map(sorted)
    regions = [tuple(pair) for pair in data.draw(st.lists(pairs, max_size=6))]
    text = wrap([("", sequence, width)], newline, last=False)[1 + len(newline) :]
    *fields, codes_at = pieces_of(text, width, len(newline), regions)
    codes = np.full(sum(b - a for a, b in regions), 77, np.uint8)
    done = loops.gather_codes(np.frombuffer(text.encode(), np.uint8), *fields, codes, codes_at)
    assert done == (-1, -1)
    assert codes.tolist() == [code for a, b in regions for code in encode(sequence[a:b])]


@pytest.mark.parametrize("loops", LOOPS)
@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"ACG\nACG\nA", (1, 9)),  # ends too early
        (b"ACGTACG\nAC", (0, 3)),  # a base where a line ends
        (b"ACG\nA\nGAC", (0, 5)),  # a line end where a base is
        (b"ACG\nA>GAC", (0, 5)),
        (b"ACG\r\nACGA", (0, 3)),
    ],
)
def test_text_of_another_geometry_is_refused(loops, text, place):
    at, column, n_bases, bases, width, codes_at = pieces_of("", 3, 1, [(0, 6), (4, 9)])
    codes = np.empty(11, np.uint8)
    data = np.frombuffer(text, np.uint8)
    assert loops.gather_codes(data, at, column, n_bases, bases, width, codes, codes_at) == place


@pytest.mark.parametrize("loops", LOOPS)
@pytest.mark.parametrize("at", [-5, -1, 4, 5, 1 << 40])
def test_a_place_outside_the_text_is_refused(loops, at):
    one = np.ones(1, np.int64)
    text, codes = np.frombuffer(b"ACGT", np.uint8), np.zeros(2, np.uint8)
    done = loops.gather_codes(text, at * one, 0 * one, one, 9 * one, 10 * one, codes, 0 * one)
    assert done == (0, at)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), max_size=8), st.integers(1, 12))
def test_pieces_cover_their_region(regions, longest):
    start = np.array([a for a, _ in regions], np.int64)
    end = start + np.array([n for _, n in regions], np.int64)
    region, piece_start, piece_end = cut_pieces(start, end, longest)
    bases = [
        (int(i), p)
        for i, a, b in zip(region, piece_start, piece_end, strict=True)
        for p in range(a, b)
    ]
    assert bases == [(i, p) for i in range(len(start)) for p in range(start[i], end[i])]
    assert all(piece_end > piece_start)
    assert all(piece_end - piece_start <= longest)


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30)), min_size=1, max_size=9),
    st.integers(0, 20),
)
def test_spans_hold_every_range(ranges, gap):
    low = np.array(sorted(a for a, _ in ranges), np.int64)
    high = low + np.array([n for _, n in ranges], np.int64)
    at, spans = lay_out_spans(low, high, gap)
    buffer = [byte for a, b in spans.tolist() for byte in range(a, b)]
    for a, b, place in zip(low.tolist(), high.tolist(), at.tolist(), strict=True):
        assert buffer[place : place + b - a] == list(range(a, b))
    assert (spans[1:, 0] - spans[:-1, 1] > gap).all()
