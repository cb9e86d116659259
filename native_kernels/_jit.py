"""The one set of Numba flags. No fastmath: results do not depend on the order of evaluation."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., object])


def jit(loop: Loop) -> Loop:
    """Compile `loop` on first use, keep it on disk, and release the GIL while it runs.

    Numba's disk cache does not see edits in other files, so a loop calls only functions of its
    own file.
    """
    return cast(Loop, numba.njit(cache=True, nogil=True, error_model="numpy")(loop))
