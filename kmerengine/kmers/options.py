"""Options that every way of counting shares, checked before any file is read."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from kmerengine.errors import InputError
from kmerengine.io.atomic import check_writable
from kmerengine.io.tables import PARTS
from kmerengine.kmers.counts_files import check_suffix, need_anndata, vocabulary_beside
from kmerengine.kmers.vocabulary import Vocabulary
from kmerengine.parallel import MAX_THREADS, Progress

GPU_PAYS_BASES = 2_000_000_000  # below, starting the GPU takes longer than counting on the CPU

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class CountOptions:
    """How to count and where to write; see `kmerengine.count` for each."""

    vocabulary: Vocabulary
    output: Path | None = None
    materialize: bool = False
    parts: bool = False
    threads: int = 1
    memory: int = 3 << 30
    device: Device = "auto"
    force: bool = False
    progress: Progress | None = None

    def check(self, *, totals: bool, inputs: tuple[Path, ...] = ()) -> None:
        """Raise InputError for what contradicts itself or cannot be written.

        An output that is one of the `inputs`, by whatever name, is refused.
        """
        if not 1 <= self.threads <= MAX_THREADS:
            raise InputError(f"threads: found {self.threads}, expected 1 to {MAX_THREADS}")
        if self.memory < 1 << 20:
            raise InputError(f"memory: found {self.memory} bytes, expected at least 1M")
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError(f"device: found {self.device!r}, expected auto, cpu or cuda")
        if self.materialize and not self.vocabulary.is_numbered:
            raise InputError(
                f"materialize: features of k = {self.vocabulary.k} have no numbers; "
                "expected k of at most 12"
            )
        if self.output is None:
            if self.parts:
                raise InputError("parts: found without an output, expected one to write")
            return
        for path in inputs:
            if _is_same_file(path, self.output):
                raise InputError(f"{self.output}: is the input {path}; choose another output")
        self._check_output(self.output, totals=totals)

    def _check_output(self, output: Path, *, totals: bool) -> None:
        if self.parts:
            if output.suffix not in ("", ".parquet"):
                raise InputError(
                    f"{output}: found suffix {output.suffix!r} for a folder of Parquet parts, "
                    "expected none or .parquet"
                )
        else:
            check_suffix(output)
            if totals and output.suffix not in (".parquet", ".arrow"):
                raise InputError(
                    f"{output}: totals are written as .parquet or .arrow; choose one of the two"
                )
            if output.suffix == ".txt" and not self.vocabulary.is_numbered:
                raise InputError(
                    f"{output}: an id list needs numbered features; expected k of at most 12"
                )
            if output.suffix == ".h5ad":
                need_anndata()
            if output.suffix == ".txt":
                check_writable(vocabulary_beside(output), force=self.force)
        check_writable(output, force=self.force, folder=PARTS if self.parts else ())

    def device_for(self, n_bases: int) -> Literal["cpu", "cuda"]:
        """The device to count on. Asking for a GPU that is not there is an error."""
        pays = n_bases >= GPU_PAYS_BASES and find_spec("cupy") is not None
        if self.device == "cpu" or (self.device == "auto" and not pays):
            return "cpu"
        try:
            import cupy

            cupy.cuda.runtime.getDeviceCount()
        except Exception as error:  # CuPy has its own errors for a missing driver or device
            if self.device == "auto":
                return "cpu"
            raise InputError(
                f"device: found no usable CUDA device ({type(error).__name__}), expected one for "
                "cuda; use --device cpu, or install kmerengine[cuda] on a machine that has one"
            ) from error
        return "cuda"


def _is_same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False
