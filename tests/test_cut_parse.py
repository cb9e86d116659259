"""BAM records to 5' ends, against records made by hand."""

from collections import Counter

import numpy as np
import pytest
from bam_oracle import Read, cuts_of, record, text_tag
from hypothesis import example, given, settings
from hypothesis import strategies as st

from native_kernels import cut_parse
from native_kernels.cut_parse import (
    Barcodes,
    CutParser,
    DamagedRecord,
    Rules,
    cpu,
    parse_reference,
)

LENGTHS = [300, 120]

CIGARS = st.lists(st.tuples(st.sampled_from("MIDNSHP=X"), st.integers(0, 9)), max_size=5).map(tuple)
READS = st.builds(
    Read,
    contig=st.sampled_from([0, 1]),
    start=st.integers(0, 70),
    cigar=CIGARS,
    flag=st.integers(0, 0xFFF),
    mapq=st.integers(0, 60),
    length=st.sampled_from([0, 1, 20, 45, -20, -45]),
    name=st.sampled_from(["r", "a-longer-name", "x" * 200]),
)


def keys_as_cuts(parser: CutParser, keys: np.ndarray) -> Counter[tuple[int, int, int]]:
    found: Counter[tuple[int, int, int]] = Counter()
    for key in keys.tolist():
        contig = int(np.searchsorted(parser.contig_start, key // 2, side="right")) - 1
        found[contig, key // 2 - int(parser.contig_start[contig]), key % 2] += 1
    return found


@pytest.fixture(params=["compiled", "py_func"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "py_func":
        for name in ("parse_bam_records", "find_tag", "find_barcode", "fill_slots", "barcode_hash"):
            monkeypatch.setattr(cpu, name, getattr(cpu, name).py_func)


def parsed(data: bytes, rules: Rules) -> tuple[CutParser, Counter[tuple[int, int, int]], int]:
    parser = CutParser(np.array(LENGTHS, np.int64), rules)
    ends = parser.parse(np.frombuffer(data, np.uint8))
    return parser, keys_as_cuts(parser, ends.keys), ends.used


@pytest.mark.usefixtures("loop")
@settings(deadline=None, max_examples=60)
@given(st.lists(READS, max_size=8))
@example([Read(start=0), Read(start=0, flag=0x10)])
def test_reads_end_at_their_5_prime_base(reads: list[Read]) -> None:
    data = b"".join(record(read) for read in reads)
    parser, found, used = parsed(data, Rules())
    assert found == cuts_of(reads, LENGTHS, 0, 0)
    assert used == len(data)
    assert parser.n_records == len(reads)


@pytest.mark.usefixtures("loop")
@settings(deadline=None, max_examples=60)
@given(
    st.lists(READS, max_size=8), st.booleans(), st.sampled_from([0, 31]), st.sampled_from([1, 2])
)
def test_every_rule_is_the_reference(
    reads: list[Read], fragments: bool, mapq: int, times: int
) -> None:
    rules = Rules(fragments, mapq, 0x700, 15, 40, times)
    data = b"".join(record(read) for read in reads)
    _, found, _ = parsed(data, rules)
    assert found == Counter(parse_reference(data, rules))


def test_the_worked_example_of_one_fragment() -> None:
    """[100, 180): its mates and the pair tell the same two ends."""
    left = Read(start=100, cigar=(("M", 30),), flag=0x1 | 0x2 | 0x20 | 0x40, length=80)
    right = Read(start=150, cigar=(("M", 30),), flag=0x1 | 0x2 | 0x10 | 0x80, length=-80)
    data = record(left) + record(right)
    expected = Counter({(0, 100, 0): 1, (0, 179, 1): 1})
    assert parsed(data, Rules())[1] == expected
    assert parsed(data, Rules(fragments=True))[1] == expected
    doubled = parsed(data, Rules(fragments=True, times=2))[1]
    assert doubled == Counter({(0, 100, 0): 2, (0, 179, 1): 2})


def test_drops_are_told_by_reason() -> None:
    reads = [
        Read(), Read(flag=0x4), Read(flag=0x100), Read(flag=0x800), Read(flag=0x200),
        Read(flag=0x400), Read(mapq=3), Read(cigar=()), Read(contig=1), Read(flag=0x2, length=900),
    ]  # fmt: skip
    flags = cut_parse.SECONDARY | cut_parse.QC_FAIL | cut_parse.DUPLICATE | cut_parse.SUPPLEMENTARY
    rules = Rules(min_mapq=10, dropped_flags=flags, max_length=500)
    parser = CutParser(np.array(LENGTHS, np.int64), rules, np.array([True, False]))
    ends = parser.parse(np.frombuffer(b"".join(map(record, reads)), np.uint8))
    assert keys_as_cuts(parser, ends.keys) == Counter({(0, 0, 0): 1})
    assert parser.dropped == {
        "unmapped": 1, "secondary": 1, "supplementary": 1, "QC fail": 1, "duplicate": 1,
        "low mapping quality": 1, "no alignment": 1, "contig not wanted": 1,
        "fragment length": 1,
    }  # fmt: skip
    assert parser.n_flagged == 1


@pytest.mark.usefixtures("loop")
def test_a_record_that_is_not_whole_waits() -> None:
    data = record(Read()) + record(Read(start=7))
    whole = len(record(Read()))
    for size in range(len(data)):
        _, found, used = parsed(data[:size], Rules())
        assert used == (whole if size >= whole else 0)
        assert sum(found.values()) == (1 if size >= whole else 0)


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({0: 31, 1: 0, 2: 0, 3: 0}, "record of 31 bytes"),
        ({3: 0x80}, "record of"),
        ({3: 0x10}, "record of"),
        ({4: 9}, "contig number 9"),
        ({4: 0xFE, 5: 0xFF, 6: 0xFF, 7: 0xFF}, "contig number -2"),
        ({8: 0xFE, 9: 0xFF, 10: 0xFF, 11: 0xFF}, "position -2"),
        ({12: 0}, "too short"),
        ({16: 0xFF, 17: 0xFF}, "too short"),
        ({23: 0x7F}, "too short"),
        ({38: 0x0F}, "CIGAR operation 15"),
        ({8: 0x23, 9: 1}, "past the end"),
    ],
)
def test_damage_is_an_error_that_says_what(change: dict[int, int], found: str) -> None:
    data = bytearray(record(Read(start=290)))
    for at, value in change.items():
        data[at] = value
    with pytest.raises(DamagedRecord, match=found) as caught:
        parsed(bytes(record(Read()) + data), Rules())
    assert caught.value.at == len(record(Read()))


BARCODES = ["AACC", "AACCT", "", "GT", "A" * 90]


@pytest.mark.usefixtures("loop")
@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(BARCODES), st.sampled_from("abcdefgh")), max_size=8),
    st.sampled_from(["CB", "CR", "name"]),
)
def test_reads_go_to_the_group_of_their_barcode(drawn: list[tuple[str, str]], place: str) -> None:
    """In any tag, behind tags of every type, or before the first colon of the name."""
    before = {
        "a": b"", "b": b"NMC\x05", "c": b"XXs\x01\x02", "d": b"XXi\1\2\3\4", "e": b"XXf\0\0\0\0",
        "f": text_tag("RG", "CBZ"), "g": b"XBBS\x02\0\0\0CBZA",
        "h": b"XAAC" + text_tag("BC", "AACC"),
    }  # fmt: skip
    reads = []
    for i, (barcode, kind) in enumerate(drawn):
        tags = before[kind] + text_tag(place if place != "name" else "CB", barcode)
        name = f"{barcode}:{i}:x" if place == "name" else "r:AACC"
        reads.append(Read(start=i, name=name, tags=tags if place != "name" else before[kind]))
    group_of = {"AACC": 2, "GT": 0, "A" * 90: 1, "never": 3}
    parser = CutParser(np.array(LENGTHS, np.int64), Rules(), None, Barcodes(group_of, place))
    ends = parser.parse(np.frombuffer(b"".join(map(record, reads)), np.uint8))
    assert ends.groups is not None
    found = {(key // 2, group) for key, group in zip(ends.keys, ends.groups, strict=True)}
    kept = {(i, group_of[barcode]) for i, (barcode, _) in enumerate(drawn) if barcode in group_of}
    assert found == kept
    lost = len(drawn) - len(kept)
    assert parser.dropped == ({"barcode without a group": lost} if lost else {})


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize(
    "tags", [b"C", b"CB", b"XYZno end", b"XYi\0\0", b"XYq\0", b"XYB", b"XYBS\xff\xff\xff\xffAA",
             b"XYBx\1\0\0\0A", b"XY\0"]
)  # fmt: skip
def test_a_damaged_tag_is_an_error_where_barcodes_are_read(tags: bytes) -> None:
    data = np.frombuffer(record(Read(tags=tags)), np.uint8)
    parser = CutParser(np.array(LENGTHS, np.int64), Rules(), None, Barcodes({"AACC": 0}))
    with pytest.raises(DamagedRecord, match="a tag of type"):
        parser.parse(data)
    assert len(CutParser(np.array(LENGTHS, np.int64), Rules()).parse(data).keys) == 1


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("fragments", [False, True])
def test_pairs_are_told_once_with_start_and_length(fragments: bool) -> None:
    reads = [
        Read(start=100, flag=0x3 | 0x20, length=80), Read(start=150, flag=0x3 | 0x10, length=-80),
        Read(contig=1, start=5, flag=0x3, length=60), Read(start=100, flag=0x3, length=80),
        Read(start=7, flag=0x1), Read(start=100, flag=0x2 | 0x100, length=80),
    ]  # fmt: skip
    parser = CutParser(np.array(LENGTHS, np.int64), Rules(fragments), pairs=True)
    ends = parser.parse(np.frombuffer(b"".join(map(record, reads)), np.uint8))
    assert ends.pairs is not None
    assert Counter(divmod(int(pair), 1 << 16) for pair in ends.pairs) == Counter(
        {(100, 80): 2, (LENGTHS[0] + 5, 60): 1}
    )
    assert {n: int(parser.lengths[n]) for n in np.flatnonzero(parser.lengths)} == {60: 1, 80: 2}
