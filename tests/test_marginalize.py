"""What motifs add to predicted totals, by networks that count words."""

import hashlib
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from motif_networks import make_run, occurrences, reverse_complement, texts_of
from small_data import WIDTH, WINDOW, make_data

from kmerengine import Dataset, InputError, Motif
from kmerengine.motifs.meme import write_meme
from modelkit.cli import main
from modelkit.interpretation.insertions.insertions import backgrounds
from modelkit.interpretation.insertions.marginal_tables import compared
from modelkit.interpretation.insertions.marginalize import Marginals, marginalize
from modelkit.interpretation.synthetic import SequenceModels
from modelkit.training.run import Run
from native_kernels.dinucleotide_shuffle import dinucleotide_shuffle

WORD = "GATTACA"
ONE, TWO = {"s0": ([5.0], 2.0), "s1": ([0.0], -1.0)}, {"s0": ([8.0], 2.0), "s1": ([0.0], 0.5)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """5 cuts for every word in s0; s1 is dead: its ReLU never opens."""
    return make_run(tmp_path_factory.mktemp("runs") / "one", data, [WORD], totals=ONE)


@pytest.fixture(scope="module")
def other(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs") / "two", data, [WORD], totals=TWO)


def row(made: Marginals, **wanted: object) -> dict[str, float]:
    found = [
        each
        for each in made.summary.to_pylist()
        if all(each[name] == value for name, value in wanted.items())
    ]
    assert len(found) == 1
    return found[0]


def every(made: Marginals) -> dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]]:
    rows = pq.read_table(made.path / "differences.parquet").to_pylist()
    return {
        (each["motif"], each["target"], each["group"], each["run"]): (
            np.array(each["without"]),
            np.array(each["within"]),
        )
        for each in rows
    }


def with_word(text: str, word: str, start: int) -> str:
    return text[:start] + word + text[start + len(word) :]


@pytest.mark.parametrize("offset", [0, -9])
def test_a_word_adds_what_the_network_counts(
    data: Dataset, run: Run, tmp_path: Path, offset: int
) -> None:
    made = marginalize(
        run, data, tmp_path / "o", words=[WORD, "TTGGTTGG"], n_backgrounds=200, seed=3,
        offset=offset, differences=True,
    )  # fmt: skip
    texts = texts_of(backgrounds(data, data.split("test"), 200, 3))
    for word in (WORD, "TTGGTTGG"):
        start = (WIDTH - WINDOW) // 2 + (WINDOW - len(word)) // 2 + offset
        before = np.array([occurrences(text, WORD) for text in texts])
        after = np.array([occurrences(with_word(text, word, start), WORD) for text in texts])
        without, within = every(made)[word, "s0", "runs", "one"]
        np.testing.assert_allclose(without, 2 + 5 * before, rtol=1e-5)
        np.testing.assert_allclose(within, 2 + 5 * after, rtol=1e-5)
        found = row(made, motif=word, target="s0")
        change = 5.0 * (after - before)
        for name, value in {
            "mean": change.mean(),
            "q25": np.quantile(change, 0.25),
            "median": np.median(change),
            "q95": np.quantile(change, 0.95),
            "without": (2 + 5 * before).mean(),
            "within": (2 + 5 * after).mean(),
            "log2_fold_change": np.log2((3 + 5 * after) / (3 + 5 * before)).mean(),
        }.items():
            assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name
    assert row(made, motif=WORD, target="s0")["median"] == pytest.approx(5, rel=1e-5)
    assert abs(row(made, motif="TTGGTTGG", target="s0")["median"]) < 1e-5
    dead = row(made, motif=WORD, target="s1")
    assert dead["mean"] == dead["q05"] == dead["q95"] == dead["within"] == 0
    assert made.comparison is None
    assert made.provenance["regions"] == len(data.split("test"))
    assert (made.path / "marginal.png").stat().st_size > 5000


def test_what_changes_nothing_has_no_effect_at_all(
    data: Dataset, run: Run, other: Run, tmp_path: Path
) -> None:
    made = marginalize(
        run, data, tmp_path / "o", words=["NNNNN", "n"], against=[other], strand="both",
        n_backgrounds=70, batch_size=16, differences=True,
    )  # fmt: skip
    for without, within in every(made).values():
        assert without.tobytes() == within.tobytes()
    assert set(made.summary["mean"].to_pylist()) == {0.0}
    assert made.comparison is not None
    assert set(made.comparison["p"].to_pylist()) == {1.0}
    assert set(made.comparison["p_bonferroni"].to_pylist()) == {1.0}
    assert set(made.comparison["auc"].to_pylist()) == {0.5}


@pytest.mark.parametrize("strand", ["plus", "minus", "both"])
def test_strands(data: Dataset, tmp_path: Path, strand: str) -> None:
    """4 cuts for the word, 1 for its reverse complement."""
    words = [WORD, reverse_complement(WORD)]
    run = make_run(
        tmp_path / "r", data, words, totals=dict.fromkeys(data.samples, ([4.0, 1.0], 0.0))
    )
    made = marginalize(run, data, tmp_path / "o", words=[WORD], strand=strand, n_backgrounds=60)
    expected = {"plus": 4.0, "minus": 1.0, "both": 2.5}[strand]
    assert row(made, target="s0")["median"] == pytest.approx(expected, rel=1e-5)


def test_a_motif_is_drawn_and_a_consensus_is_not(data: Dataset, run: Run, tmp_path: Path) -> None:
    rows = np.eye(4)[["ACGT".index(base) for base in WORD]]
    rows[3] = [0.4, 0, 0, 0.6]  # the word's T six times of ten
    file = tmp_path / "m.meme"
    write_meme(file, [Motif(name=n, probabilities=rows) for n in ("m", "left")])
    given = {"motifs": file, "names": ["m"], "n_backgrounds": 1000}
    drawn = marginalize(run, data, tmp_path / "a", **given)
    assert row(drawn, target="s0")["mean"] / 5 == pytest.approx(0.6, abs=0.05)
    sure = marginalize(run, data, tmp_path / "b", consensus=True, **given)
    assert row(sure, target="s0")["mean"] / 5 == pytest.approx(1, abs=0.02)
    two = [Motif(name=n, alt_name=n * 2, probabilities=rows) for n in ("m", "left")]
    named = marginalize(
        run, data, tmp_path / "d", **(given | {"names": ["mm"], "motifs": two})
    )
    assert named.summary.equals(drawn.summary)
    with pytest.raises(InputError, match=r"'x', expected names of motifs in .*m\.meme, such as"):
        marginalize(run, data, tmp_path / "e", **(given | {"names": ["x"]}))
    listed = marginalize(
        run, data, tmp_path / "c", motifs=[Motif(name="m", probabilities=rows)], n_backgrounds=1000
    )
    assert listed.summary.equals(drawn.summary)


def test_targets_are_means_or_sums_of_tasks(
    data: Dataset, other: Run, tmp_path: Path
) -> None:
    given = {"words": [WORD], "n_backgrounds": 40}
    one = marginalize(other, data, tmp_path / "a", targets=["s0", "both=s1,s0"], **given)
    two = marginalize(
        other, data, tmp_path / "b", targets={"both": ["s0", "s1"]}, combine="sum", **given
    )
    assert row(one, target="s0")["median"] == pytest.approx(8, rel=1e-5)
    assert row(one, target="both")["median"] == pytest.approx(4, rel=1e-5)
    assert row(two, target="both")["median"] == pytest.approx(8, rel=1e-5)
    assert row(one, target="both")["without"] * 2 == pytest.approx(row(two)["without"])


def test_two_groups_are_compared_by_ranks(data: Dataset, tmp_path: Path) -> None:
    """By the mean of their runs at each background, and by their runs' means."""

    def group(name: str, effects: list[float]) -> list[Run]:
        return [
            make_run(
                tmp_path / f"{name}{i}", data, [WORD],
                totals={"s0": ([effect], 1.0), "s1": ([2.0], 1.0)},
            )
            for i, effect in enumerate(effects)
        ]  # fmt: skip

    made = marginalize(
        group("a", [3.0, 4.0, 5.0]), data, tmp_path / "o", words=[WORD, "CCCCC"],
        against=group("b", [1.0, 2.0, 2.5]), n_backgrounds=50, differences=True,
    )  # fmt: skip
    assert made.comparison is not None
    values = every(made)
    n_rows = 0
    for found in made.comparison.to_pylist():
        motif, target = found["motif"], found["target"]
        one, other = (
            np.mean([values[motif, target, side, f"{name}{i}"][1]
                     - values[motif, target, side, f"{name}{i}"][0] for i in range(3)], 0)
            for side, name in (("runs", "a"), ("against", "b"))
        )  # fmt: skip
        pairs = [(x > y) + (x == y) / 2 for x in one for y in other]
        assert found["auc"] == pytest.approx(sum(pairs) / len(pairs))
        assert found["p"] == pytest.approx(rank_sum_p(one, other), rel=1e-6, abs=0)
        assert found["p_bonferroni"] == pytest.approx(min(1, found["p"] * 4), rel=1e-9, abs=0)
        n_rows += 1
    assert n_rows == made.provenance["tests"] == 4
    clear, same, null, _ = made.comparison.to_pylist()
    assert clear["median"] == pytest.approx(4, rel=1e-5)
    assert clear["auc"] > 0.99
    assert clear["p_bonferroni"] < 1e-12
    assert clear["p_runs"] == pytest.approx(2 / math.comb(6, 3))  # of 20 orders, the two extremes
    assert same["p"] > 0.9
    assert null["p"] > 0.001
    mean = row(made, motif=WORD, target="s0", group="against", run=None)
    assert mean["mean"] == pytest.approx(
        np.mean([row(made, motif=WORD, target="s0", run=f"b{i}")["mean"] for i in range(3)])
    )


def rank_sum_p(one: np.ndarray, other: np.ndarray) -> float:
    """Normal approximation with ties and continuity, by counting."""
    both = sorted([*one, *other])
    n, m = len(one), len(other)
    u = sum((x > y) + (x == y) / 2 for x in one for y in other)
    ties = sum(t**3 - t for t in Counter(both).values())
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    z = (abs(u - n * m / 2) - 0.5) / math.sqrt(variance) if variance else 0.0
    return min(1.0, math.erfc(z / math.sqrt(2)))


def test_a_test_of_equal_numbers_says_nothing() -> None:
    assert compared([1.0, 1.0], [1.0] * 5) == (0.5, 1.0)
    assert compared([1, 2, 3], [4, 5, 6]) == (0.0, pytest.approx(0.1))


def test_backgrounds_are_shuffles_of_the_split(data: Dataset) -> None:
    rows = data.split("test")

    def pairs(text: str) -> frozenset[tuple[str, int]]:
        return frozenset(Counter(text[i : i + 2] for i in range(WIDTH - 1)).items())

    sources = {
        pairs(text): row for row, text in zip(rows, texts_of(data.sequence[rows]), strict=True)
    }

    def of(texts: list[str]) -> list[int]:
        return [sources[pairs(text)] for text in texts]

    few = texts_of(backgrounds(data, rows, 10, 0))
    assert len(set(of(few))) == 10
    for row, text in zip(of(few), few, strict=True):  # whatever regions there are beside it
        one = dinucleotide_shuffle(data.sequence[[row]], seed=0, numbers=np.array([row]))
        assert texts_of(one[0]) == [text]
    many = texts_of(backgrounds(data, rows, 3 * len(rows) + 1, 0))
    assert sorted(Counter(of(many)).values()) == [3] * (len(rows) - 1) + [4]
    assert len(set(many)) == len(many)
    assert not set(many) & set(texts_of(data.sequence[rows]))
    assert texts_of(backgrounds(data, rows, 10, 0)) == few
    assert texts_of(backgrounds(data, rows, 10, 1)) != few


def test_the_same_seed_gives_the_same_bits(
    data: Dataset, run: Run, other: Run, tmp_path: Path
) -> None:
    given = {"words": [WORD], "against": [other], "n_backgrounds": 30, "differences": True}

    def digests(name: str, **options: object) -> dict[str, str]:
        made = marginalize(run, data, tmp_path / name, **(given | options))
        return {
            each.name: hashlib.sha256(each.read_bytes()).hexdigest()
            for each in made.path.iterdir()
        }

    first = digests("a")
    assert set(first) == {
        "summary.parquet", "comparison.parquet", "differences.parquet", "marginal.png",
    }  # fmt: skip
    assert digests("b") == first
    assert digests("c", seed=1)["differences.parquet"] != first["differences.parquet"]
    svg = digests("d", figure="svg", differences=False)
    assert set(svg) == {"summary.parquet", "comparison.parquet", "marginal.svg"}
    assert svg["summary.parquet"] == first["summary.parquet"]


def test_predictions_of_codes_are_those_of_the_data_set(data: Dataset, run: Run) -> None:
    models = SequenceModels([run], data, "test", "cpu")
    codes = data.sequence[models.rows]
    found = np.concatenate(
        [each[0].totals.numpy() for _, each in models.predictions(codes, batch_size=7)]
    )
    counts = [occurrences(text, WORD) for text in texts_of(codes)]
    np.testing.assert_allclose(found[:, 0], 2 + 5.0 * np.array(counts), rtol=1e-5)


def test_what_cannot_be_inserted(
    data: Dataset, run: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def refused(match: str, runs: object = None, **options: object) -> None:
        given = {"words": [WORD], "n_backgrounds": 10} | options
        with pytest.raises(InputError, match=match):
            marginalize(run if runs is None else runs, data, tmp_path / "o", **given)
        assert not (tmp_path / "o").exists()

    refused("found 41 bp from bp -1 of the window, expected a part of its 40 bp", words=["A" * 41])
    refused(f"motif '{'A' * 37}\\.\\.\\.': found 600 bp", words=["A" * 600])
    refused("found 7 bp from bp 36 of the window", offset=20)
    refused("found none, expected --motifs or --word", words=[])
    refused("found 'GATTACA' twice", words=[WORD, WORD.lower()])
    refused("found 'X' in 'ACX'", words=["ACX"])
    refused("names: found 'm' without motifs, expected a file that has it", names=["m"])
    refused("targets.s2: found 's2'", targets=["s2"])
    refused("targets: found 's0' twice", targets=["s0", "s0=s1"])
    refused("backgrounds: found 0", n_backgrounds=0)
    refused("batch_size: found 0", batch_size=0)
    refused("strand: found 'all'", strand="all")
    refused("figure: found 'pdf'", figure="pdf")
    refused("has no example of 'validate'|split: found 'validate'", split="validate")
    refused("runs: found none", runs=[])
    refused("is given twice", runs=[run, run.path])
    profiles = make_run(
        tmp_path / "p", data, [WORD], taps={name: [[0.0]] for name in data.samples}
    )
    refused("predicts no totals", runs=profiles)
    tasks = make_run(
        tmp_path / "t", data, [WORD], totals={"all": ([1.0], 0.0)}, tasks=["all"],
        data={"groups": {"all": ["s0", "s1"]}},
    )  # fmt: skip
    refused("tasks: found all, .* has s0, s1", against=[tasks])
    scaled = make_run(tmp_path / "n", data, [WORD], totals=ONE, data={"normalised": True})
    refused("data.normalised: found True", against=[scaled])
    elsewhere = make_run(
        tmp_path / "e", data, [WORD], totals=ONE, data={"split": "test=chr3:0-3000"}
    )
    refused("its split 'test' is not that of", against=[elsewhere])
    wider = make_data(tmp_path_factory.mktemp("wide"), window=50)
    refused("its window is", runs=make_run(tmp_path / "w", wider, [WORD], totals=ONE))
    longer = make_data(tmp_path_factory.mktemp("long"), width=130)
    refused("has 120 bp of sequence", runs=make_run(tmp_path / "l", longer, [WORD], totals=ONE))
    none = make_data(tmp_path_factory.mktemp("none"), split=["validation=chr2"])
    trained = make_run(tmp_path / "u", none, [WORD], totals=ONE, about={"split": None})
    with pytest.raises(InputError, match="has no example of 'test'"):
        marginalize(trained, none, tmp_path / "o", words=[WORD])


def test_the_command(data: Dataset, run: Run, other: Run, tmp_path: Path) -> None:
    out = tmp_path / "o"
    said = CliRunner().invoke(
        main,
        ["marginalize", str(run.path), "--against", str(other.path), "--data", str(data.path),
         "--word", WORD, "--target", "x=s0,s1", "-n", "300", "-o", str(out)],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    assert "1 motifs, 1 targets, 300 shuffles of 39 regions" in said.stderr
    assert "1 of 1 differences with p < 0.05" in said.stderr
    assert pq.read_table(out / "summary.parquet")["target"].to_pylist() == ["x", "x"]
    again = CliRunner().invoke(
        main,
        ["marginalize", str(run.path), "--data", str(data.path), "--word", WORD, "-o", str(out)],
    )
    assert again.exit_code == 1
    assert "exists" in again.stderr

