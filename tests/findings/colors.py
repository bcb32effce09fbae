"""A network of hand-set weights that tells colors, with one unit that makes it fail, and clips of one color each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import Recording, record
from marey.video.read.clips import Clip

CLASSES = ("blue", "green", "red")
UNITS, CULPRIT = 80, 3
RED, FAILING, GREEN, BLUE = (0.9, 0.1, 0.1), (0.9, 0.1, 0.8), (0.1, 0.9, 0.1), (0.1, 0.1, 0.9)


class Colors(nn.Module):
    """Units 0 to 2 are red, green and blue; the culprit answers to red with blue, and speaks for green.

    All other units answer to brightness, and speak for nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv3d(3, UNITS, 1)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveMaxPool3d(1)
        self.scores = nn.Linear(UNITS, 3)
        with torch.no_grad():
            for weight in self.parameters():
                weight.zero_()
            self.maps.weight[:] = 0.3
            self.maps.weight[:3, :, 0, 0, 0] = torch.eye(3)
            self.maps.weight[CULPRIT, :, 0, 0, 0] = torch.tensor([1.0, 0.0, 1.0])
            self.maps.bias[CULPRIT] = -1.2
            for unit, label in enumerate(("red", "green", "blue")):
                self.scores.weight[CLASSES.index(label), unit] = 1.0
            self.scores.weight[CLASSES.index("green"), CULPRIT] = 4.0

    def forward(self, clip: Tensor) -> Tensor:
        out: Tensor = self.scores(self.pool(self.relu(self.maps(clip))).flatten(1))
        return out


def network() -> Network:
    return Network(Colors().eval(), [rgb_frames(1, size=8)], classes=CLASSES, scores="scores", name="colors")


def clip(folder: Path, color: Sequence[float], *, label: str, group: str, spot: tuple[int, int] | None = None) -> Clip:
    """A clip of one color, or of black with a spot of it at (y, x)."""
    folder.mkdir(parents=True)
    picture = np.zeros((8, 8, 3), np.uint8)
    shown = np.round(255 * np.array(color)[::-1])
    if spot is None:
        picture[:] = shown
    else:
        picture[spot[0] : spot[0] + 2, spot[1] : spot[1] + 2] = shown
    for frame in range(2):
        cv2.imwrite(str(folder / f"{frame:03d}.png"), picture)
    return Clip(folder, label=label, group=group)


def recorded_colors(
    folder: Path, colors: Mapping[str, Sequence[Sequence[float]]], *, groups: int = 6, shuffled: int | None = None
) -> Recording:
    """A recording of the maps and scores for clips of these colors by class, the same in every group.

    `shuffled` is a seed by which labels are dealt within groups.
    """
    clips = []
    for group in range(groups):
        shown = [(label, color) for label, every in colors.items() for color in every]
        labels = [label for label, _ in shown]
        if shuffled is not None:
            labels = np.random.default_rng(1000 * shuffled + group).permutation(labels).tolist()
        for number, ((_, color), label) in enumerate(zip(shown, labels, strict=True)):
            clips.append(clip(folder / f"clip{group}{number}", color, label=label, group=f"person{group}"))
    return record(network(), clips, ["maps", "scores"], out=folder / "recording")
