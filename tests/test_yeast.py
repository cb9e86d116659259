"""The measures and tables of `bench.yeast`, on tiny arrays, against loops over letters."""

import math
from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr, wilcoxon

import kmerengine
from bench import yeast, yeast_measures
from bench.yeast_mean import add_mean_profile
from bench.yeast_table import markdown
from kmerengine.datasets.with_bias import with_bias
from kmerengine.errors import InputError
from modelkit.config_files import read_config
from modelkit.models.bpaitac import BpAITAC
from modelkit.training.run import Run

RNG = np.random.default_rng(8)
GENOME = "".join(RNG.choice(list("ACGTN"), 9000, p=[0.3, 0.2, 0.2, 0.29, 0.01]))
CENTRES = list(range(300, 8700, 200))
WINDOW, WIDTH = 40, 100


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    """Cuts that prefer an A five bases before them; the more G and C, the more cuts."""
    folder = tmp_path_factory.mktemp("yeast")
    (folder / "g.fa").write_text(f">chr1\n{GENOME}\n")
    (folder / "p.bed").write_text("".join(f"chr1\t{c - 1}\t{c + 1}\n" for c in CENTRES))
    rows = []
    for centre in CENTRES:
        window = GENOME[centre - 20 : centre + 20]
        n = 5 + 4 * sum(base in "GC" for base in window)
        weight = [8.0 if GENOME[centre - 20 + i - 5] == "A" else 1.0 for i in range(WINDOW)]
        for at in RNG.choice(WINDOW, n, p=np.array(weight) / sum(weight)).tolist():
            rows.append((centre - 20 + at, int(RNG.integers(45, 60))))
    lines = "".join(f"chr1\t{start}\t{start + size}\tx\t1\n" for start, size in sorted(rows))
    for sample in ("short", "long"):
        (folder / f"{sample}.tsv").write_text(lines)
    kmerengine.cuts(
        [folder / "short.tsv", folder / "long.tsv"],
        output=folder / "cuts.parquet",
        input_shift="+4/-4",
        genome=folder / "g.fa",
    )
    return kmerengine.dataset(
        folder / "p.bed", output=folder / "d", genome=folder / "g.fa", window=WINDOW,
        cuts=folder / "cuts.parquet", width=WIDTH, split=["validation=0.2 test=0.3"],
    )  # fmt: skip


def counted(peaks, row, sample=0):
    return peaks.counts[row, sample, 30:70].tolist()


def test_the_additive_bias_is_that_of_loops_over_letters(peaks):
    rows = peaks.split("train")
    weights = yeast_measures.additive_weights(peaks, rows)
    for j, base in product((0, 5, 10, 20), "ACGT"):
        cut, every = Counter(), Counter()
        for row in rows.tolist():
            both = np.add(counted(peaks, row), counted(peaks, row, 1)).tolist()
            for i, n in enumerate(both):
                letter = GENOME[CENTRES[row] - 20 + i + j - 10]
                if letter != "N":
                    cut[letter] += n
                    every[letter] += 1
        share = (cut[base] + 1) / (cut.total() + 4) / ((every[base] + 1) / (every.total() + 4))
        assert weights[j, "ACGT".index(base)] == pytest.approx(math.log(share))
    assert weights[5].argmax() == 0
    assert weights[5, 0] > 0.5 > np.abs(weights[[1, 20]]).max()
    logits = yeast_measures.additive_logits(weights, peaks)
    for row, i in ((0, 0), (3, 17), (7, 39)):
        at = CENTRES[row] - 20 + i
        letters = enumerate(GENOME[at - 10 : at + 11])
        expected = sum(weights[j, "ACGT".index(base)] for j, base in letters if base != "N")
        assert logits[row, i] == pytest.approx(expected)


def test_a_profile_times_the_mean_profile():
    counts = np.array([[[1.0, 3.0], [0.0, 0.0]], [[8.0, 0.0], [2.0, 6.0]]])  # (n, T, W)
    logits = np.log([[1.0, 2.0], [3.0, 1.0]])
    found = yeast_measures.times_mean(logits, counts)
    # shares of task 0: (1/4 + 1) / 2, 3/8; of task 1: the peak without a cut has none
    first = np.array([[0.625 * 1, 0.375 * 2], [0.625 * 3, 0.375 * 1]])
    second = np.array([[0.25 * 1, 0.75 * 2], [0.25 * 3, 0.75 * 1]])
    for t, (shares, total) in enumerate(((first, 6.0), (second, 4.0))):
        expected = total * shares / shares.sum(1, keepdims=True)
        assert np.allclose(found[:, t], expected)


def test_profiles_are_measured_where_there_is_a_cut():
    observed = RNG.poisson(1.0, (6, 2, 30)).astype(float)
    expected = RNG.random((6, 2, 30))
    observed[2, 1] = 0
    rows = yeast_measures.profile_rows({"x": expected}, observed, ("short", "long"))
    assert [(row["task"], row["n"]) for row in rows] == [("short", 6), ("long", 5), ("both", 6)]
    sums = {"short": (expected[:, 0], observed[:, 0]), "both": (expected.sum(1), observed.sum(1))}
    for row in rows:
        if row["task"] in sums:
            p, k = sums[row["task"]]
            r = [pearsonr(*each).statistic for each in zip(p, k, strict=True)]
            jsd = [jensenshannon(*each, base=2) ** 2 for each in zip(p, k, strict=True)]
            assert row["pearson"] == pytest.approx(np.mean(r))
            assert row["jsd"] == pytest.approx(np.mean(jsd))
    found = yeast_measures.differences("x", expected, expected[::-1], observed, ("short", "long"))
    row = next(row for row in found if row["task"] == "short" and row["measure"].endswith("jsd"))
    pairs = [
        jensenshannon(expected[i, 0], observed[i, 0], base=2) ** 2
        - jensenshannon(expected[5 - i, 0], observed[i, 0], base=2) ** 2
        for i in range(6)
    ]
    assert row["mean"] == pytest.approx(np.mean(pairs))
    assert row["p"] == pytest.approx(wilcoxon(pairs).pvalue)
    assert row["low"] < row["mean"] < row["high"]


def test_the_composition_of_a_sequence():
    letters = ["ACGTACGGTN", "AAAAAAAAAA", "NNNNNNNNNN", "GNCNGNCNGN"]
    code = {"A": 0, "C": 1, "G": 2, "T": 3, "N": 255}
    codes = np.array([[code[base] for base in text] for text in letters], np.uint8)
    found = yeast_measures.composition(codes)
    for row, text in zip(found, letters, strict=True):
        known = [base for base in text if base != "N"]
        assert row[0] == pytest.approx(sum(b in "GC" for b in known) / max(len(known), 1))
        pairs = Counter(a + b for a, b in pairwise(text) if "N" not in (a, b))
        expected = [pairs[a + b] / max(pairs.total(), 1) for a, b in product("ACGT", repeat=2)]
        assert row[1:].tolist() == pytest.approx(expected)


def test_the_ridge_sees_that_gc_decides(peaks):
    train, test = peaks.split("train"), peaks.split("test")
    found = yeast_measures.ridge_totals(peaks, train, test)
    observed = yeast_measures.window_counts(peaks)[test].sum(-1)
    rows = yeast_measures.total_rows({"ridge": found}, observed, peaks.samples)
    assert [row["task"] for row in rows] == ["short", "long"]
    for t, row in enumerate(rows):
        r = pearsonr(np.log1p(found[:, t]), np.log1p(observed[:, t])).statistic
        assert row["pearson"] == pytest.approx(r)
        assert row["pearson"] > 0.6


def test_the_mean_profile_is_added_to_the_bias(peaks, tmp_path):
    bias = RNG.normal(size=(len(peaks), WIDTH)).astype(np.float32)
    biased = with_bias(peaks, [bias], tmp_path / "b", source={"run": "x"})
    made = add_mean_profile(biased, tmp_path / "m")
    shares = []
    for row in peaks.split("train").tolist():
        for sample in range(2):
            cuts = peaks.counts[row, sample].tolist()
            shares.append([(n + 1 / WIDTH) / (sum(cuts) + 1) for n in cuts])
    expected = bias + np.log(np.mean(shares, axis=0))
    assert np.allclose(made.bias, expected, atol=1e-5)
    assert made.provenance["inputs"]["bias"] == {"bias": {"run": "x"}, "mean_profile_of": "train"}


def test_predictions_are_the_network_s_and_those_of_the_baselines(peaks, tmp_path):
    bias = RNG.normal(size=(len(peaks), WIDTH)).astype(np.float32)
    biased = with_bias(peaks, [bias], tmp_path / "b", source={"run": "x"})
    small = {"network": {"channels": 4, "blocks": 1, "pools": (2, 2, 2)}}
    config = read_config(model="bpaitac").changed(small).for_dataset(biased)
    torch.manual_seed(0)
    about = {"shift": "+4/-4", "off_by_two": False, "tasks": ["short", "long"]}
    run = Run.create(tmp_path / "run", config, BpAITAC(config.network), about)
    rows, train = biased.split("test"), biased.split("train")
    found = yeast_measures.predictions(run, biased, rows, compare=True)
    one_hot = np.eye(256, dtype=np.float32)[biased.sequence[rows]][..., :4]
    with torch.no_grad():
        logits, totals = run.network()(torch.from_numpy(one_hot).mT)
    profile = (logits + torch.from_numpy(bias[rows, None, 30:70])).softmax(-1)
    assert np.allclose(found[""], totals[..., None] * profile, atol=1e-4)
    counts = yeast_measures.window_counts(biased)[train]
    plain = yeast_measures.times_mean(np.zeros((len(rows), WINDOW)), counts)
    # but for the one cut that the baseline shares evenly
    assert np.allclose(found["mean profile"], plain, rtol=0.1, atol=0.5)
    assert np.allclose(found["mean profile"].sum(-1), counts.sum(-1).mean(0))
    assert set(yeast_measures.PROFILES) - set(found) == {yeast_measures.ADDITIVE}
    assert list(yeast_measures.predictions(run, biased, rows, compare=False)) == [""]


def test_halves_are_the_fragments_once_each(tmp_path):
    yeast.write_halves(tmp_path, 1000)
    names = {}
    for half, length in product(yeast.HALVES, yeast.LENGTHS):
        header, *lines = (tmp_path / f"{half}.{length}.tsv").read_text().splitlines()
        assert header == "barcode\tgroup"
        assert all(line.split("\t")[1] == length for line in lines)
        names[half, length] = {int(line.split("\t")[0].rpartition(".")[2]) for line in lines}
    assert names["odd", "long"] == set(range(1, 1001, 2))
    for pair in yeast_measures.HALVES:
        one, other = (names[half, "short"] for half in pair)
        assert one | other == set(range(1, 1001))
        assert not one & other
    assert len(names["first", "short"] & names["odd", "short"]) == pytest.approx(250, abs=40)


def table_rows():
    shared = {
        "seconds": 600.0, "cpu_seconds": 1000.0, "training_seconds": 480.0, "peaks": 312,
        "train_peaks": 949, "commit": "0123456789abc", "dirty": False, "run": "2026-01-02T03:04",
        "machine": {"cpu": "a CPU", "cores": 2}, "n": 312,
    }  # fmt: skip
    rows = []
    for i, task in enumerate(("short", "long", "both")):
        numbers = {"pearson": 0.5 + i / 100, "jsd": 0.4 + i / 100}
        rows.append({"measure": "profile", "predictor": "mean profile", "task": task, **numbers})
    for name in (yeast_measures.ADDITIVE, yeast_measures.BASELINE):
        for task in ("short", "long", "both", "all"):
            numbers = {"pearson": 0.576, "jsd": 0.37}
            rows.append({"measure": "profile", "predictor": name, "task": task, **numbers})
    of_seeds = {0: -0.01, 1: -0.06, 2: 0.05, yeast_measures.ENSEMBLE: -0.03}
    for seed, mean in of_seeds.items():
        for task in ("short", "long", "both"):
            row = {"predictor": "bpAI-TAC", "task": task, "seed": seed}
            rows.append({**row, "measure": "profile", "pearson": 0.6 + mean, "jsd": 0.5 - mean})
            numbers = {"mean": mean, "low": mean - 0.02, "high": mean + 0.02, "p": 0.00123}
            rows.append({**row, "measure": "difference of jsd", **numbers})
            if task != "both":
                rows.append({**row, "measure": "totals", "pearson": 0.25 + mean})
    for task in ("short", "long"):
        row = {"measure": "totals", "predictor": yeast_measures.RIDGE, "task": task}
        rows.append({**row, "pearson": 0.331})
    return [{**row, **shared} for row in rows]


def test_the_table_shows_the_rows():
    text = markdown(table_rows())
    assert "| mean profile | 0.500, 0.400 | 0.510, 0.410 | 0.520, 0.420 |" in text
    seeds = "0.593 (0.540 to 0.650), 0.507 (0.450 to 0.560)"
    assert f"| bpAI-TAC, 3 seeds | {seeds} | {seeds} | {seeds} |" in text
    ensemble = "0.570, 0.530"
    assert f"| bpAI-TAC, ensemble | {ensemble} | {ensemble} | {ensemble} |" in text
    middle = "-0.0100 (-0.0300 to +0.0100) | 0.0012 | 312 | 1 of 3 |"
    assert f"| bpAI-TAC, seed 0 (median) | short | {middle}" in text
    mean = "-0.0300 (-0.0500 to -0.0100)"
    assert f"| bpAI-TAC, ensemble | long | {mean} | 0.0012 | 312 | 1 of 1 |" in text
    assert "| bpAI-TAC, 3 seeds | 0.243 (0.190 to 0.300) | 0.243 (0.190 to 0.300) |" in text
    assert f"| {yeast_measures.RIDGE} | 0.331 | 0.331 |" in text
    assert "whatever their length: 21-bp bias x mean profile r 0.576, JSD 0.370" in text
    assert "10.0 minutes (16.7 of CPU time), of which training 8.0." in text
    columns = {line.count("|") for line in text.splitlines() if line.startswith("| mean profile")}
    assert columns == {5}


def test_a_table_goes_between_its_marks(tmp_path):
    path = tmp_path / "d.md"
    path.write_text(f"before\n{yeast.BEGIN}\nold\n{yeast.END}\nafter\n")
    yeast.put_between(path, "new")
    assert path.read_text() == f"before\n{yeast.BEGIN}\nnew\n{yeast.END}\nafter\n"
    path.write_text("nothing")
    with pytest.raises(SystemExit, match="lacks"):
        yeast.put_between(path, "new")


def test_commands_run_in_their_folder_until_one_fails(tmp_path):
    text = "printf '%s' $DATA \\\n    > a\n\nfalse\ntouch b"
    with pytest.raises(Exception, match="false"):
        yeast.run_all(text, tmp_path, tmp_path / "data")
    assert (tmp_path / "a").read_text() == str(tmp_path / "data")
    assert not (tmp_path / "b").exists()
    took = yeast.run_all("true\ntrue x -o y", tmp_path, tmp_path)
    assert [line for line, _ in took] == ["true", "true x -o y"]
    loop = "for i in 1 2 3; do\n    touch $i \\\n        && test $i != 2 || exit\ndone"
    with pytest.raises(Exception, match="touch"):
        yeast.run_all(loop, tmp_path, tmp_path)
    assert (tmp_path / "2").exists()
    assert not (tmp_path / "3").exists()


def test_the_document_shows_the_commands_and_the_configs():
    text = yeast.DOCS.read_text()
    assert yeast.CHAIN in text
    assert yeast.EVALUATE in text
    for name in ("yeast.toml", "yeast_bias.toml"):
        path = yeast.ROOT / "bench" / name
        assert path.read_text().strip() in text
        assert read_config(path).training.evaluate_first is False
    with pytest.raises(InputError):
        read_config(yeast.ROOT / "bench" / "yeast.toml", preset="none such")
