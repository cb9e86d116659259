"""The loop over fragment lines, compiled and not, against splitting lines into strings."""

import types

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import native_kernels.fragment_parse as op
from native_kernels.fragment_parse import (
    FRAGMENT,
    MATES,
    PAIR,
    READ,
    REASONS,
    FragmentParser,
    LineError,
    cpu,
    reference,
)


def uncompiled(module):
    """A copy of the module with plain Python in the place of every compiled loop."""
    copy = types.ModuleType(module.__name__)
    copy.__dict__.update(module.__dict__)
    for name, value in vars(module).items():
        if hasattr(value, "py_func"):
            copy.__dict__[name] = types.FunctionType(value.py_func.__code__, copy.__dict__, name)
    return copy


@pytest.fixture(params=["compiled", "py_func"])
def loops(request, monkeypatch):
    if request.param == "py_func":
        monkeypatch.setattr(op, "cpu", uncompiled(cpu))
    return request.param


CONTIGS = st.sampled_from(["chr1", "chr2", "chr11", "chr", "c", "chrUn_é", "a b", "track"])
BARCODES = st.text("ACGT-1", min_size=1, max_size=4) | st.sampled_from(["B" * 40, "é", "b x"])
STARTS = st.integers(0, 300) | st.just((1 << 40) - 500)
OTHER_LINES = st.sampled_from(
    ["# a comment", "", "  ", "track name=x", "browser position chr1:1-2"]
)


@st.composite
def tables(draw):
    """Layout, text and the rows that it holds, by what was written and not by parsing it."""
    layout = draw(st.sampled_from([PAIR, FRAGMENT, READ]))
    n_columns = draw(
        st.integers({PAIR: 3, FRAGMENT: 4, READ: 6}[layout], 3 if layout == PAIR else 8)
    )
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text, rows = "", []
    for _ in range(draw(st.integers(0, 30))):
        if draw(st.integers(0, 5)) == 0:
            text += draw(OTHER_LINES) + newline
            continue
        contig, start = draw(CONTIGS), draw(STARTS)
        end = start + draw(st.integers(1, 400))
        strand, weight, barcode = 255, 1, None
        fields = [contig, str(start), str(end)]
        if layout == FRAGMENT:
            barcode, count = draw(BARCODES), draw(st.sampled_from([1, 2, 17, (1 << 32) - 1]))
            fields += [barcode, str(count)]
            weight = count if n_columns > 4 else 1
        if layout == READ:
            strand = draw(st.integers(0, 1))
            fields += [
                draw(st.text("Nab:/.é ", max_size=5)),
                draw(st.sampled_from(["0", ".", "7.5"])),
            ]
            fields += "+-"[strand]
        fields = [*fields, *["x", "", "1e3"]][:n_columns]
        text += "\t".join(fields) + newline
        rows.append((contig, start, end, strand, weight, barcode))
    return layout, n_columns, text, rows


def rows_of(parser, batches):
    found = []
    for batch in batches:
        for contig, *middle, barcode in zip(*(column.tolist() for column in batch), strict=True):
            name = parser.barcodes[barcode] if barcode >= 0 else None
            found.append((parser.contigs[contig], *middle, name))
    return found


def pieces(text, n_lines):
    lines = text.encode().splitlines(keepends=True)
    for i in range(0, len(lines), n_lines):
        yield np.frombuffer(b"".join(lines[i : i + n_lines]), np.uint8)


@pytest.mark.parametrize("loops", ["compiled", "py_func"], indirect=True)
@pytest.mark.parametrize("hash_mask", [0, 1, 0xFFFFFFFF])
def test_rows_are_those_written(loops, hash_mask):
    @settings(deadline=None, max_examples=60)
    @given(tables(), st.integers(1, 40))
    def check(table, n_lines):
        layout, n_columns, text, rows = table
        parser = FragmentParser(layout, n_columns, 1, hash_mask=hash_mask)
        batches = [parser.parse(piece) for piece in pieces(text, n_lines)]
        assert rows_of(parser, batches) == rows
        assert parser.contigs == list(dict.fromkeys(row[0] for row in rows))
        assert parser.barcodes == list(dict.fromkeys(row[5] for row in rows if row[5] is not None))
        assert parser.line == len(text.encode().splitlines())

    check()


@pytest.mark.parametrize("hash_mask", [0xF, 0xFFFFFFFF])
def test_many_names_keep_their_numbers(hash_mask):
    """Tables double many times, with and without collisions, in the middle of a block."""
    rng = np.random.default_rng(5)
    names = ["".join(word) for word in rng.choice(list("ACGT"), (3000, 9))]
    chosen = rng.integers(0, 3000, 4000)
    text = "".join(f"c{i % 40}\t{i}\t{i + 1}\t{names[i]}\t1\n" for i in chosen)
    parser = FragmentParser(FRAGMENT, 5, 1, hash_mask=hash_mask)
    for _ in range(2):
        batches = [parser.parse(piece) for piece in pieces(text, 900)]
        found = rows_of(parser, batches)
        assert [(row[0], row[5]) for row in found] == [(f"c{i % 40}", names[i]) for i in chosen]
    assert parser.barcodes == list(dict.fromkeys(names[i] for i in chosen))


def expected_mates(fields):
    """A row, a reason or an error: by another way than the reference, from the two 5' ends."""
    contigs, strands = (fields[0], fields[3]), (fields[8], fields[9])
    spans = [tuple(map(int, fields[1:3])), tuple(map(int, fields[4:6]))]
    if "." in contigs or -1 in sum(spans, ()):
        return REASONS[0]
    if len(set(contigs)) == 2:
        return REASONS[1]
    if sorted(strands) != ["+", "-"]:
        return REASONS[2]
    five_prime = {strand: span[strand == "-"] for strand, span in zip(strands, spans, strict=True)}
    low, high = five_prime["+"], five_prime["-"]
    return (contigs[0], low, high, 255, 1, None) if low < high else REASONS[3]


@st.composite
def mates(draw):
    fields = []
    for _ in range(2):
        start = draw(st.integers(0, 60))
        unmapped = draw(st.integers(0, 9)) == 0
        fields += [".", "-1", "-1"] if unmapped else [
            draw(st.sampled_from(["chr1", "chr1", "chr1", "chr12"])), str(start),
            str(start + draw(st.integers(1, 40)))]  # fmt: skip
    strands = draw(st.sampled_from(["+-", "-+", "+-", "-+", "++", "..", ".-"]))
    return [*fields, "name", draw(st.sampled_from(["60", "."])), *strands]


@pytest.mark.parametrize("loops", ["compiled", "py_func"], indirect=True)
def test_mates_give_a_fragment_or_a_reason(loops):
    @settings(deadline=None)
    @given(st.lists(mates(), max_size=20), st.booleans())
    @example([["a", "5", "9", "a", "1", "7", "n", "0", "+", "-"]], False)  # run past each other
    @example([["a", "5", "9", "a", "1", "5", "n", "0", "+", "-"]], False)  # just face away
    def check(lines, has_extra):
        text = "".join("\t".join(fields + ["x"] * has_extra) + "\n" for fields in lines)
        parser = FragmentParser(MATES, 10 + has_extra, 1)
        found = rows_of(parser, [parser.parse(piece) for piece in pieces(text, 7)])
        outcomes = [expected_mates(fields) for fields in lines]
        assert found == [outcome for outcome in outcomes if isinstance(outcome, tuple)]
        assert parser.dropped.tolist() == [outcomes.count(reason) for reason in REASONS]

    check()


GOOD = {
    PAIR: b"chr1\t10\t20",
    FRAGMENT: b"chr1\t10\t20\tACGT\t3",
    READ: b"chr1\t10\t20\tN\t0\t+",
    MATES: b"chr1\t10\t20\tchr1\t30\t40\tn\t0\t+\t-",
}


@pytest.mark.parametrize("layout", GOOD)
@pytest.mark.parametrize("loops", ["compiled", "py_func"], indirect=True)
def test_the_loop_and_the_reference_agree_on_damage(loops, layout):
    """Every line that the loop reads alone, the reference reads the same; it words the rest."""
    rng = np.random.default_rng(layout)
    alphabet = np.frombuffer(b"\t\t\n\r -+.#019chrA\x00\x7f\xc3\xa9,e", np.uint8)
    n_columns = GOOD[layout].count(b"\t") + 1
    n_read = 0
    for _ in range(600):
        line = bytearray(GOOD[layout])
        for _ in range(rng.integers(0, 3)):
            at = rng.integers(0, len(line))
            line[at : at + rng.integers(0, 2)] = alphabet[
                rng.integers(0, alphabet.size, 1)
            ].tobytes()
        text = np.frombuffer(bytes(line) + b"\n", np.uint8)
        outcomes = []
        for odd_only in (False, True):
            parser = FragmentParser(layout, n_columns, 1)
            try:
                if odd_only:
                    found = [
                        reference.parse_line(part, layout, n_columns, 1)
                        for part in line.split(b"\n")
                    ]
                    rows = [row for row in found if isinstance(row, tuple)]
                    plain = [
                        (r.contig, r.start, r.end, r.strand, r.weight, r.barcode) for r in rows
                    ]
                    outcomes.append((plain, [found.count(i) for i in range(len(REASONS))]))
                else:
                    outcomes.append(
                        (rows_of(parser, [parser.parse(text)]), parser.dropped.tolist())
                    )
            except LineError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1], bytes(line)
        n_read += isinstance(outcomes[0], tuple)
    assert 100 < n_read < 590  # both were met


def test_text_without_a_last_newline_is_refused():
    parser = FragmentParser(PAIR, 3, 1)
    with pytest.raises(ValueError, match="whole lines"):
        parser.parse(np.frombuffer(b"a\t1\t2", np.uint8))


def test_the_two_files_share_their_numbers():
    """A loop reads its own constants, so both files write them."""
    names = [name for name in vars(cpu) if name.isupper() and hasattr(reference, name)]
    names = [name for name in names if name not in ("PLUS", "MINUS")]  # a byte, and a code
    assert len(names) >= 12
    assert [getattr(cpu, name) for name in names] == [getattr(reference, name) for name in names]
