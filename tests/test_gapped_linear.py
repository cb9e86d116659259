"""The layer on gapped counts: against dense float64, its columns, its bits, its step of Adam."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from kmerengine.kmers.vocabulary import Vocabulary
from native_kernels.gapped_linear import (
    AdamStep,
    Columns,
    dense_counts,
    gapped_columns,
    gapped_linear,
    gapped_linear_reference,
    gapped_linear_step,
)
from native_kernels.kmer_count import count_rows

Exact = tuple[Tensor, Tensor, Tensor]
VOCABULARIES = {
    "k=3": Vocabulary.wildcard(3, 1),
    "k=4": Vocabulary.wildcard(4, 2),
    "stranded": Vocabulary.wildcard(3, 2, stranded=True),
    "masks": Vocabulary.masks(["1101", "1011"]),
}


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def exact_counts(vocabulary: Vocabulary, sequences: list[str]) -> Exact:
    codes = np.frombuffer("".join(sequences).encode(), np.uint8)
    table = np.full(256, 255, np.uint8)
    table[[ord(base) for base in "ACGT"]] = range(4)
    ends = np.cumsum([0, *map(len, sequences)]).astype(np.int64)
    found = count_rows(table[codes], ends, vocabulary.k, stranded=vocabulary.stranded)
    indptr, words, counts = found
    return (
        torch.from_numpy(indptr),
        torch.from_numpy(words.astype(np.int32)),
        torch.from_numpy(counts.astype(np.float32)),
    )


def projection(vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    indptr, features = vocabulary.projection.matrix
    return torch.from_numpy(indptr), torch.from_numpy(features)


def sequences(seed: int = 0, n: int = 9, length: int = 60) -> list[str]:
    """Some; an empty one, one of no base, one of palindromes, and one twice."""
    rng = np.random.default_rng(seed)
    made = ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]
    return [*made, "", "N" * length, "AATTAATTCGCG" * 4, made[0]]


def words_by_hand(vocabulary: Vocabulary, text: str) -> np.ndarray:
    """Counts of features: for every window the set of features that it or its mirror matches."""
    pairs = str.maketrans("ACGT", "TGCA")
    counts = np.zeros(vocabulary.n_features)
    for start in range(len(text) - vocabulary.k + 1):
        window = text[start : start + vocabulary.k]
        if set(window) <= set("ACGT"):
            reads = [window] if vocabulary.stranded else [window, window.translate(pairs)[::-1]]
            met = {
                vocabulary.feature(
                    "".join(b if m == "1" else "N" for b, m in zip(read, mask, strict=True))
                )
                for read in reads
                for mask in vocabulary.mask_list
            }
            counts[sorted(met)] += 1
    return counts


@pytest.mark.parametrize("name", VOCABULARIES)
def test_columns_are_the_counts_by_hand(name: str) -> None:
    vocabulary, texts = VOCABULARIES[name], sequences()
    columns = gapped_columns(
        *exact_counts(vocabulary, texts), *projection(vocabulary), vocabulary.n_features
    )
    expected = np.stack([words_by_hand(vocabulary, text) for text in texts])
    assert np.array_equal(columns.dense(len(texts), torch.float64).numpy(), expected)
    rows, indptr = columns.rows.numpy(), columns.indptr.numpy()
    for first, last in pairwise(indptr):
        assert np.all(np.diff(rows[first:last]) > 0)
    assert (columns.counts > 0).all()


def test_tokens_of_probes_with_palindromes() -> None:
    """16 features a word and 9 a palindrome, so of 13 words 208 tokens, less 7 a palindrome."""
    vocabulary = Vocabulary.wildcard()
    texts = ["A" * 20, "CCCCCCAACCGGTTCCCCCC", "ACGTACGTACCCCCCCCCCC", "ACGTACGTACGTCCCCCCCC"]
    columns = gapped_columns(
        *exact_counts(vocabulary, texts), *projection(vocabulary), vocabulary.n_features
    )
    assert columns.dense(4, torch.float64).sum(1).tolist() == [208, 201, 194, 187]


def dense_result(vocabulary: Vocabulary, exact: Exact, weight: Tensor) -> Tensor:
    """float64 by another way: rows of features of the projection, a dense matrix, a product."""
    arrays = [each.numpy() for each in exact]
    found = vocabulary.projection.rows(
        arrays[0], arrays[1].astype(np.uint32), arrays[2].astype(np.uint32)
    )
    indptr, features, counts = (torch.from_numpy(each.astype(np.int64)) for each in found)
    return dense_counts(indptr, features, counts.double(), vocabulary.n_features) @ weight.double()


@pytest.mark.parametrize("by_column", [True, False])
@pytest.mark.parametrize("name", VOCABULARIES)
def test_forward_and_gradient_are_those_of_the_dense_layer(name: str, by_column: bool) -> None:
    vocabulary = VOCABULARIES[name]
    exact, p = exact_counts(vocabulary, sequences()), projection(vocabulary)
    torch.manual_seed(1)
    for units in (1, 7, 33):
        weight = torch.randn(vocabulary.n_features, units, requires_grad=True)
        columns = gapped_columns(*exact, *p, len(weight)) if by_column else None
        y = gapped_linear(*exact, weight, *p, columns)
        double = weight.detach().double().requires_grad_()
        expected = dense_result(vocabulary, exact, double)
        torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)
        dy = torch.randn_like(y)
        y.backward(dy)
        expected.backward(dy.double())
        assert weight.grad is not None
        assert double.grad is not None
        torch.testing.assert_close(weight.grad.double(), double.grad, rtol=1e-5, atol=1e-5)
        with torch.no_grad():  # by the words
            again = gapped_linear(*exact, weight, *p)
        torch.testing.assert_close(again.double(), expected.detach(), rtol=1e-5, atol=1e-5)


def test_the_reference_is_the_dense_layer_and_its_gradient_its_slope() -> None:
    vocabulary = VOCABULARIES["k=3"]
    exact, p = exact_counts(vocabulary, sequences(n=2)), projection(vocabulary)
    weight = torch.randn(vocabulary.n_features, 2, dtype=torch.float64, requires_grad=True)
    expected = dense_result(vocabulary, exact, weight)
    torch.testing.assert_close(gapped_linear(*exact, weight, *p), expected)  # float64 runs it
    columns = gapped_columns(*exact, *p, len(weight))
    torch.testing.assert_close(gapped_linear(*exact, weight, *p, columns), expected)
    assert torch.autograd.gradcheck(
        lambda w: gapped_linear_reference(*exact, w, *p), weight, raise_exception=True
    )


def test_words_that_come_twice_in_a_row_add_up() -> None:
    vocabulary = VOCABULARIES["k=3"]
    p = projection(vocabulary)
    word = torch.tensor([3, 9, 3], dtype=torch.int32)
    twice = (torch.tensor([0, 3]), word, torch.tensor([1.0, 2.0, 4.0]))
    once = (torch.tensor([0, 2]), word[:2], torch.tensor([5.0, 2.0]))
    weight = torch.randn(vocabulary.n_features, 5)
    for way in (gapped_linear, gapped_linear_reference):
        torch.testing.assert_close(way(*twice, weight, *p), way(*once, weight, *p))
    one, other = (gapped_columns(*exact, *p, len(weight)) for exact in (twice, once))
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("n", [0, 3])
def test_without_a_row_or_a_word(n: int) -> None:
    vocabulary = VOCABULARIES["k=3"]
    exact, p = exact_counts(vocabulary, [""] * n), projection(vocabulary)
    weight = torch.randn(vocabulary.n_features, 5, requires_grad=True)
    for way in (gapped_linear, gapped_linear_reference):
        weight.grad = None
        y = way(*exact, weight, *p)
        assert y.tolist() == [[0.0] * 5] * n
        y.sum().backward()
        assert weight.grad is not None
        assert not weight.grad.any()


def test_weights_that_are_not_dense_in_memory() -> None:
    vocabulary = VOCABULARIES["k=3"]
    exact, p = exact_counts(vocabulary, sequences()), projection(vocabulary)
    weight = torch.randn(5, vocabulary.n_features).T
    expected = dense_result(vocabulary, exact, weight)
    torch.testing.assert_close(
        gapped_linear(*exact, weight, *p).double(), expected, rtol=1e-5, atol=1e-5
    )


def test_under_autocast_it_stays_float32() -> None:
    vocabulary = VOCABULARIES["k=4"]
    exact, p = exact_counts(vocabulary, sequences()), projection(vocabulary)
    weight = torch.randn(vocabulary.n_features, 5, requires_grad=True)
    plain = gapped_linear(*exact, weight, *p)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gapped_linear(*exact, weight, *p), plain)


def as_on(threads: int, vocabulary: Vocabulary, exact: Exact) -> list[Tensor]:
    """Everything that is made, on so many threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(3)
    p = projection(vocabulary)
    weight = torch.randn(vocabulary.n_features, 37, requires_grad=True)
    mean, square = torch.rand(2, *weight.shape)
    columns = gapped_columns(*exact, *p, len(weight))
    y = gapped_linear(*exact, weight, *p, columns)
    dy = torch.randn_like(y)
    y.backward(dy)
    with torch.no_grad():
        by_words = gapped_linear(*exact, weight, *p)
    assert weight.grad is not None
    gapped_linear_step(weight, mean, square, columns, dy, AdamStep(3, 0.1, (0.9, 0.99), 1e-8))
    return [y.detach(), weight.grad, by_words, weight.detach(), mean, square]


def test_the_same_bits_on_any_number_of_threads_and_twice() -> None:
    vocabulary = VOCABULARIES["k=4"]
    exact = exact_counts(vocabulary, sequences(n=40))
    first = as_on(1, vocabulary, exact)
    for threads in (1, 2, 3, 5):
        for a, b in zip(first, as_on(threads, vocabulary, exact), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_step_is_that_of_adam_on_the_gradient(decay: float) -> None:
    vocabulary = VOCABULARIES["k=4"]
    exact, p = exact_counts(vocabulary, sequences()), projection(vocabulary)
    columns: Columns = gapped_columns(*exact, *p, vocabulary.n_features)
    torch.manual_seed(2)
    weight = torch.nn.Parameter(torch.randn(vocabulary.n_features, 21))
    moved = weight.detach().clone()
    mean, square = torch.zeros_like(moved), torch.zeros_like(moved)
    adam = torch.optim.AdamW(
        [weight], 0.02, (0.8, 0.95), 1e-6, weight_decay=decay, fused=True
    )
    for number in range(1, 8):
        y = gapped_linear(*exact, weight, *p, columns)
        dy = torch.randn_like(y)
        weight.grad = None
        y.backward(dy)
        adam.param_groups[0]["lr"] = 0.02 / number
        adam.step()
        step = AdamStep(number, 0.02 / number, (0.8, 0.95), 1e-6, decay)
        gapped_linear_step(moved, mean, square, columns, dy, step)
    held = adam.state[weight]
    torch.testing.assert_close(moved, weight.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(mean, held["exp_avg"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(square, held["exp_avg_sq"], rtol=1e-5, atol=1e-6)
