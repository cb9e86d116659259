"""Counts of regions, records and sequences against strings, through the public functions."""

import gzip
import json
import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import oracles
import pytest
from fasta_oracle import parse, wrap, write
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kmerengine import KmerCounts, Vocabulary, count, count_sequences
from kmerengine.kmers import rows
from kmerengine.kmers.bindvae import read_id_lists

# name: vocabulary, masks that it reads (closed under reversal where strands are merged)
VOCABULARIES = {
    "default": (Vocabulary.wildcard(), oracles.wildcard_masks(8, 2)),
    "wildcard 5 3": (Vocabulary.wildcard(5, 3), oracles.wildcard_masks(5, 3)),
    "gkm": (Vocabulary.gkm(6, 4), oracles.gkm_masks(6, 4)),
    "exact 10": (Vocabulary.exact(10), ["1" * 10]),
    "masks": (Vocabulary.masks(["11001", "01110"]), ["11001", "01110", "10011"]),
    "default stranded": (Vocabulary.wildcard(stranded=True), oracles.wildcard_masks(8, 2)),
    "masks stranded": (Vocabulary.masks(["1101"], stranded=True), ["1101"]),
}


@cache
def genome_text() -> str:
    rng = np.random.default_rng(6)
    likely = np.array([22] * 4 + [2] * 4 + [2, 1, 1]) / 100

    def sequence(n: int) -> str:
        return "".join(rng.choice(list("ACGTacgtNRY"), n, p=likely))

    repeat = "ACGTACGTTGCAGGATCCAATTGGCCTTAAGACGT" * 20
    return wrap(
        [
            ("chr1 first", sequence(3000), 60),
            ("chr2", repeat + oracles.mirrored(repeat), 71),
            ("tiny", "ACGTAC", 60),
            ("none", "", 60),
            ("chr3", sequence(500).replace("N", "A") + "N" * 100 + "A" * 200, 10),
        ]
    )


@cache
def sequences() -> dict[str, str]:
    return parse(genome_text())


@pytest.fixture
def genome(tmp_path):
    return write(tmp_path / "g.fa", genome_text())


@cache
def region_rows() -> list[tuple[str, int, int, str, float, str]]:
    """Regions of every width, shuffled, some over N, of both strands and none, and one twice."""
    rng = np.random.default_rng(7)
    found = []
    for number in range(120):
        name = str(rng.choice(["chr1", "chr2", "chr3"]))
        size = len(sequences()[name])
        start = int(rng.integers(0, size - 10))
        end = min(size, start + int(rng.integers(10, 300)))
        found.append((name, start, end, f"p{number}", number % 13 + 0.5, "+-."[number % 3]))
    found += [("chr1", 0, 3000, "whole", 99.0, "-"), ("chr3", 520, 560, "N only", 98.0, "+")]
    return [*found, found[5]]


def bed(path, regions=None):
    lines = ["\t".join(map(str, row)) + "\n" for row in regions or region_rows()]
    path.write_text("".join(lines))
    return path


def exact_of(counts: KmerCounts) -> list[dict[str, int]]:
    """Every row's exact words by text."""
    matrix, k = counts.exact, counts.vocabulary.k
    words = counts.words.tolist()
    assert matrix.dtype == np.uint32
    found = []
    for a, b in pairwise(matrix.indptr.tolist()):
        columns = matrix.indices[a:b].tolist()
        assert columns == sorted(set(columns))
        texts = [oracles.text_of(words[column], k) for column in columns]
        found.append(dict(zip(texts, matrix.data[a:b].tolist(), strict=True)))
    return found


@cache
def names_of(vocabulary: Vocabulary) -> list[str]:
    words = vocabulary.words().tolist()
    return words if vocabulary.stranded else [oracles.canonical(word) for word in words]


def features_of(counts: KmerCounts) -> list[dict[str, int]]:
    """Every row's gapped features by name."""
    matrix, names = counts.features(), names_of(counts.vocabulary)
    assert (matrix.dtype, matrix.shape) == (np.uint32, (len(counts), len(names)))
    found = []
    for a, b in pairwise(matrix.indptr.tolist()):
        columns = matrix.indices[a:b].tolist()
        assert columns == sorted(set(columns))
        texts = [names[column] for column in columns]
        found.append(dict(zip(texts, matrix.data[a:b].tolist(), strict=True)))
    return found


def check(counts: KmerCounts, texts: list[str], masks: list[str], reverse: list[bool]) -> None:
    """Every word and every feature of every row equals the oracle's."""
    stranded, k = counts.vocabulary.stranded, counts.vocabulary.k
    strands = list(zip(texts, reverse, strict=True))
    if not counts.is_materialized:
        assert exact_of(counts) == [
            dict(oracles.exact(text, k, stranded=stranded, reverse=flag)) for text, flag in strands
        ]
    assert features_of(counts) == [
        dict(oracles.gapped(text, masks, stranded=stranded, reverse=flag)) for text, flag in strands
    ]


def as_rows(counts: KmerCounts) -> list[tuple]:
    columns = ("chrom", "start", "end", "name", "score", "strand")
    return [tuple(row[name] for name in columns) for row in counts.regions.to_pylist()]


# --------------------------------------------------------------------------------- regions


@pytest.mark.parametrize("name", VOCABULARIES)
def test_regions_equal_the_oracle(name, genome, tmp_path):
    vocabulary, masks = VOCABULARIES[name]
    found = count(genome, bed(tmp_path / "r.bed"), vocabulary=vocabulary)
    assert as_rows(found) == region_rows()  # in the order of the input, as they were
    texts = [sequences()[row[0]][row[1] : row[2]] for row in region_rows()]
    check(found, texts, masks, [row[5] == "-" for row in region_rows()])
    assert found.provenance["regions"] == found.provenance["kept"] == len(region_rows())
    assert found.provenance["skipped"] == {}


@pytest.mark.parametrize("name", ["default", "masks stranded"])
def test_materialized_regions_equal_the_oracle(name, genome, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "BATCH_FEATURES", 2000)
    vocabulary, masks = VOCABULARIES[name]
    found = count(genome, bed(tmp_path / "r.bed"), vocabulary=vocabulary, materialize=True)
    assert found.is_materialized
    texts = [sequences()[row[0]][row[1] : row[2]] for row in region_rows()]
    check(found, texts, masks, [row[5] == "-" for row in region_rows()])


def test_strand_matters_only_when_stranded(genome, tmp_path):
    regions = [("chr1", 100, 300, "x", 0.0, strand) for strand in "+-."]
    path = bed(tmp_path / "r.bed", regions)
    text = sequences()["chr1"][100:300]
    plus, minus, none = exact_of(count(genome, path))
    assert plus == minus == none == oracles.exact(text, 8)
    plus, minus, none = exact_of(count(genome, path, vocabulary=Vocabulary.exact(8, stranded=True)))
    assert plus == none == oracles.exact(text, 8, stranded=True)
    assert minus == oracles.exact(oracles.mirrored(text.upper()), 8, stranded=True) != plus


def test_windows_of_one_width_and_what_leaves_its_contig(genome, tmp_path):
    found = count(genome, bed(tmp_path / "r.bed"), width=101)
    expected, left = [], 0
    for chrom, start, end, *rest in region_rows():
        first = (start + end) // 2 - 50
        if first < 0 or first + 101 > len(sequences()[chrom]):
            left += 1
        else:
            expected.append((chrom, first, first + 101, *rest))
    assert left > 0
    assert as_rows(found) == expected
    texts = [sequences()[row[0]][row[1] : row[2]] for row in expected]
    check(found, texts, oracles.wildcard_masks(8, 2), [False] * len(texts))
    assert found.provenance["skipped"] == {"window leaves its contig": left}
    assert found.provenance["kept"] == len(expected)


def test_narrow_peaks_are_centred_on_their_summit(genome, tmp_path):
    path = tmp_path / "r.narrowPeak"
    path.write_text("chr1\t100\t400\ta\t7\t.\t1\t1\t1\t30\nchr2\t50\t150\tb\t7\t-\t1\t1\t1\t-1\n")
    found = count(genome, path, width=40)
    assert as_rows(found) == [("chr1", 110, 150, "a", 7.0, "."), ("chr2", 80, 120, "b", 7.0, "-")]
    texts = [sequences()["chr1"][110:150], sequences()["chr2"][80:120]]
    check(found, texts, oracles.wildcard_masks(8, 2), [False, False])


def test_regions_with_a_base_that_is_none_can_be_dropped(genome, tmp_path):
    path = bed(tmp_path / "r.bed")
    texts = {row: sequences()[row[0]][row[1] : row[2]].upper() for row in region_rows()}
    clean = [row for row in region_rows() if set(texts[row]) <= set("ACGT")]
    n_dropped = len(region_rows()) - len(clean)
    assert min(len(clean), n_dropped) > 10
    found = count(genome, path, drop_n=True)
    assert as_rows(found) == clean
    masks = oracles.wildcard_masks(8, 2)
    check(found, [texts[row] for row in clean], masks, [False] * len(clean))
    assert found.provenance["skipped"] == {"holds a base other than A C G T": n_dropped}


def test_only_the_best_regions_in_the_order_of_the_input(genome, tmp_path):
    path = bed(tmp_path / "r.bed")
    found = count(genome, path, max_regions=20)
    ranked = sorted(enumerate(region_rows()), key=lambda pair: (-pair[1][4], pair[0]))[:20]
    best = [row for _, row in sorted(ranked)]
    assert as_rows(found) == best
    texts = [sequences()[row[0]][row[1] : row[2]] for row in best]
    check(found, texts, oracles.wildcard_masks(8, 2), [False] * 20)
    assert found.provenance["skipped"] == {
        "below the max_regions best scores": len(region_rows()) - 20
    }


def test_short_and_foreign_regions_are_skipped_and_counted(genome, tmp_path):
    regions = [
        ("chr1", 0, 7, "short", 1.0, "."),
        ("chrX", 0, 50, "foreign", 1.0, "."),
        ("chr1", 0, 8, "one window", 1.0, "."),
    ]
    found = count(genome, bed(tmp_path / "r.bed", regions), skip_missing_contigs=True)
    assert as_rows(found) == regions[2:]
    assert found.provenance["skipped"] == {"contig not in genome": 1, "shorter than k": 1}
    assert exact_of(found) == [dict(oracles.exact(sequences()["chr1"][:8], 8))]


# ------------------------------------------------------------- what must change nothing


def tables_of(genome, path, **options):
    found = count(genome, path, **options)
    return found.to_polars().to_dicts(), found.provenance


@pytest.mark.parametrize("materialize", [False, True])
def test_threads_and_batches_change_nothing(materialize, genome, tmp_path, monkeypatch):
    path = bed(tmp_path / "r.bed")
    options = {"materialize": materialize, "vocabulary": Vocabulary.wildcard(6, 2)}
    expected = tables_of(genome, path, threads=1, **options)
    for bases, batch_rows, features in [(1, 10, 10), (500, 3, 4000), (1 << 21, 7, 1 << 23)]:
        monkeypatch.setattr(rows, "BATCH_BASES", bases)
        monkeypatch.setattr(rows, "BATCH_ROWS", batch_rows)
        monkeypatch.setattr(rows, "BATCH_FEATURES", features)
        for threads in (1, 2, 5):
            assert tables_of(genome, path, threads=threads, **options) == expected
            assert tables_of(genome, path, threads=threads, drop_n=True, **options) == tables_of(
                genome, path, threads=1, drop_n=True, **options
            )


@pytest.mark.parametrize("materialize", [False, True])
def test_every_format_holds_the_same(materialize, genome, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "BATCH_ROWS", 9)
    monkeypatch.setattr(rows, "PART_BATCHES", 2)
    path = bed(tmp_path / "r.bed")
    options = {"materialize": materialize, "vocabulary": Vocabulary.wildcard(6, 2), "threads": 2}
    expected = tables_of(genome, path, **options)
    for name in ("c.parquet", "c.arrow", "c.npz", "parts"):
        output = tmp_path / name
        made = count(genome, path, output=output, parts=name == "parts", **options)
        for found in (made, KmerCounts.open(output)):
            assert found.to_polars().to_dicts() == expected[0], name
            assert found.provenance == expected[1]
    assert len(list((tmp_path / "parts").iterdir())) == 7  # 123 rows, 18 in a part
    count(genome, path, output=tmp_path / "c.txt", **options)
    features = KmerCounts.open(tmp_path / "c.parquet").features()
    assert (read_id_lists(tmp_path / "c.txt", features.shape[1]) != features).nnz == 0


@pytest.mark.parametrize("form", ["bgzip", "gzip"])
@pytest.mark.parametrize("options", [{}, {"width": 60}, {"drop_n": True}], ids=str)
def test_a_compressed_genome_gives_the_same(form, options, genome, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "BATCH_ROWS", 10)
    path = bed(tmp_path / "r.bed")
    packed = write(tmp_path / "g.fa.gz", genome_text(), form)
    one, other = count(genome, path, **options), count(packed, path, **options)
    assert one.to_polars().to_dicts() == other.to_polars().to_dicts()
    assert one.provenance["skipped"] == other.provenance["skipped"]


@given(st.integers(0, 2000), st.integers(8, 400))
@settings(deadline=None, max_examples=15)
@example(0, 400)
def test_a_slice_of_rows_is_those_rows(tmp_path_factory, start, length):
    folder = tmp_path_factory.mktemp("slice")
    genome = write(folder / "g.fa", genome_text())
    regions = [("chr1", start, start + length, "", 1.0, "."), ("chr2", 3, 90, "", 1.0, ".")] * 3
    found = count(genome, bed(folder / "r.bed", regions), output=folder / "c.parquet")
    whole = found.features()
    for a, b in [(0, 1), (1, 4), (5, 6), (2, 2), (4, None)]:
        part = found.features(start=a, stop=b)
        assert (part != whole[a:b]).nnz == 0
        assert (found.exact_rows(a, b) != found.exact[a:b]).nnz == 0


def test_features_of_another_vocabulary_follow_from_the_same_words(genome, tmp_path):
    path = bed(tmp_path / "r.bed")
    found = count(genome, path)
    for other in (Vocabulary.gkm(8, 6), Vocabulary.exact(8), Vocabulary.masks(["11100111"])):
        expected = count(genome, path, vocabulary=other).features()
        assert (found.features(other) != expected).nnz == 0


# ------------------------------------------------------------------- records and sequences


@pytest.mark.parametrize("name", VOCABULARIES)
def test_records_equal_the_oracle(name, genome):
    vocabulary, masks = VOCABULARIES[name]
    found = count(genome, per_record=True, vocabulary=vocabulary)
    kept = {name: text for name, text in sequences().items() if len(text) >= vocabulary.k}
    assert [row[:3] for row in as_rows(found)] == [(name, 0, len(kept[name])) for name in kept]
    check(found, list(kept.values()), masks, [False] * len(kept))
    n_short = len(sequences()) - len(kept)
    assert found.provenance["regions"] == 5
    assert found.provenance["skipped"] == ({"shorter than k": n_short} if n_short else {})


def test_records_with_a_base_that_is_none_can_be_dropped(genome):
    found = count(genome, per_record=True, drop_n=True)
    assert [row[0] for row in as_rows(found)] == ["chr2"]
    assert exact_of(found) == [dict(oracles.exact(sequences()["chr2"], 8))]


PIECES = st.one_of(
    st.text("ACGT", max_size=40),
    st.sampled_from(["GAATTC", "ACGT" * 5, "N", "acgtn", "R*-y", "A" * 30, "Z"]),
)


@pytest.mark.parametrize("name", VOCABULARIES)
@given(st.lists(st.lists(PIECES, max_size=5).map("".join), max_size=5))
@settings(deadline=None, max_examples=15)
@example([])
@example([""])
@example(["ACGTACGT", "acgtacgt", "ACGTACG", "ACGTNACGT"])
def test_sequences_equal_the_oracle(name, texts):
    vocabulary, masks = VOCABULARIES[name]
    found = count_sequences(texts, vocabulary=vocabulary, threads=2)
    numbered = [(str(i), text) for i, text in enumerate(texts) if len(text) >= vocabulary.k]
    assert [row[:3] for row in as_rows(found)] == [(i, 0, len(text)) for i, text in numbered]
    check(found, [text for _, text in numbered], masks, [False] * len(numbered))
    assert found.provenance["regions"] == len(texts)


@given(st.lists(st.lists(PIECES, max_size=5).map("".join), max_size=4))
@settings(deadline=None, max_examples=10)
def test_the_other_strand_gives_the_same_when_merged(texts):
    plain = [text.upper() for text in texts]
    for name in ("default", "gkm", "masks"):
        vocabulary = VOCABULARIES[name][0]
        one = count_sequences(plain, vocabulary=vocabulary)
        other = count_sequences(map(oracles.mirrored, plain), vocabulary=vocabulary)
        assert exact_of(one) == exact_of(other)
        assert features_of(one) == features_of(other)


def test_long_words_of_sequences_equal_the_oracle(genome):
    texts = [*sequences().values(), "ACGT" * 20, "A" * 40]
    for k in (13, 16, 17, 31, 32):
        for stranded in (False, True):
            vocabulary = Vocabulary.exact(k, stranded=stranded)
            found = count_sequences(texts, vocabulary=vocabulary)
            kept = [text for text in texts if len(text) >= k]
            assert exact_of(found) == [
                dict(oracles.exact(text, k, stranded=stranded)) for text in kept
            ]


def test_sequences_of_a_file_are_its_records(genome):
    by_path, by_record = count_sequences(genome), count(genome, per_record=True)
    assert by_path.to_polars().to_dicts() == by_record.to_polars().to_dicts()


def test_sequences_keep_their_names():
    found = count_sequences(["ACGTACGT", "AC", "TTTTTTTTT"], names=["a", "b", "c"])
    assert [row[0] for row in as_rows(found)] == ["a", "c"]


# ------------------------------------------------------------------------------ real data


@pytest.mark.data
def test_the_yeast_peaks_equal_the_oracle(data, tmp_path):
    """`kmerengine count sacCer3.fa.gz yeast_peaks.narrowPeak --width 200`, every count of it."""
    for suffix in ("", ".fai", ".gzi"):
        (tmp_path / f"sacCer3.fa.gz{suffix}").symlink_to(data / "yeast" / f"sacCer3.fa.gz{suffix}")
    peaks = data / "yeast" / "yeast_peaks.narrowPeak"
    output = tmp_path / "yeast.kmers.parquet"
    arguments = ["count", "sacCer3.fa.gz", str(peaks), "--width", "200", "-o", output.name]
    run = subprocess.run(
        [sys.executable, "-m", "kmerengine", *arguments, "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    chromosomes = parse(gzip.decompress((data / "yeast" / "sacCer3.fa.gz").read_bytes()).decode())
    windows, left = [], 0
    for line in peaks.read_text().splitlines():
        chrom, start, _, name, score, strand, *_, summit = line.split("\t")
        first = int(start) + int(summit) - 100
        if first < 0 or first + 200 > len(chromosomes[chrom]):
            left += 1
        else:
            windows.append((chrom, first, first + 200, name, float(score), strand))
    assert left > 0
    assert len(windows) + left == 1411

    found = KmerCounts.open(output)
    assert as_rows(found) == windows
    summary = json.loads(run.stdout)
    assert (summary["regions"], summary["kept"]) == (1411, len(windows))
    assert summary["skipped"] == found.provenance["skipped"] == {"window leaves its contig": left}
    assert "window leaves its contig" in run.stderr

    words = [oracles.exact(chromosomes[row[0]][row[1] : row[2]], 8) for row in windows]
    assert exact_of(found) == words

    # columns of the features are named by the slow procedure, not by the code under test
    ids = {oracles.canonical(word): i for i, word in enumerate(oracles.wildcard_order(8, 2))}
    masks, known = oracles.wildcard_masks(8, 2), {}
    matrix = found.features()
    assert matrix.shape == (len(windows), 112_800)
    for row, counted in enumerate(words):
        expected = np.zeros(112_800, np.uint32)
        for word, n in counted.items():
            if word not in known:
                known[word] = [ids[feature] for feature in oracles.features_of(word, masks)]
            expected[known[word]] += n
        assert np.array_equal(matrix[row].toarray()[0], expected)
        palindromes = sum(n for word, n in counted.items() if word == oracles.mirrored(word))
        assert expected.sum() == 3_088 - 7 * palindromes
