"""Units held at constant values while a network runs: what depends on them changes, all else does not."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from marey.errors import NetworkError
from marey.network.hooks import changed
from marey.network.network import Network
from marey.recording.read.recording import Recording


@contextmanager
def ablated(network: Network, layer: str, channels: Sequence[int], values: Tensor) -> Iterator[None]:
    """While inside, units of a layer have one value at every position: `values` (channel), as their mean response.

    Raises NetworkError for a layer that the network does not have, or in which each head has units of its own.
    """
    name = network.usable(layer)
    axis, grid = network.axes[name].units, network.axes[name].grid
    if grid is not None and grid.heads > 1:
        raise NetworkError(f"layer '{layer}' keeps {grid.heads} heads apart; hold units of the layer that joins them.")
    index = torch.as_tensor(list(channels), dtype=torch.long)

    def hold(_name: str, output: Tensor) -> Tensor:
        held = output.clone().movedim(axis, -1)
        held[..., index.to(output.device)] = values.to(held)
        return held.movedim(-1, axis)

    with changed({name: network.part(name)}, hold):
        yield


def mean_responses(recording: Recording, layer: str) -> Tensor:
    """The mean response (unit) of a layer over positions and recorded clips, at which its units are held."""
    return recording.matrix(layer, field="mean").mean(0)
