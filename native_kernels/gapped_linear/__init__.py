"""A linear layer on gapped k-mer counts, of the exact words that they follow from.

    y = (exact @ P) @ W = exact @ (P @ W)

`exact` are counts of exact words, sparse; P (words x features) has a 1 for each feature that a word
has. There are two ways. Many rows, without a gradient: what a word contributes, a row of P @ W, is
the sum of the weights of its features, and is added up once. A training step: the features' counts
by column; of the first layer's weights, which are most of a model, each is read once, and the
gradient is written in one visit. On a GPU the counts are made dense, and multiplied.
"""

import torch
from torch import Tensor

from native_kernels._adam import AdamStep
from native_kernels.gapped_linear import _ops
from native_kernels.gapped_linear.columns import Columns, gapped_columns
from native_kernels.gapped_linear.reference import dense_counts, gapped_linear_reference

__all__ = [
    "AdamStep",
    "Columns",
    "dense_counts",
    "gapped_columns",
    "gapped_linear",
    "gapped_linear_reference",
    "gapped_linear_step",
]


def gapped_linear(
    indptr: Tensor,
    words: Tensor,
    counts: Tensor,
    weight: Tensor,
    p_indptr: Tensor,
    p_features: Tensor,
    columns: Columns | None = None,
) -> Tensor:
    """Apply the layer, differentiable once in `weight`.

    On the CPU, float32 runs compiled loops; their bits do not depend on the number of threads.

    Parameters
    ----------
    indptr : int64, shape (rows + 1,)
        Where each row begins in `words` and `counts`.
    words : int32, shape (n,)
        Rows of P.
    counts : float32, shape (n,)
    weight : float, shape (features, units)
    p_indptr, p_features : int64, shape (words + 1,), and int32
        P: the features of each word.
    columns : Columns, optional
        The same counts as features, if they are at hand (`gapped_columns`).

    Returns
    -------
    y : type of `weight`, shape (rows, units)
    """
    if weight.is_cpu and weight.dtype == torch.float32:
        if columns is None and weight.requires_grad and torch.is_grad_enabled():
            columns = gapped_columns(indptr, words, counts, p_indptr, p_features, len(weight))
        return _ops.gapped_linear(  # type: ignore[no-any-return]
            indptr, words, counts, weight, p_indptr, p_features, *(columns or (None,) * 3)
        )
    if columns is not None:
        return columns.dense(len(indptr) - 1, weight.dtype) @ weight
    return gapped_linear_reference(indptr, words, counts, weight, p_indptr, p_features)


def gapped_linear_step(
    weight: Tensor, mean: Tensor, square: Tensor, columns: Columns, dy: Tensor, step: AdamStep
) -> None:
    """Take Adam's step on `weight` in place of making its gradient: nothing as large is written.

    Parameters
    ----------
    weight, mean, square : float32, shape (features, units)
        On the CPU. The weight and Adam's averages of its gradient; all three are changed.
    columns : Columns
        What the layer was applied to.
    dy : float32, shape (rows, units)
        Gradient of the loss in the layer's outputs.
    step : AdamStep
    """
    _ops.take_step(weight, mean, square, columns, dy, step)
