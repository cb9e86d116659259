"""The features of topics, against sorting in plain Python, and topics whose features are known."""

import json
import math

import numpy as np
import oracles
import pyarrow.parquet as pq
import pytest
import topic_world as world
from click.testing import CliRunner

from kmerengine import InputError, Vocabulary
from modelkit import TopicKmers, topic_kmers
from modelkit.cli import main
from modelkit.interpretation.topics.kmers import matrix_of, word_codes
from modelkit.training.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return world.random_run(tmp_path_factory.mktemp("kmers") / "run")


def slow_theta(run: Run) -> list[list[float]]:
    """The softmax of each topic's logits, one by one."""
    logits = run.network().decoder.detach().double().T.tolist()
    made = []
    for row in logits:
        largest = max(row)
        each = [math.exp(value - largest) for value in row]
        made.append([value / math.fsum(each) for value in each])
    return made


def test_the_first_features_are_those_of_a_plain_sort(run):
    found = topic_kmers(run, top=4, aligned=9)
    words = oracles.wildcard_order(5, 2)
    for t, row in enumerate(slow_theta(run)):
        order = sorted(range(len(row)), key=lambda i: (-row[i], i))[:9]
        listed = found.rows(f"topic_{t}")
        assert [each["feature"] for each in listed] == order
        assert [each["word"] for each in listed] == [words[i] for i in order]
        assert [each["rank"] for each in listed] == list(range(1, 10))
        np.testing.assert_allclose(
            [each["probability"] for each in listed], [row[i] for i in order], rtol=1e-9
        )
    alpha = run.network().alpha().detach().numpy()
    assert list(found.alpha.values()) == alpha.tolist()
    assert found.by_alpha()[0] == f"topic_{alpha.argmax()}"


def test_the_matrix_holds_the_first_features_of_each_topic_and_else_0(run):
    found = topic_kmers(run, top=6, aligned=3)
    theta = slow_theta(run)
    first = [set(sorted(range(len(row)), key=lambda i: -row[i])[:6]) for row in theta]
    features = found.features["feature"].to_pylist()
    assert sorted(features) == sorted(set().union(*first))
    assert found.matrix.shape == (7, len(features))
    for t, row in enumerate(theta):
        expected = [row[i] if i in first[t] else 0.0 for i in features]
        np.testing.assert_allclose(found.matrix[t], expected, rtol=1e-9)
    # by the topic that a feature is most of, then by how much
    keys = [
        (int(column.argmax()), -column.max(), feature)
        for column, feature in zip(found.matrix.T, features, strict=True)
    ]
    assert keys == sorted(keys)
    assert found.features["topic"].to_pylist() == [f"topic_{key[0]}" for key in keys]


def test_a_shared_feature_stands_with_the_topic_that_has_more_of_it():
    theta = np.array([[0.5, 0.3, 0.2, 0.0], [0.1, 0.6, 0.0, 0.3]])
    made = matrix_of(theta, np.array([[0, 1], [1, 3]]))
    assert made.features.tolist() == [0, 1, 3]
    assert made.topic.tolist() == [0, 1, 1]
    assert made.values.tolist() == [[0.5, 0.3, 0.0], [0.0, 0.6, 0.3]]


def test_words_of_one_motif_lie_on_each_other(tmp_path):
    motifs = [world.word_motif(f"m{i}", word) for i, word in enumerate(world.MOTIFS)]
    found = topic_kmers(world.motif_run(tmp_path / "run", motifs))
    assert len(found.features) == 80  # a diagonal: no feature is among the first of two topics
    for topic, word in enumerate(world.MOTIFS):
        laid = found.aligned(f"topic_{topic}")
        assert len(laid) >= 48
        lines = [text for text, _ in laid]
        assert len(set(map(len, lines))) == 1
        columns = [max("ACGT", key=[line[i] for line in lines].count) for i in range(len(lines[0]))]
        consensus = "".join(columns)
        assert any(
            each[start : start + 8] in consensus
            for each in (word, oracles.mirrored(word))
            for start in range(3)
        )


def test_wildcards_are_stars_and_what_is_beside_a_word_a_line(tmp_path):
    """Four words that read one sequence, one of them on its other strand."""
    vocabulary = Vocabulary.wildcard(5, 2)
    run = world.random_run(tmp_path / "run", topics=2)
    model = run.network()
    logits = model.decoder.data
    logits.zero_()
    for place, word in enumerate(("GATTA", "ATTAC", "GNNTA", "TGTAA")):  # TTACA
        logits[vocabulary.feature(word), 0] = 9 - place
    bare = Run.create(tmp_path / "bare", run.config, model, world.ABOUT)
    found = topic_kmers(bare, topics=["topic_0"], top=1, aligned=4)
    lines = [text for text, _ in found.aligned("topic_0")]
    assert lines in (
        ["GATTA--", "-ATTAC-", "G**TA--", "--TTACA"],
        ["--TAATC", "-GTAAT-", "--TA**C", "TGTAA--"],
    )
    text = found.as_text().splitlines()
    assert text[0].startswith("topic_0  alpha ")
    assert [line.split()[0] for line in text[1:]] == lines
    assert float(text[1].split()[1]) > float(text[4].split()[1]) > 0


def test_word_codes():
    assert word_codes(np.array(["ACGT", "NTNA"])).tolist() == [[0, 1, 2, 3], [255, 3, 255, 0]]


# ------------------------------------------------------------------------------------ the folder


@pytest.mark.parametrize("theta", ["npy", "parquet"])
def test_theta_is_written_whole(run, tmp_path, theta):
    topic_kmers(run, tmp_path / "k", theta=theta, top=5, aligned=5)
    expected = np.array(slow_theta(run))
    if theta == "npy":
        found = np.load(tmp_path / "k" / "theta.npy", allow_pickle=False)
    else:
        table = pq.read_table(tmp_path / "k" / "theta.parquet")
        assert table["word"].to_pylist() == oracles.wildcard_order(5, 2)
        assert table["feature"].to_pylist() == list(range(len(table)))
        found = np.stack([table[f"topic_{i}"].to_numpy() for i in range(7)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(found.sum(1, dtype=np.float64), 1, atol=1e-6)


def test_the_folder_is_read_back_and_the_same_twice(run, tmp_path):
    made = topic_kmers(run, tmp_path / "a")
    topic_kmers(run, tmp_path / "b")
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert names == [
        "alignments.png", "alignments.txt", "kmers.parquet", "matrix.parquet", "matrix.png",
        "topic_kmers.json",
    ]  # fmt: skip
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    memory = topic_kmers(run)
    assert made.table.equals(memory.table)
    np.testing.assert_array_equal(made.matrix, memory.matrix)
    assert (made.topics, made.alpha) == (memory.topics, memory.alpha)
    assert (tmp_path / "a" / "alignments.txt").read_text() == memory.as_text()
    assert made.to_polars().height == 7 * 50
    about = json.loads((tmp_path / "a" / "topic_kmers.json").read_text())
    assert about["inputs"]["run"]["name"] == "run"
    with pytest.raises(InputError, match="exists"):
        topic_kmers(run, tmp_path / "a")
    topic_kmers(run, tmp_path / "b", top=3, force=True)
    (tmp_path / "a" / "matrix.parquet").write_bytes(
        (tmp_path / "b" / "matrix.parquet").read_bytes()
    )
    with pytest.raises(InputError, match="is not of the same topics as"):
        TopicKmers.open(tmp_path / "a")


def test_what_does_not_fit_is_refused(run, tmp_path):
    n = Vocabulary.wildcard(5, 2).n_features
    for options, message in (
        ({"top": 0}, f"top: found 0, expected 1 to {n}"),
        ({"aligned": n + 1}, f"aligned: found {n + 1}"),
        ({"theta": "csv"}, "theta: found 'csv'"),
        ({"topics": ["7"]}, "topics: found '7', expected topic_0 to topic_6"),
    ):
        with pytest.raises(InputError, match=message):
            topic_kmers(run, tmp_path / "k", **options)
    with pytest.raises(InputError, match="'npy' without an output"):
        topic_kmers(run, theta="npy")
    with pytest.raises(InputError, match="topic: found 'x'"):
        topic_kmers(run).rows("x")
    model = run.network()
    model.decoder.data[3, 1] = float("inf")
    bad = Run.create(tmp_path / "bad", run.config, model, world.ABOUT)
    with pytest.raises(InputError, match="no finite numbers"):
        topic_kmers(bad)


def test_the_command_writes_what_the_function_does(run, tmp_path):
    words = ["topics", "kmers", str(run.path), "--topic", "topic_4", "--topic", "topic_1"]
    said = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "a"), "--theta", "npy"])
    assert said.exit_code == 0, said.stderr
    assert said.stdout == ""
    assert "a: 2 topics, " in said.stderr
    made = topic_kmers(run, tmp_path / "b", topics=["topic_4", "topic_1"], theta="npy")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    assert np.load(tmp_path / "a" / "theta.npy").shape == (2, Vocabulary.wildcard(5, 2).n_features)
    said = CliRunner().invoke(main, [*words, "-q"])
    assert (said.stdout, said.stderr) == (made.as_text(), "")
