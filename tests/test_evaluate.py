"""Measures of trained models, of what they must beat, and of replicates."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import pearsonr, spearmanr
from small_data import SMALL, WINDOW, make_data

from kmerengine import Dataset, InputError
from kmerengine.datasets.with_bias import with_bias
from modelkit.cli import main
from modelkit.config_files import read_config
from modelkit.inference.evaluate import evaluate
from modelkit.registry import MODELS
from modelkit.training.run import Run
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = read_config(model="bpaitac", changes=SMALL)
    return train(config, data, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of nine tasks."""
    folder = tmp_path_factory.mktemp("many")
    nine = make_data(folder, n_samples=9)
    return train(read_config(model="bpaitac", changes=SMALL), nine, folder / "run")


def window_of(array: Any, data: Dataset) -> Any:
    assert data.window is not None
    return np.asarray(array)[..., data.window[0] : data.window[1]].astype(np.float64)


def test_the_model_is_measured_as_training_measured_it(run: Run, data: Dataset) -> None:
    best = run.about["best"]["epoch"]
    assert best > 0
    row = pq.read_table(run.path / "metrics.parquet").to_pylist()[best]
    found = evaluate(run, data, split="validation").metrics["model"]
    for name, value in found.items():  # a correlation near 0 is a difference of float32 sums
        assert value == pytest.approx(row[f"validation_{name}"], rel=1e-5, abs=1e-6), name


def test_baselines_against_their_formulas(run: Run, data: Dataset) -> None:
    found = evaluate(run, data)
    counts, bias = window_of(data.counts, data), window_of(data.bias, data)
    rows = data.split("train")
    n = counts[rows].sum(-1, keepdims=True)
    shares = np.divide(counts[rows], n, out=np.zeros_like(counts[rows]), where=n > 0)
    mean = (shares.sum(0) + 1 / WINDOW) / ((n > 0).sum(0) + 1)
    test = data.split("test")

    def entropy(logits: Any, rows: Any) -> float:
        k = counts[rows]
        total = k.sum(-1)
        log_p = logits - logsumexp(logits, axis=-1, keepdims=True)
        each = -(k * log_p).sum(-1)[total > 0] / total[total > 0]
        return float(each.mean())

    expected = {"mean profile": entropy(np.broadcast_to(np.log(mean), counts[test].shape), test)}
    for name, base in (("bias", np.zeros_like(mean)), ("bias x mean profile", np.log(mean))):
        best = minimize_scalar(
            lambda f, base=base: entropy(base + f * bias[rows][:, None], rows)
        ).x  # fmt: skip
        expected[name] = entropy(base + best * bias[test][:, None], test)
    for name, value in expected.items():
        assert found.metrics[name]["cross_entropy"] == pytest.approx(value, rel=1e-6), name
    assert len(set(expected.values())) == 3


def test_a_data_set_is_its_own_perfect_replicate(run: Run, data: Dataset) -> None:
    found = evaluate(run, data, replicates=(data.path, data.path)).metrics["replicate"]
    assert found["profile_pearson"] == pytest.approx(1, abs=1e-5)
    assert found["jsd"] == pytest.approx(0, abs=1e-5)
    assert found["pearson_across_regions"] == pytest.approx(1)


def test_replicates_are_scored_against_each_other(
    run: Run, data: Dataset, tmp_path: Path
) -> None:
    halves = []
    for i in range(2):
        (tmp_path / str(i)).mkdir()
        halves.append(make_data(tmp_path / str(i), seed=5 + i))
    # the genome differs by seed, the regions do not
    found = evaluate(run, data, replicates=(halves[0].path, halves[1].path))
    a, b = (window_of(half.counts, half)[data.split("test")] for half in halves)
    r = [
        pearsonr(a[i, t], b[i, t]).statistic
        for i in range(len(a))
        for t in range(2)
        if b[i, t].sum() > 0 and np.ptp(a[i, t]) > 0 and np.ptp(b[i, t]) > 0
    ]
    n_profiles = int((b.sum(-1) > 0).sum())
    assert found.metrics["replicate"]["profile_pearson"] == pytest.approx(
        sum(r) / n_profiles, abs=1e-5
    )


def test_intervals_are_of_the_measures_of_each_example(run: Run, data: Dataset) -> None:
    found = evaluate(run, data, resamples=200)
    measures = found.examples["model"]
    assert measures["row"].tolist() == data.split("test").tolist()
    for name, interval in found.intervals["model"].items():
        if name == "row":
            continue
        values = measures[name][~np.isnan(measures[name])]
        assert interval.value == pytest.approx(values.mean())
        assert interval.low < interval.value < interval.high


def test_correlations_by_task_are_those_of_its_totals(
    run: Run, data: Dataset, tmp_path: Path
) -> None:
    found = evaluate(run, data, tmp_path / "e", replicates=(data.path, data.path))
    assert found.names == data.samples
    rows = data.split("test")
    codes = np.minimum(np.asarray(data.sequence)[rows], 4)
    x = np.eye(5, 4, dtype=np.float32)[codes]
    with torch.no_grad():
        y = run.network()(torch.from_numpy(x).mT).totals.numpy().astype(np.float64)
    n = window_of(data.counts, data)[rows].sum(-1)
    measures = found.by_name["model"]
    for t in range(len(data.samples)):
        expected = {
            "pearson_across_regions": pearsonr(y[:, t], n[:, t]).statistic,
            "spearman_across_regions": spearmanr(y[:, t], n[:, t]).statistic,
            "log_pearson_across_regions": pearsonr(np.log1p(y[:, t]), np.log1p(n[:, t])).statistic,
        }
        for name, value in expected.items():
            assert measures[name][t] == pytest.approx(value, rel=1e-4), name
    for name, values in measures.items():
        assert values.mean() == pytest.approx(found.metrics["model"][name])
    table = pq.read_table(tmp_path / "e" / "by_name.parquet")
    assert table["name"].to_pylist() == list(data.samples)
    assert table["replicate.pearson_across_regions"].to_pylist() == pytest.approx([1, 1])
    assert "mean_profile.pearson_across_regions" in table.schema.names
    lines = found.lines()
    at = next(i for i, line in enumerate(lines) if line.startswith("by name"))
    assert [line.split()[0] for line in lines[at + 1 : at + 3]] == list(data.samples)
    assert lines[-1].startswith("mean ± sd over 2 ")


def test_across_tasks_by_quartile_of_variation(many: Run) -> None:
    data = Dataset.open(many.path.parent / "d")
    found = evaluate(many, data)
    assert data.totals is not None
    totals = data.totals[data.split("test")]
    cv = totals.std(1) / totals.mean(1)
    quartile = np.searchsorted(np.quantile(cv, [0.25, 0.5, 0.75]), cv, side="left")
    r = found.examples["model"]["pearson_across_tasks"]
    for q in range(4):
        assert found.by_quartile["pearson_across_tasks"][f"quartile {q + 1}"] == pytest.approx(
            r[quartile == q].mean(), abs=0.02
        )
    top = totals.argmax(1)
    counts = window_of(data.counts, data)[data.split("test")]
    assert counts.sum(-1).argmax(1).tolist() == top.tolist()
    task = MODELS["bpaitac"].task(many.config, data)
    network = many.network()
    values = []
    with torch.no_grad():
        for batch in task.batches(
            data.split("test"), training=False, batch_size=4, device=CPU
        ).batches(0):
            values.append(task.observe(network, batch)["jsd"].numpy().copy())
    jsd = np.concatenate(values)
    np.testing.assert_allclose(found.examples["model"]["jsd_top"], jsd[np.arange(len(top)), top])


def test_what_is_written(run: Run, data: Dataset, tmp_path: Path) -> None:
    found = evaluate(run, data, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "examples.parquet")
    assert table.num_rows == found.n == len(data.split("test"))
    regions = data.regions.take(data.split("test"))
    assert table["start"].to_pylist() == regions["start"].to_pylist()
    np.testing.assert_array_equal(
        table["jsd"].to_numpy(), found.examples["model"]["jsd"]
    )
    assert "bias_x_mean_profile.jsd" in table.column_names
    summary = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert summary["metrics"]["model"]["jsd"] == found.metrics["model"]["jsd"]
    with pytest.raises(InputError, match="exists"):
        evaluate(run, data, tmp_path / "out")


def test_the_command_prints_what_the_function_returns(run: Run, data: Dataset) -> None:
    found = evaluate(run, data)
    line = ["evaluate", str(run.path), "--data", str(data.path)]
    said = CliRunner().invoke(main, line)
    assert said.exit_code == 0, said.output
    assert said.stdout.splitlines()[1:] == found.lines()
    assert f"{found.metrics['bias']['jsd']:.4f}" in said.stdout
    machine = json.loads(CliRunner().invoke(main, [*line, "--json"]).stdout)
    assert machine["metrics"] == found.metrics


class TestWhatIsRefused:
    def test_data_of_another_shift(self, run: Run, tmp_path: Path) -> None:
        other = make_data(tmp_path, shift="+4/-5")
        with pytest.raises(InputError, match=r"learnt cuts with shift \+4/-4, .* has shift \+4/-5"):
            evaluate(run, other)

    def test_data_whose_samples_are_in_another_order(self, run: Run, tmp_path: Path) -> None:
        other = make_data(tmp_path, samples=(1, 0))
        with pytest.raises(InputError, match=r"has s1, s0, .* learnt s0, s1"):
            evaluate(run, other)

    def test_data_of_other_tasks(self, run: Run, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"network\.tasks: found 2"):
            evaluate(run, make_data(tmp_path, n_samples=3))

    def test_a_split_that_is_not_there(self, tmp_path: Path) -> None:
        alone = make_data(tmp_path, split=["validation=chr2"])
        config = read_config(model="bpaitac", changes=[*SMALL, "training.epochs=0"])
        with pytest.raises(InputError, match="no example of 'test'"):
            evaluate(train(config, alone, tmp_path / "run"), alone)

    def test_regions_that_the_run_has_learnt_from(self, run: Run, tmp_path: Path) -> None:
        other = make_data(tmp_path, split=["validation=chr2", "test=chr1"])
        with pytest.raises(InputError, match="may know these regions"):
            evaluate(run, other)
        assert evaluate(run, other, split="all").n == len(other)

    def test_replicates_of_another_shift(self, run: Run, data: Dataset, tmp_path: Path) -> None:
        other = make_data(tmp_path, shift="+4/-5")
        with pytest.raises(InputError, match="learnt cuts with shift"):
            evaluate(run, data, replicates=(data.path, other.path))

    def test_replicates_of_other_regions(
        self, run: Run, data: Dataset, tmp_path: Path
    ) -> None:
        other = make_data(tmp_path, split=["exclude=chr1"])
        with pytest.raises(InputError, match="is not of the regions"):
            evaluate(run, data, replicates=(other.path, data.path))


def test_another_bias_than_the_model_learnt_beside_is_said(
    run: Run, data: Dataset, tmp_path: Path
) -> None:
    other = make_data(tmp_path)
    blocks = [np.zeros(other.stored("bias")[0].shape, np.float32)]
    changed = with_bias(other, blocks, tmp_path / "changed", source={"name": "zeros"})
    assert evaluate(run, other).notes == ()
    assert evaluate(run, changed).notes == (
        "the model learnt beside the bias of b.bw, these data have that of zeros",
    )
    done = CliRunner().invoke(main, ["evaluate", str(run.path), "--data", str(changed.path)])
    assert "note: the model learnt beside" in done.stderr


def test_bias_models_on_each_others_held_out_data(tmp_path: Path) -> None:
    """bpAI-TAC's Fig. S4: r and JSD of each model on the held-out regions of the other one."""
    made, runs = [], []
    for i in range(2):
        (tmp_path / str(i)).mkdir()
        made.append(make_data(tmp_path / str(i), seed=5 + i))
        small = [each for each in SMALL if "pools" not in each]
        config = read_config(model="bpaitac-bias", changes=[*small, "training.epochs=6"])
        runs.append(train(config, made[i], tmp_path / f"run-{i}"))
    for i in range(2):
        found = evaluate(runs[i], made[1 - i])
        assert found.n == len(made[1 - i].split("test"))
        assert set(found.metrics) == {"model", "mean profile"}
        # cuts prefer the same half of all regions
        assert found.metrics["mean profile"]["profile_pearson"] > 0.3
        assert 0 < found.metrics["model"]["jsd"] < 1
        assert "predicted_total" not in found.examples["model"]
