"""Three small networks that see RGB alone: a 3-D ResNet, an R(2+1)D network and a video transformer."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.families.video_resnet import VideoResNet

CLIP = (12, 64, 64)
"""Frames, height and width of what they see."""


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
    return Transformer(classes) if kind == "transformer" else VideoResNet(classes, factored=kind == "r2p1d")
