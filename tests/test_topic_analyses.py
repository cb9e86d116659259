"""Analyses of topics against loops over their rows, with planted truth."""

import builtins
import inspect
import math
import sys
from pathlib import Path
from statistics import mean, median
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from scipy.stats import mannwhitneyu
from topic_tables import make_proportions

import modelkit
from kmerengine import InputError
from modelkit import (
    topic_accessibility,
    topic_comparison,
    topic_cooperation,
    topic_map,
    topic_projection,
)
from modelkit.cli import main
from modelkit.interpretation.topics.comparison import read_expression
from modelkit.interpretation.topics.projection import principal_components

MINE = ("accessibility", "assignment", "clr", "comparison", "cooperation", "heatmap", "map",
        "projection", "selection", "windows")  # fmt: skip


# ---------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("name", MINE)
def test_a_command_is_a_function_with_the_same_parameters_and_defaults(name: str) -> None:
    topics = main.get_command(click.Context(main), "topics")
    assert isinstance(topics, click.Group)
    command = topics.get_command(click.Context(topics), name)
    assert command is not None
    required = [p for p in command.params if p.required]
    words = [
        word for p in required
        for word in [*([p.opts[0]] if p.opts[0][0] == "-" else []), *["x"] * max(p.nargs, 1)]
    ]  # fmt: skip
    theirs = command.make_context(name, words).params
    theirs |= {str(p.name): inspect.Parameter.empty for p in required}
    ours = inspect.signature(getattr(modelkit, f"topic_{name}")).parameters
    assert {k: v for k, v in theirs.items() if k != "quiet"} == {
        k: v.default for k, v in ours.items() if k != "progress"
    }
    assert command.help
    assert all(p.help for p in command.params if isinstance(p, click.Option))


def run(*arguments: object) -> str:
    """What a command says on stderr."""
    said = CliRunner().invoke(main, ["topics", *map(str, arguments)])
    assert said.exit_code == 0, said.stderr
    return said.stderr


# ------------------------------------------------------------------------------- cooperation


def pair_values(*, cooperative: bool) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(7)
    sizes = {"ELK1": 80, "TBX21": 60, "ELK1:TBX21": 50, "X": 300, "Y": 400}
    labels = [name for name, n in sizes.items() for _ in range(n)]
    eta = 0.1 + rng.gamma(1, 0.1, (len(labels), 5))
    for row, label in enumerate(labels):
        if label in ("ELK1", "ELK1:TBX21"):
            eta[row, 0] += 5
        if label in ("TBX21", "ELK1:TBX21"):
            eta[row, 1] += 5
        if cooperative and label == "ELK1:TBX21":
            eta[row, 3] += rng.gamma(9, 1)
    return eta, labels


def test_a_topic_of_cooperative_binding_has_the_pair_alone(tmp_path: Path) -> None:
    eta, labels = pair_values(cooperative=True)
    made = topic_cooperation(eta, labels, tmp_path / "pair", factors=("ELK1", "TBX21"))
    rows = {row["group"]: row for row in made.table.to_pylist()}
    assert list(rows) == ["ELK1", "TBX21", "ELK1:TBX21", "others"]
    assert {row["topic"] for row in rows.values()} == {"topic_3"}
    assert rows["ELK1:TBX21"]["p"] < 1e-10
    assert all(rows[name]["p"] > 0.99 for name in ("ELK1", "TBX21", "others"))
    for name, row in rows.items():
        inside = [(label in rows and label == name) or (name == "others" and label not in rows)
                  for label in labels]  # fmt: skip
        a = sorted(eta[inside, 3].tolist())
        b = sorted(eta[np.logical_not(inside), 3].tolist())[::-1]
        b = b[: math.ceil(len(b) / 20)]
        expected = mannwhitneyu(a, b, alternative="greater", method="asymptotic")
        assert (row["n"], row["n_top"], row["u"]) == (len(a), len(b), expected.statistic)
        assert row["p"] == pytest.approx(expected.pvalue, rel=1e-12, abs=1e-300)
        assert row["mean"] == pytest.approx(mean(a))
        assert row["median"] == pytest.approx(median(a))
        assert row["q05"] == pytest.approx(np.percentile(a, 5))
        assert row["q95"] == pytest.approx(np.percentile(a, 95))


def test_the_topic_that_is_shown_is_that_of_the_pair(tmp_path: Path) -> None:
    """ELK1, of more probes, has a smaller p-value in topic 4 than the pair in topic 3."""
    eta, labels = pair_values(cooperative=True)
    eta[[label == "ELK1" for label in labels], 4] += 9
    made = topic_cooperation(eta, labels, tmp_path / "pair", factors=("ELK1", "TBX21"))
    assert set(made.table["topic"].to_pylist()) == {"topic_3"}
    both = topic_cooperation(
        eta, labels, tmp_path / "both", factors=("ELK1", "TBX21"), topics=("topic_3", "topic_4")
    )
    p = {(row["topic"], row["group"]): row["p"] for row in both.table.to_pylist()}
    assert p["topic_4", "ELK1"] < p["topic_3", "ELK1:TBX21"] < 1e-10


def test_what_both_factors_bring_is_no_cooperation(tmp_path: Path) -> None:
    eta, labels = pair_values(cooperative=False)
    made = topic_cooperation(
        eta, labels, tmp_path / "pair", factors=("ELK1", "TBX21"),
        topics=("topic_0", "topic_3", "topic_0"),
    )  # fmt: skip
    p = {(row["topic"], row["group"]): row["p"] for row in made.table.to_pylist()}
    assert len(p) == 8
    assert p["topic_3", "ELK1:TBX21"] > 0.99


def test_labels_of_a_pair_may_be_any(tmp_path: Path) -> None:
    eta, labels = pair_values(cooperative=True)
    labels = [label.replace("ELK1:TBX21", "pair") for label in labels]
    options: dict[str, Any] = {"factors": ("ELK1", "TBX21")}
    with pytest.raises(InputError, match="found 'ELK1:TBX21', which has no probes"):
        topic_cooperation(eta, labels, tmp_path / "a", **options)
    made = topic_cooperation(eta, labels, tmp_path / "b", pair="pair", **options)
    assert made.table["p"].to_pylist()[2] < 1e-10
    with pytest.raises(InputError, match="found 'topic_9'"):
        topic_cooperation(eta, labels, tmp_path / "c", pair="pair", topics=("topic_9",), **options)
    few = [i for i, label in enumerate(labels) if label not in ("X", "Y")]
    with pytest.raises(InputError, match="expected probes of others too"):
        topic_cooperation(eta[few], [labels[i] for i in few], tmp_path / "d", pair="pair",
                          **options)  # fmt: skip
    with pytest.raises(InputError, match="expected two factors and a pair"):
        topic_cooperation(eta, labels, tmp_path / "e", pair="ELK1", **options)


# ----------------------------------------------------------------------------- accessibility


def small_map(path: Path | None = None) -> modelkit.TopicMap:
    """Of eight topics, with factors a: 0 and 5; b: 5; c: 2; and none of d and the others.

    There are enough others for a not to block b: each is among the top of the other.
    """
    rng = np.random.default_rng(2)
    labels = [name for name in [*"abcd", *(f"other{i}" for i in range(40))] for _ in range(20)]
    eta = 0.1 + rng.gamma(1, 0.05, (len(labels), 8))
    for name, topics in {"a": (0, 5), "b": (5,), "c": (2,)}.items():
        for topic in topics:
            eta[[label == name for label in labels], topic] += rng.gamma(9, 1, 20)
    names = [f"probe_{i}" for i in range(len(labels))]
    made = topic_map(make_proportions(eta, names=names), labels, path)
    found = {name: sorted(made.topics_of(made.factors.index(name))) for name in made.found}
    assert found == {"a": [0, 5], "b": [5], "c": [2]}
    return made


def test_accessibility_sums_proportions_of_two_cell_types(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = {"GM12878": rng.gamma(1, size=(40, 8)), "A549": rng.gamma(1, size=(25, 8))}
    cells["A549"][:, 2] *= 3
    paths = {name: tmp_path / f"{name}.parquet" for name in cells}
    for name, eta in cells.items():
        make_proportions(eta, path=paths[name])
    small_map(tmp_path / "map.parquet")
    made = topic_accessibility(paths, tmp_path / "out", topic_map=tmp_path / "map.parquet")
    assert (made.cells, made.n_peaks, made.n_unmapped) == (("GM12878", "A549"), (40, 25), 5)
    rows = made.table.to_pylist()
    assert {row["topic"] for row in rows} == {"topic_0", "topic_2", "topic_5"}
    assert [row["score"][0] for row in rows] == sorted(row["score"][0] for row in rows)
    for row in rows:
        m = int(row["topic"][-1])
        score = [sum(x[m] / sum(x) for x in eta.tolist()) for eta in cells.values()]
        assert row["score"] == pytest.approx(score)
        assert row["mean"] == pytest.approx([score[0] / 40, score[1] / 25])
        assert row["difference"] == pytest.approx(score[0] - score[1])
        assert row["ratio"] == pytest.approx(score[0] / score[1])
        assert row["log2_ratio"] == pytest.approx(math.log2(score[0] / 40 * 25 / score[1]))
        assert sorted(row["factors"]) == {0: ["a"], 2: ["c"], 5: ["a", "b"]}[m]
    assert rows[0]["log2_ratio"] != pytest.approx(math.log2(rows[0]["ratio"]))
    document = pq.read_schema(tmp_path / "out" / "topics.parquet").metadata[b"kmerengine"]
    assert b'"cells": ["GM12878", "A549"]' in document


def test_one_cell_type_has_no_difference_and_without_a_map_all_topics(tmp_path: Path) -> None:
    eta = np.random.default_rng(0).gamma(1, size=(40, 8))
    made = topic_accessibility({"only": make_proportions(eta)}, tmp_path / "out")
    rows = made.table.to_pylist()
    assert len(rows) == 8
    assert sum(row["score"][0] for row in rows) == pytest.approx(40)
    assert {(row["difference"], row["ratio"], row["log2_ratio"]) for row in rows} == {
        (None, None, None)
    }


def test_topics_of_different_models_are_not_compared(tmp_path: Path) -> None:
    eta = np.random.default_rng(0).gamma(1, size=(40, 8))
    one, two = make_proportions(eta), make_proportions(eta, run="b")
    with pytest.raises(InputError, match="is of the run b, proportions of a"):
        topic_accessibility({"x": one, "y": two}, tmp_path / "out")
    with pytest.raises(InputError, match=r"has 3 topics .* expected both of one model"):
        topic_accessibility({"x": one, "y": eta[:, :3]}, tmp_path / "out")
    with pytest.raises(InputError, match="is of the run b, the map of a"):
        topic_accessibility({"x": two}, tmp_path / "out", topic_map=small_map())
    with pytest.raises(InputError, match="found 3 cell types"):
        topic_accessibility({"x": one, "y": one, "z": one}, tmp_path / "out")
    nothing = topic_map(eta, ["a", "b"] * 20, p=1e-9)
    with pytest.raises(InputError, match="maps no topic"):
        topic_accessibility({"x": one}, tmp_path / "out", topic_map=nothing)


# -------------------------------------------------------------------------------- projection


def three_sets() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    found = {}
    for i, name in enumerate(("CTCF", "ELK1", "MAFK")):
        eta = 0.1 + rng.gamma(1, 0.2, (40, 6))
        eta[:, i] += rng.gamma(9, 1, 40)
        found[name] = make_proportions(eta, names=[f"{name}_{j}" for j in range(40)])
    return found


def nearest_is_of_the_same_set(table: Any) -> float:
    points = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], 1)
    sets = table["set"].to_pylist()
    apart = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(apart, np.inf)
    return mean(sets[i] == sets[int(apart[i].argmin())] for i in range(len(sets)))


@pytest.mark.parametrize("method", [pytest.param("umap", marks=pytest.mark.slow), "pca"])
def test_sets_of_other_topics_lie_apart(tmp_path: Path, method: Any) -> None:
    sets = three_sets()
    made = topic_projection(sets, tmp_path / "one", n=30, method=method)
    assert made.method == method
    assert [made.table["set"].to_pylist().count(name) for name in sets] == [30, 30, 30]
    for row in made.table.to_pylist():
        assert sets[row["set"]].names[row["row"]] == row["name"]
    assert nearest_is_of_the_same_set(made.table) > 0.95
    again = topic_projection(sets, tmp_path / "two", n=30, method=method)
    assert again.table.equals(made.table)
    images = [(tmp_path / folder / "projection.png").read_bytes() for folder in ("one", "two")]
    assert images[0] == images[1]
    other = topic_projection(sets, tmp_path / "three", n=30, method=method, seed=1)
    assert not other.table.equals(made.table)


def test_principal_components_are_eigenvectors_of_the_covariance() -> None:
    z = np.random.default_rng(0).normal(size=(50, 5)) * [1, 5, 2, 0.1, 3] + 7
    found = principal_components(z)
    values, vectors = np.linalg.eigh(np.cov(z.T))
    for axis, k in ((0, -1), (1, -2)):
        direction = vectors[:, k] * np.sign(vectors[np.abs(vectors[:, k]).argmax(), k])
        assert found[:, axis] == pytest.approx((z - z.mean(0)) @ direction)
        assert found[:, axis].var(ddof=1) == pytest.approx(values[k])


def test_umap_gets_the_proportions_and_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    class UMAP:
        def __init__(self, **options: Any) -> None:
            seen.update(options)

        def fit_transform(self, z: np.ndarray) -> np.ndarray:
            seen["z"] = z
            return z[:, :2] * 10

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    sets = three_sets()
    made = topic_projection(sets, tmp_path / "out", n=30, seed=4)
    assert made.method == "umap"
    options = ("n_neighbors", "min_dist", "metric", "random_state")
    assert tuple(seen[name] for name in options) == (15, 0.1, "euclidean", 4)
    for row, z in zip(made.table.to_pylist(), seen["z"], strict=True):
        eta = sets[row["set"]].concentrations[row["row"]]
        assert z == pytest.approx(eta / eta.sum(), rel=1e-6)
        assert (row["x"], row["y"]) == pytest.approx((10 * z[0], 10 * z[1]))
    with pytest.raises(InputError, match=r"found 90 and 0\.1, expected 2 to 89"):
        topic_projection(sets, tmp_path / "no", n=30, n_neighbors=90)


def test_without_umap_learn_components_are_shown_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def no_umap(name: str, *rest: Any, **options: Any) -> Any:
        if name == "umap":
            raise ImportError(name)
        return imported(name, *rest, **options)

    monkeypatch.delitem(sys.modules, "umap", raising=False)
    monkeypatch.setattr(builtins, "__import__", no_umap)
    made = topic_projection(three_sets(), tmp_path / "auto")
    assert made.method == "pca"
    assert "principal components, not UMAP: found no umap-learn" in made.notes[-1]
    assert "CTCF has 40 sequences, fewer than 1,000" in made.notes
    with pytest.raises(InputError, match="install it with pip install umap-learn, or choose pca"):
        topic_projection(three_sets(), tmp_path / "umap", method="umap")
    paths = []
    for name, each in three_sets().items():
        paths.append(f"{name}={tmp_path / name}.parquet")
        each.save(tmp_path / f"{name}.parquet")
    said = run("projection", *paths, "-o", tmp_path / "said")
    assert "note: principal components, not UMAP" in said
    assert "120 sequences by pca" in said


def test_what_cannot_be_projected_is_said(tmp_path: Path) -> None:
    sets = three_sets()
    with pytest.raises(InputError, match="method: found 'tsne'"):
        topic_projection(sets, tmp_path / "x", method="tsne")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="found 0 sets"):
        topic_projection({}, tmp_path / "x")
    with pytest.raises(InputError, match="found 2 sequences"):
        topic_projection({"a": np.ones((2, 3))}, tmp_path / "x", method="pca")
    for seed in (-1, 2**32):  # of UMAP
        with pytest.raises(InputError, match=f"seed: found {seed}, expected 0 to 4294967295"):
            topic_projection(sets, tmp_path / "x", method="pca", seed=seed)
    with pytest.raises(InputError, match="is of the run b"):
        topic_projection(
            sets | {"z": make_proportions(np.ones((9, 6)), run="b")}, tmp_path / "x", method="pca"
        )


# -------------------------------------------------------------------------------- comparison


def test_factors_are_compared_as_sets(tmp_path: Path) -> None:
    small_map(tmp_path / "map.parquet")  # a, b and c of a, b, c, d
    (tmp_path / "homer.txt").write_text("# names\nb\tsomething\nd\nZNF\n\nb\n")
    (tmp_path / "rna.tsv").write_text(
        "gene\tone\ttwo\na\t0.1\t0\nb\t0.04\t0.05\nd\t7\t1e-3\nZNF\t1\t1\n"
    )
    made = topic_comparison(
        tmp_path / "map.parquet", tmp_path / "homer.txt", tmp_path / "both.parquet",
        expression=tmp_path / "rna.tsv",
    )  # fmt: skip
    rows = [row for row in made.table.to_pylist() if not row["factor"].startswith("other")]
    assert len(made.table) == len(rows) + 40
    names = ("factor", "ours", "theirs", "probes", "expression", "expressed")
    expected = [
        ("ZNF", False, True, False, 1.0, True),
        ("a", True, False, True, 0.05, True),  # 0.05 is enough
        ("b", True, True, True, 0.045, False),
        ("c", True, False, True, None, None),
        ("d", False, True, True, 3.5005, True),
    ]
    assert rows == [dict(zip(names, row, strict=True)) for row in expected]
    assert made.counts == {
        "ours": 3, "theirs": 2, "both": 1, "only ours": 2, "only theirs": 1,
        "ours, expressed": 1, "ours, not known": 1,
        "theirs, expressed": 1, "theirs, not known": 0,
        "both, expressed": 0, "both, not known": 0,
        "only ours, expressed": 1, "only ours, not known": 1,
        "only theirs, expressed": 1, "only theirs, not known": 0,
        "theirs without probes": 1,
    }  # fmt: skip
    assert pq.read_table(tmp_path / "both.parquet").equals(made.table)
    said = CliRunner().invoke(
        main, ["topics", "comparison", str(tmp_path / "map.parquet"), str(tmp_path / "homer.txt")]
    )
    assert said.stdout.splitlines() == [
        "ours\t3", "theirs\t2", "both\t1", "only ours\t2", "only theirs\t1",
        "theirs without probes\t1",
    ]  # fmt: skip


def test_names_may_be_a_list_and_expression_may_have_no_titles(tmp_path: Path) -> None:
    made = topic_comparison(small_map(), ["c", "c", "a"])
    assert made.counts["both"] == made.counts["theirs"] == 2
    assert set(made.table["expressed"].to_pylist()) == {None}
    (tmp_path / "rna.tsv").write_text("a\t1\t2\t6\nb\t0\t0\t0\n")
    assert read_expression(tmp_path / "rna.tsv") == {"a": 3.0, "b": 0.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\t1\nb\n", "line 2: found 'b', expected a name and 1 numbers"),
        ("gene\tx\ty\na\t1\n", "line 2: found 'a 1', expected a name and 2"),
        ("a\t1\nb\tnan\n", "line 2"),
        ("a\t1\nb\t-1\n", "line 2"),
        ("a\t1\na\t2\n", "line 2: found 'a' again"),
        ("\t1\n", "line 1"),
        ("gene\tx\n", "found no line"),
        ("a\n", "line 1: found 'a'"),
    ],
)
def test_expression_that_cannot_be_read_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rna.tsv").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_expression(tmp_path / "rna.tsv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("least", [math.nan, -1.0, math.inf])
def test_a_limit_that_is_no_expression_is_said(least: float) -> None:
    with pytest.raises(InputError, match="least: found"):
        topic_comparison(small_map(), ["a"], least=least)


def test_an_empty_list_of_names_is_said(tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match="found no name"):
        topic_comparison(small_map(), tmp_path / "none.txt")
    with pytest.raises(InputError, match=r"found suffix '\.csv'"):
        topic_comparison(small_map(), ["a"], tmp_path / "x.csv")


# ------------------------------------------------------------------ commands of the analyses


def test_commands_write_what_the_functions_do(tmp_path: Path) -> None:
    eta, labels = pair_values(cooperative=True)
    names = [f"probe_{i}" for i in range(len(labels))]
    values = tmp_path / "probes.parquet"
    make_proportions(eta, names=names, path=values)
    table = tmp_path / "labels.tsv"
    table.write_text("\n".join(f"{n}\t{f}" for n, f in zip(names, labels, strict=True)))
    said = run("cooperation", values, table, "--factors", "ELK1", "TBX21", "-o", tmp_path / "pair")
    assert "topic_3  ELK1:TBX21: 50 probes" in said
    mine = topic_cooperation(eta, labels, tmp_path / "mine", factors=("ELK1", "TBX21"))
    written = pq.read_table(tmp_path / "pair" / "groups.parquet")
    assert written.equals(mine.table)
    said = run("heatmap", values, table, "-o", tmp_path / "heat", "-n", 10, "--factor", "ELK1",
               "--factor", "X", "--figure", "svg")  # fmt: skip
    assert "20 probes, 1 of 5 topics" in said
    assert (tmp_path / "heat" / "heatmap.svg").exists()
    peaks = tmp_path / "gm.parquet"
    make_proportions(np.random.default_rng(0).gamma(1, size=(9, 8)), path=peaks)
    small_map(tmp_path / "map.parquet")
    said = run("accessibility", f"GM={peaks}", peaks, "--map", tmp_path / "map.parquet", "-o",
               tmp_path / "access")  # fmt: skip
    assert "GM: 9 peaks\ngm: 9 peaks\n5 topics without a factor are left out" in said
    twice = CliRunner().invoke(
        main, ["topics", "accessibility", f"a={peaks}", f"a={peaks}", "-o", str(tmp_path / "no")]
    )
    assert twice.exit_code == 2
    assert "found 'a' twice" in twice.stderr
    again = CliRunner().invoke(
        main, ["topics", "accessibility", str(peaks), "-o", str(tmp_path / "access")]
    )
    assert again.exit_code == 1
    assert again.stderr.count("\n") == 1
