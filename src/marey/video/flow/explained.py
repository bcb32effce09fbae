"""How much of what changes from frame to frame is motion: the part that flow explains."""

import cv2
import numpy as np
import torch
from torch import Tensor

from marey.errors import VideoError
from marey.video.flow.methods import Method, optical_flow


def explained_by_flow(frames: Tensor, *, method: Method = "dis") -> float | None:
    """The part of the squared change between neighboring frames that warping by their flow takes away, 0 to 1.

    `frames` (channel time height width) are RGB in 0..1. 1 is motion alone and 0 is change that no flow explains, as
    flicker. None where nothing changes, and for frames that are too small for the method.
    """
    pictures = (frames.movedim(0, 3).clamp(0, 1) * 255).round().to(torch.uint8).contiguous().cpu()
    if len(pictures) < 2:
        return None
    try:
        flow = optical_flow(pictures, method=method)
    except VideoError:
        return None
    height, width = pictures.shape[1:3]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    change = left = 0.0
    for before, after, (u, v) in zip(pictures[:-1].numpy(), pictures[1:].numpy(), flow.numpy(), strict=True):
        there = cv2.remap(after.astype(np.float32), x + u, y + v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = (x + u >= 0) & (x + u <= width - 1) & (y + v >= 0) & (y + v <= height - 1)
        change += float(((after.astype(np.float32) - before)[inside] ** 2).sum())
        left += float(((there - before)[inside] ** 2).sum())
    return None if change == 0 else max(0.0, 1 - left / change)
