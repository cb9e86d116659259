"""A small genome, data sets of it, and networks, for tests of attributions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kmerengine
from kmerengine import Dataset
from modelkit.models.bpaitac import BpAITAC
from modelkit.recipes.bpaitac import BpAITACConfig
from modelkit.training.run import Run

SIZES = {"chr2": 1700, "chr1": 900, "chr3": 300}
WIDTH, WINDOW = 60, 20
CENTRES = [("chr1", 100), ("chr2", 400), ("chr2", 408), ("chr1", 870), ("chr2", 420),
           ("chr2", 900), ("chr2", 1000), ("chr2", 1100), ("chr3", 150)]  # fmt: skip
TASKS = ("B", "NK/1", "T")
WEIGHTS = np.array([[3.0, 8.0, 1.0, 4.0], [20.0, 2.0, 6.0, 1.0], [5.0, 0.5, 2.0, 7.0]])
OFFSET = 2.0


def letters() -> dict[str, str]:
    rng = np.random.default_rng(0)
    found = {name: "".join(rng.choice(list("ACGT"), size)) for name, size in SIZES.items()}
    found["chr2"] = found["chr2"][:895] + "NNN" + found["chr2"][898:]  # in the region at 900
    return found


GENOME = letters()


def make_files(folder: Path, centres: Sequence[tuple[str, int]] = CENTRES) -> Path:
    """Genome, regions and cuts."""
    (folder / "g.fa").write_text("".join(f">{n}\n{text}\n" for n, text in GENOME.items()))
    (folder / "g.sizes").write_text("".join(f"{n}\t{size}\n" for n, size in SIZES.items()))
    (folder / "p.bed").write_text("".join(f"{c}\t{at - 1}\t{at + 1}\n" for c, at in centres))
    (folder / "f.tsv").write_text(
        "".join(f"{n}\t{at}\t{at + 30}\tx\t1\n" for n in SIZES for at in range(0, 250, 3))
    )
    kmerengine.cuts(
        [folder / "f.tsv"] * 3, names=TASKS, output=folder / "c.parquet", input_shift="none",
        genome=folder / "g.fa",
    )  # fmt: skip
    return folder


def make_data(files: Path, output: Path, **options: Any) -> Dataset:
    given = {"genome": files / "g.fa", "cuts": files / "c.parquet", "width": WIDTH,
             "window": WINDOW, "split": ["test=chr1,chr3"], "output": output}  # fmt: skip
    return kmerengine.dataset(files / "p.bed", **(given | options))


def make_run(path: Path, data: Dataset, *, linear: bool = False, **about: Any) -> Run:
    """A network with random weights; or one whose totals are the mean of a weight of each base."""
    network: dict[str, Any] = {"channels": 5, "stem_width": 5, "blocks": 1, "head_width": 3,
                               "pools": [2, 2, 2]}  # fmt: skip
    if linear:
        network = {"channels": 4, "stem_width": 1, "blocks": 0, "head_width": 1,
                   "total_head": "global-pool"}  # fmt: skip
    changes = {"network": network, "objective": {"use_bias": False}}
    config = BpAITACConfig().changed(changes).for_dataset(data)
    torch.manual_seed(3)
    model = BpAITAC(config.network)
    state = model.state_dict()
    if linear:
        state = {name: torch.zeros_like(t) for name, t in state.items()}
        state["stem.weight"] = torch.eye(4)[:, :, None]
        state["total.dense.weight"] = torch.tensor(WEIGHTS, dtype=torch.float32)
    state["total.dense.bias"] = torch.full((len(TASKS),), OFFSET)
    model.load_state_dict(state)
    told = {"shift": data.shift, "off_by_two": data.off_by_two, "tasks": list(TASKS)}
    return Run.create(path, config, model, told | about, force=True)


def same_files(one: Path, other: Path) -> bool:
    names = sorted(each.name for each in one.iterdir())
    return names == sorted(each.name for each in other.iterdir()) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )
