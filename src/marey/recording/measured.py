"""Measures on the clips of a data set how far the responses of units reach, without a recording."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from marey.accelerate.passes import quick_passes
from marey.datasets.clips_in import clips_in
from marey.errors import VideoError
from marey.network.maxima import Maxima
from marey.network.measured_maxima import measured_maxima
from marey.network.network import Network
from marey.recording.flow_bounds import flow_bounds
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clips import Clip, load_clip, starts


def measure_maxima(
    network: Network,
    place: str | Path,
    layers: Iterable[str],
    *,
    flow: Method = "tvl1-fast",
    group: str | None = None,
    windows: int = 3,
    most_clips: int = 256,
    skipped: Callable[[Clip, VideoError], None] | None = None,
) -> Maxima:
    """The maxima of `layers` on the clips at `place`, with the bound of every flow stream.

    windows
        of each clip that are shown, spread from its start to its end. A clip that is shorter than a window is padded
        as its streams say.
    most_clips
        of more clips an even choice is shown.
    skipped
        told each clip that cannot be read, with the reason.

    The bound of a flow stream is 5 times the root mean square of speed, the median of the clips. Raises NetworkError
    for a layer that the network does not have, VideoError when no clip can be used.
    """
    names = sorted(network.layer(layer).name for layer in layers)
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
                if skipped is not None:
                    skipped(clip, error)
                continue
            batch = {stream.name: torch.stack([part[stream.name] for part in parts]) for stream in network.streams}
            for name, found in speeds.items():
                found.append(_speed(batch[name]))
            yield batch

    with quick_passes(network):
        found = measured_maxima(network, shown(), names, source="real clips")
    used = len(chosen) - len(reasons)
    if used == 0:
        raise VideoError(f"none of the {len(chosen)} clips of '{place}' can be used; the first error: {reasons[0]}")
    bounds = flow_bounds(network.streams, {name: median(values) for name, values in speeds.items()})
    return replace(found, bounds=bounds, source=f"{used} clips of '{Path(place).name}'")


def _speed(flow: Tensor) -> float:
    """The root mean square speed in (window channel time height width)."""
    return float(flow.square().sum(1).mean().sqrt())
