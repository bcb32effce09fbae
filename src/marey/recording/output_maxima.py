"""The largest value of every unit in a layer's output, where it is, and the mean over all positions."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool3d


@dataclass(frozen=True, eq=False)
class OutputMaxima:
    """Of every (clip, unit) the maximum, the mean, and the place of the maximum: (t * height + y) * width + x.

    Maxima and means are float32, places int32.
    """

    maximum: Tensor
    mean: Tensor
    place: Tensor


def output_maxima(values: Tensor) -> OutputMaxima:
    """The maxima of a layer's volume (clip unit time height width).

    Of equal values the first counts. A value that is not a number counts as largest, so that it is noticed.
    """
    if values.device.type == "cpu":  # a pooling over all positions reads any layout in memory once, without a copy
        maximum, place = max_pool3d(values, values.shape[2:], return_indices=True)
    else:
        maximum, place = values.flatten(2).max(2)
    dtype = torch.promote_types(values.dtype, torch.float32)
    return OutputMaxima(maximum.flatten(1).float(), values.mean((2, 3, 4), dtype=dtype).float(), place.flatten(1).int())


def one_after_the_other(parts: list[OutputMaxima]) -> OutputMaxima:
    """The clips of several passes, one after the other."""
    return OutputMaxima(
        torch.cat([part.maximum for part in parts]),
        torch.cat([part.mean for part in parts]),
        torch.cat([part.place for part in parts]),
    )


def side_by_side(parts: list[OutputMaxima]) -> OutputMaxima:
    """The units of several layers in a row."""
    return OutputMaxima(
        torch.cat([part.maximum for part in parts], 1),
        torch.cat([part.mean for part in parts], 1),
        torch.cat([part.place for part in parts], 1),
    )
