"""The parts of a bigWig file that say where things are: headers, contigs and indexes.

Kent et al., Bioinformatics 26:2204 (2010), supplement.
"""

import struct
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

MAGIC, CONTIG_MAGIC, INDEX_MAGIC = 0x888FFC26, 0x78CA8C91, 0x2468ACE0
NODE_ITEMS = 256

HEADER = struct.Struct("<IHHQQQHHQQIQ")
ZOOM_HEADER = struct.Struct("<IIQQ")
SUMMARY = struct.Struct("<Qdddd")
NODE = struct.Struct("<BBH")
PLACE = [("contig", "<u4"), ("start", "<u4"), ("end_contig", "<u4"), ("end", "<u4")]
BLOCK = np.dtype([*PLACE, ("offset", "<u8"), ("size", "<u8")])
CHILD = np.dtype([*PLACE, ("offset", "<u8")])
ZOOM = np.dtype(
    [
        *(("contig", "<u4"), ("start", "<u4"), ("end", "<u4"), ("bases", "<u4")),
        *(("min", "<f4"), ("max", "<f4"), ("sum", "<f4"), ("squares", "<f4")),
    ]
)


def write_contigs(file: BinaryIO, contigs: dict[str, int]) -> None:
    """The B+ tree of the contigs: sorted by name, one node or a root over nodes."""
    names = sorted((name.encode(), i, n) for i, (name, n) in enumerate(contigs.items()))
    width = max(len(name) for name, _, _ in names)
    node_items = NODE_ITEMS
    while node_items**2 < len(names):
        node_items *= 2
    file.write(struct.pack("<IIIIQQ", CONTIG_MAGIC, node_items, width, 8, len(names), 0))
    item = struct.Struct(f"<{width}sII")  # a name and its number and length, or a node's place
    leaves = [names[i : i + node_items] for i in range(0, len(names), node_items)]
    node_bytes = NODE.size + node_items * item.size
    if len(leaves) > 1:
        at = file.tell() + node_bytes
        file.write(NODE.pack(0, 0, len(leaves)))
        for i, leaf in enumerate(leaves):
            file.write(struct.pack(f"<{width}sQ", leaf[0][0], at + i * node_bytes))
        file.write(bytes((node_items - len(leaves)) * item.size))
    for leaf in leaves:
        file.write(NODE.pack(1, 0, len(leaf)))
        for row in leaf:
            file.write(item.pack(*row))
        file.write(bytes((node_items - len(leaf)) * item.size))


def write_index(file: BinaryIO, blocks: npt.NDArray[np.void], *, items: int) -> None:
    """The R-tree over blocks that are in order: levels from the root down."""
    end_of_data = file.tell()
    levels = [blocks]
    while len(levels[0]) > NODE_ITEMS:
        levels.insert(0, _parents(levels[0]))
    ends = blocks[-1] if len(blocks) else np.zeros(1, BLOCK)[0]
    start = blocks[0] if len(blocks) else ends
    head = (start["contig"], start["start"], ends["end_contig"], ends["end"])
    file.write(struct.pack("<IIQIIII", INDEX_MAGIC, NODE_ITEMS, len(blocks), *head))
    file.write(struct.pack("<QII", end_of_data, items, 0))
    at = file.tell()
    for depth, level in enumerate(levels):
        is_leaf = depth == len(levels) - 1
        nodes = max(1, -(-len(level) // NODE_ITEMS))
        if not is_leaf:  # node i of the next level stands after the i full nodes before it
            at += nodes * NODE.size + level.nbytes
            below = levels[depth + 1]
            level["offset"] = at + np.arange(len(level)) * (
                NODE.size + NODE_ITEMS * below.dtype.itemsize
            )
        for first in range(0, nodes * NODE_ITEMS, NODE_ITEMS):
            node = level[first : first + NODE_ITEMS]
            file.write(NODE.pack(is_leaf, 0, len(node)) + node.tobytes())


def _parents(level: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """The nodes over one level's items, 256 to each."""
    firsts = np.arange(0, len(level), NODE_ITEMS)
    lasts = np.minimum(firsts + NODE_ITEMS, len(level)) - 1
    parents = np.zeros(len(firsts), CHILD)
    for name in ("contig", "start"):
        parents[name] = level[name][firsts]
    for name in ("end_contig", "end"):
        parents[name] = level[name][lasts]
    return parents
