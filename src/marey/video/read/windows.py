"""Windows of clips, cut without copies in the types in which frames and flow are stored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from marey.errors import NetworkError, VideoError
from marey.network.stream import Kind, Stream

Short = Literal["pad", "error"]
Size = tuple[int, int]  # height, width


class Frames(Protocol):
    """The frames of a clip at the streams' rate, and their flow, in memory or in the cache."""

    @property
    def path(self) -> Path: ...
    @property
    def frames(self) -> int: ...
    @property
    def rate(self) -> float: ...
    @property
    def source_size(self) -> Size: ...
    @property
    def damage(self) -> str | None: ...

    def rows(self, kind: Kind, size: Size, index: Sequence[int]) -> Tensor | None:
        """Read the pictures or fields of a size at a rising `index`; None where that size is not there."""


def cut_window(
    clip: Frames,
    streams: Sequence[Stream],
    start_frame: int = 0,
    y: float = 0.5,
    x: float = 0.5,
    *,
    short: Short = "pad",
) -> dict[str, Tensor]:
    """Cut one window, by stream: frames uint8 (time height width channel), flow float16 (time 2 height width).

    `y` and `x` in 0..1 place the crop: 0 is the upper or left edge, 0.5 the center. A clip that ends too early is
    padded as the stream's `short_clips` says; `short="error"` raises VideoError instead. The tensors are views of the
    clip wherever that can be, and `physical` makes the network's inputs of them.
    """
    if not (0 <= y <= 1 and 0 <= x <= 1):
        raise VideoError(f"no crop at y {y}, x {x}; both are fractions in 0..1.")
    needed = span_frames(streams, clip.frames)
    if not 0 <= start_frame < clip.frames or (start_frame + needed > clip.frames and short == "error"):
        raise too_short(clip.path, clip.frames, needed, start_frame)
    return {stream.name: _cut(clip, stream, start_frame, y, x) for stream in streams}


def _cut(clip: Frames, stream: Stream, start_frame: int, y: float, x: float) -> Tensor:
    size = resized_size(clip.source_size, stream)
    count = clip.frames if stream.kind == "rgb" else clip.frames - 1
    wanted = [start_frame + time for time in stream.times_in(count)]
    index, beyond = [time for time in wanted if time < count], sum(time >= count for time in wanted)
    if stream.short_clips == "loop" and beyond:
        index, beyond = [time % count for time in wanted], 0
    holds = stream.kind == "rgb" and stream.short_clips == "hold"
    read = sorted({*index, *([count - 1] if beyond and holds else [])})
    kept = clip.rows(stream.kind, size, read)
    if kept is None:
        raise NetworkError(f"clip loaded without {stream.kind} of {size[0]} x {size[1]} px, as '{stream.name}' wants.")
    upright = kept if stream.kind == "flow" else kept.permute(0, 3, 1, 2)
    shown = placed(upright, stream.height, stream.width, y=y, x=x)
    shown = shown if stream.kind == "flow" else shown.permute(0, 2, 3, 1)
    if beyond:
        last = shown[-1:] if holds else shown.new_zeros(1, *shown.shape[1:])
        return torch.cat([shown[: len(index)], last.expand(beyond, *shown.shape[1:])])
    return shown if read == index else shown[[read.index(time) for time in index]]


def placed(frames: Tensor, height: int, width: int, *, y: float = 0.5, x: float = 0.5) -> Tensor:
    """Cut frames (... height width) larger than a size at `y` and `x`; put bars of zeros around smaller ones."""
    down, across = frames.shape[-2] - height, frames.shape[-1] - width
    if min(down, across) < 0:
        top, left = -down // 2, -across // 2
        return pad(frames, (left, -across - left, top, -down - top))
    top, left = round(down * y), round(across * x)
    return frames[..., top : top + height, left : left + width]


def physical(cut: Tensor, stream: Stream, out: Tensor | None = None) -> Tensor:
    """Convert a stream's cut to its physical values: float32 (channel time height width), RGB 0..1, flow in px/frame.

    The values are written to `out` where it is given.
    """
    out = torch.empty(stream.shape) if out is None else out
    if stream.kind == "rgb":
        return out.copy_(cut.permute(3, 0, 1, 2)).div_(255)
    return out.copy_(cut.transpose(0, 1)).clamp_(stream.low, stream.high)


def span_frames(streams: Sequence[Stream], frames: int | None = None) -> int:
    """Count the video frames that the streams look at; flow looks at one more than it has fields.

    Streams that are spread over the whole clip look at all of its `frames`; without these, at as many as they show.
    """
    if len({stream.sampling for stream in streams}) > 1:
        raise NetworkError("streams shown together need one sampling, got 'step' and 'spread'.")
    if streams[0].sampling == "spread" and frames is not None:
        return frames
    return max(stream.times[-1] + (2 if stream.kind == "flow" else 1) for stream in streams)


def resized_size(source_size: Size, stream: Stream) -> Size:
    """Height and width of frames of `source_size` resized for a stream, before they are cropped or get bars."""
    height, width = source_size
    if stream.fit == "stretch":
        return stream.height, stream.width
    if stream.fit == "letterbox":
        scale = min(stream.height / height, stream.width / width)
        down, across = max(1, round(height * scale)), max(1, round(width * scale))
        return min(stream.height, down), min(stream.width, across)
    scale = max(stream.height / height, stream.width / width)
    if stream.short_side is not None:
        scale = max(scale, stream.short_side / min(height, width))
    return max(stream.height, round(height * scale)), max(stream.width, round(width * scale))


def too_short(path: Path, frames: int, needed: int, start_frame: int) -> VideoError:
    """Make the error for a window that a clip is too short for."""
    start = f" from frame {start_frame} on" if start_frame else ""
    return VideoError(
        f"'{path}' has {frames} frames, and a window needs {needed}{start}; use a longer clip, or short='pad'."
    )
