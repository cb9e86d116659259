"""The slow twin of `gapped_linear`: a dense matrix of counts, and a product."""

import torch
from torch import Tensor


def dense_counts(indptr: Tensor, columns: Tensor, counts: Tensor, n_columns: int) -> Tensor:
    """Sparse rows as a dense matrix, shape (rows, n_columns), of the type of `counts`."""
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
    n_words = len(p_indptr) - 1
    exact = dense_counts(indptr, words, counts.to(weight.dtype), n_words)
    ones = torch.ones(len(p_features), dtype=weight.dtype, device=weight.device)
    projection = torch.sparse_csr_tensor(p_indptr, p_features, ones, (n_words, len(weight)))
    return exact @ (projection @ weight)
