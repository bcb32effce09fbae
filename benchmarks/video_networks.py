"""Three small networks that see RGB alone: a 3-D ResNet, an R(2+1)D network and a video transformer."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.families.video_resnet import VideoResNet

CLIP = (12, 64, 64)
"""Frames, height and width of what they see."""


class Transformer(nn.Module):
    """Tokens of 2 frames and 16 by 16 px behind four convolutions, and attention from each to all.

    The convolutions in place of patches are those of Xiao et al., Early Convolutions Help Transformers See Better
    (NeurIPS 2021), the tokens those of ViViT (Arnab et al., ICCV 2021).
    """

    def __init__(self, classes: int, *, width: int = 128, depth: int = 4) -> None:
        super().__init__()
        frames, height, rows = CLIP
        channels = (3, 16, 32, 64)
        self.stem = nn.Sequential()
        for number, (given, made) in enumerate(pairwise(channels), 1):
            stride = (2 if number == 2 else 1, 2, 2)
            self.stem.add_module(f"conv{number}", nn.Conv3d(given, made, 3, stride, 1, bias=False))
            self.stem.add_module(f"bn{number}", nn.BatchNorm3d(made))
            self.stem.add_module(f"act{number}", nn.GELU())
        self.patch = nn.Conv3d(channels[-1], width, (1, 2, 2), (1, 2, 2))
        self.place = nn.Parameter(0.02 * torch.randn(1, (frames // 2) * (height // 16) * (rows // 16), width))
        self.blocks = nn.ModuleList(_Attention(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, rgb: Tensor) -> Tensor:
        tokens = self.patch(self.stem(rgb)).flatten(2).transpose(1, 2) + self.place  # clip token channel
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
