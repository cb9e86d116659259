"""Seqlets of attributions that are written down, and what options of `seqlets` do."""

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from scipy.stats import norm

from kmerengine import InputError
from kmerengine.schemas import REGION_COLUMNS
from modelkit.cli import main
from modelkit.interpretation.attribution.attributions import write_attributions
from modelkit.interpretation.motifs.seqlet_set import Seqlets
from modelkit.interpretation.motifs.seqlets import seqlets, seqlets_of, standard_deviation

P = 60


def regions(n, chroms=("chr2", "chr1")):
    columns = {
        "chrom": [chroms[i % len(chroms)] for i in range(n)],
        "start": [1000 * i + 10 for i in range(n)], "end": [1000 * i + 30 for i in range(n)],
        "name": [f"r{i}" for i in range(n)], "score": [None] * n, "strand": ["."] * n,
    }  # fmt: skip
    made = [pa.array(columns[f.name]).cast(f.type) for f in REGION_COLUMNS]
    made += [pa.array(["test"] * n).cast(pa.dictionary(pa.int8(), pa.string()))]
    return pa.table(made, names=[*REGION_COLUMNS.names, "split"])


def write(path, sequence, hypothetical, targets=("B", "T"), **options):
    n = len(sequence)
    return write_attributions(
        path, regions(n), sequence, hypothetical.astype(np.float32), targets=targets,
        method="deepshap", head="totals", rows=np.arange(n) * 2 + 1,
        starts=np.arange(n) * 1000 - 5, **options,
    )  # fmt: skip


def noise(n=6, k=2, seed=0, size=0.01):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, (n, P)).astype(np.uint8), rng.normal(0, size, (n, k, 4, P))


@pytest.fixture
def planted(tmp_path):
    """Attributions with seqlets at known places, one of them across an unknown base."""
    sequence, scores = noise()
    places = [(0, 0, 5, 11, 2.0), (0, 1, 5, 10, -1.5), (3, 1, 40, 60, 1.0), (5, 0, 0, 4, -3.0)]
    for example, target, low, high, size in places:
        for at in range(low, high):
            scores[example, target, sequence[example, at], at] += size
    sequence[3, 45] = 255  # its scores are of no base that stands there
    return write(tmp_path / "a", sequence, scores), places


def by_hand(data, cutoff):
    """Seqlets without gaps or unknown bases, from strings: significant stretches of 4 and more."""
    found = []
    for e in range(len(data)):
        for k in range(len(data.targets)):
            matrix = np.array(data.hypothetical[e, k, :4], np.float64)
            matrix = matrix - matrix.mean(0)
            values = [matrix[c, i] if c < 4 else 0.0 for i, c in enumerate(data.sequence[e])]
            marks = "".join("+" if v > cutoff else "-" if v < -cutoff else "." for v in values)
            for mark in "+-":
                at = 0
                for part in marks.replace("-" if mark == "+" else "+", ".").split("."):
                    if len(part) >= 4:
                        found.append((e, k, at, at + len(part), mark))
                    at += len(part) + 1
    return found


def test_planted_seqlets_are_found_where_they_were_put(planted, tmp_path):
    data, places = planted
    made = seqlets(data, tmp_path / "s.parquet", cutoff=0.2, max_gap=0)
    rows = made.table().to_pylist()
    found = [(r["example"], r["target"], r["position"], r["sign"]) for r in rows]
    expected = [(e, "BT"[k], low, int(np.sign(size))) for e, k, low, _, size in places]
    expected.insert(3, (3, "T", 46, 1))  # the unknown base parts one in two
    assert found == expected
    assert [(r["position"], r["position"] + r["end"] - r["start"]) for r in rows] == [
        (5, 11), (5, 10), (40, 45), (46, 60), (0, 4),
    ]  # fmt: skip
    joined = seqlets(data, tmp_path / "gap.parquet", cutoff=0.2).table().to_pylist()
    assert [(r["position"], r["end"] - r["start"]) for r in joined] == [
        (5, 6), (5, 5), (40, 20), (0, 4),
    ]  # fmt: skip
    assert joined[2]["significant"] == 19
    assert joined[2]["sequence"][5] == "N"


def test_seqlets_have_their_place_in_the_genome_and_their_bases(planted, tmp_path):
    data, _ = planted
    made = seqlets(str(data.path), tmp_path / "s.parquet", cutoff=0.2, bed=tmp_path / "s.bed")
    for row in made.table().to_pylist():
        e = row["example"]
        assert row["start"] == 1000 * e - 5 + row["position"]
        assert row["chrom"] == ("chr2", "chr1")[e % 2]
        assert row["row"] == 2 * e + 1
        codes = data.sequence[e, row["position"] : row["position"] + row["end"] - row["start"]]
        assert row["sequence"] == "".join("ACGTN"[min(c, 4)] for c in codes)
    lines = (tmp_path / "s.bed").read_text().splitlines()
    assert len(lines) == len(made) == 4
    first = made.table().to_pylist()[0]
    assert lines[0] == f"chr2\t0\t6\tB\t{abs(first['score']):.6g}\t."
    assert made.name == "a"
    assert made.n_examples == 6
    assert made.targets == ("B", "T")


def test_scores_are_divided_by_the_extreme_of_the_seqlet_s_sign(tmp_path):
    sequence = np.zeros((2, P), np.uint8)
    scores = np.zeros((2, 1, 4, P))
    scores[0, 0, 0, 10:14] = [1, 2, 4, 1]
    scores[0, 0, 2, 12] = -9  # larger, but of a base that would lower the output
    scores[1, 0, 0, 20:24] = [-1, -2, -8, -1]
    data = write(tmp_path / "a", sequence, scores, targets=("all",))
    made = seqlets(data, tmp_path / "s.parquet", cutoff=0.5, subtract_mean=False)
    rows = made.table().to_pylist()
    assert [row["score"] for row in rows] == [4, -8]
    one, other = made.matrices()
    assert one[:, 0].tolist() == [0.25, 0.5, 1, 0.25]
    assert one[2, 2] == -2.25
    assert other[:, 0].tolist() == [0.125, 0.25, 1, 0.125]


@pytest.mark.parametrize("subtract_mean", [True, False])
def test_the_cut_off_is_z_times_the_mean_standard_deviation(tmp_path, subtract_mean):
    sequence, scores = noise(9, 2, 3, 1.0)
    scores *= np.arange(1, 10)[:, None, None, None]
    scores += np.arange(4)[:, None]
    data = write(tmp_path / "a", sequence, scores)
    wide = np.asarray(scores, np.float32).astype(np.float64)
    if subtract_mean:
        wide = wide - wide.mean(2, keepdims=True)
    sd = np.mean([wide[e, k].std() for e in range(9) for k in range(2)])
    assert standard_deviation(data, subtract_mean=subtract_mean) == pytest.approx(sd, rel=1e-6)

    def cutoff(**options):
        path = tmp_path / f"{len(options)}{options}.parquet".replace("/", "")
        return seqlets(data, path, subtract_mean=subtract_mean, **options).cutoff

    assert cutoff() == pytest.approx(1.96 * sd, rel=1e-6)
    assert cutoff(preset="code") == pytest.approx(norm.isf(0.0005) * sd, rel=1e-6)
    assert cutoff(z=2.5) == pytest.approx(2.5 * sd, rel=1e-6)
    assert cutoff(p=0.01) == pytest.approx(2.5758293 * sd, rel=1e-6)
    assert cutoff(cutoff=0.7) == 0.7


def test_one_cut_off_for_two_models_comes_from_one_of_them(planted, tmp_path):
    data, _ = planted
    sequence, scores = noise(6, 2, 8, 0.5)
    other = write(tmp_path / "b", sequence, scores)
    alone = seqlets(data, tmp_path / "1.parquet")
    shared = seqlets(other, tmp_path / "2.parquet", of=data.path)
    assert shared.cutoff == alone.cutoff
    assert shared.provenance["inputs"]["of"]["name"] == "a"


def test_seqlets_of_unbroken_stretches_are_those_of_strings(tmp_path):
    sequence, scores = noise(20, 2, 5, 1.0)
    scores = np.sign(scores) * np.sqrt(np.abs(scores))
    runs = np.repeat(np.random.default_rng(2).normal(size=(20, 2, 4, P // 6)), 6, axis=3)
    scores = scores * 0.2 + runs
    sequence[:] = np.repeat(sequence[:, ::6], 6, axis=1)
    data = write(tmp_path / "a", sequence, scores)
    made = seqlets(data, tmp_path / "s.parquet", cutoff=0.6, max_gap=0, max_span=1000)
    found = {
        (r["example"], "BT".index(r["target"]), r["position"],
         r["position"] + r["end"] - r["start"], "-.+"[r["sign"] + 1])
        for r in made.table().to_pylist()
    }  # fmt: skip
    expected = by_hand(data, 0.6)
    assert len(expected) > 20
    assert found == set(expected)


def test_long_ones_are_left_out_and_counted(tmp_path):
    sequence, scores = noise(2, 1)
    for example, length in ((0, 29), (1, 30)):
        at = np.arange(10, 10 + length)
        scores[example, 0, sequence[example, at], at] += 5
    data = write(tmp_path / "a", sequence, scores, targets=("all",))
    made = seqlets(data, tmp_path / "s.parquet", cutoff=1.0)
    assert made.table()["example"].to_pylist() == [0]
    assert made.skipped == {"30 bp or longer": 1}
    contributions = data.contributions()
    assert seqlets_of(contributions, 1.0).too_long == 1
    assert len(seqlets_of(contributions, 1.0, max_span=31).start) == 2


def test_pieces_of_examples_do_not_matter(planted, tmp_path, monkeypatch):
    data, _ = planted
    whole = seqlets(data, tmp_path / "1.parquet", z=1.0)
    monkeypatch.setattr("modelkit.interpretation.motifs.seqlets.BLOCK_BYTES", 1)
    seen = []
    parts = seqlets(data, tmp_path / "2.parquet", z=1.0, progress=lambda *at: seen.append(at))
    assert seen[-1] == (6, 6)
    assert len(seen) == 6
    assert whole.cutoff == pytest.approx(parts.cutoff, rel=1e-12)
    assert whole.table().to_pylist() == parts.table().to_pylist()


def test_no_seqlets_is_a_table_without_rows(planted, tmp_path):
    data, _ = planted
    made = seqlets(data, tmp_path / "s.parquet", cutoff=100.0, bed=tmp_path / "s.bed")
    assert len(made) == 0
    assert made.matrices() == []
    assert (tmp_path / "s.bed").read_text() == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"z": 0}, "z: found 0, expected more than 0"),
        ({"p": 1.5}, "p: found 1.5"),
        ({"z": 2, "p": 0.1}, "found several, expected at most one"),
        ({"cutoff": -1.0}, "cutoff: found -1.0"),
        ({"cutoff": float("nan")}, "cutoff: found nan"),
        ({"preset": "both"}, "preset: found 'both', expected paper or code"),
        ({"max_gap": -1}, "max_gap: found -1"),
        ({"min_significant": 0}, "min_significant: found 0"),
        ({"cutoff": 1.0, "of": "x"}, "of: found together with cutoff"),
    ],
)
def test_options_out_of_range(planted, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        seqlets(planted[0], tmp_path / "s.parquet", **options)
    assert not (tmp_path / "s.parquet").exists()


def test_what_is_no_number_is_refused(tmp_path):
    sequence, scores = noise()
    scores[4, 1, 2, 7] = np.nan
    data = write(tmp_path / "a", sequence, scores)
    with pytest.raises(InputError, match=r"a: example 4: found attributions that are no numbers"):
        seqlets(data, tmp_path / "s.parquet")
    flat = write(tmp_path / "b", sequence, np.zeros_like(scores))
    with pytest.raises(InputError, match="found attributions without spread"):
        seqlets(flat, tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"expected \.parquet"):
        seqlets(flat, tmp_path / "s.bed")


def test_a_file_of_another_kind_or_a_damaged_one(planted, tmp_path):
    data, _ = planted
    with pytest.raises(InputError, match=r"attributions, expected kmerengine\.seqlets"):
        Seqlets.open(data.path / "regions.parquet")
    made = seqlets(data, tmp_path / "s.parquet", cutoff=0.2)
    raw = bytearray(made.path.read_bytes())
    for at in range(0, len(raw), max(1, len(raw) // 60)):
        damaged = bytearray(raw)
        damaged[at] ^= 0x5A
        (tmp_path / "d.parquet").write_bytes(damaged)
        with suppress(InputError):  # and no other error
            Seqlets.open(tmp_path / "d.parquet").matrices()


def test_the_command(planted, tmp_path):
    data, _ = planted
    words = ["seqlets", str(data.path), "-o", str(tmp_path / "s.parquet"), "--cutoff", "0.2"]
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 0, said.output
    assert "4 seqlets of 6 examples and 2 targets, cut-off 0.2" in said.stderr
    assert CliRunner().invoke(main, words).exit_code == 1
    assert len(Seqlets.open(tmp_path / "s.parquet")) == 4
