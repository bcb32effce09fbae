"""Small networks that take their inputs in every layout that there is."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from marey.network.network import Network
from marey.network.stream import Stream, flow_stacks, rgb_frames


def flow(frames: int, *, layout: str = "n c t h w") -> Stream:
    return Stream("flow", "flow", times=tuple(range(frames)), height=8, width=8, layout=layout)


class Plain(nn.Module):
    """(N, C, T, H, W)."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.relu(self.conv(x)).mean((2, 3, 4)))
        return out


class TimeFirst(Plain):
    """(N, T, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2))


class Clips(Plain):
    """(N, clips, C, T, H, W), the clips folded into the batch and averaged."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1)


class UnitsLast(nn.Module):
    """Between two convolutions, what a Swin transformer and a ConvNeXt do: units along the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 6, (1, 2, 2), stride=(1, 2, 2))
        self.norm = nn.LayerNorm(6)
        self.mlp = nn.Sequential(nn.Linear(6, 7), nn.GELU(), nn.Linear(7, 6))
        self.act = nn.ReLU()
        self.back = nn.Identity()
        self.top = nn.Conv3d(6, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).permute(0, 2, 3, 4, 1)
        x = self.act(x + self.mlp(self.norm(x)))
        scores: Tensor = self.top(self.back(x.permute(0, 4, 1, 2, 3)))
        return scores


class TwoRates(nn.Module):
    """[slow, fast] in one list."""

    def __init__(self) -> None:
        super().__init__()
        self.slow, self.fast = Plain(), Plain()
        self.fc = nn.Linear(10, 5)

    def forward(self, pathways: Sequence[Tensor]) -> Tensor:
        slow, fast = pathways
        assert slow.shape[2] * 4 == fast.shape[2]
        out: Tensor = self.fc(torch.cat([self.slow(slow), self.fast(fast)], 1))
        return out


class Two(nn.Module):
    """Two arguments, or keywords."""

    def __init__(self) -> None:
        super().__init__()
        self.appearance, self.motion = Plain(), Plain(2)
        self.fc = nn.Linear(10, 5)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        out: Tensor = self.fc(torch.cat([self.appearance(rgb), self.motion(flow)], 1))
        return out


class Named(Two):
    """One dict."""

    def forward(self, streams: Mapping[str, Tensor]) -> Tensor:  # type: ignore[override]
        return super().forward(streams["rgb"], streams["flow"])


class Stacked(nn.Module):
    """(N, 2L, H, W) or (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv(x).relu().mean((2, 3)))
        return out


class Stacks(nn.Module):
    """Stacks of flow over time, (N, 2L, S, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(6, 4, (1, 3, 3), padding=(0, 1, 1))
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv(x).mean((2, 3, 4)))
        return out


class Folded(nn.Module):
    """((N T), C, H, W): frame by frame, averaged by segments."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv(x).mean((2, 3))).unflatten(0, (-1, 4)).mean(1)
        return out


class Tokens(nn.Module):
    """A transformer over tubelets, (N, T, C, H, W), that answers with an object of named parts."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv3d(3, 6, (2, 4, 4), stride=(2, 4, 4))
        self.block = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True, dropout=0.0)
        self.fc = nn.Linear(6, 5)

    def forward(self, pixel_values: Tensor) -> Any:
        tokens = self.embed(pixel_values.transpose(1, 2)).flatten(2).transpose(1, 2)
        return SimpleNamespace(logits=self.fc(self.block(tokens).mean(1)))


RGB, _SLOW = rgb_frames(4, size=8), rgb_frames(2, size=8, step=4, name="slow")
CASES: dict[str, tuple[Network, str, tuple[int, int, int, int]]] = {
    "one tensor": (Network(Plain(), [RGB]), "conv", (4, 4, 8, 8)),
    "time before channels": (Network(TimeFirst(), [rgb_frames(4, size=8, layout="n t c h w")]), "conv", (4, 4, 8, 8)),
    "clips": (Network(Clips(), [rgb_frames(4, size=8, layout="n 1 c t h w")]), "conv", (4, 4, 8, 8)),
    "arguments": (Network(Two(), [RGB, flow(3)]), "motion.conv", (4, 3, 8, 8)),
    "keywords": (Network(Two(), [flow(3), RGB], call="keywords"), "motion.conv", (4, 3, 8, 8)),
    "dict": (Network(Named(), [RGB, flow(3)], call="dict"), "appearance.conv", (4, 4, 8, 8)),
    "list of two rates": (
        Network(TwoRates(), [_SLOW, rgb_frames(8, size=8, name="fast")], call="list"),
        "fast.conv",
        (4, 8, 8, 8),
    ),
    "stacked flow": (Network(Stacked(10), [flow(5, layout="n (t c) h w")]), "conv", (4, 1, 8, 8)),
    "stacks of flow": (Network(Stacks(), [flow_stacks(2, length=3, step=3, size=8)]), "conv", (4, 2, 8, 8)),
    "one image": (Network(Stacked(3), [rgb_frames(1, size=8, layout="n c h w")]), "conv", (4, 1, 8, 8)),
    "frames in the batch": (
        Network(Folded(), [rgb_frames(4, size=8, layout="(n t) c h w")], scores="fc"),
        "conv",
        (4, 4, 8, 8),
    ),
    "tokens": (Network(Tokens(), [rgb_frames(4, size=8, layout="n t c h w")]), "block", (6, 2, 2, 2)),
}
