"""The words on a sheet: names, captions, the head of a sweep from slow to fast, and the footnote."""

from collections.abc import Sequence

from marey.draw.frames import strongest_field
from marey.draw.picture_row import PictureRow
from marey.draw.typeset import GAP, QUIET, Block, below, beside, from_to, placed, space, text_block

NARROWEST_NAME = 420
"""Width in pixels that a name may take on a page whose pictures are narrower."""


def name_of(row: PictureRow, *, sizes: tuple[int, int], width: int | None = None) -> Block:
    """Set the title and, where there is one, the subtitle, in letters of two sizes."""
    title = text_block(row.title, size=sizes[0], width=width)
    if not row.subtitle:
        return title
    return below([title, text_block(row.subtitle, size=sizes[1], color=QUIET, width=width)], gap=2)


def chi_text(chi: float) -> str:
    """Write a slowness as on every page."""
    return f"chi = {chi:g}"


def motion_share(explained: float | None) -> list[str]:
    """Say how much of the change from frame to frame flow explains; an empty list where this is not known."""
    return [] if explained is None else [f"{100 * explained:.0f} % of change is motion"]


def caption(row: PictureRow, place: int, width: int) -> list[Block]:
    """Set the caption of the chi at this place; an empty list where the row has no captions."""
    if not row.captions:
        return []
    return [text_block(row.captions[place], size=12, color=QUIET, width=width, most_lines=8)]


def chi_labels(row: PictureRow) -> list[str]:
    """List the labels over the columns, slow to fast: chi, and the number of the field shown; empty for a still row."""
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
    """Set the name of the pictures, an arrow from slow to fast over all columns, and the label of every column."""
    width = len(labels) * cell + (len(labels) - 1) * GAP
    under = beside([text_block(label, size=13, color=QUIET, width=cell, most_lines=1) for label in labels], gap=GAP)
    word = text_block(name, size=14)
    if len(labels) < 2:
        return below([word, under], gap=2) if labels[0] else placed(word, width=width, height=1, across="start")
    room = width - word.width - 16
    if room < 110:
        return below([word, from_to("slow", "fast", width=width), under], gap=2)
    return below([beside([word, space(16), from_to("slow", "fast", width=room)], align="center"), under], gap=2)


def footnote(rows: Sequence[PictureRow], *, max_px: float, width: int, note: str = "") -> Block:
    """Say what the pictures of these rows show; `note` comes first."""
    notes = [note] if note else []
    lengths = sorted({row.motion.shape[2] for row in rows if row.motion is not None})
    if lengths:
        if lengths[-1] > 1:
            of = str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
            notes.append(f"Motion: for each chi, the strongest of its {of} flow fields.")
        notes.append(f"White: no motion; full color: {max_px:g} px/frame; darker: faster.")
    if any(row.appearance is not None for row in rows):
        notes += [] if all(row.still for row in rows) else ["Appearance: middle frame."]
    if not all(row.still for row in rows):
        notes.append("chi weighs change over time: the larger, the slower.")
    return text_block(" ".join(notes), size=12, color=QUIET, width=width)
