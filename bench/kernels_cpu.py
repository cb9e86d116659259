"""A profile model on the CPU, training and predicting: `python -m bench.kernels_cpu`.

BPNet with 64 filters and 8 dilated blocks, 2,114 bp in and 1,000 out, by the modules of
`native_kernels` and by plain PyTorch on (regions, channels, positions). Samples per second of the
wall clock, and of processor time times threads, which a busy machine disturbs less.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from native_kernels.dilated_conv.block import Block, Conv
from native_kernels.multinomial_nll.loss import ProfileLoss

LENGTH, WINDOW, FILTERS, BLOCKS = 2114, 1000, 64, 8


class ByModules(nn.Module):
    """BPNet of Conv and Block, channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(4, FILTERS, 21, relu=True)
        self.blocks = nn.Sequential(*[Block(FILTERS, dilation=2**i) for i in range(1, BLOCKS + 1)])
        self.head = Conv(FILTERS, 1, 75, padding="valid")
        self.total = nn.Linear(FILTERS, 1)
        self.loss = ProfileLoss(per_profile=False, log_counts=True)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (regions, 1, WINDOW) and log totals (regions, 1)."""
        x = self.blocks(self.stem(codes))
        edge = (LENGTH - WINDOW - 74) // 2
        inner = x[:, edge : edge + WINDOW + 74]
        return self.head(inner).mT, self.total(inner.mean(1))


class ByConv1d(nn.Module):
    """The same of `torch.nn.Conv1d`, from one-hot bases."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(4, FILTERS, 21, padding=10)
        self.blocks = nn.ModuleList(
            nn.Conv1d(FILTERS, FILTERS, 3, padding=2**i, dilation=2**i)
            for i in range(1, BLOCKS + 1)
        )
        self.head = nn.Conv1d(FILTERS, 1, 75)
        self.total = nn.Linear(FILTERS, 1)
        self.loss = ProfileLoss(per_profile=False, log_counts=True)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """As ByModules."""
        x = functional.one_hot(codes.long(), 4).mT.to(self.stem.weight.dtype)
        x = self.stem(x).relu()
        for block in self.blocks:
            x = x + block(x).relu()
        edge = (LENGTH - WINDOW - 74) // 2
        inner = x[..., edge : edge + WINDOW + 74]
        return self.head(inner), self.total(inner.mean(2))


def rates(work: Callable[[], object], samples: int, threads: int) -> str:
    """Best of three."""
    work()
    wall, busy, system = [], [], []
    for _ in range(3):
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        work()
        wall.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_SELF)
        system.append(after.ru_stime - before.ru_stime)
        busy.append(system[-1] + after.ru_utime - before.ru_utime)
    share = 100 * min(system) / min(busy)
    return (
        f"{samples / min(wall):7.1f} by the clock, {threads * samples / min(busy):7.1f} "
        f"by processor time ({share:.0f} % in the kernel)"
    )


def main() -> None:
    """Print a line for each model, task, type and batch."""
    parser = argparse.ArgumentParser(prog="bench.kernels_cpu", description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 8])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    ours, plain = ByModules(), ByConv1d()
    plain.load_state_dict(
        {name.replace(".conv.", "."): value for name, value in ours.state_dict().items()}
    )
    codes = torch.randint(0, 4, (max(options.batch), LENGTH), dtype=torch.uint8)
    counts = torch.poisson(torch.ones(max(options.batch), 1, WINDOW))
    torch.testing.assert_close(ours(codes[:2]), plain(codes[:2]), rtol=1e-4, atol=1e-4)
    for name, model in (("modules", ours), ("conv1d", plain)):
        for batch in options.batch:

            def train(model: nn.Module = model, batch: int = batch) -> None:
                logits, total = model(codes[:batch])
                model.loss(logits, counts[:batch], total).loss.backward()

            def predict(model: nn.Module = model, batch: int = batch) -> None:
                with torch.inference_mode():
                    model(codes[:batch])

            for dtype in (torch.float32, torch.bfloat16):
                model.to(dtype)
                label = f"{name:8} batch {batch:3} {str(dtype)[6:]:9}"
                if dtype == torch.float32:
                    print(label, "training  ", rates(train, batch, options.threads), flush=True)
                print(label, "predicting", rates(predict, batch, options.threads), flush=True)
            model.float()


if __name__ == "__main__":
    sys.exit(main())
