"""The slow twin of `kmer_project`: one word, one mask, one base at a time."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from native_kernels.kmer_project.rule import Rule


def features_of_reference(word: int, rule: Rule) -> set[int]:
    """The features that one window of k bases adds one to."""
    bases = [(word >> (2 * (rule.k - 1 - i))) & 3 for i in range(rule.k)]
    strands = [bases] if rule.stranded else [bases, [3 - base for base in reversed(bases)]]
    found = set()
    for group, kept in enumerate(rule.kept):
        for strand in strands:
            left = 0
            for position in kept:
                left = 4 * left + strand[position]
            found.add(int(rule.feature_of[rule.first[group] + left]))
    return found


def project_rows_reference(
    indptr: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.uint32],
    rule: Rule,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """`Projection.rows`, slowly."""
    out_indptr, out_features, out_counts = [0], [], []
    for row in range(len(indptr) - 1):
        sums: Counter[int] = Counter()
        for j in range(indptr[row], indptr[row + 1]):
            for feature in features_of_reference(int(words[j]), rule):
                sums[feature] += int(counts[j])
        for feature in sorted(sums):
            out_features.append(feature)
            out_counts.append(sums[feature])
        out_indptr.append(len(out_features))
    return (
        np.array(out_indptr, np.int64),
        np.array(out_features, np.uint32),
        np.array(out_counts, np.uint32),
    )
