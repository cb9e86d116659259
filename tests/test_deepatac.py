"""DeepATAC: sizes, a plain twin, what the network is given, training; against letters and loops."""

import math

import numpy as np
import pytest
import torch
from binding_world import CONTIGS, WIDTH, WORDS, World, small_config

import modelkit
from kmerengine import InputError
from modelkit.config_files import read_config
from modelkit.models.deepatac import DeepATAC
from modelkit.recipes.deepatac import DeepATACConfig
from modelkit.registry import MODELS
from modelkit.tasks.binding import cut_channels
from modelkit.tasks.binding_config import BindingOptions
from modelkit.training.optimizer import Stepper

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("deepatac") / "w")


def made(*changes, preset=None, classes=163, length=200, seed=0):
    config = read_config(model="deepatac", preset=preset, changes=changes)
    config = config.changed({"network": {"classes": classes, "length": length}})
    torch.manual_seed(seed)
    return DeepATAC(config.network)


@pytest.mark.parametrize(
    ("inputs", "classes", "expected"),
    [("both", 163, 2_201_683), ("both", 91, 2_158_411), ("dna", 163, 2_199_123),
     ("atac", 163, 2_196_563)],
)  # fmt: skip
def test_parameters_are_those_of_the_paper_s_network(inputs, classes, expected):
    network = made(f"network.inputs={inputs}", classes=classes)
    assert sum(each.numel() for each in network.parameters()) == expected
    channels = {"both": 6, "dna": 4, "atac": 2}[inputs]
    # by hand: weights, biases and two numbers of each norm; 3 positions of 480 filters, 600, K
    convs = sum(a * b * 8 + 3 * b for a, b in ((channels, 160), (160, 240), (240, 480)))
    assert expected == convs + (3 * 480 + 1) * 600 + 601 * classes


def test_the_defaults_are_the_paper_s():
    config = read_config(model="deepatac")
    network, training = config.network, config.training
    assert (network.filters, network.widths, network.pools) == ((160, 240, 480), (8,) * 3, (4,) * 3)
    assert (network.dropouts, network.dense, network.inputs) == ((0.2, 0.2, 0.5), 600, "both")
    assert config.data.atac_mode == "binary"
    assert (training.optimizer, training.learning_rate, training.epochs) == ("adam", 1e-3, 30)
    assert (training.batch_size, training.select) == (128, "auprc")
    assert (training.l1, training.l2) == (1e-8, 5e-7)
    assert set(DeepATACConfig.presets) == {"dna", "atac", "small"}
    small = read_config(model="deepatac", preset="small,dna")
    assert (small.network.filters, small.network.inputs) == ((40, 60, 120), "dna")


def test_penalties_are_l2_of_the_convolutions_and_l1_of_the_dense_layers():
    """A step of gradient 0: what is left is the penalties' own, without a half."""
    config = small_config("training.optimizer=sgd", "training.learning_rate=1.0",
                          "training.l1=0.25", "training.l2=0.125")  # fmt: skip
    network = DeepATAC(config.changed({"network": {"classes": 2, "length": WIDTH}}).network)
    before = {name: each.detach().clone() for name, each in network.named_parameters()}
    for each in network.parameters():
        each.grad = torch.zeros_like(each)
    Stepper(network, config.training).step()
    for name, after in network.named_parameters():
        was = before[name]
        if name.startswith("convs") and name.endswith(".weight") and was.ndim == 3:
            expected = was - 2 * 0.125 * was
        elif name in ("dense.weight", "output.weight"):
            expected = was - 0.25 * was.sign()
        else:
            expected = was
        torch.testing.assert_close(after.detach(), expected, msg=name)


def test_first_weights_are_glorot_s():
    network = made()
    for layer in (*network.convs, network.dense, network.output):
        weight = layer.weight.detach()
        width = math.prod(weight.shape[2:])
        most = math.sqrt(6 / ((weight.shape[0] + weight.shape[1]) * width))
        assert 0.99 * most < float(weight.abs().max()) <= most
        assert float(weight.std()) == pytest.approx(most / math.sqrt(3), rel=0.05)
        assert not layer.bias.any()


class Plain:
    """The network by loops over positions, in float64, from its weights by name."""

    def __init__(self, network):
        self.weights = {k: v.double().numpy() for k, v in network.state_dict().items()}
        self.options = network.options

    def __call__(self, x_CP):
        w, x = self.weights, x_CP.T
        for i, (width, pool) in enumerate(
            zip(self.options.widths, self.options.pools, strict=True)
        ):
            weight, bias = w[f"convs.{i}.weight"], w[f"convs.{i}.bias"]
            norm = {k: w[f"convs.{i}.norm.{k}"] for k in
                    ("weight", "bias", "running_mean", "running_var")}  # fmt: skip
            before = (
                width - 1
            ) // 2  # of 7 positions beyond the ends of a width of 8, 3 on the left
            y = np.zeros((len(x), len(weight)))
            for p in range(len(x)):
                for j in range(width):
                    if 0 <= p - before + j < len(x):
                        y[p] += weight[:, :, j] @ x[p - before + j]
            y += bias
            y = (y - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-3)
            y = np.maximum(y * norm["weight"] + norm["bias"], 0)
            x = np.stack([y[p * pool : (p + 1) * pool].max(0) for p in range(len(y) // pool)])
        hidden = np.maximum(w["dense.weight"] @ x.ravel() + w["dense.bias"], 0)
        return w["output.weight"] @ hidden + w["output.bias"]


@pytest.mark.parametrize("inputs", ["both", "dna", "atac"])
@pytest.mark.parametrize("length", [64, 71])
def test_the_network_equals_loops(inputs, length):
    config = small_config(f"network.inputs={inputs}", "network.widths=[8, 5]")
    network = DeepATAC(config.changed({"network": {"classes": 3, "length": length}}).network)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, each in [*network.named_parameters(), *network.named_buffers()]:
            if each.is_floating_point():
                each.copy_(
                    torch.rand(each.shape, generator=generator) - (0.4 if "var" not in name else 0)
                )
    network.double().eval()
    x = torch.rand(4, 6, length, generator=generator, dtype=torch.float64)
    part = {"both": slice(0, 6), "dna": slice(0, 4), "atac": slice(4, 6)}[inputs]
    expected = [Plain(network)(each[part].numpy()) for each in x]
    torch.testing.assert_close(network(x).detach().numpy(), np.array(expected))
    if inputs == "dna":
        assert torch.equal(network(x[:, :4]), network(x))


@pytest.mark.parametrize("channels", [2, 4, 5, 7])
def test_other_channels_are_refused(channels):
    with pytest.raises(ValueError, match="must be \\(sequences, 6, 200\\)"):
        made(preset="small")(torch.zeros(1, channels, 200))


def test_sizes_that_cannot_be():
    with pytest.raises(InputError, match="a number for each convolution; found 3, 3, 2, 3"):
        read_config(model="deepatac", changes=["network.pools=[4, 4]"])
    with pytest.raises(ValueError, match="at least the 64 that pools"):
        made(length=63)


def task_of(data, *changes):
    config = small_config(*changes).for_dataset(data)
    return MODELS["deepatac"].task(config, data)


def inputs_of(task, rows, *, training=False, **options):
    batches = task.batches(np.asarray(rows), training=training, batch_size=len(rows),
                           device=torch.device("cpu"), **options)  # fmt: skip
    return next((batch.rows.tolist(), task.inputs(batch).clone()) for batch in batches.batches(0))


@pytest.mark.parametrize("mode", ["binary", "count", "log1p"])
@pytest.mark.parametrize("bin_", [1, 2])
def test_six_channels_from_letters_and_fragments(world, mode, bin_):
    """Both samples are added up before anything else is made of the cuts."""
    task = task_of(world.data, f"data.atac_mode={mode}", f"data.atac_bin={bin_}",
                   "data.unknown=0.25")  # fmt: skip
    rows = list(range(0, len(world.windows), 5))
    _, found = inputs_of(task, rows)
    assert found.shape == (len(rows), 6, WIDTH)
    several = 0
    for row, each in zip(rows, found.tolist(), strict=True):
        expected = world.channels(*world.windows[row], unknown=0.25)
        for strand in (4, 5):
            of = expected[strand]
            low = [p - p % bin_ for p in range(WIDTH)]
            of = [sum(of[a : a + bin_]) for a in low]
            several += sum(x > 1 for x in of)
            how = {"binary": lambda x: float(x > 0), "count": float, "log1p": math.log1p}[mode]
            expected[strand] = [how(x) for x in of]
        for channel in range(6):
            assert each[channel] == pytest.approx(expected[channel], rel=1e-6), (row, channel)
    assert several > 20  # binary and count differ
    assert any("N" in world.letters[c][s : s + WIDTH] for c, s in world.windows[::5])


def test_the_default_is_binary_and_n_is_nothing(world):
    _, found = inputs_of(task_of(world.data), range(len(world.windows)))
    assert set(found.unique().tolist()) == {0.0, 1.0}
    row = next(i for i, (c, s) in enumerate(world.windows)
               if "N" in world.letters[c][s : s + WIDTH])  # fmt: skip
    contig, start = world.windows[row]
    at = world.letters[contig][start : start + WIDTH].index("N")
    assert not found[row, :4, at].any()


def test_a_reverse_complement_has_the_strands_exchanged(world):
    """Of a training epoch: complement, channels backwards, and forward and reverse cuts swapped."""
    task = task_of(world.data, "data.reverse_complement=true", "data.atac_mode=count")
    rows, found = inputs_of(task, range(len(world.windows)), training=True)
    turned = 0
    for row, each in zip(rows, found, strict=True):
        here = torch.tensor(world.channels(*world.windows[row]))
        there = here[[3, 2, 1, 0, 5, 4]].flip(1)
        is_turned = torch.equal(each, there)
        assert is_turned or torch.equal(each, here)
        turned += is_turned
    assert len(rows) / 3 < turned < 2 * len(rows) / 3


def test_a_network_without_cuts_takes_any_data(world):
    plain = world.make(cuts=None, strands="sum", output=world.folder / "plain")
    _, found = inputs_of(task_of(plain, "network.inputs=dna"), [0, 1])
    _, beside = inputs_of(task_of(world.data, "network.inputs=dna"), [0, 1])
    assert found.shape == (2, 4, WIDTH)
    assert torch.equal(found, beside)


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ({"cuts": None, "strands": "sum"}, (), "has no cuts, expected them beside the bases"),
        ({"strands": "sum"}, ("network.inputs=atac",), "found|strands 'sum', expected those of"),
        ({"input_width": WIDTH + 10}, (), "expected the same; make it with --width equal to"),
        ({}, ("data.atac_bin=7",), "data.atac_bin: found 7, which does not divide the 64 bp"),
    ],
)
def test_data_that_do_not_fit(world, tmp_path, options, changes, message):
    data = world.make(**options, output=tmp_path / "d")
    config = small_config(*changes)
    with pytest.raises(InputError, match=message) as error:
        modelkit.train(config, data, tmp_path / "run", device="cpu")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_cuts_of_samples_are_added_before_they_are_made_binary():
    counts = torch.zeros(1, 4, 6)
    counts[0, 0, 1] = counts[0, 2, 1] = 1  # forward, both samples
    counts[0, 3, 2] = 4  # reverse, the second
    found = cut_channels(counts, BindingOptions(atac_mode="count"))
    assert found.tolist() == [[[0, 2, 0, 0, 0, 0], [0, 0, 4, 0, 0, 0]]]
    found = cut_channels(counts, BindingOptions(atac_mode="binary", atac_bin=3))
    assert found.tolist() == [[[1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]]]
    with pytest.raises(InputError, match="binary"):
        read_config(model="deepatac", changes=["data.atac_mode=bits"])


def test_words_are_learnt_and_everything_else_runs_on_a_run(world, tmp_path):
    """Training keeps the best AUPRC; predictions are of the six channels as they are."""
    config = small_config("training.epochs=12", "training.learning_rate=1e-2",
                          "data.reverse_complement=true", "network.filters=[12, 12]",
                          "data.split=validation=chr2 test=chr3")  # fmt: skip
    run = modelkit.train(config, world.data, tmp_path / "run", device="cpu")
    assert run.about["best"]["metric"] == "auprc"
    found = modelkit.evaluate(run, world.data, device="cpu", resamples=10)
    prevalence = world.data.labels[world.data.split("test")].mean(0)
    assert found.metrics["model"]["auprc"] > prevalence.mean() + 0.1
    made = modelkit.predict(run, world.data, tmp_path / "p", split="test", device="cpu")
    rows = made.regions["row"].to_pylist()
    network = run.network()
    x = torch.stack([torch.tensor(world.channels(*world.windows[row])) for row in rows])
    x[:, 4:] = (x[:, 4:] > 0).float()
    with torch.no_grad():
        logits = network(x).numpy()
    np.testing.assert_allclose(made.logits, logits, rtol=1e-4, atol=1e-5)
    assert [world.windows[row][0] for row in rows] == [CONTIGS[2]] * len(rows)
    with pytest.raises(InputError, match="takes 6 channels, expected the 4 of bases"):
        modelkit.predict(run, world.data, tmp_path / "q", reverse_complement=True, device="cpu")


@pytest.mark.parametrize("inputs", ["both", "dna"])
def test_a_filter_s_motif_is_the_word_that_it_matches(world, tmp_path, inputs):
    """Of a width of 8, 3 bases lie left of a position and 4 right of it."""

    class Matching(modelkit.Run):
        def network(self, device="cpu"):
            network = super().network(device)
            with torch.no_grad():
                network.convs[0].bias.zero_()
                weight = network.convs[0].weight
                weight[0] = -1
                weight[0, ["ACGT".index(base) for base in WORDS["gata"]], range(8)] = 1
                weight[0, 4:] = 0
            return network

    config = small_config(f"network.inputs={inputs}", "training.epochs=0")
    run = modelkit.train(config, world.data, tmp_path / "run", device="cpu")
    found = modelkit.filters(Matching.open(run.path), world.data, threshold=1.0, device="cpu")
    assert found.provenance["field"] == 8
    letters = ["ACGT".index(base) for base in WORDS["gata"]]
    np.testing.assert_array_equal(found.frequencies("filter_0"), np.eye(4)[letters])


@pytest.mark.parametrize("inputs", ["both", "atac"])
def test_integrated_gradients_add_up_from_no_base_and_half_a_cut(world, tmp_path, inputs):
    config = small_config(f"network.inputs={inputs}")
    run = modelkit.train(config, world.data, tmp_path / "run", device="cpu")
    rows = world.data.split("test")[:6]
    made = modelkit.attribute(run, world.data, tmp_path / "a", method="ig", rows=rows, steps=300,
                              targets=["tal"], device="cpu")  # fmt: skip
    assert made.hypothetical.shape == (6, 1, 6, WIDTH)
    x = torch.stack([torch.tensor(world.channels(*world.windows[row])) for row in rows])
    x[:, 4:] = (x[:, 4:] > 0).float()
    reference = torch.zeros_like(x)
    reference[:, 4:] = 0.5
    with torch.no_grad():
        network = run.network()
        difference = (network(x) - network(reference))[:, 1].numpy()
    total = made.contributions()[:, 0].sum(1) + made.hypothetical[:, 0, 4:].sum((1, 2))
    np.testing.assert_allclose(total, difference, rtol=0.02, atol=0.02 * np.abs(difference).max())
    np.testing.assert_allclose(made.spread[:, 0], np.abs(difference), rtol=1e-4)
    if inputs == "atac":
        assert not made.hypothetical[:, :, :4].any()
    else:
        assert made.hypothetical[:, :, :4].any()
