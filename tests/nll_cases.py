"""Profiles with counts, and what their losses must be by the reference in float64."""

import pytest
import torch

from native_kernels.multinomial_nll import multinomial_nll_reference

VARIANTS = {
    "likelihood": {},
    "constant": {"constant": True},
    "profile": {"per_profile": True},
    "both": {"per_profile": True, "constant": True},
    "log": {"log_counts": True},
}
EVERY_VARIANT = pytest.mark.parametrize("variant", VARIANTS)


def draw(shape, *, seed=0, dtype=torch.float32, count_dtype=torch.int32, device="cpu", width=None):
    """Logits, counts with an empty profile, bias, and predicted totals."""
    rng = torch.Generator().manual_seed(seed)
    lead, length = shape[:-1], shape[-1]
    logits = (torch.randn(shape, generator=rng) * 3).to(dtype)
    counts = torch.poisson(torch.rand((*lead, width or length), generator=rng) * 3, generator=rng)
    counts.view(-1, width or length)[:1] = 0
    bias = torch.randn(shape[0], length, generator=rng).to(dtype)
    predicted = torch.rand(lead, generator=rng) * 100
    return (
        logits.to(device).requires_grad_(),
        counts.to(count_dtype).to(device),
        bias.to(device).requires_grad_(),
        predicted.to(device).requires_grad_(),
    )


def with_gradients(run, logits, counts, bias, predicted, *, seed=1, **options):
    """Both losses and the gradients of a weighted sum of them, as float64 on the CPU."""
    losses = run(logits, counts, bias, predicted, **options)
    rng = torch.Generator().manual_seed(seed)
    score = 0
    for loss in losses:
        if loss is not None:
            weight = torch.rand(loss.shape, generator=rng).to(loss.device)
            score = score + (loss * weight).sum()
    wanted = [x for x in (logits, bias, predicted) if x is not None]
    gradients = torch.autograd.grad(score, wanted)
    return [x.detach().double().cpu() for x in (*losses, *gradients) if x is not None]


def exact(logits, counts, bias, predicted, **options):
    """The same in float64, by the reference."""
    wide = [
        None if x is None else x.detach().double().cpu().requires_grad_()
        for x in (logits, bias, predicted)
    ]
    return with_gradients(
        multinomial_nll_reference, wide[0], counts.cpu(), wide[1], wide[2], **options
    )


def assert_close(found, wanted, *, rtol=1e-5):
    """Within rtol of the largest value of each array."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        scale = max(1.0, float(other.abs().max()))
        torch.testing.assert_close(one, other, rtol=0, atol=rtol * scale)
