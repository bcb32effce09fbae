"""What one position of a layer needs of the maps before it: less and less of them, the deeper they are.

A neuron that sees the whole picture still needs only a few places of the maps just below it. Each convolution or
pooling on the way is given the part of its input that the neuron depends on, with its own padding; what this padding
makes of the cut edges lies outside of what the next one is given.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from torch import nn

from marey.network.layer import Layer
from marey.network.network import Network

Window = tuple[tuple[int, int], ...]
"""First and one past the last index along the last axes of a module's input: (time) height width."""

_PLANE = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
_SPACETIME = (nn.Conv3d, nn.MaxPool3d, nn.AvgPool3d)

_WORTHWHILE = 0.9
"""The largest part that is worth it: of a module's input, to be cut out, and of all products, to be left."""


@dataclass(frozen=True)
class Narrowing:
    """windows: of modules by name, the part of the input that each is given; position: in what is left of the layer."""

    windows: tuple[tuple[str, Window], ...]
    position: tuple[int, int, int]


@dataclass(frozen=True)
class _Left:
    """What is left of a map: from which place of the whole one to which, along time, height and width."""

    begin: tuple[int, int, int]
    end: tuple[int, int, int]


def narrowing(network: Network, layer: str, position: tuple[int, int, int]) -> Narrowing | None:
    """For the neuron at `position` of `layer`; None where hardly anything can be left out.

    It follows from the receptive fields of the layers, as if they came one after the other in every stream. Where they
    do not, or where code between them counts places, it is wrong: compare activations before it is used.
    """
    target = network.layer(layer)
    seen = target.receptive_field.streams
    windows: dict[str, Window] = {}
    needed = whole = 0  # products of weights and places
    left = {
        stream.name: _Left((0, 0, 0), (stream.frames, stream.height, stream.width))
        for stream in network.streams
        if stream.name in seen
    }
    for name, one in network.layers.items():
        part, streams = network.module.get_submodule(name), one.receptive_field.streams
        if type(part) in (*_PLANE, *_SPACETIME) and streams and set(streams) <= set(seen):
            given = left[next(iter(streams))]
            asked = _asked(one, part, target, position, given)
            if _askew(part, given) or _size(asked) <= _WORTHWHILE * _size(zip(given.begin, given.end, strict=True)):
                moved = [(start - begin, stop - begin) for (start, stop), begin in zip(asked, given.begin, strict=True)]
                windows[name] = tuple(moved[1:] if type(part) in _PLANE else moved)
                given = _Left(*zip(*asked, strict=True))
            made = _made(one, part, given)
            left |= dict.fromkeys(streams, made)
            weights = sum(weight.numel() for weight in part.parameters(recurse=False))
            needed += weights * _size(zip(made.begin, made.end, strict=True))
            whole += weights * prod(one.positions)
        if name == layer:
            break
    if needed > _WORTHWHILE * whole or len({left[stream] for stream in seen}) > 1:
        return None
    begin = left[next(iter(seen))].begin
    t, y, x = (place - first for place, first in zip(position, begin, strict=True))
    return Narrowing(tuple(windows.items()), (t, y, x))


def _asked(
    one: Layer, part: nn.Module, target: Layer, position: tuple[int, int, int], given: _Left
) -> list[tuple[int, int]]:
    """What of a module's input, of which `given` is left, the neuron depends on; all of it where that is not known."""
    asked = []
    for axis, (begin, end) in enumerate(zip(given.begin, given.end, strict=True)):
        places = _places(one, target, axis, position)
        sliding = _sliding(part, axis)
        if places is None or sliding is None:
            asked.append((begin, end))
            continue
        kernel, stride, padding = sliding
        first = max(begin, (places[0] * stride - padding) // stride * stride)  # so that its windows lie as before
        asked.append((first, max(first + 1, min(end, (places[1] - 1) * stride - padding + kernel))))
    return asked


def _askew(part: nn.Module, given: _Left) -> bool:
    """Whether the windows of a module would lie at other places in what is left of its input than in the whole."""
    found = (_sliding(part, axis) for axis in range(3))
    return any(begin % sliding[1] for begin, sliding in zip(given.begin, found, strict=True) if sliding is not None)


def _size(box: Iterable[tuple[int, int]]) -> int:
    return prod(stop - start for start, stop in box)


def _made(one: Layer, part: nn.Module, given: _Left) -> _Left:
    """What a module makes of the part of its input that is left."""
    begin, end = [], []
    for axis, (first, stop) in enumerate(zip(given.begin, given.end, strict=True)):
        sliding = _sliding(part, axis)
        if sliding is None:  # frames that lie in the batch
            begin.append(0)
            end.append(one.positions[axis])
            continue
        kernel, stride, padding = sliding
        begin.append(first // stride)
        end.append(min(one.positions[axis], first // stride + (stop - first + 2 * padding - kernel) // stride + 1))
    t, y, x = begin
    return _Left((t, y, x), (end[0], end[1], end[2]))


def _sliding(part: nn.Module, axis: int) -> tuple[int, int, int] | None:
    """Length, stride and padding of the windows of a module along time, height or width; None where it has none."""
    axes = 2 if type(part) in _PLANE else 3
    place = axis - 3 + axes
    found = []
    for word in ("kernel_size", "stride", "padding", "dilation"):
        value = getattr(part, word, 1)
        value = value[place] if isinstance(value, tuple) and place >= 0 else value
        if place < 0 or not isinstance(value, int):
            return None
        found.append(value)
    kernel, stride, padding, dilation = found
    return dilation * (kernel - 1) + 1, stride, padding


def _places(one: Layer, target: Layer, axis: int, position: tuple[int, int, int]) -> tuple[int, int] | None:
    """First and one past the last place of a layer that the neuron sees along an axis; None where that is not known."""
    found = set()
    for stream, fields in one.receptive_field.streams.items():
        here, there = fields[axis], target.receptive_field.streams[stream][axis]
        if here.stride == 0 or there.stride == 0 or there.stride % here.stride:
            return None
        start, rest = divmod(there.start - here.start, here.stride)
        more, over = divmod(there.length - here.length, here.stride)
        if rest or over or more < 0:
            return None
        first = start + there.stride // here.stride * position[axis]
        found.add((max(0, first), min(one.positions[axis], first + more + 1)))
    return found.pop() if len(found) == 1 else None
