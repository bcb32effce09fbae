"""Three small networks that see RGB alone: a 3-D ResNet, an R(2+1)D network and a video transformer."""

import torch
from torch import Tensor, nn
from torch.nn import functional

CLIP = (12, 64, 64)
"""Frames, height and width of what they see."""
_WIDTHS = (16, 32, 96)


class ResNet(nn.Module):
    """A stem and three residual blocks; the mean and the largest response of each channel are classified.

    Convolutions are over space and time at once, or `factored` into one over space and one over time (Tran et al., A
    Closer Look at Spatiotemporal Convolutions, CVPR 2018).
    """

    def __init__(self, classes: int, *, factored: bool) -> None:
        super().__init__()
        first, second, third = _WIDTHS
        self.stem = nn.Sequential(
            nn.Conv3d(3, first, (3, 5, 5), 2, (1, 2, 2), bias=False), nn.BatchNorm3d(first), nn.ReLU()
        )
        self.layer1 = _Residual(first, first, factored=factored)
        self.layer2 = _Residual(first, second, factored=factored)
        self.layer3 = _Residual(second, third, factored=factored)
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(2 * third, classes)

    def forward(self, rgb: Tensor) -> Tensor:
        maps = self.layer3(self.layer2(self.layer1(self.stem(rgb))))  # clip channel time height width
        return self.fc(self.dropout(torch.cat([maps.mean((2, 3, 4)), maps.amax((2, 3, 4))], 1)))


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
        return self.relu2(inner + self.short(maps))


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


class Transformer(nn.Module):
    """Tokens of 2 frames and 8 by 8 px behind a convolution, and attention from each to all (as in ViViT)."""

    def __init__(self, classes: int, *, width: int = 96, depth: int = 4) -> None:
        super().__init__()
        frames, height, rows = CLIP
        self.patch = nn.Sequential(
            nn.Conv3d(3, 32, (1, 5, 5), (1, 2, 2), (0, 2, 2)), nn.GELU(), nn.Conv3d(32, width, (2, 4, 4), (2, 4, 4))
        )
        self.place = nn.Parameter(0.02 * torch.randn(1, (frames // 2) * (height // 8) * (rows // 8), width))
        self.blocks = nn.ModuleList(_Attention(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, rgb: Tensor) -> Tensor:
        tokens = self.patch(rgb).flatten(2).transpose(1, 2) + self.place  # clip token channel
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens).mean(1))


class _Attention(nn.Module):
    """Attention with four heads, and a perceptron for each token."""

    heads = 4

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.act, self.fc2 = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        clips, count, width = tokens.shape
        parts = self.qkv(self.norm1(tokens)).view(clips, count, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        tokens = tokens + self.out(mixed.reshape(clips, count, width))
        return tokens + self.fc2(self.act(self.fc1(self.norm2(tokens))))


def made(kind: str, classes: int) -> nn.Module:
    """An untrained network: "r3d", "r2p1d" or "transformer"."""
    return Transformer(classes) if kind == "transformer" else ResNet(classes, factored=kind == "r2p1d")
