"""Clips played slower or faster, frames and flow alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import floor

import torch
from torch import Tensor
from torch.nn import functional

from marey.network.stream import Stream
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clip import Clip, LoadedClip
from marey.video.read.clips import load_clip
from marey.video.read.windows import Size, span_frames


@dataclass(frozen=True)
class Retimed:
    """Makes the middle window of a clip, at `speed` times its speed."""

    clip: Clip
    speed: float
    flow: Method = "tvl1-fast"
    cache: FlowCache | None = field(default=None, compare=False)

    def load(self, clip: Clip, streams: Sequence[Stream]) -> LoadedClip:
        """The window alone, as a clip of its own."""
        loaded = load_clip(self.clip, streams, flow=self.flow, cache=self.cache)
        return replace(retimed(loaded, streams, self.speed), clip=clip)


def retimed_clip(clip: Clip, speed: float, *, flow: Method, cache: FlowCache | None = None) -> Clip:
    """A clip that is made by `Retimed` when it is read."""
    return replace(clip, maker=Retimed(clip, speed, flow, cache))


def played_to_and_fro(frames: int, streams: Sequence[Stream], speed: float) -> bool:
    """Whether a clip of so many frames is too short for its middle window at that speed."""
    span = span_frames(streams, frames)
    first, last = _times(frames, span, speed)[:: span - 1]
    return first < 0 or last > frames - 1


def retimed(clip: LoadedClip, streams: Sequence[Stream], speed: float) -> LoadedClip:
    """The middle window of a clip at `speed` times its speed; the window's middle frame is the same at any speed.

    Frames in between are means of their neighbors. Flow is divided in time, and what is skipped is added up along the
    way of each pixel. A clip that is too short is played to and fro, so that it moves at its speed throughout.
    """
    times = _times(clip.frames, span_frames(streams, clip.frames), speed)
    pictures = {size: _pictures(kept, times) for size, kept in clip.pictures.items()}
    fields = {size: _fields(kept, times, size) for size, kept in clip.fields.items()}
    return replace(clip, frames=len(times), pictures=pictures, fields=fields)


def _times(frames: int, span: int, speed: float) -> list[float]:
    """When in the clip, in frames, each frame of the window is, before turning back at the ends."""
    middle = max(0, frames - span) // 2 + (span - 1) // 2
    return [min(middle, frames - 1) + (k - (span - 1) // 2) * speed for k in range(span)]


def _pictures(kept: Tensor, times: Sequence[float]) -> Tensor:
    last = len(kept) - 1
    made = []
    for time in times:
        turned = time % (2 * last) if last else 0.0
        place = min(turned, 2 * last - turned)
        before, share = floor(place), place - floor(place)
        frame = kept[before]
        if share:
            frame = torch.lerp(frame.float(), kept[min(last, before + 1)].float(), share).round().to(kept.dtype)
        made.append(frame)
    return torch.stack(made)


def _fields(kept: Tensor, times: Sequence[float], size: Size) -> Tensor:
    """The way of each pixel (time 2 height width) from each frame of the window to the next."""
    made = torch.zeros(len(times) - 1, 2, *size)
    for k in range(len(times) - 1):
        for place, share in _steps(times[k], times[k + 1], len(kept)):
            step = kept[place].float()
            if share < 0:  # backward: the pixel that comes here is found by the flow that it has there
                step = _looked_up(step, share * step)
            made[k] += share * (_looked_up(step, made[k]) if made[k].any() else step)
    return made.to(kept.dtype)


def _steps(begin: float, end: float, fields: int) -> Iterator[tuple[int, float]]:
    """The fields between two times, and how much of each passes; negative where the clip is played backward."""
    time = begin
    while end - time > 1e-9:
        cell = floor(time + 1e-9)
        stop = min(end, cell + 1)
        turned = cell % (2 * fields)
        yield (turned, stop - time) if turned < fields else (2 * fields - 1 - turned, time - stop)
        time = stop


def _looked_up(values: Tensor, way: Tensor) -> Tensor:
    """`values` (channel height width) where a way (2 height width) from each pixel leads; the edge goes on."""
    height, width = values.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    most = torch.tensor([width - 1, height - 1]).clamp_min(1).view(2, 1, 1)
    places = (2 * (torch.stack([x, y]) + way) / most - 1).permute(1, 2, 0)
    return functional.grid_sample(values[None], places[None], padding_mode="border", align_corners=True)[0]
