"""Reads layers while a network runs, so that no output is kept longer than until all that is read of it is there."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from torch import Tensor

from marey.network.hooks import observed
from marey.network.network import Network


@contextmanager
def volumes(
    network: Network, layers: Collection[str], clips: int, callback: Callable[[str, Tensor], None]
) -> Iterator[None]:
    """While inside, `callback(layer, volume)` is given (clip, unit, time, height, width) of each layer of a pass.

    Each is given as soon as the last call that is read ends, or when the pass is over where there were fewer.
    """
    axes = {layer: network.axes[network.usable(layer)] for layer in layers}
    counts = dict.fromkeys(axes, 0)
    waiting: dict[str, list[Tensor]] = {}

    def take(layer: str, output: Tensor) -> None:
        counts[layer] += 1
        read = axes[layer].read
        if counts[layer] - 1 not in read:
            return
        if len(read) == 1:
            callback(layer, axes[layer].volume([output.detach()], clips))
            return
        parts = waiting.setdefault(layer, [])
        parts.append(output.detach().clone())  # which the code around may change before the next call
        if len(parts) == len(read):
            callback(layer, axes[layer].volume(waiting.pop(layer), clips))

    with observed({layer: network.part(network.layer_name(layer)) for layer in layers}, take):
        yield
    for layer, parts in waiting.items():
        callback(layer, axes[layer].volume(parts, clips))
