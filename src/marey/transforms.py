"""Small random shifts of the window that the network sees, the same for all frames of a stream."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.streams import Stream


@dataclass(frozen=True)
class Jitter:
    """Shifts of up to `space` pixels down and right, and of up to `time` frames for flow, uniform and fresh every step.

    The optimized canvas is larger than the network's window by that much; nothing is wrapped around or padded.
    Streams of RGB frames stay in place in time, as their frames lie far apart.
    """

    space: int
    time: int = 0

    def margin(self, stream: Stream) -> tuple[int, int, int]:
        """How much larger the canvas is: frames, height, width."""
        return (self.time if stream.kind == "flow" else 0, self.space, self.space)

    def canvas(self, stream: Stream) -> tuple[int, int, int, int]:
        """Channels, frames, height and width of the canvas."""
        frames, down, right = self.margin(stream)
        return (stream.channels, stream.frames + frames, stream.height + down, stream.width + right)

    def offsets(self, generator: torch.Generator) -> tuple[int, int, int]:
        """A random shift (frames, down, right)."""
        draws = [
            int(torch.randint(0, most + 1, (), generator=generator)) for most in (self.time, self.space, self.space)
        ]
        return (draws[0], draws[1], draws[2])

    @property
    def middle(self) -> tuple[int, int, int]:
        """The shift of the result: the middle of the canvas."""
        return (self.time // 2, self.space // 2, self.space // 2)

    def window(self, canvas: Tensor, stream: Stream, offsets: tuple[int, int, int]) -> Tensor:
        """The part of `canvas` (clip channel time height width) that the network sees."""
        margin = self.margin(stream)
        t, y, x = (min(offset, most) for offset, most in zip(offsets, margin, strict=True))
        return canvas[:, :, t : t + stream.frames, y : y + stream.height, x : x + stream.width]

    def windows(
        self, canvases: Mapping[str, Tensor], streams: tuple[Stream, ...], offsets: tuple[int, int, int]
    ) -> dict[str, Tensor]:
        """The windows of all streams at the same place: appearance and motion shift together."""
        return {stream.name: self.window(canvases[stream.name], stream, offsets) for stream in streams}
