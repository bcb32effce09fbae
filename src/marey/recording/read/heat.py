"""Where in a whole clip a unit responds, as a map over the pixels of every frame."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from marey.errors import NetworkError
from marey.network.hooks import frozen
from marey.network.layer import Layer
from marey.network.network import Network
from marey.network.receptive_field import Field
from marey.network.unit import Unit
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clips import Clip, LoadedClip, load_clip, span_frames


def heat(
    network: Network,
    unit: str | Unit,
    clip: Clip,
    *,
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
    batch: int = 16,
) -> tuple[LoadedClip, Tensor]:
    """The clip, and a unit's responses (time height width) over its frames and the pixels of the first stream.

    Windows follow each other by half their length. A response belongs to the frame and the pixel in the middle of the
    patch that its position stands for, see `Layer`. Between positions responses are interpolated; a frame shows the
    position nearest in time. Raises VideoError for a clip that cannot be read, NetworkError for a layer of which it is
    not known where its positions lie.
    """
    chosen = network.unit(unit)
    layer = network.layer(chosen.layer)
    if layer.patch is None:
        raise NetworkError(no_heat(layer))
    loaded = load_clip(clip, network.streams, flow=flow, cache=FlowCache() if cache is None else cache)
    ((_, shown),) = heats(network, [chosen], loaded, batch=batch)
    return loaded, shown


def heats(
    network: Network, units: Sequence[Unit], loaded: LoadedClip, *, batch: int = 16
) -> Iterator[tuple[Unit, Tensor]]:
    """Of several units, of layers that have a patch, the responses as `heat` gives them, from one pass of the clip."""
    span = span_frames(network.streams, loaded.frames)
    last = max(0, loaded.frames - span)
    starts = sorted({*range(0, last + 1, max(1, span // 2)), last})
    maps: dict[Unit, list[Tensor]] = {unit: [] for unit in units}
    layers = list(dict.fromkeys(unit.layer for unit in units))
    with torch.no_grad(), frozen(network.module):
        for first in range(0, len(starts), batch):
            windows = [loaded.window(network.streams, start) for start in starts[first : first + batch]]
            inputs = {name: torch.stack([window[name] for window in windows]).to(network.device) for name in windows[0]}
            volumes = network.activations(inputs, layers)
            for unit, parts in maps.items():
                parts.append(volumes[unit.layer][:, unit.channel].float().cpu())
    for unit, parts in maps.items():
        yield unit, _over_clip(network, network.layer(unit.layer), torch.cat(parts), starts, loaded.frames)


def _over_clip(network: Network, layer: Layer, responses: Tensor, starts: Sequence[int], frames: int) -> Tensor:
    """Responses (window t y x) of windows over the frames of a clip and the pixels of the first stream."""
    assert layer.patch is not None
    sees = layer.patch.streams
    stream = next(stream for stream in network.streams if stream.name in sees)
    time, *space = sees[stream.name]
    times = stream.times_in(frames - (stream.kind == "flow"))
    middles = []
    for t in range(responses.shape[1]):
        first, stop = time.start + time.stride * t, time.start + time.stride * t + time.length
        seen = times[max(0, first) : max(1, stop)]
        middles.append((seen[0] + seen[-1]) / 2 if seen else 0.0)
    moments = (torch.tensor(starts)[:, None] + torch.tensor(middles)).flatten()
    nearest = (torch.arange(frames)[:, None] - moments).abs().argmin(1)
    shown = _over_pixels(responses.flatten(0, 1), (space[0], space[1]), (stream.height, stream.width))
    return shown[nearest]


def no_heat(layer: Layer) -> str:
    """Why the responses of a layer cannot be drawn over a clip."""
    count = math.prod(layer.positions)
    return (
        f"layer '{layer.name}' has {count} positions, and where in the clip they lie is not known, so that no heat is "
        "drawn. Choose another layer."
    )


def _over_pixels(maps: Tensor, fields: tuple[Field, Field], size: tuple[int, int]) -> Tensor:
    """Maps (map y x) at the pixels that lie in the middle of what their positions see, interpolated in between."""
    axes = []
    for field, length, positions in zip(fields, size, maps.shape[1:], strict=True):
        pixels = torch.arange(length) + 0.5
        place = (pixels - field.start - field.length / 2) / max(1, field.stride) if field.stride else 0 * pixels
        axes.append(2 * place / max(1, positions - 1) - 1)
    y, x = torch.meshgrid(*axes, indexing="ij")
    grid = torch.stack([x, y], dim=-1).expand(len(maps), *size, 2)
    return functional.grid_sample(maps[:, None], grid, padding_mode="border", align_corners=True)[:, 0]
