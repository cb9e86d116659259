# mypy: allow-untyped-calls
"""Grad-CAM of the first convolution, times gradients, as AgentBind has it (Zheng et al. 2021).

    w_k = mean over p of d target / d A_pk         A = output of the layer, behind its ReLU
    cam_p = max(0, sum_k w_k A_pk)
    cam of a base = mean cam of the windows of the convolution that cover it
    score = cam of the base times d target / d x;  divided by sum |score| of the bases of x

The target is to be a logit. ReLU, windows and the last division are of AgentBind's code; its paper
has none of them. Where all scores are 0 that code divides by 0; here they stay 0.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from kmerengine.errors import InputError
from modelkit.interpretation.methods.explained import Explained
from modelkit.interpretation.methods.explanation import Explanation
from modelkit.interpretation.methods.gradients import calculating, parts
from modelkit.interpretation.methods.options import AttributionOptions
from modelkit.models.convolution import Convolution
from modelkit.models.pool import MaxPool
from native_kernels.dilated_conv.block import Block, Conv

__all__ = ["gradcam"]

CHANNELS_LAST = (Conv, Block, Convolution, MaxPool)
CONVOLUTIONS = (Conv, Block, Convolution, nn.Conv1d)
BETWEEN = (nn.BatchNorm1d, nn.Dropout, nn.Identity)  # a convolution and its activation
ACTIVATIONS = (nn.ReLU, nn.ELU, nn.GELU, nn.LeakyReLU, nn.SiLU, nn.Softplus, nn.Sigmoid, nn.Tanh)


def gradcam(explained: Explained, x_BCP: Tensor, options: AttributionOptions) -> Explanation:
    """Explain by one layer.

    The layer is `options.layer`, or the first convolution with the norm and the activation that
    follow it, if those are modules. If it is a convolution of the sequence itself a base has the
    mean of its windows; else positions are stretched to the sequence's length.

    Raises
    ------
    InputError
        The network has no such layer, or nothing to take for it.
    """
    network = explained.network
    name, layer = _layer(network, options.layer)
    for module in network.modules():
        if hasattr(module, "inplace"):
            vars(module)["inplace"] = False  # what a layer has put out is still needed
    explained.anchor(None)
    found = []
    for part in parts(len(x_BCP), options.max_rows):
        x = x_BCP[part].detach().requires_grad_()
        watching = _Watch(network, layer, follow=options.layer is None)
        with watching as watch, torch.enable_grad(), calculating(x, options):
            values = explained(x)
        if watch.output is None or watch.output.ndim != 3:
            shape = None if watch.output is None else tuple(watch.output.shape)
            raise InputError(
                f"layer: found {name!r}, which put out {shape}, expected sequences, channels and "
                "positions"
            )
        found.append(_scores(values, x, watch.output, layer, watch.sees(x)))
    return Explanation.joined(found)


def _layer(network: nn.Module, name: str | None) -> tuple[str, nn.Module]:
    modules = dict(network.named_modules())
    if name is None:
        chosen = [each for each, module in modules.items() if isinstance(module, CONVOLUTIONS)]
        if not chosen:
            raise InputError("layer: the network has no convolution, expected the name of a layer")
        return chosen[0], modules[chosen[0]]
    if not name or name not in modules:
        known = [each for each in modules if each]
        shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        raise InputError(f"layer: found {name!r}, expected one of {shown}")
    return name, modules[name]


class _Watch:
    """Keeps what a layer was given first, and what it or its activation put out."""

    def __init__(self, network: nn.Module, layer: nn.Module, *, follow: bool) -> None:
        self.given: Tensor | None = None
        self.output: Tensor | None = None
        self._layer = layer
        self._open = follow
        after = (*BETWEEN, *ACTIVATIONS) if follow else ()
        watched = [m for m in network.modules() if m is layer or isinstance(m, after)]
        self._hooks = [each.register_forward_hook(self._see) for each in watched]

    def __enter__(self) -> "_Watch":
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _see(self, module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if module is self._layer:
            if self.given is None and isinstance(output, Tensor):
                self.given, self.output = given[0], output
        elif self._open and self.output is not None and given[0] is self.output:
            self.output = output
            self._open = not isinstance(module, ACTIVATIONS)

    def sees(self, x: Tensor) -> bool:
        """Whether the layer was given the sequence."""
        shape = (len(x), x.shape[1], x.shape[2])
        last = isinstance(self._layer, CHANNELS_LAST)
        given = self.given
        return given is not None and tuple((given.mT if last else given).shape) == shape


def _scores(
    values_BK: Tensor,
    x_BCP: Tensor,
    output: Tensor,
    layer: nn.Module,
    sees: bool,  # noqa: FBT001
) -> Explanation:
    windows = _windows(layer) if sees else None
    scores = []
    for k in range(values_BK.shape[1]):
        by_output, by_x = torch.autograd.grad(
            values_BK[:, k].sum(), (output, x_BCP), retain_graph=True, materialize_grads=True
        )
        last = isinstance(layer, CHANNELS_LAST)
        weigh, a_BCQ = (each.mT if last else each for each in (by_output, output.detach()))
        cam_BQ = (weigh.mean(-1, keepdim=True) * a_BCQ).sum(1).relu().to(x_BCP.dtype)
        length = x_BCP.shape[2]
        cam_BP = _stretched(cam_BQ, length) if windows is None else windows.mean(cam_BQ, length)
        score = cam_BP[:, None] * by_x
        size = (score[:, :4] * x_BCP[:, :4]).detach().sum(1).abs().sum(-1)
        scores.append(score / size.masked_fill(size == 0, torch.inf)[:, None, None])
    return Explanation.of_scores(torch.stack(scores, 1).detach(), values_BK.detach())


class _Windows(NamedTuple):
    """Of a convolution: window q covers `width` bases from ``q * stride - before`` on, `step` bp
    from one to the next.
    """

    width: int
    step: int
    stride: int
    before: int

    def mean(self, cam_BQ: Tensor, length: int) -> Tensor:
        """Mean over the windows that cover a base, (B, P); 0 where none does."""
        kernel = cam_BQ.new_ones(1, 1, self.width)
        both = torch.cat([cam_BQ, torch.ones_like(cam_BQ[:1])])[:, None]
        spread = functional.conv_transpose1d(both, kernel, stride=self.stride, dilation=self.step)
        beyond = max(0, self.before + length - spread.shape[2])
        spread = functional.pad(spread, (0, beyond))[:, 0, self.before : self.before + length]
        return spread[:-1] / spread[-1:].clamp(min=1)


def _windows(layer: nn.Module) -> _Windows | None:
    padding: str | tuple[int, ...]
    if isinstance(layer, Convolution):
        return _Windows(layer.weight.shape[2], 1, 1, layer.before)
    if isinstance(layer, Conv | Block):
        conv = layer.conv if isinstance(layer, Block) else layer
        width, step, stride, padding = conv.weight.shape[2], conv.dilation, 1, conv.padding
    elif isinstance(layer, nn.Conv1d):
        (width,), (step,), (stride,) = layer.kernel_size, layer.dilation, layer.stride
        padding = layer.padding
    else:
        return None
    if isinstance(padding, str):
        before = step * (width - 1) // 2 if padding == "same" else 0
    else:
        before = padding[0]
    return _Windows(width, step, stride, before)


def _stretched(cam_BQ: Tensor, length: int) -> Tensor:
    return functional.interpolate(cam_BQ[:, None], size=length, mode="nearest")[:, 0]
