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
from marey.network.network import Network
from marey.network.stream import Kind, Stream
from marey.network.unit import Unit
from marey.recording import Exemplar, Recording, Response, check_same_weights
from marey.recording.read.exemplars import Box, seen_boxes
from marey.recording.read.heat import heats
from marey.video.flow.cache import FlowCache
from marey.video.read.clips import LoadedClip, load_clip
from marey.video.read.windows import placed, resized_size

_FAST = 4.0
"""Colors of real motion are full at about so many times the median speed of the clips."""
_WINDOWS_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class ShownClip:
    """A recorded clip with the films of all of it, {"rgb", "flow": film}, which all pages share.

    name
        of its file, below the folder that all clips have in common.
    """

    number: int
    name: str
    label: str | None
    prediction: str | None
    films: Mapping[str, Film]

    @property
    def wrong(self) -> bool:
        """Whether the network takes it for another class."""
        return self.prediction is not None and self.prediction != self.label


@dataclass(frozen=True, eq=False)
class Driving:
    """A clip that drives a unit, and the films of what the unit saw: {"rgb", "flow" or "frame": film}.

    ordinary, largest
        the unit's range: a response from which scores count, and its largest one to a recorded clip.
    heat
        laid over the film of the whole clip it says where the unit responds; None where that is not known.
    """

    response: Response
    clip: ShownClip
    films: Mapping[str, Film]
    boxes: Mapping[str, Box] = field(repr=False)
    ordinary: float
    largest: float
    heat: Film | None

    @property
    def all_films(self) -> tuple[Film, ...]:
        """Those that are of this unit alone."""
        return (*self.films.values(), *(() if self.heat is None else (self.heat,)))


class RealClips:
    """The clips of a recording, and what units saw of them."""

    def __init__(self, recording: Recording, count: int, *, network: Network | None = None) -> None:
        """`network`, the recorded one, tells where in a whole clip units respond."""
        if network is not None:
            check_same_weights(recording, network)
        self.recording, self.count, self.network = recording, count, network
        speeds = recording.speeds().values()
        fast = _FAST * max(speeds, default=1.0)
        self.max_px = nice_max_px(torch.tensor([fast, 0.0]).view(2, 1, 1))
        """The speed in px/frame at which colors of all real motion are full, so that clips can be compared."""
        self.failed: dict[int, str] = {}
        """{number of a clip that could not be read: the reason}."""
        rows = recording.recorded_clips
        self.numbers: list[int] = rows["clip"].to_pylist()
        """Of the recorded clips, in the order of every unit's responses."""
        self._predictions = dict(zip(self.numbers, rows["prediction"].to_pylist(), strict=True))
        self._frames: list[int | None] = recording.clips["frames"].to_pylist()
        self._bytes = recording.clips["bytes"].to_pylist()
        self._shown: dict[int, ShownClip] = {}
        paths = rows["path"].to_pylist()
        self._by_path = dict(zip(reversed(paths), reversed(self.numbers), strict=True))
        self._common = Path(commonpath([str(Path(path).parent) for path in paths])) if paths else Path()

    def named(self, path: str | Path) -> str:
        """A clip's path below the folder that all clips have in common."""
        return str(path).removeprefix(f"{self._common}/")

    def at(self, path: str) -> int | None:
        """The number of the first recorded clip with this path; None where there is none."""
        return self._by_path.get(path)

    def shown(self, number: int) -> ShownClip:
        """A recorded clip as all pages show it."""
        if number not in self._shown:
            clip, frames = self.recording.clip(number), self._frames[number] or 1
            name = self.named(clip.path)
            films: dict[str, Film] = {}
            for stream in self.recording.streams:
                time = frames if stream.kind == "rgb" else frames - 1
                if stream.kind not in films and time > 0:
                    what = "frames" if stream.kind == "rgb" else "motion"
                    made_from = [*self._source(number), stream.name, stream.short_side, stream.fit, self.max_px]
                    size = (time, stream.height, stream.width)
                    films[stream.kind] = Film.of(f"{what} of all of {name}", size, made_from)
            self._shown[number] = ShownClip(number, name, clip.label, self._predictions[number], films)
        return self._shown[number]

    def _source(self, number: int) -> list[Any]:
        clip = self.recording.clip(number)
        flow = self.recording.summary["settings"].get("flow")
        return [str(clip.path), self._bytes[number], clip.start_seconds, clip.stop_seconds, flow]

    def driving(self, layer: str, channel: int, ordinary: float, largest: float) -> list[Driving]:
        """The clips to which a unit responds most and more than to an `ordinary` one, strongest first."""
        return [
            self._driving(response, ordinary, largest)
            for response in self.recording.top(Unit(layer, channel), self.count)
            if response.value > ordinary
        ]

    def _driving(self, response: Response, ordinary: float, largest: float) -> Driving:
        boxes = seen_boxes(self.recording, response)
        clip = self.shown(response.number)
        films: dict[str, Film] = {}
        for stream in self.recording.streams:
            if stream.name in boxes and stream.kind not in films:
                size = tuple(part.stop - part.start for part in boxes[stream.name])
                films[stream.kind] = self._film(response, stream.kind, (size[0], size[1], size[2]), boxes)
        heat = self._heat(response.unit, clip, ordinary, largest)
        if heat is None and sees_part(self.recording.streams, boxes):
            stream = next(stream for stream in self.recording.streams if stream.kind == "rgb")
            films["frame"] = self._film(response, "frame", (1, stream.height, stream.width), boxes)
        return Driving(response, clip, films, boxes, ordinary, largest, heat)

    def _film(self, response: Response, kind: str, size: tuple[int, int, int], boxes: Mapping[str, Box]) -> Film:
        seen = {name: [[part.start, part.stop] for part in box] for name, box in boxes.items()}
        made_from = [*self._source(response.number), response.start_frame, kind, self.max_px, seen]
        what = {"rgb": "frames", "flow": "motion", "frame": "the whole frame"}[kind]
        return Film.of(f"{what} of {self.named(response.clip.path)}", size, made_from)

    def _heat(self, unit: Unit, clip: ShownClip, ordinary: float, largest: float) -> Film | None:
        """Of a unit whose places are known, and are several; heat of others would color whole frames alike."""
        layer = self.recording.layer(unit.layer)
        if self.network is None or "rgb" not in clip.films or layer.patch is None or layer.positions[1:] == (1, 1):
            return None
        frames = self._frames[clip.number] or 1
        first = next(stream for stream in self.recording.streams if stream.name in layer.patch.streams)
        weights = self.recording.summary["network"]["weights"]
        made_from = [*self._source(clip.number), weights, str(unit), ordinary, largest]
        return Film.of("", (frames, first.height, first.width), made_from)

    def write(self, number: int, driven: Iterable[Driving], folder: Path) -> None:
        """Make the films of one clip that an atlas does not have; a clip that cannot be read is in `failed` then."""
        wanted = [one for one in driven if not all(film.there(folder) for film in one.all_films)]
        whole = {kind: film for kind, film in self.shown(number).films.items() if not film.there(folder)}
        if not wanted and not whole:
            return
        flow = self.recording.summary["settings"]["flow"]
        try:
            loaded = load_clip(self.recording.clip(number), self.recording.streams, flow=flow, cache=FlowCache())
        except MareyError as error:
            self.failed[number] = str(error)
            return
        for kind, film in whole.items():
            stream = next(stream for stream in self.recording.streams if stream.kind == kind)
            film.write(folder, _whole(loaded, stream), max_px=self.max_px)
        windows: dict[int, dict[str, torch.Tensor]] = {}
        for one in wanted:
            start = one.response.start_frame
            if start not in windows:
                windows[start] = loaded.window(self.recording.streams, start)
            exemplar = Exemplar(one.response, self.recording.streams, windows[start], dict(one.boxes), loaded.rate)
            self._write_crops(one, exemplar, folder)
        self._write_heats([one for one in wanted if one.heat is not None], loaded, folder)

    def _write_crops(self, one: Driving, exemplar: Exemplar, folder: Path) -> None:
        for kind, film in one.films.items():
            if not film.there(folder):
                frame = framing(exemplar) if kind == "frame" else None
                shown = exemplar.seen(kind) if frame is None else frame.unsqueeze(1)
                assert shown is not None  # a film of each kind that there is
                film.write(folder, shown, max_px=self.max_px)

    def _write_heats(self, hot: Sequence[Driving], loaded: LoadedClip, folder: Path) -> None:
        """Draw responses from an ordinary to the unit's largest one, 0 to 1."""
        missing = {one.response.unit: one for one in hot if one.heat is not None and not one.heat.there(folder)}
        if self.network is None or not missing:
            return
        for unit, responses in heats(self.network, list(missing), loaded, batch=_WINDOWS_AT_ONCE):
            one = missing[unit]
            share = ((responses - one.ordinary) / max(one.largest - one.ordinary, 1e-12)).clamp(0, 1)
            assert one.heat is not None  # as `missing` has them
            one.heat.write_heat(folder, share)


def _whole(loaded: LoadedClip, stream: Stream) -> torch.Tensor:
    """All of a clip as a stream shows it in windows (channel time height width): RGB in 0..1, flow in px/frame."""
    kind: Kind = stream.kind
    held = (loaded.pictures if kind == "rgb" else loaded.fields)[resized_size(loaded.source_size, stream)]
    upright = held.permute(3, 0, 1, 2) if kind == "rgb" else held.transpose(0, 1)
    cut = placed(upright, stream.height, stream.width).float()
    return cut / 255 if kind == "rgb" else cut


def by_clip(driven: Sequence[Driving], folder: Path) -> dict[int, list[Driving]]:
    """{number of a clip: those of its crops of which the atlas lacks a film}."""
    found: dict[int, list[Driving]] = {}
    for one in driven:
        if not all(film.there(folder) for film in one.all_films):
            found.setdefault(one.response.number, []).append(one)
    return found
