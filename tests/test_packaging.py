"""The wheel: what is in it, that it works without what is not asked for, its types."""

import email
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import build_meta

ROOT = Path(__file__).parents[1]
PACKAGES = ("kmerengine", "modelkit", "native_kernels")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the sources, which a build would leave files in."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source)
    for name in (*PACKAGES, "tests", "bench"):
        ignored = shutil.ignore_patterns("__pycache__", "work", "results")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    code = "import sys; from setuptools import build_meta as b; b.build_wheel(sys.argv[1])"
    command = [sys.executable, "-W", "error::UserWarning", "-c", code, str(folder)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    """Its files, as an installation would lay them out."""
    folder = wheel.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def about(wheel: Path) -> Any:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_wheel_holds_the_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        further = {Path(name).name for name in archive.namelist()} - {Path(n).name for n in held}
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == sources
    assert {f"{package}/py.typed" for package in PACKAGES} <= held
    assert any(name.startswith("modelkit/reporting/templates/") for name in held)
    assert {"LICENSE", "METADATA", "entry_points.txt"} <= further


def test_metadata_is_that_of_the_project(wheel: Path) -> None:
    found = about(wheel)
    assert found["Name"] == "kmerengine"
    assert found["Version"] == PROJECT["version"]
    assert found["Requires-Python"] == PROJECT["requires-python"]
    assert found["License-Expression"] == "MIT"
    assert set(found.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    always = [each for each in found.get_all("Requires-Dist") if "extra ==" not in each]
    assert {Requirement(each).name for each in always} == {
        Requirement(each).name for each in PROJECT["dependencies"]
    }
    assert "torch" not in " ".join(always)
    assert found.get_payload().startswith("# kmerengine\n")


def test_the_version_stands_in_one_place() -> None:
    assert version("kmerengine") == PROJECT["version"]
    assigned = re.compile(r"^(?:__version__|VERSION)\s*(?::\s*\w+\s*)?=\s*[\"']", re.M)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert not assigned.search(path.read_text()), path
    assert assigned.search('__version__ = "1"')
    assert "dynamic" not in PROJECT


def test_what_the_tests_build_with_is_what_the_project_asks_for() -> None:
    (needed,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    asked = Requirement(needed)
    assert version(asked.name) in asked.specifier
    assert build_meta.__name__ == "setuptools.build_meta"
    assert needed in PROJECT["optional-dependencies"]["test"]


def base_modules() -> set[str]:
    """Top-level modules of what a plain `pip install kmerengine` brings."""
    left, seen = [Requirement(each) for each in PROJECT["dependencies"]], set[str]()
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        if name in seen or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        left += [Requirement(each) for each in distribution(name).requires or []]
    return {
        Path(file.parts[0]).name.partition(".")[0]
        for name in seen
        for file in distribution(name).files or []
        if ".." not in file.parts
    }


# of an installation with the base alone: what belongs to no distribution of it cannot be imported
ALONE = """
import os, sys
allowed, site = set(sys.argv[1].split()), sys.argv[2]
class Absent:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in allowed and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
sys.path.insert(0, site)
os.environ["NUMBA_DISABLE_JIT"] = "1"  # compiling takes longer than these few bases
import kmerengine
assert kmerengine.__file__.startswith(site), kmerengine.__file__
"""


@pytest.fixture
def alone(unpacked: Path, tmp_path: Path) -> Any:
    """Runs code with the wheel and what the base asks for, and nothing more."""
    allowed = " ".join({*base_modules(), "kmerengine", "modelkit", "native_kernels"})

    def run(code: str) -> str:
        command = [sys.executable, "-c", ALONE + code, allowed, str(unpacked)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_base_counts_and_has_no_torch(alone: Any, tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">a\nACGTACGTTGCATTAGCNACGT\n")
    (tmp_path / "r.bed").write_text("a\t0\t17\n")
    counted = alone(
        "from kmerengine.cli import main\n"
        "main(['--version'], standalone_mode=False)\n"
        "main(['count', 'g.fa', 'r.bed', '-k', '4', '--threads', '1', '-q'],"
        " standalone_mode=False)\n"
        "counts = kmerengine.KmerCounts.open('r.kmers.parquet')\n"
        "print(counts.exact.sum(), sorted({'torch', 'pydantic', 'jinja2'} & set(sys.modules)))\n"
        "try:\n    import torch\nexcept ModuleNotFoundError as error:\n    print(error)\n"
    )
    stated, found, missing = counted.splitlines()
    assert PROJECT["version"] in stated
    assert found == "14 []"  # 17 - 4 + 1 windows
    assert missing == "No module named 'torch'"


def test_what_needs_torch_says_so_in_its_import(alone: Any) -> None:
    """modelkit can be imported, and lists its commands, without what its models need."""
    shown = alone(
        "from modelkit.cli import main\nmain(['--help'], standalone_mode=False)\n"
        "import modelkit\n"
        "try:\n    modelkit.train\nexcept ModuleNotFoundError as error:\n    print(error)\n"
    )
    assert "attribute" in shown
    assert shown.splitlines()[-1].startswith("No module named ")


USER = """\
from pathlib import Path

import kmerengine
import modelkit

counts = kmerengine.KmerCounts.open(Path("peaks.kmers.parquet"))
word: str = counts.vocabulary.word(3)
reveal_type(kmerengine.count)
reveal_type(modelkit.train)
kmerengine.count(4)
counts.words_of(3)
"""


def test_the_types_reach_a_user_s_code(unpacked: Path, tmp_path: Path) -> None:
    """What mypy, strict, knows and refuses in a file that uses the wheel where it is installed."""
    venv.create(tmp_path / "venv", with_pip=False)
    (site,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    for path in unpacked.iterdir():
        (site / path.name).symlink_to(path)
    (site / "numpy").symlink_to(Path(np.__file__).parent)
    (tmp_path / "user.py").write_text(USER)
    python = tmp_path / "venv" / "bin" / "python"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "user.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    known, trained, refused, unknown, total = done.stdout.splitlines()
    assert "def (genome: str | pathlib.Path, regions: str | pathlib.Path | None =" in known
    assert "def (config: " in trained
    assert 'user.py:10: error: Argument 1 to "count" has incompatible type "int"' in refused
    assert 'user.py:11: error: "KmerCounts" has no attribute "words_of"' in unknown
    assert total.startswith("Found 2 errors in 1 file")


@pytest.mark.slow
def test_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    """Installed from the registry of packages, with the base and no more; needs the network."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel]
    subprocess.run(install, check=True)
    (tmp_path / "g.fa").write_text(">a\nACGTACGTTGCATTAGCNACGT\n")
    program = tmp_path / "venv" / "bin" / "kmerengine"
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert PROJECT["version"] in shown.stdout
    subprocess.run([program, "count", "g.fa", "-o", "k.parquet", "-q"], cwd=tmp_path, check=True)
    code = "import kmerengine; print(len(kmerengine.KmerTotals.open('k.parquet')))"
    found = subprocess.run(
        [python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(found.stdout) > 0
    listed = subprocess.run(
        [python, "-m", "pip", "list"], capture_output=True, text=True, check=True
    )
    assert "torch" not in listed.stdout
