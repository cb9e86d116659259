"""Several first runs on one genome, and memory that a command was allowed."""

import subprocess
import sys
import weakref

import pytest

from bench.fault_limits import Fault, guard, write_random_genome
from kmerengine import KmerCounts, Vocabulary, count
from kmerengine.kmers import totals


@pytest.mark.parametrize("n", [4])
def test_first_runs_at_the_same_time(n, tmp_path):
    """None of them has an index; one of 20,000 contigs takes a while to make."""
    genome, regions = tmp_path / "g.fa", tmp_path / "r.bed"
    genome.write_text("".join(f">c{i}\nACGTTGCATG{'ACGT'[i % 4] * 5}\n" for i in range(20_000)))
    regions.write_text("".join(f"c{i}\t0\t15\n" for i in range(0, 20_000, 100)))
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "kmerengine", "count", genome, regions, "-k", "4", "-o",
             tmp_path / f"{i}.parquet"],
            stderr=subprocess.PIPE, text=True,
        )
        for i in range(n)
    ]  # fmt: skip
    said = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0] * n, said
    assert {(tmp_path / f"{i}.parquet").read_bytes() for i in range(n)} == {
        (tmp_path / "0.parquet").read_bytes()
    }
    lines = (tmp_path / "g.fa.fai").read_text().splitlines()
    assert (len(lines), lines[0], lines[-1][:6]) == (20_000, "c0\t15\t4\t15\t16", "c19999")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    # ACGT, CGTT, ... of the first record, whose last five bases are A
    found = KmerCounts.open(tmp_path / "0.parquet").exact[0].sum()
    assert found == 15 - 4 + 1


def test_words_of_one_range_are_let_go_before_the_next_is_filled(tmp_path, monkeypatch):
    """Else a command takes twice the memory that it is given."""
    deal, held = totals._deal, []

    def watched(stream, words, *values, **options):
        assert [each() for each in held] == [None] * len(held)
        held.append(weakref.ref(words))
        deal(stream, words, *values, **options)

    monkeypatch.setattr(totals, "_deal", watched)
    genome = write_random_genome(tmp_path / "g.fa", 1_000_000)
    words = Vocabulary.wildcard(14, 0)
    count(genome, output=tmp_path / "out.parquet", vocabulary=words, threads=2, memory=1 << 20)
    assert len(held) >= 3


WORDS = ("-k", "24", "--max-wildcards", "0", "--threads", "1", "-q")


@pytest.mark.slow
def test_memory_of_words_is_kept_to(tmp_path):
    """Of 48 million words that occur once, 384 MB at 8 bytes, 64 MB at a time."""
    big = write_random_genome(tmp_path / "big.fa", 48_000_000)
    small = write_random_genome(tmp_path / "small.fa", 1000)
    out = str(tmp_path / "out.parquet")
    lines = [["count", str(path), *WORDS, "-o", out] for path in (big, small)]
    row = guard("count", *lines, tmp_path, memory=64 << 20)
    assert row["peak"] > row["peak_small"]


def test_the_guard_sees_a_command_that_takes_more(tmp_path, monkeypatch):
    peaks = iter([100 << 20, 400 << 20])
    monkeypatch.setattr("bench.fault_limits.peak", lambda *_: next(peaks))
    with pytest.raises(Fault, match="took 314,572,800 bytes beyond its 104,857,600, of 67,108,864"):
        guard("x", [], [], tmp_path, memory=64 << 20)
