"""The slow twin of `topic_nll`: a dense matrix of counts."""

from torch import Tensor

from native_kernels.gapped_linear.reference import dense_counts


def topic_nll_reference(
    proportions: Tensor, logits: Tensor, indptr: Tensor, features: Tensor, counts: Tensor
) -> Tensor:
    """`topic_nll`, differentiable any number of times."""
    p = proportions.to(logits.dtype) @ logits.softmax(0).T
    x = dense_counts(indptr, features, counts.to(logits.dtype), len(logits))
    return -(x * p.masked_fill(x == 0, 1).log()).sum(1)
