"""AgentBind's benchmark of interpretation, of networks that are barely trained."""

import json
from concurrent.futures import Future
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import kmerengine
import modelkit
from bench import agentbind_document, agentbind_interpretation, agentbind_runs, agentbind_scores
from bench.agentbind_runs import Size, Trial
from bench.agentbind_scores import METHODS, truth_of
from bench.harness import read_rows

SIZE = Size(512, 64, 40)
CHANGES = {
    "danq": ("network.filters=4", "network.lstm=3", "network.dense=8"),
    "deepsea": ("network.filters=[4,4,4]", "network.dense=8"),
}


class Here:
    """A process that is this one."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*arguments))
        return done


@pytest.fixture
def small(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of work, sequences of 200 bp, and networks that pass whatever they have learnt."""
    motifs = data / "motifs" / "JASPAR_CORE_2016_vertebrates.meme"
    monkeypatch.setattr(agentbind_runs, "MOTIFS", motifs)
    monkeypatch.setattr(agentbind_runs, "WORK", tmp_path / "work")
    monkeypatch.setattr(agentbind_runs, "LENGTH", 200)
    monkeypatch.setattr(agentbind_interpretation, "ROWS", tmp_path / "rows.json")
    monkeypatch.setattr(agentbind_interpretation, "LEAST", 0.0)
    monkeypatch.setattr(agentbind_scores, "ProcessPoolExecutor", Here)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    return tmp_path


def run(network: str, epochs: int = 1, minutes: float = 5, positives: int = 12) -> None:
    training = {"changes": CHANGES[network], "epochs": epochs, "minutes": minutes}
    trial = Trial(network, 0, SIZE)
    agentbind_interpretation.run_all([trial], training, positives=positives, ism=2)


def test_rows_are_made_once_and_again_after_more_epochs(small: Path) -> None:
    rows_at = small / "rows.json"
    run("danq", minutes=0)
    assert not rows_at.exists()  # no epoch is over
    run("danq")
    run("danq")
    (row,) = read_rows(rows_at)
    assert (row["epochs"], row["best_epoch"], row["finished"]) == (1, 1, True)
    assert (row["positives"], row["ism"]) == (12, 2)
    assert row["changes"] | {"training.epochs": 1} == row["changes"]
    assert row["changes"]["network.lstm"] == 3
    assert [each["method"] for each in row["methods"]] == list(METHODS)
    run("danq", epochs=2)
    first, second = read_rows(rows_at)
    assert first == row
    assert second["epochs"] == 2
    text = agentbind_document.table([first, second])
    assert "of 2, " in text  # the newest alone
    assert "of 1, " not in text
    assert "| danq, DeepLIFT | not defined: LSTM |" in text


def test_measures_are_those_of_what_was_laid_in(small: Path) -> None:
    run("deepsea")
    (row,) = read_rows(small / "rows.json")
    table = pq.read_table(SIZE.sequences / "sequences.parquet").to_pydict()
    laid = pq.read_table(SIZE.sequences / "embedded.parquet").to_pylist()
    positives = [
        i
        for i, (split, labels) in enumerate(zip(table["split"], table["labels"], strict=True))
        if split == "test" and labels == [1]
    ][:12]
    weights = SIZE.path / "weights" / "deepsea-0-epoch-1"
    network = modelkit.Run.open(weights).network()
    top, in_top, all_levels = 0, 0, ([], [])  # type: ignore[var-annotated]
    for i in positives:
        word = torch.tensor(["ACGT".index(base) for base in table["sequence"][i]])
        x = torch.nn.functional.one_hot(word, 4).T[None].float().requires_grad_()
        (gradient,) = torch.autograd.grad(network(x)[0, 0], x)
        levels = gradient[0][word, torch.arange(200)].tolist()
        motif, core = (
            {
                j
                for each in laid
                if each["row"] == i and each["motif"] == name
                for j in range(each["start"], each["end"])
            }
            for name in ("TAL1", "GATA1")
        )
        assert motif
        assert len(core) == 11
        others = [j for j in range(200) if j not in core]
        best = sorted(others, key=lambda j, levels=levels: -levels[j])[: ceil(0.05 * len(others))]
        top, in_top = top + len(best), in_top + len(motif & {*best})
        for j in others:
            all_levels[j in motif].append(levels[j])
    found = {each["method"]: each for each in row["methods"]}
    assert found["saliency"]["accuracy"] == pytest.approx(in_top / top, abs=1e-9)
    noise, signal = map(np.array, all_levels)
    area = (signal[:, None] > noise).mean() + 0.5 * (signal[:, None] == noise).mean()
    assert found["saliency"]["auroc"] == pytest.approx(area, rel=1e-6)
    ratio = np.abs(signal).mean() / np.abs(noise).mean()
    assert found["saliency"]["signal_to_noise"] == pytest.approx(ratio, rel=1e-5)
    assert row["ceiling"]["accuracy"] == pytest.approx(min(1, len(signal) / top))
    assert row["chance"]["accuracy"] == pytest.approx(len(signal) / (12 * 189))
    assert row["oracle_auroc"] > 0.9
    counted = [each["n_sequences"] + each["n_skipped"] for each in row["control"]]
    assert counted == [12, 12, 12, 2]
    assert all(each["seconds_per_sequence"] > 0 for each in row["methods"])
    untrained = modelkit.Run.open(SIZE.path / "weights" / "deepsea-0-control")
    assert untrained.config.network == modelkit.Run.open(weights).config.network
    assert json.dumps(row, allow_nan=False)


def test_ism_scores_are_differences_of_whole_passes(small: Path) -> None:
    run("deepsea")
    weights = SIZE.path / "weights" / "deepsea-0-epoch-1"
    path = SIZE.path / "attributions" / weights.name / "ism-2"
    found = agentbind_scores.scores_of(modelkit.Attributions.open(path))
    network = modelkit.Run.open(weights).network()
    data = kmerengine.Dataset.open(SIZE.data)
    row = int(truth_of(SIZE).rows[1])
    codes = torch.from_numpy(np.asarray(data.sequence[row]).astype(np.int64))
    with torch.no_grad():
        for j in (0, 57, 199):
            mutants = codes.repeat(4, 1)
            mutants[:, j] = torch.arange(4)
            logits = network(torch.nn.functional.one_hot(mutants, 4).mT.float())[:, 0]
            deltas = (logits[codes[j]] - logits).tolist()
            assert found[1, j] == pytest.approx(max(deltas, key=abs), abs=2e-7)


def test_a_network_that_cannot_tell_is_not_explained(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agentbind_interpretation, "LEAST", 0.9)
    run("danq")
    (row,) = read_rows(small / "rows.json")
    assert not row["trained"]
    assert "methods" not in row
    assert not (SIZE.path / "attributions").exists()
    text = agentbind_document.table([row])
    assert f"| danq | not trained: test auROC {row['test_auroc']:.3f} |" in text


def row_of(**changes: Any) -> dict[str, Any]:
    method = {
        "accuracy": 0.304, "recall": 0.5, "auroc": 0.9, "motif_auroc": 0.95,
        "signal_to_noise": 12.5, "n_sequences": 100, "n_motifs": 188, "n_skipped": 0,
    }  # fmt: skip
    timed = [
        {"method": name, "seconds_per_sequence": seconds, **method}
        for name, seconds in (("saliency", 0.05), ("gradcam", 0.1), ("ism", 20.0))
    ]
    control = [each | {"auroc": 0.52} for each in timed]
    control[1] |= {"auroc": 0.56}
    return {
        "network": "danq", "seed": 0, "size": [10_000, 1_000, 1_000], "trained": True,
        "epochs": 9, "best_epoch": 7, "finished": False, "seconds": 3600.0, "threads": 1,
        "device": "cpu, 1 threads", "machine": {"cpu": "a CPU"}, "commit": "0123456789",
        "parameters": 46_076_411, "changes": {}, "positives": 100, "test_auroc": 0.97,
        "oracle_auroc": 0.98, "ceiling": method | {"signal_to_noise": None}, "chance": method,
        "methods": timed, "control": control, **changes,
    }  # fmt: skip


def test_the_table_says_what_ism_costs_and_marks_controls_that_are_off() -> None:
    text = agentbind_document.table([row_of()])
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| danq")
    ]
    assert cells[0] == [
        "danq, saliency", "30.4", "50.0", "0.900", "0.950", "12.50", "0.05", "1", "100", "0.520",
    ]  # fmt: skip
    assert [row[-1] for row in cells] == ["0.520", "[0.560]", "0.520"]
    assert cells[2][6:8] == ["20", "400"]
    assert "ISM takes 200 to 400 times as long as the others." in text
    assert "weights of epoch 7 of 9, not at its end" in text
    assert "| the truth itself | 30.4 | 50.0 | 0.900 | 0.950 | ∞ |" in text
    document = f"a\n{agentbind_document.BEGIN}\nold\n{agentbind_document.END}\nb\n"
    assert agentbind_document.put(document, [row_of()]) == document.replace("old", text)
    with pytest.raises(ValueError, match="needs the lines"):
        agentbind_document.put("a", [row_of()])


def test_sizes_are_tables_of_their_own_with_the_newest_row_of_each_network() -> None:
    rows = [
        row_of(test_auroc=0.91),
        row_of(),
        row_of(network="deepsea", trained=False, test_auroc=0.6),
        row_of(size=[50_000, 1_000, 1_000]),
    ]
    text = agentbind_document.table(rows)
    assert "0.910" not in text
    assert text.index("50,000 sequences") < text.index("10,000 sequences")
    assert "| deepsea | not trained: test auROC 0.600 |" in text


def test_a_command_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["agentbind_interpretation", "--only", "bindvae"])
    with pytest.raises(SystemExit):
        agentbind_interpretation.main()


def test_without_motifs_it_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agentbind_runs, "MOTIFS", tmp_path / "none.meme")
    with pytest.raises(SystemExit, match=r"none\.meme: not there; set KMERENGINE_DATA"):
        agentbind_runs.prepare(SIZE)
