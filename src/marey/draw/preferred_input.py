"""The pictures of preferred inputs: contact sheet, loop and overview, drawn from results alone."""

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from marey.draw.captions import motion_share
from marey.draw.contact_sheet import contact_sheet
from marey.draw.overview import overview
from marey.draw.picture_row import PictureRow
from marey.draw.preferred_loop import preferred_loop
from marey.draw.typeset import Block
from marey.maximization.controls import EXPLAINED, FREE, FREE_EXPLAINED
from marey.maximization.diagnostics import SEES_NO_MOTION
from marey.maximization.result import PreferredInput
from marey.video.encode import Picture, in_levels, write_mp4, write_png

SHEET, VIDEO = "contact_sheet.png", "preferred.mp4"
_DIRECTIONS = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
_QUALITY = 28
"""Constant rate factor of the loop: a third of the bytes of 18, and as clear to the eye."""

STRIP = 12
"""How many flow fields a contact sheet shows of a long stream: the middle stack and its neighbors."""


def picture_row(result: PreferredInput, *, fields: int | None = None, alone: bool = True) -> PictureRow:
    """Choose the clips and the words of a result that are drawn.

    `fields` limits the fields of a flow stream to so many from the middle of the clip; the velocities of a moved clip
    stay as long as its frames. With `alone`, the subtitle names the network and the maximum that scores are relative
    to; rows of one page say this once for all. A clip that is the same at every slowness is drawn once.
    """
    rgb, flow = result.stream("rgb"), result.stream("flow")
    motion = result.velocities if flow is None else _middle(result.frames[flow.name], fields)
    count = 1 if result.still else len(result.slowness)
    return PictureRow(
        title=result.label,
        subtitle=", ".join(_where(result) + ([_scores(result)] if alone else [])),
        appearance=None if rgb is None else result.frames[rgb.name][:count],
        motion=motion,
        chis=result.slowness[:count],
        captions=tuple(_caption(result, place) for place in range(count)),
    )


def sheet(result: PreferredInput) -> Block:
    """Draw the contact sheet of a result as an image, in 24 levels of each color."""
    return Image.fromarray(_sheet(result))


def _sheet(result: PreferredInput) -> Picture:
    return in_levels(contact_sheet(picture_row(result, fields=STRIP)))


def draw(result: PreferredInput, folder: str | Path) -> list[Path]:
    """Write the contact sheet and the looping video of a result to `folder`, and return their paths.

    The video shows the loop once. The sheet is as `sheet` gives it.
    """
    folder = Path(folder)
    write_png(_sheet(result), folder / SHEET)
    write_mp4(preferred_loop(picture_row(result)), folder / VIDEO, rate=25.0, quality=_QUALITY)
    return [folder / SHEET, folder / VIDEO]


def draw_overview(results: Iterable[PreferredInput], path: str | Path, *, title: str = "") -> list[Path]:
    """Write all results that have the slownesses of the first, and return the paths of the pages.

    The first page is at `path`, further ones beside it as `overview-2.png` where `path` is `overview.png`. Further
    pages of an earlier overview at `path` are removed. Of each result only what is drawn stays in memory.
    """
    path = Path(path)
    shown, swept = [], None
    for one in results:
        swept = one.slowness if swept is None else swept
        if one.slowness == swept:
            shown.append((_drawn(picture_row(one, fields=STRIP, alone=False)), _scores(one)))
    said = {words for _, words in shown}
    rows = [row if len(said) == 1 else _with_words(row, words) for row, words in shown]
    note = f"{said.pop()}." if len(said) == 1 else ""
    paths = []
    for number, page in enumerate(overview(rows, title=title, note=note), start=1):
        paths.append(path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}"))
        write_png(page, paths[-1])
    further = re.compile(re.escape(path.stem) + r"-\d+" + re.escape(path.suffix))
    for old in path.parent.iterdir():
        if further.fullmatch(old.name) and old not in paths:
            old.unlink()
    return paths


def _with_words(row: PictureRow, words: str) -> PictureRow:
    return replace(row, subtitle=", ".join(filter(None, (row.subtitle, words))))


def _drawn(row: PictureRow) -> PictureRow:
    """A copy of a row with its clips' middle frames, and the one before, by which a clip is known from a picture."""
    appearance, motion = row.appearance, row.motion
    if appearance is not None:
        middle = appearance.shape[2] // 2
        appearance = appearance[:, :, max(0, middle - 1) : middle + 1].clone()
    return replace(row, appearance=appearance, motion=None if motion is None else motion.clone())


def _middle(motion: Tensor, fields: int | None) -> Tensor:
    if fields is None:
        return motion
    start = max(0, (motion.shape[2] - fields) // 2)
    return motion[:, :, start : start + fields]


def _where(result: PreferredInput) -> list[str]:
    """Say which unit a result is of where its label does not: its address, or the grid of a mosaic.

    The position is said only where there are several.
    """
    if "mosaic" in result.provenance:
        grid = result.provenance["mosaic"]
        return [f"{len(grid['units'])} units, row by row, {grid['columns']} in a row"]
    plain = result.target.replace("@0,0,0", "")
    return [] if result.label in (plain, result.target) or plain.startswith(f"{result.label}@") else [plain]


def _scores(result: PreferredInput) -> str:
    """Say of which network the scores are, and what they are relative to."""
    return f"{result.provenance.get('network', '')}: 0 is an ordinary response, 1 the largest on {result.source}"


def _moving(u: float, v: float) -> str:
    """A velocity in words, to the nearest of eight directions."""
    speed = f"{math.hypot(u, v):.1f}"
    if float(speed) == 0:
        return "does not move"
    eighth = round(math.atan2(v, u) / (math.pi / 4)) % 8
    return f"moves {_DIRECTIONS[eighth]} by {speed} px/frame"


def _caption(result: PreferredInput, place: int) -> str:
    lines = [f"score {result.scores[place]:.2f}"]
    recognized = result.recognized[place]
    if recognized is not None:
        lines.append(f"recognized as {recognized}")
    motion = result.motion
    if motion is not None:
        lines.append(_moving(*motion[place].tolist()))
    held_against = result.controls[place] if result.controls else {}
    lines += motion_share(held_against.get(EXPLAINED))
    if FREE in held_against:
        share = held_against.get(FREE_EXPLAINED)
        moves = "" if share is None else f", {100 * share:.0f} % motion"
        lines.append(f"free clip: {held_against[FREE]:.2f}{moves}")
    lines += [note.split(":")[0] for note in result.notes[place] if note != SEES_NO_MOTION]
    return "\n".join(lines)
