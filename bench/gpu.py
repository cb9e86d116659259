"""The GPU's tests and benchmarks: `make gpu`, or `python -m bench.gpu [--no-tests]`.

Needs a CUDA device, PyTorch, Triton, CuPy and NumPy; the tests need pytest and Hypothesis too. One
table is printed, and all rows are written to `bench/results/gpu-TIME.json`, with the device, the
versions and the commit. Copy bandwidth and matrix rate are measured in the same run, and rates are
given as shares of them. Last comes a training step of bpAI-TAC, and what an epoch costs. It needs
pydantic: where the device's Python lacks that, `wheels/` is looked into, filled elsewhere by

    pip install --target wheels --only-binary :all: --python-version 3.12 \\
        --platform manylinux2014_x86_64 pydantic

and without it that case is left out.
"""

import argparse
import functools
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import ROOT, describe_commit, package_version

SECONDS = 420  # no benchmark starts later than this
TEST_SECONDS = 300  # nor do tests go on for longer
WHEELS = ROOT / "wheels"  # packages, unpacked, that the device's Python may lack
TESTED = ("dilated_conv", "multinomial_nll", "kmer_count", "cut_profile")  # begins of test files
TEST_PROCESSES = 6  # most of the time goes to compiling
PACKAGES = ("torch", "triton", "cupy-cuda13x", "cupy-cuda12x", "numpy", "numba")

Row = dict[str, Any]
Work = Callable[[], Any]


def no_device() -> str:
    """Why there is nothing to measure here; empty if there is."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed"
    import torch

    return "" if torch.cuda.is_available() else f"PyTorch {torch.__version__} sees no CUDA device"


def run_tests(began: float) -> str:
    """Run the tests marked `gpu`, spread over processes: "passed", "failed" or "not run".

    Those that still run TEST_SECONDS after `began` are stopped, and have failed.
    """
    needed = ("pytest", "hypothesis", "cupy")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        print(f"tests: not run, {' and '.join(missing)} is not installed", flush=True)
        return "not run"
    pytest = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    listed = subprocess.run(
        [*pytest, "--collect-only", *test_files()], cwd=ROOT, capture_output=True, text=True
    )
    tests = [line for line in listed.stdout.splitlines() if "::" in line]
    if listed.returncode or not tests:
        print(listed.stdout[-3000:], listed.stderr[-3000:], sep="\n", flush=True)
        return "failed"
    shares = [tests[i::TEST_PROCESSES] for i in range(TEST_PROCESSES)]
    running = [
        subprocess.Popen(
            [*pytest, *share], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for share in shares
        if share
    ]
    passed = True
    for process in running:
        output = finish(process, began)
        last = (output.splitlines() or ["no output"])[-1]
        print("tests:", last, flush=True)
        if process.returncode or ("skipped" in last and "passed" not in last):
            passed = False
            print(output[-6000:], flush=True)
    return "passed" if passed else "failed"


def test_files() -> list[Path]:
    """Where the tests of the kernels are."""
    return [path for op in TESTED for path in sorted((ROOT / "tests").glob(f"test_{op}*.py"))]


def finish(process: "subprocess.Popen[str]", began: float) -> str:
    """What the process printed; it is stopped TEST_SECONDS after `began`."""
    try:
        output, _ = process.communicate(timeout=left(began, TEST_SECONDS))
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return output


def left(began: float, seconds: float) -> float:
    """Seconds until so many have passed since `began`; 0 if they have."""
    return max(0.0, began + seconds - time.monotonic())


def measure(work: Work, *, graph: bool = False) -> tuple[float, float, float]:
    """Seconds of one call, 20th, 50th and 80th percentile, the second-level cache emptied before.

    With `graph`, of the kernels alone: one replay of a CUDA graph, free of what Python costs.
    """
    import torch
    from triton.testing import do_bench

    if graph:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            work()
        work = captured.replay
    times = do_bench(work, warmup=50, rep=300, return_mode="all")
    times = times if len(times) > 1 else times * 2
    low, middle, high = statistics.quantiles(times, n=10)[1::3]
    return low / 1e3, middle / 1e3, high / 1e3


def floors() -> tuple[float, float]:
    """Bytes per second of a copy (read and written), and bf16 FLOP per second of a product."""
    import torch

    source = torch.randn(1 << 30, device="cuda")
    target = torch.empty_like(source)
    copy = 2 * source.numel() * 4 / measure(lambda: target.copy_(source))[1]
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return copy, 2 * 8192**3 / measure(lambda: a @ b)[1]


def conv_cases() -> Iterator[tuple[str, str, float, dict[str, Work]]]:
    """Name, unit, work and providers of each case of `dilated_conv`."""
    import torch
    from torch import nn

    from native_kernels.dilated_conv.block import Block

    torch.backends.cudnn.benchmark = True
    for regions, length, channels, batch_norm in (
        (256, 1000, 320, False),
        (256, 1000, 512, False),
        (512, 2114, 64, False),
        (256, 998, 300, True),
    ):
        torch.manual_seed(0)
        ours = Block(channels, dilation=8, batch_norm=batch_norm).cuda()
        weight = ours.conv.weight.detach().bfloat16().requires_grad_()
        bias = ours.conv.bias.detach().bfloat16().requires_grad_()
        norm = nn.BatchNorm1d(channels).cuda()
        x = torch.randn(regions, length, channels, device="cuda").bfloat16().requires_grad_()
        turned = x.detach().mT.contiguous().requires_grad_()
        out = torch.randn_like(x)
        out_turned = out.mT.contiguous()

        after = norm if batch_norm else nn.Identity()
        plain = functools.partial(_by_conv1d, weight, bias, after)
        channels_last = functools.partial(_by_conv2d, weight, bias, after)
        torch._dynamo.reset()  # each shape is compiled for itself
        compiled = torch.compile(plain, dynamic=False)
        parameters = [one for one in ours.parameters() if one.requires_grad]
        forms: dict[str, tuple[Any, Any, Any, list[Any]]] = {
            "kmerengine": (ours, x, out, parameters),
            "eager": (plain, turned, out_turned, [weight, bias]),
            "eager, channels last": (channels_last, x, out, [weight, bias]),
            "torch.compile": (compiled, turned, out_turned, [weight, bias]),
        }
        found = ours(x).float()
        wanted = plain(turned).mT.float()
        off = float((found - wanted).abs().max() / wanted.abs().max())
        if off > 0.03:
            raise RuntimeError(f"the block of {channels} channels is off by {off:.3g}")
        kind = "norm block" if batch_norm else "block"
        name = f"dilated_conv {kind} {regions} x {length} x {channels}"
        flop = 2.0 * regions * length * channels * channels * 3
        yield (
            f"{name}, forward",
            "FLOP",
            flop,
            {who: _without_gradient(run, v) for who, (run, v, _, _) in forms.items()},
        )
        yield (
            f"{name}, forward and backward",
            "FLOP",
            3 * flop,
            {who: _with_gradient(*form) for who, form in forms.items()},
        )


def _by_conv1d(weight: Any, bias: Any, after: Any, v: Any) -> Any:
    """The block on (regions, channels, positions)."""
    from torch.nn import functional

    z = functional.conv1d(v, weight, bias, padding=8, dilation=8)
    return v + functional.relu(after(z))


def _by_conv2d(weight: Any, bias: Any, after: Any, v: Any) -> Any:
    """The block on (regions, positions, channels), as they lie."""
    from torch.nn import functional

    flat, taps = v.mT.unsqueeze(2), weight.unsqueeze(2)
    z = functional.conv2d(flat, taps, bias, padding=(0, 8), dilation=(1, 8)).squeeze(2)
    return v + functional.relu(after(z)).mT


def _without_gradient(run: Any, v: Any) -> Work:
    import torch

    def work() -> None:
        with torch.no_grad():
            run(v)

    return work


def _with_gradient(run: Any, v: Any, out: Any, parameters: list[Any]) -> Work:
    import torch

    return lambda: torch.autograd.grad(run(v), [v, *parameters], out)


def loss_cases() -> Iterator[tuple[str, str, float, dict[str, Work]]]:
    """Name, unit, work and providers of each case of `multinomial_nll`."""
    import torch

    from native_kernels.multinomial_nll import multinomial_nll, multinomial_nll_reference

    for shape in ((256, 90, 250), (64, 1, 1000), (4096, 2, 1000)):
        torch._dynamo.reset()  # each shape is compiled for itself
        compiled = torch.compile(multinomial_nll_reference, dynamic=False)
        logits = torch.randn(shape, device="cuda", requires_grad=True)
        counts = torch.poisson(torch.rand(shape, device="cuda") * 3)
        out = torch.rand(shape[:2], device="cuda")
        forms: dict[str, Any] = {
            "kmerengine": multinomial_nll,
            "eager": multinomial_nll_reference,
            "torch.compile": compiled,
        }
        torch.testing.assert_close(
            multinomial_nll(logits, counts).profile,
            multinomial_nll_reference(logits.double(), counts).profile.float(),
            rtol=1e-4,
            atol=1e-2,
        )
        moved = 5.0 * logits.numel() * 4  # logits and counts each way, and the gradient
        works = {who: _loss_gradient(run, logits, counts, out) for who, run in forms.items()}
        size = " x ".join(map(str, shape))
        yield f"multinomial_nll {size}, forward and backward", "B", moved, works


def _loss_gradient(run: Any, logits: Any, counts: Any, out: Any) -> Work:
    import torch

    return lambda: torch.autograd.grad(run(logits, counts).profile, logits, out)


def array_cases() -> Iterator[tuple[str, str, float, dict[str, Work]]]:
    """Name, unit, work and provider of the CuPy ops, on arrays that are on the device."""
    import cupy
    import torch

    from native_kernels.cut_profile.gpu import fill_windows_arrays
    from native_kernels.kmer_count.gpu import count_words_arrays

    rng = cupy.random.default_rng(0)
    torch.cuda.empty_cache()
    n = 1_000_000_000 if cupy.cuda.runtime.memGetInfo()[0] > 16e9 else 50_000_000
    codes = rng.integers(0, 4, n, dtype=cupy.uint8)
    words = {"kmerengine": lambda: count_words_arrays(cupy, codes, 8)}
    yield f"kmer_count k = 8, {n:.0e} bases", "base", n, words
    cupy.get_default_memory_pool().free_all_blocks()
    cuts, windows, width = 20_000_000, 100_000, 1000
    position = cupy.sort(rng.integers(0, 250_000_000, cuts, dtype=cupy.int64))
    strand = cupy.zeros(cuts, cupy.uint8)
    count = cupy.ones(cuts, cupy.uint32)
    start = rng.integers(0, 249_000_000, windows, dtype=cupy.int64)
    options = {"split": False, "limit": 1 << 30, "dtype": cupy.int32}
    profiles = {
        "kmerengine": lambda: fill_windows_arrays(
            cupy, position, strand, count, start, width, **options
        )
    }
    yield f"cut_profile {windows} x {width}", "window", windows, profiles


def network_cases() -> Iterator[tuple[str, str, float, dict[str, Work]]]:
    """Name, unit, work and providers of each step of a network."""
    if WHEELS.is_dir() and str(WHEELS) not in sys.path:
        sys.path.append(str(WHEELS))  # last: what is installed goes first
    try:
        import modelkit.models.bpaitac  # noqa: F401
    except ImportError as error:
        print(f"bpAI-TAC: left out, {error}", flush=True)
        return
    from bench.gpu_bpaitac import bpaitac_cases

    yield from bpaitac_cases()


def benchmark(began: float, rows: list[Row]) -> bool:
    """Measure all cases into `rows`, printing a line each; whether none failed."""
    copy, product = floors()
    floor = {"B": copy, "FLOP": product}
    print(f"copy {copy / 1e12:.2f} TB/s, bf16 product {product / 1e12:.0f} TFLOP/s", flush=True)
    rows += [
        {"case": "copy", "unit": "B", "work_per_second": copy},
        {"case": "bf16 product", "unit": "FLOP", "work_per_second": product},
    ]
    plan = (
        (loss_cases, (False, True)),
        (conv_cases, (False,)),
        (array_cases, (False,)),
        (network_cases, (False, True)),
    )
    sound = True
    for cases, graphs in plan:
        try:
            measure_cases(cases(), graphs, floor, began, rows)
        except Exception as error:  # what was measured is kept, whatever a case does
            sound = False
            rows.append({"case": cases.__name__, "error": f"{type(error).__name__}: {error}"[:500]})
            print(f"{cases.__name__}: {type(error).__name__}: {error}", flush=True)
    return sound


def measure_cases(
    cases: Iterator[tuple[str, str, float, dict[str, Work]]],
    graphs: tuple[bool, ...],
    floor: dict[str, float],
    began: float,
    rows: list[Row],
) -> None:
    """Measure the cases of one op into `rows`."""
    for name, unit, work, providers in cases:
        for graph in graphs:
            base = 0.0
            for who, run in providers.items():
                if not left(began, SECONDS):
                    print(f"{name}: {who} left out, the time is up", flush=True)
                    continue
                low, middle, high = measure(run, graph=graph)
                base = base or middle
                rate = work / middle
                row = {
                    "case": name + (", kernels alone" if graph else ""),
                    "provider": who,
                    "p20": low,
                    "p50": middle,
                    "p80": high,
                    "unit": unit,
                    "work_per_second": rate,
                    "of_floor": rate / floor[unit] if unit in floor else None,
                    "times_ours": middle / base,
                }
                if hasattr(run, "epoch"):
                    row |= run.epoch(middle, parts=not graph)
                rows.append(row)
                print(table_line(row), flush=True)


def table_line(row: Row) -> str:
    """A line of the table."""
    share = f"{100 * row['of_floor']:.0f} %" if row["of_floor"] is not None else ""
    cells = [
        row["case"],
        row["provider"],
        f"{1e6 * row['p50']:.1f} ({1e6 * row['p20']:.1f}-{1e6 * row['p80']:.1f})",
        f"{row['work_per_second']:.3g} {row['unit']}/s",
        share,
        f"{row['times_ours']:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def describe() -> Row:
    """Device, versions and commit."""
    import torch

    found = {name: package_version(name) for name in PACKAGES}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name(),
        "multiprocessors": torch.cuda.get_device_properties(0).multi_processor_count,
        "cuda": torch.version.cuda,
        "versions": {"python": sys.version.split()[0]} | {k: v for k, v in found.items() if v},
        **describe_commit(),
    }


def main() -> int:
    """Tests, benchmarks, errors; 1 if there is no device or a test failed."""
    parser = argparse.ArgumentParser(prog="bench.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--no-tests", action="store_true", help="measure only")
    options = parser.parse_args()
    if reason := no_device():
        print(f"make gpu: {reason}; nothing was run", file=sys.stderr)
        return 1
    began = time.monotonic()
    errors = subprocess.Popen(
        [sys.executable, "-m", "bench.kernel_errors"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    tests = "not asked for" if options.no_tests else run_tests(began)
    table = finish(errors, began)  # before anything is timed
    passed = tests in ("passed", "not asked for") and errors.returncode == 0
    print("| case | by | us (p20-p80) | rate | of floor | time / ours |\n|---|---|---|---|---|---|")
    rows: list[Row] = []
    passed = benchmark(began, rows) and passed
    if epochs := [row for row in rows if "epoch_seconds" in row]:
        from bench.gpu_bpaitac import epoch_table

        print(epoch_table(epochs))
    print(table)
    result = {**describe(), "passed": passed, "tests": tests, "rows": rows}
    result["errors"] = table.splitlines()
    stamp = result["date"].replace(":", "").replace("+0000", "Z")
    path = ROOT / "bench" / "results" / f"gpu-{stamp}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{path.relative_to(ROOT)}: {time.monotonic() - began:.0f} s")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
