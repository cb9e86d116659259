"""Dilated convolutions: one suite over the reference, the CPU's form and the kernels."""

import gc
import socket

import pytest
import torch
from torch import nn
from torch.nn import functional
from triton_device import LARGE, ON_EVERY_DEVICE, ON_THE_CPU, interpreter, spread  # noqa: F401

import native_kernels.dilated_conv as op
import native_kernels.dilated_conv.block as block_module
from native_kernels.dilated_conv import (
    _ops,
    conv_with_sums,
    conv_with_sums_triton,
    dilated_conv,
    dilated_conv_cpu,
    dilated_conv_reference,
    dilated_conv_triton,
)
from native_kernels.dilated_conv._shapes import check
from native_kernels.dilated_conv._tiles import split_channels, tile
from native_kernels.dilated_conv.block import Block, Conv
from native_kernels.dilated_conv.norm import (
    norm_relu,
    norm_relu_reference,
    norm_relu_triton,
)

BLOCK = {"relu": True, "residual": True}
SLOW_FORMS = pytest.mark.parametrize(
    "conv", [dilated_conv_reference, dilated_conv_cpu], ids=["reference", "cpu"]
)
# regions, positions, channels in, channels out, width, dilation, padding, options
CASES = {
    "block-64": (2, 129, 64, 64, 3, 4, "same", BLOCK),
    "block-30": (3, 129, 30, 30, 3, 2, "same", BLOCK),
    "block-90": (1, 129, 90, 90, 3, 64, "same", BLOCK),
    "block-300": (1, 33, 300, 300, 3, 8, "same", BLOCK),
    "block-320": (1, 17, 320, 320, 3, 2, "same", BLOCK),
    "block-336": (1, 9, 336, 336, 3, 2, "same", BLOCK),
    "one-position": (5, 1, 64, 64, 3, 1, "same", BLOCK),
    "dilation-past-length": (3, 7, 64, 64, 3, 64, "same", BLOCK),
    "block-valid": (2, 40, 30, 30, 3, 4, "valid", BLOCK),
    "stem-one-hot": (2, 129, 4, 64, 25, 1, "same", {}),
    "stem-300": (1, 40, 4, 300, 9, 1, "same", {"relu": True}),
    "head-1": (1, 129, 64, 1, 25, 1, "valid", {}),
    "head-2": (2, 129, 64, 2, 9, 1, "same", {}),
    "head-90": (1, 40, 300, 90, 5, 1, "same", {}),
    "few-channels": (2, 50, 3, 5, 5, 7, "same", {"relu": True}),
    "one-channel-block": (2, 50, 1, 1, 3, 2, "same", BLOCK),
    "width-1": (2, 50, 64, 64, 1, 1, "same", BLOCK),
    "exact-tile": (1, 128, 64, 64, 3, 1, "same", BLOCK),
    "wide": (2, 60, 16, 16, 11, 2, "same", BLOCK),
}


def draw(case, *, dtype=torch.float32, device="cpu", seed=0):
    """Input, weight and bias; weights and bias are exact in `dtype` too."""
    regions, length, c_in, c_out, width, *_ = case
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(regions, length, c_in, generator=rng).to(dtype)
    weight = (torch.randn(c_out, c_in, width, generator=rng) / (c_in * width) ** 0.5).to(dtype)
    bias = torch.randn(c_out, generator=rng).to(dtype)
    return [one.to(device).requires_grad_() for one in (x, weight, bias)]


def settings(case):
    return {"dilation": case[5], "padding": case[6], **case[7]}


def by_conv1d(x, weight, bias, *, dilation=1, padding="same", relu=False, residual=False):
    """PyTorch's convolution of (regions, channels, positions)."""
    reach = dilation * (weight.shape[-1] - 1)
    pad = reach // 2 if padding == "same" else 0
    z = functional.conv1d(x.mT, weight, bias, padding=pad, dilation=dilation).mT
    y = z.relu() if relu else z
    middle = 0 if padding == "same" else reach // 2
    return y + x[:, middle : middle + y.shape[1]] if residual else y


def with_gradients(conv, inputs, **options):
    """Result and gradients of a weighted sum of it, as float64 on the CPU."""
    y = conv(*inputs, **options)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(9)).to(y)
    wanted = [one for one in inputs if one is not None and one.requires_grad]
    gradients = torch.autograd.grad(y, wanted, weights)
    return [one.detach().double().cpu() for one in (y, *gradients)]


def exact(inputs, conv=by_conv1d, **options):
    """The same in float64."""
    wide = [None if one is None else one.detach().double().cpu().requires_grad_() for one in inputs]
    return with_gradients(conv, wide, **options)


def assert_close(found, wanted, rtol=5e-6, floor=1e-3):
    """Within rtol of the largest value of each array, or of `floor` if that is larger."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        scale = float(other.abs().max()) if other.numel() else 0.0
        torch.testing.assert_close(one, other, rtol=0, atol=rtol * max(scale, floor))


# --- the reference, against PyTorch's own convolution and the definition


@SLOW_FORMS
@pytest.mark.parametrize("case", CASES)
def test_slow_forms_equal_conv1d(conv, case):
    inputs = draw(CASES[case], dtype=torch.float64)
    found = with_gradients(conv, inputs, **settings(CASES[case]))
    assert_close(found, exact(inputs, **settings(CASES[case])), rtol=1e-12)


@SLOW_FORMS
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_references_gradient_is_the_derivative(conv, padding):
    inputs = draw((2, 7, 3, 3, 3), dtype=torch.float64)
    options = {"dilation": 2, "padding": padding, "relu": True, "residual": True}
    assert torch.autograd.gradcheck(lambda *args: conv(*args, **options), inputs)


@SLOW_FORMS
def test_each_tap_reads_its_own_base(conv):
    weight = torch.zeros(1, 4, 3)
    weight[0, 0, 0], weight[0, 1, 1], weight[0, 2, 2] = 1, 10, 100  # A before, C here, G after
    codes = torch.tensor([[0, 1, 2, 255, 0, 0, 1, 3, 2]], dtype=torch.uint8)
    same = conv(codes, weight)
    assert same[0, :, 0].tolist() == [0, 111, 0, 0, 0, 1, 11, 100, 0]
    valid = conv(codes, weight, dilation=2, padding="valid")
    assert valid[0, :, 0].tolist() == [1, 0, 0, 0, 111]


# --- the kernels


@ON_EVERY_DEVICE
@pytest.mark.parametrize("case", CASES)
def test_kernels_equal_conv1d_in_float64(device, case):
    inputs = draw(CASES[case], device=device)
    found = with_gradients(dilated_conv_triton, inputs, **settings(CASES[case]))
    assert_close(found, exact(inputs, **settings(CASES[case])))


@ON_EVERY_DEVICE
@pytest.mark.parametrize(
    ("length", "channels"),
    [(1, 4), (7, 4), (129, 4), (998, 4), (1000, 4), (2114, 4), (998, 30), (2114, 30)],
)
def test_odd_lengths(device, length, channels):
    case = (1, length, channels, channels, 3, 16, "same", BLOCK)
    inputs = draw(case, device=device)
    found = with_gradients(dilated_conv_triton, inputs, **settings(case))
    assert_close(found, exact(inputs, **settings(case)))


@ON_EVERY_DEVICE
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("case", ["block-64", "few-channels", "stem-one-hot", "block-valid"])
def test_half_types_round_once(device, dtype, case):
    inputs = draw(CASES[case], dtype=dtype, device=device)
    found = with_gradients(dilated_conv_triton, inputs, **settings(CASES[case]))
    # ReLU must pass in float64 what it passes here: the type of the sums decides, not dtype.
    wanted = exact(inputs, **settings(CASES[case]))
    assert_close(found, wanted, rtol=2 * torch.finfo(dtype).eps)


@ON_EVERY_DEVICE
def test_float32_weights_of_half_inputs(device):
    x, weight, bias = draw(CASES["block-64"], device=device)
    half = x.detach().bfloat16().requires_grad_()
    y = dilated_conv_triton(half, weight, bias, dilation=4, **BLOCK)
    assert y.dtype == torch.bfloat16
    gradients = torch.autograd.grad(y.sum(), (half, weight, bias))
    assert [one.dtype for one in gradients] == [torch.bfloat16, torch.float32, torch.float32]
    rounded = weight.detach().bfloat16().requires_grad_()
    same = dilated_conv_triton(half, rounded, bias, dilation=4, **BLOCK)
    assert torch.equal(y, same)


@ON_EVERY_DEVICE
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_codes_are_their_one_hot(device, padding):
    codes = torch.randint(0, 5, (3, 60), generator=torch.Generator().manual_seed(3))
    codes = torch.where(codes == 4, 255, codes).to(torch.uint8).to(device)
    _, weight, bias = draw((1, 1, 4, 30, 21), device=device)
    onehot = (codes[..., None] == torch.arange(4, device=device)).float()
    options = {"padding": padding, "relu": True}
    found = with_gradients(dilated_conv_triton, (codes, weight, bias), **options)
    wanted = exact((onehot, weight, bias), **options)
    assert_close(found, [wanted[0], *wanted[2:]])
    assert_close(with_gradients(dilated_conv_cpu, (codes, weight, bias), **options), found)


@ON_EVERY_DEVICE
def test_without_a_bias(device):
    x, weight, _ = draw(CASES["block-30"], device=device)
    found = with_gradients(dilated_conv_triton, (x, weight, None), dilation=2, **BLOCK)
    assert_close(found, exact((x, weight, None), dilation=2, **BLOCK))


@ON_EVERY_DEVICE
def test_each_gradient_alone(device):
    inputs = draw(CASES["block-30"], device=device)
    every = with_gradients(dilated_conv_triton, inputs, dilation=2, **BLOCK)
    for i in range(3):
        alone = [one.detach().requires_grad_(i == j) for j, one in enumerate(inputs)]
        y, gradient = with_gradients(dilated_conv_triton, alone, dilation=2, **BLOCK)
        assert torch.equal(y, every[0])
        assert torch.equal(gradient, every[1 + i])


@ON_EVERY_DEVICE
@pytest.mark.parametrize("case", ["block-30", "few-channels", "block-valid"])
def test_recomputing_changes_no_bit(device, case):
    inputs = draw(CASES[case], device=device)
    options = settings(CASES[case]) | {"relu": True}
    kept = with_gradients(dilated_conv_triton, inputs, **options)
    again = with_gradients(dilated_conv_triton, inputs, **options, recompute=True)
    assert all(torch.equal(one, other) for one, other in zip(kept, again, strict=True))


@ON_EVERY_DEVICE
def test_the_same_bits_twice_and_at_a_second_shape(device):
    first, second = CASES["block-90"], CASES["block-30"]
    inputs, others = draw(first, device=device), draw(second, device=device)
    before = with_gradients(dilated_conv_triton, inputs, **settings(first))
    assert_close(
        with_gradients(dilated_conv_triton, others, **settings(second)),
        exact(others, **settings(second)),
    )
    again = with_gradients(dilated_conv_triton, inputs, **settings(first))
    assert all(torch.equal(one, other) for one, other in zip(before, again, strict=True))


@ON_EVERY_DEVICE
def test_a_region_is_its_own_in_any_batch(device):
    case = (5, 75, 64, 64, 3, 8, "same", BLOCK)
    x, weight, bias = draw(case, device=device)
    together = dilated_conv_triton(x, weight, bias, dilation=8, **BLOCK)
    for i in range(5):
        alone = dilated_conv_triton(x[i : i + 1], weight, bias, dilation=8, **BLOCK)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-6, atol=1e-6)


@ON_EVERY_DEVICE
def test_strides_of_every_kind(device):
    x, weight, bias = draw((4, 60, 60, 30, 5), device=device)
    wide = weight.detach()[:, ::2]
    lying = [
        (x[::2, ::3, ::2], weight[:, ::2, ::2], bias),
        (x.flip(1)[..., :30], weight.flip(-1)[:, :30], bias.flip(0)),
        (x[:1, :, :30].expand(4, 60, 30), wide.mT.contiguous().mT.requires_grad_(), bias),
        (x[:, :30].mT[:, :, :30], weight[:, :30], bias[:1].expand(30)),
    ]
    for inputs in lying:
        found = with_gradients(dilated_conv_triton, inputs, relu=True)
        assert_close(found, exact(inputs, relu=True))


@ON_THE_CPU
def test_offsets_beyond_32_bits():
    """Regions of one position each, 2**31 elements apart in an input that is never allocated."""
    channels = 64
    rows = (1 << 31) // channels + 40
    x = spread((1, rows, channels), (rows * channels, channels, 1), torch.float16)
    _, weight, bias = draw((1, 1, channels, channels, 3), dtype=torch.float16)
    window = check(x, weight, bias, dilation=1 << 20, padding="same", residual=True)
    last = slice(rows - 32, rows)
    x[0, last] = torch.randn(32, channels).half()
    x[0, rows - 32 - (1 << 20) : rows - (1 << 20)] = torch.randn(32, channels).half()
    y = spread((1, rows, channels), (rows * channels, channels, 1), torch.float16)

    from native_kernels.dilated_conv import gpu

    taps = weight.detach().permute(2, 1, 0).contiguous()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "_convolve_kernel", OnlyTheLast(gpu._convolve_kernel))
        gpu._convolve(x, taps, y, window, bias=bias.detach(), relu=True, residual=True)
    part = torch.stack([x[0, rows - 32 - (1 << 20) : rows - (1 << 20)], x[0, last]]).double()
    z = part[0] @ weight[..., 0].double().T + part[1] @ weight[..., 1].double().T + bias.double()
    wanted = (part[1] + z.relu()).detach()
    torch.testing.assert_close(y[0, last].double(), wanted, rtol=2e-3, atol=2e-3)


class OnlyTheLast:
    """A kernel of which only the last program runs."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __getitem__(self, grid):
        import triton.language as tl

        def launch(*args, **options):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(tl, "program_id", lambda _: tl.to_tensor(grid[0] - 1))
                self.kernel[(1,)](*args, **options)

        return launch


@LARGE
@pytest.mark.gpu
def test_more_than_2_to_the_31_elements():
    x = torch.randn(34_000, 1000, 64, dtype=torch.bfloat16, device="cuda").requires_grad_()
    _, weight, bias = draw((1, 1, 64, 64, 3), device="cuda")
    y = dilated_conv_triton(x, weight, bias, dilation=4, **BLOCK)
    (slope,) = torch.autograd.grad(y.sum(), x)
    last = x.detach()[-2:].requires_grad_()
    wanted = dilated_conv_triton(last, weight, bias, dilation=4, **BLOCK)
    assert torch.equal(y[-2:], wanted)
    assert torch.equal(slope[-2:], torch.autograd.grad(wanted.sum(), last)[0])


@ON_EVERY_DEVICE
@pytest.mark.parametrize("shape", [(0, 8, 6), (2, 0, 6)])
def test_empty_batches(device, shape):
    _, weight, bias = draw((1, 1, 6, 6, 3), device=device)
    x = torch.zeros(shape, device=device, requires_grad=True)
    for conv in (dilated_conv_triton, dilated_conv_reference, dilated_conv):
        y = conv(x, weight, bias, **BLOCK)
        assert y.shape == shape
        gradients = torch.autograd.grad(y.sum(), (x, weight, bias), materialize_grads=True)
        assert [one.shape for one in gradients] == [x.shape, weight.shape, bias.shape]
        assert all(not one.any() for one in gradients)


@ON_EVERY_DEVICE
def test_nan_is_not_hidden(device):
    x, weight, bias = draw(CASES["block-30"], device=device)
    x.data[1, 60, 3] = torch.nan
    y = dilated_conv_triton(x, weight, bias, dilation=2, **BLOCK)
    assert y[1, [58, 60, 62]].isnan().all()
    assert int(y.isnan().any(-1).sum()) == 3


@ON_EVERY_DEVICE
def test_a_second_derivative_is_refused(device):
    x, weight, bias = draw((1, 8, 4, 4, 3), device=device)
    y = dilated_conv_triton(x, weight, bias, relu=True)
    (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="differentiate once"):
        slope.sum().backward()


# --- PyTorch around the operators


@ON_EVERY_DEVICE
def test_the_operators_are_registered_as_pytorch_wants_them(device):
    x, weight, bias = draw((2, 9, 6, 6, 3), device=device)
    window = check(x, weight, bias, dilation=2, padding="same", residual=True)
    torch.library.opcheck(_ops.conv_relu, (x, weight, bias, *window, True, True, True, False))
    torch.library.opcheck(_ops.conv_sums, (x, weight, bias, *window, False))
    channels = [torch.rand(6, device=device).requires_grad_() for _ in range(3)]
    torch.library.opcheck(torch.ops.native_kernels.norm_relu.default, (x, *channels, x))


@ON_EVERY_DEVICE
@pytest.mark.parametrize("batch_norm", [False, True])
def test_compiled_around_a_block_at_two_shapes(device, batch_norm, monkeypatch):
    run_kernels_everywhere(monkeypatch)
    torch._dynamo.reset()
    torch.manual_seed(0)
    block = Block(6, dilation=2, batch_norm=batch_norm).to(device)
    compiled = torch.compile(block, fullgraph=True, backend="aot_eager")
    for shape in ((2, 9, 6), (3, 12, 6), (1, 5, 6)):
        x = torch.randn(shape, device=device, requires_grad=True)
        state = {name: value.clone() for name, value in block.state_dict().items()}
        inputs = (x, *block.parameters())
        found = torch.autograd.grad(compiled(x).square().sum(), inputs)
        block.load_state_dict(state)
        wanted = torch.autograd.grad(block(x).square().sum(), inputs)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other)


@ON_EVERY_DEVICE
def test_autocast_sets_the_type(device):
    x, weight, bias = draw(CASES["block-64"], device=device)
    codes = torch.zeros(2, 30, dtype=torch.uint8, device=device)
    _, stem, _ = draw((1, 1, 4, 64, 5), device=device)
    with torch.autocast(device, torch.bfloat16):
        y = dilated_conv_triton(x, weight, bias, dilation=4, **BLOCK)
        z, sums = conv_with_sums_triton(x, weight, bias, dilation=4)
        first = dilated_conv_triton(codes, stem, bias)
        slow = dilated_conv_cpu(x, weight, bias, dilation=4, **BLOCK)
    assert y.dtype == z.dtype == first.dtype == slow.dtype == torch.bfloat16
    assert sums.dtype == torch.float64
    wanted = dilated_conv_triton(x.bfloat16(), weight, bias, dilation=4, **BLOCK)
    assert torch.equal(y, wanted)


def run_kernels_everywhere(monkeypatch):
    """Let modules use the kernels on any device: here, the interpreter."""
    from native_kernels.dilated_conv import block

    monkeypatch.setattr(block, "dilated_conv", dilated_conv_triton)
    monkeypatch.setattr(block, "conv_with_sums", conv_with_sums_triton)
    monkeypatch.setattr(block, "norm_relu", norm_relu_triton)
    monkeypatch.setattr(block.Block, "_normalise_cpu", block.Block._normalise_by_sums)


# --- batch norm


def by_batch_norm(x, weight, bias, gamma, beta, *, dilation, padding="same", residual=True):
    z = by_conv1d(x, weight, bias, dilation=dilation, padding=padding)
    y = functional.batch_norm(z.mT, None, None, gamma, beta, training=True).mT.relu()
    middle = (x.shape[1] - z.shape[1]) // 2
    return y + x[:, middle : middle + z.shape[1]] if residual else y


@ON_EVERY_DEVICE
@pytest.mark.parametrize("kernels", [False, True])
@pytest.mark.parametrize(
    ("channels", "length", "padding", "residual"),
    [
        (30, 129, "same", True),
        (64, 200, "valid", True),
        (300, 20, "same", True),
        (30, 129, "same", False),
        (64, 200, "valid", False),
    ],
)
def test_a_block_with_batch_norm(device, kernels, channels, length, padding, residual, monkeypatch):
    if kernels:
        run_kernels_everywhere(monkeypatch)
    torch.manual_seed(1)
    block = Block(channels, dilation=4, batch_norm=True, padding=padding, residual=residual)
    block = block.to(device)
    nn.init.normal_(block.norm.weight)
    nn.init.normal_(block.norm.bias)
    nn.init.constant_(block.conv.bias, 3)  # means far from zero
    x = torch.randn(3, length, channels, device=device, requires_grad=True)
    inputs = [x, block.conv.weight, block.conv.bias, block.norm.weight, block.norm.bias]
    found = with_gradients(lambda *_: block(x), inputs)
    wanted = exact(inputs, by_batch_norm, dilation=4, padding=padding, residual=residual)
    assert not found[3].any()  # behind a norm the bias has no effect
    del found[3], wanted[3]
    assert_close(found, wanted, rtol=2e-5)
    other = nn.BatchNorm1d(channels).to(device)
    z = by_conv1d(x, block.conv.weight, block.conv.bias, dilation=4, padding=padding)
    other(z.mT)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(
            getattr(block.norm, name), getattr(other, name), rtol=1e-5, atol=1e-5
        )


@ON_EVERY_DEVICE
@pytest.mark.parametrize("kernels", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_evaluation_folds_the_norm_into_one_convolution(device, kernels, residual, monkeypatch):
    if kernels:
        run_kernels_everywhere(monkeypatch)
    block = Block(30, dilation=2, batch_norm=True, residual=residual).to(device).eval()
    for one in (block.norm.weight, block.norm.bias, block.norm.running_mean):
        nn.init.normal_(one)
    nn.init.uniform_(block.norm.running_var, 0.5, 2)
    x = torch.randn(2, 40, 30, device=device)
    z = by_conv1d(x, block.conv.weight, block.conv.bias, dilation=2)
    wanted = block.norm(z.mT).mT.relu() + (x if residual else 0)
    launches = []
    whole = block_module.dilated_conv
    monkeypatch.setattr(
        block_module, "dilated_conv", lambda *a, **k: launches.append(a) or whole(*a, **k)
    )
    torch.testing.assert_close(block(x), wanted, rtol=1e-5, atol=1e-5)
    assert len(launches) == 1


@ON_EVERY_DEVICE
@pytest.mark.parametrize("residual", [False, True])
def test_a_block_without_a_norm(device, residual):
    block = Block(30, dilation=2, residual=residual).to(device)
    x = torch.randn(2, 40, 30, device=device, requires_grad=True)
    inputs = [x, block.conv.weight, block.conv.bias]
    found = with_gradients(lambda *_: block(x), inputs)
    assert_close(found, exact(inputs, dilation=2, relu=True, residual=residual))


@ON_EVERY_DEVICE
def test_sums_of_channels(device):
    x, weight, bias = draw((3, 100, 30, 90, 3), device=device)
    bias.data += 1000  # squares that float32 would lose
    z, sums = conv_with_sums_triton(x, weight, bias, dilation=2)
    wide = z.detach().double()
    wanted = torch.stack([wide.sum((0, 1)), wide.square().sum((0, 1))])
    torch.testing.assert_close(sums.detach(), wanted, rtol=1e-8, atol=1e-3)
    mean = wanted[0] / 300
    variance = sums.detach()[1] / 300 - mean.square()
    torch.testing.assert_close(variance, wide.var((0, 1), correction=0), rtol=1e-3, atol=1e-4)
    _, on_cpu = conv_with_sums(x.detach().cpu(), weight.cpu(), bias.cpu(), dilation=2)
    torch.testing.assert_close(on_cpu, wanted.cpu(), rtol=1e-6, atol=1e-2)


@ON_EVERY_DEVICE
@pytest.mark.parametrize("parts", ["z", "sums", "both"])
def test_gradients_flow_through_the_sums(device, parts):
    def score(conv, *inputs):
        z, sums = conv(*inputs, dilation=2)
        of_sums = (sums * torch.linspace(-1, 1, sums.numel()).view(2, -1).to(sums)).sum()
        of_z = (z * torch.linspace(-1, 1, z.numel()).view(z.shape).to(z)).sum()
        return {"z": of_z, "sums": of_sums, "both": of_z + of_sums}[parts]

    inputs = draw((2, 40, 30, 30, 3), device=device)
    found = torch.autograd.grad(score(conv_with_sums_triton, *inputs), inputs)
    wide = [one.detach().double().cpu().requires_grad_() for one in inputs]
    wanted = torch.autograd.grad(score(conv_with_sums, *wide), wide)
    assert_close([one.double().cpu() for one in found], wanted, rtol=1e-5)


@ON_EVERY_DEVICE
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 30, 300, 512])
@pytest.mark.parametrize("residual", [False, True])
def test_normalise_relu_and_residual(device, dtype, channels, residual):
    rng = torch.Generator().manual_seed(5)
    z, x = (torch.randn(2, 37, channels, generator=rng).to(dtype) for _ in range(2))
    mean, scale, shift = (torch.randn(channels, generator=rng) for _ in range(3))
    inputs = [one.to(device).requires_grad_() for one in (z, mean, scale, shift)]
    inputs.append(x.to(device).requires_grad_() if residual else None)
    found = with_gradients(norm_relu_triton, inputs)
    wanted = exact(inputs, norm_relu_reference)
    assert_close(found, wanted, rtol=max(2e-6, 2 * torch.finfo(dtype).eps), floor=1)
    if device == "cpu":
        assert torch.equal(norm_relu(*inputs), norm_relu_reference(*inputs))


@ON_EVERY_DEVICE
def test_a_norm_of_more_rows_than_one_pass_of_the_slices(device, monkeypatch):
    monkeypatch.setattr("native_kernels.dilated_conv.norm.gpu.SLICES", 2)
    rng = torch.Generator().manual_seed(6)
    z = torch.randn(3, 300, 30, generator=rng)
    mean, scale, shift = (torch.randn(30, generator=rng) for _ in range(3))
    inputs = [one.to(device).requires_grad_() for one in (z, mean, scale, shift)]
    found = with_gradients(norm_relu_triton, [*inputs, None])
    assert_close(found, exact([*inputs, None], norm_relu_reference), rtol=5e-6, floor=1)


def test_a_constant_channel_with_a_large_mean_is_normalised_to_nothing():
    """Rounding leaves a variance below zero there, whose root would be no number."""
    block = Block(4, dilation=1, batch_norm=True)
    with torch.no_grad():
        block.conv.weight.zero_()
        block.conv.bias.copy_(torch.tensor([1e4 + 0.1, 3e5 + 0.7, 123456.7, 0.1]))
    x = torch.zeros(3, 257, 4)
    assert block(x).isfinite().all()
    assert block.norm.running_var.min() >= 0


def test_a_block_passes_its_options_on(monkeypatch):
    seen = []
    whole = block_module.dilated_conv

    def watched(*arguments, **options):
        seen.append((options["recompute"], options["tf32"]))
        return whole(*arguments, **options)

    monkeypatch.setattr(block_module, "dilated_conv", watched)
    x = torch.randn(1, 9, 4)
    for recompute, tf32 in ((True, False), (False, True)):
        Block(4, dilation=1, recompute=recompute, tf32=tf32)(x)
        Conv(4, 4, 3, recompute=recompute, tf32=tf32)(x)
    assert seen == [(True, False)] * 2 + [(False, True)] * 2


@SLOW_FORMS
def test_the_norms_gradient_is_the_derivative(conv):
    x, weight, bias = draw((2, 5, 2, 2, 3), dtype=torch.float64)
    channels = [torch.rand(2, dtype=torch.float64).requires_grad_() for _ in range(3)]
    z = conv(x, weight, bias).detach().requires_grad_()
    assert torch.autograd.gradcheck(norm_relu_reference, (z, *channels, x))


def test_batch_norm_over_two_processes_is_that_of_the_whole_batch(tmp_path):
    torch.manual_seed(2)
    x = torch.randn(4, 20, 6)
    block = two_blocks()
    torch.save({"x": x, "state": block.state_dict()}, tmp_path / "in.pt")
    whole = x.clone().requires_grad_()
    block(whole).square().sum().backward()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(half_of_a_batch, (tmp_path, port), nprocs=2)
    halves = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    torch.testing.assert_close(torch.cat([half["dx"] for half in halves]), whole.grad)
    for name, one in block.named_parameters():
        for half in halves:  # DistributedDataParallel takes the mean
            torch.testing.assert_close(2 * half["gradients"][name], one.grad, rtol=1e-4, atol=1e-3)
    for name, one in block.named_buffers():
        for half in halves:
            torch.testing.assert_close(half["buffers"][name], one)


def two_blocks(group=None):
    """One as those of a body, one as those of bpAI-TAC's accessibility head."""
    return nn.Sequential(
        Block(6, dilation=2, batch_norm=True, group=group),
        Block(6, dilation=1, batch_norm=True, group=group, residual=False),
    )


def half_of_a_batch(rank, folder, port):
    """One process of the test above."""
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", address, rank=rank, world_size=2)
    gradients_of_half(rank, folder)
    torch.distributed.destroy_process_group()
    gc.collect()  # what still holds the group: its threads must end before Python does


def gradients_of_half(rank, folder):
    given = torch.load(folder / "in.pt")
    block = two_blocks(torch.distributed.group.WORLD)
    block.load_state_dict(given["state"])
    parallel = nn.parallel.DistributedDataParallel(block, broadcast_buffers=False)
    x = given["x"][[slice(1), slice(1, 4)][rank]].requires_grad_()  # unequal parts
    parallel(x).square().sum().backward()
    result = {
        "dx": x.grad,
        "gradients": {name: one.grad for name, one in block.named_parameters()},
        "buffers": dict(block.named_buffers()),
    }
    torch.save(result, folder / f"{rank}.pt")


# --- modules, dispatch, checks


def test_modules_hold_conv1ds_parameters():
    torch.manual_seed(7)
    held = nn.Conv1d(4, 30, 21)
    torch.manual_seed(7)
    conv = Conv(4, 30, 21, relu=True, padding="valid")
    assert all(
        torch.equal(conv.state_dict()[name], held.state_dict()[name]) for name in ("weight", "bias")
    )
    x = torch.randn(2, 50, 4)
    torch.testing.assert_close(conv(x), held(x.mT).relu().mT, rtol=1e-5, atol=1e-5)
    names = set(Block(6, dilation=2, batch_norm=True).state_dict())
    assert {"conv.weight", "conv.bias", "norm.weight", "norm.running_var"} <= names


def test_the_cpu_runs_pytorchs_convolution(monkeypatch):
    monkeypatch.setattr(op, "dilated_conv_triton", None)
    monkeypatch.setattr(op, "conv_with_sums_triton", None)
    inputs = draw(CASES["block-30"])
    assert torch.equal(dilated_conv(*inputs), dilated_conv_cpu(*inputs))
    assert torch.equal(conv_with_sums(*inputs)[0], dilated_conv_cpu(*inputs))


@pytest.mark.gpu
def test_tf32_rounds_products_and_ieee_does_not():
    inputs = draw(CASES["block-320"], device="cuda")
    wanted = exact(inputs, **settings(CASES["block-320"]))[0]
    off = []
    for tf32 in (False, True):
        y = dilated_conv_triton(*inputs, **settings(CASES["block-320"]), tf32=tf32)
        off.append(float((y.double().cpu() - wanted).abs().max()))
    assert off[0] < 1e-5 < off[1] < 2e-2


@pytest.mark.gpu
def test_a_cuda_tensor_runs_the_kernels():
    inputs = draw(CASES["block-30"], device="cuda")
    assert torch.equal(dilated_conv(*inputs), dilated_conv_triton(*inputs))
    assert torch.equal(conv_with_sums(*inputs)[1], conv_with_sums_triton(*inputs)[1])


@pytest.mark.parametrize(
    ("channels", "most", "wanted"),
    [
        (1, 320, (16, 0)),
        (16, 320, (16, 0)),
        (17, 320, (32, 0)),
        (30, 320, (32, 0)),
        (64, 320, (64, 0)),
        (90, 320, (64, 32)),
        (300, 320, (256, 64)),
        (320, 320, (256, 64)),
        (321, 320, (256, 0)),
        (512, 320, (256, 0)),
        (300, 128, (128, 0)),
    ],
)
def test_channels_are_covered_by_one_power_of_two_or_two(channels, most, wanted):
    assert split_channels(channels, most) == wanted


def test_every_device_has_a_tile():
    for name in ("forward", "weights"):
        for capability in (7, 8, 9, 10):
            for itemsize in (2, 4):
                assert tile(name, capability, itemsize).rows % 16 == 0


GOOD = {"x": torch.zeros(2, 9, 6), "weight": torch.zeros(6, 6, 3)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(2, 9)}, r"\(regions, positions, channels\)"),
        ({"x": torch.zeros(2, 9, 6, dtype=torch.int32)}, "floats or uint8 codes, got torch.int32"),
        ({"x": torch.zeros(2, 9, 4, dtype=torch.uint8)}, "uint8 codes"),
        ({"weight": torch.zeros(6, 5, 3)}, r"\(output channels, 6, width\), got \(6, 5, 3\)"),
        ({"weight": torch.zeros(6, 6)}, "weight must be"),
        ({"weight": torch.zeros(6, 6, 4)}, "odd and at most 99, got 4"),
        ({"bias": torch.zeros(5)}, r"bias must be \(6,\), got \(5,\)"),
        ({"padding": "full"}, "'same' or 'valid', got 'full'"),
        ({"residual": True, "weight": torch.zeros(5, 6, 3)}, "6 in and 5 out"),
        ({"dilation": 0}, "at least 1"),
        ({"dilation": 1 << 31}, "end below"),
        ({"dilation": 5, "padding": "valid"}, "more than 10 positions, got 9"),
        ({"x": torch.zeros(1, 1, 6).expand(1 << 16, 1 << 15, 6)}, "split the batch"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    assert dilated_conv(**GOOD).shape == (2, 9, 6)
    with pytest.raises(ValueError, match=message):
        dilated_conv(**(GOOD | change))
