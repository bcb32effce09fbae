"""The ways to make a preferred input that are compared: ours and four simpler ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

import marey
from marey.network.stream import Stream


@dataclass(frozen=True)
class Method:
    """What is changed in the shipped recipe, and whether every frame is optimized on its own."""

    words: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False


_NONE = {"energy": 0.0, "variation": 0.0, "slowness": (0.0,), "stillness": 0.0, "equal_space": False}

METHODS: Mapping[str, Method] = {
    "marey": Method("shipped defaults"),
    "pixels": Method("no regularizer, pixels", {**_NONE, "parametrization": "pixels", "jitter": 0, "time_jitter": 0}),
    "space": Method("spatial variation only", {**_NONE, "variation": marey.Recipe().variation}),
    "fourier": Method("Fourier without priors", _NONE),
    "frames": Method("images: each frame alone", {"slowness": (0.0,), "stillness": 0.0, "time_jitter": 0}, alone=True),
}


@dataclass(frozen=True)
class Shown:
    """The preferred input of a target, for each slowness: {stream: (chi channel time height width)}."""

    target: str
    slowness: tuple[float, ...]
    frames: Mapping[str, Tensor]
    streams: tuple[Stream, ...]


def preferred(
    network: marey.Network, targets: Sequence[str], name: str, *, seed: int, steps: int, small: bool = False
) -> list[Shown]:
    """What a method makes of the targets; of a network that is `small`, without timing which arithmetic is faster."""
    method = METHODS[name]
    recipe = replace(marey.Recipe(**method.changes), seed=seed, steps=steps, precision="fp32" if small else "auto")
    if method.alone:
        return _each_frame_alone(network, targets, recipe)
    results = marey.maximize(network, targets, recipe=recipe)
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


def _each_frame_alone(network: marey.Network, targets: Sequence[str], recipe: marey.Recipe) -> list[Shown]:
    units = network.units(targets)
    seen = {name for unit in units for name in network.layer(unit.layer).receptive_field.streams}
    made: list[dict[str, list[Tensor]]] = [{} for _ in targets]
    streams: list[tuple[Stream, ...]] = [() for _ in targets]
    for stream in (one for one in network.streams if one.name in seen):
        for place in range(stream.frames):
            alone = marey.Network(
                OneFrame(network, stream.name, place),
                network.streams,
                maxima={f"inner.{layer}": values for layer, values in network.maxima.items()},
                bounds=network.bounds,
            )
            results = marey.maximize(alone, [f"inner.{unit}" for unit in units], recipe=recipe)
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
