"""The hard bound of equation (1): no pixel of an input is longer than B."""

from typing import Any

from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from marey.network.stream import Stream

RGB_BOUND = 160 / 255
"""Largest distance of a color from gray, B of Mahendran and Vedaldi (IJCV 2016), on a 0..1 scale."""


def default_bound(stream: Stream) -> float:
    """B of a stream when real clips say nothing: 160/255 for RGB, a quarter of the range for flow (our choice)."""
    return RGB_BOUND if stream.kind == "rgb" else stream.bound / 4


def projected(frames: Tensor, stream: Stream, bound: float) -> Tensor:
    """Distances from rest in physical units, within the stream's range and |x| <= B at every pixel.

    `frames` (clip channel time height width) are distances from rest relative to the bound B.
    """
    low, high = (stream.low - stream.rest) / bound, (stream.high - stream.rest) / bound
    inside = frames if low <= -1 and high >= 1 else frames.clamp(low, high)  # the bound may be the narrower one
    within: Tensor = _Shortened.apply(inside, bound)  # type: ignore[no-untyped-call]
    return within


class _Shortened(Function):
    """Vectors of at most length 1, times the bound; the gradient written out takes half of the passes of autograd's."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, bound: float) -> Tensor:
        shrink = frames.square().sum(1, keepdim=True).clamp_min_(1.0).rsqrt_()
        ctx.save_for_backward(frames, shrink)
        ctx.bound = bound
        return frames * (bound * shrink)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        frames, shrink = ctx.saved_tensors
        along = (frames * gradient).sum(1, keepdim=True) * shrink.square() * (shrink < 1)
        return (gradient - frames * along).mul_(ctx.bound * shrink), None  # what only lengthens a vector is lost
