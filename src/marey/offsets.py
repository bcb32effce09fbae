"""Inputs as distances from rest, as the loop holds them: kept within their bound, and shown as physical values."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from marey.regularizers import projected
from marey.streams import Stream


def bounded(offset: Tensor, bound: float, stream: Stream) -> Tensor:
    """Values cut to the stream's range, then the nearest frames with |x| <= B at every pixel: the hard bound of R_B."""
    return projected(offset, bound, stream.low - stream.rest, stream.high - stream.rest)


def shown(offset: Tensor, stream: Stream) -> Tensor:
    """The physical input at a distance from rest.

    Its gradient comes back in the memory layout of `offset`: what follows reads both, and is slow in two layouts.
    """
    window: Tensor = _Shown.apply(offset, stream.rest)  # type: ignore[no-untyped-call]
    return window


class _Shown(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, offset: Tensor, rest: float) -> Tensor:
        ctx.save_for_backward(offset)
        return offset + rest if rest else offset.view_as(offset)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (offset,) = ctx.saved_tensors
        return torch.empty_like(offset).copy_(gradient), None
