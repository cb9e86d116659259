"""Offsets beyond 2**31: as many rows as one call takes, in address space of which little exists.

Of each launch the last program alone runs: what it touches lies beyond 2**31 elements. Every tensor
is `spread`, so that an offset that wraps meets zeros, and the test other numbers than it wants.
"""

import pytest
import torch
from triton_device import LARGE, ON_THE_CPU, interpreter, spread  # noqa: F401

from native_kernels.dilated_conv import dilated_conv_triton, gpu
from native_kernels.dilated_conv._shapes import MOST_ROWS, WORD, Window
from native_kernels.dilated_conv.norm import gpu as norm_gpu
from native_kernels.dilated_conv.weights import gpu as weights_gpu

STEP = 1 << 20  # bp between taps
TAIL = 40  # rows that hold numbers, at the end of the region and one step before


def dense(*shape, dtype=torch.float16):
    """A contiguous tensor that is spread."""
    strides = [1]
    for n in shape[:0:-1]:
        strides.insert(0, strides[0] * n)
    return spread(shape, tuple(strides), dtype)


def filled(rows, channels, seed):
    """One region, zero but for its tails; and the tails (2, TAIL, channels): one step before, end.

    Small integers: their sums are exact in any order.
    """
    x = dense(1, rows, channels)
    rng = torch.Generator().manual_seed(seed)
    tails = torch.randint(-3, 4, (2, TAIL, channels), generator=rng).half()
    x[0, rows - STEP - TAIL : rows - STEP], x[0, rows - TAIL :] = tails
    return x, tails.double()


def drawn(*shape, seed=9):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(-2, 3, shape, generator=rng).half()


class OnlyTheLast:
    """A kernel of which only the last programs run, as many as `programs`."""

    def __init__(self, kernel, programs=1):
        self.kernel, self.programs = kernel, programs

    def __getitem__(self, grid):
        import triton.language as tl

        def launch(*args, **options):
            assert grid[0] < 1 << 31
            for program in range(grid[0] - self.programs, grid[0]):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(tl, "program_id", lambda _, at=program: tl.to_tensor(at))
                    self.kernel[(1,)](*args, **options)

        return launch


@pytest.fixture
def last(monkeypatch):
    """Let only the last programs of a kernel run."""

    def limit(module, name, programs=1):
        monkeypatch.setattr(module, name, OnlyTheLast(getattr(module, name), programs))

    return limit


def packed(open_):
    """ReLU's bits of (TAIL, channels) as words."""
    bits = open_.reshape(TAIL, -1, WORD).long() << torch.arange(WORD)
    return bits.sum(-1).to(torch.int16)


@ON_THE_CPU
@pytest.mark.parametrize("c_in", [4, 64])  # taps and channels as one axis, and each tap alone
def test_forward(c_in, last):
    rows, c_out = MOST_ROWS - 8, 64  # a tile of rows that is full in part
    x, tails = filled(rows, c_in, seed=1)
    weight, bias = drawn(c_out, c_in, 3), drawn(c_out)
    window = Window(-STEP, STEP, 0, rows)
    y, mask = dense(1, rows, c_out), dense(1, rows, c_out // WORD, dtype=torch.int16)
    taps = weight.permute(2, 1, 0).contiguous()
    size = gpu._forward_tile(taps)
    partial = dense(-(-rows // size.rows), 3, c_out, dtype=torch.float32)
    residual = c_in == c_out
    last(gpu, "_convolve_kernel")
    gpu._convolve(
        x, taps, y, window, bias=bias, mask=mask, partial=partial, relu=True, residual=residual
    )
    z = sum(tail @ weight[..., j].double().T for j, tail in enumerate(tails)) + bias.double()
    wanted = z.relu() + (tails[1] if residual else 0)
    assert z.abs().max() > 10
    assert torch.equal(y[0, -TAIL:].double(), wanted)
    assert torch.equal(mask[0, -TAIL:], packed(z > 0))
    level, off, squares = partial[-1].double()
    held = rows % size.rows
    assert held >= TAIL
    stored = y[0, -held:].double()  # before its tail there is the bias alone
    torch.testing.assert_close(level * held + off, stored.sum(0), rtol=1e-5, atol=1e-2)
    torch.testing.assert_close(squares, (stored - level).square().sum(0), rtol=1e-5, atol=1e-2)


@ON_THE_CPU
@pytest.mark.parametrize("c_in", [4, 64])
def test_gradient_of_the_input(c_in, last):
    """`dy` has as many channels as the convolution gives, which are those that ReLU's bits have."""
    rows, channels = MOST_ROWS - 8, c_in
    dy, tails = filled(rows, channels, seed=2)
    mask = dense(1, rows, -(-channels // WORD), dtype=torch.int16)
    open_ = torch.randint(0, 2, (2, TAIL, max(channels, WORD)), dtype=torch.bool)
    for part, end in zip(open_, (rows - STEP, rows), strict=True):
        mask[0, end - TAIL : end] = packed(part)
    weight = drawn(channels, 64, 3)
    dx = dense(1, rows, 64)
    taps = weight.permute(2, 0, 1).contiguous()
    last(gpu, "_convolve_kernel")
    turned = Window(STEP, -STEP, 0, rows).turned()
    gpu._convolve(dy, taps, dx, turned, gate=mask, residual=channels == 64)
    passed = tails * open_[..., :channels]
    wanted = sum(part @ weight[..., j].double() for j, part in enumerate(passed))
    if channels == 64:
        wanted = wanted + tails[1]
    assert wanted.abs().max() > 10
    assert torch.equal(dx[0, -TAIL:].double(), wanted)


@ON_THE_CPU
@pytest.mark.parametrize(
    ("c_in", "span"),
    [(64, 256), (4, 1 << 14)],  # sums beyond 2**31; a last slice that ends there
)
def test_gradient_of_the_weights(c_in, span, last):
    rows, c_out = MOST_ROWS - 8, 64
    x, tails = filled(rows, c_in, seed=3)
    dy, slopes = filled(rows, c_out, seed=4)
    open_ = torch.rand(TAIL, c_out) < 0.5
    mask = dense(1, rows, c_out // WORD, dtype=torch.int16)
    mask[0, -TAIL:] = packed(open_)
    slices = -(-rows // span)
    dweight = dense(slices, 3, c_in, c_out, dtype=torch.float32)
    dbias = dense(slices, c_out, dtype=torch.float32)
    programs = weights_gpu._blocks(dy, 3, c_in, c_out).programs
    last(weights_gpu, "_weight_kernel", programs)  # all of the last slice
    window = Window(-STEP, STEP, 0, rows)
    weights_gpu._sum_slices(dy, x, mask, window, dweight, dbias, span)
    slope = slopes[1] * open_
    wanted = torch.stack([*(tail.T @ slope for tail in tails), torch.zeros(c_in, c_out).double()])
    assert wanted.abs().max() > 10
    assert torch.equal(dweight[-1].double(), wanted)
    assert torch.equal(dbias[-1].double(), slope.sum(0))


# --- the second pass of a norm


@pytest.fixture
def spread_results(monkeypatch):
    """Where the norm's kernels write: `empty_like` would want all of the memory."""
    like = lambda one: dense(*one.shape, dtype=one.dtype)  # noqa: E731
    monkeypatch.setattr(norm_gpu.torch, "empty_like", like)


CHANNELS = 64
ROWS = (1 << 32) // CHANNELS + 8 * TAIL  # of more than 2**32 elements; and a wrap is off the mark


def of_norm(seed=6):
    rng = torch.Generator().manual_seed(seed)
    return [torch.randint(-2, 3, (CHANNELS,), generator=rng).float() for _ in range(3)]


@ON_THE_CPU
@pytest.mark.usefixtures("spread_results")
def test_norm_forward(last):
    (z, tails), (x, others) = filled(ROWS, CHANNELS, seed=7), filled(ROWS, CHANNELS, seed=8)
    mean, scale, shift = of_norm()
    last(norm_gpu, "_forward_kernel")
    y = norm_gpu.forward(z, mean, scale, shift, x)
    wanted = ((tails[1] - mean) * scale + shift).relu() + others[1]
    assert torch.equal(y[0, -TAIL:].double(), wanted)


@ON_THE_CPU
@pytest.mark.usefixtures("spread_results")
def test_norm_backward(last, monkeypatch):
    monkeypatch.setattr(norm_gpu, "SLICES", -(-ROWS // 1024))  # 16 tiles each
    (z, tails), (dy, slopes) = filled(ROWS, CHANNELS, seed=7), filled(ROWS, CHANNELS, seed=8)
    mean, scale, shift = of_norm()
    last(norm_gpu, "_backward_kernel")
    dz, sums = norm_gpu.backward(dy, z, mean, scale, shift)
    off = tails[1] - mean
    dh = torch.where(off * scale + shift > 0, slopes[1], 0)
    assert torch.equal(dz[0, -TAIL:].double(), dh * scale)
    assert torch.equal(sums.double(), torch.stack([dh.sum(0), (dh * off).sum(0)]))


@ON_THE_CPU
@pytest.mark.usefixtures("spread_results")
def test_what_the_sums_add_to_a_gradient(last):
    (z, tails), (dz, slopes) = filled(ROWS, CHANNELS, seed=7), filled(ROWS, CHANNELS, seed=8)
    dsums = torch.stack(of_norm()[:2])
    last(norm_gpu, "_add_kernel")
    out = norm_gpu.add_to_gradient(dz, z, dsums)
    wanted = slopes[1] + dsums[0] + 2 * tails[1] * dsums[1]
    assert torch.equal(out[0, -TAIL:].double(), wanted)


@LARGE
@pytest.mark.gpu
def test_more_than_2_to_the_31_elements():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(34_000, 1000, 64, dtype=torch.bfloat16, device="cuda").requires_grad_()
    weight = (torch.randn(64, 64, 3, generator=rng) / 14).cuda()
    bias = torch.randn(64, generator=rng).cuda()
    options = {"dilation": 4, "relu": True, "residual": True}
    y = dilated_conv_triton(x, weight, bias, **options)
    (slope,) = torch.autograd.grad(y.sum(), x)
    last = x.detach()[-2:].requires_grad_()
    wanted = dilated_conv_triton(last, weight, bias, **options)
    assert torch.equal(y[-2:], wanted)
    assert torch.equal(slope[-2:], torch.autograd.grad(wanted.sum(), last)[0])
