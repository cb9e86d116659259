"""Ctrl-C, SIGTERM and SIGHUP end a command the same way: temporary files are removed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.02  # seconds until a signal that came at a bad moment is looked at again

# LLVM calls back into Python: an exception in such a call is lost, and with it the Ctrl-C, or the
# process crashes. A lock that is interrupted while it changes hands is never free again.
UNINTERRUPTED = {"numba", "llvmlite", "threading", "concurrent"}


@contextmanager
def unwound_when_ended() -> Iterator[None]:
    """Turn the signals into exceptions, a moment later where one would do harm."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGALRM:
            came.append(number)
        if _at_a_bad_moment(frame):
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


def _at_a_bad_moment(frame: FrameType | None) -> bool:
    """Whether the code that was interrupted must not see an exception."""
    if frame is not None and frame.f_code is threading.Condition.wait.__code__:
        return False  # where the main thread waits for results most of the time
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in UNINTERRUPTED:
            return True
        frame = frame.f_back
    return False
