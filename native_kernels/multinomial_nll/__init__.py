"""Multinomial negative log-likelihood of profiles of counts.

    x = logits (+ bias)        n = sum_l y[l]        over the positions l of one profile
    loss       = n * logsumexp(x) - sum_l y[l] * x[l]
    constant   : loss - log(n!) + sum_l log(y[l]!)      the whole likelihood
    per_profile: loss / n                               cross entropy, profiles weigh the same
    total loss = (log(1 + predicted) - log(1 + n))**2

A profile without a count has a loss of exactly 0 and a gradient of exactly 0.

Sources: BPNet (Avsec et al. 2021) for the multinomial loss; bpAI-TAC (Chandra et al. 2025) for the
cross entropy, the bias logits and the loss of the totals.
"""

import torch
from torch import Tensor

from native_kernels.multinomial_nll import _ops
from native_kernels.multinomial_nll._layout import Crop, Losses, arrange
from native_kernels.multinomial_nll.reference import multinomial_nll_reference

__all__ = ["Losses", "multinomial_nll", "multinomial_nll_reference", "multinomial_nll_triton"]


def multinomial_nll(
    logits: Tensor,
    counts: Tensor,
    bias: Tensor | None = None,
    predicted: Tensor | None = None,
    *,
    per_profile: bool = False,
    constant: bool = False,
    joint_strands: bool = False,
    log_counts: bool = False,
    crop: Crop = None,
) -> Losses:
    """Loss of each profile, differentiable once in `logits`, `bias` and `predicted`.

    CUDA tensors run the Triton kernels, which work in float32; all others, and float64, run the
    reference. The two agree to a relative error of 1e-5.

    Parameters
    ----------
    logits : float, shape (regions, tasks, bp) or (regions, tasks, strands, bp)
        Any strides: a (regions, bp, tasks) tensor turned by ``transpose`` is read as it lies.
        -inf marks a position as impossible: a count there costs +inf.
    counts : integer or float >= 0, shape of `logits`
        Need not be whole numbers. No gradient.
    bias : float, shape (regions, bp) or spread over the shape of `logits`, optional
        Added to the logits; regions, tasks and strands may be 1.
    predicted : float, shape of the losses, optional
        Predicted totals, >= 0.
    per_profile : bool
        Divide by the total: cross entropy in place of likelihood.
    constant : bool
        Add the terms that depend on `counts` alone.
    joint_strands : bool
        The strands of a task are one distribution, else one each.
    log_counts : bool
        `predicted` is log(1 + total) already.
    crop : int or (start, stop), optional
        Positions of `logits` that count: the middle ones, or the half-open interval. `counts` and
        `bias` may be whole or cut already. The gradient is 0 outside.

    Returns
    -------
    profile : float32 (float64 of float64), shape (regions, tasks), or (regions, tasks, strands)
        of strands apart
    total : the same shape; None without `predicted`
    """
    on_gpu = logits.is_cuda and logits.dtype != torch.float64
    run = multinomial_nll_triton if on_gpu else multinomial_nll_reference
    return run(
        logits,
        counts,
        bias,
        predicted,
        per_profile=per_profile,
        constant=constant,
        joint_strands=joint_strands,
        log_counts=log_counts,
        crop=crop,
    )


def multinomial_nll_triton(
    logits: Tensor,
    counts: Tensor,
    bias: Tensor | None = None,
    predicted: Tensor | None = None,
    *,
    per_profile: bool = False,
    constant: bool = False,
    joint_strands: bool = False,
    log_counts: bool = False,
    crop: Crop = None,
) -> Losses:
    """`multinomial_nll` by the kernels, whatever the device: Triton's interpreter has them too."""
    form = arrange(logits, counts, bias, predicted, joint_strands=joint_strands, crop=crop)
    loss, total_loss, *_ = _ops.multinomial_nll(
        form.logits,
        form.counts,
        form.bias,
        form.predicted,
        form.start,
        joint_strands,
        per_profile,
        constant,
        log_counts,
    )
    return Losses(
        loss.reshape(form.result_shape),
        None if predicted is None else total_loss.reshape(form.result_shape),
    )
