"""The cells of a sheet: one frame or field in a box of fixed size, the words at its sides, and the page around all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from torch import Tensor

from marey.draw.flow_colors import Component
from marey.draw.picture_row import (
    Contrast,
    Enlarge,
    PictureRow,
    appearance_picture,
    motion_picture,
    stretched,
    strongest_field,
)
from marey.draw.typeset import QUIET, Block, below, beside, framed, from_to, margined, placed, space, text_block
from marey.errors import MareyError
from marey.video.encode import Picture

GAP = 10
MARGIN = 28
NARROWEST_NAME = 420
"""Width that a name may take on a page whose pictures are narrower."""


@dataclass(frozen=True)
class Cells:
    """Makes the pictures of one sheet: all in boxes of `size` (height, width), motion with one scale."""

    size: tuple[int, int]
    max_px: float
    enlarge: Enlarge

    @property
    def width(self) -> int:
        """Of a cell with its hairline."""
        return self.size[1] + 2

    @property
    def height(self) -> int:
        """Of a cell with its hairline."""
        return self.size[0] + 2

    def sized(self, size: tuple[int, int]) -> "Cells":
        """The same with boxes of another size."""
        return replace(self, size=size)

    def appearance_of(self, row: PictureRow, place: int) -> Block:
        """The frame in the middle of the clip at this place of the row's chis, which must show appearance."""
        assert row.appearance is not None
        return self.appearance(middle_frame(row.appearance[place]))

    def motion_of(self, row: PictureRow, place: int, component: Component | None = None) -> Block:
        """The strongest field at this place of the row's chis, which must show motion."""
        assert row.motion is not None
        return self.motion(strongest(row.motion[place]), component)

    def appearance(self, frame: Tensor) -> Block:
        """An RGB frame (3, height, width)."""
        return self._boxed(appearance_picture(frame, self.within(frame), enlarge=self.enlarge))

    def motion(self, field: Tensor, component: Component | None = None) -> Block:
        """A flow field (2, height, width)."""
        picture = motion_picture(
            field, self.within(field), max_px=self.max_px, component=component, enlarge=self.enlarge
        )
        return self._boxed(picture)

    def missing(self, text: str) -> Block:
        """An empty cell that says why."""
        words = text_block(text, size=12, color=QUIET, width=self.size[1], align="center")
        return framed(placed(words, width=self.size[1], height=self.size[0]))

    def within(self, frame: Tensor) -> tuple[int, int]:
        """The largest height and width of the frame's proportions that fit the box."""
        height, width = frame.shape[-2:]
        factor = min(self.size[0] / height, self.size[1] / width)
        return max(1, round(height * factor)), max(1, round(width * factor))

    def _boxed(self, picture: Picture) -> Block:
        return placed(framed(Image.fromarray(picture)), width=self.width, height=self.height)


def refuse_empty(rows: Sequence[PictureRow]) -> None:
    """Raise MareyError when there is nothing to draw."""
    if not rows:
        raise MareyError("a sheet of no units was asked for; give at least one PictureRow.")


def with_contrast(row: PictureRow, contrast: Contrast) -> PictureRow:
    """The row with its appearance as is, or stretched for each chi alone."""
    if contrast == "as is" or row.appearance is None:
        return row
    return replace(row, appearance=stretched(row.appearance))


def middle_frame(clip: Tensor) -> Tensor:
    """The frame (channel, height, width) in the middle of a clip (channel, time, height, width)."""
    return clip[:, clip.shape[1] // 2]


def strongest(clip: Tensor) -> Tensor:
    """The field (2, height, width) that moves most in a clip of flow (2, time, height, width)."""
    return clip[:, strongest_field(clip)]


def page(block: Block) -> Picture:
    """A finished sheet: the block with its margin."""
    return np.asarray(margined(block, MARGIN))


def name_of(row: PictureRow, *, sizes: tuple[int, int], width: int | None = None) -> Block:
    """Title and, where there is one, subtitle, in letters of two sizes."""
    title = text_block(row.title, size=sizes[0], width=width)
    if not row.subtitle:
        return title
    return below([title, text_block(row.subtitle, size=sizes[1], color=QUIET, width=width)], gap=2)


def chi_text(chi: float) -> str:
    """How a slowness is written everywhere."""
    return f"chi = {chi:g}"


def caption(row: PictureRow, place: int, width: int) -> list[Block]:
    """The caption of the chi at this place, or nothing."""
    if not row.captions:
        return []
    return [text_block(row.captions[place], size=12, color=QUIET, width=width, most_lines=8)]


def chi_labels(row: PictureRow) -> list[str]:
    """What stands over every column, slow to fast: chi, and which field of the motion is shown; nothing if still."""
    if row.still:
        return [""]
    labels = []
    for place in row.slow_to_fast:
        label = chi_text(row.chis[place])
        if row.motion is not None and row.motion.shape[2] > 1:
            label += f"   field {strongest_field(row.motion[place]) + 1}"
        labels.append(label)
    return labels


def sweep_head(name: str, labels: Sequence[str], *, cell: int) -> Block:
    """What is shown, an arrow from slow to fast over all columns, and the label of every column."""
    width = len(labels) * cell + (len(labels) - 1) * GAP
    under = beside([text_block(label, size=13, color=QUIET, width=cell, most_lines=1) for label in labels], gap=GAP)
    word = text_block(name, size=14)
    if len(labels) < 2:
        return below([word, under], gap=2) if labels[0] else placed(word, width=width, height=1, across="start")
    room = width - word.width - 16
    if room < 110:
        return below([word, from_to("slow", "fast", width=width), under], gap=2)
    return below([beside([word, space(16), from_to("slow", "fast", width=room)], align="center"), under], gap=2)


def footnote(rows: Sequence[PictureRow], *, max_px: float, contrast: Contrast, width: int, note: str = "") -> Block:
    """What the pictures are, in words that belong to them; `note` comes first."""
    notes = [note] if note else []
    lengths = sorted({row.motion.shape[2] for row in rows if row.motion is not None})
    if lengths:
        if lengths[-1] > 1:
            of = str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
            notes.append(f"Motion: for each chi, the strongest of its {of} flow fields.")
        notes.append(f"White: no motion; full color: {max_px:g} px/frame; darker: faster.")
    if any(row.appearance is not None for row in rows):
        about = [] if all(row.still for row in rows) else ["middle frame"]
        about += ["contrast stretched for each chi alone"] if contrast == "stretch" else []
        notes += [f"Appearance: {', '.join(about)}."] if about else []
    if not all(row.still for row in rows):
        notes.append("chi weighs change over time: the larger, the slower.")
    return text_block(" ".join(notes), size=12, color=QUIET, width=width)
