"""Work in pieces, on the threads that PyTorch may use."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def in_pieces(work: Callable[[int, int, int], object], n: int, pieces: int | None = None) -> None:
    """Call ``work(number, first, last)`` for each piece of n things; by default one a thread.

    What pieces there are may decide how rounding goes; threads alone do not.
    """
    threads = torch.get_num_threads()
    pieces = min(threads, max(n, 1)) if pieces is None else pieces
    ends = [i * n // pieces for i in range(pieces + 1)]
    calls = [(i, ends[i], ends[i + 1]) for i in range(pieces)]
    if threads == 1 or pieces == 1:
        for call in calls:
            work(*call)
        return
    with ThreadPoolExecutor(min(threads, pieces)) as pool:
        for done in [pool.submit(work, *call) for call in calls]:
            done.result()
