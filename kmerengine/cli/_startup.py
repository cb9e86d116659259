"""What a command does before its first compiled loop, to start sooner."""

import gc
import sys


def load_numba() -> None:
    """Import Numba's array functions without SciPy's linear algebra: 0.2 s less.

    Numba imports it to offer `np.dot` to compiled functions, which no loop of ours calls. This is
    for a process of our own only: a library must not decide it for its caller.
    """
    gc.set_threshold(100_000)  # what is imported stays: looking for garbage in it takes 0.05 s
    if "numba.np.arraymath" in sys.modules or "scipy.linalg" in sys.modules:
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules["scipy.linalg"]
