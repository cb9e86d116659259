"""AgentBind's GATA1 and TAL1 sequences: their counts, and the truth beside them."""

import json
import math
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from kmerengine import simulate_gata_tal
from kmerengine.errors import InputError

BASES = "ACGT"
IUPAC = {"Y": "CT", "N": "ACGT", "M": "AC", "K": "GT", "A": "A", "C": "C", "G": "G", "T": "T"}
CORE, CONTEXT = "NYCTTATCTNY", "NNAMCATCTGKT"


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    return simulate_gata_tal(tmp_path_factory.mktemp("gata") / "a")


@pytest.fixture(scope="module")
def sequences(default):
    table = pq.read_table(default.sequences)
    return (
        table["split"].to_pylist(),
        table["sequence"].to_pylist(),
        np.array(table["labels"].to_pylist())[:, 0],
    )


@pytest.fixture(scope="module")
def sites(default):
    table = pq.read_table(default.embedded)
    return {name: np.array(table[name].to_pylist()) for name in table.column_names}


def within(found, p, n, sigmas=4.5):
    return abs(found - p) < sigmas * math.sqrt(p * (1 - p) / n)


def test_sizes_and_balance(default, sequences):
    split, letters, labels = sequences
    assert Counter(split) == {"train": 50_000, "validation": 1_000, "test": 1_000}
    assert Counter(zip(split, labels.tolist(), strict=True)) == {
        (name, label): n
        for name, n in (("train", 25_000), ("validation", 500), ("test", 500))
        for label in (0, 1)
    }
    assert {len(each) for each in letters} == {1_000}
    assert 400 < sum(labels[:1000]) < 600  # not sorted by label
    lines = default.fasta.read_text().split("\n")
    assert lines[1::2] == letters
    assert lines[-3] == ">test_1000"
    document = json.loads(pq.read_schema(default.sequences).metadata[b"kmerengine"])
    assert (document["classes"], document["built_in_motifs"]) == (["TAL1"], True)


def test_gata1_is_in_the_exact_centre_of_every_sequence(sites):
    core = sites["motif"] == "GATA1"
    assert sites["row"][core].tolist() == list(range(52_000))
    assert set(zip(sites["start"][core].tolist(), sites["end"][core].tolist(), strict=True)) == {
        (494, 505)  # 494 bp on the left, 495 on the right
    }
    assert within((sites["strand"][core] == "+").mean(), 0.5, 52_000)


def test_positives_have_one_to_three_tal1_motifs_and_negatives_none(sites, sequences):
    _, _, labels = sequences
    number = np.bincount(sites["row"][sites["motif"] == "TAL1"], minlength=52_000)
    assert (number[labels == 0] == 0).all()
    counts = Counter(number[labels == 1].tolist())
    weights = {n: 2**n / math.factorial(n) for n in (1, 2, 3)}  # Poisson's, mean 2
    for n, weight in weights.items():
        assert within(counts[n] / 26_000, weight / sum(weights.values()), 26_000)
    assert set(counts) == {1, 2, 3}
    # 22.5 bases of a positive, 45 % of its best 50
    width = sites["end"] - sites["start"]
    assert set(width[sites["motif"] == "TAL1"]) == {12}
    mean = 12 * number[labels == 1].mean()
    assert mean == pytest.approx(22.5, abs=12 * 4 * 0.8 / math.sqrt(26_000))


def test_tal1_motifs_overlap_nothing_and_lie_anywhere(sites):
    order = np.lexsort([sites["start"], sites["row"]])
    row, start, end = (sites[name][order] for name in ("row", "start", "end"))
    same = row[1:] == row[:-1]
    assert (start[1:][same] >= end[:-1][same]).all()
    assert (start[1:][same] == end[:-1][same]).any()  # they may touch
    tal = sites["motif"] == "TAL1"
    starts = sites["start"][tal]
    assert starts.min() == 0
    assert sites["end"][tal].max() == 1_000
    assert not ((starts > 482) & (starts < 505)).any()
    for low, high in ((0, 241), (241, 483), (505, 747), (747, 989)):
        share = ((starts >= low) & (starts < high)).mean()
        assert within(share, (high - low) / (483 + 484), len(starts), 6)
    assert within((sites["strand"][tal] == "+").mean(), 0.5, len(starts))


def reverse_complement(site):
    return "".join({"A": "T", "C": "G", "G": "C", "T": "A"}[base] for base in reversed(site))


def test_bases_of_motifs_and_background(sites, sequences):
    _, letters, _ = sequences
    seen = {(m, s): [] for m in ("GATA1", "TAL1") for s in "+-"}
    part = np.flatnonzero(sites["row"] < 20_000)
    inside = np.zeros((20_000, 1_000), bool)
    columns = [sites[name][part].tolist() for name in ("row", "start", "end", "motif", "strand")]
    for row, start, end, motif, strand in zip(*columns, strict=True):
        site = letters[row][start:end]
        seen[motif, strand].append(site if strand == "+" else reverse_complement(site))
        inside[row, start:end] = True
    for (motif, _), found in seen.items():
        for i, letter in enumerate(CORE if motif == "GATA1" else CONTEXT):
            counts = Counter(site[i] for site in found)
            of_letter = IUPAC[letter]
            for base in BASES:
                others = 4 - len(of_letter)
                p = (0.95 if others else 1) / len(of_letter) if base in of_letter else 0.05 / others
                assert within(counts[base] / len(found), p, len(found), 5)
    text = np.frombuffer("".join(letters[:20_000]).encode(), np.uint8).reshape(20_000, 1_000)
    background = text[~inside]
    for base, p in zip("ACGT", (0.3, 0.2, 0.2, 0.3), strict=True):
        assert within((background == ord(base)).mean(), p, len(background))


def test_other_numbers(tmp_path):
    made = simulate_gata_tal(
        tmp_path / "a", n_train=101, n_validation=0, n_test=7, length=111, mean_motifs=1,
        min_motifs=0, max_motifs=2, background=(1, 0, 0, 0),
    )  # fmt: skip
    table = pq.read_table(made.sequences)
    labels = np.array(table["labels"].to_pylist())[:, 0]
    assert (labels[:101].sum(), labels[101:].sum()) == (50, 3)
    sites = pq.read_table(made.embedded).to_pylist()
    number = Counter(site["row"] for site in sites if site["motif"] == "TAL1")
    counts = Counter(number[row] for row in np.flatnonzero(labels))
    assert set(counts) == {0, 1, 2}
    assert {site["start"] for site in sites if site["motif"] == "GATA1"} == {50}
    text = table["sequence"][0].as_py()
    for site in sites:
        if site["row"] == 0:
            text = text[: site["start"]] + "A" * (site["end"] - site["start"]) + text[site["end"] :]
    assert text == "A" * 111


def test_the_seed_decides_every_byte(tmp_path):
    few = {"n_train": 20, "n_validation": 4, "n_test": 4}
    a, b, c = (
        simulate_gata_tal(tmp_path / name, seed=seed, **few)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for left, right, other in zip(a, b, c, strict=True):
        assert left.read_bytes() == right.read_bytes()
        assert left.read_bytes() != other.read_bytes()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n_train": -1}, "--n-train -1"),
        ({"max_motifs": 0}, "--max-motifs 0: expected 1"),
        ({"min_motifs": 4}, "--max-motifs 3: expected 4"),
        ({"mean_motifs": 0}, "--mean-motifs 0"),
        ({"background": (0.5, 0.5, 0.5, 0.5)}, "add up to 1"),
        ({"background": (0.5, 0.5)}, "add up to 1"),
        ({"length": 154}, "--length 154: .* need 155 bp"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_impossible_parameters(tmp_path, wrong, words):
    with pytest.raises(InputError, match=words):
        simulate_gata_tal(tmp_path / "a", **wrong)
    assert not (tmp_path / "a").exists()


@pytest.mark.data
def test_the_best_tal1_match_tells_the_classes_apart(data, tmp_path):
    """With JASPAR's matrices the best match of TAL1's reaches an auROC of 0.98."""
    path = data / "motifs" / "JASPAR_CORE_2016_vertebrates.meme"
    made = simulate_gata_tal(tmp_path / "a", motifs=path, n_train=0, n_validation=0, n_test=4_000)
    table = pq.read_table(made.sequences)
    labels = np.array(table["labels"].to_pylist())[:, 0] == 1
    codes = np.array([[BASES.index(b) for b in text] for text in table["sequence"].to_pylist()])
    lines = path.read_text().split("MOTIF MA0091.1")[1].split("\n")[3:15]
    matrix = np.array([[float(field) for field in line.split()] for line in lines])
    windows = np.lib.stride_tricks.sliding_window_view(codes, 12, axis=1)
    background = np.array([0.3, 0.2, 0.2, 0.3])
    best = np.full(len(codes), -np.inf)
    for each in (matrix, matrix[::-1, ::-1]):
        scores = np.log2(np.maximum(each, 1e-3) / background)
        best = np.maximum(best, sum(scores[i][windows[:, :, i]] for i in range(12)).max(axis=1))
    positive, negative = best[labels][:, None], best[~labels][None, :]
    area = ((positive > negative) + (positive == negative) / 2).mean()
    assert area == pytest.approx(0.98, abs=0.008)
    with pytest.raises(InputError, match=r"no motif MA0091\.9"):
        simulate_gata_tal(tmp_path / "b", motifs=path, context="MA0091.9")
