"""Ratios of singletons against dictionaries of genome positions, and z by hand."""

import gzip
import math
import re
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from context_world import attributions_of, sites_of

import modelkit
from kmerengine import InputError
from kmerengine.io.vcf import read_allele_counts
from modelkit.cli import main
from modelkit.interpretation.snps.singletons import two_proportions

RNG = np.random.default_rng(0)
GENOME = {chrom: "".join(RNG.choice(list("ACGT"), 400)) for chrom in ("chr1", "chr2")}
LENGTH = 40
HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def world(tmp_path: Path, name: str, seed: int, n: int = 14):
    """Overlapping sequences of a genome; some unbound, one without a score."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(10, 300, n).tolist()
    chroms = ["chr1" if i % 2 == 0 else "chr2" for i in range(n)]
    texts = [GENOME[c][s : s + LENGTH] for c, s in zip(chroms, starts, strict=True)]
    scores = rng.integers(-4, 9, (n, LENGTH)).astype(float)
    scores[3] = 0
    low = rng.integers(0, LENGTH - 8, n)
    cores = [(int(a), int(a) + 6) for a in low]
    labels = (np.arange(n) % 5 != 4).astype(int)
    made = sites_of(tmp_path / name, texts, scores, cores, labels=labels[:, None], starts=starts)
    shares = scores / np.maximum(np.abs(scores).sum(1, keepdims=True), 1)
    rows = [i for i in range(n) if labels[i] and i != 3]
    known: dict[tuple[str, int], list] = {}
    for i in rows:
        for j in range(LENGTH):
            entry = known.setdefault((chroms[i], starts[i] + j), [-math.inf, False])
            entry[0] = max(entry[0], float(shares[i, j]))
            entry[1] |= cores[i][0] <= j < cores[i][1]
    return made, known


def snps_of(seed: int, n: int = 900):
    """chrom, 1-based position, REF, ALT, count, total: at most each allele once."""
    rng = np.random.default_rng(seed)
    made = {}
    for _ in range(n):
        chrom = rng.choice(["chr1", "chr2"])
        at = int(rng.integers(0, 400))
        ref = GENOME[chrom][at]
        alt = rng.choice([b for b in "ACGT" if b != ref])
        total = int(rng.choice([998, 1000, 10884]))
        n_alt = int(rng.choice([0, 1, 1, 1, 2, 50, total - 1, total]))
        made[chrom, at, alt] = (str(chrom), at + 1, ref, str(alt), n_alt, total)
    return list(made.values())


def oracle(known, snps, share):
    """Numbers of each part: (SNPs, singletons)."""
    context = sorted((s for s, core in known.values() if not core), reverse=True)
    exact = Fraction(str(share)) * len(context)
    limit = context[math.ceil(exact) - 1]
    found = {"context": [0, 0], "top": [0, 0], "core": [0, 0]}
    for chrom, position, _, _, n, total in snps:
        minor = min(n, total - n)
        if total < 1000 or minor == 0 or (chrom, position - 1) not in known:
            continue
        score, core = known[chrom, position - 1]
        parts = ["core"] if core else ["context"]
        parts += ["top"] if not core and score >= limit and score > 0 else []
        for part in parts:
            found[part][0] += 1
            found[part][1] += minor == 1
    return found


def write_vcf(path: Path, snps, extra: str = "") -> Path:
    lines = [f"{c}\t{p}\t.\t{r}\t{a}\t.\tPASS\tDB;AN={t};x=1;AC={n}\n" for c, p, r, a, n, t in snps]
    path.write_text(HEAD + "".join(lines) + extra)
    return path


def write_tsv(path: Path, snps, head: str = "chrom\tpos\tref\talt\tac\tan\n") -> Path:
    path.write_text(head + "".join("\t".join(map(str, each)) + "\n" for each in snps))
    return path


def rows_of(made):
    return {(r["name"], r["part"], r["share"]): r for r in made.table.to_pylist()}


# ------------------------------------------------------------------------------------ ratios


def test_ratios_are_those_of_a_dictionary_of_positions(tmp_path: Path):
    one, known = world(tmp_path, "one", 1)
    snps = snps_of(2)
    made = modelkit.singletons(
        {"TF": one}, tmp_path / "o.parquet", variants=write_vcf(tmp_path / "v.vcf", snps),
        shares=(0.2, 0.05),
    )  # fmt: skip
    rows = rows_of(made)
    for share in (0.2, 0.05):
        expected = oracle(known, snps, share)
        top = rows["TF", "top", share]
        assert [top["snps"], top["singletons"]] == expected["top"]
        others = [a - b for a, b in zip(expected["context"], expected["top"], strict=True)]
        assert [top["others"], top["other_singletons"]] == others
        for part in ("context", "core"):
            row = rows["TF", part, None]
            assert [row["snps"], row["singletons"]] == expected[part]
    assert rows["TF", "core", None]["others"] == rows["TF", "context", None]["snps"]
    assert rows["TF", "context", None]["others"] is None
    assert rows["TF", "core", None]["snps"] > 10 < rows["TF", "top", 0.2]["snps"]
    assert rows["TF", "context", None]["bases"] == sum(not core for _, core in known.values())
    assert len(made.table) == 4
    minors = [min(n, t - n) for *_, n, t in snps]
    few = [each for each in snps if each[5] < 1000]
    alone = [m for m, each in zip(minors, snps, strict=True) if m == 0 and each[5] >= 1000]
    assert made.left_out["fewer alleles called than the least"] == len(few) > 0
    assert made.left_out["one allele alone in these samples"] == len(alone) > 0
    assert made.counts["alleles"] == len(snps)
    assert sum(made.left_out.values()) + made.counts["snps"] == len(snps)


def test_several_factors_and_all_of_them(tmp_path: Path):
    (one, known), (two, also) = world(tmp_path, "one", 1), world(tmp_path, "two", 5)
    snps = snps_of(2)
    rows = rows_of(
        modelkit.singletons(
            {"A": one, "B": two}, tmp_path / "o.parquet",
            variants=write_tsv(tmp_path / "v.tsv", snps), shares=(0.1,),
        )
    )  # fmt: skip
    limits = {}
    for name, positions in (("A", known), ("B", also)):
        expected = oracle(positions, snps, 0.1)
        for part in ("context", "top", "core"):
            row = rows[name, part, 0.1 if part == "top" else None]
            assert [row["snps"], row["singletons"]] == expected[part], (name, part)
        limits[name] = rows[name, "top", 0.1]["least_score"]
    found = {"context": [0, 0], "top": [0, 0], "core": [0, 0]}
    for chrom, position, _, _, n, total in snps:
        key, minor = (chrom, position - 1), min(n, total - n)
        here = {f: p[key] for f, p in (("A", known), ("B", also)) if key in p}
        if total < 1000 or minor == 0 or not here:
            continue
        core = any(each[1] for each in here.values())
        parts = ["core"] if core else ["context"]
        if not core and any(s >= limits[f] - 1e-12 for f, (s, _) in here.items()):
            parts.append("top")
        for part in parts:
            found[part][0] += 1
            found[part][1] += minor == 1
    for part, expected in found.items():
        row = rows["all", part, 0.1 if part == "top" else None]
        assert [row["snps"], row["singletons"]] == expected, part
    assert len(rows) == 9


def test_z_by_hand():
    # 30 of 100 against 20 of 200: r = 50 / 300, z = 0.2 / sqrt(r (1 - r) 0.015)
    z, p = two_proportions(30, 100, 20, 200)
    assert z == pytest.approx(0.2 / math.sqrt(50 / 300 * 250 / 300 * (1 / 100 + 1 / 200)))
    assert z == pytest.approx(4.381780460041329)
    assert p == pytest.approx(1 - NormalDist().cdf(z), rel=1e-6)
    assert two_proportions(20, 200, 30, 100)[0] == pytest.approx(-z)
    assert two_proportions(20, 200, 30, 100)[1] == pytest.approx(1 - p)
    # far out there is still a P: z = 0.1 / sqrt(0.25 * 0.75 * 2 / 10,000)
    z, p = two_proportions(3000, 10_000, 2000, 10_000)
    assert z == pytest.approx(0.1 / math.sqrt(0.25 * 0.75 * 0.0002))
    assert 1e-70 < p < 1e-58
    for nothing in ((0, 0, 1, 2), (1, 2, 0, 0), (0, 5, 0, 9), (5, 5, 9, 9)):
        assert all(math.isnan(each) for each in two_proportions(*nothing))


def test_z_and_standard_error_of_a_row(tmp_path: Path):
    one, _ = world(tmp_path, "one", 1)
    made = modelkit.singletons(
        {"TF": one}, tmp_path / "o.tsv", variants=write_vcf(tmp_path / "v.vcf", snps_of(2)),
        shares=(0.2,),
    )  # fmt: skip
    for row in made.table.to_pylist():
        ratio = row["singletons"] / row["snps"]
        assert row["ratio"] == pytest.approx(ratio)
        assert row["standard_error"] == pytest.approx(math.sqrt(ratio * (1 - ratio) / row["snps"]))
        if row["part"] != "context":
            z, p = two_proportions(
                row["singletons"], row["snps"], row["other_singletons"], row["others"]
            )
            assert (row["z"], row["p"]) == (z, p)
    assert (tmp_path / "o.tsv").read_text().splitlines()[1].startswith("name\tpart\tshare")


# ------------------------------------------------------------------------------ single SNPs


@pytest.fixture
def two(tmp_path: Path):
    """Sequences at [100, 110) and [105, 115) of chr1 (the middle one lies on chr2); the core of the
    first is [102, 104), of the last [105, 107).
    """
    text = GENOME["chr1"]
    scores = np.zeros((3, 10))
    scores[0] = [0, 0, 9, 9, 0, 0, 2, 2, 3, 0]
    scores[1] = 1
    scores[2] = [5, 5, 4, 0, 0, 0, 0, 0, 0, -16]
    return sites_of(
        tmp_path / "two", [text[100:110], GENOME["chr2"][0:10], text[105:115]], scores,
        [(2, 4), (0, 2), (0, 2)], starts=[100, 0, 105],
    )  # fmt: skip


def count(two, tmp_path: Path, lines: str, **options):
    path = tmp_path / "v.tsv"
    path.write_text(lines)
    made = modelkit.singletons(
        {"TF": two}, tmp_path / "o.parquet", variants=path, force=True, **options
    )
    rows = rows_of(made)
    return {part: rows["TF", part, None]["snps"] for part in ("context", "core")}, made


def other(base: str) -> str:
    return "CAAA"["ACGT".index(base)]


def snp(position: int, *, n: int = 1, total: int = 5000, alt: str | None = None) -> str:
    """At a 1-based position of chr1."""
    ref = GENOME["chr1"][position - 1]
    return f"chr1\t{position}\t{ref}\t{alt or other(ref)}\t{n}\t{total}\n"


def test_positions_are_1_based_and_ends_exclusive(two, tmp_path: Path):
    inside = {101: "context", 102: "context", 103: "core", 104: "core", 105: "context",
              106: "core", 107: "core", 108: "context", 115: "context"}  # fmt: skip
    for position, part in inside.items():
        counts, _ = count(two, tmp_path, snp(position))
        assert counts == {"context": 0, "core": 0} | {part: 1}, position
    for position in (100, 116):
        counts, made = count(two, tmp_path, snp(position))
        assert counts == {"context": 0, "core": 0}
        assert made.left_out == {"outside the scored sequences": 1}


def test_minor_alleles_of_either_kind(two, tmp_path: Path):
    singles = {1: 1, 2: 0, 4999: 1, 4998: 0, 2500: 0}
    for n, expected in singles.items():
        _, made = count(two, tmp_path, snp(101, n=n))
        assert rows_of(made)["TF", "context", None]["singletons"] == expected, n
    for n in (0, 5000):
        _, made = count(two, tmp_path, snp(101, n=n))
        assert made.left_out == {"one allele alone in these samples": 1}
    assert count(two, tmp_path, snp(101, total=999))[0]["context"] == 0
    assert count(two, tmp_path, snp(101, total=1000))[0]["context"] == 1
    assert count(two, tmp_path, snp(101, total=999), least=999)[0]["context"] == 1


def test_alleles_count_once_and_those_of_one_position_apart(two, tmp_path: Path):
    ref = GENOME["chr1"][107]
    alts = [b for b in "ACGT" if b != ref]
    lines = snp(108, alt=alts[0]) + snp(108, alt=alts[1]) + snp(108, alt=alts[0], n=7)
    counts, made = count(two, tmp_path, lines)
    assert counts["context"] == 2
    assert rows_of(made)["TF", "context", None]["singletons"] == 2
    assert made.left_out == {"the same allele again": 1}


def test_what_is_no_snp_or_not_of_the_genome_is_left_out(two, tmp_path: Path):
    text = GENOME["chr1"]
    ref = text[100]
    lines = snp(101) + snp(102) + snp(108)
    lines += f"chr1\t101\t{text[100:102]}\t{other(text[100])}{other(text[101])}\t1\t5000\n"
    lines += f"chr1\t101\t{ref}\t{ref}A\t1\t5000\n" + f"chr1\t101\tN\t{ref}\t1\t5000\n"
    lines += f"chr1\t101\t{ref}\t{ref}\t1\t5000\n" + "chr9\t5\tA\tC\t1\t5000\n"
    lines += f"chr1\t109\t{other(text[108])}\t{text[108]}\t1\t5000\n"
    counts, made = count(two, tmp_path, lines)
    assert counts == {"context": 3, "core": 0}
    assert made.left_out == {
        "a change of several bases": 1, "an insertion or deletion": 1, "ALT is REF": 1,
        "a base other than A C G T in REF or ALT": 1, "outside the scored sequences": 1,
        "REF is not the base of the sequence": 1,
    }  # fmt: skip


def test_top_bases_take_the_highest_of_their_scores(two, tmp_path: Path):
    """Of 115 - 100 - 4 + 8 context bases those with most; 108 has 2 / 25 and 4 / 30."""
    _, made = count(two, tmp_path, "".join(snp(p) for p in (101, 107, 108, 109, 110)),
                    shares=(0.1, 0.9))  # fmt: skip
    rows = rows_of(made)
    # context: 11 bases of chr1 less 107's two sequences' cores, and 8 of chr2 with 0.1 each
    assert rows["TF", "context", None]["bases"] == 11 + 8
    top = rows["TF", "top", 0.1]
    assert top["bases"] == 2  # ceil(1.9): 4 / 30 at 108 and 3 / 25 at 109
    assert top["least_score"] == pytest.approx(3 / 25)
    assert (top["snps"], top["others"]) == (2, 2)
    # no base of score 0 is top, however many are asked for
    wide = rows["TF", "top", 0.9]
    assert wide["least_score"] == 0
    assert wide["bases"] == 2 + 8
    assert wide["snps"] == 2


def test_a_blocked_core_has_no_base_to_compare(tmp_path: Path):
    text = GENOME["chr1"]
    blocked = text[100:103] + "NN" + text[105:110]
    made = sites_of(tmp_path / "b", [blocked], np.ones((1, 10)), [(3, 5)], starts=[100])
    counts, _ = count(made, tmp_path, snp(104) + snp(105))
    assert counts == {"context": 0, "core": 2}


# ------------------------------------------------------------------------------------- files


def test_counts_of_info(tmp_path: Path):
    path = tmp_path / "v.vcf"
    lines = [
        "chr1\t5\ta\tA\tC,G\t.\t.\tAC=3,4;AN=9;controls_AC=1,0;controls_AN=4",
        "chr1\t6\tb\tA\tC,AT\t.\t.\tAN=9;AC=3,4",
        "chr1\t7\tc\tA\tC\t.\t.\t.",
        "chr1\t8\td\tA\tC\t.\t.\tAC=.;AN=9",
        "chr1\t9\te\tA\tC\t.\t.\tXAC=5;AN=9;AC",
    ]
    path.write_text(HEAD + "\n".join(lines))
    from collections import Counter

    skipped: Counter[str] = Counter()
    found = [(e.variant.start, e.variant.alternative, e.n, e.of)
             for e in read_allele_counts(path, skipped=skipped)]  # fmt: skip
    assert found == [(4, "C", 3, 9), (4, "G", 4, 9), (5, "C", 3, 9)]
    assert skipped == {"an insertion or deletion": 1, "without counts of alleles in INFO": 3}
    controls = read_allele_counts(path, count="controls_AC", total="controls_AN")
    assert [(e.n, e.of) for e in controls] == [(1, 4), (0, 4)]
    for info, message in (
        ("AC=1,2;AN=9", "line 3: found 2 AC and 1 AN, expected 1, as ALT has alleles, and 1"),
        ("AC=x;AN=9", "line 3: found AC 'x', expected a whole number"),
        ("AC=-1;AN=9", "line 3: found AC '-1'"),
        ("AC=10;AN=9", "line 3: found AC 10 above AN 9"),
    ):
        path.write_text(f"{HEAD}chr1\t5\t.\tA\tC\t.\t.\t{info}\n")
        with pytest.raises(InputError, match=re.escape(message)):
            list(read_allele_counts(path))
    path.write_text("#CHROM\tPOS\tID\tREF\tALT\nchr1\t5\t.\tA\tC\n")
    with pytest.raises(InputError, match="has no column INFO"):
        list(read_allele_counts(path))


def test_a_vcf_file_and_a_table_are_the_same(tmp_path: Path):
    one, _ = world(tmp_path, "one", 1)
    snps = snps_of(3)
    write_vcf(tmp_path / "v.vcf", snps)
    (tmp_path / "v.gz").write_bytes(gzip.compress((tmp_path / "v.vcf").read_bytes()))
    write_tsv(tmp_path / "v.tsv", snps)
    write_tsv(tmp_path / "w.tsv", snps, head="# no titles\n")
    tables = [
        modelkit.singletons({"TF": one}, tmp_path / f"{i}.parquet", variants=tmp_path / name).table
        for i, name in enumerate(("v.vcf", "v.gz", "v.tsv", "w.tsv"))
    ]
    assert tables[0].num_rows == 4
    assert all(each.equals(tables[0]) for each in tables)


def test_the_command_writes_table_and_figure(tmp_path: Path):
    one, _ = world(tmp_path, "one", 1)
    write_vcf(tmp_path / "v.vcf", snps_of(2))
    words = ["singletons", f"TF={one.path}", "--variants", str(tmp_path / "v.vcf"), "--share",
             "0.2", "-o", str(tmp_path / "o.parquet"),
             "--figure", str(tmp_path / "o.png")]  # fmt: skip
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 0, said.stderr
    assert re.search(r"TF: top 20 %: [0-9]+ SNPs, [0-9.]+ % singletons, P = ", said.stderr)
    assert re.search(r"left out +[0-9]+  fewer alleles called", said.stderr)
    assert pq.read_table(tmp_path / "o.parquet").num_rows == 3
    assert (tmp_path / "o.png").read_bytes()[:4] == b"\x89PNG"
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 1
    assert "exists" in again.stderr


def test_what_cannot_be_counted_is_said_in_a_line(two, tmp_path: Path):
    shifted = "".join(
        f"chr1\t{p + 1}\t{GENOME['chr1'][p - 1]}\t{other(GENOME['chr1'][p - 1])}\t1\t5000\n"
        for p in range(100, 115)
    )
    for lines, message in (
        (shifted, "expected the assembly of their genome, and 1-based positions"),
        ("1\t101\tA\tC\t1\t5000\n", "has contigs 1, the sequences chr1, chr2"),
        ("chr1\t101\tA\tC\t1\n", "line 1: found 'chr1"),
        (snp(101) + "chr1\tx\tA\tC\t1\t5000\n", "line 2: found 'chr1"),
        ("chr1\t0\tA\tC\t1\t5000\n", "line 1: found position 0"),
        ("chr1\t101\tA\tC\t6\t5\n", "count 6 of 5"),
    ):
        with pytest.raises(InputError, match=re.escape(message)) as said:
            count(two, tmp_path, lines)
        assert "\n" not in str(said.value)
    for options, message in (
        ({"shares": (0.0,)}, "shares: found 0.0"), ({"shares": (1.0,)}, "shares: found 1.0"),
        ({"least": 0}, "least: found 0"), ({"figure": tmp_path / "no" / "x.png"}, "does not exist"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=re.escape(message)):
            count(two, tmp_path, snp(101), **options)
    with pytest.raises(InputError, match="no such file"):
        modelkit.singletons({"TF": two}, tmp_path / "p.parquet", variants=tmp_path / "none")
    plain = attributions_of(tmp_path / "plain", ["ACGT"], [[1, 1, 1, 1]])
    with pytest.raises(InputError, match="has no core motifs"):
        modelkit.singletons({"TF": plain}, tmp_path / "p.parquet", variants=tmp_path / "v.tsv")
    unbound = sites_of(tmp_path / "u", ["ACGT"], [[1, 1, 1, 1]], [(0, 2)], labels=[[0]])
    with pytest.raises(InputError, match="no bound sequence has a score, of 0 bound and 1 others"):
        modelkit.singletons({"TF": unbound}, tmp_path / "p.parquet", variants=tmp_path / "v.tsv")
