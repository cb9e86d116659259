"""A training step of bpAI-TAC at paper size on a device: whole, by its parts, and as an epoch.

A step is forward, loss, backward and Adam on one batch that lies on the device; what the loader
takes is not in it. The parts are those of the same step, cut at the outputs of the body and of the
heads, so that the backward pass of each counts with its forward pass.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bench import networks
from bench.networks import PAPER, Inputs, Outputs, Sizes

REGIONS = 267_237  # of the paper's data
GOAL = 30  # seconds of an epoch
PARTS = ("body", "heads", "loss", "optimizer")
STEPS = 10  # over which the parts are measured
CASES = ((256, "bf16"), (20, "bf16"), (256, "tf32"), (20, "tf32"))  # 20 as the paper's
OFF = {"bf16": 0.05, "tf32": 0.02}  # of the logits' norm, at most

Row = dict[str, Any]


class Marks:
    """Moments at which parts of the work end, by events on a CUDA device, else by the clock."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._moments: list[tuple[str, Any]] = []

    def mark(self, part: str) -> None:
        """`part` ends here and began at the mark before; "" ends nothing."""
        moment: Any = time.perf_counter()
        if self._device.type == "cuda":
            moment = torch.cuda.Event(enable_timing=True)
            moment.record()
        self._moments.append((part, moment))

    def seconds(self) -> dict[str, float]:
        """Of each part, over all times that it was marked."""
        on_device = self._device.type == "cuda"
        if on_device:
            torch.cuda.synchronize()
        found: dict[str, float] = {}
        for (_, start), (part, end) in pairwise(self._moments):
            if part:
                taken = start.elapsed_time(end) / 1e3 if on_device else end - start
                found[part] = found.get(part, 0.0) + taken
        return found


class Network(NamedTuple):
    """A network in two parts, and the loss of its outputs and the targets."""

    model: nn.Module
    body: Callable[[Tensor], Tensor]
    heads: Callable[[Tensor], Outputs]
    loss: Callable[..., Tensor]


class Step:
    """A training step of one network; calling it takes the step."""

    def __init__(self, network: Network, inputs: Inputs, *, bfloat16: bool) -> None:
        self._network, self._inputs, self._bfloat16 = network, inputs, bfloat16
        self._device = inputs.sequence.device
        self.regions = len(inputs.sequence)
        on_device = self._device.type == "cuda"  # capturable: its step can be part of a graph
        self._optimizer = torch.optim.Adam(
            network.model.train().parameters(), 1e-3, fused=on_device, capturable=on_device
        )

    def __call__(self) -> None:
        """Forward, loss, backward, Adam."""
        self._network.loss(*self.outputs(), *self._inputs.targets).backward()
        self._update()

    def outputs(self) -> Outputs:
        """Logits and totals of the batch."""
        with self._autocast():
            return self._network.heads(self._network.body(self._inputs.sequence))

    def by_parts(self, marks: Marks) -> None:
        """The same step, with a mark where each part ends."""
        marks.mark("")
        with self._autocast():
            x = self._network.body(self._inputs.sequence)
            marks.mark("body")
            seen = x.detach().requires_grad_()
            outputs = self._network.heads(seen)
            marks.mark("heads")
        cut = [each.detach().requires_grad_() for each in outputs]
        self._network.loss(*cut, *self._inputs.targets).backward()
        marks.mark("loss")
        torch.autograd.backward(outputs, [each.grad for each in cut])
        marks.mark("heads")
        x.backward(seen.grad)
        marks.mark("body")
        self._update()
        marks.mark("optimizer")

    def epoch(self, seconds: float, *, parts: bool) -> Row:
        """Of a step of so many seconds: those of an epoch, and the share of each part if asked."""
        found: Row = {"epoch_seconds": REGIONS / self.regions * seconds}
        return found | ({"shares": self.shares()} if parts else {})

    def shares(self) -> dict[str, float]:
        """Share of each part in the time of STEPS steps, after one."""
        self.by_parts(Marks(self._device))
        marks = Marks(self._device)
        for _ in range(STEPS):
            self.by_parts(marks)
        seconds = marks.seconds()
        return {part: seconds[part] / sum(seconds.values()) for part in PARTS}

    def _update(self) -> None:
        self._optimizer.step()
        self._optimizer.zero_grad()

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if not self._bfloat16:
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)


def modelkit_network(sizes: Sizes, *, tf32: bool) -> Network:
    """modelkit's, in parts."""
    model: Any = networks.modelkit_bpaitac(sizes)
    for module in model.modules():
        if hasattr(module, "tf32"):
            module.tf32 = tf32  # PyTorch's own convolutions round to it by themselves

    def body(sequence: Tensor) -> Tensor:
        x: Tensor = model.stem(sequence.mT)
        for block in model.blocks:
            x = block(x)
        return x

    def heads(x: Tensor) -> Outputs:
        return model._logits(x, model.profile), model.total(x)

    return Network(model, body, heads, networks.bpaitac_loss)


def make_steps(
    device: torch.device, batch: int, kind: str, sizes: Sizes = PAPER
) -> dict[str, Step]:
    """A step of modelkit's and of the plain network, with the same weights and batch.

    Raises
    ------
    ImportError
        modelkit's network needs a package that is absent.
    RuntimeError
        The two differ in what they predict.
    """
    torch.manual_seed(0)
    model = networks.PlainBpAITAC(sizes).to(device)
    plain = Network(model, model.body, model.heads, networks.plain_bpaitac_loss)
    ours = modelkit_network(sizes, tf32=kind == "tf32")
    ours.model.to(device).load_state_dict(model.state_dict())
    made = networks.bpaitac_inputs(batch, sizes)
    inputs = Inputs(made.sequence.to(device), tuple(each.to(device) for each in made.targets))
    steps = {
        who: Step(network, inputs, bfloat16=kind == "bf16")
        for who, network in (("kmerengine", ours), ("eager", plain))
    }
    with torch.no_grad():
        found, wanted = (step.outputs()[0].float() for step in steps.values())
    off = float((found - wanted).norm() / wanted.norm())
    if not off < OFF[kind]:
        raise RuntimeError(f"bpAI-TAC in {kind} is off by {off:.3g}")
    return steps


def bpaitac_cases() -> Iterator[tuple[str, str, float, dict[str, Step]]]:
    """Name, unit, work and providers of each case."""
    for batch, kind in CASES:
        name = f"bpAI-TAC training step, {batch} regions, {kind}"
        steps = make_steps(torch.device("cuda"), batch, kind)
        yield name, "FLOP", 3 * batch * flop(), steps
        del steps  # before those of the next case take memory
        torch.cuda.empty_cache()


def flop(sizes: Sizes = PAPER) -> float:
    """Of one region forward; backward takes twice as much."""
    channels, length = sizes.channels, sizes.length
    dilated = 3 * channels * channels * length * sizes.blocks
    ends = 25 * channels * (4 * length + sizes.tasks * sizes.window)
    pooled, totals = length, 0
    for _ in range(3):
        pooled //= networks.POOL
        totals += 3 * channels * channels * pooled
    return 2.0 * (dilated + ends + totals + channels * pooled * sizes.tasks)


def epoch_table(rows: list[Row]) -> str:
    """Of the rows of steps, in Markdown."""
    head = ["an epoch", "by", f"seconds (goal {GOAL})", *PARTS]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        shares = [f"{100 * row['shares'][part]:.0f} %" if "shares" in row else "" for part in PARTS]
        lines.append([row["case"], row["provider"], f"{row['epoch_seconds']:.1f}", *shares])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
