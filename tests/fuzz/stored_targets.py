"""Readers of what kmerengine writes, of BAM, bigWig and of DeepSEA's arrays."""

import gzip
import io
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import bam_oracle
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import kmerengine
from fuzz.cram import crams, some_cram
from fuzz.mutate import bgzipped, npy, packed, some_bytes, zip_members
from fuzz.mutate_stored import stored
from fuzz.target import Files, Target, check, folder_files
from fuzz.text_targets import FASTA, JASPAR, one_file
from kmerengine import CutTrack, Dataset, KmerCounts, KmerTotals, MotifHits, Vocabulary, schemas
from kmerengine.cut_profiles.profile_set import Profiles
from kmerengine.cut_sites.sources import read_alignments
from kmerengine.datasets.arrays import read_npy
from kmerengine.errors import InputError
from kmerengine.io.arrays import map_array, write_array
from kmerengine.io.bigwig import BigWig, write_bigwig
from kmerengine.io.deepsea import open_deepsea
from kmerengine.sampling.hits import read_instances
from native_kernels.cut_parse import Rules

SMALL = Vocabulary.wildcard(4, 1)
BED = "chr1\t0\t60\ta\t5\t+\nchr2\t2\t47\tb\t7\t-\n"
WHOLE = np.random.default_rng(1)
GENOME = "".join(
    f">chr{i}\n{''.join(WHOLE.choice(list('ACGT'), 3000))}\n" for i in (1, 2, 3)
).encode()  # fmt: skip


def explored(found: object) -> None:
    """Look at every property, each of which may refuse; make a frame where there is one."""
    for kind in type(found).__mro__:
        for name, each in vars(kind).items():
            if isinstance(each, property | cached_property) and not name.startswith("_"):
                with suppress(InputError):
                    getattr(found, name)
    for name in ("table", "to_polars", "__repr__", "__len__"):
        method = getattr(found, name, None)
        if callable(method):
            with suppress(InputError):
                method()


def _counted(folder: Path, suffixes: Sequence[str]) -> list[Files]:
    (folder / "g.fa").write_bytes(FASTA)
    (folder / "r.bed").write_text(BED)
    made = []
    for suffix in suffixes:
        for materialize in (False, True):
            path = folder / f"c{suffix}"
            kmerengine.count(
                folder / "g.fa", folder / "r.bed", output=path, vocabulary=SMALL, threads=1,
                materialize=materialize, force=True,
            )  # fmt: skip
            made.append({path.name: path.read_bytes()})
    return made


def read_counts(folder: Path) -> None:
    (path,) = folder.iterdir()
    found = KmerCounts.open(path)
    explored(found)
    matrix = found.features()
    check(matrix.shape == (len(found), found.vocabulary.n_features), f"features {matrix.shape}")
    found.save(folder / "again.parquet")
    again = KmerCounts.open(folder / "again.parquet")
    check((again.features() != matrix).nnz == 0, "counts are others when they are read again")


def _totals(folder: Path) -> list[Files]:
    (folder / "g.fa").write_bytes(FASTA)
    made = []
    for name in ("t.parquet", "t.arrow"):
        kmerengine.count(folder / "g.fa", output=folder / name, vocabulary=SMALL, threads=1)
        made.append({name: (folder / name).read_bytes()})
    kmerengine.count(
        folder / "g.fa", output=folder / "p.parquet", vocabulary=SMALL, threads=1, materialize=True
    )
    return [*made, {"t.parquet": (folder / "p.parquet").read_bytes()}]


def read_totals(folder: Path) -> None:
    (path,) = folder.iterdir()
    found = KmerTotals.open(path)
    totals = found.features()
    check(totals.shape == (found.vocabulary.n_features,), f"totals {totals.shape}")
    explored(found)


def _tracks(folder: Path) -> list[Files]:
    lines = "".join(f"chr{1 + i // 20}\t{9 * (i % 20)}\t{9 * i + 70}\tx\t1\n" for i in range(40))
    (folder / "s.tsv").write_text(lines)
    made = []
    for name in ("c.parquet", "c.arrow"):
        kmerengine.cuts(
            [folder / "s.tsv"] * 2, names=("a", "b"), output=folder / name, input_shift="none"
        )
        made.append({name: (folder / name).read_bytes()})
    return made


def read_track(folder: Path) -> None:
    (path,) = folder.iterdir()
    found = CutTrack.open(path)
    explored(found)
    for sample in found.samples:
        for chrom, length in found.contigs.items():
            position, strand, count = found.cuts(sample, chrom)
            check(((position >= 0) & (position < length)).all(), "a cut off its contig")
            check((np.diff(position) >= 0).all(), "cuts that are not sorted")
            check((strand < 2).all() and len(count) == len(strand), "strands")


def _hits(folder: Path) -> list[Files]:
    (folder / "g.fa").write_bytes(FASTA)
    (folder / "m.txt").write_text(JASPAR)
    path = folder / "h.parquet"
    kmerengine.scan(folder / "g.fa", folder / "m.txt", output=path, p=0.05, threads=1)
    return [{"h.parquet": path.read_bytes()}]


def read_hits(folder: Path) -> None:
    (path,) = folder.iterdir()
    explored(MotifHits.open(path))
    found = read_instances(path)
    check((found.start < found.end).all(), "a hit without bases")


def _world(folder: Path) -> None:
    """Genome, regions, cuts and bias of a small data set."""
    (folder / "g.fa").write_bytes(GENOME)
    starts = range(200, 2600, 300)
    (folder / "p.bed").write_text(
        "".join(f"chr{c}\t{s}\t{s + 80}\n" for c in (1, 2, 3) for s in starts)
    )
    (folder / "s.tsv").write_text(
        "".join(f"chr{c}\t{s}\t{s + 60}\tx\t1\n" for c in (1, 2, 3) for s in range(100, 2800, 7))
    )
    kmerengine.cuts(
        [folder / "s.tsv"] * 2, names=("a", "b"), output=folder / "c.parquet", input_shift="none",
        genome=folder / "g.fa",
    )  # fmt: skip
    bias = [(f"chr{c}", np.arange(3000), np.ones(3000, np.float32)) for c in (1, 2, 3)]
    write_bigwig(folder / "b.bw", {f"chr{c}": 3000 for c in (1, 2, 3)}, bias)


def make_dataset(folder: Path) -> Path:
    """A small data set with counts, bias, k-mers and labels; its folder."""
    _world(folder)
    (folder / "L.bed").write_text("chr1\t200\t600\nchr2\t200\t900\n")
    kmerengine.dataset(
        folder / "p.bed", genome=folder / "g.fa", cuts=folder / "c.parquet", bias=folder / "b.bw",
        split=["validation=chr2", "test=chr3"], width=80, window=20, output=folder / "d",
        labels=[folder / "L.bed"], kmers=True, vocabulary=SMALL,
    )  # fmt: skip
    return folder / "d"


def _dataset(folder: Path) -> list[Files]:
    return [folder_files(make_dataset(folder))]


def read_dataset(folder: Path) -> None:
    found = Dataset.open(folder)
    explored(found)
    n = len(found)
    for name in ("sequence", "counts", "bias", "labels", "totals", "normalised", "negative"):
        array = getattr(found, name)
        check(array is None or len(array) == n, f"{name} has {array is None or len(array)} rows")
    rows = np.concatenate([found.split(each) for each in ("train", "validation", "test")])
    check(len(set(rows.tolist())) == len(rows), "a row of two splits")
    if found.kmers is not None:
        found.kmers.features()
    int(found.sequence.sum()), None if found.counts is None else int(found.counts.sum())


def _profiles(folder: Path) -> list[Files]:
    _world(folder)
    kmerengine.profiles(
        folder / "c.parquet", folder / "p.bed", output=folder / "p", width=80, window=20
    )
    return [folder_files(folder / "p")]


def read_profiles(folder: Path) -> None:
    found = Profiles.open(folder)
    explored(found)
    check(len(found.regions) == len(found) == len(found.totals()), "rows")
    found.normalised()
    found.rescaled()


def _array(folder: Path) -> list[Files]:
    import json

    values = np.arange(60, dtype=np.int16).reshape(5, 3, 4)
    described = write_array(folder / "a.arrow", values)
    return [
        {"a.arrow": (folder / "a.arrow").read_bytes(), "a.json": json.dumps(described).encode()}
    ]


def read_array(folder: Path) -> None:
    import json

    try:
        described = json.loads((folder / "a.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    values = map_array(folder / "a.arrow", described)
    check(list(values.shape) == [int(n) for n in described["shape"]], f"{values.shape}")
    values.sum()


def _bam(_: Path) -> list[Files]:
    reads = [
        bam_oracle.Read(
            contig=i % 2, start=7 * i, flag=(99, 147, 83, 163, 4, 1024)[i % 6], name=f"r{i // 2}",
            cigar=(("S", 2), ("M", 20), ("D", 1), ("M", 5)), length=60 if i % 2 else -60,
            tags=bam_oracle.text_tag("CB", "ACGT-1"),
        )
        for i in range(12)
    ]  # fmt: skip
    text = bam_oracle.header({"chr1": 1000, "chr2": 500}) + b"".join(map(bam_oracle.record, reads))
    return [{"a.bam": bgzipped(text, 400)}]


def _cram(folder: Path) -> list[Files]:
    (bam,) = _bam(folder)
    (folder / "a.bam").write_bytes(bam["a.bam"])
    return [{"a.cram": each} for each in crams(folder / "a.bam", folder)]


def read_bam(folder: Path) -> None:
    import pysam

    (path,) = folder.iterdir()
    for groups in (None, {"ACGT-1": "g"}):
        found = read_alignments(
            path, "s", Rules(), (), groups=groups, barcode="CB", pairs=False, threads=1,
            memory=1 << 22,
        )  # fmt: skip
    verbosity = pysam.set_verbosity(0)
    try:
        with pysam.AlignmentFile(str(path), check_sq=False) as file:
            contigs = dict(zip(file.references, file.lengths, strict=True))
            n = sum(1 for _ in file.fetch(until_eof=True))
    except (OSError, ValueError):
        return  # htslib reads more of a record than cuts need
    finally:
        pysam.set_verbosity(verbosity)
    check(found.contigs == contigs, f"contigs {found.contigs}, pysam {contigs}")
    check(found.records == n, f"{found.records} records, pysam {n}")


def _bigwig(folder: Path) -> list[Files]:
    positions = np.arange(0, 900, 3)
    run = [
        ("chr1", positions, positions.astype(np.float32)),
        ("chr2", positions[:50], np.ones(50, np.float32)),
    ]
    write_bigwig(folder / "a.bw", {"chr1": 1000, "chr2": 400}, run)
    return [{"a.bw": (folder / "a.bw").read_bytes()}]


def read_bigwig(folder: Path) -> None:
    found = BigWig.open(folder / "a.bw")
    for name, length in list(found.contigs.items())[:5]:
        values = found.values(name, 0, min(length, 5000))
        check(values.shape == (min(length, 5000),), f"{values.shape} of {length} bp")


def _deepsea(folder: Path) -> list[Files]:
    import h5py
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    one_hot = np.eye(4, dtype=np.uint8)[rng.integers(0, 4, (6, 20))].transpose(0, 2, 1)
    labels = rng.integers(0, 2, (6, 5)).astype(np.uint8)
    arrays = {"validxdata": one_hot, "validdata": labels}
    np.savez_compressed(folder / "a.npz", **arrays)
    savemat(folder / "a.mat", arrays)
    with h5py.File(folder / "h.mat", "w") as file:
        file["trainxdata"], file["traindata"] = one_hot.transpose(2, 1, 0), labels.T
    return [{name: (folder / name).read_bytes()} for name in ("a.npz", "a.mat", "h.mat")]


def other_arrays(files: Files, rng: random.Random) -> Files:
    ((name, content),) = files.items()
    change = zip_members(npy) if name.endswith(".npz") else some_bytes
    return {name: change(content, rng)}


def read_deepsea(folder: Path) -> None:
    (path,) = folder.iterdir()
    if path.read_bytes()[:4] == b"\x89HDF":
        return  # HDF5 that is damaged can end the process: see docs
    with open_deepsea(path) as found:
        n, bp, n_labels = found.shape
        blocks = list(found.blocks(np.arange(min(n_labels, 5)), min(bp, 20)))
    check(sum(len(codes) for codes, _ in blocks) == n, "rows")


def _arrays(folder: Path) -> list[Files]:
    np.save(folder / "a.npy", np.arange(12, dtype=np.float32).reshape(3, 4))
    return [{"a.npy": (folder / "a.npy").read_bytes()}]


def read_plain_array(folder: Path) -> None:
    found = read_npy(folder / "a.npy")
    check(not found.dtype.hasobject, "objects")
    found.tobytes()


def _sequences(folder: Path) -> list[Files]:
    about = schemas.provenance("simulate koo", {}, {})
    about |= {"format": schemas.SEQUENCES, "classes": ["A", "B"]}
    table = pa.table({
        "name": [f"s{i}" for i in range(6)],
        "split": pa.array(["train", "validation", "test"] * 2).dictionary_encode(),
        "sequence": ["ACGTN" * 4] * 6,
        "labels": [[0, 1]] * 6,
    }).cast(schemas.with_metadata(schemas.sequences_schema(), about))  # fmt: skip
    made = io.BytesIO()
    pq.write_table(table, made)
    return [{"s.parquet": made.getvalue()}]


def read_sequences(folder: Path) -> None:
    path = folder / "s.parquet"
    made = kmerengine.dataset_from_sequences(path, output=folder / "made")
    table = pq.read_table(path)
    check(len(made) == len(table), "rows")


def _one(name: str, make: Callable[[Path], list[Files]], read: Any, cost: int) -> Target:
    return Target(name, make, stored, read, cost)


def bam(content: bytes, rng: random.Random) -> bytes:
    """Other bytes of the text of a BAM file, or of the file."""
    return packed(some_bytes, bgzipped, late=0.3)(gzip.decompress(content), rng)


STORED_TARGETS = [
    _one("counts.parquet", lambda f: _counted(f, [".parquet"]), read_counts, 10),
    _one("counts.arrow", lambda f: _counted(f, [".arrow"]), read_counts, 10),
    _one("counts.npz", lambda f: _counted(f, [".npz"]), read_counts, 10),
    _one("totals", _totals, read_totals, 5),
    _one("cuts", _tracks, read_track, 10),
    _one("hits", _hits, read_hits, 5),
    _one("dataset", _dataset, read_dataset, 20),
    _one("profiles", _profiles, read_profiles, 10),
    _one("array", _array, read_array, 1),
    _one("sequences", _sequences, read_sequences, 10),
    Target("bam", _bam, one_file("a.bam", bam), read_bam, 2),
    Target("cram", _cram, one_file("a.cram", some_cram), read_bam, 5),
    Target("bigwig", _bigwig, one_file("a.bw", some_bytes), read_bigwig, 2),
    Target("deepsea", _deepsea, other_arrays, read_deepsea, 3),
    Target("npy", _arrays, one_file("a.npy", npy), read_plain_array, 1),
]
