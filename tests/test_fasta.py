"""Genomes read by region, against strings; their indexes, against samtools; bad input."""

import gzip
import itertools
import os
import shutil
import struct
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from fasta_oracle import bgzip, encode, parse, random_sequence, wrap, write
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kmerengine.errors import InputError
from kmerengine.io import fasta
from kmerengine.io.compressed import open_source
from kmerengine.io.fasta import Genome, stream_fasta

DATA = Path(os.environ.get("KMERENGINE_DATA", Path(__file__).parents[2] / "shared" / "data"))
FORMS = ["plain", "bgzip", "gzip"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache folder, never the user's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kmerengine" / "fai"


@pytest.fixture(scope="module")
def text():
    """Four records, 300 kb, of several widths; one without bases."""
    rng = np.random.default_rng(1)
    rows = [("chr1 long", 150_000, 60), ("chr2", 150_001, 71), ("empty", 0, 60), ("chrM", 119, 60)]
    return wrap([(header, random_sequence(rng, n), width) for header, n, width in rows])


def fetch(genome: Genome, regions: list[tuple[int, int, int]]) -> list[list[int]]:
    table = np.array(regions, np.int64).reshape(-1, 3)
    codes, offsets = genome.fetch(*table.T)
    assert (codes.dtype, offsets.dtype, len(codes)) == (np.uint8, np.int64, offsets[-1])
    return [codes[a:b].tolist() for a, b in itertools.pairwise(offsets)]


def expected(text: str, regions: list[tuple[int, int, int]]) -> list[list[int]]:
    sequences = list(parse(text).values())
    return [encode(sequences[contig][start:end]) for contig, start, end in regions]


def random_regions(text: str, n: int, longest: int) -> list[tuple[int, int, int]]:
    rng = np.random.default_rng(2)
    sizes = [len(sequence) for sequence in parse(text).values()]
    regions = []
    for contig in rng.integers(0, len(sizes), n).tolist():
        start = int(rng.integers(0, sizes[contig] + 1))
        regions.append((contig, start, min(sizes[contig], start + int(rng.integers(0, longest)))))
    return regions


# ------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("form", FORMS)
def test_regions_in_any_order_equal_the_oracle(text, form, newline, tmp_path):
    path = write(tmp_path / "g.fa", text.replace("\n", newline), form)
    regions = [*random_regions(text, 300, 400), (0, 0, 150_000), (1, 0, 150_001), (2, 0, 0)]
    with Genome.open(path) as genome:
        assert genome.contigs == {"chr1": 150_000, "chr2": 150_001, "empty": 0, "chrM": 119}
        assert genome.random_access == (form != "gzip")
        assert fetch(genome, regions) == expected(text, regions)
        assert fetch(genome, []) == []


@pytest.mark.parametrize("form", FORMS)
def test_small_bins_pieces_and_chunks_equal_the_oracle(text, form, tmp_path, monkeypatch):
    """Regions over many bins, overlapping each other, cut in pieces, far apart and near."""
    monkeypatch.setattr(fasta, "BIN_BYTES", 1000)
    monkeypatch.setattr(fasta, "PIECE_BASES", 777)
    monkeypatch.setattr(fasta, "GAP_BYTES", 10)
    monkeypatch.setattr("kmerengine.io.compressed.CHUNK", 500)
    path = write(tmp_path / "g.fa", text, form)
    regions = random_regions(text, 200, 5000)
    with Genome.open(path) as genome:
        assert fetch(genome, regions) == expected(text, regions)


@st.composite
def fasta_files(draw):
    n = draw(st.integers(1, 6))
    sequence = st.text("ACGTacgtNRY-*.", max_size=30)
    records = [(f"c{i} x", draw(sequence), draw(st.integers(1, 9))) for i in range(n)]
    newline, last = draw(st.sampled_from(["\n", "\r\n"])), draw(st.booleans())
    text = wrap(records, newline, last=last or not records[-1][1])
    regions = []
    for _ in range(draw(st.integers(0, 5))):
        contig = draw(st.integers(0, n - 1))
        ends = [draw(st.integers(0, len(records[contig][1]))) for _ in range(2)]
        regions.append((contig, min(ends), max(ends)))
    return text, regions


@pytest.mark.parametrize("form", FORMS)
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(file=fasta_files())
@example(file=(">a\nACGTN\nac", [(0, 0, 7), (0, 4, 6), (0, 5, 5)]))
@example(file=(">a\r\nACG\r\nACG", [(0, 2, 6)]))
def test_any_file_read_through_a_new_and_an_old_index(form, file, tmp_path):
    text, regions = file
    for old in tmp_path.glob("g.fa*"):
        old.unlink()
    path = write(tmp_path / "g.fa", text, form)
    for _ in range(2):  # the second time with the index that the first has made
        with Genome.open(path) as genome:
            found = {name: len(sequence) for name, sequence in parse(text).items()}
            assert genome.contigs == found
            assert list(genome.contigs) == list(found)
            assert fetch(genome, regions) == expected(text, regions)
    assert genome.notes == []


@pytest.mark.parametrize("size", [1000, 4096, 1 << 24])
@pytest.mark.parametrize("form", FORMS)
def test_stream_is_the_text(text, form, size, tmp_path):
    blocks = list(stream_fasta(write(tmp_path / "g.fa", text, form), block_bytes=size))
    assert b"".join(block.tobytes() for block in blocks) == text.encode()
    assert all(block.size == size for block in blocks[:-1])


def test_joined_bgzip_files_are_read(text, tmp_path):
    """`cat a.gz b.gz` leaves an empty block in the middle."""
    other = ">more\nACGT\n"
    path = write(tmp_path / "g.fa", bgzip(text.encode()) + bgzip(other.encode()))
    with Genome.open(path) as genome:
        assert fetch(genome, [(4, 1, 3), (0, 5, 9)]) == expected(
            text + other, [(4, 1, 3), (0, 5, 9)]
        )
    assert b"".join(stream_fasta(path)).decode() == text + other


def test_two_genomes_at_once_share_no_place(text, tmp_path):
    path = write(tmp_path / "g.fa", text, "bgzip")
    regions = random_regions(text, 300, 400)
    found = []
    with Genome.open(path) as genome:
        threads = [
            threading.Thread(target=lambda: found.append(fetch(genome, regions))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [expected(text, regions)] * 4


# ------------------------------------------------------------------------------ indexes


@pytest.mark.skipif(shutil.which("samtools") is None, reason="samtools is not installed")
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("form", ["plain", "bgzip"])
def test_indexes_equal_samtools(text, form, newline, tmp_path):
    """Save for records without bases, which samtools leaves out."""
    full = "".join(">" + part for part in text.split(">")[1:] if not part.startswith("empty"))
    path = write(tmp_path / "g.fa.gz", full.replace("\n", newline), form)
    Genome.open(path).close()
    made = {suffix: Path(f"{path}{suffix}") for suffix in (".fai", ".gzi")}
    ours = {suffix: file.read_bytes() for suffix, file in made.items() if file.exists()}
    for file in made.values():
        file.unlink(missing_ok=True)
    subprocess.run(["samtools", "faidx", path], check=True)
    assert ours == {suffix: made[suffix].read_bytes() for suffix in ours}
    assert set(ours) == ({".fai"} if form == "plain" else {".fai", ".gzi"})


def test_fai_without_records_that_have_no_bases_fits(text, tmp_path):
    """As samtools makes it."""
    path = write(tmp_path / "g.fa", text)
    Genome.open(path).close()
    fai = tmp_path / "g.fa.fai"
    fai.write_text("".join(x for x in fai.read_text().splitlines(True) if x[:5] != "empty"))
    with Genome.open(path) as genome:
        assert list(genome.contigs) == ["chr1", "chr2", "chrM"]
        assert fetch(genome, [(2, 58, 63)]) == expected(text, [(3, 58, 63)])


def test_notes_say_what_was_made_and_what_is_old(text, tmp_path):
    path = write(tmp_path / "g.fa", text)
    fai = tmp_path / "g.fa.fai"
    with Genome.open(path) as genome:
        assert genome.notes == [f"{fai}: made"]
    with Genome.open(path) as genome:
        assert genome.notes == []
    os.utime(fai, ns=(0, 0))
    with Genome.open(path) as genome:
        assert genome.notes == [f"{fai}: older than {path}: checked, used"]


@pytest.fixture
def read_only(tmp_path, monkeypatch):
    """A folder that the user may not write to, whoever runs the test."""
    folder = tmp_path / "shared"
    folder.mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder and access(path, mode))
    return folder


@pytest.mark.parametrize("form", ["plain", "bgzip"])
def test_indexes_of_a_read_only_folder_go_to_the_cache(text, form, read_only, cache):
    path = write(read_only / "g.fa", text, form)
    for _ in range(2):
        with Genome.open(path) as genome:
            assert fetch(genome, [(1, 5, 99)]) == expected(text, [(1, 5, 99)])
    assert genome.notes == []
    assert sorted(file.name for file in read_only.iterdir()) == ["g.fa"]
    assert {file.suffix for file in cache.iterdir()} == (
        {".fai"} if form == "plain" else {".fai", ".gzi"}
    )


def test_a_cached_index_of_another_file_is_made_again(text, read_only):
    path = write(read_only / "g.fa", text)
    Genome.open(path).close()
    write(path, ">other\nACGT\n")
    os.utime(path, ns=(0, 0))  # no younger than the index, and still not its file
    with Genome.open(path) as genome:
        assert genome.contigs == {"other": 4}


def test_without_any_place_the_index_stays_in_memory(text, read_only, tmp_path):
    path = write(read_only / "g.fa", text)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with Genome.open(path) as genome:
        assert fetch(genome, [(3, 0, 9)]) == expected(text, [(3, 0, 9)])
        assert "not kept, the next run makes it again" in genome.notes[0]


@pytest.mark.data
@pytest.mark.parametrize("form", FORMS)
def test_real_genome_equals_its_text(form, tmp_path):
    source = DATA / "yeast" / "sacCer3.fa.gz"
    if not source.exists():
        pytest.skip(f"no real data at {source}; set KMERENGINE_DATA")
    text = gzip.decompress(source.read_bytes()).decode()
    path = tmp_path / "g.fa.gz"
    if form == "bgzip":
        path.symlink_to(source)
    else:
        write(path, text, form)
    regions = random_regions(text, 2000, 1000)
    with Genome.open(path) as genome:
        assert sum(genome.contigs.values()) == 12_157_105
        assert fetch(genome, regions) == expected(text, regions)
    if form == "bgzip":
        for suffix in (".fai", ".gzi"):
            assert Path(f"{path}{suffix}").read_bytes() == Path(f"{source}{suffix}").read_bytes()


# ------------------------------------------------------------------------------ bad input


def refused(action, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def read_all(path: Path) -> None:
    list(stream_fasta(path))


@pytest.mark.parametrize("read", [Genome.open, read_all])
def test_what_is_no_file_is_refused(read, tmp_path, monkeypatch):
    refused(lambda: read(tmp_path / "no.fa"), "no.fa: no such file")
    refused(lambda: read(tmp_path), f"{tmp_path}: is a folder")
    os.mkfifo(tmp_path / "pipe")
    refused(lambda: read(tmp_path / "pipe"), "pipe: is not a regular file")
    empty = write(tmp_path / "empty.fa", b"")
    refused(lambda: read(empty), "empty.fa: is empty")

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "g.fa", ">a\nAC\n")
    monkeypatch.setattr(os, "open", denied)
    refused(lambda: read(path), "g.fa: cannot be read: Permission denied")


@pytest.mark.parametrize("read", [Genome.open, read_all])
@pytest.mark.parametrize("form", FORMS)
def test_binary_and_empty_text_are_refused(read, form, tmp_path):
    path = write(tmp_path / "g.fa", b"\x00\x01\x02ELF", form)
    refused(lambda: read(path), "g.fa: line 1: found byte 0x00 at offset 0, expected '>'")
    if form != "plain":
        refused(lambda: read(write(path, b"", form)), "g.fa: holds no text")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (">a\nAC\nAC\nA\nAC\n", "line 4 (record 'a'): found 1 bases, expected 2"),
        (">a\nAC\nA\nAC\n", "seqkit seq -w 60"),
        (">a\nAC\n>b\nA\n>a x\nA\n", "line 5: name 'a' again, first on line 1"),
        (">a\nAC\n> b\nA\n", "line 3: found a header without a name"),
        (">a\nAC\x00\n", "line 2 (record 'a'): found byte 0x00 at offset 5"),
        (b">a\xff\nAC\n", "line 1: name b'a\\xff' is not UTF-8"),
    ],
)
def test_damaged_text_is_refused_and_leaves_no_fai(text, words, form, tmp_path):
    path = write(tmp_path / "g.fa", text, form)
    refused(lambda: Genome.open(path), "g.fa: ", words)
    assert not (tmp_path / "g.fa.fai").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: "", "found no lines"),
        (lambda s: s.replace("\t", " "), "line 1: found"),
        (lambda s: s.replace("\t60\t", "\tsixty\t"), "a name and four numbers"),
        (lambda s: s.replace("\t150001\t", "\t-5\t"), "line 2: found"),
        (lambda s: s.replace("\t150001\t", "\t999999999\t"), "no larger than"),
        (lambda s: s.replace("\t60\t61", "\t60\t60", 1), "line 1: found 60 bases in lines of 60"),
        (lambda s: s.replace("\t60\t61", "\t0\t1", 1), "line 1: found 0 bases"),
        (lambda s: s.replace("chr2", "chr1"), "line 2: name 'chr1' again, first on line 1"),
        (lambda s: s.replace("chr2", "chr9"), "the header of 'chr9'"),
        (lambda s: s.replace("chr1", "chr"), "the header of 'chr'"),
        (lambda s: s.replace("150000", "149999"), "line 1: found other line ends"),
        (lambda s: s.replace("150000", "150001"), "line 1: found other line ends"),
        (lambda s: s.replace("\t60\t61", "\t59\t60", 1), "line 2: found a sequence at"),
        (lambda s: s.replace("\t119\t", "\t118\t"), "expected the end of the text"),
        (lambda s: s.replace("\t119\t", "\t121\t"), "expected the end of the text"),
        (lambda s: "".join(s.splitlines(True)[:-1]), "expected the end of the text"),
        (lambda s: "".join(s.splitlines(True)[1:]), "expected none: a record is missing"),
        (lambda s: "".join(s.splitlines(True)[::-1]), "line 2: found a sequence at offset"),
        (lambda s: s.replace("\t11\t", "\t10\t"), "the header of 'chr1'"),
        (lambda s: s.replace("\t11\t", "\t12\t"), "the header of 'chr1'"),
    ],
)
@pytest.mark.parametrize("form", ["plain", "bgzip"])
def test_a_fai_that_does_not_fit_is_refused(text, form, change, words, tmp_path):
    path = write(tmp_path / "g.fa", text, form)
    Genome.open(path).close()
    fai = tmp_path / "g.fa.fai"
    content = fai.read_text()
    assert change(content) != content
    fai.write_text(change(content))
    refused(lambda: Genome.open(path), "g.fa.fai: ", words, "delete it and it is made again")


@pytest.mark.parametrize("change", ["longer", "shorter"])
def test_a_fai_of_a_file_of_another_size_is_refused(text, change, tmp_path):
    path = write(tmp_path / "g.fa", text)
    Genome.open(path).close()
    write(path, text + ">new\nAC\n" if change == "longer" else text[:-30])
    refused(lambda: Genome.open(path), "g.fa.fai: line 4", "expected the end of the text")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("put", [">", "\n", "7", "\x00"])
def test_damage_after_the_check_is_seen_by_fetch(text, form, put, tmp_path):
    """Only bytes that are read can be seen: those of a region, line ends within included."""
    path = write(tmp_path / "g.fa", text, form)
    genome = Genome.open(path)
    at = text.index("\n") + 1 + 61 * 100 + 7  # base 6,007 of chr1
    broken = text[:at] + put + text[at + 1 :]
    if form == "bgzip":  # over the same bytes, with the index that fits the new blocks
        genome.close()
        (tmp_path / "g.fa.gzi").unlink()
        write(path, broken, form)
        genome = Genome.open(path)
    else:
        write(path, broken, form)
    assert fetch(genome, [(0, 6008, 6100)]) == expected(text, [(0, 6008, 6100)])
    assert fetch(genome, [(0, 5900, 6007)]) == expected(text, [(0, 5900, 6007)])
    words = f"record 'chr1': found byte 0x{ord(put):02x} at offset {at}"
    refused(lambda: fetch(genome, [(0, 10, 20), (0, 6007, 6008)]), "g.fa: ", words, "the .fai")
    genome.close()


@pytest.mark.parametrize("read", [Genome.open, read_all])
@pytest.mark.parametrize("cut", [1, 20, 28, 29, 500, 3000])
def test_truncated_bgzip_is_refused(text, read, cut, tmp_path):
    path = write(tmp_path / "g.fa", bgzip(text.encode(), 1000)[:-cut])
    refused(lambda: read(path), "g.fa: ", "truncated")


@pytest.mark.parametrize("read", [Genome.open, read_all])
@pytest.mark.parametrize("cut", [1, 4, 8, 9, 500])
def test_truncated_gzip_is_refused(text, read, cut, tmp_path):
    path = write(tmp_path / "g.fa", gzip.compress(text.encode())[:-cut])
    refused(lambda: read(path), "g.fa: ", "truncated")


@pytest.mark.parametrize("read", [Genome.open, read_all])
@pytest.mark.parametrize("form", ["bgzip", "gzip"])
def test_every_damaged_byte_of_compressed_data_is_seen(read, form, tmp_path):
    """Or does no harm: some header fields (time, system) mean nothing."""
    text = wrap([("a", "ACGTTGCANN" * 30, 60)])
    path = write(tmp_path / "g.fa", text, form)
    whole = path.read_bytes()
    seen = 0
    for at in range(len(whole)):
        for index in tmp_path.glob("g.fa.*"):
            index.unlink()
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            result = read(path)
        except InputError:
            seen += 1
        else:
            if result:
                assert fetch(result, [(0, 0, 300)]) == expected(text, [(0, 0, 300)])
                result.close()
    assert seen > 0.8 * len(whole)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-1],
        lambda _: b"",
        lambda s: struct.pack("<Q", 1 << 60) + s[8:],
        lambda s: s[:8] + s[24:32] + s[16:24] + s[24:],  # not ascending
        lambda s: s[:-16] + struct.pack("<QQ", 1 << 40, 1 << 41),
        lambda s: s[:-16] + struct.pack("<QQ", (1 << 64) - 1, (1 << 64) - 1),
        lambda s: s[:-16] + struct.pack("<QQ", *(x + 1 for x in struct.unpack("<QQ", s[-16:]))),
    ],
)
def test_a_gzi_that_does_not_fit_is_refused(text, change, tmp_path):
    path = write(tmp_path / "g.fa", text, "bgzip")
    Genome.open(path).close()
    gzi = tmp_path / "g.fa.gzi"
    gzi.write_bytes(change(gzi.read_bytes()))
    refused(lambda: Genome.open(path), "g.fa.gzi: ", "delete it and it is made again")


def test_a_gzi_wrong_in_the_middle_is_seen_where_it_is_used(text, tmp_path):
    path = write(tmp_path / "g.fa", text, "bgzip")
    Genome.open(path).close()
    gzi = tmp_path / "g.fa.gzi"
    pairs = np.frombuffer(gzi.read_bytes(), "<u8", offset=8).copy()
    pairs[2 * 50 + 1] += 1  # the text offset of block 51
    gzi.write_bytes(struct.pack("<Q", len(pairs) // 2) + pairs.tobytes())
    with Genome.open(path) as genome:
        assert fetch(genome, [(0, 0, 900)]) == expected(text, [(0, 0, 900)])
        refused(lambda: fetch(genome, [(0, 49_000, 51_000)]), "its .gzi says 1001")


def test_an_unreadable_fai_is_refused(text, tmp_path):
    path = write(tmp_path / "g.fa", text)
    (tmp_path / "g.fa.fai").mkdir()
    refused(lambda: Genome.open(path), "g.fa.fai: cannot be read")


def test_a_failed_open_closes_the_file(text, tmp_path, monkeypatch):
    path = write(tmp_path / "g.fa", ">a\nAC\n>a\nAC\n")
    opened = []
    monkeypatch.setattr(fasta, "open_source", lambda p: opened.append(open_source(p)) or opened[0])
    refused(lambda: Genome.open(path), "again")
    assert opened[0].handle == -1
