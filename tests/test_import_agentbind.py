"""AgentBind's variables, under TensorFlow's names, against its formulas in NumPy."""

import agentbind_oracle as oracle
import numpy as np
import pytest
import torch

from kmerengine import InputError
from modelkit.weights.import_weights import import_weights

BASES = 4
AVERAGE = "/ExponentialMovingAverage"


def variables(model, seed=0):
    """What a small model of theirs may hold, at 1,000 bp and two classes."""
    rng = np.random.default_rng(seed)
    found = {}

    def layer(scope, shape, sd):
        found[f"{scope}/weights"] = rng.normal(0, sd, shape)
        found[f"{scope}/biases"] = rng.normal(0, 0.3, shape[-1])

    def norm(scope, n):
        for name, low in (("gamma", 0.5), ("beta", -0.3), ("moving_mean", -0.2),
                          ("moving_variance", 0.5)):  # fmt: skip
            found[f"{scope}/batch_normalization/{name}"] = low + rng.random(n)

    if model == "danq":
        layer("conv1", (26, BASES, 6), 0.3)
        for way in ("fw", "bw"):
            scope = f"brnn/bidirectional_rnn/{way}/lstm_cell"
            found[f"{scope}/kernel"] = rng.normal(0, 0.4, (6 + 5, 4 * 5))
            found[f"{scope}/bias"] = rng.normal(0, 0.4, 4 * 5)
        layer("fc1", (75 * 10, 7), 0.1)
    else:
        for i, (a, b) in enumerate(((BASES, 5), (5, 6), (6, 3)), 1):
            layer(f"conv{i}", (8, a, b), 0.3)
            norm(f"conv{i}", b)
        layer("fc1", (63 * 3, 7), 0.1)
        norm("fc1", 7)
    layer("fc2", (7, 2), 0.5)
    return {name: value.astype(np.float32) for name, value in found.items()}


def saved(path, held, **more):
    np.savez(path, **{**held, **more})
    return path


def sequences(n, order):
    """The same sequences in our channels, (n, 4, bp), and in theirs, (n, bp, 4)."""
    codes = np.random.default_rng(1).integers(0, 4, (n, 1000))
    ours = np.eye(4)[codes]
    theirs = ours[:, :, ["ACGT".index(base) for base in order]]
    return torch.from_numpy(ours.transpose(0, 2, 1).copy()).float(), theirs


@pytest.mark.parametrize("order", [None, "AGCT"])
@pytest.mark.parametrize("model", ["danq", "deepsea"])
def test_outputs_are_theirs(model, order, tmp_path):
    held = variables(model)
    run = import_weights(model, saved(tmp_path / "w.npz", held), tmp_path / "run", alphabet=order)
    assert run.about["tasks"] == ["class_0", "class_1"]
    assert run.about["off_by_two"] is False
    assert run.config.network.length == 1000
    x, theirs = sequences(3, order or "ATCG")
    expected = {"danq": oracle.danq, "deepsea": oracle.deepsea}[model](held, theirs)
    with torch.inference_mode():
        found = run.network()(x).numpy()
    assert np.ptp(expected) > 0.05
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", ["danq", "deepsea"])
def test_averages_are_taken_and_the_optimizer_s_variables_do_not_matter(model, tmp_path):
    held = variables(model)
    plain = import_weights(model, saved(tmp_path / "a.npz", held), tmp_path / "a")
    theirs = {f"scope/{name}:0": array + (1 if "moving" not in name else 0)
              for name, array in held.items()}  # fmt: skip
    theirs |= {f"scope/{name}{AVERAGE}": array for name, array in held.items()
               if "moving" not in name}  # fmt: skip
    theirs["conv1/weights/Adam_1"] = np.zeros(3)
    theirs |= {"global_step": np.array(7), "beta1_power": np.array(0.9)}
    other = import_weights(model, saved(tmp_path / "b.npz", theirs), tmp_path / "b")
    for name, value in plain.network().state_dict().items():
        assert torch.equal(value, other.network().state_dict()[name]), name


CELL = "brnn/bidirectional_rnn/bw/lstm_cell"


@pytest.mark.parametrize(("model", "change", "message"), [
    ("danq", lambda h: h.pop("fc2/biases"), "lacks the tensor fc2/biases"),
    ("danq", lambda h: h.pop(f"{CELL}/kernel"), f"lacks the tensor {CELL}/kernel"),
    ("danq", lambda h: h.update(other=np.zeros(2)), "other is no variable of it"),
    ("danq", lambda h: h.update({"fc1/weights": h["fc1/weights"][:-10]}),
     "fc1/weights has 740 inputs, which 1000 bp do not give; give its --length"),
    ("danq", lambda h: h.update({f"{CELL}/kernel": h[f"{CELL}/kernel"][:, :-1]}),
     r"lstm_cell has a kernel \(11, 19\) and a bias \(20,\)"),
    ("danq", lambda h: h.update({"conv1/weights": h["conv1/weights"][0]}),
     r"conv1/weights is \(4, 6\), expected 3 axes"),
    ("danq", lambda h: h.update({"fc2/weights": h["fc2/weights"][:-1]}), "found shape"),
    ("danq", lambda h: h.update({"conv1/batch_normalization/gamma": np.ones(6)}),
     "conv1/batch_normalization/gamma is no variable of it"),
    ("deepsea", lambda h: h.pop("conv2/batch_normalization/moving_mean"),
     "lacks the tensor conv2/batch_normalization/moving_mean"),
    ("deepsea", lambda h: h.update({"conv4/biases": np.zeros(3)}),
     "conv4/biases is no variable of it"),
    ("deepsea", lambda h: h.update({"fc1/weights": h["fc1/weights"][:-1]}),
     "fc1/weights has 188 inputs"),
])  # fmt: skip
def test_what_does_not_fit(model, change, message, tmp_path):
    held = variables(model)
    change(held)
    with pytest.raises(InputError, match=message) as caught:
        import_weights(model, saved(tmp_path / "w.npz", held), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_other_lengths_are_asked_for(tmp_path):
    path = saved(tmp_path / "w.npz", variables("danq"))
    for length in (1000, 1012):  # 75 windows of 13 positions
        run = import_weights("danq", path, tmp_path / str(length), length=length)
        assert run.config.network.length == length
    for length in (999, 1013):
        with pytest.raises(InputError, match="give its --length"):
            import_weights("danq", path, tmp_path / str(length), length=length)
