"""A small 3-D ConvNet that joins both streams at its input: what a two-stream network is checked against."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.networks.towers import in_order, initialize
from marey.networks.two_stream import FLOW_SCALE, IMAGENET_MEAN, IMAGENET_STD
from marey.streams import Stream, flow_stacks, rgb_frames

UNITS = (16, 32, 64, 96, 128)
_STRIDES = ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2))


class EarlyFusion(nn.Module):
    """One RGB frame and `stack` flow fields as five channels over time -> five 3-D convolutions -> class scores.

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

    def __init__(self, classes: int, *, size: int = 112, stack: int = 10, dropout: float = 0.3) -> None:
        super().__init__()
        if classes < 1 or stack < 1 or size < 32 or not 0 <= dropout < 1:
            raise NetworkError(
                f"no EarlyFusion of {classes} classes, {size} px, {stack} fields and dropout {dropout:g}; expected at "
                "least 1 class, 32 px and 1 field, and a dropout below 1."
            )
        self.config: dict[str, Any] = {"classes": classes, "size": size, "stack": stack, "dropout": dropout}
        channels = 5
        for number, (units, stride) in enumerate(zip(UNITS, _STRIDES, strict=True), start=1):
            wide = 5 if number == 1 else 3
            padding = (1, wide // 2, wide // 2)
            self.add_module(f"conv{number}", nn.Conv3d(channels, units, (3, wide, wide), stride, padding))
            self.add_module(f"norm{number}", nn.BatchNorm3d(units))
            self.add_module(f"relu{number}", nn.ReLU())
            channels = units
        self.pool = nn.AdaptiveMaxPool3d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Linear(channels, classes)
        initialize(self)
        for module in self.children():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        """Class scores (clip class) of rgb (clip 3 1 height width) and flow (clip 2*stack 1 height width)."""
        stack = self.config["stack"]
        if rgb.shape[1:3] != (3, 1) or flow.shape[1:3] != (2 * stack, 1):
            raise NetworkError(
                f"EarlyFusion got inputs of shape {tuple(rgb.shape)} and {tuple(flow.shape)}; "
                f"expected (clips, 3, 1, height, width) and (clips, {2 * stack}, 1, height, width)."
            )
        motion = rearrange(flow, "n (k c) 1 h w -> n c k h w", c=2)
        values = torch.cat([rgb.expand(-1, -1, stack, -1, -1), motion], 1)
        return in_order(self.children(), values)

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
