"""Region files, against values written by hand and a reader made of `split`."""

import gzip
import math
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kmerengine.errors import InputError
from kmerengine.io import bed, text
from kmerengine.io.bed import read_regions
from kmerengine.regions import Regions

DATA = Path(os.environ.get("KMERENGINE_DATA", Path(__file__).parents[1] / "../shared/data"))

NARROWPEAK = "chr1\t100\t200\tp1\t37\t.\t2.5\t5.1\t3.7\t63\n"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(regions: Regions) -> list[tuple]:
    """One tuple per region, a missing score as None."""
    return [
        (
            regions.contig_names[regions.contig[i]],
            int(regions.start[i]),
            int(regions.end[i]),
            regions.name[i],
            None if math.isnan(regions.score[i]) else float(regions.score[i]),
            regions.strand[i].decode(),
            int(regions.summit[i]),
        )
        for i in range(len(regions))
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (3, ("chr1", 10, 25, "", None, ".", -1)),
        (4, ("chr1", 10, 25, "a b", None, ".", -1)),
        (5, ("chr1", 10, 25, "a b", 960.5, ".", -1)),
        (6, ("chr1", 10, 25, "a b", 960.5, "-", -1)),
        (8, ("chr1", 10, 25, "a b", 960.5, "-", -1)),
        (9, ("chr1", 10, 25, "a b", 960.5, "-", -1)),
        (12, ("chr1", 10, 25, "a b", 960.5, "-", -1)),  # column 10 is the number of blocks
    ],
)
def test_bed3_to_bed12(tmp_path, columns, expected):
    line = ["chr1", "10", "25", "a b", "960.5", "-", "10", "25", "0,0,0", "2", "5,5", "0,10"]
    path = write(tmp_path / "a.bed", "\t".join(line[:columns]) + "\n")
    assert rows(read_regions(path)) == [expected]


def test_narrowpeak_and_broadpeak(tmp_path):
    narrow = write(tmp_path / "a.bed", NARROWPEAK + NARROWPEAK.replace("\t63\n", "\t-1\n"))
    assert read_regions(narrow).summit.tolist() == [163, -1]
    broad = write(tmp_path / "a.broadPeak", "chr1\t100\t200\tp1\t37\t.\t2.5\t5.1\t3.7\n")
    assert read_regions(broad).summit.tolist() == [-1]


@pytest.mark.parametrize("offset", [0, 99])
def test_a_summit_may_be_the_first_or_the_last_base(tmp_path, offset):
    path = write(tmp_path / "a", NARROWPEAK.replace("\t63\n", f"\t{offset}\n"))
    assert read_regions(path).summit.tolist() == [100 + offset]


def test_names_lines_and_dtypes(tmp_path):
    content = (
        "browser position chr7:1-10\ntrack name=x type=bed\n# comment\n\n"
        "chr2\t1\t2\t.\t.\t+\n \t \nchr1\t5\t7\tb\t1e2\t-\n#c\nchr2\t0\t1\t\t-3\t."
    )
    regions = read_regions(write(tmp_path / "a.bed", content))
    assert regions.contig_names == ("chr2", "chr1")
    assert rows(regions) == [
        ("chr2", 1, 2, ".", None, "+", -1),
        ("chr1", 5, 7, "b", 100.0, "-", -1),
        ("chr2", 0, 1, "", -3.0, ".", -1),
    ]
    assert regions.line.tolist() == [5, 7, 9]
    assert regions.contig.dtype == np.int32
    assert regions.strand.dtype == np.dtype("S1")
    assert {regions.start.dtype, regions.end.dtype, regions.summit.dtype} == {np.dtype("i8")}


def test_a_contig_may_be_called_track(tmp_path):
    path = write(tmp_path / "a.bed", "track\t10\t20\ntrack1\t1\t2\ntrack name=1\nbrowser\t1\t9\n")
    assert [row[:3] for row in rows(read_regions(path))] == [
        ("track", 10, 20),
        ("track1", 1, 2),
        ("browser", 1, 9),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "chr1\t10\t20\tn\t5\t+\r\nchr2\t1\t2\tm\t6\t-\r\n",
        "chr1 10 20 n 5 +\nchr2   1 2 m\u00a06 -\n",
        "  chr1 10 20 n 5 +\nchr2\t1\t2\tm\t6\t-",
        "\ufeffchr1\t10\t20\tn\t5\t+ \nchr2\t1\t2\tm\t6\t-  \n",
    ],
    ids=["crlf", "spaces", "spaces and tabs", "byte order mark and trailing spaces"],
)
def test_layouts_of_the_same_regions(tmp_path, content):
    for path in (
        write(tmp_path / "a.bed", content),
        write(tmp_path / "b.bed", gzip.compress(content.encode())),
    ):
        assert rows(read_regions(path)) == [
            ("chr1", 10, 20, "n", 5.0, "+", -1),
            ("chr2", 1, 2, "m", 6.0, "-", -1),
        ]


def test_bgzip_is_many_members_and_a_marker(tmp_path):
    def block(data: bytes) -> bytes:
        body = gzip.compress(data)
        size = (len(body) + 8 - 1).to_bytes(2, "little")
        extra = b"\x06\x00BC\x02\x00" + size
        return body[:3] + b"\x04" + body[4:10] + extra + body[10:]

    members = [block(b"chr1\t1\t2\nch"), block(b"r1\t3\t4\n")]
    whole = b"".join(members) + text._BGZIP_END
    assert read_regions(write(tmp_path / "a.bed.gz", whole)).start.tolist() == [1, 3]
    with pytest.raises(InputError, match="truncated"):  # cut between blocks: gzip cannot tell
        read_regions(write(tmp_path / "b.bed.gz", b"".join(members)))


@pytest.mark.parametrize("content", ["", "# only\ntrack x\n\n", "\n"])
def test_a_file_without_regions_has_none(tmp_path, content):
    regions = read_regions(write(tmp_path / "a.bed", content))
    assert len(regions) == 0
    assert regions.contig_names == ()
    assert regions.name == []


BAD = {
    "chr1\t10": "found 2 columns.*at least 3.*separate them by tabs",
    ">chr1 x": "FASTA.*genome comes before",
    "chr1\t10\t10": "start 10 is not before end 10",
    "chr1\t11\t10": "start 11 is not before end 10",
    "chr1\t-1\t10": "start '-1'.*0 or more",
    "chr1\t1.0\t10": "start '1.0'.*whole number",
    "chr1\t1\t1e5": "end '1e5'.*whole number",
    "chr1\t1_0\t20": "start '1_0'",
    "chr1\t+1\t20": "start '\\+1'",
    "chr1\t 1\t20": "start ' 1'",
    "chr1\t\t20": "start ''",
    "chr1\t1\t٣": "end '٣'",
    f"chr1\t1\t{2**62 + 1}": "at most 2\\^62",
    "chr1\t1\t1" + "0" * 5000: "at most 2\\^62",
    "\t1\t20": "no contig name",
    "chr1\t1\t20\tn\tx": "score 'x' in column 5",
    "chr1\t1\t20\tn\t": "score ''",
    "chr1\t1\t20\tn\t1_0": "score '1_0'",
    "chr1\t1\t20\tn\t5\t*": "strand '\\*'",
    "chr1\t1\t20\tn\t5\t": "strand ''",
    "chr1\t1\t20\tn\t5\t+-": "strand '\\+-'",
    "chr1\t1\t20\tn\t5\t.\t1\t2\t3\t19": "offset '19'.*expected 0 to 18",
    "chr1\t1\t20\tn\t5\t.\t1\t2\t3\t-2": "offset '-2'",
    "chr1\t1\t20\tn\t5\t.\t1\t2\t3\t1.5": "offset '1.5'",
    "chr1\t1\t20\tn\t5\t.\t1\t2\t0,0,0\t1": "'0,0,0' in column 9.*narrowPeak",
    "chr1\t1\t20\tn\t5\t.\t.\t2\t3\t1": "'.' in column 7",
    "chr1\t1\t20\tn\t5\t.\t1\t1.2.3\t3\t1": "'1.2.3' in column 8",
}


@pytest.mark.parametrize("line", BAD)
@pytest.mark.parametrize("before", ["", "# comment\n\n"])
def test_a_bad_line_is_named(tmp_path, line, before):
    path = write(tmp_path / "a.bed", f"{before}{line}\n")
    with pytest.raises(InputError, match=BAD[line]) as error:
        read_regions(path)
    assert str(error.value).startswith(f"{path}: line {before.count(chr(10)) + 1}: ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_the_largest_coordinate(tmp_path):
    path = write(tmp_path / "a.bed", f"chr1\t1\t{2**62}\n")
    assert read_regions(path).end.tolist() == [2**62]


def test_rows_of_different_width_are_an_error_in_any_block(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "_BLOCK", 16)
    path = write(tmp_path / "a.bed", "#\n" + "c\t1\t2\n" * 10 + "c\t1\t2\tx\n")
    with pytest.raises(InputError, match="line 12: found 4 columns, expected 3 as on line 2"):
        read_regions(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"BAM\1\0\0\0\0", "not UTF-8 text"),
        (b"chr1\t1\t2\tna\xefve\n", "not UTF-8 text"),
        (gzip.compress(b"BAM\1\0\0"), "not UTF-8 text"),
        (gzip.compress(b"chr1\t1\t2\n" * 1000)[:-9], "truncated"),
        (gzip.compress(b"chr1\t1\t2\n" * 1000)[:20], "truncated"),
        (b"\x1f\x8b\x08\x00" + b"rubbish" * 9, "damaged"),
        (gzip.compress(b"chr1\t1\t2\n") + b"rubbish", "damaged"),
    ],
)
def test_files_that_are_not_regions(tmp_path, content, match):
    path = write(tmp_path / "a.bed", content)
    with pytest.raises(InputError, match=match) as error:
        read_regions(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_missing_file_folder_empty_gzip_and_endless_line(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such file"):
        read_regions(tmp_path / "none.bed")
    with pytest.raises(InputError, match="is a folder"):
        read_regions(tmp_path)
    with pytest.raises(InputError, match="truncated"):
        read_regions(write(tmp_path / "a.bed.gz", b""))
    monkeypatch.setattr(text, "_BLOCK", 100)
    monkeypatch.setattr(text, "_LONGEST_LINE", 1000)
    with pytest.raises(InputError, match="line 2: longer than 1,000 bytes"):
        read_regions(write(tmp_path / "a.bed", "chr1\t1\t2\n" + "A" * 2000))


def test_blocks_do_not_change_the_regions(tmp_path, monkeypatch):
    path = write(tmp_path / "a.bed", "".join(f"chr{i % 3}\t{i}\t{2 * i + 1}\n" for i in range(99)))
    whole = read_regions(path)
    monkeypatch.setattr(text, "_BLOCK", 7)
    small = read_regions(path)
    assert rows(whole) == rows(small)
    assert small.line.tolist() == list(range(1, 100))
    assert small.contig_names == ("chr0", "chr1", "chr2")


# The two converters: equal columns, or an error that only `_by_row` can word.

odd = st.sampled_from(
    [
        *("", ".", "-", "--1", "-1", "-0", "1_0", "+1", " 1", "07", "é", "x y", "A" * 70),
        *("1e3", "1.5", "inf", "nan", "infinity", "1e", "1.2.3", "-.5", "5."),
        *("9" * 18, "9" * 19, str(2**62)),
    ]
)
numbers = st.integers(0, 1000).map(str)


@st.composite
def tables(draw):
    n_columns = draw(st.sampled_from([2, 3, 4, 5, 6, 9, 10, 10, 10, 12]))
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        start, length = draw(st.integers(0, 10**9)), draw(st.integers(1, 300))
        row = [
            draw(st.sampled_from(["chr1", "chr10", "2", "track", "b"])),
            str(start),
            str(start + length),
            draw(st.sampled_from(["peak", ".", "a b", ""])),
            draw(st.one_of(numbers, st.just("."), st.floats(allow_nan=False).map(repr))),
            draw(st.sampled_from("+-.")),
            *(draw(st.sampled_from(["1.5", "-1", "20.4181", "1e-300", "inf"])) for _ in range(3)),
            str(draw(st.integers(-1, length - 1))),
            "1,2",
            "0,5",
        ][:n_columns]
        if draw(st.integers(0, 5)) == 0:
            row[draw(st.integers(0, n_columns - 1))] = draw(st.one_of(odd, numbers))
        if draw(st.integers(0, 19)) == 0:
            row.append("extra")
        separator = " " if draw(st.integers(0, 9)) == 0 and all(row) else "\t"
        lines.append(separator.join(row) + " " * (draw(st.integers(0, 19)) == 0))
    return n_columns, "".join(f"{line}\n" for line in lines)


@settings(deadline=None, max_examples=300)
@given(tables())
@example((3, "a\t1\t2\nb\t3\n4\t5\t6\t7\n"))  # as many tabs as 3 columns would have
@example((5, "c\t1\t2\tn\t.\n"))
@example((4, "c\t1\t2\tn \n"))
@example((10, NARROWPEAK.replace("\t63\n", "\t100\n")))
@example((3, "c\t0\t1\nc\t5\t3\n"))
def test_both_converters_agree(table):
    n_columns, content = table
    fast = bed._by_column(content, n_columns)
    lines = np.arange(1, content.count("\n") + 1)
    try:
        slow = bed._by_row(content, n_columns, Path("x"), lines, 1)
    except InputError:
        assert fast is None
        return
    if fast is not None:
        for a, b in zip(fast, slow, strict=True):
            if isinstance(a, list):
                assert a == b
            else:
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


def test_ordinary_files_take_the_fast_converter(tmp_path, monkeypatch):
    monkeypatch.delattr(bed, "_by_row")
    lines = [NARROWPEAK, NARROWPEAK.replace("5.1", "1.2e-05"), NARROWPEAK.replace("\t.\t", "\t+\t")]
    for content in (
        "track x\n" + "".join(lines),
        "".join(lines).replace("\t", " "),
        "chr1\t1\t2\n",
        "chr1\t1\t2\tn\t.\t-\n",
        "chr1\t1\t2\tn\t1.5\t-\n",
    ):
        assert len(read_regions(write(tmp_path / "a", content))) == len(content.splitlines()) - (
            "track" in content
        )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["chr1", "chrX", "scaffold_12"]),
            st.integers(0, 2**40),
            st.integers(1, 2**20),
            st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8),
            st.floats(allow_nan=False),
            st.sampled_from("+-."),
        ),
        max_size=30,
    )
)
@settings(deadline=None)
def test_round_trip(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("bed") / "a.bed"
    table = [(c, s, s + n, name, score, strand) for c, s, n, name, score, strand in table]
    write(path, "".join("\t".join(map(str, row)) + "\n" for row in table))
    assert rows(read_regions(path)) == [(*row, -1) for row in table]


def test_the_time_grows_linearly(tmp_path):
    def seconds(n: int) -> float:
        path = write(tmp_path / "a", NARROWPEAK * n)
        times = []
        for _ in range(3):
            started = time.perf_counter()
            assert len(read_regions(path)) == n
            times.append(time.perf_counter() - started)
        return min(times)

    assert seconds(200_000) < 20 * seconds(20_000)


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data at {DATA} (set KMERENGINE_DATA)")
def test_the_yeast_peaks():
    path = DATA / "yeast" / "yeast_peaks.narrowPeak"
    expected = [line.split("\t") for line in path.read_text().splitlines()]
    summits = (path.parent / "yeast_summits.bed").read_text().splitlines()
    regions = read_regions(path)
    assert len(regions) == 1411
    assert rows(regions) == [
        (row[0], int(row[1]), int(row[2]), row[3], float(row[4]), row[5], int(row[1]) + int(row[9]))
        for row in expected
    ]
    assert regions.summit.tolist() == [int(line.split("\t")[1]) for line in summits]
