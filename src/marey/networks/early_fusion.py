"""A small residual network that joins both streams at its input: what a two-stream network is checked against."""

from typing import Any

import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.networks.towers import in_order, initialize
from marey.networks.two_stream import FLOW_SCALE, IMAGENET_MEAN, IMAGENET_STD
from marey.streams import Stream, flow_stacks, rgb_frames

UNITS = (32, 64, 96, 128)


class Residual(nn.Module):
    """Two 3 x 3 convolutions with batch normalization, added to their input (He et al., CVPR 2016).

    Where the stride or the number of channels changes, the input goes through a 1 x 1 convolution.
    """

    def __init__(self, channels: int, units: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, units, 3, stride, padding=1)
        self.norm1 = nn.BatchNorm2d(units)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(units, units, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(units)
        same = stride == 1 and channels == units
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, units, 1, stride)
        self.relu2 = nn.ReLU()

    def forward(self, values: Tensor) -> Tensor:
        """Maps (clip unit height width) of maps (clip channel height width)."""
        inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(values)))))
        maps: Tensor = self.relu2(inner + self.shortcut(values))
        return maps


class EarlyFusion(nn.Module):
    """One RGB frame and `stack` flow fields as the channels of one picture -> a residual network -> class scores.

    Its layers are others than those of `TwoStream`, but its inputs are the same, so it can say whether an input that
    excites a class of one network is that class to another (see docs/recovery.md).

    classes
        number of class scores.
    size
        of the square input, in pixels.
    stack
        flow fields, the RGB frame standing in their middle.
    dropout
        share of the pooled features that training switches off.
    """

    def __init__(self, classes: int, *, size: int = 112, stack: int = 10, dropout: float = 0.1) -> None:
        super().__init__()
        if classes < 1 or stack < 1 or size < 32 or not 0 <= dropout < 1:
            raise NetworkError(
                f"no EarlyFusion of {classes} classes, {size} px, {stack} fields and dropout {dropout:g}; expected at "
                "least 1 class, 32 px and 1 field, and a dropout below 1."
            )
        self.config: dict[str, Any] = {"classes": classes, "size": size, "stack": stack, "dropout": dropout}
        channels = UNITS[0]
        self.conv1 = nn.Conv2d(3 + 2 * stack, channels, 5, 2, padding=2)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        for number, units in enumerate(UNITS, start=2):
            self.add_module(f"block{number}", Residual(channels, units, 2))
            channels = units
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Linear(channels, classes)
        initialize(self)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        """Class scores (clip class) of rgb (clip 3 1 height width) and flow (clip 2*stack 1 height width)."""
        stack = self.config["stack"]
        if rgb.shape[1:3] != (3, 1) or flow.shape[1:3] != (2 * stack, 1):
            raise NetworkError(
                f"EarlyFusion got inputs of shape {tuple(rgb.shape)} and {tuple(flow.shape)}; "
                f"expected (clips, 3, 1, height, width) and (clips, {2 * stack}, 1, height, width)."
            )
        return in_order(self.children(), torch.cat([rgb, flow], 1).squeeze(2))

    def forward_all(self, rgb: Tensor, flow: Tensor) -> dict[str, Tensor]:
        """The scores by name, as training takes them."""
        return {"fused": self(rgb, flow)}

    def input_streams(self) -> tuple[Stream, ...]:
        """The streams that fit: those of a `TwoStream` of one frame."""
        stack, size = self.config["stack"], self.config["size"]
        short_side = round(size * 256 / 224)
        rgb = rgb_frames(1, first=stack // 2, size=size, mean=IMAGENET_MEAN, std=IMAGENET_STD, short_side=short_side)
        flow = flow_stacks(1, length=stack, size=size, scale=FLOW_SCALE, short_side=short_side)
        return rgb, flow
