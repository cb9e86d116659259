"""Losses of profiles that the fused op does not have: of counts themselves, and Jensen-Shannon.

    x = logits + bias        p^ = softmax(x)        y^ = predicted total        k = counts
    Poisson : mean over positions of y^ p^ - k ln(y^ p^ + 1e-8)
    MSE     : mean over positions of (ln(1 + y^ p^) - ln(1 + k))**2
    JSD     : (KL(p | m) + KL(p^ | m)) / 2 in bits,   p = k / sum k,   m = (p + p^) / 2

Source: bpAI-TAC (Chandra et al. 2025), its code. A profile without a count has a JSD of exactly 0.

B = regions, T = tasks, L = positions (bp, or bins of them).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["count_error", "jensen_shannon", "log_total", "poisson", "profile_pearson"]

TINY = 1e-15  # beside probabilities, as in the code


def log_total(totals: Tensor) -> Tensor:
    """log(1 + total), and its tangent below 0, which a dense layer without a ReLU can reach."""
    return torch.where(totals < 0, totals, totals.clamp(min=0).log1p())


def poisson(logits_BTL: Tensor, counts_BTL: Tensor, predicted_BT: Tensor) -> Tensor:
    """Poisson loss of the counts, without the terms of counts alone, shape (B, T)."""
    rate_BTL = predicted_BT[..., None] * _wide(logits_BTL).softmax(-1)
    loss_BTL = functional.poisson_nll_loss(
        rate_BTL, counts_BTL.to(rate_BTL.dtype), log_input=False, eps=1e-8, reduction="none"
    )
    return loss_BTL.mean(-1)


def count_error(logits_BTL: Tensor, counts_BTL: Tensor, predicted_BT: Tensor) -> Tensor:
    """Mean squared difference of log(1 + counts), shape (B, T)."""
    rate_BTL = predicted_BT[..., None] * _wide(logits_BTL).softmax(-1)
    return (rate_BTL.log1p() - counts_BTL.to(rate_BTL.dtype).log1p()).square().mean(-1)


def jensen_shannon(logits_BTL: Tensor, counts_BTL: Tensor) -> Tensor:
    """Jensen-Shannon divergence of observed and predicted profile, 0 to 1 bit, shape (B, T)."""
    log_q = _wide(logits_BTL).log_softmax(-1)
    counts = counts_BTL.to(log_q.dtype)
    n = counts.sum(-1, keepdim=True)
    p, q = counts / torch.where(n > 0, n, 1), log_q.exp()
    log_m = ((p + q) / 2 + TINY).log()
    nats = (torch.xlogy(p, p) - p * log_m + q * (log_q - log_m)).sum(-1) / 2
    return torch.where(n[..., 0] > 0, (nats / math.log(2)).clamp(0, 1), 0)


def profile_pearson(logits_BTL: Tensor, counts_BTL: Tensor) -> Tensor:
    """Pearson correlation of observed and predicted profile over positions, shape (B, T).

    0 where either is the same everywhere.
    """
    q = _wide(logits_BTL).softmax(-1)
    k = counts_BTL.to(q.dtype)
    differ = (q.amax(-1) > q.amin(-1)) & (k.amax(-1) > k.amin(-1))
    q = q - q.mean(-1, keepdim=True)
    k = k - k.mean(-1, keepdim=True)
    scale = (q.square().sum(-1) * k.square().sum(-1)).sqrt()
    differ &= scale > 0
    return torch.where(differ, (q * k).sum(-1) / torch.where(differ, scale, 1), 0)


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
