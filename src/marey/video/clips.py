"""Pieces of video as the inputs of a network: sampled by time, resized, cropped, with their flow."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import cv2
import torch
from torch import Tensor

from marey.errors import NetworkError, VideoError
from marey.streams import Kind, Stream
from marey.video.flow import Method, check_method, optical_flow
from marey.video.flow_cache import FlowCache
from marey.video.limits import LIMITS, Limits
from marey.video.sampled_frames import Piece, SampledFrames, Size, sampled_frames
from marey.video.stored_flow import StoredFlow, flow_beside

Short = Literal["repeat", "error"]
_FIELDS_LESS = 2
"""How many flow images may be missing at a clip's end, which then ends earlier: programs disagree on the last ones."""


@dataclass(frozen=True)
class Clip:
    """Where a piece of video comes from, its class, and the group (person, source video) that no split may part.

    `path` is a video file or a folder of frame images; `stop_seconds` None means its end. `flow` is where its flow is
    stored as images; None: where `marey.video.stored_flow.flow_beside` finds it, if there is any.
    """

    path: Path
    start_seconds: float = 0.0
    stop_seconds: float | None = None
    label: str | None = None
    group: str | None = None
    flow: StoredFlow | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))


@dataclass(frozen=True)
class LoadedClip:
    """A clip in memory: all its frames at the streams' rate, in each size that a stream wants, with their flow.

    `pictures` are uint8 (time height width channel), `fields` float16 (time - 1, 2, height, width) in px/frame of that
    size, without a bound; both by (height, width). `damage` says what a file lacks that is cut off or damaged.
    """

    clip: Clip
    frames: int
    rate: float
    source_size: Size
    pictures: dict[Size, Tensor]
    fields: dict[Size, Tensor]
    damage: str | None = None

    @property
    def bytes(self) -> int:
        """Memory of the frames and the flow."""
        return sum(tensor.nbytes for tensor in (*self.pictures.values(), *self.fields.values()))

    def window(
        self,
        streams: Sequence[Stream],
        start_frame: int = 0,
        y: float = 0.5,
        x: float = 0.5,
        *,
        short: Short = "repeat",
    ) -> dict[str, Tensor]:
        """The inputs from `start_frame` on: {name: float32 (channel time height width)}, RGB 0..1, flow in px/frame.

        `y` and `x` in 0..1 place the crop: 0 is the upper or left edge, 0.5 the center. Of a clip that ends too early
        the last frame is held, with flow 0; `short="error"` raises VideoError instead.
        """
        if not (0 <= y <= 1 and 0 <= x <= 1):
            raise VideoError(f"no crop at y {y}, x {x}; both are fractions in 0..1.")
        needed = span_frames(streams)
        if not 0 <= start_frame < self.frames or (start_frame + needed > self.frames and short == "error"):
            raise _too_short(self.clip, self.frames, needed, start_frame)
        return {stream.name: self._input(stream, start_frame, y, x) for stream in streams}

    def _input(self, stream: Stream, start_frame: int, y: float, x: float) -> Tensor:
        size = resized_size(self.source_size, stream)
        kept = self.pictures if stream.kind == "rgb" else self.fields
        if size not in kept:
            raise NetworkError(
                f"clip loaded without {stream.kind} of {size[0]} x {size[1]} px, as '{stream.name}' wants."
            )
        top, left = round((size[0] - stream.height) * y), round((size[1] - stream.width) * x)
        place = (slice(top, top + stream.height), slice(left, left + stream.width))
        index = torch.tensor(stream.times) + start_frame
        if stream.kind == "rgb":
            shown = kept[size][:, *place][index.clamp(max=self.frames - 1)]  # time height width channel
            return shown.permute(3, 0, 1, 2).float().contiguous().div_(255)
        moving = index < self.frames - 1
        flow = torch.zeros(stream.frames, 2, stream.height, stream.width)
        flow[moving] = kept[size][:, :, *place][index[moving]].float()
        return flow.transpose(0, 1).contiguous().clamp_(stream.low, stream.high)


def span_frames(streams: Iterable[Stream]) -> int:
    """How many video frames the streams look at; flow looks at one more than it has fields."""
    return max(stream.times[-1] + (2 if stream.kind == "flow" else 1) for stream in streams)


def resized_size(source_size: Size, stream: Stream) -> Size:
    """Height and width of resized frames of `source_size`: the stream's short side, but never below its crop."""
    height, width = source_size
    scale = max(stream.height / height, stream.width / width)
    if stream.short_side is not None:
        scale = max(scale, stream.short_side / min(height, width))
    return max(stream.height, round(height * scale)), max(stream.width, round(width * scale))


def starts(clip: Clip | LoadedClip, streams: Sequence[Stream], count: int, *, folder_rate: float = 25.0) -> list[int]:
    """At most `count` different start frames, evenly from the first to the last possible; a single one is the middle.

    A clip that is too short has the one start 0. A `Clip` is decoded to count its frames.
    """
    if isinstance(clip, LoadedClip):
        frames = clip.frames
    elif _stored(clip) is not None:
        frames = load_clip(clip, streams, folder_rate=folder_rate).frames
    else:
        frames = _frames(clip, streams, (), folder_rate, LIMITS).count
    room = max(0, frames - span_frames(streams))
    if count == 1:
        return [room // 2]
    return sorted({round(room * k / (count - 1)) for k in range(count)})


def stream_inputs(
    clip: Clip,
    streams: Sequence[Stream],
    *,
    start_frame: int | None = None,
    crop: Literal["center"] | tuple[float, float] = "center",
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
    short: Short = "repeat",
    folder_rate: float = 25.0,
    limits: Limits = LIMITS,
) -> dict[str, Tensor]:
    """The inputs of one window of a clip: {name: float32 (channel time height width)}, RGB 0..1, flow in px/frame.

    `start_frame` counts frames of the clip at the streams' rate (None: the window in the middle), `crop` is "center" or
    (y, x) in 0..1; see `LoadedClip.window`. Flow is computed on frames already resized, for this window only; where it
    is stored as images, the clip is loaded as `load_clip` does.
    """
    check_method(flow)
    y, x = (0.5, 0.5) if crop == "center" else crop
    needed = span_frames(streams)
    if any(stream.kind == "flow" for stream in streams) and _stored(clip) is not None:
        loaded = load_clip(clip, streams, flow=flow, cache=cache, folder_rate=folder_rate, limits=limits)
        start = max(0, loaded.frames - needed) // 2 if start_frame is None else start_frame
        return loaded.window(streams, start, y, x, short=short)
    whole = _frames(clip, streams, ("rgb", "flow"), folder_rate, limits)
    start = max(0, whole.count - needed) // 2 if start_frame is None else start_frame
    if not 0 <= start < whole.count or (start + needed > whole.count and short == "error"):
        raise _too_short(clip, whole.count, needed, start)
    seen = {size: frames[start : start + needed] for size, frames in whole.pictures.items()}
    fields = {size: _flow(seen[size], flow, cache) for size in _sizes(whole.source_size, streams, ("flow",))}
    part = LoadedClip(clip, min(needed, whole.count - start), whole.rate, whole.source_size, seen, fields)
    return part.window(streams, 0, y, x, short=short)


def load_clip(
    clip: Clip,
    streams: Sequence[Stream],
    *,
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
    folder_rate: float = 25.0,
    limits: Limits = LIMITS,
    stored: bool = True,
) -> LoadedClip:
    """All of a clip with all its flow in memory, from which windows are cut cheaply, at any frame and place.

    It serves streams of the sizes given here. Where flow images are stored for the clip, and its frames are shown at
    their own rate, flow comes from these and is not computed, unless `stored` is False. Raises VideoError when the
    clip cannot be decoded, has a single frame where the streams show more, or goes beyond the limits.
    """
    check_method(flow)
    place = _stored(clip) if stored and any(stream.kind == "flow" for stream in streams) else None
    alone = None if place is None else _flow_alone(clip, place, streams, folder_rate, limits)
    if alone is not None:
        return alone
    whole = _frames(clip, streams, ("rgb", "flow"), folder_rate, limits)
    numbers = None if place is None else _shown_numbers(clip, place, whole.numbers, whole.count)
    fields = {}
    for size in _sizes(whole.source_size, streams, ("flow",)):
        if place is None or numbers is None:
            fields[size] = _flow(whole.pictures[size], flow, cache)
        else:
            fields[size] = _stored_fields(place, numbers, size)
    count = whole.count if numbers is None else len(numbers)
    pictures = {size: whole.pictures[size][:count] for size in _sizes(whole.source_size, streams, ("rgb",))}
    return LoadedClip(clip, count, whole.rate, whole.source_size, pictures, fields, whole.damage)


def load_clips(
    clips: Iterable[Clip],
    streams: Sequence[Stream],
    *,
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
    folder_rate: float = 25.0,
    limits: Limits = LIMITS,
    workers: int = 1,
    failed: Callable[[Clip, VideoError], None] | None = None,
) -> Generator[LoadedClip]:
    """`load_clip` of many clips, in their order, on `workers` threads (decoding and flow do not hold Python's lock).

    A clip that cannot be loaded raises VideoError; with `failed` it is told that instead, and the clip is left out.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(max(1, threads // workers))
    pool = ThreadPoolExecutor(workers)
    ahead: deque[tuple[Clip, Future[LoadedClip]]] = deque()

    def oldest() -> Generator[LoadedClip]:
        clip, loading = ahead.popleft()
        try:
            yield loading.result()
        except VideoError as error:
            if failed is None:
                raise
            failed(clip, error)

    try:
        for clip in clips:
            loading = pool.submit(
                load_clip, clip, streams, flow=flow, cache=cache, folder_rate=folder_rate, limits=limits
            )
            ahead.append((clip, loading))
            if len(ahead) > workers:
                yield from oldest()
        while ahead:
            yield from oldest()
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


def _sizes(source_size: Size, streams: Sequence[Stream], kinds: Sequence[Kind]) -> set[Size]:
    return {resized_size(source_size, stream) for stream in streams if stream.kind in kinds}


def _too_short(clip: Clip, frames: int, needed: int, start_frame: int) -> VideoError:
    start = f" from frame {start_frame} on" if start_frame else ""
    return VideoError(
        f"'{clip.path}' has {frames} frames, needs {needed}{start}; use a longer clip, or short='repeat'."
    )


def _flow(frames: Tensor, method: Method, cache: FlowCache | None) -> Tensor:
    if cache is None:
        return optical_flow(frames, method=method, bound=None).half()
    return cache.optical_flow(frames, method=method)


def _rate(streams: Sequence[Stream]) -> float | None:
    rates = {stream.rate for stream in streams}
    if len(rates) != 1:
        raise NetworkError(f"streams shown together need one rate, got {sorted(map(str, rates))}.")
    return rates.pop()


def _frames(
    clip: Clip, streams: Sequence[Stream], kinds: Sequence[Kind], folder_rate: float, limits: Limits
) -> SampledFrames:
    """The clip's frames at the streams' rate, resized for those of the given kinds."""
    found = sampled_frames(
        Piece(clip.path, clip.start_seconds, clip.stop_seconds, folder_rate),
        _rate(streams),
        lambda source_size: _sizes(source_size, streams, kinds),
        flow_sizes=len(
            {(stream.height, stream.width, stream.short_side) for stream in streams if stream.kind == "flow"}
        ),
        limits=limits,
    )
    if found.count == 1 and span_frames(streams) > 1:
        raise VideoError(f"'{clip.path}' has 1 frame; a clip needs at least 2 to show motion.")
    return found


def _stored(clip: Clip) -> StoredFlow | None:
    return flow_beside(clip.path) if clip.flow is None else clip.flow


def _shown_numbers(clip: Clip, stored: StoredFlow, numbers: Sequence[int] | None, count: int) -> Sequence[int] | None:
    """The numbers of the frames whose flow is stored: up to two fewer than there are; None where flow must be computed.

    Raises VideoError when more is missing.
    """
    if numbers is None or not {after - before for before, after in pairwise(numbers)} <= {0, 1}:
        return None
    there = stored.count
    if numbers[-1] - there > _FIELDS_LESS:
        raise VideoError(
            f"'{clip.path}' has {count} frames up to number {numbers[-1] + 1}, but {there} flow images; "
            "expected one less than frames. Complete or remove them."
        )
    return [number for number in numbers if number <= there]


def _stored_fields(stored: StoredFlow, numbers: Sequence[int], size: Size) -> Tensor:
    """The stored flow from each frame to the next; 0 where a frame is shown again."""
    kept = stored.fields(numbers[0], numbers[-1] - numbers[0], size)
    if len(kept) == len(numbers) - 1:
        return kept
    fields = kept.new_zeros(len(numbers) - 1, 2, *size)
    for index, (before, after) in enumerate(pairwise(numbers)):
        if after > before:
            fields[index] = kept[before - numbers[0]]
    return fields


def _flow_alone(
    clip: Clip, stored: StoredFlow, streams: Sequence[Stream], folder_rate: float, limits: Limits
) -> LoadedClip | None:
    """A clip of which nothing but stored flow is seen, without its frames; None where flow must be computed."""
    rate = _rate(streams)
    if any(stream.kind != "flow" for stream in streams) or (rate is not None and abs(rate - folder_rate) > 1e-6):
        return None
    first = round(clip.start_seconds * folder_rate)
    last = stored.count if clip.stop_seconds is None else min(stored.count, round(clip.stop_seconds * folder_rate) - 1)
    if last <= first:
        raise VideoError(f"'{clip.path}' has no flow from {clip.start_seconds:g} s to {clip.stop_seconds} s.")
    source_size = stored.size
    sizes = _sizes(source_size, streams, ("flow",))
    limits.check_bytes(clip.path, last - first, sum(4 * height * width for height, width in sizes))
    fields = {size: stored.fields(first, last - first, size) for size in sizes}
    return LoadedClip(clip, last - first + 1, folder_rate, source_size, {}, fields)
