"""bigWig and bedGraph against dicts, and against pyBigWig, pybigtools and tabix."""

import gzip
import math
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pybigtools
import pyBigWig
import pysam
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kmerengine.errors import InputError
from kmerengine.io import bedgraph, bigwig, bigwig_layout
from kmerengine.io.bedgraph import write_bedgraph
from kmerengine.io.bigwig import BigWig, Run, write_bigwig

Values = dict[str, dict[int, float]]

FORMAT_LIMIT = 2**32 - 1


def as_runs(values: Values, cut_every: int) -> Iterator[Run]:
    """The values as arrays, each contig in pieces of `cut_every`."""
    for contig, of_contig in values.items():
        items = sorted(of_contig.items())
        for first in range(0, max(1, len(items)), cut_every):
            piece = items[first : first + cut_every]
            yield (
                contig,
                np.array([position for position, _ in piece], np.int64),
                np.array([value for _, value in piece], np.float32),
            )


@st.composite
def tracks(draw: st.DrawFn) -> tuple[dict[str, int], Values]:
    """Contigs in any order, some without values; counts, or floats of either sign."""
    names = draw(
        st.lists(st.sampled_from(["z", "chr10", "chr2", "M", "a", "b"]), min_size=1, unique=True)
    )
    contigs = {name: draw(st.integers(1, 300)) for name in names}
    of = draw(st.sampled_from([st.integers(1, 3), st.floats(-1e9, 1e9, width=32)]))
    kept = [name for name in names if draw(st.booleans())]
    return contigs, {
        name: draw(st.dictionaries(st.integers(0, contigs[name] - 1), of, max_size=80))
        for name in kept
    }


@pytest.fixture
def small_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so low that a hundred values fill several levels of every tree."""
    monkeypatch.setattr(bigwig, "BLOCK_ITEMS", 4)
    monkeypatch.setattr(bigwig, "PART_ITEMS", 8)
    monkeypatch.setattr(bigwig, "ZOOM_BLOCK_ITEMS", 2)
    monkeypatch.setattr(bigwig, "FIRST_ZOOM", 2)
    monkeypatch.setattr(bigwig_layout, "NODE_ITEMS", 2)


def dense(of_contig: dict[int, float], length: int, missing: float) -> npt.NDArray[np.float32]:
    row = np.full(length, missing, np.float32)
    for position, value in of_contig.items():
        row[position] = value
    return row


def check_bigwig(path: Path, contigs: dict[str, int], values: Values) -> None:
    """Every base and the summary, read by three readers."""
    everything = [np.float32(v) for of in values.values() for v in of.values()]
    ours, rust = BigWig.open(path), pybigtools.open(str(path))
    assert ours.contigs == rust.chroms() == contigs
    with pyBigWig.open(str(path)) as c:
        assert c.chroms() == contigs
        header = c.header()
        assert header["nBasesCovered"] == len(everything)
        if everything:  # pyBigWig shows these as whole numbers
            assert header["minVal"] == int(min(everything))
            assert header["maxVal"] == int(max(everything))
        for contig, length in contigs.items():
            of_contig = values.get(contig, {})
            wanted = dense(of_contig, length, math.nan)
            assert np.array_equal(c.values(contig, 0, length, numpy=True), wanted, equal_nan=True)
            found = ours.values(contig, missing=math.nan)
            assert np.array_equal(found, wanted, equal_nan=True)
            assert np.array_equal(ours.values(contig), dense(of_contig, length, 0))
            records = [(s, e, np.float32(v)) for s, e, v in rust.records(contig)]
            assert records == [(p, p + 1, np.float32(v)) for p, v in sorted(of_contig.items())]
    summary = rust.info()["summary"]
    assert summary["basesCovered"] == len(everything)
    if everything:
        doubles = [float(v) for v in everything]
        assert summary["sum"] == pytest.approx(math.fsum(doubles), rel=1e-9, abs=1e-3)
        assert (summary["min"], summary["max"]) == (min(doubles), max(doubles))


def check_zooms(path: Path, contigs: dict[str, int], values: Values) -> list[int]:
    """Every record of every level; returns the levels."""
    reader = pybigtools.open(str(path))
    for width in reader.zooms():
        for contig, length in contigs.items():
            bins: dict[int, list[float]] = {}
            for position, value in values.get(contig, {}).items():
                bins.setdefault(position // width, []).append(float(np.float32(value)))
            found = list(reader.zoom_records(width, contig))
            assert [(s, e) for s, e, _ in found] == [
                (b * width, min(b * width + width, length)) for b in sorted(bins)
            ]
            for key in bins:  # each found by its own place: the index covers its blocks
                place = (key * width, min(key * width + width, length))
                assert place in [r[:2] for r in reader.zoom_records(width, contig, *place)]
            for (_, _, said), key in zip(found, sorted(bins), strict=True):
                inside = bins[key]
                assert said["bases_covered"] == len(inside)
                assert (said["min_val"], said["max_val"]) == (min(inside), max(inside))
                scale = sum(map(abs, inside))
                assert said["sum"] == pytest.approx(sum(inside), rel=1e-6, abs=1e-6 * scale)
                assert said["sum_squares"] == pytest.approx(sum(v * v for v in inside), rel=1e-6)
    return list(reader.zooms())


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tracks(), st.integers(1, 20), st.integers(1, 3))
@example(({"a": 1}, {}), 1, 1)
@example(({"b": 300, "a": 300}, {"b": {0: 2, 299: 1}, "a": {0: 1, 1: 1, 2: 1}}), 2, 2)
@example((dict.fromkeys("edcba", 5), {c: {4: 1} for c in "eca"}), 1, 1)
def test_bigwig_holds_the_values(
    tmp_path: Path, small_nodes: None, track: tuple[dict[str, int], Values], cut: int, threads: int
) -> None:
    contigs, values = track
    path = tmp_path / "x.bw"
    write_bigwig(path, contigs, as_runs(values, cut), threads=threads)
    check_bigwig(path, contigs, values)
    check_zooms(path, contigs, values)


def random_track(seed: int, contigs: dict[str, int], every: int) -> Values:
    rng = np.random.default_rng(seed)
    values: Values = {}
    for contig, length in contigs.items():
        positions = np.unique(rng.integers(0, length, length // every))
        counts = rng.geometric(0.6, len(positions))
        values[contig] = dict(zip(positions.tolist(), counts.tolist(), strict=True))
    return values


def test_blocks_and_zoom_levels_of_the_usual_size(tmp_path: Path) -> None:
    contigs = {"chr1": 400_000, "chr2": 5_000, "chr3": 30_000}
    values = random_track(1, contigs, every=3)
    path = tmp_path / "x.bw"
    write_bigwig(path, contigs, as_runs(values, 70_000))
    check_bigwig(path, contigs, values)
    assert check_zooms(path, contigs, values) == [4096, 16384, 65536, 262144]
    with pyBigWig.open(str(path)) as c:  # of wide bins: from a zoom level
        high = max(values["chr1"].values())
        assert max(c.stats("chr1", type="max", nBins=10)) == high
        mean = c.stats("chr1", type="mean")[0]
    assert mean == pytest.approx(np.mean(list(values["chr1"].values())), rel=0.01)
    again = tmp_path / "again.bw"
    write_bigwig(again, contigs, as_runs(values, 70_000), threads=4)
    assert again.read_bytes() == path.read_bytes()


def test_scaled_counts_are_float32(tmp_path: Path) -> None:
    contigs = {"chr1": 5_000}
    counts = random_track(2, contigs, every=4)
    scaled = {
        c: {p: float(np.float32(n * 0.3721)) for p, n in of.items()} for c, of in counts.items()
    }
    write_bigwig(tmp_path / "x.bw", contigs, as_runs(scaled, 100))
    check_bigwig(tmp_path / "x.bw", contigs, scaled)


def test_many_contigs(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    contigs = {f"s{i}": 20 for i in rng.permutation(3_000).tolist()}  # more than a node holds
    values: Values = {name: {i % 20: i} for i, name in enumerate(contigs) if i % 3}
    path = tmp_path / "x.bw"
    write_bigwig(path, contigs, as_runs(values, 9))
    ours = BigWig.open(path)
    with pyBigWig.open(str(path)) as c:
        assert c.chroms() == contigs == ours.contigs
        for name in contigs:
            found = [(s, v) for s, _, v in c.intervals(name) or ()]
            assert found == list(values.get(name, {}).items())
    for name in list(contigs)[::97]:
        assert np.array_equal(ours.values(name), dense(values.get(name, {}), 20, 0))


def test_contigs_are_sorted_in_the_tree_and_numbered_as_given(tmp_path: Path) -> None:
    contigs = {"chr2": 20, "chr10": 30, "M": 5}
    path = tmp_path / "x.bw"
    write_bigwig(path, contigs, [])
    data = path.read_bytes()
    (tree,) = struct.unpack_from("<Q", data, 8)
    found = [struct.unpack_from("<5sII", data, tree + 36 + 13 * i) for i in range(3)]
    assert found == [(b"M\0\0\0\0", 2, 5), (b"chr10", 1, 30), (b"chr2\0", 0, 20)]


def test_the_last_base_that_the_format_holds(tmp_path: Path) -> None:
    contigs = {"long": FORMAT_LIMIT, "next": 10}
    values: Values = {"long": {0: 1, FORMAT_LIMIT - 1: 7}, "next": {3: 2}}
    path = tmp_path / "x.bw"
    write_bigwig(path, contigs, as_runs(values, 10))
    rust = pybigtools.open(str(path))  # pyBigWig reads these positions as negative ones
    assert rust.chroms() == contigs
    assert list(rust.records("long")) == [(0, 1, 1.0), (FORMAT_LIMIT - 1, FORMAT_LIMIT, 7.0)]
    assert list(rust.records("next")) == [(3, 4, 2.0)]
    ours = BigWig.open(path)
    assert ours.values("long", FORMAT_LIMIT - 3).tolist() == [0, 0, 7]
    assert ours.values("long", 0, 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("contigs", "said"),
    [
        ({}, "found no contigs"),
        ({"a": FORMAT_LIMIT + 1}, "'a' has 4,294,967,296 bp, a bigWig holds at most 4,294,967,295"),
        ({"a": 5, "": 5}, "found '' for a contig"),
        ({"a\0b": 5}, "expected a name"),
    ],
)
def test_contigs_that_no_bigwig_holds(tmp_path: Path, contigs: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        write_bigwig(tmp_path / "x.bw", contigs, [])
    assert not (tmp_path / "x.bw").exists()


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([("b", [1], [1]), ("a", [1], [1])], "a comes after a later contig"),
        ([("a", [1, 1], [1, 1])], "do not ascend"),
        ([("a", [1], [1]), ("a", [1], [1])], "do not ascend"),
        ([("a", [3, 2], [1, 1])], "do not ascend"),
        ([("a", [-1], [1])], "do not ascend"),
        ([("a", [10], [1])], "position 10 is past its 10 bp"),
        ([("a", [1], [np.nan])], "not finite"),
        ([("a", [1], [np.inf])], "not finite"),
        ([("a", [1, 2], [1])], "2 positions but 1 values"),
        ([("c", [1], [1])], "c is not among the contigs"),
    ],
)
@pytest.mark.parametrize("write", [write_bigwig, write_bedgraph])
def test_runs_out_of_order_are_refused(tmp_path: Path, write, runs, said: str) -> None:  # type: ignore[no-untyped-def]
    arrays = [(c, np.array(p, np.int64), np.array(v, np.float32)) for c, p, v in runs]
    with pytest.raises(ValueError, match=said):
        write(tmp_path / "x", {"a": 10, "b": 10}, arrays)


def test_an_unfinished_file_is_no_bigwig(tmp_path: Path) -> None:
    def runs() -> Iterator[Run]:
        yield "a", np.arange(50_000), np.ones(50_000, np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bigwig(tmp_path / "x.bw", {"a": 100_000}, runs())
    with pytest.raises(InputError, match="cannot be read as bigWig"):
        BigWig.open(tmp_path / "x.bw")


def write_foreign(path: Path, kind: str) -> npt.NDArray[np.float32]:
    """A file of another writer; its values, 0 where it has none."""
    values = np.zeros(1_000, np.float32)
    if kind == "pybigtools":
        values[100:180], values[300] = 2.5, -1
        rows = [("a", 100, 180, 2.5), ("a", 300, 301, -1.0)]
        pybigtools.open(str(path), "w").write({"a": 1_000}, iter(rows))
        return values
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("a", 1_000)])
        if kind == "bedGraph":
            values[100:180], values[300] = 2.5, -1
            file.addEntries(["a", "a"], [100, 300], ends=[180, 301], values=[2.5, -1.0])
        elif kind == "variableStep":
            values[10:15], values[20:25] = 1, 2
            file.addEntries("a", [10, 20], values=[1.0, 2.0], span=5)
        else:
            values[50:53], values[60:63] = 4, 5
            file.addEntries("a", 50, values=[4.0, 5.0], span=3, step=10)
    return values


@pytest.mark.parametrize("kind", ["pybigtools", "bedGraph", "variableStep", "fixedStep"])
def test_other_writers_files_are_read(tmp_path: Path, kind: str) -> None:
    values = write_foreign(tmp_path / "x.bw", kind)
    file = BigWig.open(tmp_path / "x.bw")
    assert file.contigs == {"a": 1_000}
    found = file.values("a")
    assert found.dtype == np.float32
    assert np.array_equal(found, values)
    assert np.array_equal(file.values("a", 101, 305), values[101:305])
    unset = np.isnan(file.values("a", missing=math.nan))
    assert np.array_equal(unset, values == 0)


def test_regions(tmp_path: Path) -> None:
    path = tmp_path / "x.bw"
    write_bigwig(
        path, {"a": 100, "b": 10}, [("a", np.array([5, 99]), np.array([1, 2], np.float32))]
    )
    file = BigWig.open(str(path))
    assert file.values("a", 5, 6).tolist() == [1]
    assert file.values("a", 99).tolist() == [2]
    assert file.values("a", 4, 4).shape == (0,)
    assert file.values("b").tolist() == [0] * 10
    for start, end in [(-1, 5), (5, 4), (0, 101), (101, 101)]:
        with pytest.raises(InputError, match=f"found region a:{start}-{end}, .* its 100 bp"):
            file.values("a", start, end)
    with pytest.raises(InputError, match="has no contig 'c'; it has a, b"):
        file.values("c")


def damage(data: bytes, seed: int) -> bytes:
    """Bytes set, a cut-off end, or a hole; headers and indexes hit more often than not."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    if seed % 4 == 0:
        return data[: rng.integers(0, len(data))]
    if seed % 8 == 1:
        at = rng.integers(0, len(data))
        return data[:at] + data[at + int(rng.integers(1, 100)) :]
    where = [(0, len(data)), (0, 400), (len(data) - 1_500, len(data))][seed % 3]
    for _ in range(int(rng.integers(1, 5))):
        changed[int(rng.integers(*where))] = int(rng.choice([0, 1, 127, 255, rng.integers(256)]))
    return bytes(changed)


def test_damage_is_an_input_error_or_an_answer_of_the_right_shape(tmp_path: Path) -> None:
    contigs = {"chr1": 5_000, "chr2": 90_000, "chrM": 300}
    path, bad = tmp_path / "x.bw", tmp_path / "bad.bw"
    write_bigwig(path, contigs, as_runs(random_track(3, contigs, every=10), 1_000))
    data = path.read_bytes()
    refused = []
    for seed in range(600):
        bad.write_bytes(damage(data, seed))
        try:
            file = BigWig.open(bad)
            for contig, length in list(file.contigs.items())[:5]:
                end = min(length, 100_000)
                values = file.values(contig, 0, end)
                assert values.shape == (end,)
                assert values.dtype == np.float32
        except InputError as error:
            refused.append(str(error))
    assert 200 < len(refused) < 550
    assert all(said.startswith(f"{bad}: ") and "\n" not in said for said in refused)


def test_damaged_values_are_never_other_values(tmp_path: Path) -> None:
    contigs = {"chr1": 50_000}
    path, bad = tmp_path / "x.bw", tmp_path / "bad.bw"
    write_bigwig(path, contigs, as_runs(random_track(4, contigs, every=4), 100_000))
    data, wanted = path.read_bytes(), BigWig.open(path).values("chr1")
    *_, first, end = struct.unpack_from("<IHHQQQ", data)
    rng = np.random.default_rng(4)
    refused = 0
    for at in rng.integers(first + 8, end, 150).tolist():
        bad.write_bytes(data[:at] + bytes([data[at] ^ int(rng.integers(1, 256))]) + data[at + 1 :])
        try:
            assert np.array_equal(BigWig.open(bad).values("chr1"), wanted)
        except InputError:
            refused += 1
    assert refused > 140


@pytest.mark.parametrize(
    "data", [b"", b"track\n", b"\x1f\x8b" * 50, bytes(1_000), b"\xeb\xf2\x89\x87" * 99]
)
def test_files_of_another_kind(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.bw"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.bw: cannot be read as bigWig .* make it again"):
        BigWig.open(path)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.bw"):
        with pytest.raises(InputError, match="cannot be read as bigWig"):
            BigWig.open(path)


def read_lines(text: str) -> tuple[Values, list[tuple[str, int, int, str]]]:
    rows = [line.split("\t") for line in text.splitlines()]
    lines = [(c, int(s), int(e), v) for c, s, e, v in rows]
    values: Values = {}
    for contig, start, end, value in lines:
        for position in range(start, end):
            assert position not in values.setdefault(contig, {})
            values[contig][position] = float(np.float32(value))
    return values, lines


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tracks(), st.integers(1, 20), st.booleans())
@example(({"a": 9}, {"a": {0: 1e-7, 1: 1e-7, 3: 16777216.0, 4: 0.1}}), 9, False)
def test_bedgraph_holds_the_values(
    tmp_path: Path, track: tuple[dict[str, int], Values], cut: int, compressed: bool
) -> None:
    contigs, values = track
    path = tmp_path / "x"
    write_bedgraph(path, contigs, as_runs(values, cut), compressed=compressed, threads=2)
    data = path.read_bytes()
    found, lines = read_lines((gzip.decompress(data) if compressed else data).decode())
    assert found == {
        c: {p: float(np.float32(v)) for p, v in of.items()} for c, of in values.items() if of
    }
    assert [row[0] for row in lines] == sorted((row[0] for row in lines), key=list(contigs).index)
    for (c, s, _, _), (d, t, _, _) in pairwise(lines):
        assert c != d or s < t


def test_bedgraph_text(tmp_path: Path) -> None:
    path = tmp_path / "x.bg"
    run = (np.array([0, 1, 2, 4, 5]), np.array([3, 3, 1, 1, 0.25], np.float32))
    write_bedgraph(path, {"chr1": 9, "chr2": 9}, [("chr1", *run), ("chr2", *run)])
    one = "0\t2\t3\n{c}\t2\t3\t1\n{c}\t4\t5\t1\n{c}\t5\t6\t0.25\n"
    assert path.read_text() == "".join(f"{c}\t{one.format(c=c)}" for c in ("chr1", "chr2"))
    write_bedgraph(path, {"chr1": 9}, [])
    assert path.read_bytes() == b""


def test_tabix_takes_the_compressed_bedgraph(tmp_path: Path) -> None:
    contigs = {"chr1": 400_000, "chr2": 9_000}
    values = random_track(6, contigs, every=4)
    path = tmp_path / "x.bedgraph.gz"
    write_bedgraph(path, contigs, as_runs(values, 50_000), compressed=True)
    data = path.read_bytes()
    assert data.count(bedgraph.BGZF_END[:4]) > 10
    assert data.endswith(bedgraph.BGZF_END)
    pysam.tabix_index(str(path), preset="bed")
    with pysam.TabixFile(str(path)) as file:
        found, _ = read_lines("\n".join(file.fetch("chr1", 200_000, 201_000)))
        assert found["chr1"] == {p: n for p, n in values["chr1"].items() if 200_000 <= p < 201_000}
        assert sum(1 for _ in file.fetch()) > 20_000
