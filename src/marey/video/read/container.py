"""The frames of a video file as FFmpeg decodes them: in order, with their times; damage is passed over and counted."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import av

from marey.errors import VideoError
from marey.threads import stop_if_told
from marey.video.limits import Limits
from marey.video.read.picture import Picture, Screen, upright

Shown = tuple[float, Callable[[], Picture]]

_SEEK_FROM_SECONDS = 5.0
_LONGEST_GAP_SECONDS = 60.0  # beyond it the time stamps are damaged, and following them would fill the memory
_LOST_SHARE = 0.05  # headers are off by a frame or two


@dataclass
class Decoding:
    """The course of decoding a file: packets seen, packets damaged, and frames that the header promises (0: none)."""

    packets: int = 0
    damaged: int = 0
    promised: int = 0
    seconds: float = 0.0
    placeholders: set[int] = field(default_factory=set)

    @property
    def mostly_damaged(self) -> bool:
        """Whether more than half of the packets are damaged."""
        return 2 * self.damaged > self.packets

    @property
    def fault(self) -> str | None:
        """The damage of a file that was read to its end, in words; None for a whole file."""
        if self.packets < (1 - _LOST_SHARE) * self.promised - 1:
            whole = f", {self.damaged} of them damaged" if self.damaged else ""
            return f"cut off: {self.packets} of {self.promised} frames are there{whole}"
        return f"{self.damaged} of {self.packets} packets are damaged" if self.damaged else None


def opened(path: Path, limits: Limits) -> av.container.InputContainer:
    """Open a file; VideoError when it is no video."""
    try:
        return av.open(
            str(path),
            metadata_errors="replace",
            timeout=limits.decode_seconds,
            options={"max_pixels": str(limits.pixels)},  # what opening decodes to know the stream
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, av.ExitError):
            raise limits.too_slow(path) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"'{path}' cannot be opened as a video: {reason}.") from None


def video_stream(container: av.container.InputContainer, path: Path, limits: Limits) -> av.VideoStream:
    """Take the first video stream, which decodes no frame above the limits; VideoError when none can be read."""
    if not container.streams.video:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise VideoError(f"'{path}' has no video stream; it holds {kinds}.")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"'{path}' has a video stream of an unknown codec, or is cut off.")
    limits.check_size(path, stream.codec_context.height, stream.codec_context.width)
    stream.codec_context.options = {"max_pixels": str(limits.pixels)}
    stream.thread_type = "AUTO"
    return stream


def frame_rate(stream: av.VideoStream) -> float:
    """Read frames per second from the header; 25 where it has none."""
    return float(stream.average_rate or stream.guessed_rate or 25)


def decoded(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream, limits: Limits, how: Decoding
) -> Generator[av.VideoFrame]:
    """Yield every frame that can be decoded, passing over damaged packets; `how` is kept up to date.

    The ticks of packets of one byte go to `how.placeholders`. Raises VideoError above the limits.
    """
    how.promised = stream.frames
    packets = container.demux(stream)
    while True:
        stop_if_told()
        begun = time.monotonic()
        packet = None
        with suppress(av.FFmpegError, OSError):
            packet = next(packets, None)
        if packet is None:
            break
        if packet.size == 1 and packet.dts is not None:
            how.placeholders.add(packet.dts)
        frames: list[av.VideoFrame] = []
        try:
            frames = packet.decode()
            how.damaged += any(frame.is_corrupt for frame in frames)
        except av.FFmpegError:
            how.damaged += 1
        how.packets += packet.dts is not None or packet.size > 0
        how.seconds += time.monotonic() - begun
        if how.seconds > limits.decode_seconds:
            raise limits.too_slow(path)
        yield from _within(path, frames, limits)
    with suppress(av.FFmpegError):
        yield from _within(path, stream.decode(None), limits)


def _within(path: Path, frames: list[av.VideoFrame], limits: Limits) -> Iterator[av.VideoFrame]:
    for frame in frames:
        limits.check_size(path, frame.height, frame.width)
        yield frame


def shown_frames(path: Path, start_seconds: float, limits: Limits, how: Decoding) -> Generator[Shown]:
    """Yield for each frame its second, counted from the first frame, and a call that gives its picture.

    Far from the start, decoding begins some way before `start_seconds`.
    """
    with opened(path, limits) as container:
        stream = video_stream(container, path, limits)
        if "avi" in container.format.name:
            yield from _in_order(path, container, stream, limits, how)
            return
        frames_decoded = decoded(path, container, stream, limits, how)
        first = next(frames_decoded, None)
        if first is None:
            return
        screen = Screen.of(stream, first)
        zero = _seconds(first) or 0.0
        frames: Iterator[av.VideoFrame] = chain([first], frames_decoded)
        if start_seconds > _SEEK_FROM_SECONDS and first.pts is not None:
            with suppress(av.FFmpegError):
                container.seek(round((zero + start_seconds - 1.0) * av.time_base))
            frames_decoded = decoded(path, container, stream, limits, how)
            landed = next(frames_decoded, None)
            landed_seconds = None if landed is None else _seconds(landed)
            if landed is None or landed_seconds is None or landed_seconds - zero > start_seconds:
                yield from shown_frames(path, 0.0, limits, how)
                return
            frames = chain([landed], frames_decoded)
        last: float | None = None
        for frame in frames:
            seconds = _seconds(frame)
            if seconds is not None and (last is None or 0 < seconds - zero - last <= _LONGEST_GAP_SECONDS):
                last = seconds - zero
            else:
                last = 0.0 if last is None else last + 1 / frame_rate(stream)
                if seconds is not None and abs(seconds - zero - last) > _LONGEST_GAP_SECONDS:
                    zero = seconds - last
            yield last, _picture(frame, screen)


def _in_order(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream, limits: Limits, how: Decoding
) -> Generator[Shown]:
    """Yield the frames of an AVI, which has no presentation times; FFmpeg's are wrong where frames are reordered.

    A frame is shown for every packet, in the order decoded. Packets of one byte are no frames: encoders that look ahead
    fill their delay with them.
    """
    tick_seconds = float(stream.time_base or 1 / frame_rate(stream))
    screen: Screen | None = None
    before: int | None = None
    shown_tick = -1
    for frame in decoded(path, container, stream, limits, how):
        screen = Screen.of(stream, frame) if screen is None else screen
        passed = 1
        if before is not None and frame.dts is not None:
            passed = frame.dts - before - sum(before < tick < frame.dts for tick in how.placeholders)
        shown_tick += passed if 0 < passed * tick_seconds <= _LONGEST_GAP_SECONDS else 1
        before = frame.dts if frame.dts is not None else before
        yield shown_tick * tick_seconds, _picture(frame, screen)


def _seconds(frame: av.VideoFrame) -> float | None:
    ticks = frame.dts if frame.pts is None else frame.pts
    return None if ticks is None or frame.time_base is None else float(ticks * frame.time_base)


def _picture(frame: av.VideoFrame, screen: Screen) -> Callable[[], Picture]:
    return lambda: upright(frame, screen)
