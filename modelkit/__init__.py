"""Models of regulatory DNA on the data sets that kmerengine makes."""

from kmerengine._lazy import lazily

_MODULES = {
    "Attributions": "modelkit.interpretation.attribution.attributions",
    "FilterMotifs": "modelkit.interpretation.filters.filter_set",
    "Loader": "modelkit.data",
    "MODELS": "modelkit.registry",
    "Motifs": "modelkit.interpretation.motifs.motif_set",
    "Predictions": "modelkit.inference.predictions",
    "Proportions": "modelkit.interpretation.topics.proportions",
    "Run": "modelkit.training.run",
    "Seqlets": "modelkit.interpretation.motifs.seqlet_set",
    "VariantScores": "modelkit.interpretation.variants.variants",
    "add_bias": "modelkit.inference.bias",
    "attribute": "modelkit.interpretation.attribution.attribute",
    "evaluate": "modelkit.inference.evaluate",
    "evaluate_trials": "modelkit.inference.trials",
    "filters": "modelkit.interpretation.filters.filters",
    "footprint": "modelkit.interpretation.insertions.footprint",
    "import_weights": "modelkit.weights.import_weights",
    "marginalize": "modelkit.interpretation.insertions.marginalize",
    "motifs": "modelkit.interpretation.motifs.motifs",
    "predict": "modelkit.inference.predict",
    "read_config": "modelkit.config_files",
    "report": "modelkit.reporting.report",
    "select": "modelkit.interpretation.select",
    "seqlets": "modelkit.interpretation.motifs.seqlets",
    "tomtom": "modelkit.interpretation.motifs.naming",
    "topic_proportions": "modelkit.interpretation.topics.proportions",
    "train": "modelkit.training.train",
    "train_folds": "modelkit.training.several",
    "train_seeds": "modelkit.training.several",
    "variants": "modelkit.interpretation.variants.variants",
}

__all__ = sorted(_MODULES)

__getattr__ = lazily(__name__, _MODULES)
