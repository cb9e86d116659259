"""Motif instances against those of FIMO and memelite."""

import gzip
from collections import Counter

import pytest
from scan_world import BOX, UNIFORM, rows_of, write_fasta

from kmerengine import read_motifs, scan
from kmerengine.motifs.scores import MotifScores

NRDB = [0.274552, 0.225448, 0.225448, 0.274552]  # FIMO's default, strands averaged


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# MEME Suite 5.4's FIMO (through pymemesuite 0.1.0a4) on GOLDEN_GENOME: threshold 2e-3,
# pseudocount 0.1, its default background with strands averaged. First and last base, 1-based.
GOLDEN_GENOME = {
    "s1":
    "GCTAAAGACAATTACATAACATACACGTCAGCACGAAACTTGTTGGCCCAGTGTGAATCGCTTAAGGGTTAAGTA"
    "AGTGTGATGCATACGCCTTTACTTGACACGTGCACCCCATCGGACTGGCATTTTTATTACACTCAGAAACAGAAC"
    "TCGGGTAATTTTGACAGGTCACGCAGAGGCGCGCCCTCCTGAAGTGCGTGnnacacgtgTATGAATCTCTGATTT"
    "ACCCACTCTGCCAAACTCCAGCGCGGTCAGTTCCATCACCCTAAGTAACCGAATAATGCGTTCGCTCTATTGACT",
    "s2":
    "ACGACGCGCTCATTCCCTTGTCGGAGAGTTATGGAACAAGGACGCTGTCTGAGACTAGAAGACAGATAGTGCACA"
    "CGACCGGCGTCGGAGAAACTCTATTCACGTGTTGACAAGTCAATGCGATCCGTAGGGGCAGCGCAGTATGCCAAG"
    "ACTATAGGCACTGTCGCATCACAAACGATTAACTGATAAATGAGCCCTTTATGACACGGGCATATGACTGGTTTA"
    "CGATAGTATGTCCAACGGCGAGCTTTACATTTGCTGTGAGAGGTACAGGGATTAGTGAGAAGCCGTGCGTATCAA",
}  # fmt: skip
GOLDEN = """
s1 101 107 + 11.755102040816325 5.3463763652933376e-05
s2 107 101 - 11.755102040816325 5.3463763652933376e-05
s1 203 209 + 11.755102040816325 5.3463763652933376e-05
s1 210 204 - 11.755102040816325 5.3463763652933376e-05
s2 204 210 + 10.58163265306122 9.73654776053044e-05
s1 108 102 - 10.051020408163268 0.00018516890551004643
s2 100 106 + 9.765306122448976 0.00023863266916297982
s1 149 155 + 6.448979591836732 0.001708517047534467
s2 21 15 - 6.428571428571431 0.0017619808111874003
s2 211 205 - 6.204081632653065 0.0019849097460050927
"""


def test_golden_hits_of_fimo():
    write_fasta(GOLDEN_GENOME)
    expected = {}
    for line in GOLDEN.split("\n")[1:-1]:
        chrom, first, last, strand, bits, p = line.split()
        low, high = sorted((int(first), int(last)))
        expected[chrom, low - 1, high, strand] = (float(bits), float(p))
    hits = scan("g.fa", [BOX], p=2e-3, background=NRDB)
    found = {
        row[:4]: row[4:] for row in rows_of(hits, "chrom", "start", "end", "strand", "score", "p")
    }
    assert found.keys() == expected.keys()
    for key, (bits, p) in expected.items():
        assert found[key] == (pytest.approx(bits, rel=1e-12), pytest.approx(p, rel=2e-6))


YEAST_MOTIFS = {"MA0466.2": 1942, "MA0139.1": 1702, "MA0083.3": 2483, "MA0095.2": 3868}


def yeast(data, **options):
    """Hits of four motifs: CEBPB, CTCF, SRF, YY1 (10 to 19 bp)."""
    return scan(
        data / "yeast/sacCer3.fa.gz",
        data / "motifs/JASPAR_CORE_2016_vertebrates.meme",
        names=list(YEAST_MOTIFS),
        **options,
    )


@pytest.mark.data
def test_yeast_has_as_many_hits_as_fimo_finds(data):
    """The numbers are FIMO's, made as GOLDEN at 1e-4; so were all 9,995 places and scores."""
    hits = yeast(data, background=NRDB)
    assert Counter(motif for (motif,) in rows_of(hits, "motif")) == YEAST_MOTIFS


def memelite_hits(matrices, fasta, threshold, **options):
    """Start, strand, score and p of each hit, by motif and contig."""
    import memelite
    found = {}
    for frame in memelite.fimo(matrices, str(fasta), threshold=threshold, **options):
        columns = (frame[name] for name in ("motif_name", "sequence_name", "start", "strand"))
        keys = zip(*columns, strict=True)
        found |= dict(zip(keys, zip(frame["score"], frame["p-value"], strict=True), strict=True))
    return found


@pytest.fixture(scope="module")
def yeast_fasta(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("yeast") / "sacCer3.fa"
    path.write_bytes(gzip.decompress((data / "yeast/sacCer3.fa.gz").read_bytes()))
    return path


@pytest.mark.data
@pytest.mark.filterwarnings("ignore")
def test_yeast_equals_memelite_given_the_same_integers(data, yeast_fasta):
    """memelite's own DP and scan, on our integer scores: the same places and the same p-values.

    A quarter of a step more per motif keeps its float sums off its borders between two scores.
    """
    ours = {
        row[:4]: row[4] for row in rows_of(yeast(data), "motif", "chrom", "start", "strand", "p")
    }
    motifs = read_motifs(data / "motifs/JASPAR_CORE_2016_vertebrates.meme")
    theirs = {}
    for motif in motifs:
        if motif.name in YEAST_MOTIFS:
            scores = MotifScores.of(motif, UNIFORM)
            bits = scores.weights / scores.scale + scores.offset
            bits[0] += 0.25 / scores.scale
            matrix = {motif.name: 2.0 ** (bits.T - 2)}
            found = memelite_hits(matrix, yeast_fasta, 1e-4, eps=0, bin_size=1 / scores.scale)
            theirs |= {key: p for key, (_, p) in found.items()}
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10_000
    for key, p in theirs.items():
        assert ours[key] == pytest.approx(p, rel=1e-9)


@pytest.mark.data
@pytest.mark.filterwarnings("ignore")
def test_yeast_agrees_with_memelite_as_it_is_to_its_rounding(data, yeast_fasta):
    """memelite rounds scores to 0.01 bits here: hits near the threshold may differ, no others."""
    hits = yeast(data, p=1.2e-4)
    ours = {
        row[:4]: row[4:] for row in rows_of(hits, "motif", "chrom", "start", "strand", "score", "p")
    }
    motifs = read_motifs(data / "motifs/JASPAR_CORE_2016_vertebrates.meme")
    matrices = {m.name: m.smoothed(0.1, UNIFORM).T for m in motifs if m.name in YEAST_MOTIFS}
    theirs = memelite_hits(matrices, yeast_fasta, 1e-4, eps=0, bin_size=0.01)
    assert theirs.keys() <= ours.keys()
    missing = ours.keys() - theirs.keys()
    assert min(ours[key][1] for key in missing) > 0.9e-4
    for key, (bits, p) in theirs.items():
        assert ours[key][0] == pytest.approx(bits, abs=0.1)
        assert ours[key][1] == pytest.approx(p, rel=0.1)
