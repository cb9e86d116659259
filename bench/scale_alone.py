"""Parts of a command, alone: `python -m bench.scale_alone join FRAGMENTS GROUPS SIZES OUT`, or
`attribute SEQUENCES`, or `pieces N`.

Prints CPU seconds of this process, of the part that is asked for.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

Said = dict[str, float | int]


def join(fragments: Path, groups: Path, sizes: Path, out: Path) -> Said:
    """`kmerengine cuts`: from cuts that are read to the table that is written."""
    from kmerengine import schemas
    from kmerengine.cut_sites.options import CutOptions
    from kmerengine.cut_sites.sample_sheet import listed_samples
    from kmerengine.cut_sites.samples import read_samples
    from kmerengine.cut_sites.track import cut_batches
    from kmerengine.io.tables import table_writer

    options = CutOptions(shift="+4/-4", input_shift="none", genome=sizes, threads=1)
    listed = listed_samples([fragments], None, (), groups)
    cuts = 0
    with read_samples(listed, options) as read:
        start = time.process_time()
        names = list(read.cuts)
        schema = schemas.with_metadata(schemas.cuts_schema(), {"samples": names})
        with table_writer(out, schema, out.suffix) as writer:
            for number, each in enumerate(read.cuts.values()):
                for batch in cut_batches(schema, number, names, read.genome, each.pieces()):
                    cuts += int(batch["count"].to_numpy().sum())
                    writer.write(batch)
        return {"seconds": time.process_time() - start, "cuts": cuts}


def attribute(sequences: int) -> Said:
    """DeepSHAP of BPNet's totals, a sequence at a time, on one thread."""
    import numpy as np
    import torch

    from bench import attribution_alone, networks

    torch.set_num_threads(1)
    way = attribution_alone.deepshap("modelkit")
    torch.manual_seed(1)
    x = networks.one_hot(1 + sequences, networks.BPNET_LENGTH)
    way.run(x[:1], 0)
    start = time.process_time()
    for number in range(1, 1 + sequences):
        way.run(x[number : number + 1], number)
    seconds = time.process_time() - start
    return {"seconds": seconds, "sequences": sequences, "bases": int(np.prod(x.shape[2:]))}


def opened() -> Callable[[int], int]:
    """Work that is none."""
    return int


def pieces(n: int) -> Said:
    """What scheduler and command, here one process, do for a piece of work and its result."""
    from kmerengine.cluster import connected

    with connected("local:1") as cluster:
        assert cluster is not None
        sum(cluster.in_order(opened, range(10)))
        start = time.process_time()
        total = sum(cluster.in_order(opened, range(n)))
        return {"seconds": time.process_time() - start, "total": total}


def main(job: str, *arguments: str) -> None:
    """Print a line."""
    if job == "join":
        said = join(*map(Path, arguments))
    else:
        said = {"attribute": attribute, "pieces": pieces}[job](*map(int, arguments))
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
