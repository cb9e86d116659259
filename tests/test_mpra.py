"""Scores of a reporter assay's variants against dictionaries, and Mann-Whitney's U by counting."""

import gzip
import itertools
import math
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from context_world import sites_of

import modelkit
from kmerengine import InputError, schemas
from modelkit.cli import main

LENGTH = 60
TITLES = "ID\tchrom\tpos\tC.Skew.fdr\n"


def factor(tmp_path: Path, name: str, seed: int, n: int = 10):
    """Sequences that overlap, and the greatest score of each of their positions."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 300, n).tolist()
    scores = rng.permutation(n * LENGTH).reshape(n, LENGTH) - 100.0
    labels = (np.arange(n) != 2).astype(int)[:, None]
    texts = ["".join(rng.choice(list("ACGT"), LENGTH)) for _ in range(n)]
    made = sites_of(tmp_path / name, texts, scores, [(20, 26)] * n, labels=labels, starts=starts)
    shares = scores / np.abs(scores).sum(1, keepdims=True)
    known: dict[tuple[str, int], float] = {}
    for i, j in itertools.product(range(n), range(LENGTH)):
        if labels[i, 0]:
            key = ("chr1" if i % 2 == 0 else "chr2", starts[i] + j)
            known[key] = max(known.get(key, -math.inf), float(shares[i, j]))
    return made, known


def variants(seed: int, n: int = 120):
    """Names, chromosomes, 1-based positions and FDRs as text; each position once."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(400)[:n] + 1
    rates = rng.choice(["NA", "0.001", "0.0499", "0.05", "0.3", "1"], n)
    return [(f"rs{i}", f"chr{1 + i % 2}", int(p), str(r))
            for i, (p, r) in enumerate(zip(places, rates, strict=True))]  # fmt: skip


def write(path: Path, rows, titles: str = TITLES) -> Path:
    path.write_text(titles + "".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def u_by_counting(some, others) -> float:
    return sum((a > b) + (a == b) / 2 for a, b in itertools.product(some, others))


def test_scores_and_test_are_those_of_dictionaries(tmp_path: Path):
    (one, known), (two, also) = factor(tmp_path, "one", 1), factor(tmp_path, "two", 2)
    rows = variants(3)
    made = modelkit.mpra(
        {"A": one, "B": two}, tmp_path / "o.parquet", table=write(tmp_path / "t.tsv", rows)
    )
    expected = []
    for _, chrom, position, rate in rows:
        key = (chrom, position - 1)
        here = {name: p[key] for name, p in (("A", known), ("B", also)) if key in p}
        if rate != "NA" and here:
            best = max(here, key=lambda name: (here[name], name == "A"))
            expected.append(
                {"chrom": chrom, "start": position - 1, "fdr": float(rate),
                 "positive": float(rate) < 0.05, "score": here[best], "name": best,
                 "factors": len(here)}
            )  # fmt: skip
    assert made.table.to_pylist() == expected
    assert {e["factors"] for e in expected} == {1, 2}
    assert {e["name"] for e in expected} == {"A", "B"}
    positive = [e["score"] for e in expected if e["positive"]]
    negative = [e["score"] for e in expected if not e["positive"]]
    assert (made.positives, made.negatives) == (len(positive), len(negative))
    assert made.u == u_by_counting(positive, negative)
    assert made.effect == made.u / (len(positive) * len(negative))
    assert made.medians == (np.median(positive), np.median(negative))
    # the normal approximation of U, corrected for continuity; no scores are equal
    n, m = len(positive), len(negative)
    assert len(set(positive + negative)) == n + m
    z = (abs(made.u - n * m / 2) - 0.5) / math.sqrt(n * m * (n + m + 1) / 12)
    assert made.p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-9)
    assert made.left_out["not tested"] == sum(r[3] == "NA" for r in rows) > 0
    assert sum(made.left_out.values()) + len(expected) == len(rows)
    document = schemas.read_metadata(pq.read_schema(made.path), made.path, ("kmerengine.mpra",))
    others = {"unbound sequences": 1, "sequences without any score": 0}
    assert document["sequences"] == {"A": 9, "B": 9}
    assert document["sequences_left_out"] == {"A": others, "B": others}


def test_positives_with_higher_scores_are_found(tmp_path: Path):
    one, known = factor(tmp_path, "one", 1)
    middle = float(np.median(list(known.values())))
    rows = [("x", c, p + 1, "0.01" if s > middle else "0.5") for (c, p), s in known.items()]
    made = modelkit.mpra({"A": one}, tmp_path / "o.tsv", table=write(tmp_path / "t.tsv", rows))
    assert made.effect == 1
    assert made.p < 1e-20
    turned = [(*row[:3], "0.5" if row[3] == "0.01" else "0.01") for row in rows]
    other = modelkit.mpra({"A": one}, tmp_path / "p.tsv", table=write(tmp_path / "t.tsv", turned))
    assert (other.effect, other.p) == (0, pytest.approx(made.p))  # of two sides
    shifted = [(*row[:2], row[2] + 1, row[3]) for row in rows]
    off = modelkit.mpra({"A": one}, tmp_path / "q.tsv", table=write(tmp_path / "t.tsv", shifted))
    assert 0.3 < off.effect < 0.7


def test_columns_go_by_their_names_and_bounds(tmp_path: Path):
    one, known = factor(tmp_path, "one", 1)
    places = sorted(known)[:6]
    rates = ["0.0499", "0.05", "0.09", "0.2", "NA", ""]
    rows = [(r, p + 1, "x", c) for (c, p), r in zip(places, rates, strict=True)]
    rows += [("0.9", places[0][1] + 1, "x", places[0][0])]
    path = write(tmp_path / "t.tsv", rows, titles='"q"\tat\t"other"\tcontig\n')
    columns = {"chrom_column": "contig", "position_column": "at", "fdr_column": "q"}
    made = modelkit.mpra({"A": one}, tmp_path / "o.parquet", table=path, **columns)
    assert (made.positives, made.negatives) == (1, 3)
    assert made.left_out == {
        "not tested": 2, "the same position again": 1, "outside the scored sequences": 0,
    }  # fmt: skip
    assert made.table["fdr"].to_pylist() == [0.0499, 0.05, 0.09, 0.2]
    (tmp_path / "t.gz").write_bytes(gzip.compress(path.read_bytes()))
    wide = modelkit.mpra(
        {"A": one}, tmp_path / "p.parquet", table=tmp_path / "t.gz", fdr=0.1, **columns
    )
    assert (wide.positives, wide.negatives) == (3, 1)


def test_the_command_writes_table_and_figure(tmp_path: Path):
    one, _ = factor(tmp_path, "one", 1)
    two, _ = factor(tmp_path, "two", 2)
    write(tmp_path / "t.tsv", variants(3))
    words = ["mpra", f"A={one.path}", str(two.path), "--table", str(tmp_path / "t.tsv"),
             "-o", str(tmp_path / "o.parquet"), "--figure", str(tmp_path / "o.svg")]  # fmt: skip
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 0, said.stderr
    assert re.search(r"positives: [0-9]+, median score [0-9.e-]+\n", said.stderr)
    assert re.search(r"left out [0-9]+ not tested\n", said.stderr)
    assert "two-sided P = " in said.stderr
    assert set(pq.read_table(tmp_path / "o.parquet")["name"].to_pylist()) == {"A", "two"}
    assert (tmp_path / "o.svg").read_text().startswith("<?xml")
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 1
    assert "exists" in again.stderr


def test_what_cannot_be_compared_is_said_in_a_line(tmp_path: Path):
    one, known = factor(tmp_path, "one", 1)
    chrom, start = next(iter(known))
    good = f"x\t{chrom}\t{start + 1}\t0.5\n"
    for text, message in (
        ("", "is empty, expected a table with columns chrom, pos, C.Skew.fdr"),
        ("ID\tchrom\tC.Skew.fdr\n", "line 1: found 0 columns 'pos' among"),
        ("pos\tpos\tchrom\tC.Skew.fdr\n", "line 1: found 2 columns 'pos' among"),
        (TITLES + good + "x\tchr1\t5\n", "line 3: found 3 columns, expected 4"),
        (TITLES + good + "x\tchr1\t0\t0.5\n", "line 3: found 'chr1' and '0', expected"),
        (TITLES + good + "x\tchr1\t5.5\t0.5\n", "line 3: found 'chr1' and '5.5', expected"),
        (TITLES + good + "x\tchr1\t5\t1.5\n", "line 3: found C.Skew.fdr '1.5', expected 0 to 1"),
        (TITLES + good + "x\tchr1\t5\tlow\n", "line 3: found C.Skew.fdr 'low'"),
        (TITLES + good, "0 of 1 variants in the sequences have C.Skew.fdr below 0.05"),
        (TITLES + good.replace("0.5", "0.01"), "1 of 1 variants in the sequences"),
        (TITLES + "x\t1\t5\t0.5\n", "has contigs 1, the sequences chr1, chr2"),
    ):
        (tmp_path / "t.tsv").write_text(text)
        with pytest.raises(InputError, match=re.escape(message)) as said:
            modelkit.mpra({"A": one}, tmp_path / "o.parquet", table=tmp_path / "t.tsv")
        assert "\n" not in str(said.value)
        assert not (tmp_path / "o.parquet").exists()
    for options, message in (({"fdr": 0.0}, "fdr: found 0.0"), ({"fdr": 1.0}, "fdr: found 1.0")):
        with pytest.raises(InputError, match=re.escape(message)):
            modelkit.mpra({"A": one}, tmp_path / "o.parquet", table=tmp_path / "t.tsv", **options)
    with pytest.raises(InputError, match="found suffix"):
        modelkit.mpra({"A": one}, tmp_path / "o.txt", table=tmp_path / "t.tsv")
