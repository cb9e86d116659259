"""Motifs of topics, from all short sequences, against slow searches and planted motifs."""

import os
import stat
from itertools import product

import numpy as np
import oracles
import pytest
import topic_world as world
from click.testing import CliRunner

import modelkit
from kmerengine import InputError, Motif, Vocabulary, read_motifs
from modelkit import TopicMotifs, topic_motifs
from modelkit.cli import main
from modelkit.data.draws import Purpose, draw
from modelkit.interpretation.topics import topic_figures
from modelkit.interpretation.topics.oligos import (
    n_oligos,
    oligo_blocks,
    oligo_codes,
    spelled_oligos,
    top_oligos,
)
from modelkit.interpretation.topics.topic_model import TopicModel


def merged(length: int) -> list[str]:
    """All sequences of a length, the first in the alphabet of the two strands."""
    return [
        word for word in map("".join, product("ACGT", repeat=length))
        if word <= oracles.mirrored(word)
    ]  # fmt: skip


def walked(length: int, **options: object) -> np.ndarray:
    return np.concatenate([block for block, _ in oligo_blocks(length, **options)])


# ---------------------------------------------------------------------------------- enumeration


@pytest.mark.parametrize("length", [1, 2, 4, 5, 6])
def test_all_sequences_come_once(length):
    expected = merged(length)
    assert n_oligos(length) == len(expected)
    for size in (3, 64, 8192):
        found = walked(length, size=size)
        assert spelled_oligos(found, length) == expected
    assert len(walked(length, stranded=True)) == n_oligos(length, stranded=True) == 4**length
    assert [
        "".join("ACGT"[code] for code in row) for row in oligo_codes(found, length)
    ] == expected  # fmt: skip


def test_the_numbers_of_the_paper():
    assert len(walked(10)) == n_oligos(10) == 524_800
    assert n_oligos(15) == 536_870_912


def test_a_sample_is_a_function_of_seed_and_sequence():
    found = walked(10, sample=0.1, seed=4)
    assert abs(len(found) - 52_480) < 5 * (52_480 * 0.9) ** 0.5
    np.testing.assert_array_equal(walked(10, sample=0.1, seed=4, size=1000), found)
    # the sample of a larger share holds that of a smaller one, whoever else is in it
    assert np.isin(found, walked(10, sample=0.3, seed=4)).all()
    other = walked(10, sample=0.1, seed=5)
    assert abs(np.isin(found, other).sum() - 5_248) < 400
    every = walked(10)
    numbers = draw(4, 10, Purpose.ORDER, every)
    np.testing.assert_array_equal(found, every[[n < 2**64 // 10 for n in numbers.tolist()]])


def test_fifteen_bases_come_in_blocks_of_one_size():
    """The first hundredth of them: as many of every block, and no block of more than a few."""
    blocks = oligo_blocks(15, sample=0.1, seed=1, size=8192)
    sizes, done = [], 0
    while done < 4**15 / 100:
        block, done = next(blocks)
        sizes.append(len(block))
        assert (block < done).all()
    assert max(sizes) < 4 * 8192
    # of the words that begin with AAA nearly all come before their reverse complements
    assert abs(sum(sizes) / done - 0.1) < 0.01


# -------------------------------------------------------------------------------------- ranking


@pytest.fixture(scope="module")
def random_run(tmp_path_factory):
    return world.random_run(
        tmp_path_factory.mktemp("random") / "run", vocabulary=Vocabulary.wildcard(4, 2)
    )


@pytest.fixture(scope="module")
def slow(random_run):
    """eta of all sequences of six bases, by strings and loops."""
    masks = oracles.wildcard_masks(4, 2)
    return np.array(world.slow_concentrations(random_run, merged(6), masks))


@pytest.mark.parametrize("kind", ["concentrations", "proportions"])
@pytest.mark.parametrize("batch_size", [100, 8192])
def test_the_first_sequences_are_those_of_a_slow_search(random_run, slow, kind, batch_size):
    model = TopicModel(random_run)
    columns = np.array([5, 0, 2])
    found = top_oligos(model, columns, 6, 30, kind=kind, batch_size=batch_size)
    assert found.n == len(slow) == 2080
    assert not found.silent.any()
    values = slow if kind == "concentrations" else slow / slow.sum(1, keepdims=True)
    words = {word: i for i, word in enumerate(merged(6))}
    for t, column in enumerate(columns.tolist()):
        expected = np.sort(values[:, column])[::-1][:30]
        assert len(np.unique(expected)) > 15
        at = [words[text] for text in spelled_oligos(found.oligos[t], 6)]
        assert len(set(at)) == 30
        np.testing.assert_allclose(values[at, column], expected, rtol=2e-5)
        np.testing.assert_allclose(found.concentrations[t], slow[at, column], rtol=2e-5)
        shares = slow[at, column] / slow[at].sum(1)
        np.testing.assert_allclose(found.proportions[t], shares, rtol=2e-5)


def test_where_strands_are_apart_all_sequences_are_looked_at(tmp_path):
    vocabulary = Vocabulary.wildcard(4, 1, stranded=True)
    run = world.random_run(tmp_path / "run", vocabulary=vocabulary)
    every = ["".join(word) for word in product("ACGT", repeat=5)]
    eta = modelkit.topic_proportions(run, every).concentrations
    found = top_oligos(TopicModel(run), np.array([4]), 5, 25)
    assert found.n == 1024
    np.testing.assert_allclose(found.concentrations[0], np.sort(eta[:, 4])[::-1][:25], rtol=2e-5)
    listed = spelled_oligos(found.oligos[0], 5)
    at = [every.index(text) for text in listed]
    np.testing.assert_allclose(eta[at, 4], found.concentrations[0], rtol=2e-5)
    assert any(text > oracles.mirrored(text) for text in listed)


def test_of_equal_sequences_the_first_in_the_alphabet_is_taken(tmp_path):
    """A topic that answers to one word of 8 bases alone, and as much to all that hold it."""
    run = world.motif_run(tmp_path / "run", [world.word_motif("m", "GATTACAGAT")], silent=1)
    model = TopicModel(run)
    weights = model.network.embedding.data
    weights.zero_()
    weights[model.vocabulary.feature("GATTACAG")] = 20.0
    found = top_oligos(model, np.array([0]), 10, 48, batch_size=20_000)
    holding = sorted(
        min(text, oracles.mirrored(text))
        for left in range(3)
        for ends in map("".join, product("ACGT", repeat=2))
        for text in [ends[:left] + "GATTACAG" + ends[left:]]
    )
    assert spelled_oligos(found.oligos[0], 10) == holding
    assert np.ptp(found.concentrations[0]) == 0


# ---------------------------------------------------------------------------------- the biology


@pytest.fixture(scope="module")
def motifs():
    return [world.word_motif(f"planted_{i}", word) for i, word in enumerate(world.MOTIFS)]


@pytest.fixture(scope="module")
def database(motifs):
    """The planted motifs, and sixty of chance."""
    rng = np.random.default_rng(0)
    return motifs + [
        Motif(name=f"other_{i}", probabilities=rng.dirichlet([0.4] * 4, int(rng.integers(6, 13))))
        for i in range(60)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory, motifs):
    return world.motif_run(tmp_path_factory.mktemp("motifs") / "run", motifs, silent=1)


@pytest.fixture(scope="module")
def made(run, database, tmp_path_factory):
    return topic_motifs(
        run, tmp_path_factory.mktemp("made") / "m", database=database, threads=1, device="cpu"
    )


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """The best of all offsets on both strands, of the columns that the shorter one has."""
    best = -1.0
    short, long = sorted((one, other), key=len)
    for turned in (short, short[::-1, ::-1]):
        for at in range(len(long) - len(short) + 1):
            part = long[at : at + len(short)]
            best = max(best, float(np.corrcoef(turned.ravel(), part.ravel())[0, 1]))
    return best


def test_the_motif_of_a_topic_is_the_one_it_answers_to(made, motifs):
    rows = made.table.to_pylist()
    for t, motif in enumerate(motifs):
        assert rows[t]["match"] == motif.name
        assert rows[t]["match_q"] < 1e-3
        assert len(made.motifs[t]) >= 8
        assert correlation(made.motifs[t].probabilities, motif.probabilities) > 0.9
        assert rows[t]["aligned"] >= 190
        assert not rows[t]["silent"]
    # not one motif for all: of another topic's it is no match
    others = [correlation(made.motifs[0].probabilities, m.probabilities) for m in motifs[1:]]
    assert max(others) < 0.7


def test_a_topic_that_prefers_nothing_has_no_motif(made):
    row = made.table.to_pylist()[-1]
    assert row["silent"]
    assert row["frequencies"] is row["match"] is row["aligned"] is None
    assert [motif.name for motif in made.motifs] == [f"topic_{i}" for i in range(4)]


def test_the_motif_is_the_sequences_on_each_other(made):
    """Its frequencies, counted again from the table with strings."""
    oligos = made.oligos.to_pylist()
    assert len(oligos) == 5 * 200
    for motif in made.motifs:
        mine = [row for row in oligos if row["topic"] == motif.name]
        assert [row["rank"] for row in mine] == list(range(1, 201))
        concentrations = [row["concentration"] for row in mine]
        assert concentrations == sorted(concentrations, reverse=True)
        counts = [[0] * 4 for _ in range(len(motif))]
        for row in mine:
            if row["offset"] is None:
                continue
            text = row["sequence"]
            text = oracles.mirrored(text) if row["strand"] == "-" else text
            for i, base in enumerate(text, row["offset"]):
                if 0 <= i < len(counts):
                    counts[i]["ACGT".index(base)] += 1
        expected = np.array(counts) / np.sum(counts, axis=1, keepdims=True)
        np.testing.assert_allclose(motif.probabilities, expected, atol=1e-12)
    assert {row["offset"] for row in oligos if row["topic"] == "topic_4"} == {None}


def test_a_composite_motif_is_found_in_a_sample_of_longer_sequences(tmp_path):
    """Two words beside each other, of which no 8 bp hold more than a part."""
    word = "TGACTCACGGAA"
    run = world.motif_run(tmp_path / "run", [world.word_motif("pair", word)], silent=1)
    found = topic_motifs(run, length=12, sample=0.05, seed=2, top=100)
    again = topic_motifs(run, length=12, sample=0.05, seed=2, top=100)
    assert abs(found.provenance["n"] / n_oligos(12) - 0.05) < 0.001
    assert found.table.equals(again.table)
    assert found.oligos.equals(again.oligos)
    other = topic_motifs(run, length=12, sample=0.05, seed=3, top=100)
    assert not found.oligos.equals(other.oligos)
    motif = found.motifs[0]
    assert len(motif) >= 10  # longer than any word of the model
    assert correlation(motif.probabilities, world.word_motif("pair", word).probabilities) > 0.8


# ------------------------------------------------------------------------------------ the folder


def test_the_folder_is_read_back_and_the_same_twice(run, made, database, tmp_path):
    again = topic_motifs(run, tmp_path / "m", database=database, threads=1, device="cpu")
    for file in sorted(made.path.iterdir()):
        assert (tmp_path / "m" / file.name).read_bytes() == file.read_bytes(), file.name
    assert len(list(made.path.iterdir())) == 6
    found = TopicMotifs.open(tmp_path / "m")
    assert found.table.equals(again.table)
    assert found.oligos.equals(made.oligos)
    assert found.provenance["inputs"]["run"]["name"] == "run"
    assert found.provenance["n"] == 524_800
    listed = read_motifs(tmp_path / "m" / "topic_motifs.meme")
    assert [motif.name for motif in listed] == [motif.name for motif in made.motifs]
    np.testing.assert_allclose(listed[0].probabilities, made.motifs[0].probabilities, atol=1e-12)
    assert set(found.matches.best()) == {f"topic_{i}" for i in range(4)}
    assert found.to_polars()["topic"].to_list() == list(found.topics)
    with pytest.raises(InputError, match="exists"):
        topic_motifs(run, tmp_path / "m")
    (tmp_path / "m" / "oligos.parquet").write_bytes((made.path / "matches.parquet").read_bytes())
    with pytest.raises(InputError, match=r"oligos.parquet: holds kmerengine.motif_matches"):
        TopicMotifs.open(tmp_path / "m")


def test_logos_are_the_motifs_from_left_to_right(made, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        topic_figures, "draw_logo_grid", lambda panels, caption: drawn.append((panels, caption))
    )
    topic_figures.draw_topic_motifs(made)
    ((panels, caption),) = drawn
    assert caption == "5 topics, the 200 first sequences of 10 bp"
    assert [panel.title for panel in panels] == ["0", "1", "2", "3", "4"]
    assert (panels[4].motif, panels[4].missing) == (None, "prefers no sequence")
    for panel, motif, row in zip(panels, made.motifs, made.table.to_pylist(), strict=False):
        assert panel.start == 1
        assert panel.match == (row["match_alt_name"] or row["match"])
        np.testing.assert_array_equal(panel.motif.probabilities, motif.probabilities)
        assert "".join("ACGT"[i] for i in panel.motif.probabilities.argmax(1)) == row["consensus"]


def test_some_topics_are_those_of_all(run):
    every = topic_motifs(run, length=8, top=50)
    found = topic_motifs(run, topics=["topic_2", "topic_0", "topic_2"], length=8, top=50)
    assert found.topics == ("topic_2", "topic_0")
    assert found.table.to_pylist() == [every.table.to_pylist()[i] for i in (2, 0)]


def test_a_run_of_silent_topics_alone_has_no_motifs(tmp_path, database):
    run = world.motif_run(tmp_path / "run", [], silent=2)
    found = topic_motifs(run, tmp_path / "m", database=database, length=8, top=20)
    assert found.motifs == []
    assert len(found.matches) == 0
    assert not (tmp_path / "m" / "topic_motifs.meme").exists()
    assert (tmp_path / "m" / "topic_motifs.png").stat().st_size > 1000


def test_numbers_out_of_range_are_refused(run, tmp_path):
    for options, message in (
        ({"length": 7}, r"length: found 7, expected 8 \(a word of the model\) to 18"),
        ({"length": 19}, "length: found 19"),
        ({"sample": 0.0}, "sample: found 0.0, expected more than 0"),
        ({"sample": 1.5}, "sample: found 1.5"),
        ({"q": 0.0}, "q: found 0.0"),
        ({"top": 0}, "top: found 0"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"length": 8, "sample": 1e-4, "top": 200}, "top: found 200, but there are"),
        ({"length": 8, "sample": 0.5, "seed": -1}, "seed: found -1, expected 0 to"),
        ({"length": 8, "sample": 0.5, "seed": 2**63}, "seed: found 9223372036854775808"),
        ({"topics": ["topic_9"]}, "topics: found 'topic_9', expected topic_0 to topic_4"),
        ({"kind": "eta"}, "kind: found 'eta'"),
        ({"aligner": "clustal"}, "aligner: found 'clustal', expected one of builtin, meme"),
    ):
        with pytest.raises(InputError, match=message):
            topic_motifs(run, tmp_path / "m", **options)
    assert not (tmp_path / "m").exists()


# ------------------------------------------------------------------------------- meme, and command

PROGRAM = """#!/usr/bin/env python3
import sys
from pathlib import Path

given = dict(zip(sys.argv[2:], sys.argv[3:]))
lines = Path(sys.argv[1]).read_text().split("\\n")[1::2]
out = Path(given["-oc"])
out.mkdir()
if lines[0].startswith("{bad}"):
    sys.exit("no memory")
text = "MEME version 5.5.5\\n\\nALPHABET= ACGT\\n\\nstrands: + -\\n\\n"
text += "Background letter frequencies\\nA 0.25 C 0.25 G 0.25 T 0.25\\n\\n"
if "{none}" != "yes":
    w = int(given["-minw"])
    text += "MOTIF X MEME-1\\nletter-probability matrix: alength= 4 w= %d" % w
    text += " nsites= %d E= 0.1\\n" % len(lines)
    for i in range(w):
        text += " ".join(str(sum(x[i] == b for x in lines) / len(lines)) for b in "ACGT") + "\\n"
(out / "meme.txt").write_text(text)
"""


def install(folder, monkeypatch, bad="-", none="no"):
    folder.mkdir()
    program = folder / "meme"
    program.write_text(PROGRAM.replace("{bad}", bad).replace("{none}", none))
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_meme_makes_the_motif_if_it_is_there(run, tmp_path, monkeypatch):
    """A stand-in that counts the bases of the first positions, as they were handed to it."""
    install(tmp_path / "bin", monkeypatch)
    found = topic_motifs(run, tmp_path / "m", aligner="meme", length=8, top=30)
    for t, motif in enumerate(found.motifs):
        rows = found.oligos.slice(30 * t, 30)["sequence"].to_pylist()
        expected = [[sum(x[i] == b for x in rows) / 30 for b in "ACGT"] for i in range(6)]
        np.testing.assert_allclose(motif.probabilities, expected, atol=1e-6)
    assert found.table["aligned"].to_pylist() == [30] * 4 + [None]
    assert found.oligos["offset"].null_count == 150


def test_meme_that_is_not_there_or_fails_is_said(run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(InputError, match="no program meme; install the MEME Suite, or use"):
            topic_motifs(run, aligner="meme")
    with monkeypatch.context() as patch:
        install(tmp_path / "bad", patch, bad="")
        with pytest.raises(InputError, match="ended with 1 and said 'no memory'"):
            topic_motifs(run, aligner="meme", length=8, top=5)
    install(tmp_path / "none", monkeypatch, none="yes")
    found = topic_motifs(run, tmp_path / "m", aligner="meme", length=8, top=5)
    assert found.motifs == []
    assert found.table["silent"].to_pylist() == [False] * 4 + [True]


def test_the_command_writes_what_the_function_does(run, made, tmp_path, database):
    modelkit_database = tmp_path / "db.meme"
    from kmerengine import write_meme

    write_meme(modelkit_database, database)
    words = ["topics", "motifs", str(run.path), "--length", "8", "--top", "50", "--threads", "1"]
    said = CliRunner().invoke(
        main, [*words, "-o", str(tmp_path / "a"), "--database", str(modelkit_database)]
    )
    assert said.exit_code == 0, said.stderr
    assert said.stdout == ""
    assert "1 topics prefer no sequence" in said.stderr
    assert "4 of 5 topics are like a motif of db.meme at q <= 0.05" in said.stderr
    assert "4 motifs of 32,896 sequences" in said.stderr
    modelkit.topic_motifs(
        run, tmp_path / "b", length=8, top=50, database=modelkit_database, threads=1
    )
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    said = CliRunner().invoke(main, [*words, "--topic", "topic_1", "-q"])
    assert said.stderr == ""
    row = TopicMotifs.open(tmp_path / "a").table.to_pylist()[1]
    assert said.stdout.split("\t")[:2] == ["topic_1", row["consensus"]]
