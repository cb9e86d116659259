"""A trained topic model, ready to tell the topics of many sequences.

The encoder's first layer is linear in the counts of exact words: what a word adds to it, the sum
of the weights of its features, is a row of `P @ W` (`native_kernels.gapped_linear`). For inference
that table is made once, 79 MB for BindVAE, and a sequence is a bag of its rows; nothing is dense.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from kmerengine import schemas
from kmerengine.errors import InputError
from modelkit.devices import chosen_device
from modelkit.models.bindvae import BindVAE
from modelkit.recipes.bindvae import BindVAEConfig
from modelkit.training.run import BEST, Run

__all__ = ["TopicModel", "proportions_of"]

MAX_TABLE = 1 << 29  # bytes of P @ W that are worth holding

Floats = npt.NDArray[np.float64]


class TopicModel:
    """A topic model and what it was made of.

    Attributes
    ----------
    run : Run
    config : BindVAEConfig
    network : BindVAE
        With its best weights.
    device : torch.device
    topics : tuple of str
        Names: topic_0, topic_1 ...
    """

    def __init__(self, run: Run | str | Path, device: str = "cpu") -> None:
        self.run = run if isinstance(run, Run) else Run.open(run)
        config = self.run.config
        if not isinstance(config, BindVAEConfig):
            raise InputError(
                f"{self.run.path}: is a run of {config.model}, which has no topics; expected one "
                "of bindvae"
            )
        self.config, self.device = config, chosen_device(device)
        network = self.run.network(self.device)
        assert isinstance(network, BindVAE)
        self.network = network
        self.topics = tuple(f"topic_{i}" for i in range(config.network.topics))
        self.vocabulary = config.network.features

    @property
    def provenance(self) -> dict[str, Any]:
        """Name and digest of the weights, for the files that are made with them."""
        return schemas.digest(self.run.path / BEST) | {"name": self.run.path.resolve().name}

    def columns(self, topics: Sequence[str]) -> npt.NDArray[np.int64]:
        """Numbers of topics, by default of all; InputError for one that the model lacks."""
        for each in topics:
            if each not in self.topics:
                raise InputError(
                    f"topics: found {each!r}, expected topic_0 to {self.topics[-1]}, as "
                    f"{self.run.path} has them"
                )
        chosen = dict.fromkeys(topics or self.topics)
        return np.array([self.topics.index(each) for each in chosen], np.int64)

    @torch.inference_mode()
    def of_words(
        self, indptr: npt.NDArray[np.int64], words: npt.NDArray[Any], counts: npt.NDArray[Any]
    ) -> Tensor:
        """What the encoder says of sequences by their exact words, before it is clipped.

        Parameters
        ----------
        indptr : int64, shape (n + 1,)
        words, counts : integers, shape (indptr[-1],)
            Packed words as `count_rows` makes them, and how often each occurs.

        Returns
        -------
        raw : float32, shape (n, M), on the device
            Of which `concentrations` makes eta.
        """
        found = words.astype(np.int64)
        table = self._table
        if table is None:
            distinct, found = np.unique(found, return_inverse=True)
            table = self._contributions(distinct)
        return self._encoded(table, indptr, found, counts)

    @torch.inference_mode()
    def of_features(
        self, indptr: npt.NDArray[Any], features: npt.NDArray[Any], counts: npt.NDArray[Any]
    ) -> Tensor:
        """The same by counts of features."""
        return self._encoded(self.network.embedding, indptr, features, counts)

    @torch.inference_mode()
    def of_windows(self, words: Tensor) -> Tensor:
        """The same of sequences that all have as many windows.

        Parameters
        ----------
        words : int64, shape (n, windows), on the device
            The packed word of each window, on either strand.
        """
        table = self._table
        if table is None:
            distinct, words = torch.unique(words, return_inverse=True)
            table = self._contributions(distinct.cpu().numpy())
        return self._topics(functional.embedding_bag(words, table, mode="sum"))

    def concentrations(self, raw: Tensor) -> Floats:
        """eta of raw outputs, float64, shape (n, M)."""
        found: Floats = self.network.clipped(raw).cpu().numpy()
        return found

    @cached_property
    def _table(self) -> Tensor | None:
        """P @ W, shape (4**k, units), or None where it is too large."""
        n_words = 4**self.vocabulary.k
        if n_words * self.network.embedding.shape[1] * 4 > MAX_TABLE:
            return None
        return self._contributions(np.arange(n_words))

    def _contributions(self, words: npt.NDArray[np.int64]) -> Tensor:
        """Rows of P @ W: the sum of the weights of each word's features."""
        with torch.inference_mode():
            indptr, features = self.vocabulary.projection.expand(words.astype(np.uint32))
            at = torch.from_numpy(features.astype(np.int64)).to(self.device)
            return functional.embedding_bag(
                at,
                self.network.embedding,
                torch.from_numpy(indptr).to(self.device),
                mode="sum",
                include_last_offset=True,
            )

    def _encoded(
        self,
        table: Tensor,
        indptr: npt.NDArray[Any],
        columns: npt.NDArray[Any],
        counts: npt.NDArray[Any],
    ) -> Tensor:
        bags = functional.embedding_bag(
            torch.from_numpy(columns.astype(np.int64)).to(self.device),
            table,
            torch.from_numpy(indptr.astype(np.int64)).to(self.device),
            mode="sum",
            per_sample_weights=torch.from_numpy(counts.astype(np.float32)).to(self.device),
            include_last_offset=True,
        )
        return self._topics(bags)

    def _topics(self, bags: Tensor) -> Tensor:
        x = self.network.bias + bags
        for layer in self.network.layers:
            x = layer(x.relu())
        return x


def proportions_of(concentrations: Floats) -> Floats:
    """Expected proportions, eta / sum(eta), of concentrations (..., M)."""
    found: Floats = concentrations / concentrations.sum(-1, keepdims=True)
    return found
