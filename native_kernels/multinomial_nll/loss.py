"""The loss of a profile model as a module: one number, and the two parts it is made of."""

from typing import NamedTuple

from torch import Tensor, nn

from native_kernels.multinomial_nll import multinomial_nll
from native_kernels.multinomial_nll._layout import Crop


class ProfileLossParts(NamedTuple):
    """Means over all profiles, of shape (); `loss` is their weighted sum."""

    loss: Tensor
    profile: Tensor
    total: Tensor


class ProfileLoss(nn.Module):
    """``profile_weight * mean(profile loss) + total_weight * mean(total loss)``.

    bpAI-TAC: the defaults, weights 1 - lambda and lambda. BPNet: ``per_profile=False``,
    ``constant=True``, ``log_counts=True`` and a `total_weight` of about half the mean total.
    The other options are those of `multinomial_nll`.
    """

    def __init__(
        self,
        *,
        profile_weight: float = 0.5,
        total_weight: float = 0.5,
        per_profile: bool = True,
        constant: bool = False,
        joint_strands: bool = False,
        log_counts: bool = False,
        crop: Crop = None,
    ) -> None:
        super().__init__()
        self.profile_weight = profile_weight
        self.total_weight = total_weight
        self.per_profile = per_profile
        self.constant = constant
        self.joint_strands = joint_strands
        self.log_counts = log_counts
        self.crop = crop

    def forward(
        self, logits: Tensor, counts: Tensor, predicted: Tensor, bias: Tensor | None = None
    ) -> ProfileLossParts:
        """Losses of one batch; 0 of an empty one. Shapes as of `multinomial_nll`."""
        losses = multinomial_nll(
            logits,
            counts,
            bias,
            predicted,
            per_profile=self.per_profile,
            constant=self.constant,
            joint_strands=self.joint_strands,
            log_counts=self.log_counts,
            crop=self.crop,
        )
        assert losses.total is not None  # predicted is given
        n = max(losses.profile.numel(), 1)
        profile, total = losses.profile.sum() / n, losses.total.sum() / n
        return ProfileLossParts(
            self.profile_weight * profile + self.total_weight * total, profile, total
        )
