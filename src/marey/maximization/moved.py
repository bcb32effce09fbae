"""Clips held as a picture that moves: what changes over time is motion, and the slowness weighs its change."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

from marey.errors import MareyError
from marey.maximization.bound import projected
from marey.maximization.parametrizations import Fourier, Parametrization, Rendered, Shape, quick_size
from marey.network.stream import Kind, Stream

VELOCITY = "velocity"
"""The held stream of motion, px per video frame."""


_SMALL = 48
"""Pixels down or across up to which velocities lie close: small frames are shown for a short way."""

_STARTS = (0.2, 0.4)
"""Speeds of the starts, relative to the bound."""


@dataclass(frozen=True)
class Moved(Parametrization):
    """A picture, larger than the frames, moved by velocities: frame t shows it displaced by their sum up to t.

    The picture is seamless, so that what leaves at one side comes in at the other. Streams of several rates show the
    same clip at their own times, their middles in one place.

    picture, motion
        how both are held.
    pitch
        pixels from one velocity to the next, down and across; between them they are interpolated. None: 4 up to
        48 px, else a quarter of the shorter side, with the room for shifts: finer ones fold the picture.
    """

    picture: Fourier = field(default_factory=Fourier)
    motion: Fourier = field(default_factory=Fourier)
    pitch: int | None = None

    @property
    def compared(self) -> Parametrization:
        return Fourier()

    def held(self, streams: Sequence[Stream]) -> tuple[Stream, ...]:
        """The picture, under the name of the first stream, and `VELOCITY`; a unit of one frame has no motion."""
        return _held(tuple(streams))

    def free_shape(self, kind: Kind, shape: Shape) -> tuple[int, ...]:
        return self._how(kind).free_shape(kind, self._coarse(kind, shape))

    def frames(self, free: Tensor, kind: Kind, shape: Shape) -> Tensor:
        coarse = self._coarse(kind, shape)
        found = self._how(kind).frames(free, kind, coarse)
        if coarse == shape:
            return found
        fine = interpolate(found.flatten(1, 2), size=shape[2:], mode="bilinear", align_corners=True)
        return fine.view(len(free), *shape)

    def starts(self, free: Mapping[str, Tensor], streams: Sequence[Stream]) -> Iterator[dict[str, Tensor]]:
        """The picture moved as a whole, in 8 directions at `_STARTS`: a unit may be flat around no motion."""
        velocity = next((stream for stream in streams if stream.name == VELOCITY), None)
        if velocity is None:
            return
        mean = torch.zeros_like(free[VELOCITY][:1])
        mean[:, :, 0, 0, 0, 0] = 1.0
        one = self.frames(mean, "flow", velocity.shape).mean()
        for speed in _STARTS:
            for eighth in range(8):
                angle = eighth * math.pi / 4
                start = free[VELOCITY].clone()
                for axis, along in enumerate((math.cos(angle), math.sin(angle))):
                    start[:, axis, 0, 0, 0, 0] = speed * along / one
                yield {**free, VELOCITY: start}

    def rendered(self, held: Mapping[str, Tensor], streams: Sequence[Stream], bounds: Mapping[str, float]) -> Rendered:
        if VELOCITY not in held:
            return Rendered(dict(held))
        times = _times(streams)
        picture, velocity = self.held(streams)
        parts = {one.name: projected(held[one.name], one, bounds[one.name]) for one in (picture, velocity)}
        clip = moved(parts[picture.name][:, :, 0], parts[VELOCITY], times)
        frames = {}
        for stream in streams:
            seen = clip if stream.times == times else clip.index_select(2, _among(stream.times, times, clip.device))
            down, right = (clip.shape[3] - stream.height) // 2, (clip.shape[4] - stream.width) // 2
            seen = seen[..., down : down + stream.height, right : right + stream.width]
            frames[stream.name] = seen / bounds[stream.name]
        return Rendered(frames, parts)

    def _how(self, kind: Kind) -> Fourier:
        return self.picture if kind == "rgb" else self.motion

    def _coarse(self, kind: Kind, shape: Shape) -> Shape:
        if kind == "rgb":
            return shape
        channels, frames, *sides = shape
        usual = 4 if min(sides) <= _SMALL else min(sides) // 4
        pitch = usual if self.pitch is None else self.pitch
        height, width = (min(side, math.ceil(side / pitch) + 1) for side in sides)
        return (channels, frames, height, width)


def moved(picture: Tensor, velocity: Tensor, times: tuple[int, ...]) -> Tensor:
    """Frames (clip channel time height width) of a seamless picture (clip channel height width) at `times`.

    `velocity` (clip 2 time-1 height width), u and v in px per video frame, holds from each time to the next. In the
    middle of the times, the middle of the picture is shown as it is.
    """
    clips, channels = picture.shape[:2]
    fields, height, width = velocity.shape[2:]
    places, gaps, size = _geometry((height, width), (picture.shape[2], picture.shape[3]), times, picture.device)
    way = (velocity * gaps).cumsum(2)
    half = (fields - 1) // 2
    way = torch.cat([torch.zeros_like(way[:, :, :1]), way], dim=2) - way[:, :, half : half + 1]
    grid = torch.remainder(places - way, size) * (2 / size) - 1
    flat = grid.permute(0, 2, 3, 4, 1).reshape(clips, (fields + 1) * height, width, 2)
    around = pad(picture, (0, 1, 0, 1), mode="circular")  # so that its last pixel has the first one for a neighbor
    shown = grid_sample(around, flat, mode="bilinear", padding_mode="border", align_corners=True)
    return shown.view(clips, channels, fields + 1, height, width)


@lru_cache(maxsize=16)
def _held(streams: tuple[Stream, ...]) -> tuple[Stream, ...]:
    flow = next((stream.name for stream in streams if stream.kind == "flow"), None)
    if flow is not None:
        raise MareyError(
            f"parametrization 'moved' is for units that see RGB alone, this one sees the flow of stream '{flow}'; "
            "use 'fourier'."
        )
    times = _times(streams)
    if len(times) == 1:
        return streams
    height, width = max(stream.height for stream in streams), max(stream.width for stream in streams)
    frame = replace(streams[0], height=height, width=width, layout="n c t h w", windows=None, mean=None, std=None)
    picture = replace(frame, times=times[:1], height=_side(height, times), width=_side(width, times))
    return (picture, replace(frame, name=VELOCITY, kind="flow", times=times[:-1]))


def _times(streams: Sequence[Stream]) -> tuple[int, ...]:
    """Every time that any of the streams shows."""
    return tuple(sorted({time for stream in streams for time in stream.times}))


def _side(side: int, times: Sequence[int]) -> int:
    """How high or wide the picture is: by a way of 2.5 px/frame more than the frame, at most twice as much."""
    return quick_size(side + min(side, math.ceil(2.5 * (times[-1] - times[0]))))


@lru_cache(maxsize=16)
def _geometry(
    frame: tuple[int, int], picture: tuple[int, int], times: tuple[int, ...], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Where the pixels of the frame lie in the picture, x before y, frames from one time to the next, and its size."""
    y, x = (torch.arange(inner) + (outer - inner) // 2 for inner, outer in zip(frame, picture, strict=True))
    places = torch.stack([x[None].expand(frame), y[:, None].expand(frame)]).float()
    gaps = torch.tensor([float(after - before) for before, after in pairwise(times)])
    size = torch.tensor([float(picture[1]), float(picture[0])])
    # once, as every copy makes an accelerator wait
    return places.view(1, 2, 1, *frame).to(device), gaps.view(-1, 1, 1).to(device), size.view(1, 2, 1, 1, 1).to(device)


@lru_cache(maxsize=16)
def _among(times: tuple[int, ...], of: tuple[int, ...], device: torch.device) -> Tensor:
    """The places of some times among all."""
    return torch.tensor([of.index(time) for time in times], device=device)
