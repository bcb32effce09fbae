"""One pass of a network over a batch of windows, of which every recorded layer is read as it is called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.errors import NetworkError
from marey.network.hooks import observed
from marey.network.layer import volume
from marey.network.network import Network
from marey.recording.output_maxima import OutputMaxima, output_maxima, side_by_side
from marey.video.read.windows import physical

Cut = Mapping[str, Tensor]
"""A window of a clip, as `ClipWindows` holds it."""


@dataclass(frozen=True, eq=False)
class PassResponses:
    """Of every window of a pass: the maxima of the units of all layers in a row, and the class scores, if any."""

    maxima: OutputMaxima
    scores: Tensor | None


class WindowPass:
    """Runs a network over batches of windows that all have the same size."""

    def __init__(self, network: Network, layers: Sequence[str], scores: str | None, batch: int) -> None:
        """`layers` in the order in which their units are to lie, `scores` the layer of class scores, if any."""
        self._network, self._layers, self._scores, self._batch = network, tuple(layers), scores, batch
        names = self._layers if scores is None else dict.fromkeys((*self._layers, scores))
        self._modules = {name: network.part(name) for name in names}
        self._inputs = {s.name: torch.empty(batch, *s.shape, device=network.device) for s in network.streams}

    def responses(self, cuts: Sequence[Cut]) -> PassResponses:
        """The responses to at most a batch of windows; the last window fills the batch up.

        Enter `quick_passes` first. A layer that is called several times is read the first time. Raises NetworkError
        when a layer is not called.
        """
        for stream in self._network.streams:
            inputs = self._inputs[stream.name]
            for place, cut in enumerate(cuts):
                physical(cut[stream.name], stream, out=inputs[place])
            inputs[len(cuts) :] = inputs[len(cuts) - 1]
        found: dict[str, OutputMaxima] = {}
        scores: list[Tensor] = []

        def read(name: str, output: Tensor) -> None:
            if name == self._scores and not scores:
                laid = volume(self._network.units_second(name, output), self._batch)
                scores.append(laid.float().mean((2, 3, 4)))
            if name in self._layers and name not in found:
                found[name] = output_maxima(self._network.units_second(name, output), self._batch)

        with torch.no_grad(), observed(self._modules, read):
            self._network.forward(self._inputs)
        if silent := set(self._layers) - found.keys():
            raise NetworkError(f"layer '{min(silent)}' is not called in this pass; record the other layers without it.")
        return PassResponses(side_by_side([found[name] for name in self._layers]), scores[0] if scores else None)
