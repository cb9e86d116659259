"""Mean scores around core motifs, and scores as text."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from context_world import sites_of

from kmerengine import InputError
from modelkit.interpretation.context.aggregate import aggregate
from modelkit.interpretation.context.profile_set import AggregateProfiles
from modelkit.interpretation.context.score_lines import read_score_lines, score_lines

LENGTH = 50


def example(path, seed=0, n=30, *, labels=True, centres=(24, 27), strand=True, method="ism"):
    rng = np.random.default_rng(seed)
    sequences = ["".join(each) for each in rng.choice(list("ACGT"), (n, LENGTH))]
    scores = rng.integers(-64, 65, (n, LENGTH)) / 64
    scores[3] = 0
    cores = []
    for _ in range(n):
        low = int(rng.integers(*centres)) - 4
        cores.append((low, low + int(rng.integers(7, 11))))
    strands = "".join(rng.choice(list("+-"), n)) if strand else "+" * n
    bound = rng.integers(0, 2, (n, 1))
    bound[3] = 1
    made = sites_of(
        path, sequences, scores, cores, strands=strands, labels=bound if labels else None,
        method=method,
    )  # fmt: skip
    return made, scores, cores, strands, bound[:, 0] == 1


def by_hand(scores, cores, strands, rows, *, orient, cap=None):
    """Mean |score| by bp from the core's middle, of those that every sequence has."""
    seen = defaultdict(list)
    for i in rows:
        values, (low, high) = list(scores[i]), cores[i]
        if orient and strands[i] == "-":
            values, low, high = values[::-1], LENGTH - high, LENGTH - low
        for j, value in enumerate(values):
            size = abs(value) if cap is None else min(abs(value), cap)
            seen[j - (low + high - 1) // 2].append(size)
    return {at: sum(v) / len(v) for at, v in sorted(seen.items()) if len(v) == len(rows)}


@pytest.mark.parametrize(("orient", "cap"), [(False, None), (True, None), (True, 0.25)])
def test_profiles_are_means_by_hand(tmp_path: Path, orient: bool, cap: float | None) -> None:
    made, scores, cores, strands, bound = example(tmp_path / "a")
    found = aggregate({"CTCF": made}, tmp_path / "o", orient=orient, cap=cap)
    profiles = {}
    for flag in (True, False):
        rows = [i for i in range(30) if bound[i] == flag and i != 3]
        profiles[flag] = by_hand(scores, cores, strands, rows, orient=orient, cap=cap)
    common = sorted(set(profiles[True]) & set(profiles[False]))
    assert found.offsets.tolist() == common
    assert common[0] < -15
    assert common[-1] > 15
    for flag in (True, False):
        expected = np.array([profiles[flag][at] for at in common])
        np.testing.assert_allclose(found.profile("CTCF", bound=flag), expected, rtol=1e-12)
        z = (expected - expected.mean()) / np.sqrt(((expected - expected.mean()) ** 2).mean())
        np.testing.assert_allclose(found.profile("CTCF", bound=flag, z=True), z, rtol=1e-9)
    rows = {row["bound"]: row for row in found.table.to_pylist()}
    assert rows[True]["sequences"] == bound.sum() - 1
    assert rows[True]["without_score"] == 1
    assert rows[False]["without_score"] == 0
    again = AggregateProfiles.open(tmp_path / "o")
    assert again.table.equals(found.table)
    assert (tmp_path / "o" / "profiles.png").stat().st_size > 1000
    with pytest.raises(InputError, match="has no bound sequences of 'YY1'; it has CTCF"):
        again.profile("YY1")


def test_factors_with_like_profiles_are_neighbours(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    at = np.arange(LENGTH) - 24
    near, wide = np.exp(-np.abs(at) / 3), np.exp(-np.abs(at) / 40)
    sets = {}
    for setting in ("kept", "blocked"):
        for i, (name, shape) in enumerate(
            {"CTCF": near, "YY1": wide, "NRSF": near, "SP1": wide}.items()
        ):
            if setting == "blocked":  # clusters of its own, which do not count
                shape = (near if i < 2 else wide)[::-1]
            scores = shape * rng.uniform(0.9, 1.1, (20, LENGTH))
            sequences = ["".join(each) for each in rng.choice(list("ACGT"), (20, LENGTH))]
            sets[f"{setting}:{name}"] = sites_of(
                tmp_path / f"{setting}{i}", sequences, scores, [(20, 29)] * 20
            )
    found = aggregate(sets, tmp_path / "o")
    assert {frozenset(found.names[:2]), frozenset(found.names[2:])} == {
        frozenset({"CTCF", "NRSF"}), frozenset({"YY1", "SP1"}),
    }  # fmt: skip
    assert len(found) == 8
    sharp = found.profile("CTCF", setting="kept", z=True)
    assert found.offsets[np.argmax(sharp)] == 0
    assert sharp.max() > 1.5 * found.profile("YY1", setting="kept", z=True).max()
    assert found.offsets[np.argmax(found.profile("CTCF", setting="blocked"))] == 1


def test_what_aggregate_refuses(tmp_path: Path) -> None:
    made, *_ = example(tmp_path / "a")
    with pytest.raises(InputError, match="cap: found 0"):
        aggregate({"A": made}, tmp_path / "o", cap=0.0)
    made.labels = np.zeros((30, 1), np.uint8)
    with pytest.raises(InputError, match="no bound sequence has a score, of 0"):
        aggregate({"A": made}, tmp_path / "o")
    cores = [(0, 2), (LENGTH - 2, LENGTH)]
    ends = sites_of(tmp_path / "b", ["A" * LENGTH] * 2, np.ones((2, LENGTH)), cores)
    found = aggregate({"A": ends}, tmp_path / "o")
    assert found.offsets.tolist() == [0, 1]
    further = sites_of(tmp_path / "c", ["A" * LENGTH], np.ones((1, LENGTH)), [(LENGTH - 1, LENGTH)])
    wide = sites_of(tmp_path / "d", ["A" * LENGTH], np.ones((1, LENGTH)), [(0, 1)])
    assert aggregate({"A": further, "B": wide}, tmp_path / "p").offsets.tolist() == [0]


def test_scores_as_text_and_back(tmp_path: Path) -> None:
    made, scores, cores, strands, _ = example(tmp_path / "a", method="gradcam")
    n = score_lines(made, tmp_path / "plain.txt")
    assert n == 30
    expected = scores / np.where(scores.any(1), np.abs(scores).sum(1), np.nan)[:, None]
    for name, stranded in (("plain.txt", False), ("strand.txt", True)):
        score_lines(made, tmp_path / name, stranded=stranded, force=True)
        found = read_score_lines(tmp_path / name)
        np.testing.assert_allclose(found.scores, expected, rtol=1e-12)
        assert found.cores.tolist() == [list(core) for core in cores]
        assert found.starts.tolist() == [1000 * (i + 1) for i in range(30)]
        assert found.chroms == ["chr1", "chr2"] * 15
        assert found.strands == (list(strands) if stranded else ["."] * 30)
    lines = (tmp_path / "plain.txt").read_text().splitlines()
    assert len(lines) == 60
    low, high = cores[0]
    assert lines[0] == f"chr1;{1001 + low};{1001 + high};1000;1050"
    assert lines[7] == ";".join(["nan"] * LENGTH)
    minus = strands.index("-")
    of_strand = (tmp_path / "strand.txt").read_text().splitlines()
    assert of_strand[2 * minus].endswith(";-")
    assert of_strand[2 * minus + 1].split(";") == lines[2 * minus + 1].split(";")[::-1]
    with pytest.raises(InputError, match="exists"):
        score_lines(made, tmp_path / "plain.txt")


def test_a_file_of_the_authors_code(tmp_path: Path) -> None:
    """A motif that FIMO has at 4 to 6, in a sequence of 8 bp from the contig's third base on."""
    path = tmp_path / "weight.txt"
    path.write_text("chr7;4;7;2;10\n0.5;-0.25;0;1e-3;0;0;0;0.25\n")
    found = read_score_lines(path)
    assert found.cores.tolist() == [[1, 4]]
    assert found.scores.tolist() == [[0.5, -0.25, 0, 0.001, 0, 0, 0, 0.25]]
    good = "chr7;4;7;2;6\n1;2;3;4\n"
    for text, message in (
        ("", "is empty"),
        ("chr7;4;7;2\n1\n", "line 1: found 'chr7;4;7;2', expected CONTIG"),
        (";4;7;2;6\n1;2;3;4\n", "line 1"),
        ("chr7;4;7;2;6;x\n1;2;3;4\n", "line 1"),
        ("chr7;2;4;2;6\n1;2;3;4\n", "line 1"),
        ("chr7;4;8;2;6\n1;2;3;4\n", "line 1"),
        (good + "chr7;4;7;2;6\n", "line 4: found '', expected 4 scores"),
        (good + "chr7;4;7;2;6\n1;2;3\n", "line 4: found '1;2;3', expected 4"),
        (good + "chr7;4;7;2;6\n1;2;x;4\n", "line 4"),
        (good + "chr7;4;7;2;7\n1;2;3;4;5\n", "line 4: found 5 scores, expected 4 as before"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_score_lines(path)
    path.write_bytes(b"\xff\xfe;1\n")
    with pytest.raises(InputError, match="is no text"):
        read_score_lines(path)
    with pytest.raises(InputError, match="No such file"):
        read_score_lines(tmp_path / "none")
