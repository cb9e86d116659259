"""Multinomial losses: one suite over the reference and the kernels, against SciPy and float64."""

import itertools
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from nll_cases import EVERY_VARIANT, VARIANTS, assert_close, draw, exact, with_gradients
from triton_device import ON_EVERY_DEVICE, interpreter  # noqa: F401

import native_kernels.multinomial_nll as op
from native_kernels.multinomial_nll import (
    _ops,
    multinomial_nll,
    multinomial_nll_reference,
    multinomial_nll_triton,
)
from native_kernels.multinomial_nll.loss import ProfileLoss

# --- the reference, against SciPy


@pytest.mark.parametrize("length", [1, 2, 7, 250])
def test_the_whole_likelihood_is_scipys(length):
    logits, counts, bias, _ = draw((4, 3, length), dtype=torch.float64)
    p = scipy.special.softmax((logits + bias[:, None]).detach().numpy(), axis=-1)
    y = counts.numpy()
    wanted = -scipy.stats.multinomial.logpmf(y, y.sum(-1), p)
    found = multinomial_nll_reference(logits, counts, bias, constant=True)
    assert found.total is None
    np.testing.assert_allclose(found.profile.detach(), wanted, rtol=1e-9, atol=1e-9)


def test_variants_are_what_their_formulas_say():
    logits, counts, bias, predicted = draw((3, 2, 2, 50), dtype=torch.float64)
    x, y = logits.detach() + bias.detach()[:, None, None], counts.double()
    for joint in (False, True):
        axes = (-2, -1) if joint else (-1,)
        log_p = x - torch.logsumexp(x, axes, keepdim=True)
        total = y.sum(axes)
        nll = -(y * log_p).sum(axes)
        orders = torch.lgamma(total + 1) - torch.lgamma(y + 1).sum(axes)
        q = predicted.detach().double()
        q = q[..., 0] if joint else q
        run = {"joint_strands": joint}
        plain = multinomial_nll_reference(logits, counts, bias, q, **run)
        torch.testing.assert_close(plain.profile, nll)
        torch.testing.assert_close(plain.total, (torch.log1p(q) - torch.log1p(total)) ** 2)
        logged = multinomial_nll_reference(logits, counts, bias, q, log_counts=True, **run)
        torch.testing.assert_close(logged.total, (q - torch.log1p(total)) ** 2)
        whole = multinomial_nll_reference(logits, counts, bias, constant=True, **run).profile
        torch.testing.assert_close(whole, torch.where(total > 0, nll - orders, 0.0))
        each = multinomial_nll_reference(logits, counts, bias, per_profile=True, **run).profile
        torch.testing.assert_close(each, torch.where(total > 0, nll / total.clamp(min=1), 0.0))


def test_a_uniform_profile_costs_the_log_of_its_length():
    counts = torch.randint(0, 9, (2, 90, 250)) + 1
    loss = multinomial_nll_reference(torch.zeros(2, 90, 250), counts, per_profile=True).profile
    torch.testing.assert_close(loss, torch.full((2, 90), math.log(250)))


@EVERY_VARIANT
@pytest.mark.parametrize("joint", [False, True])
def test_the_references_gradient_is_the_derivative(variant, joint):
    logits, counts, bias, predicted = draw((2, 2, 2, 9), dtype=torch.float64)
    predicted = predicted.detach().double()[..., 0] if joint else predicted.detach().double()

    def losses(logits, bias, predicted):
        return multinomial_nll_reference(
            logits, counts, bias, predicted, joint_strands=joint, crop=(2, 8), **VARIANTS[variant]
        )

    assert torch.autograd.gradcheck(losses, (logits, bias, predicted.requires_grad_()))


# --- the kernels, against the reference in float64


@ON_EVERY_DEVICE
@EVERY_VARIANT
@pytest.mark.parametrize("length", [1, 7, 129, 998, 1000, 2114])
def test_kernels_equal_the_reference_at_odd_lengths(device, variant, length):
    arrays = draw((2, 3, length), device=device)
    found = with_gradients(multinomial_nll_triton, *arrays, **VARIANTS[variant])
    assert_close(found, exact(*arrays, **VARIANTS[variant]))


@ON_EVERY_DEVICE
@pytest.mark.parametrize("tasks", [1, 4, 30, 90, 300])
@pytest.mark.parametrize("tasks_last", [False, True])
def test_kernels_equal_the_reference_at_odd_numbers_of_tasks(device, tasks, tasks_last):
    logits, counts, bias, predicted = draw((2, tasks, 33), device=device)
    if tasks_last:
        logits = logits.detach().mT.contiguous().requires_grad_()
        lying = (logits.mT, counts.mT.contiguous().mT, bias, predicted)
        assert tasks == 1 or lying[0].stride()[1] == 1
    else:
        lying = (logits, counts, bias, predicted)
    found = with_gradients(multinomial_nll_triton, *lying, per_profile=True)
    assert_close(found, exact(*lying, per_profile=True))


@ON_EVERY_DEVICE
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("length", [7, 1030])
def test_strands_apart_and_joint(device, joint, length):
    logits, counts, bias, predicted = draw((2, 3, 2, length), device=device)
    predicted = predicted.detach()[..., 0] if joint else predicted.detach()
    arrays = (logits, counts, bias, predicted.requires_grad_())
    options = {"joint_strands": joint, "constant": True}
    found = with_gradients(multinomial_nll_triton, *arrays, **options)
    assert found[0].shape == ((2, 3) if joint else (2, 3, 2))
    assert_close(found, exact(*arrays, **options))


@ON_EVERY_DEVICE
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    "count_dtype", [torch.uint8, torch.int16, torch.int64, torch.float16, torch.float64]
)
def test_kernels_take_every_type(device, dtype, count_dtype):
    arrays = draw((2, 3, 40), dtype=dtype, count_dtype=count_dtype, device=device)
    losses = multinomial_nll_triton(*arrays)
    assert losses.profile.dtype == losses.total.dtype == torch.float32
    found, wanted = with_gradients(multinomial_nll_triton, *arrays), exact(*arrays)
    assert_close(found[:2], wanted[:2])
    eps = torch.finfo(dtype).eps
    assert_close(found[2:], wanted[2:], rtol=max(2 * eps, 1e-5))  # gradients have the inputs' type


@ON_EVERY_DEVICE
@pytest.mark.parametrize(
    "shape",
    list(itertools.product((1, 3), (1, 4), (1, 2))),
    ids=lambda shape: "x".join(map(str, shape)),
)
def test_bias_may_be_shared_along_any_axis(device, shape):
    logits, counts, _, _ = draw((3, 4, 2, 21), device=device)
    bias = torch.randn(*shape, 21, device=device).requires_grad_()
    for joint in (False, True):
        options = {"joint_strands": joint, "crop": (3, 20)}
        found = with_gradients(multinomial_nll_triton, logits, counts, bias, None, **options)
        assert_close(found, exact(logits, counts, bias, None, **options))


@ON_EVERY_DEVICE
@pytest.mark.parametrize(("crop", "window"), [(250, (374, 624)), ((375, 625), (375, 625))])
@pytest.mark.parametrize("cut", [False, True])
def test_a_crop_is_a_slice(device, crop, window, cut):
    logits, counts, bias, predicted = draw((2, 2, 998), device=device)
    start, stop = window
    whole = slice(start, stop) if cut else slice(None)
    part_bias = bias.detach()[:, whole].requires_grad_()
    found = with_gradients(
        multinomial_nll_triton, logits, counts[..., whole], part_bias, predicted, crop=crop
    )
    sliced = [x[..., start:stop].detach().requires_grad_() for x in (logits, bias)]
    wanted = exact(sliced[0], counts[..., start:stop], sliced[1], predicted)
    assert_close(found[:2], wanted[:2])
    assert_close([found[2][..., start:stop]], [wanted[2]])
    assert found[2][..., :start].abs().sum() == 0
    assert found[2][..., stop:].abs().sum() == 0
    assert_close([found[3] if cut else found[3][..., start:stop]], [wanted[3]])


@ON_EVERY_DEVICE
def test_the_same_bits_twice_and_at_a_second_shape(device):
    first, second = draw((3, 5, 300), device=device), draw((2, 7, 1100), seed=4, device=device)
    before = with_gradients(multinomial_nll_triton, *first)
    assert_close(with_gradients(multinomial_nll_triton, *second), exact(*second))
    again = with_gradients(multinomial_nll_triton, *first)
    assert all(torch.equal(one, other) for one, other in zip(before, again, strict=True))


@ON_EVERY_DEVICE
def test_one_loss_alone_has_its_gradient(device):
    arrays = draw((2, 3, 30), device=device)
    for i, wanted in ((0, [True, True, False]), (1, [False, False, True])):
        losses = multinomial_nll_triton(*arrays)
        found = torch.autograd.grad(
            losses[i].sum(), (arrays[0], *arrays[2:]), materialize_grads=True
        )
        assert [bool(g.abs().sum() > 0) for g in found] == wanted
    (alone,) = torch.autograd.grad(
        multinomial_nll_triton(arrays[0], *(x.detach() for x in arrays[1:])).profile.sum(),
        arrays[0],
    )
    (among,) = torch.autograd.grad(multinomial_nll_triton(*arrays).profile.sum(), arrays[0])
    torch.testing.assert_close(alone, among, rtol=1e-6, atol=1e-5)


@ON_EVERY_DEVICE
def test_a_second_derivative_is_refused(device):
    logits, counts, _, _ = draw((1, 1, 8), device=device)
    (slope,) = torch.autograd.grad(
        multinomial_nll_triton(logits, counts).profile.sum(), logits, create_graph=True
    )
    with pytest.raises(NotImplementedError, match="differentiate once"):
        slope.sum().backward()


# --- PyTorch around the operator


@ON_EVERY_DEVICE
def test_the_operators_are_registered_as_pytorch_wants_them(device):
    logits, counts, bias, predicted = draw((2, 3, 2, 6), device=device)
    predicted = predicted.detach().requires_grad_()
    bias = bias.detach()[:, None, None].requires_grad_()
    for joint in (False, True):
        totals = predicted[..., :1] if joint else predicted
        options = (0, joint, True, False, False)
        arguments = (logits, counts, bias, totals.detach().requires_grad_(), *options)
        torch.library.opcheck(_ops.multinomial_nll, arguments)


@ON_EVERY_DEVICE
def test_compiled_around_the_operator_at_two_shapes(device):
    def score(logits, counts, bias, predicted):
        losses = multinomial_nll_triton(logits * 2, counts, bias, predicted, per_profile=True)
        return losses.profile.mean() + losses.total.mean()

    torch._dynamo.reset()
    compiled = torch.compile(score, fullgraph=True, backend="aot_eager")
    for shape in ((2, 3, 40), (3, 2, 55), (1, 2, 7)):
        arrays = draw(shape, device=device)
        wanted_inputs = (arrays[0], *arrays[2:])
        found = torch.autograd.grad(compiled(*arrays), wanted_inputs)
        wanted = torch.autograd.grad(score(*arrays), wanted_inputs)
        assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


@ON_EVERY_DEVICE
def test_under_autocast_losses_are_float32(device):
    logits, counts, bias, predicted = draw((2, 3, 64), device=device)
    half = (logits.detach().bfloat16().requires_grad_(), counts, bias, predicted)
    with torch.autocast(device, torch.bfloat16):
        losses = multinomial_nll_triton(*half)
    assert losses.profile.dtype == losses.total.dtype == torch.float32
    assert_close([losses.profile.detach().double().cpu()], [exact(*half)[0]])


def test_the_cpu_runs_the_reference_and_float64_stays(monkeypatch):
    monkeypatch.setattr(op, "multinomial_nll_triton", None)
    arrays = draw((2, 3, 64), dtype=torch.float64)
    found, wanted = multinomial_nll(*arrays), multinomial_nll_reference(*arrays)
    assert found.profile.dtype == torch.float64
    assert torch.equal(found.profile, wanted.profile)
    assert torch.equal(found.total, wanted.total)


@pytest.mark.gpu
def test_a_cuda_tensor_runs_the_kernels():
    arrays = draw((2, 3, 64), device="cuda")
    found, wanted = multinomial_nll(*arrays), multinomial_nll_triton(*arrays)
    assert torch.equal(found.profile, wanted.profile)
    assert torch.equal(found.total, wanted.total)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": torch.zeros(8)}, r"\(regions, tasks, bp\)"),
        ({"counts": torch.zeros(2, 8)}, r"got \(2, 3, 8\) and \(2, 8\)"),
        ({"counts": torch.zeros(2, 4, 8)}, "same regions, tasks and strands"),
        ({"counts": torch.zeros(2, 3, 7)}, "counts must have 8 positions, or the 8"),
        ({"logits": torch.zeros(2, 3, 8, dtype=torch.int32)}, "floats, got torch.int32"),
        ({"bias": torch.zeros(3, 8)}, "spread over"),
        ({"bias": torch.zeros(2, 2, 8)}, "spread over"),
        ({"bias": torch.zeros(2, 6)}, "bias must have 8 positions"),
        ({"predicted": torch.zeros(2)}, r"predicted must be \(2, 3\)"),
        ({"crop": 9}, "crop 9 is not inside the 8 positions"),
        ({"crop": (4, 4)}, "not inside"),
        ({"crop": (-1, 4)}, "not inside"),
        ({"crop": 4, "counts": torch.zeros(2, 3, 5)}, "or the 4 of the window, got 5"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    good = {"logits": torch.zeros(2, 3, 8), "counts": torch.zeros(2, 3, 8)}
    assert multinomial_nll(**good).profile.shape == (2, 3)
    with pytest.raises(ValueError, match=message):
        multinomial_nll(**(good | change))


# --- the module


def test_the_loss_module_weighs_the_means():
    logits, counts, bias, predicted = draw((4, 3, 998))
    found = ProfileLoss(profile_weight=0.3, total_weight=0.7, crop=(375, 625))(
        logits, counts, predicted, bias
    )
    parts = multinomial_nll_reference(
        logits, counts, bias, predicted, per_profile=True, crop=(375, 625)
    )
    torch.testing.assert_close(found.profile, parts.profile.mean())
    torch.testing.assert_close(found.total, parts.total.mean())
    torch.testing.assert_close(found.loss, 0.3 * found.profile + 0.7 * found.total)


def test_the_loss_of_an_empty_batch_is_zero():
    found = ProfileLoss()(torch.zeros(0, 3, 8), torch.zeros(0, 3, 8), torch.zeros(0, 3))
    assert [float(part) for part in found] == [0, 0, 0]
