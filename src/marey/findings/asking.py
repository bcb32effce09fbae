"""What units respond to clips as they are, to clips that are changed, and while the network is changed."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool3d

from marey.accelerate.passes import quick_passes
from marey.datasets.skipped_clip import SkippedClip
from marey.errors import VideoError
from marey.network.network import Network
from marey.network.volumes import volumes
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.ahead import ClipWindows, windows_ahead
from marey.video.read.clips import Clip

WINDOWS_AT_ONCE = 16

Inputs = Mapping[str, Tensor]
"""{stream: (window channel time height width)} in physical units."""

Report = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Shown:
    """A clip as the network is to see it: its windows, and random numbers that depend on the clip and the seed only.

    number
        the place of the clip among those that are asked about.
    start_frames, rate
        where in the clip each window starts, and the clip's frames per second.
    """

    number: int
    clip: Clip
    inputs: Inputs
    random: torch.Generator
    start_frames: tuple[int, ...] = (0,)
    rate: float = 25.0


@dataclass(frozen=True)
class Condition:
    """One way to ask: `changed` makes what is shown instead of a clip, `within` changes the network meanwhile."""

    name: str
    changed: Callable[[Shown], Inputs] | None = None
    within: Callable[[], AbstractContextManager[Any]] = nullcontext


AS_IT_IS = Condition("as it is")


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network answered under one condition.

    maxima
        {layer: (clip, unit)}, the largest response at any position of any window.
    scores
        (clip, class), the mean over windows; no columns for a network without classes.
    """

    maxima: Mapping[str, Tensor]
    scores: Tensor


@dataclass(frozen=True, eq=False)
class Asked:
    """The answers by the name of the condition, to the clips that could be read; `rows` says which these are."""

    answers: Mapping[str, Answers]
    rows: Sequence[int]
    skipped: Sequence[SkippedClip] = field(default_factory=tuple)

    def __getitem__(self, name: str) -> Answers:
        """The answers under a condition."""
        return self.answers[name]


def ask(
    network: Network,
    clips: Sequence[Clip],
    layers: Sequence[str],
    conditions: Sequence[Condition] = (AS_IT_IS,),
    *,
    windows: int = 1,
    flow: Method = "tvl1-fast",
    cache: FlowCache | None = None,
    seed: int = 0,
    report: Report | None = None,
) -> Asked:
    """Show every clip under every condition, each decoded once; memory does not grow with the frames of the clips.

    layers
        whose responses are kept; the class scores are kept besides where the network has classes.
    windows
        of each clip, spread over it; 1 is the middle.
    report
        told how many clips are done, and of how many.

    Raises VideoError when no clip can be read, NetworkError for a layer that the network does not have.
    """
    names = [condition.name for condition in conditions]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"conditions need different names, got '{repeated[0]}' twice")
    wanted = [network.layer(layer).name for layer in layers]
    scores = network.scores if network.classes else None
    gathering = _Gathering(network, wanted, scores, conditions)
    cache = FlowCache() if cache is None else cache
    skipped: list[SkippedClip] = []
    rows: list[int] = []
    ahead = windows_ahead(clips, network.streams, count=windows, flow=flow, cache=cache)
    with closing(ahead), torch.no_grad(), quick_passes(network):
        for number, (clip, made) in enumerate(ahead):
            if isinstance(made, str):
                skipped.append(SkippedClip(str(clip.path), clip.label, made))
            else:
                rows.append(number)
                gathering.show(number, clip, made, seed)
            if report is not None:
                report(number + 1, len(clips))
        gathering.finish()
    if not rows:
        raise VideoError(f"none of {len(clips)} clips can be read; the first: {skipped[0].reason if skipped else '-'}")
    return Asked(gathering.answers(), rows, tuple(skipped))


class _Gathering:
    """Clips that wait for a pass, and what was answered so far."""

    def __init__(
        self, network: Network, layers: Sequence[str], scores: str | None, conditions: Sequence[Condition]
    ) -> None:
        self._network, self._layers, self._scores, self._conditions = network, layers, scores, conditions
        self._read = list(dict.fromkeys([*layers, *([] if scores is None else [scores])]))
        self._waiting: dict[str, list[Inputs]] = {condition.name: [] for condition in conditions}
        self._sizes: list[int] = []
        self._maxima: dict[str, dict[str, list[Tensor]]] = {
            condition.name: {layer: [] for layer in layers} for condition in conditions
        }
        self._found: dict[str, list[Tensor]] = {condition.name: [] for condition in conditions}

    def show(self, number: int, clip: Clip, made: ClipWindows, seed: int) -> None:
        """Add a clip to the next pass of each condition."""
        inputs = made.inputs(self._network.streams)
        for condition in self._conditions:
            random = torch.Generator().manual_seed(seed * 1_000_003 + number)
            shown = Shown(number, clip, inputs, random, made.start_frames, made.rate)
            self._waiting[condition.name].append(inputs if condition.changed is None else condition.changed(shown))
        self._sizes.append(len(next(iter(inputs.values()))))
        if sum(self._sizes) >= WINDOWS_AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Run the passes that wait."""
        if not self._sizes:
            return
        for condition in self._conditions:
            waiting = self._waiting[condition.name]
            inputs = {
                stream.name: torch.cat([one[stream.name] for one in waiting]).to(self._network.device)
                for stream in self._network.streams
            }
            largest, means = self._pass(inputs, condition)
            for layer in self._layers:
                self._maxima[condition.name][layer] += [
                    part.amax(0) for part in torch.split(largest[layer], self._sizes)
                ]
            if means is not None:
                self._found[condition.name] += [part.mean(0) for part in torch.split(means, self._sizes)]
            waiting.clear()
        self._sizes.clear()

    def _pass(self, inputs: Inputs, condition: Condition) -> tuple[dict[str, Tensor], Tensor | None]:
        """The largest responses {layer: (window, unit)} and the class scores (window, class), read as layers run."""
        largest: dict[str, Tensor] = {}
        means: list[Tensor] = []

        def read(name: str, volume: Tensor) -> None:
            if name == self._scores:
                means.append(volume.flatten(2).mean(2).float().cpu())
            if name in self._maxima[condition.name]:
                largest[name] = _largest(volume).float().cpu()

        windows = sum(self._sizes)
        with condition.within():
            if any(self._network.axes[name].alone for name in self._read):
                whole = self._network.activations(inputs, self._read)
                for name, volume in whole.items():
                    read(name, volume)
            else:
                with volumes(self._network, self._read, windows, read):
                    self._network.forward(inputs)
        return largest, means[0] if means else None

    def answers(self) -> dict[str, Answers]:
        """All that was answered."""
        return {
            condition.name: Answers(
                {layer: torch.stack(rows) for layer, rows in self._maxima[condition.name].items()},
                torch.stack(self._found[condition.name])
                if self._scores is not None
                else torch.empty(len(next(iter(self._maxima[condition.name].values()), [])), 0),
            )
            for condition in self._conditions
        }


def _largest(volume: Tensor) -> Tensor:
    """The largest response (window, unit) at any position; a pooling reads any layout in memory without a copy."""
    if volume.device.type == "cpu":
        return max_pool3d(volume, volume.shape[2:]).flatten(1)
    return volume.flatten(2).amax(2)
