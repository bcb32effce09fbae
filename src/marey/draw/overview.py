"""The overview: many units on one page or a few, a short line for each, with one scale and one legend."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import TypeVar

from marey.draw.captions import caption, chi_text, footnote, name_of, sweep_head
from marey.draw.cells import Cells
from marey.draw.color_wheel import nice_max_px
from marey.draw.frames import cell_size
from marey.draw.picture_row import PictureRow
from marey.draw.typeset import GAP, MARGIN, Block, below, beside, page, placed, space, text_block, text_width
from marey.draw.wheel_legend import wheel_legend
from marey.errors import MareyError
from marey.video.encode import Picture

_One = TypeVar("_One")

_WIDEST_NAME = 200
_CELL = 168
"""Longer side of the pictures of an overview."""
_ACROSS = 6
"""Single pictures in a row, at least, where there are so many."""
LONGEST_SIDE = 4000
"""Pixels of a page along either side, unless a single line is longer."""
_WORDS = 160
"""Pixels that title and footnote take at most."""


def overview(
    rows: Sequence[PictureRow],
    *,
    title: str = "",
    note: str = "",
    max_px: float | None = None,
) -> Iterator[Picture]:
    """Draw many units, page by page: of each, appearance and motion at every chi, slow to fast, in one scale.

    A page is about square and at most `LONGEST_SIDE` wide and high; lines follow each other down its columns. Where all
    units see a single picture, these stand side by side. `note` is said once for all units, at the end of each page.
    Raises MareyError for no units, and for units of different chis; a single picture goes with any chis.
    """
    if not rows:
        raise MareyError("an overview of no units was asked for; give at least one PictureRow.")
    _refuse_other_chis(rows)
    flows = [row.motion.movedim(1, 2) for row in rows if row.motion is not None]
    if max_px is None:
        max_px = nice_max_px(*flows)
    sizes = [clips.shape[-2:] for row in rows for clips in (row.motion, row.appearance) if clips is not None]
    cells = Cells(cell_size(*sizes[0], least=_CELL, most=_CELL), max_px)
    draw = _grids if all(row.still for row in rows) else _columns
    return draw(rows, cells, title=title, note=note)


def _columns(rows: Sequence[PictureRow], cells: Cells, *, title: str, note: str) -> Iterator[Picture]:
    """Draw pages with a line for each unit, which follow each other down the columns."""
    has_motion = any(row.motion is not None for row in rows)
    has_appearance = has_motion and any(row.appearance is not None for row in rows)
    name_width = min(_WIDEST_NAME, max(text_width(text, 15) for row in rows for text in (row.title, row.subtitle)) + 4)
    labels = next([chi_text(row.chis[k]) for k in row.slow_to_fast] for row in rows if not row.still)
    heads = [space(name_width)]
    if has_appearance:
        heads.append(text_block("appearance", size=14, width=cells.width))
    heads.append(sweep_head("motion" if has_motion else "appearance", labels, cell=cells.width))
    head = beside(heads, gap=2 * GAP, align="end")
    legend = wheel_legend(cells.max_px, magnitude=False) if has_motion else None
    height = cells.height + _caption_height(rows, cells.width) + GAP
    taken = 0 if legend is None else legend.width + 3 * GAP
    many, columns = layout(len(rows), head.width + 3 * GAP, height, taken=(taken, head.height))
    for number, shown in enumerate(_parts(rows, many), start=1):
        lines = [_line(row, cells, name_width, has_appearance=has_appearance, has_motion=has_motion) for row in shown]
        down = ceil(len(lines) / columns)
        parts = [below([head, *column], gap=GAP) for column in _parts(lines, down)]
        body = beside(parts if legend is None else [*parts, legend], gap=3 * GAP)
        yield _page(body, _numbered(title, number, ceil(len(rows) / many)), rows, cells, note)


def _grids(rows: Sequence[PictureRow], cells: Cells, *, title: str, note: str) -> Iterator[Picture]:
    """Draw pages of single pictures side by side, the name of each above it."""
    names = max(name_of(row, sizes=(14, 12), width=cells.width).height for row in rows)
    height = names + cells.height + _caption_height(rows, cells.width) + 2 * GAP
    many, across = layout(len(rows), cells.width + GAP, height, taken=(0, 0), least=_ACROSS)
    for number, shown in enumerate(_parts(rows, many), start=1):
        blocks = []
        for row in shown:
            name = name_of(row, sizes=(14, 12), width=cells.width)
            blocks.append(below([name, cells.appearance_of(row, 0), *caption(row, 0, cells.width)], gap=3))
        body = below([beside(line, gap=GAP, align="end") for line in _parts(blocks, across)], gap=2 * GAP)
        yield _page(body, _numbered(title, number, ceil(len(rows) / many)), rows, cells, note)


def layout(count: int, width: int, height: int, *, taken: tuple[int, int], least: int = 1) -> tuple[int, int]:
    """Choose how many of `count` blocks stand on a page, and in how many columns, so that it is about square.

    `width` and `height` are those of a block with its gap; `taken` is what else stands beside and above the blocks.
    """
    room = [LONGEST_SIDE - 2 * MARGIN - part for part in (taken[0], taken[1] + _WORDS)]
    most_across, most_down = max(1, room[0] // width), max(1, room[1] // height)
    many = ceil(count / ceil(count / (most_across * most_down)))
    first = min(least, many, most_across)
    fitting = [across for across in range(first, most_across + 1) if ceil(many / across) <= most_down]
    longer = {across: max(taken[0] + across * width, taken[1] + ceil(many / across) * height) for across in fitting}
    return many, min(fitting, key=lambda across: longer[across])


def _parts(whole: Sequence[_One], size: int) -> list[Sequence[_One]]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def _caption_height(rows: Sequence[PictureRow], width: int) -> int:
    """The pixels that the longest caption takes below a picture of this width."""
    places = [(row, place) for row in rows for place in range(len(row.captions))]
    return max((3 + block.height for row, place in places for block in caption(row, place, width)), default=0)


def _numbered(title: str, number: int, pages: int) -> str:
    return title if pages == 1 else f"{title}{', ' if title else ''}page {number} of {pages}"


def _page(body: Block, title: str, rows: Sequence[PictureRow], cells: Cells, note: str) -> Picture:
    parts = [text_block(title, size=22, width=body.width)] if title else []
    end = footnote(rows, max_px=cells.max_px, width=body.width, note=note)
    return page(below([*parts, body, end], gap=18))


def _refuse_other_chis(rows: Sequence[PictureRow]) -> None:
    swept = [row for row in rows if not row.still]
    for row in swept:
        if sorted(row.chis) != sorted(swept[0].chis):
            given, expected = (", ".join(f"{chi:g}" for chi in sorted(some.chis)) for some in (row, swept[0]))
            raise MareyError(
                f"'{row.title}' has chi {given} and '{swept[0].title}' has chi {expected}; "
                "an overview needs the same for all. Make a contact sheet, or an overview for each."
            )


def _line(row: PictureRow, cells: Cells, name_width: int, *, has_appearance: bool, has_motion: bool) -> Block:
    """Draw the name, the appearance and the motion of one unit."""
    name = name_of(row, sizes=(15, 13), width=name_width)
    blocks = [placed(name, width=name_width, height=cells.height, across="start")]
    if row.still:
        picture = below([cells.appearance_of(row, 0), *caption(row, 0, cells.width)], gap=3)
        return beside([*blocks, picture], gap=2 * GAP)
    if has_appearance:
        shows = row.appearance is not None
        blocks.append(cells.appearance_of(row, row.slow_to_fast[0]) if shows else cells.missing("no appearance"))
    columns = []
    for place in row.slow_to_fast:
        if not has_motion:
            picture = cells.appearance_of(row, place)
        else:
            picture = cells.motion_of(row, place) if row.motion is not None else cells.missing("no motion")
        columns.append(below([picture, *caption(row, place, cells.width)], gap=3))
    return beside([*blocks, beside(columns, gap=GAP)], gap=2 * GAP)
