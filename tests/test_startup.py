"""Start-up stays short because nothing heavy is imported before it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"numpy", "numba", "scipy", "pyarrow", "polars", "pandas", "torch", "anndata", "cupy"}


def loaded_by(code: str) -> set[str]:
    """Top packages that a fresh interpreter has loaded after `code`."""
    show = "import sys; print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("package", ["kmerengine", "modelkit", "native_kernels"])
def test_importing_a_package_imports_nothing_heavy(package: str) -> None:
    loaded = loaded_by(f"import {package}")
    assert package in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["count", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"from kmerengine.cli import main; main({arguments}, standalone_mode=False)"
    assert not loaded_by(code) & HEAVY


def test_the_check_sees_what_is_loaded() -> None:
    assert {"numpy", "numba"} <= loaded_by("import native_kernels.kmer_count")


def test_python_m_is_the_command() -> None:
    command = [sys.executable, "-m", "kmerengine", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "count" in done.stdout


def test_a_command_loads_no_pandas(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">a\nACGTACGTACGTACGT\n")
    (tmp_path / "f.bed").write_text("a\t1\t9\n")
    for arguments in (
        ["count", f"{tmp_path}/g.fa", "-k", "4", "-o", f"{tmp_path}/k.parquet"],
        ["cuts", f"{tmp_path}/f.bed", "-o", f"{tmp_path}/c.parquet"],
    ):
        code = f"from kmerengine.cli import main; main({arguments}, standalone_mode=False)"
        modules = f"{code}\nimport sys; print('scipy.linalg' in sys.modules)"
        loaded = loaded_by(modules)
        assert "pyarrow" in loaded
        assert not loaded & {"pandas", "polars", "torch", "matplotlib"}
