"""Finds the axes of all layers of a network once: by what grows when it is shown two clips instead of one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from marey.network.axes import Axes
from marey.network.grid import Patches, placed
from marey.network.hooks import observed
from marey.network.stream import Stream
from marey.network.visit import Run, Visit, sampled

_CLEAR = 0.2
"""An order of clips and frames is clear where all others miss the values by so much more."""

_NEAR = 0.05
"""How far the values of a clip may be from those without another one beside it, relative to their mean size."""

Entries = tuple[int, int]
"""`Axes.outer` and `Axes.inner`."""

Shape = tuple[int, ...]
Parts = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Probe:
    """What passes of one and two clips say of every layer: its axes, or in words why it cannot be used.

    `patches` are those of `Placed`.
    """

    axes: Mapping[str, Axes]
    unusable: Mapping[str, str]
    patches: Patches


def noise(stream: Stream, generator: torch.Generator) -> Tensor:
    """One clip of noise within the stream's range."""
    grain = torch.randn((1, *stream.shape), generator=generator)
    return (stream.rest + 0.3 * (stream.high - stream.rest) * grain).clamp(stream.low, stream.high)


def probe_clips(streams: Sequence[Stream], device: torch.device) -> dict[str, Tensor]:
    """Two clips of noise, the second one brighter and paler, which shows where values of all clips are mixed.

    At rest all frames of all clips were the same.
    """
    generator = torch.Generator().manual_seed(0)
    clips = {}
    for stream in streams:
        first, second = noise(stream, generator), noise(stream, generator)
        clips[stream.name] = torch.cat([first, 0.2 * second + 0.3 * stream.high + 0.5 * stream.rest]).to(device)
    return clips


def probed(
    run: Run,
    streams: Sequence[Stream],
    *,
    device: torch.device,
    visits: Mapping[str, Sequence[Visit]],
    parts: Parts,
) -> Probe:
    """The axes of all layers, from their calls with the first of two clips, and from one pass with both.

    `parts` are the modules of the layers, `frozen`. Which entries of the two clips are those of the first alone says in
    which order frames and clips lie where they share an axis. A network that refuses two clips is shown one at a time,
    and so is one whose values of a clip depend on the other, unless they differ from one pass to the next anyway.
    """
    clips = probe_clips(streams, device)
    modules = {name: parts[name] for name in visits}
    first = {name: calls[0].sample for name, calls in visits.items()}
    orders: dict[str, Entries | None] = {}
    try:
        shapes, both = _samples(run, clips, modules, visits)
        orders = _orders(both, first, random=frozenset())
        if None in orders.values():
            _, again = _samples(run, {name: clip[:1] for name, clip in clips.items()}, modules, visits)
            random = frozenset(name for name, found in again.items() if _far(found[1, 1], first[name]))
            orders = _orders(both, first, random=random)
    except Exception:  # noqa: BLE001 -- it runs with one clip; whatever it says of two, it does not take them
        shapes = {}
    found = {name: axes_of(calls, modules[name], shapes.get(name), orders.get(name)) for name, calls in visits.items()}
    axes = {name: one for name, one in found.items() if isinstance(one, Axes)}
    unusable = {name: reason for name, reason in found.items() if isinstance(reason, str)}
    one = {name: clip[:1] for name, clip in clips.items()}
    laid = placed(run, one, streams=streams, axes=axes, visits=visits, parts=modules)
    return Probe(laid.axes, unusable, laid.patches)


def _grown(one: Shape, two: Shape) -> int | None:
    """The only axis that is twice as long with two clips as with one."""
    if len(one) != len(two):
        return None
    grown = [axis for axis, (before, after) in enumerate(zip(one, two, strict=True)) if before != after]
    return grown[0] if len(grown) == 1 and two[grown[0]] == 2 * one[grown[0]] else None


def _samples(
    run: Run, inputs: Mapping[str, Tensor], modules: Parts, visits: Mapping[str, Sequence[Visit]]
) -> tuple[dict[str, list[Shape]], dict[str, dict[Entries, Tensor]]]:
    """The shapes of all calls in a pass; and of first calls for each order the values where those of the visit were."""
    shapes: dict[str, list[Shape]] = {}
    samples: dict[str, dict[Entries, Tensor]] = {}

    def note(name: str, output: Tensor) -> None:
        shapes.setdefault(name, []).append(tuple(output.shape))
        one = visits[name][0].shape
        if len(shapes[name]) > 1 or not output.is_floating_point():
            return
        if output.shape == one:
            samples[name] = {(1, 1): output[sampled(one, output.device)].float().nan_to_num()}
        elif (axis := _grown(one, tuple(output.shape))) is not None:
            index = list(sampled(one, output.device))
            entry, entries, samples[name] = index[axis], one[axis], {}
            for outer in (outer for outer in range(1, entries + 1) if entries % outer == 0):
                inner = entries // outer
                index[axis] = entry // inner * 2 * inner + entry % inner
                samples[name][outer, inner] = output[tuple(index)].float().nan_to_num()

    with torch.no_grad(), observed(modules, note):
        run(inputs)
    return shapes, samples


def _orders(
    both: Mapping[str, Mapping[Entries, Tensor]], first: Mapping[str, Tensor], *, random: Collection[str]
) -> dict[str, Entries | None]:
    """How clips and frames lie along the axis that they share, from the values of two clips and of the first alone.

    None where those of a clip depend on the other, and from there on. Where all are alike, as where every unit is off,
    or `random`, they lie as in the latest layer of which it is clear.
    """
    orders: dict[str, Entries | None] = {}
    clear: dict[int, Entries] = {}
    mixed = False
    for name, found in both.items():
        alone = first[name]
        errors = sorted((float((values - alone).abs().mean()), order) for order, values in found.items())
        least, order = errors[0]
        entries = order[0] * order[1]
        if name not in random and _far(found[order], alone):
            mixed = True
        elif name in random or (len(errors) > 1 and least >= _CLEAR * errors[1][0]):
            order = clear.get(entries, (1, entries))
        else:
            clear[entries] = order
        orders[name] = None if mixed else order
    return orders


def _far(values: Tensor, others: Tensor) -> bool:
    return float((values - others).abs().mean()) > _NEAR * float(others.abs().mean())


def axes_of(
    calls: Sequence[Visit],
    module: nn.Module,
    two: Sequence[Shape] | None = None,
    order: Entries | None = None,
) -> Axes | str:
    """The axes of a layer from its calls with one clip and its shapes with `two`, or why they are not clear.

    Of a network that takes no two clips, clips lie along the first axis, or the second one of a sequence.
    """
    call = calls[0]
    shape, units, dims = call.shape, call.units, len(call.shape)
    if not call.floating:
        return "it does not give floating-point numbers"
    same_calls = two is not None and len(two) == len(calls)
    grown = _grown(shape, two[0]) if two is not None and same_calls else None
    clips = grown
    if grown is None:
        if two is not None and same_calls and two[0] == shape:
            return f"it gives the same shape {shape} for one clip and for two, so nothing in it belongs to a clip"
        squeezed = two is not None and same_calls and len(two[0]) == dims + 1
        clips = None if squeezed else _as_usual(shape, units)
        if two is not None and same_calls and clips is not None and shape[clips] != 1:
            return f"it gives the shape {shape} for one clip and {two[0]} for two"
    if clips is not None and clips == units:
        others = [axis for axis in range(dims) if axis != clips]
        if not others:
            return f"its shape {shape} has no axis of units"
        units = others[-1]
    places = [axis for axis in range(dims) if axis not in (clips, units)]
    if len(places) > 3:
        return f"its shape {shape} has more axes than clips, units, time, height and width"
    frames = [axis for axis in places if axis in call.frames]
    time = places[0] if len(places) == 3 else frames[0] if len(frames) == 1 else None
    entries = 1 if clips is None else shape[clips]
    outer, inner = (1, entries) if order is None else order
    alone = grown is None or order is None
    return Axes(dims, clips, units, time, outer, inner, alone, len(calls), _read(calls, module))


def _as_usual(shape: Shape, units: int) -> int | None:
    """The axis of clips of a network that takes no two: the first, or the second of a sequence; None: it has none."""
    if units == 0:
        return None
    return 1 if len(shape) == 3 and units == 2 and shape[0] != 1 and shape[1] == 1 else 0


def _read(calls: Sequence[Visit], module: nn.Module) -> Shape:
    """The calls that are one after the other in time: all of a module with weights, else those in the same place.

    A place is known by the module before it. Where their shapes differ only the first call is read.
    """
    weighty = next(module.parameters(), None) is not None
    alike = [k for k, call in enumerate(calls) if weighty or call.before == calls[0].before]
    return tuple(alike) if len({calls[k].shape for k in alike}) == 1 else (0,)
