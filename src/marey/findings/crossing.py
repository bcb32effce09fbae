"""The appearance of every clip shown together with the motion of every clip, at the cost of a pass for each clip."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey.accelerate.passes import quick_passes
from marey.errors import MareyError
from marey.findings.asking import WINDOWS_AT_ONCE, Inputs
from marey.findings.continuation import Continuation
from marey.findings.towers import additive_joint, behind_towers, pair, towers
from marey.network.network import Network
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.ahead import windows_ahead
from marey.video.read.clips import Clip

_PAIRS_AT_ONCE = 256
_BYTES_AT_ONCE = 2**26

Crossed = Mapping[str, NDArray[np.float32]]
"""{layer: (appearance, motion, unit)}, the largest response at any position to a pair of clips."""

Outputs = Mapping[str, Tensor]


class Crossing:
    """A network whose towers are run once for every clip, and what follows them for all pairs of clips.

    Where the first layer that sees both is a sum of a part of each, as a convolution is, only what follows that layer
    is run for the pairs.
    """

    def __init__(self, network: Network, layers: Sequence[str]) -> None:
        """`layers` are read, and see both; MareyError for a network that does not join appearance and motion."""
        self.network, self.layers = network, tuple(layers)
        self._towers = towers(network)
        self._behind: Continuation | None = None
        self._joint: Continuation | None = None
        self._clips: list[Outputs] = []
        self._shuffled: list[Outputs] = []

    @property
    def clips(self) -> int:
        """How many clips were shown."""
        return len(self._clips)

    def show(self, inputs: Inputs, shuffled: Inputs | None = None) -> None:
        """Run the towers on some clips (clip), two at least, and on the same with their frames in another order."""
        if self._behind is None:
            some = {name: values[:4] for name, values in inputs.items()}
            self._behind = behind_towers(self.network, self._towers, some)
            self._joint = additive_joint(self._behind, self._towers, some)
        self._clips += self._behind.outputs(inputs)
        if shuffled is not None:
            self._shuffled += self._behind.outputs(shuffled)

    def responses(self, *, order: Sequence[int] | None = None, report: Callable[[int], None] | None = None) -> Crossed:
        """The responses to all pairs; `order` gives the motion half of the fusion the channels in that order.

        `order` numbers the channels of the motion tower. `report` is told of every clip whose pairs are done.
        """
        assert self._behind is not None
        motion = self._clips if order is None else [self._reordered(one, order) for one in self._clips]
        found: dict[str, NDArray[np.float32]] = {}
        with torch.no_grad(), quick_passes(self.network):
            going_on, pairs = self._pairs(motion)
            for row, outputs in enumerate(pairs):
                for layer, values in self._read(going_on, outputs).items():
                    if layer not in found:
                        found[layer] = np.empty((self.clips, *values.shape), np.float32)
                    found[layer][row] = values
                if report is not None:
                    report(1)
        return found

    def shuffled(self) -> Mapping[str, NDArray[np.float32]]:
        """{layer: (clip, unit)}, the largest response to each clip with its frames in another order."""
        assert self._behind is not None
        with torch.no_grad(), quick_passes(self.network):
            return self._read(self._behind, self._shuffled)

    @property
    def motion_channels(self) -> int:
        """How many channels the motion tower gives; 0 where its layers differ."""
        assert self._behind is not None
        counts = {self.network.layer(name).units for name in self._behind.layers if name in self._towers.motion}
        return counts.pop() if len(counts) == 1 else 0

    def _pairs(self, motion: Sequence[Outputs]) -> tuple[Continuation, Iterator[list[Outputs]]]:
        """What to go on from, and for every clip's appearance the pairs with all motions."""
        behind, joint = self._behind, self._joint
        assert behind is not None
        if joint is None:
            return behind, ([pair(self._towers, own, other) for other in motion] for own in self._clips)
        (first,) = joint.layers
        by_appearance = joint.following(behind, [pair(self._towers, own, motion[0]) for own in self._clips])
        by_motion = joint.following(behind, [pair(self._towers, self._clips[0], other) for other in motion])
        added = torch.stack([one[first] for one in by_motion]) - by_motion[0][first]
        return joint, ([{first: both} for both in (own[first] + added).unbind()] for own in by_appearance)

    def _read(self, going_on: Continuation, outputs: Sequence[Outputs]) -> dict[str, NDArray[np.float32]]:
        size = sum(one.numel() * one.element_size() for one in outputs[0].values())
        at_once = max(1, min(_PAIRS_AT_ONCE, _BYTES_AT_ONCE // size))
        parts: dict[str, list[Tensor]] = {layer: [] for layer in self.layers}
        for first in range(0, len(outputs), at_once):
            answered = going_on.activations(outputs[first : first + at_once], self.layers)
            for layer in self.layers:
                parts[layer].append(answered[layer].flatten(2).amax(2).float().cpu())
        return {layer: torch.cat(some).numpy() for layer, some in parts.items()}

    def _reordered(self, outputs: Outputs, order: Sequence[int]) -> Outputs:
        index = torch.as_tensor(list(order), dtype=torch.long)
        changed = {}
        for name, output in outputs.items():
            axes = self.network.axes[name]
            axis = axes.units if axes.units < (axes.clips or 0) else axes.units + 1  # the axis of clips was split
            changed[name] = (
                output.index_select(axis, index.to(output.device)) if name in self._towers.motion else output
            )
        return changed


def show_clips(
    crossings: Sequence[Crossing], clips: Sequence[Clip], *, flow: Method, seed: int, report: Callable[[int], None]
) -> None:
    """Show the clips, each decoded once, to networks with the same streams; to the first one shuffled as well.

    Raises MareyError when a clip can no longer be read, for then the pairs are not those that were asked for.
    """
    streams = crossings[0].network.streams
    waiting: list[Inputs] = []
    random = torch.Generator().manual_seed(seed)

    def finish() -> None:
        inputs = {one.name: torch.cat([each[one.name] for each in waiting]) for one in streams}
        shuffled = {name: _other_order(values, random) for name, values in inputs.items()}
        for place, crossing in enumerate(crossings):
            some = [inputs, shuffled] if place == 0 else [inputs]
            there = [{name: values.to(crossing.network.device) for name, values in one.items()} for one in some]
            with torch.no_grad(), quick_passes(crossing.network):
                crossing.show(*there)
        report(len(waiting))
        waiting.clear()

    ahead = windows_ahead(clips, streams, count=1, flow=flow, cache=FlowCache())
    with closing(ahead):
        for clip, made in ahead:
            if isinstance(made, str):
                raise MareyError(
                    f"the recorded clip '{clip.path}' can no longer be read ({made}); put it back, or record the clips "
                    "that there are."
                )
            waiting.append(made.inputs(streams))
            if len(waiting) >= WINDOWS_AT_ONCE:
                finish()
        if waiting:
            finish()


def _other_order(values: Tensor, random: torch.Generator) -> Tensor:
    """Clips (clip channel time height width), each with its frames in an order of its own."""
    frames = values.shape[2]
    return torch.stack([one[:, torch.randperm(frames, generator=random)] for one in values])
