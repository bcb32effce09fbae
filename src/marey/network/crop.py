"""The part of the input that one position of a layer sees, and the network reduced to it.

A neuron sees only its receptive field: running the network on that crop alone gives the same activation and the same
gradient for a fraction of the work. Inside the frame the crop runs without padding and every layer shrinks to what the
neuron needs; at the border it runs with the padding of the full frame, on the part that lies inside.
"""

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from marey.errors import MareyError
from marey.network.hooks import frozen, unpadded
from marey.network.network import Network
from marey.network.probe import noise
from marey.network.receptive_field import ReceptiveField
from marey.network.stream import Stream
from marey.network.unit import Unit

Mode = Literal["unpadded", "padded", "whole"]


@dataclass(frozen=True)
class Crop:
    """Where a neuron looks.

    mode
        "unpadded" (the crop alone), "padded" (the crop with the frame's own borders), "whole" (the full frame).
    network
        shown the crop's size; streams that the layer does not see keep their full size and are given at rest.
    corners
        for every stream that the layer sees, where the crop starts (frame, y, x).
    position
        of the neuron in the layer's output on the crop; None in the full frame where positions are those of the layer.
    """

    mode: Mode
    network: Network
    layers: tuple[str, ...]
    corners: dict[str, tuple[int, int, int]]
    position: tuple[int, int, int] | None

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that are seen, with the crop's size."""
        return tuple(stream for stream in self.network.streams if stream.name in self.corners)

    @property
    def still(self) -> bool:
        """Whether no motion is seen, so that the slowness changes nothing."""
        return all(stream.still for stream in self.streams)

    @cached_property
    def sees(self) -> int:
        """Pixels that a position of the layers sees, down or across, whichever is more; at most the streams' size."""
        sides = max(max(stream.height, stream.width) for stream in self.streams)
        if self.mode != "whole":
            return sides
        seen = [
            axis.length if axis.stride > 0 else sides
            for layer in self.layers
            for axes in self.network.layer(layer).receptive_field.streams.values()
            for axis in axes[1:]
        ]
        return min(sides, max(seen, default=sides))

    @property
    def form(self) -> Hashable:
        """Equal for crops that may share a forward pass, wherever in the frame they lie."""
        first = min(stream.times[0] for stream in self.streams)
        apart = tuple(tuple(time - first for time in stream.times) for stream in self.streams)
        return (self.mode, self.layers, self.position, tuple(stream.shape for stream in self.streams), apart)

    def cut(self, inputs: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
        """The part of full physical inputs that lies in the crop."""
        parts = {}
        for stream in self.streams:
            t, y, x = self.corners[stream.name]
            full = inputs[stream.name]
            if full is None:
                continue
            parts[stream.name] = full[:, :, t : t + stream.frames, y : y + stream.height, x : x + stream.width]
        return parts

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """While inside, `module`, the network's own or a copy of it, computes on the crop."""
        with unpadded(module) if self.mode == "unpadded" else nullcontext():
            yield

    def activations(self, parts: Mapping[str, Tensor], *, module: nn.Module | None = None) -> dict[str, Tensor]:
        """The layers' outputs (clip channel time height width) for crops; enter `applied` first."""
        clips = next(iter(parts.values())).shape[0]
        inputs = dict(parts) | self.network.rest(clips, seen=self.corners, besides=parts)
        return self.network.activations(inputs, self.layers, module=module)


def _seen(network: Network, field: ReceptiveField) -> list[str]:
    return [stream.name for stream in network.streams if stream.name in field.streams]


def whole(network: Network, layers: Iterable[str]) -> Crop:
    """The full frame of every stream that any of `layers` sees; without layers, of all streams."""
    layers = tuple(sorted(layers))
    seen = {name for layer in layers for name in _seen(network, network.layer(layer).receptive_field)}
    names = [stream.name for stream in network.streams if stream.name in seen or not layers]
    return Crop("whole", network, layers, dict.fromkeys(names, (0, 0, 0)), None)


def _cropped(network: Network, boxes: Mapping[str, tuple[tuple[int, int], ...]], layer: str) -> Network:
    """The network as far as `layer`, shown a part of its streams."""
    streams = []
    for stream in network.streams:
        if stream.name in boxes:
            (t0, t1), (y0, y1), (x0, x1) = boxes[stream.name]
            streams.append(stream.cropped(t0, t1 - t0, y1 - y0, x1 - x0))
        else:
            streams.append(stream)
    return network.shown(streams, deepest=layer)


def _sizes(stream: Stream) -> tuple[int, int, int]:
    return (stream.frames, stream.height, stream.width)


def _unpadded(network: Network, unit: Unit, position: tuple[int, int, int]) -> Crop | None:
    field = network.layer(unit.layer).receptive_field
    boxes = {}
    for name in _seen(network, field):
        box = []
        for axis, (low, high), size in zip(
            field.streams[name], field.interval(name, position), _sizes(network.stream(name)), strict=True
        ):
            if axis.stride == 0:
                low, high = 0, size
            if low < 0 or high > size:
                return None
            box.append((low, high))
        boxes[name] = tuple(box)
    if all(axis.stride == 0 for name in boxes for axis in field.streams[name][1:]):
        return None
    try:
        network = _cropped(network, boxes, unit.layer)
    except MareyError:
        return None
    corners = {name: (box[0][0], box[1][0], box[2][0]) for name, box in boxes.items()}
    return Crop("unpadded", network, (unit.layer,), corners, (0, 0, 0))


def _padded(network: Network, unit: Unit, position: tuple[int, int, int]) -> Crop | None:
    field = network.layer(unit.layer).receptive_field
    names = _seen(network, field)
    shift = []  # by how many positions the crop starts later than the frame, the same for all streams
    count = []  # and how many strides it is long, so that their sizes agree where they meet
    for axis in range(3):
        steps = []
        for name in names:
            along = field.streams[name][axis]
            low, _ = field.interval(name, position)[axis]
            steps.append(0 if along.stride == 0 else max(0, low // along.stride))
        shift.append(min(steps))
        moving = [name for name in names if field.streams[name][axis].stride > 0]
        ends = [field.interval(name, position)[axis][1] / field.streams[name][axis].stride for name in moving]
        count.append(math.ceil(max(ends, default=0)) - shift[axis])
    boxes = {}
    for name in names:
        box = []
        for axis in range(3):
            along = field.streams[name][axis]
            size = _sizes(network.stream(name))[axis]
            if along.stride == 0:
                box.append((0, size))
                continue
            low = along.stride * shift[axis]
            box.append((low, min(size, low + along.stride * count[axis])))
        boxes[name] = tuple(box)
    if all(box == tuple((0, size) for size in _sizes(network.stream(name))) for name, box in boxes.items()):
        return None
    try:
        network = _cropped(network, boxes, unit.layer)
    except MareyError:
        return None
    corners = {name: (box[0][0], box[1][0], box[2][0]) for name, box in boxes.items()}
    t, y, x = (place - step for place, step in zip(position, shift, strict=True))
    return Crop("padded", network, (unit.layer,), corners, (t, y, x))


def _agrees(network: Network, crop: Crop, position: tuple[int, int, int]) -> bool:
    """Whether the crop gives the neuron's whole layer column the activation that it has in the full frame."""
    generator = torch.Generator().manual_seed(0)
    inputs = network.rest(1, seen=crop.corners)
    for name in crop.corners:
        inputs[name] = noise(network.stream(name), generator).to(network.device)
    t, y, x = position
    assert crop.position is not None
    with torch.no_grad(), frozen(network.module):
        (layer,) = crop.layers
        full = network.activations(inputs, [layer])[layer][0, :, t, y, x]
        try:
            with crop.applied(network.module):
                volume = crop.activations(crop.cut(inputs))[layer][0]
            part = volume[(slice(None), *crop.position)]
        except (RuntimeError, ValueError, IndexError, MareyError):
            return False
    size = full.abs().max().clamp_min(1e-12)
    return bool(torch.isfinite(part).all()) and float((full - part).abs().max() / size) < 1e-3


def crop_of(network: Network, unit: Unit) -> Crop:
    """The smallest crop that gives `unit` the activation that it has in the full frame, checked by running both once.

    Networks whose parts do not fit without padding (residual sums, say) get the padded crop; those with global
    operations, or units without a position, the full frame.
    """
    if unit.position is None:
        return whole(network, [unit.layer])
    crop = _unpadded(network, unit, unit.position)
    if crop is not None and _agrees(network, crop, unit.position):
        return crop
    crop = _padded(network, unit, unit.position)
    if crop is not None and _agrees(network, crop, unit.position):
        return crop
    return whole(network, [unit.layer])
