"""Peaks of latent topics: motifs, proportions and probes against the truth beside them."""

import math
import re
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

import kmerengine
from kmerengine import simulate_kmers
from kmerengine.errors import InputError
from kmerengine.simulators.kmers import CONSENSUS

IUPAC = {
    **{"A": "A", "C": "C", "G": "G", "T": "T", "R": "[AG]", "Y": "[CT]", "S": "[CG]", "W": "[AT]"},
    **{"K": "[GT]", "M": "[AC]", "B": "[CGT]", "N": "."},
}
PAIRS = str.maketrans("ACGT", "TGCA")


def reverse_complement(site: str) -> str:
    return site.translate(PAIRS)[::-1]


def pattern(name: str) -> re.Pattern[str]:
    return re.compile("".join(IUPAC[letter] for letter in CONSENSUS[name]))


def within(found, p, n, sigmas=4.5):
    return abs(found - p) < sigmas * math.sqrt(p * (1 - p) / n)


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    return simulate_kmers(tmp_path_factory.mktemp("kmers") / "a")


@pytest.fixture(scope="module")
def texts(default):
    """The bases of each peak."""
    lines = default.genome.read_text().split("\n")
    assert lines[0] == ">chr1"
    genome = "".join(lines[1:])
    assert len(genome) == 5_000 * 250 + 50
    rows = [line.split("\t") for line in default.peaks.read_text().splitlines()]
    assert [int(row[1]) for row in rows] == [50 + 250 * i for i in range(5_000)]
    assert all(int(row[2]) - int(row[1]) == 200 and row[9] == "100" for row in rows)
    return [genome[int(row[1]) : int(row[2])] for row in rows]


@pytest.fixture(scope="module")
def topic_of(default):
    rows = pq.read_table(default.topics).to_pylist()
    return {row["motif"]: row["topic"] for row in rows}


def test_topics_share_no_motif(default, topic_of):
    assert pq.read_table(default.topics).num_rows == len(topic_of) == 20
    assert Counter(topic_of.values()) == dict.fromkeys(range(8), 2) | {None: 4}
    assert set(topic_of) <= set(CONSENSUS)
    for row in pq.read_table(default.topics).to_pylist():
        assert pattern(row["motif"]).fullmatch(row["consensus"])


def test_motifs_are_in_the_peaks_where_the_table_says(default, texts):
    sites = pq.read_table(default.embedded).to_pylist()
    assert [site["row"] for site in sites] == np.repeat(np.arange(5_000), 3).tolist()
    strands = Counter()
    for i, site in enumerate(sites):
        bases = texts[site["row"]][site["start"] : site["end"]]
        bases = bases if site["strand"] == "+" else reverse_complement(bases)
        assert pattern(site["motif"]).fullmatch(bases), site
        strands[site["strand"]] += 1
        if i % 3:
            assert site["start"] > sites[i - 1]["end"]
        else:
            assert site["start"] >= 1
        assert site["end"] < 200
    assert within(strands["+"] / 15_000, 0.5, 15_000)


def test_proportions_are_of_a_dirichlet_distribution(default):
    shares = np.array(pq.read_table(default.peak_topics)["topics"].to_pylist())
    assert shares.shape == (5_000, 8)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    variance = 1 / 8 * 7 / 8 / (8 * 0.1 + 1)
    assert abs(shares.mean(axis=0) - 1 / 8).max() < 4.5 * math.sqrt(variance / 5_000)
    np.testing.assert_allclose(shares.var(axis=0), variance, rtol=0.1)


def test_topics_of_motifs_follow_the_proportions(default, topic_of):
    shares = np.array(pq.read_table(default.peak_topics)["topics"].to_pylist())
    sites = pq.read_table(default.embedded)
    row = np.array(sites["row"].to_pylist())
    topic = np.array([topic_of[name] for name in sites["motif"].to_pylist()])
    p = shares[row]
    for each in range(8):
        for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
            part = (p[:, each] >= low) & (p[:, each] < high)
            expected = p[part, each]
            error = math.sqrt((expected * (1 - expected)).sum()) + 1e-9
            assert abs((topic[part] == each).sum() - expected.sum()) < 4.5 * error
    counts = Counter(sites["motif"].to_pylist())
    for each in range(8):
        first, second = (counts[name] for name, topic in topic_of.items() if topic == each)
        assert within(first / (first + second), 0.5, first + second)


def test_absent_motifs_are_in_the_peaks_by_chance_only(texts, topic_of):
    """And each planted one in more of them."""
    joined = "N".join(texts)
    for name, topic in topic_of.items():
        chance = math.prod(
            {1: 1, 4: 2, 5: 3}.get(len(IUPAC[letter]), 4 if letter == "N" else 1) / 4
            for letter in CONSENSUS[name]
        )
        expected = chance * 5_000 * 200
        look = re.compile(f"(?=({pattern(name).pattern}))")
        found = len(look.findall(joined))
        if topic is None:
            assert found < expected + 6 * math.sqrt(expected) + 3
        else:
            assert found > expected + 300


def test_probes_hold_a_site_of_their_motif(default, topic_of):
    probes = pq.read_table(default.probes).to_pylist()
    assert Counter(probe["motif"] for probe in probes) == dict.fromkeys(topic_of, 200)
    offsets = set()
    for probe in probes:
        assert len(probe["sequence"]) == 20
        assert probe["planted"] == (topic_of[probe["motif"]] is not None)
        found = [
            match.start()
            for text in (probe["sequence"], reverse_complement(probe["sequence"]))
            for match in re.finditer(pattern(probe["motif"]), text)
        ]
        assert found
        offsets.update(found)
    assert {0, 11} <= offsets
    lines = default.probes_fasta.read_text().split("\n")
    assert lines[1::2] == [probe["sequence"] for probe in probes]
    assert lines[:-1:2] == [f">{probe['name']}" for probe in probes]


def test_the_peaks_can_be_counted(default, texts, tmp_path):
    counts = kmerengine.count(default.genome, default.peaks, output=tmp_path / "k.parquet")
    assert len(counts) == 5_000
    words = counts.features()[0]
    word = counts.vocabulary.word
    both = (texts[0], reverse_complement(texts[0]))
    for feature in np.flatnonzero(np.asarray(words.todense()).ravel())[:200].tolist():
        look = word(feature).replace("N", ".")
        assert any(re.search(look, text) for text in both)


def test_no_probes_and_a_tight_peak(tmp_path):
    tight = {"n_peaks": 50, "motifs_per_peak": 2, "n_topics": 1, "n_absent": 0, "n_probes": 0}
    made = simulate_kmers(tmp_path / "a", width=37, seed=3, **tight)
    assert pq.read_table(made.probes).num_rows == 0
    shares = pq.read_table(made.peak_topics)["topics"].to_pylist()
    assert shares == [[1.0]] * 50
    assert pq.read_table(made.embedded).num_rows == 100


def test_the_seed_decides_every_byte(tmp_path):
    a, b, c = (
        simulate_kmers(tmp_path / name, n_peaks=20, n_probes=2, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for left, right, other in zip(a, b, c, strict=True):
        assert left.read_bytes() == right.read_bytes()
        # peaks lie in the same places
        assert (left.read_bytes() != other.read_bytes()) == (left.name != "peaks.narrowPeak")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n_topics": 0}, "--n-topics 0"),
        ({"n_topics": 10}, "--n-topics: 10 topics of 2 motifs and 4 absent ones need 24 motifs"),
        ({"width": 50, "motifs_per_peak": 5}, "--width 50: 5 motifs"),
        ({"concentration": 0}, "--concentration 0"),
        ({"gc": 1.5}, "--gc 1.5"),
        ({"probe_length": 0}, "--probe-length 0"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_impossible_parameters(tmp_path, wrong, words):
    with pytest.raises(InputError, match=words):
        simulate_kmers(tmp_path / "a", **wrong)
    assert not (tmp_path / "a").exists()


@pytest.mark.data
def test_motifs_of_a_file(data, tmp_path):
    """HT-SELEX motifs; of those longer than a probe the best part is taken."""
    path = data / "motifs" / "jolma_selex.meme"
    made = simulate_kmers(
        tmp_path / "a", motifs=path, n_topics=50, motifs_per_topic=3, n_absent=50, n_peaks=500,
        probe_length=12, n_probes=10,
    )  # fmt: skip
    names = set(re.findall(r"^MOTIF\s+(\S+)", path.read_text(), re.M))
    topics = pq.read_table(made.topics).to_pylist()
    assert len(topics) == len({row["motif"] for row in topics}) == 200
    assert {row["motif"] for row in topics} <= names
    assert max(len(row["consensus"]) for row in topics) > 12
    assert pq.read_table(made.probes).num_rows == 2_000
