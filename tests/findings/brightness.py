"""Clips of one brightness each, standing still or changing, and a network that reads it, whose needs are known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import Recording
from marey.video.encode import write_mp4

CLASSES = ("bright", "dark", "falls", "flickers", "rises")
SIZE, FRAMES, WINDOW = 32, 16, 4
LEVEL, RISES, CHANGES = range(3)


def _levels(label: str) -> np.ndarray:
    steps = np.arange(FRAMES) - FRAMES / 2
    return {
        "bright": 0.9 + 0 * steps,
        "dark": 0.1 + 0 * steps,
        "falls": 0.5 - 0.02 * steps,
        "rises": 0.5 + 0.02 * steps,
        "flickers": 0.5 + 0.02 * (steps % 2),
    }[label]


class Brightness(nn.Module):
    """Three units: how bright frames are, how much they rise from the first to the last, how much they change."""

    def __init__(self) -> None:
        super().__init__()
        self.units = nn.Identity()
        self.scores = nn.Linear(3, len(CLASSES))

    def forward(self, rgb: Tensor) -> Tensor:
        level = rgb.mean((1, 3, 4))  # clip time
        rises = (level[:, -1] - level[:, 0]).clamp_min(0.01)
        changes = (level - level.mean(1, keepdim=True)).abs().mean(1)
        return self.scores(self.units(torch.stack([level.mean(1), rises, changes], 1)))


def network() -> Network:
    torch.manual_seed(0)
    return Network(
        Brightness().eval(), [rgb_frames(WINDOW, size=SIZE)], classes=CLASSES, scores="scores", name="Brightness"
    )


def recording(folder: Path, recorded: Callable[..., Recording], people: int = 6) -> Recording:
    """Clips of every class by several people, of slightly different brightness, in `folder`/clips."""
    labels, groups, rows = [], [], []
    module = Brightness()
    for person in range(people):
        for label in CLASSES:
            levels = _levels(label) + 0.01 * person / people
            frames = np.broadcast_to((levels * 255).round()[:, None, None, None], (FRAMES, SIZE, SIZE, 3))
            path = folder / f"clips/{label}/{len(labels):04d}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mp4(frames.astype(np.uint8), path, quality=1)
            labels.append(label)
            groups.append(f"person{person}")
            first = (FRAMES - WINDOW) // 2
            window = torch.tensor(levels[first : first + WINDOW]).float().view(1, 1, WINDOW, 1, 1)
            kept: list[Tensor] = []
            module.units.register_forward_hook(lambda _m, _i, out, kept=kept: kept.append(out))
            module(window)
            rows.append(kept[0][0].detach().numpy())
    return recorded({"units": np.stack(rows)}, labels, groups)
