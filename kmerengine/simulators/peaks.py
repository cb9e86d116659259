"""A small genome with peaks, and transcription factor motifs planted at their summits.

The background is independent bases of a given GC content. Every place of a planted motif is
written down, so that what is found can be compared with what is there.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kmerengine.errors import InputError
from kmerengine.io.atomic import atomic
from kmerengine.simulators.sequences import IUPAC, wrapped

# Consensus sequences; a planted motif takes each of a letter's bases with equal probability.
MOTIFS = {
    "CTCF": "CCASYAGRKGGCRS",
    "GATA1": "SAGATAAGR",
    "SPI1": "AGAGGAAGTG",  # PU.1
    "FOS::JUN": "RTGASTCAY",  # AP-1
    "NRF1": "YGCGCATGCGCR",
    "CEBPB": "RTTGCGYAAY",
}

NAMES = ("genome.*", "peaks.*", "motif_instances.*")  # in the folder: files, indexes, their counts

_PEAK = (200, 500)  # bp, shortest and longest
_REACH = 75  # bp; motifs lie within this distance of the summit
_MARGIN = 25  # bp; a peak keeps this distance from the ends of its slot
_SLOT = _PEAK[1] + 2 * _MARGIN  # bp, the least room for a peak
_N_RUNS = 3  # runs of N per contig, each in a slot of its own
_N_RUN = (100, 500)  # bp
_MASKED = 0.3  # of the genome, about, in lower case
_MASK = 300  # bp, mean

_Letters = npt.NDArray[np.uint8]


class Simulation(NamedTuple):
    """The files written."""

    genome: Path  # FASTA
    peaks: Path  # narrowPeak
    motif_instances: Path  # BED6, the planted motifs by name


def simulate_peaks(
    output: str | Path,
    *,
    n_contigs: int = 2,
    contig_length: int = 500_000,
    n_peaks: int = 1_000,
    motifs_per_peak: int = 2,
    gc: float = 0.42,
    seed: int = 0,
    force: bool = False,
) -> Simulation:
    """Write a folder with genome.fa, peaks.narrowPeak and motif_instances.bed.

    Parameters
    ----------
    output : str or Path
        The folder to make.
    n_contigs : int
        Contigs chr1, chr2, ...
    contig_length : int
        bp of each contig.
    n_peaks : int
        Peaks in all, spread evenly over the contigs; not even their 200-bp windows overlap.
    motifs_per_peak : int
        Motifs planted in each peak, drawn from `MOTIFS`, on either strand, not overlapping,
        within 75 bp of the summit.
    gc : float
        Share of G and C in the background, 0 to 1.
    seed : int
        The same arguments and seed give the same bytes.
    force : bool
        Replace `output` when it exists.

    Returns
    -------
    Simulation
        The paths of the files.

    Raises
    ------
    InputError
        Arguments out of range, or peaks that do not fit; `output` exists or cannot be written.
    """
    output = Path(output)
    _check(n_contigs, contig_length, n_peaks, motifs_per_peak, gc, seed)
    rng = np.random.default_rng(seed)
    with atomic(output, force=force, folder=NAMES) as folder:
        files = _paths(folder)
        with (
            files.genome.open("wb") as genome,
            files.peaks.open("w") as peaks,
            files.motif_instances.open("w") as instances,
        ):
            n_done = 0
            for i in range(n_contigs):
                n_here = n_peaks * (i + 1) // n_contigs - n_done
                name, letters = f"chr{i + 1}", _background(contig_length, gc, rng)
                for n, slot in enumerate(_slots(letters, n_here, rng), n_done + 1):
                    start, end, summit = _peak(slot, rng)
                    score = int(rng.integers(100, 1001))
                    peaks.write(
                        f"{name}\t{start}\t{end}\tpeak_{n}\t{score}\t.\t{score / 50:.2f}\t-1\t-1"
                        f"\t{summit - start}\n"
                    )
                    for row in _plant(letters, summit, motifs_per_peak, rng):
                        instances.write(f"{name}\t{row}\n")
                n_done += n_here
                genome.write(f">{name}\n".encode() + wrapped(letters))
    return _paths(output)


def _paths(folder: Path) -> Simulation:
    return Simulation(
        folder / "genome.fa", folder / "peaks.narrowPeak", folder / "motif_instances.bed"
    )


def _check(
    n_contigs: int, contig_length: int, n_peaks: int, motifs_per_peak: int, gc: float, seed: int
) -> None:
    longest = max(map(len, MOTIFS.values()))
    limits = {
        "--n-contigs": (n_contigs, 1, 10_000),
        "--contig-length": (contig_length, _N_RUNS * _SLOT, 2**31),
        "--n-peaks": (n_peaks, 0, 10**8),
        "--motifs-per-peak": (motifs_per_peak, 0, 2 * _REACH // longest),
        "--gc": (gc, 0, 1),
        "--seed": (seed, 0, 2**63),
    }
    for option, (value, least, most) in limits.items():
        if not least <= value <= most:
            raise InputError(f"{option} {value}: expected {least} to {most}; choose one in between")
    room = contig_length // _SLOT - _N_RUNS
    needed = -(-n_peaks // n_contigs)
    if needed > room:
        raise InputError(
            f"--n-peaks {n_peaks}: {needed} peaks on a contig of {contig_length} bp, which has "
            f"room for {room}; ask for fewer peaks, or for more or longer contigs"
        )


def _background(length: int, gc: float, rng: np.random.Generator) -> _Letters:
    """Independent bases, about a third of them in runs of lower case."""
    below = np.cumsum([(1 - gc) / 2, gc / 2, gc / 2])
    letters = np.frombuffer(b"ACGT", np.uint8)[np.searchsorted(below, rng.random(length), "right")]
    n_masks = round(_MASKED * length / _MASK)
    start = rng.integers(0, length, n_masks)
    end = np.minimum(start + rng.integers(1, 2 * _MASK, n_masks), length)
    change = np.bincount(start, minlength=length + 1) - np.bincount(end, minlength=length + 1)
    masked = np.cumsum(change[:-1]) > 0
    return letters | (masked * np.uint8(0x20))


def _slots(letters: _Letters, n_peaks: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Room for each peak, in order; runs of N are written into some slots between them."""
    width = len(letters) // (n_peaks + _N_RUNS)
    order = rng.permutation(n_peaks + _N_RUNS)
    for slot in order[n_peaks:].tolist():
        length = int(rng.integers(_N_RUN[0], _N_RUN[1] + 1))
        start = slot * width + int(rng.integers(0, width - length + 1))
        letters[start : start + length] = ord("N")
    return [(slot * width, (slot + 1) * width) for slot in np.sort(order[:n_peaks]).tolist()]


def _peak(slot: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int]:
    """Start, end and summit of a peak that keeps its distance from the ends of the slot."""
    length = int(rng.integers(_PEAK[0], _PEAK[1] + 1))
    start = int(rng.integers(slot[0] + _MARGIN, slot[1] - _MARGIN - length + 1))
    summit = start + int(rng.integers(_REACH, length - _REACH + 1))
    return start, start + length, summit


def _plant(letters: _Letters, summit: int, n_motifs: int, rng: np.random.Generator) -> list[str]:
    """Write motifs around the summit, each in its own stretch; their BED columns from 2 on."""
    rows = []
    names = list(MOTIFS)
    for i in range(n_motifs):
        name = names[rng.integers(len(names))]
        site = "".join(
            IUPAC[letter][int(u * len(IUPAC[letter]))]
            for letter, u in zip(MOTIFS[name], rng.random(len(MOTIFS[name])), strict=True)
        )
        strand = "+-"[rng.integers(2)]
        if strand == "-":
            site = site.translate(str.maketrans("ACGT", "TGCA"))[::-1]
        room = 2 * _REACH // n_motifs
        start = summit - _REACH + i * room + int(rng.integers(0, room - len(site) + 1))
        letters[start : start + len(site)] = np.frombuffer(site.encode(), np.uint8)
        rows.append(f"{start}\t{start + len(site)}\t{name}\t0\t{strand}")
    return rows
