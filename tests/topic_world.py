"""Topic models whose answers are known, and what they say of sequences, in plain Python."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import oracles
import torch

from kmerengine import Motif, Vocabulary
from modelkit.models.bindvae import BindVAE
from modelkit.recipes.bindvae import BindVAEConfig
from modelkit.training.run import Run

ABOUT = {"shift": None, "off_by_two": False, "tasks": []}

# no two of them are alike; none is its own reverse complement
MOTIFS = ("CTTATCTCGA", "ATGACTCAGT", "ACCGGAAGTG", "TGTTTACAAG")


def word_motif(name: str, word: str, sure: float = 0.91) -> Motif:
    rest = (1 - sure) / 3
    rows = [[sure if base == each else rest for base in "ACGT"] for each in word]
    return Motif(name=name, probabilities=np.array(rows))


def save_run(path: Path, model: BindVAE, network: dict[str, Any]) -> Run:
    config = BindVAEConfig().changed({"network": network})
    return Run.create(path, config, model, ABOUT, force=True)


def random_run(
    path: Path, *, vocabulary: Vocabulary | None = None, scale: float = 8.0, **network: Any
) -> Run:
    """A network of random weights, large enough for topics to differ."""
    made = {"topics": 7, "hidden": [11, 9], **network}
    made["vocabulary"] = (vocabulary or Vocabulary.wildcard(5, 2)).spec
    config = BindVAEConfig().changed({"network": made})
    torch.manual_seed(3)
    model = BindVAE(config.network)
    with torch.no_grad():
        model.embedding.mul_(scale)
        model.decoder.mul_(20)
        for each in (model.bias, *(layer.bias for layer in model.layers)):
            each.normal_()
        model.prior.normal_(2, 1)
    return save_run(path, model, made)


def motif_run(path: Path, motifs: Sequence[Motif], *, silent: int = 0) -> Run:
    """Topic t answers to motif t, and its features are those of the motif; then silent topics.

    The one hidden unit of a topic adds up how well the exact words of a sequence fit its motif.
    """
    n = len(motifs) + silent
    made = {"topics": n, "hidden": [n]}
    config = BindVAEConfig().changed({"network": made})
    model = BindVAE(config.network)
    vocabulary = config.network.features
    words = vocabulary.words()
    exact = np.flatnonzero(vocabulary.n_wildcards() == 0)
    codes = np.array([["ACGT".index(base) for base in words[i]] for i in exact.tolist()])
    weights = np.zeros((vocabulary.n_features, n), np.float32)
    for t, motif in enumerate(motifs):
        fit = _fit(motif, codes)
        weights[exact, t] = np.maximum(0, fit - 0.25 * fit.max())
    with torch.no_grad():
        model.embedding.copy_(torch.from_numpy(weights))
        model.decoder.copy_(torch.from_numpy(weights))
        layer: Any = model.layers[0]
        layer.weight.copy_(torch.eye(n))
        layer.bias.fill_(-10)
        layer.bias[:] -= 1e-3 * torch.arange(n)
        model.prior.copy_(torch.arange(n).float())
    return save_run(path, model, made)


def _fit(motif: Motif, codes: np.ndarray) -> np.ndarray:
    """Best log-odds of words at any place inside a motif that is no shorter, on either strand."""
    best = np.full(len(codes), -np.inf)
    k = codes.shape[1]
    for strand in (motif, motif.reverse_complement()):
        odds = strand.log_odds()
        for start in range(len(odds) - k + 1):
            best = np.maximum(best, odds[np.arange(start, start + k), codes].sum(1))
    return best


def planted(seed: int, n: int, length: int, word: str) -> list[str]:
    """Random sequences with one word each, on either strand."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]
    for i, text in enumerate(texts):
        at = int(rng.integers(0, length - len(word) + 1))
        said = word if i % 2 else oracles.mirrored(word)
        texts[i] = text[:at] + said + text[at + len(word) :]
    return texts


def slow_concentrations(
    run: Run, sequences: Sequence[str], masks: Sequence[str]
) -> list[list[float]]:
    """eta of sequences: strings counted in a dict, and a network in plain loops of float64."""
    model: Any = run.network()
    network: Any = run.config.network
    words = network.features.words().tolist()
    names = {oracles.canonical(word): i for i, word in enumerate(words)}
    embedding = model.embedding.detach().double().numpy()
    first = model.bias.detach().double().numpy()
    layers = [
        [each.detach().double().numpy() for each in (layer.weight, layer.bias)]
        for layer in model.layers
    ]
    found = []
    for sequence in sequences:
        x = first.copy()
        for word, n in oracles.gapped(sequence, list(masks)).items():
            x += n * embedding[names[oracles.canonical(word)]]
        for weight, bias in layers:
            x = weight @ np.maximum(x, 0) + bias
        softplus = [max(v, 0) + math.log1p(math.exp(-abs(v))) for v in x.tolist()]
        found.append([min(max(v, network.lowest), network.highest) for v in softplus])
    return found
