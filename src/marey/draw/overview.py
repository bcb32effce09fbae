"""The overview: many units on one page, a short line for each, with one scale and one legend."""

from collections.abc import Sequence

from marey.draw.captions import caption, chi_text, footnote, name_of, sweep_head
from marey.draw.cells import Cells
from marey.draw.color_wheel import nice_max_px
from marey.draw.frames import cell_size
from marey.draw.picture_row import PictureRow
from marey.draw.typeset import GAP, Block, below, beside, page, placed, space, text_block, text_width
from marey.draw.wheel_legend import wheel_legend
from marey.errors import MareyError
from marey.video.encode import Picture

_WIDEST_NAME = 200
_CELL = 168
"""Longer side of the pictures of an overview."""
_ACROSS = 6
"""Single pictures in a row."""


def overview(
    rows: Sequence[PictureRow],
    *,
    title: str = "",
    note: str = "",
    max_px: float | None = None,
) -> Picture:
    """Draw many units on one page: of each, appearance and motion at every chi, slow to fast, in one scale.

    Where all units see a single picture, these stand side by side. `note` is said once for all units, at the end.
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
    name_width = min(_WIDEST_NAME, max(text_width(text, 15) for row in rows for text in (row.title, row.subtitle)) + 4)
    has_appearance = bool(flows) and any(row.appearance is not None for row in rows)

    labels = next(([chi_text(row.chis[k]) for k in row.slow_to_fast] for row in rows if not row.still), None)
    if labels is None:
        body = _grid(rows, cells)
        return _titled(title, body, footnote(rows, max_px=max_px, width=body.width, note=note))
    heads = [space(name_width)]
    if has_appearance:
        heads.append(text_block("appearance", size=14, width=cells.width))
    heads.append(sweep_head("motion" if flows else "appearance", labels, cell=cells.width))
    lines = [_line(row, cells, name_width, has_appearance=has_appearance, has_motion=bool(flows)) for row in rows]
    body = below([beside(heads, gap=2 * GAP, align="end"), *lines], gap=GAP)
    if flows:
        body = beside([body, wheel_legend(max_px, magnitude=False)], gap=3 * GAP)
    return _titled(title, body, footnote(rows, max_px=max_px, width=body.width, note=note))


def _titled(title: str, body: Block, end: Block) -> Picture:
    parts = [text_block(title, size=22, width=body.width)] if title else []
    return page(below([*parts, body, end], gap=18))


def _grid(rows: Sequence[PictureRow], cells: Cells) -> Block:
    """Draw single pictures side by side, the name of each above it."""
    blocks = [
        below(
            [
                name_of(row, sizes=(14, 12), width=cells.width),
                cells.appearance_of(row, 0),
                *caption(row, 0, cells.width),
            ],
            gap=3,
        )
        for row in rows
    ]
    lines = [blocks[start : start + _ACROSS] for start in range(0, len(blocks), _ACROSS)]
    return below([beside(line, gap=GAP, align="end") for line in lines], gap=2 * GAP)


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
