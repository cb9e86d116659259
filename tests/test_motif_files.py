"""Motif files of every format read back to the numbers in them, and what is written."""

import gzip
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motif_texts import FILES, FULL, HOCOMOCO, JASPAR, MINIMAL, RAW_JASPAR, TRANSFAC, read

from kmerengine import InputError, Motif, read_motifs, write_meme

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
