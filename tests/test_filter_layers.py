"""What filters see and how much they can answer: impulses, all words, and twins."""

from itertools import product

import numpy as np
import pytest
import torch
from filter_world import make_data, make_run, random_texts
from torch import nn

from kmerengine import InputError
from modelkit.interpretation.filters.layers import Field, FilterLayer
from modelkit.models.bpaitac import BpAITAC, NetworkOptions
from modelkit.models.danq import DanQ, DanQNetwork
from modelkit.models.deepatac import DeepATAC, DeepATACNetwork
from modelkit.models.deepsea import DeepSEA, DeepSEANetwork
from modelkit.models.koo import ARCHITECTURES, KooCNN, KooNetwork
from modelkit.models.pool import MaxPool
from native_kernels.dilated_conv.block import Block


def sees(layer, length, channels=4):
    """Whether position n depends on base q: (q, n), of a network whose weights are positive."""
    impulses = torch.zeros(length, channels, length)
    impulses[:, 2] = torch.eye(length)
    with torch.inference_mode():
        return (layer(impulses) > 0).all(2).numpy()


def said(field, length, positions):
    base, first = np.arange(length)[:, None], field.first + field.step * np.arange(positions)
    return (base >= first) & (base < first + field.width)


def positive(network):
    with torch.no_grad():
        for tensor in network.parameters():
            if tensor.ndim == 3:
                tensor.uniform_(0.5, 1)
    return network.eval()


@pytest.mark.parametrize("length", [200, 187])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_field_of_every_architecture_is_what_impulses_reach(name, length):
    options = dict(ARCHITECTURES[name])
    options["filters"] = (2, 3, 4)[: len(options["widths"])]
    network = KooCNN(KooNetwork(classes=1, length=length, dense=2, **options))
    network = positive(network)
    for number in range(len(options["widths"])):
        layer = FilterLayer(network, number, length, "run")
        reached = sees(layer, length)
        assert layer.n_filters == options["filters"][number]
        np.testing.assert_array_equal(reached, said(layer.field, length, reached.shape[1]))


def test_fields_by_hand():
    """CNN-25: 19 bp, then 25 positions pooled, then 5 of the pools."""
    network = KooCNN(KooNetwork(classes=1, length=200)).eval()
    assert FilterLayer(network, 0, 200, "run").field == Field(first=-9, width=19, step=1)
    assert FilterLayer(network, 1, 200, "run").field == Field(
        first=-9 - 2 * 25, width=19 + 24 + 4 * 25, step=25
    )


class Mixed(nn.Module):
    """Unpadded and dilated convolutions (without gaps, on a pool), and pools of any kind."""

    def __init__(self):
        super().__init__()
        more = {"residual": False, "batch_norm": True, "bias": False}
        self.convs = nn.ModuleList([
            Block(2, channels_in=4, width=5, padding="valid", **more),
            Block(3, channels_in=2, width=3, dilation=2, padding="valid", **more),
            Block(2, channels_in=3, width=3, **more),
        ])  # fmt: skip
        self.pools = nn.ModuleList([MaxPool(4, 3), MaxPool(3, 2, "same"), MaxPool(2)])


def test_dilation_unpadded_convolutions_and_pools_without_a_rest():
    network = positive(Mixed())
    for number in range(3):
        layer = FilterLayer(network, number, 83, "run")
        reached = sees(layer, 83)
        assert reached.shape[1] == (79, 22, 11)[number]
        np.testing.assert_array_equal(reached, said(layer.field, 83, reached.shape[1]))


def test_the_first_convolution_of_bpaitac():
    options = NetworkOptions(
        tasks=1,
        length=60,
        window=20,
        window_start=20,
        channels=3,
        stem_width=7,
        blocks=1,
        total_head="none",
    )
    network = BpAITAC(options)
    x = torch.eye(4)[torch.randint(4, (5, 60), generator=torch.Generator().manual_seed(0))].mT
    layer = FilterLayer(network.eval(), 0, 60, "run")
    with torch.inference_mode():
        plain = torch.conv1d(x, network.stem.weight, network.stem.bias, padding=3).relu().mT
        torch.testing.assert_close(layer(x), plain)
    with torch.no_grad():
        network.stem.bias.zero_()
    network = positive(network)
    np.testing.assert_array_equal(sees(layer, 60), said(layer.field, 60, 60))
    assert layer.field == Field(-3, 7, 1)
    with pytest.raises(InputError, match=r"layer: found 1, run has filters of layer 0$"):
        FilterLayer(network, 1, 60, "run")


def network_of(name, length):
    """Networks whose widths are even, and 6 channels for bases and cuts."""
    if name == "danq":
        options = {"filters": 3, "width": 26, "pool": 13, "lstm": 2, "dense": 2}
        return DanQ(DanQNetwork(classes=1, length=length, **options))
    options = {"filters": (3, 4, 2), "widths": (8, 8, 5), "dense": 2}
    if name == "deepsea":
        return DeepSEA(DeepSEANetwork(classes=1, length=length, **options))
    return DeepATAC(DeepATACNetwork(classes=1, length=length, inputs=name, **options))


@pytest.mark.parametrize("length", [130, 143])
@pytest.mark.parametrize("name", ["danq", "deepsea", "dna", "both"])
def test_layers_of_even_widths_and_relus_apart(name, length):
    """Fields are what impulses reach, activations what the network itself has behind its ReLUs."""
    torch.manual_seed(1)
    network = network_of(name, length).eval()
    channels = 4 if name in ("danq", "deepsea") else 6
    with torch.no_grad():
        for key, each in [*network.named_parameters(), *network.named_buffers()]:
            if key.startswith("convs") and each.is_floating_point():
                each.copy_(torch.rand(each.shape) - (0.0 if "running_var" in key else 0.5))
    x = torch.zeros(5, channels, length)
    x[:, :4] = torch.eye(4)[torch.randint(4, (5, length))].mT
    x[:, 4:] = torch.rand(5, channels - 4, length).round()
    relus = getattr(network, "conv_relus", None) or [network.conv_relu]
    found = []
    hooks = [relu.register_forward_hook(lambda *of: found.append(of[2].clone())) for relu in relus]
    with torch.inference_mode():
        network(x)
        for number, expected in enumerate(found):
            layer = FilterLayer(network, number, length, "run")
            assert number or (expected == 0).any()  # what a missing ReLU would change
            torch.testing.assert_close(layer(x), expected)
    for hook in hooks:
        hook.remove()
    first = {"danq": Field(0, 26, 1)}.get(name, Field(-3, 8, 1))
    assert FilterLayer(network, 0, length, "run").field == first
    assert (FilterLayer(network, 0, length, "run").possible is None) == (name == "both")
    plain = positive(network_of(name, length))
    for number in range(len(plain.convs)):
        layer = FilterLayer(plain, number, length, "run")
        reached = sees(layer, length, channels)
        np.testing.assert_array_equal(reached, said(layer.field, length, reached.shape[1]))


def test_the_largest_possible_activation_of_a_folded_convolution():
    """Of 4^3 words, where the norm turns half of the filters round and the bias is not 0."""
    options = {"filters": (4,), "widths": (3,), "pools": (1,), "dropouts": (0.0,), "dense": 2}
    network = DeepSEA(DeepSEANetwork(classes=1, length=3, **options)).eval()
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for each in network.convs[0].parameters():
            each.copy_(torch.randn(each.shape, generator=rng))
        network.convs[0].norm.weight.copy_(torch.tensor([1.0, -0.5, 2.0, -1.0]))
        network.convs[0].norm.running_mean.fill_(0.7)
    layer = FilterLayer(network, 0, 3, "run")
    x = torch.eye(4)[torch.tensor(list(product(range(4), repeat=3)))].mT
    with torch.inference_mode():
        best = layer(x)[:, 1].amax(0).numpy()
    assert (best > 0).sum() > 1
    np.testing.assert_allclose(layer.possible, best, rtol=1e-5, atol=1e-6)


def test_a_network_that_sees_no_bases():
    with pytest.raises(InputError, match="run: sees cuts alone, expected a network that sees bas"):
        FilterLayer(network_of("atac", 130), 0, 130, "run")


def test_the_largest_possible_activation_is_that_of_the_best_of_all_words(tmp_path):
    """Of 4^5 words, with a batch norm that turns half of the filters round."""
    rng = np.random.default_rng(0)
    words = ["".join(word) for word in product("ACGT", repeat=5)]
    data = make_data(tmp_path, words)
    scale = np.array([1.0, -0.5, 2.0, -1.0])
    offset = np.array([0.3, 0.1, -2.0, -100.0])
    weight = rng.normal(size=(4, 4, 5))
    network = make_run(tmp_path / "r", data, [weight], scale=[scale], offset=[offset]).network()
    network.convs[0].norm.running_mean.fill_(0.7)
    network.convs[0].norm.running_var.fill_(1.7)
    layer = FilterLayer(network, 0, 5, "run")
    x = torch.eye(4)[torch.tensor([["ACGT".index(b) for b in word] for word in words])].mT
    with torch.inference_mode():
        best = layer(x)[:, 2].amax(0).numpy()  # the middle alone sees the whole word
    assert best[3] == 0
    assert (best[:3] > 0).all()
    np.testing.assert_allclose(layer.possible, best, rtol=1e-5, atol=1e-6)


def test_what_cannot_be_shown(tmp_path):
    data = make_data(tmp_path, random_texts(0, 4, 20))
    network = make_run(tmp_path / "r", data, [np.ones((2, 4, 3)), np.ones((2, 2, 3))]).network()
    assert FilterLayer(network, 1, 20, "run").possible is None
    for number in (2, -1):
        with pytest.raises(InputError, match=f"found {number}, run has filters of layer 0 to 1"):
            FilterLayer(network, number, 20, "run")
    with pytest.raises(InputError, match="run: is a Linear, whose convolutions are not known"):
        FilterLayer(nn.Linear(2, 2), 0, 20, "run")
