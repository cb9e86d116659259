"""`kmerengine scan` against strings; regions, q-values, and outputs."""

import gzip
import json
from collections import Counter
from itertools import product
from math import floor, log2
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pysam
import pytest
from click.testing import CliRunner
from scan_world import BOX, UNIFORM, rows_of, write_fasta
from scipy.stats import false_discovery_control

from kmerengine import InputError, Motif, MotifHits, scan
from kmerengine.cli import main
from kmerengine.io.bed import read_regions
from kmerengine.motifs import search as scan_search
from native_kernels import motif_scan

OTHER = str.maketrans("ACGT", "TGCA")
PALINDROME = Motif.from_counts("P", [[9, 1, 0, 0], [0, 9, 1, 0], [0, 1, 9, 0], [0, 0, 1, 9]])
MOTIFS = [BOX, PALINDROME]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def random_genome(seed=3, lengths=(700, 5, 3, 0, 400, 7)):
    """Contigs with lower case, N and planted sites at both ends; some shorter than a motif."""
    rng = np.random.default_rng(seed)
    contigs = {}
    for number, length in enumerate(lengths):
        letters = rng.choice(list("ACGTacgtN"), length, p=[0.2] * 4 + [0.045] * 4 + [0.02])
        text = "".join(letters)
        if length > 100:
            text = f"ACACGTG{text[7:200]}cacgtgtNACNACGTG{text[216:-7]}CACGTGT"
        contigs[f"chr{number + 1}"] = text
    contigs["chr6"] = "acacgtg"
    return contigs


def slow_scores(motif, background, pseudocount=0.1):
    """Integer weights, scale and offset, and the p-value of every score, in plain Python."""
    n = motif.nsites or 20
    rows = [
        [
            log2((n * x + pseudocount * b) / (n + pseudocount) / b)
            for x, b in zip(row, background, strict=True)
        ]
        for row in motif.probabilities.tolist()
    ]
    offset = floor(min(map(min, rows)))
    scale = floor(1000 / (max(map(max, rows)) - offset))
    weights = [[floor((x - offset) * scale + 0.5) for x in row] for row in rows]
    chance = {0: 1.0}
    for row in weights:
        longer: Counter[int] = Counter()
        for (score, p), (weight, b) in product(chance.items(), zip(row, background, strict=True)):
            longer[score + weight] += p * b
        chance = longer
    tail, above = {}, 0.0
    for score in sorted(chance, reverse=True):
        above += chance[score]
        tail[score] = above
    return weights, scale, offset, tail


def by_strings(contigs, motifs, p, background=UNIFORM):
    """Rows (contig, start, end, motif, bits, strand, p, bases) of every hit, in order."""
    hits = []
    for place, (contig, text) in enumerate(contigs.items()):
        for number, motif in enumerate(motifs):
            weights, scale, offset, tail = slow_scores(motif, background)
            for start in range(len(text) - len(motif) + 1):
                word = text[start : start + len(motif)].upper()
                if "N" in word:
                    continue
                for strand, bases in (("+", word), ("-", word.translate(OTHER)[::-1])):
                    score = sum(row["ACGT".index(b)] for row, b in zip(weights, bases, strict=True))
                    if tail[score] <= p:
                        bits = score / scale + len(motif) * offset
                        end = start + len(motif)
                        row = (contig, start, end, motif.name, bits, strand, tail[score], bases)
                        hits.append(((place, start, number, strand), row))
    return [row for _, row in sorted(hits)]


def close(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one[:4] + one[5:6] + one[7:] == other[:4] + other[5:6] + other[7:]
        assert one[4] == pytest.approx(other[4], rel=1e-12, abs=1e-12)
        assert one[6] == pytest.approx(other[6], rel=1e-10)


# ------------------------------------------------------------------------------ against strings


@pytest.mark.parametrize("p", [1e-4, 2e-3, 0.05, 1])
@pytest.mark.parametrize("seed", range(3))
def test_hits_equal_those_of_strings(p, seed):
    contigs = random_genome(seed)
    found = rows_of(scan(write_fasta(contigs), MOTIFS, p=p, sequence=True, threads=2))
    expected = by_strings(contigs, MOTIFS, p)
    close(found, expected)
    if p == 2e-3:
        places = {row[:2] + row[5:6] for row in found if row[3] == "M1"}
        last = len(contigs["chr1"]) - 7
        assert {("chr1", 0, "+"), ("chr1", 200, "-"), ("chr1", last, "-")} <= places
        assert ("chr6", 0, "+") in places  # a contig of just the motif's length
    if p == 1:
        windows = sum(
            "N" not in t[i : i + n].upper()
            for t in contigs.values()
            for n in (7, 4)
            for i in range(len(t) - n + 1)
        )
        assert len(found) == 2 * windows


def test_windows_are_counted_with_those_left_out_for_other_bases():
    hits = scan(write_fasta({"a": "ACGTNACGTACGT", "b": "NNN", "c": "ACRT"}), [PALINDROME], p=0.01)
    assert (hits.windows, hits.skipped) == (2 * (1 + 5), 2 * (4 + 1))
    assert rows_of(hits, "chrom", "start") == [("a", x) for x in (0, 0, 5, 5, 9, 9)]


@pytest.mark.parametrize("background", [[0.4, 0.1, 0.2, 0.3], "0.4,0.1,0.2,0.3"])
def test_a_background_is_averaged_over_the_strands_that_are_scanned(background):
    contigs = random_genome()
    write_fasta(contigs)
    both = scan("g.fa", [BOX], p=0.01, background=background, sequence=True)
    close(rows_of(both), by_strings(contigs, [BOX], 0.01, [0.35, 0.15, 0.15, 0.35]))
    plus = scan("g.fa", [BOX], p=0.01, background=background, sequence=True, strands="plus")
    own = by_strings(contigs, [BOX], 0.01, [0.4, 0.1, 0.2, 0.3])
    close(rows_of(plus), [row for row in own if row[5] == "+"])
    assert len(plus) > 3


def test_backgrounds_of_the_genome_and_of_the_motifs():
    contigs = random_genome()
    write_fasta(contigs)
    counts = Counter("".join(contigs.values()).upper())
    shares = [counts[base] / sum(counts[b] for b in "ACGT") for base in "ACGT"]
    both = [(shares[i] + shares[3 - i]) / 2 for i in range(4)]
    of_genome = scan("g.fa", [BOX], p=0.01, background="genome", sequence=True)
    close(rows_of(of_genome), by_strings(contigs, [BOX], 0.01, both))
    said = of_genome.provenance["motifs"][0]
    assert said["background"] == pytest.approx(dict(zip("ACGT", both, strict=True)), abs=1e-6)
    own = Motif.from_counts("M1", BOX.counts, background=[0.3, 0.2, 0.2, 0.3])
    close(
        rows_of(scan("g.fa", [own], p=0.01, background="motifs", sequence=True)),
        by_strings(contigs, [own], 0.01, [0.3, 0.2, 0.2, 0.3]),
    )
    write_fasta({"a": "ACGACG"}, "no_t.fa")
    with pytest.raises(InputError, match="found 2, 2, 2, 0 A, C, G and T, expected some of each"):
        scan("no_t.fa", [BOX], background="genome")


def test_a_motif_that_no_word_can_match_is_noted():
    write_fasta(random_genome())
    hits = scan("g.fa", MOTIFS, p=1e-4)
    assert {row[0] for row in rows_of(hits, "motif")} == {"M1"}
    assert [note for note in hits.notes if "motif" in note] == [
        "motif P: no word has a p-value of at most 0.0001; it has no hits"
    ]


# --------------------------------------------------------------------------- regions, best, q

REGIONS = (
    "chr1\t190\t230\ta\t1\t+\nchr5\t0\t400\tb\t2\t-\nchr1\t195\t700\tc\t3\t.\nchr2\t0\t5\td\t4\t.\n"
)


def in_regions(contigs, motifs, p):
    """As `by_strings`, with the number of the region in front."""
    rows = []
    for number, line in enumerate(REGIONS.splitlines()):
        contig, start, end = line.split()[:3]
        part = {contig: contigs[contig][int(start) : int(end)]}
        for hit in by_strings(part, motifs, p):
            place = tuple(x + int(start) for x in hit[1:3])
            rows.append((number, (contig, *place, *hit[3:])))
    return rows


@pytest.mark.parametrize("step", [100, 1 << 20])
def test_hits_of_regions_lie_inside_and_are_given_for_each(step, monkeypatch):
    monkeypatch.setattr(scan_search, "PIECE_BASES", step)
    contigs = random_genome()
    write_fasta(contigs)
    Path("r.bed").write_text(REGIONS)
    hits = scan("g.fa", MOTIFS, "r.bed", p=0.05, sequence=True)
    expected = in_regions(contigs, MOTIFS, 0.05)
    close(rows_of(hits), [row for _, row in expected])
    assert [number for (number,) in rows_of(hits, "region")] == [number for number, _ in expected]
    assert hits.provenance["regions"] == hits.provenance["kept"] == 4
    assert hits.provenance["bases"] == 40 + 400 + 505 + 5


@pytest.mark.parametrize("p", [0.02, 1])
def test_best_is_the_highest_score_then_the_first_then_plus(p):
    contigs = random_genome()
    write_fasta(contigs)
    Path("r.bed").write_text(REGIONS)
    hits = scan("g.fa", MOTIFS, "r.bed", p=p, best=True, sequence=True, threads=1)
    best: dict[tuple[int, str], tuple] = {}
    for number, row in in_regions(contigs, MOTIFS, p):
        known = best.get((number, row[3]))
        if known is None or (-row[4], row[1], row[5]) < (-known[4], known[1], known[5]):
            best[number, row[3]] = row
    order = sorted(best, key=lambda key: (key[0], best[key][1], key[1]))
    close(rows_of(hits), [best[key] for key in order])
    assert [number for (number,) in rows_of(hits, "region")] == [number for number, _ in order]
    assert len(order) == 7 if p == 1 else len(order) < 7  # chr2 is too short for M1


def test_the_better_strand_of_two():
    contigs = random_genome()
    write_fasta(contigs)
    every = by_strings(contigs, MOTIFS, 0.05)
    places: dict[tuple, tuple] = {}
    for row in every:  # plus comes first, and stays where minus is no better
        known = places.get(row[:4])
        if known is None or row[4] > known[4]:
            places[row[:4]] = row
    found = rows_of(scan("g.fa", MOTIFS, p=0.05, strands="best", sequence=True))
    close(found, list(places.values()))
    assert len(found) < len(every)
    assert {row[5] for row in found} == {"+", "-"}


@pytest.mark.parametrize("strands", ["both", "plus"])
def test_q_values_are_benjamini_hochberg_s(strands):
    write_fasta(random_genome())
    everything = scan("g.fa", MOTIFS, p=1, strands=strands)
    rows = rows_of(everything, "motif", "chrom", "start", "strand", "p")
    expected = {}
    for name in ("M1", "P"):
        own = [row for row in rows if row[0] == name]
        q = false_discovery_control([row[4] for row in own])
        expected |= {row[:4]: value for row, value in zip(own, q, strict=True)}
    for limit in (0.02, 0.3, 1):
        hits = scan("g.fa", MOTIFS, p=1, q=limit, strands=strands, threads=2)
        found = {row[:4]: row[4] for row in rows_of(hits, "motif", "chrom", "start", "strand", "q")}
        wanted = {key: q for key, q in expected.items() if q <= limit}
        assert found == pytest.approx(wanted, rel=1e-12)
        assert len(found) > 1
    few = scan("g.fa", MOTIFS, p=2e-3, q=1, strands=strands)  # never lower than over all of them
    for row in rows_of(few, "motif", "chrom", "start", "strand", "q"):
        assert row[4] >= expected[row[:4]] * (1 - 1e-12)


# ------------------------------------------------------------------------ same bits, any order


@pytest.mark.parametrize("step", [1, 13, 64])
def test_pieces_threads_and_compression_do_not_change_a_bit(step, monkeypatch):
    contigs = random_genome()
    write_fasta(contigs)
    with gzip.open("g.fa.gz", "wt") as file:
        file.write(Path("g.fa").read_text())
    options = {"p": 0.01, "q": 0.5, "sequence": True}
    whole = scan("g.fa", MOTIFS, threads=1, **options)
    monkeypatch.setattr(scan_search, "PIECE_BASES", step)
    monkeypatch.setattr("kmerengine.motifs.pieces.RESIDENT_BASES", 10 * step)
    monkeypatch.setattr(motif_scan, "ROOM", 3)
    for genome, threads in (("g.fa", 1), ("g.fa", 3), ("g.fa.gz", 2)):
        hits = scan(genome, MOTIFS, threads=threads, **options)
        assert hits.table().equals(whole.table())
        assert (hits.windows, hits.skipped) == (whole.windows, whole.skipped)


def test_progress_ends_at_all_bases():
    contigs = random_genome()
    seen = []
    scan(write_fasta(contigs), [BOX], progress=lambda done, of: seen.append((done, of)))
    n = sum(map(len, contigs.values()))
    assert seen[-1] == (n, n)


# -------------------------------------------------------------------------------------- outputs


def test_parquet_bed_and_memory_hold_the_same():
    write_fasta(random_genome())
    Path("r.bed").write_text(REGIONS)
    options = {"p": 0.01, "q": 0.9, "sequence": True}
    memory = scan("g.fa", MOTIFS, "r.bed", **options)
    stored = scan("g.fa", MOTIFS, "r.bed", output="h.parquet", **options)
    assert stored.table().equals(memory.table())
    assert stored.provenance == memory.provenance
    assert MotifHits.open("h.parquet").to_polars().shape == (len(memory), 10)
    assert pq.read_schema("h.parquet").names == [
        "chrom", "start", "end", "motif", "score", "strand", "p", "q", "region", "sequence",
    ]  # fmt: skip
    text = scan("g.fa", MOTIFS, "r.bed", output="h.bed", **options)
    packed = scan("g.fa", MOTIFS, "r.bed", output="h.bed.gz", **options)
    assert len(text) == len(packed) == len(memory)
    assert gzip.decompress(Path("h.bed.gz").read_bytes()) == Path("h.bed").read_bytes()
    header, *lines = Path("h.bed").read_text().splitlines()
    assert header == "#chrom\tstart\tend\tmotif\tscore\tstrand\tp\tq\tsequence"
    names = header[1:].split("\t")
    for line, row in zip(lines, memory.table().to_pylist(), strict=True):
        for name, word in zip(names, line.split("\t"), strict=True):
            value = row[name]
            assert word == (f"{value:.6g}" if isinstance(value, float) else str(value))
    for path in ("h.bed", "h.bed.gz"):
        regions = read_regions(path)
        assert regions.start.tolist() == memory.table()["start"].to_pylist()
        assert regions.name == memory.table()["motif"].to_pylist()
    with pytest.raises(InputError, match=r"h\.bed: hits in a BED file are not read back"):
        text.table()


def test_bgzip_blocks_are_indexed_by_others(monkeypatch):
    monkeypatch.setattr("kmerengine.motifs.hits_bed._BLOCK", 400)
    write_fasta(random_genome())
    hits = scan("g.fa", MOTIFS, p=0.05, output="h.bed.gz")
    assert len(hits) > 20
    pysam.tabix_index("h.bed.gz", preset="bed")
    with pysam.TabixFile("h.bed.gz") as file:
        lines = [line for contig in file.contigs for line in file.fetch(contig)]
    assert lines == gzip.decompress(Path("h.bed.gz").read_bytes()).decode().splitlines()[1:]


def test_how_the_hits_were_made_is_said():
    write_fasta(random_genome())
    Path("m.meme").write_text(
        "MEME version 4\n\nMOTIF M1 box\nletter-probability matrix: w= 2\n"
        "0.7 0.1 0.1 0.1\n0 0 1 0\n"
    )
    hits = scan("g.fa", "m.meme", p=0.2, output="h.parquet", names=["box"])
    made = MotifHits.open("h.parquet").provenance
    assert made == hits.provenance
    assert made["format"] == "kmerengine.motif_hits"
    assert made["inputs"]["motifs"]["sha256"]
    assert made["inputs"]["genome"]["name"] == "g.fa"
    assert made["parameters"]["p"] == 0.2
    assert made["motifs"] == [
        {"name": "M1", "alt_name": "box", "length": 2, "background": dict.fromkeys("ACGT", 0.25)}
    ]


def test_no_hits_is_an_empty_table():
    write_fasta({"a": "NNNNNNNNNNNN", "b": "ACG"})
    Path("none.bed").write_text("")
    assert scan("g.fa", [BOX], output="h.parquet").table().num_rows == 0
    assert scan("g.fa", [BOX], "none.bed", best=True).table().num_rows == 0
    assert scan("g.fa", [BOX], q=0.1, output="h.bed").provenance["bases"] == 15
    assert Path("h.bed").read_text() == "#chrom\tstart\tend\tmotif\tscore\tstrand\tp\tq\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 0}, "p: found 0, expected more than 0 and at most 1"),
        ({"p": float("nan")}, "p: found nan"),
        ({"q": 1.5}, "q: found 1.5"),
        ({"strands": "minus"}, "strands: found 'minus', expected both, best or plus"),
        ({"pseudocount": -1}, "pseudocount: found -1"),
        ({"threads": 0}, "threads: found 0, expected 1 to"),
        ({"best": True}, "best: found without REGIONS"),
        ({"best": True, "regions": "r.bed", "q": 0.1}, "q: found together with best"),
        ({"background": "gc"}, "background: found 'gc', expected uniform, motifs, genome, or"),
        ({"background": [0.5, 0.5, 0, 0]}, "background: found"),
        ({"background": "0.3,0.3,0.3"}, "background: found"),
        ({"motifs": []}, "motifs: found none"),
        ({"motifs": [BOX, BOX]}, "motifs: found 'M1' twice"),
        ({"names": ["M2"]}, "names: found 'M2', expected names of motifs in motifs, such as M1"),
        ({"output": "h.csv"}, r"h\.csv: found suffix '\.csv', expected one of \.parquet"),
        ({"output": "old.bed"}, "old.bed: exists"),
        ({"output": "r.bed", "regions": "r.bed", "force": True}, "r.bed: is the input r.bed"),
        ({"regions": "far.bed"}, "reaches past the end of chr1"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(options, message):
    write_fasta(random_genome())
    for name in ("r.bed", "old.bed"):
        Path(name).write_text("chr1\t0\t9\n")
    Path("far.bed").write_text("chr1\t0\t900\n")
    with pytest.raises(InputError, match=message) as error:
        scan("g.fa", **({"motifs": [BOX]} | options))
    assert "\n" not in str(error.value)
    assert {path.name for path in Path().iterdir()} - {"g.fa.fai"} == {
        "g.fa", "r.bed", "old.bed", "far.bed",
    }  # fmt: skip


def run(line):
    return CliRunner().invoke(main, line.split())


def test_the_command():
    contigs = random_genome()
    write_fasta(contigs)
    Path("m.pfm").write_text(
        ">M1 box\n" + "\n".join(" ".join(map(str, r)) for r in BOX.counts.tolist())
    )  # type: ignore[union-attr]
    done = run("scan g.fa m.pfm --p 0.002 --sequence")
    assert (done.exit_code, done.stdout) == (0, "")
    expected = by_strings(contigs, [BOX], 0.002)
    close(rows_of(MotifHits.open("g.hits.parquet")), expected)
    assert f"hits      {len(expected):>14,}\n" in done.stderr
    assert "g.hits.parquet written in " in done.stderr
    done = run("scan g.fa m.pfm -o h.bed --name box -q --json --p 0.002")
    said = json.loads(done.stdout)
    assert (said["hits"], said["motifs"], said["output"]) == (len(expected), 1, "h.bed")
    assert said["windows"] > said["windows_not_acgt"] > 0
    done = run("scan g.fa m.pfm --motif-format meme")
    assert done.exit_code == 1
    assert "m.pfm: found what looks like hocomoco" in done.stderr
    assert done.stderr.count("\n") == 1
