# mypy: allow-untyped-calls
"""BindVAE: a Dirichlet variational autoencoder of gapped k-mers (Kshirsagar et al. 2021).

    encoder   features of a peak -> 300 -> 300 -> 300 -> topics, ReLU between
    eta       clip(softplus(encoder), 0.1, 1000)             posterior q(z | x) = Dirichlet(eta)
    alpha     clip(softplus(prior), 0.1, 1000)               prior p(z) = Dirichlet(alpha)
    theta     softmax over the features of each topic        p(feature | z) = z @ theta

The encoder takes raw counts. What a network sees of a peak are exact words; the first layer and the
likelihood follow their features (`native_kernels.gapped_linear`, `native_kernels.topic_nll`).

B = peaks, M = topics, D = features.
"""

import math
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.distributions import Dirichlet
from torch.nn import functional

from kmerengine.errors import InputError
from kmerengine.kmers.vocabulary import Vocabulary
from modelkit.config import Section
from modelkit.data.words import WordBatch
from native_kernels.gapped_linear import AdamStep, gapped_linear, gapped_linear_step
from native_kernels.topic_nll import TopicLoss, topic_nll, topic_nll_step

__all__ = ["BindVAE", "TopicNetwork", "TopicOutput", "dirichlet_divergence"]


class TopicNetwork(Section):
    """What the network is built of.

    Attributes
    ----------
    topics : int
        Latent dimensions.
    hidden : tuple of int
        Units of the encoder's layers.
    prior : float
        Concentration of the prior of every topic, before it is learnt.
    lowest, highest : float
        What concentrations are clipped to. A prior below `lowest` has no gradient.
    vocabulary : dict
        Kind, k, masks and strands of the features (`Vocabulary.spec`); by default BindVAE's.
    """

    topics: int = Field(default=100, ge=2)
    hidden: tuple[int, ...] = (300, 300, 300)
    prior: float = Field(default=10.0, gt=0)
    lowest: float = Field(default=0.1, gt=0)
    highest: float = Field(default=1000.0, gt=0)
    vocabulary: dict[str, Any] = Vocabulary.wildcard().spec

    @field_validator("vocabulary")
    @classmethod
    def _is_numbered(cls, spec: dict[str, Any]) -> dict[str, Any]:
        try:
            made = Vocabulary.from_spec(spec, Path("network.vocabulary"))
        except InputError as error:
            raise ValueError(str(error)) from error
        if not made.is_numbered:
            raise ValueError("its features must have numbers")
        return spec

    @model_validator(mode="after")
    def _in_order(self) -> "TopicNetwork":
        if not self.lowest < self.highest or not self.hidden or min(self.hidden) < 1:
            raise ValueError("network: lowest must be below highest, and hidden at least one layer")
        return self

    @cached_property
    def features(self) -> Vocabulary:
        """The vocabulary."""
        return Vocabulary.from_spec(self.vocabulary, Path("network.vocabulary"))


class TopicOutput(NamedTuple):
    """What is made of peaks."""

    concentrations: Tensor  # eta (B, M), float64
    proportions: Tensor  # z (B, M), float64: a sample, or what was asked for
    nll: Tensor  # (B,), nats, without the multinomial coefficient
    prior: Tensor  # alpha (M,), float64


class BindVAE(nn.Module):
    """The network.

    Parameters of the network: `embedding` (D, 300), the weights of the features, and its `bias`;
    `layers` of the encoder; `decoder` (D, M), logits of the features in each topic; `prior` (M,).

    Nearly all weights are in two matrices. On the CPU a training may take Adam's step on them while
    their gradient is made, see `modelkit.training.optimizer.TakesSteps`.
    """

    p_indptr: Tensor
    p_features: Tensor

    def __init__(self, options: TopicNetwork) -> None:
        super().__init__()
        self.options = options
        vocabulary, units = options.features, options.hidden
        n, topics = vocabulary.n_features, options.topics
        self.embedding = nn.Parameter(_glorot_normal(n, units[0]))
        self.bias = nn.Parameter(torch.zeros(units[0]))
        sizes = (*units, topics)
        self.layers = nn.ModuleList(_dense(a, b) for a, b in pairwise(sizes))
        self.decoder = nn.Parameter(_glorot_normal(n, topics))
        self.prior = nn.Parameter(torch.full((topics,), _first_prior(options)))
        indptr, features = vocabulary.projection.matrix
        self.takes_steps = False
        self.steps: dict[str, Callable[[Tensor, Tensor, AdamStep], None]] = {}
        self.register_buffer("p_indptr", torch.from_numpy(indptr), persistent=False)
        self.register_buffer("p_features", torch.from_numpy(features), persistent=False)

    def forward(self, batch: WordBatch, *, sample: bool = True) -> TopicOutput:
        """Concentrations, a sample of the proportions (or their mean), and how well it explains."""
        eta = self.concentrations(batch)
        posterior = Dirichlet(eta, validate_args=False)
        z = posterior.rsample() if sample else posterior.mean
        return TopicOutput(eta, z, self._nll(z.to(self.decoder.dtype), batch), self.alpha())

    def concentrations(self, batch: WordBatch) -> Tensor:
        """eta (B, M), float64: the divergence of large ones has no digits left in float32."""
        x = self.bias + self._embedded(batch)
        for layer in self.layers:
            x = layer(x.relu())
        return self.clipped(x)

    def alpha(self) -> Tensor:
        """Concentrations of the prior (M,), float64."""
        return self.clipped(self.prior)

    def theta(self) -> Tensor:
        """Probabilities of the features in each topic, (M, D)."""
        return self.decoder.softmax(0).T

    def _embedded(self, batch: WordBatch) -> Tensor:
        """The first layer without its bias, (B, units)."""
        weight, columns = self.embedding, batch.features
        y = gapped_linear(
            batch.indptr,
            batch.words,
            batch.counts,
            weight.detach() if self._fuses else weight,
            self.p_indptr,
            self.p_features,
            columns,
        )
        if self._fuses:
            assert columns is not None  # a batch that is trained on has features
            y.requires_grad_()
            self.steps["embedding"] = lambda mean, square, step: gapped_linear_step(
                weight, mean, square, columns, _gradient(y), step
            )
        return y

    def _nll(self, z: Tensor, batch: WordBatch) -> Tensor:
        logits = self.decoder
        if batch.features is None:
            raise InputError("batch: has no features, expected them for a likelihood")
        if not self._fuses:
            return topic_nll(z, logits, batch.features)
        found = TopicLoss.of(z, logits.detach(), batch.features)
        nll = found.nll
        nll.retain_grad()
        self.steps["decoder"] = lambda mean, square, step: topic_nll_step(
            logits, mean, square, found, _gradient(nll), step
        )
        return nll

    @property
    def _fuses(self) -> bool:
        return self.takes_steps and self.training and torch.is_grad_enabled()

    def clipped(self, raw: Tensor) -> Tensor:
        """Concentrations of what the encoder, or the prior, has before softplus; float64."""
        return functional.softplus(raw.double()).clamp(self.options.lowest, self.options.highest)


def dirichlet_divergence(eta: Tensor, alpha: Tensor) -> Tensor:
    """KL(Dirichlet(eta) || Dirichlet(alpha)) in nats, (...,) of (..., M) and (M,); float64.

        lnG(sum eta) - sum lnG(eta) - lnG(sum alpha) + sum lnG(alpha)
            + sum (eta - alpha) (psi(eta) - psi(sum eta))

    What rounding takes below 0 is 0.
    """
    eta, alpha = eta.double(), alpha.double()
    whole = eta.sum(-1)
    away = (eta - alpha) * (eta.digamma() - whole.digamma()[..., None])
    found = whole.lgamma() - eta.lgamma().sum(-1) - alpha.sum(-1).lgamma() + alpha.lgamma().sum(-1)
    return (found + away.sum(-1)).clamp(min=0)


def _gradient(values: Tensor) -> Tensor:
    assert values.grad is not None  # a step is taken after the loss's backward
    return values.grad


def _dense(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _glorot_normal(*shape: int) -> Tensor:
    return nn.init.xavier_normal_(torch.empty(shape))


def _first_prior(options: TopicNetwork) -> float:
    """The prior before softplus, of float32; one at a clip lies inside, where it has a gradient."""
    low, value, high = options.lowest, options.prior, options.highest
    raw = torch.tensor(value + math.log(-math.expm1(-value)))
    for outside, to in ((torch.lt, low), (torch.gt, high)):
        while low <= value <= high and outside(functional.softplus(raw.double()), to):
            raw = raw.nextafter(torch.tensor(math.inf if to == low else -math.inf))
    return float(raw)
