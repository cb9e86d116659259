"""What a profile model must beat: the mean profile, the bias alone, both; and a replicate.

Each is an `Expectation`: of a batch it says what a network would, with the bias already added.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from modelkit.data.loader import Batch, Loader
from modelkit.models.bpaitac import ProfileOutput
from modelkit.tasks.profile import ProfileTask

__all__ = ["Expectation", "baselines", "replicate"]

Expectation = Callable[[Batch], ProfileOutput]

PSEUDO = 1.0  # cuts beside those of the mean profile of all regions, shared evenly


def baselines(
    task: ProfileTask, batches: Callable[[], Iterator[Batch]]
) -> dict[str, Expectation]:
    """Baselines fitted to some batches, those of the training data, which are gone over repeatedly.

    "mean profile" is the mean over regions of each task's normalised profile, and its mean total.
    "bias" has the bias logits alone, scaled by the one factor that fits the batches best; "bias x
    mean profile" adds the log of the mean profile to bias logits with their own factor.
    Without bias logits there is the first alone.
    """
    sums = Tensor()  # (T, N), of normalised profiles
    n_profiles = total = n = Tensor()
    for batch in batches():
        profiles, totals = _shares(task, batch)
        has = (profiles.sum(-1, keepdim=True) > 0).sum(0)
        if not len(sums):
            sums, n_profiles = torch.zeros_like(profiles[0]), torch.zeros_like(has)
            total = torch.zeros_like(totals[0])
            n = torch.zeros_like(total)
        sums, n_profiles = sums + profiles.sum(0), n_profiles + has
        total, n = total + totals.sum(0), n + len(totals)
    log_mean = ((sums + PSEUDO / sums.shape[-1]) / (n_profiles + PSEUDO)).log()
    mean_total = total / n

    def expect(logits: Tensor, batch: Batch) -> ProfileOutput:
        here = len(batch.rows)
        return ProfileOutput(
            logits.expand(here, *log_mean.shape).float(), mean_total.expand(here, -1).float()
        )

    found: dict[str, Expectation] = {"mean profile": lambda batch: expect(log_mean, batch)}
    if not task.objective.use_bias:
        return found
    for name, base in (("bias", torch.zeros_like(log_mean)), ("bias x mean profile", log_mean)):
        factor = _best_factor(task, base, batches)

        def scaled(batch: Batch, base: Tensor = base, factor: float = factor) -> ProfileOutput:
            return expect(base + factor * _bias(task, batch), batch)

        found[name] = scaled
    return found


def replicate(task: ProfileTask, other: Loader) -> Expectation:
    """What another measurement of the same regions says: the ceiling of any prediction.

    `other` gives the same rows in the same order, in batches of the same size.
    """
    batches = other.batches(0)

    def expect(batch: Batch) -> ProfileOutput:
        other_batch = next(batches)
        if not torch.equal(other_batch.rows, batch.rows):
            raise ValueError("the replicate must give the rows that the batch has")
        target = task.target(other_batch)
        assert target.counts is not None  # replicates are of cuts
        counts = target.counts.double()
        n = counts.sum(-1, keepdim=True)
        spread = torch.full_like(counts, 1 / counts.shape[-1])
        shares = torch.where(n > 0, counts / n.clamp(min=1e-300), spread)
        return ProfileOutput(shares.clamp(min=1e-15).log().float(), target.totals)

    return expect


def _shares(task: ProfileTask, batch: Batch) -> tuple[Tensor, Tensor]:
    """Normalised profiles, 0 without a cut, and totals; float64."""
    target = task.target(batch)
    assert target.counts is not None  # a profile model has been trained on them
    counts = target.counts.double()
    n = counts.sum(-1, keepdim=True)
    return torch.where(n > 0, counts / n.clamp(min=1e-300), 0), target.totals.double()


def _bias(task: ProfileTask, batch: Batch) -> Tensor:
    """Logits of the bias, float64, shape (B, 1, N)."""
    bias = task.bias(batch)
    assert bias is not None  # the objective uses it
    return bias.double()[:, None]


def _best_factor(
    task: ProfileTask, base: Tensor, batches: Callable[[], Iterator[Batch]]
) -> float:
    """Of the bias: the least cross entropy, which is convex in it; by Newton's steps.

    Of a profile p and q = softmax(base + factor * bias) the slope is the mean of the bias under q
    less that under p, and the curvature its variance under q.
    """
    factor = 0.0
    for _ in range(30):
        slope = curve = 0.0
        for batch in batches():
            p, _ = _shares(task, batch)
            bias = _bias(task, batch)
            has = p.sum(-1) > 0
            q = (base + factor * bias).softmax(-1)
            mean = (q * bias).sum(-1)
            variance = (q * bias.square()).sum(-1) - mean.square()
            slope += float(((mean - (p * bias).sum(-1)) * has).sum())
            curve += float((variance * has).sum())
        step = max(-1.0, min(1.0, slope / curve)) if curve > 0 else 0.0
        factor -= step
        if abs(step) < 1e-6:
            break
    return factor
