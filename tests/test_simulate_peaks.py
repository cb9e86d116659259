"""The simulated files, read with a few lines of plain Python."""

import inspect
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from kmerengine.cli.simulate.peaks import command
from kmerengine.errors import InputError
from kmerengine.io.bed import read_regions
from kmerengine.simulators.peaks import MOTIFS, simulate_peaks
from kmerengine.simulators.sequences import IUPAC


def fasta(path) -> dict[str, str]:
    records = path.read_text().split(">")[1:]
    return {
        record.split("\n")[0]: record.partition("\n")[2].replace("\n", "") for record in records
    }


def table(path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]


def reverse_complement(site: str) -> str:
    return "".join({"A": "T", "C": "G", "G": "C", "T": "A"}[base] for base in reversed(site))


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    return simulate_peaks(tmp_path_factory.mktemp("simulate") / "default")


def test_genome(default):
    lines = default.genome.read_text().splitlines()
    assert lines[0] == ">chr1"
    contigs = fasta(default.genome)
    assert {name: len(bases) for name, bases in contigs.items()} == {
        "chr1": 500_000,
        "chr2": 500_000,
    }
    widths = Counter(len(line) for line in lines if not line.startswith(">"))
    assert widths == {60: 2 * 8333, 20: 2}  # 500,000 = 8,333 x 60 + 20
    bases = "".join(contigs.values())
    assert set(bases) == set("ACGTacgtN")
    assert 0.2 < sum(map(str.islower, bases)) / len(bases) < 0.4
    assert len(re.findall("N+", bases)) == 6
    gc = sum(bases.upper().count(base) for base in "GC") / (len(bases) - bases.count("N"))
    assert gc == pytest.approx(0.42, abs=0.005)


def test_peaks(default):
    contigs = fasta(default.genome)
    peaks = table(default.peaks)
    assert len(peaks) == 1000
    assert Counter(peak[0] for peak in peaks) == {"chr1": 500, "chr2": 500}
    assert len({peak[3] for peak in peaks}) == 1000
    windows = []
    for contig, start, end, _, score, strand, *_, offset in peaks:
        assert 200 <= int(end) - int(start) <= 500
        assert "N" not in contigs[contig][int(start) : int(end)]
        assert 100 <= int(score) <= 1000
        assert strand == "."
        summit = int(start) + int(offset)
        assert summit >= 100
        assert summit + 100 <= 500_000
        windows.append((contig, summit - 100, summit + 100))
    assert windows == sorted(windows)
    for (contig, _, end), (next_contig, start, _) in pairwise(windows):
        assert contig != next_contig or end <= start
    assert read_regions(default.peaks).summit.tolist() == [end - 100 for _, _, end in windows]


def test_every_planted_motif_is_in_the_genome_where_it_says(default):
    contigs = fasta(default.genome)
    rows = table(default.motif_instances)
    summits = [(peak[0], int(peak[1]) + int(peak[9])) for peak in table(default.peaks)]
    assert len(rows) == 2000
    strands = Counter()
    for i, (contig, start, end, name, score, strand) in enumerate(rows):
        site = contigs[contig][int(start) : int(end)]
        if strand == "-":
            site = reverse_complement(site)
        assert len(site) == len(MOTIFS[name])
        assert all(
            base in IUPAC[letter] for base, letter in zip(site, MOTIFS[name], strict=True)
        ), (name, site)
        assert score == "0"
        home, summit = summits[i // 2]  # two motifs per peak
        assert contig == home
        assert summit - 75 <= int(start) < int(end) <= summit + 75
        strands[name, strand] += 1
    assert set(strands) == {(name, strand) for name in MOTIFS for strand in "+-"}
    assert min(strands.values()) > 100  # 2,000 over 12: 167 expected
    for (a, _, end, *_), (b, start, *_) in pairwise(rows):
        assert a != b or int(end) <= int(start)


def test_every_base_of_a_letter_is_planted(default):
    contigs = fasta(default.genome)
    seen: dict[str, list[set[str]]] = {name: [set() for _ in MOTIFS[name]] for name in MOTIFS}
    for contig, start, end, name, _, strand in table(default.motif_instances):
        site = contigs[contig][int(start) : int(end)]
        for bases, base in zip(
            seen[name], site if strand == "+" else reverse_complement(site), strict=True
        ):
            bases.add(base)
    assert seen == {name: [set(IUPAC[letter]) for letter in MOTIFS[name]] for name in MOTIFS}


def test_the_seed_decides_every_byte(tmp_path):
    small = {"contig_length": 20_000, "n_peaks": 30}
    a = simulate_peaks(tmp_path / "a", seed=1, **small)
    b = simulate_peaks(tmp_path / "b", seed=1, **small)
    c = simulate_peaks(tmp_path / "c", seed=2, **small)
    for left, right, other in zip(a, b, c, strict=True):
        assert left.read_bytes() == right.read_bytes()
        assert left.read_bytes() != other.read_bytes()


@pytest.mark.parametrize("gc", [0, 1])
def test_one_kind_of_base(tmp_path, gc):
    made = simulate_peaks(tmp_path / "a", n_contigs=1, contig_length=5000, n_peaks=0, gc=gc)
    bases = set("".join(fasta(made.genome).values()).upper())
    assert bases == ({*"GCN"} if gc else {*"ATN"})
    assert made.peaks.read_bytes() == b""


def test_peaks_that_just_fit(tmp_path):
    # three runs of N and two peaks, each in 550 bp
    just = {"n_contigs": 1, "contig_length": 2750, "n_peaks": 2}
    made = simulate_peaks(tmp_path / "a", **just, motifs_per_peak=10)
    assert len(table(made.peaks)) == 2
    assert len(table(made.motif_instances)) == 20
    with pytest.raises(InputError, match="has room for 1"):
        simulate_peaks(tmp_path / "b", n_contigs=1, contig_length=2749, n_peaks=2)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        *({"n_contigs": 0}, {"contig_length": 1649}, {"n_peaks": -1}, {"motifs_per_peak": 11}),
        *({"motifs_per_peak": -1}, {"gc": 1.1}, {"gc": -0.1}, {"gc": float("nan")}, {"seed": -1}),
    ],
)
def test_arguments_out_of_range(tmp_path, wrong):
    (name,) = wrong
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')} .*expected"):
        simulate_peaks(tmp_path / "a", **wrong)
    assert not (tmp_path / "a").exists()


def test_a_folder_is_replaced_only_with_force(tmp_path):
    small = {"contig_length": 5000, "n_peaks": 2}
    first = simulate_peaks(tmp_path / "a", **small)
    before = first.genome.read_bytes()
    with pytest.raises(InputError, match="--force"):
        simulate_peaks(tmp_path / "a", seed=1, **small)
    assert first.genome.read_bytes() == before
    simulate_peaks(tmp_path / "a", seed=1, force=True, **small)
    assert first.genome.read_bytes() != before


def test_the_command_has_the_librarys_parameters_and_defaults(tmp_path):
    ours = {name: p.default for name, p in inspect.signature(simulate_peaks).parameters.items()}
    theirs = command.make_context("peaks", ["out"]).params
    assert theirs == ours | {"output": Path("out")}

    arguments = [str(tmp_path / "a"), "--contig-length", "5000", "--n-peaks", "3", "--seed", "4"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "2 contigs of 5,000 bp, 3 peaks, 6 planted motifs" in result.stderr
    library = simulate_peaks(tmp_path / "b", contig_length=5000, n_peaks=3, seed=4)
    for path in library:
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()
