"""Real clips that drive units, as pages show them; every clip is read once, however many units it drives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonpath
from pathlib import Path
from typing import Any

import torch

from marey.atlas.films import Film
from marey.draw.color_wheel import nice_max_px
from marey.draw.framing import framing, sees_part
from marey.errors import MareyError
from marey.recording import Exemplar, Recording, Response
from marey.recording.read.exemplars import Box, seen_boxes
from marey.video.flow.cache import FlowCache
from marey.video.read.clips import load_clip

_FAST = 4.0
"""Colors of real motion are full at about so many times the median speed of the clips."""


@dataclass(frozen=True, eq=False)
class Driving:
    """A clip that drives a unit, and the films of what the unit saw: {"rgb", "flow" or "frame": film}.

    name
        of its file, below the folder that all clips have in common.
    """

    response: Response
    name: str
    films: Mapping[str, Film]
    boxes: Mapping[str, Box] = field(repr=False)


class RealClips:
    """The clips of a recording, and what units saw of them."""

    def __init__(self, recording: Recording, count: int) -> None:
        self.recording, self.count = recording, count
        speeds = recording.speeds().values()
        fast = _FAST * max(speeds, default=1.0)
        self.max_px = nice_max_px(torch.tensor([fast, 0.0]).view(2, 1, 1))
        """The speed in px/frame at which colors of all real motion are full, so that clips can be compared."""
        self.failed: dict[int, str] = {}
        """{number of a clip that could not be read: the reason}."""
        paths = recording.recorded_clips["path"].to_pylist()
        self._common = Path(commonpath([str(Path(path).parent) for path in paths])) if paths else Path()
        self._bytes = recording.clips["bytes"].to_pylist()

    def named(self, path: str | Path) -> str:
        """A clip's path below the folder that all clips have in common."""
        return str(path).removeprefix(f"{self._common}/")

    def driving(self, layer: str, channel: int, ordinary: float) -> list[Driving]:
        """The clips to which a unit responds most and more than to an `ordinary` one, strongest first."""
        return [
            self._driving(response)
            for response in self.recording.top(f"{layer}:{channel}", self.count)
            if response.value > ordinary
        ]

    def _driving(self, response: Response) -> Driving:
        boxes = seen_boxes(self.recording, response)
        films: dict[str, Film] = {}
        for stream in self.recording.streams:
            if stream.name in boxes and stream.kind not in films:
                size = tuple(part.stop - part.start for part in boxes[stream.name])
                films[stream.kind] = self._film(response, stream.kind, (size[0], size[1], size[2]), boxes)
        if sees_part(self.recording.streams, boxes):
            stream = next(stream for stream in self.recording.streams if stream.kind == "rgb")
            films["frame"] = self._film(response, "frame", (1, stream.height, stream.width), boxes)
        return Driving(response, self.named(response.clip.path), films, boxes)

    def _film(self, response: Response, kind: str, size: tuple[int, int, int], boxes: Mapping[str, Box]) -> Film:
        clip = response.clip
        made_from: list[Any] = [
            [str(clip.path), self._bytes[response.number], clip.start_seconds, clip.stop_seconds],
            [self.recording.summary["settings"].get("flow"), response.start_frame, kind, self.max_px],
            {name: [[part.start, part.stop] for part in box] for name, box in boxes.items()},
        ]
        what = {"rgb": "frames", "flow": "motion", "frame": "the whole frame"}[kind]
        return Film.of(f"{what} of {self.named(clip.path)}", size, made_from)

    def write(self, number: int, driven: Iterable[Driving], folder: Path) -> None:
        """Make the films of one clip that an atlas does not have; a clip that cannot be read is in `failed` then."""
        cache = FlowCache()
        loaded = None
        windows: dict[int, dict[str, torch.Tensor]] = {}
        for one in driven:
            missing = {kind: film for kind, film in one.films.items() if not film.there(folder)}
            if not missing:
                continue
            if loaded is None:
                flow = self.recording.summary["settings"]["flow"]
                try:
                    loaded = load_clip(self.recording.clip(number), self.recording.streams, flow=flow, cache=cache)
                except MareyError as error:
                    self.failed[number] = str(error)
                    return
            start = one.response.start_frame
            if start not in windows:
                windows[start] = loaded.window(self.recording.streams, start)
            exemplar = Exemplar(one.response, self.recording.streams, windows[start], dict(one.boxes), loaded.rate)
            for kind, film in missing.items():
                frame = framing(exemplar) if kind == "frame" else None
                shown = exemplar.seen(kind) if frame is None else frame.unsqueeze(1)
                assert shown is not None  # a film of each kind that there is
                film.write(folder, shown, max_px=self.max_px)


def by_clip(driven: Sequence[Driving], folder: Path) -> dict[int, list[Driving]]:
    """{number of a clip: those of its crops of which the atlas lacks a film}."""
    found: dict[int, list[Driving]] = {}
    for one in driven:
        if not all(film.there(folder) for film in one.films.values()):
            found.setdefault(one.response.number, []).append(one)
    return found
