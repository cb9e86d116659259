"""BindVAE as it is written down (Kshirsagar et al. 2021): dense float32 PyTorch, fused Adam.

A batch is a dense matrix of the counts of all features. Encoder of three layers of 300 units, ReLU;
eta = clip(softplus, 0.1, 1000); a Dirichlet sample by implicit reparameterisation; p = z @ theta,
theta the softmax of logits; loss = - mean of (sum x ln p - KL). Written for the benchmark alone:
nothing of modelkit's model is in it but the sizes.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Dirichlet
from torch.nn import functional

FEATURES, UNITS, TOPICS = 112_800, 300, 100
RATE = 3e-4
LOWEST, HIGHEST = 0.1, 1000.0
PRIOR = 10.0


class Loss(NamedTuple):
    """Means over the batch, nats."""

    loss: Tensor
    reconstruction: Tensor
    divergence: Tensor


class DenseBindVAE(nn.Module):
    """The network; `prior` is not moved while it burns in."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (FEATURES, UNITS, UNITS, UNITS)
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.encoder = nn.Sequential(*layers, nn.Linear(UNITS, TOPICS))
        self.decoder = nn.Parameter(torch.empty(TOPICS, FEATURES))
        raw = PRIOR + math.log(-math.expm1(-PRIOR))  # softplus of it is the prior
        self.prior = nn.Parameter(torch.full((TOPICS,), raw), requires_grad=False)
        nn.init.xavier_normal_(self.decoder)
        for layer in self.encoder:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def concentrations(self, x: Tensor) -> Tensor:
        """eta (B, M) of dense counts (B, D)."""
        return functional.softplus(self.encoder(x)).clamp(LOWEST, HIGHEST)

    def forward(self, x: Tensor, *, sample: bool = True) -> Loss:
        """The loss of a batch; of the mean of the proportions where none are drawn."""
        posterior = Dirichlet(self.concentrations(x), validate_args=False)
        prior = Dirichlet(
            functional.softplus(self.prior).clamp(LOWEST, HIGHEST), validate_args=False
        )
        z = posterior.rsample() if sample else posterior.mean
        p = z @ self.decoder.softmax(1)
        reconstruction = -(x * p.log()).sum(1).mean()
        divergence = torch.distributions.kl_divergence(posterior, prior).mean()
        return Loss(reconstruction + divergence, reconstruction, divergence)


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Adam as PyTorch has it fastest."""
    held = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.Adam(held, RATE, fused=True)
