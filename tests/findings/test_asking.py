"""However many clips are shown, only those of one pass are in memory."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch

from marey.findings.asking import AS_IT_IS, WINDOWS_AT_ONCE, Condition, Inputs, Shown, ask
from marey.network.stream import Stream
from marey.video.read.clip import Clip, LoadedClip


@dataclass(frozen=True)
class Gray:
    """Makes a gray clip."""

    def load(self, clip: Clip, streams: Sequence[Stream]) -> LoadedClip:
        size = (streams[0].height, streams[0].width)
        return LoadedClip(clip, 4, 25.0, size, {size: torch.full((4, *size, 3), 128, dtype=torch.uint8)}, {})


class Counted:
    """A change that changes nothing, and counts how many of its tensors are alive at once."""

    def __init__(self) -> None:
        self.alive = self.most = 0

    def __call__(self, shown: Shown) -> Inputs:
        made = {name: values.clone() for name, values in shown.inputs.items()}
        for values in made.values():
            self.alive += 1
            weakref.finalize(values, self._gone)
        self.most = max(self.most, self.alive)
        return made

    def _gone(self) -> None:
        self.alive -= 1


@pytest.mark.parametrize("clips", [20, 100])
def test_memory_does_not_grow_with_the_number_of_clips(brightness: ModuleType, clips: int) -> None:
    counted = Counted()
    shown = [Clip(Path(f"{number}.mp4"), maker=Gray()) for number in range(clips)]
    asked = ask(brightness.network(), shown, ["units"], [AS_IT_IS, Condition("the same", counted)])
    assert len(asked.rows) == clips == len(asked["the same"].maxima["units"])
    assert counted.most == WINDOWS_AT_ONCE and counted.alive == 0
