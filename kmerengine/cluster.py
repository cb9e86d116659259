"""Pieces of work on a Dask cluster: `--scheduler`.

    with connected("tcp://head:8786") as cluster:
        for result in cluster.in_order(open_work, items):
            ...

The cluster does to each item what this process would, and results come in the items' order, so
that what is made of them does not depend on who did what. Workers read the same files by the same
paths; only this process writes outputs. What a worker needs for every item - an open genome, a
network - it opens once.
"""

import logging
import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from importlib.metadata import version
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union

from kmerengine.errors import InputError
from kmerengine.parallel import MAX_THREADS, Progress

if TYPE_CHECKING:
    from distributed import Client, Future

    from kmerengine.io.fasta import Genome

Scheduler = Union[str, "Client"]

Item = TypeVar("Item")
Result = TypeVar("Result")

PER_THREAD = 2  # items of a thread of the workers that are sent: one at work, one to go on with
ALLOWED_FAILURES = 3  # workers that may die over one piece, of local:N; others have their own
PATIENCE = 120.0  # seconds without any worker
LOOKED = 5.0  # seconds between looks at whether there is one
ANSWERS_IN = 10.0  # seconds, of a scheduler


class Work(Generic[Item, Result]):
    """What is done to items, opened where it is first needed: the copy of it on a worker serves
    every item there.
    """

    def __init__(self, open_work: Callable[[], Callable[[Item], Result]], package: str) -> None:
        self._open_work, self._package = open_work, package

    def __reduce__(self) -> Any:  # what was opened stays where it is
        return Work, (self._open_work, self._package)

    @cached_property
    def opened(self) -> Callable[[Item], Result]:
        """The function of an item; InputError where another version would do the work."""
        here = version("kmerengine")
        if here != self._package:
            raise InputError(
                f"scheduler: a worker has kmerengine {here}, expected {self._package} as here; "
                "install the same everywhere"
            )
        return self._open_work()


def _done(work: Work[Item, Result], item: Item) -> Result:
    return work.opened(item)


class Cluster:
    """A client of a cluster that has workers."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._name = client.scheduler.address

    def in_order(
        self,
        open_work: Callable[[], Callable[[Item], Result]],
        items: Iterable[Item],
        *,
        progress: Progress | None = None,
        size: Callable[[Item], int] = lambda _: 1,
        of: int = 0,
    ) -> Generator[Result, None, None]:
        """Yield ``open_work()(item)`` in the items' order.

        Parameters
        ----------
        open_work : callable
            Opens what the work needs, once on each worker. It and the items are pickled.
        items : iterable
            Taken as results are: twice as many are in flight as the workers have threads.
        progress : callable, optional
            Called with the sizes of what is done, and `of`.
        size : callable
            Of an item.
        of : int
            Sizes of all items together.

        Raises
        ------
        InputError
            As `open_work` and the work raise it; an item over which workers die; a cluster that
            is gone, or without workers for two minutes.

        Notes
        -----
        An item whose worker dies is done again by another. The scheduler gives up on one over
        which workers died too often (its `allowed-failures`: 3 of them may).
        """
        done = 0
        waiting: deque[tuple[Item, Future]] = deque()
        work = self._client.submit(Work, open_work, version("kmerengine"), pure=False)

        def first() -> Iterator[Result]:
            nonlocal done
            item, future = waiting[0]
            result: Result = self._result(future)
            waiting.popleft()
            yield result
            done += size(item)  # now that the result has been used
            if progress is not None:
                progress(done, of)

        try:
            for item in items:
                waiting.append((item, self._client.submit(_done, work, item, pure=False)))
                if len(waiting) >= self._room():
                    yield from first()
            while waiting:
                yield from first()
        finally:
            if waiting and self._client.status == "running":
                self._client.cancel([future for _, future in waiting])

    def _room(self) -> int:
        """Items that may be in flight with the workers there are now."""
        threads: dict[str, int] = self._client.nthreads()
        return PER_THREAD * max(1, sum(threads.values()))

    def _result(self, future: "Future") -> Any:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        alone, wait = monotonic(), LOOKED
        while True:
            try:
                return future.result(timeout=wait or None)
            except TimeoutError:
                if not wait:  # the work's own
                    raise
                if future.done():
                    wait = 0.0
                elif self._client.nthreads():
                    alone = monotonic()
                elif monotonic() - alone > PATIENCE:
                    raise InputError(
                        f"{self._name}: has had no worker for {PATIENCE:.0f} s; start some, and "
                        "run the command again"
                    ) from None
            except KilledWorker as error:
                raise InputError(
                    f"{self._name}: gave up on a piece of work over which worker after worker "
                    "died; give workers more memory, or see their logs"
                ) from error
            except (FutureCancelledError, ImportError) as error:
                reason = str(error).partition("\n")[0][:160]
                raise InputError(
                    f"{self._name}: could not do the work ({reason}); the scheduler must stay, and "
                    "workers need the same packages as here"
                ) from error


@contextmanager
def connected(
    scheduler: Scheduler | None, genome: "Genome | None" = None
) -> Iterator[Cluster | None]:
    """The cluster to work on; None for this process alone.

    Parameters
    ----------
    scheduler : str, Client or None
        ``tcp://HOST:PORT`` (or tls) of a `dask scheduler`; ``local:N`` for N processes of one
        thread each on this machine, which end with the block; or a `distributed.Client`.
    genome : Genome, optional
        That workers are to read by region.

    Raises
    ------
    InputError
        Anything else, no package, no answer, no worker, or a genome of plain gzip.
    """
    if scheduler is None:
        yield None
        return
    if genome is not None and not genome.random_access:
        raise InputError(
            f"{genome.path}: is gzip, which each worker would read from its beginning; expected "
            "plain FASTA or bgzip with a scheduler"
        )
    with ExitStack() as stack:
        client = _client(scheduler, stack)
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            at = client.scheduler.address
            raise InputError(f"{at}: has no worker; start some with dask worker {at}") from None
        yield Cluster(client)


def _client(scheduler: Scheduler, stack: ExitStack) -> "Client":
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise InputError(
            f"scheduler: needs dask.distributed ({error}); pip install 'kmerengine[scale]'"
        ) from error
    if isinstance(scheduler, Client):
        return scheduler
    local = re.fullmatch(r"local:(\d{1,4})", scheduler)
    if local is None:
        if not re.fullmatch(r"(tcp|tls)://\S+:\d+", scheduler):
            raise InputError(
                f"scheduler: found {scheduler!r}, expected tcp://HOST:PORT of a Dask scheduler, or "
                "local:N for N processes"
            )
        try:
            return stack.enter_context(Client(scheduler, timeout=ANSWERS_IN, set_as_default=False))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{scheduler}: no scheduler answers there ({type(error).__name__}); start one with "
                "dask scheduler"
            ) from error
    n = int(local[1])
    if not 1 <= n <= MAX_THREADS:
        raise InputError(f"scheduler: found local:{n}, expected local:1 to local:{MAX_THREADS}")
    import dask

    stack.enter_context(
        dask.config.set({"distributed.scheduler.allowed-failures": ALLOWED_FAILURES})
    )
    processes = stack.enter_context(
        LocalCluster(
            n_workers=n,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # of None it takes 8787, and warns where that is taken
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )
    )
    return stack.enter_context(Client(processes, set_as_default=False))
