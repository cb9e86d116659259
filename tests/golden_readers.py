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
from modelkit.baselines.kmer_set import KmerSet
from modelkit.interpretation.attribution.partial import Partial
from modelkit.interpretation.motifs.naming import MotifMatches
from modelkit.pipelines import stages
from modelkit.reporting.footprint_figures import Footprinted
from modelkit.reporting.measures import read_measured
from modelkit.training.checkpoint import read_checkpoint

V1 = Path(__file__).parent / "golden" / "v1"
MOST = 400  # numbers of an array that are written out; of larger ones a digest is

TENSORS = (
    {"a": torch.arange(6).reshape(2, 3), "b": torch.tensor([0.5, -1.25], dtype=torch.float64)},
    {"note": "of version 1"},
)


def _written(output: Path, again: bool) -> None:
    output.write_text("made")


STAGES = [
    stages.Stage(name="one", output="one.txt", run=_written, parameters={"n": 1}),
    stages.Stage(name="two", output="two.txt", run=_written, inputs={"one": "one.txt"}),
]


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


def of_evaluation(path: Path) -> Any:
    """Of the run beside it."""
    made = read_measured(path.parent, modelkit.Run.open(V1 / "run"))
    return [made.split, made.n, made.metrics, made.intervals, made.by_quartile, made.by_name,
            list(made.notes)]  # fmt: skip


def of_footprint(path: Path) -> Any:
    made = Footprinted(path)
    pairs = [(each["motif"], each["target"]) for each in made.depths]
    bands = [side.median for each in made.bands(pairs).values() for side in each]
    return [made.depths, made.spans, made.n, made.width, bands]


def of_filters(path: Path) -> Any:
    made = modelkit.FilterMotifs.open(path)
    motifs = {each.name: each.probabilities for each in made.motifs}
    return [made.names, made.table, made.matched, made.matches.table, motifs]


def of_topic_motifs(path: Path) -> Any:
    made = modelkit.TopicMotifs.open(path)
    motifs = {each.name: each.probabilities for each in made.motifs}
    return [made.topics, made.table, made.oligos, made.matches.table, motifs]


def of_kmer_set(path: Path) -> Any:
    made = KmerSet.open(path)
    sets = [[m.words, m.offsets, m.bits, m.log10_p, m.threshold] for m in made.motifs]
    return [sets, made.n_positives, made.n_negatives, made.enriched,
            made.score(np.arange(48, dtype=np.uint8).reshape(2, 24) * 7 % 5 % 4)]  # fmt: skip


def of_pipeline(path: Path) -> Any:
    """Its record, and what would be made of it."""
    if path.name == stages.ABOUT:  # without what it is of
        records, about = stages._opened(path.parent, "agentbind")
        digests = {name: each["digest"] for name, each in records.items()}
        return [about["command"], about["parameters"], digests]
    records, about = stages._opened(path, "golden")
    made = stages.run_stages(STAGES, path, name="golden", dry_run=True)
    return [about["command"], about["parameters"], records, [each.made for each in made]]


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
    "evaluation/metrics.json": of_evaluation, "footprint": of_footprint, "filters": of_filters,
    "topic_motifs": of_topic_motifs, "kmer_set/kmer_set.parquet": of_kmer_set,
    "pipeline": of_pipeline, "agentbind/pipeline.json": of_pipeline,
}  # fmt: skip


def readers_in(folder: Path) -> dict[str, Callable[[Path], Any]]:
    """Readers of a folder of golden files, by name; of tables elsewhere, that of any table."""
    tables = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))
    others = (name for name in tables if name not in FILES and name.split("/")[0] not in FILES)
    return FILES | dict.fromkeys(others, of_table)
