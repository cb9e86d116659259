"""Multinomial losses at their edges: no counts, no numbers, lost digits, far offsets."""

import math

import pytest
import torch
from nll_cases import EVERY_VARIANT, VARIANTS, assert_close, draw, exact, with_gradients
from triton_device import LARGE, ON_EVERY_DEVICE, ON_THE_CPU, interpreter, spread  # noqa: F401

from native_kernels.multinomial_nll import multinomial_nll_reference, multinomial_nll_triton


@ON_EVERY_DEVICE
@EVERY_VARIANT
@pytest.mark.parametrize("form", ["reference", "kernels"])
def test_a_profile_without_counts_is_exactly_nothing(device, variant, form):
    run = multinomial_nll_reference if form == "reference" else multinomial_nll_triton
    logits, _, bias, predicted = draw((2, 3, 50), device=device)
    logits.data[0, 0] = -math.inf
    logits.data[0, 1, ::2] = -math.inf
    logits.data[1, 0] = 3e38
    counts = torch.zeros(2, 3, 50, device=device)
    found = with_gradients(run, logits, counts, bias, predicted, **VARIANTS[variant])
    assert found[0].abs().sum() == 0
    assert found[2].abs().sum() == 0
    assert found[3].abs().sum() == 0
    assert found[1].isfinite().all()


@ON_EVERY_DEVICE
@pytest.mark.parametrize("form", ["reference", "kernels"])
def test_counts_that_are_no_number_are_seen(device, form):
    """They are no profile without counts; and logits of such a one do not matter."""
    run = multinomial_nll_reference if form == "reference" else multinomial_nll_triton
    logits, _, _, _ = draw((3, 1, 40), device=device)
    counts = torch.ones(3, 1, 40, device=device)
    counts[0, 0, 7] = math.nan
    counts[1] = 0
    logits.data[1, 0, 3] = math.nan
    loss, gradient = with_gradients(run, logits, counts, None, None)[:2]
    assert loss[0].isnan().all()
    assert gradient[0].isnan().any()
    assert loss[1] == 0
    assert not gradient[1].any()
    assert loss[2].isfinite().all()


@ON_EVERY_DEVICE
@pytest.mark.parametrize("form", ["reference", "kernels"])
def test_impossible_positions(device, form):
    run = multinomial_nll_reference if form == "reference" else multinomial_nll_triton
    logits, counts, _, _ = draw((4, 2, 1500), device=device)
    logits = logits.detach()
    counts = (counts + 1).detach()
    logits[0, :, :1200] = -math.inf  # a whole block of the online sum
    counts[0, :, :1200] = 0
    logits[1, :, 1200:] = -math.inf
    counts[1, :, 1200:] = 0
    logits[2, 0, 5] = -math.inf  # with a count
    logits[2, 1] = -math.inf  # nothing is possible
    logits.requires_grad_()
    loss = run(logits, counts).profile
    (gradient,) = torch.autograd.grad(loss[[0, 1, 3]].sum(), logits)
    assert torch.isposinf(loss[2]).all()
    assert loss[[0, 1, 3]].isfinite().all()
    assert gradient.isfinite().all()
    assert gradient[0, :, :1200].abs().sum() == 0
    for region, part in ((0, slice(1200, None)), (1, slice(1200))):
        alone = logits.detach()[region : region + 1, :, part].double().requires_grad_()
        wanted = multinomial_nll_reference(alone, counts[region : region + 1, :, part]).profile
        assert_close([loss[region].detach().double()], [wanted[0].detach()])
        (slope,) = torch.autograd.grad(wanted.sum(), alone)
        assert_close([gradient[region, :, part].double()], [slope[0]])
    (steep,) = torch.autograd.grad(run(logits, counts).profile[2].sum(), logits)
    assert not steep.isnan().any()


@ON_EVERY_DEVICE
@pytest.mark.parametrize("order", ["rising", "falling", "high", "low"])
def test_the_online_sum_keeps_its_digits(device, order):
    rising = torch.linspace(-300, 300, 3000).expand(1, 1, 3000)
    logits = {
        "rising": rising,
        "falling": rising.flip(-1),
        "high": torch.randn(1, 1, 3000) + 4096,
        "low": torch.randn(1, 1, 3000) - 4096,
    }[order]
    logits = logits.to(device).clone().requires_grad_()
    counts = torch.ones(1, 1, 3000, dtype=torch.int64, device=device)
    found = with_gradients(multinomial_nll_triton, logits, counts, None, None)
    assert_close(found, exact(logits, counts, None, None))


@ON_EVERY_DEVICE
def test_log_factorials_of_all_sizes(device):
    counts = torch.tensor([*range(30), 1e2, 1e3, 1e5, 3.5, 0.25], device=device)
    counts = torch.stack([counts, torch.zeros_like(counts)], -1)[:, None]
    logits = torch.zeros(35, 1, 2, device=device)
    # With one possible outcome the likelihood is 1: what is left is the factorials alone.
    logits[..., 1] = -math.inf
    loss = multinomial_nll_triton(logits, counts, constant=True).profile
    torch.testing.assert_close(loss, torch.zeros_like(loss))
    logits[...] = 0
    counts[..., 1] = 6.5
    found = multinomial_nll_triton(logits, counts, constant=True).profile
    wanted = multinomial_nll_reference(logits.double(), counts, constant=True).profile
    torch.testing.assert_close(found.double(), wanted, rtol=5e-6, atol=5e-5)


@ON_EVERY_DEVICE
def test_small_predicted_totals_keep_their_digits(device):
    predicted = torch.tensor([[1e-9, 1e-6, 1e-4, 0.0]], device=device).requires_grad_()
    zeros = torch.zeros(1, 4, 3, device=device)
    found = multinomial_nll_triton(zeros, zeros, None, predicted).total
    wanted = torch.log1p(predicted.detach().double()) ** 2
    torch.testing.assert_close(found.detach().double(), wanted, rtol=1e-5, atol=0)


@ON_EVERY_DEVICE
def test_strides_of_every_kind(device):
    logits, counts, bias, predicted = draw((4, 6, 80), device=device)
    cases = [
        (logits[::2, ::3, ::5], counts[::2, ::3, ::5], bias[::2, ::5], predicted[::2, ::3]),
        (logits.flip(-1), counts.flip(0), bias.flip(-1), predicted.flip(0)),
        (logits[:, :, 7:30], counts[:, :, 7:30], bias[:, 7:30], predicted),
        (logits[:1].expand(4, 6, 80), counts, bias, predicted.mT.contiguous().mT),
        (logits, counts[:, :1].expand(4, 6, 80), bias, predicted),
    ]
    for case in cases:
        found = with_gradients(multinomial_nll_triton, *case)
        assert_close(found, exact(*case))


@ON_THE_CPU
@pytest.mark.parametrize("axis", range(4))
def test_offsets_beyond_32_bits(axis):
    far = (1 << 29) + 5  # a stride that fits, times an index: past 2**31 at the last
    shape = tuple(5 if i == axis else 2 for i in range(4))
    strides = tuple(far if i == axis else near for i, near in enumerate((100, 20, 10, 1)))
    logits, counts, _, _ = draw(shape)
    x, y = spread(shape, strides, torch.float16), spread(shape, strides, torch.uint8)
    x.copy_(logits.detach())
    y.copy_(counts + 1)
    x.requires_grad_()
    found = multinomial_nll_triton(x, y, joint_strands=True).profile
    wanted = multinomial_nll_reference(x, y.clone(), joint_strands=True).profile
    torch.testing.assert_close(found, wanted)
    (slope,), (exact_slope,) = (torch.autograd.grad(loss.sum(), x) for loss in (found, wanted))
    torch.testing.assert_close(slope, exact_slope)


@LARGE
@pytest.mark.gpu
def test_more_than_2_to_the_31_elements():
    logits = torch.randn(9000, 250_000, dtype=torch.float16, device="cuda")[:, None]
    logits.requires_grad_()
    counts = torch.randint(0, 3, logits.shape, dtype=torch.uint8, device="cuda")
    loss = multinomial_nll_triton(logits, counts).profile
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    last = logits.detach()[-2:].double().cpu().requires_grad_()
    wanted = multinomial_nll_reference(last, counts[-2:].cpu()).profile
    torch.testing.assert_close(loss[-2:].double().cpu(), wanted, rtol=1e-5, atol=0)
    (exact_slope,) = torch.autograd.grad(wanted.sum(), last)
    torch.testing.assert_close(slope[-2:].double().cpu(), exact_slope, rtol=1e-3, atol=1e-3)


@ON_EVERY_DEVICE
@pytest.mark.parametrize("shape", [(0, 3, 8), (2, 0, 8), (0, 3, 2, 8)])
def test_empty_batches(device, shape):
    logits = torch.zeros(shape, device=device, requires_grad=True)
    bias = torch.zeros(shape[0], 8, device=device, requires_grad=True)
    predicted = torch.zeros(shape[:-1], device=device, requires_grad=True)
    found = multinomial_nll_triton(logits, torch.zeros(shape, device=device), bias, predicted)
    assert found.profile.shape == found.total.shape == shape[:-1]
    gradients = torch.autograd.grad(sum(found).sum(), (logits, bias, predicted))
    assert [g.shape for g in gradients] == [logits.shape, bias.shape, predicted.shape]
    assert gradients[1].abs().sum() == 0
