"""AgentBind's two networks by TensorFlow's formulas, in NumPy's float64 with loops.

Variables are named and shaped as in its checkpoints; sequences are (n, bp, bases) in the order that
the first kernel has.
"""

import math

import numpy as np

FORGET = 1.0  # LSTMCell's forget_bias
EPS = 1e-3  # of tf.layers.batch_normalization


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


def conv(x, kernel, bias, padding):
    """tf.nn.conv1d: "SAME" has the smaller half of what lacks on the left."""
    kernel, width = kernel.astype(np.float64), len(kernel)
    left = (width - 1) // 2 if padding == "SAME" else 0
    n = x.shape[1] if padding == "SAME" else x.shape[1] - width + 1
    y = np.zeros((len(x), n, kernel.shape[2])) + bias
    for out in range(n):
        for tap in range(width):
            at = out - left + tap
            if 0 <= at < x.shape[1]:
                y[:, out] += x[:, at] @ kernel[tap]
    return y


def pool(x, size, padding):
    """tf.nn.pool of maxima, as many positions apart as each is of."""
    length = x.shape[1]
    n = math.ceil(length / size) if padding == "SAME" else length // size
    left = max(n * size - length, 0) // 2
    windows = [range(max(i * size - left, 0), min((i + 1) * size - left, length)) for i in range(n)]
    return np.stack([x[:, list(each)].max(1) for each in windows], 1)


def lstm(x, kernel, bias):
    hidden = kernel.shape[1] // 4
    kernel, bias = kernel.astype(np.float64), bias.astype(np.float64)
    h, c = np.zeros((len(x), hidden)), np.zeros((len(x), hidden))
    outputs = []
    for t in range(x.shape[1]):
        gates = np.concatenate([x[:, t], h], 1) @ kernel + bias
        i, j, f, o = (gates[:, k * hidden : (k + 1) * hidden] for k in range(4))
        c = sigmoid(f + FORGET) * c + sigmoid(i) * np.tanh(j)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, 1)


def norm(x, held, scope, *, training):
    """Over all but the last axis; of the batch while training."""
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    gamma, beta, mean, variance = (
        held[f"{scope}/batch_normalization/{name}"].astype(np.float64) for name in names
    )
    if training:
        axes = tuple(range(x.ndim - 1))
        mean = x.mean(axes)
        variance = ((x - mean) ** 2).mean(axes)
    return gamma * (x - mean) / np.sqrt(variance + EPS) + beta


def dense(x, held, scope):
    return x @ held[f"{scope}/weights"].astype(np.float64) + held[f"{scope}/biases"]


def danq(held, x, *, size=13):
    """Logits of DanQ without dropout."""
    x = relu(conv(x, held["conv1/weights"], held["conv1/biases"], "VALID"))
    return danq_behind_the_pool(held, pool(x, size, "VALID"))


def danq_behind_the_pool(held, x):
    cell = "brnn/bidirectional_rnn/{}/lstm_cell/{}"
    both = [
        lstm(each, held[cell.format(way, "kernel")], held[cell.format(way, "bias")])
        for way, each in (("fw", x), ("bw", x[:, ::-1]))
    ]
    x = np.concatenate([both[0], both[1][:, ::-1]], 2)
    return dense(relu(dense(x.reshape(len(x), -1), held, "fc1")), held, "fc2")


def deepsea(held, x, *, pools=(4, 4, 1), training=False):
    """Logits of DeepSEA without dropout."""
    for i, size in enumerate(pools):
        scope = f"conv{i + 1}"
        x = conv(x, held[f"{scope}/weights"], held[f"{scope}/biases"], "SAME")
        x = pool(relu(norm(x, held, scope, training=training)), size, "SAME")
    x = relu(norm(dense(x.reshape(len(x), -1), held, "fc1"), held, "fc1", training=training))
    return dense(x, held, "fc2")


def variables_of_danq(network):
    """The variables that a network of ours would have there."""
    held = {name: each.detach().double().numpy() for name, each in network.state_dict().items()}
    found = {}
    found["conv1/weights"] = np.moveaxis(held["convs.0.weight"], (2, 1, 0), (0, 1, 2))
    found["conv1/biases"] = held["convs.0.bias"]
    for way, end in (("fw", "_l0"), ("bw", "_l0_reverse")):
        joined = np.concatenate(
            [held[f"lstm.weight_ih{end}"], held[f"lstm.weight_hh{end}"]], 1
        )  # (4 hidden, in + hidden), of gates i, f, g, o
        bias = held[f"lstm.bias_ih{end}"] + held[f"lstm.bias_hh{end}"]
        i, f, g, o = np.split(joined, 4)
        i_0, f_0, g_0, o_0 = np.split(bias, 4)
        scope = f"brnn/bidirectional_rnn/{way}/lstm_cell"
        found[f"{scope}/kernel"] = np.concatenate([i, g, f, o]).T
        found[f"{scope}/bias"] = np.concatenate([i_0, g_0, f_0 - FORGET, o_0])
    for scope, name in (("fc1", "dense"), ("fc2", "output")):
        found[f"{scope}/weights"] = held[f"{name}.weight"].T
        found[f"{scope}/biases"] = held[f"{name}.bias"]
    return found


def variables_of_deepsea(network):
    held = {name: each.detach().double().numpy() for name, each in network.state_dict().items()}
    found = {}
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
             "moving_variance": "running_var"}  # fmt: skip
    layers = {f"conv{i + 1}": f"convs.{i}" for i in range(3)} | {"fc1": "dense"}
    for scope, ours in layers.items():
        weight = np.moveaxis(held[f"{ours}.weight"], (2, 1, 0), (0, 1, 2))
        found[f"{scope}/weights"] = weight if scope != "fc1" else weight[0]
        found[f"{scope}/biases"] = held[f"{ours}.bias"]
        for theirs, name in names.items():
            found[f"{scope}/batch_normalization/{theirs}"] = held[f"{ours}.norm.{name}"]
    found["fc2/weights"], found["fc2/biases"] = held["output.weight"].T, held["output.bias"]
    return found
