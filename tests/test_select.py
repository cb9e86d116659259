"""Regions that some models predict better than others, by loops over regions and runs."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from motif_networks import make_run, texts_of
from small_data import make_data

from kmerengine import Dataset, InputError
from kmerengine.io.bed import read_regions
from modelkit.cli import main
from modelkit.cli.select import command
from modelkit.inference.evaluate import evaluate
from modelkit.interpretation.select import CRITERIA, Selection, select
from modelkit.training.run import Run

TASKS = 9
WORDS = ["A", "C", "G", "T"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_data(tmp_path_factory.mktemp("data"), n_samples=TASKS)


def weights_of(seed: int) -> np.ndarray:
    """Cuts that each letter adds to each task; three tasks are dead."""
    found = np.random.default_rng(seed).normal(size=(TASKS, 4))
    found[:3] = 0
    return found


def make(path: Path, data: Dataset, seed: int, /, **changes: Any) -> Run:
    """Totals by letters, behind a ReLU that is closed for the first three tasks."""
    names = changes.get("tasks") or data.samples
    totals = {
        name: (each.tolist(), -1.0 if i < 3 else 40.0)
        for i, (name, each) in enumerate(zip(names, weights_of(seed), strict=False))
    }
    return make_run(path, data, WORDS, totals=totals, **changes)


@pytest.fixture(scope="module")
def runs(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    return [make(folder / f"run{seed}", data, seed) for seed in range(5)]


@pytest.fixture(scope="module")
def dead(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Expects nothing anywhere."""
    totals = dict.fromkeys(data.samples, ([0.0] * 4, -1.0))
    return make_run(tmp_path_factory.mktemp("runs") / "dead", data, WORDS, totals=totals)


def correlation(x: list[float], y: list[float]) -> float:
    """By sums; 0 of constants."""
    mx, my = math.fsum(x) / len(x), math.fsum(y) / len(y)
    sxy = math.fsum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    sxx = math.fsum((a - mx) ** 2 for a in x)
    syy = math.fsum((b - my) ** 2 for b in y)
    return sxy / math.sqrt(sxx * syy) if len(set(x)) > 1 and len(set(y)) > 1 else 0.0


def predicted(text: str, seed: int, n_tasks: int = TASKS) -> list[float]:
    each = weights_of(seed)
    return [
        max(0.0, (-1.0 if t < 3 else 40.0) + sum(each[t, "ACGT".index(base)] for base in text))
        for t in range(n_tasks)
    ]


def brute(
    data: Dataset, rows: np.ndarray, cuts: np.ndarray, one: list[int], other: list[int | None]
) -> list[dict[str, Any]]:
    found = []
    for row, text in zip(rows.tolist(), texts_of(data.sequence[rows]), strict=True):
        n = cuts[row].tolist()

        def r(seed: int | None, n: list[float] = n, text: str = text) -> float:
            return 0.0 if seed is None else correlation(predicted(text, seed, len(n)), n)

        mean = sum(n) / len(n)
        sd = math.sqrt(sum((x - mean) ** 2 for x in n) / len(n))
        found.append({"row": row, "max": max(n), "cv": sd / mean if mean else math.nan,
                      "r": [r(seed) for seed in one], "against": [r(seed) for seed in other]})
    return found  # fmt: skip


def passing(found: list[dict[str, Any]], a: float, v: float, c: float) -> dict[str, set[int]]:
    return {
        "accessible": {x["row"] for x in found if x["max"] > a},
        "variable": {x["row"] for x in found if x["cv"] > v},
        "predicted": {x["row"] for x in found if sum(x["r"]) / len(x["r"]) > c},
        "better": {x["row"] for x in found if all(r > s for r in x["r"] for s in x["against"])},
    }


def check(made: Selection, found: list[dict[str, Any]], *thresholds: float) -> None:
    passes = passing(found, *thresholds)
    assert made.n == len(found)
    assert made.alone == {name: len(passes[name]) for name in CRITERIA}
    left = {x["row"] for x in found}
    for name in CRITERIA:
        left &= passes[name]
        assert made.in_turn[name] == len(left)
    rows = made.table.to_pylist()
    assert [each["row"] for each in rows] == sorted(left)
    by_row = {x["row"]: x for x in found}
    for each in rows:
        expected = by_row[each["row"]]
        assert each["accessibility"] == pytest.approx(expected["max"])
        assert each["variation"] == pytest.approx(expected["cv"])
        assert each["r"] == pytest.approx(expected["r"], abs=1e-4)
        assert each["r_against"] == pytest.approx(expected["against"], abs=1e-4)
        assert each["mean_r"] == pytest.approx(np.mean(expected["r"]), abs=1e-4)
        assert each["least_r"] == min(each["r"])
        assert each["greatest_r_against"] == max(each["r_against"])


@pytest.mark.parametrize("split", ["test", "all"])
def test_four_criteria_as_loops_have_them(
    data: Dataset,
    runs: list[Run],
    tmp_path: Path,
    split: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("modelkit.interpretation.select.ROWS", 25)
    rows = data.split("test") if split == "test" else np.arange(len(data))
    assert data.totals is not None
    found = brute(data, rows, data.totals, [0, 1], [2, 3, 4])
    levels = (
        float(np.quantile([x["max"] for x in found], 0.3)),
        float(np.quantile([x["cv"] for x in found], 0.3)),
        float(np.quantile([np.mean(x["r"]) for x in found], 0.3)),
    )
    made = select(
        runs[:2], data, tmp_path / "o.parquet", against=runs[2:], split=split, batch_size=10,
        accessibility=levels[0], variation=levels[1], correlation=levels[2],
    )  # fmt: skip
    check(made, found, *levels)
    assert made.in_turn["accessible"] > made.in_turn["variable"] > made.in_turn["predicted"]
    assert split == "test" or made.in_turn["predicted"] > made.in_turn["better"] > 0
    table = pq.read_table(made.path)
    assert table.equals(made.table)
    regions = data.regions
    for each in table.to_pylist():
        for name in ("chrom", "start", "end", "split"):
            assert each[name] == regions[name][each["row"]].as_py()


def test_what_is_equal_does_not_pass(data: Dataset, runs: list[Run], tmp_path: Path) -> None:
    """Thresholds are the least value of a region, which must be exceeded."""
    assert data.totals is not None
    found = brute(data, np.arange(len(data)), data.totals, [0], [1])
    highest = max(x["max"] for x in found)
    made = select(
        runs[:1], data, tmp_path / "o.parquet", against=runs[1:2], split="all",
        accessibility=highest, variation=-1, correlation=-2,
    )  # fmt: skip
    assert made.alone["accessible"] == 0
    assert made.alone["variable"] == made.alone["predicted"] == len(data)
    assert len(pq.read_table(made.path)) == 0
    assert made.path.stat().st_size > 0


def test_a_dead_model_has_no_correlation_and_is_no_number(
    data: Dataset, runs: list[Run], dead: Run, tmp_path: Path
) -> None:
    given: dict[str, Any] = {
        "split": "all", "accessibility": -1, "variation": -1, "correlation": -2
    }
    made = select(runs[:2], data, tmp_path / "a.parquet", against=[dead], **given)
    assert data.totals is not None
    check(made, brute(data, np.arange(len(data)), data.totals, [0, 1], [None]), -1, -1, -2)
    assert 0 < made.alone["better"] < len(data)
    assert set(made.table["greatest_r_against"].to_pylist()) == {0.0}
    other = select([dead], data, tmp_path / "b.parquet", against=runs[:2], **given)
    assert {r for each in other.table["r"].to_pylist() for r in each} == {0.0}
    both = select([dead], data, tmp_path / "c.parquet", against=runs[:1], **given)
    assert both.alone["better"] > 0  # 0 is more than a correlation below it


def test_correlations_are_those_of_evaluate(
    data: Dataset, runs: list[Run], tmp_path: Path
) -> None:
    made = select(
        runs[:1], data, tmp_path / "o.parquet", against=runs[1:2], split="all",
        accessibility=-1, variation=-1, correlation=-2,
    )  # fmt: skip
    rows = made.table["row"].to_pylist()
    for run, column in ((runs[0], "least_r"), (runs[1], "greatest_r_against")):
        measured = evaluate(run, data, split="all", resamples=1).examples["model"]
        by_row = dict(zip(measured["row"].tolist(), measured["pearson_across_tasks"], strict=True))
        expected = [by_row[row] for row in rows]
        np.testing.assert_allclose(made.table[column].to_numpy(), expected, atol=1e-5)
    assert rows


def test_cuts_are_those_the_runs_learnt(data: Dataset, tmp_path: Path) -> None:
    """Normalised, and means over the samples of a lineage."""
    groups = {f"g{i}": [data.samples[i], data.samples[i + 1]] for i in range(8)}
    changes: dict[str, Any] = {
        "tasks": list(groups), "data": {"groups": groups, "normalised": True}
    }
    one = make(tmp_path / "a", data, 0, **changes)
    other = make(tmp_path / "b", data, 1, **changes)
    assert data.normalised is not None
    cuts = np.stack([(data.normalised[:, i] + data.normalised[:, i + 1]) / 2 for i in range(8)], 1)
    found = brute(data, np.arange(len(data)), cuts, [0], [1])
    level = float(np.median([x["max"] for x in found]))
    made = select(
        one, data, tmp_path / "o.parquet", against=[other], split="all", accessibility=level,
        variation=0.1, correlation=-0.2,
    )  # fmt: skip
    check(made, found, level, 0.1, -0.2)
    assert len(made.table)


def test_bed_is_read_as_regions(data: Dataset, runs: list[Run], tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "against": runs[2:], "split": "all", "accessibility": 20, "variation": 0, "correlation": -1
    }
    made = select(runs[:2], data, tmp_path / "o.bed", **given)
    same = select(runs[:2], data, tmp_path / "o.parquet", **given)
    assert made.table.equals(same.table)
    assert len(made.table) > 3
    regions = read_regions(made.path)
    assert [regions.contig_names[i] for i in regions.contig] == made.table["chrom"].to_pylist()
    assert regions.start.tolist() == made.table["start"].to_pylist()
    assert regions.end.tolist() == made.table["end"].to_pylist()
    assert set(regions.summit.tolist()) == {-1}  # not taken for narrowPeak
    header, first, *_ = made.path.read_text().splitlines()
    assert header.split("\t")[6:] == [
        "accessibility", "variation", "mean_r", "least_r", "greatest_r_against",
    ]  # fmt: skip
    fields = dict(zip(header[1:].split("\t"), first.split("\t"), strict=True))
    assert float(fields["least_r"]) == pytest.approx(made.table["least_r"][0].as_py(), rel=1e-5)
    nothing = select(runs[:2], data, tmp_path / "none.bed", **given | {"correlation": 1})
    assert nothing.path.read_text() == header + "\n"


def test_what_cannot_be_selected_from(
    data: Dataset, runs: list[Run], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def refused(match: str, *given: Any, **options: Any) -> None:
        first, dataset, output = given or (runs[:2], data, "o.parquet")
        with pytest.raises(InputError, match=match):
            select(first, dataset, tmp_path / output, **({"against": runs[2:]} | options))
        assert not (tmp_path / output).exists()

    refused("expected a name that ends in .parquet or .bed", runs[:2], data, "o.txt")
    refused("is on both sides", against=runs[1:])
    refused("runs: found none", against=[])
    refused("split: found 'tset'", split="tset")
    few = make_data(tmp_path_factory.mktemp("few"), n_samples=7)
    seven = [make(tmp_path / f"f{i}", few, i) for i in range(2)]
    refused("has 7 tasks, expected 8 at least", seven[:1], few, "o.bed", against=seven[1:])
    profiles = make_run(
        tmp_path / "p", data, WORDS, taps={name: [[0.0]] * 4 for name in data.samples}
    )
    refused("predicts no totals", against=[profiles])
    scaled = make(tmp_path / "n", data, 0, data={"normalised": True})
    refused("data.normalised: found True", against=[scaled])
    bare = make_data(tmp_path_factory.mktemp("bare"), cuts=None, bias=None)
    refused("has no cuts", runs[:2], bare, "o.bed")
    others = make_data(tmp_path_factory.mktemp("others"), samples=tuple(range(1, 10)))
    refused("has s1, s2, .* learnt s0, s1", runs[:2], others, "o.bed")


def test_the_command_takes_many_runs_after_one_option(
    data: Dataset, runs: list[Run], tmp_path: Path
) -> None:
    paths = [str(each.path) for each in runs]
    said = CliRunner().invoke(
        main,
        ["select", "--runs", *paths[:2], "--against", *paths[2:], "--data", str(data.path),
         "--split", "all", "--accessibility", "1", "--variation", "0.1", "--correlation", "-1",
         "-o", str(tmp_path / "o.bed")],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    made = select(
        runs[:2], data, tmp_path / "p.bed", against=runs[2:], split="all", accessibility=1,
        variation=0.1, correlation=-1,
    )  # fmt: skip
    assert (tmp_path / "o.bed").read_bytes() == made.path.read_bytes()
    assert f"better    {made.in_turn['better']:>10}" in said.stderr
    assert f"by itself {made.alone['better']}" in said.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--runs", "a", "b", "--against", "c", "d", "e"], (("a", "b"), ("c", "d", "e"))),
        (["--runs", "a", "--against", "c", "--runs", "b", "-q"], (("a", "b"), ("c",))),
        (["--runs", "a", "b", "--force", "--against", "-", "c"], (("a", "b"), ("-", "c"))),
    ],
)
def test_options_of_many_values(words: list[str], expected: tuple[tuple[str, ...], ...]) -> None:
    found = command.make_context("select", [*words, "--data", "d", "-o", "o"]).params
    assert tuple(tuple(map(str, found[name])) for name in ("runs", "against")) == expected
