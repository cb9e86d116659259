"""Likelihood of a mixture of topics: against dense float64, its bits, its step of Adam."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from native_kernels.gapped_linear import AdamStep, Columns
from native_kernels.topic_nll import TopicLoss, topic_nll, topic_nll_reference, topic_nll_step
from native_kernels.topic_nll.cpu import exp_row


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def sparse(x: np.ndarray) -> Columns:
    """Columns of a dense matrix (rows, features)."""
    features, rows = np.nonzero(x.T)
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(x, axis=0))])
    return Columns(
        torch.from_numpy(indptr.astype(np.int64)),
        torch.from_numpy(rows.astype(np.int32)),
        torch.from_numpy(x.T[features, rows].astype(np.float32)),
    )


def dense_nll(z: Tensor, logits: Tensor, x: np.ndarray) -> Tensor:
    """The formula, a row and a feature at a time."""
    theta = logits.exp() / logits.exp().sum(0)
    loss = []
    for i, row in enumerate(x):
        parts = [-float(row[v]) * (z[i] * theta[v]).sum().log() for v in np.flatnonzero(row)]
        loss.append(torch.stack(parts).sum() if parts else z[i].sum() * 0)
    return torch.stack(loss)


def problem(
    n: int = 6, features: int = 150, topics: int = 19, scale: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor, np.ndarray]:
    """z, logits and counts; row 1 has none."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(0.3, (n, features))
    x[1] = 0
    z = torch.from_numpy(rng.dirichlet(np.ones(topics), n))
    return z, torch.from_numpy(rng.normal(size=(features, topics)) * scale), x


@pytest.mark.parametrize(("topics", "scale"), [(2, 1.0), (16, 1.0), (19, 3.0), (100, 0.1)])
@pytest.mark.parametrize("features", [1, 15, 150])
def test_loss_and_gradients_are_those_of_the_formula(
    topics: int, scale: float, features: int
) -> None:
    z, logits, x = problem(topics=topics, scale=scale, features=features)
    columns, upstream = sparse(x), torch.tensor([1.0, 2.0, 0.0, -1.0, 0.5, 3.0])
    single = [each.float().requires_grad_() for each in (z, logits)]
    double = [each.detach().double().requires_grad_() for each in single]
    found, expected = topic_nll(*single, columns), dense_nll(*double, x)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    found.backward(upstream)
    expected.backward(upstream.double())
    for a, b in zip(single, double, strict=True):
        assert a.grad is not None
        assert b.grad is not None
        torch.testing.assert_close(a.grad.double(), b.grad, rtol=1e-5, atol=2e-5)
        # near 0 by cancelling: of what is added up
        assert (a.grad - b.grad).norm() <= 1e-5 * b.grad.norm() + 1e-6
    torch.testing.assert_close(topic_nll(*double, columns), expected)  # float64: the reference


def test_the_gradient_of_the_reference_is_its_slope() -> None:
    z, logits, x = problem(n=3, features=7, topics=3)
    columns = sparse(x)
    assert torch.autograd.gradcheck(
        lambda a, b: topic_nll_reference(a, b, columns),
        (z.requires_grad_(), logits.requires_grad_()),
    )


def test_alone_of_each_gradient() -> None:
    z, logits, x = problem()
    z, logits, columns = z.float(), logits.float(), sparse(x)
    both = z.clone().requires_grad_(), logits.clone().requires_grad_()
    topic_nll(*both, columns).sum().backward()
    one = z.clone().requires_grad_()
    topic_nll(one, logits, columns).sum().backward()
    other = logits.clone().requires_grad_()
    topic_nll(z, other, columns).sum().backward()
    assert torch.equal(one.grad, both[0].grad)  # type: ignore[arg-type]
    assert torch.equal(other.grad, both[1].grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", [topic_nll, topic_nll_reference])
def test_proportions_of_0_and_1(way) -> None:
    """A row of one topic costs that topic's entropy; its gradient in others is finite."""
    _, logits, x = problem(n=4, topics=4)
    z = torch.eye(4)
    single = z.clone().requires_grad_()
    found = way(single, logits.float(), sparse(x))
    log_theta = logits.log_softmax(0).T
    torch.testing.assert_close(
        found.double(), -(torch.from_numpy(x) * log_theta).sum(1), rtol=1e-5, atol=1e-5
    )
    found.sum().backward()
    assert single.grad is not None
    assert single.grad.isfinite().all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_logits_that_are_no_numbers_cost_none_in_silence(value: float) -> None:
    """A training that runs away is told so by its loss, in one line and without warnings."""
    z, logits, x = problem()
    found = topic_nll(z.float(), torch.full_like(logits, value).float(), sparse(x))
    assert found.isnan().tolist() == x.any(1).tolist()


@pytest.mark.parametrize("shift", [-3e4, 80.0, 3e4])
def test_logits_far_from_0_do_not_overflow(shift: float) -> None:
    z, logits, x = problem()
    logits = (logits * 8).round() / 8  # so that the shift does not round them
    plain = topic_nll(z.float(), logits.float(), sparse(x))
    moved = topic_nll(z.float(), (logits + shift).float(), sparse(x))
    torch.testing.assert_close(moved, plain, rtol=1e-3 if abs(shift) > 1e4 else 1e-5, atol=1e-4)


def test_a_topic_without_hope_of_a_feature() -> None:
    """theta of exp(-60), beside another topic that has it, and beside none."""
    logits = torch.zeros(5, 2)
    logits[0] = torch.tensor([-60.0, 0.0])
    x = np.array([[3, 0, 0, 0, 1], [3, 0, 0, 0, 1]])
    z = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    found = topic_nll(z, logits, sparse(x))
    expected = dense_nll(z.double(), logits.double(), x)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", [topic_nll, topic_nll_reference])
def test_counts_of_all_0_and_no_rows_cost_nothing(way) -> None:
    for n in (0, 3):
        z = torch.full((n, 4), 0.25, requires_grad=True)
        logits = torch.randn(9, 4, requires_grad=True)
        loss = way(z, logits, sparse(np.zeros((n, 9))))
        assert loss.tolist() == [0.0] * n
        loss.sum().backward()
        assert logits.grad is not None
        assert not logits.grad.any()
        assert z.grad is not None
        assert not z.grad.any()


def test_a_uniform_decoder_costs_the_logarithm_of_the_features() -> None:
    z, _, x = problem()
    found = topic_nll(z.float(), torch.full((150, 19), 0.7), sparse(x))
    torch.testing.assert_close(found, torch.from_numpy(x.sum(1) * np.log(150)).float())


def test_under_autocast_and_of_halves_it_stays_float32() -> None:
    z, logits, x = problem()
    z, logits, columns = z.bfloat16(), logits.float(), sparse(x)
    plain = topic_nll(z.float(), logits, columns)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(topic_nll(z, logits, columns), plain)
    assert plain.dtype == torch.float32


def as_on(threads: int) -> list[Tensor]:
    torch.set_num_threads(threads)
    z, logits, x = problem(n=40, features=3_000)
    single = [each.float().requires_grad_() for each in (z, logits)]
    columns, upstream = sparse(x), torch.linspace(0, 1, 40)
    loss = topic_nll(*single, columns)
    loss.backward(upstream)
    moved, (mean, square) = logits.float(), torch.rand(2, *logits.shape)
    mean[:], square[:] = 0.1, 0.2
    made = TopicLoss.of(single[0].detach(), moved.clone(), columns)
    topic_nll_step(moved, mean, square, made, upstream, AdamStep(3, 0.1, (0.9, 0.99), 1e-8))
    grads = [each.grad for each in single if each.grad is not None]
    assert len(grads) == 2
    return [loss.detach(), *grads, moved, mean, square]


def test_the_same_bits_on_any_number_of_threads_and_twice() -> None:
    first = as_on(1)
    for threads in (1, 2, 3, 5):
        for a, b in zip(first, as_on(threads), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_step_is_that_of_adam_on_the_gradient(decay: float) -> None:
    z, logits, x = problem()
    z, columns = z.float(), sparse(x)
    weight = torch.nn.Parameter(logits.float())
    moved = weight.detach().clone()
    mean, square = torch.zeros_like(moved), torch.zeros_like(moved)
    adam = torch.optim.AdamW(
        [weight], 0.02, (0.8, 0.95), 1e-6, weight_decay=decay, fused=True
    )
    for number in range(1, 8):
        upstream = torch.linspace(0, number, len(z))
        weight.grad = None
        topic_nll(z, weight, columns).backward(upstream)
        step = AdamStep(number, 0.02 / number, (0.8, 0.95), 1e-6, decay)
        made = TopicLoss.of(z, moved.clone(), columns)
        topic_nll_step(moved, mean, square, made, upstream, step)
        adam.param_groups[0]["lr"] = 0.02 / number
        adam.step()
    held = adam.state[weight]
    torch.testing.assert_close(moved, weight.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mean, held["exp_avg"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(square, held["exp_avg_sq"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 8, 100])
def test_the_exponential(n: int) -> None:
    for low, high in ((-0.5, 0.5), (-87, 0), (-20, 20)):
        x = np.linspace(low, high, n, dtype=np.float32)
        bits, out = np.empty(n, np.int32), np.empty(n, np.float32)
        exp_row(x, np.zeros(n, np.float32), bits, bits.view(np.float32), out)
        np.testing.assert_allclose(out, np.exp(x.astype(np.float64)), rtol=4e-7)
