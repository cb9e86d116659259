"""The demo finds what it planted, and names it rightly."""

import math
from itertools import product

import numpy as np
import pytest
from click.testing import CliRunner

from kmerengine import demo
from kmerengine.errors import InputError
from kmerengine.simulators.peaks import MOTIFS, simulate_peaks
from kmerengine.simulators.sequences import IUPAC


def spelled(consensus: str) -> set[str]:
    """Every sequence of a consensus, on both strands."""
    forward = {"".join(site) for site in product(*(IUPAC[letter] for letter in consensus))}
    pairs = {"A": "T", "C": "G", "G": "C", "T": "A"}
    return forward | {"".join(pairs[base] for base in reversed(site)) for site in forward}


SITES = {name: spelled(consensus) for name, consensus in MOTIFS.items()}


def contains(site: str, word: str) -> bool:
    """Whether `word` lies in `site`, its outer wildcards perhaps outside."""
    core = word.strip("N")
    return any(
        all(w in ("N", s) for w, s in zip(core, site[i:], strict=False))
        for i in range(len(site) - len(core) + 1)
    )


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("GATAAG", ["GATA1"]),
        ("CTTATC", ["GATA1"]),
        ("NNGATAAG", ["GATA1"]),  # SAGATAAGR has two letters before GATAAG
        ("GATAAGNN", ["GATA1"]),  # the second N lies beyond the end
        ("GATNNAAG", []),
        ("AGANNAGA", ["GATA1"]),  # six bases, the last under R
        ("AGANNAGC", []),
        ("GATAANNN", []),  # five bases
        ("TGACTCAC", ["FOS::JUN"]),
        ("TGACTCAA", []),
        ("GAGTCA", ["FOS::JUN"]),  # TGASTCAY on either strand
        ("AGAGGNNG", ["CTCF", "SPI1"]),
        ("NNTGCGCA", ["NRF1", "CEBPB"]),
        ("AAAAAAAA", []),
        ("NNNNNNNN", []),
    ],
)
def test_names_by_hand(word, names):
    assert demo.motifs_with(word) == names


def test_names_against_every_spelling():
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(400):
        name = rng.choice(list(SITES))
        site = rng.choice(sorted(SITES[name]))
        start = int(rng.integers(0, len(site) - 7))
        word = site[start : start + 8]
        if rng.random() < 0.5:  # a mismatch somewhere
            i = int(rng.integers(8))
            word = word[:i] + rng.choice(list("ACGT")) + word[i + 1 :]
        gap = int(rng.integers(0, 3))
        i = int(rng.integers(0, 9 - gap))
        word = word[:i] + "N" * gap + word[i + gap :]
        # no letter of MOTIFS accepts every base, so 8-mers with two wildcards have six at least
        expected = [
            motif for motif, sites in SITES.items() if any(contains(site, word) for site in sites)
        ]
        assert demo.motifs_with(word) == expected, word
        found += bool(expected)
    assert 200 < found < 400


def test_enrichment_by_hand():
    observed = np.array([30, 10, 0, 0])
    total = np.array([60, 130, 10, 0])
    expected, z = demo.enrichment(observed, total)  # 40 of 200 k-mers lie in peaks
    assert expected.tolist() == pytest.approx([12, 26, 2, 0])
    assert z.tolist() == pytest.approx(
        [18 / math.sqrt(60 * 0.2 * 0.8), -16 / math.sqrt(130 * 0.16), -2 / math.sqrt(1.6), 0]
    )


def test_enrichment_when_all_or_nothing_lies_in_peaks():
    counts = np.array([3, 4])
    assert demo.enrichment(counts, counts).z.tolist() == [0, 0]
    assert demo.enrichment(0 * counts, 0 * counts).z.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        ("GATAAGNN", "NGATAAGN", True),
        ("GATAAGNN", "NNCTTATC", True),  # reverse complement
        ("AAAGATAA", "GATAACCC", True),  # five bases, shifted by three
        ("AAACATAA", "CATAGCCC", False),  # four, then a mismatch
        ("CCCCGATA", "GATACCCC", False),  # four bases only
        ("GATAAGNN", "GATTAGNN", False),
        ("GANNNACA", "GATTNACA", True),  # GA and ACA
        ("GNNNNACA", "GATTNACA", False),  # G and ACA
    ],
)
def test_overlap_by_hand(a, b, overlap):
    words = [a, b]
    assert demo.distinct([0, 1], words.__getitem__, 9) == ([0] if overlap else [0, 1])
    assert demo.distinct([1, 0], words.__getitem__, 9) == ([1] if overlap else [1, 0])


def test_distinct_stops_at_n():
    words = ["AAAAAAAA", "CCCCCCCC", "NAAAAAAA", "ACACACAC"]
    assert demo.distinct([0, 2, 1, 3], words.__getitem__, 2) == [0, 1]


def test_the_best_word_of_a_motif_is_in_no_other():
    words = ["AGAGGNNG", "NGATAAGN", "AGAGGAAG", "GATAAGNN", "AAAAAAAA"]
    assert demo.best_words(range(5), words.__getitem__) == {"GATA1": 1, "SPI1": 2}


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    (tmp_path / "genome.fa").write_text(">a\n")
    with pytest.raises(InputError, match=r"holds 'thesis.tex'"):
        demo.demo(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "x"
    with pytest.raises(InputError, match="is a file"):
        demo.demo(tmp_path / "thesis.tex")
    result = CliRunner().invoke(demo.main, [str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


def test_the_folder_of_an_earlier_demo_may_be_replaced(tmp_path):
    simulate_peaks(tmp_path / "demo", contig_length=5000, n_peaks=1)
    for name in ("genome.fa.fai", "peaks.kmers.parquet"):
        (tmp_path / "demo" / name).write_text("")
    demo._check_folder(tmp_path / "demo")
    demo._check_folder(tmp_path / "new")


def test_end_to_end(tmp_path, capfd):
    folder = tmp_path / "demo"
    result = CliRunner().invoke(demo.main, [str(folder)])
    assert result.exit_code == 0, result.output + capfd.readouterr().err
    out = result.stdout
    genome, peaks = folder / "genome.fa", folder / "peaks.narrowPeak"
    windows, whole = folder / "peaks.kmers.parquet", folder / "genome.kmers.parquet"
    assert f"$ kmerengine count {genome} {peaks} --width 200 -o {windows}\n" in out
    assert f"$ kmerengine count {genome} -o {whole}\n" in out
    assert {path.name for path in folder.iterdir()} <= demo.FILES

    top, best = out.split("planted motif that contains it\n")[1].split("\nBest word")
    rows = [line.split(maxsplit=4) for line in top.splitlines()]
    assert len(rows) == 20
    z = [float(row[3]) for row in rows]
    assert z == sorted(z, reverse=True)
    assert z[-1] > 6
    named = {name for row in rows for name in row[4].split(", ")}
    assert named == set(MOTIFS)  # each motif, and no word without one
    lines = best.splitlines()[3:]
    assert [line.split()[4] for line in lines] == list(MOTIFS)
    assert [line.split()[5] for line in lines] == list(MOTIFS.values())

    # the printed counts, from the files alone
    sequences = genome.read_text().upper().split(">")[1:]
    contigs = {s.split("\n")[0].lower(): "".join(s.split("\n")[1:]) for s in sequences}
    word, observed = rows[2][0], int(rows[2][1].replace(",", ""))
    assert "N" not in word
    both = {word, word.translate(str.maketrans("ACGT", "TGCA"))[::-1]}
    n = 0
    for line in peaks.read_text().splitlines():
        row = line.split("\t")
        summit = int(row[1]) + int(row[9])
        window = contigs[row[0]][summit - 100 : summit + 100]
        n += sum(window[i : i + 8] in both for i in range(193))
    assert observed == n
