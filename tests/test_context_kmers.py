"""Words around core motifs: counts against strings, tests against SciPy and whole numbers."""

import math
from collections import Counter
from math import comb
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from context_world import attributions_of, reverse_complement, sites_of
from scipy.stats import fisher_exact

from kmerengine import InputError
from modelkit.cli import main
from modelkit.cli._names import Named
from modelkit.interpretation.context.heatmap import merged
from modelkit.interpretation.context.kmer_set import ContextKmers
from modelkit.interpretation.context.kmers import kmers
from modelkit.interpretation.context.places import StartPlaces
from modelkit.interpretation.context.score_lines import read_score_lines
from modelkit.interpretation.context.sites import read_sites
from modelkit.interpretation.context.windows import count_words, letters_of
from modelkit.metrics.fisher import greater, odds_ratios


def words_by_hand(sequences, scores, cores, strands, k, share, shift=0):
    """Top windows and all windows of each word, from strings."""
    windows = []
    left = Counter()
    for sequence, of_bases, (start, end), strand in zip(
        sequences, scores, cores, strands, strict=True
    ):
        for low in range(len(sequence) - k + 1):
            places = range(low, low + k)
            word = sequence[low : low + k]
            if any(start <= j < end for j in places):
                left["overlap the core motif"] += 1
            elif set(word) - set("ACGT"):
                left["have an unknown base"] += 1
            elif any(j - shift < 0 or j - shift >= len(sequence) for j in places) or any(
                start <= j - shift < end for j in places
            ):
                left["have no score"] += 1
            else:
                if strand == "-":
                    word = reverse_complement(word)
                windows.append((sum(of_bases[j - shift] for j in places) / k, word))
    ranked = sorted((score for score, _ in windows), reverse=True)
    last = ranked[max(1, math.floor(share * len(ranked) + 1e-9)) - 1]
    top = Counter(word for score, word in windows if score >= last and score > 0)
    return top, Counter(word for _, word in windows), left


def drawn(seed, n=40, length=60, unknown=0.02):
    rng = np.random.default_rng(seed)
    letters = np.array(list("ACGTN"))
    odds = [*([(1 - unknown) / 4] * 4), unknown]
    sequences = ["".join(each) for each in rng.choice(letters, (n, length), p=odds)]
    scores = rng.integers(-32, 64, (n, length)) / 64  # sums of them are exact
    for i, sequence in enumerate(sequences):
        scores[i, [base == "N" for base in sequence]] = 0
    starts = rng.integers(20, 30, n).tolist()
    cores = [(s, s + int(rng.integers(6, 12))) for s in starts]
    return sequences, scores, cores, "".join(rng.choice(list("+-."), n))


def as_counter(counts, k):
    return Counter({w: int(n) for w, n in zip(letters_of(k), counts, strict=True) if n})


@pytest.mark.parametrize(("k", "shift", "share"), [(5, 0, 0.01), (3, 0, 0.29), (4, 7, 0.1),
                                                   (2, -7, 0.05), (1, 0, 0.5)])  # fmt: skip
def test_windows_are_those_of_strings(tmp_path: Path, k: int, shift: int, share: float) -> None:
    sequences, scores, cores, strands = drawn(k)
    made = sites_of(tmp_path / "a", sequences, scores, cores, strands=strands, method="saliency")
    found = count_words(read_sites(made), np.arange(len(sequences)), k=k, share=share, shift=shift)
    top, every, left = words_by_hand(sequences, scores, cores, strands, k, share, shift)
    assert as_counter(found.windows, k) == every
    assert as_counter(found.top, k) == top
    assert {reason: n for reason, n in found.skipped.items() if n} == left
    assert left["overlap the core motif"]
    assert (left["have no score"] > 0) == (shift != 0)


def test_ties_with_the_last_are_top_and_a_score_of_nothing_never_is(tmp_path: Path) -> None:
    scores = np.zeros((1, 12))
    scores[0, [0, 3, 9]] = 1, 0.5, 0.5
    made = sites_of(tmp_path / "a", ["AACCTGGGGTTT"], scores, [(5, 6)], method="saliency")
    sites, rows = read_sites(made), np.arange(1)
    for share, top in ((0.1, {"A": 1}), (0.2, {"A": 1, "C": 1, "T": 1}),
                       (0.9, {"A": 1, "C": 1, "T": 1})):  # fmt: skip
        found = count_words(sites, rows, k=1, share=share)
        assert as_counter(found.top, 1) == top
        assert found.windows.sum() == 11
    assert found.threshold == 0.5
    with pytest.raises(InputError, match="no window with a score above 0, of 11"):
        count_words(sites._replace(scores=-np.abs(sites.scores)), rows, k=1, share=0.1)
    with pytest.raises(InputError, match=r"no window of 7 bases .* 6 overlap the core motif"):
        count_words(sites, rows, k=7, share=0.1)
    hundred = sites_of(tmp_path / "b", ["AC" * 50 + "A"], [range(1, 102)], [(0, 1)], method="ism")
    # 0.29 * 100 is a little less than 29
    assert count_words(read_sites(hundred), rows, k=1, share=0.29).top.sum() == 29


def exact_log_p(a, n, n_top, n_all):
    """Of whole numbers, however small the quotient."""
    ways = sum(comb(n, x) * comb(n_all - n, n_top - x) for x in range(a, min(n, n_top) + 1))
    return math.log(ways) - math.log(comb(n_all, n_top))


def test_p_values_are_those_of_scipy_and_of_whole_numbers() -> None:
    rng = np.random.default_rng(5)
    for n_all, n_top in ((40, 4), (500, 10), (400, 200), (400, 390)):
        n = rng.integers(0, n_all + 1, 40)
        low, high = np.maximum(0, n_top + n - n_all), np.minimum(n, n_top)
        a = np.concatenate([rng.integers(low[:20], high[:20] + 1), low[20:30], high[30:]])
        found = greater(a, n, n_top, n_all)
        exact = [exact_log_p(*map(int, each), n_top, n_all) for each in zip(a, n, strict=True)]
        np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9)
        odds = odds_ratios(a, n, n_top, n_all)
        for i in range(40):
            table = [[a[i], n_top - a[i]], [n[i] - a[i], n_all - n_top - n[i] + a[i]]]
            by_scipy = fisher_exact(table, alternative="greater")
            assert math.exp(found[i]) == pytest.approx(by_scipy.pvalue, rel=1e-8, abs=1e-300)
            if min(map(sum, table)) and min(map(sum, zip(*table, strict=True))):
                assert odds[i] == pytest.approx(by_scipy.statistic)
    small = greater(np.array([450]), np.array([500]), 500, 20_000)
    assert small[0] / math.log(10) < -600  # no double is as small
    assert small[0] == pytest.approx(exact_log_p(450, 500, 500, 20_000), rel=1e-9)
    # far below what is expected: terms from there on would grow past what a double can hold
    assert greater(np.array([1]), np.array([10_000]), 4000, 20_000)[0] == 0


def planted(tmp_path, name, word, *, n=200, length=121, seed=0, method="gradcam", targets=("b",)):
    """A word on both sides of cores of both strands, always downstream on the core's strand."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, length))
    sequences = ["".join("ACGT"[b] for b in row) for row in codes]
    scores = np.abs(rng.normal(0, 0.01, (n, length)))
    strands, cores = "", []
    for i in range(n):
        at = int(rng.integers(72, 100))
        sequence = sequences[i][:at] + word + sequences[i][at + len(word) :]
        scores[i, at : at + len(word)] += 1
        scores[i, 55:66] += 3  # the core is no context
        if i % 2:
            sequence, scores[i] = reverse_complement(sequence), scores[i, ::-1].copy()
        sequences[i] = sequence
        strands += "+-"[i % 2]
        cores.append((55, 66))
    return sites_of(
        tmp_path / name, sequences, scores, cores, strands=strands, method=method, targets=targets
    )


def test_a_planted_word_is_first_on_its_strand_and_gone_after_a_shift(tmp_path: Path) -> None:
    made = planted(tmp_path, "a", "CACGT")
    found = kmers({"USF1": made}, tmp_path / "o")
    best = found.best("USF1")
    assert [row["rank"] for row in best] == list(range(1, 11))
    assert best[0]["kmer"] == "CACGT"
    assert best[0]["bonferroni"] < 1e-100
    rows = {row["kmer"]: row for row in found.table.to_pylist()}
    assert len(rows) == 1024
    assert rows["ACGTG"]["bonferroni"] == 1  # the other strand's
    (about,) = found.sets
    n_windows = 200 * (117 - 15)
    assert (about["sequences"], about["windows"], about["top"]) == (200, n_windows, 204)
    assert about["windows_left_out"] == {
        "overlap the core motif": 3000, "have an unknown base": 0, "have no score": 0,
    }  # fmt: skip
    assert sum(row["top"] + row["rest"] for row in rows.values()) == n_windows
    assert rows["CACGT"]["top"] == 200
    assert rows["CACGT"]["top_others"] == 4
    assert rows["CACGT"]["log10_p"] < -308
    assert rows["CACGT"]["p"] == 0
    shifted = kmers({"USF1": made}, tmp_path / "s", shift=26)
    assert min(row["bonferroni"] for row in shifted.best("USF1")) > 1e-3
    assert shifted.sets[0]["windows_left_out"]["have no score"] > 0
    few = kmers({"USF1": planted(tmp_path, "b", "CACGT", n=6)}, tmp_path / "f")
    some = [*rows.values(), *few.table.to_pylist()]
    assert any(0 < row["bonferroni"] < 1 for row in some)
    for row in some:
        assert row["bonferroni"] == pytest.approx(min(1, 1024 * row["p"]), rel=1e-9, abs=0)
        assert 10 ** row["log10_p"] == pytest.approx(row["p"], rel=1e-9, abs=0)
    again = ContextKmers.open(tmp_path / "o")
    assert again.table.equals(found.table)
    assert again.provenance == found.provenance
    assert (tmp_path / "o" / "heatmap.png").stat().st_size > 1000
    with pytest.raises(InputError, match=r"has no 'USF2'; it has USF1"):
        again.best("USF2")


def test_bound_examples_with_a_score_are_taken(tmp_path: Path) -> None:
    sequences, scores, cores, strands = drawn(2)
    scores[5] = 0
    labels = np.zeros((40, 2), np.uint8)
    labels[::2, 1] = labels[5, 1] = 1
    made = sites_of(
        tmp_path / "a", sequences, scores, cores, strands=strands, labels=labels,
        label_names=("GATA1", "TAL1"), targets=("x",),
    )  # fmt: skip
    found = kmers({"TAL1": made}, tmp_path / "o", k=2, label="TAL1")
    assert found.sets[0]["sequences"] == 20
    assert found.sets[0]["sequences_left_out"] == {
        "unbound sequences": 19, "sequences without any score": 1,
        "sequences of the other part": 0,
    }  # fmt: skip
    rows = list(range(0, 40, 2))
    _, every, _ = words_by_hand(
        [sequences[i] for i in rows], scores[rows], [cores[i] for i in rows],
        [strands[i] for i in rows], 2, 0.01,
    )  # fmt: skip
    counted = {r["kmer"]: r["top"] + r["rest"] for r in found.table.to_pylist()}
    assert {word: n for word, n in counted.items() if n} == every
    with pytest.raises(InputError, match="has 2 labels, none of them 'x'"):
        kmers({"TAL1": made}, tmp_path / "p")
    with pytest.raises(InputError, match="has no label 'SP1'; it has GATA1, TAL1"):
        kmers({"TAL1": made}, tmp_path / "p", label="SP1")
    made.labels = made.labels * 0
    said = "no bound sequence has a score, of 0 bound and 40 others"
    with pytest.raises(InputError, match=said):
        kmers({"TAL1": made}, tmp_path / "p", label="TAL1")


def test_cores_are_from_the_region_s_start_not_from_the_sequence_s(tmp_path: Path) -> None:
    sequences, scores, cores, strands = drawn(6)
    wider = sites_of(
        tmp_path / "a", sequences, scores, [(s - 5, e - 5) for s, e in cores], strands=strands,
        before=5, method="ism",
    )  # fmt: skip
    sites = read_sites(wider)
    assert sites.cores.tolist() == [list(core) for core in cores]
    assert sites.starts.tolist() == [1000 * (i + 1) - 5 for i in range(40)]


def test_targets_of_a_model_of_many_classes(tmp_path: Path) -> None:
    one = planted(tmp_path, "a", "CACGT", targets=("USF1", "SP1"))
    same = planted(tmp_path, "b", "CACGT", targets=("USF1",))
    with pytest.raises(InputError, match="has 2 targets, USF1, SP1"):
        kmers({"A": one}, tmp_path / "o")
    with pytest.raises(InputError, match="has no target 'YY1'"):
        kmers({"A": one}, tmp_path / "o", targets="YY1")
    with pytest.raises(InputError, match="found one of 'B', which is none of A"):
        kmers({"A": one}, tmp_path / "o", targets={"B": "USF1"})
    found = kmers({"A": one, "B": same}, tmp_path / "o", targets={"A": "SP1"})
    assert [each["target"] for each in found.sets] == ["SP1", "USF1"]
    assert found.best("A", 5)[0]["log10_p"] == found.best("B", 5)[0]["log10_p"]


def test_proximal_and_distal_sequences(tmp_path: Path) -> None:
    sequences, scores, cores, strands = drawn(4, n=30)
    starts = [10_000 * (i + 1) for i in range(30)]
    made = sites_of(
        tmp_path / "a", sequences, scores, cores, strands=strands, starts=starts, method="ism"
    )
    middles = [s + (low + high - 1) // 2 for s, (low, high) in zip(starts, cores, strict=True)]
    # around the middles of chr1: at the reach, one bp further, on the other side, on another contig
    near = {0: 3000, 2: -3000}
    far = {4: 3001, 6: -3001, 1: 3001}
    lines = [f"chr1\t{middles[i] + d}\t{middles[i] + d + 1}" for i, d in (near | far).items()]
    # on the minus strand the last base of a region is its first
    lines += [f"chr2\t{middles[3] + 2000}\t{middles[3] + 3001}\tx\t0\t-",
              f"chr2\t{middles[5] - 3002}\t{middles[5] - 3000}\tx\t0\t-"]  # fmt: skip
    for number, line in enumerate(lines):
        lines[number] = line if line.count("\t") > 2 else line + "\tx\t0\t+"
    bed = tmp_path / "tss.bed"
    bed.write_text("\n".join(lines) + "\n")
    sites, rows = read_sites(made), np.arange(30)
    assert np.flatnonzero(StartPlaces(bed).near(sites, rows, 3000)).tolist() == [0, 2, 3]
    gtf = tmp_path / "tss.gtf"
    gtf.write_text(
        "".join(
            f'chr1\tx\ttranscript\t{at + 1}\t{at + 900}\t.\t{strand}\t.\ttranscript_id "{at}";\n'
            for at, strand in ((middles[0] + 3000, "+"), (middles[2] - 3899, "-"),
                               (middles[4] + 3001, "+"))
        )
    )  # fmt: skip
    assert np.flatnonzero(StartPlaces(gtf).near(sites, rows, 3000)).tolist() == [0, 2]
    total = {}
    for part in ("proximal", "distal"):
        found = kmers({"A": made}, tmp_path / part, tss=bed, part=part, k=2)
        total[part] = found.sets[0]["sequences"]
        assert found.sets[0]["sequences_left_out"]["sequences of the other part"] == (
            30 - total[part]
        )
    assert total == {"proximal": 3, "distal": 27}
    near_all = [f"{'chr1' if i % 2 == 0 else 'chr2'}\t{m}\t{m + 1}" for i, m in enumerate(middles)]
    (tmp_path / "all.bed").write_text("\n".join(near_all) + "\n")
    with pytest.raises(InputError, match=r"all\.bed: no core motif is distal, with 3000 bp"):
        kmers({"A": made}, tmp_path / "x", tss=tmp_path / "all.bed", part="distal", k=2)
    elsewhere = sites_of(
        tmp_path / "b", sequences, scores, cores, starts=[s + 5000 for s in starts], method="ism"
    )
    both = {"A": made, "B": elsewhere}
    found = kmers(both, tmp_path / "y", tss=tmp_path / "all.bed", part="distal", k=2)
    assert found.without == [{"setting": "", "name": "A"}]
    assert [each["name"] for each in found.sets] == ["B"]
    assert len(found) == 16
    bed.write_text("1\t5\t6\n")
    with pytest.raises(InputError, match=r"none of its contigs \(1\) is one of .* \(chr1, chr2\)"):
        kmers({"A": made}, tmp_path / "x", tss=bed, part="distal")
    bed.write_text("")
    with pytest.raises(InputError, match="has no start site"):
        StartPlaces(bed)


def test_words_of_a_heatmap_by_hand() -> None:
    """Three factors, two settings, of which the second lacks a factor."""
    nan, small, large = np.nan, np.log(0.001), np.log(0.02)
    odds = np.array([
        [[5, 0, 90, 2, 1], [4, 1, 3, 2, 1], [0, 30, 1, 0, np.inf]],
        [[1, 7, 1, 1, 1], [nan] * 5, [1, 1, 1, 8, 1]],
    ])  # fmt: skip
    log_p = np.full(odds.shape, small)
    log_p[0, 0, 2] = large  # 90 is by chance
    log_p[1, 1] = nan
    found = merged(odds, log_p, top=2, p=0.01, cap=10)
    # of the first: 4 (infinite) and 1 (30); of the second: 3 (8) and 1 (7)
    assert sorted(found.words.tolist()) == [1, 3, 4]
    assert found.odds[0, 0, 2] == 0
    assert np.isnan(found.odds[1, 1]).all()
    # up to 10: (0, 2, 1), (1, 2, 1), (10, 0, 10): the first two are neighbours
    assert sorted(found.factors.tolist()) == [0, 1, 2]
    assert 2 in (found.factors[0], found.factors[2])
    only = merged(odds[:1], np.full((1, 3, 5), large), top=2, p=0.01, cap=10)
    assert not len(only.words)
    # as large, the smaller P first, then the alphabet
    for log_p, first in (([-6, -9, -9], 1), ([-6, -6, -6], 0)):
        tied = merged(np.full((1, 1, 3), np.inf), np.array([[log_p]]), top=1, p=0.01, cap=10)
        assert tied.words.tolist() == [first]


def test_clusters_do_not_tell_apart_what_is_above_the_cap() -> None:
    odds = np.array([[[11.0, 0, 0], [200, 0, 0], [11, 4, 0], [0, 0, 9]]])
    found = merged(odds, np.full(odds.shape, -20.0), top=3, p=0.01, cap=10)
    order = found.factors.tolist()
    assert abs(order.index(0) - order.index(1)) == 1  # 200 is far from all, 10 is not
    assert 3 in (order[0], order[-1])


def test_settings_share_words_and_the_order_of_the_first(tmp_path: Path) -> None:
    words = {"baseline:USF1": "CACGT", "baseline:GATA1": "AGATA", "DNase:USF1": "TGACT"}
    sets = {
        name: planted(tmp_path, f"a{i}", word, seed=i)
        for i, (name, word) in enumerate(words.items())
    }
    found = kmers(sets, tmp_path / "o", top=3)
    assert {"CACGT", "AGATA", "TGACT"} <= set(found.heatmap["kmers"])
    assert len(found.heatmap["kmers"]) <= 6
    assert sorted(found.heatmap["names"]) == ["GATA1", "USF1"]
    assert found.best("USF1", 1, setting="DNase")[0]["kmer"] == "TGACT"
    two = {"YY1": sets["DNase:USF1"], "GATA1": sets["baseline:GATA1"]}
    like = kmers(two, tmp_path / "p", like=tmp_path / "o")
    assert like.heatmap == {"names": ["GATA1", "YY1"], "kmers": found.heatmap["kmers"]}
    with pytest.raises(InputError, match="all of them with a setting, or none"):
        kmers({"USF1": sets["DNase:USF1"], **sets}, tmp_path / "x")
    with pytest.raises(InputError, match="is of words of 5 bases, expected 4"):
        kmers({"GATA1": sets["baseline:GATA1"]}, tmp_path / "x", like=tmp_path / "o", k=4)


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path, "usf", "CACGT", targets=("USF1", "SP1"))
    planted(tmp_path, "gata", "AGATA", seed=1)
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(
        main, ["kmers", "USF1=usf", "gata", "--target", "USF1=SP1", "--target", "b", "-o", "words"]
    )
    assert said.exit_code == 0, said.stderr
    assert not said.stdout
    assert "USF1: left out 3,000 windows that overlap the core motif\n" in said.stderr
    assert "USF1: 20,400 windows, 204 of them top; CACGT is first, at log10 P = -" in said.stderr
    assert "words: 2,048 words of 2 factors" in said.stderr
    found = ContextKmers.open("words")
    said_of = [(each["name"], each["target"]) for each in found.sets]
    assert said_of == [("USF1", "SP1"), ("gata", "b")]
    expected = kmers({"USF1": "usf", "gata": "gata"}, "same", targets={"USF1": "SP1", "": "b"})
    assert found.table.equals(expected.table)
    said = CliRunner().invoke(main, ["aggregate", "gata", "-o", "profiles", "--orient"])
    assert said.exit_code == 0, said.stderr
    assert "profiles: 1 profiles of 1 factors, 121 bp" in said.stderr
    said = CliRunner().invoke(main, ["score-lines", "usf", "-o", "l.txt", "--target", "SP1"])
    assert said.exit_code == 0, said.stderr
    assert "l.txt: 200 sequences" in said.stderr
    np.testing.assert_array_equal(read_score_lines("l.txt").scores, read_sites("usf", "SP1").scores)
    for words, message in (
        (["kmers", "usf", "-o", "x"], "has 2 targets"),
        (["kmers", "usf", "usf", "-o", "x"], "found 'usf' twice"),
        (["kmers", "usf", "-o", "x", "--target", "=SP1"], "found '=SP1'"),
        (["kmers", "usf", "-o", "x", "--target", "SP1", "--target", "USF1"], "found 'USF1'"),
        (["kmers", "gata", "-o", "x", "--part", "distal"], "'distal' without tss"),
        (["kmers", "gata", "-o", "x", "--within", "500"], "within: found 500 with part 'all'"),
    ):
        said = CliRunner().invoke(main, words)
        assert said.exit_code, words
        assert message in said.stderr
    assert not Path("x").exists()


def test_sets_are_called_as_their_folders(tmp_path: Path) -> None:
    for name in ("H2A.Z", "CTCF"):
        (tmp_path / name).mkdir()
        assert Named().convert(f"{tmp_path}/{name}/", None, None) == (name, tmp_path / name)
    file = tmp_path / "CTCF.bed"
    file.touch()
    assert Named().convert(str(file), None, None) == ("CTCF", file)
    assert Named().convert(f"GC:A={tmp_path}", None, None) == ("GC:A", tmp_path)


def test_what_is_refused(tmp_path: Path) -> None:
    made = planted(tmp_path, "a", "CACGT", n=4)
    for options, message in (
        ({"k": 0}, "k: found 0"),
        ({"k": 9}, "k: found 9"),
        ({"share": 0.0}, "share: found 0"),
        ({"share": 1.0}, "share: found 1"),
        ({"p": 1.5}, "p: found 1.5"),
        ({"within": 0}, "within: found 0"),
        ({"top": 0}, "top: found 0"),
        ({"cap": 0.0}, "cap: found 0"),
        ({"part": "near"}, "part: found 'near'"),
        ({"part": "distal"}, "'distal' without tss"),
        ({"tss": "x.bed"}, "'all' with tss"),
        ({"label": "b"}, "has no labels"),
    ):
        with pytest.raises(InputError, match=message):
            kmers({"A": made}, tmp_path / "o", **options)
    with pytest.raises(InputError, match="found none"):
        kmers({}, tmp_path / "o")
    with pytest.raises(InputError, match="expected a name such as"):
        kmers({":A": made}, tmp_path / "o")
    bad = attributions_of(tmp_path / "b", ["ACGT"], [[1, 1, 1, 1]])
    with pytest.raises(InputError, match="has no core motifs"):
        kmers({"A": bad}, tmp_path / "o")
    for core in ((2, 5), (-1, 2), (2, 2)):
        bad = sites_of(tmp_path / "b", ["ACGT"], [[1, 1, 1, 1]], [core], force=True)
        with pytest.raises(InputError, match=rf"row 0: has its core motif at \[{core[0]}, "):
            kmers({"A": bad}, tmp_path / "o")
    assert not (tmp_path / "o").exists()
    (tmp_path / "o").mkdir()
    with pytest.raises(InputError, match=r"no readable kmers\.json"):
        ContextKmers.open(tmp_path / "o")
    with pytest.raises(InputError, match="exists"):
        kmers({"A": made}, tmp_path / "o")
