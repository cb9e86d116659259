"""DanQ as AgentBind has it: its sizes, NumPy's outputs, first weights, training, attributions."""

import math

import agentbind_oracle as oracle
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from label_world import make_labels
from torch.nn import functional

from kmerengine import Dataset, InputError
from modelkit.config_files import read_config
from modelkit.interpretation.methods.explain import AttributionOptions, explain
from modelkit.interpretation.methods.explained import Explained
from modelkit.models.danq import DanQ, DanQNetwork
from modelkit.recipes.agentbind import DanQConfig
from modelkit.tasks.readouts import LogitReadout
from modelkit.training.checkpoint import read_checkpoint
from modelkit.training.optimizer import Stepper
from modelkit.training.run import Run
from modelkit.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = {"filters": 6, "lstm": 5, "dense": 7, "length": 59, "classes": 2}
# a network of a few thousand weights, for the sequences of label_world
SMALL = [
    "network.filters=24", "network.width=8", "network.pool=5", "network.lstm=8",
    "network.dense=16", "network.initial_sd=0.2", "network.lstm_dropout=0.2",
    "training.batch_size=25", "training.epochs=2", "training.learning_rate=0.01",
]  # fmt: skip


def made(seed=0, **changes):
    torch.manual_seed(seed)
    return DanQ(DanQNetwork.model_validate({**SIZES, "initial_sd": 0.3, **changes})).eval()


def sequences(n, length, seed=0):
    """One-hot bases (n, 4, length), of which some are unknown: a quarter of each."""
    codes = np.random.default_rng(seed).integers(0, 5, (n, length))
    rows = np.vstack([np.eye(4), np.full(4, 0.25)])
    return torch.from_numpy(rows[codes].transpose(0, 2, 1).copy()).float()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    return make_labels(tmp_path_factory.mktemp("data"), n=(100, 50, 25))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Run:
    return train(small(), data, tmp_path_factory.mktemp("runs") / "run")


def small(*changes):
    return read_config(model="danq", changes=[*SMALL, *changes])


@pytest.mark.parametrize(("classes", "expected"), [(1, 46_076_411), (919, 46_926_479)])
def test_parameters_are_the_published_ones(classes, expected):
    network = DanQ(DanQNetwork(length=1000, classes=classes))
    shapes = {name: tuple(each.shape) for name, each in network.named_parameters()
              if each.requires_grad}  # fmt: skip
    assert sum(map(math.prod, shapes.values())) == expected
    assert shapes["convs.0.weight"] == (320, 4, 26)
    assert shapes["dense.weight"] == (925, 75 * 640)
    lstm = sum(math.prod(each) for name, each in shapes.items() if name.startswith("lstm"))
    assert lstm == 1_640_960
    seconds = [each for name, each in network.named_parameters() if "bias_hh" in name]
    assert [each.numel() for each in seconds] == [1280, 1280]
    assert not any(each.requires_grad for each in seconds)


@pytest.mark.parametrize("changes", [
    {},
    {"width": 9, "pool": 4, "length": 40},
    {"width": 8, "pool": 1, "length": 12},
    {"width": 26, "length": 64},  # a pool without a rest
])  # fmt: skip
def test_outputs_are_those_of_loops_in_numpy(changes):
    network = made(**changes)
    x = sequences(5, network.options.length)
    held = oracle.variables_of_danq(network)
    expected = oracle.danq(held, x.numpy().transpose(0, 2, 1), size=network.options.pool)
    with torch.no_grad():
        found, wide = network(x).numpy(), network.double()(x.double()).numpy()
    assert np.ptp(expected) > 0.1
    assert np.allclose(wide, expected, rtol=1e-10, atol=1e-12)
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_window_too_long_for_the_sequence_is_refused():
    with pytest.raises(ValueError, match="38 bp leave no window of 13 positions"):
        made(length=38, width=27)
    assert made(length=39, width=27).dense.in_features == 2 * 5
    with pytest.raises(ValueError, match=r"must be \(sequences, 4, 59\)"):
        made()(torch.zeros(1, 4, 60))
    with pytest.raises(ValueError, match="classes or length are not known"):
        DanQ(DanQNetwork(classes=1))


@pytest.mark.parametrize("initial", ["normal", "truncated"])
def test_first_weights(initial):
    network = made(filters=200, lstm=64, dense=300, initial=initial, initial_sd=1e-2)
    for weight in (network.convs[0].weight, network.dense.weight):
        w = weight.detach().double() / 1e-2
        # a normal's standard deviation, or that of one cut off at 2
        assert float(w.std()) == pytest.approx(1.0 if initial == "normal" else 0.8796, abs=0.02)
        assert float(w.mean()) == pytest.approx(0, abs=0.03)
        assert (float(w.abs().max()) > 3) == (initial == "normal")
        assert initial == "normal" or float(w.abs().max()) <= 2
    most = math.sqrt(6 / (200 + 64 + 4 * 64))
    for end in ("_l0", "_l0_reverse"):
        for part in ("ih", "hh"):
            w = getattr(network.lstm, f"weight_{part}{end}").detach()
            assert 0.99 * most < float(w.abs().max()) <= most
            assert float(w.std()) == pytest.approx(most / math.sqrt(3), rel=0.02)
        forget = getattr(network.lstm, f"bias_ih{end}").detach().reshape(4, 64)
        assert forget.tolist() == [[0.0] * 64, [1.0] * 64, [0.0] * 64, [0.0] * 64]
        assert not getattr(network.lstm, f"bias_hh{end}").any()
    for layer in (network.convs[0], network.dense, network.output):
        assert not layer.bias.any()


def test_dropout_is_behind_the_pool_and_the_lstm_while_training_alone():
    network = made(filters=50, lstm=50, length=200)
    assert (network.conv_dropout.p, network.lstm_dropout.p) == (0.2, 0.5)
    order = []
    for name, module in network.named_modules():
        if name and not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: order.append(name))
    x = sequences(32, 200)
    network.train()(x)
    assert order == ["convs.0", "conv_relu", "pools.0", "conv_dropout", "lstm", "lstm_dropout",
                     "dense", "dense_relu", "output"]  # fmt: skip
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
    assert not network.dense.training
    assert network.lstm.training  # for cuDNN; it has no dropout


def test_presets():
    paper, code = (read_config(model="danq", preset=each) for each in ("paper", "code"))
    assert paper == read_config(model="danq") == DanQConfig()
    assert read_config(model="danq", preset="code,paper") == paper
    for each in (paper, code):
        assert (each.data.unknown, each.data.both_strands, each.data.core) == (0.25, True, "kept")
        t = each.training
        assert (t.optimizer, t.learning_rate, t.batch_size) == ("adam", 1e-3, 128)
        assert (t.drop, t.drop_epochs, t.drop_factor, t.stop_below) == ("plateau", 10, 0.1, 1e-5)
        assert (t.ema, t.ema_validated, t.select) == (0.999, False, None)
    assert (paper.training.l1, paper.training.l2) == (1e-8, 0.5 * 5e-7)
    assert (code.training.l1, code.training.l2) == (0, pytest.approx(0.5 * (5e-7 + 1e-8)))
    assert (paper.network.initial, code.network.initial) == ("normal", "truncated")
    few = read_config(model="danq", preset="small").network
    assert (few.filters, few.lstm, few.dense, few.width, few.pool) == (32, 32, 92, 26, 13)


def test_steps_lower_the_loss():
    """The first one already, and enough of them tell labels apart that chance gave."""
    network = made(filters=16, lstm=8, dense=16, lstm_dropout=0, conv_dropout=0).train()
    stepper = Stepper(network, DanQConfig().training.model_copy(update={"learning_rate": 3e-3}))
    x, y = sequences(24, 59), torch.from_numpy(np.random.default_rng(5).integers(0, 2, (24, 2)))
    losses = []
    for _ in range(60):
        loss = functional.binary_cross_entropy_with_logits(network(x), y.float())
        losses.append(loss.item())
        loss.backward()
        stepper.step()
    assert losses[1] < losses[0]
    assert losses[-1] < 0.2


def read_rows(run):
    return pq.read_table(run.path / "metrics.parquet").to_pylist()


def test_the_second_bias_stays_0(run):
    tensors = read_checkpoint(run.path / "best.safetensors")[0]
    found = [each for name, each in tensors.items() if "bias_hh" in name]
    assert len(found) == 2
    assert not any(each.any() for each in found)
    assert run.about["parameters"] == sum(
        each.numel() for name, each in tensors.items() if "bias_hh" not in name
    )


def test_averages_are_kept_and_weights_are_validated(data, tmp_path):
    run = train(small("training.epochs=1"), data, tmp_path / "run")
    last = read_checkpoint(run.path / "last.safetensors")[0]
    best = read_checkpoint(run.path / "best.safetensors")[0]
    name = "convs.0.weight"
    assert torch.equal(best[f"model/{name}"], last[f"average/{name}"])
    assert not torch.equal(best[f"model/{name}"], last[f"model/{name}"])
    network = DanQ(run.config.network).eval()
    losses = []
    for prefix in ("model/", "average/"):
        held = {n.removeprefix(prefix): t for n, t in last.items() if n.startswith(prefix)}
        network.load_state_dict(held)
        losses.append(validation_loss(network, data))
    assert read_rows(run)[0]["validation_loss"] == pytest.approx(losses[0], rel=1e-5)
    assert abs(losses[1] / losses[0] - 1) > 1e-4  # the averages are others


def validation_loss(network, data):
    rows = data.split("validation")
    codes = np.asarray(data.stored("sequence")[0][rows])
    x = torch.from_numpy((codes[:, None, :] == np.arange(4)[:, None]).astype("f4"))
    with torch.no_grad():
        z = torch.cat([network(x), network(x.flip(1, 2))]).double().numpy()  # both strands
    y = np.tile(np.asarray(data.labels)[rows], (2, 1))
    return float((np.logaddexp(0, z) - y * z).mean())


def test_gradcam_is_agentbinds():
    """Its first convolution's map, of gradients in NumPy: what a small change does."""
    network = made(classes=1, length=45, width=8, pool=4, seed=3).double()
    x = sequences(2, 45).double()
    explained = Explained(network, LogitReadout(), torch.eye(1, dtype=torch.float64))
    found = explain(explained, x, AttributionOptions(method="gradcam")).hypothetical[:, 0]
    held = oracle.variables_of_danq(network)
    bases = x.numpy().transpose(0, 2, 1)
    maps = oracle.relu(oracle.conv(bases, held["conv1/weights"], held["conv1/biases"], "VALID"))
    assert maps.shape == (2, 38, 6)

    # what a window of the pool gets goes to its maximum: to others of the same value, all alike
    pooled = oracle.pool(maps, 4, "VALID")
    weights = np.zeros((2, 6))
    for k in range(6):
        for n in range(pooled.shape[1]):
            moved = np.zeros_like(pooled)
            moved[:, n, k] = 1e-6
            change = oracle.danq_behind_the_pool(held, pooled + moved)
            change -= oracle.danq_behind_the_pool(held, pooled - moved)
            weights[:, k] += change[:, 0] / 2e-6 / 38
    by_base = np.zeros((2, 45, 4))
    for p in range(45):
        for c in range(4):
            up, down = bases.copy(), bases.copy()
            up[:, p, c] += 1e-6
            down[:, p, c] -= 1e-6
            change = oracle.danq(held, up, size=4) - oracle.danq(held, down, size=4)
            by_base[:, p, c] = change[:, 0] / 2e-6
    cam = np.maximum(np.einsum("nk,nqk->nq", weights, maps), 0)
    assert (cam > 0).any()
    for i in range(2):
        spread = [cam[i, max(p - 7, 0) : p + 1].mean() for p in range(45)]  # 38 windows of 8 bp
        score = np.array(spread) * (by_base[i] * bases[i]).sum(1)
        score /= np.abs(score).sum()
        ours = (found[i] * x[i]).sum(0).numpy()
        assert np.allclose(ours, score, rtol=1e-4, atol=1e-7)


def test_guided_backpropagation_sees_its_relus():
    network = made(classes=1).double()
    explained = Explained(network, LogitReadout(), torch.eye(1, dtype=torch.float64))
    x = sequences(3, 59).double()
    plain, guided = (
        explain(explained, x, AttributionOptions(method=each)).hypothetical
        for each in ("saliency", "guided")
    )
    assert not torch.allclose(plain, guided)


def test_sizes_that_cannot_be_are_an_error_of_the_command(data, tmp_path):
    with pytest.raises(InputError, match="network: 60 bp leave no window"):
        train(small("network.pool=60"), data, tmp_path / "run")
