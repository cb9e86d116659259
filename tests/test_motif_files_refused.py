"""Motif files that are damaged, of other formats, or no motif files."""

import random
from pathlib import Path

import numpy as np
import pytest
from motif_texts import FILES, FULL, HOCOMOCO, JASPAR, MINIMAL, RAW_JASPAR, TRANSFAC, read, written

from kmerengine import InputError, read_motifs

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
