"""Batches of a data set: shuffled, jittered, reverse-complemented, the same for any machine.

An example is a function of (seed, epoch, place in the epoch) alone, so batches are equal bit for
bit for any number of workers and of ranks, and an epoch can be taken up at any batch.

Workers are threads: the gather is compiled and runs without Python's lock, so they need no
processes, no copies between them and no start-up, and share the memory-mapped arrays.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from kmerengine.datasets.folder import Dataset
from kmerengine.errors import InputError
from modelkit.data.buffers import BITS, Batch, Buffer, Encoding, Shape
from modelkit.data.draws import Purpose, draw, order
from native_kernels.example_gather import gather_one_hot, gather_tracks

__all__ = ["Batch", "Loader"]

SEEDS = 1 << 63

Core = Literal["kept", "blocked"]

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]


class _Plan(NamedTuple):
    """An epoch, example by example: row, bp to move its windows by, and whether to reverse it."""

    rows: Rows
    moved: npt.NDArray[np.int64]
    reverse: npt.NDArray[np.bool_]


class Loader:
    """Batches of some rows of a data set.

    On the CPU the tensors of a batch are overwritten once the next batch is asked for: clone what
    is to be kept. (Fresh memory for every batch would cost more than filling it.)

    Parameters
    ----------
    dataset : Dataset
    rows : integers or a bool mask, optional
        Such as ``dataset.split("train")``; by default all.
    batch_size : int
        Examples of a batch, of all ranks together.
    seed : int
        Of order, jitter, strands and negatives.
    shuffle : bool
        Another order in every epoch; else that of `rows`, with the negatives drawn after them.
    jitter : int
        Move the windows of all arrays together by up to so many bp, at most the stored margin.
    reverse_complement : bool
        Reverse every other example, at random: its bases complemented, counts and bias backwards,
        and the two strands of counts and bias exchanged.
    both_strands : bool
        Each example as it is and reversed: twice as many, the two one after the other, or each at a
        place of its own where they are shuffled.
    unknown : 0 or 0.25
        Of all four channels at a base that is not A C G T.
    core : "kept" or "blocked"
        Blocked: the bases of the motif that an example is of are unknown.
    encoding : "float32", "bfloat16" or "uint8"
        Of the one-hot bases.
    centre : bool
        Cut counts and bias to the window whose cuts are the totals.
    normalised : bool
        Quantile-normalised totals, and counts scaled to sum to them where they are not 0.
    negatives : float, optional
        In every epoch so many negatives per peak, drawn without repeats as far as there are
        enough. By default all rows.
    outliers : (float, float), optional
        Leave out peaks whose totals, of all samples together, lie below or above these quantiles
        of the peaks; `skipped` says how many.
    workers : int
        Threads that work ahead; 0: none.
    rank, ranks : int
        This process's part of every batch, and of how many. Parts of a last batch that is not full
        may differ by one example.
    drop_last : bool, optional
        Leave out a last batch that is not full; by default as `shuffle`.
    device : str or torch.device
        On a GPU batches are copied there from pinned memory while the next are made.

    Attributes
    ----------
    skipped : dict of str to int
        Rows left out, by reason.

    Raises
    ------
    InputError
        What the data set does not have, or cannot give.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: Array | None = None,
        *,
        batch_size: int = 64,
        seed: int = 0,
        shuffle: bool = True,
        jitter: int = 0,
        reverse_complement: bool = False,
        both_strands: bool = False,
        unknown: float = 0.0,
        core: Core = "kept",
        encoding: Encoding = "float32",
        centre: bool = False,
        normalised: bool = False,
        negatives: float | None = None,
        outliers: tuple[float, float] | None = None,
        workers: int = 1,
        rank: int = 0,
        ranks: int = 1,
        drop_last: bool | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.jitter = jitter
        self.reverse_complement = reverse_complement
        self.both_strands = both_strands
        self.encoding = encoding
        self.negatives = negatives
        self.workers = workers
        self.rank, self.ranks = rank, ranks
        self.drop_last = shuffle if drop_last is None else drop_last
        self.device = torch.device(device)
        self.skipped: dict[str, int] = {}
        self._check(unknown)
        self._bits = BITS[encoding].copy()
        self._bits[2] = self._bits[2] if unknown else self._bits[0]
        self._lay_out(centre=centre)
        self._blocked = self._cores(core)
        self._totals, self._scale = self._levels(normalised=normalised)
        wanted = _as_rows(rows, len(dataset))
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(dataset):
            raise InputError(f"rows: found {wanted.max()}, expected 0 to {len(dataset) - 1}")
        negative = dataset.negative[wanted]
        if outliers is not None:
            kept = self._without_outliers(wanted, negative, *outliers)
            wanted, negative = wanted[kept], negative[kept]
        self._rows, self._peaks, self._others = wanted, wanted[~negative], wanted[negative]
        if negatives is not None and not len(self._others):
            raise InputError("negatives: found none among the rows, expected some to draw from")
        n = len(self._rows)
        if negatives is not None:
            n = len(self._peaks) + round(negatives * len(self._peaks))
        n *= 2 if both_strands else 1
        self.n_examples = n // batch_size * batch_size if self.drop_last else n
        rest = self.n_examples % batch_size
        if 0 < rest < ranks:
            raise InputError(
                f"rows: found {n} examples, whose last batch of {rest} is less than one for each "
                f"of {ranks} ranks; leave it out with drop_last"
            )
        if not self.n_examples:
            raise InputError(
                f"rows: found {n} examples, expected a batch of {batch_size} at least; choose a "
                "smaller one, or drop_last=False"
            )

    def __len__(self) -> int:
        """Batches of an epoch."""
        return -(-self.n_examples // self.batch_size)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from number `first` on.

        An epoch that was interrupted after batch k goes on with ``batches(epoch, k + 1)``.
        """
        if not 0 <= epoch < SEEDS or first < 0:
            raise InputError(f"epoch: found {epoch} from batch {first}, expected 0 or more of both")
        plan = self._plan(epoch)
        numbers = iter(range(first, len(self)))
        if not self.workers:
            buffer = self._buffer()
            for number in numbers:
                yield self._on_device(self._fill(plan, number, buffer), buffer)
            return
        waiting: deque[tuple[Future[int], Buffer]] = deque()
        with ThreadPoolExecutor(self.workers) as pool:

            def submit(buffer: Buffer) -> None:
                for number in numbers:
                    task = pool.submit(self._fill, plan, number, buffer)
                    waiting.append((task, buffer))
                    return

            try:
                for _ in range(self.workers + 1):  # one is with the caller while the others fill
                    submit(self._buffer())
                while waiting:
                    task, buffer = waiting.popleft()
                    yield self._on_device(task.result(), buffer)
                    submit(buffer)
            finally:
                for task, _ in waiting:
                    task.cancel()

    def _plan(self, epoch: int) -> _Plan:
        """What an epoch's examples are; drawn at once, which costs far less than batch by batch."""
        rows = self._rows
        if self.negatives is not None:
            n = round(self.negatives * len(self._peaks))
            drawn = order(self.seed, epoch, Purpose.NEGATIVES, len(self._others))
            rows = np.concatenate([self._peaks, self._others[np.resize(drawn, n)]])
        reverse = np.zeros(len(rows), np.bool_)
        if self.both_strands:
            rows, reverse = np.repeat(rows, 2), np.tile([False, True], len(rows))
        if self.shuffle:
            at = order(self.seed, epoch, Purpose.ORDER, len(rows))
            rows, reverse = rows[at], reverse[at]
        rows, reverse = rows[: self.n_examples], reverse[: self.n_examples]
        index = np.arange(len(rows))
        moved = np.zeros(len(rows), np.int64)
        if self.jitter:
            reach = np.uint64(2 * self.jitter + 1)
            steps = draw(self.seed, epoch, Purpose.JITTER, index) % reach
            moved = steps.astype(np.int64) - self.jitter
        if self.reverse_complement:
            reverse = draw(self.seed, epoch, Purpose.REVERSE, index) >> np.uint64(63) == 1
        return _Plan(rows, moved, reverse)

    def _fill(self, plan: _Plan, number: int, buffer: Buffer) -> int:
        """Make this rank's part of a batch; returns its size."""
        low = number * self.batch_size
        size = min(self.batch_size, self.n_examples - low)
        part = slice(
            low + size * self.rank // self.ranks, low + size * (self.rank + 1) // self.ranks
        )
        rows, moved, reverse = plan.rows[part], plan.moved[part], plan.reverse[part]
        n = len(rows)
        buffer.wait()
        out = {name: array[:n] for name, array in buffer.arrays.items()}
        out["rows"][:] = rows
        for name, (array, start, width, stranded) in self._layout.items():
            first = moved + start
            if name == "sequence":
                gather_one_hot(
                    array, rows, first, reverse, width,
                    blocked=None if self._blocked is None else self._blocked[rows],
                    values=self._bits, out=out[name],
                )  # fmt: skip
                continue
            scale = self._scale[rows] if name == "counts" and self._scale is not None else None
            gather_tracks(
                array, rows, first, reverse, width, stranded=stranded, scale=scale, out=out[name]
            )
        if self._totals is not None:
            out["totals"][:] = self._totals[rows]
        if self.dataset.labels is not None:
            out["labels"][:] = self.dataset.labels[rows]
        return n

    def _on_device(self, n: int, buffer: Buffer) -> Batch:
        return buffer.batch(n, self.device)

    def _buffer(self) -> Buffer:
        n = -(-self.batch_size // self.ranks)
        shapes: dict[str, Shape] = {"rows": (n,)}
        for name, (array, _, width, _) in self._layout.items():
            shapes[name] = (n, 4 if name == "sequence" else array.shape[1], width)
        if self._totals is not None:
            shapes["totals"] = (n, self._totals.shape[1])
        if self.dataset.labels is not None:
            shapes["labels"] = (n, self.dataset.labels.shape[1])
        return Buffer(shapes, self.encoding, pinned=self.device.type == "cuda")

    def _lay_out(self, *, centre: bool) -> None:
        """Where the windows of each array lie without jitter."""
        data = self.dataset
        if centre and data.window is None:
            raise InputError(f"{data.path}: has no window, expected counts or bias for centre=True")
        self._layout: dict[str, tuple[Array, int, int, bool]] = {}
        input_low, input_high = data.spans["sequence"]
        for name, (low, high) in data.spans.items():
            array, start = data.stored(name)
            if name != "sequence" and centre and data.window is not None:
                low, high = low + data.window[0], low + data.window[1]
            stranded = name != "sequence" and array.ndim == (4 if name == "counts" else 3)
            if name != "sequence":
                array = array.reshape(len(array), -1, array.shape[-1])
            self._layout[name] = (array, low - start, high - low, stranded)
            reverses = self.reverse_complement or self.both_strands
            if reverses and low - input_low != input_high - high:
                option = "both_strands" if self.both_strands else "reverse_complement"
                raise InputError(
                    f"{data.path}: {name} [{low}, {high}) does not lie in the middle of the "
                    f"sequence [{input_low}, {input_high}), so that a reverse complement would "
                    f"move it; expected {option}=False with such data"
                )

    def _cores(self, core: Core) -> Rows | None:
        """What to block of each row of the stored sequence."""
        if core == "kept":
            return None
        if core != "blocked":
            raise InputError(f"core: found {core!r}, expected kept or blocked")
        cores = self.dataset.cores
        if cores is None:
            raise InputError(
                f"{self.dataset.path}: has no motif cores, expected them for core=blocked; make it "
                "from the regions of kmerengine sample sites"
            )
        return cores - self.dataset.stored("sequence")[1]

    def _levels(self, *, normalised: bool) -> tuple[Array | None, Array | None]:
        """Totals, and factors of the tracks of each row."""
        data = self.dataset
        if data.totals is None or data.normalised is None:
            if normalised:
                raise InputError(f"{data.path}: has no totals, expected them for normalised=True")
            return None, None
        if not normalised:
            return data.totals.astype(np.float32), None
        scale = np.ones(data.totals.shape, np.float64)
        np.divide(data.normalised, data.totals, out=scale, where=data.totals != 0)
        if data.strands == "split":
            scale = np.repeat(scale, 2, axis=1)
        return data.normalised.astype(np.float32), scale.astype(np.float32)

    def _without_outliers(
        self, rows: Rows, negative: npt.NDArray[np.bool_], low: float, high: float
    ) -> npt.NDArray[np.bool_]:
        if self.dataset.totals is None or not 0 <= low < high <= 1:
            raise InputError(
                f"outliers: found quantiles {low} and {high}, expected 0 to 1, ascending, and a "
                "data set with totals"
            )
        totals = self.dataset.totals[rows].sum(axis=1)
        kept = np.ones(len(rows), np.bool_)
        if negative.all():
            return kept
        least, most = np.quantile(totals[~negative], [low, high])
        below, above = ~negative & (totals < least), ~negative & (totals > most)
        reasons = {f"total below quantile {low}": below, f"total above quantile {high}": above}
        self.skipped = {reason: int(out.sum()) for reason, out in reasons.items() if out.any()}
        return np.asarray(~(below | above))

    def _check(self, unknown: float) -> None:
        if not isinstance(self.dataset, Dataset):
            raise InputError(f"dataset: found {self.dataset!r}, expected Dataset.open of it")
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise InputError(f"device: found {self.device}, but no usable CUDA device; use cpu")
        if self.batch_size < 1 or self.ranks < 1 or not 0 <= self.rank < self.ranks:
            raise InputError(
                f"batch_size: found {self.batch_size} of rank {self.rank} of {self.ranks}, "
                "expected at least 1, and a rank below their number"
            )
        if self.batch_size % self.ranks:
            raise InputError(
                f"batch_size: found {self.batch_size} for {self.ranks} ranks, expected a multiple"
            )
        if not 0 <= self.jitter <= self.dataset.margin:
            raise InputError(
                f"jitter: found {self.jitter} bp, expected 0 to the {self.dataset.margin} bp that "
                f"{self.dataset.path} has as a margin; make it with --margin {self.jitter}"
            )
        if self.encoding not in BITS or unknown not in (0, 0.25):
            raise InputError(
                f"encoding: found {self.encoding!r} with {unknown} for N, expected "
                f"{', '.join(BITS)} with 0 or 0.25"
            )
        if unknown and self.encoding == "uint8":
            raise InputError("encoding: found uint8 with 0.25 for N, expected 0 or a float type")
        if self.both_strands and self.reverse_complement:
            raise InputError(
                "reverse_complement: found with both_strands, which has every example reversed "
                "already; expected one of the two"
            )
        if self.workers < 0 or not 0 <= self.seed < SEEDS:
            raise InputError(
                f"workers: found {self.workers} with seed {self.seed}, expected 0 or more of both"
            )
        if self.negatives is not None and self.negatives < 0:
            raise InputError(f"negatives: found {self.negatives} per peak, expected 0 or more")


def _as_rows(rows: Array | None, n: int) -> Rows:
    """Row numbers from numbers or a mask."""
    if rows is None:
        return np.arange(n)
    given = np.asarray(rows)
    if given.dtype == np.bool_ and given.shape == (n,):
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputError(
            f"rows: found {given.dtype} of shape {given.shape}, expected row numbers, or a mask of "
            f"{n}"
        )
    return given.astype(np.int64)
