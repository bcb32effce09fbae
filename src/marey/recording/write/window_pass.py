"""One pass of a network over a batch of windows, of which every recorded layer is read as it is called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marey.errors import NetworkError
from marey.network.axes import one_by_one
from marey.network.network import Network
from marey.network.volumes import volumes
from marey.recording.output_maxima import OutputMaxima, one_after_the_other, output_maxima, side_by_side
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
        self._read = tuple(names)
        self._alone = any(network.axes[network.usable(name)].alone for name in names)
        self._inputs = {s.name: torch.empty(batch, *s.shape, device=network.device) for s in network.streams}

    def responses(self, cuts: Sequence[Cut]) -> PassResponses:
        """The responses to at most a batch of windows; the last window fills the batch up.

        Enter `quick_passes` first. A network that takes one clip at a time is shown one window after the other. Raises
        NetworkError when a layer is not called.
        """
        for stream in self._network.streams:
            inputs = self._inputs[stream.name]
            for place, cut in enumerate(cuts):
                physical(cut[stream.name], stream, out=inputs[place])
            inputs[len(cuts) :] = inputs[len(cuts) - 1]
        if not self._alone:
            return self._pass(self._inputs, self._batch)
        parts = [self._pass(window, 1) for window in one_by_one(self._inputs, len(cuts))]
        scores = [part.scores for part in parts if part.scores is not None]
        maxima = one_after_the_other([part.maxima for part in parts])
        return PassResponses(maxima, torch.cat(scores) if scores else None)

    def _pass(self, inputs: Mapping[str, Tensor | None], windows: int) -> PassResponses:
        """The responses to so many windows at once."""
        found: dict[str, OutputMaxima] = {}
        scores: list[Tensor] = []

        def read(name: str, volume: Tensor) -> None:
            if name == self._scores:
                scores.append(volume.float().mean((2, 3, 4)))
            if name in self._layers:
                found[name] = output_maxima(volume)

        with torch.no_grad(), volumes(self._network, self._read, windows, read):
            self._network.forward(inputs)
        if silent := set(self._layers) - found.keys():
            raise NetworkError(f"layer '{min(silent)}' is not called in this pass; record the other layers without it.")
        return PassResponses(side_by_side([found[name] for name in self._layers]), scores[0] if scores else None)
