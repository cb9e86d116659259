"""Factors of peaks, their agreement with ChIP-seq, and topics along peaks; all by loops."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import oracles
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from topic_tables import make_proportions, make_regions
from topic_world import MOTIFS, motif_run, random_run, slow_concentrations, word_motif

from kmerengine import InputError
from kmerengine.io.bed import read_regions
from modelkit import (
    TopicMap,
    topic_assignment,
    topic_clr,
    topic_map,
    topic_windows,
)
from modelkit.cli import main
from modelkit.interpretation.topics.assignment import assigned
from modelkit.interpretation.topics.chip import overlapping
from modelkit.interpretation.topics.clr import centred_log_ratio
from modelkit.interpretation.topics.topic_model import TopicModel
from modelkit.training.run import Run


def make_map(path: Path | None = None) -> TopicMap:
    """Of six topics: RUNX3 and ETS1 have 1, SPI1 0 and 4, MAX none; others have none either."""
    rng = np.random.default_rng(2)
    names = ["ETS1", "MAX", "RUNX3", "SPI1", *(f"other{i}" for i in range(40))]
    labels = [name for name in names for _ in range(20)]
    eta = 0.1 + rng.gamma(1, 0.05, (len(labels), 6))
    for name, topics in {"RUNX3": (1,), "ETS1": (1,), "SPI1": (0, 4)}.items():
        for topic in topics:
            eta[[label == name for label in labels], topic] += rng.gamma(9, 1, 20) + 2 * topic
    probes = make_proportions(eta, names=[f"probe_{i}" for i in range(len(labels))])
    made = topic_map(probes, labels, path)
    found = {name: made.topics_of(made.factors.index(name)) for name in made.found}
    assert {name: sorted(topics) for name, topics in found.items()} == {
        "ETS1": [1], "RUNX3": [1], "SPI1": [0, 4],
    }  # fmt: skip
    return made


SHORT = "regions shorter than a window"
TRUTH = {"ETS1": {1}, "RUNX3": {1}, "SPI1": {0, 4}, "MAX": set()}


# --------------------------------------------------------------------------------- two rules


def test_peaks_get_the_factors_of_their_topics(tmp_path: Path) -> None:
    eta = np.random.default_rng(0).gamma(0.3, size=(60, 6)) + 0.05
    places = [("chr1", 500 * i, 500 * i + 200) for i in range(60)]
    found = make_map()
    made = topic_assignment(make_proportions(eta, places=places), found, tmp_path / "out", c=1.5)
    rows = made.peaks.to_pylist()
    without = {"argmax": 0, "threshold": 0}
    for i, (row, place) in enumerate(zip(rows, places, strict=True)):
        assert (row["row"], row["chrom"], row["start"], row["end"]) == (i, *place)
        assert row["name"] == f"peak_{i}"
        z = (eta[i] / sum(eta[i])).tolist()
        m = max(range(6), key=lambda k: z[k])
        assert (row["topic"], row["value"]) == (f"topic_{m}", pytest.approx(z[m]))
        argmax = {name for name, topics in TRUTH.items() if m in topics}
        assert set(row["argmax_factors"]) == argmax
        above = {k for k in range(6) if z[k] >= 1.5 / 6}
        assert row["threshold_topics"] == [f"topic_{k}" for k in sorted(above)]
        threshold = {name for name, topics in TRUTH.items() if topics & above}
        assert set(row["threshold_factors"]) == threshold
        without["argmax"] += not argmax
        without["threshold"] += not threshold
    assert made.n_without == without
    assert made.chip is None
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["peaks.parquet"]
    assert pq.read_table(tmp_path / "out" / "peaks.parquet").equals(made.peaks)


def test_an_equal_share_is_at_the_threshold_of_one() -> None:
    z = np.array([[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]])
    mapped = np.array([[True, False, False, True], [False, False, True, False]])
    found = assigned(z, mapped, 1.0)
    assert found["threshold"].tolist() == [[True, True], [True, False]]
    assert found["argmax"].tolist() == [[False, False], [False, False]]  # no topic is largest
    assert assigned(z, mapped, 2.0)["threshold"].tolist() == [[False, False], [True, False]]


def test_a_peak_with_as_much_of_several_topics_has_most_of_none(tmp_path: Path) -> None:
    """Concentrations that are all clipped are equal: they would all be topic_0's factors."""
    eta = np.full((4, 6), 0.1)
    eta[1, [1, 4]] = 3.0
    eta[2, 0] = 3.0
    made = topic_assignment(make_proportions(eta), make_map(), tmp_path / "out")
    rows = made.peaks.to_pylist()
    assert [row["topic"] for row in rows] == [None, None, "topic_0", None]
    assert [row["argmax_factors"] for row in rows] == [[], [], ["SPI1"], []]
    assert [set(row["threshold_factors"]) for row in rows] == [
        set(), {"ETS1", "RUNX3", "SPI1"}, {"SPI1"}, set(),
    ]  # fmt: skip
    assert [row["value"] for row in rows] == pytest.approx([1 / 6, 3 / 6.4, 3 / 3.5, 1 / 6])
    assert made.n_without == {"argmax": 3, "threshold": 2}


# ---------------------------------------------------------------------------------- ChIP-seq

INTERVALS = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2", "chrX"]), st.integers(0, 60), st.integers(1, 30)),
    max_size=25,
)


@settings(deadline=None, max_examples=100)
@given(INTERVALS.filter(bool), INTERVALS, st.integers(1, 25))
@example([("chr1", 0, 10)], [("chr1", 5, 5), ("chr1", 0, 5), ("chr1", 20, 9)], 5)
@example([("chr1", 10, 10)], [("chr1", 12, 4), ("chr1", 0, 12), ("chr1", 18, 30)], 5)
def test_overlaps_are_those_of_a_loop(
    tmp_path_factory: pytest.TempPathFactory, one: Any, two: Any, least: int
) -> None:
    regions = make_regions([(chrom, start, start + n) for chrom, start, n in one])
    path = tmp_path_factory.getbasetemp() / "chip.bed"
    path.write_text("chr1\t900\t999\n" + "".join(f"{c}\t{s}\t{s + n}\n" for c, s, n in two))
    if not {"chr1", *(c for c, _, _ in two)} & {c for c, _, _ in one}:
        with pytest.raises(InputError, match="expected some of the same names"):
            overlapping(regions, read_regions(path), least, path)
        return
    found = overlapping(regions, read_regions(path), least, path)
    assert found.tolist() == [
        any(c == d and min(s + n, t + m) - max(s, t) >= least for d, t, m in two) for c, s, n in one
    ]


def chip_world(folder: Path) -> tuple[np.ndarray, list[tuple[str, int, int]], dict[str, Path]]:
    """90 peaks on two contigs, and ChIP-seq whose overlaps are 49, 50 or 200 bp."""
    rng = np.random.default_rng(4)
    eta = rng.gamma(0.4, size=(90, 6)) + 0.05
    places = [(f"chr{1 + i % 2}", 1000 * i, 1000 * i + 200) for i in range(90)]
    chip = {}
    for name, share in {"SPI1": 0.3, "RUNX3": 0.6, "MAX": 0.2}.items():
        lines = []
        for chrom, start, end in places:
            if rng.random() < share:
                shift = int(rng.choice([0, 150, 151, -150, -151]))
                lines.append(f"{chrom}\t{max(start + shift, 0)}\t{end + shift}\t.\t0\t.\n")
        chip[name] = folder / f"{name}.bed"
        chip[name].write_text("chr9\t5\t9\t.\t0\t.\n" + "".join(lines))
    return eta, places, chip


def bound_by_loops(places: list[tuple[str, int, int]], path: Path, least: int = 50) -> list[bool]:
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    return [
        any(c == chrom and min(end, int(e)) - max(start, int(s)) >= least for c, s, e, *_ in lines)
        for chrom, start, end in places
    ]


def test_precision_and_recall_are_those_of_loops(tmp_path: Path) -> None:
    eta, places, chip = chip_world(tmp_path)
    peaks = make_proportions(eta, places=places)
    made = topic_assignment(peaks, make_map(), tmp_path / "out", chip=chip)
    assert made.chip is not None
    rows = made.chip.to_pylist()
    assert [(row["factor"], row["rule"]) for row in rows] == [
        (name, rule) for name in chip for rule in ("argmax", "threshold")
    ]
    z = eta / eta.sum(1, keepdims=True)
    for row in rows:
        name = row["factor"]
        bound = bound_by_loops(places, chip[name])
        mine = [
            bool(
                TRUTH[name] & {int(x.argmax())}
                if row["rule"] == "argmax"
                else any(x[m] >= 2 / 6 for m in TRUTH[name])
            )
            for x in z
        ]
        both = sum(a and b for a, b in zip(bound, mine, strict=True))
        assert row["chip"] == len(chip[name].read_text().splitlines())
        assert (row["overlap"], row["assigned"], row["mapped"]) == (sum(bound), sum(mine), both)
        assert 0 < row["overlap"] < row["chip"]
        if name == "MAX":  # no topic: recalled are none, of how many there is no precision
            assert (row["assigned"], row["precision"], row["recall"]) == (0, None, 0.0)
        else:
            assert row["precision"] == both / sum(mine)
            assert row["recall"] == row["mapped"] / row["overlap"]  # as in the paper's table 1
    fewer = topic_assignment(peaks, make_map(), tmp_path / "two", chip=chip, min_overlap=51)
    assert fewer.chip is not None
    assert sum(fewer.chip["overlap"].to_pylist()) < sum(row["overlap"] for row in rows)


def test_recall_in_the_paper_s_table_is_mapped_over_overlap() -> None:
    table = {
        "TCF3": (9703, 5107, 0.53), "MAFK": (782, 436, 0.56), "ELK1": (4484, 3773, 0.84),
        "NRF1": (4322, 3874, 0.90), "RFX5": (3226, 1506, 0.47), "NR2C2": (410, 158, 0.39),
        "TBX21": (14820, 5865, 0.40), "POU2F2": (14972, 4593, 0.31), "SPI1": (16177, 10496, 0.65),
        "RUNX3": (33873, 25403, 0.75), "MAX": (9110, 6793, 0.75), "ETS1": (7285, 5373, 0.74),
    }  # fmt: skip
    for overlap, mapped, recall in table.values():
        assert mapped / overlap == pytest.approx(recall, abs=0.0051)


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    eta, places, chip = chip_world(tmp_path)
    peaks, found = make_proportions(eta, places=places), make_map()
    out = tmp_path / "out"
    (tmp_path / "other.bed").write_text("1\t0\t100\n")
    with pytest.raises(InputError, match=r"has contigs 1, proportions has chr1, chr2; expected"):
        topic_assignment(peaks, found, out, chip={"SPI1": tmp_path / "other.bed"})
    with pytest.raises(InputError, match="is of 'CTCF', which is no factor of the map"):
        topic_assignment(peaks, found, out, chip={"CTCF": chip["SPI1"]})
    with pytest.raises(InputError, match="has no regions, expected proportions of peaks"):
        topic_assignment(eta, found, out, chip=chip)
    with pytest.raises(InputError, match="min_overlap: found 0"):
        topic_assignment(peaks, found, out, chip=chip, min_overlap=0)
    with pytest.raises(InputError, match="c: found 0"):
        topic_assignment(peaks, found, out, c=0)
    with pytest.raises(InputError, match="is of the run b, the map of a"):
        topic_assignment(make_proportions(eta, run="b"), found, out)
    assert not out.exists()


def test_the_command_of_assignment(tmp_path: Path) -> None:
    eta, places, chip = chip_world(tmp_path)
    make_map(tmp_path / "map.parquet")
    make_proportions(eta, places=places, path=tmp_path / "peaks.parquet")
    arguments = ["topics", "assignment", str(tmp_path / "peaks.parquet")]
    arguments += [str(tmp_path / "map.parquet"), "-o", str(tmp_path / "out")]
    arguments += ["--chip", f"SPI1={chip['SPI1']}", "--chip", str(chip["MAX"]), "--threshold", "3"]
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 0, said.stderr
    mine = topic_assignment(
        tmp_path / "peaks.parquet", tmp_path / "map.parquet", tmp_path / "mine",
        chip={name: chip[name] for name in ("SPI1", "MAX")}, c=3,
    )  # fmt: skip
    assert pq.read_table(tmp_path / "out" / "chip.parquet").equals(mine.chip)
    assert said.stderr.count("precision") == 4
    assert "recall 0.00" in said.stderr


# --------------------------------------------------------------------------------------- CLR


def test_centred_log_ratios_by_hand() -> None:
    z = np.random.default_rng(0).dirichlet(np.ones(5), 8)
    found = centred_log_ratio(z)
    for i, row in enumerate(z.tolist()):
        log = [math.log(x) for x in row]
        assert found[i] == pytest.approx([x - sum(log) / 5 for x in log])
    assert centred_log_ratio(10 * z) == pytest.approx(found)


def test_the_heatmap_has_each_bound_peak_once_with_its_largest_factor(tmp_path: Path) -> None:
    eta, places, chip = chip_world(tmp_path)
    found = make_map()
    made = topic_clr(make_proportions(eta, places=places), found, chip, tmp_path / "out")
    bound = {name: bound_by_loops(places, path) for name, path in chip.items()}
    n_bound = {name: sum(each) for name, each in bound.items()}
    assert n_bound["RUNX3"] > n_bound["SPI1"] > 0 < n_bound["MAX"]
    best = {"RUNX3": 1, "SPI1": found.topics_of(found.factors.index("SPI1"))[0]}
    expected = []
    left = set(range(90))
    log = np.log(eta / eta.sum(1, keepdims=True))
    ratio = log - log.mean(1, keepdims=True)  # over all six topics, not the two shown
    for name in ("RUNX3", "SPI1"):
        mine = [i for i in left if bound[name][i]]
        mine.sort(key=lambda i, name=name: -ratio[i, best[name]])  # type: ignore[misc]
        left -= set(mine)
        expected += [(i, name) for i in mine]
    rows = made.peaks.to_pylist()
    assert [(row["row"], row["factor"]) for row in rows] == expected
    for row in rows:
        i = row["row"]
        assert row["clr"] == pytest.approx([ratio[i, best["RUNX3"]], ratio[i, best["SPI1"]]])
        assert (row["chrom"], row["start"], row["end"]) == places[i]
    factors = {row["factor"]: row for row in made.factors.to_pylist()}
    assert list(factors) == ["RUNX3", "SPI1", "MAX"]
    assert factors["MAX"] == {"factor": "MAX", "topic": None, "overlap": n_bound["MAX"], "rows": 0}
    assert factors["RUNX3"]["rows"] == n_bound["RUNX3"]
    assert factors["SPI1"]["overlap"] == n_bound["SPI1"] > factors["SPI1"]["rows"]
    with pytest.raises(InputError, match="found no factor with both a mapped topic"):
        topic_clr(make_proportions(eta, places=places), found, {"MAX": chip["MAX"]},
                  tmp_path / "no")  # fmt: skip


def test_the_command_of_clr(tmp_path: Path) -> None:
    eta, places, chip = chip_world(tmp_path)
    make_map(tmp_path / "map.parquet")
    make_proportions(eta, places=places, path=tmp_path / "peaks.parquet")
    arguments = ["topics", "clr", str(tmp_path / "peaks.parquet"), str(tmp_path / "map.parquet")]
    arguments += ["-o", str(tmp_path / "out"), "--figure", "svg"]
    for path in chip.values():
        arguments += ["--chip", str(path)]
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 0, said.stderr
    assert "MAX: " in said.stderr
    assert "no topic is mapped to it" in said.stderr
    assert (tmp_path / "out" / "clr.svg").exists()


# ----------------------------------------------------------------------------------- windows

WIDTH = 30


def write_genome(path: Path, contigs: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{text}\n" for name, text in contigs.items()))
    return path


@pytest.fixture(scope="module")
def contigs() -> dict[str, str]:
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("ACGT"), 900))
    return {"chr1": text[:700] + "N" * 45 + text[745:], "chr2": text[::-1]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, contigs: dict[str, str]) -> Path:
    """A run of random weights, a genome, and regions of which one has an N, one is too short."""
    folder = tmp_path_factory.mktemp("windows")
    write_genome(folder / "genome.fa", contigs)
    random_run(folder / "run")
    (folder / "peaks.bed").write_text(
        "chr1\t100\t165\tfirst\nchr2\t10\t39\tshort\nchr1\t690\t760\t.\nchr2\t50\t80\tlast\n"
    )
    return folder


def test_windows_have_the_topics_of_their_sequences(world: Path, contigs: dict[str, str]) -> None:
    made = topic_windows(
        world / "run", world / "peaks.bed", world / "topics.parquet",
        genome=world / "genome.fa", step=7, c=1.2, device="cpu",
    )  # fmt: skip
    places = [("chr1", s, "first") for s in range(100, 136, 7)]
    places += [("chr1", s, "1") for s in range(690, 731, 7)] + [("chr2", 50, "last")]
    texts = [contigs[chrom][start : start + WIDTH] for chrom, start, _ in places]
    eta = slow_concentrations(Run.open(world / "run"), texts, oracles.wildcard_masks(5, 2))
    expected, silent = [], 0
    for (chrom, start, region), text, each in zip(places, texts, eta, strict=True):
        if not any(set(text[i : i + 5]) <= set("ACGT") for i in range(WIDTH - 4)):
            silent += 1
            continue
        z = [x / sum(each) for x in each]
        for m in sorted(range(7), key=lambda m, z=z: -z[m]):  # type: ignore[misc]
            if z[m] >= 1.2 / 7:
                expected.append((chrom, start, start + WIDTH, region, f"topic_{m}", z[m]))
    assert silent == 4  # of one to three bases beside the N, or none
    rows = made.table.to_pylist()
    keys = ("chrom", "start", "end", "region", "topic")
    assert [tuple(row[key] for key in keys) for row in rows] == [row[:5] for row in expected]
    assert [row["value"] for row in rows] == pytest.approx([row[5] for row in expected], rel=1e-4)
    assert all(row["factors"] == [] for row in rows)
    assert made.n_windows == len(places) - silent
    assert made.skipped == {SHORT: 1, "windows without a word of A C G T": 4}
    assert pq.read_table(world / "topics.parquet").equals(made.table)


def test_with_a_map_windows_have_the_topics_that_have_a_factor(world: Path) -> None:
    eta = 0.1 + np.random.default_rng(0).gamma(1, 0.1, (400, 7))
    labels = [f"f{i}" for i in range(20) for _ in range(20)]
    eta[40:60, 2] += 9
    eta[60:80, 5] += 9
    digest = TopicModel(world / "run").provenance["sha256"]
    names = [f"p{i}" for i in range(400)]
    map_of = topic_map(make_proportions(eta, names=names, run=digest), labels)
    factors = {"topic_2": ["f2"], "topic_5": ["f3"]}
    assert map_of.found == ["f2", "f3"]
    every, some = (
        topic_windows(
            world / "run", world / "peaks.bed", world / f"{name}.parquet",
            genome=world / "genome.fa", topic_map=given_map, step=7, c=0.1, device="cpu",
        ).table.to_pylist()
        for name, given_map in (("every", None), ("some", map_of))
    )  # fmt: skip
    expected = [row for row in every if row["topic"] in factors]
    assert 0 < len(expected) < len(every)
    assert some == [row | {"factors": factors[row["topic"]]} for row in expected]


def test_a_planted_site_is_where_its_topic_is(tmp_path: Path) -> None:
    motifs = [word_motif(f"tf{i}", word) for i, word in enumerate(MOTIFS[:2])]
    run = motif_run(tmp_path / "run", motifs, silent=1)
    rng = np.random.default_rng(1)
    text = "".join(rng.choice(list("ACGT"), 300))
    text = text[:120] + MOTIFS[1] + text[130:]
    write_genome(tmp_path / "genome.fa", {"c": text})
    (tmp_path / "peak.bed").write_text("c\t50\t250\n")
    eta = 0.1 + np.random.default_rng(0).gamma(1, 0.1, (400, 3))
    labels = [f"f{i}" for i in range(20) for _ in range(20)]
    eta[40:60, 1] += 9
    digest = TopicModel(run).provenance["sha256"]
    names = [f"p{i}" for i in range(400)]
    map_of = topic_map(make_proportions(eta, names=names, run=digest), labels)
    assert map_of.found == ["f2"]
    made = topic_windows(
        run, tmp_path / "peak.bed", tmp_path / "out.bed", genome=tmp_path / "genome.fa",
        topic_map=map_of, step=1, device="cpu",
    )  # fmt: skip
    rows = made.table.to_pylist()
    assert {(row["topic"], tuple(row["factors"])) for row in rows} == {("topic_1", ("f2",))}
    with_site = {row["start"] for row in rows if row["value"] > 0.9}
    assert with_site >= set(range(101, 120))  # the site lies inside with a base to spare
    assert with_site <= set(range(91, 130))  # and some of it in all
    lines = (tmp_path / "out.bed").read_text().splitlines()
    assert lines[0] == "#chrom\tstart\tend\tname\tscore\tstrand"
    assert [line.split("\t") for line in lines[1:]] == [
        [*map(str, ("c", r["start"], r["end"], "topic_1:f2", round(1000 * r["value"]), "."))]
        for r in rows
    ]
    assert len(read_regions(tmp_path / "out.bed")) == len(rows)


def test_the_command_of_windows(world: Path, tmp_path: Path) -> None:
    arguments = ["topics", "windows", str(world / "run"), str(world / "peaks.bed"), "-o",
                 str(tmp_path / "w.bed"), "--genome", str(world / "genome.fa"), "--step", "7",
                 "--threshold", "1.2", "--device", "cpu"]  # fmt: skip
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 0, said.stderr
    assert "1 left out: regions shorter than a window" in said.stderr
    assert "4 left out: windows without a word" in said.stderr
    mine = topic_windows(world / "run", world / "peaks.bed", tmp_path / "mine.bed",
                         genome=world / "genome.fa", step=7, c=1.2)  # fmt: skip
    assert mine.path.read_bytes() == (tmp_path / "w.bed").read_bytes()


def test_windows_that_cannot_be_scored_are_said(world: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"genome": world / "genome.fa", "device": "cpu"}

    def refused(message: str, output: str = "x.bed", **changes: Any) -> None:
        with pytest.raises(InputError, match=message) as error:
            topic_windows(
                world / "run", world / "peaks.bed", tmp_path / output, **{**options, **changes}
            )
        assert "\n" not in str(error.value)

    refused("ends in .bed or .parquet", "x.tsv")
    refused("width: found 4, expected the 5 of a word", width=4)
    refused("step, c: found 0", step=0)
    refused("step, c: found 10 and 0", c=0)
    refused("is of the run a, not of", topic_map=make_map())
    (tmp_path / "none.bed").write_text("chr1\t0\t20\n")
    made = topic_windows(world / "run", tmp_path / "none.bed", tmp_path / "none.parquet", **options)
    assert (len(made.table), made.n_windows, made.skipped) == (0, 0, {SHORT: 1})
