"""Footprints without bias, of networks whose dips are known."""

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from motif_networks import make_run, occurrences, reverse_complement, texts_of
from small_data import WIDTH, WINDOW, make_data

from kmerengine import Dataset, InputError
from modelkit.cli import main
from modelkit.interpretation.insertions.footprint import Footprints, footprint
from modelkit.interpretation.insertions.footprint_tables import Site, along_window, depths
from modelkit.interpretation.insertions.insertions import backgrounds
from modelkit.training.run import Run

WORD = "GATTACAGT"  # 9 bp: shuffles hardly ever hold it
START = (WINDOW - len(WORD)) // 2
DIP, REACH = 1.25, 6  # nats that the motif takes off the logits, up to 6 bp from its middle
DEEP = [[-DIP] * (2 * REACH + 1)]
FLAT = [[0.0] * (2 * REACH + 1)]
GIVEN: dict[str, Any] = {"words": [WORD], "n_backgrounds": 60, "flank": 10}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """s0 has a dip at the word, s1 knows nothing."""
    path = tmp_path_factory.mktemp("runs") / "one"
    return make_run(path, data, [WORD], taps={"s0": DEEP, "s1": FLAT})


def profile(text: str, word: str = WORD, *, dip: float = DIP, moved: int = 0) -> np.ndarray:
    """Of the window: every word takes `dip` off its own bp and those 2 bp beside it."""
    logits = [0.0] * WINDOW
    for at in range(len(text)):
        if text.startswith(word, at):
            middle = at + len(word) // 2 - (len(text) - WINDOW) // 2 + moved
            for j in range(max(0, middle - REACH), min(WINDOW, middle + REACH + 1)):
                logits[j] -= dip
    parts = np.exp(logits)
    found: np.ndarray = parts / parts.sum()
    return found


def depth(made: Footprints, **wanted: object) -> dict[str, float]:
    found = [
        each
        for each in made.depths.to_pylist()
        if all(each[name] == value for name, value in wanted.items())
    ]
    assert len(found) == 1
    return found[0]


def profiles(made: Footprints, target: str = "s0", motif: str = WORD) -> dict[str, np.ndarray]:
    rows = [
        each
        for each in pq.read_table(made.path / "footprints.parquet").to_pylist()
        if each["motif"] == motif and each["target"] == target
    ]
    assert len(rows) == WINDOW
    return {name: np.array([row[name] for row in rows], float) for name in rows[0]
            if name not in ("motif", "target")}  # fmt: skip


def test_the_dip_is_the_networks(data: Dataset, run: Run, tmp_path: Path) -> None:
    made = footprint(run, data, tmp_path / "o", **GIVEN)
    texts = texts_of(backgrounds(data, data.split("test"), 60, 0))
    start = (WIDTH - WINDOW) // 2 + START
    planted = [text[:start] + WORD + text[start + len(WORD) :] for text in texts]
    assert sum(occurrences(text, WORD) for text in planted) == len(planted)
    found = profiles(made)
    for what, sequences in (("without", texts), ("within", planted)):
        expected = np.array([profile(text) for text in sequences])
        for name, q in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
            np.testing.assert_allclose(
                found[f"{what}_{name}"], np.quantile(expected, q, 0), rtol=1e-5
            )
    assert found["position"].tolist() == list(range(-START, WINDOW - START))
    inside = (found["position"] >= -2) & (found["position"] < len(WORD) + 2)
    rest = 1 / (WINDOW - 13 + 13 * math.exp(-DIP))
    np.testing.assert_allclose(found["within_median"][inside], rest * math.exp(-DIP), rtol=1e-5)
    np.testing.assert_allclose(found["within_median"][~inside], rest, rtol=1e-5)
    np.testing.assert_allclose(
        found["ratio_median"], np.log2(found["within_median"] * WINDOW), rtol=1e-4
    )
    measured = depth(made, target="s0")
    for name in ("depth", "depth_q25", "depth_q75", "within"):
        assert measured[name] == pytest.approx(-DIP / math.log(2), rel=1e-5), name
    assert measured["without"] == pytest.approx(0, abs=1e-6)
    assert measured["n"] == 60
    flat = depth(made, target="s1")
    assert flat["depth"] == flat["depth_q25"] == flat["depth_q75"] == 0
    assert (made.path / "footprint.png").stat().st_size > 5000


def test_of_margin_and_flank_by_hand() -> None:
    """Two bp of motif, one of margin, three of flank, at bp 6 of 14."""
    rows = np.array([[9, 9, 1, 2, 3, 8, 4, 2, 6, 7, 5, 6, 9, 9],
                     [1] * 14, [9, 9, 0, 0, 0, 8, 4, 2, 6, 0, 0, 0, 9, 9]], np.float32)  # fmt: skip
    site = Site(start=6, length=2, margin=1, flank=3)
    assert (site.first, site.last) == (2, 12)
    found = site.contrast(rows)
    assert found[0] == pytest.approx(math.log2((8 + 4 + 2 + 6) / 4 / ((1 + 2 + 3 + 7 + 5 + 6) / 6)))
    assert found[1] == 0
    assert found[2] == math.inf
    measured = depths(site, rows[[0, 0, 1]], rows[[1, 1, 2]])
    assert measured["n"] == 2  # of one there is nothing to compare with
    assert measured["depth"] == measured["depth_q25"] == pytest.approx(-found[0])
    assert measured["without"] == pytest.approx(found[0])
    assert measured["within"] == 0
    none = depths(site, rows[2:], rows[2:])
    assert none["n"] == 0
    assert math.isnan(none["depth"])
    ratio = along_window(rows, rows[::-1].copy())["ratio"]
    assert np.isnan(ratio[:, [2, 3, 4, 9, 10, 11]]).all()
    assert np.isfinite(ratio[:, 5:9]).all()


def test_the_bias_has_no_part_in_it(
    data: Dataset, run: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Neither that of the data set, nor whether the run learnt beside one."""
    bare = make_data(tmp_path_factory.mktemp("bare"), bias=None)
    assert data.bias is not None
    assert bare.bias is None
    unbiased = make_run(
        tmp_path / "r", data, [WORD], taps={"s0": DEEP, "s1": FLAT}, objective={"use_bias": False}
    )
    made = [
        footprint(each, there, tmp_path / name, **GIVEN)
        for name, each, there in (("a", run, data), ("b", run, bare), ("c", unbiased, data))
    ]
    tables = [pq.read_table(each.path / "footprints.parquet") for each in made]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert made[0].depths.equals(made[1].depths)


def test_what_changes_nothing_leaves_no_footprint(data: Dataset, tmp_path: Path) -> None:
    """Though the backgrounds have dips of their own, in the first half of the window more."""
    taps = {"s0": [[-DIP] * 9 + [0.0] * 4], "s1": FLAT}
    run = make_run(tmp_path / "r", data, ["ACA"], taps=taps)
    made = footprint(run, data, tmp_path / "o", **(GIVEN | {"words": ["NNN"], "strand": "both"}))
    found = profiles(made, motif="NNN")
    for q in ("q25", "median", "q75"):
        assert not found[f"ratio_{q}"].any()
        assert found[f"within_{q}"].tobytes() == found[f"without_{q}"].tobytes()
    assert depth(made, target="s0")["depth"] == 0


def test_footprints_run_along_the_motif_on_either_strand(data: Dataset, tmp_path: Path) -> None:
    """A dip from the word's middle to 6 bp upstream of it, and what it is on the other strand."""
    half = [-DIP] * (REACH + 1) + [0.0] * REACH
    run = make_run(
        tmp_path / "r", data, [WORD, reverse_complement(WORD)],
        taps={"s0": [half, half[::-1]], "s1": [half, half]},
    )  # fmt: skip
    made = {
        strand: footprint(run, data, tmp_path / strand, **(GIVEN | {"strand": strand, "offset": 3}))
        for strand in ("plus", "minus", "both")
    }
    found = {strand: profiles(each) for strand, each in made.items()}
    middle = len(WORD) // 2
    dips = (found["plus"]["position"] <= middle) & (found["plus"]["position"] >= middle - REACH)
    low = found["plus"]["within_median"]
    assert low[dips].max() < low[~dips].min()
    for strand in ("minus", "both"):
        np.testing.assert_allclose(found[strand]["within_median"], low, rtol=1e-5)
    wrong = profiles(made["minus"], target="s1")["within_median"]  # not turned by the network
    assert np.abs(np.log(wrong / low)).max() > 1


def test_cuts_corrected_by_two_stand_two_bp_after_the_motif(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = make_data(tmp_path_factory.mktemp("two"), off_by_two=True)
    # the dip lies 2 bp after the word, on whichever strand that is
    taps = [[0.0] * 4 + [-DIP] * 13] * 2
    words = [WORD, reverse_complement(WORD)]
    run = make_run(tmp_path / "r", data, words, taps={"s0": taps, "s1": taps})
    for strand in ("plus", "minus", "both"):
        made = footprint(run, data, tmp_path / strand, **GIVEN, strand=strand)
        assert depth(made, target="s0")["depth"] == pytest.approx(-DIP / math.log(2), rel=1e-5)
        found = profiles(made)
        low = found["position"][found["within_median"] < 1 / WINDOW]
        assert low.tolist() == list(range(-2, len(WORD) + 2))


def test_several_runs_and_tasks_are_means_of_probabilities(
    data: Dataset, run: Run, tmp_path: Path
) -> None:
    deeper = [[-2 * DIP] * (2 * REACH + 1)]
    other = make_run(tmp_path / "r", data, [WORD], taps={"s0": deeper, "s1": FLAT})
    made = footprint([run, other], data, tmp_path / "o", **(GIVEN | {"targets": ["s0", "x=s0,s1"]}))
    texts = texts_of(backgrounds(data, data.split("test"), 60, 0))
    start = (WIDTH - WINDOW) // 2 + START
    planted = [text[:start] + WORD + text[start + len(WORD) :] for text in texts]
    mean = np.array([(profile(t) + profile(t, dip=2 * DIP)) / 2 for t in planted])
    np.testing.assert_allclose(profiles(made)["within_median"], np.median(mean, 0), rtol=1e-5)
    mixed = (mean + 1 / WINDOW) / 2
    np.testing.assert_allclose(
        profiles(made, target="x")["within_median"], np.median(mixed, 0), rtol=1e-5
    )


def test_bins_leave_a_rest_that_has_no_probability(data: Dataset, tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "r", data, [WORD], taps={"s0": DEEP, "s1": FLAT}, network={"bin_size": 3}
    )
    made = footprint(run, data, tmp_path / "a", **GIVEN)
    found = profiles(made)
    assert (found["within_median"] == 0).tolist() == [False] * 39 + [True]
    assert np.isnan(found["ratio_median"]).tolist() == [False] * 39 + [True]
    assert depth(made, target="s0")["depth"] < -1
    footprint(run, data, tmp_path / "b", **GIVEN, offset=3)
    with pytest.raises(InputError, match=r"found bp 7 to 40 of the window .* expected 0 to 39"):
        footprint(run, data, tmp_path / "c", **GIVEN, offset=4)
    footprint(run, data, tmp_path / "d", **GIVEN, strand="minus", offset=-2)
    with pytest.raises(InputError, match=r"found bp 0 to 33 of the window .* expected 1 to 40"):
        footprint(run, data, tmp_path / "e", **GIVEN, strand="minus", offset=-3)


def test_the_same_seed_gives_the_same_bits(data: Dataset, run: Run, tmp_path: Path) -> None:
    def digests(name: str, **options: Any) -> dict[str, str]:
        made = footprint(run, data, tmp_path / name, **(GIVEN | options))
        return {
            each.name: hashlib.sha256(each.read_bytes()).hexdigest()
            for each in made.path.iterdir()
        }

    first = digests("a")
    assert set(first) == {"footprints.parquet", "depths.parquet", "footprint.png"}
    assert digests("b") == first
    other = digests("c", figure="svg")
    assert set(other) == {"footprints.parquet", "depths.parquet", "footprint.svg"}
    assert other["footprints.parquet"] == first["footprints.parquet"]


def test_what_has_no_footprint(data: Dataset, run: Run, tmp_path: Path) -> None:
    def refused(match: str, runs: Run = run, **options: Any) -> None:
        with pytest.raises(InputError, match=match):
            footprint(runs, data, tmp_path / "o", **(GIVEN | options))
        assert not (tmp_path / "o").exists()

    refused("found 41 bp from bp -1 of the window", words=["A" * 41])
    refused("found bp -1 to 40 of the window with its flanks, expected 0 to 40", flank=15, margin=1)
    refused("margin, flank: found -1, 10", margin=-1)
    refused("margin, flank: found 2, 0", flank=0)
    refused("figure: found 'pdf'", figure="pdf")
    refused("expected --motifs or --word", words=())
    totals = make_run(
        tmp_path / "t", data, [WORD], totals={"s0": ([1.0], 0.0), "s1": ([1.0], 0.0)}
    )
    refused("predicts no profiles", runs=totals)


def test_the_command(data: Dataset, run: Run, tmp_path: Path) -> None:
    said = CliRunner().invoke(
        main,
        ["footprint", str(run.path), "--data", str(data.path), "--word", WORD, "--flank", "10",
         "-n", "50", "-o", str(tmp_path / "o")],
    )  # fmt: skip
    assert said.exit_code == 0, said.output
    assert "1 motifs, 2 targets, 50 shuffles of 39 regions" in said.stderr
    assert f"{WORD}, s0: depth -1.80 bits" in said.stderr
    assert f"{WORD}, s1: depth +0.00 bits" in said.stderr
