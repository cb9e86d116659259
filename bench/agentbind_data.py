"""A genome of factors whose context is known: what the AgentBind pipeline takes, and its truth.

Sites, open DNA and co-factors are those of `kmerengine simulate atac`. A site is bound with a
probability that its state decides: open with a co-factor's motif beside it, open without, closed.
ChIP-seq peaks are the bound sites and 5 bp on either side, so that a neighbour's label is its own;
open chromatin is what lies within 300 bp of a pioneer's motif.
"""

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

import kmerengine
from kmerengine.motifs.meme import write_meme
from kmerengine.motifs.motif import Motif
from kmerengine.simulators.atac_genome import COFACTORS, DECOY, FACTORS, PIONEERS, REACH
from kmerengine.simulators.sequences import IUPAC, consensus_matrix
from modelkit.metrics import auroc

P = 1e-6  # of motif instances: matches of words, which are planted, and a few that are like them
MARGIN = 5  # bp of a peak on either side of a bound site
STATES = {(True, True): "p_bound_cofactor", (True, False): "p_bound_open"}  # else p_bound_closed

Floats = npt.NDArray[np.float64]


def prepare(folder: Path, **options: Any) -> dict[str, Any]:
    """Simulate into `folder`, or take what is there; the first arguments of the pipeline."""
    truth = folder / "truth"
    if not truth.exists():
        kmerengine.simulate_atac(truth, **options)
    motifs = [
        Motif(name=name, probabilities=consensus_matrix(word)) for name, word in FACTORS.items()
    ]
    write_meme(folder / "motifs.meme", motifs, force=True)
    sites = pq.read_table(truth / "sites.parquet").to_pylist()
    (folder / "chip").mkdir(exist_ok=True)
    for name in FACTORS:
        lines = [
            f"{s['chrom']}\t{s['start'] - MARGIN}\t{s['end'] + MARGIN}\n"
            for s in sites
            if s["motif"] == name and s["bound"]
        ]
        (folder / "chip" / f"{name}.bed").write_text("".join(lines))
    middles = [(s["chrom"], (s["start"] + s["end"]) // 2) for s in sites if s["role"] == "pioneer"]
    opened = "".join(f"{c}\t{max(m - REACH, 0)}\t{m + REACH}\n" for c, m in middles)
    (folder / "open.bed").write_text(opened)
    return {
        "genome": truth / "genome.fa",
        "motifs": folder / "motifs.meme",
        "chip": {name: folder / "chip" / f"{name}.bed" for name in FACTORS},
        "accessible": folder / "open.bed",
    }


def best_scores(truth: Path, sample: Path, options: dict[str, float]) -> tuple[Floats, Floats]:
    """Of each site of a sample: the odds that it is bound, given its state and its bin, and its
    label. No classifier of the sequences is expected to do better than these odds.

    Parameters
    ----------
    truth : path
        Folder of `simulate_atac`.
    sample : path
        Folder of `sample_sites`.
    options : dict of str to float
        p_bound_cofactor, p_bound_open and p_bound_closed of the simulation.

    Notes
    -----
    odds = P(bound | state) / P(unbound | state) * kept share of bound / kept share of unbound, the
    shares those of the site's bin. In the setting gc the bins of GC matter, in the others the
    ranks of the states decide.
    """
    of_place = {
        (s["chrom"], s["start"], s["motif"]): (s["open"], s["cofactor"])
        for s in pq.read_table(
            truth / "sites.parquet", columns=["chrom", "start", "motif", "open", "cofactor"]
        ).to_pylist()
    }
    kept = {}
    for row in pq.read_table(sample / "bins.parquet").to_pylist():
        share = [row[f"kept_{kind}"] / max(row[kind], 1) for kind in ("positives", "negatives")]
        kept[row["p_bin"], row["gc_bin"]] = share
    odds, labels = [], []
    for row in pq.read_table(sample / "regions.parquet").to_pylist():
        state = of_place.get((row["chrom"], row["start"] + row["core_start"], row["motif"]))
        # a place that nobody planted is never bound
        p = 0.0 if state is None else options[STATES.get(state, "p_bound_closed")]
        positive, negative = kept[row["p_bin"], row["gc_bin"]]
        odds.append(p * positive / ((1 - p) * negative) if negative and p < 1 else np.inf)
        labels.append(row["label"])
    return np.array(odds), np.array(labels)


def best_auroc(truth: Path, sample: Path, options: dict[str, float], chroms: set[str]) -> float:
    """auROC of `best_scores` on the sites of some contigs."""
    odds, labels = best_scores(truth, sample, options)
    names = np.array(pq.read_table(sample / "regions.parquet", columns=["chrom"])["chrom"])
    part = np.isin(names.astype(str), list(chroms))
    ranks = np.unique(odds, return_inverse=True)[1]
    return float(auroc(labels[part], ranks[part]))


def words_of(consensus: str, k: int = 5) -> set[str]:
    """All words of k bases of a consensus, on either strand."""
    found = set()
    for start in range(len(consensus) - k + 1):
        for bases in product(*(IUPAC[letter] for letter in consensus[start : start + k])):
            word = "".join(bases)
            found |= {word, word[::-1].translate(str.maketrans("ACGT", "TGCA"))}
    return found


def context_words() -> dict[str, tuple[set[str], set[str]]]:
    """Of each factor: words of its co-factor, and of co-factors that it has not (and the decoy).

    Words that also lie in the motif of another kind are in neither.
    """
    every = {
        name: words_of(word) for name, word in (PIONEERS | FACTORS | COFACTORS | DECOY).items()
    }
    times = Counter(word for words in every.values() for word in words)
    own = {name: {word for word in words if times[word] == 1} for name, words in every.items()}
    found = {}
    for tf, cofactor in zip(FACTORS, COFACTORS, strict=True):
        others = [own[name] for name in (*COFACTORS, *DECOY) if name != cofactor]
        found[tf] = (own[cofactor], set().union(*others))
    return found
