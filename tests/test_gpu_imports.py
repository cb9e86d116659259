"""`make gpu` runs where PyTorch, Triton and CuPy are and little else: what it may not import."""

import subprocess
import sys

import pytest

from bench import gpu
from bench.machine import ROOT

ABSENT = (
    "polars pysam click rich tangermeme captum memelite matplotlib jinja2 pyBigWig umap dask isal "
    "deflate anndata h5py"
)
WITHOUT = """
import importlib, sys
absent = set(sys.argv[1].split())
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
sys.path[:0] = [".", "tests"]
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def without(absent: str, *modules: str) -> subprocess.CompletedProcess[str]:
    """Import the modules where others cannot be."""
    command = [sys.executable, "-c", WITHOUT, absent, *modules]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def kernel_tests() -> list[str]:
    """The test modules that the script runs."""
    return [path.stem for path in gpu.test_files()]


KERNELS = [*kernel_tests(), "bench.gpu", "bench.kernel_errors"]
MODELS = ["modelkit.models.bpaitac", "modelkit.training.train", "bench.gpu_bpaitac"]


@pytest.mark.parametrize(
    ("absent", "modules"),
    [(f"{ABSENT} pydantic safetensors", KERNELS), (ABSENT, MODELS)],  # models need pydantic
    ids=["kernels", "models"],
)
def test_what_it_runs_needs_nothing_more(absent: str, modules: list[str]) -> None:
    done = without(absent, *modules)
    assert done.returncode == 0, done.stderr


def test_what_is_absent_cannot_be_imported() -> None:
    assert "No module named 'click'" in without(ABSENT, "kmerengine.cli").stderr


def test_every_test_of_the_kernels_is_run() -> None:
    found = kernel_tests()
    assert len(found) == len(set(found))
    assert {"test_dilated_conv_offsets", "test_kmer_count_arrays", "test_cut_profile"} <= set(found)
    texts = {path.stem: path.read_text() for path in (ROOT / "tests").glob("test_*.py")}
    marked = {name for name, text in texts.items() if "@ON_EVERY_DEVICE" in text.splitlines()}
    assert "test_multinomial_nll" in marked
    assert marked <= set(found)
