"""The contact sheet of one unit: appearance and, slow to fast, motion, its components and its course in time."""

from marey.draw.captions import NARROWEST_NAME, caption, chi_labels, chi_text, footnote, name_of, sweep_head
from marey.draw.cells import Cells
from marey.draw.color_wheel import Component, nice_max_px
from marey.draw.frames import page_size
from marey.draw.picture_row import PictureRow
from marey.draw.strip import Strip, indented
from marey.draw.typeset import (
    GAP,
    QUIET,
    Block,
    below,
    beside,
    page,
    placed,
    space,
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


def contact_sheet(row: PictureRow, *, max_px: float | None = None) -> Picture:
    """Draw all there is to see of one unit, as in the figures of Feichtenhofer et al., CVPR 2018.

    First comes the appearance (middle frame at the largest chi). Then, for every chi, slow to fast, comes the strongest
    flow field as color wheel, u, v and magnitude. Frames and fields over time stand below. The colors of motion are
    full at `max_px` px/frame (None: `nice_max_px` of the row), and the legend says so.
    """
    return page(contact_block(row, max_px=max_px)[0])


def contact_block(row: PictureRow, *, max_px: float | None = None) -> tuple[Block, Strip]:
    """Draw the `contact_sheet` without its margin, and give the strip on which its frames and fields over time lie."""
    clips = row.motion if row.motion is not None else row.appearance
    assert clips is not None  # a PictureRow has at least one
    if max_px is None:
        max_px = 1.0 if row.motion is None else nice_max_px(row.motion.movedim(1, 2))
    cells = Cells(page_size(*clips.shape[-2:]), max_px)
    sweep = _sweep(row, cells)
    room = max(sweep.width, NARROWEST_NAME)
    long = max(text_width(row.title, 24), text_width(row.subtitle, 15)) > room
    length = max(clips.shape[2] for clips in (row.appearance, row.motion) if clips is not None)
    gutter = max(text_width(chi_text(chi), 13) for chi in row.chis) + 2
    strip = Strip.fitting(cells, length, sweep.width, gutter=gutter)
    parts = [name_of(row, sizes=(24, 15), width=room if long else None), sweep, *_strips(row, strip)]
    width = max(part.width for part in parts)
    return below([*parts, footnote([row], max_px=max_px, width=width)], gap=20), strip


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
    head = indented(sweep_head(title, chi_labels(row), cell=cells.width), gutter)
    first = [head] + [indented(pictures, gutter, name) for name, pictures in lines[:1]]
    if row.captions:
        captions = beside([caption(row, place, cells.width)[0] for place in places], gap=GAP)
        first.append(indented(captions, gutter))
    top = below(first, gap=6)
    if row.motion is None:
        return top
    rest = [indented(pictures, gutter, name) for name, pictures in lines[1:]]
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


def _strips(row: PictureRow, strip: Strip) -> list[Block]:
    """Draw frames and fields over time, one line for every chi."""
    parts = []
    if row.appearance is not None and row.appearance.shape[2] > 1:
        lines = [strip.frames(row.appearance[place], chi_text(row.chis[place])) for place in row.slow_to_fast]
        parts.append([*strip.head("appearance", row.appearance.shape[2], unit="frame"), *lines])
    if row.motion is not None and row.motion.shape[2] > 1:
        lines = [strip.fields(row.motion[place], chi_text(row.chis[place])) for place in row.slow_to_fast]
        parts.append([*strip.head("motion", row.motion.shape[2], unit="field"), *lines])
    return [below(lines, gap=strip.gap) for lines in parts]
