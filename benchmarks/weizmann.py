"""A small network that sees RGB alone, trained on Weizmann as one would without marey; and clips that are moved.

    python benchmarks/weizmann.py train weizmann rgb.pt
    RGB=rgb.pt marey record benchmarks/weizmann.py:rgb weizmann --windows 1 --out rgb_rec
    python benchmarks/weizmann.py place network.safetensors recording

`place` shows every recorded clip moved to the left and to the right by a quarter of the frame's width, and counts what
is right: is a class known by where in the frame people are?
"""

import os
import sys
from collections import Counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import marey
from marey.datasets import class_folders
from marey.findings.asking import AS_IT_IS, Condition, Inputs, Shown, ask
from marey.findings.intervals import group_intervals
from marey.findings.labeled_clips import labeled_clips
from marey.video.read import read_video

CLASSES = ("bend", "jack", "jump", "pjump", "run", "side", "skip", "walk", "wave1", "wave2")
HELD_OUT = ("denis", "ira", "lyova")
FRAMES, STEP, SIZE = 12, 2, (64, 80)


def _block(channels: int, units: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> nn.Sequential:
    padding = tuple(length // 2 for length in kernel)
    return nn.Sequential(
        nn.Conv3d(channels, units, kernel, stride, padding, bias=False), nn.BatchNorm3d(units), nn.ReLU()
    )


class Small3D(nn.Module):
    """Four convolutions over space and time, and the largest response of each unit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _block(3, 12, (3, 5, 5), (1, 2, 2))
        self.conv2 = _block(12, 24, (3, 3, 3), (1, 2, 2))
        self.conv3 = _block(24, 48, (3, 3, 3), (2, 2, 2))
        self.conv4 = _block(48, 64, (3, 3, 3), (1, 1, 1))
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(64, len(CLASSES))

    def forward(self, rgb: Tensor) -> Tensor:
        maps = self.conv4(self.conv3(self.conv2(self.conv1(rgb))))
        return self.head(self.drop(maps.amax((2, 3, 4))))


def rgb() -> marey.Network:
    module = Small3D()
    module.load_state_dict(torch.load(os.environ["RGB"], weights_only=True))
    stream = marey.rgb_frames(FRAMES, step=STEP, size=SIZE, short_side=SIZE[0], mean=(0.5,) * 3, std=(0.25,) * 3)
    return marey.Network(module.eval(), [stream], classes=CLASSES)


def _window(video: Tensor, start: int) -> Tensor:
    times = (start + STEP * torch.arange(FRAMES)).clamp_max(len(video) - 1)
    return (video[times].permute(1, 0, 2, 3).float() / 255 - 0.5) / 0.25


def _varied(window: Tensor) -> Tensor:
    """Mirrored in half of all cases, moved a little, darker or brighter."""
    if torch.rand(()) < 0.5:
        window = window.flip(3)
    down, right = int(torch.randint(11, ())), int(torch.randint(21, ()))
    wide = functional.pad(window[None], (10, 10, 5, 5, 0, 0), mode="replicate")[0]
    moved = wide[:, :, down : down + SIZE[0], right : right + SIZE[1]]
    return moved * (0.8 + 0.4 * torch.rand(())) + 0.4 * (torch.rand(()) - 0.5)


def train(data: str, out: str, steps: int = 400) -> None:
    torch.manual_seed(0)
    clips = class_folders(data)
    videos = []
    for clip in clips:
        frames = read_video(clip.path).frames.permute(0, 3, 1, 2).float()
        videos.append(functional.interpolate(frames, SIZE, mode="bilinear", antialias=True).round().to(torch.uint8))
    labels = torch.tensor([CLASSES.index(str(clip.label)) for clip in clips])
    seen = [place for place, clip in enumerate(clips) if clip.group not in HELD_OUT]
    module = Small3D()
    optimizer = torch.optim.AdamW(module.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(steps):
        chosen = [seen[int(place)] for place in torch.randint(len(seen), (12,))]
        last = [max(1, len(videos[place]) - STEP * (FRAMES - 1)) for place in chosen]
        shown = [
            _varied(_window(videos[place], int(torch.randint(end, ()))))
            for place, end in zip(chosen, last, strict=True)
        ]
        loss = functional.cross_entropy(module(torch.stack(shown)), labels[chosen], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    torch.save(module.state_dict(), out)


def _moved(network: marey.Network, share: float) -> Condition:
    """By a part of the frame's width to the right; what comes in is the border, repeated."""

    def moved(values: Tensor) -> Tensor:
        width = values.shape[-1]
        return values[..., (torch.arange(width) - round(share * width)).clamp(0, width - 1)]

    def changed(shown: Shown) -> Inputs:
        return {one.name: moved(shown.inputs[one.name]) for one in network.streams}

    return Condition(f"moved by {share:+.0%}", changed)


def place(net: str, recorded: str) -> None:
    network, labeled = marey.load(net), labeled_clips(marey.Recording.open(recorded))
    ways = [AS_IT_IS, *(_moved(network, share) for share in (-0.25, 0.25))]
    asked = ask(network, labeled.clips, [], ways, flow="dis")
    truth = np.array([network.classes.index(labeled.classes[label]) for label in labeled.labels])
    for way in ways:
        given = asked[way.name].scores.argmax(1).numpy()
        right = given == truth
        found = group_intervals(lambda some, right=right: right[some].mean(), labeled.groups, least=0, most=1)
        wrong = Counter(
            f"{network.classes[a]} as {network.classes[b]}" for a, b in zip(truth[~right], given[~right], strict=True)
        )
        print(f"{way.name}: {found.value:.0%} [{found.low:.0%}, {found.high:.0%}]; {wrong.most_common(4)}")


if __name__ == "__main__":
    {"train": train, "place": place}[sys.argv[1]](*sys.argv[2:])
