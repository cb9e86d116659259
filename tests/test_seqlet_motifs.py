"""Folders of motifs, of seqlets of words that were planted."""

import json

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from scipy.stats import fisher_exact
from seqlet_words import WORDS, matrix_of
from test_seqlets import write

from kmerengine import InputError, Motif, read_motifs, write_meme
from modelkit.cli import main
from modelkit.interpretation.motifs.motif_set import Motifs
from modelkit.interpretation.motifs.motifs import motifs
from modelkit.interpretation.motifs.seqlets import seqlets

# --------------------------------------------------------------------------------------- folder

P = 100


def attributions_of(folder, words, n=40, seed=0):
    """Attributions of sequences with a word each, on either strand, in one of two targets."""
    rng = np.random.default_rng(seed)
    sequence = rng.integers(0, 4, (n, P)).astype(np.uint8)
    scores = rng.normal(0, 0.02, (n, 2, 4, P))
    planted = []
    for e in range(n):
        word, target = words[e % len(words)], e % 2
        at, minus = int(rng.integers(5, P - 20)), bool(rng.random() < 0.5)
        codes = np.array(["ACGT".index(base) for base in word])
        matrix = matrix_of(word, rng, 0.1) * (1 if e % 3 else 2)
        if e % 5 == 0:
            matrix[0] = 0  # a seqlet that starts a base later
        if minus:
            codes, matrix = (3 - codes)[::-1], matrix[::-1, ::-1]
        sequence[e, at : at + len(word)] = codes
        scores[e, target, :, at : at + len(word)] += matrix.T
        planted.append((e, target, at, minus, word))
    return write(folder, sequence, scores), planted


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two models' seqlets: the second does not go by the third word."""
    folder = tmp_path_factory.mktemp("two")
    one, planted = attributions_of(folder / "bpaitac", WORDS[:3], n=60)
    other, _ = attributions_of(folder / "aitac", WORDS[:2], n=60, seed=1)
    found = seqlets(one, folder / "1.parquet", z=3.0)
    seqlets(other, folder / "2.parquet", of=one, z=3.0)
    assert len(found) >= 55
    database = [
        Motif(name=f"db{i}", alt_name=f"TF{i}", probabilities=np.array(
            [[0.91 if b == each else 0.03 for each in "ACGT"] for b in word]))
        for i, word in enumerate(WORDS)
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    database += [
        Motif(name=f"other{i}", probabilities=rng.dirichlet([0.4] * 4, 9)) for i in range(60)
    ]
    write_meme(folder / "db.meme", database)
    return folder, planted


def test_motifs_of_two_models(two, tmp_path):
    folder, planted = two
    made = motifs(
        [folder / "1.parquet", folder / "2.parquet"], tmp_path / "m", names=("bp", "ai"),
        database=folder / "db.meme", threshold=1e-4,
    )  # fmt: skip
    assert made.models == ("bp", "ai")
    rows = made.table.to_pylist()
    assert [row["seqlets"] for row in rows] == sorted((r["seqlets"] for r in rows), reverse=True)
    assert [sum(row["seqlets_by_model"]) for row in rows] == [row["seqlets"] for row in rows]
    named = {row["match"]: row for row in rows[:3]}
    assert set(named) == {"db0", "db1", "db2"}
    assert named["db2"]["match_alt_name"] == "TF2"
    assert named["db2"]["match_q"] < 0.05
    third = named["db2"]
    assert third["of"] == [120, 120]  # sequences and targets
    assert third["seqlets_by_model"][1] == 0
    n = third["count"][0]
    expected = fisher_exact([[n, 0], [120 - n, 120]], alternative="greater").pvalue
    assert third["p"] == [pytest.approx(expected), 1.0]
    assert third["p_bonferroni"][0] == pytest.approx(expected * len(rows))
    assert third["enriched"] == [True, False]
    assert made.enriched("bp")["motif"].to_pylist() == [third["motif"]]
    assert len(made.enriched("ai")) == 0
    for row, pfm in zip(rows, made.pfms(), strict=True):
        assert (pfm.name, len(pfm), pfm.nsites) == (row["motif"], row["length"], row["seqlets"])
        assert pfm.consensus == row["consensus"]
        matrix = np.array(row["cwm"]).reshape(-1, 4)
        np.testing.assert_array_equal(made.cwm(row["motif"]), matrix)
        np.testing.assert_allclose(np.array(row["pfm"]).reshape(-1, 4), pfm.probabilities)
    assert len(read_motifs(tmp_path / "m/sequences.meme")) == len(rows)
    # where seqlets were planted: the model's first, its motif, its strand, its place
    where = {(r["example"], r["target"]): r for r in made.seqlets.to_pylist() if r["model"] == "bp"}
    strands = set()
    for e, target, at, minus, word in planted:
        row = where.get((e, "BT"[target]))
        if row is None or row["motif"] not in {each["motif"] for each in rows[:3]}:
            continue
        assert row["motif"] == named[f"db{WORDS.index(word)}"]["motif"]
        motif = rows[int(row["motif"].removeprefix("motif_")) - 1]
        start = 1000 * e - 5 + at
        assert abs(row["motif_start"] - start) <= 1
        assert row["motif_end"] - row["motif_start"] == motif["length"]
        forward = word[1:-1] in motif["consensus"]
        assert row["strand"] == ("-" if minus == forward else "+")
        strands.add(row["strand"])
        bases = row["sequence"]
        if row["strand"] == "-":
            bases = bases[::-1].translate(str.maketrans("ACGT", "TGCA"))
        shared = motif["consensus"][max(0, row["offset"]) :]
        assert bases[max(0, -row["offset"]) :][:6] == shared[:6]
    assert strands == {"+", "-"}
    uneven = 0
    for row in made.seqlets.to_pylist():  # base by base: where the motif's first one lies
        assert (
            row["motif_end"] - row["motif_start"]
            == made.table["length"].to_pylist()[int(row["motif"].removeprefix("motif_")) - 1]
        )
        for t in range(row["end"] - row["start"]):
            if row["strand"] == "+":
                assert row["start"] + t == row["motif_start"] + row["offset"] + t
            else:
                assert row["end"] - 1 - t == row["motif_end"] - 1 - (row["offset"] + t)
        uneven += row["strand"] == "-" and row["motif_start"] != row["start"] - row["offset"]
    assert uneven
    lines = (tmp_path / "m/seqlets.bed").read_text().splitlines()
    assert len(lines) == len(made.seqlets)
    assert lines[0].split("\t")[5] in "+-"


def test_frequencies_of_bases_are_those_of_letters(two, tmp_path):
    folder, _ = two
    made = motifs([folder / "1.parquet"], tmp_path / "m", threshold=1e-4)
    assert made.models == ("bpaitac",)
    assert all(row["p"] is None for row in made.table.to_pylist())
    with pytest.raises(InputError, match="expected one of two"):
        made.enriched("bpaitac")
    for row, motif in zip(
        made.table.to_pylist(), read_motifs(tmp_path / "m/sequences.meme"), strict=True
    ):
        counts = [dict.fromkeys("ACGT", 0) for _ in range(row["length"])]
        for each in made.seqlets.to_pylist():
            if each["motif"] != row["motif"]:
                continue
            bases = each["sequence"]
            if each["strand"] == "-":
                bases = bases[::-1].translate(str.maketrans("ACGT", "TGCA"))
            for place, base in enumerate(bases, each["offset"]):
                if 0 <= place < row["length"]:
                    counts[place][base] += 1
        assert row["counts"] == [n for each in counts for n in each.values()]
        for p, each in zip(motif.probabilities, counts, strict=True):
            np.testing.assert_allclose(p, np.array(list(each.values())) / sum(each.values()))


def test_presets_and_what_overrides_them(two, tmp_path):
    folder, _ = two
    given = [folder / "1.parquet", folder / "2.parquet"]
    code = motifs(given, tmp_path / "code", preset="code").provenance["parameters"]
    assert (code["threshold"], code["rounds"], code["count"]) == (0.001, 2, "sequences")
    paper = motifs(given, tmp_path / "paper").provenance["parameters"]
    assert (paper["threshold"], paper["rounds"], paper["count"]) == (0.05, 1, "lineages")
    made = motifs(given, tmp_path / "mine", preset="code", rounds=1, count="seqlets")
    parameters = made.provenance["parameters"]
    assert (parameters["threshold"], parameters["rounds"]) == (0.001, 1)
    assert made.table["of"].to_pylist()[0] == [
        len(made.seqlets.filter(pa.compute.equal(made.seqlets["model"].cast("string"), model)))
        for model in made.models
    ]


def test_threads_do_not_change_a_bit(two, tmp_path):
    folder, _ = two
    one = motifs([folder / "1.parquet"], tmp_path / "1", threads=1)
    other = motifs([folder / "1.parquet"], tmp_path / "2", threads=3)
    for name in ("motifs.parquet", "seqlets.parquet", "motifs.meme", "seqlets.bed"):
        assert (one.path / name).read_bytes() == (other.path / name).read_bytes()


def test_models_that_differ_in_more_than_the_model_are_told(two, tmp_path):
    folder, _ = two
    data, _ = attributions_of(tmp_path / "a", WORDS[:1])
    seqlets(data, tmp_path / "s.parquet", preset="code")
    seqlets(data, tmp_path / "t.parquet")
    words = ["motifs", str(tmp_path / "s.parquet"), str(tmp_path / "t.parquet"), "--name", "x"]
    said = CliRunner().invoke(main, [*words, "--name", "y", "-o", str(tmp_path / "m")])
    assert said.exit_code == 0, said.output
    (line,) = [each for each in said.stderr.splitlines() if each.startswith("warning: ")]
    assert line.startswith("warning: seqlets of x and y: found preset code and paper; z 3.29")
    assert " and 1.96; Fisher's test compares models only where" in line
    one = {"names": ("x", "y"), "output": tmp_path / "n"}
    with pytest.warns(UserWarning, match="found .*examples 60 and 40; .*Fisher"):
        motifs([folder / "1.parquet", tmp_path / "t.parquet"], **one)


def test_no_seqlets_make_an_empty_folder(two, tmp_path):
    folder, _ = two
    data, _ = attributions_of(tmp_path / "a", WORDS[:1])
    seqlets(data, tmp_path / "s.parquet", cutoff=1e6)
    made = motifs([tmp_path / "s.parquet"], tmp_path / "m", database=folder / "db.meme")
    assert (len(made), len(made.seqlets), made.pfms(), made.names) == (0, 0, [], ())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ("a",)}, "names: found 1, expected one for each of 2 files"),
        ({"names": ("a", "a")}, "names: found a, a, expected different ones"),
        ({"threshold": 0}, "threshold: found 0"),
        ({"rounds": 0}, "rounds: found 0"),
        ({"count": "cells"}, "count: found 'cells'"),
        ({"alpha": 1}, "alpha: found 1"),
        ({"preset": "x"}, "preset: found 'x'"),
        ({"database": "none"}, "none: no such file"),
    ],
)
def test_motif_options_out_of_range(two, tmp_path, options, message):
    folder, _ = two
    with pytest.raises(InputError, match=message):
        motifs([folder / "1.parquet", folder / "2.parquet"], tmp_path / "m", **options)
    assert not (tmp_path / "m").exists()


def test_folders_that_are_none(two, tmp_path):
    folder, _ = two
    with pytest.raises(InputError, match="found none, expected at least one file"):
        motifs([], tmp_path / "m")
    with pytest.raises(InputError, match=r"has no readable motifs\.json"):
        Motifs.open(tmp_path)
    made = motifs([folder / "1.parquet"], tmp_path / "m")
    with pytest.raises(InputError, match="has no motif 'x'"):
        made.cwm("x")
    other = motifs([folder / "2.parquet"], tmp_path / "n")
    (made.path / "motifs.parquet").write_bytes((other.path / "motifs.parquet").read_bytes())
    with pytest.raises(InputError, match="is not of the same motifs"):
        Motifs.open(made.path)


# ------------------------------------------------------------------------- commands and real data


def test_the_commands(two, tmp_path):
    folder, _ = two
    words = ["motifs", str(folder / "1.parquet"), str(folder / "2.parquet"), "-o",
             str(tmp_path / "m"), "--threshold", "1e-4", "--database", str(folder / "db.meme"),
             "--name", "bp", "--name", "ai"]  # fmt: skip
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 0, said.output
    assert "bp: 1 motifs enriched" in said.stderr
    assert "ai: 0 motifs enriched" in said.stderr
    made = Motifs.open(tmp_path / "m")
    assert json.loads((tmp_path / "m/motifs.json").read_text())["models"] == ["bp", "ai"]
    words = ["tomtom", str(tmp_path / "m/motifs.meme"), str(folder / "db.meme")]
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 0, said.output
    first = said.stdout.splitlines()[0].split("\t")
    assert first[:2] == ["motif_1", made.table["match"][0].as_py()]
    said = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "t.tsv")])
    assert said.exit_code == 0, said.output
    lines = [line.split("\t") for line in (tmp_path / "t.tsv").read_text().splitlines()]
    assert lines[0][:3] == ["query", "target", "target_alt_name"]
    assert lines[1][:2] == first[:2]


@pytest.mark.data
def test_sites_of_jaspar_s_motifs_are_clustered_and_named(data, tmp_path):
    """From attributions to names: sites drawn from three matrices, scored by their log odds."""
    path = data / "motifs/JASPAR2024_CORE_vertebrates_non-redundant.meme"
    known = {each.name: each for each in read_motifs(path)}
    families = {"MA0139.2": ("CTCF",), "MA0106.3": ("TP53", "TP63", "TP73"),
                "MA0099.4": ("FOS", "JUN", "BATF", "BACH", "NFE2")}  # fmt: skip
    planted = [known[name] for name in families]
    rng = np.random.default_rng(0)
    n = 120
    sequence = rng.integers(0, 4, (n, P)).astype(np.uint8)
    scores = rng.normal(0, 0.05, (n, 1, 4, P))
    for e in range(n):
        motif = planted[e % 3]
        motif = motif if rng.random() < 0.5 else motif.reverse_complement()
        low = int(rng.integers(5, P - 30))
        codes = [rng.choice(4, p=row) for row in motif.probabilities]
        sequence[e, low : low + len(motif)] = codes
        effect = motif.log_odds(1.0) * motif.information[:, None] / 4
        scores[e, 0, :, low : low + len(motif)] += effect.T
    found = seqlets(
        write(tmp_path / "a", sequence, scores, targets=("all",)), tmp_path / "s.parquet",
        min_significant=5,
    )  # fmt: skip
    made = motifs([found], tmp_path / "m", preset="code", database=path)
    rows = made.table.to_pylist()[:3]
    assert len(found) > 60
    assert sum(row["seqlets"] for row in rows) > 0.6 * len(found)
    for row in rows:
        motif_rows = [r for r in made.seqlets.to_pylist() if r["motif"] == row["motif"]]
        kinds = [r["example"] % 3 for r in motif_rows]
        kind = max(set(kinds), key=kinds.count)
        assert kinds.count(kind) > 0.9 * len(kinds)
        assert row["match_alt_name"].startswith(families[planted[kind].name]), row["match_alt_name"]
        assert row["match_q"] < 0.05
    assert len({row["match"] for row in rows}) == 3
