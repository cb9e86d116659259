"""BindVAE on the CPU: steps and peaks per second, against dense PyTorch.

    python -m bench.bindvae [--repeats 3] [--case NAME ...] [--provider NAME ...] [--list]

Full size: 112,800 features, 100 topics, 45.3 million weights, batches of 128 peaks of 200 bp. The
other way is `bench.bindvae_dense`: all counts dense, and PyTorch's fused Adam; with memory kept as
in `bench.models`, since fresh gradients of 180 MB a step are most of what the kernel would do. Our
way needs none, and runs as users run it. Losses of the first batch must agree.

What bounds a step of ours is memory: of 45.1 million weights and their two averages each is read
and written once, 24 bytes a weight and 1.08 GB in all; the forward pass reads the first layer once
(0.14 GB) and the decoder twice (0.09 GB).
"""


from bench.command import main
from bench.harness import Case, Provider
from bench.machine import package_version
from bench.self_timed import self_timed

PEAKS = 76_218  # of GM12878 in the paper
SIZE = "BindVAE, 112,800 features, 100 topics"


def way(
    name: str, job: str, by: str, *, work: int, keep: bool = False, runs: int | None = None
) -> Provider:
    """One implementation, in a process of its own that times itself."""
    module, version = "bench.bindvae_alone", lambda: package_version("torch")
    return self_timed(name, module, job, by, work, keep=keep, version=version, runs=runs)


def training(steps: int) -> Case:
    """Steps of 128 peaks."""
    return Case(
        name="train",
        label=f"{SIZE}, steps of 128 peaks",
        work=steps,
        unit="step",
        providers=[
            way("modelkit", "train", "modelkit", work=steps),
            way("dense PyTorch", "train", "dense", work=steps, keep=True),
            way("dense PyTorch", "train", "dense", work=steps, runs=1),
        ],
    )


def inference(peaks: int) -> Case:
    """Proportions of peaks."""
    return Case(
        name="infer",
        label=f"{SIZE}, proportions of {peaks:,} peaks",
        work=peaks,
        unit="peak",
        providers=[
            way("modelkit", "infer", "modelkit", work=peaks),
            way("dense PyTorch", "infer", "dense", work=peaks, keep=True, runs=1),
        ],
    )


def mapping(factors: int) -> Case:
    """Algorithm 1, of 100 topics and the paper's 54,000 probes."""
    return Case(
        name="map",
        label=f"Algorithm 1: {factors} factors x 100 topics, 54,000 probes",
        work=100 * factors,
        unit="test",
        providers=[way("modelkit", "map", "modelkit", work=100 * factors)],
    )


CASES = [training(20), inference(PEAKS), mapping(296)]


if __name__ == "__main__":
    main("bindvae", __doc__, CASES)
