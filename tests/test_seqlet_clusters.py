"""Similarity of seqlets, their clusters, and the tests of enrichment."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import fisher_exact, pearsonr
from seqlet_words import WORDS, matrix_of

from kmerengine import InputError
from modelkit.interpretation.motifs.clusters import average, cluster_seqlets, linked
from modelkit.interpretation.motifs.enrichment import count_units, fisher_greater
from modelkit.interpretation.motifs.similarity import STEP, aligned_p, score_tables, similarities
from native_kernels.aligned_correlation import aligned_correlation_reference


def some_seqlets(n, seed=0, noise=0.3, words=WORDS):
    """Parts of words on either strand, with what they are of."""
    rng = np.random.default_rng(seed)
    made, of = [], []
    for _ in range(n):
        k = int(rng.integers(len(words)))
        matrix = matrix_of(words[k], rng, noise)
        low = int(rng.integers(0, 2))
        matrix = matrix[low : len(matrix) - int(rng.integers(0, 2))]
        made.append(matrix[::-1, ::-1] if rng.random() < 0.5 else matrix)
        of.append(k)
    return [np.ascontiguousarray(each) for each in made], of


# ----------------------------------------------------------------------------------- similarity

TABLES = score_tables(30)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(0.01, 30))
def test_p_values_are_scipy_s(seed, union, scale):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=4 * union)
    y = x + rng.normal(size=4 * union) * scale
    r, p = pearsonr(x, y)
    assert aligned_p(r, union) == pytest.approx(p, rel=1e-6, abs=1e-290)
    if r > 0 and 1 - r * r > 1e-6:
        place = np.sqrt(-np.log(1 - r * r)) / STEP
        table = TABLES[union]
        left = int(place)
        score = table[left] + (place - left) * (table[left + 1] - table[left])
        assert score == pytest.approx(-np.log10(p), rel=1e-5, abs=1e-5)


def test_scores_of_p_too_small_for_a_float_go_on():
    table = score_tables(58)[58]
    assert np.all(np.isfinite(table))
    assert np.all(np.diff(table) > 0)
    assert table[-1] > 700
    assert np.all(np.abs(np.diff(table, 3)) < 1e-6)  # no step where the series takes over
    at = np.arange(len(table)) * STEP  # n = 4: I_x(1, 1/2) = 1 - sqrt(1 - x)
    closed = -np.log10(-np.expm1(0.5 * np.log1p(-np.exp(-np.square(at[1:])))))
    np.testing.assert_allclose(score_tables(1)[1][1:], closed, rtol=1e-9)


def test_scores_of_seqlets_are_those_of_padded_matrices_and_scipy():
    matrices, _ = some_seqlets(40, 3)
    scores, order = similarities(matrices, threads=1)
    assert sorted(order.tolist()) == list(range(40))
    assert [len(matrices[i]) for i in order] == sorted(map(len, matrices))
    for i in range(40):
        for j in range(i):
            r, union, _, _ = aligned_correlation_reference(matrices[order[i]], matrices[order[j]])
            p = float(aligned_p(r, union))
            found = float(scores[i * (i - 1) // 2 + j])
            expected = -np.log10(p if r > 0 else 2 - p)
            assert found == pytest.approx(expected, rel=2e-4, abs=2e-5)
    again, _ = similarities(matrices, threads=3)
    np.testing.assert_array_equal(scores, again)


# ------------------------------------------------------------------------------------- clusters


@pytest.fixture(scope="module")
def exact():
    """Seqlets and the distances of all pairs, from padded matrices."""
    matrices, _ = some_seqlets(80, 4, noise=0.9)
    n = len(matrices)
    distance = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            r, union, _, _ = aligned_correlation_reference(matrices[i], matrices[j])
            p = float(aligned_p(r, union))
            distance[i, j] = distance[j, i] = p if r > 0 else 2 - p
    return matrices, distance


@pytest.mark.parametrize("threshold", [0.05, 1e-3, 1e-6])
def test_clusters_are_those_of_scipy_with_exact_p_values(exact, threshold):
    matrices, distance = exact
    n = len(matrices)
    theirs = fcluster(linkage(distance[np.triu_indices(n, 1)], "complete"), threshold, "distance")
    ours = linked(matrices, threshold)
    pairs = set(zip(ours.tolist(), theirs.tolist(), strict=True))
    assert len(pairs) == len(set(ours.tolist())) == len(set(theirs.tolist()))
    assert list(dict.fromkeys(ours.tolist())) == list(range(len(set(ours.tolist()))))


def check_alignments(clusters, matrices):
    """What a cluster promises of its members, with loops."""
    assert sorted(m for each in clusters for m in each.members.tolist()) == list(
        range(len(matrices))
    )
    for each in clusters:
        total = np.zeros((len(each.cwm) + 200, 4))
        for m, offset, minus in zip(
            each.members.tolist(), each.offset.tolist(), each.minus.tolist(), strict=True
        ):
            laid = matrices[m][::-1, ::-1] if minus else matrices[m]
            for place, row in enumerate(laid, offset + 100):
                total[place] += row
        part = total[100 : 100 + len(each.cwm)] / len(each.members)
        np.testing.assert_allclose(each.cwm, part, atol=1e-6)
        positive = np.maximum(total / len(each.members), 0).sum(1)
        cut = 0.05 * positive.max()
        assert positive[100] >= cut
        assert positive[99 + len(each.cwm)] >= cut
        assert np.all(positive[:100] < cut)
        assert np.all(positive[100 + len(each.cwm) :] < cut)
        np.testing.assert_allclose(each.pfm.sum(1), 1)
        for row, frequencies in zip(each.cwm, each.pfm, strict=True):
            if (row > 0).any():
                expected = np.maximum(row, 0) / np.maximum(row, 0).sum()
                np.testing.assert_allclose(frequencies, expected, atol=1e-9)


@pytest.mark.parametrize(("rounds", "threshold"), [(1, 1e-3), (2, 1e-6)])
def test_planted_words_come_back_on_one_strand(rounds, threshold):
    matrices, of = some_seqlets(200, 6, noise=0.25)
    clusters = cluster_seqlets(matrices, threshold, rounds=rounds)
    check_alignments(clusters, matrices)
    assert [len(each.members) for each in clusters] == sorted(
        (len(each.members) for each in clusters), reverse=True
    )
    assert len(clusters) == len(WORDS)
    for each in clusters:
        kinds = {of[m] for m in each.members}
        assert len(kinds) == 1
        word = WORDS[kinds.pop()]
        consensus = "".join("ACGT"[b] for b in each.pfm.argmax(1))
        turned = consensus[::-1].translate(str.maketrans("ACGT", "TGCA"))
        assert word in (consensus, turned)


def test_a_second_round_joins_what_the_first_left_apart():
    matrices, of = some_seqlets(150, 8, noise=0.8)
    first = cluster_seqlets(matrices, 1e-5, rounds=1)
    second = cluster_seqlets(matrices, 1e-5, rounds=2)
    check_alignments(second, matrices)
    assert len(second) < len(first)
    groups = [set(each.members.tolist()) for each in second]
    for each in first:  # clusters are only joined
        assert sum(set(each.members.tolist()) <= group for group in groups) == 1
    assert np.mean([len({of[m] for m in each.members}) == 1 for each in second]) > 0.9


def test_parts_of_a_word_lie_where_they_were_cut_from_after_a_second_round():
    rng = np.random.default_rng(3)
    word = "GATAAGGCCATTCGTG"
    matrices, cuts = [], []
    for _ in range(80):
        low, high = int(rng.integers(0, 5)), len(word) - int(rng.integers(0, 5))
        minus = bool(rng.random() < 0.5)
        matrix = matrix_of(word, rng, 0.5)[low:high]
        matrices.append(np.ascontiguousarray(matrix[::-1, ::-1] if minus else matrix))
        cuts.append((low, high, minus))
    first = cluster_seqlets(matrices, 1e-9, rounds=1)
    second = cluster_seqlets(matrices, 1e-9, rounds=2)
    check_alignments(second, matrices)
    assert len(first) > 3 * len(second)
    assert len(second[0].members) > 60
    for each in second:
        place = set()
        for m, offset, minus in zip(
            each.members.tolist(), each.offset.tolist(), each.minus.tolist(), strict=True
        ):
            low, high, turned = cuts[m]
            same = minus == turned  # the motif is the word, or its reverse complement
            place.add((same, offset - low if same else offset + high))
        assert len(place) == 1


def test_positions_below_a_twentieth_are_trimmed_and_offsets_follow():
    matrix = np.full((8, 4), -0.1, np.float32)
    matrix[2, 0], matrix[3, 1], matrix[4, 3], matrix[5, 0] = 0.5, 1.0, 0.3, 0.05
    matrix[6, 0] = 0.049
    made = average([matrix], np.array([0]), np.array([7]), np.array([False]))
    assert made.offset.tolist() == [-2]
    np.testing.assert_allclose(made.cwm, matrix[2:6], rtol=1e-6)
    turned = average([matrix], np.array([0]), np.array([0]), np.array([True]))
    np.testing.assert_allclose(turned.cwm, matrix[2:6][::-1, ::-1], rtol=1e-6)
    assert turned.offset.tolist() == [-2]
    uniform = np.array([[1, 0, 0, 0], [-1, -1, -1, -1], [0, 0, 0, 1]], np.float32)
    made = average([uniform], np.array([0]), np.array([0]), np.array([False]))
    assert made.pfm.tolist() == [[1, 0, 0, 0], [0.25] * 4, [0, 0, 0, 1]]


def test_no_seqlets_and_options_out_of_range():
    assert cluster_seqlets([], 0.05, rounds=2) == []
    one = cluster_seqlets([matrix_of("GATA")], 0.05)
    assert [each.members.tolist() for each in one] == [[0]]
    with pytest.raises(InputError, match="threshold: found 1"):
        linked([matrix_of("GATA")], 1)
    with pytest.raises(InputError, match="rounds: found 0"):
        cluster_seqlets([], 0.05, rounds=0)


# ----------------------------------------------------------------------------------- enrichment


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_p_values_are_fisher_s(of_n, of_m, data):
    n, m = data.draw(st.integers(0, of_n)), data.draw(st.integers(0, of_m))
    p = float(fisher_greater(np.array([n]), of_n, np.array([m]), of_m)[0])
    theirs = fisher_exact([[n, m], [of_n - n, of_m - m]], alternative="greater").pvalue
    assert p == pytest.approx(theirs, rel=1e-8)
    total = comb(of_n + of_m, n + m)
    exact = sum(
        Fraction(comb(of_n, k) * comb(of_m, n + m - k), total)
        for k in range(n, min(of_n, n + m) + 1)
    )
    assert p == pytest.approx(float(exact), rel=1e-8)


def test_what_is_counted():
    motif = np.array([0, 0, 0, 0, 1, 1])
    model = np.array([0, 0, 0, 1, 1, 1])
    example = np.array([5, 5, 5, 5, 2, 3])
    target = np.array([0, 0, 1, 0, 1, 1])
    given = {"n_motifs": 3, "sizes": [(10, 2), (7, 3)]}
    one, other, third = (
        count_units(motif, model, example, target, unit=unit, **given)
        for unit in ("seqlets", "lineages", "sequences")
    )
    assert one.units.tolist() == [[3, 1], [0, 2], [0, 0]]
    assert one.of.tolist() == [3, 3]
    assert other.units.tolist() == [[2, 1], [0, 2], [0, 0]]
    assert other.of.tolist() == [20, 21]
    assert third.units.tolist() == [[1, 1], [0, 2], [0, 0]]
    assert third.of.tolist() == [10, 7]
    assert third.seqlets.tolist() == one.units.tolist()
