"""Models of labels: loss, penalty and metrics by their formulas; training; what is measured."""

import json
import math
import os
import socket
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from label_world import LENGTH, SMALL, WORDS, make_labels, small_config, write_labels
from sklearn.metrics import (
    auc,
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
)

from kmerengine import InputError
from modelkit.cli import main
from modelkit.inference.evaluate import evaluate
from modelkit.inference.trials import Trials, evaluate_trials
from modelkit.registry import MODELS
from modelkit.tasks.label_config import LabelConfig
from modelkit.training.checkpoint import read_checkpoint
from modelkit.training.loop import Silent
from modelkit.training.optimizer import Stepper
from modelkit.training.run import Run
from modelkit.training.several import train_seeds
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
NAMES = tuple(WORDS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_labels(tmp_path_factory.mktemp("labels"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(small_config(), data, tmp_path_factory.mktemp("runs") / "run")


def state(run, name="last.safetensors"):
    return read_checkpoint(run.path / name)[0]


def same(one, other):
    a, b = state(one), state(other)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def made(data, *changes):
    config = small_config(*changes).for_dataset(data)
    torch.manual_seed(0)
    entry = MODELS["koo"]
    return config, entry.task(config, data), entry.model(config.network)


def batch_of(task, rows, size=20):
    loader = task.batches(np.asarray(rows), training=False, batch_size=size, device=CPU)
    return next(iter(loader.batches(0)))


class Says(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = torch.as_tensor(logits)

    def forward(self, _):
        return self.logits


def test_the_data_fill_the_config_in(data):
    config, task, network = made(data)
    assert (config.network.classes, config.network.length) == (len(NAMES), LENGTH)
    assert task.names == NAMES
    assert (task.select, set(task.heads)) == ("loss", {"logit", "probability"})
    assert network.output.out_features == len(NAMES)
    for name in ("train", "validation", "test"):
        assert task.rows(name).tolist() == data.split(name).tolist()
    with pytest.raises(InputError, match="split: found 'valid', expected one of train"):
        task.rows("valid")


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_the_loss_is_binary_cross_entropy(data, scale):
    """From probabilities in float64; and where even those are 0 or 1, from the logits."""
    _, task, _ = made(data)
    batch = batch_of(task, data.split("train")[:20])
    y = data.labels[data.split("train")[:20]].astype(np.float64)
    logits = np.random.default_rng(0).normal(0, scale, y.shape).astype(np.float32)
    x = logits.astype(np.float64)
    tails = np.logaddexp(0, -x) * y + np.logaddexp(0, x) * (1 - y)
    known = np.abs(x) < 20
    p = 1 / (1 + np.exp(-x[known]))
    each = -(y[known] * np.log(p) + (1 - y[known]) * np.log(1 - p))
    np.testing.assert_allclose(each, tails[known], rtol=1e-5)
    losses = task.losses(Says(logits), batch)
    assert losses.parts == {}
    assert float(losses.loss) == pytest.approx(tails.mean(), rel=1e-6)
    observed = task.observe(Says(logits), batch)
    np.testing.assert_allclose(observed["loss"].numpy(), tails.mean(1), rtol=1e-5, atol=1e-30)
    assert observed["label"].dtype == torch.uint8
    assert observed["label"].tolist() == y.astype(int).tolist()
    assert observed["row"].tolist() == data.split("train")[:20].tolist()


@pytest.mark.parametrize("preset", ["paper", "code"])
def test_the_penalty_is_the_sum_of_squares_of_convolutions_and_dense_layers(data, preset):
    """loss + l2 * sum(w**2), without a half, as a step of size 1 down its gradient shows."""
    assert small_config(preset=preset).training.l2 == 1e-6
    config, task, network = made(data, "training.l2=0.05", "network.conv_dropout=0",
                                 "network.dense_dropout=0")  # fmt: skip
    options = config.training.model_copy(update={"optimizer": "sgd", "learning_rate": 1.0})
    network.train().double()
    batch = batch_of(task, data.split("train")[:20])
    batch = batch._replace(sequence=batch.sequence.double())
    before = {name: each.detach().clone() for name, each in network.named_parameters()}
    penalty = sum(
        (each**2).sum()
        for name, each in network.named_parameters()
        if name in ("convs.0.conv.weight", "convs.1.conv.weight", "dense.conv.weight",
                    "output.weight")
    )  # fmt: skip
    whole = task.losses(network, batch).loss + 0.05 * penalty
    expected = torch.autograd.grad(whole, list(network.parameters()))
    stepper = Stepper(network, options)
    task.losses(network, batch).loss.backward()
    stepper.step()
    for (name, now), gradient in zip(network.named_parameters(), expected, strict=True):
        torch.testing.assert_close(before[name] - now, gradient, rtol=1e-7, atol=1e-10, msg=name)
    assert float(expected[0].abs().max()) > 1e-3


def observed(labels, logits):
    x, y = logits.astype(np.float64), labels
    loss = (np.logaddexp(0, -x) * y + np.logaddexp(0, x) * (1 - y)).mean(1)
    return {"row": np.arange(len(y)), "loss": loss, "label": y.astype(np.uint8), "logit": logits}


def some(n=200, classes=4, seed=2):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, classes)) < [0.5, 0.1, 0.3, 0.02]).astype(np.uint8)
    logits = rng.normal(size=labels.shape) + labels * [2, 0.5, 0, 1]
    return labels, np.round(logits, 1).astype(np.float32)  # with ties


@pytest.mark.parametrize("kind", ["trapezoid", "average-precision"])
def test_metrics_are_scikit_learns(data, kind):
    _, task, _ = made(data, f"objective.auprc={kind}")
    labels, logits = some()
    areas = []
    for y, x in zip(labels.T, logits.T, strict=True):
        precision, recall, _ = precision_recall_curve(y, x)
        areas.append(
            auc(recall, precision) if kind == "trapezoid" else average_precision_score(y, x)
        )
    roc = [roc_auc_score(y, x) for y, x in zip(labels.T, logits.T, strict=True)]
    given = observed(labels, logits)
    by_name = task.by_name(given)
    assert by_name["auroc"].tolist() == pytest.approx(roc)
    assert by_name["auprc"].tolist() == pytest.approx(areas)
    found = task.metrics(given)
    assert found == pytest.approx(
        {"loss": given["loss"].mean(), "auroc": np.mean(roc), "auprc": np.mean(areas),
         "n_undefined": 0}
    )  # fmt: skip
    probabilities = 1 / (1 + np.exp(-logits))  # whatever rises with the logits
    assert task.by_name(observed(labels, probabilities))["auroc"].tolist() == pytest.approx(roc)


def test_a_class_without_positives_or_negatives_has_no_area_and_does_not_count(data):
    _, task, _ = made(data)
    labels, logits = some()
    labels[:, 1], labels[:, 3] = 0, 1
    given = observed(labels, logits)
    by_name = task.by_name(given)
    roc = [roc_auc_score(labels[:, i], logits[:, i]) for i in (0, 2)]
    for values in by_name.values():
        assert np.isnan(values).tolist() == [False, True, False, True]
    found = task.metrics(given)
    assert found["auroc"] == pytest.approx(np.mean(roc))
    assert found["auprc"] == pytest.approx(np.mean(by_name["auprc"][[0, 2]]))
    assert found["n_undefined"] == 2
    none = task.metrics(observed(np.zeros_like(labels), logits))
    assert math.isnan(none["auroc"])
    assert math.isnan(none["auprc"])
    assert none["n_undefined"] == 4
    assert np.isfinite(none["loss"])


def test_planted_words_are_learnt_and_labels_at_random_are_not(tmp_path):
    changes = ("training.epochs=12", "training.learning_rate=0.01", "network.filters=[16, 16]",
               "network.dense_dropout=0.1")  # fmt: skip
    found = []
    for at_random in (False, True):
        folder = tmp_path / str(at_random)
        data = make_labels(folder, n=(1500, 200, 300), at_random=at_random)
        found.append(evaluate(train(small_config(*changes), data, folder / "run"), data))
    learnt, chance = (each.metrics["model"] for each in found)
    assert learnt["auroc"] > 0.9
    assert learnt["auprc"] > 0.85
    assert min(found[0].by_name["model"]["auroc"]) > 0.85
    assert 0.4 < chance["auroc"] < 0.6
    assert chance["auprc"] < 0.52  # of 0.4 positives
    assert learnt["loss"] < 0.3 < 0.6 < chance["loss"]  # ln 2 knows nothing


def test_the_weights_of_the_lowest_validation_loss_are_kept(run, data):
    rows = pq.read_table(run.path / "metrics.parquet").to_pylist()
    measured = [row for row in rows if row.get("validation_loss") is not None]
    best = min(measured, key=lambda row: row["validation_loss"])
    assert run.about["best"]["epoch"] == best["epoch"]
    assert run.about["tasks"] == list(NAMES)
    found = evaluate(run, data, split="validation").metrics["model"]
    for name, value in found.items():
        assert value == pytest.approx(best[f"validation_{name}"], rel=1e-5), name


class Stops(Silent):
    """Ends a training after so many steps, as Ctrl-C does."""

    def __init__(self, after):
        self.left = after

    def stepped(self, epoch, done, of):  # noqa: ARG002
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_a_run_that_goes_on_has_the_bits_of_one_that_was_never_stopped(run, data, tmp_path):
    config = small_config("training.checkpoint_steps=1")
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "run", reporter=Stops(9))  # in the second of three epochs
    assert Run.open(tmp_path / "run").about["status"] == "training"
    again = train(None, data, tmp_path / "run", resume=True)
    assert again.about["status"] == "finished"
    assert same(again, run)
    assert again.about["best"] == run.about["best"]
    with_seed = train(small_config("training.seed=1"), data, tmp_path / "other")
    assert not same(with_seed, run)


def command(data, output, *changes):
    sets = [part for change in [*SMALL, *changes] for part in ("--set", change)]
    return ["train", "--model", "koo", "--data", str(data.path), "-o", str(output), *sets]


def test_two_ranks_train_as_one(data, tmp_path):
    """Batch norms over both; dropout is drawn by each rank for itself, so it is left out."""
    still = ("network.conv_dropout=0", "network.dense_dropout=0", "training.batch_size=30",
             "training.optimizer=sgd", "training.learning_rate=0.1")  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
         "--master-port", str(port), "-m", "modelkit", *command(data, tmp_path / "two", *still)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 ranks" in done.stderr
    one = train(small_config(*still), data, tmp_path / "one", threads=1)
    two = Run.open(tmp_path / "two")
    for name, value in state(one).items():
        if name != "sums":
            torch.testing.assert_close(state(two)[name], value, rtol=1e-3, atol=1e-5, msg=name)
    first, second = (evaluate(each, data).metrics["model"] for each in (one, two))
    assert second == pytest.approx(first, rel=1e-4)


def test_seeds_are_trials_that_can_go_on(data, run, tmp_path):
    config = small_config("training.seed=7", "training.epochs=2")
    runs = train_seeds(config, data, tmp_path / "t", 2)
    assert [each.path.name for each in runs] == ["seed-7", "seed-8"]
    assert [each.config.training.seed for each in runs] == [7, 8]
    alone = train(config.changed({"training": {"seed": 8}}), data, tmp_path / "alone")
    assert same(alone, runs[1])
    assert not same(*runs)
    begun = runs[0].about["begun"]
    (runs[1].path / "run.json").unlink()  # killed as it began
    again = train_seeds(config, data, tmp_path / "t", 3, resume=True)
    assert [each.path.name for each in again] == ["seed-7", "seed-8", "seed-9"]
    assert again[0].about["begun"] == begun
    assert same(again[1], alone)


def test_seeds_from_the_command_line(data, tmp_path):
    words = [*command(data, tmp_path / "t", "training.epochs=1"), "--seeds", "2"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    runs = train_seeds(small_config("training.epochs=1"), data, tmp_path / "f", 2)
    for each in runs:
        assert same(Run.open(tmp_path / "t" / each.path.name), each)
    for more, said in (
        (["--folds", "3"], "--folds and --seeds, expected one"),
        (["--seeds", "0"], "seeds: found 0, expected at least 1"),
    ):
        done = CliRunner().invoke(main, [*words[:3], *words[3:], *more])
        assert done.exit_code == 1
        assert said in done.stderr
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "exists" in done.stderr
    alone = ["train", "--data", str(data.path), "-o", str(tmp_path / "t"), "--resume", "--seeds",
             "2"]  # fmt: skip
    assert "without CONFIG or --model" in CliRunner().invoke(main, alone).stderr


# --- what is measured


def test_evaluate_has_each_class_and_their_spread(run, data, tmp_path):
    found = evaluate(run, data, tmp_path / "e")
    network = run.network()
    rows = data.split("test")
    x = np.eye(5, 4, dtype=np.float32)[np.minimum(data.sequence[rows], 4)]
    with torch.no_grad():
        logits = network(torch.from_numpy(x).mT).numpy()
    labels = data.labels[rows]
    areas = [roc_auc_score(labels[:, i], logits[:, i]) for i in range(len(NAMES))]
    assert found.names == NAMES
    assert found.by_name["model"]["auroc"].tolist() == pytest.approx(areas)
    mean, sd, n = found.over_names()["auroc"]
    assert (mean, sd, n) == pytest.approx((np.mean(areas), np.std(areas), 3))
    assert mean == pytest.approx(found.metrics["model"]["auroc"])
    table = pq.read_table(tmp_path / "e" / "by_name.parquet")
    assert table["name"].to_pylist() == list(NAMES)
    assert table["auroc"].to_pylist() == pytest.approx(areas)
    summary = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert summary["over_names"]["model"]["auroc"] == pytest.approx(
        {"mean": mean, "sd": sd, "n": 3}
    )
    lines = found.lines()
    at = lines.index(next(line for line in lines if line.startswith("by name")))
    assert lines[at].split()[2:] == ["auroc", "auprc"]
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == list(NAMES)
    assert lines[at + 1].split()[1] == f"{areas[0]:.4f}"
    assert lines[at + 4].startswith("mean ± sd over 3 ")
    assert f"{mean:.4f} ± {sd:.4f}" in lines[at + 4]


def test_a_class_that_is_not_in_the_split_is_a_dash_and_null(run, data, tmp_path):
    labels = data.labels.copy()
    labels[data.split("test"), 1] = 0
    splits = np.repeat(["train", "validation", "test"], (150, 50, 75))
    other = write_labels(tmp_path / "w", np.array(data.sequence), labels, NAMES, splits)
    found = evaluate(run, other, tmp_path / "e")
    assert found.metrics["model"]["n_undefined"] == 1
    assert found.over_names()["auroc"].n == 2
    table = pq.read_table(tmp_path / "e" / "by_name.parquet")
    assert table["auroc"].is_null().to_pylist() == [False, True, False]
    assert next(line for line in found.lines() if line.startswith("tal")).split() == [
        "tal", "-", "-"
    ]  # fmt: skip
    assert "NaN" not in (tmp_path / "e" / "metrics.json").read_text()


def test_one_class_is_one(tmp_path):
    data = make_labels(tmp_path / "w", words={"tal": WORDS["tal"]})
    run = train(small_config("training.epochs=1"), data, tmp_path / "run")
    found = evaluate(run, data, resamples=5)
    assert found.names == ("tal",)
    assert found.over_names()["auroc"] == (found.metrics["model"]["auroc"], 0, 1)
    assert found.examples["model"]["loss"].shape == (75,)


def test_of_many_names_the_spread_alone_is_printed(run, data):
    found = evaluate(run, data, resamples=5)
    areas = np.linspace(0, 1, 919)
    many = found._replace(
        names=tuple(f"n{i}" for i in range(919)), by_name={"model": {"auroc": areas}}
    )
    text = many.lines()[-3:]
    assert text[1] == "919 names: --output writes them all"
    assert f"{0.5:.4f} ± {areas.std():.4f}" in text[2]
    assert Trials(("a", "b"), (many, many)).lines()[-2:][0] == text[1]


@pytest.fixture(scope="module")
def trials(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trials")
    return [
        train(small_config(f"training.seed={s}"), data, folder / f"seed-{s}") for s in (0, 5, 9)
    ]


def test_trials_have_both_spreads(trials, data, tmp_path):
    found = evaluate_trials(trials, data, tmp_path / "t", resamples=20)
    each = [evaluate(run, data, resamples=20) for run in trials]
    areas = np.array([one.by_name["model"]["auroc"] for one in each])  # trials x classes
    assert len({float(a) for a in areas.mean(1)}) == 3
    assert found.runs == ("seed-0", "seed-5", "seed-9")
    over = found.over_trials()["auroc"]
    assert over == pytest.approx((areas.mean(1).mean(), areas.mean(1).std(), 3))
    by_name = found.by_name()["auroc"]
    for i in range(3):
        assert by_name[i] == pytest.approx((areas[:, i].mean(), areas[:, i].std(), 3))
    assert found.over_names()["auroc"] == pytest.approx((areas.mean(), areas.mean(0).std(), 3))
    table = pq.read_table(tmp_path / "t" / "by_name.parquet").to_pydict()
    assert table["name"] == list(NAMES)
    assert table["auroc_mean"] == pytest.approx(areas.mean(0).tolist())
    assert table["auroc_sd"] == pytest.approx(areas.std(0).tolist())
    assert table["seed-5.auroc"] == pytest.approx(areas[1].tolist())
    summary = json.loads((tmp_path / "t" / "trials.json").read_text())
    assert [trial["run"] for trial in summary["trials"]] == list(found.runs)
    assert summary["over_trials"]["auroc"]["sd"] == pytest.approx(over.sd)
    again = tmp_path / "alone"
    evaluate(trials[1], data, again, resamples=20)
    for name in ("examples.parquet", "by_name.parquet", "metrics.json"):
        assert (tmp_path / "t" / "trial-1" / name).read_bytes() == (again / name).read_bytes()
    text = "\n".join(found.lines())
    assert f"{over.mean:.4f} ± {over.sd:.4f}" in text
    assert f"{areas[:, 1].mean():.4f} ± {areas[:, 1].std():.4f}" in text
    assert f"{areas.mean():.4f} ± {areas.mean(0).std():.4f}" in text


def test_the_command_measures_one_run_or_several(trials, data, tmp_path):
    words = ["--data", str(data.path), "--resamples", "20", "-q"]
    one = CliRunner().invoke(main, ["evaluate", str(trials[0].path), *words])
    assert one.exit_code == 0, one.output
    assert one.stdout.splitlines()[1:] == evaluate(trials[0], data, resamples=20).lines()
    paths = [str(run.path) for run in trials]
    several = CliRunner().invoke(main, ["evaluate", *paths, *words, "-o", str(tmp_path / "t")])
    assert several.exit_code == 0, several.output
    found = evaluate_trials(trials, data, resamples=20)
    assert several.stdout.splitlines()[1:] == found.lines()
    assert sorted(each.name for each in (tmp_path / "t").iterdir()) == [
        "by_name.parquet", "trial-0", "trial-1", "trial-2", "trials.json"
    ]  # fmt: skip
    as_json = CliRunner().invoke(main, ["evaluate", *paths, *words, "--json"])
    assert json.loads(as_json.stdout)["over_trials"].keys() == found.over_trials().keys()


class TestWhatIsRefused:
    def test_data_without_labels(self, tmp_path):
        (tmp_path / "g.fa").write_text(">c\n" + "ACGTTGCA" * 20 + "\n")
        (tmp_path / "r.bed").write_text("c\t10\t70\n")
        import kmerengine

        bare = kmerengine.dataset(
            tmp_path / "r.bed", genome=tmp_path / "g.fa", output=tmp_path / "d", width=LENGTH
        )
        with pytest.raises(InputError, match="has no labels, expected some; make it with --labels"):
            train(small_config(), bare, tmp_path / "run")

    def test_data_of_another_size(self, data):
        with pytest.raises(InputError, match=r"network\.length: found 70, but .* has 60"):
            small_config("network.length=70").for_dataset(data)
        with pytest.raises(InputError, match=r"network\.classes: found 2, but .* has 3"):
            small_config("network.classes=2").for_dataset(data)
        assert isinstance(small_config(), LabelConfig)

    def test_classes_in_another_order(self, run, data, tmp_path):
        splits = np.repeat(["train", "validation", "test"], (150, 50, 75))
        other = write_labels(
            tmp_path / "w", np.array(data.sequence), data.labels, NAMES[::-1], splits
        )
        with pytest.raises(InputError, match=r"has sp1, tal, gata, .* learnt gata, tal, sp1"):
            evaluate(run, other)

    def test_trials_of_other_runs(self, run, trials, data, tmp_path):
        with pytest.raises(InputError, match="runs: found none"):
            evaluate_trials([], data)
        with pytest.raises(InputError, match="twice, expected each once"):
            evaluate_trials([run, run], data)
        words = dict(list(WORDS.items())[:2])
        two = make_labels(tmp_path / "two", words=words)
        fewer = train(small_config("training.epochs=1"), two, tmp_path / "fewer")
        with pytest.raises(InputError, match="found another names"):
            evaluate_trials([run, fewer], data)
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "x").touch()
        with pytest.raises(InputError):
            evaluate_trials(trials, data, tmp_path / "mine", force=True)
