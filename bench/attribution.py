"""Attributions on the CPU: sequences per second, BPNet's totals, against tangermeme and captum.

    python -m bench.attribution [--repeats 3] [--case NAME ...] [--provider NAME ...] [--list]

A process explains two sequences, whose scores must agree with those of the others, and then so many
as the case says, one by one; only those are timed. Memory is kept or not as in `bench.models`. A
row of ours says how far the scores are from adding up, one in bfloat16 also how they correlate with
those of float32.
"""


from bench.attribution_alone import SHUFFLES, STEPS
from bench.command import main
from bench.harness import Case, Provider
from bench.machine import package_version
from bench.models import BPNET
from bench.self_timed import self_timed

OURS = "modelkit"


def explainer(
    name: str,
    job: str,
    by: str,
    *,
    sequences: int,
    package: str = "torch",
    keep: bool = True,
    runs: int | None = None,
) -> Provider:
    """One way of explaining, in a process of its own that times itself."""
    module, version = "bench.attribution_alone", lambda: package_version(package)
    return self_timed(name, module, job, by, sequences, keep=keep, version=version, runs=runs)


def against(
    job: str, by: str, *, sequences: int, extra: tuple[Provider, ...] = ()
) -> list[Provider]:
    """Ours and a peer, with memory kept and without."""
    return [
        explainer(OURS, job, OURS, sequences=sequences),
        explainer(OURS, job, OURS, sequences=sequences, keep=False, runs=1),
        *extra,
        explainer(by, job, by, sequences=sequences, package=by, runs=1),
        explainer(by, job, by, sequences=sequences, package=by, keep=False, runs=1),
    ]


def deepshap(sequences: int) -> Case:
    """DeepLIFT over dinucleotide shuffles."""
    return Case(
        name="deepshap",
        label=f"{BPNET}, DeepSHAP with {SHUFFLES} shuffles",
        work=sequences,
        unit="sequence",
        providers=against("deepshap", "tangermeme", sequences=sequences),
    )


def integrated(sequences: int) -> Case:
    """Integrated gradients; one row in bfloat16."""
    half = explainer("modelkit, bfloat16", "ig", "modelkit-bfloat16", sequences=sequences, runs=1)
    return Case(
        name="ig",
        label=f"{BPNET}, integrated gradients of {STEPS} steps",
        work=sequences,
        unit="sequence",
        providers=against("ig", "captum", sequences=sequences, extra=(half,)),
    )


def mutagenesis(sequences: int) -> Case:
    """In-silico mutagenesis; the peer also without its windows."""
    whole = explainer(
        "tangermeme, fast=False",
        "ism",
        "tangermeme-whole",
        sequences=sequences,
        package="tangermeme",
        runs=1,
    )
    return Case(
        name="ism",
        label=f"{BPNET}, in-silico mutagenesis of all positions",
        work=sequences,
        unit="sequence",
        providers=[*against("ism", "tangermeme", sequences=sequences), whole],
    )


CASES = [deepshap(10), integrated(10), mutagenesis(2)]


if __name__ == "__main__":
    main("attribution", __doc__, CASES)
