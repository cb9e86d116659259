"""Bags of gapped k-mers of peaks, without labels: the training of a topic model.

    ELBO_i = sum_v x_iv ln p_iv - KL(q(z | x_i) || p(z));    loss = - mean over peaks of ELBO_i
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from kmerengine.errors import InputError
from modelkit.data.draws import Purpose, draw
from modelkit.data.options import rows_of, rows_of_splits
from modelkit.data.words import WordBatch, WordLoader, Words
from modelkit.models.bindvae import dirichlet_divergence
from modelkit.tasks.readouts import Readout
from modelkit.tasks.task import Losses, Observed, Rows
from native_kernels.kmer_count import count_rows

if TYPE_CHECKING:
    from kmerengine.datasets.folder import Dataset
    from modelkit.recipes.bindvae import BindVAEConfig

__all__ = ["TopicTask"]

SAMPLES = 0  # seed of the proportions that are drawn where a model is measured


class TopicTask:
    """Batches, loss and metrics of BindVAE.

    Attributes
    ----------
    names : tuple of str
        Of the topics.
    select, better, heads, skipped
        See `modelkit.tasks.task.Task`. Nothing can be attributed: what goes in are no sequences.
    """

    select = "loss"
    better: dict[str, Literal["max", "min"]] = {"loss": "min", "perplexity": "min"}  # noqa: RUF012
    heads: dict[str, Readout] = {}  # noqa: RUF012

    def __init__(self, config: "BindVAEConfig", dataset: "Dataset") -> None:
        self.vocabulary = config.network.features
        self.dataset = dataset
        self.names = tuple(f"topic_{i}" for i in range(config.network.topics))
        self._rows, self.skipped = rows_of_splits(dataset, config.data)
        self._words: Words | None = None

    def rows(self, split: str) -> Rows:
        """Examples of a split that can be used, ascending."""
        return rows_of(self._rows, split)

    @property
    def words(self) -> Words:
        """Counts of the exact words of every sequence of the data set."""
        if self._words is None:
            codes = self.dataset.sequence
            offsets = np.arange(len(codes) + 1, dtype=np.int64) * codes.shape[1]
            vocabulary = self.vocabulary
            found = count_rows(
                np.ascontiguousarray(codes).reshape(-1),
                offsets,
                vocabulary.k,
                stranded=vocabulary.stranded,
            )
            self._words = Words(*found)
        return self._words

    def batches(
        self,
        rows: Rows,
        *,
        training: bool,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
        device: torch.device,
    ) -> WordLoader:
        """Batches of these rows: shuffled for training, else as they are and all.

        Raises
        ------
        InputError
            Training on examples without any word: there is nothing to learn.
        """
        if training and not np.diff(self.words.indptr)[rows].any():
            raise InputError(
                f"{self.dataset.path}: found no word of {self.vocabulary.k} bases A C G T in "
                f"{len(rows)} examples, expected some to train on"
            )
        return WordLoader(
            self.words,
            self.vocabulary,
            rows,
            batch_size=batch_size,
            seed=seed,
            shuffle=training,
            rank=rank,
            ranks=ranks,
            device=device,
        )

    def inputs(self, batch: WordBatch) -> Tensor:  # noqa: ARG002
        """There is none of bases."""
        raise InputError("bindvae: takes counts of k-mers, expected a model of sequences")

    def losses(self, model: nn.Module, batch: WordBatch) -> Losses:
        """The loss of a batch, and its two parts."""
        found = model(batch)
        divergence = dirichlet_divergence(found.concentrations, found.prior)
        parts = {"reconstruction": found.nll.double().mean(), "divergence": divergence.mean()}
        return Losses(parts["reconstruction"] + parts["divergence"], parts)

    @torch.no_grad()
    def observe(self, model: nn.Module, batch: WordBatch) -> dict[str, Tensor]:
        """What `metrics` needs; proportions are drawn with a seed of the first row.

        Returns
        -------
        row, n_tokens, loss, reconstruction, divergence : (B,)
        """
        seed = draw(SAMPLES, 0, Purpose.STEP, batch.rows[:1].cpu().numpy())
        devices = [batch.rows.device] if batch.rows.is_cuda else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(int(seed[0]) >> 1)
            found = model(batch)
        divergence = dirichlet_divergence(found.concentrations, found.prior)
        nll = found.nll.double()
        return {
            "row": batch.rows,
            "n_tokens": batch.n_tokens,
            "loss": nll + divergence,
            "reconstruction": nll,
            "divergence": divergence,
        }

    def metrics(self, observed: Observed) -> dict[str, float]:
        """Numbers that judge a model on examples.

        Returns
        -------
        loss, reconstruction, divergence
            Means over the peaks, nats.
        perplexity
            exp(mean of loss / tokens), over the peaks with a token.
        n_without_words
            The number of other peaks.
        """
        names = ("loss", "reconstruction", "divergence")
        found = {name: float(np.mean(observed[name], dtype=np.float64)) for name in names}
        has = observed["n_tokens"] > 0
        share = observed["loss"][has] / observed["n_tokens"][has]
        found["perplexity"] = float(np.exp(share.mean())) if has.any() else float("nan")
        return found | {"n_without_words": float((~has).sum())}

    def by_name(self, observed: Observed) -> Observed:  # noqa: ARG002
        """Nothing: topics have no measure of their own."""
        return {}

    def by_example(self, observed: Observed) -> Observed:
        """Loss and its two parts of each peak, (n,)."""
        names = ("loss", "reconstruction", "divergence")
        return {name: observed[name].astype(np.float64) for name in names}
