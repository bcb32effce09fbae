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
    """The peaks of a layer's raw output; of equal values the first counts, and what is no number counts as largest.

    Two passes over the output, and no copy of it: each map is reduced where it lies, then the few values that are left
    are put in order by clip and time. The mean is taken in float32 at least.
    """
    folds = output.dim() >= 4  # else tokens or vectors, whose places lie along one axis
    maps = output.detach().flatten(-2) if folds else volume(output.detach(), clips).flatten(2)[:, :, None]
    size = maps.shape[-1]
    mean = maps.mean(-1, dtype=torch.promote_types(maps.dtype, torch.float32))
    maximum, place = _largest(maps)
    if output.dim() == 4 and len(output) == clips:  # no time: the commonest layer, and many of them are small
        return Peaks(maximum.float(), mean.float(), place.int())
    if folds:
        mean, maximum, place = (volume(part[..., None, None], clips)[..., 0, 0] for part in (mean, maximum, place))
    largest, time = maximum.max(2)  # clip unit time
    place = time * size + place.gather(2, time[..., None])[..., 0]
    return Peaks(largest.float(), mean.mean(2).float(), place.int())


def _largest(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The largest value along the last axis, and its place."""
    if maps.shape[-1] == 1:
        return maps[..., 0], torch.zeros(maps.shape[:-1], dtype=torch.int64, device=maps.device)
    if maps.device.type != "cpu" or maps.dtype not in (torch.float32, torch.float64):
        maximum, place = maps.max(-1)
        return maximum, place
    place = torch.from_numpy(maps.numpy().argmax(-1))  # NumPy's search is ten times as fast as torch's
    return maps.gather(-1, place[..., None])[..., 0], place
