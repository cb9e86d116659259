"""Names of motifs, against a slow Tomtom, the MEME Suite's own hits, and motifs that are known."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tomtom_oracle as oracle
from click.testing import CliRunner

from kmerengine import InputError, Motif, read_motifs, write_meme
from modelkit.cli import main
from modelkit.interpretation.motifs.naming import MotifMatches, q_values, tomtom
from modelkit.interpretation.motifs.seqlet_tables import matches_schema

WORDS = ("GATAAGGC", "TGACTCAT", "CCGGAAGT", "ATTTGCATA")
JASPAR = "motifs/JASPAR_CORE_2016_vertebrates.meme"

# Filters of Koo and Eddy's CNN-4 (10,000ths of A C G T, position by position; their files say that
# each has as many sites as positions) and what `tomtom -evalue -thresh 0.1` of the MEME Suite
# 4.12.0 found for them in JASPAR CORE 2016 vertebrates: target, p-value, offset, overlap, strand.
FILTERS = {
    "filter1": "2709 2172 4021 1097  2789 4679 0064 2467  3283 2475 3139 1103  0216 9663 0023 0097 "
    "0782 0000 8434 0784  0458 1758 0437 7347  5201 0000 4255 0545  0200 6032 0368 3401 "
    "2317 1893 0445 5345",
    "filter2": "1960 3122 0555 4364  0408 3089 1885 4618  2495 5816 0039 1650  0524 9391 0024 0061 "
    "0390 5379 3907 0324  0435 0012 8182 1371  1687 0000 5885 2427  5796 1759 2385 0059 "
    "5226 0362 1669 2742",
    "filter13": "0656 6673 1453 1219  3693 2402 0625 3279  4887 0635 3797 0682  7531 0120 0688 1660"
    " 3560 0193 0009 6237  0413 0175 0183 9228  0010 0000 6869 3121  0000 0010 9990 0000 "
    "0269 7724 0000 2006  0258 2431 1622 5689  1829 1450 6427 0294  6053 2919 0769 0259",
    "filter18": "0779 4789 0642 3790  2394 5947 1025 0634  5574 0212 3863 0350  0205 0868 7933 0994"
    " 5159 4841 0000 0000  9998 0000 0000 0002  1484 2333 5310 0872  2012 1093 4766 2130 "
    "1587 1370 1183 5860",
    "filter22": "2170 4325 2576 0928  4508 1980 2116 1396  3034 2775 0787 3405  0458 0000 0970 8572"
    " 0000 0043 0820 9137  3691 5634 0675 0000  6387 3521 0000 0092  1466 0436 4937 3161 "
    "0732 1657 6578 1033  0031 0514 6877 2578  4137 2727 2032 1104  6219 1888 0785 1109 "
    "3389 1866 2826 1919",
}
HITS = {
    ("filter1", "MA1099.1"): (2.03476e-05, 1, 9, "-"),
    ("filter13", "MA0502.1"): (2.3304e-05, 0, 12, "-"),
    ("filter13", "MA0095.2"): (0.000101597, 0, 12, "+"),
    ("filter18", "MA0144.2"): (9.27744e-05, 4, 7, "-"),
    ("filter22", "MA0518.1"): (6.45257e-06, 1, 13, "-"),
    ("filter22", "MA0144.2"): (0.000177891, -2, 11, "+"),
}


def published() -> list[Motif]:
    made = []
    for name, numbers in FILTERS.items():
        matrix = np.array(numbers.split(), float).reshape(-1, 4)
        matrix /= matrix.sum(axis=1, keepdims=True)
        made.append(Motif(name=name, probabilities=matrix, nsites=len(matrix)))
    return made


@pytest.fixture(scope="module")
def database():
    """Four words and sixty matrices of chance, of several widths."""
    rng = np.random.default_rng(0)
    words = [
        Motif(name=f"db{i}", alt_name=f"TF{i}", probabilities=np.array(
            [[0.91 if b == each else 0.03 for each in "ACGT"] for b in word]))
        for i, word in enumerate(WORDS)
    ]  # fmt: skip
    widths = rng.integers(5, 16, 60).tolist()
    return words + [
        Motif(name=f"other{i}", probabilities=rng.dirichlet([0.4] * 4, width))
        for i, width in enumerate(widths)
    ]


# ----------------------------------------------------------------------------------- the numbers


def test_q_values_by_hand_and_by_definition():
    assert q_values(np.array([0.01, 0.04, 0.03, 0.5])).tolist() == pytest.approx(
        [0.04, 4 * 0.04 / 3, 4 * 0.04 / 3, 0.5]
    )
    p = np.random.default_rng(0).random((3, 20)) ** 3
    p[0, 4] = p[0, 9]
    for row, q in zip(p, q_values(p), strict=True):
        ranked = np.sort(row)
        for value, found in zip(row, q, strict=True):
            rates = [20 * x / np.sum(row <= x) for x in ranked if x >= value]
            assert found == pytest.approx(min([*rates, 1.0]))


def agree_with_the_oracle(queries, targets):
    """p, score and alignment of every pair; of equally good alignments any."""
    rows = tomtom(queries, targets, q=1).table.to_pylist()
    found = {(row["query"], row["target"]): row for row in rows}
    assert len(found) == len(queries) * len(targets)
    for query in queries:
        matches = oracle.compare(query.smoothed(), [t.smoothed() for t in targets])
        for target, match in zip(targets, matches, strict=True):
            row = found[query.name, target.name]
            assert row["score"] == match.score
            assert row["p"] == pytest.approx(match.p, rel=1e-9, abs=0)
            assert row["e"] == pytest.approx(match.p * len(targets), rel=1e-9, abs=0)
            assert (row["offset"], row["overlap"], row["strand"]) in match.alignments


def test_p_values_are_those_of_a_plain_tomtom(database):
    rng = np.random.default_rng(1)
    queries = [
        Motif(name=f"query{width}", probabilities=rng.dirichlet([0.3] * 4, width))
        for width in (1, 4, 9, 19)
    ]
    agree_with_the_oracle([*queries, database[0], database[7]], database)


def test_p_values_of_the_oracle_by_hand():
    """One column of A and C against targets of one column: every chance can be counted."""
    columns = np.eye(4)[[0, 0, 1, 2]]  # on both strands A A C G and T T G C
    matches = oracle.compare(np.eye(4)[[0]], [each[None] for each in columns])
    # A is met by 2 of the 8 columns; likelier strand of two: 1 - (3/4)^2
    assert [match.p for match in matches[:2]] == pytest.approx([1 - (3 / 4) ** 2] * 2)
    assert [match.p for match in matches[2:]] == [1.0, 1.0]  # as good as the worst
    assert matches[0].alignments == {(0, 1, "+")}
    # of two columns, laid over one: either column on it, the other counts as the median, 0
    two = oracle.compare(np.eye(4)[[0, 1]], [each[None] for each in columns])
    met = {"A": 2 / 8, "C": 2 / 8}  # columns equal to the first and to the second
    p = 1 - (1 - met["A"]) * (1 - met["C"])
    assert two[0].p == pytest.approx(p * (2 - p))
    assert two[0].alignments == {(0, 1, "+")}
    assert two[2].alignments == {(-1, 1, "+")}  # C lies on the second column


@pytest.mark.data
def test_p_values_in_jaspar_are_those_of_a_plain_tomtom(data):
    targets = read_motifs(data / JASPAR)
    agree_with_the_oracle([targets[40], targets[333]], targets)


@pytest.mark.data
def test_hits_are_those_of_the_meme_suite(data):
    """Published filters: the same hits at E <= 0.1, the same p-values and alignments."""
    found = tomtom(published(), data / JASPAR, e=0.1).table.to_pylist()
    rows = {(row["query"], row["target"]): row for row in found}
    assert rows.keys() == HITS.keys()
    for key, (p, offset, overlap, strand) in HITS.items():
        row = rows[key]
        assert row["p"] == pytest.approx(p, rel=0.003)
        assert (row["offset"], row["overlap"], row["strand"]) == (offset, overlap, strand)


@pytest.mark.data
def test_pearson_correlation_would_name_other_filters(data):
    """Why columns are compared by distance: what was published is not what correlations give."""
    targets = [each.smoothed() for each in read_motifs(data / JASPAR)]
    expected = {name for name, _ in HITS}
    for likeness, agrees in ((oracle.euclidean, True), (oracle.pearson, False)):
        named = set()
        for query in published():
            matches = oracle.compare(query.smoothed(), targets, likeness)
            if min(match.p for match in matches) * len(targets) <= 0.1:
                named.add(query.name)
        assert (named == expected) is agrees


@pytest.mark.data
def test_jaspar_s_motifs_are_named_after_themselves(data):
    database = read_motifs(data / "motifs/JASPAR2024_CORE_vertebrates_non-redundant.meme")
    some = [each for each in database[::25] if each.total_information > 8]
    turned = [each.reverse_complement() for each in some]
    best = tomtom(turned, database).best()
    assert [best[each.name]["target"] for each in some] == [each.name for each in some]


# ------------------------------------------------------------------------- what is given and kept


def test_a_motif_is_found_again_on_both_strands(database, tmp_path):
    write_meme(tmp_path / "db.meme", database)
    turned = [each.reverse_complement() for each in database[:4]]
    found = tomtom(turned, tmp_path / "db.meme", tmp_path / "t.parquet")
    assert {name: (row["target"], row["strand"]) for name, row in found.best().items()} == {
        f"db{i}": (f"db{i}", "-") for i in range(4)
    }
    again = MotifMatches.open(tmp_path / "t.parquet")
    assert again.table.to_pylist() == found.table.to_pylist()
    rows = found.table.to_pylist()
    assert all(row["q"] <= 0.05 and row["p"] <= row["q"] for row in rows)
    assert found.notes == []
    everything = tomtom(database[:2], database, q=1)
    assert len(everything) == 2 * 64
    for name in ("db0", "db1"):
        p = [r["p"] for r in everything.table.to_pylist() if r["query"] == name]
        q = [r["q"] for r in everything.table.to_pylist() if r["query"] == name]
        assert p == sorted(p)
        assert q == pytest.approx(q_values(np.array(p)).tolist())
    few = tomtom(database[:2], database[:10], q=1)
    assert few.notes == ["the database holds 10 motifs: below 50 p-values depend much on which"]


def test_offsets_count_from_the_query_s_first_position(database):
    """A longer query starts before the target: below 0; a part of it starts later: above."""
    target = database[3]
    flank = np.full((2, 4), 0.25)
    longer = Motif(name="longer", probabilities=np.vstack([flank, target.probabilities]))
    part = Motif(name="part", probabilities=target.probabilities[2:])
    best = tomtom([longer, part, part.reverse_complement()], database, q=1).table.to_pylist()
    rows = [row for row in best if row["target"] == "db3"]
    assert [(r["offset"], r["overlap"], r["strand"]) for r in rows] == [
        (-2, 9, "+"), (2, 7, "+"), (0, 7, "-"),
    ]  # fmt: skip


def test_q_and_e_both_hold(database):
    queries = database[::9]
    every = [dict(row) for row in tomtom(queries, database, q=1).table.to_pylist()]
    limits = ({}, {"q": 0.5}, {"e": 0.1}, {"e": 2}, {"q": 0.5, "e": 2}, {"q": 0.01, "e": 64})
    sizes = []
    for given in limits:
        q, e = given.get("q", 1 if given else 0.05), given.get("e", 64)
        found = tomtom(queries, database, **given).table.to_pylist()
        assert found == [row for row in every if row["q"] <= q and row["e"] <= e]
        sizes.append(len(found))
    assert 0 < sizes[4] < min(sizes[1], sizes[3])  # neither limit alone gives as few
    assert tomtom(queries, database, e=64).table.num_rows == len(every)


def test_what_tomtom_refuses(database, tmp_path):
    with pytest.raises(InputError, match="q: found 0"):
        tomtom(database, database, q=0)
    with pytest.raises(InputError, match="q: found 0"):
        tomtom(database, database, q=0, e=1)
    for e in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"e: found {e}, expected a number of more than 0"):
            tomtom(database, database, e=e)
    for threads in (0, -3):
        with pytest.raises(InputError, match=f"threads: found {threads}, expected at least 1"):
            tomtom(database, database, threads=threads)
    with pytest.raises(InputError, match=r"expected one of \.parquet \.tsv"):
        tomtom(database, database, tmp_path / "t.txt")
    with pytest.raises(InputError, match="query: found no motifs"):
        tomtom([], database)


def test_more_threads_than_processors_are_no_error(database):
    alone, many = (tomtom(database[:2], database, q=1, threads=n).table for n in (1, 1000))
    assert len(alone) == 2 * len(database)
    assert many.equals(alone)


def test_a_file_without_e_values_is_refused(database, tmp_path):
    tomtom(database[:4], database, tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.column_names == matches_schema().names
    about = json.loads(table.schema.metadata[b"kmerengine"])
    assert (about["parameters"]["q"], about["parameters"]["e"]) == (0.05, None)
    pq.write_table(table.drop_columns(["e"]), tmp_path / "old.parquet")
    with pytest.raises(InputError, match="no column 'e'"):
        MotifMatches.open(tmp_path / "old.parquet")


def test_the_command(database, tmp_path):
    write_meme(tmp_path / "db.meme", database)
    write_meme(tmp_path / "some.meme", database[:4])
    words = ["tomtom", str(tmp_path / "some.meme"), str(tmp_path / "db.meme")]
    said = CliRunner().invoke(main, [*words, "--e", "0.1", "-q"])
    assert (said.exit_code, said.stderr) == (0, "")
    best = tomtom(tmp_path / "some.meme", tmp_path / "db.meme", e=0.1).best()
    assert [line.split("\t") for line in said.stdout.splitlines()] == [
        [name, row["target"], row["target_alt_name"], f"{row['q']:.3g}", f"{row['e']:.3g}"]
        for name, row in best.items()
    ]
    out = tmp_path / "t.tsv"
    said = CliRunner().invoke(main, [*words, "-o", str(out), "--q", "0.5", "--e", "2"])
    assert said.exit_code == 0, said.output
    found = tomtom(tmp_path / "some.meme", tmp_path / "db.meme", q=0.5, e=2).table
    lines = [line.split("\t") for line in out.read_text().splitlines()]
    assert lines[0] == found.column_names == pa.schema(matches_schema()).names
    assert [float(line[4]) for line in lines[1:]] == found["e"].to_pylist()
    assert f"{len(found)} matches" in said.stderr
    said = CliRunner().invoke(main, ["tomtom", "--help"])
    assert "-q is --quiet" in " ".join(said.output.split())
