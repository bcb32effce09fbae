"""The loop of one unit: the appearance and the motion that it prefers, at every chi from slow to fast."""

import numpy as np
from torch import Tensor

from marey.draw.captions import NARROWEST_NAME, caption, chi_text, sweep_head
from marey.draw.cells import Cells
from marey.draw.color_wheel import nice_max_px
from marey.draw.frames import appearance_picture, motion_picture, page_size, resized
from marey.draw.moving_texture import moving_texture
from marey.draw.picture_row import PictureRow
from marey.draw.typeset import (
    GAP,
    HAIRLINE,
    INK,
    MARGIN,
    QUIET,
    Block,
    below,
    beside,
    margined,
    placed,
    space,
    text_block,
    text_width,
)
from marey.draw.wheel_legend import wheel_legend
from marey.video.encode import Picture

_LEAST_PICTURES = 24  # a loop of about a second at 25 pictures per second


def preferred_loop(
    row: PictureRow,
    *,
    max_px: float | None = None,
    steps: int | None = None,
) -> Picture:
    """Draw the loop of one unit as uint8 (time, height, width, 3): a column for every chi, slow to fast.

    Each column shows the appearance, the motion as color wheel, and a texture that moves with the motion. Every flow
    field is shown for `steps` pictures (None: 3, or more where the stack is short), so that at 25 pictures per second
    the motion is a third as fast as in a video. RGB frames are spread evenly over the loop.
    """
    clips = row.motion if row.motion is not None else row.appearance
    assert clips is not None  # a PictureRow has at least one
    if max_px is None:
        max_px = 1.0 if row.motion is None else nice_max_px(row.motion.movedim(1, 2))
    length = clips.shape[2]
    if steps is None:
        steps = max(3, -(-_LEAST_PICTURES // length))
    cells = Cells(page_size(*clips.shape[-2:]), max_px)
    order = row.slow_to_fast
    lines: list[tuple[str, list[Picture]]] = []  # for every line its name and the loop of every column
    if row.appearance is not None:
        lines.append(("appearance", [_appearance(row.appearance[k], cells, length * steps) for k in order]))
    if row.motion is not None:
        lines.append(("motion", [_colors(row.motion[k], cells, steps) for k in order]))
        lines.append(("texture moved by it", [_texture(row.motion[k], cells, steps) for k in order]))
    gutter = min(96, max(text_width(name, 13) for name, _ in lines) + 4)
    return _composed(row, lines, cells, gutter=gutter, length=length, steps=steps)


def _composed(
    row: PictureRow,
    lines: list[tuple[str, list[Picture]]],
    cells: Cells,
    *,
    gutter: int,
    length: int,
    steps: int,
) -> Picture:
    """Set the loops in their places on a page of words, with a clock below that shows which field is seen."""
    order = row.slow_to_fast
    name = " and ".join(
        name for name, clips in (("appearance", row.appearance), ("motion", row.motion)) if clips is not None
    )
    labels = [""] if row.still else [chi_text(row.chis[k]) for k in order]
    head = sweep_head(name, labels, cell=cells.width)
    title = _title(row, max(gutter + GAP + head.width, NARROWEST_NAME))
    words = [
        placed(text_block(name, size=13, color=QUIET, width=gutter, align="end"), width=gutter, height=cells.height)
        for name, _ in lines
    ]
    room = space(head.width, len(lines) * (cells.height + GAP) - GAP)
    body = beside([below(words, gap=GAP), room], gap=GAP)
    foot = []
    if row.captions:
        foot.append(beside([caption(row, k, cells.width)[0] for k in order], gap=GAP))
    clock = space(head.width, 6)
    indent = gutter + GAP
    column = [beside([space(indent), block]) for block in (head, *foot, clock)]
    paper = below([title, space(1, 6), column[0], body, *column[1:]], gap=8)
    if row.motion is not None:
        top = title.height + 8 + 6 + 8
        paper = beside([paper, below([space(1, top), wheel_legend(cells.max_px, magnitude=False)])], gap=2 * GAP)
    paper = margined(paper, MARGIN)

    x0 = MARGIN + indent
    y0 = MARGIN + title.height + 6 + head.height + 3 * 8
    frames: Picture = np.repeat(np.asarray(paper)[None], length * steps, axis=0)
    for line, (_, loops) in enumerate(lines):
        for column_number, loop in enumerate(loops):
            height, width = loop.shape[1:3]
            x = x0 + column_number * (cells.width + GAP) + (cells.width - width) // 2
            y = y0 + line * (cells.height + GAP) + (cells.height - height) // 2
            frames[:, y - 1 : y + height + 1, x - 1 : x + width + 1] = HAIRLINE
            frames[:, y : y + height, x : x + width] = loop
    _draw_clock(frames, x=x0, y=paper.height - MARGIN - 6, width=head.width, length=length, steps=steps)
    return frames


def _title(row: PictureRow, room: int) -> Block:
    """Set title and subtitle, side by side where there is room for both."""
    title = text_block(row.title, size=20, width=room if text_width(row.title, 20) > room else None)
    if not row.subtitle:
        return title
    wide = text_width(row.subtitle, 15)
    if title.width + 14 + wide <= room:
        return beside([title, text_block(row.subtitle, size=15, color=QUIET)], gap=14, align="center")
    return below([title, text_block(row.subtitle, size=15, color=QUIET, width=room if wide > room else None)], gap=2)


def _draw_clock(frames: Picture, *, x: int, y: int, width: int, length: int, steps: int) -> None:
    """Draw a row of `length` dashes; the dash of the current field is dark."""
    if length < 2:
        return
    edges = [x + round(k * (width + 4) / length) for k in range(length + 1)]
    for k in range(length):
        frames[:, y : y + 3, edges[k] : edges[k + 1] - 4] = HAIRLINE
        frames[k * steps : (k + 1) * steps, y : y + 3, edges[k] : edges[k + 1] - 4] = INK


def _appearance(clip: Tensor, cells: Cells, pictures: int) -> Picture:
    count = clip.shape[1]
    frames = appearance_picture(clip.movedim(1, 0), cells.within(clip))
    shown: Picture = frames[[k * count // pictures for k in range(pictures)]]
    return shown


def _colors(clip: Tensor, cells: Cells, steps: int) -> Picture:
    fields = motion_picture(clip.movedim(1, 0), cells.within(clip), max_px=cells.max_px)
    shown: Picture = np.repeat(fields, steps, axis=0)
    return shown


def _texture(clip: Tensor, cells: Cells, steps: int) -> Picture:
    size = cells.within(clip)
    enlarged = resized(clip.movedim(1, 0), size).movedim(0, 1)
    return moving_texture(enlarged * (size[1] / clip.shape[-1]), steps=steps)
