"""The slow twin of `topic_nll`: a dense matrix of counts."""

from torch import Tensor

from native_kernels.gapped_linear.columns import Columns


def topic_nll_reference(proportions: Tensor, logits: Tensor, columns: Columns) -> Tensor:
    """`topic_nll`, differentiable any number of times."""
    p = proportions.to(logits.dtype) @ logits.softmax(0).T
    x = columns.dense(len(proportions), logits.dtype)
    return -(x * p.masked_fill(x == 0, 1).log()).sum(1)
