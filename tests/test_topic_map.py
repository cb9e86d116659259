"""Algorithm 1 against plain loops, the models that it selects, and the probes it is about."""

import csv
import json
import math
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from topic_tables import make_proportions

from kmerengine import InputError, simulate_kmers
from modelkit import Probes, TopicMap, topic_map, topic_selection
from modelkit.cli import main


def tops(share: str, n: int) -> int:
    return int((Decimal(share) * n).to_integral_value(ROUND_CEILING))


# ------------------------------------------------------------------------------- what is mapped


def planted(seed: int = 0) -> tuple[np.ndarray, list[str], dict[str, set[int]]]:
    """20 factors have a topic of their own, two share one, one has two; 18 have none.

    Six of those without have a little of every topic, as probes rich in G and C might.
    """
    rng = np.random.default_rng(seed)
    truth = {f"in{i}": {i} for i in range(20)}
    truth["in1"] = {0}
    truth["in2"] = {2, 1}
    labels = [name for name in [*truth, *(f"out{i}" for i in range(18))] for _ in range(100)]
    values = rng.gamma(2, 0.02, (len(labels), 24))
    for row, label in enumerate(labels):
        for topic in truth.get(label, ()):
            values[row, topic] += rng.gamma(6, 0.1)
        if label in {f"out{i}" for i in range(6)}:
            values[row] += 0.02
    return values, labels, truth


def pairs(made: TopicMap) -> dict[str, set[int]]:
    return {name: set(made.topics_of(made.factors.index(name))) for name in made.found}


def test_planted_factors_are_mapped_and_no_others() -> None:
    values, labels, truth = planted()
    made = topic_map(values, labels)
    assert pairs(made) == truth
    assert made.factors_of(0) == sorted(
        ("in0", "in1"), key=lambda name: made.p[made.factors.index(name), 0]
    )
    assert made.factors_of(23) == []


def test_comparing_with_all_other_probes_is_wrong() -> None:
    values, labels, truth = planted()
    found = pairs(topic_map(values, labels, top=1.0))
    assert all(found[name] >= topics for name, topics in truth.items())
    absent = [name for name in found if name not in truth]
    assert {f"out{i}" for i in range(6)} <= set(absent)
    assert sum(len(found[name]) for name in absent) >= 100


def test_shuffled_labels_and_noise_map_next_to_nothing() -> None:
    values, labels, _ = planted()
    shuffled = np.random.default_rng(3).permutation(labels).tolist()
    assert len(topic_map(values, shuffled).found) <= 1
    noise = np.random.default_rng(3).gamma(1, size=values.shape)
    assert len(topic_map(noise, labels).found) <= 1


def test_columns_are_those_of_loops() -> None:
    values, labels, _ = planted()
    values, labels = values[::7], labels[::7]
    made = topic_map(values, labels, p=0.01)
    rows = made.table.to_pylist()
    factors = sorted(set(labels))
    assert [(row["factor"], row["topic"]) for row in rows] == [
        (factor, f"topic_{m}") for factor in factors for m in range(24)
    ]
    p = [row["p"] for row in rows]
    for row in rows[::97]:
        mine = [i for i, label in enumerate(labels) if label == row["factor"]]
        m = int(row["topic"].removeprefix("topic_"))
        assert row["n_probes"] == len(mine)
        assert row["n_top"] == tops("0.05", len(labels) - len(mine))
        assert row["mean"] == pytest.approx(sum(values[i, m] for i in mine) / len(mine))
        most = [i for i in mine if max(range(24), key=lambda k: values[i, k]) == m]
        assert row["share"] == len(most) / len(mine)
        # Benjamini and Hochberg: the least level at which this test and those below it pass
        assert row["q"] == pytest.approx(
            min(x * len(p) / sum(y <= x for y in p) for x in p if x >= row["p"])
        )
        assert row["mapped"] == (row["p"] < 0.01)
    assert made.mapped.sum() == sum(row["mapped"] for row in rows) > 10


def test_q_plays_no_part_in_what_is_mapped() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 40)
    values = rng.gamma(1, size=(400, 30))
    values[labels == 3, 0] += 3.6  # just enough for p, not for q
    made = topic_map(values, labels.tolist())
    row = made.factors.index("3")
    assert made.p[row, 0] < 0.05 < made.q[row, 0]
    assert made.mapped[row, 0]


# ------------------------------------------------------------------------------------- files


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated probes, and topics that their sequences decide."""
    folder = tmp_path_factory.mktemp("world")
    simulate_kmers(folder / "data", n_topics=2, motifs_per_topic=2, n_absent=2, n_peaks=5,
                   n_probes=30, probe_length=24, seed=1)  # fmt: skip
    probes = Probes.open(folder / "data" / "probes.parquet")
    rng = np.random.default_rng(0)
    eta = 0.1 + rng.gamma(1, 0.1, (len(probes), 3))
    first = sorted(set(probes.factors))[0]
    eta[[factor == first for factor in probes.factors], 1] += 20
    order = rng.permutation(len(probes))
    names = [probes.names[i] for i in order.tolist()]
    make_proportions(eta[order], names=names, path=folder / "probes.topics.parquet")
    return folder


def test_probes_of_a_file_are_found_by_their_names(world: Path) -> None:
    labels = world / "data" / "probes.parquet"
    made = topic_map(world / "probes.topics.parquet", labels, world / "map.parquet")
    assert made.found == [sorted(set(Probes.open(labels).factors))[0]]
    assert made.topics_of(made.factors.index(made.found[0])) == [1]
    again = TopicMap.open(world / "map.parquet")
    assert again.table.equals(made.table)
    assert again.factors == made.factors
    assert np.array_equal(again.mapped, made.mapped)
    assert again.provenance["inputs"].keys() == {"proportions", "run", "probes"}
    assert again.provenance["parameters"] == {"kind": "concentrations", "top": 0.05, "p": 0.05}


def test_topics_that_no_peak_is_made_of_have_no_factor(tmp_path: Path) -> None:
    """Probes of a and b have a topic each; of topic 6 no peak has four times an equal share."""
    rng = np.random.default_rng(3)
    labels = ["a"] * 30 + ["b"] * 30 + ["c"] * 200
    eta = rng.gamma(2, 0.1, (260, 8))
    eta[:30, 1] += 3
    eta[30:60, 6] += 3
    probes = make_proportions(eta, path=tmp_path / "probes.parquet")
    in_peaks = np.ones((50, 8))
    in_peaks[7, 1] = 7.0  # 7 of 14: exactly 4 of 8
    in_peaks[8, 6] = 6.9
    peaks = make_proportions(in_peaks, path=tmp_path / "peaks.parquet")
    plain = topic_map(probes, labels)
    assert plain.found == ["a", "b"]
    assert plain.provenance["topics_in_use"] is None
    made = topic_map(probes, labels, tmp_path / "map.parquet", peaks=tmp_path / "peaks.parquet")
    assert made.found == ["a"]
    assert made.topics_of(0) == [1]
    assert np.array_equal(made.p, plain.p)  # nothing else changes
    again = TopicMap.open(tmp_path / "map.parquet")
    assert np.array_equal(again.mapped, made.mapped)
    assert again.provenance["topics_in_use"] == 1
    assert again.provenance["parameters"]["c"] == 4
    assert again.provenance["inputs"]["peaks"]["name"] == "peaks.parquet"
    lower = topic_map(probes, labels, peaks=peaks, c=3.9)
    assert lower.found == ["a", "b"]
    for other, said in ((plain, "with c None"), (lower, "with c 3.9")):
        with pytest.raises(InputError, match=said):
            topic_selection([made, other])
    with pytest.raises(InputError, match=r"has 3 topics .* expected both of one model"):
        topic_map(probes, labels, peaks=make_proportions(np.ones((5, 3))))
    with pytest.raises(InputError, match="is of the run b"):
        topic_map(probes, labels, peaks=make_proportions(in_peaks, run="b"))
    with pytest.raises(InputError, match="c: found 0, expected more than 0"):
        topic_map(probes, labels, peaks=peaks, c=0)
    lines = (f"{n}\t{f}\n" for n, f in zip(probes.names, labels, strict=True))
    (tmp_path / "labels.tsv").write_text("".join(lines))
    said = CliRunner().invoke(
        main, ["topics", "map", str(probes.path), str(tmp_path / "labels.tsv"), "--peaks",
               str(peaks.path)],
    )  # fmt: skip
    assert "1 of 8 topics are in use in peaks" in said.stderr
    assert said.stdout.startswith("topic_1\ta\t")
    assert "topic_6" not in said.stdout


def test_the_order_of_probes_and_a_table_of_labels_change_nothing(world: Path) -> None:
    probes = Probes.open(world / "data" / "probes.parquet")
    table = world / "labels.tsv"
    lines = [f"{n}\t{f}\textra" for n, f in zip(probes.names, probes.factors, strict=True)]
    table.write_text("name\tfactor\n# a comment\n" + "\n".join(lines[::-1]) + "\nmore\tSPI1\n")
    one = topic_map(world / "probes.topics.parquet", probes)
    two = topic_map(world / "probes.topics.parquet", table)
    assert one.table.equals(two.table)
    assert (one.provenance["without_values"], two.provenance["without_values"]) == (0, 1)


def test_proportions_are_another_question_than_concentrations(world: Path) -> None:
    eta = np.ones((80, 3))
    eta[:40] = [9, 1, 81]  # nine times as much of topic 0, and less of all that there is
    made = make_proportions(eta)
    labels = ["a"] * 40 + ["b"] * 40
    assert topic_map(made, labels).mapped[0, 0]
    found = topic_map(made, labels, kind="proportions")
    assert not found.mapped[0, 0]
    assert found.mapped[1, 0]


def test_a_table_of_text_says_how_it_was_made(world: Path) -> None:
    made = topic_map(world / "probes.topics.parquet", world / "data" / "probes.parquet",
                     world / "map.tsv", force=True)  # fmt: skip
    first, *rest = (world / "map.tsv").read_text().splitlines()
    assert json.loads(first.removeprefix("# "))["command"] == "topics map"
    rows = list(csv.DictReader(rest, delimiter="\t"))
    assert [float(row["p"]) for row in rows] == made.table["p"].to_pylist()
    assert [row["mapped"] == "true" for row in rows] == made.table["mapped"].to_pylist()
    assert [row["factor"] for row in rows] == made.table["factor"].to_pylist()


def test_the_command_says_pairs_or_writes_them(world: Path, tmp_path: Path) -> None:
    arguments = ["topics", "map", str(world / "probes.topics.parquet")]
    arguments.append(str(world / "data" / "probes.parquet"))
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 0, said.stderr
    topic, factor, p, _ = said.stdout.strip().split("\t")
    assert (topic, factor) == ("topic_1", sorted(set(Probes.open(arguments[3]).factors))[0])
    assert float(p) < 1e-5
    assert "1 of 6 factors, 1 of 3 topics, 1 pairs" in said.stderr
    output = tmp_path / "map.parquet"
    assert CliRunner().invoke(main, [*arguments, "-o", str(output), "-q"]).output == ""
    assert TopicMap.open(output).found == [factor]
    again = CliRunner().invoke(main, [*arguments, "-o", str(output)])
    assert again.exit_code == 1
    assert "exists" in again.stderr


VALUES = [[1.0, 2.0], [2.0, 1.0], [0.5, 0.5]]
LABELS = ["a", "b", "b"]


@pytest.mark.parametrize(
    ("values", "labels", "options", "message"),
    [
        (VALUES, ["a", "a", "a"], {}, "found 1 factors, expected at least two"),
        (VALUES, ["a", "b"], {}, "found 3 rows and 2 labels"),
        ([1.0, 2.0, 3.0], LABELS, {}, r"found shape \(3,\)"),
        ([[1.0], [2.0], [3.0]], LABELS, {}, "found 3 sequences and 1 topics"),
        ([[1.0, 2.0], [math.nan, 1.0], [0.5, 0.5]], LABELS, {}, "row 1: found nan of topic 0"),
        (VALUES, LABELS, {"top": 0.0}, "top: found 0.0"),
        (VALUES, LABELS, {"top": 5}, "top: found 5"),
        (VALUES, LABELS, {"p": -1}, "p: found -1"),
        (VALUES, LABELS, {"kind": "z"}, "kind: found 'z'"),
        (VALUES, LABELS, {"output": "x.csv"}, "found suffix '.csv'"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_said(
    values: object, labels: list[str], options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        topic_map(values, labels, **options)
    assert "\n" not in str(error.value)


def test_probes_that_do_not_fit_are_said(tmp_path: Path) -> None:
    three = Probes(["x", "y", "z"], ["a", "b", "b"], ["A", "C", "G"])
    with pytest.raises(InputError, match="row 2: found 'w', which has no factor"):
        topic_map(make_proportions(VALUES, names=["x", "y", "w"]), three)
    with pytest.raises(InputError, match="row 1: found 'x' again"):
        topic_map(make_proportions(VALUES, names=["x", "x", "y"]), three)


def test_a_file_that_is_no_map_is_said(world: Path, tmp_path: Path) -> None:
    made = topic_map(VALUES, LABELS, tmp_path / "map.parquet")
    with pytest.raises(InputError, match=r"expected kmerengine\.topic_map"):
        TopicMap.open(world / "probes.topics.parquet")
    with pytest.raises(InputError, match="does not exist"):
        TopicMap.open(tmp_path / "none.parquet")
    raw = (tmp_path / "map.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        TopicMap.open(tmp_path / "cut.parquet")
    with pytest.raises(InputError, match="not every factor with every topic"):
        TopicMap(made.table.slice(1), made.provenance)
    for name, value in (("p", math.nan), ("p", -0.1), ("q", 1.5), ("effect", math.inf)):
        number = made.table.column_names.index(name)
        values = made.table[name].to_pylist()
        values[3] = value
        changed = made.table.set_column(number, made.table.schema.field(number), [values])
        with pytest.raises(InputError, match=f"row 3: found {value} in column '{name}'"):
            TopicMap(changed, made.provenance)


# ------------------------------------------------------------------------------------ probes


def test_probes_of_fasta_and_table_are_those_of_parquet(world: Path, tmp_path: Path) -> None:
    one = Probes.open(world / "data" / "probes.parquet")
    table = tmp_path / "factors.tsv"
    pairs = zip(one.names, one.factors, strict=True)
    table.write_text("\n".join(f"{name}\t{factor}" for name, factor in pairs))
    two = Probes.open(world / "data" / "probes.fa", table)
    assert (one.names, one.factors, one.sequences) == (two.names, two.factors, two.sequences)
    assert len(one) == 6 * 30


def test_fasta_may_have_wrapped_lines_and_descriptions(tmp_path: Path) -> None:
    (tmp_path / "p.fa").write_bytes(b">one first\r\nACG\r\nTTn\r\n\r\n>two\r\nGG\r\n")
    (tmp_path / "p.tsv").write_text("two\tB\none\tA\n")
    found = Probes.open(tmp_path / "p.fa", tmp_path / "p.tsv")
    assert (found.names, found.factors) == (["one", "two"], ["A", "B"])
    assert found.sequences == ["ACGTTn", "GG"]


@pytest.mark.parametrize(
    ("fasta", "table", "message"),
    [
        (">a\nACGT\n", "a\tX\nb\tX\n", "no record 'b', which has a factor"),
        (">a\nACGT\n>b\nA\n", "a\tX\n", "no factor of 'b'"),
        (">a\nACGT\n>a\nA\n", "a\tX\n", "record 2: found the name 'a' again"),
        (">a\nAC-T\n", "a\tX\n", "record 1: found byte 0x2d in 'a'"),
        (">a\n>b\nA\n", "a\tX\nb\tX\n", "record 1: found no bases of 'a'"),
        ("> a\n\nA\n>\nA\n", "a\tX\n", "record 2: found no name"),
        ("ACGT\n", "a\tX\n", "this is not FASTA"),
        (">a\nACGT\n", "a X\n", "line 1: found 'a X', expected a name and a factor"),
        (">a\nACGT\n", "a\t\n", "line 1"),
        (">a\nACGT\n", "a\tX\na\tY\n", "line 2: found the name 'a' again"),
        (">a\nACGT\n", "# nothing\n", "found no line"),
    ],
)
def test_probes_that_cannot_be_read_are_said(
    tmp_path: Path, fasta: str, table: str, message: str
) -> None:
    (tmp_path / "p.fa").write_text(fasta)
    (tmp_path / "p.tsv").write_text(table)
    with pytest.raises(InputError, match=message) as error:
        Probes.open(tmp_path / "p.fa", tmp_path / "p.tsv")
    assert "\n" not in str(error.value)


def test_probes_need_a_table_with_fasta_alone(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a table of names"):
        Probes.open(world / "data" / "probes.fa")
    with pytest.raises(InputError, match="has factors itself"):
        Probes.open(world / "data" / "probes.parquet", tmp_path / "x")
    with pytest.raises(InputError, match=r"holds kmerengine.simulated.topics"):
        Probes.open(world / "data" / "topics.parquet")
    with pytest.raises(InputError, match="found 1 names, 2 factors and 1"):
        Probes(["a"], ["x", "y"], ["A"])
    with pytest.raises(InputError, match="probe 1: found the name 'a' again"):
        Probes(["a", "a"], ["x", "y"], ["A", "C"])


# --------------------------------------------------------------------------- choice of models


def map_with(found: set[str], seed: int, path: Path | None = None) -> TopicMap:
    """A map of ten factors, of which these have a topic."""
    rng = np.random.default_rng(seed)
    labels = [f"f{i}" for i in range(10) for _ in range(30)]
    values = rng.gamma(2, 0.02, (300, 12))
    for topic, name in enumerate(sorted(found)):
        values[[label == name for label in labels], topic] += 0.4 + 0.1 * seed
    made = topic_map(values, labels, path)
    assert set(made.found) == found
    return made


def test_models_are_chosen_by_their_factors_and_joined(tmp_path: Path) -> None:
    sets = [{"f1"}, {"f1", "f2", "f3"}, {"f3", "f4"}, {"f2", "f3", "f4", "f9"}, {"f8", "f7"}]
    maps = [map_with(each, seed) for seed, each in enumerate(sets)]
    made = topic_selection(maps, tmp_path / "chosen", names=list("abcde"))
    models = made.models.to_pylist()
    assert [row["model"] for row in models] == ["d", "b", "c", "e", "a"]  # c is before e
    assert [row["chosen"] for row in models] == [True, True, True, False, False]
    assert [row["factors"] for row in models] == [4, 3, 2, 2, 1]
    assert [row["new"] for row in models] == [4, 1, 0, 0, 0]
    assert [row["pairs"] for row in models] == [int(maps[i].mapped.sum()) for i in (3, 1, 2, 4, 0)]
    factors = {row["factor"]: row for row in made.factors.to_pylist()}
    assert factors.keys() == sets[1] | sets[2] | sets[3]
    assert factors["f3"]["models"] == ["d", "b", "c"]
    assert factors["f1"]["models"] == ["b"]
    for name, row in factors.items():
        found = [(maps[i].p[maps[i].factors.index(name)].min(), "abcde"[i]) for i in (1, 2, 3)
                 if name in sets[i]]  # fmt: skip
        assert row["p"] == min(found)[0]
        i = "abcde".index(row["model"])
        assert (row["p"], row["model"]) in found
        t = maps[i].factors.index(name)
        assert maps[i].p[t, maps[i].topics.index(row["topic"])] == row["p"]
        assert maps[i].effect[t, maps[i].topics.index(row["topic"])] == row["effect"]
    assert sorted(each.name for each in (tmp_path / "chosen").iterdir()) == [
        "factors.parquet", "models.parquet",
    ]  # fmt: skip


def test_a_larger_ensemble_finds_more(tmp_path: Path) -> None:
    maps = [map_with(each, 0) for each in ({"f1"}, {"f2", "f3"}, {"f4"})]
    found = [len(topic_selection(maps, ensemble=n).factors) for n in (1, 2, 3, 9)]
    assert found == [2, 3, 4, 4]


def test_the_command_of_selection(tmp_path: Path) -> None:
    paths = [tmp_path / f"m{i}.parquet" for i in range(2)]
    map_with({"f1"}, 0, paths[0])
    map_with({"f1", "f2"}, 1, paths[1])
    arguments = ["topics", "selection", *map(str, paths), "-o", str(tmp_path / "out")]
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 0, said.stderr
    assert "1  m1: 2 factors, 2 of them new" in said.stderr
    assert "2 factors together" in said.stderr


def test_maps_that_cannot_be_compared_are_said(tmp_path: Path) -> None:
    one = map_with({"f1"}, 0)
    with pytest.raises(InputError, match="with other probes"):
        topic_selection([one, topic_map(VALUES, LABELS)])
    other = topic_map(np.random.default_rng(0).gamma(1, size=(300, 12)),
                      [f"f{i}" for i in range(10) for _ in range(30)], top=0.1)  # fmt: skip
    with pytest.raises(InputError, match=r"with top 0\.1, model_0 with 0\.05"):
        topic_selection([one, other])
    values, labels = [[1.0, 2.0], [2.0, 1.0], [0.5, 0.5]], ["a", "b", "b"]
    kinds = [
        topic_map(make_proportions(values, names=["x", "y", "z"]), Probes(["x", "y", "z"], labels,
                  ["A"] * 3), kind=kind) for kind in ("concentrations", "proportions")
    ]  # fmt: skip
    message = "with kind proportions, model_0 with concentrations"
    with pytest.raises(InputError, match=message):
        topic_selection(kinds)
    with pytest.raises(InputError, match="found none"):
        topic_selection([])
    with pytest.raises(InputError, match="found a, a for 2 maps"):
        topic_selection([one, one], names=["a", "a"])
    with pytest.raises(InputError, match="ensemble: found 0"):
        topic_selection([one], ensemble=0)
