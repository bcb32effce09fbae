"""`marey flow`: the optical flow of clips, to look at and in the files that other programs read."""

import hashlib
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from marey.cli.arguments import FlowOption, FlowWord, OutOption
from marey.cli.output import writable
from marey.cli.progress import progress
from marey.cli.screen import say, screen
from marey.cli.tables import remarks, table
from marey.errors import MareyError
from marey.files import DRAFT_SUFFIX, drafting

if TYPE_CHECKING:
    from marey.video.flow.files import FlowFiles
    from marey.video.read.clips import Clip, LoadedClip

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
    (--out DATA). A line that was interrupted goes on where it was.
    """
    from marey.datasets.skipped_clip import SkippedClip
    from marey.errors import VideoError

    if short_side is not None and short_side < 16:
        raise MareyError(f"--short-side is {short_side}; expected at least 16 pixels.")
    if not bound > 0:
        raise MareyError(f"--bound is {bound:g}; expected px/frame above 0.")
    writable(out)
    found = _found(clips)
    shown = table("written to", right=("fields", "mean px/frame", "99th percentile"))
    skipped: list[SkippedClip] = []
    damaged: list[tuple[str, str]] = []
    finished = _Finished(out, form, bound, found, [method, short_side])
    with progress() as report:
        for done, (clip, name) in enumerate(zip(found, _names(found), strict=True)):
            report.at("optical flow of clips", done, len(found))
            try:
                row = finished.row(clip, name)
                if row is None:
                    loaded = _loaded(clip, short_side, method)
                    row = [*_written(loaded, name, out, form, bound), loaded.damage or ""]
                    finished.add(clip, name, row)
            except VideoError as error:
                if len(found) == 1:
                    raise
                skipped.append(SkippedClip.of(clip, error))
                continue
            shown.add_row(*row[:-1])
            if row[-1]:
                damaged.append((str(clip.path), row[-1]))
    finished.remove()
    if len(skipped) == len(found):
        raise VideoError(f"none of the {len(found)} clips can be read; the first error: {skipped[0].reason}")
    screen().print(shown)
    for line in remarks(skipped, damaged, ()):
        say(line)
    if skipped:
        say(f"{len(skipped)} of {len(found)} clips are skipped")


def _found(places: list[Path]) -> "list[Clip]":
    """List the clips at all places, each once."""
    from marey.datasets.clip_set import check_on_disk
    from marey.datasets.clips_in import clips_in

    found = list(dict.fromkeys(clip for place in places for clip in clips_in(place)))
    check_on_disk(found)
    return found


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


def _loaded(clip: "Clip", short_side: int | None, method: FlowWord) -> "LoadedClip":
    """Load the flow of a whole clip."""
    from marey.network.stream import Stream
    from marey.video.flow.cache import FlowCache
    from marey.video.read.clips import load_clip
    from marey.video.read.decode import probe

    info = probe(clip.path)
    scale = 1.0 if short_side is None else short_side / min(info.height, info.width)
    height, width = round(info.height * scale), round(info.width * scale)
    whole = Stream("flow", "flow", (0,), height, width)
    return load_clip(clip, [whole], flow=method, cache=FlowCache(), stored=False)


def _written(loaded: "LoadedClip", name: str, out: Path, form: Form, bound: float) -> list[str]:
    """Write the flow of a clip; where it is, how many fields, their mean speed and its 99th percentile, in words."""
    from marey.draw.color_wheel import color_wheel, nice_max_px
    from marey.video.encode import write_mp4
    from marey.video.flow.files import write_flow

    (fields,) = (fields.float().clamp(-bound, bound) for fields in loaded.fields.values())
    if form == "video":
        place = out / f"{name}.mp4"
        target = place.resolve()
        with drafting(target) as drafts:
            write_mp4(color_wheel(fields, max_px=nice_max_px(fields)), drafts / place.name)
            (drafts / place.name).replace(target)
    else:
        write_flow(out, name, fields, files=_files(form, bound))
        place = out / name if form == "denseflow" else out
    speed = fields.square().sum(1).sqrt().flatten()
    high = speed.kthvalue(max(1, int(0.99 * len(speed)))).values
    return [str(place), str(len(fields)), f"{float(speed.mean()):.2f}", f"{float(high):.2f}"]


def _files(form: Form, bound: float) -> "FlowFiles":
    from dataclasses import replace

    from marey.video.flow.files import DENSEFLOW, I3D, TWO_STREAM

    return replace({"denseflow": DENSEFLOW, "two-stream": TWO_STREAM, "i3d": I3D}[form], bound=bound)


class _Finished:
    """What a killed run of the same line has finished: the row of each clip, in a file that is gone at the end."""

    def __init__(self, out: Path, form: Form, bound: float, clips: "list[Clip]", settings: list[object]) -> None:
        said = json.dumps([form, bound, *settings, *(str(clip.path) for clip in clips)])
        self._path = out / f".flow-{hashlib.sha256(said.encode()).hexdigest()[:16]}{DRAFT_SUFFIX}"
        self._out, self._form, self._bound = out, form, bound
        self._rows: dict[str, list[str]] = {}
        lines = self._path.read_bytes().splitlines() if self._path.is_file() else []
        for line in lines:
            with suppress(ValueError):  # the last one may be cut off
                self._rows.update(json.loads(line))

    def row(self, clip: "Clip", name: str) -> list[str] | None:
        """The row of a clip that is as it was, and whose flow is there; None where it is to be made."""
        from marey.video.flow.files import flow_frames

        row = self._rows.get(self._key(clip, name))
        if row is None:
            return None
        if self._form == "video":
            return row if Path(row[0]).is_file() else None
        there = flow_frames(self._out, name, files=_files(self._form, self._bound))
        return row if there == int(row[1]) else None

    def add(self, clip: "Clip", name: str, row: list[str]) -> None:
        """Keep the row of a clip whose flow is written."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({self._key(clip, name): row}))

    def remove(self) -> None:
        """Forget the rows, at the end of the line."""
        self._path.unlink(missing_ok=True)

    @staticmethod
    def _key(clip: "Clip", name: str) -> str:
        from marey.video.read.image_folders import frame_images

        files = sorted(frame_images(clip.path)) if clip.path.is_dir() else [clip.path]
        state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return hashlib.sha256(json.dumps([name, state]).encode()).hexdigest()
