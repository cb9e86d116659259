"""What attributions are of: one number per task, read off the output of a network."""

from typing import Any

import torch
from torch import Tensor, nn

from modelkit.models.bpaitac import ProfileOutput

__all__ = ["LogitReadout", "ProbabilityReadout", "ProfileReadout", "Readout", "TotalReadout"]


class Readout(nn.Module):
    """Output of a network to (B, T); what is not linear in it must be a module."""

    def anchor(self, output: Any) -> Tensor | None:  # noqa: ARG002
        """What is taken as given of the output for the sequence itself, one row each; or None."""
        return None

    def forward(self, output: Any, anchor: Tensor | None = None) -> Tensor:
        """One number per row and task; `anchor` has as many rows as the output."""
        raise NotImplementedError


class TotalReadout(Readout):
    """Predicted cuts in the window."""

    def forward(self, output: ProfileOutput, anchor: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(B, T)."""
        assert output.totals is not None  # a task offers what its network has
        return output.totals


class ProfileReadout(Readout):
    """Logits of a profile, less their mean, weighted by its probabilities, without any bias:

        sum_j p_j (z_j - mean z)      p = softmax(z), taken as given

    as BPNet (Avsec et al. 2021) has it.
    """

    def anchor(self, output: ProfileOutput) -> Tensor:
        """The probabilities (B, T, N)."""
        assert output.logits is not None
        wide = torch.promote_types(output.logits.dtype, torch.float32)
        return output.logits.detach().to(wide).softmax(-1)

    def forward(self, output: ProfileOutput, anchor: Tensor | None = None) -> Tensor:
        """(B, T)."""
        logits = output.logits
        assert logits is not None  # a task offers what its network has
        p = self.anchor(output) if anchor is None else anchor
        return ((logits - logits.mean(-1, keepdim=True)) * p).sum(-1)


class LogitReadout(Readout):
    """Logits of labels, as they are."""

    def forward(self, output: Tensor, anchor: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(B, K)."""
        return output


class ProbabilityReadout(Readout):
    """Probabilities of labels."""

    def __init__(self) -> None:
        super().__init__()
        self.sigmoid = nn.Sigmoid()

    def forward(self, output: Tensor, anchor: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(B, K)."""
        found: Tensor = self.sigmoid(output)
        return found
