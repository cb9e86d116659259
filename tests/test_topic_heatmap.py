"""Heatmaps of topics by probes of factors."""

from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from topic_tables import make_proportions

from kmerengine import InputError
from modelkit import (
    topic_heatmap,
)
from modelkit.interpretation.topics.analysis_figures import _fewer_rows
from modelkit.interpretation.topics.heatmap import signal_of


def probe_values() -> tuple[np.ndarray, list[str]]:
    """Factors a to e of 30, 30, 12, 30 and 30 probes; b has topic 4, c topic 1, a topics 0 and 2.

    A fifth of all probes is topic 3, and topic 5 has a little more of d.
    """
    rng = np.random.default_rng(5)
    labels = [name for name, n in zip("abcde", (30, 30, 12, 30, 30), strict=True) for _ in range(n)]
    eta = 0.1 + rng.gamma(2, 0.05, (len(labels), 6))
    for name, topics in {"a": (0, 2), "b": (4,), "c": (1,)}.items():
        for topic in topics:
            eta[[label == name for label in labels], topic] += 12 + topic
    eta[[label == "d" for label in labels], 5] += 0.05
    eta[:, 3] = np.delete(eta, 3, axis=1).sum(1) / 4
    order = rng.permutation(len(labels))
    return eta[order], [labels[i] for i in order.tolist()]


def test_a_heatmap_shows_the_probes_drawn_and_the_topics_that_stand_out(tmp_path: Path) -> None:
    eta, labels = probe_values()
    names = [f"probe_{i}" for i in range(len(labels))]
    given = make_proportions(eta, names=names)
    made = topic_heatmap(given, labels, tmp_path / "map", n_probes=20, seed=3)
    rows = made.probes.to_pylist()
    assert made.few == {"c": 12}
    assert [sum(row["factor"] == name for row in rows) for name in "abcde"] == [20, 20, 12, 20, 20]
    assert [row["factor"] for row in rows] == sorted(row["factor"] for row in rows)
    assert len({row["row"] for row in rows}) == len(rows)
    topics = made.topics.to_pylist()
    shown = sorted((t for t in topics if t["shown"]), key=lambda t: t["place"])
    # by factor, then the larger mean first
    assert [(t["topic"], t["factor"]) for t in shown] == [
        ("topic_2", "a"), ("topic_0", "a"), ("topic_4", "b"), ("topic_1", "c"),
    ]  # fmt: skip
    order = [2, 0, 4, 1]
    for row in rows:
        i = row["row"]
        assert (labels[i], names[i]) == (row["factor"], row["name"])
        assert row["values"] == pytest.approx([eta[i, m] / eta[i].sum() for m in order])
    for m, topic in enumerate(topics):
        by_factor = {}
        for name in "abcde":
            mine = [eta[r["row"], m] / eta[r["row"]].sum() for r in rows if r["factor"] == name]
            rest = [eta[r["row"], m] / eta[r["row"]].sum() for r in rows if r["factor"] != name]
            by_factor[name] = min(mean(mine) / mean(rest), 6 * mean(mine))
        assert topic["signal"] == pytest.approx(max(by_factor.values()))
        if m != 3:  # of which all have as much, but for rounding
            assert topic["factor"] == max(by_factor, key=lambda name: by_factor[name])
    assert sorted(each.name for each in (tmp_path / "map").iterdir()) == [
        "heatmap.png", "probes.parquet", "topics.parquet",
    ]  # fmt: skip


def test_the_draw_of_a_heatmap_is_a_function_of_its_seed(tmp_path: Path) -> None:
    eta, labels = probe_values()

    def rows(seed: int, folder: str) -> list[int]:
        made = topic_heatmap(eta, labels, tmp_path / folder, n_probes=10, seed=seed)
        return made.probes["row"].to_pylist()  # type: ignore[no-any-return]

    assert rows(1, "a") == rows(1, "b") != rows(2, "c")
    with pytest.raises(InputError, match="seed: found -1, expected 0 to"):
        rows(-1, "d")
    same = [(tmp_path / folder / "heatmap.png").read_bytes() for folder in "ab"]
    assert same[0] == same[1]


def test_factors_of_a_heatmap_may_be_chosen_in_any_order(tmp_path: Path) -> None:
    eta, labels = probe_values()
    made = topic_heatmap(eta, labels, tmp_path / "two", factors=("d", "a"), figure="svg")
    assert list(dict.fromkeys(made.probes["factor"].to_pylist())) == ["d", "a"]
    assert (tmp_path / "two" / "heatmap.svg").read_text().startswith("<?xml")
    with pytest.raises(InputError, match="found 'z', which has no probes"):
        topic_heatmap(eta, labels, tmp_path / "no", factors=("a", "z"))
    with pytest.raises(InputError, match="found a, expected two different"):
        topic_heatmap(eta, labels, tmp_path / "no", factors=("a",))


def test_a_topic_that_all_have_carries_no_signal(tmp_path: Path) -> None:
    eta = np.random.default_rng(0).gamma(50, 0.1, (60, 4))
    with pytest.raises(InputError, match="no topic carries signal: the strongest has 1"):
        topic_heatmap(eta, ["a", "b"] * 30, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_signal_by_hand() -> None:
    """Of topic 1 no other probe has any; of topic 2 the ratio is less than M times the mean."""
    z = np.array([[0, 0.4, 0.6, 0], [0, 0, 0.4, 0.6], [0, 0, 0.2, 0.8]])
    signal, best, _ = signal_of(z, np.array([0, 1, 2]), 3)
    assert signal == pytest.approx([0, 1.6, 2, 0.8 / 0.3])
    assert best.tolist()[1:] == [0, 0, 2]


def test_values_that_are_no_proportions_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has values below 0 or only 0"):
        topic_heatmap([[1, -0.5], [1, 1]], ["a", "b"], tmp_path / "no")
    with pytest.raises(InputError, match="has values below 0 or only 0"):
        topic_heatmap([[1, 0.5], [0, 0]], ["a", "b"], tmp_path / "no")


@pytest.mark.parametrize(("n", "most"), [(7, 3), (10, 4), (12, 12), (5, 9), (1000, 7)])
def test_rows_of_an_image_are_means_of_what_they_cover(n: int, most: int) -> None:
    values = np.random.default_rng(0).normal(size=(n, 2))
    found = _fewer_rows(values, most)
    assert len(found) == min(n, most)
    if n <= most:
        assert np.array_equal(found, values)
        return
    fine = np.repeat(values, most, axis=0)  # every row in `most` equal parts
    assert found == pytest.approx(fine.reshape(most, n, 2).mean(1))
