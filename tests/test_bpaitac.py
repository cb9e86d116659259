"""bpAI-TAC's network against PyTorch's own layers, its sizes, and what its configs refuse."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from kmerengine.errors import InputError
from modelkit.config_files import read_config
from modelkit.models.bpaitac import BpAITAC, NetworkOptions, in_bins
from modelkit.recipes.bpaitac import BiasConfig, BpAITACConfig
from modelkit.registry import MODELS

PAPER_SIZE = {"tasks": 90, "length": 998, "window": 250, "window_start": 375}
SMALL = {"tasks": 3, "length": 200, "window": 60, "window_start": 70, "channels": 6, "blocks": 3}


def parameters(module):
    return sum(one.numel() for one in module.parameters())


class Plain(nn.Module):
    """The network by PyTorch's layers: whole-length convolutions of (B, C, L), then one crop."""

    def __init__(self, options):
        super().__init__()
        self.o = o = options
        pad = o.stem_width // 2
        self.stem = nn.Conv1d(4, o.channels, o.stem_width, padding=pad)
        self.convs = nn.ModuleList(
            nn.Conv1d(o.channels, o.channels, 3, dilation=2**i, padding=2**i)
            for i in range(1, o.blocks + 1)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(o.channels) if o.block_norm else nn.Identity() for _ in self.convs
        )
        self.profile = nn.Conv1d(o.channels, o.tasks, o.head_width, padding=o.head_width // 2)
        self.pools = {"conv": o.pools or (5, 5, 5)}.get(o.total_head, ())
        self.total_convs = nn.ModuleList(
            nn.Conv1d(o.channels, o.channels, 3, padding=1) for _ in self.pools
        )
        self.total_norms = nn.ModuleList(nn.BatchNorm1d(o.channels) for _ in self.pools)
        with torch.no_grad():
            n = self.summary(torch.zeros(2, o.channels, o.length)).shape[1]
        for norm in self.total_norms:
            norm.reset_running_stats()
        self.dense = nn.Linear(n, o.tasks)

    def summary(self, x):
        for size, conv, norm in zip(self.pools, self.total_convs, self.total_norms, strict=True):
            x = norm(conv(functional.max_pool1d(x, size))).relu()
        if self.o.total_head == "global-pool":
            x = x.mean(2)
        if self.o.total_head == "max50":
            x = functional.max_pool1d(x, 50)
        return x.flatten(1)

    def forward(self, sequence):
        x = self.stem(sequence)
        x = x.relu() if self.o.stem_relu else x
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + norm(conv(x)).relu()
        start, size = self.o.window_start, self.o.bin_size
        logits = self.profile(x)[:, :, start : start + self.o.window]
        n = logits.shape[2] // size
        parts = [logits[:, :, i * size : (i + 1) * size].sum(2) for i in range(n)]
        totals = self.dense(self.summary(x))
        last = {"relu": torch.relu, "softplus": functional.softplus, "none": nn.Identity()}
        return torch.stack(parts, 2), last[self.o.total_activation](totals)

    def take(self, model):
        """Take the weights of the model; returns pairs of parameters that belong together."""
        pairs = [(self.stem, model.stem), (self.profile, model.profile)]
        pairs += zip(self.convs, [block.conv for block in model.blocks], strict=True)
        pairs += zip(self.total_convs, [block.conv for block in model.total.convs], strict=True)
        pairs += zip(self.total_norms, [block.norm for block in model.total.convs], strict=True)
        pairs.append((self.dense, model.total.dense))
        if self.o.block_norm:
            pairs += zip(self.norms, [block.norm for block in model.blocks], strict=True)
        for mine, its in pairs:
            values = its.state_dict()
            mine.load_state_dict({name: values[name] for name in mine.state_dict()})
        return [
            (getattr(mine, name), getattr(its, name))
            for mine, its in pairs
            for name in ("weight", "bias")
        ]


def bases(n, length, seed=0):
    """One-hot bases with some unknown ones."""
    rng = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 30, (n, length), generator=rng)
    return (codes[:, None] % 4 == torch.arange(4)[:, None]).float() * (codes[:, None] < 29)


VARIANTS = {
    "code": {},
    "paper": {"stem_relu": True, "block_norm": False, "total_activation": "none"},
    "global-pool": {"total_head": "global-pool", "total_activation": "softplus"},
    "max50": {"total_head": "max50"},
    "flat": {"total_head": "flat"},
    "base": {"blocks": 0},
    "bins": {"bin_size": 7, "pools": (3, 2, 2)},
    "window-at-the-start": {"window_start": 3},
    "window-at-the-end": {"window_start": 138},
    "all": {"window_start": 0, "window": 200},
    "other-widths": {"stem_width": 11, "head_width": 5},
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_network_equals_plain_layers(variant, training):
    options = NetworkOptions(**(SMALL | VARIANTS[variant]))
    torch.manual_seed(3)
    model = BpAITAC(options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    plain = Plain(options)
    pairs = plain.take(model)
    for each in (model, plain):
        each.double().train(training)
    x = bases(4, options.length).double()
    mine, its = x.clone().requires_grad_(), x.clone().requires_grad_()
    logits, totals = model(mine)
    wanted_logits, wanted_totals = plain(its)
    n = options.window // options.bin_size
    assert logits.shape == (4, 3, n)
    torch.testing.assert_close(logits, wanted_logits, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(totals, wanted_totals, rtol=1e-9, atol=1e-9)
    assert totals.std() > 0
    weigh = torch.randn(logits.shape, generator=torch.Generator().manual_seed(4)).double()
    for found in ((logits * weigh).sum() + totals.square().sum(),
                  (wanted_logits * weigh).sum() + wanted_totals.square().sum()):  # fmt: skip
        found.backward()
    torch.testing.assert_close(mine.grad, its.grad, rtol=1e-8, atol=1e-8)
    for of_plain, of_model in pairs:
        torch.testing.assert_close(of_model.grad, of_plain.grad, rtol=1e-8, atol=1e-8)


def test_nine_blocks_at_998_bp_equal_plain_layers_in_float32():
    options = NetworkOptions(**(PAPER_SIZE | {"channels": 24, "tasks": 5}))
    torch.manual_seed(1)
    model, plain = BpAITAC(options), Plain(options)
    pairs = plain.take(model)
    x = bases(3, 998)
    logits, totals = model(x)
    wanted_logits, wanted_totals = plain(x)
    torch.testing.assert_close(logits, wanted_logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(totals, wanted_totals, rtol=1e-5, atol=1e-5)
    (logits.square().mean() + totals.mean()).backward()
    (wanted_logits.square().mean() + wanted_totals.mean()).backward()
    for of_plain, of_model in pairs:
        torch.testing.assert_close(of_model.grad, of_plain.grad, rtol=1e-3, atol=1e-5)


def test_only_the_window_and_its_flanks_reach_the_profile_head():
    model = BpAITAC(NetworkOptions(**PAPER_SIZE | {"channels": 4, "blocks": 1}))
    seen = []
    model.profile.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    model(bases(2, 998))
    assert seen == [(2, 250 + 24, 4)]


# --- sizes


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, 4_145_280),
        ({"length": 1000}, 4_172_280),
        ({"blocks": 4}, 2_790_780),  # shallow
        ({"blocks": 0}, 1_707_180),  # base
        ({"total_head": "flat"}, 2_468_400 + 675_090 + 26_946_090),  # FCAccHead
        ({"total_head": "global-pool"}, 2_468_400 + 675_090 + 300 * 90 + 90),
        ({"total_head": "max50"}, 2_468_400 + 675_090 + 19 * 300 * 90 + 90),
        ({"bin_size": 5}, 4_145_280 + (998 // 27 - 7) * 300 * 90),
        ({"bin_size": 10}, 4_145_280 + (83 - 7) * 300 * 90),  # 998 // 2 // 2 // 3 positions
        ({"bin_size": 20}, 4_145_280 + (166 - 7) * 300 * 90),  # 998 // 2 // 3
        ({"bin_size": 20, "pools": (5, 5, 5)}, 4_145_280),
        ({"profile_head": False}, 4_145_280 - 675_090),
        ({"block_norm": False}, 4_145_280 - 9 * 600),
        ({"total_head": "none", "tasks": 1, "blocks": 2}, 30_300 + 2 * 270_900 + 7_501),
    ],
)
def test_numbers_of_parameters(changes, wanted):
    assert parameters(BpAITAC(NetworkOptions(**(PAPER_SIZE | changes)))) == wanted


def test_parameters_of_each_part():
    model = BpAITAC(NetworkOptions(**PAPER_SIZE))
    assert parameters(model.stem) + parameters(model.blocks) == 2_468_400
    assert parameters(model.profile) == 675_090
    assert parameters(model.total.convs) == 812_700
    assert parameters(model.total.dense) == 189_090
    assert [block.conv.dilation for block in model.blocks] == [2, 4, 8, 16, 32, 64, 128, 256, 512]
    binned = BpAITAC(NetworkOptions(**(PAPER_SIZE | {"bin_size": 20, "channels": 3})))
    assert binned(bases(1, 998)).logits.shape == (1, 90, 12)
    assert [pool.size for pool in binned.total.pools] == [1, 2, 3]


@pytest.mark.parametrize(("blocks", "of_body"), [(9, 2069), (4, 85), (0, 25)])
def test_the_receptive_field_is_where_the_gradient_is(blocks, of_body):
    torch.manual_seed(2)
    length = 2301
    options = NetworkOptions(
        tasks=1, length=length, window=1, window_start=1150, channels=3, blocks=blocks,
        total_head="none",
    )  # fmt: skip
    model = BpAITAC(options).double().eval()
    for block in model.blocks:
        nn.init.constant_(block.norm.bias, 30)  # no ReLU is shut
    assert options.receptive_field == of_body
    x = bases(1, length).double().requires_grad_()
    model(x).logits.sum().backward()
    reached = x.grad[0].abs().sum(0).nonzero()[:, 0]
    assert (int(reached.min()), int(reached.max())) == (
        1150 - (of_body + 24) // 2,
        1150 + (of_body + 24) // 2,
    )
    assert len(reached) == of_body + 24  # no gaps


def test_weights_start_as_pytorch_starts_them():
    torch.manual_seed(5)
    model = BpAITAC(NetworkOptions(**SMALL))
    torch.manual_seed(5)
    first = nn.Conv1d(4, 6, 25)
    assert torch.equal(model.stem.weight, first.weight)
    assert torch.equal(model.stem.bias, first.bias)
    bound = model.total.dense.in_features**-0.5
    assert 0.9 * bound < model.total.dense.weight.abs().max() <= bound


# --- types, compilation, refusals


def test_autocast_and_a_float64_model():
    torch.manual_seed(0)
    model = BpAITAC(NetworkOptions(**SMALL))
    x = bases(3, 200)
    wanted = model.eval()(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(x)
    assert found.totals.dtype == torch.float32
    assert found.logits.dtype == torch.bfloat16
    torch.testing.assert_close(found.logits.float(), wanted.logits, rtol=0.05, atol=0.03)
    torch.testing.assert_close(found.totals, wanted.totals, rtol=0.05, atol=0.03)
    wide = model.double()(x.double())
    assert wide.logits.dtype == wide.totals.dtype == torch.float64
    torch.testing.assert_close(wide.logits.float(), wanted.logits, rtol=1e-4, atol=1e-5)


def test_compiled_in_one_graph():
    torch._dynamo.reset()
    torch.manual_seed(0)
    small = {"pools": (3, 2, 2), "bin_size": 20, "blocks": 1, "channels": 3, "window_start": 5}
    model = BpAITAC(NetworkOptions(**(SMALL | small)))
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = bases(2, 200)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    found = compiled(x)
    model.load_state_dict(state)
    wanted = model(x)
    torch.testing.assert_close(found.logits, wanted.logits)
    torch.testing.assert_close(found.totals, wanted.totals)


def test_bins_are_sums_and_a_rest_is_dropped():
    values = torch.arange(250).float().expand(2, 3, 250)
    assert in_bins(values, 1) is values
    found = in_bins(values, 20)
    assert found.shape == (2, 3, 12)
    assert found[1, 2].tolist() == [sum(range(i, i + 20)) for i in range(0, 240, 20)]
    assert in_bins(values.bfloat16(), 5).dtype == torch.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": None}, "tasks is not known"),
        ({"window_start": 141}, r"window \[141, 201\) must lie in the 200 bp"),
        ({"bin_size": 61}, "hold a bin of 61 bp"),
        ({"length": 100, "window": 20, "window_start": 0}, "100 bp are too few for the pools"),
        ({"profile_head": False, "total_head": "none"}, "must have a profile head or"),
    ],
)
def test_a_network_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        BpAITAC(NetworkOptions(**(SMALL | changes)))


def test_sequences_of_another_shape_are_refused():
    model = BpAITAC(NetworkOptions(**SMALL))
    for shape in ((2, 200, 4), (2, 4, 201)):
        with pytest.raises(ValueError, match=r"must be \(regions, 4, 200\), got \(2, "):
            model(torch.zeros(shape))


# --- configs


def test_defaults_are_those_of_the_released_code():
    config = read_config(model="bpaitac")
    assert config == read_config(model="bpaitac", preset="code")
    assert (config.objective.loss, config.objective.lambda_) == ("cross-entropy", 0.5)
    training = config.training
    assert (training.optimizer, training.learning_rate, training.batch_size) == ("adam", 1e-3, 20)
    assert (training.warm_up, training.warm_up_from, training.epochs) == (1000, 1e-6, 200)
    assert (training.drop, training.drop_factor, training.drop_rise) == ("rises", 0.1, 0.2)
    assert (training.drop_epochs, training.patience, training.evaluate_first) == (3, 10, True)
    assert training.select is None
    assert (config.data.reverse_complement, config.data.jitter) == (False, 0)
    # an option of a section leaves the others at the model's own defaults
    other = read_config(model="bpaitac", changes=["training.epochs=3"])
    assert other.training == training.model_copy(update={"epochs": 3})


def test_presets():
    paper = read_config(model="bpaitac", preset="paper").network
    assert (paper.stem_relu, paper.block_norm, paper.total_activation) == (True, False, "none")
    assert read_config(model="bpaitac", preset="aitac").objective.lambda_ == 0
    small = BpAITAC(
        read_config(model="bpaitac", preset="small").network.model_copy(update=PAPER_SIZE)
    )
    assert parameters(small) < 200_000
    blocks = {
        name: read_config(model="bpaitac-bias", preset=name).network.blocks
        for name in BiasConfig.presets
    }
    assert blocks == {"shallow": 2, "paper": 4, "deep": 9, "small": 2}
    bias = read_config(model="bpaitac-bias")
    assert (bias.objective.loss, bias.objective.lambda_, bias.objective.use_bias) == (
        "jsd",
        1,
        False,
    )
    assert bias.data.min_cuts == 10
    assert bias.training == read_config(model="bpaitac").training
    for name, entry in MODELS.items():
        if issubclass(entry.config, BpAITACConfig | BiasConfig):
            for preset in entry.config.presets:
                config = read_config(model=name, preset=preset)
                assert entry.config.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("model", ["bpaitac", "bpaitac-bias"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["network.stem_width=24"], "stem_width.*found 24; .*must be odd"),
        (["network.head_width=101"], "head_width.*found 101"),
        (["objective.lambda_=1.5"], "lambda_.*found 1.5"),
        (["objective.lambda=1"], "lambda: unknown key, did you mean lambda_"),
        (["network.profile_head=false"], "profile_head"),
        (["data.min_cuts=-1"], "min_cuts"),
    ],
)
def test_values_that_cannot_be_are_refused(model, changes, message):
    with pytest.raises(InputError, match=message):
        read_config(model=model, changes=changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["network.total_head=none"], "total_head=none needs objective.lambda_=1"),
        (["network.profile_head=false"], "profile_head=false needs objective.lambda_=0"),
        (["objective.loss=poisson", "network.profile_head=false"], "loss=poisson needs both heads"),
        (["objective.loss=mse", "network.total_head=none"], "loss=mse needs both heads"),
        (["objective.loss=mse", "network.total_activation=none"], "relu or softplus"),
        (["objective.loss=poisson", "objective.lambda_=0.3"], "no parts to weigh"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        read_config(model="bpaitac", changes=changes)


def test_a_bias_model_has_a_profile_head_alone():
    for change in ("network.total_head=conv", "objective.lambda_=0.5", "objective.use_bias=true",
                   "objective.loss=poisson"):  # fmt: skip
        with pytest.raises(InputError, match=change.partition("=")[0]):
            read_config(model="bpaitac-bias", changes=[change])
    options = read_config(model="bpaitac-bias").network.model_copy(
        update=PAPER_SIZE | {"tasks": 1, "channels": 5}
    )
    output = BpAITAC(options)(bases(2, 998))
    assert output.totals is None
    assert output.logits.shape == (2, 1, 250)
