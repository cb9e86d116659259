"""Blocks of a convolution and a batch norm: sums of channels, the second pass, processes."""

import gc
import socket

import pytest
import torch
from conv_cases import (
    SLOW_FORMS,
    assert_close,
    by_conv1d,
    draw,
    exact,
    run_kernels_everywhere,
    with_gradients,
)
from torch import nn
from torch.nn import functional
from triton_device import ON_EVERY_DEVICE, interpreter  # noqa: F401

import native_kernels.dilated_conv.block as block_module
from native_kernels.dilated_conv import conv_with_sums, conv_with_sums_triton
from native_kernels.dilated_conv.block import Block, Conv
from native_kernels.dilated_conv.norm import norm_relu, norm_relu_reference, norm_relu_triton


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
