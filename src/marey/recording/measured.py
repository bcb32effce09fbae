"""One short pass over real clips: the largest activation of every unit, and how large values get in every stream."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from marey.accelerate.passes import quick_passes
from marey.datasets.clips_in import clips_in
from marey.errors import VideoError
from marey.network.maxima import unit_maxima
from marey.network.network import Network
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clips import Clip, load_clip, starts

_BOUND = 5.0
"""The bound of a flow stream in parts of the speed's root mean square (our choice).

Mahendran and Vedaldi take twice the deviation of natural images for B. Flow is zero in most places, so its deviation is
small beside the speed of a limb; this factor comes nearer to it.
"""


def measure_maxima(
    network: Network,
    place: str | Path,
    layers: set[str],
    *,
    flow: Method = "tvl1-fast",
    group: str | None = None,
    windows: int = 3,
    most_clips: int = 256,
    failed: Callable[[Clip, VideoError], None] | None = None,
) -> int:
    """Add the maxima of `layers` and the bound of every flow stream, from the clips at `place`, to `network`.

    Returns how many clips were used. Of each clip `windows` windows are shown, and of more than `most_clips` clips an
    even choice. Clips that cannot be read are left out, and told to `failed`; of those that are shorter than a window
    the last frame is held. The bound of a flow stream is 5 times the root mean square of speed, the median of the
    clips.

    Raises VideoError when no clip can be used.
    """
    clips = clips_in(place, group=group)
    count = min(len(clips), most_clips)
    chosen = [clips[k * len(clips) // count] for k in range(count)]
    cache = FlowCache()
    speeds: dict[str, list[float]] = {stream.name: [] for stream in network.streams if stream.kind == "flow"}
    reasons: list[str] = []

    def shown() -> Iterator[dict[str, Tensor]]:
        for clip in chosen:
            try:
                loaded = load_clip(clip, network.streams, flow=flow, cache=cache)
                parts = [loaded.window(network.streams, start) for start in starts(loaded, network.streams, windows)]
            except VideoError as error:
                reasons.append(str(error))
                if failed is not None:
                    failed(clip, error)
                continue
            batch = {stream.name: torch.stack([part[stream.name] for part in parts]) for stream in network.streams}
            for name, found in speeds.items():
                found.append(_spread(batch[name]))
            yield batch

    with quick_passes(network):
        maxima = unit_maxima(network, shown(), sorted(layers))
    used = len(chosen) - len(reasons)
    if used == 0:
        raise VideoError(f"none of the {len(chosen)} clips of '{place}' can be used; the first error: {reasons[0]}")
    network.maxima.update(maxima)
    put_bounds(network, {name: median(found) for name, found in speeds.items()})
    return used


def put_bounds(network: Network, speeds: Mapping[str, float]) -> None:
    """Bound flow streams by the root mean squares of speed that real clips have in them, px/frame."""
    for name, speed in speeds.items():
        if speed > 0:
            network.bounds[name] = min(network.stream(name).bound, _BOUND * speed)


def _spread(flow: Tensor) -> float:
    """The root mean square speed in (clip channel time height width)."""
    return float(flow.square().sum(1).mean().sqrt())
