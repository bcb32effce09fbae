"""A film: the frames of a short loop beside each other in one picture, which a page plays without a video player."""

import numpy as np
import torch
from torch import Tensor

from marey.draw.frames import appearance_picture, cell_size, motion_picture
from marey.video.encode import Picture

SIDE = 112
"""Pixels of the longer side of a frame."""
MOST_FRAMES = 24
"""Of longer clips so many frames are shown, evenly spread."""


def film_size(time: int, height: int, width: int) -> tuple[int, int, int]:
    """How many frames the film of a clip has, and the height and width of each in pixels.

    >>> film_size(10, 5, 5), film_size(64, 240, 320)
    ((10, 112, 112), (24, 84, 112))
    """
    return min(time, MOST_FRAMES), *cell_size(height, width, least=SIDE, most=SIDE)


def film(clip: Tensor, *, max_px: float = 1.0) -> Picture:
    """Draw a clip of RGB (3, time, height, width) in 0..1, or of flow (2, ...) in px/frame, as (height, width, 3).

    Colors of flow are full at `max_px`.
    """
    count, *size = film_size(*clip.shape[1:])
    times = torch.linspace(0, clip.shape[1] - 1, count).round().long()
    frames = clip.transpose(0, 1)[times]
    shape = (size[0], size[1])
    drawn = appearance_picture(frames, shape) if len(clip) == 3 else motion_picture(frames, shape, max_px=max_px)
    return np.concatenate(list(drawn), axis=1)
