"""The contact sheet of one unit: appearance and, slow to fast, motion, its components and its course in time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from marey.draw.captions import NARROWEST_NAME, caption, chi_labels, chi_text, footnote, name_of, sweep_head
from marey.draw.cells import Cells
from marey.draw.color_wheel import Component, nice_max_px
from marey.draw.frames import cell_size
from marey.draw.picture_row import PictureRow
from marey.draw.typeset import (
    GAP,
    QUIET,
    Block,
    below,
    beside,
    from_to,
    page,
    placed,
    space,
    spread,
    text_block,
    text_width,
)
from marey.draw.wheel_legend import wheel_legend
from marey.video.encode import Picture

_COMPONENTS: tuple[tuple[Component | None, str], ...] = (
    (None, "color wheel"),
    ("u", "u, to the right"),
    ("v", "v, down"),
    ("magnitude", "magnitude"),
)
_STRIP_GAP = 6
_SMALLEST_CELL = 76  # of a strip, with its hairline: ten fields of a stack then fit under four columns
_NARROWEST_STRIP = 640


def contact_sheet(row: PictureRow, *, max_px: float | None = None) -> Picture:
    """Draw all there is to see of one unit, as in the figures of Feichtenhofer et al., CVPR 2018.

    First comes the appearance (middle frame at the largest chi). Then, for every chi, slow to fast, comes the strongest
    flow field as color wheel, u, v and magnitude. Frames and fields over time stand below. The colors of motion are
    full at `max_px` px/frame (None: `nice_max_px` of the row), and the legend says so.
    """
    return page(contact_block(row, max_px=max_px))


def contact_block(row: PictureRow, *, max_px: float | None = None) -> Block:
    """Draw the `contact_sheet` without its margin."""
    clips = row.motion if row.motion is not None else row.appearance
    assert clips is not None  # a PictureRow has at least one
    if max_px is None:
        max_px = 1.0 if row.motion is None else nice_max_px(row.motion.movedim(1, 2))
    cells = Cells(cell_size(*clips.shape[-2:], least=160), max_px)
    sweep = _sweep(row, cells)
    room = max(sweep.width, NARROWEST_NAME)
    long = max(text_width(row.title, 24), text_width(row.subtitle, 15)) > room
    parts = [
        name_of(row, sizes=(24, 15), width=room if long else None),
        sweep,
        *_strips(row, cells, sweep.width),
    ]
    width = max(part.width for part in parts)
    return below([*parts, footnote([row], max_px=max_px, width=width)], gap=20)


def _sweep(row: PictureRow, cells: Cells) -> Block:
    """Draw appearance and legend at the left, a column for every chi at the right, the names of the lines between."""
    places = row.slow_to_fast
    if row.motion is None:
        lines = [("appearance", beside([cells.appearance_of(row, place) for place in places], gap=GAP))]
    else:
        lines = [
            (name, beside([cells.motion_of(row, place, component) for place in places], gap=GAP))
            for component, name in _COMPONENTS
        ]
    gutter = min(96, max(text_width(name, 13) for name, _ in lines) + 4) if len(lines) > 1 else 0
    title = "appearance" if row.motion is None else "motion"
    head = _indented(sweep_head(title, chi_labels(row), cell=cells.width), gutter)
    first = [head] + [_indented(pictures, gutter, name) for name, pictures in lines[:1]]
    if row.captions:
        captions = beside([caption(row, place, cells.width)[0] for place in places], gap=GAP)
        first.append(_indented(captions, gutter))
    top = below(first, gap=6)
    if row.motion is None:
        return top
    rest = [_indented(pictures, gutter, name) for name, pictures in lines[1:]]
    legend = wheel_legend(cells.max_px)
    width = max(cells.width, legend.width)
    legend = placed(legend, width=width, height=1)
    if row.appearance is None:
        left = below([space(1, head.height), legend], gap=6)
        return beside([left, below([top, *rest], gap=GAP)], gap=GAP)
    chi = chi_text(row.chis[places[0]])
    words = below([text_block("appearance", size=14), text_block(chi, size=13, color=QUIET)], gap=2)
    words = placed(words, width=width, height=head.height, across="start", down="end")
    left = below([words, cells.appearance_of(row, places[0])], gap=6)
    return below(
        [beside([left, top], gap=GAP), beside([legend, below(rest, gap=GAP)], gap=GAP)],
        gap=GAP,
    )


def _indented(block: Block, gutter: int, name: str = "") -> Block:
    """Set the block right of a gutter of this width, with its name in the gutter."""
    if not gutter:
        return block
    words = text_block(name, size=13, color=QUIET, width=gutter, align="end")
    return beside([words, block], gap=GAP, align="center")


def _strips(row: PictureRow, cells: Cells, room: int) -> list[Block]:
    """Draw frames and fields over time, one line for every chi, all in cells of one size."""
    strips: list[tuple[str, Tensor, list[int]]] = []
    if row.appearance is not None and row.appearance.shape[2] > 1:
        places = row.slow_to_fast if row.motion is None else row.slow_to_fast[:1]
        strips.append(("appearance", row.appearance, places))
    if row.motion is not None and row.motion.shape[2] > 1:
        strips.append(("motion", row.motion, row.slow_to_fast))
    if not strips:
        return []
    gutter = max(text_width(chi_text(chi), 13) for chi in row.chis) + 2
    width = max(room, _NARROWEST_STRIP) - gutter - GAP
    most = (width + _STRIP_GAP) // (_SMALLEST_CELL + _STRIP_GAP)
    columns = min(most, max(clips.shape[2] for _, clips, _ in strips))
    side = min((width - (columns - 1) * _STRIP_GAP) // columns, cells.width) - 2
    small = cells.sized((max(1, round(cells.size[0] * side / cells.size[1])), side))
    fills = (side + 2 + _STRIP_GAP) * columns > width - columns
    pitch = width if fills else (side + 2) * columns + _STRIP_GAP * (columns - 1)
    return [
        _strip(name, clips, places, row.chis, small, gutter=gutter, columns=columns, width=pitch)
        for name, clips, places in strips
    ]


def _strip(
    name: str,
    clips: Tensor,
    places: Sequence[int],
    chis: Sequence[float],
    cells: Cells,
    *,
    gutter: int,
    columns: int,
    width: int,
) -> Block:
    length = clips.shape[2]
    times = torch.linspace(0, length - 1, min(columns, length)).round().long().tolist()
    empty = [space(cells.width)] * (columns - len(times))

    def line(blocks: list[Block]) -> Block:
        return spread([*blocks, *empty], width=width)

    word = text_block(f"{name} over time", size=14)
    gaps = (width - cells.width * columns) * (len(times) - 1) / max(1, columns - 1)
    taken = cells.width * len(times) + round(gaps)
    unit = "frame" if name == "appearance" else "field"
    course = from_to(f"{unit} 1", str(length), width=max(120, taken - word.width - 16))
    numbers = [text_block(str(t + 1), size=12, color=QUIET, width=cells.width, align="center") for t in times]
    lines = [
        _indented(beside([word, space(16), course], align="center"), gutter),
        _indented(line(numbers), gutter),
    ]
    for place in places:
        show = cells.appearance if name == "appearance" else cells.motion
        pictures = [show(clips[place, :, t]) for t in times]
        lines.append(_indented(line(pictures), gutter, chi_text(chis[place])))
    return below(lines, gap=_STRIP_GAP)
