"""Add the mean profile to a bias track: `python -m bench.yeast_mean DATASET OUTPUT`.

The logits of "bias x mean profile", to which a network then adds what they miss. (bpAI-TAC's own
track is the bias alone: where in a peak a base lies, its convolutions cannot know.)
"""

import sys
from pathlib import Path

import numpy as np

from kmerengine.datasets.folder import Dataset
from kmerengine.datasets.with_bias import with_bias

PSEUDO = 1.0  # cuts, shared evenly


def add_mean_profile(dataset: Dataset, output: Path) -> Dataset:
    """Write the data set whose bias is its bias plus the log of the training peaks' mean profile.

    The mean is over peaks and samples, of their shares of cuts at each bp from the summit.
    """
    counts, start = dataset.stored("counts")
    bias, bias_start = dataset.stored("bias")
    if start != bias_start or counts.shape[-1] != bias.shape[-1]:
        raise SystemExit(f"{dataset.path}: counts and bias are not of the same bp")
    cuts = np.asarray(counts[dataset.split("train")], np.float64)
    n = cuts.sum(-1, keepdims=True)
    shares = (cuts + PSEUDO / cuts.shape[-1]) / (n + PSEUDO)
    log_mean = np.log(shares.mean(axis=(0, 1)))
    source = {"bias": dataset.provenance["inputs"]["bias"], "mean_profile_of": "train"}
    block = (bias + log_mean).astype(np.float32)
    return with_bias(dataset, [block], output, source=source)


if __name__ == "__main__":
    add_mean_profile(Dataset.open(sys.argv[1]), Path(sys.argv[2]))
