"""Frames of videos and of folders of images, by the time at which they are shown."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey.errors import VideoError
from marey.video.image_folders import IMAGE_SUFFIXES as IMAGE_SUFFIXES  # noqa: PLC0414
from marey.video.image_folders import frame_images, read_image, shown_images

Picture = NDArray[np.uint8]  # height width channel
Shown = tuple[float, Callable[[], Picture]]

_SEEK_FROM_SECONDS = 5.0
_TICK_SECONDS = 1e-6
_LONGEST_GAP_SECONDS = 60.0  # beyond it the time stamps are damaged, and following them would fill the memory


@dataclass(frozen=True)
class VideoInfo:
    """What a video says of itself: size as shown, frames per second, and length (None where it does not say)."""

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


def probe(path: str | Path, *, folder_rate: float = 25.0) -> VideoInfo:
    """Size, rate and length of a video or of a folder of frame images, after decoding its first frame.

    Raises VideoError when there is nothing that can be decoded.
    """
    path = _existing(path)
    if path.is_dir():
        images = frame_images(path)
        height, width = read_image(images[0]).shape[:2]
        codec = images[0].suffix[1:].lower()
        return VideoInfo(path, width, height, folder_rate, len(images), len(images) / folder_rate, codec)
    with _opened(path) as container:
        stream = _video_stream(container, path)
        with closing(_decoded(container, stream)) as decoded:
            first = next(decoded, None)
        if first is None:
            raise _nothing_decoded(path)
        height, width = _upright(first).shape[:2]
        seconds = None
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / av.time_base
        codec = stream.codec_context.name
        return VideoInfo(path, width, height, _rate(stream), stream.frames or None, seconds, codec)


def read_frames(path: str | Path, times_seconds: Sequence[float], *, folder_rate: float = 25.0) -> Tensor:
    """The frames shown nearest to the given seconds, in the order given (uint8: time height width channel).

    Seconds count from the first frame of the video. Raises VideoError when the video ends before one of them.
    """
    rising = sorted(set(times_seconds))
    if not rising or not (rising[0] >= 0 and np.isfinite(rising[-1])):
        raise VideoError(f"no frame of '{path}' is shown at {list(times_seconds)} s; give seconds from 0 on.")
    near = nearest_frames(
        path, iter(rising), start_seconds=max(0.0, rising[0] - 1.0), beyond_frames=1.0, folder_rate=folder_rate
    )
    pictures = dict(zip(rising, near, strict=False))
    if len(pictures) < len(rising):
        raise VideoError(f"'{path}' shows nothing at {rising[len(pictures)]:g} s any more; ask for earlier frames.")
    return torch.from_numpy(np.stack([pictures[seconds] for seconds in times_seconds]))


def read_video(
    path: str | Path, *, start_seconds: float = 0.0, stop_seconds: float | None = None, folder_rate: float = 25.0
) -> Video:
    """Every frame that comes on screen from `start_seconds` until before `stop_seconds` (None: the end).

    A file that is cut off or damaged gives the frames that can be decoded. Raises VideoError when there is none.
    """
    times: list[float] = []
    pictures: list[Picture] = []
    for seconds, picture in frames_between(path, start_seconds, stop_seconds, folder_rate=folder_rate):
        times.append(seconds)
        pictures.append(picture())
    rate = mean_rate(times) if len(times) > 1 else probe(path, folder_rate=folder_rate).rate
    return Video(torch.from_numpy(np.stack(pictures)), tuple(times), rate)


def frames_between(
    path: str | Path, start_seconds: float, stop_seconds: float | None, *, folder_rate: float = 25.0
) -> Generator[Shown]:
    """What `frames_shown` gives that begins within the two times; VideoError when that is nothing."""
    if not start_seconds >= 0 or not (stop_seconds is None or stop_seconds > start_seconds):
        raise VideoError(f"no part of a video lies from {start_seconds} s to {stop_seconds} s; give 0 <= start < stop.")
    count = 0
    last = 0.0
    with closing(frames_shown(path, start_seconds=start_seconds, folder_rate=folder_rate)) as shown:
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
) -> Generator[Picture]:
    """The frame shown nearest to each of the rising times, until these or the video end.

    The last frame stands for times up to `beyond_frames` frames after it. Decoding starts at `start_seconds`, which is
    no later than the first time. Times between two frames and as near to both get the later one.
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

    with closing(frames_shown(path, start_seconds=start_seconds, folder_rate=folder_rate)) as shown:
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
    latest = before[0] + beyond_frames * (gap or 1 / probe(path, folder_rate=folder_rate).rate) + _TICK_SECONDS
    while wanted is not None and wanted <= latest:
        yield picture(before)
        wanted = next(times_seconds, None)


def frames_shown(path: str | Path, *, start_seconds: float = 0.0, folder_rate: float = 25.0) -> Generator[Shown]:
    """For each frame in the order shown: its second, counted from the first frame, and a call that gives its picture.

    The frame that is on screen at `start_seconds` comes first. Pictures are uint8 (height width channel), upright, all
    of one size. A folder shows `folder_rate` images per second. Raises VideoError when there is nothing.
    """
    path = _existing(path)
    shown = shown_images(path, folder_rate) if path.is_dir() else _shown(path, start_seconds)
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


def is_steady(times_seconds: Sequence[float]) -> bool:
    """Whether frames come at one rate: no gap is half as long again as the middle one, or half of it."""
    gaps = sorted(after - before for before, after in pairwise(times_seconds))
    if not gaps:
        return True
    middle = gaps[len(gaps) // 2]
    return gaps[-1] < 1.5 * middle and gaps[0] > 0.5 * middle


def mean_rate(times_seconds: Sequence[float]) -> float:
    """Frames per second of two or more rising times; where the rate varies, that of the middle gap."""
    if is_steady(times_seconds):
        return (len(times_seconds) - 1) / (times_seconds[-1] - times_seconds[0])
    gaps = sorted(after - before for before, after in pairwise(times_seconds))
    return 1 / gaps[len(gaps) // 2]


def _existing(path: str | Path) -> Path:
    path = Path(path).absolute()
    try:
        empty = path.is_file() and path.stat().st_size == 0
        exists = path.exists()
    except OSError as error:
        raise VideoError(f"'{path}' cannot be read: {error.strerror}.") from None
    if not exists:
        raise VideoError(f"no video at '{path}'; give a video file or a folder of frame images.")
    if empty:
        raise VideoError(f"'{path}' is an empty file; expected a video.")
    return path


def _nothing_decoded(path: Path) -> VideoError:
    return VideoError(f"no frame of '{path}' can be decoded; it is damaged, cut off, or no video.")


def _opened(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"'{path}' cannot be opened as a video: {reason}.") from None


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise VideoError(f"'{path}' has no video stream; it holds {kinds}.")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"'{path}' has a video stream of an unknown codec, or is cut off.")
    stream.thread_type = "AUTO"
    return stream


def _rate(stream: av.VideoStream) -> float:
    return float(stream.average_rate or stream.guessed_rate or 25)


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream, placeholders: set[int] | None = None
) -> Generator[av.VideoFrame]:
    """Every frame that can be decoded, passing over damaged packets; ticks of one-byte packets go to `placeholders`."""
    packets = container.demux(stream)
    while True:
        packet = None
        with suppress(av.FFmpegError, OSError):
            packet = next(packets, None)
        if packet is None:
            break
        if packet.size == 1 and packet.dts is not None and placeholders is not None:
            placeholders.add(packet.dts)
        with suppress(av.FFmpegError):
            yield from packet.decode()
    with suppress(av.FFmpegError):
        yield from stream.decode(None)


def _shown(path: Path, start_seconds: float) -> Generator[Shown]:
    with _opened(path) as container:
        stream = _video_stream(container, path)
        if "avi" in container.format.name:
            yield from _shown_in_order(container, stream)
            return
        decoded = _decoded(container, stream)
        first = next(decoded, None)
        if first is None:
            return
        zero = _seconds(first) or 0.0
        frames: Iterator[av.VideoFrame] = chain([first], decoded)
        if start_seconds > _SEEK_FROM_SECONDS and first.pts is not None:
            with suppress(av.FFmpegError):
                container.seek(round((zero + start_seconds - 1.0) * av.time_base))
            decoded = _decoded(container, stream)
            landed = next(decoded, None)
            landed_seconds = None if landed is None else _seconds(landed)
            if landed is None or landed_seconds is None or landed_seconds - zero > start_seconds:
                yield from _shown(path, 0.0)
                return
            frames = chain([landed], decoded)
        last: float | None = None
        for frame in frames:
            seconds = _seconds(frame)
            if seconds is not None and (last is None or 0 < seconds - zero - last <= _LONGEST_GAP_SECONDS):
                last = seconds - zero
            else:
                last = 0.0 if last is None else last + 1 / _rate(stream)
                if seconds is not None and abs(seconds - zero - last) > _LONGEST_GAP_SECONDS:
                    zero = seconds - last
            yield last, _picture(frame, first)


def _shown_in_order(container: av.container.InputContainer, stream: av.VideoStream) -> Generator[Shown]:
    """The frames of an AVI, which has no presentation times: what FFmpeg makes up is wrong where frames are reordered.

    A frame is shown for every packet, in the order decoded. Packets of one byte are no frames: encoders that look ahead
    fill their delay with them.
    """
    tick_seconds = float(stream.time_base or 1 / _rate(stream))
    placeholders: set[int] = set()
    first: av.VideoFrame | None = None
    before: int | None = None
    shown_tick = -1
    for frame in _decoded(container, stream, placeholders):
        first = frame if first is None else first
        passed = 1
        if before is not None and frame.dts is not None:
            passed = frame.dts - before - sum(before < tick < frame.dts for tick in placeholders)
        shown_tick += passed if 0 < passed * tick_seconds <= _LONGEST_GAP_SECONDS else 1
        before = frame.dts if frame.dts is not None else before
        yield shown_tick * tick_seconds, _picture(frame, first)


def _seconds(frame: av.VideoFrame) -> float | None:
    ticks = frame.dts if frame.pts is None else frame.pts
    return None if ticks is None or frame.time_base is None else float(ticks * frame.time_base)


def _picture(frame: av.VideoFrame, first: av.VideoFrame) -> Callable[[], Picture]:
    """A call that gives the upright picture, in the size of the first frame of its stream."""
    size = (first.width, first.height)
    return lambda: _upright(frame, size)


def _upright(frame: av.VideoFrame, size: tuple[int, int] | None = None) -> Picture:
    """The RGB picture as shown; `size` (width, height before turning) for streams that change theirs on the way."""
    if size is not None and (frame.width, frame.height) != size:
        frame = frame.reformat(width=size[0], height=size[1])
    picture = cast("Picture", frame.to_ndarray(format="rgb24"))
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
