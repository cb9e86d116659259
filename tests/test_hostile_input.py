"""Bad input through the command: one line that says where and what to do, and nothing left."""

import gzip
import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fasta_oracle import bgzip, wrap

import kmerengine
from kmerengine import InputError, KmerCounts, Vocabulary
from kmerengine.cli import main

CONTIGS = {
    "chr1": "ACGTTGCATGCCGATTACAGNNTTGACCATGCAAGCTTGGCCATT",  # 45 bases
    "chr2": "GATTACAGATTACACCGGTTAACCGGATATCGC",  # 33
    "chrM": "TTTTTTTTACGTACGTACGT",  # 20
}
GENOME = wrap([(f"{name} x", bases, 20) for name, bases in CONTIGS.items()])
REGIONS = "chr1\t0\t40\ta\t5\t+\nchr2\t2\t27\tb\t7\t-\n"
FAI = "chr1\t45\t8\t20\t21\nchr2\t33\t64\t20\t21\nchrM\t20\t107\t20\t21\n"

Files = dict[str, str | bytes | None]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def put(files: Files) -> None:
    """Write files; None makes a folder."""
    for name, content in files.items():
        path = Path(name)
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


def run(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


def here() -> dict[str, bytes | None]:
    """Everything in the folder but the indexes that are made beside a good FASTA."""
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in Path().rglob("*")
        if path.suffix not in (".fai", ".gzi")
    }


def refused(line: str, *words: str) -> str:
    before = here()
    result = run(line)
    assert result.exit_code == 1, (result.exit_code, result.output)
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr[:-1].isprintable()
    for word in words:
        assert word in result.stderr, result.stderr
    assert here() == before
    return result.stderr


def test_the_good_files_are_good():
    put({"g.fa": GENOME, "g.fa.fai": FAI, "r.bed": REGIONS})
    assert run("count g.fa r.bed -o a.parquet").exit_code == 0
    assert run("count g.fa -o b.parquet").exit_code == 0
    assert run("count g.fa --per-record -o c.parquet").exit_code == 0
    assert len(KmerCounts.open("c.parquet")) == 3


# --------------------------------------------------------------------------------------- FASTA

BINARY = bytes(range(256)) * 40
GENOMES: dict[str, tuple[Files, tuple[str, ...]]] = {
    "missing": ({}, ("g.fa: no such file", "check")),
    "a folder": ({"g.fa": None}, ("g.fa: is a folder", "give the file")),
    "empty": ({"g.fa": b""}, ("g.fa: is empty (0 bytes)", "expected", "check how it was made")),
    "empty gzip": ({"g.fa": gzip.compress(b"")}, ("g.fa: holds no text, expected FASTA",)),
    "empty bgzip": ({"g.fa": bgzip(b"")}, ("g.fa: holds no text, expected FASTA",)),
    "binary": ({"g.fa": BINARY}, ("g.fa: line 1: found byte 0x00", "expected '>'", "not FASTA")),
    "binary after >": ({"g.fa": b">a\n" + BINARY}, ("g.fa: ", "found byte 0x00")),
    "a gzip of binary": ({"g.fa": gzip.compress(BINARY)}, ("g.fa: line 1: found byte 0x00",)),
    "a byte order mark": (
        {"g.fa": f"\ufeff{GENOME}"},
        ("g.fa: line 1: found byte 0xef", "expected '>'", "save it without a byte order mark"),
    ),
    "FASTQ": ({"g.fa": "@r\nACGT\n+\nIIII\n"}, ("g.fa: line 1: found", "expected '>'")),
    "BED": ({"g.fa": REGIONS}, ("g.fa: line 1: found", "expected '>'")),
    "spaces first": ({"g.fa": f"\n{GENOME}"}, ("g.fa: line 1: found byte 0x0a",)),
    "no bases": ({"g.fa": ">a\n>b\n"}, ()),
    "no name": ({"g.fa": ">\nACGTACGTACGT\n"}, ("g.fa: ", "without a name", "name")),
    "a name after a space": ({"g.fa": "> a\nACGTACGTACGT\n"}, ("g.fa: ", "without a name")),
    "a digit": ({"g.fa": ">a\nACGTACGT1ACGT\n"}, ("g.fa: ", "found byte 0x31")),
    "a space": ({"g.fa": ">a\nACGTACGT ACGT\n"}, ("g.fa: ", "found byte 0x20")),
    "a > inside": ({"g.fa": ">a\nACGTACGT>CGT\n"}, ("g.fa: ", "found byte 0x3e")),
    "the same name twice": (
        {"g.fa": f"{GENOME}>chr2 again\nACGTACGTACGT\n"},
        ("g.fa: ", "'chr2'", "expected every name once", "rename"),
    ),
    "cut gzip": (
        {"g.fa": gzip.compress(GENOME.encode())[:-9]},
        ("g.fa: ", "truncated", "copy or make it again"),
    ),
    "cut bgzip": ({"g.fa": bgzip(GENOME.encode())[:-9]}, ("g.fa: ", "truncated", "bgzip")),
    "changed gzip": (
        {"g.fa": gzip.compress(GENOME.encode())[:-6] + b"xxxxxx"},
        ("g.fa: ", "damaged", "copy or make it again"),
    ),
    "changed bgzip": (
        {"g.fa": bgzip(GENOME.encode()).replace(b"\x1f\x8b", b"\x1f\x00")},
        ("g.fa: ",),
    ),
}


@pytest.mark.parametrize("how", ["count g.fa r.bed", "count g.fa", "count g.fa --per-record"])
@pytest.mark.parametrize("what", GENOMES)
def test_genomes(what, how):
    files, words = GENOMES[what]
    put({"r.bed": REGIONS, **files})
    if what == "no bases" and how != "count g.fa":
        return  # a genome without bases has contigs, none of which a region can lie on
    refused(f"{how} -o out.parquet", *words)
    refused(f"{how} -o out --parts", *words)
    assert not list(Path().glob("*.fai"))


def test_contigs_of_a_genome_with_a_byte_order_mark():
    put({"g.fa": f"\ufeff{GENOME}", "f.tsv": "chr1\t3\t30\tx\t1\n"})
    refused("cuts f.tsv --genome g.fa -o out.parquet", "save it without a byte order mark")


@pytest.mark.parametrize(
    "lines",
    [
        ["ACGTACGTAC", "ACGTA", "ACGTACGTAC"],
        ["ACGTACGTAC", "ACGTACGTACGT"],
        ["ACGTACGTAC", "", "ACGTACGTAC"],
    ],
    ids=["a short line in the middle", "a longer line", "an empty line in the middle"],
)
def test_lines_of_no_index_are_refused_with_regions_and_counted_without(lines):
    text = "\n".join(lines)
    put({"g.fa": f">chr1\n{text}\n", "r.bed": "chr1\t0\t12\n"})
    refused("count g.fa r.bed -o out.parquet", "g.fa: line ", "expected")
    assert run("count g.fa -o out.parquet").exit_code == 0


FAIS: dict[str, tuple[str, tuple[str, ...]]] = {
    "empty": ("", ("found no lines",)),
    "text": ("hello\n", ("line 1: found b'hello'", "four numbers")),
    "a negative number": (FAI.replace("45", "-45"), ("line 1",)),
    "a size beyond the file": (FAI.replace("\t33\t", "\t3300\t"), ("line 2", "no larger than")),
    "bases without lines": (FAI.replace("33\t64\t20\t21", "33\t64\t0\t0"), ("line 2",)),
    "another line length": (FAI.replace("33\t64\t20\t21", "33\t64\t21\t22"), ("line 2",)),
    "another offset": (FAI.replace("\t64\t", "\t65\t"), ("line ",)),
    "another name": (FAI.replace("chr2", "chrX"), ("line 2", "'chrX'")),
    "a name twice": (FAI.replace("chr2", "chr1"), ("line 2", "'chr1' again")),
    "no first record": (FAI.partition("\n")[2], ("line 1",)),
    "no last record": (FAI[: FAI.index("chrM")], ("line 2", "last record ends at offset")),
    "a longer last record": (FAI.replace("chrM\t20", "chrM\t21"), ("line 3",)),
    "a shorter last record": (FAI.replace("chrM\t20", "chrM\t19"), ("line 3",)),
}


@pytest.mark.parametrize("form", ["plain", "bgzip"])
@pytest.mark.parametrize("what", FAIS)
def test_an_index_that_does_not_fit(what, form):
    fai, words = FAIS[what]
    genome = bgzip(GENOME.encode()) if form == "bgzip" else GENOME
    put({"g.fa": genome, "g.fa.fai": fai, "r.bed": REGIONS})
    for how in ("r.bed", "--per-record"):
        refused(f"count g.fa {how} -o out.parquet", "g.fa.fai: ", "delete it", *words)
    assert Path("g.fa.fai").read_text() == fai  # it is not ours to replace


def test_an_index_that_is_only_older_is_used_and_noted():
    put({"g.fa": GENOME, "g.fa.fai": FAI, "r.bed": REGIONS})
    os.utime("g.fa.fai", (1, 1))
    result = run("count g.fa r.bed")
    assert result.exit_code == 0
    assert "note: g.fa.fai: older than g.fa: checked, used\n" in result.stderr


# ----------------------------------------------------------------------------------------- BED

LINES: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "start = end": ("chr1\t7\t7", ("start 7 is not before end 7", "half-open")),
    "start > end": ("chr1\t9\t7", ("start 9 is not before end 7",)),
    "a negative start": ("chr1\t-1\t7", ("'-1'", "expected 0 or more")),
    "a start that is no number": ("chr1\tx\t7", ("start 'x'", "whole number")),
    "a float": ("chr1\t1.0\t7", ("start '1.0'", "whole number")),
    "an exponent": ("chr1\t1\t1e3", ("end '1e3'", "whole number")),
    "a separator": ("chr1\t1\t1,000", ("end '1,000'", "without decimals")),
    "a huge number": (f"chr1\t1\t{10**30}", ("expected at most",)),
    "two columns": ("chr1\t7", ("found 2 columns", "expected")),
    "one column": ("chr1", ("found 1 column", "expected")),
    "a position in one word": ("chr1:1-7", ("found 1 column", "expected")),
    "past the end": ("chr1\t1\t46", ("chr1:1-46", "which has 45 bp", "clip")),
    "FASTA": (">chr1", ("found 1 column",)),
    "no contig": ("\t1\t7", ("no contig name",)),
    "binary": (b"\x00\xff\x80", ("not UTF-8 text",)),
    "Latin-1": (b"chr\xe9\t1\t7", ("not UTF-8 text",)),
}
SIX: dict[str, tuple[str, tuple[str, ...]]] = {
    "a score": ("chr1\t1\t17\ta\thigh\t+", ("score 'high'", "column 5")),
    "a strand": ("chr1\t1\t17\ta\t1\tplus", ("strand 'plus'", "column 6")),
    "fewer columns": ("chr1\t1\t17\ta", ("found 4 columns, expected 6 as on line 1",)),
    "more columns": ("chr1\t1\t17\ta\t1\t+\tx", ("found 7 columns, expected 6 as on line 1",)),
}


@pytest.mark.parametrize("form", ["plain", "gzip", "first"])
@pytest.mark.parametrize("what", LINES)
def test_a_bad_region(what, form):
    line, words = LINES[what]
    content = line if isinstance(line, bytes) else line.encode()
    good = b"" if form == "first" else b"chr1\t0\t40\nchr2\t2\t27\n"
    text = b"# header\n" + good + content + b"\n"
    put({"g.fa": GENOME, "r.bed": gzip.compress(text) if form == "gzip" else text})
    number = 2 if form == "first" else 4
    if isinstance(line, str):
        words = (f"r.bed: line {number}: ", *words)
    message = refused("count g.fa r.bed -o out.parquet", "r.bed: line ", *words)
    assert "columns" not in message or "expected at least 3" in message or form != "first"
    assert what != "FASTA" or form != "first" or "looks like FASTA" in message


@pytest.mark.parametrize("what", SIX)
def test_a_bad_column(what):
    line, words = SIX[what]
    put({"g.fa": GENOME, "r.bed": f"{REGIONS}{line}\n"})
    refused("count g.fa r.bed -o out.parquet", "r.bed: line 3: ", *words)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, ("r.bed: no such file", "check")),
        ({"r.bed": None}, ("r.bed: is a folder",)),
        ({"r.bed": gzip.compress(REGIONS.encode())[:-5]}, ("truncated", "make it again")),
        ({"r.bed": bgzip(REGIONS.encode())[:-28]}, ("truncated", "make it again")),
        ({"r.bed": gzip.compress(REGIONS.encode())[:-8] + b"12345678"}, ("damaged",)),
    ],
    ids=["missing", "a folder", "cut gzip", "cut bgzip", "changed gzip"],
)
def test_files_of_no_regions(files, words):
    put({"g.fa": GENOME, **files})
    refused("count g.fa r.bed -o out.parquet", "r.bed: ", *words)


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ("chrX\t1\t9\n", ("no contig 'chrX'", "its contigs are 'chr1', 'chr2', 'chrM'")),
        ("1\t1\t9\n", ("no contig '1'", "differ by the prefix 'chr'", "add it")),
        (
            "".join(f"chr{i}\t1\t9\n" for i in "1XYZWV"),
            ("line 2: ", "'chrX', 'chrY', 'chrZ' (and 2 more)", "--skip-missing-contigs"),
        ),
        ("CHR1\t1\t9\n", ("no contig 'CHR1'", "made on")),
    ],
)
def test_contigs_that_the_genome_lacks(regions, words):
    put({"g.fa": GENOME, "r.bed": regions})
    refused("count g.fa r.bed -o out.parquet", "r.bed: line ", *words)
    result = run("count g.fa r.bed -o out.parquet --skip-missing-contigs")
    assert result.exit_code == 0
    n = regions.count("\n") - regions.count("chr1\t")
    counts = KmerCounts.open("out.parquet")
    assert counts.provenance["skipped"] == {"contig not in genome": n}
    assert f"{n}  contig not in genome\n" in result.stderr
    assert len(counts) == regions.count("chr1\t")


def test_the_prefix_the_other_way_round():
    put({"g.fa": GENOME.replace(">chr", ">"), "r.bed": REGIONS})
    refused("count g.fa r.bed", "'chr1', 'chr2'", "differ by the prefix 'chr': remove it")


def test_regions_shorter_than_k_are_skipped_and_counted():
    put({"g.fa": GENOME, "r.bed": "chr1\t0\t8\nchr1\t0\t7\nchr1\t3\t4\nchr2\t0\t9\n"})
    result = run("count g.fa r.bed")
    assert result.exit_code == 0
    assert "2  shorter than k\n" in result.stderr
    counts = KmerCounts.open("r.kmers.parquet")
    assert (len(counts), counts.provenance["skipped"]) == (2, {"shorter than k": 2})
    assert counts.provenance["regions"] == 4
    assert counts.regions["end"].to_pylist() == [8, 9]


@pytest.mark.parametrize("blank", ["", " ", "\t", "\r", "\r\r", "\v", "\x1c", "\u2028", "\u3000"])
def test_lines_of_white_space_are_passed_over(blank):
    put({"g.fa": GENOME, "r.bed": f"chr1\t0\t40\n{blank}\nchr2\t2\t27\n"})
    assert run("count g.fa r.bed").exit_code == 0
    assert KmerCounts.open("r.kmers.parquet").regions["end"].to_pylist() == [40, 27]


def test_scores_that_are_needed_and_missing():
    put({"g.fa": GENOME, "r.bed": "chr1\t0\t40\n"})
    refused("count g.fa r.bed --max-regions 1", "r.bed: ", "no region has one", "column 5")


def test_swapped_arguments():
    put({"g.fa": GENOME, "r.bed": REGIONS})
    refused("count r.bed g.fa", "r.bed: line 1", "not FASTA")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("no/out.parquet", ("no/out.parquet: its folder no does not exist", "create it")),
        ("g.fa/out.parquet", ("g.fa/out.parquet: its folder g.fa does not exist",)),
        ("/proc/out.parquet", ("/proc/out.parquet: could not be written",)),
        ("out.bam", ("out.bam: found suffix '.bam', expected one of .parquet",)),
        ("r.txt", ("r.txt: is the input r.txt",)),
        ("kept.parquet", ("kept.parquet: exists", "--force")),
    ],
)
def test_outputs_that_cannot_be(output, words):
    put({"g.fa": GENOME, "r.txt": REGIONS, "kept.parquet": "kept"})
    refused(f"count g.fa r.txt -o {output}", *words)


# ------------------------------------------------------------------------------------- mutations

N_MUTATED = 400
PIECES = [
    *(
        b"\n",
        b"\r\n",
        b"\r",
        b"\t",
        b" ",
        b">",
        b"\0",
        b"\xff",
        b"-",
        b"0",
        b"9" * 25,
        b"N",
        b"acgt",
    ),
    *(b"\n>", b"\n>chr1\n", b"\n\n", b"chr1", b"\x1f\x8b", b"\x1f\x8b\x08\x04BC", b"#", b"track "),
    *(b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"nan", b"1e9", b".", b"4611686018427387904"),
]


def mutated(content: bytes, rng: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(6):
            case 0:
                del made[at:]
            case 1:
                del made[at : at + rng.randrange(1, 30)]
            case 2:
                made[at : at + 1] = bytes([rng.randrange(256)])
            case 3:
                made[at:at] = rng.choice(PIECES)
            case 4:
                made[at : at + rng.randrange(9)] = rng.choice(PIECES)
            case 5:
                start = rng.randrange(len(made) + 1)
                made[at:at] = made[start : start + rng.randrange(40)]
    return bytes(made)


def mutations() -> Iterator[tuple[int, Files]]:
    good: Files = {"g.fa": GENOME.encode(), "g.fa.fai": FAI.encode(), "r.bed": REGIONS.encode()}
    forms = itertools.cycle(["plain", "plain", "bgzip", "gzip"])
    for seed, form in zip(range(N_MUTATED), forms, strict=False):
        rng = random.Random(seed)
        files = dict(good)
        chosen = rng.choice(sorted(files))
        late = rng.random() < 0.5  # damage what is stored, or what is stored in it
        for name, content in files.items():
            packed = content
            assert isinstance(content, bytes)
            if name == chosen and not late:
                packed = content = mutated(content, rng)
            if form != "plain" and name != "g.fa.fai":
                packed = bgzip(content, 50) if form == "bgzip" else gzip.compress(content, mtime=0)
            if name == chosen and late:
                assert isinstance(packed, bytes)
                packed = mutated(packed, rng)
            files[name] = packed
        if rng.random() < 0.3:
            del files["g.fa.fai"]
        yield seed, files


def test_mutated_input_is_an_error_or_a_result():
    """Whatever the bytes, the library returns counts or raises InputError in one line."""
    small = Vocabulary.exact(4)
    n_results = 0
    messages = []
    for _, files in mutations():
        for name in ("g.fa", "g.fa.fai", "g.fa.gzi", "r.bed"):
            Path(name).unlink(missing_ok=True)
        put(files)
        for options in ({"regions": "r.bed"}, {"per_record": True}, {}):
            try:
                found = kmerengine.count("g.fa", vocabulary=small, threads=1, **options)
                found.features()
            except InputError as error:
                messages.append(str(error))
            else:
                n_results += 1
    assert n_results > N_MUTATED / 2  # often only one of the three is touched
    assert len(messages) > N_MUTATED / 2
    for message in messages:
        assert message.startswith(("g.fa", "r.bed")), message
        assert "\n" not in message
        assert len(message) < 1000
    assert {path.name for path in Path().iterdir()} <= {"g.fa", "g.fa.fai", "g.fa.gzi", "r.bed"}
