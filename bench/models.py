"""Networks on the CPU: samples per second, training and predicting, of the models.

    python -m bench.models [--repeats 3] [--case NAME ...] [--provider NAME ...] [--list]

A process makes a network and one batch, works on it once, and then so often as the case says; only
that is timed. Memory kept: the C library does not give memory back between the layers, which saves
the kernel clearing it; see `bench.self_timed`. All networks of a case have the same
weights, so what the first batch gives must agree. The last case is a matrix product: what the
processor can do at all.
"""

import importlib.util

from bench.command import main
from bench.harness import Case, Provider
from bench.koo_runs import NETWORKS
from bench.machine import package_version
from bench.models_alone import SIDE
from bench.self_timed import self_timed

BPNET = "BPNet, 64 filters x 8 layers, 2,114 to 1,000 bp"
BPAITAC = "bpAI-TAC, 300 channels x 9 blocks, 998 bp, 90 tasks"
DANQ = "DanQ of AgentBind, 1,000 bp"
DEEPSEA = "DeepSEA of AgentBind, 1,000 bp"
KOO_BESIDE = ("cnn-2", "cnn-25")  # that plain PyTorch trains too
PEER_NEEDS = ("bpnetlite", "h5py", "pandas", "tangermeme", "tqdm")


def network(
    name: str,
    job: str,
    by: str,
    *,
    batch: int,
    batches: int,
    keep: bool = True,
    runs: int | None = None,
) -> Provider:
    """One network, in a process of its own that times itself."""
    version = peer_version if by == "bpnet-lite" else lambda: package_version("torch")
    module = "bench.models_alone"
    return self_timed(
        name, module, job, by, batch, batches, keep=keep, version=version, runs=runs
    )


def peer_version() -> str | None:
    """Version of bpnet-lite, or None if it or something that it imports is absent."""
    absent = any(importlib.util.find_spec(name) is None for name in PEER_NEEDS)
    return None if absent else package_version("bpnet-lite")


def case(job: str, label: str, ours: str, *, batch: int, batches: int) -> Case:
    """Our modules with memory kept and without, plain PyTorch, and for BPNet its peer."""
    sizes = {"batch": batch, "batches": batches}
    peer = [
        network("bpnet-lite", job, "bpnet-lite", **sizes, keep=keep, runs=1)
        for keep in (True, False)
    ]
    return Case(
        name=job,
        label=f"{label}, batches of {batch}",
        work=batch * batches,
        unit="sample",
        providers=[
            network(ours, job, "modules", **sizes),
            network(ours, job, "modules", **sizes, keep=False, runs=1),
            network("PyTorch Conv1d", job, "conv1d", **sizes, runs=1),
            *(peer if job.startswith("bpnet") else []),
        ],
    )


def koo(name: str) -> Case:
    """A network of Koo and Eddy, and two of them of plain PyTorch too."""
    job, sizes = f"koo:{name}-train", {"batch": 100, "batches": 40}
    peer = network("PyTorch Conv1d", job, "conv1d", **sizes)
    return Case(
        name=f"koo-{name}-train",
        label=f"{name.upper()} of Koo and Eddy, 200 bp, training, batches of 100",
        work=100 * 40,
        unit="sample",
        providers=[
            network("modelkit", job, "modules", **sizes),
            *([peer] if name in KOO_BESIDE else []),
        ],
    )


def product(times: int) -> Case:
    """FLOP per second of one matrix product, the bound of the networks."""
    return Case(
        name="product",
        label=f"matrix product of {SIDE} x {SIDE}, float32",
        work=2 * SIDE**3 * times,
        unit="FLOP",
        providers=[network("PyTorch", "product", "float32", batch=1, batches=times)],
    )


CASES = [
    case("bpnet-train", f"{BPNET}, training", "native_kernels", batch=64, batches=2),
    case("bpnet-predict", f"{BPNET}, predicting", "native_kernels", batch=64, batches=8),
    case(
        "bpnet-predict-bfloat16",
        f"{BPNET}, predicting in bfloat16",
        "native_kernels",
        batch=8,
        batches=16,
    ),
    case("bpaitac-train", f"{BPAITAC}, training", "modelkit", batch=20, batches=2),
    case("bpaitac-predict", f"{BPAITAC}, predicting", "modelkit", batch=20, batches=2),
    case("danq-train", f"{DANQ}, training", "modelkit", batch=128, batches=2),
    case("deepsea-train", f"{DEEPSEA}, training", "modelkit", batch=32, batches=2),
    *map(koo, NETWORKS),
    product(100),
]


if __name__ == "__main__":
    main("models", __doc__, CASES)
