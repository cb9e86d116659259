"""Training: what a run holds, what moves and what does not, and that its bits come again."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from small_data import make_data
from train_world import assert_close, command, config, rows, same, state

from kmerengine import Dataset, InputError
from modelkit.cli import main
from modelkit.config_files import read_config
from modelkit.inference.evaluate import evaluate
from modelkit.models.bpaitac import BpAITAC
from modelkit.registry import MODELS
from modelkit.training.checkpoint import read_checkpoint
from modelkit.training.run import Run
from modelkit.training.several import train_folds
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(config(), data, tmp_path_factory.mktemp("runs") / "run")


class TestARunSaysHowItWasMade:
    def test_its_files(self, run: Run) -> None:
        assert {each.name for each in run.path.iterdir()} == {
            "run.json", "config.json", "log.txt", "metrics.parquet", "metrics.jsonl",
            "best.safetensors", "last.safetensors",
        }  # fmt: skip

    def test_its_document(self, run: Run, data: Dataset) -> None:
        about = run.about
        assert about["status"] == "finished"
        assert about["samples"] == list(data.samples)
        assert about["tasks"] == list(data.samples)
        assert about["shift"] == data.shift
        assert about["off_by_two"] is False
        assert about["dataset"]["name"] == "d"
        assert len(about["dataset"]["sha256"]) == 64
        assert about["torch"] == torch.__version__
        assert about["device"].startswith("device: cpu")
        network = BpAITAC(run.config.network)  # type: ignore[arg-type]
        assert about["parameters"] == sum(each.numel() for each in network.parameters())

    def test_its_config_makes_the_run_again(
        self, run: Run, data: Dataset, tmp_path: Path
    ) -> None:
        again = train(read_config(run.path / "config.json"), data, tmp_path / "again")
        assert same(run, again)
        assert same(run, again, "best.safetensors")
        assert rows(run) == rows(again)

    def test_its_metrics_in_both_forms(self, run: Run) -> None:
        lines = (run.path / "metrics.jsonl").read_text().splitlines()
        table = pq.read_table(run.path / "metrics.parquet").to_pylist()
        assert [json.loads(line)["train_loss"] for line in lines] == [
            row["train_loss"] for row in table
        ]
        assert [row["epoch"] for row in table] == [0, 1, 2, 3]  # the first before any step
        assert table[0]["step"] == 0
        assert table[3]["train_loss"] < table[0]["train_loss"]

    def test_the_best_weights_are_those_of_the_best_epoch(
        self, run: Run, data: Dataset
    ) -> None:
        best = min(rows(run), key=lambda row: float(row["validation_loss"]))
        assert run.about["best"]["epoch"] == best["epoch"]
        task = MODELS["bpaitac"].task(run.config, data)
        network = run.network()
        loader = task.batches(
            task.rows("validation"), training=False, batch_size=5, device=torch.device("cpu")
        )
        total = n = 0.0
        with torch.no_grad():
            for batch in loader.batches(0):
                total += float(task.losses(network, batch).loss) * len(batch.rows)
                n += len(batch.rows)
        assert total / n == pytest.approx(best["validation_loss"], rel=1e-6)
        assert n == len(data.split("validation"))

    def test_the_training_loss_is_the_mean_of_its_steps(
        self, data: Dataset, tmp_path: Path
    ) -> None:
        """With a rate of nearly 0 and no norm, every step sees the first weights."""
        still = config("training.learning_rate=1e-30", "network.block_norm=false",
                       "network.total_head=global-pool", "training.epochs=1",
                       "training.batch_size=1")  # fmt: skip
        first, second = rows(train(still, data, tmp_path / "run"))
        assert second["train_loss"] == pytest.approx(first["train_loss"], rel=1e-6)


def test_at_lambda_0_the_profile_head_keeps_its_bits_at_1_that_of_the_totals(
    data: Dataset, tmp_path: Path
) -> None:
    heads = {0.0: "profile.", 1.0: "total."}
    for weight, still in heads.items():
        changes = (f"objective.lambda_={weight}",)
        first = train(config(*changes, "training.epochs=0"), data, tmp_path / f"first-{weight}")
        last = train(config(*changes), data, tmp_path / f"last-{weight}")
        weights = dict(last.network().named_parameters())
        for name, value in first.network(weights="last.safetensors").named_parameters():
            after = state(last)["model/" + name]
            moved = not torch.equal(value, after)
            # a batch norm takes the bias before it away
            assert moved != (name.startswith(still) or name.endswith(".conv.bias")), name
        assert any(name.startswith(still) for name in weights)


def test_pieces_of_a_batch_are_the_batch(data: Dataset, tmp_path: Path) -> None:
    plain = ("network.block_norm=false", "network.total_head=global-pool")
    whole = train(config(*plain), data, tmp_path / "whole")
    pieces = train(config(*plain, "training.accumulate=4"), data, tmp_path / "pieces")
    assert rows(whole)[-1]["step"] == rows(pieces)[-1]["step"]
    assert_close(whole, pieces)


def test_totals_alone_need_no_bias(tmp_path: Path) -> None:
    plain = make_data(tmp_path, bias=None)
    totals = config("network.profile_head=false", "objective.lambda_=0", "training.epochs=1")
    run = train(totals, plain, tmp_path / "run")
    assert "validation_log_pearson_across_regions" in rows(run)[-1]
    assert "validation_jsd" not in rows(run)[-1]


def test_averaged_weights_are_kept_where_they_are_asked_for(data: Dataset, tmp_path: Path) -> None:
    run = train(config("training.ema=0.9"), data, tmp_path / "run")
    held = state(run)
    best = state(run, "best.safetensors")
    assert run.about["best"]["epoch"] == 3  # the last, so that both hold the same step
    for name, value in best.items():
        if value.is_floating_point():  # the statistics of norms too
            assert torch.equal(value, held[name.replace("model/", "average/")])
            assert torch.equal(value, held[name]) == name.endswith(".conv.bias")


@pytest.mark.parametrize("ema", ["none", "0.9"])
def test_what_is_kept_is_what_was_measured(ema: str, data: Dataset, tmp_path: Path) -> None:
    """Of averages this needs the statistics of their norms, not those of the newest weights."""
    run = train(config(f"training.ema={ema}", "training.epochs=6"), data, tmp_path / "run")
    best = next(row for row in rows(run) if row["epoch"] == run.about["best"]["epoch"])
    found = evaluate(run, data, split="validation", compare=False).metrics["model"]
    for name, value in found.items():
        assert best[f"validation_{name}"] == pytest.approx(value, rel=1e-4), name
    again = config(f"training.ema={ema}", "training.epochs=6", "training.ema_validated=false")
    other = rows(train(again, data, tmp_path / "other"))
    same_losses = [row["validation_loss"] for row in other] == [
        row["validation_loss"] for row in rows(run)
    ]
    assert same_losses == (ema == "none")


def test_the_best_epoch_is_that_of_the_metric_that_selects(data: Dataset, tmp_path: Path) -> None:
    """Of JSD the smallest value is best, of r the largest; the loss has a file of its own."""
    for select, best in (("jsd", min), ("profile_pearson", max), ("loss", min)):
        chosen = config(f"training.select={select}", "training.learning_rate=0.05")
        run = train(chosen, data, tmp_path / select)
        values = [row[f"validation_{select}"] for row in rows(run)]
        assert run.about["best"]["epoch"] == values.index(best(values))
        kept = read_checkpoint(run.path / "best.safetensors")[1]
        assert kept["epoch"] == run.about["best"]["epoch"]
        lowest = run.path / "best_loss.safetensors"
        assert lowest.exists() == (select != "loss")
        if select != "loss":
            losses = [row["validation_loss"] for row in rows(run)]
            assert read_checkpoint(lowest)[1]["epoch"] == losses.index(min(losses))


def test_a_drop_reaches_the_optimizer_and_training_stops_early(
    data: Dataset, tmp_path: Path
) -> None:
    """With a rate of nearly 0 nothing ever gets better."""
    still = config(
        "training.learning_rate=1e-30", "training.warm_up=0", "training.epochs=9",
        "training.drop=plateau", "training.drop_epochs=2", "training.patience=3",
        "network.block_norm=false", "network.total_head=global-pool",
        "training.evaluate_first=false",
    )  # fmt: skip
    run = train(still, data, tmp_path / "run")
    rates = [row["learning_rate"] for row in rows(run)]
    assert rates == pytest.approx([1e-30, 1e-30, 1e-30, 1e-31], rel=1e-6, abs=0)
    assert run.about["stopped"] == "3 epochs without a better loss"


def test_to_replace_a_run_leaves_nothing_of_it(data: Dataset, tmp_path: Path) -> None:
    train(config("training.select=jsd"), data, tmp_path / "run")
    (tmp_path / "run" / ".last.safetensors.0a1b.tmp").touch()  # of a write that was killed
    run = train(config("training.epochs=0"), data, tmp_path / "run", force=True)
    assert not (run.path / "best_loss.safetensors").exists()
    assert not list(run.path.glob(".*.tmp"))
    assert rows(run)[-1]["epoch"] == 0


def test_more_epochs_of_a_run_are_those_of_a_longer_one(data: Dataset, tmp_path: Path) -> None:
    train(config("training.epochs=1"), data, tmp_path / "run")
    longer = train(config("training.epochs=3"), data, tmp_path / "run", resume=True)
    whole = train(config("training.epochs=3"), data, tmp_path / "whole")
    assert same(longer, whole)
    assert rows(longer) == rows(whole)
    again = train(None, data, tmp_path / "run", resume=True)  # of a run that is finished
    assert same(again, whole)


def test_minutes_between_checkpoints(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []
    write = Run.save

    def save(self: Run, name: str, *args: Any, **more: Any) -> None:
        if name == "last.safetensors":
            saved.append(more["state"]["batch"])
        write(self, name, *args, **more)

    seconds = itertools.count()  # a clock that is looked at twice a step, once before
    monkeypatch.setattr(Run, "save", save)
    monkeypatch.setattr("modelkit.training.loop.time.monotonic", lambda: float(next(seconds)))
    train(config("training.epochs=1", "training.checkpoint_minutes=0.05"), data, tmp_path / "run")
    assert saved == [0, 2, 0]  # after epoch 0, after 4 seconds, and after the epoch


def test_without_validation_the_last_weights_are_kept(data: Dataset, tmp_path: Path) -> None:
    alone = make_data(tmp_path, split=[])
    run = train(config(), alone, tmp_path / "run")
    assert "validation_loss" not in rows(run)[-1]
    assert run.about["best"]["epoch"] == 3
    with pytest.raises(InputError, match=r"training\.select: found 'jsd'.*no validation"):
        train(config("training.select=jsd"), alone, tmp_path / "other")
    for name, value in state(run, "best.safetensors").items():
        assert torch.equal(value, state(run)[name])


def test_bfloat16_trains_to_nearly_the_same(data: Dataset, run: Run, tmp_path: Path) -> None:
    half = train(config("training.amp=true"), data, tmp_path / "half")
    assert rows(half)[-1]["train_loss"] == pytest.approx(rows(run)[-1]["train_loss"], rel=0.02)
    assert not same(half, run)


def test_folds_share_the_chromosomes_out(data: Dataset, tmp_path: Path) -> None:
    runs = train_folds(config("training.epochs=1"), data, tmp_path / "runs", 3)
    tested = []
    for run in runs:
        task = MODELS["bpaitac"].task(run.config, data)
        tested += task.rows("test").tolist()
        assert not set(task.rows("test")) & set(task.rows("train"))
    assert sorted(tested) == list(range(len(data)))
    assert len({rows(run)[-1]["train_loss"] for run in runs}) == 3


class TestFolds:
    def test_all_are_checked_before_the_first(self, data: Dataset, tmp_path: Path) -> None:
        for n in (0, 2, 4):  # there are three chromosomes
            with pytest.raises(InputError, match=r"fold|split"):
                train_folds(config(), data, tmp_path / "runs", n)
        assert not (tmp_path / "runs").exists()

    def test_a_folder_of_something_else(self, data: Dataset, run: Run, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "x.tex").touch()
        (tmp_path / "file").touch()
        for output in (tmp_path / "mine", run.path, tmp_path / "file"):
            for force in (False, True):
                with pytest.raises(InputError):
                    train_folds(config(), data, output, 3, force=force)

    def test_those_that_were_done_stay(self, data: Dataset, tmp_path: Path) -> None:
        short = config("training.epochs=1")
        runs = train_folds(short, data, tmp_path / "runs", 3)
        shutil.rmtree(runs[2].path)
        (runs[1].path / "run.json").unlink()  # killed as it began
        begun = runs[0].about["begun"]
        again = train_folds(short, data, tmp_path / "runs", 3, resume=True)
        assert again[0].about["begun"] == begun
        assert [same(a, b) for a, b in zip(again, runs, strict=True)] == [True] * 3


@pytest.mark.gpu
@pytest.mark.parametrize("change", ["training.amp=true", "training.amp=false"])
def test_a_gpu_gives_the_same_bits_twice_and_after_a_resume(
    data: Dataset, tmp_path: Path, change: str
) -> None:
    whole = train(config(change), data, tmp_path / "whole", device="cuda")
    again = train(config(change), data, tmp_path / "again", device="cuda")
    assert same(whole, again)
    train(config(change, "training.epochs=1"), data, tmp_path / "short", device="cuda")
    longer = train(config(change), data, tmp_path / "short", device="cuda", resume=True)
    assert same(whole, longer)


@pytest.mark.gpu
def test_a_gpu_trains_as_the_cpu_does(run: Run, data: Dataset, tmp_path: Path) -> None:
    found = train(config(), data, tmp_path / "run", device="cuda")
    for a, b in zip(rows(run), rows(found), strict=True):
        assert b["train_loss"] == pytest.approx(a["train_loss"], rel=1e-4)
    assert found.about["device"].startswith("device: ")


def test_the_command_is_the_function(data: Dataset, run: Run, tmp_path: Path) -> None:
    found = CliRunner().invoke(main, command(data, tmp_path / "run"))
    assert found.exit_code == 0, found.output
    assert same(Run.open(tmp_path / "run"), run)
    assert "device: cpu" in found.stderr
    assert "epoch   3: loss" in found.stderr
    assert found.stdout == ""
    found = CliRunner().invoke(main, [*command(data, tmp_path / "x"), "--set", "training.sed=1"])
    assert found.exit_code == 1
    assert found.stderr.count("\n") == 1
    assert "did you mean seed" in found.stderr
