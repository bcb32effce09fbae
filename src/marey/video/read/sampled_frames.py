"""The frames of a clip at an even rate, resized as they are decoded, because whole ones would fill the memory."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import count as counting
from itertools import takewhile
from typing import cast

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

    `numbers` are the places of the frames in the video, counted from 0; None where these are not known.
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
    resized: dict[Size, list[Picture]] = {}
    source_size: Size | None = None
    damage: list[str] = []
    frame_bytes = 0

    def keep(picture: Picture, count: int) -> None:
        nonlocal source_size, frame_bytes
        if source_size is None:
            source_size = (picture.shape[0], picture.shape[1])
            pixels = sorted((height * width for height, width in sizes(source_size)), reverse=True)
            frame_bytes = 3 * sum(pixels) + 4 * sum(pixels[:flow_sizes])
        limits.check_bytes(clip.path, count, frame_bytes)
        for size in sizes(source_size):
            resized.setdefault(size, []).append(_resized(picture, size))

    if rate is None:
        times = []
        between = frames_between(
            clip.path,
            clip.start_seconds,
            clip.stop_seconds,
            folder_rate=folder_rate,
            limits=limits,
            damaged=damage.append,
        )
        for seconds, picture in between:
            times.append(seconds)
            keep(picture(), len(times))
        rate = mean_rate(times) if len(times) > 1 else probe(clip.path, folder_rate=folder_rate, limits=limits).rate
        limits.check_bytes(clip.path, int((times[-1] - times[0]) * rate), frame_bytes)
        shown = _evenly(times, rate)
        first: int | None = round(times[0] * rate)
    else:
        stop = np.inf if clip.stop_seconds is None else clip.stop_seconds - 1e-6
        step = 1 / rate
        near = nearest_frames(
            clip.path,
            takewhile(lambda seconds: seconds < stop, (clip.start_seconds + k * step for k in counting())),
            start_seconds=clip.start_seconds,
            folder_rate=folder_rate,
            limits=limits,
            damaged=damage.append,
        )
        shown = []
        for picture_shown in near:
            shown.append(len(shown))
            keep(picture_shown, len(shown))
        known = clip.path.is_dir() and abs(rate - folder_rate) < 1e-6
        first = round(clip.start_seconds * rate) if known else None
    if source_size is None:
        raise VideoError(f"'{clip.path}' has no frame from {clip.start_seconds:g} s to {clip.stop_seconds} s.")
    pictures = {
        size: torch.from_numpy(np.stack([frames[index] for index in shown])) for size, frames in resized.items()
    }
    numbers = None if first is None else tuple(first + index for index in shown)
    return SampledFrames(rate, source_size, pictures, numbers, len(shown), "; ".join(damage) or None)


def _evenly(times_seconds: Sequence[float], rate: float) -> list[int]:
    """Choose the frames to show at an even rate: each once where they come at one, else the nearest at every step."""
    if is_steady(times_seconds):
        return list(range(len(times_seconds)))
    times = np.array(times_seconds)
    even = np.arange(times[0], times[-1] + 1e-6, 1 / rate)
    return [int(np.abs(times - seconds).argmin()) for seconds in even]


def _resized(picture: Picture, size: Size) -> Picture:
    if picture.shape[:2] == size:
        return picture
    shrinks = size[0] < picture.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cast("Picture", cv2.resize(picture, size[::-1], interpolation=how))
