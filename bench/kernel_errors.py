"""Errors of the Triton kernels against float64, as a table: `python -m bench.kernel_errors`.

On a CUDA device if there is one, else by Triton's interpreter on the CPU. The error of an array is
its largest difference over its largest value; inputs are the same numbers on both sides.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

HEADER = ["| op | shape | type | result | gradients |", "|---|---|---|---|---|"]


@dataclass(frozen=True)
class Error:
    """One line: the largest relative error of the results and of the gradients."""

    op: str
    shape: str
    dtype: str
    result: float
    gradients: float


def errors(device: str) -> Iterator[Error]:
    """Every op at the shapes of the models, a small batch of each."""
    from native_kernels import dilated_conv, multinomial_nll
    from native_kernels.dilated_conv import norm

    rng = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng)

    types = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    convolutions = [
        ("block", 1, 129, 64, 64, 3, {"dilation": 16, "relu": True, "residual": True}),
        ("block", 1, 129, 300, 300, 3, {"dilation": 8, "relu": True, "residual": True}),
        ("block", 1, 129, 320, 320, 3, {"dilation": 8, "relu": True, "residual": True}),
        ("stem", 1, 250, 4, 64, 21, {"relu": True, "padding": "valid"}),
        ("head", 1, 250, 64, 2, 75, {"padding": "valid"}),
    ]
    for name, regions, length, c_in, c_out, width, options in convolutions:
        for label, dtype in types.items():
            inputs = [
                normal(regions, length, c_in).to(dtype),
                (normal(c_out, c_in, width) / (c_in * width) ** 0.5).to(dtype),
                normal(c_out).to(dtype),
            ]
            yield _compare(
                f"dilated_conv, {name}",
                f"{regions} x {length} x {c_in} -> {c_out}, width {width}",
                label,
                lambda *args, o=options: dilated_conv.dilated_conv_triton(*args, **o),
                lambda *args, o=options: dilated_conv.dilated_conv_reference(*args, **o),
                inputs,
                device,
            )
    for label, dtype in types.items():
        inputs = [normal(2, 100, 300).to(dtype), *(normal(300) for _ in range(3))]
        yield _compare(
            "norm_relu",
            "2 x 100 x 300",
            label,
            norm.norm_relu_triton,
            norm.norm_relu_reference,
            inputs,
            device,
        )
    losses: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
        ("likelihood", (2, 90, 250), {}),
        ("whole likelihood", (4, 2, 1000), {"constant": True}),
        ("cross entropy", (2, 90, 250), {"per_profile": True}),
        ("joint strands", (2, 1, 2, 1000), {"joint_strands": True}),
    ]
    for name, shape, options in losses:
        counts = torch.poisson(torch.rand(shape, generator=rng) * 3, generator=rng).to(device)
        for label, dtype in types.items():
            yield _compare(
                f"multinomial_nll, {name}",
                " x ".join(map(str, shape)),
                label,
                lambda x, b, y=counts, o=options: (
                    multinomial_nll.multinomial_nll_triton(x, y, b, **o).profile
                ),
                lambda x, b, y=counts, o=options: (
                    multinomial_nll.multinomial_nll_reference(x, y.cpu(), b, **o).profile
                ),
                [(normal(*shape) * 3).to(dtype), normal(shape[0], shape[-1]).to(dtype)],
                device,
            )


def _compare(
    op: str,
    shape: str,
    dtype: str,
    fast: Callable[..., Tensor],
    slow: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    device: str,
) -> Error:
    here = [one.to(device).requires_grad_() for one in inputs]
    wide = [one.double().requires_grad_() for one in inputs]
    found, wanted = fast(*here), slow(*wide)
    weights = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1)).to(found.dtype)
    gradients = torch.autograd.grad(found, here, weights.to(device))
    exact = torch.autograd.grad(wanted, wide, weights.double())
    pairs = list(zip(gradients, exact, strict=True))
    return Error(
        op, shape, dtype, _relative(found, wanted), max(_relative(*pair) for pair in pairs)
    )


def _relative(found: Tensor, wanted: Tensor) -> float:
    off = (found.detach().cpu().double() - wanted.detach()).abs().max()
    return float(off / wanted.detach().abs().max())


def lines(device: str) -> Iterator[str]:
    """The table in Markdown, a line at a time."""
    yield from HEADER
    for e in errors(device):
        yield f"| {e.op} | {e.shape} | {e.dtype} | {e.result:.1e} | {e.gradients:.1e} |"


def main() -> None:
    """Print the table."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
    for line in lines(device):
        print(line, flush=True)


if __name__ == "__main__":
    main()
