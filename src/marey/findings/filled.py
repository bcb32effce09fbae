"""Areas of frames filled by what is around them, smoothly, so that what was there does not show."""

import torch
from torch import Tensor
from torch.nn import functional


def filled(values: Tensor, area: Tensor, *, rest: float) -> Tensor:
    """`values` (window channel time height width) with `area` (window 1 time height width) filled from its border.

    Coarser and coarser means of what is known fill what finer ones do not reach (push and pull); where nothing is
    known, `rest` stands.
    """
    windows, channels, frames, height, width = values.shape
    flat = values.transpose(1, 2).reshape(windows * frames, channels, height, width)
    known = (~area).transpose(1, 2).reshape(windows * frames, 1, height, width).to(flat)
    smooth = _pulled(flat * known, known, rest)
    made = torch.where(known > 0, flat, smooth)
    return made.view(windows, frames, channels, height, width).transpose(1, 2)


def _pulled(weighted: Tensor, known: Tensor, rest: float) -> Tensor:
    """Means of what is known, with those of a coarser level where it is little."""
    height, width = known.shape[-2:]
    if min(height, width) < 2:
        coarse = torch.full_like(weighted, rest)
    else:
        padded = (0, width % 2, 0, height % 2)
        parts = [functional.avg_pool2d(functional.pad(one, padded), 2) for one in (weighted, known)]
        coarse = _pulled(parts[0], parts[1], rest)
        coarse = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        coarse = coarse[..., :height, :width]
    mean = weighted / known.clamp_min(1e-6)
    share = known.clamp_max(1)
    return share * mean + (1 - share) * coarse
