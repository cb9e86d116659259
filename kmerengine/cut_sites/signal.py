"""Cuts as a signal along the genome: bigWig and bedGraph files, per sample and strand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kmerengine import schemas
from kmerengine.cut_sites.shifted import ShiftedCuts
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from kmerengine.io.bedgraph import SUFFIXES as BEDGRAPH
from kmerengine.io.bedgraph import write_bedgraph
from kmerengine.io.bigwig import write_bigwig
from native_kernels.cut_profile import Strands

Scale = Literal["raw", "cpm", "binary"]

BIGWIG = (".bw", ".bigwig", ".bigWig")
STRAND_NAMES = ("plus", "minus")


@dataclass(frozen=True)
class SignalFiles:
    """What `kmerengine.cuts` wrote as bigWig or bedGraph.

    Attributes
    ----------
    paths : tuple of Path
        One per sample, or two, plus and minus. Each has a ``.json`` beside it, which says how it
        was made.
    samples : list of str
    contigs : dict of str to int
        bp.
    shift : str
    provenance : dict
    """

    paths: tuple[Path, ...]
    samples: list[str]
    contigs: dict[str, int]
    shift: str
    provenance: dict[str, Any]


def is_signal(path: Path) -> bool:
    """Whether the suffix is that of a bigWig or bedGraph."""
    return path.name.removesuffix(".gz").endswith(BEDGRAPH) or path.suffix in BIGWIG


def check_signal(output: Path, samples: list[str], strands: Strands, *, force: bool) -> None:
    """InputError where files would meet or cannot be written."""
    for path, _, _ in _files(output, samples, strands):
        check_writable(path, force=force)
        check_writable(_beside(path), force=force)


def write_signal(
    output: Path,
    cuts: dict[str, ShiftedCuts],
    contigs: dict[str, int],
    *,
    strands: Strands,
    scale: Scale,
    document: dict[str, Any],
    threads: int,
    force: bool,
) -> SignalFiles:
    """Write each sample's cuts per base, and beside each file how it was made.

    Parameters
    ----------
    output : Path
        With ``{sample}`` and ``{strand}`` where there are several of them.
    cuts : dict of str to ShiftedCuts
    contigs : dict of str to int
        bp.
    strands : "sum" or "split"
    scale : "raw", "cpm" or "binary"
        Cuts; cuts per million cuts of the sample, both strands; or 1 where there is a cut.
    document : dict
        How the cuts were made.
    """
    paths = []
    text = schemas.as_text(document) + "\n"
    for path, sample, strand in _files(output, list(cuts), strands):
        times = 1.0
        if scale == "cpm":
            total = sum(int(counts.sum()) for _, (_, counts) in cuts[sample].pieces())
            times = 1e6 / max(1, total)
        with (
            atomic(path, force=force) as temporary,
            atomic(_beside(path), force=force) as temporary_document,
        ):
            signal = _signal(cuts[sample], list(contigs), strand, times)
            if scale == "binary":
                signal = ((name, at, np.ones_like(value)) for name, at, value in signal)
            if path.suffix in BIGWIG:
                write_bigwig(temporary, contigs, signal, threads=threads)
            else:
                is_gz = path.suffix == ".gz"
                write_bedgraph(temporary, contigs, signal, compressed=is_gz, threads=threads)
            temporary_document.write_text(text)
        paths.append(path)
    return SignalFiles(tuple(paths), list(cuts), contigs, str(document["shift"]), document)


def _files(
    output: Path, samples: list[str], strands: Strands
) -> list[tuple[Path, str, int | None]]:
    """Path, sample and strand of each file."""
    text = str(output)
    for field in re.findall(r"{[^{}]*}", output.name):
        if field not in ("{sample}", "{strand}"):
            raise InputError(
                f"{output}: found {field} in the output's name, expected {{sample}} or {{strand}}"
            )
    needed = {"{sample}": len(samples) > 1, "{strand}": strands == "split"}
    for field, is_needed in needed.items():
        if is_needed and field not in text:
            several = f"{len(samples)} samples" if field == "{sample}" else "two strands"
            raise InputError(
                f"{output}: found {several} and no {field} in the output's name, expected it"
            )
    if "{strand}" in text and strands == "sum":
        raise InputError(f"{output}: found {{strand}} in the output's name, expected strands split")
    files = []
    for sample in samples:
        if "{sample}" in text and Path(sample).name != sample:
            raise InputError(f"{output}: sample {sample!r} is no file name; give names")
        for strand in (0, 1) if strands == "split" else (None,):
            named = text.replace("{sample}", sample)
            if strand is not None:
                named = named.replace("{strand}", STRAND_NAMES[strand])
            files.append((Path(named), sample, strand))
    return files


def _signal(
    cuts: ShiftedCuts, contigs: list[str], strand: int | None, times: float
) -> Iterator[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Contig, ascending positions, and the value at each."""
    for contig, (keys, counts) in cuts.pieces():
        position = (keys >> np.uint64(1)).astype(np.int64)
        if strand is not None:
            mine = (keys & np.uint64(1)) == strand
            position, value = position[mine], counts[mine].astype(np.float64)
        else:
            starts = np.flatnonzero(np.diff(position, prepend=-1))
            position, value = position[starts], np.add.reduceat(counts, starts, dtype=np.float64)
        if len(position):
            yield contigs[contig], position, (value * times).astype(np.float32)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")
