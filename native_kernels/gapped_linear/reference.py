"""The slow twin of `gapped_linear`: dense matrices of counts, and a product."""

import torch
from torch import Tensor


def dense_counts(indptr: Tensor, columns: Tensor, counts: Tensor, n_columns: int) -> Tensor:
    """Sparse rows as a dense matrix, shape (rows, n_columns), of the type of `counts`.

    A column that is met twice in a row adds up.
    """
    n = len(indptr) - 1
    rows = torch.repeat_interleave(torch.arange(n, device=indptr.device), indptr.diff())
    dense = counts.new_zeros(n, n_columns)
    return dense.index_put((rows, columns.long()), counts, accumulate=True)


def gapped_linear_reference(
    indptr: Tensor,
    words: Tensor,
    counts: Tensor,
    weight: Tensor,
    p_indptr: Tensor,
    p_features: Tensor,
) -> Tensor:
    """`gapped_linear`, differentiable any number of times."""
    met, places = torch.unique(words.long(), return_inverse=True)
    exact = dense_counts(indptr, places, counts.to(weight.dtype), len(met))
    # rows of P of the words that are met
    lengths = p_indptr.diff()[met]
    ends = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    shift = torch.repeat_interleave(p_indptr[met] - ends[:-1], lengths)
    features = p_features[torch.arange(len(shift), device=shift.device) + shift]
    projection = dense_counts(ends, features, weight.new_ones(len(features)), len(weight))
    return exact @ (projection @ weight)
