"""Each run on each data set: against pair counting, by hand, and through the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from label_world import LENGTH, WORDS, make_labels, small_config, write_labels
from scipy.stats import pearsonr
from sklearn.metrics import average_precision_score, roc_auc_score

import kmerengine
import modelkit
from kmerengine import Dataset
from kmerengine.errors import InputError
from modelkit.cli import main
from modelkit.inference.cross import Cross, cross
from modelkit.inference.cross_gc import gc_difference, gc_of_sample
from modelkit.inference.cross_tables import best_rows, gains
from modelkit.training.run import Run

NAMES = tuple(WORDS)


def one_label(folder: Path, name: str, *, n: tuple[int, int, int], seed: int = 0) -> Dataset:
    """Sequences with the word of this label or without; the other words are not there."""
    rng = np.random.default_rng(seed)
    size = sum(n)
    labels = rng.random((size, 1)) < 0.5
    codes = rng.integers(0, 4, (size, LENGTH))
    word = ["ACGT".index(base) for base in WORDS[name]]
    codes[labels[:, 0], 20 : 20 + len(word)] = word
    splits = np.repeat(("train", "validation", "test"), n)
    return write_labels(folder, codes, labels, (name,), splits)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("cross")
    many = make_labels(folder / "many", n=(900, 60, 60))
    rate = "training.learning_rate=0.01"
    config = small_config("training.epochs=8", rate)
    modelkit.train(config, many, folder / "many-run", device="cpu", threads=1)
    data = {
        name: one_label(folder / name, name, n=(250, 20, 80), seed=i)
        for i, name in enumerate(NAMES[:2])
    }
    for name, each in data.items():
        config = small_config("training.epochs=8", rate)
        modelkit.train(config, each, folder / f"{name}-run", device="cpu", threads=1)
    runs = {name: folder / f"{name}-run" for name in data}
    return {"folder": folder, "many": folder / "many-run", "data": data, "runs": runs}


def logits(run: Run, data: Dataset, rows: np.ndarray) -> np.ndarray:
    """Of a network, example by example."""
    network = run.network("cpu")
    onehot = np.eye(4, dtype=np.float32)[data.sequence[rows]].transpose(0, 2, 1)
    with torch.inference_mode():
        return np.concatenate([network(torch.tensor(x[None])).numpy() for x in onehot])


def pairs_won(labels: np.ndarray, scores: np.ndarray) -> float:
    difference = scores[labels == 1][:, None] - scores[labels == 0][None]
    return float(((difference > 0) + (difference == 0) / 2).mean())


def test_the_matrix_is_that_of_each_run_on_each_test_split(world: dict[str, Any]) -> None:
    data = world["data"]
    made = cross({**world["runs"], "many": world["many"]}, data, device="cpu", batch_size=7)
    assert made.runs == ("gata", "tal", "many")
    for r, path in zip(made.runs, (*world["runs"].values(), world["many"]), strict=True):
        run = Run.open(path)
        for d, each in data.items():
            rows = each.split("test")
            found = logits(run, each, rows)
            assert each.labels is not None
            number = NAMES.index(d) if r == "many" else 0
            expected = pairs_won(each.labels[rows, 0], found[:, number])
            place = made.runs.index(r), made.data.index(d)
            assert made.matrix()[place] == pytest.approx(expected, abs=1e-9)
            row = made.pairs.to_pylist()[place[0] * 2 + place[1]]
            assert (row["run"], row["data"], row["label"]) == (r, d, d)
            assert row["class"] == (d if r == "many" else r)
            assert (row["examples"], row["positives"]) == (80, each.labels[rows, 0].sum())
    matrix = made.matrix()
    assert matrix[0, 0] > matrix[0, 1] + 0.2  # a run knows its own word
    assert matrix[1, 1] > matrix[1, 0] + 0.2


def test_one_class_can_be_asked_of_all_data(world: dict[str, Any]) -> None:
    data, many = world["data"], world["many"]
    made = cross({"sp1": many}, data, as_class={"sp1": "sp1"}, device="cpu")
    for d, each in data.items():
        rows = each.split("test")
        assert each.labels is not None
        expected = pairs_won(each.labels[rows, 0], logits(Run.open(many), each, rows)[:, 2])
        assert made.matrix()[0, made.data.index(d)] == pytest.approx(expected, abs=1e-9)
    assert made.pairs["class"].to_pylist() == ["sp1", "sp1"]
    assert made.gains.n == 0
    assert made.lines()[-1].split() == ["best", "sp1", "sp1"]


def test_of_one_data_set_all_measures_are_shown(world: dict[str, Any]) -> None:
    tal = world["data"]["tal"]
    made = cross(world["runs"], {"tal": tal}, device="cpu", max_fpr=0.2)
    rows = tal.split("test")
    assert tal.labels is not None
    lines = [line.split() for line in made.lines()]
    assert lines[0] == ["tal", "auroc", "auprc", "pauc", "pauc_mcclish"]
    for line, path in zip(lines[1:3], world["runs"].values(), strict=True):
        label, logit = tal.labels[rows, 0], logits(Run.open(path), tal, rows)[:, 0]
        expected = (
            roc_auc_score(label, logit), average_precision_score(label, logit),
            roc_auc_score(label, logit, max_fpr=0.2),
        )  # fmt: skip
        found = [float(cell) for cell in line[1:]]
        assert found[:2] == pytest.approx(expected[:2], abs=6e-5)
        assert found[3] == pytest.approx(expected[2], abs=6e-5)
        raw = (2 * found[3] - 1) * (0.2 - 0.02) + 0.02  # McClish's formula, turned
        assert found[2] == pytest.approx(raw / 0.2, abs=2e-4)
    assert "own run best on" in made.lines()[3]


def test_evaluate_judges_a_class_of_many_by_data_of_one(world: dict[str, Any]) -> None:
    tal = world["data"]["tal"]
    made = cross({"many": world["many"]}, {"tal": tal}, device="cpu")
    found = modelkit.evaluate(world["many"], tal, as_class="tal", device="cpu", resamples=2)
    assert found.metrics["model"]["auroc"] == pytest.approx(made.matrix()[0, 0], abs=1e-12)
    assert found.names == ("tal",)
    assert "by class tal of many-run" in found.notes
    other = modelkit.evaluate(world["many"], tal, as_class="gata", device="cpu", resamples=2)
    assert other.metrics["model"]["auroc"] < found.metrics["model"]["auroc"] - 0.1
    with pytest.raises(InputError, match=r"network\.classes: found 3"):
        modelkit.evaluate(world["many"], tal, device="cpu")
    words = ["evaluate", str(world["many"]), "--data", str(tal.path), "--as-class", "tal"]
    said = CliRunner().invoke(main, [*words, "--json", "--device", "cpu", "--resamples", "2"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout.splitlines()[-1])["metrics"]["model"]["auroc"] == pytest.approx(
        found.metrics["model"]["auroc"]
    )


def test_what_cannot_be_judged(world: dict[str, Any], tmp_path: Path) -> None:
    data, runs, many = world["data"], world["runs"], world["many"]
    with pytest.raises(InputError, match="has no class 'dog'; it has gata, tal, sp1"):
        cross({"many": many}, data, as_class={"many": "dog"})
    with pytest.raises(InputError, match="as_class: found 'any', expected one of many"):
        cross({"many": many}, data, as_class={"any": "tal"})
    with pytest.raises(InputError, match="has 3 labels, expected one"):
        cross(runs, {"many": world["folder"] / "many" / "data"})
    some = dict.fromkeys(data, tmp_path)
    with pytest.raises(InputError, match="samples: found 'gata', of which there is no run"):
        cross({"many": many}, data, samples=some)
    with pytest.raises(InputError, match="samples: found 'any', expected one of gata"):
        cross(runs, data, samples={"any": tmp_path})
    with pytest.raises(InputError, match="expected one of each or more"):
        cross({}, data)
    with pytest.raises(InputError, match="max_fpr: found 0"):
        cross(runs, data, max_fpr=0)
    other = one_label(tmp_path / "sp1", "sp1", n=(5, 5, 5))
    with pytest.raises(InputError, match="has no class 'dog'"):
        cross({"many": many}, {"x": other}, as_class={"many": "dog"})


def test_best_and_gains_by_hand() -> None:
    values = np.array([[0.9, 0.6, 0.7], [0.8, 0.5, np.nan], [0.7, 0.8, 0.9]])
    rows = best_rows(values, ("a", "b", "any"), ("a", "b", "c"))
    assert [row["best"] for row in rows] == ["a", "any", "any"]
    assert [row["own"] for row in rows] == [0.9, 0.5, None]
    assert [row["other"] for row in rows] == ["b", "any", "any"]
    assert rows[0]["gain"] == pytest.approx(0.1)
    assert rows[1]["gain"] == pytest.approx(-0.3)
    assert rows[2]["gain"] is None
    found = gains(rows)
    assert found[:2] == (2, 1)
    assert found[2:] == (pytest.approx(0.1), pytest.approx(-0.3))
    more = [{"gain": g} for g in (0.1, 0.3, 0.2, 0.6, 0.0, -0.1, -0.2)]
    assert gains(more) == (7, 4, pytest.approx(0.25), pytest.approx(-0.1))
    nothing = best_rows(np.array([[np.nan]]), ("a",), ("a",))[0]
    assert (nothing["best"], nothing["own"], nothing["gain"]) == (None, None, None)
    assert np.isnan(gains([nothing])[2])


def samples(folder: Path, spread: dict[str, tuple[str, str]]) -> dict[str, Path]:
    """Samples of sites in a small genome: bound ones in the first word repeated, unbound in the
    second."""
    found = {}
    for name, (bound, unbound) in spread.items():
        path = folder / name
        path.mkdir()
        core = "GATTACA"
        rng = np.random.default_rng(len(found))
        pieces, hits, peaks, at = [], [], [], 0
        for i in range(12):
            word = bound if i % 2 else unbound
            flank = "".join(rng.choice(list(word), 60))
            pieces.append(flank + core + flank)
            hits.append(f"c\t{at + 60}\t{at + 67}\tm\t10\t+\t1e-5")
            if i % 2:
                peaks.append(f"c\t{at + 55}\t{at + 72}")
            at += 127
        (path / "g.fa").write_text(">c\n" + "".join(pieces) + "\n")
        motif = "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF m\n"
        motif += "letter-probability matrix: alength= 4 w= 7 nsites= 99\n"
        rows = np.eye(4)[["ACGT".index(base) for base in core]]
        motif += "".join(" ".join(map(str, row)) + "\n" for row in rows.tolist())
        (path / "m.meme").write_text(motif)
        (path / "p.bed").write_text("\n".join(peaks) + "\n")
        hit = kmerengine.scan(path / "g.fa", path / "m.meme", output=path / "h.parquet", p=1e-4)
        assert len(hit) == 12
        kmerengine.sample_sites(
            path / "g.fa", path / "h.parquet", path / "p.bed", output=path / "s", width=101
        )
        found[name] = path / "s"
    return found


def test_gc_of_bound_and_unbound_against_auroc(tmp_path: Path) -> None:
    of = samples(tmp_path, {"a": ("GC", "AT"), "b": ("ACGT", "AT"), "c": ("AT", "ACGT")})
    area = {"a": 0.9, "b": 0.8, "c": 0.55, "d": 0.4}
    found = gc_difference(of, area)
    assert found.table["data"].to_pylist() == ["a", "b", "c"]
    expected = []
    for name in "abc":
        table = pq.read_table(of[name] / "regions.parquet").to_pylist()
        genome = (tmp_path / name / "g.fa").read_text().split()[1]
        of_label: dict[int, list[float]] = {0: [], 1: []}
        for row in table:
            word = genome[row["start"] : row["end"]]
            of_label[row["label"]].append((word.count("G") + word.count("C")) / len(word))
        expected.append(np.mean(of_label[1]) - np.mean(of_label[0]))
        assert gc_of_sample(of[name])[0] == pytest.approx(np.mean(of_label[1]), abs=1e-9)
    assert expected[0] > 0.8
    assert expected[2] < 0
    np.testing.assert_allclose(found.table["difference"].to_numpy(), expected, atol=1e-9)
    r, p = pearsonr(expected, [0.9, 0.8, 0.55])
    assert (found.r, found.p) == (pytest.approx(r), pytest.approx(p))
    few = gc_difference(of, {"a": 0.9, "b": float("nan")})
    assert len(few.table) == 1
    assert np.isnan(few.r)


def test_the_folder_and_the_command(world: dict[str, Any], tmp_path: Path) -> None:
    of = samples(tmp_path, {"gata": ("GC", "AT"), "tal": ("ACGT", "AT")})
    out = tmp_path / "out"
    words = ["cross", *(f"{n}={p}" for n, p in world["runs"].items()), f"many={world['many']}"]
    for name, each in world["data"].items():
        words += ["--data", f"{name}={each.path}", "--sample", f"{name}={of[name]}"]
    said = CliRunner().invoke(main, [*words, "-o", str(out), "--device", "cpu"])
    assert said.exit_code == 0, said.output
    made = cross({**world["runs"], "many": world["many"]}, world["data"], samples=of, device="cpu")
    assert said.stdout.splitlines() == made.lines()
    names = {"pairs.parquet", "best.parquet", "gc.parquet", "cross.json"}
    assert {p.name for p in out.iterdir()} == names | {"cross.png", "roc.png", "gc.png"}
    assert pq.read_table(out / "pairs.parquet").to_pylist() == made.pairs.to_pylist()
    assert pq.read_table(out / "best.parquet").to_pylist() == made.best.to_pylist()
    document = json.loads((out / "cross.json").read_text())
    assert document["gains"]["n"] == 2
    assert document["parameters"]["max_fpr"] == 0.1
    again = CliRunner().invoke(main, [*words, "-o", str(out), "--device", "cpu"])
    assert again.exit_code == 1
    assert "exists" in again.stderr
    bad = CliRunner().invoke(main, [*words, "--as-class", "many"])
    assert "expected NAME=CLASS" in bad.stderr


def test_curves_are_of_own_runs_and_of_those_without_data(world: dict[str, Any]) -> None:
    made: Cross = cross(world["runs"], world["data"], device="cpu")
    assert set(made.curves["gata"]) == {"gata", "tal"}
    fpr, tpr = made.curves["gata"]["gata"]
    area = float(np.trapezoid(tpr, fpr))
    assert area == pytest.approx(made.matrix()[0, 0], abs=1e-12)
