"""Which units answer to one clip, against what they answer to real clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.accelerate.passes import quick_passes
from marey.errors import NetworkError
from marey.network.hooks import observed
from marey.network.network import Network
from marey.network.unit import Unit
from marey.recording.measured import put_bounds
from marey.recording.peaks import peaks
from marey.recording.recording import Recording
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.ahead import clip_windows
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class Answer:
    """The largest activation of a unit in a clip, and its real maximum."""

    unit: Unit
    value: float
    maximum: float

    @property
    def share(self) -> float:
        """The value in parts of the real maximum."""
        return self.value / self.maximum


def clip_answers(
    network: Network,
    clip: Clip,
    layers: Sequence[str],
    *,
    windows: int = 3,
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
) -> dict[str, Tensor]:
    """{layer: largest activation of every unit} over all places of `windows` windows of a clip."""
    modules = {network.layer_name(name): network.module.get_submodule(name) for name in layers}
    made = clip_windows(clip, network.streams, count=windows, flow=flow, cache=cache)
    inputs = {name: values.to(network.device) for name, values in made.inputs(network.streams).items()}
    found: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        if name not in found:
            laid = network.units_second(name, output)
            found[name] = peaks(laid, len(made.start_frames)).maximum.amax(0).cpu()

    with torch.no_grad(), quick_passes(network), observed(modules, keep):
        network.forward(inputs)
    return {name: found[name] for name in modules if name in found}


def strongest_answers(
    answers: Mapping[str, Tensor], maxima: Mapping[str, Tensor], count: int = 10
) -> dict[str, list[Answer]]:
    """Of every layer the units that answer most, in parts of their real maximum; those at or below 0 are left out."""
    strongest = {}
    for layer, values in answers.items():
        largest = maxima[layer].to(values.dtype)
        share = torch.where((largest > 0) & (values > 0), values / largest.clamp_min(1e-12), -1.0)
        order = share.argsort(descending=True, stable=True)[:count].tolist()
        strongest[layer] = [
            Answer(Unit(layer, channel), float(values[channel]), float(largest[channel]))
            for channel in order
            if share[channel] >= 0
        ]
    return strongest


def put_maxima(recording: Recording, network: Network, layers: Sequence[str] | None = None) -> None:
    """Make the recorded maxima (None: of all layers) those by which the network's scores are normalized.

    The speeds in the recorded clips bound its flow, as `marey.recording.measured.measure_maxima` does.
    Raises NetworkError when the recording is of another network.
    """
    if recording.summary["network"]["weights"] != network.weights_hash:
        raise NetworkError(
            f"the recording '{recording.folder}' is of other weights than {network.name}; record this network."
        )
    names = list(recording.layers) if layers is None else [recording.layer(name).name for name in layers]
    put_bounds(network, recording.speeds())
    network.maxima.update({name: recording.maxima(name) for name in names})
