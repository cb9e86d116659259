"""The Triton kernels compiled for a device that is not here: `python -m bench.kernel_code`.

Compiles every launch of the models for Hopper (compute capability 9.0) without one, and prints what
the code needs and does: registers and stack of a thread, shared memory of a program, matrix
instructions, 16-byte loads and asynchronous copies. Says what fits and what spills, not how fast.
"""

import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

HOPPER = GPUTarget("cuda", 90, 32)
TYPES = {
    torch.float32: "fp32",
    torch.bfloat16: "bf16",
    torch.int16: "i16",
    torch.uint8: "u8",
}
LAUNCH_OPTIONS = {"num_warps", "num_stages"}
HEADER = [
    "| launch | kernel | registers | stack, bytes | shared, KiB | HGMMA | LDG.128 | LDGSTS |",
    "|---|---|---|---|---|---|---|---|",
]


class Compiled:
    """Stands in for a kernel: a launch compiles it for Hopper, prints a line and runs nothing."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.label = ""

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return self.launch

    def launch(self, *arguments: Any, **named: Any) -> None:
        """Compile for these arguments as a call on the device would."""
        options = {name: value for name, value in named.items() if name in LAUNCH_OPTIONS}
        values = dict(zip(self.kernel.arg_names, arguments, strict=False)) | named
        signature, constants, known = {}, {}, {}
        for i, parameter in enumerate(self.kernel.params):
            value = values[parameter.name]
            plain = isinstance(value, int) and not parameter.do_not_specialize
            if parameter.is_constexpr or (plain and value == 1):
                signature[parameter.name], constants[(i,)] = "constexpr", value
                continue
            if isinstance(value, torch.Tensor):
                signature[parameter.name] = "*" + TYPES[value.dtype]
            else:
                signature[parameter.name] = "i32"
            if isinstance(value, torch.Tensor) or (plain and value % 16 == 0):
                known[(i,)] = [["tt.divisibility", 16]]
        source = ASTSource(self.kernel, signature, constants, known)
        compiled = triton.compile(source, target=HOPPER, options=options)
        registers, stack, code = disassemble(compiled.asm["cubin"])
        cells = [
            self.label,
            self.kernel.__name__.strip("_"),
            registers,
            stack,
            f"{compiled.metadata.shared / 1024:.0f}",
            *(str(len(re.findall(name, code))) for name in ("HGMMA", r"LDG\.E\S*\.128", "LDGSTS")),
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


def disassemble(cubin: bytes) -> tuple[str, str, str]:
    """Registers, stack and instructions, by the `cuobjdump` that Triton brings."""
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage, code = (
            subprocess.run([tool, flag, file.name], capture_output=True, text=True, check=True)
            for flag in ("-res-usage", "-sass")
        )
    registers, stack = re.findall(r"REG:(\d+) STACK:(\d+)", usage.stdout + usage.stderr)[0]
    return registers, stack, code.stdout


def main() -> None:
    """Compile the launches of the models and print the table."""
    from native_kernels.dilated_conv import gpu as conv
    from native_kernels.dilated_conv._shapes import check
    from native_kernels.dilated_conv.weights import gpu as weights
    from native_kernels.multinomial_nll import gpu as loss

    stand_ins = []
    for module, names in (
        (conv, ("_convolve_kernel",)),
        (weights, ("_weight_kernel",)),
        (loss, ("_forward_kernel", "_backward_kernel")),
    ):
        for name in names:
            stand_ins.append(Compiled(getattr(module, name)))
            setattr(module, name, stand_ins[-1])

    def label(text: str) -> None:
        for stand_in in stand_ins:
            stand_in.label = text

    print(f"Triton {triton.__version__}", *HEADER, sep="\n")
    bf16, fp32 = torch.bfloat16, torch.float32
    for channels, length, dtype in (
        (320, 1000, bf16),
        (512, 1000, bf16),
        (64, 2114, bf16),
        (300, 998, bf16),
        (300, 998, fp32),
    ):
        x = torch.empty(2, length, channels, dtype=dtype)
        weight, bias = torch.empty(channels, channels, 3), torch.empty(channels)
        window = check(x, weight, bias, dilation=8, padding="same", residual=True)
        label(f"block of {channels}, {str(dtype)[6:]}")
        options = {"relu": True, "residual": True, "keep_mask": True, "statistics": False}
        y, mask, _ = conv.forward(x, weight, bias, window, **options, tf32=True)
        conv.input_gradient(y, x.shape, weight, mask, window, residual=True, tf32=True)
        weights.weight_gradient(y, x, weight, mask, window, tf32=True)
    for shape in ((256, 90, 1, 250), (4096, 2, 1, 1000)):
        label("loss of " + " x ".join(map(str, (*shape[:2], shape[3]))))
        logits, counts = torch.empty(shape), torch.empty(shape, dtype=torch.int16)
        flags = (False, True)
        results = loss.forward(logits, counts, None, None, 0, *flags, False, False)  # noqa: FBT003
        dloss, _, *rest = results
        loss.backward(dloss, dloss, logits, counts, None, None, *rest, 0, *flags, False, False)  # noqa: FBT003


if __name__ == "__main__":
    main()
