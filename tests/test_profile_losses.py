"""Losses of totals and profiles against their formulas, one by one, in NumPy's float64."""

import math

import numpy as np
import pytest
import torch
from profile_world import WINDOW, Says, World, draw, formula, given, softmax, task_of

from modelkit.tasks.profile_losses import (
    count_error,
    jensen_shannon,
    log_total,
    poisson,
    profile_pearson,
)
from native_kernels.multinomial_nll import multinomial_nll


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", ["cross-entropy", "mnll", "jsd"])
def test_composite_losses_are_their_formulas(world, name, weight):
    numbers = draw((5, 3, WINDOW))
    logits, totals, batch = given(*numbers)
    changes = [f"objective.loss={name}", f"objective.lambda_={weight}", "objective.use_bias=false"]
    says = Says(logits.detach(), totals.detach())
    loss, parts = task_of(world, *changes).losses(says, batch)
    profile, total = (formula(each, *numbers).mean() for each in (name, "total"))
    assert float(parts["profile"]) == pytest.approx(profile, rel=1e-9)
    assert float(parts["total"]) == pytest.approx(total, rel=1e-9)
    assert float(loss) == pytest.approx((1 - weight) * total + weight * profile, rel=1e-9)
    with_bias = np.random.default_rng(8).normal(size=(5, WINDOW))
    batch = batch._replace(bias=torch.from_numpy(with_bias))
    loss, _ = task_of(world, *changes[:2]).losses(says, batch)
    moved = formula(name, numbers[0] + with_bias[:, None], *numbers[1:]).mean()
    assert float(loss) == pytest.approx((1 - weight) * total + weight * moved, rel=1e-9)


@pytest.mark.parametrize("name", ["poisson", "mse"])
def test_losses_of_counts_are_their_formulas(world, name):
    numbers = draw((5, 3, WINDOW))
    logits, totals, batch = given(*numbers)
    with_bias = np.random.default_rng(8).normal(size=(5, WINDOW))
    batch = batch._replace(bias=torch.from_numpy(with_bias))
    task = task_of(world, f"objective.loss={name}")
    says = Says(logits.detach(), totals.detach())
    loss, parts = task.losses(says, batch)
    wanted = formula(name, numbers[0] + with_bias[:, None], *numbers[1:])
    assert float(loss) == pytest.approx(wanted.mean(), rel=1e-9)
    assert parts == {}
    found = task.observe(says, batch)
    np.testing.assert_allclose(found["loss"].numpy(), wanted.mean(1), rtol=1e-9)


def test_likelihood_is_the_total_times_the_cross_entropy():
    logits, counts, _ = (torch.from_numpy(each) for each in draw())
    entropy = multinomial_nll(logits, counts, per_profile=True).profile
    likelihood = multinomial_nll(logits, counts).profile
    torch.testing.assert_close(likelihood, counts.sum(-1) * entropy, rtol=1e-12, atol=0)


def test_the_poisson_losss_gradient_is_that_of_likelihood_and_total():
    """sum of (y p - k ln(y p)) = y - n ln y - sum of k ln p: a likelihood of the profile, and one
    of the total whose derivative is 1 - n / y.
    """
    logits, counts, totals = draw()
    logits, totals, batch = given(logits / 4, counts, totals)
    found = torch.autograd.grad(poisson(logits, batch.counts, totals).sum(), (logits, totals))
    (wanted,) = torch.autograd.grad(multinomial_nll(logits, batch.counts).profile.sum(), logits)
    bp = logits.shape[-1]
    torch.testing.assert_close(found[0] * bp, wanted, rtol=1e-6, atol=1e-6)
    by_hand = 1 - batch.counts.sum(-1) / totals
    torch.testing.assert_close(found[1] * bp, by_hand.detach(), rtol=1e-6, atol=1e-6)


def test_a_flat_profile_costs_the_logarithm_of_its_width(world):
    _, counts, totals = draw((5, 3, WINDOW))
    counts[0, 0, 0] = 5
    _, totals, batch = given(np.zeros(counts.shape), counts, totals)
    task = task_of(world, "objective.lambda_=1", "objective.use_bias=false")
    loss = task.losses(Says(torch.zeros(5, 3, WINDOW), totals.detach()), batch).loss
    assert float(loss) == pytest.approx(math.log(WINDOW), rel=1e-6)
    wide = torch.zeros(1, 1, 250)
    counts = torch.ones(1, 1, 250)
    assert float(multinomial_nll(wide, counts, per_profile=True).profile) == pytest.approx(
        5.521460917862246, abs=1e-5
    )
    assert float(jensen_shannon(wide, counts)) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_divergence_lies_between_0_and_1(dtype):
    for seed in range(20):
        logits, counts, _ = draw(seed=seed, scale=0.05 * 3**seed if seed < 10 else 1)
        logits = torch.from_numpy(logits * 10 ** (seed % 3)).to(dtype).requires_grad_()
        found = jensen_shannon(logits, torch.from_numpy(counts).to(dtype))
        assert bool(((found >= 0) & (found <= 1)).all())
        (gradient,) = torch.autograd.grad(found.sum(), logits)
        assert gradient.isfinite().all()
    apart = torch.tensor([[[60.0, 60.0, -60.0, -60.0]]], dtype=dtype)
    assert float(jensen_shannon(apart, torch.tensor([[[0, 0, 3, 5]]]))) == pytest.approx(1)
    same = torch.tensor([[[3.0, 1.0, 4.0]]], dtype=dtype)
    assert float(jensen_shannon(same.log(), same)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["cross-entropy", "mnll", "jsd"])
def test_a_profile_without_cuts_costs_exactly_nothing(world, kind):
    logits, counts, totals = draw((5, 3, WINDOW))
    counts[2] = 0
    logits, totals, batch = given(logits, counts, totals, torch.float32)
    task = task_of(
        world, f"objective.loss={kind}", "objective.lambda_=1", "objective.use_bias=false"
    )
    found = task.observe(Says(logits.detach(), totals.detach()), batch)
    assert found["loss"][2] == 0
    assert found["loss"][1] > 0
    task.losses(Says(logits, totals), batch).loss.backward()
    assert (logits.grad[2] == 0).all()
    assert (logits.grad[1] != 0).any()
    assert found["cross_entropy"].isnan().tolist() == (batch.counts.sum(-1) == 0).tolist()
    metrics = task.metrics({name: each.numpy() for name, each in found.items()})
    assert metrics["n_without_cuts"] == 4
    for name in ("cross_entropy", "jsd", "profile_pearson"):
        assert metrics[name] == pytest.approx(float(found[name].nanmean()))


def test_gradients_are_derivatives():
    logits, counts, totals = draw((2, 2, 6))
    logits, totals, batch = given(logits, counts, totals)
    for loss in (poisson, count_error):
        assert torch.autograd.gradcheck(
            lambda x, y, f=loss: f(x, batch.counts, y), (logits, totals)
        )
    assert torch.autograd.gradcheck(lambda x: jensen_shannon(x, batch.counts), logits)
    any_total = torch.tensor([-3.0, -0.5, 0.5, 9.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(log_total, any_total)


def test_the_logarithm_of_a_total_goes_on_below_0():
    found = log_total(torch.tensor([0.0, 3.0, -2.5], requires_grad=True))
    assert found.tolist() == pytest.approx([0, math.log(4), -2.5])
    edge = torch.zeros(1, requires_grad=True)
    assert torch.autograd.grad(log_total(edge), edge)[0].item() == 1


def test_profile_pearson():
    logits = torch.tensor([[[0.0, 1.0, 2.0, -1.0]], [[1.0, 1.0, 1.0, 1.0]], [[0.0, 5.0, 0.0, 0.0]]])
    counts = torch.tensor([[[0, 3, 9, 1]], [[4, 0, 1, 1]], [[2, 2, 2, 2]]])
    found = profile_pearson(logits, counts)[:, 0].tolist()
    assert found[0] == pytest.approx(np.corrcoef(softmax(logits[0, 0].numpy()), [0, 3, 9, 1])[0, 1])
    assert found[1:] == [0, 0]
