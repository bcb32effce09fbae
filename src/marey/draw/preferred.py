"""The pictures of preferred inputs: contact sheet, looping video and overview, drawn from results alone."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from marey.draw.contact_sheet import overview
from marey.draw.paper_row import paper_row
from marey.draw.picture_row import PictureRow
from marey.draw.preferred_video import preferred_video
from marey.maximization.diagnostics import SEES_NO_MOTION
from marey.maximization.result import PreferredInput
from marey.video.encode import write_mp4, write_png, write_webp

SHEET, VIDEO, LOOP = "contact_sheet.png", "preferred.mp4", "preferred.webp"
STRIP = 12
"""Flow fields shown of a long stream: the middle stack and its neighbors."""


def picture_row(result: PreferredInput, *, fields: int | None = None, alone: bool = True) -> PictureRow:
    """What is drawn of a result; with `fields`, at most so many flow fields from the middle of the clip.

    Unless `alone`, the network and what scores are relative to are not said, which stand once for all rows of a page.
    What is the same at every slowness is drawn once.
    """
    rgb, flow = result.stream("rgb"), result.stream("flow")
    motion = None if flow is None else result.frames[flow.name]
    count = 1 if result.still else len(result.slowness)
    return PictureRow(
        title=result.label,
        subtitle=", ".join(_where(result) + ([_scores(result)] if alone else [])),
        appearance=None if rgb is None else result.frames[rgb.name][:count],
        motion=motion if motion is None or fields is None else _middle(motion, fields),
        chis=result.slowness[:count],
        captions=tuple(_caption(result, place) for place in range(count)),
    )


def draw(result: PreferredInput, folder: str | Path) -> list[Path]:
    """Write the contact sheet, the MP4 and the WebP of a result to `folder`; their paths."""
    folder = Path(folder)
    row = picture_row(result, fields=STRIP)
    write_png(paper_row(row), folder / SHEET)
    frames = preferred_video(picture_row(result))
    rate = 25.0
    write_mp4(frames, folder / VIDEO, rate=rate, repeat=max(1, round(4 * rate / len(frames))))
    write_webp(frames, folder / LOOP, rate=rate, quality=75)
    return [folder / SHEET, folder / VIDEO, folder / LOOP]


def draw_overview(results: Sequence[PreferredInput], path: str | Path, *, title: str = "") -> Path:
    """Write one page with all results that have the sweep of the first; its path."""
    shown = [one for one in results if one.slowness == results[0].slowness]
    said = {_scores(one) for one in shown}
    rows = [picture_row(one, fields=STRIP, alone=len(said) > 1) for one in shown]
    note = f"{said.pop()}." if len(said) == 1 else ""
    write_png(overview(rows, title=title, note=note), path)
    return Path(path)


def _middle(motion: Tensor, fields: int) -> Tensor:
    start = max(0, (motion.shape[2] - fields) // 2)
    return motion[:, :, start : start + fields]


def _where(result: PreferredInput) -> list[str]:
    """The unit of a result that is called otherwise; its position only where there are others. Of a mosaic the grid."""
    if "mosaic" in result.provenance:
        grid = result.provenance["mosaic"]
        return [f"{len(grid['units'])} units, row by row, {grid['columns']} in a row"]
    plain = result.target.replace("@0,0,0", "")
    return [] if result.label in (plain, result.target) or plain.startswith(f"{result.label}@") else [plain]


def _scores(result: PreferredInput) -> str:
    """What scores are, in words."""
    return f"{result.provenance.get('network', '')}: 0 is an ordinary response, 1 the largest on {result.source}"


def _caption(result: PreferredInput, place: int) -> str:
    lines = [f"score {result.scores[place]:.2f}"]
    recognized = result.recognized[place]
    if recognized is not None:
        lines.append(f"recognized as {recognized}")
    lines += [note.split(":")[0] for note in result.notes[place] if note != SEES_NO_MOTION]
    return "\n".join(lines)
