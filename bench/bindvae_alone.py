"""BindVAE on the CPU, alone: `python -m bench.bindvae_alone JOB BY WORK`.

Jobs: "train", so many steps of 128 peaks from counts of words in memory; "infer", the proportions
of so many peaks. Peaks are 200 uniform bases; the words are counted before the clock starts, each
batch is made while it runs. By "modelkit", or "dense": `bench.bindvae_dense`. Both start from the
same weights, and say the loss of the first batch at the mean of its proportions and after the steps
that are not timed.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from bench.bindvae_dense import FEATURES, DenseBindVAE, optimizer
from kmerengine.kmers.vocabulary import Vocabulary
from modelkit.data.words import WordBatch, WordLoader, Words
from modelkit.models.bindvae import BindVAE, TopicNetwork, dirichlet_divergence
from modelkit.recipes.bindvae import BindVAEConfig
from modelkit.training.optimizer import Stepper
from native_kernels.kmer_count import count_rows

BATCH, LENGTH = 128, 200
BEFORE = 2  # steps before the clock: compiling, and memory that is touched for the first time
INFER_BATCH = 8192  # what each word contributes is added up once a batch
CPU = torch.device("cpu")
TOPICS, PROBES = 100, 54_000  # of the paper


def words_of(n: int) -> Words:
    """Counts of n peaks."""
    codes = np.random.default_rng(0).integers(0, 4, n * LENGTH).astype(np.uint8)
    return Words(*count_rows(codes, np.arange(n + 1) * LENGTH, 8))


def same_weights(ours: BindVAE, dense: DenseBindVAE) -> None:
    """Those of `ours` in both."""
    first, *others = (layer for layer in dense.encoder if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        first.weight.copy_(ours.embedding.T)
        dense.decoder.copy_(ours.decoder.T)
        for layer, other in zip(others, ours.layers, strict=True):
            layer.weight.copy_(other.weight)


def train(by: str, steps: int) -> tuple[float, dict[str, str]]:
    """Seconds of so many steps, and what both must agree on."""
    torch.manual_seed(0)
    network = BindVAE(TopicNetwork())
    words = words_of(BATCH * (steps + BEFORE + 1))
    vocabulary = network.options.features
    loader = WordLoader(words, vocabulary, np.arange(len(words.indptr) - 1), batch_size=BATCH)
    first = WordBatch.of(np.arange(BATCH), words.take(np.arange(BATCH)), vocabulary, CPU)
    if by == "dense":
        dense = DenseBindVAE()
        same_weights(network, dense)
        del network
        adam = optimizer(dense)

        def loss_of(x: Tensor) -> float:
            with torch.no_grad():
                return float(dense(x, sample=False).loss)

        def step(x: Tensor) -> None:
            adam.zero_grad()
            dense(x).loss.backward()
            adam.step()

        batches: Iterator[Tensor] = map(densely, loader.batches(1))
        seconds, losses = timed(step, loss_of, batches, densely(first), steps)
    else:
        network.train()
        stepper = Stepper(network, BindVAEConfig().training)

        def our_loss(batch: WordBatch, *, sample: bool) -> Tensor:
            found = network(batch, sample=sample)
            away = dirichlet_divergence(found.concentrations, found.prior).mean()
            return found.nll.double().mean() + away

        def our_loss_of(batch: WordBatch) -> float:
            with torch.no_grad():
                return float(our_loss(batch, sample=False))

        def our_step(batch: WordBatch) -> None:
            our_loss(batch, sample=True).backward()
            stepper.step()

        seconds, losses = timed(our_step, our_loss_of, loader.batches(1), first, steps)
    # samples differ: few figures after the steps
    return seconds, {"loss": f"{losses[0]:.6g}", "after": f"{losses[1]:.4g}"}


def densely(batch: WordBatch) -> Tensor:
    """The counts of all features."""
    assert batch.features is not None
    return batch.features.dense(len(batch.rows), torch.float32)


def timed(
    step: Callable[..., None],
    loss_of: Callable[..., float],
    batches: Iterator[object],
    first: object,
    steps: int,
) -> tuple[float, list[float]]:
    """Seconds of the later steps, and losses of the first batch before and after the others."""
    losses = [loss_of(first)]
    for _ in range(BEFORE):
        step(next(batches))
    losses.append(loss_of(first))
    start = time.perf_counter()
    for _ in range(steps):
        step(next(batches))
    return time.perf_counter() - start, losses


@torch.no_grad()
def infer(by: str, peaks: int) -> tuple[float, dict[str, str]]:
    """Seconds of the proportions of so many peaks."""
    torch.manual_seed(0)
    network = BindVAE(TopicNetwork()).eval()
    vocabulary = network.options.features
    words = words_of(peaks)
    dense = DenseBindVAE().eval() if by == "dense" else None
    if dense is not None:
        same_weights(network, dense)

    def some(first: int, last: int) -> Tensor:
        rows = np.arange(first, min(last, peaks))
        batch = WordBatch.of(rows, words.take(rows), vocabulary, CPU, features=dense is not None)
        eta = (
            network.concentrations(batch) if dense is None else dense.concentrations(densely(batch))
        )
        return eta / eta.sum(1, keepdim=True)

    size = INFER_BATCH if dense is None else BATCH
    some(0, BATCH)
    start = time.perf_counter()
    found = torch.cat([some(at, at + size) for at in range(0, peaks, size)])
    seconds = time.perf_counter() - start
    mean = found.double().mean(0)
    return seconds, {"peaks": str(len(found)), "largest": f"{float(mean.max()):.4g}"}


def map_factors(_: str, tests: int) -> tuple[float, dict[str, str]]:
    """Seconds of Algorithm 1 at the paper's size, so many factors and topics of random values."""
    from modelkit import topic_map

    rng = np.random.default_rng(0)
    factors = tests // TOPICS
    values = np.maximum(rng.gamma(0.3, size=(PROBES, TOPICS)), 0.1)
    labels = [str(i) for i in rng.integers(0, factors, PROBES)]
    topic_map(values[:1000], labels[:1000])  # compiles
    start = time.perf_counter()
    found = topic_map(values, labels)
    return time.perf_counter() - start, {"tests": str(found.p.size)}


def main(job: str, by: str, work: int) -> None:
    """Use the cores that this process may use, and print a line."""
    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    assert Vocabulary.wildcard().n_features == FEATURES
    seconds, facts = {"train": train, "infer": infer, "map": map_factors}[job](by, work)
    print(json.dumps({"seconds": seconds, **facts}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
