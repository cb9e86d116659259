"""Models of labels side by side: areas, wins, hits in peaks, regions; against plain loops."""

import json
import math
from hashlib import sha256

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from binding_world import WIDTH, WORDS, World, small_config
from click.testing import CliRunner

import kmerengine
import modelkit
from kmerengine import InputError, Motif
from modelkit.cli import main
from modelkit.inference.compare import HITS
from modelkit.inference.compare_hits import Places, hit_scores, within
from modelkit.inference.compare_tables import factor_rows, wins_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("compare") / "w")


@pytest.fixture(scope="module")
def runs(world):
    found = {}
    for name in ("both", "dna"):
        config = small_config(f"network.inputs={name}")
        found[name] = modelkit.train(config, world.data, world.folder / name, device="cpu")
    return found


@pytest.fixture(scope="module")
def hits(world):
    """Scanned; of `tal` as two motifs, of which each is half of its word's certainty."""
    motifs = [
        Motif(name=f"{name}_{i}", probabilities=np.array(
            [[0.97 if b == base else 0.01 for b in "ACGT"] for base in word[part]]
        ))
        for name, word in WORDS.items()
        for i, part in enumerate((slice(0, 8), slice(1, 8)))
    ]  # fmt: skip
    path = world.folder / "hits.parquet"
    kmerengine.scan(world.folder / "g.fa", motifs, output=path, p=1e-3, q=0.5)
    return path


def average_precision(truth, scores):
    """Precision at each distinct score, weighted by what it adds to the recall."""
    total, area, seen = sum(truth), 0.0, 0.0
    for cut in sorted(set(scores), reverse=True):
        called = [t for t, s in zip(truth, scores, strict=True) if s >= cut]
        recall = sum(called) / total
        area += (recall - seen) * sum(called) / len(called)
        seen = recall
    return area


def logits_of(run, data, rows):
    found = modelkit.predict(run, data, run.path.with_name(run.path.name + "_p"), split="test",
                             bigwig=False, device="cpu", force=True)  # fmt: skip
    assert found.regions["row"].to_pylist() == list(rows)
    return found.logits


def best_hit(hits, factor_motifs, chrom, low, high, q):
    """-log10 p of the best hit of some motifs that shares a base with [low, high)."""
    values = [
        -math.log10(row["p"])
        for row in pq.read_table(hits).to_pylist()
        if row["motif"] in factor_motifs and row["q"] <= q and row["chrom"] == chrom
        and row["start"] < high and row["end"] > low
    ]  # fmt: skip
    return max(values, default=0.0)


def test_tables_equal_plain_loops(world, runs, hits, tmp_path):
    test = [(c, s) for c, s in world.windows if c == "chr3"]
    peaks = world.write_bed("peaks.bed", [(c, s - 3, s + 1) for c, s in test[::2]]
                            + [(c, s + WIDTH, s + WIDTH + 5) for c, s in test[1::4]])  # fmt: skip
    inside = world.write_bed("inside.bed", [(c, s + WIDTH - 1, s + 99) for c, s in test[5:40]])
    motifs = {"tal": ["tal_0", "tal_1"]}
    made = modelkit.compare(
        runs, world.data, tmp_path / "out", hits=hits, motifs=motifs, peaks=peaks, q=0.05,
        within_regions=inside, device="cpu",
    )  # fmt: skip
    factors = ("gata", "tal")
    assert (made.models, made.factors) == (("both", "dna", HITS), factors)
    rows = world.data.split("test")
    assert made.rows.tolist() == rows.tolist()
    truth = {f: [int(place in world.bound[f]) for place in test] for f in factors}
    scores = {name: logits_of(run, world.data, rows) for name, run in runs.items()}
    in_peak = [i % 2 == 0 for i in range(len(test))]  # a window that only touches a peak is not in
    of_hits = [best_hit(hits, motifs["tal"], c, s, s + WIDTH, 0.05) if inn else 0.0
               for (c, s), inn in zip(test, in_peak, strict=True)]  # fmt: skip
    assert sum(x > 0 for x in of_hits) > 5
    assert any(t and not s for t, s in zip(truth["tal"], of_hits, strict=True))  # masked
    expected = {}
    for where, chosen in (("all", range(len(test))), ("within", range(5, 40))):
        for k, factor in enumerate(factors):
            of = [truth[factor][i] for i in chosen]
            for model in ("both", "dna"):
                values = [scores[model][i, k] for i in chosen]
                expected[where, factor, model] = (average_precision(of, values), sum(of), len(of))
        of = [truth["tal"][i] for i in chosen]
        area = average_precision(of, [of_hits[i] for i in chosen])
        expected[where, "tal", HITS] = (area, sum(of), len(of))
    table = pq.read_table(tmp_path / "out" / "by_factor.parquet").to_pylist()
    assert len(table) == 2 * 2 * 3
    for row in table:
        key = row["where"], row["factor"], row["model"]
        if key[1:] == ("gata", HITS):
            assert row["auprc"] is None  # it has no motif
            continue
        area, positives, n = expected.pop(key)
        assert row["auprc"] == pytest.approx(area, abs=1e-9)
        assert (row["positives"], row["examples"]) == (positives, n)
        assert row["prevalence"] == pytest.approx(positives / n)
    assert not expected
    wins = pq.read_table(tmp_path / "out" / "wins.parquet").to_pylist()
    assert [(w["where"], w["against"], w["factors"]) for w in wins] == [
        ("all", "dna", 2), ("all", HITS, 1), ("within", "dna", 2), ("within", HITS, 1),
    ]  # fmt: skip
    area = {(r["where"], r["factor"], r["model"]): r["auprc"] for r in table}
    for win in wins:
        shared = ["tal"] if win["against"] == HITS else list(factors)
        one, two = ([area[win["where"], f, m] for f in shared] for m in ("both", win["against"]))
        assert win["wins"] == sum(a > b for a, b in zip(one, two, strict=True))
        assert win["mean_difference"] == pytest.approx(np.mean(one) - np.mean(two))
    about = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert about["wins"][0]["against"] == "dna"
    assert about["parameters"]["motifs"] == {"tal": ["tal_0", "tal_1"]}
    for name, run in runs.items():  # of two runs of one name the weights tell which it was
        weights = (run.path / "best.safetensors").read_bytes()
        said = {"name": name, "bytes": len(weights), "sha256": sha256(weights).hexdigest()}
        assert about["inputs"]["runs"][name] == said
    for name in ("curves.png", "scatter.png"):
        assert (tmp_path / "out" / name).read_bytes()[:4] == b"\x89PNG"


def test_wins_ties_and_numbers_that_are_none():
    labels = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1], [1, 0, 1]], bool)  # the last has no 0
    good = np.array([[4, 0, 0], [1, 9, 0], [2, 1, 0], [3, 2, 0]], np.float64)
    bad = np.array([[0, 0, 0], [1, 9, 0], [2, 1, 0], [3, np.nan, 0]], np.float64)
    rows = factor_rows("all", ("a", "b", "c"), labels, {"x": good, "y": bad, "z": good})
    by_y, by_z = wins_of(rows, ("x", "y", "z"))
    assert (by_y.factors, by_y.wins, by_y.ties) == (1, 1, 0)  # b is not known to y, c has one label
    # y has the positives first and last: half of each of 1 and 1/2
    assert by_y.mean_against == pytest.approx((1 + 0.5) / 2)
    assert by_y.mean_difference == pytest.approx(0.25)
    assert (by_z.factors, by_z.wins, by_z.ties) == (2, 0, 2)
    assert "beats y on 1 of 1 factors" in str(by_y)
    none = wins_of(factor_rows("all", ("c",), labels[:, 2:], {"x": good[:, 2:], "y": bad[:, 2:]}),
                   ("x", "y"))  # fmt: skip
    assert math.isnan(none[0].mean)
    assert "no factor in common" in str(none[0])


class TestHits:
    """Edges of what a hit, a window and a peak share."""

    places = Places(("c", "d"), np.array([0, 0, 1], np.int32), np.array([100, 300, 100]),
                    np.array([200, 400, 200]))  # fmt: skip

    def score(self, folder, row, peaks="c\t199\t301\nd\t0\t9999\n", q=0.05):
        (folder / "fimo.tsv").write_text(
            "motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\t"
            "matched_sequence\n" + row
        )
        (folder / "p.bed").write_text(peaks)
        return hit_scores(
            self.places, folder / "fimo.tsv", ("f", "g"), {"g": ["m"]}, folder / "p.bed", q
        )

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [(90, 100, [0, 0, 0]), (91, 101, [3, 0, 0]), (200, 210, [3, 0, 0]), (201, 210, [0, 0, 0]),
         (190, 310, [3, 3, 0])],
    )  # fmt: skip
    def test_one_shared_base_is_enough(self, tmp_path, start, end, expected):
        """FIMO's first and last base, from 1; a longer hit lies between the windows."""
        rows = "".join(f"m\t\tc\t{a}\t{b}\t+\t9\t1e-3\t0.05\tA\n"
                       for a, b in ((start, end), (220, 290)))  # fmt: skip
        found = self.score(tmp_path, rows)
        assert found[:, 1].tolist() == pytest.approx(expected)
        assert np.isnan(found[:, 0]).all()

    def test_the_best_hit_within_q_of_the_motif_in_a_peak(self, tmp_path):
        rows = "".join(
            f"{m}\t\t{c}\t{s}\t{s + 9}\t+\t9\t{p}\t{q}\tA\n"
            for m, c, s, p, q in (
                ("m", "c", 120, 1e-4, 0.01), ("m", "c", 130, 1e-3, 0.01),
                ("m", "c", 140, 1e-9, 0.06), ("n", "c", 150, 1e-8, 0.01),
                ("m", "c", 310, 1e-5, 0.01), ("m", "d", 120, 0, 0.0),
                ("m", "e", 120, 1e-7, 0.01),
            )
        )  # fmt: skip
        peaks = "c\t150\t160\nd\t0\t100\nd\t200\t201\nd\t130\t131\n"
        found = self.score(tmp_path, rows, peaks)
        assert found[:, 1].tolist() == pytest.approx([4, 0, 300])

    def test_hits_of_another_genome(self, tmp_path):
        row = "m\t\tchrc\t120\t129\t+\t9\t1e-4\t0.01\tA\n"
        with pytest.raises(InputError, match="has hits on chrc, the sequences lie on c, d; expec"):
            self.score(tmp_path, row)

    def test_a_motif_without_a_hit_that_was_looked_for(self, world):
        """kmerengine scan says what it looked for, though none is within q; FIMO does not."""
        places = Places(("chr3",), np.zeros(1, np.int32), np.array([0]), np.array([9000]))
        peaks = world.write_bed("all.bed", [("chr3", 0, 9000)])
        path = world.folder / "strict.parquet"
        never = Motif(name="never", probabilities=np.tile([0.97, 0.01, 0.01, 0.01], (14, 1)))
        known = Motif(name="tal", probabilities=np.array(
            [[0.97 if b == base else 0.01 for b in "ACGT"] for base in WORDS["tal"]]
        ))  # fmt: skip
        kmerengine.scan(world.folder / "g.fa", [known, never], output=path, p=1e-4, q=0.05)
        assert "never" not in set(pq.read_table(path)["motif"].to_pylist())
        motifs = {"a": ["never"], "b": ["tal"], "c": ["never", "tal"]}
        found = hit_scores(places, path, ("a", "b", "c"), motifs, peaks, 0.05)
        assert found[0, 0] == 0
        assert found[0, 1] == found[0, 2] > 0
        with pytest.raises(InputError, match="has no hit of 'other', the motif of 'a'"):
            hit_scores(places, path, ("a",), {"a": ["other"]}, peaks, 0.05)

    def test_peaks_of_another_genome(self, tmp_path):
        (tmp_path / "p.bed").write_text("x\t0\t999\nc\t200\t300\n")
        with pytest.raises(InputError, match="shares no base with any of the 3 sequences"):
            within(self.places, tmp_path / "p.bed", "peaks")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": ["both"]}, "expected two or more"),
        ({"peaks": "w.bed"}, "found some without hits"),
        ({"hits": "hits.parquet", "peaks": "w.bed"}, "motifs: found none with hits"),
        ({"hits": "hits.parquet", "motifs": {"tal": "tal_0"}}, "peaks: found none with hits"),
        ({"hits": "hits.parquet", "motifs": {"sp1": "tal_0"}, "peaks": "w.bed"}, "found 'sp1'"),
        ({"hits": "hits.parquet", "motifs": {"tal": "x"}, "peaks": "w.bed"}, "has no hit of 'x'"),
        ({"hits": "plain.parquet", "motifs": {"tal": "tal_0"}, "peaks": "w.bed"}, "without q-val"),
        ({"hits": "hits.parquet", "motifs": {"tal": "tal_0"}, "peaks": "w.bed", "q": 0.0}, "^q: f"),
        ({"split": "tset"}, "found 'tset'"),
    ],
)
def test_what_cannot_be_compared(world, runs, hits, tmp_path, changes, message):
    if not (world.folder / "plain.parquet").exists():
        motif = [Motif(name="tal_0", probabilities=np.full((8, 4), 0.25))]
        kmerengine.scan(world.folder / "g.fa", motif, output=world.folder / "plain.parquet", p=1.0,
                        regions=world.folder / "labels" / "tal.bed")  # fmt: skip
    chosen = {name: runs[name] for name in changes.pop("runs", runs)}
    files = {k: world.folder / v for k, v in changes.items() if k in ("hits", "peaks")}
    with pytest.raises(InputError, match=message):
        modelkit.compare(chosen, world.data, tmp_path / "o", device="cpu", **{**changes, **files})
    assert not (tmp_path / "o").exists()


def test_predictions_that_are_no_numbers(world, runs, tmp_path):
    class Broken(modelkit.Run):
        def network(self, device="cpu"):
            network = super().network(device)
            with torch.no_grad():
                network.output.bias[1] = torch.nan
            return network

    broken = Broken.open(runs["dna"].path)
    with pytest.raises(InputError, match=r"broken: its prediction for row .* is no finite number"):
        modelkit.compare({"broken": broken, "both": runs["both"]}, world.data, tmp_path / "o",
                         device="cpu")  # fmt: skip
    assert not (tmp_path / "o").exists()


def test_runs_of_other_labels_or_splits(world, runs, tmp_path):
    fewer = world.make(labels=[world.folder / "labels" / "tal.bed"], output=tmp_path / "d")
    with pytest.raises(InputError, match=r"predicts gata, tal, .* has tal; expected the same"):
        modelkit.compare(runs, fewer, tmp_path / "o", device="cpu")
    config = small_config("data.split=validation=chr3 test=chr2", "training.epochs=0")
    other = modelkit.train(config, world.data, tmp_path / "other", device="cpu")
    with pytest.raises(InputError, match="other: its split 'test' is not that of both"):
        modelkit.compare(runs | {"other": other}, world.data, tmp_path / "o", device="cpu")


def test_the_command_is_the_function(world, runs, hits, tmp_path):
    words = [f"A={runs['dna'].path}", str(runs["both"].path), "--data", world.data.path,
             "--hits", hits, "--motif", "tal=tal_0", "--motif", "tal=tal_1", "--peaks",
             world.folder / "w.bed", "--within", world.folder / "w.bed", "--figure", "svg",
             "--device", "cpu", "-o", tmp_path / "o"]  # fmt: skip
    said = CliRunner().invoke(main, ["compare", *map(str, words)])
    assert said.exit_code == 0, said.output
    made = modelkit.compare(
        {"A": runs["dna"], "both": runs["both"]}, world.data, tmp_path / "p", hits=hits,
        motifs={"tal": ("tal_0", "tal_1")}, peaks=world.folder / "w.bed",
        within_regions=world.folder / "w.bed", figure="svg", device="cpu",
    )  # fmt: skip
    assert said.stdout.splitlines() == made.lines()
    for name in ("by_factor.parquet", "wins.parquet"):
        assert pq.read_table(tmp_path / "o" / name).equals(pq.read_table(tmp_path / "p" / name))
    assert (tmp_path / "o" / "curves.svg").exists()
    again = CliRunner().invoke(main, ["compare", *map(str, words)])
    assert again.exit_code == 1
    assert "exists" in again.stderr.splitlines()[-1]
    bad = CliRunner().invoke(main, ["compare", "a=b", "--data", "d", "-o", "o", "--motif", "x"])
    assert "found 'x', expected FACTOR=MOTIF" in bad.stderr
