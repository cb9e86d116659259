"""BindVAE's variables, under TensorFlow's names, against the authors' formulas in NumPy."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from kmerengine import InputError, Vocabulary, count_sequences
from modelkit.data.words import WordBatch, Words
from modelkit.weights.import_weights import import_weights
from native_kernels.kmer_count import count_rows

D, HIDDEN, TOPICS = 112_801, (6, 5, 4), 3
SEQUENCES = ["ACGTTGCATTAGCCA" * 13, "GGGCATTCAGTTATACCGATAGCAT" * 8, "ACGTACGTACGTTTTTTTTT" * 10]


def variables():
    """What a small model of theirs may hold: feature 0 is 'EMPTY'."""
    rng = np.random.default_rng(0)
    sizes = (D, *HIDDEN, TOPICS)
    found = {}
    for i, (a, b) in enumerate(pairwise(sizes)):
        name = "dense" if i == 0 else f"dense_{i}"
        found[f"{name}/kernel"] = rng.normal(0, 0.3, (a, b)).astype(np.float32)
        found[f"{name}/bias"] = rng.normal(0, 0.3, b).astype(np.float32)
    found["topics_kmers"] = rng.normal(0, 1, (TOPICS, D - 1)).astype(np.float32)
    found["concentration"] = rng.normal(3, 1, (1, TOPICS)).astype(np.float32)
    return found


def saved(path, held, **more):
    np.savez(path, **{**held, **more})
    return path


def theirs(held, counts):
    """Concentrations, probabilities of the features of each topic, and the prior, by hand."""
    x = np.concatenate([np.zeros((len(counts), 1)), counts], 1)  # EMPTY
    for i in range(len(HIDDEN) + 1):
        name = "dense" if i == 0 else f"dense_{i}"
        x = x @ held[f"{name}/kernel"].astype(np.float64) + held[f"{name}/bias"]
        x = np.maximum(x, 0) if i < len(HIDDEN) else np.clip(np.logaddexp(0, x), 0.1, 1000)
    logits = np.concatenate([held["topics_kmers"], np.zeros((TOPICS, 1))], 1).astype(np.float64)
    theta = np.exp(logits - logits.max(1, keepdims=True))
    return x, theta / theta.sum(1, keepdims=True), np.clip(
        np.logaddexp(0, held["concentration"][0].astype(np.float64)), 0.1, 1000
    )


def test_outputs_are_theirs(tmp_path):
    held = variables()
    run = import_weights("bindvae", saved(tmp_path / "w.npz", held), tmp_path / "run")
    assert run.config.network.hidden == HIDDEN
    assert run.about["tasks"] == ["topic_0", "topic_1", "topic_2"]
    vocabulary = Vocabulary.wildcard()
    counts = count_sequences(SEQUENCES).features().toarray().astype(np.float64)
    eta, theta, alpha = theirs(held, counts)
    codes = [np.array(["ACGT".index(base) for base in each], np.uint8) for each in SEQUENCES]
    offsets = np.cumsum([0, *map(len, codes)])
    words = Words(*count_rows(np.concatenate(codes), offsets, 8))
    batch = WordBatch.of(np.arange(len(SEQUENCES)), words, vocabulary, torch.device("cpu"))
    network = run.network()
    with torch.inference_mode():
        found = network.concentrations(batch).numpy()
        of_topics, prior = network.theta().double().numpy(), network.alpha().numpy()
    assert np.ptp(eta) > 1
    assert np.allclose(found, eta, rtol=1e-5)
    without_empty = theta[:, 1:] / theta[:, 1:].sum(1, keepdims=True)
    assert np.allclose(of_topics, without_empty, rtol=1e-4)
    assert np.allclose(prior, alpha, rtol=1e-5)


def test_scopes_and_the_optimizer_s_variables_do_not_matter(tmp_path):
    held = variables()
    plain = import_weights("bindvae", saved(tmp_path / "a.npz", held), tmp_path / "a")
    scoped = {f"model/encoder/{name}:0": array for name, array in held.items()}
    scoped["dense/kernel/Adam"] = held["dense/kernel"]
    scoped["global_step"] = np.array(7)
    other = import_weights("bindvae", saved(tmp_path / "b.npz", scoped), tmp_path / "b")
    for one, two in zip(
        plain.network().state_dict().values(), other.network().state_dict().values(), strict=True
    ):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held.pop("topics_kmers"), "lacks the tensor topics_kmers"),
        (lambda held: held.pop("dense_1/bias"), "lacks the tensor dense_1/bias"),
        (lambda held: held.update(other=np.zeros(2)), "other is no variable of it"),
        (
            lambda held: held.update({"dense/kernel": held["dense/kernel"][:-1]}),
            r"embedding: found shape \(112799, 6\), expected \(112800, 6\)",
        ),
    ],
)
def test_what_does_not_fit(tmp_path, change, message):
    held = variables()
    change(held)
    with pytest.raises(InputError, match=message):
        import_weights("bindvae", saved(tmp_path / "w.npz", held), tmp_path / "run")


def test_there_are_no_bases_to_order(tmp_path):
    with pytest.raises(InputError, match="bindvae takes no bases"):
        import_weights("bindvae", tmp_path / "w.npz", tmp_path / "run", alphabet="AGCT")


def test_nothing_is_unpickled(tmp_path):
    path = saved(tmp_path / "w.npz", variables(), evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="is damaged, or holds more than tensors"):
        import_weights("bindvae", path, tmp_path / "run")
