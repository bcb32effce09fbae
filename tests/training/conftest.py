"""Clips in memory whose content is known, and small trainings."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from marey.video.read.clips import Clip, LoadedClip

MakeClip = Callable[..., LoadedClip]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_clip() -> MakeClip:
    """A clip in memory; unless given, gray ramps from left to right and flow of (u, v) everywhere."""

    def make(
        label: str = "a",
        *,
        frames: int = 12,
        height: int = 37,
        width: int = 45,
        u: float = 2.0,
        v: float = 1.0,
        pictures: Tensor | None = None,
        fields: Tensor | None = None,
        name: str = "clip",
    ) -> LoadedClip:
        if pictures is None:
            ramp = torch.linspace(20, 220, width).round().to(torch.uint8)
            pictures = ramp.view(1, 1, width, 1).expand(frames, height, width, 3).clone()
        if fields is None:
            fields = torch.tensor([u, v]).view(1, 2, 1, 1).expand(frames - 1, 2, height, width).half().clone()
        size = (height, width)
        clip = Clip(Path(f"{label}/{name}.avi"), label=label)
        return LoadedClip(clip, frames, 25.0, size, {size: pictures}, {size: fields})

    return make
