"""What is kept of a layer's output: for every clip and unit the largest value, its place, and the mean."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marey.network import volume


@dataclass(frozen=True)
class Peaks:
    """Of every (clip, unit) the maximum, the mean, and where the maximum is: (t * height + y) * width + x."""

    maximum: Tensor
    mean: Tensor
    place: Tensor


def peaks(output: Tensor, clips: int) -> Peaks:
    """The peaks of a layer's raw output; of equal values the first counts.

    Two passes over the output, and no copy of it: the largest value of every row of places, then its place among the
    rows and in its row. The mean is taken in float32 at least.
    """
    maps = volume(output.detach(), clips)  # clip unit time height width
    height, width = maps.shape[3:]
    rows = maps.amax(4).flatten(2)  # clip unit (time height)
    maximum, row = rows.max(2)
    clip = torch.arange(clips, device=maps.device)[:, None]
    unit = torch.arange(maps.shape[1], device=maps.device)
    column = maps[clip, unit, row // height, row % height].argmax(2)
    dtype = torch.promote_types(maps.dtype, torch.float32)
    mean = maps.mean((2, 3, 4), dtype=dtype)
    return Peaks(maximum.float(), mean.float(), (row * width + column).int())
