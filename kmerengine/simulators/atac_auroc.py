"""How well binding can be told from sequence at best, by the way negatives are sampled.

A site is bound with a probability that its state decides, open or closed, with a co-factor's motif
or without. No classifier of sequences has an auROC above that of the likelihood ratio of states,

    auROC = sum over states a, b of P(a | bound) P(b | unbound) ([r_a > r_b] + [r_a = r_b] / 2)

The settings are AgentBind's: `baseline` takes any unbound site, `gc` takes as many bound as
unbound sites of each GC content, `accessibility` takes open sites alone.
"""

import numpy as np
import numpy.typing as npt

from kmerengine.simulators.atac_genome import FIRST_COFACTOR, FIRST_TF, Chances, Contig

Floats = npt.NDArray[np.float64]

SETTINGS = ("baseline", "gc", "accessibility")
WINDOW = 1_000  # bp around a site whose GC content is matched
GC_BIN = 0.02


def bayes_auroc(positive: Floats, negative: Floats) -> float:
    """The best auROC, from the weight of each state among positives and among negatives.

    Parameters
    ----------
    positive, negative : float64, shape (n_states,)
        Need not add up to 1.
    """
    weight = positive + negative
    kept = weight > 0
    share = positive[kept] / weight[kept]
    order = np.argsort(share, kind="stable")
    share = np.round(share[order], 12)  # states of one ratio are ties
    group = np.cumsum(np.diff(share, prepend=share[:1]) > 0)
    p = np.bincount(group, positive[kept][order])
    n = np.bincount(group, negative[kept][order])
    below = np.cumsum(n) - n
    return float((p * (below + n / 2)).sum() / p.sum() / n.sum())


def by_setting(contigs: list[Contig], chances: Chances) -> dict[str, float]:
    """The Bayes auROC of each setting; nan where the setting has no positives or no negatives.

    `baseline` and `accessibility` follow from the probabilities; `gc` also from the GC content
    around the sites, which is that of the genome made.
    """
    states = [(is_open, cofactor) for is_open in (True, False) for cofactor in (True, False)]
    prior = np.array(
        [
            (chances.is_open if is_open else 1 - chances.is_open)
            * (chances.cofactor if cofactor else 1 - chances.cofactor)
            for is_open, cofactor in states
        ]
    )
    bound = np.array([_bound(chances, *state) for state in states])
    only_open = np.array([is_open for is_open, _ in states])
    bins, state = _gc_and_state(contigs)
    n_bins = bins.max(initial=0) + 1
    number = np.bincount(bins * 4 + state, minlength=4 * n_bins).reshape(n_bins, 4)
    positive, negative = number * bound, number * (1 - bound)
    of_bin = np.stack([positive.sum(axis=1), negative.sum(axis=1)])
    share = _ratio(of_bin.min(axis=0), of_bin)[:, :, None]  # that is kept for as many of both
    weights = {
        "baseline": (prior * bound, prior * (1 - bound)),
        "gc": ((share[0] * positive).ravel(), (share[1] * negative).ravel()),
        "accessibility": (prior * bound * only_open, prior * (1 - bound) * only_open),
    }
    return {
        setting: bayes_auroc(*pair) if min(map(np.sum, pair)) > 0 else float("nan")
        for setting, pair in weights.items()
    }


def _bound(chances: Chances, is_open: bool, cofactor: bool) -> float:  # noqa: FBT001
    return chances.bound[2 if not is_open else 1 - cofactor]


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(below.shape), where=below > 0)


def _gc_and_state(
    contigs: list[Contig],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """GC bin of the window around each factor's site, and its state, 0 to 3."""
    bins, states = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for contig in contigs:
        sites = contig.sites
        part = (sites.motif >= FIRST_TF) & (sites.motif < FIRST_COFACTOR)
        is_strong = (contig.codes == 1) | (contig.codes == 2)
        running = np.concatenate([[0], np.cumsum(is_strong)])
        low = np.clip((sites.start + sites.end)[part] // 2 - WINDOW // 2, 0, None)
        high = np.minimum(low + WINDOW, len(contig.codes))
        share = (running[high] - running[low]) / (high - low)
        bins.append((share / GC_BIN).astype(np.int64))
        states.append(2 * ~sites.is_open[part] + 1 * ~sites.cofactor[part])
    return np.concatenate(bins), np.concatenate(states)
