"""`marey flow`: the optical flow of clips, to look at and in the files that other programs read."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from torch import Tensor

from marey.cli.arguments import FlowOption, FlowWord, OutOption
from marey.cli.output import writable
from marey.cli.progress import progress
from marey.cli.tables import screen, table
from marey.errors import MareyError

if TYPE_CHECKING:
    from marey.video.read.clips import Clip

Form = Literal["video", "denseflow", "two-stream", "i3d"]


def flow(
    clips: Annotated[
        list[Path],
        typer.Argument(metavar="CLIP...", help="Videos, folders of frames, or folders of clips.", show_default=False),
    ],
    *,
    out: OutOption = Path("flow"),
    form: Annotated[
        Form,
        typer.Option("--form", help="A colored video to look at, or gray images u, v as other programs name them."),
    ] = "video",
    method: FlowOption = "tvl1-fast",
    short_side: Annotated[
        int | None,
        typer.Option("--short-side", help="Resize frames to this short side first, as 256.", show_default=False),
    ] = None,
    bound: Annotated[float, typer.Option("--bound", help="Flow is clipped to so many px/frame.")] = 20.0,
) -> None:
    """Compute the optical flow of clips.

    All commands read images of the form denseflow instead of computing flow, once these lie in the folder of the clips
    (--out DATA).
    """
    from marey.datasets.clip_set import check_on_disk
    from marey.datasets.clips_in import clips_in
    from marey.datasets.skipped_clip import SkippedClip
    from marey.errors import VideoError

    if short_side is not None and short_side < 16:
        raise MareyError(f"--short-side is {short_side}; expected at least 16 pixels.")
    if not bound > 0:
        raise MareyError(f"--bound is {bound:g}; expected px/frame above 0.")
    writable(out)
    found = list(dict.fromkeys(clip for place in clips for clip in clips_in(place)))
    check_on_disk(found)
    shown = table("written to", right=("fields", "mean px/frame", "99th percentile"))
    skipped: list[SkippedClip] = []
    with progress() as report:
        for done, (clip, name) in enumerate(zip(found, _names(found), strict=True)):
            report.at("optical flow of clips", done, len(found))
            try:
                fields = _fields(clip, short_side, method, bound)
            except VideoError as error:
                if len(found) == 1:
                    raise
                skipped.append(SkippedClip.of(clip, error))
                continue
            speed = fields.square().sum(1).sqrt().flatten()
            place = _write(fields, name, out, form, bound)
            high = speed.kthvalue(max(1, int(0.99 * len(speed)))).values
            shown.add_row(escape(str(place)), str(len(fields)), f"{float(speed.mean()):.2f}", f"{float(high):.2f}")
    if len(skipped) == len(found):
        raise VideoError(f"none of the {len(found)} clips can be read; the first error: {skipped[0].reason}")
    screen().print(shown)
    for one in skipped:
        print(one)
    if skipped:
        print(f"{len(skipped)} of {len(found)} clips are skipped")


def _names(clips: "list[Clip]") -> list[str]:
    """Name every clip, by class where it has one; equal names are numbered."""
    names: list[str] = []
    seen: Counter[str] = Counter()
    for clip in clips:
        stem = clip.path.name if clip.path.is_dir() else clip.path.stem
        name = stem if clip.label is None else f"{clip.label}/{stem}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return names


def _fields(clip: "Clip", short_side: int | None, method: FlowWord, bound: float) -> Tensor:
    """Load the flow of a whole clip: (time, 2, height, width) in px/frame."""
    from marey.network.stream import Stream
    from marey.video.flow.cache import FlowCache
    from marey.video.read.clips import load_clip
    from marey.video.read.decode import probe

    info = probe(clip.path)
    scale = 1.0 if short_side is None else short_side / min(info.height, info.width)
    height, width = round(info.height * scale), round(info.width * scale)
    whole = Stream("flow", "flow", (0,), height, width)
    loaded = load_clip(clip, [whole], flow=method, cache=FlowCache(), stored=False)
    (fields,) = loaded.fields.values()
    return fields.float().clamp(-bound, bound)


def _write(fields: Tensor, name: str, out: Path, form: Form, bound: float) -> Path:
    from dataclasses import replace

    from marey.draw.color_wheel import color_wheel, nice_max_px
    from marey.video.encode import write_mp4
    from marey.video.flow.files import DENSEFLOW, I3D, TWO_STREAM, write_flow

    if form == "video":
        place = out / f"{name}.mp4"
        write_mp4(color_wheel(fields, max_px=nice_max_px(fields)), place)
        return place
    files = {"denseflow": DENSEFLOW, "two-stream": TWO_STREAM, "i3d": I3D}[form]
    write_flow(out, name, fields, files=replace(files, bound=bound))
    return out / name if form == "denseflow" else out
