"""The GPU's benchmark where there is no GPU: it says so, and its results stay out of the table."""

import json

import pytest
import torch

from bench import gpu, harness


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
