"""A small residual network that sees RGB frames alone, with convolutions over space and time."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class VideoResNet(nn.Module):
    """A stem and residual blocks; the mean and the largest response of each channel are classified.

    Input: (clip 3 time height width). The stem halves time, height and width, each block height and width.
    Convolutions are over space and time at once (Tran et al., Learning Spatiotemporal Features with 3D Convolutional
    Networks, ICCV 2015), or `factored` into one over space and one over time (Tran et al., A Closer Look at
    Spatiotemporal Convolutions for Action Recognition, CVPR 2018).

    classes
        number of class scores.
    widths
        channels of the stem and the first block, then of each further block.
    factored
        whether convolutions are two, with about as many weights as one.
    """

    def __init__(self, classes: int, *, widths: Sequence[int] = (16, 32, 96), factored: bool = False) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"classes": classes, "widths": list(widths), "factored": factored}
        self.stem = nn.Sequential(
            nn.Conv3d(3, widths[0], (3, 5, 5), 2, (1, 2, 2), bias=False), nn.BatchNorm3d(widths[0]), nn.ReLU()
        )
        for number, (channels, units) in enumerate(zip((widths[0], *widths), widths, strict=False), 1):
            self.add_module(f"layer{number}", _Residual(channels, units, factored=factored))
        self.blocks = len(widths)
        self.dropout = nn.Dropout(0.1)
        self.scores = nn.Linear(2 * widths[-1], classes)

    def forward(self, rgb: Tensor) -> Tensor:
        maps = self.stem(rgb)  # clip channel time height width
        for number in range(1, self.blocks + 1):
            maps = self.get_submodule(f"layer{number}")(maps)
        scores: Tensor = self.scores(self.dropout(torch.cat([maps.mean((2, 3, 4)), maps.amax((2, 3, 4))], 1)))
        return scores


class _Residual(nn.Module):
    """Two convolutions beside a short way, all at half of the height and width."""

    def __init__(self, channels: int, units: int, *, factored: bool) -> None:
        super().__init__()
        convolution = _factored if factored else _whole
        self.conv1, self.bn1, self.relu1 = convolution(channels, units, 2), nn.BatchNorm3d(units), nn.ReLU()
        self.conv2, self.bn2, self.relu2 = convolution(units, units, 1), nn.BatchNorm3d(units), nn.ReLU()
        self.short = nn.Sequential(nn.Conv3d(channels, units, 1, (1, 2, 2), bias=False), nn.BatchNorm3d(units))

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(maps)))))
        joined: Tensor = self.relu2(inner + self.short(maps))
        return joined


def _whole(channels: int, units: int, stride: int) -> nn.Module:
    return nn.Conv3d(channels, units, 3, (1, stride, stride), 1, bias=False)


def _factored(channels: int, units: int, stride: int) -> nn.Module:
    """Over space, then over time, with as many weights as one convolution over both."""
    between = channels * units * 27 // (channels * 9 + units * 3)
    return nn.Sequential(
        nn.Conv3d(channels, between, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
        nn.BatchNorm3d(between),
        nn.ReLU(),
        nn.Conv3d(between, units, (3, 1, 1), 1, (1, 0, 0), bias=False),
    )
