"""Topics of sequences, against a network in plain loops on k-mers counted as strings."""

import inspect
import math

import click
import numpy as np
import oracles
import pyarrow.parquet as pq
import pytest
import topic_world as world
import torch
from click.testing import CliRunner
from topic_tables import make_proportions
from torch import nn

import kmerengine
import modelkit
from kmerengine import InputError, KmerCounts, Vocabulary, count_sequences
from modelkit import Proportions, topic_proportions
from modelkit.cli import main
from modelkit.cli.topics import COMMANDS
from modelkit.cli.topics import command as group
from modelkit.interpretation.topics import topic_model
from modelkit.interpretation.topics.topic_model import TopicModel
from modelkit.recipes.bpaitac import BpAITACConfig
from modelkit.training.run import Run

OURS = ("kmers", "motifs", "proportions")
K, MASKS = 5, oracles.wildcard_masks(5, 2)
SUMMITS = (100, 101, 257, 640, 899)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of random weights, a genome with narrowPeaks around summits, and its data set."""
    folder = tmp_path_factory.mktemp("topics")
    world.random_run(folder / "run")
    rng = np.random.default_rng(1)
    genome = {name: "".join(rng.choice(list("ACGT"), 1000)) for name in ("chr1", "chr2")}
    genome["chr2"] = genome["chr2"][:300] + "N" * 40 + genome["chr2"][340:]
    (folder / "g.fa").write_text("".join(f">{n}\n{text}\n" for n, text in genome.items()))
    lines = [
        f"{chrom}\t{at - 30}\t{at + 70}\t{f'{chrom}_{at}' if at != 257 else '.'}\t1\t.\t5\t5\t5\t30"
        for chrom in genome
        for at in SUMMITS
    ]
    (folder / "p.narrowPeak").write_text("\n".join(lines))
    kmerengine.dataset(
        folder / "p.narrowPeak", output=folder / "d", genome=folder / "g.fa", width=200,
        split=["test=chr2"],
    )  # fmt: skip
    windows = [genome[c][at - 100 : at + 100] for c in genome for at in SUMMITS]
    (folder / "w.fa").write_text("".join(f">w{i} x\n{w}\n" for i, w in enumerate(windows)))
    return folder


@pytest.fixture(scope="module")
def windows(folder):
    return [line for line in (folder / "w.fa").read_text().split("\n") if line and line[0] != ">"]


def test_windows_around_summits_have_the_topics_of_their_bases(folder, windows):
    found = topic_proportions(folder / "run", folder / "d")
    run = Run.open(folder / "run")
    expected = np.array(world.slow_concentrations(run, windows, MASKS))
    assert len(np.unique(expected)) > 30  # not all of them clipped
    np.testing.assert_allclose(found.concentrations, expected, rtol=2e-5)
    np.testing.assert_allclose(found.mean, expected / expected.sum(1, keepdims=True), rtol=2e-5)
    assert found.values is found.mean
    assert found.topics == tuple(f"topic_{i}" for i in range(7))
    assert found.names[:3] == ["chr1_100", "chr1_101", "chr1:157-357"]
    assert found.regions["start"].to_pylist() == [at - 100 for at in SUMMITS] * 2


def test_every_source_gives_the_same(folder, windows, tmp_path):
    expected = topic_proportions(folder / "run", folder / "d").concentrations
    vocabulary = Vocabulary.wildcard(K, 2)
    exact = count_sequences(windows, vocabulary=vocabulary)
    features = count_sequences(windows, vocabulary=vocabulary, materialize=True)
    exact.save(tmp_path / "e.parquet")
    features.save(tmp_path / "f.npz")
    features.save(tmp_path / "ids.txt")
    for source in (
        folder / "w.fa", str(folder / "w.fa"), windows, exact, features,
        tmp_path / "e.parquet", tmp_path / "f.npz", tmp_path / "ids.txt",
        KmerCounts.open(tmp_path / "e.parquet"),
    ):  # fmt: skip
        found = topic_proportions(folder / "run", source, batch_size=3, kind="concentrations")
        np.testing.assert_allclose(found.concentrations, expected, rtol=2e-5)
        assert found.values is found.concentrations
    assert found.names == [str(i) for i in range(10)]
    assert topic_proportions(folder / "run", folder / "w.fa").names[:2] == ["w0", "w1"]
    ids = topic_proportions(folder / "run", tmp_path / "ids.txt")
    assert ids.regions is None
    assert ids.names[-1] == "9"


@pytest.mark.parametrize("table", [True, False])
def test_words_features_and_windows_are_the_networks_own(folder, windows, table, monkeypatch):
    """The bags against `BindVAE.concentrations` of a batch, with and without the table."""
    monkeypatch.setattr(topic_model, "MAX_TABLE", 1 << 30 if table else 0)
    model = TopicModel(folder / "run")
    assert (model._table is not None) == table
    loaded = count_sequences(windows, vocabulary=model.vocabulary)
    rows = loaded.exact
    words = topic_model_words(loaded)
    batch = words_batch(model, words)
    with torch.no_grad():
        expected = model.network.concentrations(batch).numpy()
    found = model.concentrations(model.of_words(rows.indptr, loaded.words[rows.indices], rows.data))
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    # 9 bases: windows that are read on the strand they lie on, and two that are equal
    texts = ["AAAAAAAAA", "TTTTTTTTT", "ACGTACGTA", "TACGTACGT", "GATTACAGG"]
    packed = [[int_of(text[i : i + K]) for i in range(5)] for text in texts]
    run = Run.open(folder / "run")
    np.testing.assert_allclose(
        model.concentrations(model.of_windows(torch.tensor(packed))),
        world.slow_concentrations(run, texts, MASKS),
        rtol=2e-5,
    )


def topic_model_words(counts):
    from modelkit.data.words import Words

    rows = counts.exact
    return Words(rows.indptr.astype(np.int64), counts.words[rows.indices], rows.data)


def words_batch(model, words):
    from modelkit.data.words import WordBatch

    n = np.arange(len(words.indptr) - 1)
    return WordBatch.of(n, words, model.vocabulary, torch.device("cpu"))


def int_of(word: str) -> int:
    return int("".join(str("ACGT".index(base)) for base in word), 4)


def test_a_planted_motif_is_the_topic_of_its_sequences(tmp_path):
    motifs = [world.word_motif(f"m{i}", word) for i, word in enumerate(world.MOTIFS)]
    run = world.motif_run(tmp_path / "run", motifs)
    for t, word in enumerate(world.MOTIFS):
        found = topic_proportions(run, world.planted(t, 60, 30, word))
        assert (found.mean.argmax(1) == t).mean() > 0.95


def test_a_split_is_the_one_that_was_asked_for(folder):
    whole = topic_proportions(folder / "run", folder / "d")
    test = topic_proportions(folder / "run", folder / "d", split="test")
    assert test.names == whole.names[5:]
    np.testing.assert_allclose(test.concentrations, whole.concentrations[5:], rtol=1e-6)
    with pytest.raises(InputError, match="found 'tests', expected one of train"):
        topic_proportions(folder / "run", folder / "d", split="tests")
    with pytest.raises(InputError, match="no example of the split 'validation'"):
        topic_proportions(folder / "run", folder / "d", split="validation")
    with pytest.raises(InputError, match="has no splits"):
        topic_proportions(folder / "run", folder / "w.fa", split="test")


def test_sequences_without_words_are_counted_and_short_ones_left_out(folder):
    found = topic_proportions(folder / "run", ["ACGTACG", "ACG", "NNNNNNNN", "ACGTNACGT"])
    assert found.names == ["0", "2", "3"]
    assert found.provenance["without_words"] == 2
    assert sum(found.provenance["skipped"].values()) == 1
    np.testing.assert_array_equal(found.mean[1], found.mean[2])
    assert (found.mean[0] != found.mean[1]).any()
    with pytest.raises(InputError, match="found no word of 5 bases A C G T in 1 seq"):
        topic_proportions(folder / "run", ["NNNNNN"])


def test_a_file_is_read_back_and_the_same_bytes_twice(folder, tmp_path):
    made = topic_proportions(folder / "run", folder / "d", tmp_path / "a.parquet")
    topic_proportions(folder / "run", folder / "d", tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    found = Proportions.open(tmp_path / "a.parquet")
    for name in ("concentrations", "mean", "values"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    assert (found.names, found.topics, found.kind) == (made.names, made.topics, made.kind)
    assert found.provenance == made.provenance
    assert found.provenance["inputs"]["run"]["name"] == "run"
    frame = found.to_polars()
    assert frame["proportions"][2].to_list() == made.mean[2].tolist()
    with pytest.raises(InputError, match="exists"):
        topic_proportions(folder / "run", folder / "d", tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"expected \.parquet"):
        topic_proportions(folder / "run", folder / "d", tmp_path / "a.tsv")


def test_a_changed_file_is_refused(folder, tmp_path):
    path = tmp_path / "a.parquet"
    topic_proportions(folder / "run", folder / "d", path)
    table = pq.read_table(path)
    number = table.column_names.index("concentrations")
    swapped = table["concentrations"].take(list(range(len(table)))[::-1])
    pq.write_table(table.set_column(number, table.schema.field(number), swapped), path)
    with pytest.raises(InputError, match="do not fit each other"):
        Proportions.open(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(InputError, match="not what its own metadata say"):
        Proportions.open(path)
    with pytest.raises(InputError, match="holds kmerengine"):
        Proportions.open(folder / "d" / "regions.parquet")


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.filterwarnings("error")
def test_concentrations_that_cannot_be_are_refused(value, tmp_path):
    eta = np.ones((3, 2))
    eta[1] = value
    with np.errstate(all="ignore"):
        make_proportions(eta, path=tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"row 1: found .*, expected concentrations above 0"):
        Proportions.open(tmp_path / "a.parquet")


def test_what_does_not_fit_is_refused(folder, tmp_path):
    other = Run.create(tmp_path / "other", BpAITACConfig(), nn.Linear(1, 1), world.ABOUT)
    with pytest.raises(InputError, match="is a run of bpaitac, which has no topics"):
        topic_proportions(other, folder / "d")
    with pytest.raises(InputError, match="expected those of the counts, k = 8"):
        topic_proportions(folder / "run", count_sequences(["ACGTACGTACGT"]))
    features = count_sequences(["ACGTAC"], vocabulary=Vocabulary.wildcard(5, 1), materialize=True)
    with pytest.raises(InputError, match="features of another vocabulary"):
        topic_proportions(folder / "run", features)
    with pytest.raises(InputError, match="kind: found 'eta'"):
        topic_proportions(folder / "run", folder / "d", kind="eta")
    with pytest.raises(InputError, match="batch_size: found 0"):
        topic_proportions(folder / "run", folder / "d", batch_size=0)
    broken = TopicModel(folder / "run").network
    broken.bias.data[0] = float("nan")
    bad = Run.create(tmp_path / "bad", Run.open(folder / "run").config, broken, world.ABOUT)
    with pytest.raises(InputError, match="no finite numbers"):
        topic_proportions(bad, folder / "d")


# ------------------------------------------------------------------------------------ the command


def test_the_command_writes_what_the_function_does(folder, tmp_path):
    def done(*words: str) -> click.testing.Result:
        said = CliRunner().invoke(main, ["topics", "proportions", str(folder / "run"), *words])
        assert said.exit_code == 0, said.stderr
        return said

    topic_proportions(folder / "run", folder / "w.fa", tmp_path / "a.parquet")
    said = done(str(folder / "w.fa"), "-o", str(tmp_path / "b.parquet"))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert "b.parquet: 10 sequences, 7 topics" in said.stderr
    assert said.stdout == ""
    made = Proportions.open(tmp_path / "a.parquet")
    first = done(str(folder / "w.fa")).stdout.splitlines()[0].split("\t")
    assert first[:3] == ["w0", f"topic_{made.mean[0].argmax()}", f"{made.mean[0].max():.4g}"]
    (tmp_path / "n.fa").write_text(">a\nACGTACGTA\n>b\nACG\n>c\nNNNNNNN\n")
    said = done(str(tmp_path / "n.fa"))
    assert "1 sequences left out" in said.stderr
    assert "1 sequences have no word" in said.stderr
    assert done(str(tmp_path / "n.fa"), "-q").stderr == ""


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_a_public_function_with_the_same_parameters_and_defaults(name):
    function = getattr(modelkit, f"topic_{name.replace('-', '_')}")
    ours = {
        key: p.default
        for key, p in inspect.signature(function).parameters.items()
        if key != "progress"
    }
    made = group.get_command(click.Context(group), name)
    required = [p for p in made.params if p.required]
    words = [w for p in required for w in ([p.opts[0], "x"] if p.opts[0][0] == "-" else ["x"])]
    theirs = made.make_context(name, words).params
    theirs |= {str(p.name): inspect.Parameter.empty for p in required}
    theirs.pop("quiet")
    assert theirs == ours
    assert made.help
    assert all(p.help for p in made.params if isinstance(p, click.Option))


def test_the_group_lists_its_commands():
    said = CliRunner().invoke(main, ["topics", "--help"])
    assert said.exit_code == 0
    assert all(name in said.stdout for name in COMMANDS)
