"""The commands: same names and defaults as the functions, one line for an error."""

import inspect
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import pytest
from cli_world import GENOME, REGIONS, done, names, run
from click.testing import CliRunner

import kmerengine
from kmerengine import KmerCounts, KmerTotals, Vocabulary
from kmerengine.cli import COMMANDS, main
from kmerengine.cli._options import vocabulary_options
from kmerengine.cli._regions import default_output


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder with a genome and regions."""
    monkeypatch.chdir(tmp_path)
    Path("g.fa").write_text(GENOME)
    Path("r.bed").write_text(REGIONS)
    return tmp_path


def refused(line: str, *words: str) -> None:
    before = without_fai()
    result = run(line)
    assert result.exit_code == 1, (result.exit_code, result.stderr)
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith("\n")
    for word in words:
        assert word in result.stderr
    assert without_fai() == before


def without_fai() -> list[str]:
    return [name for name in names() if not name.endswith(".fai")]


# ------------------------------------------------------------ one thing, one name, one default

ONLY_COMMANDS = {"quiet", "as_json"}
ONLY_FUNCTIONS = {"vocabulary", "progress"}
# the command also takes sequences, which need no genome, and samples, whose label has a name
DIFFERENT = {"dataset": {"genome", "label"}}
CHOICE = {
    name: p.default
    for name, p in inspect.signature(Vocabulary.choose).parameters.items()
    if name != "cls"
}


def defaults_of(command: click.Command) -> dict[str, object]:
    """Default of each parameter of a command, `empty` where one must be given."""
    required = [p for p in command.params if p.required]
    words = [
        word
        for p in required
        for word in ([p.opts[0], "x.npy"] if isinstance(p, click.Option) else ["x"])
    ]
    found = command.make_context(str(command.name), words).params
    return found | {str(p.name): inspect.Parameter.empty for p in required}


def differences(command: click.Command, function: Callable[..., object]) -> set[str]:
    """Parameters that only one of the two has, or with another default."""
    theirs = {n: d for n, d in defaults_of(command).items() if n not in ONLY_COMMANDS}
    ours = {name: p.default for name, p in inspect.signature(function).parameters.items()}
    if "vocabulary" in ours:
        ours |= CHOICE
    ours = {name: default for name, default in ours.items() if name not in ONLY_FUNCTIONS}
    return {
        name
        for name in ours.keys() | theirs.keys()
        if name not in ours or name not in theirs or ours[name] != theirs[name]
    }


def leaves() -> dict[str, click.Command]:
    """Every command that does something, by its words."""
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.name == name
        if isinstance(command, click.Group):
            for under in command.list_commands(click.Context(command)):
                leaf = command.get_command(click.Context(command), under)
                assert leaf is not None
                assert leaf.name == under
                found[f"{name} {under}"] = leaf
        else:
            found[name] = command
    return found


@pytest.mark.parametrize("words", leaves())
def test_a_command_is_a_public_function_with_the_same_parameters_and_defaults(words):
    name = words.replace(" ", "_").replace("-", "_")
    assert name in kmerengine.__all__
    command = leaves()[words]
    assert differences(command, getattr(kmerengine, name)) == DIFFERENT.get(words, set())
    assert command.help
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] in (
        [],
        ["device"],  # its choices say it
    )


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ("a, b=1", set()),
        ("a", {"b"}),
        ("a, b=1, c=2", {"c"}),
        ("a, b=2", {"b"}),
        ("a=1, b=1", {"a"}),
        ("a, b=1, *, vocabulary=None", set(CHOICE)),
    ],
)
def test_the_comparison_sees_every_difference(parameters, found):
    @click.command()
    @click.argument("a")
    @click.option("-b", default=1)
    def command(a: str, b: int) -> None: ...

    assert differences(command, eval(f"lambda {parameters}: 0")) == found


def test_the_vocabulary_options_are_the_parameters_of_choose():
    command = vocabulary_options(click.command("x")(lambda **_: None))
    assert defaults_of(command) == CHOICE


def test_an_unknown_command_and_the_list_of_commands():
    assert run("recount").exit_code == 2
    text = done("--help").stdout
    for name, what in COMMANDS.items():
        assert f"{name} " in text
        assert what.split(",")[0] in text
    assert done("--version").stdout.endswith(f"version {version('kmerengine')}\n")


# ------------------------------------------------------------------------------ what it leaves


def test_count_writes_the_default_output_and_says_so_on_stderr():
    result = done("count g.fa r.bed")
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert [line.split() for line in lines[:4]] == [
        *(["regions", "3"], ["kept", "2"], ["skipped", "1", "shorter", "than", "k"]),
        ["features", "112,800"],
    ]
    assert "g.fa.fai: made" in result.stderr
    assert lines[-1].startswith("r.kmers.parquet written in ")
    counts = KmerCounts.open("r.kmers.parquet")
    assert len(counts) == 2
    assert counts.vocabulary == Vocabulary.wildcard()
    assert names() == ["g.fa", "g.fa.fai", "r.bed", "r.kmers.parquet"]


def test_totals_and_records():
    result = done("count g.fa")
    assert [line.split() for line in result.stderr.splitlines()[:2]] == [
        ["records", "2"],
        ["bases", "68"],
    ]
    totals = KmerTotals.open("g.kmers.parquet")
    assert totals.counts.sum() == 1 + 23 + 21  # windows of 8 without N
    assert names() == ["g.fa", "g.kmers.parquet", "r.bed"]
    done("count g.fa --per-record -o records.parquet")
    assert KmerCounts.open("records.parquet").regions["chrom"].to_pylist() == ["chr1", "chr2"]


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("peaks.narrowPeak", "peaks"),
        ("data/peaks.bed.gz", "peaks"),
        ("../genome.fa", "genome"),
        ("hg38.p14.fa.bgz", "hg38.p14"),
        ("GENOME.FASTA", "GENOME"),
        ("peaks", "peaks"),
        ("sample.1", "sample.1"),
        (".bed", ".bed"),
    ],
)
def test_default_names(source, output):
    assert default_output(Path(source), "kmers") == Path(f"{output}.kmers.parquet")


def test_quiet_and_json():
    result = done("count g.fa r.bed -q")
    assert (result.stdout, result.stderr) == ("", "")
    result = done("count g.fa r.bed -q --json --force")
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    summary = json.loads(result.stdout)
    assert summary.pop("seconds") >= 0
    assert summary == {
        "regions": 3,
        "kept": 2,
        "skipped": {"shorter than k": 1},
        "bases": 65,
        "notes": [],
        "features": 112_800,
        "output": "r.kmers.parquet",
    }
    result = done("count g.fa --json -o t.arrow")
    assert json.loads(result.stdout)["records"] == 2
    assert "records" in result.stderr  # for people, beside it
    refused("count g.fa r.bed --json -k 0", "k: found 0")


def test_an_existing_output_needs_force():
    done("count g.fa r.bed -o a.parquet")
    before = Path("a.parquet").read_bytes()
    refused("count g.fa -o a.parquet", "a.parquet: exists", "--force")
    assert Path("a.parquet").read_bytes() == before
    done("count g.fa -o a.parquet --force")
    assert len(KmerTotals.open("a.parquet")) > 2


FORMATS = {
    "a.parquet": b"PAR1",
    "a.arrow": b"ARROW1",
    "a.npz": b"PK",
    "a.h5ad": b"\x89HDF",
    "a.txt": None,
}


@pytest.mark.parametrize("output", FORMATS)
def test_the_suffix_picks_the_format(output):
    done(f"count g.fa r.bed -o {output}")
    content = Path(output).read_bytes()
    if magic := FORMATS[output]:
        assert content.startswith(magic)
        assert len(KmerCounts.open(output)) == 2
    else:
        words = kmerengine.read_vocabulary("a.vocabulary.npy")
        assert len(words) == 112_801
        assert kmerengine.read_id_lists(output, 112_800).shape == (2, 112_800)


def test_parts_are_a_folder():
    done("count g.fa r.bed --parts -o a")
    assert names("a") == ["part-00000.parquet"]
    assert len(KmerCounts.open("a")) == 2
    done("count g.fa --parts -o t.parquet --materialize")
    assert len(KmerTotals.open("t.parquet")) == 112_800


@pytest.mark.parametrize("output", [*FORMATS, "a --parts"])
@pytest.mark.parametrize("content", ["", "# nothing\n\n", "track name=x\n"])
def test_an_empty_bed_gives_a_valid_empty_result_and_a_warning(output, content):
    Path("none.bed").write_text(content)
    result = done(f"count g.fa none.bed -o {output}")
    assert result.stderr.count("warning: REGIONS holds no regions; the result is empty\n") == 1
    if output == "a.txt":
        assert Path(output).read_bytes() == b""
        assert kmerengine.read_id_lists(output, 112_800).shape == (0, 112_800)
        return
    counts = KmerCounts.open(output.split()[0])
    assert len(counts) == 0
    assert counts.features().shape == (0, 112_800)
    assert counts.exact.shape == (0, 32_896)
    assert counts.regions.num_rows == 0
    assert counts.provenance["regions"] == 0
    assert counts.to_polars().shape == (0, 8)


def test_all_regions_skipped_is_an_empty_result():
    result = done("count g.fa r.bed --width 200")
    assert "kept               0\n" in result.stderr
    assert "3  window leaves its contig\n" in result.stderr
    assert len(KmerCounts.open("r.kmers.parquet")) == 0
    assert "warning: no region is kept; the result is empty\n" in result.stderr


def test_no_region_that_is_left_for_its_contig_is_warned_of():
    Path("other.bed").write_text("1\t0\t9\n2\t3\t20\n")
    Path("m.pfm").write_text(">M\n9 1 1 1\n1 9 1 1\n")
    Path("f.tsv").write_text("chr1\t3\t30\tx\t1\n")
    done("cuts f.tsv --genome g.fa --input-shift none -o c.parquet")
    warned = (
        "warning: no region is kept; the result is empty: check that REGIONS calls the contigs "
        "as the other file does\n"
    )
    for line in ("count g.fa other.bed", "scan g.fa m.pfm other.bed",
                 "profiles c.parquet other.bed --width 8 --window 4 -o p"):  # fmt: skip
        assert done(f"{line} --skip-missing-contigs").stderr.count(warned) == 1
        Path("some.bed").write_text("1\t0\t9\nchr2\t3\t20\n")
        some = done(f"{line.replace('other', 'some')} --skip-missing-contigs --force")
        assert "warning" not in some.stderr


def test_vocab():
    result = done("vocab -o v.txt --mask 101")
    assert result.stdout == ""
    assert result.stderr == "v.txt: 10 features\n"
    lines = Path("v.txt").read_text().splitlines()
    assert lines[:2] == ["id\tword\twildcards", "0\tANA\t1"]
    assert len(lines) == 11
    refused("vocab -o v.txt", "v.txt: exists", "--force")
    refused("vocab -o v.csv", "v.csv: found suffix '.csv'", ".parquet .arrow .npy .txt")
    refused("vocab -o w.parquet -k 13", "13")
    done("vocab -o v.npy -k 3")
    assert np.load("v.npy", allow_pickle=False).tolist()[:2] == ["EMPTY", "AAA"]


# ----------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", Vocabulary.wildcard(8, 2)),
        ("-k 8", Vocabulary.wildcard(8, 2)),
        ("-k 8 --max-wildcards 0", Vocabulary.exact(8)),
        ("--max-wildcards 1", Vocabulary.wildcard(8, 1)),
        ("-k 10", Vocabulary.exact(10)),
        ("-k 7", Vocabulary.exact(7)),
        ("-k 6 --max-wildcards 3", Vocabulary.wildcard(6, 3)),
        ("-k 21", Vocabulary.exact(21)),
        ("-k 32", Vocabulary.exact(32)),
        ("-k 1", Vocabulary.exact(1)),
        ("--gkm 6,4", Vocabulary.gkm(6, 4)),
        ("--mask 1101 --mask 1001 --stranded", Vocabulary.masks(["1101", "1001"], stranded=True)),
        ("--mask 1101", Vocabulary.masks(["1101", "1011"])),
    ],
)
def test_options_choose_the_vocabulary(options, expected):
    done(f"count g.fa -o a.parquet {options}")
    assert KmerTotals.open("a.parquet").vocabulary == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("-k 0", "k: found 0, expected 1 to 32"),
        ("-k -1", "k: found -1"),
        ("-k 33", "k: found 33, expected 1 to 32"),
        ("-k 99999999999999999999999", "expected 1 to 32"),
        ("--max-wildcards 8", "max_wildcards: found 8, expected 0 to 7"),
        ("-k 4 --max-wildcards 4", "max_wildcards: found 4, expected 0 to 3"),
        ("--max-wildcards -1", "found -1"),
        ("-k 13 --max-wildcards 1", "k: found 13, expected at most 12"),
        ("-k 8 --gkm 10,6", "-k/--max-wildcards and --gkm, expected one of them"),
        ("--max-wildcards 1 --mask 101", "-k/--max-wildcards and --mask"),
        ("--gkm 10,6 --mask 101", "--gkm and --mask"),
        ("--gkm 4,6", "gkm: found k = 6, expected 1 to l = 4"),
        ("--gkm 13,6", "found 13, expected 1 to 12"),
        ("--mask 101 --mask 1101", "lengths 3 (101) and 4 (1101)"),
        ("--mask 1N1", "'1N1'"),
        ("--mask 000", "'000'"),
        ("r.bed --per-record", "together with REGIONS"),
        ("--width 20", "width: found without REGIONS"),
        ("--per-record --width 20", "width: found without REGIONS"),
        ("--max-regions 2", "max_regions: found without REGIONS"),
        ("--drop-n", "drop_n: found without REGIONS"),
        ("--skip-missing-contigs", "skip_missing_contigs: found without REGIONS"),
        ("r.bed --width 0", "--width 0"),
        ("r.bed --width -5", "--width -5"),
        ("r.bed --width 7", "--width 7"),
        ("r.bed -k 20 --width 19", "20 bp needed"),
        ("r.bed --width 9223372036854775808", "--width 9223372036854775808: expected at most"),
        ("r.bed --max-regions 0", "--max-regions 0"),
        ("r.bed --max-regions -1", "--max-regions -1"),
        ("--threads 0", "threads: found 0, expected 1 to 1024"),
        ("--threads 99999999999999999999", "expected 1 to 1024"),
        ("-k 13 --memory 1K", "memory: found 1024 bytes, expected at least 1M"),
        ("-k 13 --materialize", "k = 13"),
        ("r.bed -o a.csv", "a.csv: found suffix '.csv', expected one of .parquet .arrow"),
        ("r.bed -o a", "a: found suffix ''"),
        ("-o a.npz", "a.npz: totals are written as .parquet or .arrow"),
        ("r.bed -o a.arrow --parts", "a.arrow: found suffix '.arrow' for a folder"),
        ("r.bed -k 13 -o a.txt", "a.txt"),
    ],
)
def test_options_that_contradict_or_are_out_of_range(options, words):
    refused(f"count g.fa {options}", words)


@pytest.mark.parametrize("value", ["x", "1T", "-1G", "1.5G", ""])
def test_sizes_that_are_none_are_a_usage_error(value):
    result = CliRunner().invoke(main, ["count", "g.fa", "--memory", value])
    assert result.exit_code == 2
    assert "a number of bytes such as 500M or 3G" in result.stderr


@pytest.mark.parametrize(
    ("value", "size"), [("3G", 3 << 30), ("2m", 2 << 20), ("1048576B", 1 << 20)]
)
def test_sizes(value, size, monkeypatch):
    seen = {}

    def count(*_, **options):
        seen.update(options)
        raise kmerengine.InputError("stop")

    monkeypatch.setattr("kmerengine.kmers.count.count", count)
    refused(f"count g.fa --memory {value}", "stop")
    assert seen["memory"] == size


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 1 TiB"), "not enough memory: Unable to allocate 1 TiB"),
        (PermissionError(13, "Permission denied", "x"), "Permission denied: 'x'"),
    ],
)
def test_what_the_system_refuses_is_one_line(error, words, monkeypatch):
    def count(*_, **__):
        raise error

    monkeypatch.setattr("kmerengine.kmers.count.count", count)
    refused("count g.fa", words)


def test_h5ad_without_anndata_is_refused_before_counting(monkeypatch):
    monkeypatch.setitem(sys.modules, "anndata", None)
    refused("count g.fa r.bed -o a.h5ad", "anndata", "pip install")
