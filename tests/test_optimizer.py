"""A step: penalties, warm-up, clipping, averages, and its state."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from kmerengine import InputError
from modelkit.config import TrainingOptions
from modelkit.training.optimizer import Averages, Stepper, TakesSteps, penalised
from native_kernels.dilated_conv.block import Block, Conv
from native_kernels.gapped_linear import AdamStep


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(4, 6, 3)
        self.block = Block(6, dilation=2, batch_norm=True)
        self.lstm = nn.LSTM(6, 3, batch_first=True)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        held: Tensor = self.head(self.lstm(self.block(self.stem(x)))[0].mean(1))
        return held


@pytest.fixture
def network() -> Network:
    torch.manual_seed(3)
    return Network().double()


def loss_of(network: nn.Module, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(5, 9, 4, dtype=torch.float64, generator=generator)
    found: Tensor = network(x).square().mean()
    return found


def test_penalties_are_of_convolutions_and_dense_layers(network: Network) -> None:
    assert set(penalised(network)) == {"stem.weight", "block.conv.weight", "head.weight"}


def test_penalties_are_what_their_formula_says(network: Network) -> None:
    """One plain SGD step equals one on loss + l1 * sum |w| + l2 * sum w**2 by autograd."""
    by_hand = copy.deepcopy(network)
    l1, l2, rate = 0.03, 0.02, 0.5
    options = TrainingOptions(optimizer="sgd", learning_rate=rate, l1=l1, l2=l2)
    loss_of(network).backward()
    Stepper(network, options).step()
    loss = loss_of(by_hand)
    for name in ("stem.weight", "block.conv.weight", "head.weight"):
        weight = by_hand.get_parameter(name)
        loss = loss + l1 * weight.abs().sum() + l2 * weight.square().sum()
    loss.backward()
    for (name, found), expected in zip(
        network.named_parameters(), by_hand.parameters(), strict=True
    ):
        assert expected.grad is not None
        torch.testing.assert_close(found, expected - rate * expected.grad, msg=name)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
@pytest.mark.parametrize(("beginnings", "held"), [
    ((), {"stem.weight", "block.conv.weight", "head.weight"}),
    (("stem", "block"), {"stem.weight", "block.conv.weight"}),
    (("head.weight",), {"head.weight"}),
])  # fmt: skip
def test_a_penalty_is_on_the_weights_that_it_names(
    network: Network, penalty: str, beginnings: tuple[str, ...], held: set[str]
) -> None:
    """Beside the other penalty, which stays on all."""
    other = {"l1": "l2", "l2": "l1"}[penalty]
    options = TrainingOptions.model_validate(
        {"optimizer": "sgd", "learning_rate": 1.0, penalty: 0.02, other: 0.01,
         f"{penalty}_on": beginnings}
    )  # fmt: skip
    before = {name: each.detach().clone() for name, each in network.named_parameters()}
    loss_of(network).backward()
    gradients = {name: each.grad.clone() for name, each in network.named_parameters()}
    Stepper(network, options).step()
    for name, found in network.named_parameters():
        expected = before[name] - gradients[name]
        slopes = {"l1": before[name].sign(), "l2": 2 * before[name]}
        if name in held:
            expected -= 0.02 * slopes[penalty]
        if name in ("stem.weight", "block.conv.weight", "head.weight"):
            expected -= 0.01 * slopes[other]
        torch.testing.assert_close(found, expected, msg=name)


def test_a_rate_of_its_own_multiplies_the_step(network: Network) -> None:
    """The longest beginning holds, whatever the order, along with the drops of all."""
    rates = {"block.conv.weight": 10.0, "block": 0.5, "block.conv": 2.0, "head": 0.1}
    options = TrainingOptions(optimizer="sgd", learning_rate=0.2, rates=rates)
    expected = {
        "block.conv.weight": 10.0, "block.conv.bias": 2.0, "block.norm.weight": 0.5,
        "block.norm.bias": 0.5, "head.weight": 0.1, "head.bias": 0.1,
    }  # fmt: skip
    stepper = Stepper(network, options)
    for factor in (1.0, 0.1):
        stepper.factor = factor
        before = {name: each.detach().clone() for name, each in network.named_parameters()}
        loss_of(network).backward()
        gradients = {name: each.grad.clone() for name, each in network.named_parameters()}
        stepper.step()
        for name, found in network.named_parameters():
            rate = 0.2 * factor * expected.get(name, 1.0)
            torch.testing.assert_close(found, before[name] - rate * gradients[name], msg=name)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_a_rate_of_its_own_is_that_of_an_optimizer_of_its_own(
    network: Network, optimizer: str
) -> None:
    other = copy.deepcopy(network)
    options = TrainingOptions.model_validate(
        {"optimizer": optimizer, "learning_rate": 0.01, "weight_decay": 0.1, "rates": {"head": 3.0}}
    )
    stepper = Stepper(network, options)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer]
    head = list(other.head.parameters())
    rest = [each for name, each in other.named_parameters() if not name.startswith("head")]
    by_hand = [
        kind(held, rate, options.betas, options.eps, weight_decay=0.1, fused=True)
        for held, rate in ((head, 0.03), (rest, 0.01))
    ]
    for i in range(4):
        loss_of(network, i).backward()
        stepper.step()
        loss_of(other, i).backward()
        for each in by_hand:
            each.step()
            each.zero_grad()
    for found, expected in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


class StepsItself(nn.Module):
    """A network whose first weight takes its steps itself."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.ones(3))
        self.other = nn.Parameter(torch.ones(3))
        self.takes_steps = False
        self.steps: dict[str, Callable[[Tensor, Tensor, AdamStep], None]] = {}
        self.rates: list[float] = []

    def take(self, _mean: Tensor, _square: Tensor, step: AdamStep) -> None:
        self.rates.append(step.rate)

    def forward(self) -> Tensor:
        self.steps["own"] = self.take
        return self.other.sum()


def test_a_network_that_steps_itself_is_told_the_rate_of_each_weight() -> None:
    network = StepsItself()
    assert isinstance(network, TakesSteps)
    stepper = Stepper(network, TrainingOptions(learning_rate=0.1, warm_up=2, rates={"own": 4.0}))
    assert network.takes_steps
    for factor in (1.0, 1.0, 1.0, 0.5):
        stepper.factor = factor
        network().backward()
        stepper.step()
    assert network.rates == pytest.approx([4e-7, 0.4 * (1 + 1e-6) / 2, 0.4, 0.2])


@pytest.mark.parametrize(("option", "value", "named"), [
    ("frozen", {"stem": 1, "steam": 1}, "steam"),
    ("rates", {"tail.weight": 2.0}, "tail.weight"),
    ("l1_on", ("head", "body"), "body"),
    ("l2_on", ("head.bias",), "head.bias"),  # a bias has no penalty
    ("l1_on", ("lstm",), "lstm"),
])  # fmt: skip
def test_a_name_that_no_parameter_has_is_refused(
    network: Network, option: str, value: object, named: str
) -> None:
    options = TrainingOptions.model_validate({option: value})
    expected = rf"training\.{option}: found '{named}'.* beginning of one of stem\.weight, "
    with pytest.raises(InputError, match=expected):
        Stepper(network, options)


def test_warm_up_is_pytorchs_linear_one(network: Network) -> None:
    options = TrainingOptions(learning_rate=0.1, warm_up=7, warm_up_from=1e-6)
    stepper = Stepper(network, options)
    other = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.LinearLR(other, 1e-6, 1.0, total_iters=7)
    for _ in range(12):
        assert stepper.learning_rate == pytest.approx(schedule.get_last_lr()[0], rel=1e-12)
        loss_of(network).backward()
        stepper.step()
        other.step()
        schedule.step()


def test_the_rate_that_is_used_is_the_one_that_is_said(network: Network) -> None:
    stepper = Stepper(network, TrainingOptions(optimizer="sgd", learning_rate=0.2, warm_up=2))
    stepper.factor = 0.1
    for expected in (0.2 * 0.1 * 1e-6, 0.2 * 0.1 * (1e-6 + (1 - 1e-6) / 2), 0.2 * 0.1):
        before = network.head.bias.detach().clone()
        loss_of(network).backward()
        assert network.head.bias.grad is not None
        grad = network.head.bias.grad.clone()
        stepper.step()
        torch.testing.assert_close(network.head.bias, before - expected * grad)


def test_gradients_are_clipped_by_their_norm_together(network: Network) -> None:
    stepper = Stepper(network, TrainingOptions(optimizer="sgd", learning_rate=1.0, clip_norm=1e-3))
    before = torch.cat([p.detach().flatten() for p in network.parameters()])
    (1e6 * loss_of(network)).backward()
    stepper.step()
    moved = torch.cat([p.detach().flatten() for p in network.parameters()]) - before
    assert moved.norm().item() == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_stepper_that_was_saved_goes_on_with_the_same_bits(
    network: Network, optimizer: str
) -> None:
    options = TrainingOptions.model_validate(
        {"optimizer": optimizer, "weight_decay": 0.01, "momentum": 0.9, "l2": 1e-3,
         "rates": {"head": 0.3, "stem.bias": 7.0}, "l2_on": ("block",)}
    )  # fmt: skip
    stepper = Stepper(network, options)
    for i in range(3):
        loss_of(network, i).backward()
        stepper.step()
    other = copy.deepcopy(network)
    again = Stepper(other, options)
    again.restore({name: value.clone() for name, value in stepper.state().items()}, 3)
    for model, each in ((network, stepper), (other, again)):
        for i in range(3, 6):
            loss_of(model, i).backward()
            each.step()
    for found, expected in zip(other.parameters(), network.parameters(), strict=True):
        assert torch.equal(found, expected)


def test_averages_follow_tensorflows_ramp(network: Network) -> None:
    averages = Averages(network, 0.3)
    floats = {n: t for n, t in network.state_dict().items() if t.is_floating_point()}
    assert "block.norm.running_var" in floats
    by_hand = {name: value.clone() for name, value in floats.items()}
    for step in range(1, 8):
        for value in floats.values():
            value += step
        averages.update(network, step)
        decay = min(0.3, (1 + step) / (10 + step))
        for name, value in floats.items():
            by_hand[name] = decay * by_hand[name] + (1 - decay) * value
    found = averages.of(network)
    for name, expected in by_hand.items():
        torch.testing.assert_close(found[name], expected)
    newest = {name: value.clone() for name, value in floats.items()}
    with averages.inside(network):
        for name, value in network.state_dict().items():
            assert torch.equal(value, found[name])
    for name, value in newest.items():
        assert torch.equal(network.state_dict()[name], value)
