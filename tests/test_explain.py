"""What `explain` asks for, and what it says where contributions cannot add up."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from twins import bases, twins

from kmerengine.errors import InputError
from modelkit.interpretation.methods.convergence import incomplete
from modelkit.interpretation.methods.explain import (
    METHODS,
    AttributionOptions,
    Explainer,
    IncompleteWarning,
    explain,
)
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.references import references
from modelkit.tasks.readouts import ProfileReadout, Readout, TotalReadout
from native_kernels.dilated_conv.block import Block, Conv


class AsItIs(Readout):
    """The output (B, T) itself."""

    def forward(self, output, anchor=None):  # noqa: ARG002
        return output


def plain(network, tasks=1):
    return Explained(network, AsItIs(), torch.eye(tasks, dtype=torch.float64))


# --- options


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method": "lime"}, "method: found 'lime', expected one of deepshap, deeplift, ig"),
        ({"references": "half"}, "references: found 'half', expected one of shuffle, zeros"),
        ({"method": "ism", "references": "zeros"}, "references: found 'zeros' for ism"),
        ({"method": "deeplift", "references": "shuffle"}, "deepshap takes shuffles"),
        ({"n_references": 0}, "n_references: found 0, expected 1 or more"),
        ({"steps": 0}, "steps: found 0"),
        ({"max_rows": 0}, "max_rows: found 0"),
        ({"seed": -1}, "seed: found -1"),
        ({"seed": 1 << 64}, "seed: found 18446744073709551616"),
        ({"background": (0.3, 0.3, 0.3, 0.3)}, "background: found"),
        ({"background": (1.0, 0.5, -0.5, 0.0)}, "background: found"),
        ({"background": (0.5, 0.5)}, "background: found"),
        ({"background": (float("nan"), 0.3, 0.3, 0.4)}, "background: found"),
        ({"signals": float("nan")}, "signals: found nan, expected a number"),
        ({"signals": float("inf")}, "signals: found inf"),
        ({"layer": "stem"}, "layer: found 'stem' for deepshap, expected gradcam"),
        ({"method": "ism", "bfloat16": True}, "bfloat16: found True for ism"),
    ],
)
def test_options_that_do_not_fit_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        AttributionOptions(**given)


def test_each_method_has_its_references():
    found = {method: AttributionOptions(method=method).compared_with for method in METHODS}
    assert found == {
        "deepshap": "shuffle", "deeplift": "background", "ig": "zeros",
        "saliency": None, "guided": None, "gradcam": None, "ism": None,
    }  # fmt: skip
    said = AttributionOptions(method="ig").as_json()
    assert said["references"] == "zeros"
    assert said["steps"] == 50
    assert AttributionOptions(method="ig", references="background").is_complete


# --- references


def words(codes):
    pairs = itertools.pairwise(codes.tolist())
    return sorted(pairs)


def test_shuffles_keep_dinucleotides_and_follow_seed_and_number():
    x = bases(3, 50, unknown=(7, 20))
    options = AttributionOptions(n_references=4, seed=9)
    r = references(x, options, np.array([5, 6, 5]))
    assert r.shape == (3, 4, 4, 50)

    def codes(one):
        return torch.where(one.sum(0) > 0, one.argmax(0), 4)

    for i in range(3):
        for j in range(4):
            assert words(codes(r[i, j])) == words(codes(x[i]))
            assert not torch.equal(r[i, j], x[i])
    again = references(x[[2, 1]], options, np.array([5, 6]))
    assert torch.equal(again, r[[2, 1]])
    other = references(x, AttributionOptions(n_references=4, seed=10), np.array([5, 6, 5]))
    assert not torch.equal(other, r)


def test_zeros_background_and_signals():
    x = torch.cat([bases(2, 6, unknown=(2,)), torch.rand(2, 1, 6).double()], 1)
    zeros = references(x, AttributionOptions(method="ig"), np.arange(2))
    assert zeros.shape == (2, 1, 5, 6)
    assert zeros[:, :, :4].eq(0).all()
    assert zeros[:, :, 4].eq(0.5).all()
    options = AttributionOptions(method="deeplift", background=(0.1, 0.2, 0.3, 0.4), signals=2.0)
    found = references(x, options, np.arange(2))
    wanted = torch.tensor([0.1, 0.2, 0.3, 0.4, 2.0]).double()[:, None].repeat(1, 6)
    wanted[:4, 2] = 0
    torch.testing.assert_close(found, wanted.expand(2, 1, 5, 6))


@pytest.mark.parametrize("method", ["deepshap", "deeplift", "ig"])
def test_bases_that_are_unknown_by_a_quarter_are_as_unknown_as_by_zero(method):
    plain = bases(3, 50, unknown=(7, 20))
    plain[1] = bases(2, 50)[1]  # all of its bases are known
    quarter = torch.where(plain.sum(1, keepdim=True) == 0, 0.25, plain)
    options = AttributionOptions(method=method, n_references=4, seed=9)
    numbers = np.array([5, 6, 7])
    one, two = references(plain, options, numbers), references(quarter, options, numbers)
    gaps = one.sum(2, keepdim=True) == 0
    if method == "ig":  # zeros: unknown is what stays
        gaps = (plain.sum(1, keepdim=True) == 0)[:, None]
    assert gaps.sum((1, 2, 3)).tolist() == [2 * len(one[0]), 0, 2 * len(one[0])]
    torch.testing.assert_close(two, torch.where(gaps, 0.25, one))


def test_shuffles_need_bases():
    x = bases(1, 8)
    for strange in (0.5, 2.0, -1.0):
        soft = x.clone()
        soft[0, 0, 3] = strange
        with pytest.raises(ValueError, match="one-hot"):
            references(soft, AttributionOptions(), np.arange(1))
    two = x.clone()
    two[0, :, 3] = 1
    with pytest.raises(ValueError, match="one-hot"):
        references(two, AttributionOptions(), np.arange(1))


def test_inputs_that_do_not_fit_are_refused():
    ours, _ = twins()
    explainer = Explainer(
        Explained(ours, TotalReadout(), torch.eye(3).double()), AttributionOptions()
    )
    for x in (
        torch.zeros(3, 200),
        torch.zeros(1, 3, 200),
        torch.zeros(1, 4, 200, dtype=torch.long),
    ):
        with pytest.raises(ValueError, match="bases first"):
            explainer(x)
    with pytest.raises(ValueError, match="numbers must be int64 of"):
        explainer(bases(2, 200), np.arange(3))


# --- mutagenesis


def test_ism_is_each_base_less_the_mean_of_four():
    ours, _ = twins()
    model = Explained(ours, ProfileReadout(), torch.eye(3).double())
    x = bases(2, 200, unknown=(60,))
    found = explain(model, x, AttributionOptions(method="ism", max_rows=9))
    model.anchor(x)
    with torch.no_grad():
        torch.testing.assert_close(found.prediction, model(x))
        for p in (0, 60, 131, 199):
            values = []
            for b in range(4):
                mutant = x.clone()
                mutant[:, :, p] = 0
                mutant[:, b, p] = 1
                values.append(model(mutant))
            wanted = torch.stack(values, 2) - torch.stack(values, 2).mean(2, keepdim=True)
            torch.testing.assert_close(
                found.hypothetical[:, :, :, p], wanted, rtol=1e-7, atol=1e-11
            )
    assert found.delta.isnan().all()


# --- what does not add up


class Strange(nn.Module):
    """A part without a rule among parts that have one."""

    def __init__(self, middle):
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(4, 6, 5, padding=2), nn.ReLU())
        self.inner = nn.ModuleList([middle])
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(6 * 30, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x):
        return self.last(self.inner[0](self.first(x)))


class Cubed(nn.Module):
    def forward(self, x):
        return (3 * x) ** 3


class Nested(nn.Module):
    """What is strange is between its parts."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv1d(6, 6, 3, padding=1), nn.ReLU()

    def forward(self, x):
        return x + (2 * self.relu(self.conv(x))).exp()


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 6, batch_first=True)

    def forward(self, x):
        return 20 * self.lstm(9 * x.mT)[0].mT


def strange(middle):
    torch.manual_seed(0)
    return Strange(middle).double()


@pytest.mark.parametrize(
    ("middle", "name"),
    [
        (Cubed(), r"network\.inner\.0 \(Cubed\)"),
        (nn.Softmax(1), r"network\.inner\.0 \(Softmax\)"),
        (Nested(), r"network\.inner\.0 \(Nested\)"),
        (Recurrent(), r"network\.inner\.0\.lstm \(LSTM\)"),
    ],
)
def test_the_module_that_breaks_the_sum_is_named(middle, name):
    explainer = Explainer(plain(strange(middle)), AttributionOptions(n_references=5))
    x = bases(4, 30)
    with pytest.warns(IncompleteWarning, match=r"^contributions are off by [\d.]+%.*: " + name):
        found = explainer(x)
    assert found.hypothetical.isfinite().all()
    assert incomplete(found) > 0.01
    assert "first" not in explainer.incomplete
    assert "last" not in explainer.incomplete
    explainer(x)  # says it once


def of_targets(*last):
    torch.manual_seed(0)
    hidden = [nn.Conv1d(4, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 26, 3)]
    return plain(nn.Sequential(*hidden, *last).double(), 3)


def test_the_module_is_named_where_targets_sum_to_the_same():
    """What one target of a softmax gains the others lose."""
    with pytest.warns(IncompleteWarning, match=r"network\.5 \(Softmax\)"):
        explain(of_targets(Scaled((9.0, 9.0, 9.0)), nn.Softmax(1)), bases(4, 30))


class Scaled(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = torch.tensor(by).double()

    def forward(self, x):
        return x * self.by


class SecondCubed(nn.Module):
    def forward(self, x):
        return torch.stack([x[:, 0], (3 * x[:, 1]) ** 3, x[:, 2]], 1)


def test_a_target_of_small_numbers_is_warned_of_too():
    """Beside another one whose differences are a million times as large."""
    with pytest.warns(IncompleteWarning, match=r"network\.4 \(SecondCubed\)"):
        explain(of_targets(SecondCubed(), Scaled((1e6, 1.0, 1e6))), bases(4, 30))


class OneRowMore(nn.Module):
    """Rows of a block are no longer those of the sequences."""

    def __init__(self):
        super().__init__()
        self.stem, self.block = Conv(4, 6, 5, relu=True), Block(6, dilation=2, batch_norm=True)
        self.dense = nn.Linear(6 * 30, 1)

    def forward(self, x):
        x = 9 * self.stem(x.mT)
        more = self.block(torch.cat([x, x[:1]]))[:-1]
        return self.dense(more.flatten(1))


def test_where_rows_cannot_be_matched_gradients_stand_in():
    torch.manual_seed(0)
    network = OneRowMore().double()
    x = bases(4, 30)
    options = AttributionOptions(n_references=5)
    with pytest.warns(IncompleteWarning, match="one may mix the rows of a batch"):
        found = explain(plain(network), x, options)
    assert found.hypothetical.isfinite().all()


def test_deltas_are_what_the_named_modules_leak():
    """Of one reference each."""
    from modelkit.interpretation.methods.convergence import leaks
    from modelkit.interpretation.methods.rescale import Rescale
    from modelkit.interpretation.methods.rules import swap

    model, rule = plain(strange(Cubed())).eval(), Rescale()
    swap(model, rule)
    x = bases(3, 30)
    options = AttributionOptions(n_references=1)
    r = references(x, options, np.arange(3))[:, 0]
    (leak,) = leaks(model, rule, x, r, options, target=0)
    with pytest.warns(IncompleteWarning):
        found = explain(plain(strange(Cubed())), x, options)
    assert leak.name == "network.inner.0"
    assert leak.amount == pytest.approx(found.delta.abs().sum().item())
    assert leak.share == pytest.approx(leak.amount / found.spread.sum().item())


def test_a_complete_network_is_not_warned_of():
    ours, _ = twins()
    for readout in (TotalReadout(), ProfileReadout()):
        model = Explained(ours.float(), readout, torch.eye(3))
        explainer = Explainer(model, AttributionOptions(n_references=3))
        found = explainer(bases(2, 200).float())
        assert explainer.incomplete is None
        assert incomplete(found) < 1e-3
    nothing = nn.Sequential(nn.Conv1d(4, 2, 3), nn.Flatten(), nn.Linear(56, 1)).double()
    with torch.no_grad():
        nothing[2].weight.zero_()
    found = explain(plain(nothing), bases(1, 30), AttributionOptions())
    assert incomplete(found) == 0
    assert found.hypothetical.eq(0).all()


def test_few_steps_are_warned_of():
    ours, _ = twins()
    model = Explained(ours, TotalReadout(), torch.eye(3).double())
    with pytest.warns(IncompleteWarning, match="more than 2 steps bring them closer"):
        explain(model, bases(2, 200), AttributionOptions(method="ig", steps=2))
