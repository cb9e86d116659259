"""Cuts against counters: shifts, stretches, and runs that are merged."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kmerengine
from kmerengine import InputError
from kmerengine.cut_sites import shifted as shifted_cuts
from kmerengine.cut_sites.input_shift import Shift
from kmerengine.cut_sites.shifted import Part, ShiftedCuts, lost
from kmerengine.cut_sites.stretches import Stretches
from kmerengine.cut_sites.tally import CutTally, TalliedEnds, merge

ENDS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 59), st.integers(0, 1)), max_size=40)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(ENDS, st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 70), st.integers(0, 20)), max_size=5),
    st.sampled_from([1, 7, 1 << 20]),
    st.integers(0, 60),
    st.integers(0, 30),
)
def test_shifted_cuts_are_a_counter(
    files: list[tuple[list[tuple[int, int, int]], int, int]],
    bad: list[tuple[int, int, int]],
    piece: int,
    start: int,
    width: int,
) -> None:
    """Several files with contigs in another order, shifted, less a blacklist, in any pieces."""
    lengths = np.array([60, 25, 60])
    order = np.array([2, 0, 1])  # contig of the file by contig of the genome
    stretches = np.array(bad, np.int64).reshape(-1, 3)
    blacklist = Stretches.merged(
        stretches[:, 0].astype(np.int32), stretches[:, 1], stretches[:, 1] + stretches[:, 2], 3
    )
    cuts = ShiftedCuts(lengths, blacklist)
    expected: Counter[tuple[int, int, int]] = Counter()
    n_off = n_bad = told_off = told_bad = 0
    for drawn, plus, minus in files:
        ends = [(contig, at % int(lengths[contig]), strand) for contig, at, strand in drawn]
        tally = CutTally()
        keys = [2 * (100 * int(order[contig]) + at) + strand for contig, at, strand in ends]
        tally.add(np.array(keys, np.uint64))
        part = Part(TalliedEnds(tally, np.array([0, 100, 200, 300])), order, Shift(plus, minus))
        cuts.parts.append(part)
        for contig, at, strand in ends:
            cut = at + (minus if strand else plus)
            if not 0 <= cut < lengths[contig]:
                n_off += 1
            elif any(c == contig and s <= cut < s + n for c, s, n in bad):
                n_bad += 1
            else:
                expected[contig, cut, strand] += 1
        off, inside = lost(part, lengths, blacklist)
        told_off, told_bad = told_off + off, told_bad + inside
    assert (told_off, told_bad) == (n_off, n_bad)
    usual, shifted_cuts.PIECE = shifted_cuts.PIECE, piece
    try:
        pieces = list(cuts.pieces())
    finally:
        shifted_cuts.PIECE = usual
    in_order = [(c, int(key) // 2, int(key) % 2) for c, (keys, _) in pieces for key in keys]
    assert in_order == sorted(set(in_order))
    counts = [int(n) for _, (_, each) in pieces for n in each]
    assert dict(zip(in_order, counts, strict=True)) == expected
    keys, counts_there = cuts.between(0, start, start + width)
    assert {
        (0, int(key) // 2, int(key) % 2): int(n) for key, n in zip(keys, counts_there, strict=True)
    } == {
        site: n for site, n in expected.items() if site[0] == 0 and start <= site[1] < start + width
    }


RUNS = st.lists(
    st.dictionaries(st.integers(0, 60), st.integers(1, 5), min_size=1, max_size=12), max_size=6
)


@settings(deadline=None, max_examples=300)
@given(RUNS, st.sampled_from([0, 20, 55, 200]))
def test_merged_runs_are_summed_counters(drawn: list[dict[int, int]], apart: int) -> None:
    """Runs that overlap anyhow, that overlap with their neighbours only, or not at all."""
    runs, expected = [], Counter()
    for i, each in enumerate(drawn):
        moved = {key + i * apart: n for key, n in sorted(each.items())}
        expected.update(moved)
        runs.append((np.array(list(moved), np.uint64), np.array(list(moved.values()), np.uint32)))
    keys, counts = merge(runs[::-1])
    assert keys.tolist() == sorted(expected)
    assert dict(zip(keys.tolist(), counts.tolist(), strict=True)) == expected


def test_too_many_cuts_of_one_base_are_refused(tmp_path: Path) -> None:
    row = "chr1\t5\t50\tAAAAAAAA-1\t4000000000\n"
    (tmp_path / "f.tsv").write_text(row + row)
    with pytest.raises(InputError, match="a base was cut more than 2"):
        kmerengine.cuts([tmp_path / "f.tsv"], output=tmp_path / "f.parquet", weighted=True)


def test_offsets_do_not_depend_on_the_stretches_they_are_counted_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neighbours that share 9 bp, some of them across the border of two stretches."""
    rng = np.random.default_rng(3)
    rows = []
    for cut in np.sort(rng.choice(90_000, 1_500, replace=False)).tolist():
        rows += [f"chr1\t{cut + 100}\t{cut + 100 + 60}\n", f"chr1\t{cut + 9}\t{cut + 109}\n"]
    (tmp_path / "f.bedpe").write_text("".join(rows))
    notes = set()
    for piece in (1 << 20, 40):
        monkeypatch.setattr("kmerengine.cut_sites.samples.PIECE", piece)
        track = kmerengine.cuts([tmp_path / "f.bedpe"], output=tmp_path / "f.parquet", force=True)
        notes.add(track.provenance["reads"]["f"]["note"])
    (note,) = notes
    assert "not shifted" in note
