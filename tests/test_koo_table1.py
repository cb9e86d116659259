"""Koo and Eddy's Table 1 and figures, of networks that are barely trained; and how it is judged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import koo_document, koo_figures, koo_runs, koo_table1
from bench.harness import read_rows
from bench.koo_runs import NETWORKS, Trial
from modelkit.figures import encoded
from modelkit.models.koo import ARCHITECTURES
from modelkit.recipes.koo import KooConfig


@pytest.fixture
def small(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of work, 800 sequences and one epoch."""
    motifs = data / "motifs" / "JASPAR_CORE_2016_vertebrates.meme"
    for module in (koo_runs, koo_table1, koo_figures):
        monkeypatch.setattr(module, "MOTIFS", motifs)
    monkeypatch.setattr(koo_runs, "WORK", tmp_path / "work")
    monkeypatch.setattr(koo_runs, "N_SEQUENCES", 800)
    monkeypatch.setattr(koo_runs, "CHANGES", ("training.epochs=1",))
    return tmp_path


def one_at_a_time(trials: Any, *, jobs: int, then: Any) -> None:
    for trial in trials:
        then(koo_runs.trained(trial, 1))


def test_rows_are_made_once_and_figures_drawn(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(koo_table1, "train_all", one_at_a_time)
    results = small / "rows.json"
    names = ("cnn-25", "cnn3-50")
    koo_runs.prepare()
    trials = koo_table1.trials_of(names, 1)
    koo_table1.run_all(trials, jobs=1, results=results)
    rows = read_rows(results)
    assert [row["network"] for row in rows] == [koo_table1.ORACLE, *names]
    for row in rows[1:]:
        areas = [each["auroc"] for each in row["by_class"].values()]
        assert len(areas) == 12
        assert np.nanmean(areas) == pytest.approx(row["auroc"])
        assert row["epochs"] == 1
        assert row["parameters"] == {"cnn-25": 160_048, "cnn3-50": 158_128}[row["network"]]
        for mode in koo_table1.MODES:
            found = row[f"filters_{mode}"]
            assert 0 <= found["relevant"] <= found["matched"] <= 1
    koo_table1.run_all(trials, jobs=1, results=results)
    assert len(read_rows(results)) == len(rows)
    for figure in (koo_figures.filter_figure(names, 0), _saliency(monkeypatch)):
        assert encoded(figure, "png").startswith(b"\x89PNG")
    lines = koo_document.table(rows).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| cnn-25", "| cnn3-50"]


def _saliency(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(koo_figures, "SALIENCY", ("cnn-25",))
    return koo_figures.saliency_figure(0)


def row_of(name: str, auroc: float, relevant: float, seed: int = 0) -> dict[str, Any]:
    of_filters = {"matched": 0.9, "relevant": relevant}
    return {
        "network": name, "seed": seed, "auroc": auroc, "auprc": 0.8, "epochs": 100, "threads": 1,
        "best_epoch": 70, "commit": "0123456789", "machine": {"cpu": "a CPU"},
        "by_class": {"A": {"auroc": auroc - 0.02}, "B": {"auroc": auroc + 0.02}},
        "filters_paper": of_filters, "filters_code": of_filters,
    }  # fmt: skip


def test_the_published_numbers_stand_beside_ours() -> None:
    rows = [row_of("cnn-25", 0.960, 0.9), row_of("cnn-25", 0.950, 1.0, seed=1)]
    line = koo_document.table(rows).splitlines()[2]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:5] == [
        "cnn-25", "2", "0.955 ± 0.020 (± 0.005)", "0.954 ± 0.094", "+0.001",
    ]  # fmt: skip
    assert cells[6:10] == ["90", "100", "95", "100"]


@pytest.mark.parametrize(
    ("name", "auroc", "relevant", "expected"),
    [
        ("cnn-25", 0.954 + 0.029, 0.80, (False, False)),
        ("cnn-25", 0.954 - 0.031, 0.79, (True, True)),
        ("cnn-2", 0.968, 0.25, (False, False)),
        ("cnn-2", 0.968, 0.26, (False, True)),
        ("cnn3-50", 0.74, 0.0, (False, False)),
        ("cnn3-50", 0.76, 0.0, (True, False)),
    ],
)
def test_what_misses_a_bar_is_marked(
    name: str, auroc: float, relevant: float, expected: tuple[bool, bool]
) -> None:
    assert koo_document.misses(name, auroc, relevant) == expected
    line = koo_document.table([row_of(name, auroc, relevant)]).splitlines()[2]
    assert line.count("[") == sum(expected)


def test_every_network_of_the_paper_has_a_name_and_a_preset() -> None:
    assert set(NETWORKS) == set(koo_document.PUBLISHED)
    assert set(koo_document.PUBLISHED_IN_VIVO) < set(NETWORKS)
    assert set(NETWORKS) < set(ARCHITECTURES)
    assert set(ARCHITECTURES) < set(KooConfig.presets)


def test_table_2_says_which_file_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "train.mat").touch()
    with pytest.raises(SystemExit, match=r"valid\.mat: not there; Table 2 needs"):
        koo_runs.prepare_in_vivo(tmp_path)


def test_table_2_trains_the_networks_that_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def keep(trials: Any, **_: Any) -> None:
        asked.extend(trial.network for trial in trials)

    monkeypatch.setattr(koo_table1, "prepare_in_vivo", lambda _: None)
    monkeypatch.setattr(koo_table1, "run_all", keep)
    monkeypatch.setattr(koo_table1, "read_rows", lambda _: [row_of("cnn-25", 0.9, 0.8)])
    monkeypatch.setattr("sys.argv", ["koo_table1", "--in-vivo", str(tmp_path)])
    koo_table1.main()
    assert asked == list(koo_document.PUBLISHED_IN_VIVO)
    monkeypatch.setattr("sys.argv", ["koo_table1", "--in-vivo", str(tmp_path), "--only", "cnn3-2"])
    with pytest.raises(SystemExit):
        koo_table1.main()


def test_table_2_of_small_files(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    for name in koo_runs.DEEPSEA.values():
        n = 240 if name == "train.mat" else 60
        bases = rng.integers(0, 4, (n, 1000))
        one_hot = (bases[:, None] == np.arange(4)[:, None]).astype(np.uint8)
        labels = (rng.random((n, 919)) < 0.3).astype(np.uint8)
        savemat(small / name, {f"{name[:-4]}xdata": one_hot, f"{name[:-4]}data": labels})
    koo_runs.prepare_in_vivo(small)
    monkeypatch.setattr(koo_table1, "train_all", one_at_a_time)
    results = small / "rows.json"
    trials = koo_table1.trials_of(["cnn-50"], 1, koo_runs.IN_VIVO)
    assert trials == [Trial("cnn-50", 0, koo_runs.IN_VIVO)]
    koo_table1.run_all(trials, jobs=1, results=results)
    (row,) = read_rows(results)
    assert row["parameters"] == 684_336
    assert len(row["by_class"]) == 12
    assert "| cnn-50 |" in koo_document.table([row], koo_document.PUBLISHED_IN_VIVO)
    assert json.dumps(row)
