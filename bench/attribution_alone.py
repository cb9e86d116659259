"""Attributions on the CPU, alone: `python -m bench.attribution_alone JOB BY SEQUENCES`.

Prints the seconds of so many sequences, one after the other, and what came out for the first two.
All have the same network, BPNet's totals, with the same weights. What is compared was made with the
same references; while the clock runs each draws its own.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bench import networks
from bench.models_alone import seconds_of
from modelkit.interpretation.methods.explain import AttributionOptions, Explainer, Explanation
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.references import references
from modelkit.tasks.readouts import Readout

SHUFFLES, STEPS = 20, 50
COMPARED = 2  # sequences
CORRELATION = 0.999  # of bfloat16 with float32, at least


class Totals(Readout):
    """Logs of BPNet's totals."""

    def forward(self, output: networks.Outputs, anchor: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(B, 1)."""
        return output[1]


class PeerBlock(nn.Module):
    """``x + relu(conv(x))`` with a module for the ReLU, which tangermeme goes by."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            networks.FILTERS, networks.FILTERS, 3, padding=dilation, dilation=dilation
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(regions, channels, positions) to the same."""
        return x + self.relu(self.conv(x))


class PeerTotals(nn.Module):
    """`networks.PlainBPNet`, its totals alone."""

    def __init__(self) -> None:
        super().__init__()
        filters = networks.FILTERS
        self.stem = nn.Conv1d(4, filters, 21, padding=10)
        self.relu = nn.ReLU()
        self.blocks = nn.Sequential(*[PeerBlock(2 << i) for i in range(networks.LAYERS)])
        self.total = nn.Linear(filters, 1)

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, 4, P) to (B, 1)."""
        inner = self.blocks(self.relu(self.stem(sequence)))
        total: Tensor = self.total(
            inner[..., networks.EDGE : networks.BPNET_LENGTH - networks.EDGE].mean(2)
        )
        return total


class Way(NamedTuple):
    """One way to attributions.

    Attributes
    ----------
    run : (1, 4, P) and its number to anything
        What is timed.
    scores : (n, 4, P) to hypothetical scores, or scores of the bases, of the same references
    facts : what is not compared, of the last call of `scores`
    """

    run: Callable[[Tensor, int], object]
    scores: Callable[[Tensor], Tensor]
    facts: Callable[[], dict[str, str]] = dict


def weights() -> dict[str, Tensor]:
    """Of every network here; the ReLUs are about half open."""
    torch.manual_seed(0)
    return networks.PlainBPNet().state_dict()


def modelkit(options: AttributionOptions) -> Way:
    """Ours, with what is left over of the sum."""
    network = networks.BPNet()
    network.load_state_dict(weights())
    explained = Explained(network, Totals(), torch.ones(1, 1))
    explainer = Explainer(explained, options)
    last: list[Explanation] = []

    def scores(x: Tensor) -> Tensor:
        last[:] = [explainer(x)]
        return last[0].hypothetical[:, 0]

    def facts() -> dict[str, str]:
        return {"completeness error": f"{left_over(last[0]):.2g}"}

    if options.bfloat16:
        return in_bfloat16(explained, options, scores, facts)
    return Way(lambda x, number: explainer(x, np.array([number])), scores, facts)


def left_over(found: Explanation) -> float:
    """mean |delta| over mean |f(x) - f(reference)|."""
    return float(found.delta.abs().mean() / found.spread.mean())


def in_bfloat16(
    explained: Explained,
    options: AttributionOptions,
    scores: Callable[[Tensor], Tensor],
    facts: Callable[[], dict[str, str]],
) -> Way:
    """The same, which must be near float32; the scores that are compared are those of float32."""
    explainer = Explainer(explained, options)
    near: list[float] = []

    def checked(x: Tensor) -> Tensor:
        single = AttributionOptions(method=options.method, steps=options.steps)
        exact = Explainer(explained, single)(x).hypothetical[:, 0]
        pair = torch.stack([scores(x).flatten(), exact.flatten()])
        near[:] = [float(torch.corrcoef(pair)[0, 1])]
        if not near[0] >= CORRELATION:
            raise RuntimeError(f"bfloat16 correlates with float32 at {near[0]:.4f}")
        return exact

    return Way(
        lambda x, number: explainer(x, np.array([number])),
        checked,
        lambda: {
            "correlation with float32": f"{near[0]:.5f}",  # facts of its own: bits differ
            **{f"{name} in bfloat16": value for name, value in facts().items()},
        },
    )


def peer_network() -> nn.Module:
    """In the form that tangermeme and captum take."""
    network = PeerTotals()
    network.load_state_dict({k: v for k, v in weights().items() if not k.startswith("head.")})
    return network.eval()


def deepshap(by: str) -> Way:
    """DeepLIFT over dinucleotide shuffles."""
    options = AttributionOptions(n_references=SHUFFLES)
    if by == "modelkit":
        return modelkit(options)
    from tangermeme.deep_lift_shap import deep_lift_shap

    network = peer_network()

    def scores(x: Tensor) -> Tensor:
        same = references(x, options, np.arange(len(x)))
        return deep_lift_shap(network, x, references=same, hypothetical=True, device="cpu")

    def run(x: Tensor, number: int) -> Tensor:
        return deep_lift_shap(
            network,
            x,
            n_shuffles=SHUFFLES,
            random_state=number,
            hypothetical=True,
            device="cpu",
        )

    return Way(run, scores)


def integrated(by: str) -> Way:
    """Integrated gradients from no base at all."""
    options = AttributionOptions(method="ig", steps=STEPS, bfloat16=by == "modelkit-bfloat16")
    if by.startswith("modelkit"):
        ours = modelkit(options)
        return ours._replace(scores=lambda x: ours.scores(x) * x)
    from captum.attr import IntegratedGradients

    explainer = IntegratedGradients(peer_network())

    def scores(x: Tensor) -> Tensor:
        return explainer.attribute(x, n_steps=STEPS, method="riemann_middle", target=0)

    return Way(lambda x, _: scores(x), lambda x: torch.cat([scores(one) for one in x.split(1)]))


def mutagenesis(by: str) -> Way:
    """Every base at every position; the peer in windows, its default, or every mutant whole."""
    if by == "modelkit":
        return modelkit(AttributionOptions(method="ism"))._replace(facts=dict)
    from tangermeme.saturation_mutagenesis import saturation_mutagenesis

    network, fast = peer_network(), by == "tangermeme"

    def scores(x: Tensor) -> Tensor:
        return saturation_mutagenesis(network, x, hypothetical=True, device="cpu", fast=fast)

    return Way(lambda x, _: scores(x), scores)


JOBS = {"deepshap": deepshap, "ig": integrated, "ism": mutagenesis}


def measure(job: str, by: str, sequences: int) -> dict[str, float | str]:
    """Seconds and facts of a job."""
    way = JOBS[job](by)
    torch.manual_seed(1)
    x = networks.one_hot(sequences + COMPARED, networks.BPNET_LENGTH)
    scores = way.scores(x[:COMPARED]).detach()
    facts = {
        "scores": f"{float(scores.norm()):.3g}",
        "largest": str(int(scores.abs().sum((0, 1)).argmax())),
        **way.facts(),
    }
    numbers = iter(range(COMPARED, COMPARED + sequences))
    way.run(x[:1], 0)

    def one() -> object:
        number = next(numbers)
        return way.run(x[number : number + 1], number)

    return {"seconds": seconds_of(one, sequences), **facts}


def main(job: str, by: str, sequences: int) -> None:
    """Use the cores that this process may use, and print a line."""
    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    print(json.dumps(measure(job, by, sequences)))


if __name__ == "__main__":
    main(*sys.argv[1:3], int(sys.argv[3]))
