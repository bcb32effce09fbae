"""Frames of videos and of folders of images, by the time at which they are shown."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from marey.errors import VideoError
from marey.files import regular_file
from marey.video.images import IMAGE_SUFFIXES as IMAGE_SUFFIXES  # noqa: PLC0414
from marey.video.images import read_image
from marey.video.limits import LIMITS, Limits
from marey.video.read.container import (
    Decoding,
    Shown,
    decoded,
    frame_rate,
    opened,
    shown_frames,
    video_stream,
)
from marey.video.read.image_folders import FramePlaces, frame_images, shown_images
from marey.video.read.picture import Picture as Picture  # noqa: PLC0414
from marey.video.read.picture import Screen, upright

_TICK_SECONDS = 1e-6


@dataclass(frozen=True)
class VideoInfo:
    """Size as shown, frames per second, and length of a video; frames and seconds are None where the file is silent."""

    path: Path
    width: int
    height: int
    rate: float
    frames: int | None
    seconds: float | None
    codec: str


@dataclass(frozen=True)
class Video:
    """Frames (uint8: time height width channel), the second at which each is shown, and frames per second."""

    frames: Tensor
    times_seconds: tuple[float, ...]
    rate: float


def probe(path: str | Path, *, folder_rate: float = 25.0, limits: Limits = LIMITS) -> VideoInfo:
    """Read size, rate and length of a video or of a folder of frame images, and decode its first frame.

    A folder shows `folder_rate` images per second. Raises VideoError when no frame can be decoded.
    """
    path = _existing(path)
    if path.is_dir():
        images = frame_images(path)
        height, width = read_image(images[0], limits=limits).shape[:2]
        codec = images[0].suffix[1:].lower()
        steps = FramePlaces.of(images).places[-1] + 1
        return VideoInfo(path, width, height, folder_rate, len(images), steps / folder_rate, codec)
    with opened(path, limits) as container:
        stream = video_stream(container, path, limits)
        with closing(decoded(path, container, stream, limits, Decoding())) as frames:
            first = next(frames, None)
        if first is None:
            raise _nothing_decoded(path)
        height, width = upright(first, Screen.of(stream, first)).shape[:2]
        seconds = None
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / av.time_base
        codec = stream.codec_context.name
        return VideoInfo(path, width, height, frame_rate(stream), stream.frames or None, seconds, codec)


def read_frames(
    path: str | Path, times_seconds: Sequence[float], *, folder_rate: float = 25.0, limits: Limits = LIMITS
) -> Tensor:
    """Read the frames nearest to the given seconds, in the order given: uint8 (time height width channel).

    Seconds count from the first frame of the video. Raises VideoError when the video ends before one of them.
    """
    rising = sorted(set(times_seconds))
    if not rising or not (rising[0] >= 0 and np.isfinite(rising[-1])):
        raise VideoError(f"no frame of '{path}' is shown at {list(times_seconds)} s; give seconds from 0 on.")
    near = nearest_frames(
        path,
        iter(rising),
        start_seconds=max(0.0, rising[0] - 1.0),
        beyond_frames=1.0,
        folder_rate=folder_rate,
        limits=limits,
    )
    pictures = dict(zip(rising, near, strict=False))
    if len(pictures) < len(rising):
        raise VideoError(f"'{path}' shows nothing at {rising[len(pictures)]:g} s any more; ask for earlier frames.")
    return torch.from_numpy(np.stack([pictures[seconds] for seconds in times_seconds]))


def read_video(
    path: str | Path,
    *,
    start_seconds: float = 0.0,
    stop_seconds: float | None = None,
    folder_rate: float = 25.0,
    limits: Limits = LIMITS,
) -> Video:
    """Read every frame that comes on screen from `start_seconds` until before `stop_seconds` (None: the end).

    A file that is cut off or damaged gives the frames that can be decoded. Raises VideoError when there is none.

    >>> read_video("walk.mp4", stop_seconds=1.0).frames.shape  # doctest: +SKIP
    torch.Size([25, 240, 320, 3])
    """
    times: list[float] = []
    pictures: list[Picture] = []
    for seconds, picture in frames_between(path, start_seconds, stop_seconds, folder_rate=folder_rate, limits=limits):
        times.append(seconds)
        pictures.append(picture())
    known = len(times) > 1 and not Path(path).is_dir()
    rate = mean_rate(times) if known else probe(path, folder_rate=folder_rate, limits=limits).rate
    return Video(torch.from_numpy(np.stack(pictures)), tuple(times), rate)


def frames_between(
    path: str | Path,
    start_seconds: float,
    stop_seconds: float | None,
    *,
    folder_rate: float = 25.0,
    limits: Limits = LIMITS,
    damaged: Callable[[str], None] | None = None,
) -> Generator[Shown]:
    """Yield the frames of `frames_shown` that begin within the two times; VideoError when there is none."""
    if not start_seconds >= 0 or not (stop_seconds is None or stop_seconds > start_seconds):
        raise VideoError(f"no part of a video lies from {start_seconds} s to {stop_seconds} s; give 0 <= start < stop.")
    count = 0
    last = 0.0
    with closing(
        frames_shown(path, start_seconds=start_seconds, folder_rate=folder_rate, limits=limits, damaged=damaged)
    ) as shown:
        for now in shown:
            last = now[0]
            if last < start_seconds - _TICK_SECONDS:
                continue
            if stop_seconds is not None and last >= stop_seconds - _TICK_SECONDS:
                break
            count += 1
            yield now
    if count == 0:
        until = "on" if stop_seconds is None else f"to {stop_seconds:g} s"
        raise VideoError(f"'{path}' has no frame from {start_seconds:g} s {until}; there is one at {last:g} s.")


def nearest_frames(
    path: str | Path,
    times_seconds: Iterator[float],
    *,
    start_seconds: float = 0.0,
    beyond_frames: float = 0.5,
    folder_rate: float = 25.0,
    limits: Limits = LIMITS,
    damaged: Callable[[str], None] | None = None,
) -> Generator[Picture]:
    """Yield the frame nearest to each of the rising times, until the times or the video end.

    The last frame stands for times up to `beyond_frames` frames after it. Decoding starts at `start_seconds`, which is
    no later than the first time. Of two frames as near to a time, the later one is taken.
    """
    wanted = next(times_seconds, None)
    before: Shown | None = None
    gap = 0.0
    made: tuple[float, Picture] | None = None

    def picture(shown: Shown) -> Picture:
        nonlocal made
        if made is None or made[0] != shown[0]:
            made = (shown[0], shown[1]())
        return made[1]

    with closing(
        frames_shown(path, start_seconds=start_seconds, folder_rate=folder_rate, limits=limits, damaged=damaged)
    ) as shown:
        for now in shown:
            while wanted is not None and wanted <= now[0]:
                yield picture(before if before is not None and wanted - before[0] < now[0] - wanted else now)
                wanted = next(times_seconds, None)
            if wanted is None:
                return
            gap = gap if before is None else now[0] - before[0]
            before = now
    if before is None:
        return
    latest = (
        before[0]
        + beyond_frames * (gap or 1 / probe(path, folder_rate=folder_rate, limits=limits).rate)
        + _TICK_SECONDS
    )
    while wanted is not None and wanted <= latest:
        yield picture(before)
        wanted = next(times_seconds, None)


def frames_shown(
    path: str | Path,
    *,
    start_seconds: float = 0.0,
    folder_rate: float = 25.0,
    limits: Limits = LIMITS,
    damaged: Callable[[str], None] | None = None,
) -> Generator[Shown]:
    """Yield for each frame, in the order shown, its second from the first frame on, and a call that gives its picture.

    The frame that is on screen at `start_seconds` comes first. Pictures are uint8 (height width channel), upright, all
    of one size. A folder shows `folder_rate` images per second. Raises VideoError for a file without
    frames, above the limits, and where more than half of the packets are damaged. `damaged` is called with what a file
    lacks, once it is read to its end.
    """
    path = _existing(path)
    how = Decoding()
    if path.is_dir():
        shown = shown_images(path, folder_rate, limits, damaged if start_seconds == 0 else None)
    else:
        shown = shown_frames(path, start_seconds, limits, how)
    before: Shown | None = None
    begun = False
    for now in shown:
        if now[0] >= start_seconds - _TICK_SECONDS:
            if not begun and before is not None and now[0] > start_seconds + _TICK_SECONDS:
                yield before
            begun = True
            yield now
        before = now
    if before is None:
        raise _nothing_decoded(path)
    if not begun:
        yield before
    if how.mostly_damaged:
        raise VideoError(f"'{path}' is damaged: {how.fault}, more than half; it is not used.")
    if how.fault is not None and damaged is not None and start_seconds == 0:
        damaged(how.fault)


def is_steady(times_seconds: Sequence[float]) -> bool:
    """Whether frames come at one rate: no gap is half as long again as the middle one, or half of it."""
    gaps = sorted(after - before for before, after in pairwise(times_seconds))
    if not gaps:
        return True
    middle = gaps[len(gaps) // 2]
    return gaps[-1] < 1.5 * middle and gaps[0] > 0.5 * middle


def mean_rate(times_seconds: Sequence[float]) -> float:
    """Compute frames per second of two or more rising times; where the rate varies, of the middle gap."""
    if is_steady(times_seconds):
        return (len(times_seconds) - 1) / (times_seconds[-1] - times_seconds[0])
    gaps = sorted(after - before for before, after in pairwise(times_seconds))
    return 1 / gaps[len(gaps) // 2]


def _existing(path: str | Path) -> Path:
    path = Path(path).absolute()
    try:
        empty = regular_file(path).is_file() and path.stat().st_size == 0
    except (FileNotFoundError, ValueError):
        raise VideoError(f"no video at '{path}'; give a video file or a folder of frame images.") from None
    except OSError as error:
        raise VideoError(f"'{path}' cannot be read: {error.strerror}.") from None
    if empty:
        raise VideoError(f"'{path}' is an empty file; expected a video.")
    return path


def _nothing_decoded(path: Path) -> VideoError:
    return VideoError(f"no frame of '{path}' can be decoded; it is damaged, cut off, too large, or no video.")
