"""Random changes of what the network is shown at each step, so that no place and no pixel is preferred."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from marey.errors import MareyError
from marey.network.stream import Stream

View = Callable[[Tensor, Stream], Tensor]
"""From frames of a stream (clip channel time height width), distances from rest relative to the bound B, to what is
shown of them; the bound is kept afterwards."""


class Transform(ABC):
    """A random change. Write your own: give `draw`; a frozen dataclass can be kept with results."""

    @abstractmethod
    def draw(self, generator: torch.Generator) -> View:
        """One draw of the change, which all inputs and all streams of a step share.

        The view makes the frames smaller by `margin`, and is differentiable.
        """

    def margin(self, stream: Stream) -> tuple[int, int, int]:
        """Frames, rows and columns that the frames must have beyond what the network is shown; none by default."""
        return (0, 0, 0)


@dataclass(frozen=True)
class Shift(Transform):
    """Shifts of up to `space` pixels down and right, and of up to `time` flow fields.

    The frames are larger than the network's window by that much; nothing is wrapped around or padded. Appearance and
    motion shift together in space. RGB frames stay in place in time, as they lie far apart.
    """

    space: int
    time: int = 1

    def __post_init__(self) -> None:
        if min(self.space, self.time) < 0:
            raise MareyError(f"a shift of {self.space} px and {self.time} fields was given; expected at least 0.")

    def margin(self, stream: Stream) -> tuple[int, int, int]:
        return (self.time if stream.kind == "flow" else 0, self.space, self.space)

    def draw(self, generator: torch.Generator) -> View:
        down, right = torch.rand(2, generator=generator).tolist()
        first = int(torch.randint(0, self.time + 1, (), generator=generator))

        def view(frames: Tensor, stream: Stream) -> Tensor:
            margin = self.margin(stream)
            starts = (min(first, margin[0]), *(int(part * (self.space + 0.999)) for part in (down, right)))
            return _cut(frames, starts, margin)

        return view


def canvas(transforms: Sequence[Transform], stream: Stream) -> Stream:
    """The stream that is optimized, so much larger and longer that every view has the size of the one given."""
    margins = [transform.margin(stream) for transform in transforms]
    frames, height, width = (sum(sizes) for sizes in zip((0, 0, 0), *margins, strict=True))
    return replace(
        stream,
        times=stream.times + tuple(stream.times[-1] + 1 + k for k in range(frames)),
        height=stream.height + height,
        width=stream.width + width,
        layout="n c t h w",
        windows=None,
    )


def middle(frames: Tensor, stream: Stream) -> Tensor:
    """The middle of the canvas, of the stream's size: the result, of which no transform is seen."""
    margin = [size - wanted for size, wanted in zip(frames.shape[2:], stream.shape[1:], strict=True)]
    return _cut(frames, [rest // 2 for rest in margin], margin)


def _cut(frames: Tensor, starts: Sequence[int], margin: Sequence[int]) -> Tensor:
    edges = [edge for start, rest in zip(starts, margin, strict=True) for edge in (start - rest, -start)]
    return pad(frames, edges[::-1])  # whose gradient is one copy, where slices take one for each axis
