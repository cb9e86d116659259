"""In-silico mutagenesis against one pass per mutant, and against tangermeme."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from modelkit.interpretation.methods import ism as of_ism
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.ism import ism, largest_change
from modelkit.models.bpaitac import BpAITAC, NetworkOptions
from modelkit.tasks.readouts import ProfileReadout, Readout, TotalReadout
from native_kernels.dilated_conv.block import Block, Conv

LENGTH = 64  # bp
SMALL = {"tasks": 3, "length": LENGTH, "window": 24, "window_start": 20, "channels": 5,
         "stem_width": 5, "blocks": 3, "head_width": 5, "total_activation": "softplus",
         "pools": (2, 2, 2)}  # fmt: skip


def network_of(seed=0, **options):
    """Random weights and running statistics, float64; it evaluates."""
    torch.manual_seed(seed)
    network = BpAITAC(NetworkOptions(**(SMALL | options))).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, -2, 2)
            nn.init.normal_(module.bias)
    return network


def explained_of(network, readout=None):
    readout = readout or (ProfileReadout() if network.total is None else TotalReadout())
    weights = torch.tensor([[1.0, 0.0, 0.5], [0.0, -2.0, 0.5]]).double().T
    return Explained(network, readout, weights)


def one_hot(sequences):
    x = torch.zeros(len(sequences), 4, len(sequences[0]), dtype=torch.float64)
    for b, sequence in enumerate(sequences):
        for p, base in enumerate(sequence):
            if base in "ACGT":
                x[b, "ACGT".index(base), p] = 1
    return x


def letters(n, length=LENGTH, seed=1):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]


def one_by_one(explained, sequences):
    """Every mutant by itself; a profile's probabilities are those of the sequence."""
    out = np.zeros((len(sequences), 2, 4, len(sequences[0])))
    with torch.no_grad():
        for b, sequence in enumerate(sequences):
            given = explained.readout.anchor(explained.network(one_hot([sequence])))
            for (c, base), p in itertools.product(enumerate("ACGT"), range(len(sequence))):
                mutant = sequence[:p] + base + sequence[p + 1 :]
                values = explained.readout(explained.network(one_hot([mutant])), given)
                out[b, :, c, p] = (values @ explained.weights)[0]
    return out


def assert_exact(found, expected):
    assert np.ptp(expected, (2, 3)).min() > 1e-4  # a mutant does something
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


WITH_N = ["N" + letters(1, LENGTH - 4, seed=3)[0] + "NNA", letters(1)[0]]


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("readout", [TotalReadout, ProfileReadout])
@pytest.mark.parametrize("max_rows", [1, 7, 300])
def test_values_are_those_of_every_mutant_by_itself(fast, readout, max_rows):
    explained = explained_of(network_of(), readout())
    found = ism(explained, one_hot(WITH_N), max_rows, fast=fast)
    assert_exact(found.numpy(), one_by_one(explained, WITH_N))
    assert explained._anchor is None


@pytest.mark.parametrize(
    "options",
    [
        {"total_head": "global-pool"},
        {"total_head": "max50"},
        {"total_head": "flat"},
        {"total_head": "none"},
        {"bin_size": 5, "pools": None},
        {"bin_size": 10, "pools": None},
        {"bin_size": 20, "pools": None, "window": 40, "window_start": 12},
        {"profile_head": False},
        {"blocks": 0},
        {"blocks": 1, "block_norm": False, "stem_relu": True},
        {"blocks": 7},  # the last layer's taps lie all beyond the ends
        {"stem_width": 99, "blocks": 2},
        {"window_start": 0, "window": LENGTH},
    ],
    ids=str,
)
def test_fast_is_naive(options):
    network = network_of(**options)
    readouts = [ProfileReadout()] if network.profile is not None else []
    readouts += [TotalReadout()] if network.total is not None else []
    for readout in readouts:
        explained, x = explained_of(network, readout), one_hot(WITH_N)
        naive = ism(explained, x, 16, fast=False)
        assert_exact(ism(explained, x, 16).numpy(), naive.numpy())


class Seeing(nn.Module):
    """Heads that look at some positions of the body alone; a Conv that is added to nothing."""

    def __init__(self, see, channels_in=4):
        super().__init__()
        self.see = see
        self.layers = nn.ModuleList([
            Conv(channels_in, 6, 7, relu=True), Block(6, dilation=4, batch_norm=True),
            Conv(6, 6, 3, dilation=2), Block(6, dilation=9, residual=False),
        ])  # fmt: skip
        self.dense = nn.Linear(6, 3)
        self.double().eval()

    def forward(self, x):
        y = x.mT
        for layer in self.layers:
            y = layer(y)
        return self.heads(y)

    def body(self):
        return list(self.layers)

    def heads(self, y):
        return self.dense(y[:, self.see[0] : self.see[1]].square().mean(1))

    def heads_see(self):
        return self.see


class Given(Readout):
    """The output as it is."""

    def forward(self, output, anchor=None):  # noqa: ARG002
        return output


@pytest.mark.parametrize("see", [(0, LENGTH), (0, 1), (63, 64), (20, 30), (3, 61)])
def test_what_heads_do_not_see_is_left_out(see):
    torch.manual_seed(2)
    explained = explained_of(Seeing(see), Given())
    sequences = [*WITH_N, "N" * LENGTH]
    expected = one_by_one(explained, sequences)
    for max_rows in (1, 40):
        found = ism(explained, one_hot(sequences), max_rows).numpy()
        assert_exact(found, expected)
    reach = 3 + 4 + 2 + 9
    of_one = found[1] - found[1, :, :1]
    changed = np.flatnonzero(np.abs(of_one).max((0, 1)) > 0)
    assert set(changed) <= set(range(see[0] - reach, see[1] + reach))


def test_signals_stay_as_they_are():
    torch.manual_seed(4)
    explained = explained_of(Seeing((0, LENGTH), channels_in=6), Given())
    signals = torch.rand(2, 2, LENGTH).double()
    x = torch.cat([one_hot(WITH_N), signals], 1)
    expected = np.zeros((2, 2, 4, LENGTH))
    with torch.no_grad():
        for b, c, p in itertools.product(range(2), range(4), range(LENGTH)):
            mutant = x[b : b + 1].clone()
            mutant[0, :4, p] = 0
            mutant[0, c, p] = 1
            expected[b, :, c, p] = explained(mutant)[0]
    for fast in (True, False):
        assert_exact(ism(explained, x, 13, fast=fast).numpy(), expected)


def test_a_column_of_two_bases_is_none_of_them():
    explained, x = explained_of(network_of()), one_hot(WITH_N)[:1]
    x[0, :, 30] = torch.tensor([1.0, 1.0, 0.0, 0.0])
    for fast in (True, False):
        values = ism(explained, x, fast=fast)
        for c in range(4):
            mutant = x.clone()
            mutant[0, :, 30] = torch.eye(4)[c]
            with torch.no_grad():
                torch.testing.assert_close(values[0, :, c, 30], explained(mutant)[0])
    assert largest_change(values, x)[0, :, 30].tolist() == [0.0, 0.0]


def test_fast_calculates_windows_alone(monkeypatch):
    """Positions of each layer that are calculated, against 2 reach + 1 for each mutant."""
    network = network_of(length=400, window=40, window_start=180, blocks=2)
    done = []
    real = of_ism.dilated_conv

    def counted(x, weight, *rest, **options):
        y = real(x, weight, *rest, **options)
        done.append(y.shape[0] * y.shape[1])
        return y

    monkeypatch.setattr(of_ism, "dilated_conv", counted)
    ism(explained_of(network), one_hot(letters(1, 400)), 30)
    widths = [2 * reach + 1 for reach in (2, 2 + 2, 2 + 2 + 4)]
    assert sum(done) <= 3 * 400 * sum(widths)
    assert sum(done) > 0.9 * 3 * 400 * sum(widths)


def test_a_network_that_trains_or_has_no_body_passes_whole(monkeypatch):
    monkeypatch.setattr(of_ism, "_fast", None)  # calling it would be an error
    network = network_of(block_norm=False, total_head="none")
    explained = explained_of(nn.Sequential(network), ProfileReadout())
    x = one_hot(WITH_N)
    expected = one_by_one(explained, WITH_N)
    assert_exact(ism(explained, x).numpy(), expected)
    explained = explained_of(network, ProfileReadout())
    network.train()  # of norms, which this one has not, statistics would be those of a batch
    assert_exact(ism(explained, x).numpy(), expected)


def test_no_sequence_gives_no_value():
    found = ism(explained_of(network_of()), one_hot(WITH_N)[:0])
    assert found.shape == (0, 2, 4, LENGTH)


def test_values_do_not_depend_on_the_batch():
    explained, x = explained_of(network_of()), one_hot(letters(3))
    together = ism(explained, x, 10)
    for b in range(3):
        torch.testing.assert_close(ism(explained, x[b : b + 1], 10), together[b : b + 1])


def test_float32_agrees_with_tangermeme():
    tangermeme = pytest.importorskip("tangermeme.saturation_mutagenesis")
    explained = explained_of(network_of(), TotalReadout()).float()
    x = one_hot(letters(2)).float()
    found = ism(explained, x)
    before, after = tangermeme.saturation_mutagenesis(
        explained, x, raw_outputs=True, device="cpu", fast=False
    )
    torch.testing.assert_close(found, after.permute(0, 3, 1, 2), rtol=1e-5, atol=1e-6)
    at_base = (found * x[:, None]).sum(2)
    torch.testing.assert_close(at_base, before[:, :, None].expand_as(at_base))


def test_largest_change_is_signed_and_of_the_furthest_mutant():
    values = torch.tensor([[[[5.0, 1.0, 7.0], [4.0, 5.0, 1.0], [9.0, 6.0, 2.0], [6.0, 4.5, 3.0]]]])
    x = one_hot(["ACN"])
    assert largest_change(values, x).tolist() == [[[-4.0, 4.0, 0.0]]]
    assert largest_change(values, x, absolute=True).tolist() == [[[4.0, 4.0, 0.0]]]


def test_largest_change_of_a_network():
    explained = explained_of(network_of())
    found = largest_change(ism(explained, one_hot(WITH_N)), one_hot(WITH_N))
    with torch.no_grad():
        itself = explained(one_hot(WITH_N)).numpy()
    values = one_by_one(explained, WITH_N)
    for b, k, p in itertools.product(range(2), range(2), range(LENGTH)):
        differences = [itself[b, k] - values[b, k, c, p] for c in range(4)]
        expected = 0.0 if WITH_N[b][p] == "N" else max(differences, key=abs)
        assert found[b, k, p] == pytest.approx(expected, abs=1e-10)
