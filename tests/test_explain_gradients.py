"""Gradients, integrated and guided ones and Grad-CAM, against captum and sums written out."""

import math

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop, IntegratedGradients, LayerGradCam, Saliency
from torch import nn
from twins import Read, bases, twins

from kmerengine.errors import InputError
from modelkit.interpretation.methods.convergence import incomplete
from modelkit.interpretation.methods.explain import AttributionOptions, Explainer, explain
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.gradients import logo_heights
from modelkit.interpretation.methods.references import references
from modelkit.tasks.readouts import ProfileReadout, Readout, TotalReadout
from native_kernels.dilated_conv.block import Block, Conv


class AsItIs(Readout):
    """The output (B, T) itself."""

    def forward(self, output, anchor=None):  # noqa: ARG002
        return output


def options(method, **more):
    return AttributionOptions(method=method, **more)


def total(network):
    return Explained(network, TotalReadout(), torch.eye(3, dtype=torch.float64))


def plain(network, tasks=1):
    return Explained(network, AsItIs(), torch.eye(tasks, dtype=torch.float64))


# --- saliency


@pytest.mark.parametrize("readout", [TotalReadout, ProfileReadout])
def test_saliency_is_what_a_small_change_does(readout):
    ours, _ = twins()
    model = Explained(ours, readout(), torch.eye(3, dtype=torch.float64))
    x = bases(1, 200)
    found = explain(model, x, options("saliency", max_rows=1))
    assert found.delta.isnan().all()
    rng = np.random.default_rng(0)
    model.anchor(x)  # p of a profile is taken as given
    for c, p in zip(rng.integers(0, 4, 20), rng.integers(0, 200, 20), strict=True):
        up, down = x.clone(), x.clone()
        up[0, c, p] += 1e-6
        down[0, c, p] -= 1e-6
        with torch.no_grad():
            wanted = (model(up) - model(down))[0] / 2e-6
        torch.testing.assert_close(found.hypothetical[0, :, c, p], wanted, rtol=1e-5, atol=1e-8)


def test_saliency_and_guided_backpropagation_are_captums():
    ours, twin = twins(stem_relu=True)
    x = bases(3, 200)
    saliency = explain(total(ours), x, options("saliency", max_rows=2)).hypothetical
    guided = explain(total(ours), x, options("guided", max_rows=2)).hypothetical
    assert not torch.allclose(saliency, guided, rtol=1e-3)
    for k in range(3):
        wanted = Saliency(Read(twin)).attribute(x.clone().requires_grad_(), target=k, abs=False)
        torch.testing.assert_close(saliency[:, k], wanted, rtol=1e-9, atol=1e-12)
        with pytest.warns(UserWarning, match="backward hooks"):
            wanted = GuidedBackprop(Read(twin)).attribute(x.clone().requires_grad_(), target=k)
        assert wanted.abs().max() > 1e-6
        torch.testing.assert_close(guided[:, k], wanted, rtol=1e-9, atol=1e-12)


def test_guided_backpropagation_leaves_other_functions_their_gradient():
    torch.manual_seed(0)
    layers = [nn.Conv1d(4, 3, 5), nn.Tanh(), nn.Flatten(), nn.Linear(48, 1)]
    nn.init.constant_(layers[3].bias, 10.0)  # the ReLU is open, and its gradient is 1
    network = nn.Sequential(*layers, nn.ReLU()).double()
    x = bases(2, 20)
    guided = explain(plain(network), x, options("guided")).hypothetical
    assert torch.equal(guided, explain(plain(network), x, options("saliency")).hypothetical)


# --- integrated gradients


class Functional(nn.Module):
    """A ReLU that is no module: nothing can be put in its place."""

    def forward(self, x):
        return x.relu()


def test_guided_backpropagation_without_a_relu_to_guide_is_refused():
    x = bases(1, 12)
    hidden = [nn.Conv1d(4, 2, 3), Functional(), nn.Flatten(), nn.Linear(20, 1)]
    network = nn.Sequential(*hidden).double()
    assert explain(plain(network), x, options("saliency")).hypothetical.abs().max() > 0
    with pytest.raises(InputError, match=r"guided: .* no ReLU that is a module"):
        explain(plain(network), x, options("guided"))
    hidden[1] = nn.ReLU()
    explain(plain(nn.Sequential(*hidden)), x, options("guided"))


@pytest.mark.parametrize("max_rows", [3, 11, 64])
@pytest.mark.filterwarnings("ignore::modelkit.interpretation.methods.explain.IncompleteWarning")
def test_integrated_gradients_are_captums(max_rows):
    ours, twin = twins(total_activation="softplus")
    x = bases(2, 200)
    found = explain(total(ours), x, options("ig", steps=11, max_rows=max_rows))
    background = options("ig", steps=11, max_rows=max_rows, references="background")
    against = explain(total(ours), x, background)
    share = torch.tensor([0.3, 0.2, 0.2, 0.3]).double()[:, None].expand(2, 4, 200)
    for k in range(3):
        for of, baseline in ((found, torch.zeros_like(x)), (against, share)):
            wanted, delta = IntegratedGradients(Read(twin)).attribute(
                x, baseline, target=k, n_steps=11, method="riemann_middle",
                return_convergence_delta=True,
            )  # fmt: skip
            by_base = wanted.sum(1)
            # captum's steps are of float32
            torch.testing.assert_close(of.contributions(x)[:, k], by_base, rtol=1e-5, atol=1e-8)
            torch.testing.assert_close(of.delta[:, k], delta, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::modelkit.interpretation.methods.explain.IncompleteWarning")
def test_integrated_gradients_take_the_probabilities_of_the_sequence_as_given():
    ours, twin = twins()
    x = bases(2, 200)
    model = Explained(ours, ProfileReadout(), torch.eye(3, dtype=torch.float64))
    found = explain(model, x, options("ig", steps=7, max_rows=14)).contributions(x)
    for i in range(2):
        p_TW = twin(x[i : i + 1])[0].softmax(-1)[0].detach()
        for k in range(3):
            wanted = IntegratedGradients(Read(twin, p_TW)).attribute(
                x[i : i + 1], target=k, n_steps=7, method="riemann_middle"
            )
            torch.testing.assert_close(found[i, k], wanted[0].sum(0), rtol=1e-5, atol=1e-8)


def test_more_steps_bring_integrated_gradients_to_the_difference():
    ours, _ = twins()
    x = bases(2, 200)
    few = explain(total(ours), x, options("ig", steps=50))
    many = explain(total(ours), x, options("ig", steps=1000))
    assert incomplete(few) < 0.05
    assert incomplete(many) < 0.002
    zeros = torch.zeros(1, 4, 200).double()
    with torch.no_grad():
        torch.testing.assert_close(many.spread, (ours(x).totals - ours(zeros).totals).abs())


def test_of_a_linear_network_one_step_is_exact():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(6, 3, 5), nn.Flatten(), nn.Linear(48, 1)).double()
    x = torch.cat([bases(2, 20), torch.rand(2, 2, 20).double().round()], 1)
    found = explain(plain(network), x, options("ig", steps=1))
    weights = explain(plain(network), x, options("saliency")).hypothetical
    torch.testing.assert_close(found.hypothetical[:, :, :4], weights[:, :, :4])
    # DeepATAC: signals against 1/2, so that an absent cut has half its gradient, turned around
    by_signal = weights[:, :, 4:] * torch.where(x[:, None, 4:] > 0, 0.5, -0.5)
    torch.testing.assert_close(found.hypothetical[:, :, 4:], by_signal)
    assert found.delta.abs().max() < 1e-12


@pytest.mark.filterwarnings("ignore::modelkit.interpretation.methods.explain.IncompleteWarning")
def test_integrated_gradients_from_shuffles_are_means_over_them():
    ours, _ = twins()
    x = bases(2, 200)
    shuffles = options("ig", steps=8, references="shuffle", n_references=3, max_rows=5)
    found = explain(total(ours), x, shuffles)
    single = options("ig", steps=8, references="shuffle", n_references=1)
    first = explain(total(ours), x, single)
    assert not torch.allclose(found.hypothetical, first.hypothetical)
    summed = found.contributions(x).sum(2)
    with torch.no_grad():
        torch.testing.assert_close(found.prediction, ours(x).totals)
    r = references(x, shuffles, np.arange(2))
    with torch.no_grad():
        away = ours(x).totals - ours(r.flatten(0, 1)).totals.view(2, 3, 3).mean(1)
    torch.testing.assert_close(summed - found.delta, away)


# --- Grad-CAM


def by_windows(cam, width, stride, before, step, length):
    """Mean over the windows that cover each base, one by one."""
    out = []
    for p in range(length):
        covering = [
            q for q in range(len(cam)) if (p - q * stride + before) in range(0, width * step, step)
        ]
        out.append(np.mean([cam[q] for q in covering]) if covering else 0.0)
    return np.array(out)


CONVOLUTIONS = {
    "valid": {"kernel_size": 26},
    "even-same": {"kernel_size": 8, "padding": "same"},
    "stride": {"kernel_size": 7, "stride": 3, "padding": 2},
    "gaps": {"kernel_size": 5, "stride": 7},
    "dilated": {"kernel_size": 4, "dilation": 3, "padding": "same"},
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_gradcam_is_captums_spread_over_windows_times_the_gradient(name):
    given = CONVOLUTIONS[name]
    torch.manual_seed(0)
    first, relu = nn.Conv1d(4, 8, **given), nn.ReLU()
    body = nn.Sequential(first, nn.BatchNorm1d(8), relu, nn.MaxPool1d(2), nn.Conv1d(8, 4, 3))
    n = body.double().eval()(torch.zeros(1, 4, 60).double()).numel()
    network = nn.Sequential(body, nn.ReLU(), nn.Flatten(), nn.Linear(n, 2)).double().eval()
    x = bases(3, 60)
    found = explain(plain(network, 2), x, options("gradcam", max_rows=2)).hypothetical
    before = given.get("padding", 0)
    step = given.get("dilation", 1)
    if before == "same":
        before = step * (given["kernel_size"] - 1) // 2
    for k in range(2):
        cam = LayerGradCam(network, relu).attribute(x, target=k, relu_attributions=True)
        assert cam.max() > 0
        gradient = Saliency(network).attribute(x.clone().requires_grad_(), target=k, abs=False)
        for i in range(3):
            seen = cam[i, 0].detach().numpy()
            stride = given.get("stride", 1)
            spread = by_windows(seen, given["kernel_size"], stride, before, step, 60)
            wanted = torch.from_numpy(spread) * gradient[i]
            size = (wanted * x[i]).sum(0).abs().sum()
            wanted = wanted / size if size else torch.zeros_like(wanted)
            torch.testing.assert_close(found[i, k], wanted, rtol=1e-9, atol=1e-12)
    assert (found != 0).any()


def test_gradcam_of_bpaitac_and_of_a_named_layer():
    ours, twin = twins(seed=1, stem_relu=True, channels=16, pools=(5, 5, 2))
    x = bases(2, 200)
    found = explain(total(ours), x, options("gradcam"))
    named = explain(total(ours), x, options("gradcam", layer="stem"))
    assert torch.equal(found.hypothetical, named.hypothetical)
    deep = explain(total(ours), x, options("gradcam", layer="total.convs.1"))
    assert not torch.allclose(found.hypothetical, deep.hypothetical)
    for of, layer in ((found, twin.stem_relu), (deep, twin.total.convs[1])):
        size = of.contributions(x).abs().sum(2)
        torch.testing.assert_close(size, torch.ones_like(size))
        for k in range(3):
            cam = LayerGradCam(Read(twin), layer).attribute(x, target=k, relu_attributions=True)
            cam = cam[:, 0].detach()
            if layer is twin.stem_relu:
                spread = [by_windows(each.numpy(), 25, 1, 12, 1, 200) for each in cam]
                spread = torch.from_numpy(np.stack(spread))
            else:  # 8 positions of 200 bp
                assert cam.shape[1] == 8
                spread = cam.repeat_interleave(25, 1)
            gradient = Saliency(Read(twin)).attribute(
                x.clone().requires_grad_(), target=k, abs=False
            )
            wanted = spread[:, None] * gradient
            wanted = wanted / (wanted * x).sum(1).abs().sum(1)[:, None, None]
            torch.testing.assert_close(of.hypothetical[:, k], wanted, rtol=1e-8, atol=1e-12)


def test_gradcam_through_a_block_that_sees_the_sequence():
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.block, self.dense = Block(4, dilation=2, width=5), Conv(4, 1, 1)

        def forward(self, x):
            return self.dense(self.block(x.mT)).sum(1)

    torch.manual_seed(3)
    network, x = One().double(), bases(1, 30)
    found = explain(plain(network), x, options("gradcam")).hypothetical[0, 0]
    with torch.no_grad():
        a = network.block(x.mT)[0]
        cam = (a @ network.dense.weight[0, :, 0]).relu().numpy()
    spread = torch.from_numpy(by_windows(cam, 5, 1, 4, 2, 30))
    gradient = explain(plain(network), x, options("saliency")).hypothetical[0, 0]
    wanted = spread * gradient
    torch.testing.assert_close(found, wanted / (wanted * x[0]).sum(0).abs().sum())


def test_a_sequence_whose_map_is_empty_has_scores_of_0():
    """No number would end the work on all other sequences."""
    network = nn.Sequential(nn.Conv1d(4, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 1)).double()
    with torch.no_grad():
        network[0].weight.fill_(-1.0)
        network[0].weight[:, 0] = 1.0  # an A opens the ReLU
        network[0].bias.fill_(0.1)
        network[3].weight.fill_(1.0)
    x = torch.zeros(2, 4, 10).double()
    x[0, 0] = 1
    x[1, 1] = 1
    found = explain(plain(network), x, options("gradcam")).hypothetical
    assert found[0].abs().sum() > 0
    assert (found[1] == 0).all()


def test_a_layer_that_is_not_there_is_named():
    ours, _ = twins()
    with pytest.raises(InputError, match=r"layer: found 'conv9', expected one of stem, blocks"):
        explain(total(ours), bases(1, 200), options("gradcam", layer="conv9"))
    with pytest.raises(InputError, match=r"total\.dense.*put out \(1, 3\)"):
        explain(total(ours), bases(1, 200), options("gradcam", layer="total.dense"))
    dense = nn.Sequential(nn.Flatten(), nn.Linear(40, 1)).double()
    with pytest.raises(InputError, match="no convolution"):
        explain(plain(dense), bases(1, 10), options("gradcam"))


# --- logos


def test_heights_of_a_logo_are_as_written_out():
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=(2, 4, 9))
    found = logo_heights(torch.from_numpy(gradient)).numpy()
    for i in range(2):
        largest = max(abs(value) for row in gradient[i] for value in row)
        for p in range(9):
            up = [math.exp(3 * gradient[i, a, p] / largest) for a in range(4)]
            share = [each / sum(up) for each in up]
            bits = 2 + sum(each * math.log2(each) for each in share)
            assert found[i, :, p] == pytest.approx([each * bits for each in share])
    assert logo_heights(torch.zeros(1, 4, 3)).abs().max() < 1e-6


def test_an_explainer_is_used_again():
    ours, _ = twins()
    x = bases(5, 200)
    explainer = Explainer(total(ours), options("gradcam"))
    first = explainer(x)
    assert torch.equal(explainer(x).hypothetical, first.hypothetical)
    assert explainer(x[:0]).hypothetical.shape == (0, 3, 4, 200)
