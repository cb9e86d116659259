"""Models of regulatory DNA on the data sets that kmerengine makes."""

from kmerengine._lazy import lazily

_MODULES = {
    "Attributions": "modelkit.interpretation.attributions",
    "Loader": "modelkit.data",
    "MODELS": "modelkit.registry",
    "Motifs": "modelkit.interpretation.motif_set",
    "Predictions": "modelkit.inference.predictions",
    "Run": "modelkit.training.run",
    "Seqlets": "modelkit.interpretation.seqlet_set",
    "VariantScores": "modelkit.interpretation.variants",
    "add_bias": "modelkit.inference.bias",
    "attribute": "modelkit.interpretation.attribute",
    "evaluate": "modelkit.inference.evaluate",
    "footprint": "modelkit.interpretation.footprint",
    "import_weights": "modelkit.weights.import_weights",
    "marginalize": "modelkit.interpretation.marginalize",
    "motifs": "modelkit.interpretation.motifs",
    "predict": "modelkit.inference.predict",
    "read_config": "modelkit.config_files",
    "report": "modelkit.reporting.report",
    "select": "modelkit.interpretation.select",
    "seqlets": "modelkit.interpretation.seqlets",
    "tomtom": "modelkit.interpretation.naming",
    "train": "modelkit.training.train",
    "train_folds": "modelkit.training.train",
    "variants": "modelkit.interpretation.variants",
}

__all__ = sorted(_MODULES)

__getattr__ = lazily(__name__, _MODULES)
