"""Sets of aligned k-mers against strings, dictionaries and exact integers, with planted motifs."""

import math
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from context_world import codes_of
from label_world import write_labels
from sklearn.metrics import average_precision_score, roc_auc_score

import modelkit
from kmerengine import InputError
from modelkit.baselines.kmer_align import bits_of
from modelkit.baselines.kmer_learn import Motif
from modelkit.baselines.kmer_set import KmerSet, KmerSetOptions
from modelkit.baselines.kmer_words import enriched_words, find_words, log10_enrichment
from modelkit.cli import main

CONSENSUS = "ACCTGATC"
SMALL = KmerSetOptions(k_min=6, k_max=7, k_top=3)


def log10_tail(x: int, drawn: int, n_positives: int, n: int) -> float:
    """By whole numbers."""
    ways = sum(
        math.comb(n_positives, i) * math.comb(n - n_positives, drawn - i)
        for i in range(x, min(drawn, n_positives) + 1)
    )
    return math.log10(ways) - math.log10(math.comb(n, drawn))


def planted(n, seed, *, strength=0.9, length=40, kinds=(CONSENSUS,)):
    """Codes and labels: positives hold one instance of each motif, on either strand."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, length)).astype(np.uint8)
    labels = rng.random(n) < 0.5
    slot = length // len(kinds)
    for row in np.flatnonzero(labels):
        for place, word in enumerate(kinds):
            bases = codes_of([word])[0]
            bases = np.where(rng.random(len(word)) < strength, bases, rng.integers(0, 4, len(word)))
            bases = 3 - bases[::-1] if rng.random() < 0.5 else bases
            start = place * slot + rng.integers(0, slot - len(word) + 1)
            codes[row, start : start + len(word)] = bases
    return codes, labels


def by_matrix(codes, word, strength=0.9):
    """Likelihood ratio of the motif that was planted, over all its places: the best score."""
    table = np.full((len(word), 4), (1 - strength) / 4)
    table[np.arange(len(word)), codes_of([word])[0]] += strength
    n = codes.shape[1] - len(word) + 1
    total = np.zeros(len(codes))
    for matrix in (table, table[::-1, ::-1]):
        total += np.prod([matrix[i][codes[:, i : i + n]] * 4 for i in range(len(word))], 0).sum(1)
    return total


# ----------------------------------------------------------------------------------- words


def test_enrichment_is_that_of_whole_numbers():
    cases = [(0, 5, 10, 30), (5, 5, 10, 30), (3, 7, 10, 30), (10, 12, 10, 30), (40, 60, 100, 400)]
    for x, drawn, n_positives, n in cases:
        found = log10_enrichment([x], [drawn], n_positives, n)[0]
        assert found == pytest.approx(log10_tail(x, drawn, n_positives, n), abs=1e-9)


@pytest.mark.parametrize(("x", "drawn"), [(2000, 2000), (1900, 2000), (1500, 1600), (2500, 2900)])
def test_enrichment_beyond_float64(x, drawn):
    expected = log10_tail(x, drawn, 3000, 7000)
    assert expected < -308
    assert log10_enrichment([[x]], [[drawn]], 3000, 7000) == pytest.approx(expected, rel=1e-9)


def turned(word: str) -> str:
    return word[::-1].translate(str.maketrans("ACGTN", "TGCAN"))


@pytest.mark.parametrize("k", [4, 9])
def test_enriched_words_are_those_of_strings(k):
    rng = np.random.default_rng(k)
    texts = ["".join(rng.choice(list("ACGTACGTACGTN"), 25)) for _ in range(60)]
    positive = np.arange(60) % 3 == 0
    texts = [t[:5] + "GATTACAGATTA"[: k + 2] + t[7 + k :] if p else t
             for t, p in zip(texts, positive, strict=True)]  # fmt: skip
    holders: dict[str, set[int]] = {}
    for gap in (0, 1, 2) if k <= 8 else (0,):
        for number, text in enumerate(texts):
            for start in range(len(text) - k - gap + 1):
                window = text[start : start + k + gap]
                if "N" in window:
                    continue
                for before in range(1, k) if gap else (k,):
                    word = window[:before] + "N" * gap + window[before + gap :]
                    holders.setdefault(min(word, turned(word)), set()).add(number)
    expected = {}
    for word, rows in holders.items():
        log = log10_tail(sum(bool(positive[i]) for i in rows), len(rows), 20, 60)
        if log <= -1.5:
            expected[word] = log
    pool = enriched_words(codes_of(texts), positive, k, log10_p=-1.5, most=10_000)
    found = {min(w, turned(w)): p for w, p in zip(pool.words, pool.log10_p, strict=True)}
    assert len(expected) > 5
    assert found == pytest.approx(expected, abs=1e-9)
    assert pool.n_tested == len(holders)
    assert pool.n_enriched == len(pool.words) == len(found)
    assert list(pool.log10_p) == sorted(pool.log10_p)
    few = enriched_words(codes_of(texts), positive, k, log10_p=-1.5, most=3)
    assert (few.words, few.n_enriched) == (pool.words[:3], pool.n_enriched)


def test_places_of_words_are_those_of_strings():
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGTACGTN"), 50)) for _ in range(20)]
    words = ["ACG", "ANT", "GNNC", "TCGA", "GATC"]
    expected = set()
    for row, text in enumerate(texts):
        for number, word in enumerate(words):
            for reverse, spelt in ((False, word), (True, turned(word))):
                pattern = f"(?={spelt.replace('N', '[ACGT]')})"
                expected |= {(row, m.start(), number, reverse) for m in re.finditer(pattern, text)}
    hits = find_words(codes_of(texts), words)
    found = list(zip(*(each.tolist() for each in hits), strict=True))
    assert len(found) == len(set(found)) > 100
    assert set(found) == expected
    assert find_words(codes_of(["ACGT"]), ["ACGTA"]).row.size == 0
    assert find_words(codes_of(["ACGT"]), []).row.size == 0


# ------------------------------------------------------------------------------------ scores


def score_by_strings(text, words, offsets, holders, n_positives, n):
    """Best -log10 P of the sequences that hold any word of a group, over groups of a sequence."""
    groups: dict[tuple[bool, int], set[int]] = {}
    for number, (word, offset) in enumerate(zip(words, offsets, strict=True)):
        for reverse in (False, True):
            along = turned(text) if reverse else text
            for start in range(len(text) - len(word) + 1):
                window = along[start : start + len(word)]
                if "N" not in window and all(
                    a in ("N", b) for a, b in zip(word, window, strict=True)
                ):
                    groups.setdefault((reverse, start - offset), set()).add(number)
    best = 0.0
    for members in groups.values():
        rows = set().union(*(holders[i] for i in members))
        held = sum(row < n_positives for row in rows)
        best = max(best, -log10_tail(held, len(rows), n_positives, n))
    return best


def hand_made(rng, combine="max"):
    """Two sets with holders at random."""
    n_positives, n = 40, 100
    motifs, told = [], []
    for words, offsets in ((["ACG", "CGNA", "GTA"], [0, 1, -3]), (["TTG", "TGA"], [0, 1])):
        holders = [set(rng.choice(n, 30, replace=False).tolist()) for _ in words]
        row, word = np.array([(r, i) for i, rows in enumerate(holders) for r in rows]).T
        bits = bits_of(row, word, len(words), n)
        motifs.append(Motif(words, np.array(offsets), bits, -5.0, 1.0))
        told.append((words, offsets, holders, n_positives, n))
    options = KmerSetOptions(combine=combine)
    return KmerSet(motifs, n_positives, n - n_positives, options, {5: {"tested": 3}}), told


@pytest.mark.parametrize("combine", ["max", "sum"])
def test_scores_are_those_of_strings(combine):
    rng = np.random.default_rng(5)
    model, told = hand_made(rng, combine)
    texts = ["".join(rng.choice(list("ACGTACGTACGTN"), 30)) for _ in range(40)] + ["C" * 30]
    each = np.array([[score_by_strings(text, *one) for one in told] for text in texts])
    expected = each.max(1) if combine == "max" else each.sum(1)
    found = model.score(codes_of(texts))
    assert found == pytest.approx(expected, abs=1e-9)
    assert found[-1] == 0
    assert len(np.unique(found)) > 5
    assert model.score(codes_of([turned(t) for t in texts])) == pytest.approx(found)


def test_words_of_one_site_count_together():
    """Two words at their offsets are one group; a base further apart they are two."""
    holders = [{0, 1, 2, 3}, {4, 5, 6, 7}]
    row, word = np.array([(r, i) for i, rows in enumerate(holders) for r in rows]).T
    bits = bits_of(row, word, 2, 20)
    model = KmerSet([Motif(["AACC", "GGTT"], np.array([0, 6]), bits, -1.0, 0.0)], 10, 10,
                    KmerSetOptions(), {})  # fmt: skip
    together, apart = model.score(codes_of(["AACCTCGGTTC", "AACCTCCGGTT"]))
    # AACC is GGTT of the other strand: both words have both
    assert together == pytest.approx(-log10_tail(8, 8, 10, 20))
    assert apart == pytest.approx(-log10_tail(4, 4, 10, 20))


# --------------------------------------------------------------------------------- learning


def test_a_planted_motif_is_found_nearly_as_well_as_by_its_matrix():
    codes, labels = planted(1500, 0)
    tested, truth = planted(1000, 1)
    options = KmerSetOptions(k_min=5, k_max=8, k_top=2)
    model = KmerSet.fit(codes, labels, options=options)
    best = model.motifs[0]
    spelt = {best.words[0], turned(best.words[0])}
    pattern = [w.replace("N", ".") for w in spelt]
    assert any(re.search(w, "NN" + CONSENSUS + "NN") for w in pattern)
    reached = roc_auc_score(truth, model.score(tested))
    ceiling = roc_auc_score(truth, by_matrix(tested, CONSENSUS))
    assert 0.9 < reached < ceiling
    assert ceiling - reached < 0.03


def test_two_motifs_are_two_sets():
    kinds = (CONSENSUS, "GGGTTTGC")
    codes, labels = planted(800, 2, strength=1.0, kinds=kinds)
    model = KmerSet.fit(codes, labels, options=SMALL)
    assert len(model.motifs) >= 2
    texts = ["T" * 10 + kind + "T" * 10 for kind in kinds]
    alone = [KmerSet([m], model.n_positives, model.n_negatives, SMALL, {}).score(codes_of(texts))
             for m in model.motifs[:2]]  # fmt: skip
    assert {int(each.argmax()) for each in alone} == {0, 1}
    for each in alone:
        assert each.max() > 5 * each.min()


def test_labels_at_random_have_no_sets():
    codes, _ = planted(600, 3)
    labels = np.random.default_rng(9).random(600) < 0.5
    model = KmerSet.fit(codes, labels, options=SMALL)
    held = roc_auc_score(labels, KmerSet.fit(codes[:400], labels[:400], options=SMALL).score(codes))
    assert len(model.motifs) <= 1
    assert 0.4 < held < 0.62


def test_the_order_of_sequences_says_nothing():
    codes, labels = planted(400, 4)
    order = np.random.default_rng(0).permutation(400)
    one = KmerSet.fit(codes, labels, options=SMALL).score(codes)
    other = KmerSet.fit(codes[order], labels[order], options=SMALL).score(codes[order])
    assert np.corrcoef(one[order], other)[0, 1] > 0.95
    again = KmerSet.fit(codes, labels, options=SMALL).score(codes)
    assert again.tolist() == one.tolist()


def test_unknown_bases_are_of_no_word():
    codes, labels = planted(600, 5)
    codes[:, 20:22] = 255
    model = KmerSet.fit(codes, labels, options=SMALL)
    assert model.score(np.full((2, 40), 255, np.uint8)).tolist() == [0, 0]
    assert roc_auc_score(labels, model.score(codes)) > 0.75


# ------------------------------------------------------------------------------------ files


def test_a_model_is_read_as_it_was_written(tmp_path: Path):
    rng = np.random.default_rng(6)
    model, _ = hand_made(rng, "sum")
    model.save(tmp_path / "m.parquet")
    again = KmerSet.open(tmp_path / "m.parquet")
    codes = rng.integers(0, 4, (50, 30)).astype(np.uint8)
    assert again.score(codes).tolist() == model.score(codes).tolist()
    assert again.options == model.options
    assert again.enriched == model.enriched
    assert (again.n_positives, again.n_negatives) == (40, 60)
    for one, other in zip(model.motifs, again.motifs, strict=True):
        assert one.words == other.words
        assert one.offsets.tolist() == other.offsets.tolist()
        assert (one.bits == other.bits).all()
        assert (one.log10_p, one.threshold) == (other.log10_p, other.threshold)
    with pytest.raises(InputError, match="exists"):
        model.save(tmp_path / "m.parquet")
    none = KmerSet([], 3, 4, SMALL, {})
    none.save(tmp_path / "none.parquet")
    assert KmerSet.open(tmp_path / "none.parquet").score(codes).tolist() == [0] * 50


def change(path: Path, **columns):
    table = pq.read_table(path)
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        field = table.schema.field(name)
        table = table.set_column(place, field, pa.array(values, field.type))
    pq.write_table(table, path)


def test_damaged_models_are_said_in_a_line(tmp_path: Path):
    model, _ = hand_made(np.random.default_rng(6))
    path = tmp_path / "m.parquet"
    damages = [
        ({"word": ["ACG", "CGXA", "GTA", "TTG", "TGA"]}, "found 'CGXA', expected a word"),
        ({"set": [0, 0, 0, 1, 2]}, "words of other sets"),
        ({"set": [0, 0, 0, 0, 0]}, "a set without words"),
        ({"positives": [[40], [], [], [], []]}, "found positives beyond 40"),
    ]
    for columns, message in damages:
        model.save(path, force=True)
        change(path, **columns)
        with pytest.raises(InputError, match=message) as said:
            KmerSet.open(path)
        assert "\n" not in str(said.value)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="cannot be read"):
        KmerSet.open(path)
    with pytest.raises(InputError, match=r"expected \.parquet"):
        model.save(tmp_path / "m.json")


def test_what_cannot_be_learnt_of_is_said():
    codes, labels = planted(20, 0)
    for given, message in (
        ((codes, np.ones(20)), "20 positives of 20"),
        ((codes, np.zeros(20)), "0 positives of 20"),
        ((codes[:, :4], labels), "found 4 bp, expected at least 6"),
        ((codes[:10], labels), "for 20 labels"),
        ((codes.astype(int), labels), "expected uint8"),
    ):
        with pytest.raises(InputError, match=message):
            KmerSet.fit(*given, options=SMALL)
    for options, message in (
        ({"k_min": 9, "k_max": 8}, "k: found 9 to 8"),
        ({"k_min": 2}, "k: found 2"),
        ({"k_max": 25}, "k: found 5 to 25"),
        ({"k_top": 0}, "k_top: found 0"),
        ({"log10_p": 0.0}, "log10_p: found 0.0"),
        ({"combine": "mean"}, "combine: found 'mean'"),
    ):
        with pytest.raises(InputError, match=message):
            KmerSetOptions(**options)


# ---------------------------------------------------------------------------------- command


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    codes, labels = planted(500, 7, length=60)
    # what lies outside the window says the label, in training; it must not be looked at
    codes[:, :3] = np.where(labels, 0, 3)[:, None]
    splits = np.repeat(["train", "validation", "test"], [300, 50, 150])
    folder = tmp_path_factory.mktemp("kmer_set")
    other = np.random.default_rng(1).random(500) < 0.5
    return write_labels(folder, codes, np.stack([labels, other], 1), ("bound", "other"), splits)


OPTIONS = {"label": "bound", "window": 50, "k_min": 6, "k_max": 7, "k_top": 2}


def test_the_data_set_s_split(data, tmp_path: Path):
    made = modelkit.kmer_set(data, tmp_path / "o", **OPTIONS)
    scores = pq.read_table(tmp_path / "o" / "scores.parquet").to_pydict()
    assert scores["row"] == list(range(350, 500))
    assert scores["label"] == data.labels[350:, 0].tolist()
    model = KmerSet.open(tmp_path / "o" / "kmer_set.parquet")
    assert scores["score"] == model.score(data.sequence[350:, 5:55]).tolist()
    fitted = KmerSet.fit(
        data.sequence[:300, 5:55], data.labels[:300, 0],
        options=KmerSetOptions(k_min=6, k_max=7, k_top=2),
    )  # fmt: skip
    assert fitted.score(data.sequence[350:, 5:55]).tolist() == scores["score"]
    row = made.measures.to_pylist()[0]
    assert row["auroc"] == pytest.approx(roc_auc_score(scores["label"], scores["score"]))
    assert row["auprc"] == pytest.approx(average_precision_score(scores["label"], scores["score"]))
    assert row["pauc_mcclish"] == pytest.approx(
        roc_auc_score(scores["label"], scores["score"], max_fpr=0.1)
    )
    # as McClish moves an area, of which chance is 0.005 and all 0.1
    area = row["pauc"] * 0.1
    assert row["pauc_mcclish"] == pytest.approx((1 + (area - 0.005) / (0.1 - 0.005)) / 2)
    assert (row["train"], row["test"], row["positives"]) == (300, 150, sum(scores["label"]))
    assert row["auroc"] > 0.8
    assert made.mean["auroc"] == row["auroc"]
    assert math.isnan(made.sd["auroc"])


def test_trials_are_random_and_of_the_seed(data, tmp_path: Path):
    made = modelkit.kmer_set(data, tmp_path / "a", trials=3, test_share=0.3, seed=1, **OPTIONS)
    scores = pq.read_table(tmp_path / "a" / "scores.parquet").to_pandas()
    rows = [set(scores.row[scores.trial == i]) for i in range(3)]
    assert [len(each) for each in rows] == [150] * 3
    assert rows[0] != rows[1] != rows[2]
    assert [m["train"] for m in made.measures.to_pylist()] == [350] * 3
    first = scores[scores.trial == 0]
    kept = np.setdiff1d(np.arange(500), first.row)
    fitted = KmerSet.fit(
        data.sequence[kept, 5:55], data.labels[kept, 0],
        options=KmerSetOptions(k_min=6, k_max=7, k_top=2),
    )  # fmt: skip
    assert fitted.score(data.sequence[first.row, 5:55]).tolist() == first.score.tolist()
    values = [m["auroc"] for m in made.measures.to_pylist()]
    assert made.mean["auroc"] == pytest.approx(sum(values) / 3)
    spread = math.sqrt(sum((v - sum(values) / 3) ** 2 for v in values) / 2)
    assert made.sd["auroc"] == pytest.approx(spread)
    assert made.model is None
    assert not (tmp_path / "a" / "kmer_set.parquet").exists()
    modelkit.kmer_set(data, tmp_path / "b", trials=3, test_share=0.3, seed=1, **OPTIONS)
    again, other = ((tmp_path / n / "scores.parquet").read_bytes() for n in "ab")
    assert again == other


def test_the_command_and_its_errors(data, tmp_path: Path):
    words = ["kmer-set", str(data.path), "-o", str(tmp_path / "o"), "--k-min", "6", "--k-max", "6"]
    said = CliRunner().invoke(main, [*words, "--label", "bound", "--window", "50"])
    assert said.exit_code == 0, said.stderr
    assert re.search(r"auroc +0\.[0-9]{4}\n", said.stderr)
    assert "words around" in said.stderr
    for more, message in (
        ([], "has 2 labels, bound, other ...; name one of them with --label"),
        (["--label", "no"], "has no label 'no'; it has bound, other"),
        (["--label", "bound"], "window: found 61, expected 6 (k_min) to 60"),
        (["--label", "bound", "--window", "50", "--trials", "-1"], "trials: found -1"),
        (["--label", "bound", "--window", "50", "--test-share", "1"], "test_share: found 1.0"),
        (["--label", "bound", "--window", "50", "--trials", "1", "--seed", "-1"], "seed: found -1"),
    ):
        said = CliRunner().invoke(main, [*words, "--force", *more])
        assert said.exit_code == 1, more
        assert message in said.stderr
        assert said.stderr.count("Error: ") == 1
