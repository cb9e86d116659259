"""Fragment files: the real ones, every kind and container, and what is wrong with a file."""

import gzip
import struct
import zlib

import numpy as np
import pytest

from kmerengine.errors import InputError
from kmerengine.io.fragments import FragmentFile

REAL = {
    "yeast/atac.bedpe.gz": "bedpe",
    "yeast/atac.fragments.tsv.gz": "fragments",
    "scatac/chr22.fragments.tsv.gz": "fragments",
}
MATES = "chr1\t5\t9\tchr1\t20\t30\tn\t60\t+\t-\n"


def columns_of(file, block_bytes=1 << 20):
    batches = list(file.batches(block_bytes))
    return [np.concatenate([batch[i] for batch in batches]) for i in range(6)] if batches else []


def rows_of(file, block_bytes=1 << 20):
    rows = []
    for contig, *middle, barcode in zip(
        *(column.tolist() for column in columns_of(file, block_bytes)), strict=True
    ):
        rows.append((file.contigs[contig], *middle, file.barcodes[barcode] if barcode >= 0 else ""))
    return rows


def bgzip(text):
    """bgzip by the SAM specification, 4.1; in blocks of 1,000 bytes."""
    out = b""
    for i in range(0, len(text), 1000):
        part = text[i : i + 1000]
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        data = packer.compress(part) + packer.flush()
        head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(data) + 25)
        out += head + data + struct.pack("<II", zlib.crc32(part), len(part))
    return out + bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@pytest.fixture
def write(tmp_path):
    def write(text, name="sample.txt"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_real_files_equal_split_lines(data, name):
    file = FragmentFile.open(data / name)
    assert file.kind == REAL[name]
    contig, start, end, strand, weight, barcode = columns_of(file, 100_000)
    with gzip.open(data / name, "rt") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines if not line.startswith("#")]
    assert file.contigs == list(dict.fromkeys(row[0] for row in rows))
    assert [file.contigs[i] for i in contig.tolist()] == [row[0] for row in rows]
    assert start.tolist() == [int(row[1]) for row in rows]
    assert end.tolist() == [int(row[2]) for row in rows]
    assert (strand == 255).all()
    if file.kind == "bedpe":
        assert (weight == 1).all()
        assert (barcode == -1).all()
        assert file.barcodes == []
    else:
        assert weight.tolist() == [int(row[4]) for row in rows]
        assert [file.barcodes[i] for i in barcode.tolist()] == [row[3] for row in rows]
    assert file.dropped == {}


@pytest.mark.data
def test_the_yeast_pairs_are_its_fragments_by_weight(data):
    pairs = columns_of(FragmentFile.open(data / "yeast/atac.bedpe.gz"))
    fragments = columns_of(FragmentFile.open(data / "yeast/atac.fragments.tsv.gz"))
    for i in range(3):
        np.testing.assert_array_equal(pairs[i], np.repeat(fragments[i], fragments[4]))


@pytest.mark.parametrize(
    ("text", "kind", "rows"),
    [
        ("chr1\t5\t9\n", "bedpe", [("chr1", 5, 9, 255, 1, "")]),
        ("# id=x\nchr1\t5\t9\tACGT-1\t7\n", "fragments", [("chr1", 5, 9, 255, 7, "ACGT-1")]),
        ("chr1\t5\t9\tAC_GT\n", "fragments", [("chr1", 5, 9, 255, 1, "AC_GT")]),
        ("c\t5\t9\tACGTACGT-1\t7\t+\n", "fragments", [("c", 5, 9, 255, 7, "ACGTACGT-1")]),
        ("c\t5\t9\ts#ACGTACGT-1\t7\t.\n", "fragments", [("c", 5, 9, 255, 7, "s#ACGTACGT-1")]),
        ("track x\nc\t5\t9\tN\t1000\t-\n", "tagalign", [("c", 5, 9, 1, 1, "")]),
        ("c\t5\t9\tr/1\t60\t+\t5\t9\n", "tagalign", [("c", 5, 9, 0, 1, "")]),
        (MATES, "bedpe", [("chr1", 5, 30, 255, 1, "")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", ["plain", "gzip", "bgzip", "dos", "no newline", "mark"])
def test_the_columns_say_the_kind(write, text, kind, rows, packed):
    text = text.encode()
    content = {
        "plain": text,
        "gzip": gzip.compress(text),
        "bgzip": bgzip(text),
        "dos": text.replace(b"\n", b"\r\n"),
        "no newline": text[:-1],
        "mark": b"\xef\xbb\xbf" + text,
    }[packed]
    file = FragmentFile.open(write(content))
    assert file.kind == kind
    for block_bytes in (1, 7, 1 << 20):
        assert rows_of(file, block_bytes) == rows


def test_blocks_and_passes_do_not_matter(write):
    rng = np.random.default_rng(1)
    lines = [f"c{rng.integers(4)}\t{i}\t{i + 50}\tBC{rng.integers(99)}\t1\n" for i in range(900)]
    file = FragmentFile.open(write(bgzip("".join(lines).encode())))
    rows = rows_of(file)
    names = list(file.contigs), list(file.barcodes)
    assert ["\t".join([r[0], str(r[1]), str(r[2]), r[5], "1\n"]) for r in rows] == lines
    assert rows_of(file, 37) == rows
    assert (file.contigs, file.barcodes) == names


def test_dropped_mates_are_counted_by_reason_and_per_pass(write):
    text = (
        MATES
        + "chr1\t5\t9\tchr2\t20\t30\tn\t60\t+\t-\n"
        + "chr1\t5\t9\tchr1\t20\t30\tn\t60\t+\t+\n"
        + ".\t-1\t-1\tchr1\t20\t30\tn\t60\t.\t-\n" * 2
        + "chr1\t5\t9\tchr1\t20\t30\tn\t60\t-\t+\n"
    )
    file = FragmentFile.open(write(text))
    for _ in range(2):
        assert len(rows_of(file)) == 1
        assert file.dropped == {
            "a mate is unmapped": 2,
            "mates on different contigs": 1,
            "mates not on opposite strands": 1,
            "mates face away from each other": 1,
        }


def test_a_file_without_rows_needs_its_kind(write):
    path = write("# only a header\n")
    with pytest.raises(InputError, match="holds no rows, so its format cannot be told"):
        FragmentFile.open(path)
    assert list(FragmentFile.open(path, kind="bedpe").batches()) == []


FIRST = "chr1\t1\t2\tACGT\t1\n"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", None, "is empty"),
        (">chr1\nACGT\n", None, "FASTA"),
        ("chr1 5 9\n", None, "1 tab-separated columns"),
        ("chr1\t5\t9\t0.7\n", None, "keep the columns"),
        ("chr1\t5\t9\ts_ACGTACGT\t3\t+\n", None, "keep the columns"),
        ("chr1\t5\t9\tpeak\t0\n", None, "keep the columns"),
        ("chr1\t5\t9\tx\t1\n", "bedpe", "line 1: found 5 columns, expected 3"),
        ("#\nchr1\t5\t9\n", "fragments", r"line 2: found 3 columns .* expected at least 4"),
        ("chr1\t5\t9\tN\t0\t.\n", "tagalign", "line 1: found strand '.' in column 6"),
        (FIRST + "chr1\t1\t2\tACGT\n", None, "line 2: found 4 columns .* expected 5 as on line 1"),
        (FIRST + "\nchr1\t1\t2\tACGT\t1\tx\n", None, "line 3: found 6 columns .* expected 5"),
        (FIRST + "chr1\t1.5\t2\tACGT\t1\n", None, "line 2: found start '1.5' in column 2"),
        (FIRST + "chr1\t1\t1e3\tACGT\t1\n", None, "line 2: found end '1e3' in column 3"),
        (FIRST + "chr1\t-1\t2\tACGT\t1\n", None, "line 2: found start '-1' .* 0 or more"),
        (FIRST + "chr1\t1\t1\tACGT\t1\n", None, "line 2: start 1 is not before end 1"),
        (FIRST + f"chr1\t1\t{2**40 + 1}\tACGT\t1\n", None, r"line 2: found end .* at most 2\^40"),
        (FIRST + f"chr1\t1\t{10**30}\tACGT\t1\n", None, r"line 2: found end .* at most 2\^40"),
        (FIRST + "chr1\t1\t2\tACGT\t0\n", None, "line 2: found count '0' in column 5"),
        (FIRST + "chr1\t1\t2\tACGT\t-1\n", None, "line 2: found count '-1' in column 5"),
        (FIRST + f"chr1\t1\t2\tACGT\t{2**32}\n", None, "line 2: found count '4294967296'"),
        (FIRST + "chr1\t1\t2\t\t1\n", None, "line 2: found a barcode of 0 bytes in column 4"),
        (FIRST + "\t1\t2\tACGT\t1\n", None, "line 2: found a contig of 0 bytes in column 1"),
        (FIRST + f"{'c' * 1025}\t1\t2\tACGT\t1\n", None, "line 2: found a contig of 1025 bytes"),
        (FIRST.encode() + b"chr\x00\t1\t2\tA\t1\n", None, "line 2: found byte 0x00"),
        (FIRST.encode() + b"chr\xff\t1\t2\tA\t1\n", None, "line 2: found byte 0xff, expected UTF"),
        (b"\x00\x01\x02\x03", None, "line 1: found byte 0x00, expected text"),
        (FIRST + "x" * (1 << 20), None, "line 2: longer than 1,048,576 bytes"),
        (FIRST + "#" * (1 << 20) + "\n", None, "line 2: longer than 1,048,576 bytes"),
        ("x" * (3 << 20), None, "line 1: longer than 1,048,576 bytes"),
        (MATES + MATES.replace("\t+", "\tx"), None, "line 2: found strand 'x' in column 9"),
        (gzip.compress(FIRST.encode() * 9)[:-9], None, "truncated"),
        (bgzip(FIRST.encode() * 9)[:-28], None, "truncated"),
    ],
    ids=range(32),
)
@pytest.mark.parametrize("block_bytes", [50, 1 << 20])
def test_errors_are_one_line_that_says_where(write, text, kind, message, block_bytes):
    path = write(text)
    with pytest.raises(InputError, match=message) as error:
        rows_of(FragmentFile.open(path, kind=kind), block_bytes)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_the_longest_lines_and_names_are_read(write):
    comment = "#" * ((1 << 20) - 1) + "\n"
    file = FragmentFile.open(write(FIRST + comment + f"{'c' * 1024}\t1\t2\tA\t1\n"))
    assert [row[0] for row in rows_of(file, 1000)] == ["chr1", "c" * 1024]


def test_wrong_paths_and_kinds(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        FragmentFile.open(tmp_path / "none")
    with pytest.raises(InputError, match="is a folder"):
        FragmentFile.open(tmp_path)
    with pytest.raises(InputError, match="found kind 'bed'"):
        FragmentFile.open(tmp_path, kind="bed")


def outcome(path):
    """The rows, or the message of the error, one line that names the file."""
    try:
        return rows_of(FragmentFile.open(path, kind="fragments"), 500)
    except InputError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def slow_rows(text):
    """10x rows by splitting strings; None where the text holds anything but five-column rows."""
    rows = []
    for line in text.decode("latin-1").split("\n")[:-1]:
        fields = line.removesuffix("\r").split("\t")
        if line.startswith("#") or not line.strip():
            continue
        numbers = [fields[i] for i in (1, 2, 4)] if len(fields) == 5 else ["x"]
        is_ascii = line.isascii() and line.removesuffix("\r").replace("\t", " ").isprintable()
        if not is_ascii or not all(n.isdigit() and len(n) < 13 for n in numbers):
            return None
        start, end, count = map(int, numbers)
        if not (start < end <= 1 << 40 and 0 < count < 1 << 32 and fields[0] and fields[3]):
            return None
        rows.append((fields[0], start, end, 255, count, fields[3]))
    return rows


@pytest.mark.data
def test_damaged_bytes_are_an_error_or_read_as_they_stand(data, write):
    with gzip.open(data / "scatac/chr22.fragments.tsv.gz") as lines:
        sound = b"".join(line for _, line in zip(range(60), lines, strict=False))
    rng = np.random.default_rng(3)
    n_errors = 0
    for _ in range(300):
        text = bytearray(sound)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, len(text)))
            text[at : at + int(rng.integers(0, 3))] = rng.choice(
                np.frombuffer(b"\t\n0179-ACz\r \x00\x80#", np.uint8), rng.integers(0, 3)
            ).tobytes()
        text += b"\n"
        expected = slow_rows(bytes(text))
        found = outcome(write(bytes(text)))
        assert found == expected or (expected is None and isinstance(found, str)), found
        n_errors += isinstance(found, str)
    assert 50 < n_errors < 280


def test_damaged_containers_are_an_error_or_unharmed(write):
    text = b"".join(b"chr1\t%d\t%d\tACGT%d\t1\n" % (i, i + 60, i % 7) for i in range(200))
    rng = np.random.default_rng(4)
    for pack in (gzip.compress, bgzip):
        sound = pack(text)
        rows = rows_of(FragmentFile.open(write(sound)))
        for _ in range(60):
            damaged = bytearray(sound)
            damaged[rng.integers(3, len(sound))] ^= 1 << rng.integers(0, 8)
            found = outcome(write(bytes(damaged)))
            assert found == rows or isinstance(found, str)
