"""Convolutions whose weights stay as they are, as maximizations run them on a processor.

torch brings the weights of a convolution into the order that the processor wants in every pass, forward and backward.
Here that is done once, and the batch normalization and ReLU after a convolution are part of it, so that maps in between
are neither written nor read. Values differ by rounding, but where a network makes NaN: this ReLU gives 0 for it.
"""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.fusion import fuse_conv_bn_weights

from marey.blocks import Block

_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def quick_layers_run() -> bool:
    """Whether this torch has the operators: those with which it runs frozen graphs on a processor."""
    return torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def quick_copy(module: nn.Module, blocks: Sequence[Block], weights: nn.Module) -> nn.Module:
    """A copy of `module` that shares its weights and computes every block at once.

    Those of blocks come from `weights`: `module` itself, or what it is a copy of in another type, so that they are
    rounded once.
    """
    kept: dict[int, Any] = {id(value): value for value in (*module.parameters(), *module.buffers())}
    twin = copy.deepcopy(module, kept)
    for block in blocks:
        part = twin.get_submodule(block.convolution)
        if not isinstance(part, nn.Conv2d | nn.Conv3d) or part.padding_mode != "zeros" or isinstance(part.padding, str):
            continue
        part.__class__ = QuickConv2d if isinstance(part, nn.Conv2d) else QuickConv3d
        part.__dict__["quick"] = _Weights(block, weights, part.weight.dtype)
        for name in (block.normalization, block.relu):
            if name is not None:
                twin.get_submodule(name).__class__ = nn.Identity
    return twin


class QuickConv2d(nn.Conv2d):
    """A convolution of maps (clip channel height width) and what follows it in its block."""

    quick: "_Weights"

    def forward(self, input: Tensor) -> Tensor:
        """The block's answer."""
        return _answer(self, self.quick, input)


class QuickConv3d(nn.Conv3d):
    """A convolution of volumes (clip channel time height width) and what follows it in its block."""

    quick: "_Weights"

    def forward(self, input: Tensor) -> Tensor:
        """The block's answer."""
        return _answer(self, self.quick, input)


class _Sliding(NamedTuple):
    """How a convolution moves over its input, along each of its axes."""

    padding: list[int]
    stride: list[int]
    dilation: list[int]
    groups: int

    def turned(self, kernel: Sequence[int]) -> "_Sliding | None":
        """Of the convolution with the turned kernel that gives this one's gradient; None where there is none."""
        padding = [
            step * (size - 1) - edge for step, size, edge in zip(self.dilation, kernel, self.padding, strict=True)
        ]
        if self.groups > 1 or max(self.stride) > 1 or min(padding) < 0:
            return None
        return _Sliding(padding, self.stride, self.dilation, 1)


def _answer(part: nn.Conv2d | nn.Conv3d, quick: "_Weights", given: Tensor) -> Tensor:
    assert not isinstance(part.padding, str)
    sliding = _Sliding(list(part.padding), list(part.stride), list(part.dilation), part.groups)
    found: Tensor = _Convolution.apply(given, quick, sliding)  # type: ignore[no-untyped-call]
    return found


class _Weights:
    """Those of a block: as they are, and in the order that the processor wants for the shape seen last."""

    def __init__(self, block: Block, module: nn.Module, dtype: torch.dtype) -> None:
        source: Any = module.get_submodule(block.convolution)
        weight, bias = source.weight, source.bias
        if block.normalization is not None:
            norm: Any = module.get_submodule(block.normalization)
            weight, bias = fuse_conv_bn_weights(
                weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
        self.weight = weight.detach().to(dtype)
        self.bias = None if bias is None else bias.detach().to(dtype)
        self.relu = block.relu is not None
        self._ordered: dict[bool, tuple[object, Tensor]] = {}

    def answer(self, given: Tensor, sliding: _Sliding) -> Tensor:
        """Of the block to `given`."""
        return self._run(given, sliding, turned=False)

    def gradient(self, gradient: Tensor, shape: torch.Size, sliding: _Sliding) -> Tensor:
        """With respect to the input, of this shape, of what has `gradient` with respect to the answer without ReLU."""
        turned = sliding.turned(self.weight.shape[2:])
        if turned is not None:
            return self._run(gradient, turned, turned=True)
        padding, stride, dilation, groups = sliding
        none = [0] * len(padding)
        given = gradient.new_empty(shape)  # of which only the shape is asked
        found: Tensor = torch.ops.aten.convolution_backward(
            gradient, given, self.weight, None, stride, padding, dilation, False, none, groups, [True, False, False]
        )[0]
        return found

    def _run(self, given: Tensor, sliding: _Sliding, *, turned: bool) -> Tensor:
        given = given.contiguous(memory_format=_FORMATS[given.dim()])
        padding, stride, dilation, groups = sliding
        case = (given.shape, padding)
        known, ordered = self._ordered.get(turned, (None, self.weight))
        if known != case:
            weight = self.weight.flip(*range(2, given.dim())).transpose(0, 1) if turned else self.weight
            order: Any = getattr(torch._C._nn, f"mkldnn_reorder_conv{given.dim() - 2}d_weight")
            ordered = order(weight.contiguous().to_mkldnn(), padding, stride, dilation, groups, list(given.shape))
            self._ordered[turned] = (case, ordered)
        bias, then = (None, "none") if turned else (self.bias, "relu" if self.relu else "none")
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            given, ordered, bias, padding, stride, dilation, groups, then, [], ""
        )
        return found


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, quick: _Weights, sliding: _Sliding) -> Tensor:
        made = quick.answer(given, sliding)
        ctx.quick, ctx.sliding, ctx.shape = quick, sliding, given.shape
        ctx.save_for_backward(*([made] if quick.relu else []))
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        if ctx.saved_tensors:
            (made,) = ctx.saved_tensors
            gradient = torch.ops.aten.threshold_backward(gradient, made, 0)
        return ctx.quick.gradient(gradient, ctx.shape, ctx.sliding), None, None
