"""Motif files of every format read back to the numbers in them; bad ones are one line."""

import gzip
import io
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmerengine import InputError, Motif, read_motifs, write_meme

MINIMAL = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.3 C 0.2 G 0.2 T 0.3

MOTIF MA0001.1 Alpha
letter-probability matrix: alength= 4 w= 3 nsites= 17 E= 4.1e-009
 0.500000  0.250000  0.125000  0.125000
 0.000000  1.000000  0.000000  0.000000
 0.1\t0.2\t0.3\t0.4

URL http://example.org/MA0001.1

MOTIF Beta
letter-probability matrix:
1 0 0 0
0 0 0 1
"""

FULL = """********************************************************************************
MEME - Motif discovery tool
********************************************************************************
MEME version 5.4.1 (Release date: Sat Aug 21 19:23:23 2021 -0700)

TRAINING SET
PRIMARY SEQUENCES= crp0.s
ALPHABET= ACGT
Sequence name            Weight Length  Sequence name            Weight Length
ce1cg                    1.0000    105  ara                      1.0000    105

Letter frequencies in dataset:
A 0.304 C 0.196 G 0.196 T 0.304
Background letter frequencies (from file dataset with add-one prior applied):
A 0.304 C 0.196 G 0.196 T 0.304
Background model order: 0

MOTIF TGTGA MEME-1\twidth =   3  sites =  17  llr = 185  p-value = 1.9e-020  E-value = 4.1e-009

\tMotif TGTGA MEME-1 Description
Simplified        A  :::
pos.-specific     C  ::1

\tMotif TGTGA MEME-1 position-specific scoring matrix
--------------------------------------------------------------------------------
log-odds matrix: alength= 4 w= 3 n= 1566 bayes= 6.65685 E= 4.1e-009
  -200    -73  -1073    107
 -1073  -1073    222  -1073
  -200  -1073  -1073    154
--------------------------------------------------------------------------------

\tMotif TGTGA MEME-1 position-specific probability matrix
--------------------------------------------------------------------------------
letter-probability matrix: alength= 4 w= 3 nsites= 17 E= 4.1e-009
 0.117647  0.117647  0.000000  0.764706
 0.000000  0.000000  1.000000  0.000000
 0.117647  0.000000  0.000000  0.882353
--------------------------------------------------------------------------------

MOTIF  2\twidth =   2  sites =   5  llr = 49  E-value = 1.0e+001
log-odds matrix: alength= 4 w= 2 n= 1566 bayes= 6.6 E= 1
 100 0 -100 -100
 0 0 0 0
"""

JASPAR = """>MA0004.1 Arnt
A  [ 4 19  0  0  0  0 ]
C  [16  0 20  0  0  0 ]
G  [ 0  1  0 20  0 20 ]
T  [ 0  0  0  0 20  0 ]

>MA0006.1\tAhr::Arnt
A  [     3.5      0      0 ]
C  [     8      0     23 ]
G  [     2     23      0 ]
T  [    11      1      1 ]
"""

RAW_JASPAR = """>MA0004.1 Arnt
 4 19  0  0  0  0
16  0 20  0  0  0
 0  1  0 20  0 20
 0  0  0  0 20  0
"""

TRANSFAC = """VV  TRANSFAC MATRIX TABLE, Release 7.0
XX
//
AC  M00001
XX
ID  V$MYOD_01
XX
NA  MyoD
XX
DE  myoblast determination gene product
BF  T00526; MyoD; Species: mouse, Mus musculus.
P0      A      C      G      T
01      1      2      2      0      S
02      2      1      2      0      R
03      3      0      1      1      A
XX
BA  5 functional elements in 3 genes
XX
//
AC MA0002.1
XX
ID RUNX1
XX
PO\tT\tG\tC\tA
1\t4\t3\t2\t1
2\t0.5\t0\t0\t9.5
XX
CC tax_group:vertebrates
XX
//
"""

HOCOMOCO = """>AHR_HUMAN.H11MO.0.B
40.5\t18.25\t56.25\t39.0
10.75\t11.75\t17.5\t114.0
153.0\t0.5\t0.5\t0.0
>TWO
0.25\t0.25\t0.25\t0.25
0\t0\t0.999\t0.001
"""

FILES = {
    "meme": MINIMAL,
    "jaspar": JASPAR,
    "transfac": TRANSFAC,
    "hocomoco": HOCOMOCO,
}


def written(tmp_path, text, name="m.txt"):
    path = tmp_path / name
    path.write_text(text)
    return path


def read(tmp_path, text, **options):
    return read_motifs(written(tmp_path, text), **options)


# ------------------------------------------------------------------------------------ formats


def test_minimal_meme(tmp_path):
    first, second = read(tmp_path, MINIMAL)
    assert (first.name, first.alt_name) == ("MA0001.1", "Alpha")
    assert (first.nsites, first.e_value) == (17, 4.1e-9)
    assert first.url == "http://example.org/MA0001.1"
    assert first.source == "m.txt"
    assert first.probabilities.tolist() == [
        [0.5, 0.25, 0.125, 0.125],
        [0, 1, 0, 0],
        pytest.approx([0.1, 0.2, 0.3, 0.4]),
    ]
    assert first.counts is None
    assert first.background.tolist() == [0.3, 0.2, 0.2, 0.3]
    assert (second.name, second.alt_name, second.consensus) == ("Beta", "", "AT")
    assert (second.nsites, second.e_value, second.url) == (None, None, "")


def test_full_meme_with_log_odds(tmp_path):
    first, second = read(tmp_path, FULL)
    assert (first.name, first.alt_name, first.nsites) == ("TGTGA", "MEME-1", 17)
    assert first.probabilities[0] == pytest.approx([0.117647, 0.117647, 0, 0.764706])
    assert len(first) == 3
    assert first.background.tolist() == [0.304, 0.196, 0.196, 0.304]
    assert (second.name, second.alt_name) == ("2", "")
    odds = np.array([0.304 * 2, 0.196, 0.196 / 2, 0.304 / 2])  # scores are 100 log2(p / b)
    assert second.probabilities[0] == pytest.approx(odds / odds.sum())
    assert second.probabilities[1] == pytest.approx([0.304, 0.196, 0.196, 0.304])


@pytest.mark.parametrize(
    "alphabet",
    [
        "ALPHABET= ACGT",
        "ALPHABET=ACGT",
        "ALPHABET DNA",
        'ALPHABET "DNA" DNA-LIKE\nA "Adenine" CC0000 ~ T "Thymine" 008000\n'
        'C "Cytosine" 0000CC ~ G "Guanine" FFB300\nN "Any base" = ACGT\nEND ALPHABET',
        "",
    ],
)
def test_meme_s_ways_to_say_dna(tmp_path, alphabet):
    text = MINIMAL.replace("ALPHABET= ACGT", alphabet)
    assert [motif.name for motif in read(tmp_path, text)] == ["MA0001.1", "Beta"]


def test_jaspar(tmp_path):
    first, second = read(tmp_path, JASPAR)
    assert (first.name, first.alt_name, first.nsites) == ("MA0004.1", "Arnt", 20)
    assert first.counts is not None
    assert first.counts[0].tolist() == [4, 16, 0, 0]
    assert first.probabilities[1].tolist() == [0.95, 0, 0.05, 0]
    assert (second.alt_name, second.consensus, second.nsites) == ("Ahr::Arnt", "TGC", 24.5)
    assert second.probabilities[2] == pytest.approx([0, 23 / 24, 0, 1 / 24])
    (raw,) = read(tmp_path, RAW_JASPAR)
    np.testing.assert_array_equal(raw.probabilities, first.probabilities)
    shuffled = "\n".join(JASPAR.splitlines()[i] for i in (0, 4, 2, 1, 3)).replace("[", "").lower()
    (other,) = read(tmp_path, shuffled.replace("]", ""))
    np.testing.assert_array_equal(other.probabilities, first.probabilities)


def test_transfac(tmp_path):
    first, second = read(tmp_path, TRANSFAC)
    assert (first.name, first.alt_name, first.nsites) == ("M00001", "MyoD", 5)
    assert first.probabilities.tolist() == [
        [0.2, 0.4, 0.4, 0],
        [0.4, 0.2, 0.4, 0],
        [0.6, 0, 0.2, 0.2],
    ]
    assert (second.name, second.alt_name) == ("MA0002.1", "RUNX1")
    assert second.probabilities[0].tolist() == [0.1, 0.2, 0.3, 0.4]  # the header orders them
    assert second.counts is not None
    assert second.counts[1].tolist() == [9.5, 0, 0, 0.5]
    unended = TRANSFAC.removesuffix("//\n")
    assert [m.name for m in read(tmp_path, unended)] == ["M00001", "MA0002.1"]


def test_hocomoco(tmp_path):
    first, second = read(tmp_path, HOCOMOCO)
    assert (first.name, first.nsites) == ("AHR_HUMAN.H11MO.0.B", 154)
    assert first.probabilities[1] == pytest.approx(np.array([10.75, 11.75, 17.5, 114]) / 154)
    assert second.counts is None  # probabilities: none above 1, not all whole
    assert second.probabilities[1].tolist() == [0, 0, 0.999, 0.001]
    assert second.nsites is None


@pytest.mark.parametrize("format", FILES)
def test_compressed_with_other_line_ends_and_spaces_it_is_the_same(tmp_path, format):
    text = FILES[format]
    plain = read(tmp_path, text, format=format)
    path = tmp_path / "m.gz"
    path.write_bytes(gzip.compress(("\n\n" + text.replace("\n", "  \r\n")).encode("utf-8-sig")))
    for one, other in zip(plain, read_motifs(path), strict=True):
        assert (one.name, one.alt_name, one.nsites) == (other.name, other.alt_name, other.nsites)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_scores_out_of_range_are_refused(tmp_path):
    with pytest.raises(InputError, match="found scores out of range in motif '2'"):
        read(tmp_path, FULL.replace(" 100 0 -100 -100", " 1e308 0 0 0"))


def test_small_rounding_is_taken_away(tmp_path):
    (found, _) = read(tmp_path, MINIMAL.replace("0.1\t0.2\t0.3\t0.4", "0.1 0.2 0.3 0.33"))
    assert found.probabilities[2] == pytest.approx(np.array([0.1, 0.2, 0.3, 0.33]) / 0.93)


# ---------------------------------------------------------------------------------- real files


@pytest.mark.data
def test_real_databases(data):
    sizes = {
        "JASPAR_CORE_2016_vertebrates.meme": 519,
        "JASPAR2024_CORE_vertebrates_non-redundant.meme": 879,
        "jolma_selex.meme": 295,
    }
    for name, n in sizes.items():
        motifs = read_motifs(data / "motifs" / name)
        assert len(motifs) == n
        assert all(4 <= len(motif) <= 40 for motif in motifs)


@pytest.mark.data
def test_lengths_and_bits_of_koo_s_twelve_motifs(data):
    known = {
        "MA0151.1": (6, 9.9), "MA0466.2": (10, 12.8), "MA0477.1": (11, 14.3),
        "MA0062.2": (11, 13.3), "MA0496.1": (15, 13.9), "MA0058.3": (10, 11.4),
        "MA0052.3": (12, 17.1), "MA0502.1": (15, 14.5), "MA0079.3": (11, 13.3),
        "MA0083.3": (16, 21.0), "MA0137.3": (11, 14.6), "MA0095.2": (12, 14.4),
    }  # fmt: skip
    motifs = read_motifs(data / "motifs/JASPAR_CORE_2016_vertebrates.meme")
    found = {m.name: (len(m), round(m.total_information, 1)) for m in motifs if m.name in known}
    assert found == known


@pytest.mark.data
def test_a_database_written_and_read_is_the_same(data, tmp_path):
    motifs = read_motifs(data / "motifs/JASPAR_CORE_2016_vertebrates.meme")
    write_meme(tmp_path / "again.meme", motifs)
    for one, other in zip(motifs, read_motifs(tmp_path / "again.meme"), strict=True):
        assert (one.name, one.alt_name, one.url) == (other.name, other.alt_name, other.url)
        assert (one.nsites, one.e_value) == (other.nsites, other.e_value)
        np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-15, atol=0)


# -------------------------------------------------------------------------------------- writer

MOTIFS = st.lists(
    st.lists(
        st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), min_size=1, max_size=6
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=50)
@given(MOTIFS, st.integers(0, 9))
def test_what_is_written_is_read_by_us_and_others(tmp_path_factory, matrices, seed):
    path = tmp_path_factory.mktemp("meme") / "m.meme"
    background = [0.3, 0.2, 0.2, 0.3] if seed % 2 else [0.25] * 4
    motifs = [
        Motif.from_counts(f"m{i}", matrix, background=background, e_value=0.5 * (seed % 3))
        for i, matrix in enumerate(matrices)
    ]
    write_meme(path, motifs)
    found = read_motifs(path)
    assert [motif.name for motif in found] == [motif.name for motif in motifs]
    for one, other in zip(motifs, found, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-15, atol=1e-300)
        assert other.background.tolist() == background
        assert (one.nsites, one.e_value) == (other.nsites, other.e_value)


def test_the_text_that_is_written(tmp_path):
    motifs = [
        Motif.from_counts("A1", [[3, 1, 0, 0]], alt_name="two words", url="http://x\ny"),
        Motif(name="B", probabilities=[[0, 0, 0.5, 0.5]], nsites=0.2),
    ]
    write_meme(tmp_path / "m.meme", motifs)
    assert (tmp_path / "m.meme").read_text() == (
        "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\n"
        "A 0.25 C 0.25 G 0.25 T 0.25\n\n"
        "MOTIF A1 two_words\nletter-probability matrix: alength= 4 w= 1 nsites= 4 E= 0\n"
        " 0.75 0.25 0.0 0.0\nURL http://x y\n\n"
        "MOTIF B\nletter-probability matrix: alength= 4 w= 1 nsites= 1 E= 0\n 0.0 0.0 0.5 0.5\n"
    )


def test_other_readers_see_the_same_motifs(tmp_path):
    import memelite.io as memelite
    motifs = read(tmp_path, MINIMAL)
    path = tmp_path / "again.meme"
    write_meme(path, motifs)
    found = memelite.read_meme(str(path))
    assert list(found) == ["MA0001.1 Alpha", "Beta"]
    for one, other in zip(motifs, found.values(), strict=True):
        np.testing.assert_array_equal(one.probabilities, other.T)


def test_biopython_reads_it(tmp_path):
    import Bio.motifs as biopython
    motifs = read(tmp_path, MINIMAL)
    write_meme(tmp_path / "again.meme", motifs)
    record = biopython.parse(io.StringIO((tmp_path / "again.meme").read_text()), "minimal")
    assert [motif.name for motif in record] == ["MA0001.1", "Beta"]
    assert record[0].background == {"A": 0.3, "C": 0.2, "G": 0.2, "T": 0.3}
    assert record[0].consensus == "ACT"
    assert record[0].num_occurrences == 17


def test_what_cannot_be_written(tmp_path):
    one, other = read(tmp_path, MINIMAL)
    path = tmp_path / "out.meme"
    with pytest.raises(InputError, match="found no motifs to write"):
        write_meme(path, [])
    with pytest.raises(InputError, match=r"found motif 'MA0001\.1' twice"):
        write_meme(path, [one, one])
    uniform = Motif(name="u", probabilities=[[1, 0, 0, 0]])
    with pytest.raises(InputError, match="motifs of different backgrounds"):
        write_meme(path, [one, uniform])
    assert not path.exists()
    write_meme(path, [one, uniform], background=[0.25] * 4)
    with pytest.raises(InputError, match="exists"):
        write_meme(path, [other])
    write_meme(path, [other], force=True)
    assert [motif.name for motif in read_motifs(path)] == ["Beta"]


# ------------------------------------------------------------------------------------ bad input

ROW = " 0.000000  1.000000  0.000000  0.000000\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (ROW, " 0 0.85 0 0\n", r"line 10: motif 'MA0001\.1': found .* sum to 0\.85 at position 2"),
        (ROW, " 0 1.2 0 0\n", r"sum to 1\.2 at position 2, expected 1 to within 0\.1"),
        (ROW, " 0 -1 1 1\n", "line 10: found -1 in motif"),
        (ROW, " 0 x 0 0\n", "line 13: found 'x', expected a number"),
        (ROW, " 0 nan 0 0\n", "line 13: found 'nan', expected a number"),
        (ROW, " 0 1_0 0 0\n", "line 13: found '1_0', expected a number"),
        (ROW, " 0 1e999 0 0\n", "sum to inf at position 2"),
        (ROW, " 0 1 0\n", "line 13: found 3 numbers, expected 4"),
        (ROW, "", "line 14: found 2 rows in the letter-probability matrix of motif 'MA0001.1'"),
        (ROW, ROW + ROW, "line 15: found another row of numbers, expected 3 as w= says"),
        ("w= 3", "w= 0", "line 11: found w= 0, motif 'MA0001.1' has no positions"),
        ("w= 3", "w= -1", "line 11: found w= '-1', expected a whole number"),
        ("alength= 4", "alength= 20", "line 11: found alength= 20, expected 4"),
        ("nsites= 17", "nsites= -17", "line 10: motif 'MA0001.1': found nsites -17, expected"),
        ("4.1e-009", "4.1e+999", "line 10: motif 'MA0001.1': found e_value inf, expected"),
        (ROW, " 0 1e308 1e308 0\n", "line 10: .* sum to inf at position 2"),
        ("nsites= 17", "nsites= many", "line 11: found nsites= 'many', expected a number"),
        ("= ACGT", "= ACDEFGHIKL", "line 3: found the alphabet 'ACDEFGHIKL', expected that of DNA"),
        ("= ACGT", "= ACGU", "found the alphabet 'ACGU'"),
        ("A 0.3 C 0.2", "A 0.3 B 0.2", "line 8: found background frequencies of 'A B G T'"),
        ("A 0.3 C 0.2", "A 0.3 C 0.7", "line 8: found background frequencies 0.3 0.7 0.2 0.3"),
        ("A 0.3 C 0.2", "A 0.0 C 0.5", "expected four above 0"),
        ("1 0 0 0\n0 0 0 1\n", "", "line 18: found motif 'Beta' without positions"),
        ("MOTIF Beta", "MOTIF MA0001.1", r"found motif 'MA0001\.1' twice, expected every name"),
        ("MOTIF Beta\n", "", "line 18: found a second letter-probability matrix"),
        ("MOTIF MA0001.1 Alpha\n", "", "line 10: found a matrix before any MOTIF line"),
    ],
)  # fmt: skip
def test_bad_meme(tmp_path, old, new, message):
    assert old in MINIMAL
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, MINIMAL.replace(old, new, 1))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "m.txt"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (JASPAR.replace("C  [16", "N  [16"), "line 3: found N in motif 'MA0004.1', expected one"),
        (JASPAR.replace("C  [16", "A  [16"), "line 3: found A in motif 'MA0004.1'"),
        (JASPAR.replace("T  [ 0  0  0  0 20  0 ]\n", ""), "line 1: found no row of T in motif"),
        (JASPAR.replace("20  0 ]", "20 ]"), "line 1: found rows of 6, 6, 6, 5 numbers"),
        (JASPAR.replace("[ 4 19", "[ 0 19").replace("[16", "[ 0"), "no counts at position 1"),
        (JASPAR.replace("[ 4 19", "[ -4 19"), "line 1: found -4 in motif 'MA0004.1'"),
        (JASPAR.replace(">MA0004.1 Arnt", ">"), "line 1: found a header without a name"),
        (HOCOMOCO.replace("153.0\t0.5", "153.0"), "line 4: found 3 columns in motif 'AHR"),
        (HOCOMOCO.replace("153.0\t0.5", "1e308\t1e308"), "line 1: .* up to 1e.308, out of range"),
        (HOCOMOCO.replace("153.0", "x"), "line 4: found 'x', expected a number"),
        (HOCOMOCO.replace("0.999", "0.5"), "line 5: motif 'TWO': found .* sum to 0.501"),
        (">M\n0.1 0.9\n", "line 2: found 2 columns in motif 'M', expected 4"),
        (TRANSFAC.replace("A      C      G      T", "A C G U"), "line 12: found the letters"),
        (TRANSFAC.replace("01      1 ", "01  "), "line 13: found 'S', expected a number"),
        (TRANSFAC.replace("//\nAC MA0002.1", "AC MA0002.1"), "line 23: found a second matrix"),
        (TRANSFAC.replace("1\t4\t3\t2\t1\n2\t0.5\t0\t0\t9.5\n", ""), "'MA0002.1' without pos"),
        (TRANSFAC.replace("AC MA0002.1\nXX\nID RUNX1", ""), "without AC, ID or NA line"),
    ],
)  # fmt: skip
def test_bad_matrices(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", FILES)
@pytest.mark.parametrize("format", FILES)
def test_a_wrong_format_is_told_with_the_right_one(tmp_path, content, format):
    if content == format:
        assert len(read(tmp_path, FILES[content], format=format)) == 2
        return
    with pytest.raises(InputError, match=f"found what looks like {content} .* expected {format};"):
        read(tmp_path, FILES[content], format=format)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "found an empty file"),
        ("\n \n", "found an empty file"),
        ("<?xml version='1.0'?><MEME/>", "found XML or HTML"),
        (">chr1\nACGTACGTTTGA\n", "found what looks like FASTA"),
        (">chr1\nA\n", "found what looks like FASTA"),
        ("chr1\t0\t100\n", r"found 'chr1\\t0\\t100' on its first line"),
        ("motif_id\tmotif_alt_id\tsequence_name\n", "found what looks like FIMO's output"),
        ("MEME version 4\n", "found no motifs in this meme file"),
    ],
)
def test_other_files(tmp_path, text, found):
    with pytest.raises(InputError, match=found):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_motifs(tmp_path / "none")
    (tmp_path / "b").write_bytes(b"\xff\x00\x01")
    with pytest.raises(InputError, match="not UTF-8"):
        read_motifs(tmp_path / "b")
    with pytest.raises(InputError, match="format: found 'homer', expected one of meme"):
        read(tmp_path, MINIMAL, format="homer")


def test_four_by_four_needs_sums_that_tell_or_a_format(tmp_path):
    per_base = ">a\n9 1 1 1\n1 9 1 1\n0 0 8 1\n0 0 0 7\n"  # columns of 10
    (found,) = read(tmp_path, per_base)
    assert found.probabilities[0].tolist() == [0.9, 0.1, 0, 0]
    per_position = ">a\n9 1 0 0\n1 9 0 0\n1 1 8 0\n1 1 1 7\n"
    (found,) = read(tmp_path, per_position)
    assert found.probabilities[0].tolist() == [0.9, 0.1, 0, 0]
    either = ">a\n4 3 2 1\n3 2 1 4\n2 1 4 3\n1 4 3 2\n"
    with pytest.raises(InputError, match="may be rows per base or per position; say which"):
        read(tmp_path, either)
    assert read(tmp_path, either, format="jaspar")[0].probabilities[0].tolist() == [
        0.4,
        0.3,
        0.2,
        0.1,
    ]
    (found,) = read(tmp_path, either.replace("4 3 2 1", "5 3 2 1"), format="hocomoco")
    assert found.probabilities[0] == pytest.approx(np.array([5, 3, 2, 1]) / 11)


def test_duplicates_are_numbered_when_asked(tmp_path):
    text = ">a\n1 0 0 0\n>a_2\n0 1 0 0\n>a\n0 0 1 0\n>a\n0 0 0 1\n"
    with pytest.raises(InputError, match="found motif 'a' twice"):
        read(tmp_path, text)
    found = read(tmp_path, text, rename_duplicates=True)
    assert [(m.name, m.consensus) for m in found] == [
        ("a", "A"),
        ("a_2", "C"),
        ("a_3", "G"),
        ("a_4", "T"),
    ]


@pytest.mark.parametrize("content", [MINIMAL, FULL, JASPAR, RAW_JASPAR, TRANSFAC, HOCOMOCO])
@pytest.mark.parametrize("seed", range(5))
def test_damaged_files_give_motifs_or_an_input_error(tmp_path, content, seed):
    rng = random.Random(seed)
    path = tmp_path / "m.txt"
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(content.encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(damaged))
            match rng.randrange(4):
                case 0:
                    damaged[at] = rng.randrange(256)
                case 1:
                    del damaged[at : at + rng.randint(1, 40)]
                case 2:
                    damaged[at:at] = damaged[max(0, at - 30) : at]
                case 3:
                    damaged[at:at] = rng.choice(
                        [b"\t", b"\n", b"9" * 400, b"=", b">", b"MOTIF ", b"//\n"]
                    )
            damaged = damaged or bytearray(b"x")
        path.write_bytes(damaged)
        try:
            motifs = read_motifs(path)
        except InputError as error:
            outcomes.add("error" if "\n" not in str(error) else "lines")
        else:
            outcomes.add("motifs")
            for motif in motifs:
                assert np.isfinite(motif.probabilities).all()
                np.testing.assert_allclose(motif.probabilities.sum(axis=1), 1)
    assert outcomes == {"error", "motifs"}


def test_nothing_but_text_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, JASPAR)
    before = path.read_bytes()
    read_motifs(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.txt"]
    assert path.read_bytes() == before


def test_three_positions_in_tight_brackets_are_jaspar(tmp_path: Path) -> None:
    (tmp_path / "m.jaspar").write_text(">M1 x\nA [1 2 3]\nC [3 1 0]\nG [0 1 0]\nT [0 0 1]\n")
    (motif,) = read_motifs(tmp_path / "m.jaspar")
    assert motif.counts is not None
    assert motif.counts.tolist() == [[1, 3, 0, 0], [2, 1, 1, 0], [3, 0, 0, 1]]
