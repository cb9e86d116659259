"""The slow twin of `multinomial_nll`: whole-array PyTorch, differentiable by autograd."""

import torch
from torch import Tensor

from native_kernels.multinomial_nll._layout import Crop, Losses, arrange


def multinomial_nll_reference(
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
    """`multinomial_nll`, one line of the formula at a time; float64 stays float64."""
    form = arrange(logits, counts, bias, predicted, joint_strands=joint_strands, crop=crop)
    real = torch.promote_types(form.logits.dtype, torch.float32)
    width = form.counts.shape[-1]
    x = form.logits[..., form.start : form.start + width].to(real)
    y = form.counts.to(real)
    if form.bias is not None:
        x = x + form.bias.to(real)
    if joint_strands:
        x, y = x.flatten(2), y.flatten(2)
    total = y.sum(-1)
    observed = ~(total <= 0)  # a total that is no number is not passed over
    closed = (x == -torch.inf).all(-1)  # no position is possible
    shut = closed | ~observed
    log_p = torch.where(shut[..., None], 0.0, x).log_softmax(-1)
    loss = -torch.where(y != 0, y * log_p, 0.0).sum(-1)
    if constant:
        loss = loss - torch.lgamma(total + 1) + torch.lgamma(y + 1).sum(-1)
    if per_profile:
        loss = loss / torch.where(observed, total, 1.0)
    loss = torch.where(closed, torch.inf, loss)
    loss = torch.where(observed, loss, 0.0).reshape(form.result_shape)
    if form.predicted is None:
        return Losses(loss, None)
    log_predicted = form.predicted.to(real)
    if not log_counts:
        log_predicted = log_predicted.log1p()
    total_loss = (log_predicted.reshape(total.shape) - total.log1p()).square()
    return Losses(loss, total_loss.reshape(form.result_shape))
