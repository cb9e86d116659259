"""All short sequences, and those that a topic model gives the most of each topic.

A sequence and its reverse complement are one, the smaller of their packed words: of 10 bases there
are (4**10 + 4**5) / 2 = 524,800, of 15 bases 4**15 / 2 = 536,870,912. They are walked in ascending
order, block by block, so that memory does not grow with their number. A sample takes each by a
number that is a function of the seed and its packed word alone.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from kmerengine.errors import InputError
from kmerengine.kmers.words import letters, mirrored_words
from modelkit.data.draws import Purpose, draw
from modelkit.interpretation.topics.topic_model import TopicModel, proportions_of

__all__ = ["MAX_LENGTH", "TopOligos", "n_oligos", "oligo_blocks", "oligo_codes", "top_oligos"]

MAX_LENGTH = 18  # 2**36 packed words: to walk them alone takes a quarter of an hour
WALKED = 1 << 22  # packed words of a block at most, 32 MB

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class TopOligos(NamedTuple):
    """The sequences that have the most of each topic, the first the most.

    Attributes
    ----------
    oligos : int64, shape (T, top)
        Packed, for each of the topics that were asked for; of equal ones the smaller first.
    concentrations, proportions : float64, shape (T, top)
        Of that topic.
    silent : bool, shape (T,)
        The topic prefers no sequence: all have as much, or no more than concentrations are clipped
        to. The sequences mean nothing.
    n : int
        Sequences that were looked at.
    """

    oligos: Ints
    concentrations: Floats
    proportions: Floats
    silent: npt.NDArray[np.bool_]
    n: int


def n_oligos(length: int, *, stranded: bool = False) -> int:
    """Sequences of so many bases; unless `stranded`, one and its reverse complement are one."""
    n = int(4**length)
    if stranded:
        return n
    return (n + (2**length if length % 2 == 0 else 0)) // 2  # as many are their own


def oligo_blocks(
    length: int, *, sample: float = 1.0, seed: int = 0, stranded: bool = False, size: int = 8192
) -> Iterator[tuple[Ints, int]]:
    """All sequences of a length, or a random share of them, ascending.

    Parameters
    ----------
    length : int
        Bases, at most 18.
    sample : float
        Share, more than 0 and at most 1; how many that makes is random too.
    seed : int
        Of the sample.
    stranded : bool
        Take reverse complements as others.
    size : int
        About how many come at a time.

    Yields
    ------
    oligos : int64
        Packed.
    walked : int
        How many of the 4**length packed words are done.
    """
    end = 4**length
    step = min(max(1, round(size / sample * (1 if stranded else 2))), WALKED)
    limit = round(sample * 2.0**64)
    for start in range(0, end, step):
        stop = min(start + step, end)
        words = np.arange(start, stop, dtype=np.int64)
        if sample < 1:
            words = words[draw(seed, length, Purpose.ORDER, words) < np.uint64(limit)]
        if not stranded:
            words = words[words <= mirrored_words(words, length)]
        yield words, stop


def oligo_codes(oligos: npt.NDArray[Any], length: int) -> npt.NDArray[np.uint8]:
    """Packed sequences as codes A C G T = 0 1 2 3, shape (..., length)."""
    shifts = 2 * np.arange(length - 1, -1, -1, dtype=np.int64)
    return ((oligos[..., None] >> shifts) & 3).astype(np.uint8)


def top_oligos(
    model: TopicModel,
    columns: Ints,
    length: int,
    top: int,
    *,
    kind: Literal["concentrations", "proportions"] = "concentrations",
    sample: float = 1.0,
    seed: int = 0,
    batch_size: int = 8192,
    progress: Callable[[int, int], None] | None = None,
) -> TopOligos:
    """Find the sequences that have the most of topics.

    Parameters
    ----------
    model : TopicModel
    columns : int64, shape (T,)
        Numbers of the topics.
    length, top : int
        Bases of a sequence, and how many of them.
    kind : "concentrations" or "proportions"
        By what they are ranked. Concentrations are ranked as they are before they are clipped.
    sample, seed, batch_size
        See `oligo_blocks`.
    progress : callable, optional
        Called with (done, of) in packed words.

    Raises
    ------
    InputError
        The length is below that of the model's words or above 18; fewer sequences than `top`; the
        network's outputs are no finite numbers.
    """
    vocabulary = model.vocabulary
    if not vocabulary.k <= length <= MAX_LENGTH:
        raise InputError(
            f"length: found {length}, expected {vocabulary.k} (a word of the model) to {MAX_LENGTH}"
        )
    best = np.full((top, len(columns)), -np.inf)
    oligos = np.full((top, len(columns)), -1, np.int64)
    least = np.full(len(columns), np.inf)
    n = 0
    for block, walked in oligo_blocks(
        length, sample=sample, seed=seed, stranded=vocabulary.stranded, size=batch_size
    ):
        if len(block):
            scores = _scores(model, block, length, kind)[:, columns]
            n += len(block)
            least = np.minimum(least, scores.min(0))
            rows = np.flatnonzero((scores > best[-1]).any(1))
            if len(rows):
                best, oligos = _merged(best, oligos, scores[rows], block[rows])
        if progress is not None:
            progress(walked, 4**length)
    if n < top:
        raise InputError(
            f"top: found {top}, but there are {n:,} sequences of {length} bases in a sample of "
            f"{sample:g}; expected at most as many"
        )
    # what is known of each is said of it alone, whatever it was ranked by
    eta = np.concatenate(
        [
            model.concentrations(model.of_windows(_windows(model, part, length)))
            for part in np.array_split(oligos.T.ravel(), -(-oligos.size // batch_size))
        ]
    )
    shape = (len(columns), top)
    at = np.repeat(columns, top)
    concentrations = eta[np.arange(len(eta)), at].reshape(shape)
    proportions = proportions_of(eta)[np.arange(len(eta)), at].reshape(shape)
    clipped = concentrations[:, 0] <= model.config.network.lowest
    return TopOligos(
        np.ascontiguousarray(oligos.T), concentrations, proportions, clipped | (best[0] <= least), n
    )


def _scores(model: TopicModel, oligos: Ints, length: int, kind: str) -> npt.NDArray[Any]:
    raw = model.of_windows(_windows(model, oligos, length))
    found: npt.NDArray[Any] = (
        raw.cpu().numpy() if kind == "concentrations" else proportions_of(model.concentrations(raw))
    )
    if not np.isfinite(found).all():
        raise InputError(
            f"{model.run.path}: says topics that are no finite numbers; expected a network whose "
            "outputs are, evaluate it first"
        )
    return found


def _windows(model: TopicModel, oligos: Ints, length: int) -> torch.Tensor:
    """The packed word of each window, shape (n, length - k + 1)."""
    k = model.vocabulary.k
    shifts = 2 * torch.arange(length - k, -1, -1, device=model.device)
    packed = torch.from_numpy(oligos).to(model.device)
    words: torch.Tensor = (packed[:, None] >> shifts) & (4**k - 1)
    return words


def _merged(
    best: Floats, oligos: Ints, scores: npt.NDArray[Any], block: Ints
) -> tuple[Floats, Ints]:
    """The best of both; of equal ones those that were there, which are smaller."""
    every = np.concatenate([best, scores])
    order = np.argsort(-every, axis=0, kind="stable")[: len(best)]
    listed = np.concatenate([oligos, np.broadcast_to(block[:, None], scores.shape)])
    return np.take_along_axis(every, order, 0), np.take_along_axis(listed, order, 0)


def spelled_oligos(oligos: Ints, length: int) -> list[str]:
    """Packed sequences in letters."""
    return [row.tobytes().decode() for row in letters(oligos, length)]
