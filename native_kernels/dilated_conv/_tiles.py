"""Sizes of the convolution kernels' tiles: a small table, keyed by op, device and element size.

No entry depends on the number of regions or their length, so a new batch compiles and tunes
nothing. Chosen from the compiled code (registers, shared memory, spills), see docs/kernels.md.
"""

from typing import NamedTuple


class Tile(NamedTuple):
    """One launch. `channels` is the most output channels that a program holds."""

    rows: int
    channels: int
    depth: int
    warps: int
    stages: int


HOPPER = 9  # major compute capability

_TILES = {
    # op, capability, bytes per element
    ("forward", HOPPER, 2): Tile(128, 320, 64, 8, 3),
    ("ragged forward", HOPPER, 2): Tile(64, 320, 64, 8, 3),  # 128 rows spill 720 bytes a thread
    ("forward", HOPPER, 4): Tile(64, 320, 32, 8, 2),
    ("weights", HOPPER, 2): Tile(64, 320, 64, 8, 3),
    ("weights", HOPPER, 4): Tile(64, 128, 32, 8, 2),
    # What fits the 99 KB of shared memory of consumer cards.
    ("forward", 0, 2): Tile(128, 128, 32, 4, 3),
    ("forward", 0, 4): Tile(64, 128, 32, 4, 2),
    ("weights", 0, 2): Tile(64, 128, 32, 4, 3),
    ("weights", 0, 4): Tile(64, 64, 32, 4, 2),
}

SPLIT_PROGRAMS = 264  # two for each multiprocessor of an H200; fixed, so that sums keep their order


def tile(op: str, capability: int, itemsize: int, *, ragged: bool = False) -> Tile:
    """The entry of a device; the one for any device where it has none.

    Rows of ragged channels do not start at multiples of 16 bytes: more addresses, more registers.
    """
    names = [f"ragged {op}", op] if ragged else [op]
    for key in [(name, capability, itemsize) for name in names]:
        if key in _TILES:
            return _TILES[key]
    return _TILES[op, 0, itemsize]


def split_channels(channels: int, most: int) -> tuple[int, int]:
    """Powers of two whose sum a program covers: 320 channels are 256 + 64, and not 512.

    The second is 0 where one power serves, or where several programs share the channels.
    """
    first = max(16, 1 << (channels.bit_length() - 1))
    rest = max(0, channels - first)
    second = max(16, 1 << (rest - 1).bit_length()) if rest else 0
    if second >= first:
        first, second = 2 * first, 0
    if first + second <= most:
        return first, second
    return 1 << (most.bit_length() - 1), 0
