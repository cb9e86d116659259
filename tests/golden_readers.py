"""The readers of every format, and what they say, for files kept since version 1."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse
import torch

import kmerengine
import modelkit
from kmerengine import schemas
from kmerengine.cut_profiles.profile_set import Profiles
from kmerengine.io.bigwig import BigWig
from modelkit.interpretation.attribution.partial import Partial
from modelkit.interpretation.motifs.naming import MotifMatches
from modelkit.training.checkpoint import read_checkpoint

MOST = 400  # numbers of an array that are written out; of larger ones a digest is

TENSORS = (
    {"a": torch.arange(6).reshape(2, 3), "b": torch.tensor([0.5, -1.25], dtype=torch.float64)},
    {"note": "of version 1"},
)


def plain(value: Any) -> Any:
    """`value` as JSON can hold it."""
    if isinstance(value, pa.Table):
        return {name: _column(plain(value[name].to_pylist())) for name in value.column_names}
    if scipy.sparse.issparse(value):
        return plain([value.shape, value.data, value.indices, value.indptr])
    if isinstance(value, torch.Tensor):
        return plain(value.detach().numpy())
    if isinstance(value, np.ndarray):
        if value.size <= MOST:
            return [str(value.dtype), plain(value.tolist())]
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return [str(value.dtype), list(value.shape), digest]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and value != value:
        return "not a number"
    if isinstance(value, np.generic):
        return plain(value.item())
    return value


def _column(rows: list[Any]) -> list[Any]:
    text = json.dumps(rows)
    if len(text) <= 10 * MOST:
        return rows
    return [len(rows), hashlib.sha256(text.encode()).hexdigest()]


def of_counts(path: Path) -> Any:
    made = kmerengine.KmerCounts.open(path)
    if made.is_materialized:
        return [made.regions, made.features(), made.vocabulary.spec]
    return [made.regions, made.words, made.exact, made.vocabulary.spec]


def of_totals(path: Path) -> Any:
    made = kmerengine.KmerTotals.open(path)
    return [made.counts, made.vocabulary.spec, made.features()]


def of_cuts(path: Path) -> Any:
    made = kmerengine.CutTrack.open(path)
    cuts = {name: made.cuts("s", name) for name in made.contigs}
    return [made.samples, made.contigs, made.shift, cuts]


def of_signal(path: Path) -> Any:
    document = schemas.parse_metadata(
        path.with_name(path.name + ".json").read_bytes(), path, (schemas.CUTS,)
    )
    file = BigWig.open(path)
    return [document["shift"], file.contigs, {name: file.values(name) for name in file.contigs}]


def of_table(path: Path) -> Any:
    """A table of no reader of its own: what is asked of it is its document and columns."""
    table = pq.read_table(path)
    raw = (table.schema.metadata or {})[schemas.METADATA_KEY]
    document = schemas.parse_metadata(raw, path, (json.loads(raw)["format"],))
    return [document["format"], table]


def of_profiles(path: Path) -> Any:
    made = Profiles.open(path)
    return [made.samples, made.shift, made.counts(), made.totals(), made.normalised(), made.regions]


def of_dataset(path: Path) -> Any:
    made = kmerengine.Dataset.open(path)
    return [made.samples, made.shift, made.sequence, made.counts, made.totals, made.regions,
            made.split("train")]  # fmt: skip


def of_run(path: Path) -> Any:
    made = modelkit.Run.open(path)
    weights = made.network().state_dict()
    return [made.config.model, made.about["tasks"], made.about["status"], weights]


def of_trained(path: Path) -> Any:
    _, about = read_checkpoint(path / "last.safetensors")
    metrics = pq.read_table(path / "metrics.parquet")
    return [of_run(path), about["tensors_sha256"], metrics]


def of_predictions(path: Path) -> Any:
    made = modelkit.Predictions.open(path)
    return [made.tasks, made.window, made.totals, made.regions]


def of_attributions(path: Path) -> Any:
    made = modelkit.Attributions.open(path)
    return [made.targets, made.method, made.head, made.prediction, made.rows, made.starts,
            *made.read(0, len(made))]  # fmt: skip


def of_begun(path: Path) -> Any:
    about = schemas.read_document(path / "partial.json", schemas.ATTRIBUTIONS + ".partial", "it")
    return Partial(path, about["document"], about["device"]).done.tolist()


def of_seqlets(path: Path) -> Any:
    made = modelkit.Seqlets.open(path)
    return [made.targets, made.n_examples, made.cutoff, made.table(), made.matrices()]


def of_motifs(path: Path) -> Any:
    made = modelkit.Motifs.open(path)
    return [made.models, made.names, made.matrices(), made.table, made.seqlets]


def of_topic_kmers(path: Path) -> Any:
    made = modelkit.TopicKmers.open(path)
    return [made.topics, made.alpha, made.table, made.features, made.matrix]


def of_proportions(path: Path) -> Any:
    made = modelkit.Proportions.open(path)
    return [made.kind, made.topics, made.names, made.mean, made.concentrations]


def of_topic_map(path: Path) -> Any:
    made = modelkit.TopicMap.open(path)
    return [made.factors, made.topics, made.n_probes, made.table]


FILES: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys(
        ["counts.parquet", "counts.arrow", "counts.npz", "counts.h5ad", "parts",
         "counts14.parquet", "features.parquet"], of_counts,
    ),
    "totals.parquet": of_totals, "totals.arrow": of_totals,
    "vocabulary.parquet": of_table,
    "cuts.parquet": of_cuts, "cuts.arrow": of_cuts, "cuts.bw": of_signal,
    "hits.parquet": lambda path: kmerengine.MotifHits.open(path).table(),
    "profiles": of_profiles, "dataset": of_dataset,
    "run": of_run, "trained": of_trained, "topic_run": of_run,
    "tensors.safetensors": lambda path: read_checkpoint(path)[0],
    "predictions": of_predictions, "attributions": of_attributions, "begun.partial": of_begun,
    "variants.parquet": lambda path: modelkit.VariantScores.open(path).table(),
    "seqlets.parquet": of_seqlets, "motifs": of_motifs,
    "matches.parquet": lambda path: MotifMatches.open(path).table,
    "context_kmers": lambda path: modelkit.ContextKmers.open(path).table,
    "context_profiles": lambda path: modelkit.AggregateProfiles.open(path).table,
    "topic_kmers": of_topic_kmers, "proportions.parquet": of_proportions,
    "topic_map.parquet": of_topic_map,
}  # fmt: skip


def readers_in(folder: Path) -> dict[str, Callable[[Path], Any]]:
    """Readers of a folder of golden files, by name; of tables elsewhere, that of any table."""
    tables = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))
    return FILES | {name: of_table for name in tables if name.split("/")[0] not in FILES}
