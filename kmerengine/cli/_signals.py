"""Ctrl-C, SIGTERM and SIGHUP end a command the same way: temporary files are removed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.02  # seconds until a signal that came at a bad moment is looked at again


@contextmanager
def unwound_when_ended() -> Iterator[None]:
    """Turn the signals into exceptions, but never inside Numba while it loads or compiles.

    LLVM calls back into Python there: an exception in such a call is lost, and with it the Ctrl-C,
    or the process crashes. Such a signal waits until Numba is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGALRM:
            came.append(number)
        if _in_numba(frame):
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        elif came and came[0] == signal.SIGINT:
            raise KeyboardInterrupt
        elif came:
            raise SystemExit(128 + came[0])

    ordinary = (signal.SIG_DFL, signal.default_int_handler)  # nohup has ignored SIGHUP: leave it
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = {kind: signal.getsignal(kind) for kind in kinds if signal.getsignal(kind) in ordinary}
    for kind in before:
        signal.signal(kind, end)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _in_numba(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in ("numba", "llvmlite"):
            return True
        frame = frame.f_back
    return False
