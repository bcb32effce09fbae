"""Small random changes of the window that the network sees, the same for all frames of all streams."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from marey.accelerate.spectrum import Box
from marey.network.stream import Stream


@dataclass(frozen=True)
class Shift:
    """One draw: flow fields, and parts (0..1) of the spare height and width, that the window starts after; its zoom."""

    time: int
    down: float
    right: float
    zoom: float = 1.0


@dataclass(frozen=True)
class Jitter:
    """Shifts of up to `space` pixels down and right and `time` flow fields, zooms of 1 +- `zoom`; fresh every step.

    The optimized canvas is larger than the network's window by that much; nothing is wrapped around or padded. Streams
    of RGB frames stay in place in time, as their frames lie far apart. A zoom scales flow vectors as it does distances.
    """

    space: int
    time: int = 0
    zoom: float = 0.0

    def canvas(self, stream: Stream) -> tuple[int, int, int, int]:
        """Channels, frames, height and width of the canvas."""
        height, width = (math.ceil(size * (1 + self.zoom)) + self.space for size in (stream.height, stream.width))
        return (stream.channels, stream.frames + self._fields(stream), height, width)

    def draw(self, generator: torch.Generator) -> Shift:
        """A random shift and zoom."""
        down, right, zoom = torch.rand(3, generator=generator).tolist()
        time = int(torch.randint(0, self.time + 1, (), generator=generator))
        return Shift(time, down, right, 1 + self.zoom * (2 * zoom - 1))

    @property
    def middle(self) -> Shift:
        """The shift of the result: the middle of the canvas, as it is."""
        return Shift(self.time // 2, 0.5, 0.5)

    def box(self, stream: Stream, shift: Shift) -> Box:
        """Where on the canvas the window lies: times, rows and columns."""
        start = min(shift.time, self._fields(stream))
        sizes = [round(size * shift.zoom) for size in (stream.height, stream.width)]
        y, x = (
            int(part * (whole - size + 0.999))
            for part, whole, size in zip((shift.down, shift.right), self.canvas(stream)[2:], sizes, strict=True)
        )
        return (slice(start, start + stream.frames), slice(y, y + sizes[0]), slice(x, x + sizes[1]))

    def zoomed(self, seen: Tensor, stream: Stream, shift: Shift) -> Tensor:
        """What the network sees of the part of the canvas in the window, brought to the stream's size."""
        if tuple(seen.shape[3:]) == (stream.height, stream.width):
            return seen
        flat = interpolate(seen.flatten(1, 2), (stream.height, stream.width), mode="bilinear", align_corners=False)
        zoomed = flat.reshape(*seen.shape[:3], stream.height, stream.width)
        return zoomed / shift.zoom if stream.kind == "flow" else zoomed

    def windows(self, canvases: Mapping[str, Tensor], streams: tuple[Stream, ...], shift: Shift) -> dict[str, Tensor]:
        """The windows of all streams at the same place: appearance and motion shift together."""
        parts = {stream.name: canvases[stream.name][(..., *self.box(stream, shift))] for stream in streams}
        return {stream.name: self.zoomed(parts[stream.name], stream, shift) for stream in streams}

    def _fields(self, stream: Stream) -> int:
        return self.time if stream.kind == "flow" else 0
