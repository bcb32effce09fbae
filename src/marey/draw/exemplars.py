"""Real clips drawn: loops of what a unit saw with its flow, whole clips under heat, sheets beside a preferred input."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from marey.draw.cells import GAP, MARGIN, Cells, middle_frame, strongest
from marey.draw.flow_colors import nice_max_px
from marey.draw.paper_row import row_block
from marey.draw.picture_row import PictureRow, appearance_picture, cell_size, motion_picture, resized
from marey.draw.typeset import QUIET, Block, below, beside, margined, rule, text_block
from marey.errors import MareyError
from marey.recording.read.exemplars import Exemplar
from marey.video.encode import Picture, write_mp4, write_png
from marey.video.read.clips import LoadedClip

_HOT = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Dark to bright in steps that every eye tells apart: dark violet, red, orange, pale yellow."""

_LEAST_PICTURES = 24


def seen_loop(exemplar: Exemplar, *, max_px: float | None = None) -> Picture:
    """A loop (time height width 3) of what a unit saw: appearance and motion side by side, as far as it sees them."""
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


def heat_loop(loaded: LoadedClip, answers: Tensor, *, largest: float | None = None) -> Picture:
    """A whole clip (time height width 3) under a unit's answers (time height width), see `heat`.

    `largest` is what is drawn brightest, as the unit's real maximum; None: the largest of this clip. What is below 0 is
    not drawn. Frames are cropped as the network sees them, and gray.
    """
    if not loaded.pictures:
        raise MareyError(f"'{loaded.clip.path}' was loaded without frames; give a network with an RGB stream.")
    frames = next(iter(loaded.pictures.values()))  # time height width channel
    height, width = answers.shape[1:]
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    seen = frames[: len(answers), top : top + height, left : left + width].float().mean(-1)
    brightest = float(answers.max()) if largest is None else largest
    share = (answers / max(brightest, 1e-12)).clamp(0, 1)
    colors = torch.tensor(_HOT, dtype=torch.float32)
    place = share * (len(_HOT) - 1)
    below_it = place.floor().clamp(max=len(_HOT) - 2).long()
    part = (place - below_it)[..., None]
    hot = colors[below_it] * (1 - part) + colors[below_it + 1] * part
    weight = 0.75 * share[..., None]
    drawn = (1 - weight) * 0.8 * seen[..., None] + weight * hot
    size = cell_size(height, width, least=224)
    enlarged = resized(drawn.permute(0, 3, 1, 2), size)
    picture: Picture = enlarged.permute(0, 2, 3, 1).clamp(0, 255).round().to(torch.uint8).numpy()
    return picture


def exemplar_block(found: Sequence[Exemplar], *, max_px: float | None = None) -> Block:
    """A line of real clips: what the unit saw, appearance above motion, with the value, the class and the source."""
    if not found:
        return text_block("no clip was recorded", size=14, color=QUIET)
    flows = [flow.transpose(0, 1) for one in found if (flow := one.seen("flow")) is not None]
    scale = nice_max_px(*flows) if max_px is None and flows else (1.0 if max_px is None else max_px)
    first = next(iter(found[0].crop.values()))
    cells = Cells(cell_size(*first.shape[-2:], most=224), scale, "bicubic")
    columns = []
    for one in found:
        rgb, flow = one.seen("rgb"), one.seen("flow")
        blocks = [cells.appearance(middle_frame(rgb))] if rgb is not None else []
        blocks += [cells.motion(strongest(flow))] if flow is not None else []
        response = one.response
        label = response.clip.label or "no class"
        wrong = "" if response.prediction in (None, response.clip.label) else f", taken for {response.prediction}"
        lines = [f"{response.value:.3g}  {label}{wrong}", response.clip.path.name, f"at {response.seconds:.1f} s"]
        blocks += [text_block(line, size=12, color=QUIET, width=cells.width) for line in lines]
        columns.append(below(blocks, gap=4))
    return beside(columns, gap=GAP)


def sheet_with_exemplars(row: PictureRow, found: Sequence[Exemplar]) -> Picture:
    """The row of a preferred input, and below it the real clips that drive the unit most, in its color scale."""
    max_px = None if row.motion is None else nice_max_px(row.motion.movedim(1, 2))
    synthetic = row_block(row, max_px=max_px, contrast="as is", enlarge="bicubic", all_appearances=False)
    real = exemplar_block(found, max_px=max_px)
    words = text_block("real clips that drive it most, as far as it sees them", size=14)
    width = max(synthetic.width, real.width)
    return np.asarray(margined(below([synthetic, rule(width), words, real], gap=MARGIN // 2), MARGIN))


def draw_exemplars(found: Sequence[Exemplar], folder: str | Path) -> list[Path]:
    """Write a looping video of what the unit saw for every exemplar, and a sheet of all; their paths."""
    folder = Path(folder)
    paths = []
    for place, one in enumerate(found, start=1):
        frames = seen_loop(one)
        paths.append(folder / f"real_{place:02d}.mp4")
        write_mp4(frames, paths[-1], rate=25.0, repeat=max(1, round(100 / len(frames))))
    sheet = np.asarray(margined(exemplar_block(found), MARGIN))
    write_png(sheet, folder / "real_clips.png")
    return [*paths, folder / "real_clips.png"]
