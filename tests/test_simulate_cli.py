"""`kmerengine simulate`: every simulator by its command, as the library's function makes it."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import kmerengine
from kmerengine.cli import main
from kmerengine.cli.simulate import COMMANDS

SMALL = {
    "peaks": "--n-contigs 1 --contig-length 5000 --n-peaks 2",
    "gata-tal": "--n-train 6 --n-validation 2 --n-test 2 --length 200 "
    "--background 0.25,0.25,0.25,0.25",
    "kmers": "--n-peaks 5 --n-probes 2",
    "atac": "--n-contigs 1 --contig-length 20000 --n-peaks 4 --sites-per-tf 20 --n-decoys 2 "
    "--n-cell-types 2",
}


def run(line: str):
    return CliRunner().invoke(main, ["simulate", *line.split()])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def keywords(line: str) -> dict[str, object]:
    words = line.split()
    found: dict[str, object] = {}
    for name, value in zip(words[::2], words[1::2], strict=True):
        numbers = [float(field) if "." in field else int(field) for field in value.split(",")]
        found[name[2:].replace("-", "_")] = numbers if len(numbers) > 1 else numbers[0]
    return found


@pytest.mark.parametrize("name", SMALL)
def test_the_command_writes_what_the_function_writes(tmp_path, name):
    result = run(f"{name} {tmp_path / 'a'} {SMALL[name]} --seed 3")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert f"{tmp_path / 'a'}" in result.stderr
    function = getattr(kmerengine, f"simulate_{name.replace('-', '_')}")
    function(tmp_path / "b", seed=3, **keywords(SMALL[name]))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")

    before = contents(tmp_path / "a")
    again = run(f"{name} {tmp_path / 'a'} {SMALL[name]} --seed 4")
    assert (again.exit_code, again.stdout, again.stderr.count("\n")) == (1, "", 1)
    assert "--force" in again.stderr
    assert contents(tmp_path / "a") == before
    assert run(f"{name} {tmp_path / 'a'} {SMALL[name]} --seed 4 --force").exit_code == 0
    assert contents(tmp_path / "a") != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("name", SMALL)
def test_a_folder_of_something_else_is_not_replaced(tmp_path, name):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.tex").write_text("precious")
    result = run(f"{name} {tmp_path / 'a'} {SMALL[name]} --force")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert contents(tmp_path / "a") == {"thesis.tex": b"precious"}


def test_numbers_with_commas(tmp_path):
    result = run(f"gata-tal {tmp_path / 'a'} --background 0.3,x")
    assert result.exit_code == 2
    assert "expected numbers such as" in result.stderr


def test_koo_says_what_its_motif_file_is_not(tmp_path):
    (tmp_path / "m.fa").write_text(">a\nACGT\n")
    result = run(f"koo {tmp_path / 'a'} --motifs {tmp_path / 'm.fa'}")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "FASTA" in result.stderr
    assert run(f"koo {tmp_path / 'a'}").exit_code == 2
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_imports_nothing_heavy(name):
    code = (
        "import sys\nfrom kmerengine.cli import main\n"
        f"main(['simulate', '{name}', '--help'], standalone_mode=False)\n"
        "print(sorted({'numpy', 'numba', 'pyarrow', 'polars', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_list_of_simulators():
    text = run("--help").stdout
    assert [line.split()[0] for line in text.split("Commands:\n")[1].splitlines()] == sorted(
        COMMANDS
    )
    assert run("nothing").exit_code == 2
