"""Measures of scores against motifs that are known, beside loops over bases and over orders."""

from itertools import combinations
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelkit.metrics import auroc
from modelkit.metrics.embedded import (
    EmbeddedMetrics,
    Motifs,
    by_chance,
    embedded_metrics,
    perfect_scores,
)


def motifs_of(*sites):
    return Motifs(*(np.array(each, np.int64) for each in zip(*sites, strict=True)))


def above(signal, noise):
    """The chance that one is above the other, a tie half."""
    if not signal or not noise:
        return float("nan")
    won = sum((a > b) + 0.5 * (a == b) for a in signal for b in noise)
    return won / (len(signal) * len(noise))


def plain(scores, sites, cores, top):
    """Every way of choosing among tied bases, base by base."""
    n_top = expected = 0.0
    found, signal, noise, halves = [], [], [], []
    n_skipped = 0
    for row, values in enumerate(scores):
        if all(value != value for value in values):
            n_skipped += 1
            continue
        low, high = cores[row]
        counted = [j for j in range(len(values)) if not low <= j < high]
        motifs = [
            [j for j in range(start, end) if j in counted] for of, start, end in sites if of == row
        ]
        motifs = [motif for motif in motifs if motif]
        inside = {j for motif in motifs for j in motif}
        k = min(ceil(top * len(counted) - 1e-9), len(counted))
        ordered = sorted((values[j] for j in counted), reverse=True)
        least = ordered[k - 1] if k else float("inf")
        sure = [j for j in counted if values[j] > least]
        tied = [j for j in counted if values[j] == least]
        ways = [{*sure, *some} for some in combinations(tied, k - len(sure))]
        n_top += k
        expected += sum(len(way & inside) for way in ways) / len(ways)
        found += [
            sum(2 * len(way & {*motif}) >= len(motif) for way in ways) / len(ways)
            for motif in motifs
        ]
        signal += [values[j] for j in counted if j in inside]
        noise += [values[j] for j in counted if j not in inside]
        for motif in motifs:  # the highest threshold at which half of it is found
            levels = [values[j] for j in motif]
            halves.append(max(t for t in levels if 2 * sum(v >= t for v in levels) >= len(levels)))
    mean = [sum(map(abs, each)) / len(each) if each else 0.0 for each in (signal, noise)]
    return EmbeddedMetrics(
        expected / n_top if n_top else float("nan"),
        sum(found) / len(found) if found else float("nan"),
        above(signal, noise),
        above(halves, noise),
        (mean[0] / mean[1] if mean[1] else float("inf") if mean[0] else float("nan"))
        if signal and noise
        else float("nan"),
        len(scores) - n_skipped,
        len(found),
        n_skipped,
    )


@st.composite
def worlds(draw):
    n, length = draw(st.integers(1, 3)), draw(st.integers(4, 12))
    levels = st.integers(-2, 2).map(float)  # few: ties at every threshold
    scores = [draw(st.lists(levels, min_size=length, max_size=length)) for _ in range(n)]
    if draw(st.booleans()):
        scores[draw(st.integers(0, n - 1))] = [float("nan")] * length
    place = st.integers(0, length)
    spans = st.tuples(place, place).map(sorted).filter(lambda span: span[0] < span[1])
    sites = draw(st.lists(st.tuples(st.integers(0, n - 1), spans), min_size=1, max_size=5))
    cores = [draw(st.tuples(place, place).map(sorted)) for _ in range(n)]
    top = draw(st.sampled_from([0.05, 0.25, 0.5, 1.0]))
    return scores, [(row, *span) for row, span in sites], cores, top


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_every_measure_is_that_of_loops(world):
    scores, sites, cores, top = world
    found = embedded_metrics(scores, motifs_of(*sites), cores=cores, top=top)
    np.testing.assert_allclose(found, plain(scores, sites, cores, top), rtol=1e-9, atol=1e-12)


def example(n=6, length=200, width=12):
    """Three motifs in each sequence, and a core that they may reach into."""
    rng = np.random.default_rng(0)
    places = range(0, length - 12, 13)
    sites = [(row, low, low + width) for row in range(n) for low in rng.choice(places, 3)]
    cores = np.tile([95, 106], (n, 1))
    return rng, motifs_of(*sites), cores


def test_a_worked_example():
    # 20 bases, a top of 4 (20 %); the motif [2, 6) has 9, 8 and 0, 0; the core [10, 15) is the best
    scores = np.zeros((1, 20))
    scores[0, [2, 3, 17, 18]] = 9, 8, 7, -6
    scores[0, 10:15] = 100
    motifs = motifs_of((0, 2, 6))
    found = embedded_metrics(scores, motifs, cores=[[10, 15]], top=0.2)
    assert found.accuracy == pytest.approx(2 / 3)  # of ceil(0.2 * 15) = 3
    assert found.recall == 1  # 2 of 4 are half
    assert found.auroc == pytest.approx((2 * 11 + 2 * (1 + 9 / 2)) / 44)
    assert found.motif_auroc == 1  # the half is made by 8
    assert found.signal_to_noise == pytest.approx((17 / 4) / (13 / 11))
    with_core = embedded_metrics(scores, motifs, top=0.2)
    assert with_core.accuracy == 0  # all 4 of the top are in the core
    assert with_core.recall == 0


def test_nothing_depends_on_the_order_of_tied_bases():
    rng, motifs, cores = example(width=3)
    scores = np.maximum(0, np.round(rng.normal(-1, 1, (6, 200)), 1))  # Grad-CAM's: mostly zeros
    assert (scores == 0).mean() > 0.7
    found = embedded_metrics(scores, motifs, cores=cores, top=0.4)
    turned = Motifs(motifs.row, 200 - motifs.end, 200 - motifs.start)
    mirrored = embedded_metrics(scores[:, ::-1], turned, cores=200 - cores[:, ::-1], top=0.4)
    np.testing.assert_allclose(mirrored, found, rtol=1e-12)
    drawn = np.array(
        [
            embedded_metrics(
                scores + 1e-9 * rng.random(scores.shape), motifs, cores=cores, top=0.4
            )[:2]
            for _ in range(200)
        ]
    )
    error = drawn.std(0) / np.sqrt(200)
    assert (error > 0).all()  # the ties matter here
    assert (abs(drawn.mean(0) - found[:2]) < 4 * error).all()


def test_chance_is_what_random_scores_have():
    rng, motifs, cores = example()
    expected = by_chance((6, 200), motifs, cores=cores)
    drawn = np.array(
        [embedded_metrics(rng.random((6, 200)), motifs, cores=cores)[:5] for _ in range(200)]
    )
    error = drawn.std(0) / np.sqrt(200)
    assert (abs(drawn.mean(0) - expected[:5]) < 4 * error).all()
    assert expected.motif_auroc > 0.53
    # of one motif in one sequence, by hand: 12 of 200 bases
    one = by_chance((1, 200), motifs_of((0, 50, 62)))
    assert one.accuracy == pytest.approx(12 / 200)
    assert one.motif_auroc == pytest.approx(7 / 13)
    assert (one.auroc, one.signal_to_noise) == (0.5, 1)


def test_the_ceiling_is_below_one_where_motifs_are_shorter_than_the_top():
    _, motifs, cores = example(n=2, length=1000)
    perfect = perfect_scores((2, 1000), motifs)
    found = embedded_metrics(perfect, motifs, cores=cores)
    at = np.arange(1000)
    within = perfect * ~((at >= cores[:, :1]) & (at < cores[:, 1:]))
    assert found.accuracy == pytest.approx(within.sum() / 100)  # 50 in each
    assert (found.recall, found.auroc, found.motif_auroc) == (1, 1, 1)
    assert found.signal_to_noise == np.inf
    assert found.n_motifs == 6
    # and where they are longer, not all of them can be found
    longer = motifs_of((0, 0, 40), (0, 50, 90))
    found = embedded_metrics(perfect_scores((1, 100), longer), longer)
    assert found.accuracy == 1
    assert found.recall == 0


def test_scores_against_the_label_are_not_found_but_are_signal():
    motifs = motifs_of((0, 10, 20))
    scores = np.where((np.arange(100) >= 10) & (np.arange(100) < 20), -5.0, 1.0)[None]
    found = embedded_metrics(scores, motifs)
    assert (found.accuracy, found.recall, found.auroc) == (0, 0, 0)
    assert found.signal_to_noise == 5


def test_sequences_without_scores_are_left_out_and_counted():
    rng, motifs, cores = example()
    scores = rng.normal(size=(6, 200))
    here = motifs.row != 2
    fewer = Motifs(motifs.row[here] - (motifs.row[here] > 2), motifs.start[here], motifs.end[here])
    expected = embedded_metrics(np.delete(scores, 2, 0), fewer, cores=np.delete(cores, 2, 0))
    scores[2] = np.nan
    found = embedded_metrics(scores, motifs, cores=cores)
    assert found == expected._replace(n_skipped=1)
    assert (found.n_sequences, found.n_motifs) == (5, 15)
    none = embedded_metrics(np.full((6, 200), np.nan), motifs, cores=cores)
    assert np.isnan(none[:5]).all()
    assert none[5:] == (0, 0, 6)


def test_areas_are_those_of_all_sequences_together():
    # each sequence is perfect by itself, but the second one's background is above the first's motif
    motifs = motifs_of((0, 0, 2), (1, 0, 2))
    scores = [[1.0, 1, 0, 0], [3, 3, 2, 2]]
    found = embedded_metrics(scores, motifs)
    assert found.auroc == pytest.approx(auroc([1, 1, 0, 0, 1, 1, 0, 0], np.ravel(scores)))
    assert found.auroc == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("length", "top", "k"),
    [(60, 0.05, 3), (61, 0.05, 4), (989, 0.05, 50), (1000, 0.05, 50), (100, 0.07, 7)],
)
def test_a_share_is_rounded_up_but_not_for_a_rounding_error(length, top, k):
    scores = np.arange(length, 0, -1.0)[None]
    found = embedded_metrics(scores, motifs_of((0, 0, 1)), top=top)
    assert found.accuracy == pytest.approx(1 / k)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.zeros(5)}, r"found shape \(5,\), expected \(sequences, bp\)"),
        ({"scores": [[0.0, np.nan, 1, 2, 3]]}, "row 0 has NaN or infinity"),
        ({"scores": [[0.0, np.inf, 1, 2, 3]]}, "row 0 has NaN or infinity"),
        ({"motifs": motifs_of((0, 2, 2))}, "empty or beyond the 1 sequences of 5 bp"),
        ({"motifs": motifs_of((0, 2, 6))}, "empty or beyond"),
        ({"motifs": motifs_of((0, -1, 2))}, "empty or beyond"),
        ({"motifs": motifs_of((1, 1, 2))}, "empty or beyond"),
        ({"cores": [[0, 1], [1, 2]]}, r"cores: found shape \(2, 2\)"),
        ({"cores": [[0, 6]]}, "ends beyond 5 bp"),
        ({"top": 0.0}, "top: found 0.0"),
        ({"top": 1.1}, "top: found 1.1"),
    ],
)
def test_what_is_refused(change, message):
    given = {"scores": [[0.0, 1, 2, 3, 4]], "motifs": motifs_of((0, 1, 3)), **change}
    with pytest.raises(ValueError, match=message):
        embedded_metrics(given.pop("scores"), given.pop("motifs"), **given)
