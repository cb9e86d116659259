# mypy: allow-untyped-calls
"""DeepLIFT with the rescale rule, its mean over the references of each sequence (DeepSHAP).

    hypothetical of base b = mean over r of (m_b - sum_c r_c m_c)
    delta = mean over r of sum (x - r) m, less f(x) - mean over r of f(r)

m = multipliers of the rescale rule between sequence x and reference r; a base gets what it would
contribute in the place of the reference's, as bpAI-TAC's attributions have it (tangermeme). A
signal gets (x - r) m.
"""

import torch
from torch import Tensor

from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.explanation import Explanation, Sums
from modelkit.interpretation.methods.gradients import anchored, by_target, calculating, parts
from modelkit.interpretation.methods.options import AttributionOptions
from modelkit.interpretation.methods.references import Numbers, references
from modelkit.interpretation.methods.rescale import Rescale

__all__ = ["deepshap", "recorded"]


def deepshap(
    explained: Explained,
    rule: Rescale,
    x_BCP: Tensor,
    options: AttributionOptions,
    numbers: Numbers,
) -> Explanation:
    """Explain by a network whose modules follow `rule`."""
    found = []
    n = options.n_references if options.compared_with == "shuffle" else 1
    for part in parts(len(x_BCP), max(1, options.max_rows // n)):
        x_GCP = x_BCP[part]
        r_GNCP = references(x_GCP, options, numbers[part])
        prediction = recorded(explained, rule, x_GCP, options)
        sums = Sums(x_GCP, prediction)
        for some in parts(n, options.max_rows):
            _compare(explained, rule, sums, r_GNCP[:, some], options)
        found.append(sums.explanation(n))
    explained.anchor(None)
    rule.forget()
    return Explanation.joined(found)


def recorded(
    explained: Explained, rule: Rescale, x_GCP: Tensor, options: AttributionOptions
) -> Tensor:
    """Pass sequences, which the rule records and the readout takes as given; their targets."""
    with rule.record(len(x_GCP)):
        return anchored(explained, x_GCP, options)


def _compare(
    explained: Explained,
    rule: Rescale,
    sums: Sums,
    r_GNCP: Tensor,
    options: AttributionOptions,
) -> None:
    """Add what some references of each sequence say."""
    n = r_GNCP.shape[1]
    r = r_GNCP.flatten(0, 1).requires_grad_()
    with torch.enable_grad(), rule.compare(n), calculating(r, options):
        values = explained(r)
    sums.see(values.detach().unflatten(0, (-1, n)))
    for k, m in by_target(values, r):
        sums.add(k, m.unflatten(0, (-1, n)), r_GNCP)
