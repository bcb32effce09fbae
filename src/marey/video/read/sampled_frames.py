"""The frames of a clip at an even rate, resized as they are decoded, because whole ones would fill the memory."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import count as counting
from itertools import takewhile
from typing import TypedDict, cast

import cv2
import numpy as np
import torch
from torch import Tensor

from marey.errors import VideoError
from marey.video.limits import Limits
from marey.video.read.clip import Clip
from marey.video.read.decode import Picture, frames_between, is_steady, mean_rate, nearest_frames, probe

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class SampledFrames:
    """Frames (uint8: time height width channel) by size.

    `numbers` are the places of the frames in the video, counted from 0; None where these are not known. In a folder of
    images they count those that are missing, for which the nearest is shown.
    """

    rate: float
    source_size: Size
    pictures: dict[Size, Tensor]
    numbers: tuple[int, ...] | None
    count: int
    damage: str | None


def sampled_frames(
    clip: Clip,
    rate: float | None,
    sizes: Callable[[Size], Collection[Size]],
    *,
    flow_sizes: int,
    folder_rate: float,
    limits: Limits,
) -> SampledFrames:
    """Read the frames of a clip at `rate` per second (None: the video's), resized as they are decoded.

    `sizes` tells for height and width of the source to which sizes frames are resized. `flow_sizes` is how many of
    these will have flow, which counts towards the limit of memory. A folder of images shows `folder_rate` images per
    second. Raises VideoError for a clip without frames, and above the limits.
    """
    found = _Resized(clip, sizes, flow_sizes, limits)
    damage: list[str] = []
    options: _Options = {"folder_rate": folder_rate, "limits": limits, "damaged": damage.append}
    images = clip.path.is_dir()
    if rate is None:
        times = []
        for seconds, picture in frames_between(clip.path, clip.start_seconds, clip.stop_seconds, **options):
            times.append(seconds)
            found.add(picture())
        known = len(times) > 1 and not images
        rate = mean_rate(times) if known else probe(clip.path, folder_rate=folder_rate, limits=limits).rate
        found.check(int((times[-1] - times[0]) * rate))
        shown = list(range(len(times))) if is_steady(times) and not images else _evenly(times, rate)
        first: int | None = round(times[0] * rate)
        numbers = range(len(shown)) if images else shown
    else:
        stop = np.inf if clip.stop_seconds is None else clip.stop_seconds - 1e-6
        step = 1 / rate
        wanted = takewhile(lambda seconds: seconds < stop, (clip.start_seconds + k * step for k in counting()))
        for shown_picture in nearest_frames(clip.path, wanted, start_seconds=clip.start_seconds, **options):
            found.add(shown_picture)
        shown = numbers = list(range(found.count))
        known = images and abs(rate - folder_rate) < 1e-6
        first = round(clip.start_seconds * rate) if known else None
    if found.source_size is None:
        raise VideoError(f"'{clip.path}' has no frame from {clip.start_seconds:g} s to {clip.stop_seconds} s.")
    pictures = {
        size: torch.from_numpy(np.stack([frames[index] for index in shown])) for size, frames in found.frames.items()
    }
    known_numbers = None if first is None else tuple(first + number for number in numbers)
    return SampledFrames(rate, found.source_size, pictures, known_numbers, len(shown), "; ".join(damage) or None)


class _Options(TypedDict):
    folder_rate: float
    limits: Limits
    damaged: Callable[[str], None]


class _Resized:
    """Frames resized one by one, as long as they fit into memory."""

    def __init__(self, clip: Clip, sizes: Callable[[Size], Collection[Size]], flow_sizes: int, limits: Limits) -> None:
        self.source_size: Size | None = None
        self.frames: dict[Size, list[Picture]] = {}
        self.count = 0
        self._clip, self._sizes, self._flow_sizes, self._limits = clip, sizes, flow_sizes, limits
        self._frame_bytes = 0

    def add(self, picture: Picture) -> None:
        """Resize one more frame; VideoError when the frames so far are above the limits."""
        if self.source_size is None:
            self.source_size = (picture.shape[0], picture.shape[1])
            self.frames = {size: [] for size in self._sizes(self.source_size)}
            pixels = sorted((height * width for height, width in self.frames), reverse=True)
            self._frame_bytes = 3 * sum(pixels) + 4 * sum(pixels[: self._flow_sizes])
        self.count += 1
        self.check(self.count)
        for size, frames in self.frames.items():
            frames.append(_resized(picture, size))

    def check(self, count: int) -> None:
        """Raise VideoError when so many frames are above the limits."""
        self._limits.check_bytes(self._clip.path, count, self._frame_bytes)


def _evenly(times_seconds: Sequence[float], rate: float) -> list[int]:
    """Choose the frame to show at every step of an even rate: the nearest, the earlier of two."""
    times = np.array(times_seconds)
    even = np.arange(times[0], times[-1] + 1e-6, 1 / rate)
    return [int(np.abs(times - seconds).round(6).argmin()) for seconds in even]


def _resized(picture: Picture, size: Size) -> Picture:
    if picture.shape[:2] == size:
        return picture
    shrinks = size[0] < picture.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cast("Picture", cv2.resize(picture, size[::-1], interpolation=how))
