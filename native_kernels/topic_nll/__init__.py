"""Negative log-likelihood of bags of features under a mixture of topics.

    theta_m = softmax(logits[:, m])            a distribution over the features for each topic
    nll_i   = - sum_v x_iv * ln(sum_m z_im * theta_mv)

Only features that row i has (x_iv > 0) are looked at. The multinomial coefficient, which depends on
the counts alone, is left out, as in BindVAE (Kshirsagar et al. 2021).

With r_iv = x_iv / p_iv and the loss's upstream gradient u_i, the gradients are

    dz_im      = - u_i sum_v r_iv theta_mv
    dlogits_vm = - theta_mv (sum_i u_i r_iv z_im + sum_i z_im dz_im)

so that three passes over the logits are enough: the softmax's sums; p, loss and dz; dlogits.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from native_kernels._adam import AdamStep
from native_kernels.gapped_linear.columns import Columns
from native_kernels.topic_nll import _ops
from native_kernels.topic_nll.reference import topic_nll_reference

__all__ = ["TopicLoss", "topic_nll", "topic_nll_reference", "topic_nll_step"]


def topic_nll(proportions: Tensor, logits: Tensor, columns: Columns) -> Tensor:
    """Loss of each row, differentiable once in `proportions` and `logits`.

    On the CPU, float32 runs compiled loops, whose bits do not depend on the number of threads; on
    a GPU p is a dense matrix product.

    Parameters
    ----------
    proportions : float, shape (rows, topics)
        z, each row a distribution over the topics.
    logits : float, shape (features, topics)
    columns : Columns
        x, each feature's rows and counts.

    Returns
    -------
    nll : type of `logits`, shape (rows,)
        Nats.
    """
    if logits.is_cpu and logits.dtype == torch.float32:
        return TopicLoss.of(proportions, logits, columns).nll
    return topic_nll_reference(proportions, logits, columns)


class TopicLoss(NamedTuple):
    """The loss of float32 on the CPU, and what a step on the logits needs of it."""

    nll: Tensor  # (rows,)
    proportions: Tensor
    columns: Columns
    made: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(cls, proportions: Tensor, logits: Tensor, columns: Columns) -> "TopicLoss":
        """`topic_nll` with all that it made."""
        z = proportions.float()
        nll, *made = _ops.topic_nll(z, logits, *columns)
        return cls(nll, z, columns, tuple(made))


def topic_nll_step(
    logits: Tensor, mean: Tensor, square: Tensor, loss: TopicLoss, dnll: Tensor, step: AdamStep
) -> None:
    """Take Adam's step on `logits` in place of making their gradient: nothing as large is written.

    Parameters
    ----------
    logits, mean, square : float32, shape (features, topics)
        On the CPU. The logits and Adam's averages of their gradient; all three are changed.
    loss : TopicLoss
        Of these logits.
    dnll : float32, shape (rows,)
        Gradient of what is minimised in the loss of each row.
    step : AdamStep
    """
    _ops.take_step(logits, mean, square, dnll, loss.proportions, loss.columns, loss.made, step)
