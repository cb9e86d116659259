"""Max pools against maxima that are taken one by one; strides, ends, ties, gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from modelkit.interpretation.methods.explain import AttributionOptions, explain
from modelkit.interpretation.methods.explained import Explained
from modelkit.models.pool import MaxPool
from modelkit.tasks.readouts import LogitReadout
from native_kernels.dilated_conv.block import Conv


def windows(length, size, stride, padding):
    """First and last + 1 position of each window, within the sequence; by TensorFlow's rules."""
    if padding == "valid":
        return [(low, low + size) for low in range(0, length - size + 1, stride)]
    n = (length + stride - 1) // stride
    total = max((n - 1) * stride + size - length, 0)
    before = total // 2  # the rest, which is more if the total is odd, goes after
    return [
        (max(0, i * stride - before), min(length, i * stride - before + size)) for i in range(n)
    ]


def by_hand(x, size, stride, padding):
    found = [x[:, low:high].max(axis=1) for low, high in windows(x.shape[1], size, stride, padding)]
    return np.stack(found, 1) if found else np.empty((len(x), 0, x.shape[2]), x.dtype)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_maxima_of_every_window(data):
    size = data.draw(st.integers(1, 25))
    stride = data.draw(st.integers(1, size))
    length = data.draw(st.integers(1, 70))
    padding = data.draw(st.sampled_from(["valid", "same"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.normal(size=(2, length, 3)) - 5  # below 0, so that a padding with 0 would be seen
    pool = MaxPool(size, stride, padding)
    found = pool(torch.from_numpy(x)).numpy()
    expected = by_hand(x, size, stride, padding)
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)
    if len(expected[0]):
        laid = pool.laid(torch.from_numpy(x))
        assert laid.shape == (2, len(expected[0]), size, 3)
        assert np.array_equal(laid.amax(2).numpy(), expected)


@pytest.mark.parametrize(
    ("length", "size", "stride", "expected"),
    [
        (5, 2, 2, [1, 3, 4]),  # one is lacking: after the end
        (5, 4, 4, [2, 4]),  # three: one before, two after
        (7, 3, 2, [1, 3, 5, 6]),  # two: one at each end
        (6, 4, 3, [3, 5]),  # one: after
        (4, 5, 1, [2, 3, 3, 3]),  # four: two at each end
        (3, 10, 10, [2]),  # one window, longer than the sequence
    ],
)
def test_what_lacks_at_the_ends_is_shared_as_tensorflow_does(length, size, stride, expected):
    """Positions count up, so a maximum is the last position of its window."""
    x = torch.arange(length, dtype=torch.float32)[None, :, None]
    assert MaxPool(size, stride, "same")(x)[0, :, 0].tolist() == expected


def test_a_window_of_each_network_s_pools_and_its_default():
    x = torch.rand(2, 200, 4)
    assert MaxPool(50, 2, "same")(x).shape == (2, 100, 4)
    assert MaxPool(3)(x).shape == (2, 66, 4)  # as large as the stride, and the rest left out
    assert torch.equal(MaxPool(1)(x), x)


SIZES = [(4, 2, "valid"), (5, 3, "same"), (50, 2, "same"), (7, 7, "same"), (6, 6, "valid")]


@pytest.mark.parametrize(("size", "stride", "padding"), SIZES)
def test_gradients_go_to_the_maxima(size, stride, padding):
    rng = np.random.default_rng(0)
    x = rng.permuted(np.arange(3 * 60 * 2, dtype=np.float64)).reshape(3, 60, 2)
    given_x = torch.from_numpy(x).requires_grad_()
    y = MaxPool(size, stride, padding)(given_x)
    weights = rng.normal(size=y.shape)
    (y * torch.from_numpy(weights)).sum().backward()
    expected = np.zeros_like(x)
    for i, (low, high) in enumerate(windows(60, size, stride, padding)):
        for b, c in np.ndindex(3, 2):
            expected[b, low + x[b, low:high, c].argmax(), c] += weights[b, i, c]
    np.testing.assert_allclose(given_x.grad.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("size", "stride", "padding"), SIZES)
def test_equal_maxima_share_a_window_s_gradient(size, stride, padding):
    x = torch.randint(0, 3, (2, 60, 1), generator=torch.Generator().manual_seed(1)).double()
    pool = MaxPool(size, stride, padding)
    for i, (low, high) in enumerate(windows(60, size, stride, padding)):
        given_x = x.clone().requires_grad_()
        pool(given_x)[:, i].sum().backward()
        gradient, here = given_x.grad, torch.zeros(60, dtype=torch.bool)
        here[low:high] = True
        greatest = (x == x[:, low:high].amax(1, keepdim=True)) & here[:, None]
        assert (gradient[~greatest] == 0).all()
        assert (gradient >= 0).all()
        torch.testing.assert_close(gradient.sum(1), torch.ones(2, 1).double())


def test_sizes_that_cannot_be():
    for size, stride, padding in ((0, None, "valid"), (2, 3, "valid"), (2, 0, "same")):
        with pytest.raises(ValueError, match="expected 1 <= stride <= size"):
            MaxPool(size, stride, padding)
    with pytest.raises(ValueError, match="padding 'full'"):
        MaxPool(2, 2, "full")


class Pooled(nn.Module):
    """conv -> ReLU -> overlapping pool -> conv -> ReLU -> overlapping pool -> dense."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = Conv(4, 6, 5, relu=True), Conv(6, 5, 3, relu=True)
        self.pools = nn.ModuleList([first, second])
        n = second(first(torch.zeros(1, 40, 1))).shape[1]
        self.dense = nn.Linear(5 * n, 2)

    def forward(self, x):
        x = self.pools[0](self.first(x.mT))
        return self.dense(self.pools[1](self.second(x)).flatten(1))


class Plain(nn.Module):
    """The same of PyTorch's modules, whose pools tangermeme's tests hold the rule of.

    After a ReLU a padding with 0 has the maxima that one with -inf has.
    """

    def __init__(self, network):
        super().__init__()
        self.layers = nn.ModuleList()
        for conv, pool in zip((network.first, network.second), network.pools, strict=True):
            mine = nn.Conv1d(*conv.weight.shape[1::-1], conv.weight.shape[2], padding="same")
            mine.double().load_state_dict(conv.state_dict())
            self.layers += [mine, nn.ReLU(), nn.MaxPool1d(pool.size, pool.stride)]
        self.dense = network.dense

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.dense(x.mT.flatten(1))


def bases(n, length, seed=0):
    codes = np.random.default_rng(seed).integers(0, 4, (n, length))
    return torch.from_numpy(np.eye(4)[codes].transpose(0, 2, 1).copy())


def explained(network, method, x):
    target = Explained(network, LogitReadout(), torch.eye(2, dtype=torch.float64))
    return explain(target, x, AttributionOptions(method=method, n_references=4))


@pytest.mark.parametrize("method", ["deepshap", "guided", "saliency", "ig"])
def test_attributions_through_overlapping_pools_are_those_of_pytorchs(method):
    torch.manual_seed(0)
    network = Pooled(MaxPool(6, 2), MaxPool(4, 3)).double()
    with torch.no_grad():
        for each in network.parameters():
            each *= 3
    x = bases(4, 40)
    torch.testing.assert_close(network(x), Plain(network)(x))
    found, expected = (explained(each, method, x) for each in (network, Plain(network)))
    torch.testing.assert_close(found.hypothetical, expected.hypothetical, rtol=1e-8, atol=1e-10)
    assert found.hypothetical.abs().max() > 1e-3


@pytest.mark.parametrize("shape", [(6, 2, "same"), (5, 3, "same"), (7, 7, "same"), (9, 4, "valid")])
def test_contributions_through_overlapping_and_padded_pools_add_up(shape):
    torch.manual_seed(1)
    network = Pooled(MaxPool(*shape), MaxPool(4, 2, "same")).double()
    x = bases(5, 40)
    found = explained(network, "deepshap", x)
    assert found.spread.min() > 1e-4
    torch.testing.assert_close(found.delta, torch.zeros_like(found.delta), rtol=0, atol=1e-11)
    with torch.no_grad():  # what the sum must be, by the network itself
        difference = network(x) - found.prediction
    torch.testing.assert_close(difference, torch.zeros_like(difference), rtol=0, atol=1e-11)


def test_a_stride_of_its_size_is_pytorchs_pool():
    x = torch.randn(3, 47, 5, dtype=torch.float64)
    expected = functional.max_pool1d(x.mT, 6).mT
    assert torch.equal(MaxPool(6)(x), expected)
