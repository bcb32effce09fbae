"""Frames and fields over time: the strips of a sheet, whose columns are the same moments for all of its clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.draw.cells import Cells
from marey.draw.typeset import GAP, QUIET, Block, beside, from_to, space, spread, text_block

_GAP = 6
_SMALLEST_CELL = 76  # with its hairline: ten fields of a stack then fit under four columns
_NARROWEST = 640


@dataclass(frozen=True)
class Strip:
    """Lines of pictures in cells of one size, right of a gutter for their names.

    columns
        how many pictures a line has at most; longer clips show so many, evenly spread.
    width
        of a full line, in pixels, without the gutter.
    """

    cells: Cells
    columns: int
    gutter: int
    width: int

    @classmethod
    def fitting(cls, cells: Cells, length: int, room: int, *, gutter: int) -> "Strip":
        """The strip for clips of at most `length` pictures that is about `room` pixels wide, with its gutter."""
        width = max(room, _NARROWEST) - gutter - GAP
        columns = min((width + _GAP) // (_SMALLEST_CELL + _GAP), length)
        side = min((width - (columns - 1) * _GAP) // columns, cells.width) - 2
        small = cells.sized((max(1, round(cells.size[0] * side / cells.size[1])), side))
        fills = (side + 2 + _GAP) * columns > width - columns
        return cls(small, columns, gutter, width if fills else (side + 2) * columns + _GAP * (columns - 1))

    def times(self, length: int) -> list[int]:
        """Which pictures of a clip of this length are shown."""
        return torch.linspace(0, length - 1, min(self.columns, length)).round().long().tolist()

    def head(self, name: str, length: int, *, unit: str) -> list[Block]:
        """The name of the lines that follow, an arrow from their first to their last `unit`, and numbers."""
        times = self.times(length)
        word = text_block(f"{name} over time", size=14)
        gaps = (self.width - self.cells.width * self.columns) * (len(times) - 1) / max(1, self.columns - 1)
        taken = self.cells.width * len(times) + round(gaps)
        course = from_to(f"{unit} 1", str(length), width=max(120, taken - word.width - 16))
        numbers = [text_block(str(t + 1), size=12, color=QUIET, width=self.cells.width, align="center") for t in times]
        words = beside([word, space(16), course], align="center")
        return [indented(words, self.gutter), indented(self._spread(numbers), self.gutter)]

    def frames(self, clip: Tensor, name: str = "") -> Block:
        """A line of RGB frames (3, time, height, width)."""
        return self._line([self.cells.appearance(clip[:, t]) for t in self.times(clip.shape[1])], name)

    def fields(self, clip: Tensor, name: str = "") -> Block:
        """A line of flow fields (2, time, height, width)."""
        return self._line([self.cells.motion(clip[:, t]) for t in self.times(clip.shape[1])], name)

    def _line(self, pictures: Sequence[Block], name: str) -> Block:
        return indented(self._spread(pictures), self.gutter, name)

    def _spread(self, blocks: Sequence[Block]) -> Block:
        empty = [space(self.cells.width)] * (self.columns - len(blocks))
        return spread([*blocks, *empty], width=self.width)

    @property
    def gap(self) -> int:
        """The pixels between lines."""
        return _GAP


def indented(block: Block, gutter: int, name: str = "") -> Block:
    """Set the block right of a gutter of this width, with its name in the gutter."""
    if not gutter:
        return block
    words = text_block(name, size=13, color=QUIET, width=gutter, align="end")
    return beside([words, block], gap=GAP, align="center")
