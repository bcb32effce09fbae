"""Real clips that drive a unit most, drawn: loops of what it saw, and sheets beside its preferred input."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from marey.draw.captions import NARROWEST_NAME, motion_share
from marey.draw.cells import Cells, middle_frame, strongest
from marey.draw.color_wheel import nice_max_px
from marey.draw.contact_sheet import contact_block
from marey.draw.frames import appearance_picture, cell_size, motion_picture
from marey.draw.framing import framing
from marey.draw.picture_row import PictureRow
from marey.draw.strip import Strip, indented
from marey.draw.typeset import GAP, MARGIN, QUIET, Block, below, beside, page, rule, text_block
from marey.errors import MareyError
from marey.maximization.result import PreferredInput
from marey.recording import Exemplar
from marey.video.encode import Picture, write_mp4, write_png
from marey.video.flow.explained import explained_by_flow

_LEAST_PICTURES = 24
NONE_DRIVES = "no recorded clip drives it above its ordinary response"

REAL_CLIPS = ("real_clips.png", "real_*.mp4")
"""Patterns of the files that `draw_exemplars` writes."""


def seen_loop(exemplar: Exemplar, *, max_px: float | None = None) -> Picture:
    """Draw a loop (time height width 3) of the part of a clip that a unit saw: its frames and its flow side by side."""
    crops = [crop for kind in ("rgb", "flow") if (crop := exemplar.seen(kind)) is not None]
    if not crops:
        raise MareyError(f"unit {exemplar.response.unit} sees no stream that can be drawn.")
    length = max(_LEAST_PICTURES, *(crop.shape[1] for crop in crops))
    size = cell_size(*crops[0].shape[-2:], least=160)
    parts = []
    for crop in crops:
        index = torch.arange(length) * crop.shape[1] // length
        frames = crop.transpose(0, 1)[index]
        if crop.shape[0] == 3:
            parts.append(appearance_picture(frames, size))
        else:
            scale = nice_max_px(crop.transpose(0, 1)) if max_px is None else max_px
            parts.append(motion_picture(frames, size, max_px=scale))
    return np.concatenate(parts, axis=2)


def exemplar_block(
    found: Sequence[Exemplar],
    *,
    max_px: float | None = None,
    relative_to: PreferredInput | None = None,
    strip: Strip | None = None,
) -> Block:
    """Draw real clips as far as the unit saw them, with response, class and source, and where in the frame that is.

    A unit that sees several RGB frames has a line for each clip, at the moments that `strip` shows of the preferred
    input; where it sees no flow, the line says how much of the change is motion. Others have a column for each, a frame
    above the strongest flow field. Where a unit sees less than half of the frame, the whole frame stands beside it with
    a box around what the unit sees. With `relative_to`, responses are written as scores, relative to the same range of
    the unit as those of a result.
    """
    if not found:
        return text_block(NONE_DRIVES, size=14, color=QUIET)
    flows = [flow.transpose(0, 1) for one in found if (flow := one.seen("flow")) is not None]
    scale = nice_max_px(*flows) if max_px is None and flows else (1.0 if max_px is None else max_px)
    first = next(iter(found[0].crop.values()))
    cells = Cells(cell_size(*first.shape[-2:], most=224), scale)
    rgb = found[0].seen("rgb")
    if rgb is None or rgb.shape[1] == 1:
        return beside([_column(one, cells, relative_to) for one in found], gap=GAP)
    if strip is None:
        strip = Strip.fitting(cells, rgb.shape[1], 0, gutter=0)
    lines = [part for one in found for part in _lines(one, strip, relative_to)]
    return below([*strip.head("appearance", rgb.shape[1], unit="frame"), *lines], gap=strip.gap)


def _column(one: Exemplar, cells: Cells, relative_to: PreferredInput | None) -> Block:
    """A frame above a flow field, the frame that they lie in where they are a small part of it, and the words."""
    rgb, flow, whole = one.seen("rgb"), one.seen("flow"), framing(one)
    blocks = [cells.appearance(middle_frame(rgb))] if rgb is not None else []
    blocks += [cells.motion(strongest(flow))] if flow is not None else []
    blocks += [cells.appearance(whole)] if whole is not None else []
    words = _words(one, relative_to)
    return below([*blocks, *(text_block(line, size=12, color=QUIET, width=cells.width) for line in words)], gap=4)


def _lines(one: Exemplar, strip: Strip, relative_to: PreferredInput | None) -> list[Block]:
    """The words, and below them the frames over time, with the frame that they lie in where they are a part of it."""
    rgb, flow, whole = one.seen("rgb"), one.seen("flow"), framing(one)
    assert rgb is not None
    parts = [strip.frames(rgb)] + ([] if flow is None else [strip.fields(flow)])
    told = ", ".join([*_words(one, relative_to), *motion_share(explained_by_flow(rgb) if flow is None else None)])
    words = text_block(told, size=12, color=QUIET, width=strip.width)
    pictures = below(parts, gap=strip.gap)
    if whole is not None:
        pictures = beside([pictures, strip.cells.appearance(whole)], gap=GAP)
    return [indented(words, strip.gutter), pictures]


def _words(one: Exemplar, relative_to: PreferredInput | None) -> list[str]:
    response = one.response
    label = response.clip.label or "no class"
    wrong = "" if response.prediction in (None, response.clip.label) else f", taken for {response.prediction}"
    strength = _strength(response.value, relative_to)
    return [f"{strength}  {label}{wrong}", response.clip.path.name, f"at {response.seconds:.1f} s"]


def _strength(response: float, result: PreferredInput | None) -> str:
    if result is None or result.ordinary is None or result.reach is None:
        return f"{response:.3g}"
    return f"score {(response - result.ordinary) / result.reach:.2f}"


def sheet_with_exemplars(
    row: PictureRow, found: Sequence[Exemplar], *, relative_to: PreferredInput | None = None
) -> Picture:
    """Draw the contact sheet of a preferred input, and below it the real clips that drive the unit most.

    Colors of motion have one scale. With `relative_to`, which is the result that `row` shows, responses are scores too.
    """
    max_px = None if row.motion is None else nice_max_px(row.motion.movedim(1, 2))
    synthetic, strip = contact_block(row, max_px=max_px)
    real = exemplar_block(found, max_px=max_px, relative_to=relative_to, strip=strip)
    words = text_block("real clips that drive it most, as far as it sees them", size=14)
    width = max(synthetic.width, real.width)
    return page(below([synthetic, rule(width), words, real], gap=MARGIN // 2))


def draw_exemplars(found: Sequence[Exemplar], folder: str | Path, *, title: str = "") -> list[Path]:
    """Write for every exemplar a loop of what the unit saw, and a sheet of all under `title`; return the paths."""
    folder = Path(folder)
    paths = []
    for place, one in enumerate(found, start=1):
        frames = seen_loop(one)
        paths.append(folder / f"real_{place:02d}.mp4")
        write_mp4(frames, paths[-1], rate=25.0)
    block = exemplar_block(found)
    words = [text_block(title, size=15, width=max(block.width, NARROWEST_NAME))] if title else []
    write_png(page(below([*words, block], gap=MARGIN // 2)), folder / "real_clips.png")
    return [*paths, folder / "real_clips.png"]
