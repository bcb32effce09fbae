"""`marey flow`: the optical flow of clips, to look at and in the files that other programs read."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from marey.cli.arguments import FlowOption, OutOption
from marey.cli.output import writable
from marey.errors import MareyError, did_you_mean

_FORMS = ("denseflow", "two-stream", "i3d", "video")


def flow(
    clips: Annotated[
        list[Path], typer.Argument(metavar="CLIP...", help="Videos, folders of frames, or folders of clips.", show_default=False)
    ],
    out: OutOption = Path("flow"),
    form: Annotated[
        str,
        typer.Option(
            "--form",
            help="video (colored, to look at), or gray images u, v as named by denseflow, two-stream or i3d.",
        ),
    ] = "video",
    method: FlowOption = "tvl1-fast",
    short_side: Annotated[
        int | None, typer.Option("--short-side", help="Resize frames to this short side first, as 256.", show_default=False)
    ] = None,
    bound: Annotated[float, typer.Option("--bound", help="Flow is clipped to so many px/frame.")] = 20.0,
) -> None:
    """Compute the optical flow of clips."""
    from marey.datasets.clips_in import clips_in
    from marey.video.flow import check_method

    if form not in _FORMS:
        raise MareyError(f"'{form}' is no form of flow files; expected {', '.join(_FORMS)}.{did_you_mean(form, _FORMS)}")
    check_method(method)
    writable(out)
    found = [clip.path for place in clips for clip in clips_in(place)]
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("clip", "fields", "mean px/frame", "99th percentile", "written to"):
        shown.add_column(heading, justify="left" if heading in ("clip", "written to") else "right")
    for path in found:
        fields = _fields(path, short_side, method, bound)
        speed = fields.square().sum(1).sqrt().flatten()
        place = _write(fields, path.stem, out, form, bound)
        high = speed.kthvalue(max(1, int(0.99 * len(speed)))).values
        shown.add_row(path.name, str(len(fields)), f"{float(speed.mean()):.2f}", f"{float(high):.2f}", str(place))
    Console(width=None if Console().is_terminal else 140).print(shown)


def _fields(path: Path, short_side: int | None, method: str, bound: float) -> Any:
    """Flow of a whole clip, (time, 2, height, width)."""
    from marey.errors import VideoError
    from marey.streams import Stream
    from marey.video.clips import Clip, load_clip
    from marey.video.decode import probe
    from marey.video.flow_cache import FlowCache

    info = probe(path)
    scale = 1.0 if short_side is None else short_side / min(info.height, info.width)
    height, width = round(info.height * scale), round(info.width * scale)
    whole = Stream("flow", "flow", (0,), height, width)
    loaded = load_clip(Clip(path), [whole], flow=method, cache=FlowCache())  # type: ignore[arg-type]  # checked before
    (fields,) = loaded.fields.values()
    if len(fields) == 0:
        raise VideoError(f"'{path}' has 1 frame; flow needs at least 2.")
    return fields.float().clamp(-bound, bound)


def _write(fields: Any, name: str, out: Path, form: str, bound: float) -> Path:
    from dataclasses import replace

    from marey.video.encode import write_mp4
    from marey.video.flow_colors import color_wheel, nice_max_px
    from marey.video.flow_files import DENSEFLOW, I3D, TWO_STREAM, write_flow

    if form == "video":
        place = out / f"{name}.mp4"
        write_mp4(color_wheel(fields, max_px=nice_max_px(fields)), place)
        return place
    files = {"denseflow": DENSEFLOW, "two-stream": TWO_STREAM, "i3d": I3D}[form]
    write_flow(out, name, fields, files=replace(files, bound=bound))
    return out / name if form == "denseflow" else out
