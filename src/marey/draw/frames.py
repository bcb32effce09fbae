"""Frames and flow fields as pictures of a readable size."""

import torch
from torch import Tensor
from torch.nn import functional

from marey.draw.color_wheel import Component, color_wheel, one_component
from marey.video.encode import Picture


def cell_size(height: int, width: int, *, least: int = 112, most: int = 256) -> tuple[int, int]:
    """Choose height and width at which a clip is shown: enlarged by a whole factor, or shrunk to `most` pixels.

    >>> cell_size(40, 40), cell_size(224, 224), cell_size(270, 480)
    ((120, 120), (224, 224), (144, 256))
    """
    side = max(height, width)
    factor = min(float(-(-least // side)), most / side) if side < least else min(1.0, most / side)
    return max(1, round(height * factor)), max(1, round(width * factor))


def page_size(height: int, width: int) -> tuple[int, int]:
    """Choose the size at which a clip stands on its own page: from 112 px on as it is, smaller ones at least 160 px.

    >>> page_size(40, 40), page_size(112, 112)
    ((160, 160), (112, 112))
    """
    return cell_size(height, width, least=112 if max(height, width) >= 112 else 160)


def resized(clips: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (..., channel, height, width) to another height and width; the values themselves are not scaled.

    Flow is resized before it is colored, because between two colors of the wheel lies a third direction.
    """
    flat = clips.detach().to("cpu", torch.float32).reshape(-1, *clips.shape[-3:])
    shrinks = size[0] < flat.shape[-2] or size[1] < flat.shape[-1]
    if size != tuple(flat.shape[-2:]):
        least, most = flat.aminmax()  # what the cubic adds beyond would be colored as faster motion
        flat = functional.interpolate(flat, size=size, mode="bicubic", align_corners=False, antialias=shrinks)
        flat = flat.clamp(least, most)
    return flat.reshape(*clips.shape[:-2], *size)


def appearance_picture(frames: Tensor, size: tuple[int, int]) -> Picture:
    """Draw RGB frames (..., 3, height, width) in 0..1 as pictures of `size`; values beyond are clipped."""
    values = resized(torch.nan_to_num(frames), size)
    picture: Picture = (values.clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).numpy()
    return picture


def strongest_field(motion: Tensor) -> int:
    """Find the place in time of the field that moves most, in flow of (2, time, height, width)."""
    return int(torch.nan_to_num(motion.detach().float()).square().sum(0).sqrt().mean((-2, -1)).argmax())


def motion_picture(
    fields: Tensor,
    size: tuple[int, int],
    *,
    max_px: float,
    component: Component | None = None,
) -> Picture:
    """Draw flow fields (..., 2, height, width) in px/frame as pictures of `size`: the color wheel, or one component."""
    values = resized(fields, size)
    if component is None:
        return color_wheel(values, max_px=max_px)
    return one_component(values, component, max_px=max_px)
