"""The parts of a two-stream VGG: towers that see frame by frame, the fusion over time and space, the classifier."""

from collections.abc import Iterable
from typing import cast

import torch
from einops import rearrange
from torch import Tensor, nn

from marey.errors import NetworkError

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
APPEARANCE_SHARE, MOTION_SHARE = 0.25, 0.75
FUSION_SIGMA = 0.5

Layers = dict[str, nn.Module]


class Tower(nn.Module):
    """Two-dimensional layers on every frame, then the layers of `top`: pooling over time, and a classifier or none."""

    def __init__(self, convolutions: Layers, top: Layers) -> None:
        super().__init__()
        for name, layer in (convolutions | top).items():
            self.add_module(name, layer)
        self._top = len(convolutions)

    def forward(self, values: Tensor) -> Tensor:
        """Maps (clip channel time height width) of `values` with these axes; scores (clip class) with a classifier."""
        layers = list(self.children())
        maps = rearrange(values, "n c t h w -> (n t) c h w")
        maps = in_order(layers[: self._top], maps)
        maps = rearrange(maps, "(n t) c h w -> n c t h w", n=values.shape[0])
        return in_order(layers[self._top :], maps)


class Fused(nn.Module):
    """Maps of both towers -> 3 x 3 x 3 convolution -> ReLU -> max pooling: conv5, relu5 and pool5 at depth 5.

    The convolution starts as an identity pair, 0.25 appearance and 0.75 motion, times a Gaussian over time and space of
    sum 1 (Feichtenhofer et al., CVPR 2016, 2018). Its sigma, 0.5 frames and places, is our choice: half of the weight
    stays in the middle. Pooling takes 2 x 2 places, and at depth 5 all frames.
    """

    def __init__(self, channels: int, depth: int, frames: int) -> None:
        super().__init__()
        self.add_module(f"conv{depth}", nn.Conv3d(2 * channels, channels, 3, padding=1))
        self.add_module(f"relu{depth}", nn.ReLU())
        self.add_module(f"pool{depth}", nn.MaxPool3d((frames if depth == 5 else 1, 2, 2)))

    def forward(self, appearance: Tensor, motion: Tensor) -> Tensor:
        """Pooled fused maps of two maps (clip channel time height width)."""
        if appearance.shape != motion.shape:
            raise NetworkError(
                f"rgb gives maps of shape {tuple(appearance.shape)} and flow of {tuple(motion.shape)}; "
                "fusion needs as many clips, frames and places of both."
            )
        convolution, relu, pool = self.children()
        return in_order([pool], relu(convolution(torch.cat((appearance, motion), dim=1))))

    @torch.no_grad()
    def initialize(self) -> None:
        """Set the convolution to the identity pair times the Gaussian."""
        convolution = cast(nn.Conv3d, next(self.children()))
        channels = convolution.out_channels
        line = torch.exp(-torch.tensor([1.0, 0.0, 1.0], device=convolution.weight.device) / (2 * FUSION_SIGMA**2))
        gaussian = torch.einsum("t,h,w->thw", line, line, line)
        gaussian = gaussian / gaussian.sum()
        units = torch.arange(channels, device=gaussian.device)
        convolution.weight.zero_()
        convolution.weight[units, units] = APPEARANCE_SHARE * gaussian
        convolution.weight[units, units + channels] = MOTION_SHARE * gaussian
        nn.init.zeros_(cast(Tensor, convolution.bias))


class MeanScores(nn.Module):
    """The mean of the streams' class scores, as a layer, so that its units have an address."""

    def forward(self, *scores: Tensor) -> Tensor:
        """Scores (clip class) of scores with the same axes."""
        return torch.stack(scores).mean(0)


def scaled_channels(channels: int, width: float) -> int:
    """The multiple of 8 nearest to `width` * `channels`, at least 8.

    >>> scaled_channels(64, 0.3)
    16
    """
    return max(8, round(width * channels / 8) * 8)


def convolutions(channels: int, blocks: Iterable[int], width: float, norm: str) -> Layers:
    """Convolutions of VGG-16 with its names, with pooling between the `blocks` but not after the last one."""
    layers: Layers = {}
    for block in blocks:
        if layers:
            layers[f"pool{block - 1}"] = nn.MaxPool2d(2)
        for place, published in enumerate(BLOCKS[block - 1], start=1):
            units = scaled_channels(published, width)
            layers[f"conv{block}_{place}"] = nn.Conv2d(channels, units, 3, padding=1)
            if norm == "batch":
                layers[f"norm{block}_{place}"] = nn.BatchNorm2d(units)
            layers[f"relu{block}_{place}"] = nn.ReLU()
            channels = units
    return layers


def classifier(features: int, units: int, classes: int, dropout: float) -> Layers:
    """fc6, fc7 and scores of VGG, by name."""
    return {
        "flatten": nn.Flatten(),
        "fc6": nn.Linear(features, units),
        "relu6": nn.ReLU(),
        "dropout6": nn.Dropout(dropout),
        "fc7": nn.Linear(units, units),
        "relu7": nn.ReLU(),
        "dropout7": nn.Dropout(dropout),
        "scores": nn.Linear(units, classes),
    }


def in_order(layers: Iterable[nn.Module], values: Tensor) -> Tensor:
    """The output of `layers`, run one after the other on `values`.

    NetworkError says which input size a layer needs. Each layer is checked by itself, so that a unit can run on its
    receptive field alone, whatever the layers above it need.
    """
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d | nn.MaxPool3d) and min(values.shape[-2:]) < 2:
            raise NetworkError("the input is too small for five poolings; give at least 32 x 32 pixels.")
        if isinstance(layer, nn.MaxPool3d):
            frames = cast(tuple[int, int, int], layer.kernel_size)[0]
            if frames > 1 and values.shape[2] != frames:
                raise NetworkError(f"the network pools over {frames} frames, got {values.shape[2]}.")
        if isinstance(layer, nn.Linear) and values.shape[1] != layer.in_features:
            raise NetworkError(
                f"fc6 takes {layer.in_features} values, got {values.shape[1]}; give inputs of the network's `size`, "
                'or build it with pooling="global".'
            )
        values = layer(values)
    return values


def initialize(network: nn.Module) -> None:
    """He et al., ICCV 2015, for layers before a ReLU; zero biases; small weights for the scores.

    Weights on the meta device, which a file will replace, are not drawn, because that takes seconds.
    """
    if any(value.is_meta for value in network.parameters()):
        return
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if name.endswith("scores") or name.startswith("auxiliary"):
                nn.init.normal_(module.weight, std=0.01)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, Fused):
            module.initialize()
