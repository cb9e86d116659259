"""A run: the folder that training writes, which says how it was made.

    run.json             data, versions, device, what became of it
    config.json          the whole config; `modelkit train config.json` makes the run again
    metrics.parquet      one row per epoch; metrics.jsonl: the same as lines of JSON
    best.safetensors     weights and config: those of the best epoch
    best_loss.safetensors   those of the lowest validation loss, where another metric selects
    last.safetensors     the whole state after the last epoch or checkpoint, to go on from
    log.txt              what happened when
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from kmerengine import schemas
from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic, check_writable
from modelkit.config import Config, parse_config
from modelkit.registry import MODELS
from modelkit.training.checkpoint import as_json, load_into, read_checkpoint, write_checkpoint

__all__ = ["Run"]

ABOUT, CONFIG, LOG = "run.json", "config.json", "log.txt"
METRICS, LINES = "metrics.parquet", "metrics.jsonl"
BEST, BEST_LOSS, LAST = "best.safetensors", "best_loss.safetensors", "last.safetensors"
UNFINISHED = ".*.tmp"  # a write that was killed
NAMES = (ABOUT, CONFIG, LOG, METRICS, LINES, BEST, BEST_LOSS, LAST, UNFINISHED)
MODEL = "model/"  # before the names of a network's tensors


class Run:
    """A trained model in its folder.

    Attributes
    ----------
    path : Path
    config : Config
        With everything that was filled in from the data.
    about : dict
        How it was made: among others `dataset` (name and digest of the training data), `samples`,
        `tasks`, `shift` and `off_by_two` of the cuts, `status`.
    """

    def __init__(self, path: Path, config: Config, about: dict[str, Any]) -> None:
        self.path, self.config, self.about = path, config, about

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run; InputError if it is missing, damaged, newer or something else."""
        path = Path(path)
        inside = sorted(path.glob(f"*/{ABOUT}")) if not (path / ABOUT).exists() else []
        if inside:
            raise InputError(
                f"{path}: holds {len(inside)} runs, expected one; give "
                f"{inside[0].parent}{' and others' if len(inside) > 1 else ''}"
            )
        about = schemas.read_document(path / ABOUT, schemas.RUN, "modelkit train")
        return cls(path, as_config(about.get("config"), path / ABOUT), about)

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: Config,
        model: nn.Module,
        about: dict[str, Any],
        *,
        force: bool = False,
    ) -> "Run":
        """The run of a network whose weights come from elsewhere."""
        path = Path(path)
        check_writable(path, force=force, folder=NAMES)
        with atomic(path, force=force, folder=NAMES) as folder:
            run = cls(folder, config, about)
            run.save(BEST, {MODEL + name: t for name, t in model.state_dict().items()})
            run.write_about(status="imported")
        return cls.open(path)

    def begin(self, *, force: bool = False) -> None:
        """Make the folder; with `force` in place of a run that is there."""
        check_writable(self.path, force=force, folder=NAMES)
        self.path.mkdir(exist_ok=True)
        for pattern in NAMES:
            for old in self.path.glob(pattern):
                old.unlink()
        self.write_about(status="begun")

    def tidy(self) -> None:
        """Remove what a killed process was writing."""
        for old in self.path.glob(UNFINISHED):
            old.unlink(missing_ok=True)

    def check_cuts(self, dataset: Dataset) -> None:
        """InputError unless the data set's cuts, if it has any, lie where those lay that the model
        learnt.
        """
        there = {"shift": dataset.shift, "off_by_two": dataset.off_by_two}
        for name, value in there.items():
            if self.about.get(name) != value and not (name == "shift" and value is None):
                raise InputError(
                    f"{self.path}: learnt cuts with {name} {self.about.get(name)}, {dataset.path} "
                    f"has {name} {value}; expected the same, make the data set anew"
                )

    def other_bias(self, dataset: Dataset) -> str | None:
        """A line that says so, if the data set has another bias than the model learnt beside."""
        learnt, found = self.about.get("bias"), bias_of(dataset)
        if learnt is None or found == learnt:
            return None
        there = "none" if found is None else f"that of {found.get('name')}"
        return f"the model learnt beside the bias of {learnt.get('name')}, these data have {there}"

    def check_split(self, dataset: Dataset, split: str) -> None:
        """InputError if a split of these data may hold what the model has learnt from."""
        if split == "all" or getattr(self.config.data, "split", None) is not None:
            return
        if self.about.get("dataset") not in (None, digest_of(dataset)) and (
            self.about.get("split") != split_of(dataset)
        ):
            raise InputError(
                f"{dataset.path}: its split is {split_of(dataset)}, {self.path} learnt by "
                f"{self.about.get('split')}, so that it may know these regions; expected the same "
                "rule, or --split all"
            )

    def network(self, device: str | torch.device = "cpu", weights: str = BEST) -> nn.Module:
        """The network with its best (or other) weights, ready to predict."""
        tensors, about = read_checkpoint(self.path / weights)
        config = as_config(about.get("config"), self.path / weights)
        if (config.model, config.network) != (self.config.model, self.config.network):
            raise InputError(
                f"{self.path / weights}: holds weights of another network than {ABOUT} says; put "
                "the run's own back"
            )
        model = MODELS[config.model].model(config.network)
        load_into(model, tensors, MODEL, self.path / weights)
        return model.to(device).eval()

    def write_about(self, **changes: Any) -> None:
        """Write run.json and config.json, with more or other values."""
        self.about = {**self.about, **changes, "config": self.config.model_dump(mode="json")}
        document = {**self.about, "format": schemas.RUN, "version": schemas.VERSION}
        with atomic(self.path / ABOUT, force=True) as temporary:
            temporary.write_text(schemas.as_text(document))
        with atomic(self.path / CONFIG, force=True) as temporary:
            temporary.write_text(self.config.model_dump_json(indent=1))

    def write_metrics(self, rows: list[dict[str, float | int]]) -> None:
        """Write one row per epoch; columns that only some epochs have are null in the others."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        table = pa.table({name: [row.get(name) for row in rows] for name in names})
        document = schemas.provenance("train", {}, {}) | {"format": schemas.RUN_METRICS}
        with atomic(self.path / METRICS, force=True) as temporary:
            pq.write_table(table.cast(schemas.with_metadata(table.schema, document)), temporary)
        with atomic(self.path / LINES, force=True) as temporary:
            temporary.write_text("".join(as_json(row) + "\n" for row in rows))

    def save(self, name: str, tensors: dict[str, Tensor], **more: Any) -> None:
        """Write a checkpoint that carries the config."""
        about = {key: self.about.get(key) for key in ("shift", "off_by_two", "tasks")}
        document = {**about, **more, "config": self.config.model_dump(mode="json")}
        write_checkpoint(self.path / name, tensors, document)


def digest_of(dataset: Dataset) -> dict[str, Any]:
    """Name and digest of a data set's document."""
    text = json.dumps(dataset.provenance, sort_keys=True)
    return {"name": dataset.path.name, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def bias_of(dataset: Dataset) -> dict[str, Any] | None:
    """What a data set's bias is made of: name and digest."""
    found: dict[str, Any] | None = dataset.provenance.get("inputs", {}).get("bias")
    return found


def split_of(dataset: Dataset) -> list[Any]:
    """The rule that split a data set, and its seed."""
    parameters = dataset.provenance.get("parameters", {})
    return [parameters.get("split"), parameters.get("seed")]


def as_config(values: Any, where: Path) -> Config:
    """The config that a file carries."""
    if not isinstance(values, dict) or values.get("model") not in MODELS:
        raise InputError(f"{where}: holds no config of a known model; expected {', '.join(MODELS)}")
    return parse_config(MODELS[values["model"]].config, values, str(where))
