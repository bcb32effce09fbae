"""A film: the frames of a short loop beside each other in one picture, which a page plays without a video player."""

import numpy as np
import torch
from torch import Tensor

from marey.draw.frames import appearance_picture, cell_size, motion_picture, resized
from marey.draw.heat_loop import HEAT_WEIGHT, heat_colors
from marey.video.encode import Picture

SIDE = 112
"""Pixels of the longer side of a frame."""
_HEAT_LEVELS = 24
MOST_FRAMES = 24
"""Of longer clips so many frames are shown, evenly spread."""


def film_size(time: int, height: int, width: int) -> tuple[int, int, int]:
    """How many frames the film of a clip has, and the height and width of each in pixels.

    >>> film_size(10, 5, 5), film_size(64, 240, 320)
    ((10, 112, 112), (24, 84, 112))
    """
    return min(time, MOST_FRAMES), *cell_size(height, width, least=SIDE, most=SIDE)


def film_times(time: int) -> Tensor:
    """The places in time of the frames that the film of a clip of `time` frames shows."""
    return torch.linspace(0, time - 1, min(time, MOST_FRAMES)).round().long()


def film(clip: Tensor, *, max_px: float = 1.0) -> Picture:
    """Draw a clip of RGB (3, time, height, width) in 0..1, or of flow (2, ...) in px/frame, as (height, width, 3).

    Colors of flow are full at `max_px`.
    """
    _, *size = film_size(*clip.shape[1:])
    frames = clip.transpose(0, 1)[film_times(clip.shape[1])]
    shape = (size[0], size[1])
    drawn = appearance_picture(frames, shape) if len(clip) == 3 else motion_picture(frames, shape, max_px=max_px)
    return np.concatenate(list(drawn), axis=1)


def heat_film(share: Tensor) -> Picture:
    """Draw heat (time, height, width), 0 to 1, to lay over the film of a clip, as (height, width, 4) with its opacity.

    It has half as many pixels down and across, which a page enlarges smoothly: heat has no finer detail, and edges of
    frames stay apart.
    """
    _, height, width = film_size(*share.shape)
    small = resized(share[film_times(len(share))][:, None], (-(-height // 2), -(-width // 2)))[:, 0]
    levels = (small.clamp(0, 1) * _HEAT_LEVELS).round() / _HEAT_LEVELS
    opacity = 255 * HEAT_WEIGHT * levels[..., None]
    drawn = torch.cat([heat_colors(levels), opacity], dim=-1).round().to(torch.uint8).numpy()
    return np.concatenate(list(drawn), axis=1)
