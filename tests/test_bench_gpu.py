"""The GPU's benchmark where there is no GPU: it says so, and its results stay out of the table.

The steps of bpAI-TAC and their bookkeeping run on the CPU, at toy size.
"""

import json
import subprocess
import sys
import time

import pytest
import torch

from bench import gpu, gpu_bpaitac, harness, networks
from bench.gpu_bpaitac import PARTS, REGIONS, Marks, make_steps

CPU = torch.device("cpu")
TOY = networks.Sizes(tasks=3, length=250, window=50, window_start=80, channels=8, blocks=2)
TINY = networks.Sizes(tasks=2, length=125, window=20, window_start=50, channels=4, blocks=1)


@pytest.fixture(autouse=True)
def one_thread():
    """Two would wait for each other longer than such small networks take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["bench.gpu"])


@pytest.mark.usefixtures("no_cuda")
def test_without_a_device_it_fails_with_one_line(capsys, monkeypatch):
    for stage in ("run_tests", "benchmark"):
        monkeypatch.setattr(gpu, stage, None)
    assert gpu.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "no CUDA device" in said.err


def test_a_line_has_microseconds_rate_and_share():
    row = {
        "case": "copy",
        "provider": "eager",
        "p20": 1e-6,
        "p50": 2e-6,
        "p80": 3.25e-6,
        "unit": "B",
        "work_per_second": 4.3e12,
        "of_floor": 0.8,
        "times_ours": 5,
    }
    assert gpu.table_line(row) == "| copy | eager | 2.0 (1.0-3.2) | 4.3e+12 B/s | 80 % | 5.00 |"
    assert "|  |" in gpu.table_line(row | {"of_floor": None})


def test_results_of_a_gpu_are_not_rows_of_the_other_table(tmp_path):
    (tmp_path / "count.json").write_text(json.dumps([{"case": "regions"}]))
    (tmp_path / "gpu-2026-01-01T000000Z.json").write_text(json.dumps({"rows": []}))
    assert harness.read_all(tmp_path) == [{"case": "regions"}]


def gradients(step):
    """Loss of a step's batch, and its gradients by name."""
    network, inputs = step._network, step._inputs
    loss = network.loss(*step.outputs(), *inputs.targets)
    named = dict(network.model.named_parameters())
    return loss.detach(), dict(
        zip(named, torch.autograd.grad(loss, list(named.values())), strict=True)
    )


def test_modelkits_network_and_the_plain_one_have_one_loss_and_gradient():
    (loss, ours), (plain_loss, plain) = map(gradients, make_steps(CPU, 4, "tf32", TOY).values())
    torch.testing.assert_close(loss, plain_loss)
    assert ours.keys() == plain.keys()
    assert all(plain[name].abs().max() > 1e-4 for name in ("stem.weight", "total.dense.weight"))
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["tf32", "bf16"])
@pytest.mark.parametrize("who", ["kmerengine", "eager"])
def test_a_step_by_parts_is_the_same_step(who, kind):
    whole, parts = (make_steps(CPU, 4, kind, TOY)[who] for _ in range(2))
    before = {name: value.clone() for name, value in whole._network.model.state_dict().items()}
    whole()
    parts.by_parts(Marks(CPU))
    after = whole._network.model.state_dict()
    torch.testing.assert_close(parts._network.model.state_dict(), after, rtol=0, atol=0)
    moved = ("stem.weight", "profile.weight", "total.dense.weight")
    assert all((after[name] != before[name]).any() for name in moved)


def test_networks_that_differ_are_not_measured(monkeypatch):
    form = networks.PlainTotals.forward
    monkeypatch.setattr(gpu_bpaitac, "OFF", {"tf32": 1e-4})
    make_steps(CPU, 2, "tf32", TOY)
    monkeypatch.setattr(networks.PlainBpAITAC, "heads", lambda self, x: (
        1.01 * self.profile(x[..., 68:142]), form(self.total, x)
    ))  # fmt: skip
    with pytest.raises(RuntimeError, match=r"bpAI-TAC in tf32 is off by 0\.00"):
        make_steps(CPU, 2, "tf32", TOY)


def test_flop_are_those_that_pytorch_counts():
    # imports Triton, which must not be before the tests of kernels have chosen its interpreter
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        networks.PlainBpAITAC(TOY)(torch.zeros(1, 4, TOY.length))
    assert gpu_bpaitac.flop(TOY) == counter.get_total_flops()


def test_parts_are_added_up_between_marks(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 10.0, 10.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    marks = Marks(CPU)
    for part in ("", "body", "heads", "", "body"):
        marks.mark(part)
    assert marks.seconds() == {"body": 1.5, "heads": 2.0}


def test_on_a_device_the_marks_are_events(monkeypatch):
    class Event:
        clock = iter([5.0, 25.0, 26.0])  # ms

        def __init__(self, *, enable_timing):
            assert enable_timing

        def record(self):
            self.at = next(self.clock)

        def elapsed_time(self, end):
            return end.at - self.at

    waited = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(1))
    marks = Marks(torch.device("cuda"))
    for part in ("", "body", "loss"):
        marks.mark(part)
    assert marks.seconds() == pytest.approx({"body": 0.020, "loss": 0.001})
    assert waited


@pytest.fixture
def toy_cases(monkeypatch):
    """The cases of bpAI-TAC on the CPU, at toy size and with a fixed time of each step."""
    monkeypatch.setattr(
        gpu_bpaitac, "make_steps", lambda _, batch, kind: make_steps(CPU, batch // 10, kind, TINY)
    )
    monkeypatch.setattr(gpu_bpaitac, "STEPS", 1)
    monkeypatch.setattr(gpu, "measure", lambda *_, graph: (1e-3, 1e-3 if graph else 2e-3, 3e-3))
    return gpu.network_cases


def test_a_row_of_a_step_has_its_epoch_and_shares(toy_cases, capsys):
    rows = []
    gpu.measure_cases(toy_cases(), (False, True), {"FLOP": 1e12}, time.monotonic(), rows)
    assert [(row["case"], row["provider"]) for row in rows[:4]] == [
        ("bpAI-TAC training step, 256 regions, bf16", "kmerengine"),
        ("bpAI-TAC training step, 256 regions, bf16", "eager"),
        ("bpAI-TAC training step, 256 regions, bf16, kernels alone", "kmerengine"),
        ("bpAI-TAC training step, 256 regions, bf16, kernels alone", "eager"),
    ]
    assert len(rows) == 16
    assert rows[0]["epoch_seconds"] == pytest.approx(REGIONS / 25 * 2e-3)
    assert rows[2]["epoch_seconds"] == pytest.approx(REGIONS / 25 * 1e-3)
    assert rows[4]["epoch_seconds"] == pytest.approx(REGIONS / 2 * 2e-3)
    assert rows[0]["work_per_second"] == pytest.approx(3 * 256 * gpu_bpaitac.flop() / 2e-3)
    assert tuple(rows[0]["shares"]) == PARTS
    assert sum(rows[0]["shares"].values()) == pytest.approx(1)
    assert "shares" not in rows[2]
    json.dumps(rows)
    assert capsys.readouterr().out.count("\n") == 16


def test_when_the_time_is_up_cases_are_left_out_by_name(toy_cases, capsys):
    rows = []
    gpu.measure_cases(toy_cases(), (False,), {}, time.monotonic() - gpu.SECONDS - 1, rows)
    assert rows == []
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 8
    assert said[0].endswith("256 regions, bf16: kmerengine left out, the time is up")


def test_the_table_of_epochs():
    row = {"case": "a step", "provider": "kmerengine", "epoch_seconds": 28.36}
    shares = dict(zip(PARTS, (0.8, 0.125, 0.05, 0.025), strict=True))
    assert gpu_bpaitac.epoch_table([row | {"shares": shares}, row]).splitlines() == [
        "| an epoch | by | seconds (goal 30) | body | heads | loss | optimizer |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| a step | kmerengine | 28.4 | 80 % | 12 % | 5 % | 2 % |",
        "| a step | kmerengine | 28.4 |  |  |  |  |",
    ]


def test_without_pydantic_the_networks_are_left_out_with_a_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "modelkit.models.bpaitac", None)
    assert list(gpu.network_cases()) == []
    said = capsys.readouterr().out
    assert said.startswith("bpAI-TAC: left out, ")
    assert said.count("\n") == 1


def test_packages_beside_the_tree_are_looked_into_last(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(gpu, "WHEELS", tmp_path / "wheels")
    monkeypatch.setitem(sys.modules, "modelkit.models.bpaitac", None)
    before = [*sys.path]
    list(gpu.network_cases())
    assert sys.path == before
    (tmp_path / "wheels").mkdir()
    for _ in range(2):
        list(gpu.network_cases())
    assert sys.path == [*before, str(tmp_path / "wheels")]


def test_what_runs_too_long_is_stopped():
    began = time.monotonic()
    code = "print('begun', flush=True); import time; time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert gpu.finish(process, began - gpu.TEST_SECONDS + 1) == "begun\n"
    assert process.returncode != 0
    assert time.monotonic() - began < 30
