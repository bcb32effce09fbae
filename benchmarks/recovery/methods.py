"""The ways to make a preferred input that are compared: ours and four simpler ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

import marey
from marey.network.stream import Stream


@dataclass(frozen=True)
class Method:
    """What is changed of the shipped recipe and parts, and whether every frame is optimized on its own."""

    words: str
    slowness: tuple[float, ...] = marey.Recipe().slowness
    parts: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False


_SPACE = marey.Variation(stillness=0.0)

METHODS: Mapping[str, Method] = {
    "marey": Method("shipped defaults"),
    "pixels": Method("no regularizer, pixels", (0.0,), {"priors": [], "parametrization": "pixels", "transforms": []}),
    "space": Method("spatial variation only", (0.0,), {"priors": [_SPACE]}),
    "fourier": Method("Fourier without priors", (0.0,), {"priors": []}),
    "frames": Method("images: each frame alone", (0.0,), {"priors": [marey.Energy(), _SPACE]}, alone=True),
}


@dataclass(frozen=True)
class Shown:
    """The preferred input of a target, for each slowness: {stream: (chi channel time height width)}."""

    target: str
    slowness: tuple[float, ...]
    frames: Mapping[str, Tensor]
    streams: tuple[Stream, ...]


def preferred(
    network: marey.Network,
    targets: Sequence[str],
    name: str,
    *,
    seed: int,
    steps: int,
    small: bool = False,
    weight: float | None = None,
    maxima: marey.Maxima | None = None,
) -> list[Shown]:
    """What a method makes of the targets; of a network that is `small`, without timing which arithmetic is faster."""
    method = METHODS[name]
    recipe = marey.Recipe(method.slowness, weight, seed=seed, steps=steps, precision="fp32" if small else "auto")
    options = {"recipe": recipe, "maxima": maxima, **method.parts}
    if method.alone:
        return _each_frame_alone(network, targets, options)
    results = marey.maximize(network, list(targets), **options)
    return [Shown(target, one.slowness, one.frames, one.streams) for target, one in zip(targets, results, strict=True)]


class OneFrame(nn.Module):
    """A network that is shown one frame of one stream, whatever it is given: all others are at rest."""

    def __init__(self, network: marey.Network, name: str, place: int) -> None:
        super().__init__()
        self.inner = network.module
        for number, stream in enumerate(network.streams):
            moved = torch.full((1, stream.channels, stream.frames, 1, 1), stream.rest)
            rest = stream.to_network(moved.clone())
            if stream.name == name:
                moved[:, :, place] = stream.high
            self.register_buffer(f"rest{number}", rest)
            self.register_buffer(f"shown{number}", (stream.to_network(moved) != rest).float())

    def forward(self, *inputs: Tensor) -> Tensor:
        masked = []
        for number, values in enumerate(inputs):
            rest, shown = self.get_buffer(f"rest{number}"), self.get_buffer(f"shown{number}")
            masked.append((values - rest) * shown + rest)
        result: Tensor = self.inner(*masked)
        return result


def _each_frame_alone(network: marey.Network, targets: Sequence[str], options: dict[str, Any]) -> list[Shown]:
    units = network.units(targets)
    seen = {name for unit in units for name in network.layer(unit.layer).receptive_field.streams}
    known = marey.Maxima.merged(*(one for one in (options.pop("maxima"), network.maxima) if one is not None))
    inner = marey.Maxima.from_tensors(
        {name.replace("/", "/inner."): values for name, values in known.tensors().items()},
        bounds=known.bounds,
        source=known.source,
    )
    made: list[dict[str, list[Tensor]]] = [{} for _ in targets]
    streams: list[tuple[Stream, ...]] = [() for _ in targets]
    for stream in (one for one in network.streams if one.name in seen):
        for place in range(stream.frames):
            alone = marey.Network(OneFrame(network, stream.name, place), network.streams, maxima=inner)
            results = marey.maximize(alone, [f"inner.{unit}" for unit in units], **options)
            for k, result in enumerate(results):
                streams[k] = result.streams
                of_frame = result.frames.get(stream.name)
                crop = next((one for one in result.streams if one.name == stream.name), None)
                if of_frame is not None and crop is not None and stream.times[place] in crop.times:
                    inside = crop.times.index(stream.times[place])
                    made[k].setdefault(stream.name, []).append(of_frame[0][:, inside : inside + 1])
    return [
        Shown(target, (0.0,), {name: torch.cat(parts, 1)[None] for name, parts in one.items()}, crops)
        for target, one, crops in zip(targets, made, streams, strict=True)
    ]
