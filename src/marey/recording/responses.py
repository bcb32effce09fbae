"""Which units respond to one clip, relative to their responses to real clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.accelerate.passes import quick_passes
from marey.network.axes import one_by_one
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.unit import Unit
from marey.network.volumes import volumes
from marey.recording.output_maxima import output_maxima
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.ahead import clip_windows
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class RelativeResponse:
    """The largest response of a unit to a clip.

    relative
        0 at the ordinary response and 1 at the largest one to the clips behind the maxima.
    """

    unit: Unit
    value: float
    relative: float


def clip_responses(
    network: Network,
    clip: Clip,
    layers: Sequence[str],
    *,
    windows: int = 3,
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
) -> dict[str, Tensor]:
    """{layer: (unit)}, the largest response at any position of `windows` windows of a clip.

    Layers that the forward pass does not call are missing. Raises VideoError for a clip that cannot be read.
    """
    made = clip_windows(clip, network.streams, count=windows, flow=flow, cache=cache)
    inputs = {name: values.to(network.device) for name, values in made.inputs(network.streams).items()}
    count = len(made.start_frames)
    layers = [layer for layer in layers if network.layer_name(layer) in network.axes]
    alone = any(network.axes[network.layer_name(layer)].alone for layer in layers)
    found: dict[str, Tensor] = {}

    def keep(name: str, volume: Tensor) -> None:
        largest = output_maxima(volume).maximum.amax(0).cpu()
        found[name] = torch.maximum(found[name], largest) if name in found else largest

    with torch.no_grad(), quick_passes(network):
        for part in one_by_one(inputs, count) if alone else [inputs]:
            with volumes(network, layers, 1 if alone else count, keep):
                network.forward(part)
    return {name: found[name] for name in layers if name in found}


def strongest_responses(
    responses: Mapping[str, Tensor], maxima: Maxima, count: int = 10
) -> dict[str, list[RelativeResponse]]:
    """{layer: the `count` units that respond most}, strongest first, relative to `maxima`.

    `responses` are those of `clip_responses`. Units that respond no more than ordinarily are not listed.
    """
    strongest = {}
    for layer, values in responses.items():
        relative = (values - maxima.zeros(layer).to(values)) / maxima.reach(layer).to(values)
        order = relative.argsort(descending=True, stable=True)[:count].tolist()
        strongest[layer] = [
            RelativeResponse(Unit(layer, channel), float(values[channel]), float(relative[channel]))
            for channel in order
            if relative[channel] > 0
        ]
    return strongest
