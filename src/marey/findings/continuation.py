"""The part of a network behind some layers, run on what these layers gave before: the costly part runs once a clip."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.network.hooks import answered, ended_before, observed
from marey.network.network import Network

_CLOSE = 1e-3
"""How near, relative to the largest value, the continued pass must come to a whole one."""


class Continuation:
    """Runs what follows `layers`, whose outputs are given: kept from passes of clips, mixed, or changed.

    What runs before the first of the layers is not run again. Whether that is right for the network, some passes tell:
    a shortcut around the layers would be missing.
    """

    def __init__(self, network: Network, layers: Sequence[str]) -> None:
        """Raises NetworkError for layers that are called several times, or give no single tensor."""
        self.network = network
        self.layers = tuple(network.usable(layer) for layer in layers)
        self._parts: dict[str, nn.Module] = {layer: network.part(layer) for layer in self.layers}
        for layer in self.layers:
            axes = network.axes[layer]
            if axes.called > 1 or axes.clips is None or axes.alone:
                raise NetworkError(
                    f"layer '{layer}' of {network.name} is called {axes.called} times, or takes one clip at a time, so "
                    "that no pass can go on from it; name another layer."
                )
        self._before: dict[int, dict[nn.Module, Tensor]] = {}

    def outputs(self, inputs: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """What the layers give for each clip of a batch; a pass can go on from any choice of these."""
        found: dict[str, Tensor] = {}
        with observed(self._parts, lambda layer, output: found.update({layer: output.detach().clone()})):
            self.network.forward(inputs)
        clips = len(next(iter(inputs.values())))
        split = {layer: self._by_clip(layer, output, clips) for layer, output in found.items()}
        if missing := set(self.layers) - split.keys():
            raise NetworkError(f"layer '{min(missing)}' of {self.network.name} is not called; name another layer.")
        return [{layer: split[layer][clip] for layer in self.layers} for clip in range(clips)]

    def activations(self, outputs: Sequence[Mapping[str, Tensor]], read: Sequence[str]) -> dict[str, Tensor]:
        """The layers to `read`, as (clip, channel, time, height, width), where the layers give `outputs` (clip)."""
        clips = len(outputs)
        answers = {part: self._together(layer, [one[layer] for one in outputs]) for layer, part in self._parts.items()}
        rest = self.network.rest(clips)
        with torch.no_grad():
            if clips not in self._before:
                self._before[clips] = self._silent(rest)
            with answered({**self._before[clips], **answers}):
                return self.network.activations(rest, read)

    def checked(self, inputs: Mapping[str, Tensor], read: Sequence[str]) -> "Continuation":
        """Itself, once a pass that goes on gives what a whole pass gives; NetworkError otherwise."""
        with torch.no_grad():
            whole = self.network.activations(inputs, read)
            again = self.activations(self.outputs(inputs), read)
        for layer in read:
            largest = float(whole[layer].abs().amax())
            if float((whole[layer] - again[layer]).abs().amax()) > _CLOSE * max(largest, 1e-12):
                raise NetworkError(
                    f"what {self.network.name} computes in '{layer}' does not follow from {' and '.join(self.layers)} "
                    "alone; name layers that all of it passes through."
                )
        return self

    def _silent(self, rest: Mapping[str, Tensor | None]) -> dict[nn.Module, Tensor]:
        """What runs before the layers, with tensors of the right shape that take no memory."""
        first = set(self._parts.values())
        ended = ended_before(lambda: self.network.forward(rest), self.network.module, first)
        return {part: output.new_zeros(()).expand(output.shape) for part, output in ended.items()}

    def _by_clip(self, layer: str, output: Tensor, clips: int) -> list[Tensor]:
        axes = self.network.axes[layer]
        at = axes.clips or 0
        inner = output.shape[at] // (axes.outer * clips)
        split: Tensor = output.unflatten(at, (axes.outer, clips, inner))  # type: ignore[no-untyped-call]
        return list(split.unbind(at + 1))

    def _together(self, layer: str, outputs: Sequence[Tensor]) -> Tensor:
        at = self.network.axes[layer].clips or 0
        return torch.stack(list(outputs), at + 1).flatten(at, at + 2)
