"""A linear layer on gapped k-mer counts, of the exact words that they follow from.

    y = (exact @ P) @ W = exact @ (P @ W)

`exact` are counts of exact words, sparse; P (words x features) has a 1 for each feature that a word
has; the counts of features are never made. What a word contributes, a row of P @ W, is the sum of
the weights of its features: an embedding bag.
"""

from torch import Tensor

from native_kernels.gapped_linear.reference import dense_counts, gapped_linear_reference

__all__ = ["dense_counts", "gapped_linear", "gapped_linear_reference"]


def gapped_linear(
    indptr: Tensor,
    words: Tensor,
    counts: Tensor,
    weight: Tensor,
    p_indptr: Tensor,
    p_features: Tensor,
) -> Tensor:
    """Apply the layer, differentiable once in `weight`.

    Parameters
    ----------
    indptr : int64, shape (rows + 1,)
        Where each row begins in `words` and `counts`.
    words : int32, shape (n,)
        Rows of P, each at most once in a row.
    counts : float, shape (n,)
    weight : float, shape (features, units)
    p_indptr, p_features : int64, shape (words + 1,), and int32
        P: the features of each word.

    Returns
    -------
    y : type of `weight`, shape (rows, units)
    """
    return gapped_linear_reference(indptr, words, counts, weight, p_indptr, p_features)
