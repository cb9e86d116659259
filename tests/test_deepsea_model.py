"""DeepSEA as AgentBind has it: its sizes, NumPy's outputs, batch norms, attributions."""

import agentbind_oracle as oracle
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from kmerengine import InputError
from modelkit.config_files import read_config
from modelkit.interpretation.methods.explain import AttributionOptions, explain
from modelkit.interpretation.methods.explained import Explained
from modelkit.models.convolution import Convolution
from modelkit.models.deepsea import DeepSEA, DeepSEANetwork
from modelkit.models.pool import MaxPool
from modelkit.recipes.agentbind import DeepSEAConfig
from modelkit.tasks.readouts import LogitReadout
from modelkit.training.optimizer import Stepper

SIZES = {"filters": (6, 5, 7), "dense": 8, "length": 67, "classes": 2, "initial_sd": 0.3}


def made(seed=0, **changes):
    """With other statistics and scales than those that every norm begins with."""
    torch.manual_seed(seed)
    network = DeepSEA(DeepSEANetwork.model_validate({**SIZES, **changes}))
    with torch.no_grad():
        for each in network.modules():
            if isinstance(each, nn.BatchNorm1d):
                each.running_mean.normal_(0, 0.2)
                each.running_var.uniform_(0.5, 1.5)
                each.weight.normal_(1, 0.4)
                each.bias.normal_(0, 0.3)
            if isinstance(each, Convolution):
                each.bias.normal_(0, 0.3)
    return network.eval()


def sequences(n, length, seed=0):
    codes = np.random.default_rng(seed).integers(0, 5, (n, length))
    rows = np.vstack([np.eye(4), np.full(4, 0.25)])
    return torch.from_numpy(rows[codes].transpose(0, 2, 1).copy()).float()


@pytest.mark.parametrize(("classes", "expected"), [(1, 60_878_421), (919, 61_728_489)])
def test_parameters_are_agentbinds(classes, expected):
    network = DeepSEA(DeepSEANetwork(length=1000, classes=classes))
    assert sum(each.numel() for each in network.parameters() if each.requires_grad) == expected
    shapes = [each.weight.shape for each in network.convs]
    assert shapes == [(320, 4, 8), (480, 320, 8), (960, 480, 8)]
    assert network.dense.weight.shape == (925, 63 * 960, 1)
    norms = [each for each in network.modules() if isinstance(each, nn.BatchNorm1d)]
    assert [(each.eps, each.momentum) for each in norms] == [(1e-3, 0.01)] * 4


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("changes", [
    {},  # pools with a rest: 67, 17, 5
    {"length": 64},
    {"length": 5, "widths": (8, 3, 26)},  # wider than the sequence
    {"pools": (3, 5, 2), "widths": (1, 8, 7)},
])  # fmt: skip
def test_outputs_are_those_of_loops_in_numpy(changes, training):
    network = made(dropouts=(0, 0, 0), **changes)
    x = sequences(5, network.options.length)
    held = oracle.variables_of_deepsea(network)
    bases = x.numpy().transpose(0, 2, 1)
    pools = network.options.pools
    expected = oracle.deepsea(held, bases, pools=pools, training=training)
    wide = made(dropouts=(0, 0, 0), **changes).double().train(training)
    with torch.no_grad():
        found = network.train(training)(x).numpy()
        assert np.ptp(expected) > 0.1
        assert np.allclose(wide(x.double()).numpy(), expected, rtol=1e-9, atol=1e-11)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_running_statistics_move_by_a_hundredth_of_what_the_bias_is_part_of():
    """As of PyTorch's batch norm behind its convolution, which has a gradient of rounding only for
    the bias: here it has none.
    """
    network = made().train()
    conv = network.convs[0]
    twin, norm = nn.Conv1d(4, 6, 8), nn.BatchNorm1d(6, 1e-3, 0.01)
    twin.load_state_dict({"weight": conv.weight, "bias": conv.bias})
    norm.load_state_dict(conv.norm.state_dict())
    x, weights = sequences(4, 67), torch.randn(4, 67, 6)
    (conv(x.mT) * weights).sum().backward()
    (norm(twin(functional.pad(x, (3, 4)))).mT * weights).sum().backward()
    torch.testing.assert_close(conv.norm.running_mean, norm.running_mean)
    torch.testing.assert_close(conv.norm.running_var, norm.running_var)
    assert conv.norm.num_batches_tracked == norm.num_batches_tracked
    torch.testing.assert_close(conv.weight.grad, twin.weight.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(conv.norm.weight.grad, norm.weight.grad, rtol=1e-4, atol=1e-4)
    assert not conv.bias.grad.any()
    assert float(twin.bias.grad.abs().max()) < 1e-3


@pytest.mark.parametrize("width", [1, 2, 7, 8, 26])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("channels", [4, 40])
def test_a_convolution_is_pytorchs(width, padding, channels):
    """Also of many channels in, which go another way; gradients too."""
    torch.manual_seed(1)
    ours = Convolution(channels, 5, width, padding=padding).double()
    theirs = nn.Conv1d(channels, 5, width).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 30, channels, dtype=torch.float64)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    ends = ((width - 1) // 2, width // 2) if padding == "same" else (0, 0)
    found, expected = ours(a), theirs(functional.pad(b.mT, ends)).mT
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(expected)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(a.grad, b.grad)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
    torch.testing.assert_close(ours.bias.grad, theirs.bias.grad)


def test_what_cannot_be():
    with pytest.raises(InputError, match="found 3, 2, 3, 3"):
        DeepSEAConfig().changed({"network": {"widths": (8, 8)}})
    with pytest.raises(ValueError, match="found 7 positions, expected at least 8"):
        Convolution(4, 5, 8, padding="valid")(torch.zeros(1, 7, 4))
    with pytest.raises(ValueError, match="padding must be 'same' or 'valid', got 'full'"):
        Convolution(4, 5, 8, padding="full")
    with pytest.raises(ValueError, match=r"must be \(sequences, 4, 67\)"):
        made()(torch.zeros(1, 4, 66))
    with pytest.raises(ValueError, match="classes or length are not known"):
        DeepSEA(DeepSEANetwork(classes=1))


def test_first_weights():
    for initial in ("normal", "truncated"):
        torch.manual_seed(0)
        options = {**SIZES, "filters": (64, 64, 64), "dense": 300, "initial": initial}
        network = DeepSEA(DeepSEANetwork.model_validate({**options, "initial_sd": 0.02}))
        for layer in (network.convs[1], network.dense):
            w = layer.weight.detach().double() / 0.02
            assert float(w.std()) == pytest.approx(1 if initial == "normal" else 0.8796, abs=0.02)
            assert (float(w.abs().max()) > 2) == (initial == "normal")
            assert not layer.bias.any()
            assert (layer.norm.weight == 1).all()


def test_layers_are_in_their_order():
    network = made(filters=(40, 40, 40), dropouts=(0.1, 0.3, 0.6))
    order, left_out = [], []
    for name, module in network.named_modules():
        if isinstance(module, (Convolution, MaxPool, nn.ReLU, nn.Dropout, nn.Linear)):
            module.register_forward_hook(lambda *_, name=name: order.append(name))
        if isinstance(module, nn.Dropout):
            module.register_forward_hook(
                lambda _, x, y: left_out.append(float((y[x[0] != 0] == 0).float().mean()))
            )
    network.train()(sequences(64, 67))
    layers = [f"{name}.{i}" for i in range(3) for name in
              ("convs", "conv_relus", "pools", "dropouts")]  # fmt: skip
    assert order == [*layers, "dense", "dense_relu", "output"]
    assert left_out == pytest.approx([0.1, 0.3, 0.6], abs=0.04)
    left_out.clear()
    network.eval()(sequences(2, 67))
    assert left_out == [0, 0, 0]


def test_presets():
    paper, code = (read_config(model="deepsea", preset=each) for each in ("paper", "code"))
    assert paper == read_config(model="deepsea") == DeepSEAConfig()
    assert read_config(model="deepsea", preset="code,paper") == paper
    for each in (paper, code):
        assert (each.data.unknown, each.data.both_strands, each.data.core) == (0.25, True, "kept")
        t = each.training
        assert (t.optimizer, t.learning_rate, t.batch_size) == ("adam", 1e-2, 128)
        assert (t.drop, t.drop_epochs, t.drop_factor, t.stop_below) == ("plateau", 10, 0.1, 1e-4)
        assert (t.ema, t.ema_validated) == (0.999, False)
    assert (code.training.l1, code.network.initial) == (0, "truncated")
    few = read_config(model="deepsea", preset="small").network
    assert (few.filters, few.dense, few.pools) == ((32, 48, 96), 92, (4, 4, 1))


def test_steps_lower_the_loss():
    network = made(dropouts=(0, 0, 0), filters=(16, 16, 16)).train()
    stepper = Stepper(network, DeepSEAConfig().training)
    x, y = sequences(24, 67), torch.from_numpy(np.random.default_rng(5).integers(0, 2, (24, 2)))
    losses = []
    for _ in range(60):
        loss = functional.binary_cross_entropy_with_logits(network(x), y.float())
        losses.append(loss.item())
        loss.backward()
        stepper.step()
    assert losses[1] < losses[0]
    assert losses[-1] < 0.2


def test_gradcam_spreads_over_the_windows_by_hand():
    """One filter, which is 1 for every A of its window: 3 bp to the left and 4 to the right."""
    options = {"filters": (1,), "widths": (8,), "pools": (1,), "dropouts": (0,), "dense": 1,
               "length": 12, "classes": 1}  # fmt: skip
    network = DeepSEA(DeepSEANetwork.model_validate(options)).double().eval()
    with torch.no_grad():
        network.convs[0].weight.zero_()
        network.convs[0].weight[0, 0] = 1
        for norm in (network.convs[0].norm, network.dense.norm):
            norm.running_var.fill_(1 - norm.eps)  # so that the norms do nothing
        network.dense.weight.fill_(1)
        network.output.weight.fill_(1)
    x = torch.zeros(1, 4, 12, dtype=torch.float64)
    x[0, 1] = 1
    x[0, :, 6] = x.new_tensor([1, 0, 0, 0])  # CCCCCCACCCCC
    counts = [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]  # windows that begin at -3 ... 8 have position 6
    covering = [range(max(p - 4, 0), min(p + 4, 12)) for p in range(12)]
    cam = [sum(counts[q] for q in each) / len(each) for each in covering]
    assert cam[:4] == [2 / 4, 3 / 5, 4 / 6, 5 / 7]
    # of A, each base's slope is the number of windows that have it and are open
    open_windows = [sum(counts[q] for q in each) for each in covering]
    explained = Explained(network, LogitReadout(), torch.eye(1, dtype=torch.float64))
    found = explain(explained, x, AttributionOptions(method="gradcam")).hypothetical[0, 0]
    assert not found[1:].any()
    expected = np.array(cam) * open_windows
    expected /= expected[6]  # the one base that counts: all others are C, whose slope is 0
    assert np.allclose(found[0].numpy(), expected, rtol=1e-12)


def test_deeplift_and_guided_backpropagation_see_its_relus():
    network = made(classes=1).double()
    explained = Explained(network, LogitReadout(), torch.eye(1, dtype=torch.float64))
    x = sequences(3, 67).double()
    found = {
        each: explain(explained, x, AttributionOptions(method=each))
        for each in ("saliency", "guided", "deeplift")
    }
    assert not torch.allclose(found["saliency"].hypothetical, found["guided"].hypothetical)
    # what a rule that knows every layer adds up to: the difference of the outputs
    assert float(found["deeplift"].delta.abs().max()) < 1e-9
    assert float(found["deeplift"].contributions(x).abs().sum()) > 0.1
