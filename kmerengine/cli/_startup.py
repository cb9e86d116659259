"""What a command does before its first compiled loop, to start sooner."""

import atexit
import gc
import sys


def load_libraries() -> None:
    """Import Numba's array functions without SciPy's linear algebra: 0.2 s less.

    Numba imports it to offer `np.dot` to compiled functions, which no loop of ours calls. This is
    for a process of our own only: a library must not decide it for its caller.
    """
    gc.set_threshold(100_000)  # what is imported stays: looking for garbage in it takes 0.05 s
    atexit.register(gc.freeze)  # and so does this at the end: 0.1 to 0.2 s
    _leave_out_pandas()
    if "numba.np.arraymath" in sys.modules or "scipy.linalg" in sys.modules:
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules["scipy.linalg"]


def _leave_out_pandas() -> None:
    """Have PyArrow settle that there is no pandas: 0.3 to 0.5 s less where there is one.

    It looks for pandas when the first array is made, to tell whether it was given a series.
    """
    import pyarrow as pa

    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas())
    try:
        pa.array([0])
    finally:
        del sys.meta_path[0]


class _NoPandas:
    """Finds no pandas, and leaves every other module to those behind it."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)
