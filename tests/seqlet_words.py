"""Words that tests plant, as matrices of seqlets."""

import numpy as np

WORDS = ("GATAAGGC", "TGACTCAT", "CCGGAAGT", "ATTTGCATA")


def matrix_of(word, rng=None, noise=0.0):
    made = np.array([[3.0 if base == each else -1.0 for each in "ACGT"] for base in word])
    made *= np.linspace(0.6, 1, len(word))[:, None]
    if rng is not None:
        made = made + rng.normal(0, noise, made.shape)
    return (made / made.max()).astype(np.float32)
