"""Runs a network over clips to find how far the responses of its units reach."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from marey.network.hooks import frozen
from marey.network.maxima import Maxima
from marey.network.network import Network


def measured_maxima(
    network: Network,
    clips: Iterable[Mapping[str, Tensor]],
    layers: Iterable[str],
    *,
    source: str,
    bounds: Mapping[str, float] | None = None,
) -> Maxima:
    """The maxima of `layers` on `clips`, each the windows of one clip {stream: (window channel time height width)}.

    Values are physical: RGB in 0..1, flow in px/frame. `source` says in words which clips they are. Raises NetworkError
    for a layer that the network does not have.
    """
    names = [network.layer(layer).name for layer in layers]
    seen = {stream for layer in names for stream in network.layer(layer).receptive_field.streams}
    largest: dict[str, list[Tensor]] = {name: [] for name in names}
    means: dict[str, list[Tensor]] = {name: [] for name in names}
    with torch.no_grad(), frozen(network.module):
        for clip in clips:
            moved = {name: windows.to(network.device) for name, windows in clip.items()}
            count = next(iter(moved.values())).shape[0]
            skipped = {name: rest for name, rest in network.rest(count, seen=seen).items() if rest is None}
            for name, output in network.activations({**moved, **skipped}, names).items():
                largest[name].append(output.float().amax((0, 2, 3, 4)).cpu())
                means[name].append(output.float().mean((0, 2, 3, 4)).cpu())
    return Maxima.of_clips(
        {name: torch.stack(rows) for name, rows in largest.items() if rows},
        {name: torch.stack(rows) for name, rows in means.items() if rows},
        bounds=bounds,
        source=source,
    )
