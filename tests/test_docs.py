"""The pages: every command in them is run or, where that takes hours or the network, checked
against the options there are; tables are those of the source; the site builds without a warning.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import doc_pages
import pyarrow.parquet as pq
import pytest
from doc_pages import ROOT, blocks, check_call, check_line, run_block

import kmerengine
from bench import formats, harness, scale_plan

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
RUN = [
    DOCS / "quickstart.md", DOCS / "conventions.md", DOCS / "formats.md",
    *sorted((DOCS / "tutorials").glob("*.md")),
]  # fmt: skip


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# ------------------------------------------------------------------------------------- commands


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("page", RUN, ids=named)
def test_what_a_page_says_runs_in_its_order(page: Path) -> None:
    namespace: dict[str, Any] = {}
    here = [each for each in blocks(page) if each.is_shell or each.language == "python"]
    assert any(not each.reason for each in here)
    for block in here:
        if not block.reason:
            run_block(block, namespace, {})


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_of_a_page_is_one_that_there_is(page: Path) -> None:
    for block in blocks(page):
        if block.is_shell:
            for line in block.lines:
                try:
                    check_line(line)
                except (click.UsageError, ValueError, OSError) as error:
                    raise AssertionError(f"{block.where}: {line}: {error}") from error
    for code in doc_pages.inline(page):
        words = code.split()
        if re.fullmatch(r"[a-z-]+", words[1]):
            try:
                check_call(words, whole=False)
            except click.UsageError as error:
                raise AssertionError(f"{named(page)}: `{code}`: {error}") from error
    doc_pages.check_extras(page.read_text())


README_FILES = """
from pathlib import Path
import gzip
import polars as pl
from kmerengine import Motif, write_meme
from kmerengine.simulators.atac_genome import FACTORS
from kmerengine.simulators.sequences import consensus_matrix

sites = pl.read_parquet("experiment/sites.parquet").with_columns(pl.col("chrom").cast(pl.String))
bound = sites.filter(pl.col("bound") & (pl.col("motif").cast(pl.String) == "tf_1"))
bound.select("chrom", pl.col("start") - 5, pl.col("end") + 5).write_csv(
    "chip.bed", separator="\\t", include_header=False
)
names = ("CTCF", *list(FACTORS)[1:])
words = FACTORS.values()
motifs = [Motif(name=n, probabilities=consensus_matrix(w)) for n, w in zip(names, words)]
write_meme("motifs.meme", motifs)
write_meme("JASPAR.meme", motifs)
starts = [(c, s) for c in (1, 2) for s in range(500, 9000, 300)]
rows = [(f"chr{c}", s, s + 90, f"{x}-1") for c, s in starts for x in "AC"]
with gzip.open("fragments.tsv.gz", "wt") as file:
    file.writelines(f"{c}\\t{s}\\t{e}\\t{b}\\t1\\n" for c, s, e, b in rows)
Path("clusters.tsv").write_text("A-1\\tone\\nC-1\\ttwo\\n")
Path("genes.gtf").write_text(
    'chr1\\tx\\tgene\\t5001\\t9000\\t.\\t+\\t.\\tgene_id "g";\\n'
    'chr1\\tx\\ttranscript\\t5001\\t9000\\t.\\t+\\t.\\tgene_id "g"; transcript_id "t";\\n'
)
bases = "".join(Path("genome.fa").read_text().split(">")[1].split("\\n")[1:])
places = [i for i in range(4000, 4040) if bases[i] in "AC"]
Path("variants.vcf").write_text(
    "##fileformat=VCFv4.2\\n#CHROM\\tPOS\\tID\\tREF\\tALT\\tQUAL\\tFILTER\\tINFO\\n"
    + "".join(f"chr1\\t{i + 1}\\tv{i}\\t{bases[i]}\\tG\\t.\\t.\\t.\\n" for i in places)
)
Path("probes.fa").write_text(">a\\nACGTTGCATTAGCACGTTGC\\n>b\\nGGGCATTCAGTTTACCGATT\\n")
"""
# what makes the commands of the README small, by their first words
SHORTER = {
    "kmerengine simulate atac": [
        "--n-contigs", "16", "--contig-length", "12000", "--n-peaks", "96", "--n-cell-types", "2",
        "--sites-per-tf", "120", "--n-decoys", "16", "--p-open", "0.5", "--depth", "40",
    ],
    "kmerengine dataset": ["--force"],  # two sections make the folder `dataset`
    "modelkit train": [
        "--set", "network.channels=8", "--set", "network.blocks=2", "--set", "training.epochs=1",
    ],
    "modelkit attribute": ["--n-references", "2"],
    "modelkit seqlets": ["--z", "1"],
    "modelkit footprint": ["--backgrounds", "4"],
    "modelkit evaluate": ["--resamples", "10", "--force"],  # with -o, and without
}  # fmt: skip
README_ORDER = (
    "Simulate", "Count", "Cut sites", "Motifs, negatives, data sets", "Train", "Interpret",
)  # fmt: skip


@pytest.mark.usefixtures("one_thread")
def test_the_readme_runs() -> None:
    """Its commands on small files of the names that it uses; but not the function that trains."""
    page = blocks(ROOT / "README.md")
    namespace: dict[str, Any] = {}
    for section in README_ORDER:
        for block in page:
            trains = "modelkit.train(" in block.text
            if block.section == section and (block.is_shell or block.language == "python"):
                if not trains:
                    run_block(block, namespace, SHORTER)
                else:
                    ast.parse(block.text)
        if section == "Simulate":
            shutil.copy("experiment/cell_1.bam", "sample.bam")
            for name in ("genome.fa", "peaks.narrowPeak"):
                shutil.copy(f"experiment/{name}", name)
            exec(README_FILES, {})
            Path("demo").mkdir()  # what `make demo` leaves
            kmerengine.count(
                "genome.fa", "peaks.narrowPeak", output="demo/peaks.kmers.parquet", width=200
            )


def test_blocks_that_are_not_run_say_why() -> None:
    for page in RUN:
        for block in blocks(page):
            assert block.language, f"{block.where}: no language"
            assert not block.reason or len(block.reason) > 10, block.where


@pytest.mark.parametrize(
    "line",
    [
        "kmerengine count g.fa --widht 200",
        "kmerengine counts g.fa",
        "kmerengine count",
        "kmerengine count g.fa r.bed more",
        "modelkit train --data d -o r --folds",
        "modelkit attribute run --data d -o a --method shap",
        "modelkit topics maps p q",
        "KEY=1 kmerengine vocab --max 3 -o v.txt",
        "cat x | kmerengine vocab -o",
        "torchrun --nproc-per-node 2 -m modelkit train --data d",
        "torchrun --nproc-per-nod 2 -m modelkit train --data d -o r",
        "    modelkit trains --data d -o r",
        "make tests",
        "python -m bench.koo_table1 --fast",
        "python -m bench.no_such_bench",
        "pip install '.[everything]'",
        "kmer-engine count g.fa",
    ],
)
def test_a_wrong_command_is_found(line: str) -> None:
    with pytest.raises((click.UsageError, OSError)):
        check_line(line)


def test_blocks_by_hand(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\n<!-- not run: hours -->\n```console\n"
        "$ kmerengine vocab \\\n    -o v.txt\nshown\n```\n\n"
        "## B\n\nText.\n\n```python\nx = 1\n```\n`kmerengine count [--width 3]`\n"
    )
    first, second = blocks(page)
    assert first.lines == ["kmerengine vocab -o v.txt"]
    assert (first.reason, first.section, first.line) == ("hours", "", 4)
    assert (second.language, second.reason, second.section) == ("python", "", "B")
    assert list(doc_pages.inline(page)) == ["kmerengine count --width 3"]


# ------------------------------------------------------------------------------------ formats


def test_the_tables_of_formats_are_those_of_the_source() -> None:
    made = formats.put(formats.PAGE.read_text(), formats.tables())
    assert made == formats.PAGE.read_text(), "write them again: python -m bench.formats"


def schemas_in(path: Path) -> Iterator[str]:
    """Functions and names at the top of a module that make an Arrow schema."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.parse(path.read_text()).body:
        makes = any(
            isinstance(each, ast.Call) and ast.unparse(each.func) == "pa.schema"
            for each in ast.walk(node)
        )
        if makes and isinstance(node, ast.Assign):
            yield f"{module}:{ast.unparse(node.targets[0])}"
        elif makes and isinstance(node, ast.FunctionDef):
            yield f"{module}:{node.name}"


PARTS = {  # of other schemas, or made of what a file holds
    "kmerengine.schemas:REGION_COLUMNS", "kmerengine.schemas:_TOTALS",
    "kmerengine.schemas:CORE_COLUMNS",
}  # fmt: skip


def test_formats_miss_no_table() -> None:
    shown = {file.schema for command in formats.COMMANDS for file in command.files}
    there = {
        name
        for package in ("kmerengine", "modelkit")
        for path in (ROOT / package).rglob("*.py")
        for name in schemas_in(path)
    }
    assert {name for name in there if "schemas:" in name or name.rpartition(":")[2].isupper()
            or name.endswith("_schema")} - PARTS <= shown  # fmt: skip
    assert len(shown) > 50


def test_comments_by_hand() -> None:
    source = """\
A = [
    ("a", 1),  # of a
    # of the next
    ("b", 2),
    # above
    ("c", 3),  # beside
    *(("x", "y")),  # of both
    ("plain", 4),
]
"""
    assert formats.comments(source) == {
        "a": "of a", "b": "of the next", "c": "above; beside", "x": "of both", "y": "of both",
    }  # fmt: skip


def test_a_file_has_the_columns_of_its_table() -> None:
    Path("g.fa").write_text(">a\nACGTACGTACGTACGT\n")
    Path("r.bed").write_text("a\t0\t12\n")
    kmerengine.count("g.fa", "r.bed", output="k.parquet")
    (command,) = (c for c in formats.COMMANDS if c.words == "kmerengine count GENOME REGIONS")
    text = "\n".join(formats.table(command.files[0]))
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.M)
    assert rows == [(each.name, formats.kind(each.type)) for each in pq.read_schema("k.parquet")]


# -------------------------------------------------------------------------------------- costs


def test_costs_and_plans_of_scale_are_those_of_its_rows() -> None:
    made = scale_plan.put(scale_plan.PAGE.read_text(), scale_plan.parts())
    assert made == scale_plan.PAGE.read_text(), "write them again: python -m bench.scale_plan"


def test_a_cost_by_hand() -> None:
    """1 s and 2 µs a unit: 3 s for a million, 1.2 s for a hundred thousand."""

    def row(work: int, cpu: float, out: int) -> dict[str, Any]:
        facts = {"bytes in": 50 * work}
        return {"work": work, "unit": "u", "cpu_seconds": cpu, "p50": cpu, "facts": facts,
                "output_bytes": out, "peak_rss_bytes": 7}  # fmt: skip

    rows = {name: row(100, 5.0, 0) for name in ("join", "attribute", "pieces")}
    for step in scale_plan.STEPS:
        rows[step.few] = row(100_000, 1.2, 100_300)
        rows[step.name] = row(1_000_000, 3.0, 1_000_300)
    found = scale_plan.costs(rows)
    for step in scale_plan.STEPS:
        assert found[step.name] == pytest.approx((2e-6, 1.0, 50, 1, 7))
    assert found["join"].seconds == 0.05

    of = dict.fromkeys(found, scale_plan.Cost(2e-6, 1.0, 50, 1, 7))
    bulk = "\n".join(scale_plan.samples({**of, "join": scale_plan.Cost(1e-6, 0, 0, 0, 7)}))
    assert "| 1,500 × 100 M × (2 µs - 1 µs) = 42 h |" in bulk  # 1.5e11 × 1e-6 s / 3,600
    assert "1,500 × 100 M × 50 B = 7.5 TB" in bulk
    assert "1,500 × (150,000 × 2 µs + 1.0 s) = 32 min" in bulk  # 1,500 × 1.3 s
    single = "\n".join(scale_plan.cells({**of, "join": scale_plan.Cost(5e-7, 0, 0, 0, 7)}))
    assert "10 G × (2 µs - 2 × 0.5 µs) = 2.8 h" in single
    assert "20 G × 0.5 µs = 2.8 h" in single


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (scale_plan.time(5e-7), "0.5 µs"), (scale_plan.time(9.83e-6), "9.8 µs"),
        (scale_plan.time(0.43), "430 ms"), (scale_plan.time(90.4), "90 s"),
        (scale_plan.time(600), "10 min"), (scale_plan.time(7_300), "2 h"),
        (scale_plan.time(9.7e7), "26,944 h"), (scale_plan.size(7.65e12), "7.7 TB"),
        (scale_plan.size(33_824), "34 kB"), (scale_plan.count(2e10), "20 G"),
    ],
)  # fmt: skip
def test_numbers_as_they_are_shown(shown: str, expected: str) -> None:
    assert shown == expected


def test_rows_of_scale_are_no_rows_of_the_readme(tmp_path: Path) -> None:
    for name in ("scale.json", "count.json"):
        harness.append_rows(tmp_path / name, [{"op": name}])
    assert harness.read_all(tmp_path) == [{"op": "count.json"}]


# --------------------------------------------------------------------------------------- site


def test_pages_of_the_interface_name_all_that_is_public() -> None:
    from importlib import import_module

    from test_api import public_modules

    listed: dict[str, set[str]] = {}
    for page in (DOCS / "api").glob("*.md"):
        listed[page.stem] = set(re.findall(r"^::: [\w.]+\.(\w+)$", page.read_text(), re.M))
    for module in public_modules():
        names = {n for n in import_module(module).__all__ if not re.fullmatch(r"[A-Z_]+", n)}
        assert names - listed[module.partition(".")[0]] == set(), module


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r"[\w/-]+\.md", text.partition("\nnav:")[2]))
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert listed == there


def test_the_site_builds_without_a_warning_and_loads_nothing(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", tmp_path / "site"],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(PAGES) - 2
    loaded = re.compile(
        r"<(?:script|img|iframe|source)[^>]*\bsrc=[\"']?(?:https?:)?//"
        r"|<link[^>]*rel=[\"']?(?:stylesheet|preconnect|icon)[^>]*href=[\"']?(?:https?:)?//"
    )
    assert loaded.search('<script src="https://example.org/a.js">')
    for page in pages:
        assert not loaded.search(page.read_text()), page
    text = (tmp_path / "site" / "api" / "kmerengine.html").read_text()
    assert 'id="kmerengine.kmers.count.count"' in text
