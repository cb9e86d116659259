"""Attributions of a model that is not bpAI-TAC: bases and signals in, classes out."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from attribute_world import WIDTH, make_data, make_files
from torch import Tensor, nn

from kmerengine import Dataset, InputError
from modelkit.config import Config, Section, TrainingOptions
from modelkit.data.loader import Loader
from modelkit.interpretation.attribution.attribute import attribute
from modelkit.interpretation.methods.options import METHODS
from modelkit.registry import MODELS, Entry
from modelkit.tasks.readouts import Readout
from modelkit.training.run import Run

CLASSES = ("bound", "open")


class ClassNetwork(Section):
    channels: int = 6


class NoOptions(Section):
    pass


class ClassConfig(Config):
    model: Literal["classes"] = "classes"
    network: ClassNetwork = ClassNetwork()
    objective: NoOptions = NoOptions()
    data: NoOptions = NoOptions()
    training: TrainingOptions = TrainingOptions.model_validate({})


class Classes(nn.Module):
    """(B, 6, P) to {"logits": (B, 2)}; the channels behind the bases are cuts, or none."""

    def __init__(self, options: ClassNetwork) -> None:
        super().__init__()
        self.conv = nn.Conv1d(options.channels, 8, 9)
        self.act = nn.ReLU()
        self.pool = nn.MaxPool1d(4)
        self.dense = nn.Linear(8 * ((WIDTH - 8) // 4), len(CLASSES))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": self.dense(self.pool(self.act(self.conv(x))).flatten(1))}


class Logit(Readout):
    def forward(self, output: dict[str, Tensor], anchor: Tensor | None = None) -> Tensor:  # noqa: ARG002
        return output["logits"]


class Probability(Readout):
    def __init__(self) -> None:
        super().__init__()
        self.sigmoid = nn.Sigmoid()

    def forward(self, output: dict[str, Tensor], anchor: Tensor | None = None) -> Tensor:  # noqa: ARG002
        found: Tensor = self.sigmoid(output["logits"])
        return found


class Against(Readout):
    """Logits weighted by the probability of the sequence, taken as given."""

    def anchor(self, output: dict[str, Tensor]) -> Tensor:
        return output["logits"].softmax(-1)

    def forward(self, output: dict[str, Tensor], anchor: Tensor | None = None) -> Tensor:
        return output["logits"] * (self.anchor(output) if anchor is None else anchor)


class ClassTask:
    """Its batches are its own: bases beside what the rows are numbered, as two signals."""

    def __init__(self, config: ClassConfig, dataset: Dataset) -> None:
        self.config, self.dataset, self.names, self.skipped = config, dataset, CLASSES, {}
        self.heads = {"logit": Logit(), "probability": Probability(), "against": Against()}

    def rows(self, split: str) -> np.ndarray[Any, Any]:
        return np.arange(len(self.dataset)) if split == "all" else self.dataset.split(split)

    def batches(self, rows: Any, *, training: bool, batch_size: int, device: Any) -> Any:
        loader = Loader(self.dataset, rows, batch_size=batch_size, shuffle=training, device=device)
        return Signals(loader, self.config.network.channels - 4)

    def inputs(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return torch.cat(batch, 1)


class Signals:
    def __init__(self, loader: Loader, n: int) -> None:
        self.loader, self.n = loader, n

    def batches(self, epoch: int) -> Any:
        for batch in self.loader.batches(epoch):
            yield batch.sequence, signals_of(batch.rows, self.n)


def signals_of(rows: Tensor, n: int) -> Tensor:
    """A cut, or none, at each base; of both strands."""
    at = torch.arange(WIDTH) + 7 * rows[:, None, None]
    return ((at * (3 + torch.arange(n)[:, None])) % 5 == 0).float()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "classes", Entry(ClassConfig, Classes, ClassTask))


def make_run(path: Path, data: Dataset, channels: int = 6, **more: Any) -> Run:
    config = ClassConfig(network=ClassNetwork(channels=channels))
    torch.manual_seed(0)
    about = {"shift": data.shift, "off_by_two": data.off_by_two, "tasks": list(CLASSES)}
    return Run.create(path, config, Classes(config.network), about | more)


@pytest.mark.parametrize("cuts", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_classes_from_bases_and_signals(
    files: Path, tmp_path: Path, method: Any, cuts: bool
) -> None:
    data = make_data(files, tmp_path / "d", **({} if cuts else {"cuts": None}))
    run = make_run(tmp_path / "run", data)
    steps = {"steps": 2000} if method == "ig" else {}
    made = attribute(run, data, tmp_path / "a", method=method, split="all", **steps)
    assert (made.head, made.targets) == ("logit", CLASSES)
    assert made.hypothetical.shape == (len(data), 2, 6, WIDTH)
    network = run.network()
    hot = torch.from_numpy((made.sequence[:, None] == np.arange(4)[:, None]).astype(np.float32))
    x = torch.cat([hot, signals_of(torch.tensor(made.rows), 2)], 1)
    with torch.no_grad():
        wanted = network(x)["logits"].double().numpy()
    np.testing.assert_allclose(made.prediction, wanted, rtol=1e-6, atol=1e-6)
    if method in ("deeplift", "ig"):  # bases are compared with a mixture or with none
        r = torch.full_like(x, 0.5)  # signals with 1/2
        share = torch.tensor([0.3, 0.2, 0.2, 0.3])[:, None] * hot.sum(1, keepdim=True)
        r[:, :4] = share if method == "deeplift" else 0
        with torch.no_grad():
            away = wanted - network(r)["logits"].double().numpy()
        signals = made.hypothetical[:, :, 4:].sum((2, 3), dtype=np.float64)
        total = made.contributions().sum(2, dtype=np.float64) + signals
        np.testing.assert_allclose(total, away, atol=2e-5 if method == "deeplift" else 2e-3)


@pytest.mark.parametrize("head", ["probability", "against"])
@pytest.mark.parametrize("method", ["deepshap", "ig", "ism"])
def test_heads_that_are_asked_for(files: Path, tmp_path: Path, head: str, method: Any) -> None:
    data = make_data(files, tmp_path / "d")
    run = make_run(tmp_path / "run", data, channels=4)
    made = attribute(
        run, data, tmp_path / "a", method=method, head=head, split="all",
        **({"steps": 1000} if method == "ig" else {}),
    )  # fmt: skip
    network = run.network()
    hot = torch.from_numpy((made.sequence[:, None] == np.arange(4)[:, None]).astype(np.float32))
    with torch.no_grad():
        logits = network(hot)["logits"].double()
    wanted = logits.sigmoid() if head == "probability" else logits * logits.softmax(-1)
    np.testing.assert_allclose(made.prediction, wanted, rtol=1e-5)
    if method != "ism":
        assert np.abs(made.delta).max() < 1e-3 * made.spread.max()
    else:
        mutant = hot[:1].clone()
        mutant[0, :, 30] = torch.tensor([0.0, 0, 1, 0])
        with torch.no_grad():
            changed = network(mutant)["logits"].double()
        scale = logits[:1].softmax(-1)  # as given, of the sequence itself
        changed = changed.sigmoid() if head == "probability" else changed * scale
        base = int(made.sequence[0, 30])
        found = made.hypothetical[0, :, 2, 30] - made.hypothetical[0, :, base, 30]
        np.testing.assert_allclose(found, (changed - wanted[:1])[0], atol=1e-5)


def test_examples_of_a_split_that_the_run_may_know_are_refused(files: Path, tmp_path: Path) -> None:
    """Of a config that has no split of its own too."""
    data = make_data(files, tmp_path / "d")
    knows = make_run(tmp_path / "knows", data, dataset={"name": "x"}, split=["other", 0])
    with pytest.raises(InputError, match="so that it may know these regions"):
        attribute(knows, data, tmp_path / "a", method="saliency")
    run = make_run(tmp_path / "run", data)
    made = attribute(run, data, tmp_path / "a", method="saliency")
    assert made.rows.tolist() == data.split("test").tolist()


def test_names_are_those_of_folders_wherever_one_stands(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that is begun inside a folder is gone on with from elsewhere."""
    make_run(tmp_path / "run", make_data(files, tmp_path / "d"))
    found = []
    for where, run, data in (("run", ".", "../d"), ("d", "../run", "."), (".", "run", "d")):
        monkeypatch.chdir(tmp_path / where)
        made = attribute(run, data, tmp_path / "a", method="saliency", force=True)
        found.append(made.provenance["inputs"])
    assert found[0]["run"]["name"] == "run"
    assert found[0] == found[1] == found[2]


def test_signals_have_no_other_strand(files: Path, tmp_path: Path) -> None:
    data = make_data(files, tmp_path / "d")
    run = make_run(tmp_path / "run", data)
    with pytest.raises(InputError, match="takes 6 channels, expected the 4 of bases"):
        attribute(run, data, tmp_path / "a", split="all", reverse_complement=True)
