"""Models of regulatory DNA on the data sets that kmerengine makes."""

from typing import TYPE_CHECKING

from kmerengine._lazy import lazily

if TYPE_CHECKING:  # for users' type checkers; said twice, a name is one of the package's own
    from modelkit.baselines.kmer_set_run import kmer_set as kmer_set
    from modelkit.config_files import read_config as read_config
    from modelkit.data import Loader as Loader
    from modelkit.inference.bias import add_bias as add_bias
    from modelkit.inference.compare import compare as compare
    from modelkit.inference.cross import cross as cross
    from modelkit.inference.evaluate import evaluate as evaluate
    from modelkit.inference.predict import predict as predict
    from modelkit.inference.predictions import Predictions as Predictions
    from modelkit.inference.trials import evaluate_trials as evaluate_trials
    from modelkit.interpretation.attribution.attribute import attribute as attribute
    from modelkit.interpretation.attribution.attributions import Attributions as Attributions
    from modelkit.interpretation.context.aggregate import aggregate as aggregate
    from modelkit.interpretation.context.kmer_set import ContextKmers as ContextKmers
    from modelkit.interpretation.context.kmers import kmers as kmers
    from modelkit.interpretation.context.profile_set import AggregateProfiles as AggregateProfiles
    from modelkit.interpretation.context.score_lines import score_lines as score_lines
    from modelkit.interpretation.filters.filter_set import FilterMotifs as FilterMotifs
    from modelkit.interpretation.filters.filters import filters as filters
    from modelkit.interpretation.insertions.footprint import footprint as footprint
    from modelkit.interpretation.insertions.marginalize import marginalize as marginalize
    from modelkit.interpretation.motifs.motif_set import Motifs as Motifs
    from modelkit.interpretation.motifs.motifs import motifs as motifs
    from modelkit.interpretation.motifs.naming import tomtom as tomtom
    from modelkit.interpretation.motifs.seqlet_set import Seqlets as Seqlets
    from modelkit.interpretation.motifs.seqlets import seqlets as seqlets
    from modelkit.interpretation.select import select as select
    from modelkit.interpretation.signals.signals import signals as signals
    from modelkit.interpretation.snps.mpra import mpra as mpra
    from modelkit.interpretation.snps.singletons import singletons as singletons
    from modelkit.interpretation.topics.accessibility import (
        topic_accessibility as topic_accessibility,
    )
    from modelkit.interpretation.topics.assignment import topic_assignment as topic_assignment
    from modelkit.interpretation.topics.clr import topic_clr as topic_clr
    from modelkit.interpretation.topics.comparison import topic_comparison as topic_comparison
    from modelkit.interpretation.topics.cooperation import topic_cooperation as topic_cooperation
    from modelkit.interpretation.topics.heatmap import topic_heatmap as topic_heatmap
    from modelkit.interpretation.topics.kmers import topic_kmers as topic_kmers
    from modelkit.interpretation.topics.map import TopicMap as TopicMap
    from modelkit.interpretation.topics.map import topic_map as topic_map
    from modelkit.interpretation.topics.motifs import topic_motifs as topic_motifs
    from modelkit.interpretation.topics.probes import Probes as Probes
    from modelkit.interpretation.topics.projection import topic_projection as topic_projection
    from modelkit.interpretation.topics.proportions import Proportions as Proportions
    from modelkit.interpretation.topics.proportions import topic_proportions as topic_proportions
    from modelkit.interpretation.topics.selection import topic_selection as topic_selection
    from modelkit.interpretation.topics.topic_kmer_set import TopicKmers as TopicKmers
    from modelkit.interpretation.topics.topic_motif_set import TopicMotifs as TopicMotifs
    from modelkit.interpretation.topics.windows import topic_windows as topic_windows
    from modelkit.interpretation.variants.variants import VariantScores as VariantScores
    from modelkit.interpretation.variants.variants import variants as variants
    from modelkit.pipelines.agentbind import pipeline_agentbind as pipeline_agentbind
    from modelkit.pipelines.deepatac import pipeline_deepatac as pipeline_deepatac
    from modelkit.registry import MODELS as MODELS
    from modelkit.reporting.report import report as report
    from modelkit.training.run import Run as Run
    from modelkit.training.several import train_folds as train_folds
    from modelkit.training.several import train_seeds as train_seeds
    from modelkit.training.train import train as train
    from modelkit.weights.import_weights import import_weights as import_weights

_MODULES = {
    "AggregateProfiles": "modelkit.interpretation.context.profile_set",
    "Attributions": "modelkit.interpretation.attribution.attributions",
    "ContextKmers": "modelkit.interpretation.context.kmer_set",
    "FilterMotifs": "modelkit.interpretation.filters.filter_set",
    "Loader": "modelkit.data",
    "MODELS": "modelkit.registry",
    "Motifs": "modelkit.interpretation.motifs.motif_set",
    "Predictions": "modelkit.inference.predictions",
    "Probes": "modelkit.interpretation.topics.probes",
    "Proportions": "modelkit.interpretation.topics.proportions",
    "Run": "modelkit.training.run",
    "Seqlets": "modelkit.interpretation.motifs.seqlet_set",
    "TopicKmers": "modelkit.interpretation.topics.topic_kmer_set",
    "TopicMap": "modelkit.interpretation.topics.map",
    "TopicMotifs": "modelkit.interpretation.topics.topic_motif_set",
    "VariantScores": "modelkit.interpretation.variants.variants",
    "add_bias": "modelkit.inference.bias",
    "aggregate": "modelkit.interpretation.context.aggregate",
    "attribute": "modelkit.interpretation.attribution.attribute",
    "compare": "modelkit.inference.compare",
    "cross": "modelkit.inference.cross",
    "evaluate": "modelkit.inference.evaluate",
    "evaluate_trials": "modelkit.inference.trials",
    "filters": "modelkit.interpretation.filters.filters",
    "footprint": "modelkit.interpretation.insertions.footprint",
    "import_weights": "modelkit.weights.import_weights",
    "kmer_set": "modelkit.baselines.kmer_set_run",
    "kmers": "modelkit.interpretation.context.kmers",
    "marginalize": "modelkit.interpretation.insertions.marginalize",
    "motifs": "modelkit.interpretation.motifs.motifs",
    "mpra": "modelkit.interpretation.snps.mpra",
    "pipeline_agentbind": "modelkit.pipelines.agentbind",
    "pipeline_deepatac": "modelkit.pipelines.deepatac",
    "predict": "modelkit.inference.predict",
    "read_config": "modelkit.config_files",
    "report": "modelkit.reporting.report",
    "score_lines": "modelkit.interpretation.context.score_lines",
    "select": "modelkit.interpretation.select",
    "seqlets": "modelkit.interpretation.motifs.seqlets",
    "signals": "modelkit.interpretation.signals.signals",
    "singletons": "modelkit.interpretation.snps.singletons",
    "tomtom": "modelkit.interpretation.motifs.naming",
    "topic_accessibility": "modelkit.interpretation.topics.accessibility",
    "topic_assignment": "modelkit.interpretation.topics.assignment",
    "topic_clr": "modelkit.interpretation.topics.clr",
    "topic_comparison": "modelkit.interpretation.topics.comparison",
    "topic_cooperation": "modelkit.interpretation.topics.cooperation",
    "topic_heatmap": "modelkit.interpretation.topics.heatmap",
    "topic_kmers": "modelkit.interpretation.topics.kmers",
    "topic_map": "modelkit.interpretation.topics.map",
    "topic_motifs": "modelkit.interpretation.topics.motifs",
    "topic_projection": "modelkit.interpretation.topics.projection",
    "topic_proportions": "modelkit.interpretation.topics.proportions",
    "topic_selection": "modelkit.interpretation.topics.selection",
    "topic_windows": "modelkit.interpretation.topics.windows",
    "train": "modelkit.training.train",
    "train_folds": "modelkit.training.several",
    "train_seeds": "modelkit.training.several",
    "variants": "modelkit.interpretation.variants.variants",
}

__all__ = sorted(_MODULES)

__getattr__ = lazily(__name__, _MODULES)
