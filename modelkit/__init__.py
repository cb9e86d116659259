"""Models of regulatory DNA on the data sets that kmerengine makes."""

from kmerengine._lazy import lazily

_MODULES = {
    "Attributions": "modelkit.interpretation.attributions",
    "MODELS": "modelkit.registry",
    "Loader": "modelkit.data",
    "Predictions": "modelkit.inference.predictions",
    "Run": "modelkit.training.run",
    "add_bias": "modelkit.inference.bias",
    "attribute": "modelkit.interpretation.attribute",
    "evaluate": "modelkit.inference.evaluate",
    "footprint": "modelkit.interpretation.footprint",
    "import_weights": "modelkit.weights.import_weights",
    "marginalize": "modelkit.interpretation.marginalize",
    "predict": "modelkit.inference.predict",
    "read_config": "modelkit.config_files",
    "select": "modelkit.interpretation.select",
    "report": "modelkit.report.report",
    "train": "modelkit.training.train",
    "train_folds": "modelkit.training.train",
}

__all__ = sorted(_MODULES)

__getattr__ = lazily(__name__, _MODULES)
