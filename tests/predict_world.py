"""Runs, data and tracks whose predictions are known by hand."""

import math

import numpy as np
import pyBigWig
import pytest
import torch

import kmerengine
from modelkit.models.bpaitac import BpAITAC
from modelkit.recipes.bpaitac import BpAITACConfig
from modelkit.training.run import Run

SIZES = {"chr2": 1700, "chr1": 900, "empty": 50}
WIDTH, WINDOW = 60, 20
LOW = (WIDTH - WINDOW) // 2  # where the window starts in a region
CENTRES = [("chr1", 100), ("chr2", 400), ("chr2", 408), ("chr1", 870), ("chr2", 420), ("chr2", 900),
           ("chr2", 408)]  # fmt: skip
TASKS = ("B", "NK/1")
LOGITS = np.array([[0.5, -1.0, 0.25, 2.0], [0.0, 1.5, -0.5, 0.75]])  # tasks x A C G T
WEIGHTS = np.array([[3.0, 8.0, 1.0, 4.0], [20.0, 2.0, 6.0, 1.0]])
OFFSETS = np.array([0.5, 2.0])


def letters():
    rng = np.random.default_rng(0)
    return {name: "".join(rng.choice(list("ACGT"), size)) for name, size in SIZES.items()}


GENOME = letters()
BIAS = {
    name: np.random.default_rng(1).normal(size=size).astype(np.float32)
    for name, size in SIZES.items()
}


def make_data(files, output, **options):
    given = {"genome": files / "g.fa", "cuts": files / "c.parquet", "bias": files / "b.bw",
             "width": WIDTH, "window": WINDOW, "output": output}  # fmt: skip
    return kmerengine.dataset(files / "p.bed", **(given | options))


def make_run(
    path, data, logits=LOGITS, weights=WEIGHTS, /, *, about=None, kind=BpAITACConfig, **of
):
    """A network of one bp: logits by base, totals by the shares of the bases."""
    network = {"channels": 4, "stem_width": 1, "blocks": 0, "head_width": 1}
    if kind is BpAITACConfig:
        network["total_head"] = "global-pool"
    changes = {"network": network | of.pop("network", {}), **of}
    config = kind().changed(changes).for_dataset(data)
    model = BpAITAC(config.network)
    state = {name: torch.zeros_like(t) for name, t in model.state_dict().items()}
    state["stem.weight"] = torch.eye(4)[:, :, None]
    if config.network.profile_head:
        state["profile.weight"] = torch.tensor(logits, dtype=torch.float32)[:, :, None]
    if config.network.total_head != "none":
        state["total.dense.weight"] = torch.tensor(weights, dtype=torch.float32)
        state["total.dense.bias"] = torch.tensor(OFFSETS, dtype=torch.float32)
    model.load_state_dict(state)
    parameters = data.provenance["parameters"]
    told = {"shift": data.shift, "off_by_two": parameters["off_by_two"], "tasks": list(TASKS)}
    return Run.create(path, config, model, told | (about or {}), force=True)


def total(chrom, centre, task, weights=WEIGHTS, first=0, last=WIDTH):
    """Of the letters in [first, last) of the region."""
    seen = GENOME[chrom][centre - WIDTH // 2 + first : centre - WIDTH // 2 + last]
    return sum(weights[task]["ACGT".index(base)] for base in seen) / len(seen) + OFFSETS[task]


def profile(chrom, centre, task, *, bias, logits=LOGITS, size=1, moved=0):
    """Probabilities of the window's bp, whose letters and bias lie `moved` bp to the right."""
    low = centre - WIDTH // 2 + LOW + moved
    values = [logits[task]["ACGT".index(base)] for base in GENOME[chrom][low : low + WINDOW]]
    if bias:
        values = [
            v + float(b) for v, b in zip(values, BIAS[chrom][low : low + WINDOW], strict=True)
        ]
    bins = [sum(values[i : i + size]) for i in range(0, WINDOW - size + 1, size)]
    parts = [math.exp(each) for each in bins]
    shares = [part / sum(parts) / size for part in parts for _ in range(size)]
    return shares + [0.0] * (WINDOW - len(shares))


def track(values_of):
    """Mean of the windows' values at each base, from (chrom, centre) to WINDOW values."""
    at = {}
    for chrom, centre in CENTRES:
        for i, value in enumerate(values_of(chrom, centre)):
            at.setdefault((chrom, centre - WIDTH // 2 + LOW + i), []).append(value)
    return {place: sum(values) / len(values) for place, values in at.items()}


def read(path):
    """Every value of a bigWig, by another reader."""
    found = {}
    with pyBigWig.open(str(path)) as file:
        assert file.chroms() == SIZES
        for name in SIZES:
            for start, end, value in file.intervals(name) or ():
                found |= {(name, at): value for at in range(start, end)}
    return found


def assert_tracks_equal(found, expected):
    assert found.keys() == expected.keys()
    for place, value in expected.items():
        assert found[place] == pytest.approx(value, rel=2e-6), place
