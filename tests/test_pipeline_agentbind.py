"""The AgentBind pipeline on a small simulated genome: stages against the functions they are of,
what is made again after changes, baselines, and the command.
"""

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

import kmerengine
import modelkit
from bench import agentbind_data, agentbind_genome
from kmerengine import Dataset
from kmerengine.errors import InputError
from kmerengine.motifs.meme import write_meme
from kmerengine.motifs.motif import Motif
from modelkit.cli import main
from modelkit.interpretation.attribution.attributions import Attributions
from modelkit.pipelines import agentbind
from modelkit.pipelines.agentbind import pipeline_agentbind
from modelkit.training.run import Run

TINY = [
    "network.filters=4", "network.lstm=2", "network.dense=4", "network.initial_sd=0.1",
    "training.epochs=1", "training.batch_size=64",
]  # fmt: skip
NAMES = ("tf_1", "tf_2")
SIZES = {
    "n_contigs": 10, "contig_length": 20_000, "n_cell_types": 1, "n_peaks": 150,
    "sites_per_tf": 300, "n_decoys": 10, "p_open": 0.5, "depth": 0.01, "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found = agentbind_data.prepare(tmp_path_factory.mktemp("world"), **SIZES)
    found["chip"] = {name: found["chip"][name] for name in NAMES}
    return found


@pytest.fixture(scope="module")
def options(given: dict[str, Any]) -> dict[str, Any]:
    return given | {
        "settings": ["baseline", "accessibility"], "width": 200, "p": 1e-6,
        "background": "uniform", "changes": TINY, "device": "cpu", "threads": 1,
    }  # fmt: skip


def run(output: Path, options: dict[str, Any], **more: Any) -> list[str]:
    """Names of the stages that were run."""
    made = pipeline_agentbind(output=output, **(options | more))
    return [each.name for each in made.stages if each.made]


@pytest.fixture(scope="module")
def made(
    options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> modelkit.pipelines.agentbind.AgentBindPipeline:
    return pipeline_agentbind(output=tmp_path_factory.mktemp("made") / "out", **options)


def test_every_stage_is_what_its_function_gives(
    made: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    out = made.path
    assert len(made.stages) == 2 * (1 + 2 * 2) + 2 * (2 * 3 + 1) + 3
    assert all(each.made for each in made.stages)
    hits = kmerengine.scan(
        options["genome"], options["motifs"], names=["tf_2"], p=1e-6, strands="best",
        output=tmp_path / "hits.parquet",
    )  # fmt: skip
    assert len(hits) == pq.read_metadata(out / "scans/tf_2.parquet").num_rows
    assert 300 <= len(hits) <= 305  # what is planted, and what is as like the motif by chance
    sample = kmerengine.sample_sites(
        options["genome"], tmp_path / "hits.parquet", options["chip"]["tf_2"],
        output=tmp_path / "sample", setting="accessibility", width=200,
        accessible=options["accessible"],
    )  # fmt: skip
    mine = pq.read_table(out / "samples/accessibility/tf_2/regions.parquet")
    assert mine.equals(pq.read_table(sample.regions))
    data = Dataset.open(out / "data/accessibility/tf_2")
    assert data.label_names == ("tf_2",)
    assert len(data) == len(mine)
    chroms = np.array(data.regions["chrom"]).astype(str)
    assert set(chroms[data.split("test")]) == {"chr9"}
    assert set(chroms[data.split("validation")]) == {"chr8"}
    trained = Run.open(out / "runs/accessibility/tf_2")
    assert trained.config.network.filters == 4  # type: ignore[attr-defined]
    assert trained.config.data.both_strands  # type: ignore[attr-defined]
    assert trained.config.data.unknown == 0.25  # type: ignore[attr-defined]
    found = modelkit.evaluate(trained, data, device="cpu", resamples=2).metrics["model"]
    (row,) = [
        row for row in made.summary.to_pylist()
        if (row["setting"], row["name"]) == ("accessibility", "tf_2")
    ]  # fmt: skip
    assert row["auroc"] == pytest.approx(found["auroc"], abs=1e-9)
    assert row["auprc"] == pytest.approx(found["auprc"], abs=1e-9)
    assert row["examples"] == 2 * len(data.split("test"))
    pairs = pq.read_table(out / "cross/accessibility/pairs.parquet").to_pylist()
    assert [(r["run"], r["data"]) for r in pairs] == [(a, b) for a in NAMES for b in NAMES]
    scores = Attributions.open(out / "scores/accessibility/tf_2")
    assert data.labels is not None
    assert len(scores) == data.labels.sum()  # bound sites of all splits
    assert scores.provenance["method"] == "gradcam"
    words = pq.read_table(out / "kmers/kept/kmers.parquet").to_pylist()
    first = min(
        (w for w in words if (w["setting"], w["name"]) == ("accessibility", "tf_2")),
        key=lambda w: w["rank"],
    )
    assert (row["kmer"], row["bonferroni"]) == (first["kmer"], first["bonferroni"])
    profiles = pq.read_table(out / "aggregate/kept/profiles.parquet").to_pylist()
    assert {(r["setting"], r["name"]) for r in profiles} == {
        (s, n) for s in options["settings"] for n in NAMES
    }
    gc = pq.read_table(out / "cross/baseline/gc.parquet")
    assert gc["data"].to_pylist() == list(NAMES)


def test_what_is_done_is_not_made_again(made: Any, options: dict[str, Any]) -> None:
    lines: list[str] = []
    assert run(made.path, options, say=lines.append) == []
    assert len(lines) == len(made.stages)
    assert all("done before" in line for line in lines)
    trained = (made.path / "runs/baseline/tf_1/run.json").stat()
    listed = pipeline_agentbind(
        output=made.path, dry_run=True, **(options | {"changes": [*TINY, "training.epochs=2"]})
    )
    would = [each.name for each in listed.stages if each.made]
    kinds = {"train", "evaluate", "attribute", "cross", "kmers", "aggregate", "summary"}
    assert {name.split()[0] for name in would} == kinds
    assert listed.summary is None
    assert (made.path / "runs/baseline/tf_1/run.json").stat() == trained


def baseline_of_one(options: dict[str, Any]) -> dict[str, Any]:
    one = {"tf_1": options["chip"]["tf_1"]}
    return options | {"settings": ["baseline"], "accessible": None, "chip": one}


def test_another_factor_or_core_adds_to_what_is_there(
    options: dict[str, Any], tmp_path: Path
) -> None:
    few = baseline_of_one(options)
    out = tmp_path / "out"
    run(out, few)
    few["chip"] = {**few["chip"], "tf_2": options["chip"]["tf_2"]}
    again = run(out, few)
    assert [name for name in again if "tf_1" in name] == []
    assert "train baseline tf_2" in again
    assert {"cross baseline", "kmers kept", "aggregate kept", "summary"} <= set(again)
    more = run(out, few, cores=["kept", "blocked"])
    assert more == [
        *(f"{what} baseline-blocked {name}" for name in NAMES
          for what in ("train", "evaluate", "attribute")),
        "cross baseline-blocked", "kmers blocked", "aggregate blocked", "summary",
    ]  # fmt: skip
    blocked = Run.open(out / "runs/baseline-blocked/tf_1")
    assert blocked.config.data.core == "blocked"  # type: ignore[attr-defined]
    rows = pq.read_table(out / "summary.parquet").to_pylist()
    assert [(r["core"], r["name"]) for r in rows] == [
        (core, name) for core in ("kept", "blocked") for name in NAMES
    ]


class Ended(Exception):
    """What ends a process, as far as the pipeline knows."""


class Impatient:
    """A reporter that ends a training after some steps."""

    def say(self, line: str) -> None:
        pass

    def epoch(self, row: Any) -> None:
        pass

    def stepped(self, epoch: int, done: int, of: int) -> None:  # noqa: ARG002
        if done >= of / 2:
            raise Ended


def test_an_interrupted_training_goes_on_to_the_same_weights(
    made: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    few = baseline_of_one(options) | {"changes": [*TINY, "training.checkpoint_steps=1"]}
    out = tmp_path / "out"
    with pytest.raises(Ended):
        run(out, few, reporter=Impatient())
    assert (out / "runs/baseline/tf_1/last.safetensors").exists()
    lines: list[str] = []
    again = run(out, few, say=lines.append)
    assert again[0] == "train baseline tf_1"
    assert any("train baseline tf_1: goes on" in line for line in lines)
    log = (out / "runs/baseline/tf_1/log.txt").read_text()
    assert "goes on at epoch" in log
    mine, theirs = (
        Run.open(folder / "runs/baseline/tf_1").network("cpu").state_dict()
        for folder in (out, made.path)
    )
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_networks_begin_with_a_pretrained_run_and_are_compared_with_it(
    options: dict[str, Any], tmp_path: Path
) -> None:
    bins = tmp_path / "bins.bed"
    rows = [f"chr{c}\t{s}\t{s + 200}" for c in range(1, 11) for s in range(1000, 19_000, 400)]
    bins.write_text("\n".join(rows) + "\n")
    table = tmp_path / "labels.tsv"
    named = {"tf_1": options["chip"]["tf_1"], "open": options["accessible"]}
    table.write_text("".join(f"{name}\t{path}\n" for name, path in named.items()))
    many = kmerengine.dataset(
        bins, genome=options["genome"], labels=[table], split=["agentbind"], width=200,
        label_width=20, output=tmp_path / "many",
    )  # fmt: skip
    few = baseline_of_one(options)
    out = tmp_path / "out"
    stages = run(
        out, few, pretrain=many.path, scratch=True, accessibility_class="open", unbound=True
    )
    assert stages[0] == "pretrain"
    assert "train from nothing baseline tf_1" in stages
    learnt = Run.open(out / "pretrained")
    assert learnt.about["tasks"] == ["tf_1", "open"]
    begun = Run.open(out / "runs/baseline/tf_1").about["start"]
    assert begun["name"] == "pretrained"
    assert Run.open(out / "scratch/baseline/tf_1").about["start"] is None
    pairs = pq.read_table(out / "evaluations/baseline/tf_1/pairs.parquet").to_pylist()
    assert [(r["run"], r["class"]) for r in pairs] == [
        ("tf_1", "tf_1"), ("from nothing", "tf_1"), ("pretrained", "tf_1"),
        ("accessibility", "open"),
    ]  # fmt: skip
    assert (out / "evaluations/baseline/tf_1/roc.png").exists()
    data = Dataset.open(out / "data/baseline/tf_1")
    assert len(Attributions.open(out / "scores/baseline/tf_1")) == len(data)
    profiles = pq.read_table(out / "aggregate/kept/profiles.parquet").to_pylist()
    assert [r["bound"] for r in profiles] == [True, False]
    wrong = few | {"pretrain": many.path, "class_of": {"tf_1": "none"}}
    with pytest.raises(InputError, match="has no class 'none'; it has tf_1, open"):
        run(out, wrong)


@pytest.mark.parametrize(("changes", "seed"), [([], 7), (["training.seed=5"], 5)])
def test_a_change_of_the_config_goes_before_the_seed_of_all(
    changes: list[str], seed: int, options: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    seen: list[Any] = []
    monkeypatch.setattr(agentbind, "run_stages", lambda stages, *_, **__: seen.extend(stages) or [])
    run(tmp_path / "out", options | {"changes": [*TINY, *changes]}, seed=7, dry_run=True)
    trained = [s for s in seen if s.name.startswith("train")]
    assert {s.parameters["config"]["training"]["seed"] for s in trained} == {seed}
    assert {s.parameters["seed"] for s in seen if s.name.startswith("sample")} == {7}


def test_classes_are_those_of_the_run_that_is_given(
    made: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    few = options | {"start": made.path / "runs/baseline/tf_1", "dry_run": True}
    for more in ({"class_of": {"tf_2": "dog"}}, {"accessibility_class": "dog"}):
        with pytest.raises(InputError, match="has no class 'dog'; it has tf_1"):
            run(tmp_path / "out", few, **more)
    stages = run(tmp_path / "out", few, class_of={"tf_2": "tf_1"}, accessibility_class="tf_1")
    assert "evaluate baseline tf_2" in stages


def test_options_that_do_not_go_together(options: dict[str, Any], tmp_path: Path) -> None:
    one = Motif(name="A", alt_name="tf_1", probabilities=np.full((3, 4), 0.25))
    two = tmp_path / "two.meme"
    write_meme(two, [one, replace(one, name="B")])
    for more, message in (
        ({"accessible": None}, "accessible: found none"),
        ({"settings": ["baseline"]}, "only with it"),
        ({"settings": []}, "settings: found none"),
        ({"settings": ["gc", "gc"], "accessible": None}, "settings: found gc, gc"),
        ({"cores": ["half"]}, "cores: found half"),
        ({"motif_of": {"tf_9": "x"}}, "motif_of: found 'tf_9', expected one of tf_1, tf_2"),
        ({"motif_of": {"tf_1": "x"}}, "names: found 'x'"),
        ({"start": "a", "pretrain": "b"}, "start: found with pretrain"),
        ({"scratch": True}, "expected such a run"),
        ({"chip": {"a/b": options["genome"]}}, "a folder can have"),
        ({"chip": {"tf_1": tmp_path / "none.bed"}}, r"none\.bed: does not exist"),
        ({"model": "koo"}, "model: found 'koo'"),
        ({"accessible": tmp_path / "none.bed"}, r"none\.bed: does not exist"),
        ({"tss": tmp_path / "none.gtf"}, r"none\.gtf: does not exist"),
        ({"start": tmp_path / "none"}, "none: does not exist"),
        ({"pretrain": tmp_path / "none"}, "none: does not exist"),
        ({"motifs": two}, r"has 2 motifs called 'tf_1', A, B; .* --motif-of tf_1=A"),
    ):
        with pytest.raises(InputError, match=message):
            run(tmp_path / "out", options, **more)
    assert not (tmp_path / "out").exists()


def test_the_command_has_the_function_s_options_and_defaults() -> None:
    group = main.get_command(click.Context(main), "pipeline")
    assert isinstance(group, click.Group)
    leaf = group.get_command(click.Context(group), "agentbind")
    assert leaf is not None
    words = ["--genome", "g", "--motifs", "m", "--chip", "c", "-o", "o"]
    theirs = leaf.make_context("agentbind", words).params
    ours = {name: p.default for name, p in inspect.signature(pipeline_agentbind).parameters.items()}
    for name in ("say", "reporter", "progress"):
        del ours[name]
    assert theirs.keys() - {"quiet"} == ours.keys()
    empty = {"motif_of": (), "class_of": (), "changes": ()}
    for name, default in ours.items():
        if default is not inspect.Parameter.empty:
            assert theirs[name] == empty.get(name, default), name
    assert all(p.help for p in leaf.params)


def test_the_command_makes_the_same(made: Any, options: dict[str, Any], tmp_path: Path) -> None:
    given = options | {"chip": {"tf_1": options["chip"]["tf_1"]}}
    words = [
        "pipeline", "agentbind", "--genome", given["genome"], "--motifs", given["motifs"],
        "--chip", f"tf_1={given['chip']['tf_1']}", "--open", given["accessible"],
        "--settings", "baseline,accessibility", "--p", "1e-6", "--background", "uniform",
        "--width", "200", "--device", "cpu", "--threads", "1", "-o", made.path,
    ]  # fmt: skip
    words += [word for change in TINY for word in ("--set", change)]
    listed = CliRunner().invoke(main, [*map(str, words), "--dry-run"])
    assert listed.exit_code == 0, listed.output
    assert "[ 4/16] sample accessibility tf_1: done before" in listed.stderr
    assert "cross baseline: would run (" in listed.stderr
    words[-2 * len(TINY) - 1] = tmp_path / "new"
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:3] == ["tf_1", "baseline", "kept"]
    document = json.loads((tmp_path / "new/pipeline.json").read_text())
    assert {each["status"] for each in document["stages"]} == {"done"}
    same = "data/baseline/tf_1/sequence.arrow"
    assert (tmp_path / "new" / same).read_bytes() == (made.path / same).read_bytes()
    wrong = CliRunner().invoke(main, [*map(str, words), "--motif-of", "tf_1"])
    assert wrong.exit_code == 1
    assert "motif: found 'tf_1', expected NAME=MOTIF" in wrong.stderr


CHANCES = {"p_bound_cofactor": 0.9, "p_bound_open": 0.15, "p_bound_closed": 0.001}  # as simulated


def pairs_won(labels: np.ndarray, scores: np.ndarray) -> float:
    difference = scores[labels == 1][:, None] - scores[labels == 0][None]
    return float(((difference > 0) + (difference == 0) / 2).mean())


def test_the_best_auroc_is_that_of_the_odds_by_the_truth(made: Any, given: dict[str, Any]) -> None:
    truth = given["genome"].parent
    sites = pq.read_table(truth / "sites.parquet").to_pylist()
    of = {(s["chrom"], s["start"]): s for s in sites if s["motif"] == "tf_1"}
    for setting in ("baseline", "accessibility"):
        sample = made.path / "samples" / setting / "tf_1"
        rows = pq.read_table(sample / "regions.parquet").to_pylist()
        labels = np.array([row["label"] for row in rows])
        rank = []  # of the states: open with a co-factor, open, closed
        for row in rows:
            site = of.get((row["chrom"], row["start"] + row["core_start"]))
            assert site is None or site["bound"] == row["label"]
            rank.append(0 if site is None or not site["open"] else 1 + site["cofactor"])
        known = np.array(rank) > 0 if setting == "accessibility" else np.ones(len(rank), bool)
        assert known.mean() > 0.9
        found = agentbind_data.best_auroc(truth, sample, CHANCES, {f"chr{i}" for i in range(1, 11)})
        few_bins = len(pq.read_table(sample / "bins.parquet")) == 1
        near = 1e-9 if few_bins else 0.03  # bins shift the odds a little
        assert found == pytest.approx(pairs_won(labels, np.array(rank)), abs=near)
        odds, again = agentbind_data.best_scores(truth, sample, CHANCES)
        np.testing.assert_array_equal(again, labels)
        assert len(set(odds[np.array(rank) == 2] > odds[np.array(rank) == 1].max())) == 1


def test_odds_have_the_shares_that_their_bins_keep(tmp_path: Path) -> None:
    sample = tmp_path / "sample"
    sample.mkdir()
    truth = tmp_path / "truth"
    truth.mkdir()
    states = [(True, True), (True, False), (False, False), (False, True)]
    pq.write_table(
        pa.table({
            "chrom": ["c"] * 4, "start": [100, 200, 300, 400], "motif": ["m"] * 4,
            "open": [a for a, _ in states], "cofactor": [b for _, b in states],
        }),
        truth / "sites.parquet",
    )  # fmt: skip
    pq.write_table(
        pa.table({
            "p_bin": [5.0, 6.0], "gc_bin": pa.array([None, 0.4]), "positives": [10, 4],
            "negatives": [20, 8], "kept_positives": [10, 2], "kept_negatives": [5, 2],
        }),
        sample / "bins.parquet",
    )  # fmt: skip
    pq.write_table(
        pa.table({
            "chrom": ["c"] * 5, "start": [90, 190, 290, 390, 490], "core_start": [10] * 5,
            "motif": ["m"] * 5, "p_bin": [5.0, 6.0, 5.0, 6.0, 5.0],
            "gc_bin": pa.array([None, 0.4, None, 0.4, None]), "label": [1, 0, 0, 1, 0],
        }),
        sample / "regions.parquet",
    )  # fmt: skip
    chances = {"p_bound_cofactor": 0.8, "p_bound_open": 0.5, "p_bound_closed": 0.2}
    odds, labels = agentbind_data.best_scores(truth, sample, chances)
    kept = [1 / (5 / 20), (2 / 4) / (2 / 8)]
    np.testing.assert_allclose(odds, [4 * kept[0], kept[1], 0.25 * kept[0], 0.25 * kept[1], 0])
    assert agentbind_data.best_auroc(truth, sample, chances, {"c"}) == pytest.approx(4 / 6)
    assert labels.tolist() == [1, 0, 0, 1, 0]


def test_words_of_a_motif_and_of_those_that_are_not_its() -> None:
    assert agentbind_data.words_of("ACGRT", 4) == {"ACGA", "ACGG", "CGAT", "CGGT"} | {
        "TCGT", "CCGT", "ATCG", "ACCG",
    }  # fmt: skip
    words = agentbind_data.context_words()
    for tf, (own, others) in words.items():
        assert own
        assert not own & others
        for name, (theirs, _) in words.items():
            assert name == tf or theirs <= others


def test_rows_of_the_bench_and_what_they_show(made: Any, given: dict[str, Any]) -> None:
    folder = given["motifs"].parent
    rows = agentbind_genome.judged(folder, made, CHANCES)
    assert [(row["setting"], row["name"]) for row in rows] == [
        (setting, name) for setting in ("baseline", "accessibility") for name in NAMES
    ]
    for row in rows:
        data = Dataset.open(made.path / "data" / row["setting"] / row["name"])
        assert data.labels is not None
        assert row["training_positives"] == data.labels[data.split("train")].sum()
        assert 0.5 < row["bayes"] <= 1
        assert len(row["words"]) == 10
        assert ("shifted" in row) == (row["setting"] == "accessibility")
    lines = agentbind_genome.table(rows).splitlines()
    assert len(lines) == 2 + 4 + 1 + 4
    begin, end = agentbind_genome.BEGIN, agentbind_genome.END
    put = agentbind_genome.put(f"a\n{begin}\nold\n{end}\nb", rows)
    assert put.splitlines() == ["a", begin, *lines, end, "b"]
    with pytest.raises(ValueError, match="needs the lines"):
        agentbind_genome.put("a", rows)


def verdict_row(setting: str, name: str, **more: Any) -> dict[str, Any]:
    nothing = {"first": 0, "significant": 0, "rank": 50, "log10_p": -1.0}
    row: dict[str, Any] = {"setting": setting, "name": name, "auroc": 0.8, "bayes": 0.85}
    return row | {"cofactor": nothing, "decoys": nothing, "shifted": nothing} | more


def test_verdicts_by_hand() -> None:
    some = {"first": 3, "significant": 5, "rank": 1, "log10_p": -30.0}
    rows = [
        verdict_row("baseline", "a", auroc=0.95, bayes=0.96),
        verdict_row("baseline", "b", auroc=0.93, bayes=0.90),
        verdict_row("accessibility", "a", cofactor=some),
        verdict_row("accessibility", "b", decoys=some, shifted=some),
    ]
    above, drop, found, left = agentbind_genome.verdicts(rows)
    assert "+0.030 at most" in above
    assert "0.140" in drop
    assert "1 of 2" in found
    assert "decoy: 1 " in found
    assert "shifted: 1 " in left


def test_significant_words_are_counted_by_rank_and_p() -> None:
    def word(kmer: str, rank: int, bonferroni: float) -> dict[str, Any]:
        return {"kmer": kmer, "rank": rank, "bonferroni": bonferroni, "log10_p": -rank,
                "odds_ratio": 2.0}  # fmt: skip

    words = [word("A", 1, 1e-30), word("C", 2, 1e-11), word("G", 3, 1e-9), word("T", 11, 1e-12)]
    found = agentbind_genome._among(words, {"C", "G", "T"})
    assert (found["first"], found["significant"], found["rank"], found["kmer"]) == (1, 2, 2, "C")
