"""Koo and Eddy's networks: their sizes, a plain twin of PyTorch, first weights, presets."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from kmerengine import InputError
from modelkit.config_files import read_config
from modelkit.models.koo import ARCHITECTURES, KooCNN, KooNetwork
from modelkit.recipes.koo import KooConfig

# Table 1: widths, pools (size, stride) and parameters at 200 bp and 12 classes
TABLE = {
    "cnn-2": ((19, 5), ((2, 2), (50, 50)), 160_048),
    "cnn-4": ((19, 5), ((4, 4), (25, 25)), 160_048),
    "cnn-10": ((19, 5), ((10, 10), (10, 10)), 160_048),
    "cnn-25": ((19, 5), ((25, 25), (4, 4)), 160_048),
    "cnn-50": ((19, 5), ((50, 50), (2, 2)), 160_048),
    "cnn-100": ((19, 5), ((100, 100), (1, 1)), 160_048),
    "cnn9-4": ((9, 5), ((4, 4), (25, 25)), 158_848),
    "cnn9-25": ((9, 5), ((25, 25), (4, 4)), 158_848),
    "cnn3-2": ((3, 5), ((2, 2), (50, 50)), 158_128),
    "cnn3-50": ((3, 5), ((50, 50), (2, 2)), 158_128),
    "cnn-50-2": ((19, 5), ((50, 2), (50, 50)), 160_048),
    "cnn19-1-2": ((19, 1), ((2, 2), (50, 50)), 144_688),
}
MORE = {
    "cnn-1": ((19, 5), ((1, 1), (100, 100))),
    "cnn-1-3": ((19, 5, 5), ((1, 1), (10, 10), (10, 10))),
}
SHAPES = {name: each[:2] for name, each in TABLE.items()} | MORE


def made(name, *, length=200, classes=12, seed=0, **changes):
    config = read_config(model="koo", preset=name).changed(
        {"network": {"length": length, "classes": classes, **changes}}
    )
    torch.manual_seed(seed)
    return KooCNN(config.network)


def n_weights(network):
    return sum(each.numel() for each in network.parameters())


def test_the_presets_are_these_networks():
    assert set(KooConfig.presets) == {*SHAPES, "paper", "code"}
    assert set(ARCHITECTURES) == set(SHAPES)
    assert read_config(model="koo").network == read_config(model="koo", preset="cnn-25").network


@pytest.mark.parametrize("name", TABLE)
def test_parameters_are_those_of_the_table(name):
    """With the batch norm of the dense layer, whose layer then has no bias, as in the code."""
    widths, _, expected = TABLE[name]
    network = made(name)
    assert n_weights(network) == expected
    filters = [block.conv.weight.shape for block in network.convs]
    assert filters == [(30, 4, widths[0]), (128, 30, widths[1])]
    assert all(block.conv.bias is None for block in network.convs)
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm1d)]
    assert len(norms) == 3
    assert {(each.eps, each.momentum) for each in norms} == {(1e-8, 0.01)}
    # by hand: 2 x 128 numbers to 512 units and 12 classes, and two numbers of each norm
    convs = 30 * 4 * widths[0] + 2 * 30 + 128 * 30 * widths[1] + 2 * 128
    assert expected == convs + 256 * 512 + 2 * 512 + 512 * 12 + 12


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(("length", "positions"), [(200, 2), (1000, 10)])
def test_positions_that_reach_the_dense_layer(name, length, positions):
    network = made(name, length=length)
    assert network.dense.conv.weight.shape == (512, positions * 128, 1)
    if length == 1000 and TABLE[name][0] == (19, 5):
        assert n_weights(network) == 684_336
    reached = []
    network.pools[-1].register_forward_hook(lambda *given: reached.append(given[2].shape))
    network.eval()(torch.zeros(1, 4, length))
    assert reached == [(1, positions, 128)]


class Twin(nn.Module):
    """The network of PyTorch's layers, channels first, pools padded by TensorFlow's rule."""

    def __init__(self, name, positions, classes, *, dense_norm=True):
        super().__init__()
        widths, self.pools = SHAPES[name]
        channels = [4, 30, *[128] * (len(widths) - 1)]
        self.convs = nn.ModuleList(
            nn.Conv1d(a, b, width, padding=(width - 1) // 2, bias=False)
            for (a, b), width in zip(itertools.pairwise(channels), widths, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(b, 1e-8, 0.01) for b in channels[1:])
        self.dense = nn.Linear(positions * 128, 512, bias=not dense_norm)
        self.dense_norm = nn.BatchNorm1d(512, 1e-8, 0.01) if dense_norm else nn.Identity()
        self.output = nn.Linear(512, classes)

    def forward(self, x):
        for conv, norm, (size, stride) in zip(self.convs, self.norms, self.pools, strict=True):
            x = torch.relu(norm(conv(x)))
            n = math.ceil(x.shape[2] / stride)
            lacking = max((n - 1) * stride + size - x.shape[2], 0)
            x = functional.pad(x, (lacking // 2, lacking - lacking // 2), value=-math.inf)
            # equal maxima, of equal words, share a gradient, which max_pool1d gives to the first
            if size == stride:
                x = x.unfold(2, size, size).amax(-1)
            else:
                x = functional.max_pool1d(x, size, stride)
        x = x.transpose(1, 2).flatten(1)  # TensorFlow flattens position by position
        return self.output(torch.relu(self.dense_norm(self.dense(x))))

    def take(self, network):
        """The weights of our network."""
        dense = {"weight": network.dense.conv.weight[:, :, 0]}
        if network.dense.norm is not None:
            self.dense_norm.load_state_dict(network.dense.norm.state_dict())
        else:
            dense["bias"] = network.dense.conv.bias
        self.dense.load_state_dict(dense)
        self.output.load_state_dict(network.output.state_dict())
        for conv, norm, block in zip(self.convs, self.norms, network.convs, strict=True):
            conv.load_state_dict(block.conv.state_dict())
            norm.load_state_dict(block.norm.state_dict())

    def gradients(self):
        """By the names of our network."""
        found = {"output.weight": self.output.weight.grad, "output.bias": self.output.bias.grad}
        found["dense.conv.weight"] = self.dense.weight.grad[:, :, None]
        if self.dense.bias is not None:
            found["dense.conv.bias"] = self.dense.bias.grad
        norms = {f"convs.{i}": each for i, each in enumerate(self.norms)}
        if isinstance(self.dense_norm, nn.BatchNorm1d):
            norms["dense"] = self.dense_norm
        for i, conv in enumerate(self.convs):
            found[f"convs.{i}.conv.weight"] = conv.weight.grad
        for where, norm in norms.items():
            found[f"{where}.norm.weight"] = norm.weight.grad
            found[f"{where}.norm.bias"] = norm.bias.grad
        return found


def sequences(n, length, seed=0):
    codes = np.random.default_rng(seed).integers(0, 5, (n, length))  # of which 4 is no base
    return torch.from_numpy(np.eye(5, 4)[codes].transpose(0, 2, 1).copy()).float()


def unsettled(network):
    """Other statistics and scales than those that every norm begins with."""
    chance = torch.Generator().manual_seed(3)
    for each in network.modules():
        if isinstance(each, nn.BatchNorm1d):
            for tensor, low in (
                (each.running_mean, -0.2), (each.running_var, 0.5),
                (each.weight.data, 0.5), (each.bias.data, -0.2),
            ):  # fmt: skip
                tensor.copy_(low + torch.rand(tensor.shape, generator=chance))
    return network


CASES = [(name, 200, {}) for name in SHAPES] + [
    ("cnn-25", 203, {}),  # pools with a rest
    ("cnn-50-2", 131, {}),
    ("cnn-4", 1000, {}),
    ("cnn-25", 200, {"dense_norm": False}),
]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "length", "changes"), CASES)
def test_a_plain_twin_has_the_same_outputs_and_gradients(name, length, changes, training):
    changes = {"conv_dropout": 0, "dense_dropout": 0, **changes}
    network = unsettled(made(name, length=length, classes=5, **changes)).train(training)
    positions = network.dense.conv.weight.shape[1] // 128
    twin = Twin(name, positions, 5, dense_norm=network.dense.norm is not None).train(training)
    twin.take(network)
    x = sequences(8, length)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(8, 5))).float()
    found, expected = network(ours), twin(theirs)
    assert found.shape == (8, 5)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    (found * weights).mean().backward()
    (expected * weights).mean().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    by_name = twin.gradients()
    assert by_name.keys() == dict(network.named_parameters()).keys()
    for key, value in network.named_parameters():
        torch.testing.assert_close(value.grad, by_name[key], rtol=1e-4, atol=1e-5, msg=key)
    if training:  # the statistics move alike
        for block, norm in zip(network.convs, twin.norms, strict=True):
            torch.testing.assert_close(block.norm.running_mean, norm.running_mean)
            torch.testing.assert_close(block.norm.running_var, norm.running_var)


def test_dropout_is_behind_each_pool_and_the_dense_layer_while_training_alone():
    network = made("cnn-25")
    assert (network.conv_dropout.p, network.dense_dropout.p) == (0.1, 0.5)
    x = sequences(64, 200)
    zeros = []
    for dropout in (network.conv_dropout, network.dense_dropout):
        dropout.register_forward_hook(
            lambda _, given, found: zeros.append(
                float(((found == 0) & (given[0] != 0)).sum() / (given[0] != 0).sum())
            )
        )
    network.train()(x)
    assert zeros == pytest.approx([0.1, 0.1, 0.5], abs=0.02)
    zeros.clear()
    assert torch.equal(network.eval()(x), network(x))
    assert zeros == [0] * 6


@pytest.mark.parametrize(("initial", "of_conv", "of_dense", "of_output"), [
    ("he", 2 / (30 * 5), 2 / 256, 2 / 512),
    ("glorot", 2 / (30 * 5 + 128 * 5), 2 / (256 + 512), 2 / (512 + 12)),
])  # fmt: skip
def test_first_weights_have_the_variance_of_their_rule(initial, of_conv, of_dense, of_output):
    network = made("cnn-25", initial=initial)
    for weight, variance in (
        (network.convs[1].conv.weight, of_conv),
        (network.dense.conv.weight, of_dense),
        (network.output.weight, of_output),
    ):
        w = weight.detach().double()
        error = variance * math.sqrt(2 / w.numel())  # of a normal's variance; a uniform's is less
        assert float(w.var()) == pytest.approx(variance, abs=5 * error)
        assert float(w.mean()) == pytest.approx(0, abs=5 * math.sqrt(variance / w.numel()))
        most = float(w.abs().max()) / math.sqrt(variance)
        assert most > 3 if initial == "he" else most <= math.sqrt(3)  # normal, or uniform
    assert not network.output.bias.any()
    again = made("cnn-25", initial=initial)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(),
                                                 strict=True))  # fmt: skip


def test_paper_and_code_train_in_their_ways():
    paper = read_config(model="koo", preset="paper")
    assert paper == read_config(model="koo")
    code = read_config(model="koo", preset="code")
    ways = [
        (each.training.learning_rate, each.training.betas, each.network.initial,
         each.training.patience)
        for each in (paper, code)
    ]  # fmt: skip
    assert ways == [(3e-4, (0.9, 0.999), "he", None), (1e-3, (0.95, 0.999), "glorot", 20)]
    for each in (paper, code):
        training = each.training
        assert (training.batch_size, training.epochs, training.l2) == (100, 100, 1e-6)
        assert training.optimizer == "adam"
        assert (training.drop, training.weight_decay, training.l1) == ("none", 0, 0)
        assert each.objective.auprc == "trapezoid"


def test_presets_are_joined_with_commas():
    found = read_config(model="koo", preset="cnn-50-2,code")
    assert found == read_config(model="koo", preset="code,cnn-50-2")  # they name other options
    assert found.network.strides == (2, 50)
    assert found.network.initial == "glorot"
    assert found.training.learning_rate == 1e-3
    # of two that name the same, the last goes before
    for names, pools in (("cnn-2,cnn-100", (100, 1)), ("cnn-100,cnn-2", (2, 50))):
        assert read_config(model="koo", preset=names).network.pools == pools


def test_the_last_of_joined_networks_is_whole():
    """What only the first one names does not stay with it."""
    for last in SHAPES:
        alone = read_config(model="koo", preset=last).network
        assert read_config(model="koo", preset=f"cnn-1-3,{last}").network == alone
        assert read_config(model="koo", preset=f"cnn-50-2,{last}").network == alone, last


def test_the_last_of_paper_and_code_holds():
    for last, first in itertools.permutations(("paper", "code")):
        assert read_config(model="koo", preset=f"{first},{last}") == read_config(
            model="koo", preset=last
        )
    assert read_config(model="koo", preset="paper") == KooConfig()


@pytest.mark.parametrize(
    ("preset", "named"),
    [("cnn-3", "'cnn-3'"), ("cnn-2,cod", "'cod'"), ("cnn-2,", "''"), ("cnn-2, code", "' code'")],
)
def test_a_preset_that_is_not_there_is_named(preset, named):
    with pytest.raises(InputError, match=f"preset: found {named}, expected one of koo's: cnn-2, "):
        read_config(model="koo", preset=preset)


def test_options_that_cannot_be():
    for changes, said in (
        ({"widths": (18, 5)}, "a width must be odd"),
        ({"pools": (25,)}, "a number for each convolution; found 2, 2, 1, 1"),
        ({"filters": (), "widths": (), "pools": ()}, "found 0, 0, 0, 0"),
        ({"strides": (26, 4)}, "strides must not be larger than pools"),
    ):
        with pytest.raises(InputError, match=said):
            KooConfig().changed({"network": changes})
    with pytest.raises(ValueError, match="classes or length are not known"):
        KooCNN(KooNetwork(classes=2))
    with pytest.raises(ValueError, match=r"the sequence must be \(sequences, 4, 200\)"):
        made("cnn-25")(torch.zeros(1, 4, 199))


def test_logits_are_wide_where_the_network_is_not():
    network = made("cnn-25").eval()
    x = sequences(4, 200)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = network(x)
    assert half.dtype == torch.float32
    assert network.double()(x.double()).dtype == torch.float64
    torch.testing.assert_close(half.double(), network(x.double()), rtol=0.1, atol=0.1)
