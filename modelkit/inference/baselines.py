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


def baselines(task: ProfileTask, batches: Iterator[Batch]) -> dict[str, Expectation]:
    """Baselines fitted to some batches, those of the training data.

    "mean profile" is the mean over regions of each task's normalised profile, and its mean total.
    "bias" has the bias logits alone, scaled by the one factor that fits the batches best; "bias x
    mean profile" adds the log of the mean profile to bias logits with their own factor.
    Without bias logits there is the first alone.
    """
    held = [_Fitted(task, batch) for batch in batches]
    profiles = torch.cat([each.profiles for each in held])  # (B, T, N), 0 without a cut
    totals = torch.cat([each.totals for each in held])
    n_profiles = (profiles.sum(-1, keepdim=True) > 0).sum(0)  # (T, 1)
    mean = profiles.sum(0) + PSEUDO / profiles.shape[-1]
    log_mean = (mean / (n_profiles + PSEUDO)).log()
    mean_total = totals.mean(0)

    def expect(logits: Tensor, batch: Batch) -> ProfileOutput:
        n = len(batch.rows)
        return ProfileOutput(
            logits.expand(n, *log_mean.shape).float(), mean_total.expand(n, -1).float()
        )

    found: dict[str, Expectation] = {"mean profile": lambda batch: expect(log_mean, batch)}
    if held[0].bias is None:
        return found
    bias = torch.cat([each.bias for each in held if each.bias is not None])[:, None]
    for name, base in (("bias", torch.zeros_like(log_mean)), ("bias x mean profile", log_mean)):
        factor = _best_factor(base, bias, profiles)

        def scaled(batch: Batch, base: Tensor = base, factor: float = factor) -> ProfileOutput:
            here = task.bias(batch)
            assert here is not None  # it was there in the training data
            return expect(base + factor * here[:, None].double(), batch)

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


class _Fitted:
    """What a fit needs of a batch, in float64."""

    def __init__(self, task: ProfileTask, batch: Batch) -> None:
        target = task.target(batch)
        assert target.counts is not None  # a profile model has been trained on them
        counts = target.counts.double()
        n = counts.sum(-1, keepdim=True)
        self.profiles = torch.where(n > 0, counts / n.clamp(min=1e-300), 0)
        self.totals = target.totals.double().clone()
        bias = task.bias(batch)
        self.bias = None if bias is None else bias.double().clone()


def _best_factor(base: Tensor, bias: Tensor, profiles: Tensor) -> float:
    """Of the bias: the least cross entropy, which is convex in it; by Newton's steps."""
    factor = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for _ in range(30):
        logits = base + factor * bias
        loss = -(profiles * logits.log_softmax(-1)).sum()
        (slope,) = torch.autograd.grad(loss, factor, create_graph=True)
        (curve,) = torch.autograd.grad(slope, factor)
        with torch.no_grad():
            step = float(slope / curve) if float(curve) > 0 else 0.0
            factor -= max(-1.0, min(1.0, step))
        if abs(step) < 1e-6:
            break
    return float(factor.detach())
