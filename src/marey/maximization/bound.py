"""The hard bound of equation (1): no pixel of an input is longer than B."""

from torch import Tensor

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
    squares = inside.square().sum(1, keepdim=True)
    return inside * (bound * squares.clamp_min(1.0).rsqrt())
