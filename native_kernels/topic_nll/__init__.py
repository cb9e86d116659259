"""Negative log-likelihood of bags of features under a mixture of topics.

    theta_m = softmax(logits[:, m])            a distribution over the features for each topic
    nll_i   = - sum_v x_iv * ln(sum_m z_im * theta_mv)

Only features that row i has (x_iv > 0) are looked at. The multinomial coefficient, which depends on
the counts alone, is left out, as in BindVAE (Kshirsagar et al. 2021).
"""

from torch import Tensor

from native_kernels.topic_nll.reference import topic_nll_reference

__all__ = ["topic_nll", "topic_nll_reference"]


def topic_nll(
    proportions: Tensor, logits: Tensor, indptr: Tensor, features: Tensor, counts: Tensor
) -> Tensor:
    """Loss of each row, differentiable once in `proportions` and `logits`.

    Parameters
    ----------
    proportions : float, shape (rows, topics)
        z, each row a distribution over the topics.
    logits : float, shape (features, topics)
    indptr : int64, shape (rows + 1,)
        Where each row begins in `features` and `counts`.
    features : int32, shape (n,)
        Each at most once in a row.
    counts : float, shape (n,)

    Returns
    -------
    nll : type of `logits`, shape (rows,)
        Nats.
    """
    return topic_nll_reference(proportions, logits, indptr, features, counts)
