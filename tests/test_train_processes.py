"""Training in several processes, or in one that is killed: the same bits, or a line."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from small_data import make_data
from train_world import assert_close, command, config, rows, same

from kmerengine import Dataset
from modelkit.training.run import Run
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_data(tmp_path_factory.mktemp("data"))


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
