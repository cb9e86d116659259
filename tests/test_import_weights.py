"""`modelkit import-weights`: state dicts under the authors' names, against networks of torch.nn."""

import pickle
import re
from collections import OrderedDict
from contextlib import suppress

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from kmerengine.errors import InputError
from modelkit.cli.import_weights import command
from modelkit.training.run import Run
from modelkit.weights.import_weights import SOURCES, import_weights

LENGTH, WINDOW = 998, slice(375, 625)


class Residual(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        conv = nn.Conv1d(channels, channels, 3, padding="same", dilation=dilation)
        self.conv_block = nn.Sequential(conv, nn.BatchNorm1d(channels), nn.ReLU())

    def forward(self, x):
        return x + self.conv_block(x)


class Named(nn.Module):
    """Children under the names of keyword arguments."""

    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


class Twin(nn.Module):
    """A network whose tensors have the official names (facts; see SPEC's table of the layers)."""

    def __init__(self, tasks, channels=6, blocks=3, pools=(5, 5, 5), length=LENGTH):
        super().__init__()
        stem = nn.Conv1d(4, channels, 25, padding="same")
        dilated = nn.Sequential(*(Residual(channels, 2 ** (i + 1)) for i in range(blocks)))
        stages = []
        for pool in pools:
            conv = nn.Conv1d(channels, channels, 3, padding="same")
            stages += [nn.MaxPool1d(pool), conv, nn.BatchNorm1d(channels), nn.ReLU()]
            length //= pool
        dense = [nn.Flatten(), nn.Linear(channels * length, tasks), nn.ReLU()]
        profile = nn.Conv1d(channels, tasks, 25, padding="same")
        self.body = Named(net=nn.Sequential(stem, Named(net=dilated)))
        self.head = Named(
            profile_prediction=Named(deconvolution=profile),
            total_count_prediction=Named(
                net=nn.Sequential(*stages), out_layers=nn.Sequential(*dense)
            ),
        )

    def forward(self, x):
        x = self.body.net[1].net(self.body.net[0](x))
        total = self.head.total_count_prediction
        logits = self.head.profile_prediction.deconvolution(x)[..., WINDOW]
        return logits, total.out_layers(total.net(x))


def twin(seed=0, **options):
    """A twin whose every number differs from what it starts as."""
    torch.manual_seed(seed)
    made = Twin(**options).eval()
    for name, value in made.state_dict().items():
        if name.endswith("running_var") or name == "head.total_count_prediction.out_layers.1.bias":
            value.uniform_(0.5, 2)  # a bias that keeps the ReLU of the totals from being 0 always
        elif value.is_floating_point():
            value.normal_(0, 0.3)
        else:
            value.fill_(7)
    return made


def sequence(n=3, length=LENGTH, seed=1):
    codes = np.random.default_rng(seed).integers(0, 5, (n, length))  # 4: no base
    return torch.tensor(np.eye(5)[codes][..., :4]).mT.float()


def saved(made, path, **changes):
    state = OrderedDict(made.state_dict())
    for name, value in changes.items():
        if value is None:
            del state[name]
        else:
            state[name] = value
    torch.save(state, path)
    return path


@pytest.fixture
def file(tmp_path):
    return saved(twin(tasks=4), tmp_path / "best_model")


CASES = {
    "plain": ({"tasks": 4}, {}, 1),
    "base": ({"tasks": 1, "blocks": 0}, {}, 1),
    "bins of 5": ({"tasks": 2, "pools": (3, 3, 3)}, {}, 5),
    "bins of 20": ({"tasks": 2, "pools": (1, 2, 3)}, {}, 20),
    "1,000 bp": ({"tasks": 3, "length": 1000}, {"off_by_two": False}, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_predictions_are_those_of_the_twin(tmp_path, name):
    sizes, options, bin_size = CASES[name]
    made = twin(**sizes)
    run = import_weights("bpaitac", saved(made, tmp_path / "w"), tmp_path / "run", **options)
    x = sequence(length=sizes.get("length", LENGTH))
    with torch.inference_mode():
        logits, totals = made(x)
        found = run.network()(x)
    n = 250 // bin_size
    logits = logits[..., : n * bin_size].unflatten(-1, (n, bin_size)).sum(-1)
    assert torch.allclose(found.logits, logits, atol=1e-5, rtol=1e-5)
    assert torch.allclose(found.totals, totals, atol=1e-5, rtol=1e-5)
    assert totals.max() > 0
    network = run.config.network
    assert (network.channels, network.blocks) == (6, sizes.get("blocks", 3))
    assert (network.tasks, network.bin_size) == (sizes["tasks"], bin_size)


def test_names_of_the_released_network_are_the_official_ones():
    """The names, written down here once more, of the paper's sizes."""
    held = set(Twin(tasks=90, channels=300, blocks=9).state_dict())
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    head, total = "head.profile_prediction", "head.total_count_prediction"
    expected = {f"{layer}.{part}" for layer in ("body.net.0", f"{head}.deconvolution",
                f"{total}.out_layers.1") for part in ("weight", "bias")}  # fmt: skip
    for i in range(9):
        expected |= {f"body.net.1.net.{i}.conv_block.0.{part}" for part in ("weight", "bias")}
        expected |= {f"body.net.1.net.{i}.conv_block.1.{part}" for part in norm}
    for conv in (1, 5, 9):
        expected |= {f"{total}.net.{conv}.{part}" for part in ("weight", "bias")}
        expected |= {f"{total}.net.{conv + 1}.{part}" for part in norm}
    assert held == expected


def test_the_paper_s_sizes_have_its_number_of_parameters(tmp_path):
    made = twin(tasks=90, channels=300, blocks=9)
    run = import_weights("bpaitac", saved(made, tmp_path / "w"), tmp_path / "run")
    assert sum(p.numel() for p in run.network().parameters()) == 4_145_280


def test_a_bias_model_is_the_profile_alone(tmp_path):
    made = twin(tasks=1, blocks=2)
    run = import_weights("bpaitac-bias", saved(made, tmp_path / "w"), tmp_path / "run")
    with torch.inference_mode():
        found, (logits, _) = run.network()(sequence()), made(sequence())
    assert found.totals is None
    assert torch.allclose(found.logits, logits, atol=1e-5)
    assert run.config.model == "bpaitac-bias"
    assert len(run.about["left_out"]) == 3 * 7 + 2
    assert all(name.startswith("head.total_count") for name in run.about["left_out"])


@pytest.mark.parametrize("alphabet", ["AGCT", "atcg", "TGCA"])
def test_bases_in_another_order(tmp_path, alphabet):
    made = twin(tasks=2)
    file = saved(made, tmp_path / "w")
    run = import_weights("bpaitac", file, tmp_path / "run", alphabet=alphabet)
    x = sequence()
    theirs = torch.stack([x[:, "ACGT".index(base)] for base in alphabet.upper()], 1)
    with torch.inference_mode():
        logits, totals = made(theirs)
        found = run.network()(x)
        assert not torch.allclose(made(x)[0], logits, atol=1e-2)
    assert torch.allclose(found.logits, logits, atol=1e-5)
    assert torch.allclose(found.totals, totals, atol=1e-5)


def test_a_run_says_where_its_weights_are_from(file, tmp_path):
    names = ["B", "NK", "T", "DC"]
    run = Run.open(import_weights("bpaitac", file, tmp_path / "run", tasks=names).path)
    assert run.about["tasks"] == names
    assert (run.about["shift"], run.about["off_by_two"]) == ("+4/-4", True)
    assert run.about["parameters"]["alphabet"] == "ACGT"
    assert run.about["inputs"]["weights"]["name"] == "best_model"
    assert (run.config.network.length, run.config.network.window_start) == (998, 375)


def test_half_precision_and_sizes_that_were_saved_so(tmp_path):
    made = twin(tasks=2).half()
    run = import_weights("bpaitac", saved(made, tmp_path / "w"), tmp_path / "run")
    weights = run.network().state_dict()
    assert weights["stem.weight"].dtype == torch.float32
    assert torch.equal(weights["stem.weight"], made.body.net[0].weight.float())


PROFILE = "head.profile_prediction.deconvolution"
DENSE = "head.total_count_prediction.out_layers.1"
REFUSED = {
    "lacks the tensor body.net.0.weight": {"body.net.0.weight": None},
    "lacks 1 tensors, the first is body.net.1.net.1.conv_block.1.running_var": {
        "body.net.1.net.1.conv_block.1.running_var": None
    },
    "has 1 tensors that bpaitac has not, the first is head.more": {"head.more": torch.ones(2)},
    f"{PROFILE}.bias: found shape (5,), expected (4,)": {f"{PROFILE}.bias": torch.ones(5)},
    "which 998 bp and 6 channels give with no size of bins": {f"{DENSE}.weight": torch.ones(4, 48)},
    "body.net.0.bias: found a value that is no number": {
        "body.net.0.bias": torch.full((6,), np.nan)
    },
    "body.net.0.bias: found list, expected a tensor": {"body.net.0.bias": [1.0]},
    "found torch.complex64": {"body.net.0.bias": torch.ones(6, dtype=torch.complex64)},
    "does not hold": {"body.net.0.weight": torch.ones(1).expand(1 << 20, 4, 25)},
    "network.stem_width": {"body.net.0.weight": torch.ones(6, 4, 24)},
    "its tensors fit no bpaitac": {f"{PROFILE}.weight": torch.ones(3)},
    "its tensors fit no bpaitac: integer": {"body.net.0.weight": torch.ones(0, 4, 25)},
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused_by_its_official_name(tmp_path, message):
    file = saved(twin(tasks=4), tmp_path / "w", **REFUSED[message])
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        import_weights("bpaitac", file, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('a file was run')",)


def test_nothing_is_unpickled(tmp_path):
    file = tmp_path / "w"
    for content in (Bomb(), {"body.net.0.weight": Bomb()}, nn.Linear(2, 2)):
        torch.save(content, file)
        with pytest.raises(InputError, match="is damaged, or holds more than tensors"):
            import_weights("bpaitac", file, tmp_path / "run")
    file.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="is damaged, or holds more than tensors"):
        import_weights("bpaitac", file, tmp_path / "run")
    torch.save([torch.ones(2)], file)
    with pytest.raises(InputError, match="found list, expected the state dict"):
        import_weights("bpaitac", file, tmp_path / "run")


def test_a_damaged_file_is_an_error_or_has_numbers_that_a_file_can_hold(file, tmp_path):
    """Cut short it is refused; with other bytes it is refused, or read as what it then says."""
    whole = file.read_bytes()
    random = np.random.default_rng(0)
    for n in [0, 1, 10, 1000, *random.integers(1, len(whole), 8).tolist()]:
        file.write_bytes(whole[:n])
        with pytest.raises(InputError) as caught:
            import_weights("bpaitac", file, tmp_path / "run")
        assert "\n" not in str(caught.value)
    for _ in range(40):
        changed = bytearray(whole)
        for at in random.integers(0, len(whole), 3).tolist():
            changed[at] = int(random.integers(256))
        file.write_bytes(changed)
        with suppress(InputError):
            import_weights("bpaitac", file, tmp_path / "run", force=True)


def test_a_source_that_is_not_known(file, tmp_path):
    known = "bindvae, bpaitac, bpaitac-bias, danq, deepsea"
    with pytest.raises(InputError, match=f"found 'basset', expected .*: {known}"):
        import_weights("basset", file, tmp_path / "run")
    for alphabet in ("ACG", "ACGG", "ACGTN"):
        with pytest.raises(InputError, match="expected each of A C G T once"):
            import_weights("bpaitac", file, tmp_path / "run", alphabet=alphabet)
    for tasks in (["a"], ["a", "b", "c", "c"]):
        with pytest.raises(InputError, match="expected one for each of the 4 tasks"):
            import_weights("bpaitac", file, tmp_path / "run", tasks=tasks)
    with pytest.raises(InputError, match="No such file"):
        import_weights("bpaitac", tmp_path / "none", tmp_path / "run")


@pytest.mark.parametrize("source", ["bpaitac", "bpaitac-bias"])
def test_every_tensor_of_ours_has_an_official_name_of_its_own(tmp_path, source):
    made = twin(tasks=1, blocks=2)
    run = import_weights(source, saved(made, tmp_path / "w"), tmp_path / "run")
    names = [SOURCES[source].official(name) for name in run.network().state_dict()]
    assert len(set(names)) == len(names)
    with pytest.raises(KeyError):
        SOURCES[source].official("other.weight")


def test_command(file, tmp_path):
    np.save(tmp_path / "cells.npy", np.array(["B", "NK", "T", "DC"]))
    (tmp_path / "cells.txt").write_text("B\nNK\n\nT\nDC\n")
    for i, names in enumerate(("cells.npy", "cells.txt")):
        out = tmp_path / f"run{i}"
        arguments = [str(file), "--from", "bpaitac", "-o", str(out)]
        done = CliRunner().invoke(command, [*arguments, "--tasks-from", str(tmp_path / names)])
        assert done.exit_code == 0, done.output
        assert "bpaitac, 4 tasks, shift +4/-4" in done.output
        assert Run.open(out).about["tasks"] == ["B", "NK", "T", "DC"]
    np.save(tmp_path / "objects.npy", np.array([Bomb()], object), allow_pickle=True)
    done = CliRunner().invoke(command, [*arguments, "--tasks-from", str(tmp_path / "objects.npy")])
    assert isinstance(done.exception, InputError)
