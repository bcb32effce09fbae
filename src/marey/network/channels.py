"""Channels as a network wants them: in its own order, or as one gray channel, less the mean and over the deviation."""

from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Order = Literal["rgb", "bgr", "gray", "uv", "vu"]
"""The channels that a network gets: of an RGB stream "rgb", "bgr" or "gray" (one channel), of flow "uv" or "vu"."""

ORDERS: dict[str, tuple[Order, ...]] = {"rgb": ("rgb", "bgr", "gray"), "flow": ("uv", "vu")}
"""{kind: the orders that fit it}, the usual one first."""

_LUMA = (0.299, 0.587, 0.114)
"""How much of red, green and blue is in gray (ITU-R BT.601), as in the gray images of PIL and OpenCV."""


@lru_cache(maxsize=256)
def per_channel(values: tuple[float, ...] | None, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """A value for each channel, beside clips (1 channel 1 1 1): made once, as every copy makes an accelerator wait."""
    return None if values is None else torch.tensor(values, dtype=dtype, device=device).view(1, -1, 1, 1, 1)


def ordered(clips: Tensor, order: Order) -> Tensor:
    """Physical clips (clip channel time height width) with their channels as the network gets them; differentiable."""
    if order == "gray":
        return (clips * clips.new_tensor(_LUMA).view(1, 3, 1, 1, 1)).sum(1, keepdim=True)
    return clips.flip(1) if order in ("bgr", "vu") else clips


def physical_channels(clips: Tensor, order: Order) -> Tensor:
    """The physical clips behind channels in a network's order; of gray, three equal channels."""
    if order == "gray":
        return clips.expand(-1, 3, -1, -1, -1)
    return clips.flip(1) if order in ("bgr", "vu") else clips


def scaled(clips: Tensor, mean: Tensor | None, std: Tensor | None, *, dtype: torch.dtype | None) -> Tensor:
    """(clips - mean) / std in another type (None: their own), before frames are brought into the network's order."""
    found: Tensor = _Scaled.apply(clips, mean, std, dtype)  # type: ignore[no-untyped-call]
    return found


class _Scaled(torch.autograd.Function):
    """(clips - mean) / std in another type, before the frames are brought into the network's order.

    The gradient comes back in that order, and is brought into that of the clips before anything is computed with it:
    sums and products of transposed tensors take ten times as long.
    """

    @staticmethod
    def forward(ctx: Any, clips: Tensor, mean: Tensor | None, std: Tensor | None, dtype: torch.dtype | None) -> Tensor:
        ctx.std, ctx.dtype = std, clips.dtype
        scaled = clips if mean is None else clips - mean
        scaled = scaled if std is None else scaled / std if mean is None else scaled.div_(std)
        scaled = scaled if dtype is None else scaled.to(dtype)
        return scaled.view_as(scaled) if scaled is clips else scaled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        of_clips = torch.empty(gradient.shape, dtype=ctx.dtype, device=gradient.device).copy_(gradient)
        return of_clips if ctx.std is None else of_clips.div_(ctx.std), None, None, None
