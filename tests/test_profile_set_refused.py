"""Profiles that are refused: blocks that do not fit, and folders that somebody has damaged."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from profile_cuts import PLACES, expected_counts, random_cuts, regions_of

from kmerengine import schemas
from kmerengine.cut_profiles.profile_set import Profiles
from kmerengine.cut_profiles.profile_write import make_profiles, write_profiles
from kmerengine.errors import InputError


@pytest.fixture
def made(tmp_path):
    return make_profiles(random_cuts(), regions_of(*PLACES), tmp_path / "p", width=20, window=6)


BLOCK = np.arange(2 * 1 * 4, dtype=np.int64).reshape(2, 1, 4)
TWO = [("chr1", 0, 4), ("chr1", 8, 12)]


def write(tmp_path, blocks, samples=("s",), places=TWO, **options):
    given_options = {"shift": "none", "width": 4, "window": 2} | options
    return write_profiles(
        tmp_path / "p", regions_of(*places), list(samples), blocks, **given_options
    )


def test_blocks_in_any_order_and_of_any_integers(tmp_path):
    rows = [np.array([1]), np.array([0])]
    made = write(tmp_path, [(rows[0], BLOCK[1:].astype(np.uint64)), (rows[1], BLOCK[:1])])
    assert made.counts().tolist() == BLOCK.tolist()
    assert made.totals().tolist() == [[1 + 2], [5 + 6]]
    assert made.shift == "none"


BOTH = np.array([0, 1])


@pytest.mark.parametrize(
    ("blocks", "options", "message"),
    [
        ([(BOTH[:1], BLOCK[:1])], {}, "nothing for row 1"),
        ([], {}, "nothing for row 0"),
        ([(BOTH, BLOCK), (BOTH[1:], BLOCK[1:])], {}, "row 1 twice"),
        ([(BOTH[::-1], BLOCK)], {}, "rows 1 to 0, expected ascending"),
        ([(np.array([1, 2]), BLOCK)], {}, "rows 1 to 2, expected ascending rows of 2"),
        ([(np.array([-1, 0]), BLOCK)], {}, "rows -1 to 0"),
        ([(BOTH, BLOCK[:1])], {}, r"int64 \(1, 1, 4\), expected integers of \(2, 1, 4\)"),
        ([(BOTH, BLOCK.astype(float))], {}, "block of float64"),
        ([(BOTH, BLOCK - 1)], {}, "value of -1, expected 0 to"),
        ([(BOTH, BLOCK.astype(np.uint64) << np.uint64(61))], {}, "value of 16"),
        ([(BOTH, BLOCK)], {"strands": "split"}, r"expected integers of \(2, 1, 2, 4\)"),
        ([(BOTH, BLOCK)], {"strands": "both"}, "strands: found 'both'"),
        ([(BOTH, BLOCK)], {"samples": ["s", "s"]}, "each once"),
        ([(BOTH, BLOCK)], {"samples": []}, "at least one"),
        ([(BOTH, BLOCK)], {"window": 5}, "window: found 5 bp .* choose a smaller window"),
        ([(BOTH, BLOCK)], {"width": 0}, "width: found 0"),
        ([(BOTH, BLOCK)], {"width": 5}, "line 1: 0-4 is 4 bp wide, expected 5"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path, blocks, options, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path, blocks, **options)
    assert not list(tmp_path.iterdir())


def test_regions_of_other_contigs_are_refused(tmp_path):
    source = random_cuts(contigs={"chr1": 400})
    make_profiles(source, regions_of(("chr1", 0, 20)), tmp_path / "p", width=20, window=6)
    with pytest.raises(InputError, match="cuts have no contig 'chr2'"):
        make_profiles(source, regions_of(*PLACES), tmp_path / "q", width=20, window=6)


def test_an_error_of_the_source_leaves_nothing(tmp_path):
    source = random_cuts()
    real = source.cuts

    def failing(sample, chrom, start, end):
        if chrom == "chr2":
            raise InputError("cuts: damaged")
        return real(sample, chrom, start, end)

    source.cuts = failing
    with pytest.raises(InputError, match="cuts: damaged"):
        make_profiles(source, regions_of(*PLACES), tmp_path / "p", width=20, window=6)
    assert not list(tmp_path.iterdir())


def test_only_a_data_set_is_replaced_and_only_by_force(tmp_path, made):
    source, regions = random_cuts(seed=5), regions_of(*PLACES)
    with pytest.raises(InputError, match="exists"):
        make_profiles(source, regions, made.path, width=20, window=6)
    again = make_profiles(source, regions, made.path, width=20, window=6, force=True)
    assert again.counts().tolist() == expected_counts(source, PLACES, "sum")
    assert made.counts().tolist() == expected_counts(random_cuts(), PLACES, "sum"), "still mapped"
    (made.path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds 'notes.txt'"):
        make_profiles(source, regions, made.path, width=20, window=6, force=True)


def change_bytes(path, change):
    raw = bytearray(path.read_bytes())
    path.write_bytes(change(raw))


def resealed(path, **changes):
    document = json.loads(path.read_text())
    document.pop("sha256")
    path.write_text(schemas.as_text(document | changes))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("counts.arrow", lambda path: change_bytes(path, lambda raw: raw[:-1]), "truncated or"),
        ("counts.arrow", lambda path: change_bytes(path, lambda raw: raw + b"x"), "truncated or"),
        ("counts.arrow", lambda path: path.write_bytes(b""), "holds 0 bytes"),
        ("counts.arrow", lambda path: change_bytes(path, lambda raw: flip(raw, 40)), "is not the"),
        ("counts.arrow", lambda path: change_bytes(path, lambda raw: flip(raw, -9)), "is not the"),
        ("counts.arrow", lambda path: path.unlink(), "No such file"),
        ("totals.parquet", lambda path: path.unlink(), "does not exist"),
        ("totals.parquet", lambda path: change_bytes(path, lambda raw: raw[:-9]), "cannot be read"),
        ("profiles.json", lambda path: path.unlink(), "no readable profiles.json"),
        ("profiles.json", lambda path: path.write_bytes(b"\xff{"), "metadata is damaged"),
        (
            "profiles.json",
            lambda path: change_bytes(path, lambda raw: raw.replace(b'"NK"', b'"MK"')),
            "metadata is damaged",
        ),
        ("profiles.json", lambda path: resealed(path, format="other"), "holds other"),
        ("profiles.json", lambda path: resealed(path, version=99), "format version 99"),
        ("profiles.json", lambda path: resealed(path, samples=["B", "T"]), "same profiles"),
        ("profiles.json", lambda path: resealed(path, samples=None), "lacks what such a file has"),
        ("profiles.json", lambda path: resealed(path, window=[1]), "lacks what such a file has"),
        ("profiles.json", lambda path: resealed(path, counts=3), "without what an array needs"),
        ("profiles.json", lambda path: resealed(path, strands="x"), "found strands 'x'"),
        (
            "profiles.json",
            lambda path: resealed(path, width=19),
            r"expected integers of \(10, 2, 19\)",
        ),
    ],
)
def test_a_damaged_folder_is_an_input_error(made, name, damage, message):
    damage(made.path / name)
    with pytest.raises(InputError, match=message):
        Profiles.open(made.path)


def test_totals_of_other_profiles_are_refused(tmp_path, made):
    other = make_profiles(
        random_cuts(["B", "T"]), regions_of(*PLACES), tmp_path / "q", width=20, window=6
    )
    (made.path / "totals.parquet").write_bytes((other.path / "totals.parquet").read_bytes())
    with pytest.raises(InputError, match="not of the same profiles"):
        Profiles.open(made.path)


def test_a_flipped_byte_of_the_totals_is_seen(made):
    path = made.path / "totals.parquet"
    group = pq.ParquetFile(path).metadata.row_group(0)
    column = next(
        group.column(i)
        for i in range(group.num_columns)
        if group.column(i).path_in_schema == "total.list.element"
    )
    start = column.dictionary_page_offset or column.data_page_offset
    change_bytes(path, lambda raw: flip(raw, start + column.total_compressed_size - 3))
    with pytest.raises(InputError, match="cannot be read"):
        Profiles.open(made.path).totals()


def flip(raw, at):
    raw[at] ^= 0x10
    return raw


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(InputError, match="expected a folder that kmerengine profiles wrote"):
        Profiles.open(tmp_path)
    with pytest.raises(InputError, match="expected a folder"):
        Profiles.open(tmp_path / "none")
