"""Dilated convolutions: one suite over the reference, the CPU's form and the kernels."""

import pytest
import torch
from conv_cases import (
    BLOCK,
    CASES,
    SLOW_FORMS,
    assert_close,
    draw,
    exact,
    settings,
    with_gradients,
)
from torch import nn
from triton_device import ON_EVERY_DEVICE, interpreter  # noqa: F401

import native_kernels.dilated_conv as op
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
