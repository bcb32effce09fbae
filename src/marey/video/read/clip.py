"""A piece of video: where it is, and what is in memory once it is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from marey.network.stream import Kind, Stream
from marey.video.flow.stored import StoredFlow
from marey.video.read.windows import Short, Size, cut_window, physical


@dataclass(frozen=True)
class Clip:
    """A piece of video: where it is, its class, and the group (person, source video) that no split may part.

    path, start_seconds, stop_seconds
        the piece of a video file or of a folder of frame images; `stop_seconds` None means the end.
    label, group
        its class and its group, or None.
    flow
        where its flow is stored as images; None takes what `marey.video.flow.stored.flow_beside` finds.
    maker
        what makes a clip that is not on disk, such as a generated one; `path` is then only a name.
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
    """An object that makes clips which are not on disk; two equal makers make the same clips."""

    def load(self, clip: Clip, streams: Sequence[Stream]) -> "LoadedClip":
        """Make all of a clip, in the sizes that the streams want."""


@dataclass(frozen=True)
class LoadedClip:
    """A clip in memory: all its frames at the streams' rate, in each size that a stream wants, with their flow.

    frames, rate, source_size
        how many frames there are, how many per second, and height and width before resizing.
    pictures
        uint8 (time height width channel), by (height, width).
    fields
        flow as float16 (time - 1, 2, height, width) in px/frame of that size, without a bound, by (height, width).
    damage
        what a file lacks that is cut off or damaged, in words; None for a whole file.
    """

    clip: Clip
    frames: int
    rate: float
    source_size: Size
    pictures: dict[Size, Tensor]
    fields: dict[Size, Tensor]
    damage: str | None = None

    @property
    def path(self) -> Path:
        """The path of the clip."""
        return self.clip.path

    @property
    def bytes(self) -> int:
        """Bytes of memory that the frames and the flow take."""
        return sum(tensor.nbytes for tensor in (*self.pictures.values(), *self.fields.values()))

    def rows(self, kind: Kind, size: Size, index: Sequence[int]) -> Tensor | None:
        """Pick the pictures or fields of a size at a rising `index`; without a copy where they follow each other."""
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
        short: Short = "pad",
    ) -> dict[str, Tensor]:
        """Cut the inputs from `start_frame` on: {name: float32 (channel time height width)}, RGB 0..1, flow px/frame.

        `y` and `x` in 0..1 place the crop: 0 is the upper or left edge, 0.5 the center. A clip that ends too early is
        padded as the stream's `short_clips` says; `short="error"` raises VideoError instead.
        """
        cut = cut_window(self, streams, start_frame, y, x, short=short)
        return {stream.name: physical(cut[stream.name], stream) for stream in streams}
