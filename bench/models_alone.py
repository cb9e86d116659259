"""A network on the CPU, alone: `python -m bench.models_alone JOB BY BATCH BATCHES`.

Prints the seconds of so many batches, and what the network made of the first one. Nothing looks at
an output while the clock runs. A training step is forward, loss, backward and Adam. All networks of
a job start from the same weights.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench import networks

BFLOAT16_OFF = 0.05  # of the outputs' norm, at most
SIDE = 1024  # of the matrices of the job "product"


class Form(NamedTuple):
    """A network, and the loss of its outputs (a tuple or one tensor) and the targets."""

    model: nn.Module
    loss: Callable[..., Tensor]

    def losses(self, inputs: networks.Inputs) -> Tensor:
        """Of one batch."""
        found = self.model(inputs.sequence)
        outputs = (found,) if isinstance(found, Tensor) else found
        return self.loss(*outputs, *inputs.targets)


def bpnet(by: str) -> Form:
    """BPNet by our modules, by Conv1d or by bpnet-lite, from the same weights."""
    torch.manual_seed(0)
    plain = networks.PlainBPNet()
    if by == "conv1d":
        return Form(plain, networks.plain_bpnet_loss)
    if by == "modules":
        ours = networks.BPNet()
        ours.load_state_dict(plain.state_dict())
        return Form(ours, networks.bpnet_loss)
    from bpnetlite.bpnet import BPNet
    from bpnetlite.losses import _mixture_loss

    trimming = (networks.BPNET_LENGTH - networks.BPNET_WINDOW) // 2
    peer = BPNet(
        n_filters=networks.FILTERS,
        n_layers=networks.LAYERS,
        n_outputs=1,
        n_control_tracks=0,
        trimming=trimming,
        verbose=False,
    )
    weights = zip(peer.state_dict(), plain.state_dict().values(), strict=True)  # of one order
    peer.load_state_dict(dict(weights))
    return Form(peer, lambda logits, logs, counts: _mixture_loss(counts, logits, logs, 1)[2])


def bpaitac(by: str) -> Form:
    """bpAI-TAC at paper size, by modelkit or by Conv1d, from the same weights."""
    torch.manual_seed(0)
    plain = networks.PlainBpAITAC()
    if by == "conv1d":
        return Form(plain, networks.plain_bpaitac_loss)
    ours = networks.modelkit_bpaitac()
    ours.load_state_dict(plain.state_dict())
    return Form(ours, networks.bpaitac_loss)


def koo(name: str, by: str) -> Form:
    """A network of Koo and Eddy, by modelkit or by Conv1d, from the same weights."""
    from bench.koo_networks import koo_network

    return Form(koo_network(name, by), functional.binary_cross_entropy_with_logits)


def koo_inputs(batch: int) -> networks.Inputs:
    """Of all of Koo and Eddy's networks."""
    from bench import koo_networks

    return koo_networks.koo_inputs(batch)


def agentbind(name: str, by: str) -> Form:
    """DanQ or DeepSEA of AgentBind, by modelkit or by Conv1d, from the same weights."""
    from bench import agentbind_networks

    made = getattr(agentbind_networks, name)(by)
    return Form(made, functional.binary_cross_entropy_with_logits)


def agentbind_inputs(batch: int) -> networks.Inputs:
    """Of both of AgentBind's networks."""
    from bench import agentbind_networks

    return agentbind_networks.agentbind_inputs(batch)


NETWORKS = {
    "bpnet": (bpnet, networks.bpnet_inputs),
    "bpaitac": (bpaitac, networks.bpaitac_inputs),
    "danq": (partial(agentbind, "danq"), agentbind_inputs),
    "deepsea": (partial(agentbind, "deepsea"), agentbind_inputs),
}


def train(form: Form, inputs: networks.Inputs, batches: int) -> tuple[float, dict[str, str]]:
    """Seconds of the steps after the first; loss and gradient of the first, without dropout."""
    model = form.model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = form.losses(inputs)
        loss.backward()
        optimizer.step()
        return loss

    loss = step()
    gradients = [one.grad for one in model.parameters() if one.grad is not None]
    size = torch.stack([one.norm() for one in gradients]).norm()
    # few figures of the gradient: where a value is 0 but for rounding, ReLU passes it or not
    facts = {"loss": f"{loss.item():.3g}", "gradient": f"{size.item():.2g}"}
    model.train()
    return seconds_of(step, batches), facts


@torch.inference_mode()
def predict(
    form: Form, inputs: networks.Inputs, batches: int, *, bfloat16: bool = False
) -> tuple[float, dict[str, str]]:
    """Seconds of the batches after the first; loss and outputs, in float32.

    With `bfloat16` that is the type which is timed; its outputs must be near those of float32.
    """
    model = form.model.eval()
    outputs = model(inputs.sequence)
    logits, totals = outputs[0], outputs[1]
    facts = {
        "loss": f"{float(form.loss(logits, totals, *inputs.targets)):.3g}",
        "logits": f"{float(logits.norm()):.4g}",
        "totals": f"{float(totals.norm()):.3g}",
    }
    sequence = inputs.sequence
    if bfloat16:
        model, sequence = model.to(torch.bfloat16), sequence.to(torch.bfloat16)
        found = model(sequence)[0].float()
        off = float((found - logits).norm() / logits.norm())
        if not off < BFLOAT16_OFF:
            raise RuntimeError(f"bfloat16 is off by {off:.3g}")
    return seconds_of(lambda: model(sequence), batches), facts


def multiply(times: int) -> tuple[float, dict[str, str]]:
    """Seconds of so many products of two matrices, after one: what the processor can do."""
    torch.manual_seed(0)
    a, b = (torch.randint(-2, 3, (SIDE, SIDE)).float() for _ in range(2))
    facts = {"trace": str(int((a @ b).trace()))}
    return seconds_of(lambda: a @ b, times), facts


def seconds_of(work: Callable[[], object], times: int) -> float:
    """Of so many calls."""
    start = time.perf_counter()
    for _ in range(times):
        work()
    return time.perf_counter() - start


def measure(job: str, by: str, batch: int, batches: int) -> dict[str, float | str]:
    """Seconds and facts of a job: "bpnet-train", "koo:cnn-25-train", ... or "product"."""
    if job == "product":
        seconds, facts = multiply(batches)
        return {"seconds": seconds, **facts}
    kind, colon, name = job.partition(":")
    if colon:
        work, make, make_inputs = "train", partial(koo, name.removesuffix("-train")), koo_inputs
    else:
        network, _, work = kind.partition("-")
        make, make_inputs = NETWORKS[network]
    form = make(by)
    torch.manual_seed(1)
    inputs = make_inputs(batch)
    if work == "train":
        seconds, facts = train(form, inputs, batches)
    else:
        seconds, facts = predict(form, inputs, batches, bfloat16=work == "predict-bfloat16")
    return {"seconds": seconds, **facts}


def main(job: str, by: str, batch: int, batches: int) -> None:
    """Use the cores that this process may use, and print a line."""
    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    print(json.dumps(measure(job, by, batch, batches)))


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
