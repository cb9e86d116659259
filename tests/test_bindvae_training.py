"""Training BindVAE: steps, burn-in, the fused step of Adam, resuming, ranks, and that it learns."""

import os
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

import kmerengine
from kmerengine import Dataset, InputError, Vocabulary
from modelkit.config import Config
from modelkit.config_files import read_config
from modelkit.inference.evaluate import evaluate
from modelkit.registry import MODELS
from modelkit.training.checkpoint import read_checkpoint
from modelkit.training.loop import Trainer
from modelkit.training.optimizer import Stepper, TakesSteps
from modelkit.training.run import Run
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH = 40
PLANTED = ("GATAAG", "TGACTC", "CCGGAA")
SPEC = Vocabulary.wildcard(4, 1).spec
SMALL: dict[str, Any] = {
    "network": {"topics": 5, "hidden": (7, 6), "vocabulary": SPEC},
    "training": {"batch_size": 10, "steps": 9, "frozen": {"prior": 5}, "learning_rate": 0.01},
}


def make_data(folder: Path, *, n: int = 40, planted: bool = True) -> Dataset:
    """n peaks on each of three contigs, a split each; two thirds of a peak are copies of a word."""
    rng = np.random.default_rng(2)
    lines, peaks = [], []
    for chrom in ("chr1", "chr2", "chr3"):
        parts = []
        for i in range(n):
            text = "".join(rng.choice(list("ACGT"), WIDTH))
            if planted:
                word = PLANTED[i % len(PLANTED)]
                for at in rng.choice(WIDTH // 7 - 1, 4, replace=False) * 7:
                    text = text[:at] + word + text[at + 6 :]
            parts.append(text)
            peaks.append(f"{chrom}\t{i * WIDTH}\t{(i + 1) * WIDTH}")
        lines += [f">{chrom}", "".join(parts)]
    (folder / "g.fa").write_text("\n".join(lines) + "\n")
    (folder / "p.bed").write_text("\n".join(peaks) + "\n")
    return kmerengine.dataset(
        folder / "p.bed", output=folder / "d", genome=folder / "g.fa", width=WIDTH,
        split=["validation=chr2", "test=chr3"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_data(tmp_path_factory.mktemp("data"))


def config(**training: Any) -> Config:
    return read_config(model="bindvae").changed(SMALL).changed({"training": training})


def state(run: Run, name: str = "last.safetensors") -> dict[str, Tensor]:
    return read_checkpoint(run.path / name)[0]


def rows(run: Run) -> list[dict[str, Any]]:
    timed = ("seconds", "validation_seconds", "examples_per_second")
    read = pq.read_table(run.path / "metrics.parquet").to_pylist()
    return [{k: v for k, v in row.items() if k not in timed} for row in read]


def assert_same(one: Run, other: Run) -> None:
    for name in ("last.safetensors", "best.safetensors"):
        a, b = state(one, name), state(other, name)
        assert a.keys() == b.keys()
        assert [key for key in a if not torch.equal(a[key], b[key])] == []
    assert rows(one) == rows(other)


def assert_close(one: Run, other: Run) -> None:
    """But for rounding, of which Adam makes steps where a gradient is nearly 0."""
    a, b = state(one), state(other)
    assert a.keys() == b.keys()
    for name, value in a.items():
        if name != "sums":
            off = (value - b[name]).norm() / (value.norm() + 1e-6)
            assert float(off) < 1e-3, name


def prior(run: Run) -> Tensor:
    return state(run)["model/prior"]


# ---------------------------------------------------------------------------- steps and burn-in


@pytest.mark.parametrize("steps", [3, 4, 8, 9])
def test_training_ends_after_so_many_steps(steps: int, data: Dataset, tmp_path: Path) -> None:
    """Four steps make an epoch; the last one is cut short, and measured."""
    run = train(config(steps=steps), data, tmp_path / "run")
    assert rows(run)[-1]["step"] == steps
    assert len(rows(run)) == -(-steps // 4)
    assert run.about["stopped"] == f"{steps} steps"
    assert int(state(run)["optimizer/decoder/step"]) == steps
    assert run.about["status"] == "finished"


def test_fewer_epochs_end_it_before(data: Dataset, tmp_path: Path) -> None:
    run = train(config(epochs=1), data, tmp_path / "run")
    assert [row["step"] for row in rows(run)] == [4]


def test_the_prior_is_frozen_for_its_steps_and_moves_then(data: Dataset, tmp_path: Path) -> None:
    first = prior(train(config(epochs=0), data, tmp_path / "first"))
    for frozen, steps in ((5, 5), (6, 5), (4, 3)):
        run = train(
            config(steps=steps, frozen={"prior": frozen}), data, tmp_path / f"{frozen}-{steps}"
        )
        assert torch.equal(prior(run), first)
        assert not [name for name in state(run) if name.startswith("optimizer/prior")]
    for frozen, steps in ((0, 1), (4, 5), (5, 7)):
        run = train(
            config(steps=steps, frozen={"prior": frozen}), data, tmp_path / f"{frozen}-{steps}"
        )
        assert (prior(run) != first).all()
        assert int(state(run)["optimizer/prior/step"]) == steps - frozen
    moved = train(config(steps=5, frozen={"prior": 5}), data, tmp_path / "others")
    before = state(Run.open(tmp_path / "first"))
    for name, value in state(moved).items():
        if name.startswith("model/") and name != "model/prior":
            assert not torch.equal(value, before[name]), name


def test_a_prior_below_the_clip_is_warned_of_and_stays(data: Dataset, tmp_path: Path) -> None:
    low = config(frozen={}).changed({"network": {"prior": 0.01}})
    with pytest.warns(UserWarning, match=r"network\.prior: found 0\.01.*\[0\.1, 1000\].*lowest"):
        run = train(low, data, tmp_path / "low")
    network = run.network()
    torch.testing.assert_close(network.alpha().detach(), torch.full((5,), 0.1).double())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        free = low.changed({"network": {"lowest": 0.001}})
        other = train(free, data, tmp_path / "free").network()
    assert (other.alpha() != 0.01).any()
    high = config().changed({"network": {"prior": 2000}})
    with pytest.warns(UserWarning, match=r"found 2000.*\[0\.1, 1000\].*set network\.highest$"):
        high.for_dataset(data)


def test_examples_without_any_word_cannot_be_learnt(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">chr1\n" + "N" * 400 + "\n")
    (tmp_path / "p.bed").write_text("".join(f"chr1\t{i}\t{i + 40}\n" for i in range(0, 400, 40)))
    unknown = kmerengine.dataset(
        tmp_path / "p.bed", output=tmp_path / "d", genome=tmp_path / "g.fa", width=40
    )
    with pytest.raises(InputError, match="found no word of 4 bases A C G T in 10 examples"):
        train(config(), unknown, tmp_path / "run")


def test_sequences_shorter_than_a_word(data: Dataset, tmp_path: Path) -> None:
    spec = Vocabulary.masks(["100000000001"]).spec
    long = config().changed({"network": {"vocabulary": spec}})
    assert long.for_dataset(data) == long
    (tmp_path / "p.bed").write_text("chr1\t100\t140\n")
    narrow = kmerengine.dataset(
        tmp_path / "p.bed", output=tmp_path / "d", genome=data.path.parent / "g.fa", width=10
    )
    with pytest.raises(InputError, match="has 10 bp of sequence, expected at least the 12 of a"):
        long.for_dataset(narrow)


# ---------------------------------------------------------------------------- the fused step


@pytest.mark.parametrize("change", [{}, {"optimizer": "adamw", "weight_decay": 1.0}])
def test_the_fused_step_is_adam_but_for_rounding(
    change: dict[str, Any], data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = train(config(**change), data, tmp_path / "fused")
    began = Stepper.__init__

    def plain(self: Stepper, *args: Any, **more: Any) -> None:
        began(self, *args, **more)
        assert isinstance(self.model, TakesSteps)
        assert self.model.takes_steps
        self.model.takes_steps = False

    monkeypatch.setattr(Stepper, "__init__", plain)
    other = train(config(**change), data, tmp_path / "plain")
    assert_close(fused, other)
    for a, b in zip(rows(fused), rows(other), strict=True):
        for name, value in a.items():
            assert b[name] == pytest.approx(value, rel=1e-4), name
    names = {name for name in state(fused) if name.startswith("optimizer/")}
    assert {f"optimizer/{n}/exp_avg" for n in ("embedding", "decoder")} <= names


@pytest.mark.parametrize(
    "change",
    [
        {"clip_norm": 1e9},
        {"accumulate": 2},
        {"weight_decay": 1e-12},
        {"optimizer": "sgd", "learning_rate": 1e-6},
        {"l2": 1e-12},
    ],
)
def test_gradients_are_made_where_something_needs_them(
    change: dict[str, Any], data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    step = Stepper.step

    def look(self: Stepper) -> None:
        seen.append(self.parameters["decoder"].grad is not None)
        step(self)

    monkeypatch.setattr(Stepper, "step", look)
    train(config(steps=2, **change), data, tmp_path / "run")
    train(config(steps=2), data, tmp_path / "other")
    assert seen == [True, True, False, False]


def test_a_frozen_matrix_stays(data: Dataset, tmp_path: Path) -> None:
    first = state(train(config(epochs=0), data, tmp_path / "first"))
    run = train(config(steps=4, frozen={"decoder": 4, "embedding": 3}), data, tmp_path / "run")
    assert torch.equal(state(run)["model/decoder"], first["model/decoder"])
    assert not torch.equal(state(run)["model/embedding"], first["model/embedding"])
    assert int(state(run)["optimizer/embedding/step"]) == 1


def test_bfloat16_trains_to_nearly_the_same(data: Dataset, tmp_path: Path) -> None:
    plain = rows(train(config(), data, tmp_path / "plain"))
    half = rows(train(config(amp=True), data, tmp_path / "half"))
    assert half[-1]["train_loss"] == pytest.approx(plain[-1]["train_loss"], rel=0.01)
    assert half != plain


# ---------------------------------------------------------------------------- resuming, ranks


@pytest.mark.parametrize("stop", [3, 5, 6])
def test_what_was_interrupted_around_the_burn_in_ends_with_the_same_bits(
    stop: int, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prior is frozen for 5 steps; a checkpoint at every step, and no more of them."""
    whole = train(config(checkpoint_steps=1), data, tmp_path / "whole")
    step = Stepper.step

    def until(self: Stepper) -> None:
        if self.step_number == stop:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(Stepper, "step", until)
    with pytest.raises(KeyboardInterrupt):
        train(config(checkpoint_steps=1), data, tmp_path / "cut")
    monkeypatch.undo()
    held = read_checkpoint(tmp_path / "cut" / "last.safetensors")[1]["state"]
    assert held["step"] == stop
    assert_same(train(None, data, tmp_path / "cut", resume=True), whole)


def test_a_finished_run_has_no_more_steps_to_take(data: Dataset, tmp_path: Path) -> None:
    run = train(config(), data, tmp_path / "run")
    before = state(run), rows(run)
    again = train(None, data, tmp_path / "run", resume=True)
    assert rows(again) == before[1]
    assert all(torch.equal(value, before[0][name]) for name, value in state(again).items())


def command(data: Dataset, output: Path) -> list[str]:
    given = output.parent / "c.json"
    given.write_text(config(checkpoint_steps=3).model_dump_json())
    return ["train", str(given), "--data", str(data.path), "-o", str(output)]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


DIES = """
import os, signal
from modelkit.cli import main
from modelkit.training.optimizer import Stepper
whole = Stepper.step
def step(self):
    if self.step_number == int(os.environ["DIES_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self)
Stepper.step = step
main()
"""


def test_a_killed_run_ends_with_the_same_bits(data: Dataset, tmp_path: Path) -> None:
    """SIGKILL before the burn-in ends and after it, between checkpoints."""
    words = command(data, tmp_path / "killed")
    for dies_at, more in ((4, []), (7, ["--resume"])):
        died = subprocess.run(
            [sys.executable, "-c", DIES, *words, *more],
            env=environment() | {"DIES_AT": str(dies_at)}, check=False,
        )  # fmt: skip
        assert died.returncode == -signal.SIGKILL
        held = read_checkpoint(tmp_path / "killed" / "last.safetensors")[1]["state"]
        assert held["step"] == dies_at // 3 * 3 + (dies_at == 4)  # epochs end at 4 and at 8
    run = train(None, data, tmp_path / "killed", resume=True)
    whole = train(config(checkpoint_steps=3), data, tmp_path / "whole", threads=1)
    assert_same(run, whole)


def test_two_ranks_are_one(data: Dataset, tmp_path: Path) -> None:
    """Of what does not depend on samples, which every rank draws for itself: all, at the mean."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = str(_mean_script(tmp_path))
    together = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    for name, start in (("two", together), ("one", [])):
        words = command(data, tmp_path / name)
        found = subprocess.run(
            [sys.executable, *start, script, *words],
            env=environment(), capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert found.returncode == 0, found.stderr[-2000:]
        assert ("2 ranks" in found.stderr) == (name == "two")
    a, b = Run.open(tmp_path / "one"), Run.open(tmp_path / "two")
    for x, y in zip(rows(a), rows(b), strict=True):
        for name, value in x.items():
            assert y[name] == pytest.approx(value, rel=1e-5), name
    assert_close(a, b)


def _mean_script(folder: Path) -> Path:
    """The command, with proportions that are means in place of samples."""
    path = folder / "at_the_mean.py"
    path.write_text(
        "from torch.distributions import Dirichlet\n"
        "Dirichlet.rsample = lambda self: self.mean\n"
        "from modelkit.cli import main\n"
        "main()\n"
    )
    return path


# ---------------------------------------------------------------------------- what it learns


def unigram_perplexity(task: Any) -> float:
    """Of held-out peaks by the features' shares in training, one more of each."""
    counts = np.ones(task.vocabulary.n_features)
    share: dict[str, list[float]] = {}
    for split in ("train", "validation"):
        batches = task.batches(
            task.rows(split), training=False, batch_size=50, device=torch.device("cpu")
        )
        dense = [b.features.dense(len(b.rows), torch.float64).numpy() for b in batches.batches(0)]
        x = np.concatenate(dense)
        if split == "train":
            counts += x.sum(0)
        share[split] = (-(x @ np.log(counts / counts.sum())) / x.sum(1)).tolist()
    return float(np.exp(np.mean(share["validation"])))


def test_planted_words_are_learnt(tmp_path: Path) -> None:
    """Held-out peaks cost less than by the training unigram, divergence and all; and the topics
    are the words: the model of peaks without words learns nothing.
    """
    options = config(steps=500, learning_rate=0.01, frozen={"prior": 250}, batch_size=50).changed(
        {"network": {"topics": 5, "hidden": (30,), "prior": 1.0}}
    )
    found = {}
    for planted in (True, False):
        folder = tmp_path / str(planted)
        folder.mkdir()
        data = make_data(folder, n=200, planted=planted)
        run = train(options, data, folder / "run")
        metrics = evaluate(run, data, split="validation", compare=False).metrics["model"]
        task = MODELS["bindvae"].task(run.config, data)
        found[planted] = metrics["perplexity"] / unigram_perplexity(task)
        if planted:
            theta = run.network().theta().detach()
            top = {
                task.vocabulary.word(int(feature))
                for topic in theta
                for feature in topic.topk(3).indices
            }
            pairs = str.maketrans("ACGT", "TGCA")
            for word in PLANTED:
                both = (word, word.translate(pairs)[::-1])
                assert any(_matches(each, text) for each in top for text in both), (word, top)
    assert found[True] < 0.97
    assert found[False] > 0.97


def _matches(feature: str, text: str) -> bool:
    n = len(feature)
    return any(
        all(a in ("N", b) for a, b in zip(feature, text[i : i + n], strict=True))
        for i in range(len(text) - n + 1)
    )


def test_the_trainer_is_told_whether_it_is_alone(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other ranks gradients are averaged, and must be made."""
    seen = []
    began = Trainer.__init__

    def look(self: Trainer, *args: Any) -> None:
        began(self, *args)
        seen.append(self.network.takes_steps)
        seen.append(Stepper(self.network, self.options, alone=False).model.takes_steps)  # type: ignore[union-attr]

    monkeypatch.setattr(Trainer, "__init__", look)
    train(config(epochs=0), data, tmp_path / "run")
    assert seen == [True, False]
