"""DeepLIFT's rescale rule: by hand, against tangermeme, and that contributions add up."""

import copy
import itertools

import numpy as np
import pytest
import torch
from tangermeme.deep_lift_shap import deep_lift_shap
from torch import nn
from twins import Read, bases, twins

from modelkit.interpretation.methods.explain import (
    AttributionOptions,
    Explainer,
    IncompleteWarning,
    explain,
)
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.references import references
from modelkit.models.bpaitac import ProfileOutput
from modelkit.models.pool import MaxPool
from modelkit.tasks.readouts import ProfileReadout, Readout, TotalReadout
from native_kernels.dilated_conv.block import Block, Conv


class AsItIs(Readout):
    """The output (B, T) itself."""

    def forward(self, output, anchor=None):  # noqa: ARG002
        return output


def explained(network, tasks=1, readout=None):
    weights = torch.eye(tasks, dtype=torch.float64)
    return Explained(network, readout or AsItIs(), weights)


def theirs(network, x, target, options):
    """tangermeme's hypothetical scores with our references; a warning of it is an error."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # which its hooks cannot take
    r = references(x, options, np.arange(len(x)))
    return deep_lift_shap(network, x, target=target, references=r, hypothetical=True, device="cpu")


def assert_complete(found, atol=1e-11):
    assert found.spread.min() > 1e-4
    torch.testing.assert_close(found.delta, torch.zeros_like(found.delta), rtol=0, atol=atol)


# --- by hand


class ThreeNeurons(nn.Module):
    """relu(relu(x1 - 1/2) - relu(1 - x1 - x2) + 1/4), x1 and x2 = A at 0 and 1."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.ReLU(), nn.ReLU()

    def forward(self, x):
        x1, x2 = x[:, 0, 0], x[:, 0, 1]
        h = self.inner(torch.stack([1 - x1 - x2, x1 - 0.5], 1))
        return self.outer(h[:, 1] - h[:, 0] + 0.25)[:, None]


def test_three_neurons_by_hand():
    x = torch.zeros(1, 4, 2, dtype=torch.float64)
    x[:, 0] = 1  # AA: hidden 0 and 1/2, output 3/4; reference: hidden 1 and 0, output 0 of -3/4
    options = AttributionOptions(method="deeplift", references="zeros")
    found = explain(explained(ThreeNeurons()), x, options)
    # multipliers: outer 3/4 over 3/2, inner (-1)/(-2) and (1/2)/1
    torch.testing.assert_close(found.contributions(x)[0, 0], torch.tensor([0.5, 0.25]).double())
    assert found.prediction.item() == 0.75
    assert found.delta.item() == 0
    assert found.spread.item() == 0.75
    plain = explain(explained(ThreeNeurons()), x, AttributionOptions(method="saliency"))
    assert plain.contributions(x)[0, 0].tolist() == [1, 0]  # saturated: what x2 did is not seen


# --- against tangermeme

VARIANTS = {
    "code": {},
    "paper": {"stem_relu": True, "total_activation": "none"},
    "softplus": {"total_activation": "softplus"},
    "max50": {"total_head": "max50"},
    "flat": {"total_head": "flat"},
    "pools-with-a-rest": {"pools": (3, 7, 2)},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_totals_have_the_scores_of_tangermeme(variant):
    ours, plain = twins(**VARIANTS[variant])
    x = bases(3, 200)
    torch.testing.assert_close(ours(x).totals, plain(x)[1], rtol=1e-9, atol=1e-9)
    options = AttributionOptions(n_references=4, max_rows=8, seed=3)
    found = explain(explained(ours, 3, TotalReadout()), x, options)
    for k in range(3):
        wanted = theirs(Read(plain), x, k, options)
        assert wanted.abs().max() > 1e-4
        torch.testing.assert_close(found.hypothetical[:, k], wanted, rtol=1e-6, atol=1e-10)
    torch.testing.assert_close(found.prediction, plain(x)[1])
    assert_complete(found)


def test_a_profile_takes_the_probabilities_of_the_sequence_as_given():
    ours, plain = twins()
    x = bases(2, 200)
    options = AttributionOptions(n_references=3, max_rows=100)
    found = explain(explained(ours, 3, ProfileReadout()), x, options)
    assert_complete(found)
    for i in range(2):
        p_TW = plain(x[i : i + 1])[0].softmax(-1)[0].detach()
        read = Read(plain, p_TW)
        own = references(x, options, np.arange(2))[i : i + 1]
        for k in range(3):
            wanted = deep_lift_shap(
                read, x[i : i + 1], target=k, references=own, hypothetical=True, device="cpu"
            )
            torch.testing.assert_close(found.hypothetical[i, k], wanted[0], rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(found.prediction[i], read(x[i : i + 1])[0])


def test_targets_are_sums_of_tasks():
    ours, _ = twins()
    x = bases(2, 200)
    options = AttributionOptions(n_references=3)
    alone = explain(explained(ours, 3, TotalReadout()), x, options)
    weights = torch.tensor([[1.0, 0.5], [1, 0], [0, 0.5]]).double()
    found = explain(Explained(ours, TotalReadout(), weights), x, options)
    wanted = torch.einsum("btcp,tk->bkcp", alone.hypothetical, weights)
    torch.testing.assert_close(found.hypothetical, wanted, rtol=1e-9, atol=1e-12)


def layers(*middle, channels=5, length=40, width=1):
    """A convolution, `middle`, and a dense layer."""
    torch.manual_seed(2)
    body = nn.Sequential(nn.Conv1d(4, channels, 7, padding=3), *middle, nn.Flatten()).double()
    features = body(torch.zeros(1, 4, length).double()).shape[1]
    return nn.Sequential(body, nn.Linear(features, width)).double().eval()


MODULES = {
    "overlapping-pool": [nn.MaxPool1d(4, 2)],
    "padded-pool": [nn.ReLU(), nn.MaxPool1d(5, 3, padding=2)],
    "dilated-pool": [nn.MaxPool1d(3, 2, dilation=3)],
    "ceiling-pool": [nn.MaxPool1d(6, ceil_mode=True)],
    "pools": [nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(5, 4, 3), nn.ReLU(), nn.MaxPool1d(3)],
    "norm": [nn.BatchNorm1d(5), nn.ReLU(inplace=True), nn.AvgPool1d(4), nn.Dropout(0.5)],
    "elu": [nn.ELU(0.3)],
    "leaky": [nn.LeakyReLU(0.2, inplace=True), nn.Conv1d(5, 2, 3), nn.LeakyReLU(0.1)],
    "gelu": [nn.GELU()],
    "softplus": [nn.Softplus(), nn.Conv1d(5, 4, 3), nn.Tanh()],
    "sigmoid": [nn.SiLU(), nn.Conv1d(5, 4, 3), nn.Sigmoid()],
    "relu6": [nn.ReLU6(), nn.PReLU(5)],
}


@pytest.mark.parametrize("name", MODULES)
def test_pytorchs_modules_have_the_scores_of_tangermeme(name):
    network = layers(*MODULES[name], width=2)
    with torch.no_grad():
        network[0][0].weight *= 4  # so that functions bend
    x = bases(3, 40)
    options = AttributionOptions(n_references=5, max_rows=10)
    found = explain(explained(network, 2), x, options)
    assert_complete(found)
    for k in range(2):
        wanted = theirs(network, x, k, options)
        torch.testing.assert_close(found.hypothetical[:, k], wanted, rtol=1e-5, atol=1e-8)


def test_a_module_that_is_called_twice_meets_each_call():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv1d(4, 5, 5), nn.Conv1d(5, 5, 5)
            self.relu, self.dense = nn.ReLU(), nn.Linear(5, 1)

        def forward(self, x):
            return self.dense(self.relu(self.second(self.relu(self.first(x)))).sum(2))

    torch.manual_seed(0)
    network = Twice().double()
    x, options = bases(2, 30), AttributionOptions(n_references=3)
    found = explain(explained(network), x, options)
    assert_complete(found)
    torch.testing.assert_close(found.hypothetical[:, 0], theirs(network, x, 0, options))


def test_a_module_may_see_many_rows_of_a_sequence():
    """Positions as rows, as a dense layer of each position has them."""

    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = nn.Conv1d(4, 6, 5), nn.ReLU()
            self.norm, self.dense = nn.BatchNorm1d(6), nn.Linear(6, 1)

        def forward(self, x):
            rows = self.relu(self.norm(self.conv(x).mT.flatten(0, 1)))
            return self.dense(rows).view(len(x), -1).sum(1, keepdim=True)

    torch.manual_seed(0)
    network = Rows().double().eval()
    x, options = bases(3, 20), AttributionOptions(n_references=4, max_rows=8)
    assert_complete(explain(explained(network), x, options))


# --- maxima and ties


class Pooled(nn.Module):
    """Blocks and pools of `native_kernels` and modelkit, channels last, with whole weights: many
    values are the same.
    """

    def __init__(self, *, whole):
        super().__init__()
        self.stem = Conv(4, 6, 3, relu=True)
        self.pools = nn.ModuleList([MaxPool(2), MaxPool(3), MaxPool(2)])
        self.blocks = nn.ModuleList([Block(6, dilation=2), Block(6, dilation=1, residual=False)])
        self.dense = nn.Linear(6 * 3, 1)
        if whole:
            with torch.no_grad():
                for one in self.parameters():
                    one.copy_((one * 4).round())

    def forward(self, x):
        x = self.stem(x.mT)
        for pool, block in itertools.zip_longest(self.pools, self.blocks):
            x = pool(x)
            x = x if block is None else block(x)
        return self.dense(x.flatten(1))


@pytest.mark.parametrize("whole", [True, False])
def test_contributions_through_many_pools_add_up(whole):
    torch.manual_seed(1)
    network = Pooled(whole=whole).double()
    x = bases(8, 40)
    found = explain(explained(network), x, AttributionOptions(n_references=10))
    assert_complete(found, atol=1e-10)
    assert found.hypothetical.abs().max() < 1e4  # no quotient of nearly nothing


def test_of_a_maximum_the_position_that_makes_the_difference_has_it():
    class Largest(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool = MaxPool(4)

        def forward(self, x):
            scaled = x[:, :1].mT * torch.tensor([1.0, 4.0, 3.0, 2.0], dtype=x.dtype)[:, None]
            return self.pool(scaled).flatten(1)

    x = torch.zeros(3, 4, 4).double()
    x[0, 0, [0, 2]] = 1  # maxima 1 and 3: the second has all
    x[1, 0, [1, 2]] = 1  # the greatest
    options = AttributionOptions(method="deeplift", references="zeros")
    found = explain(explained(Largest()), x, options).contributions(x)[:, 0]
    assert found.tolist() == [[0, 0, 3, 0], [0, 4, 0, 0], [0, 0, 0, 0]]
    background = AttributionOptions(method="deeplift", background=(0.5, 0.1, 0.2, 0.2))
    x[:, 1] = 1 - x[:, 0]
    found = explain(explained(Largest()), x, background)
    # references 1/2, 2, 3/2, 1: the first sequence's 3 less 2 over 3 less 3/2; the last sequence
    # has 0 everywhere, which the greatest of the reference is made less by: 0 - 2 over 0 - 2
    assert found.hypothetical[:, 0, 0].ne(0).tolist() == [
        [False, False, True, False], [False, True, False, False], [False, True, False, False]
    ]  # fmt: skip
    torch.testing.assert_close(found.delta, torch.zeros(3, 1).double())


# --- references, batches, types


@pytest.mark.parametrize("max_rows", [1, 2, 5, 7, 100])
def test_rows_at_once_change_nothing(max_rows):
    ours, _ = twins()
    x = bases(3, 200)
    whole = explain(explained(ours, 3, ProfileReadout()), x, AttributionOptions(n_references=5))
    options = AttributionOptions(n_references=5, max_rows=max_rows)
    found = explain(explained(ours, 3, ProfileReadout()), x, options)
    for one, other in zip(found, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore::modelkit.interpretation.methods.explain.IncompleteWarning")
@pytest.mark.parametrize("method", ["deepshap", "deeplift", "ig", "saliency", "guided", "gradcam"])
@pytest.mark.parametrize("readout", [TotalReadout, ProfileReadout])
def test_a_sequence_does_not_depend_on_its_batch(method, readout):
    ours, _ = twins()
    x = bases(4, 200, unknown=(3, 4, 90))
    options = AttributionOptions(method=method, n_references=3, steps=4)
    explainer = Explainer(explained(ours, 3, readout()), options)
    numbers = np.array([7, 3, 900, 0])
    together = explainer(x, numbers)
    assert together.hypothetical.abs().sum() > 0
    alone = [explainer(x[i : i + 1], numbers[i : i + 1]) for i in range(4)]
    for name in ("hypothetical", "prediction"):
        wanted = torch.cat([getattr(each, name) for each in alone])
        torch.testing.assert_close(getattr(together, name), wanted, rtol=1e-9, atol=1e-12)
    assert len(together.delta) == 4


def test_shuffles_follow_the_seed_and_the_number():
    ours, _ = twins()
    x = bases(2, 200)
    first = explain(explained(ours, 3, TotalReadout()), x, AttributionOptions(seed=1))
    again = explain(explained(ours, 3, TotalReadout()), x, AttributionOptions(seed=1))
    other = explain(explained(ours, 3, TotalReadout()), x, AttributionOptions(seed=2))
    moved = explain(
        explained(ours, 3, TotalReadout()), x, AttributionOptions(seed=1), np.array([0, 5])
    )
    assert torch.equal(first.hypothetical, again.hypothetical)
    assert not torch.allclose(first.hypothetical, other.hypothetical, rtol=1e-6)
    assert torch.allclose(first.hypothetical[0], moved.hypothetical[0], rtol=1e-9)
    assert not torch.allclose(first.hypothetical[1], moved.hypothetical[1], rtol=1e-6)


def test_an_unknown_base_contributes_nothing_and_sums_hold():
    ours, _ = twins()
    x = bases(2, 200, unknown=range(95, 105))
    for options in (AttributionOptions(), AttributionOptions(method="deeplift")):
        found = explain(explained(ours, 3, TotalReadout()), x, options)
        assert found.contributions(x)[:, :, 95:105].eq(0).all()
        assert found.contributions(x).ne(0).any()
        assert_complete(found)


class WithSignals(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv1d(6, 8, 5), nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(x)).sum(1)[:, ::9]


def test_signals_are_compared_with_a_half():
    torch.manual_seed(0)
    network = WithSignals().double()
    x = torch.cat([bases(2, 30), torch.rand(2, 2, 30).double()], 1)
    found = explain(explained(network, 3), x, AttributionOptions(n_references=6))
    assert_complete(found)
    total = found.contributions(x).sum(2) + found.hypothetical[:, :, 4:].sum((2, 3))
    r = references(x, AttributionOptions(n_references=6), np.arange(2))
    assert r[:, :, 4:].eq(0.5).all()
    wanted = network(x) - network(r.flatten(0, 1)).view(2, 6, 3).mean(1)
    torch.testing.assert_close(total, wanted)
    other = explain(explained(network, 3), x, AttributionOptions(n_references=6, signals=0.0))
    assert not torch.allclose(other.hypothetical, found.hypothetical)


@pytest.mark.parametrize("function", [nn.GELU, nn.Softplus, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.ELU])
@pytest.mark.parametrize("step", [0.0, 1e-7, 1e-6, 1e-4, 1e-3, 4e-3, 6e-3, 0.1])
def test_multipliers_of_nearly_equal_inputs_are_near_the_slope(function, step):
    """In float32 a chord of nearly nothing is rounding."""

    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.function = function()

        def forward(self, x):
            return self.function(x[:, 4, :1])

    x = torch.zeros(1, 5, 1)
    x[0, 4] = 0.7
    options = AttributionOptions(method="deeplift", references="zeros", signals=0.7 - step)
    model = Explained(One(), AsItIs(), torch.eye(1))
    explainer = Explainer(model, options)
    found = explainer(x)
    z = x[:, 4, :1].double().requires_grad_()
    y = function()(z)
    wanted = torch.autograd.grad(y.sum(), z)[0].item()
    if step:
        r = torch.tensor(0.7 - step, dtype=torch.float32)
        away = (x[0, 4, 0] - r).double()
        wanted = ((y - function()(r.double())) / away).item()
        assert found.hypothetical[0, 0, 4, 0] / away.float() == pytest.approx(wanted, rel=3e-4)
    else:
        assert found.hypothetical[0, 0, 4, 0] == 0
    assert found.delta.abs().item() < 1e-6


def test_float32_is_near_float64_and_bfloat16_near_float32():
    ours, _ = twins(channels=16)
    x = bases(3, 200)
    exact = explain(explained(ours, 3, TotalReadout()), x, AttributionOptions())
    ours = ours.float()
    model = Explained(ours, TotalReadout(), torch.eye(3))
    single = explain(model, x.float(), AttributionOptions())
    assert single.hypothetical.dtype == torch.float32
    assert single.prediction.dtype == torch.float64
    torch.testing.assert_close(single.hypothetical.double(), exact.hypothetical, rtol=0, atol=1e-6)
    with pytest.warns(IncompleteWarning, match="float32 in place of bfloat16"):
        half = explain(model, x.float(), AttributionOptions(bfloat16=True))
    pair = torch.stack([half.hypothetical.flatten(), single.hypothetical.flatten()])
    assert torch.corrcoef(pair)[0, 1] > 0.95


class Large(nn.Module):
    """An output whose last digits bfloat16 has not: 8 bits of 1000 are steps of 4."""

    def forward(self, x):
        return 1001 + x[:, :2].float().sum(-1) / 64


@pytest.mark.parametrize("method", ["deepshap", "ig", "saliency", "gradcam"])
def test_targets_are_not_rounded_with_the_network(method):
    x = bases(2, 64).float()
    network = nn.Sequential(nn.Conv1d(4, 4, 1), Large())
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(4)[..., None])
        network[0].bias.zero_()
    weights = torch.tensor([[0.5], [0.5]])
    options = AttributionOptions(method=method, bfloat16=True)
    found = explain(Explained(network, AsItIs(), weights), x, options)
    wanted = 1001 + x[:, :2].sum((1, 2)) / 128
    torch.testing.assert_close(found.prediction[:, 0], wanted.double(), rtol=0, atol=0.02)
    if method in ("deepshap", "ig"):
        assert found.delta.abs().max() < 0.02


def test_outputs_of_modelkit_are_not_changed_by_explaining():
    ours, _ = twins()
    x = bases(2, 200)
    model = explained(ours, 3, TotalReadout()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    explain(model, x, AttributionOptions(n_references=2))
    assert model.training
    assert all(one.requires_grad for one in ours.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert isinstance(ours(x), ProfileOutput)
    assert not any("forward" in vars(module) for module in model.modules())
