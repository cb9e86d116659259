"""Totals of a whole file against strings: every k, any block size, passes, threads, parts."""

from collections import Counter
from functools import cache

import numpy as np
import oracles
import pyarrow as pa
import pytest
from fasta_oracle import parse, wrap, write
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kmerengine import KmerTotals, Vocabulary, count
from kmerengine.io.code_stream import CodeStream
from kmerengine.kmers import totals
from kmerengine.kmers.totals import total_words
from native_kernels.kmer_count import word_dtype

EVERY_K = [*range(1, 13), 13, 16, 17, 21, 31, 32]


@cache
def genome_text(newline: str = "\n") -> str:
    """Records of short, long and blank lines, with N, lower case, palindromes and repeats."""
    rng = np.random.default_rng(5)
    likely = np.array([20] * 4 + [4] * 4 + [2, 1, 1]) / 100
    sequence = "".join(rng.choice(list("ACGTacgtNRY"), 900, p=likely))
    repeat = "ACGTACGTTGCAGGATCCAATTGGCCTTAAGACGT" * 8
    records = [
        ("chr1 about it", sequence, 60),
        ("chr2", repeat + oracles.mirrored(repeat) + "T" * 90 + "n" * 40 + "A" * 90, 17),
        ("empty", "", 60),
        ("short", "ACG", 60),
        ("one_line", sequence[::-1] + repeat, 5000),
        ("narrow", repeat[:120], 1),
    ]
    text = wrap(records, newline)
    return text.replace(f">short{newline}", f">short{newline}{newline}")


def expected(text: str, k: int, *, stranded: bool = False) -> dict[str, int]:
    found: Counter[str] = Counter()
    for sequence in parse(text).values():
        found += oracles.exact(sequence, k, stranded=stranded)
    return dict(found)


def collected(pieces, k: int) -> dict[str, int]:
    """All pieces as one table; words must ascend over all of them."""
    found, last = {}, -1
    for words, counts in pieces:
        assert (words.dtype, counts.dtype) == (word_dtype(k), np.uint64)
        for word, n in zip(words.tolist(), counts.tolist(), strict=True):
            assert word > last
            found[oracles.text_of(word, k)] = n
            last = word
    return found


class CountedStream(CodeStream):
    """A stream that says how often the text was read."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        return super().__iter__()


# ------------------------------------------------------------------------ against the oracle


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("k", EVERY_K)
def test_totals_of_every_k_equal_the_oracle(k, newline, tmp_path):
    text = genome_text(newline)
    path = write(tmp_path / "g.fa", text)
    for block_bytes, threads in [(7, 1), (64, 2), (1 << 20, 5)]:
        stream = CodeStream(path, k, block_bytes=block_bytes)
        found = collected(total_words(stream, threads=threads), k)
        assert found == expected(text, k)
        assert stream.found.records == 6
        assert stream.found.bases == sum(map(len, parse(text).values()))


@pytest.mark.parametrize("k", [1, 4, 9, 11, 13, 16, 17, 32])
def test_stranded_totals_equal_the_oracle(k, tmp_path):
    text = genome_text()
    stream = CodeStream(write(tmp_path / "g.fa", text), k, block_bytes=50)
    assert collected(total_words(stream, stranded=True, threads=2), k) == expected(
        text, k, stranded=True
    )


@st.composite
def texts(draw):
    letters = st.text(draw(st.sampled_from(["ACGT", "AT", "ACGTNacgt-"])), max_size=30)
    records = [
        (f"r{i}", draw(letters), draw(st.integers(1, 12))) for i in range(draw(st.integers(1, 4)))
    ]
    text = wrap(records, draw(st.sampled_from(["\n", "\r\n"])))
    return text if any(sequence for _, sequence, _ in records) else text + ">last\nA\n"


@given(texts(), st.sampled_from([1, 2, 3, 5, 8, 13, 16, 17, 32]), st.integers(1, 9))
@settings(deadline=None, max_examples=60)
@example(">a\nACGTACGTACGTACGTA\n>b\nCGTACGTACGTACGTACG\n", 17, 7)
def test_any_text_in_any_blocks_equals_the_oracle(tmp_path_factory, text, k, block_bytes):
    path = write(tmp_path_factory.mktemp("totals") / "g.fa", text)
    stream = CodeStream(path, k, block_bytes=block_bytes)
    assert collected(total_words(stream, threads=2), k) == expected(text, k)


@pytest.mark.parametrize("form", ["bgzip", "gzip"])
@pytest.mark.parametrize("k", [8, 14])
def test_compressed_text_gives_the_same(k, form, tmp_path):
    text = genome_text()
    path = write(tmp_path / "g.fa.gz", text, form)
    for block_bytes in (7, 1 << 20):
        stream = CodeStream(path, k, block_bytes=block_bytes)
        assert collected(total_words(stream), k) == expected(text, k)


def test_the_other_strand_has_the_same_totals(tmp_path):
    records = parse(genome_text()).items()
    mirrored = wrap([(name, oracles.mirrored(text.upper()), 60) for name, text in records])
    there, back = write(tmp_path / "a.fa", genome_text()), write(tmp_path / "b.fa", mirrored)
    for k in (1, 7, 8, 12, 13, 31, 32):
        one, other = (collected(total_words(CodeStream(path, k)), k) for path in (there, back))
        assert one == other
    for vocabulary in (Vocabulary.wildcard(), Vocabulary.gkm(6, 4), Vocabulary.masks(["1101"])):
        one, other = (count(path, vocabulary=vocabulary).features() for path in (there, back))
        assert one.tolist() == other.tolist()


# ------------------------------------------------------------------------- bounded memory


@pytest.mark.parametrize("k", [13, 16, 17, 32])
@pytest.mark.parametrize("stranded", [False, True])
def test_passes_that_fit_in_memory_give_the_same(k, stranded, tmp_path, monkeypatch):
    text = genome_text()
    path = write(tmp_path / "g.fa", text)
    n_words = sum(expected(text, k).values())
    monkeypatch.setattr(totals, "PIECE_WORDS", 50)
    passes, pieces_of = [], []
    for share in (1, 3, 10):
        stream = CountedStream(path, k, block_bytes=200)
        memory = n_words * np.dtype(word_dtype(k)).itemsize // share
        pieces = list(total_words(stream, stranded=stranded, threads=2, memory=memory))
        assert collected(pieces, k) == expected(text, k, stranded=stranded)
        passes.append(stream.passes)
        pieces_of.append(len(pieces))
    assert passes[0] == 2  # the words of each bucket are counted, and then dealt
    assert passes[1] >= 4
    assert passes[2] >= 8
    assert min(pieces_of) > 5


def test_a_bucket_larger_than_memory_is_taken_whole(tmp_path):
    text = ">a\n" + "A" * 500 + "\n>b\n" + "ACGTTGCA" * 30 + "\n"
    stream = CodeStream(write(tmp_path / "g.fa", text), 14)
    assert collected(total_words(stream, memory=1), 14) == expected(text, 14)


# ------------------------------------------------------------------------------- as a table


def as_dict(found: KmerTotals) -> dict[str, int]:
    return collected([(found.words, found.counts)], found.vocabulary.k)


@pytest.mark.parametrize("k", [1, 8, 12, 13, 17])
def test_a_table_of_totals_holds_its_words(k, tmp_path, monkeypatch):
    monkeypatch.setattr(totals, "PIECE_WORDS", 40)
    text = genome_text()
    path = write(tmp_path / "g.fa", text)
    vocabulary = Vocabulary.exact(k)
    found = count(path, vocabulary=vocabulary)
    assert as_dict(found) == expected(text, k)
    assert (found.provenance["records"], found.provenance["bases"]) == (
        6,
        sum(map(len, parse(text).values())),
    )
    for name in ("t.parquet", "t.arrow"):
        saved = count(path, vocabulary=vocabulary, output=tmp_path / name)
        assert as_dict(saved) == as_dict(KmerTotals.open(tmp_path / name)) == expected(text, k)
    frame = found.to_polars()
    assert ("sequence" in frame.columns) == (k <= 12)
    if k <= 12:
        assert dict(frame.select("sequence", "count").iter_rows()) == expected(text, k)


@pytest.mark.parametrize("k", [8, 14])
@pytest.mark.parametrize("threads", [1, 3])
def test_parts_hold_what_one_file_holds(k, threads, tmp_path, monkeypatch):
    monkeypatch.setattr(totals, "PIECE_WORDS", 30)
    path = write(tmp_path / "g.fa", genome_text())
    vocabulary = Vocabulary.exact(k)
    count(path, vocabulary=vocabulary, output=tmp_path / "one.parquet", threads=1)
    parts = tmp_path / "parts"
    count(path, vocabulary=vocabulary, output=parts, parts=True, threads=threads)
    assert len(list(parts.glob("part-*.parquet"))) > 3
    one, many = KmerTotals.open(tmp_path / "one.parquet"), KmerTotals.open(parts)
    assert pa.table({"w": one.words, "n": one.counts}) == pa.table(
        {"w": many.words, "n": many.counts}
    )
    assert one.provenance == many.provenance
    assert as_dict(many) == expected(genome_text(), k)


VOCABULARIES = {
    "default": (Vocabulary.wildcard(), oracles.wildcard_masks(8, 2)),
    "gkm": (Vocabulary.gkm(7, 4), oracles.gkm_masks(7, 4)),
    "by rule": (Vocabulary.masks(["110001001010"]), ["110001001010", "010100100011"]),
    "masks": (Vocabulary.masks(["11001", "01110"]), ["11001", "01110", "10011"]),
    "stranded": (Vocabulary.wildcard(5, 2, stranded=True), oracles.wildcard_masks(5, 2)),
}


@pytest.mark.parametrize("name", VOCABULARIES)
def test_features_of_totals_equal_the_oracle(name, tmp_path, monkeypatch):
    monkeypatch.setattr(totals, "PIECE_WORDS", 1000)
    vocabulary, masks = VOCABULARIES[name]
    assert vocabulary.projection.holds_matrix == (name != "by rule")
    stranded = vocabulary.stranded
    path = write(tmp_path / "g.fa", genome_text())
    features: Counter[str] = Counter()
    for sequence in parse(genome_text()).values():
        features += oracles.gapped(sequence, masks, stranded=stranded)
    words = vocabulary.words().tolist()
    names = words if stranded else [oracles.canonical(word) for word in words]
    expected_totals = [features[name] for name in names]
    exact = count(path, vocabulary=vocabulary, threads=2)
    assert exact.features().tolist() == expected_totals
    stored = count(
        path, vocabulary=vocabulary, materialize=True, output=tmp_path / "f.parquet", threads=2
    )
    assert stored.features().tolist() == stored.counts.tolist() == expected_totals
    assert stored.to_polars()["word"].to_list() == words


def test_features_of_another_vocabulary_follow_from_the_same_words(tmp_path):
    path = write(tmp_path / "g.fa", genome_text())
    exact = count(path, vocabulary=Vocabulary.exact(8))
    gapped = count(path, vocabulary=Vocabulary.gkm(8, 6)).features()
    assert exact.features(Vocabulary.gkm(8, 6)).tolist() == gapped.tolist()
