"""One short pass over real clips: the largest activation of every unit, and how large values get in every stream."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from marey.datasets.clips_in import clips_in
from marey.errors import VideoError
from marey.maxima import unit_maxima
from marey.network import Network
from marey.video.clips import Clip, load_clip, starts
from marey.video.flow import Method
from marey.video.flow_cache import FlowCache

_QUANTILE = 0.999


def measure_maxima(
    network: Network,
    place: str | Path,
    layers: set[str],
    *,
    flow: Method = "tvl1-fast",
    group: str | None = None,
    windows: int = 3,
    most_clips: int = 256,
) -> int:
    """Add the maxima of `layers` and the bound of every flow stream, from the clips at `place`, to `network`; how many clips.

    Of each clip `windows` windows are shown, and of more than `most_clips` clips an even choice. Clips that cannot be read or are
    too short are left out. The bound of a flow stream is the 99.9th percentile of the speeds on the clips.

    Raises VideoError when no clip can be used.
    """
    clips = clips_in(place, group=group)
    count = min(len(clips), most_clips)
    chosen = [clips[k * len(clips) // count] for k in range(count)]
    used: list[Clip] = []
    speeds: dict[str, list[float]] = {}
    reasons: list[str] = []
    inputs = _windows(network, chosen, flow, windows, used, speeds, reasons)
    found = unit_maxima(network, inputs, sorted(layers))
    if not used:
        raise VideoError(f"none of the {len(chosen)} clips of '{place}' can be used; the first: {reasons[0]}")
    network.maxima.update(found)
    for name, fastest in speeds.items():
        network.bounds[name] = min(network.stream(name).bound, max(fastest))
    return len(used)


def _windows(
    network: Network,
    clips: Sequence[Clip],
    flow: Method,
    windows: int,
    used: list[Clip],
    speeds: dict[str, list[float]],
    reasons: list[str],
) -> Iterator[dict[str, Tensor]]:
    cache = FlowCache()
    for clip in clips:
        try:
            loaded = load_clip(clip, network.streams, flow=flow, cache=cache)
            parts = [loaded.window(network.streams, start) for start in starts(loaded, network.streams, windows)]
        except VideoError as error:
            reasons.append(str(error))
            continue
        used.append(clip)
        batch = {stream.name: torch.stack([part[stream.name] for part in parts]) for stream in network.streams}
        for stream in network.streams:
            if stream.kind == "flow":
                speed = batch[stream.name].square().sum(1).sqrt().flatten()
                place = int(_QUANTILE * (len(speed) - 1))
                speeds.setdefault(stream.name, []).append(float(speed.kthvalue(place + 1).values))
        yield batch
