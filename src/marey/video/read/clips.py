"""Clips as the inputs of a network: sampled by time, resized, cropped, with their flow."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Literal

import cv2
from torch import Tensor

from marey.errors import NetworkError, VideoError
from marey.network.stream import Kind, Stream
from marey.threads import clip_threads
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method, check_method, optical_flow
from marey.video.flow.stored import StoredFlow, flow_beside
from marey.video.limits import LIMITS, Limits
from marey.video.read.cached_clips import CachedClip, DamagedEntryError, cached_clip, entry_name, keep
from marey.video.read.clip import Clip, LoadedClip
from marey.video.read.paired_flow import PairedFlow, shown_in_order
from marey.video.read.sampled_frames import SampledFrames, sampled_frames
from marey.video.read.windows import Short, Size, resized_size, span_frames, too_short

__all__ = [
    "Clip",
    "LoadedClip",
    "decoded_before",
    "load_clip",
    "load_clips",
    "resized_size",
    "span_frames",
    "starts",
    "stream_inputs",
]


def starts(
    clip: Clip | LoadedClip | CachedClip, streams: Sequence[Stream], count: int, *, folder_rate: float = 25.0
) -> list[int]:
    """Choose at most `count` start frames of windows, evenly from the first possible to the last.

    A single start is the middle one. A clip that is too short for a window has the one start 0. A `Clip` is decoded to
    count its frames.
    """
    if not isinstance(clip, Clip):
        frames = clip.frames
    elif clip.maker is not None or _stored(clip) is not None:
        frames = load_clip(clip, streams, folder_rate=folder_rate).frames
    else:
        frames = _frames(clip, streams, (), folder_rate, LIMITS).count
    room = max(0, frames - span_frames(streams, frames))
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
    short: Short = "pad",
    folder_rate: float = 25.0,
    limits: Limits = LIMITS,
) -> dict[str, Tensor]:
    """Read one window of a clip as inputs: {name: float32 (channel time height width)}, RGB 0..1, flow in px/frame.

    start_frame
        counts frames of the clip at the streams' rate; None takes the window in the middle.
    crop
        "center", or (y, x) in 0..1, where 0 is the upper or left edge.
    flow, cache
        the method of flow, computed on resized frames of this window only, and where flow is kept. Stored flow images,
        and clips that are made, are read as `load_clip` does.
    short
        "pad" pads a clip that ends too early as the stream's `short_clips` says; "error" raises VideoError.
    folder_rate, limits
        images per second of a folder, and the bounds beyond which a video is refused.

    Raises VideoError for a clip that cannot be read.
    """
    check_method(flow)
    y, x = (0.5, 0.5) if crop == "center" else crop
    if _comes_whole(clip, streams):
        loaded = load_clip(clip, streams, flow=flow, cache=cache, folder_rate=folder_rate, limits=limits)
        middle = max(0, loaded.frames - span_frames(streams, loaded.frames)) // 2
        start = middle if start_frame is None else start_frame
        return loaded.window(streams, start, y, x, short=short)
    whole = _frames(clip, streams, ("rgb", "flow"), folder_rate, limits)
    needed = span_frames(streams, whole.count)
    start = max(0, whole.count - needed) // 2 if start_frame is None else start_frame
    if not 0 <= start < whole.count or (start + needed > whole.count and short == "error"):
        raise too_short(clip.path, whole.count, needed, start)
    seen = {size: frames[start : start + needed] for size, frames in whole.pictures.items()}
    fields = {size: _flow(seen[size], flow, cache)[1] for size in _sizes(whole.source_size, streams, ("flow",))}
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
    """Load all of a clip with all its flow, from which windows are cut cheaply, at any frame and place.

    The clip serves streams of the sizes given here. A clip that has a maker is made, with the flow that its maker
    gives. Where flow images are stored for the clip, and its frames are shown at their own rate, flow is read from
    these and not computed, unless `stored` is False. The other options are those of `stream_inputs`.

    Raises VideoError for a clip that cannot be decoded, that has a single frame where the streams show more, or that
    goes beyond the limits.
    """
    check_method(flow)
    if clip.maker is not None:
        return clip.maker.load(clip, streams)
    place = _stored(clip) if stored and any(stream.kind == "flow" for stream in streams) else None
    alone = None if place is None else _flow_alone(clip, place, streams, folder_rate, limits)
    if alone is not None:
        return alone
    name = None
    if cache is not None and place is None:
        name = entry_name(clip, streams, flow=flow, folder_rate=folder_rate, limits=limits)
        kept = None if name is None else cached_clip(cache, name, clip)
        if kept is not None:
            with suppress(DamagedEntryError):
                return kept.loaded()
    whole = _frames(clip, streams, ("rgb", "flow"), folder_rate, limits)
    paired = None if place is None or not shown_in_order(whole.numbers) else PairedFlow.of(clip, place, whole.count)
    numbers = None if paired is None or whole.numbers is None else paired.with_fields(whole.numbers)
    fields = {}
    keys: dict[Size, str] = {}
    for size in _sizes(whole.source_size, streams, ("flow",)):
        if paired is None or numbers is None:
            key, fields[size] = _flow(whole.pictures[size], flow, cache)
            if key is not None:
                keys[size] = key
        else:
            fields[size] = paired.fields(numbers, size)
    count = whole.count if numbers is None else len(numbers)
    pictures = {size: whole.pictures[size][:count] for size in _sizes(whole.source_size, streams, ("rgb",))}
    told = [note for note in (whole.damage, None if paired is None else paired.note) if note is not None]
    damage = "; ".join(dict.fromkeys(told)) or None
    loaded = LoadedClip(clip, count, whole.rate, whole.source_size, pictures, fields, damage)
    if cache is not None and name is not None:
        keep(cache, name, loaded, keys)
    return loaded


def decoded_before(
    clip: Clip, streams: Sequence[Stream], *, flow: Method = "tvl1-fast", cache: FlowCache
) -> CachedClip | None:
    """Open the clip as `load_clip` left it in the cache; None where it is not there."""
    if _comes_whole(clip, streams):
        return None
    name = entry_name(clip, streams, flow=flow, folder_rate=25.0, limits=LIMITS)
    return None if name is None else cached_clip(cache, name, clip)


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
    """Load many clips, in their order, on `workers` threads (decoding and flow do not hold Python's lock).

    A clip that cannot be loaded raises VideoError. With `failed`, this function is called with the clip and its error
    instead, and the clip is skipped. The other options are those of `load_clip`.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(max(1, threads // workers))
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
        with clip_threads(workers) as pool:
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
        cv2.setNumThreads(threads)


def _sizes(source_size: Size, streams: Sequence[Stream], kinds: Sequence[Kind]) -> set[Size]:
    return {resized_size(source_size, stream) for stream in streams if stream.kind in kinds}


def _flow(frames: Tensor, method: Method, cache: FlowCache | None) -> tuple[str | None, Tensor]:
    """Compute the flow of frames; give its key in the cache, and the flow."""
    if cache is None:
        return None, optical_flow(frames, method=method, bound=None).half()
    return cache.keyed_flow(frames, method=method)


def _rate(streams: Sequence[Stream]) -> float | None:
    rates = {stream.rate for stream in streams}
    if len(rates) != 1:
        raise NetworkError(f"streams shown together need one rate, got {sorted(map(str, rates))}.")
    return rates.pop()


def _frames(
    clip: Clip, streams: Sequence[Stream], kinds: Sequence[Kind], folder_rate: float, limits: Limits
) -> SampledFrames:
    """Read the clip's frames at the streams' rate, resized for streams of the given kinds."""
    found = sampled_frames(
        clip,
        _rate(streams),
        lambda source_size: _sizes(source_size, streams, kinds),
        flow_sizes=len({(one.height, one.width, one.short_side, one.fit) for one in streams if one.kind == "flow"}),
        folder_rate=folder_rate,
        limits=limits,
    )
    if found.count == 1 and span_frames(streams) > 1:
        raise VideoError(f"'{clip.path}' has 1 frame; a clip needs at least 2 to show motion.")
    return found


def _stored(clip: Clip) -> StoredFlow | None:
    return flow_beside(clip.path) if clip.flow is None else clip.flow


def _comes_whole(clip: Clip, streams: Sequence[Stream]) -> bool:
    """Whether a clip is never decoded window by window nor cached: it is made, or its flow is stored as images."""
    return clip.maker is not None or (any(one.kind == "flow" for one in streams) and _stored(clip) is not None)


def _flow_alone(
    clip: Clip, stored: StoredFlow, streams: Sequence[Stream], folder_rate: float, limits: Limits
) -> LoadedClip | None:
    """Load a clip of which only stored flow is seen, without its frames; None where flow must be computed."""
    rate = _rate(streams)
    if any(stream.kind != "flow" for stream in streams) or (rate is not None and abs(rate - folder_rate) > 1e-6):
        return None
    paired = PairedFlow.of(clip, stored, None)
    first = round(clip.start_seconds * folder_rate)
    last = paired.last if clip.stop_seconds is None else min(paired.last, round(clip.stop_seconds * folder_rate) - 1)
    if last <= first:
        raise VideoError(f"'{clip.path}' has no flow from {clip.start_seconds:g} s to {clip.stop_seconds} s.")
    source_size = stored.size
    sizes = _sizes(source_size, streams, ("flow",))
    limits.check_bytes(clip.path, last - first, sum(4 * height * width for height, width in sizes))
    fields = {size: paired.fields(range(first, last + 1), size) for size in sizes}
    return LoadedClip(clip, last - first + 1, folder_rate, source_size, {}, fields, paired.note)
