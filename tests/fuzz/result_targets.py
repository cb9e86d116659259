"""Readers of results: what analyses of modelkit write, and what others are begun with.

The good files are the golden ones: they are small, and the same each time.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from site_world import SiteWorld

import kmerengine
import modelkit
from fuzz.mutate_stored import stored
from fuzz.stored_targets import explored
from fuzz.target import Files, Target, check, folder_files
from kmerengine import KmerCounts, schemas
from kmerengine.errors import InputError
from modelkit.baselines.kmer_set import KmerSet
from modelkit.inference.cross_gc import gc_of_sample
from modelkit.interpretation.attribution.partial import Partial
from modelkit.interpretation.topics.probes import Probes, read_labels
from modelkit.reporting import curves, footprint_figures
from modelkit.reporting.measures import measures, read_measured

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"
FIGURES = (".png", ".bed", ".meme")


def golden(*names: str) -> Callable[[Path], list[Files]]:
    """Golden files or folders, an input each; without what nobody reads."""

    def seeds(_: Path) -> list[Files]:
        found = []
        for name in names:
            path = GOLDEN / name
            files = folder_files(path) if path.is_dir() else {path.name: path.read_bytes()}
            found.append({n: c for n, c in files.items() if not n.endswith(FIGURES)})
        return found

    return seeds


def tried(call: Callable[..., Any], *given: Any) -> None:
    """What may refuse a part of a file that was opened."""
    with suppress(InputError):
        call(*given)


def check_rows(found: pa.Table, path: Path) -> None:
    """Wrong unless a table has the rows that pyarrow reads by itself."""
    plain = pq.read_table(path).select(found.column_names)
    check(repr(found.to_pylist()) == repr(plain.to_pylist()), f"other rows than {path.name} has")


# -------------------------------------------------------------------------------- of a network


def read_variants(folder: Path) -> None:
    path = folder / "variants.parquet"
    found = modelkit.VariantScores.open(path)
    check_rows(found.table(), path)
    check(len(found) == len(found.table(0)) and len(found.table(1, 2)) <= 1, "rows")


def read_motif_folder(folder: Path) -> None:
    found = modelkit.Motifs.open(folder)
    check_rows(found.table, folder / "motifs.parquet")
    check_rows(found.seqlets, folder / "seqlets.parquet")
    check(len(found.matrices()) == len(found.seqlets), "matrices")
    explored(found)
    for name in (*found.names, "other"):
        tried(found.cwm, name)
    for name in (*found.models, "other"):
        tried(found.enriched, name)


def read_filters(folder: Path) -> None:
    found = modelkit.FilterMotifs.open(folder)
    check_rows(found.table, folder / "filters.parquet")
    explored(found)
    for name in (*found.names, "other"):
        tried(found.frequencies, name)
    for motif in found.motifs:
        check(motif.probabilities.shape[1] == 4, f"{motif.probabilities.shape}")


def read_topic_motifs(folder: Path) -> None:
    found = modelkit.TopicMotifs.open(folder)
    check_rows(found.table, folder / "topic_motifs.parquet")
    check_rows(found.oligos, folder / "oligos.parquet")
    explored(found)
    check(len(found.motifs) <= len(found), "more motifs than topics")


def read_topic_map(folder: Path) -> None:
    path = folder / "topic_map.parquet"
    found = modelkit.TopicMap.open(path)
    check_rows(found.table, path)
    mapped = {(row["factor"], row["topic"]) for row in found.table.to_pylist() if row["mapped"]}
    ours = {(f, t) for i, t in enumerate(found.topics) for f in found.factors_of(i)}
    also = {(f, found.topics[i]) for n, f in enumerate(found.factors) for i in found.topics_of(n)}
    check(ours == mapped == also, f"{ours} are mapped, expected {mapped}")
    check(set(found.found) == {factor for factor, _ in mapped}, f"{found.found}")


def read_context_kmers(folder: Path) -> None:
    found = modelkit.ContextKmers.open(folder)
    check_rows(found.table, folder / "kmers.parquet")
    explored(found)
    for name in {*found.table["name"].to_pylist(), "other"}:
        tried(found.best, name, 2)


def read_profiles(folder: Path) -> None:
    found = modelkit.AggregateProfiles.open(folder)
    check_rows(found.table, folder / "profiles.parquet")
    explored(found)
    for row in found.table.to_pylist():
        made = found.profile(row["name"], setting=row["setting"], bound=row["bound"])
        check(made.ndim == 1, f"{made.shape}")
    tried(found.profile, "other")


SEQUENCES = np.random.default_rng(0).integers(0, 4, (4, 40)).astype(np.uint8)


def read_kmer_set(folder: Path) -> None:
    found = KmerSet.open(folder / "kmer_set.parquet")
    scores = found.score(SEQUENCES)
    check(scores.shape == (len(SEQUENCES),), f"{scores.shape}")
    found.save(folder / "again.parquet")
    again = KmerSet.open(folder / "again.parquet").score(SEQUENCES)
    check(np.array_equal(again, scores, equal_nan=True), "scores are others after it is written")


# ---------------------------------------------------------------------------- of `modelkit report`


@cache
def golden_run(name: str) -> modelkit.Run:
    return modelkit.Run.open(GOLDEN / name)


def read_evaluation(folder: Path) -> None:
    found = read_measured(folder, golden_run("run"))
    measures(found)
    check(len({len(each) for each in found.by_name.values()}) <= 1, "columns of several lengths")


def read_footprints(folder: Path) -> None:
    found = footprint_figures.Footprinted(folder)
    pairs = [(each["motif"], each["target"]) for each in found.depths]
    for band in found.bands(pairs).values():
        check({len(each) for side in band for each in side} == {found.width}, "bands")
    footprint_figures._table(found.depths)


def read_epochs(folder: Path) -> None:
    run: Any = SimpleNamespace(path=folder, about=golden_run("trained").about)
    rows = curves._rows(run)
    check_rows(pa.Table.from_pylist(rows), folder / "metrics.parquet")
    curves._sentence(run, rows)
    if rows:
        curves._table(rows)


# ----------------------------------------------------------------------- what others are begun with


def _samples(folder: Path) -> list[Files]:
    world = SiteWorld(folder, size=900)
    sites = world.sample()
    windows = kmerengine.sample_windows(
        folder / "g.fa", folder / "peaks.bed", output=folder / "windows", width=30
    )
    genome = (folder / "g.fa").read_bytes()
    return [
        {"regions.parquet": path.read_bytes(), "g.fa": genome}
        for path in (sites.regions, windows.regions)
    ]


def only(name: str) -> Callable[[Files, random.Random], Files]:
    """Change that file of an input."""

    def changed(files: Files, rng: random.Random) -> Files:
        return {**files, **stored({name: files[name]}, rng)}

    return changed


def read_sample(folder: Path) -> None:
    path = folder / "regions.parquet"
    tried(gc_of_sample, path)
    split = ["validation=chr8", "test=chr9"]
    made = kmerengine.dataset_from_sites(
        path, genome=folder / "g.fa", output=folder / "d", split=split
    )
    table = pq.read_table(path)
    left_out = sum(made.provenance["skipped"].values())
    check(len(made) + left_out == len(table), f"{len(made)} and {left_out} of {len(table)}")
    check(made.labels is not None and set(made.labels.ravel().tolist()) <= {0, 1}, "labels")


def read_probes(folder: Path) -> None:
    (path,) = folder.iterdir()
    found = Probes.open(path)
    rows = pq.read_table(path).to_pylist()
    expected = [(row["name"], row["motif"], row["sequence"]) for row in rows]
    check(list(zip(found.names, found.factors, found.sequences, strict=True)) == expected, "probes")
    check(read_labels(path) == {name: factor for name, factor, _ in expected}, "labels")


@cache
def _begun() -> tuple[dict[str, Any], str]:
    kind = schemas.ATTRIBUTIONS + ".partial"
    about = schemas.read_document(GOLDEN / "begun.partial/partial.json", kind, "it")
    return about["document"], about["device"]


def read_begun(folder: Path) -> None:
    found = Partial(folder, *_begun())
    check(found.done.tolist() == [byte == 1 for byte in (folder / "done").read_bytes()], "chunks")
    numbers = [i for i, done in enumerate(found.done) if not done]
    check(all(len(found.chunk(i)) for i in numbers), "a chunk of nothing")


def read_parts(folder: Path) -> None:
    found = KmerCounts.open(folder)
    explored(found)
    matrix = found.features()
    check(matrix.shape == (len(found), found.vocabulary.n_features), f"features {matrix.shape}")


def _of(name: str, made: Sequence[str], read: Callable[[Path], None], cost: int) -> Target:
    return Target(name, golden(*made), stored, read, cost)


RESULT_TARGETS = [
    _of("variants", ["variants.parquet"], read_variants, 5),
    _of("motif.folder", ["motifs"], read_motif_folder, 10),
    _of("filters", ["filters"], read_filters, 10),
    _of("topic.motifs", ["topic_motifs"], read_topic_motifs, 10),
    _of("topic.map", ["topic_map.parquet"], read_topic_map, 5),
    _of("context.kmers", ["context_kmers"], read_context_kmers, 10),
    _of("context.profiles", ["context_profiles"], read_profiles, 10),
    _of("kmer.set", ["kmer_set/kmer_set.parquet"], read_kmer_set, 5),
    _of("evaluation", ["evaluation"], read_evaluation, 10),
    _of("footprints", ["footprint"], read_footprints, 10),
    _of("epochs", ["trained/metrics.parquet"], read_epochs, 5),
    Target("sample", _samples, only("regions.parquet"), read_sample, 20),
    _of("probes.parquet", ["simulated.kmers.probes.parquet"], read_probes, 5),
    _of("attributions.begun", ["begun.partial"], read_begun, 10),
    _of("counts.parts", ["parts"], read_parts, 10),
]
