"""Random changes of training windows that leave their class alone, so that few clips teach what many would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from marey.errors import MareyError
from marey.network.stream import Stream
from marey.video.read.clips import LoadedClip, resized_size, span_frames


@dataclass(frozen=True)
class Augmentation:
    """How training windows are varied; 0 or False switches a variation off.

    flip
        probability of a left-right mirror image, with u negated.
    zoom
        crops have 1 - zoom to 1 + zoom times the input's size, and are resized to it; the flow is scaled with them.
    crop
        crops lie anywhere in the frame, not in its middle.
    brightness, contrast, tint
        largest change of all RGB values, of their spread, and of each color channel, in 0..1.
    jitter
        windows start anywhere in the clip, not in its middle.
    grain, flow_grain
        largest deviation of added noise, in 0..1 for RGB and in px/frame for flow. The coarseness of the noise in space
        and time is drawn for each window.
    erase
        probability that a random rectangle is at rest (gray, no motion) in all streams and frames.
    """

    flip: float = 0.5
    zoom: float = 0.1
    crop: bool = True
    brightness: float = 0.15
    contrast: float = 0.2
    tint: float = 0.05
    jitter: bool = True
    grain: float = 0.04
    flow_grain: float = 0.08
    erase: float = 0.15

    def __post_init__(self) -> None:
        shares = {"flip": self.flip, "zoom": self.zoom, "brightness": self.brightness, "contrast": self.contrast}
        for name, value in (shares | {"tint": self.tint, "grain": self.grain, "erase": self.erase}).items():
            if not 0 <= value <= 1 or (name in ("zoom", "contrast") and value == 1):
                raise MareyError(f"{name} of an augmentation is 0 to 1, got {value:g}.")
        if not self.flow_grain >= 0:
            raise MareyError(f"flow_grain of an augmentation is at least 0, got {self.flow_grain:g}.")


def augmented_window(
    clip: LoadedClip, streams: Sequence[Stream], augmentation: Augmentation, generator: torch.Generator
) -> dict[str, Tensor]:
    """One random window of a clip, changed as `augmentation` says: {stream: (channel time height width)}.

    All streams share the moment, the crop and the flip. A clip that is too short is padded as they say.
    """

    def random(low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    room = max(0, clip.frames - span_frames(streams, clip.frames))
    start = int(random() * (room + 1)) if augmentation.jitter else room // 2
    y, x = (random(), random()) if augmentation.crop else (0.5, 0.5)
    factor = 1 + augmentation.zoom * random(-1.0, 1.0)
    mirrored = random() < augmentation.flip
    cuts = [_cut(clip, stream, factor) for stream in streams]
    inputs = clip.window(cuts, start, y, x)
    for stream in streams:
        values = _resized(inputs[stream.name], stream)
        if mirrored:
            values = mirror(values, stream)
        inputs[stream.name] = values
    tints = [1 + augmentation.tint * random(-1.0, 1.0) for _ in range(3)]
    brighter = augmentation.brightness * random(-1.0, 1.0)
    spread = 1 + augmentation.contrast * random(-1.0, 1.0)
    for stream in streams:
        if stream.kind == "rgb":
            picture = inputs[stream.name]
            picture = (picture - picture.mean()) * spread + picture.mean() + brighter
            inputs[stream.name] = (picture * picture.new_tensor(tints).view(3, 1, 1, 1)).clamp(0, 1)
    for stream in streams:
        most = augmentation.grain if stream.kind == "rgb" else augmentation.flow_grain
        if most > 0:
            noisy = inputs[stream.name] + random(0.0, most) * _grain(stream, generator)
            inputs[stream.name] = noisy.clamp(stream.low, stream.high)
    if random() < augmentation.erase:
        place = [random() for _ in range(4)]
        inputs = {stream.name: _erased(inputs[stream.name], stream, place) for stream in streams}
    return inputs


def mirror(values: Tensor, stream: Stream) -> Tensor:
    """The left-right mirror image of (channel time height width); what moved to the right moves to the left."""
    mirrored = values.flip(-1)
    return mirrored if stream.kind == "rgb" else mirrored * mirrored.new_tensor([-1.0, 1.0]).view(2, 1, 1, 1)


def _grain(stream: Stream, generator: torch.Generator) -> Tensor:
    """Noise of unit variance (channel time height width) whose grains are 1 to 8 pixels wide and 1 to 8 frames long."""
    across, on = (2 ** int(torch.randint(0, 4, (), generator=generator)) for _ in range(2))
    frames, height, width = -(-stream.frames // on), -(-stream.height // across), -(-stream.width // across)
    grains = torch.randn(stream.channels, frames, height, width, generator=generator)
    size = (stream.frames, stream.height, stream.width)
    noise = functional.interpolate(grains[None], size, mode="trilinear", align_corners=False)[0]
    return noise / noise.std().clamp_min(1e-6)


def _erased(values: Tensor, stream: Stream, place: Sequence[float]) -> Tensor:
    """The values with a rectangle of 1/8 to 1/2 of the height and width at rest; place: its size and corner, 0..1."""
    height, width = (round((0.125 + 0.375 * part) * size) for part, size in zip(place, values.shape[2:], strict=False))
    y, x = round(place[2] * (values.shape[2] - height)), round(place[3] * (values.shape[3] - width))
    erased = values.clone()
    erased[:, :, y : y + height, x : x + width] = stream.rest
    return erased


def stacked(windows: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """A batch of windows: {stream: (clip channel time height width)}."""
    return {name: torch.stack([window[name] for window in windows]) for name in windows[0]}


def _cut(clip: LoadedClip, stream: Stream, factor: float) -> Stream:
    """The stream with a crop `factor` times as large, as far as the resized frames allow."""
    height, width = resized_size(clip.source_size, stream)
    factor = min(factor, height / stream.height, width / stream.width)
    cut = replace(stream, height=round(stream.height * factor), width=round(stream.width * factor))
    # a crop must not need frames of another size than the clip was loaded in
    return cut if resized_size(clip.source_size, cut) == (height, width) else stream


def _resized(values: Tensor, stream: Stream) -> Tensor:
    height, width = values.shape[2:]
    if (height, width) == (stream.height, stream.width):
        return values
    frames = functional.interpolate(
        values.transpose(0, 1), (stream.height, stream.width), mode="bilinear", align_corners=False
    )
    if stream.kind == "flow":
        frames = frames * frames.new_tensor([stream.width / width, stream.height / height]).view(1, 2, 1, 1)
    return frames.transpose(0, 1).contiguous()
