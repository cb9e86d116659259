"""Training: what a run holds, what moves and what does not, and that its bits come again."""

import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from small_data import SMALL, make_data

from kmerengine import Dataset, InputError
from modelkit.cli import main
from modelkit.config import Config
from modelkit.config_files import read_config
from modelkit.inference.evaluate import evaluate
from modelkit.models.bpaitac import BpAITAC
from modelkit.registry import MODELS
from modelkit.training.checkpoint import read_checkpoint, write_checkpoint
from modelkit.training.run import Run
from modelkit.training.several import train_folds
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


def config(*changes: str, model: str = "bpaitac") -> Config:
    return read_config(model=model, changes=[*SMALL, *changes])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(config(), data, tmp_path_factory.mktemp("runs") / "run")


def state(run: Run, name: str = "last.safetensors") -> dict[str, torch.Tensor]:
    return read_checkpoint(run.path / name)[0]


def same(one: Run, other: Run, name: str = "last.safetensors") -> bool:
    a, b = state(one, name), state(other, name)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def assert_close(one: Run, other: Run) -> None:
    """The same weights, but for rounding; of the profiles' bias, which adds the same to all logits
    and has no gradient, Adam makes steps of what rounding leaves.
    """
    for name, value in state(one).items():
        if "profile.bias" not in name and name != "sums":
            torch.testing.assert_close(state(other)[name], value, rtol=1e-3, atol=1e-5, msg=name)


def rows(run: Run) -> list[dict[str, Any]]:
    timed = ("seconds", "validation_seconds", "examples_per_second")
    read: list[dict[str, Any]] = pq.read_table(run.path / "metrics.parquet").to_pylist()
    return [{k: v for k, v in row.items() if k not in timed} for row in read]


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


def test_a_start_that_fails_leaves_the_old_run_alone(data: Dataset, tmp_path: Path) -> None:
    old = train(config("training.epochs=0"), data, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in old.path.iterdir()}
    for change in ("training.batch_size=4000", "network.pools=[9, 9, 9]", "training.select=x",
                   "training.select=pearson_across_tasks"):  # fmt: skip
        with pytest.raises(InputError):
            train(config(change), data, tmp_path / "run", force=True)
        with pytest.raises(InputError):
            train(config(change), data, tmp_path / "new")
    assert {path.name: path.read_bytes() for path in old.path.iterdir()} == before
    assert not (tmp_path / "new").exists()


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


def test_what_a_damaged_state_is_refused_for(data: Dataset, tmp_path: Path) -> None:
    run = train(config("training.ema=0.9"), data, tmp_path / "run")
    tensors, about = read_checkpoint(run.path / "last.safetensors")
    about.pop("tensors_sha256")
    for left_out in ("optimizer/stem.weight/exp_avg", "exp_avg_sq", "optimizer/",
                     "average/stem.weight", "sums"):  # fmt: skip
        kept = {name: value for name, value in tensors.items() if left_out not in name}
        write_checkpoint(run.path / "last.safetensors", kept, about)
        with pytest.raises(InputError, match="holds no state to go on from"):
            train(None, data, run.path, resume=True)
    state = about["state"]
    changes = ({"epoch": "x"}, {"epoch": -5}, {"batch": 99}, {"history": "x"}, {"rules": {}})
    for each in ({}, *({**state, **change} for change in changes)):
        write_checkpoint(run.path / "last.safetensors", tensors, {**about, "state": each})
        with pytest.raises(InputError, match="holds no state to go on from"):
            train(None, data, run.path, resume=True)


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


class TestWhatIsRefused:
    def test_a_loss_that_is_no_number(self, data: Dataset, tmp_path: Path) -> None:
        wild = config(
            "training.learning_rate=1e30", "training.warm_up=0", "network.block_norm=false"
        )
        with pytest.raises(InputError, match=r"epoch 1: the training loss is .*learning_rate"):
            train(wild, data, tmp_path / "run")

    def test_a_metric_that_is_not_there(self, data: Dataset, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"training\.select: found 'r2', expected one of"):
            train(config("training.select=r2"), data, tmp_path / "run")

    def test_an_output_that_exists(self, data: Dataset, run: Run) -> None:
        with pytest.raises(InputError, match=r"exists; go on with it \(--resume\), replace it"):
            train(config(), data, run.path)
        with pytest.raises(InputError, match=r"holds \d+ runs?, expected one; give .*run"):
            Run.open(run.path.parent)

    def test_a_folder_that_is_no_run(self, data: Dataset, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "thesis.tex").touch()
        with pytest.raises(InputError, match=r"thesis\.tex"):
            train(config(), data, tmp_path / "run", force=True)

    def test_what_contradicts_itself(self, data: Dataset, run: Run) -> None:
        with pytest.raises(InputError, match="force: found with resume"):
            train(None, data, run.path, resume=True, force=True)
        with pytest.raises(InputError, match="threads: found 0"):
            train(config(), data, run.path, threads=0, force=True)
        with pytest.raises(InputError, match="config: found none"):
            train(None, data, run.path, force=True)

    def test_a_network_too_large_for_memory(self, data: Dataset, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="not enough memory"):
            train(config("network.channels=30000000"), data, tmp_path / "run")

    def test_to_go_on_with_other_data(self, run: Run, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="was trained on d, not on"):
            train(None, make_data(tmp_path, seed=6), run.path, resume=True)

    def test_to_go_on_with_another_config(self, run: Run, data: Dataset) -> None:
        with pytest.raises(InputError, match="another config"):
            train(config("training.seed=3"), data, run.path, resume=True)

    def test_a_network_that_cannot_be(self, data: Dataset, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="network: 120 bp are too few for the pools"):
            train(config("network.pools=[9, 9, 9]"), data, tmp_path / "run")

    def test_a_batch_that_does_not_divide(self, data: Dataset, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="batch_size: found 8"):
            train(config("training.accumulate=3"), data, tmp_path / "run")

    def test_a_device_that_is_not_there(self, data: Dataset, tmp_path: Path) -> None:
        for device in ("cuda:77", "tpu", "meta"):
            with pytest.raises(InputError, match=f"device: found '{device}'"):
                train(config(), data, tmp_path / "run", device=device)

    @pytest.mark.parametrize("name", ["run.json", "best.safetensors"])
    def test_a_damaged_run(self, data: Dataset, tmp_path: Path, name: str) -> None:
        made = train(config("training.epochs=0"), data, tmp_path / "run")
        raw = bytearray((made.path / name).read_bytes())
        raw[len(raw) // 3] ^= 4
        (made.path / name).write_bytes(raw[: len(raw) - 7])
        with pytest.raises(InputError, match=name):
            Run.open(made.path).network()


def command(data: Dataset, output: Path, *changes: str) -> list[str]:
    sets = [part for change in [*SMALL, *changes] for part in ("--set", change)]
    return ["train", "--model", "bpaitac", "--data", str(data.path), "-o", str(output), *sets]


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


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def test_a_run_killed_ten_times_ends_with_the_same_bits(data: Dataset, tmp_path: Path) -> None:
    """SIGKILL at random moments, checkpoints at every other step."""
    chance = random.Random(11)
    often = (
        "training.checkpoint_steps=2", "training.epochs=12", "training.ema=0.99",
        "training.learning_rate=0.03", "training.drop=plateau", "training.drop_epochs=1",
    )  # fmt: skip
    start = [sys.executable, "-m", "modelkit", *command(data, tmp_path / "killed", *often)]
    go_on = [*start[:4], "--resume", *start[4:]]
    log = tmp_path / "killed" / "log.txt"
    process = subprocess.Popen(start, env=environment(), stderr=subprocess.DEVNULL)
    kills = 0
    while kills < 10 and process.poll() is None:
        before = log.read_text().count("examples:") if log.exists() else 0
        while process.poll() is None and (
            not log.exists() or log.read_text().count("examples:") <= min(before, kills)
        ):
            time.sleep(0.002)  # until it trains
        time.sleep(chance.uniform(0, 0.25))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        process = subprocess.Popen(go_on, env=environment(), stderr=subprocess.DEVNULL)
    assert process.wait() == 0
    assert kills == 10
    whole = tmp_path / "whole"
    subprocess.run(
        [sys.executable, "-m", "modelkit", *command(data, whole, *often)],
        env=environment(), check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    one, other = Run.open(tmp_path / "killed"), Run.open(whole)
    assert same(one, other)
    assert same(one, other, "best.safetensors")
    assert rows(one) == rows(other)
    assert len({row["learning_rate"] for row in rows(one)[4:]}) > 1  # it dropped on the way
    assert one.about["best"] == other.about["best"]
    assert one.about["status"] == "finished"


def ranks(n: int, arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n),
         "--master-port", str(port), "-m", *arguments],
        env=environment(), capture_output=True, text=True, timeout=240, **options,
    )  # fmt: skip


def test_two_ranks_have_the_losses_of_one(data: Dataset, tmp_path: Path) -> None:
    """Batch norms and all: their statistics are those of the whole batch."""
    found = ranks(2, ["modelkit", *command(data, tmp_path / "two")])
    assert found.returncode == 0, found.stderr
    assert "2 ranks" in found.stderr
    train(config(), data, tmp_path / "one", threads=1)
    one, two = Run.open(tmp_path / "one"), Run.open(tmp_path / "two")
    for a, b in zip(rows(one), rows(two), strict=True):
        for name, value in a.items():
            assert b[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name
    assert_close(one, two)


DIES = """
import os, sys
from modelkit.cli import main
if os.environ["RANK"] == "1":
    import modelkit.training.optimizer as optimizer
    whole = optimizer.Stepper.step
    def step(self):
        if self.step_number == 5:
            os._exit(9)
        whole(self)
    optimizer.Stepper.step = step
main()
"""


def test_folds_on_two_ranks(data: Dataset, tmp_path: Path) -> None:
    words = [*command(data, tmp_path / "runs"), "--folds", "3", "--set", "training.epochs=1"]
    found = ranks(2, ["modelkit", *words])
    assert found.returncode == 0, found.stderr
    for i in range(3):
        assert Run.open(tmp_path / "runs" / f"fold-{i}").about["status"] == "finished"


def test_a_rank_that_dies_ends_the_run_with_a_line(data: Dataset, tmp_path: Path) -> None:
    """Each rank by itself, as if no torchrun were there to end the other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = []
    for rank in range(2):
        here = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port}  # fmt: skip
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", DIES, *command(data, tmp_path / "run")],
                env=environment() | here, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    _, said = processes[0].communicate(timeout=120)
    processes[1].communicate(timeout=120)
    assert processes[1].returncode == 9
    assert processes[0].returncode == 1
    last = said.strip().splitlines()[-1]
    assert "rank 0 of 2: another rank has ended or does not answer" in last
    assert "--resume" in last
    again = ranks(2, ["modelkit", *command(data, tmp_path / "run"), "--resume"])
    assert again.returncode == 0, again.stderr
    assert Run.open(tmp_path / "run").about["status"] == "finished"
