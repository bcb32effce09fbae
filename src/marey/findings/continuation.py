"""The part of a network behind some layers, run on what these layers gave before: the costly part runs once a clip."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

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

    def __init__(self, network: Network, layers: Sequence[str], *, ends: Sequence[str] = ()) -> None:
        """`ends` are given as `layers` are, and may run before them: ends of streams that `layers` do not see.

        Raises NetworkError for layers that are called several times, or give no single tensor.
        """
        self.network = network
        self.layers = tuple(network.usable(layer) for layer in (*layers, *ends))
        self._first = {network.part(layer) for layer in self.layers[: len(layers)]}
        self._parts: dict[str, nn.Module] = {layer: network.part(layer) for layer in self.layers}
        for layer in self.layers:
            axes = network.axes[layer]
            if axes.called > 1 or axes.clips is None or axes.alone:
                raise NetworkError(
                    f"layer '{layer}' of {network.name} is called {axes.called} times, or takes one clip at a time, so "
                    "that no pass can go on from it; name another layer."
                )
        self._before: dict[int, dict[nn.Module, Tensor]] = {}
        self._ended: dict[nn.Module, Tensor] | None = None  # what runs before the layers, for one clip

    def outputs(self, inputs: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """What the layers give for each clip of a batch; a pass can go on from any choice of these."""
        return self._outputs(lambda: self.network.forward(inputs), len(next(iter(inputs.values()))))

    def following(self, before: "Continuation", outputs: Sequence[Mapping[str, Tensor]]) -> list[dict[str, Tensor]]:
        """What the layers give for each clip where earlier layers, those of `before`, give `outputs` (clip)."""
        with before._going_on(outputs) as rest:
            return self._outputs(lambda: self.network.activations(rest, self.layers), len(outputs))

    def activations(self, outputs: Sequence[Mapping[str, Tensor]], read: Sequence[str]) -> dict[str, Tensor]:
        """The layers to `read`, as (clip, channel, time, height, width), where the layers give `outputs` (clip)."""
        with self._going_on(outputs) as rest:
            return self.network.activations(rest, read)

    @contextmanager
    def _going_on(self, outputs: Sequence[Mapping[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
        """While inside, the layers give `outputs` (clip) for inputs that are given to it, which show nothing."""
        clips = len(outputs)
        answers = {part: self._together(layer, [one[layer] for one in outputs]) for layer, part in self._parts.items()}
        if clips not in self._before:
            self._before[clips] = self._silent(clips)
        with torch.no_grad(), answered({**self._before[clips], **answers}):
            yield {
                stream.name: torch.full((1, *stream.shape), stream.rest, device=self.network.device).expand(
                    clips, *stream.shape
                )
                for stream in self.network.streams
            }

    def _outputs(self, run: Callable[[], object], clips: int) -> list[dict[str, Tensor]]:
        found: dict[str, Tensor] = {}
        with observed(self._parts, lambda layer, output: found.update({layer: output.detach().clone()})):
            run()
        split = {layer: self._by_clip(layer, output, clips) for layer, output in found.items()}
        if missing := set(self.layers) - split.keys():
            raise NetworkError(f"layer '{min(missing)}' of {self.network.name} is not called; name another layer.")
        return [{layer: split[layer][clip] for layer in self.layers} for clip in range(clips)]

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

    def _silent(self, clips: int) -> dict[nn.Module, Tensor]:
        """What runs before the layers, with tensors of the right shape that take no memory."""
        if self._ended is None:
            self._ended = self._before_layers(1)
        name_of = {part: name for name, part in self.network.module.named_modules()}
        shapes: dict[nn.Module, list[int]] = {}
        for part, output in self._ended.items():
            axes = self.network.axes.get(name_of[part])
            if axes is None or axes.clips is None or axes.alone:  # only a pass of so many clips tells
                ended = self._before_layers(clips)
                return {one: found.new_zeros(()).expand(found.shape) for one, found in ended.items()}
            shapes[part] = list(output.shape)
            shapes[part][axes.clips] *= clips
        return {part: output.new_zeros(()).expand(shapes[part]) for part, output in self._ended.items()}

    def _before_layers(self, clips: int) -> dict[nn.Module, Tensor]:
        rest = self.network.rest(clips)
        with torch.no_grad():
            return ended_before(lambda: self.network.forward(rest), self.network.module, self._first)

    def _by_clip(self, layer: str, output: Tensor, clips: int) -> list[Tensor]:
        axes = self.network.axes[layer]
        at = axes.clips or 0
        inner = output.shape[at] // (axes.outer * clips)
        split: Tensor = output.unflatten(at, (axes.outer, clips, inner))  # type: ignore[no-untyped-call]
        return list(split.unbind(at + 1))

    def _together(self, layer: str, outputs: Sequence[Tensor]) -> Tensor:
        at = self.network.axes[layer].clips or 0
        return torch.stack(list(outputs), at + 1).flatten(at, at + 2)
