"""Clips, and what is cut from them: windows of frames and flow, without copies, in the types that they are kept in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from marey.errors import NetworkError, VideoError
from marey.network.stream import Kind, Stream
from marey.video.flow.stored import StoredFlow

Short = Literal["repeat", "error"]
Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Clip:
    """Where a piece of video comes from, its class, and the group (person, source video) that no split may part.

    `path` is a video file or a folder of frame images; `stop_seconds` None means its end. `flow` is where its flow is
    stored as images; None: where `marey.video.flow.stored.flow_beside` finds it, if there is any. `maker` makes a clip
    that is not on disk, such as a generated one, of which `path` is a name.
    """

    path: Path
    start_seconds: float = 0.0
    stop_seconds: float | None = None
    label: str | None = None
    group: str | None = None
    flow: StoredFlow | None = None
    maker: "Maker | None" = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))


class Maker(Protocol):
    """What makes clips that are not on disk; two that are equal make the same."""

    def load(self, clip: Clip, streams: Sequence[Stream]) -> "LoadedClip":
        """All of a clip, in the sizes that the streams want."""


class Frames(Protocol):
    """The frames of a clip at the streams' rate, and their flow, in memory or in the cache."""

    @property
    def clip(self) -> Clip: ...
    @property
    def frames(self) -> int: ...
    @property
    def rate(self) -> float: ...
    @property
    def source_size(self) -> Size: ...
    @property
    def damage(self) -> str | None: ...

    def rows(self, kind: Kind, size: Size, index: Sequence[int]) -> Tensor | None:
        """The pictures or fields at `index`, which rises, by size; None where that size is not kept."""


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

    def rows(self, kind: Kind, size: Size, index: Sequence[int]) -> Tensor | None:
        """The pictures or fields at `index`, which rises, by size; without a copy where they follow each other."""
        kept = (self.pictures if kind == "rgb" else self.fields).get(size)
        if kept is None:
            return None
        if index and index[-1] - index[0] == len(index) - 1:
            return kept[index[0] : index[-1] + 1]
        return kept[list(index)]

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
        cut = cut_window(self, streams, start_frame, y, x, short=short)
        return {stream.name: physical(cut[stream.name], stream) for stream in streams}


def cut_window(
    clip: Frames,
    streams: Sequence[Stream],
    start_frame: int = 0,
    y: float = 0.5,
    x: float = 0.5,
    *,
    short: Short = "repeat",
) -> dict[str, Tensor]:
    """`LoadedClip.window` as it is kept: frames uint8 (time height width channel), flow float16 (time 2 height width).

    They are views of the clip wherever that can be; `physical` makes the network's inputs of them.
    """
    if not (0 <= y <= 1 and 0 <= x <= 1):
        raise VideoError(f"no crop at y {y}, x {x}; both are fractions in 0..1.")
    needed = span_frames(streams)
    if not 0 <= start_frame < clip.frames or (start_frame + needed > clip.frames and short == "error"):
        raise too_short(clip.clip, clip.frames, needed, start_frame)
    return {stream.name: _cut(clip, stream, start_frame, y, x) for stream in streams}


def _cut(clip: Frames, stream: Stream, start_frame: int, y: float, x: float) -> Tensor:
    size = resized_size(clip.source_size, stream)
    count = clip.frames if stream.kind == "rgb" else clip.frames - 1
    index = [start_frame + time for time in stream.times if start_frame + time < count]
    beyond = stream.frames - len(index)
    last = [count - 1] if beyond and stream.kind == "rgb" and index[-1:] != [count - 1] else []
    kept = clip.rows(stream.kind, size, [*index, *last])
    if kept is None:
        raise NetworkError(f"clip loaded without {stream.kind} of {size[0]} x {size[1]} px, as '{stream.name}' wants.")
    top, left = round((size[0] - stream.height) * y), round((size[1] - stream.width) * x)
    place = (slice(top, top + stream.height), slice(left, left + stream.width))
    shown = kept[:, *place] if stream.kind == "rgb" else kept[:, :, *place]
    if not beyond:
        return shown
    held = (
        shown[-1:].expand(beyond, *shown.shape[1:])
        if stream.kind == "rgb"
        else shown.new_zeros(beyond, *shown.shape[1:])
    )
    return torch.cat([shown[: len(index)], held])


def physical(cut: Tensor, stream: Stream, out: Tensor | None = None) -> Tensor:
    """What `cut_window` gives for a stream, as float32 (channel time height width): RGB 0..1, flow in px/frame.

    It is written to `out` where that is given.
    """
    out = torch.empty(stream.shape) if out is None else out
    if stream.kind == "rgb":
        return out.copy_(cut.permute(3, 0, 1, 2)).div_(255)
    return out.copy_(cut.transpose(0, 1)).clamp_(stream.low, stream.high)


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


def too_short(clip: Clip, frames: int, needed: int, start_frame: int) -> VideoError:
    """The error for a window that a clip has not."""
    start = f" from frame {start_frame} on" if start_frame else ""
    return VideoError(
        f"'{clip.path}' has {frames} frames, needs {needed}{start}; use a longer clip, or short='repeat'."
    )
