"""What training refuses: configs, outputs, devices, data and states that cannot be."""

from pathlib import Path

import pytest
from small_data import make_data
from train_world import config

from kmerengine import Dataset, InputError
from modelkit.training.checkpoint import read_checkpoint, write_checkpoint
from modelkit.training.run import Run
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(config(), data, tmp_path_factory.mktemp("runs") / "run")


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
