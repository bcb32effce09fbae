"""What a network responds to clips at several speeds, and to their frames in another order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from marey.findings.asking import AS_IT_IS, Asked, Condition, ask
from marey.findings.interventions import ONE_FRAME, REVERSED, SHUFFLED, interventions
from marey.findings.labeled_clips import LabeledClips
from marey.findings.retimed import retimed_clip
from marey.findings.speed_tuning import SPEEDS
from marey.findings.steps import Steps
from marey.findings.tempo import REPLAY, TempoReading, tempo_classes, tempo_reading
from marey.network.network import Network
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method

ORDER = (ONE_FRAME, SHUFFLED, REVERSED)

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Replays:
    """The answers to clips that could be read.

    speeds
        {layer: (speed, clip, unit)}.
    scores
        (speed, clip, class).
    order
        {change: {layer: (clip, unit)}}.
    """

    labeled: LabeledClips
    speeds: Mapping[str, Floats]
    scores: Floats
    order: Mapping[str, Mapping[str, Floats]]

    def moves(self, layer: str) -> bool:
        """Whether any unit of the layer sees motion at all."""
        own = self.speeds[layer][SPEEDS.index(1.0)]
        return bool((own != self.speeds[layer]).any() or (own != self.order[ONE_FRAME][layer]).any())

    def sees_motion_alone(self, layer: str) -> bool:
        """Whether all clips look the same to the layer once they stand still."""
        return self.moves(layer) and bool((np.ptp(self.order[ONE_FRAME][layer], axis=0) == 0).all())


@dataclass(frozen=True, eq=False)
class Asking:
    """Asks networks about the units of some layers."""

    layers: Sequence[str]
    flow: Method
    cache: FlowCache
    seed: int
    steps: Steps

    def replays(self, network: Network, labeled: LabeledClips) -> Replays:
        """Show the clips at all speeds, and at their own in all orders."""
        changes = [one for one in interventions(network.streams) if one.name in ORDER]
        own = self._ask(network, labeled, (AS_IT_IS, *changes))
        labeled = _read(labeled, own)
        by_speed = [
            own[AS_IT_IS.name] if speed == 1 else self._ask(network, labeled, (AS_IT_IS,), speed)[AS_IT_IS.name]
            for speed in SPEEDS
        ]
        return Replays(
            labeled,
            {name: np.stack([one.maxima[name].numpy() for one in by_speed]) for name in self.layers},
            np.stack([one.scores.numpy() for one in by_speed]),
            {one.name: _arrays(own[one.name].maxima) for one in changes},
        )

    def as_it_is(self, network: Network, labeled: LabeledClips) -> tuple[dict[str, Floats], LabeledClips]:
        """{layer: (clip, unit)} for the clips that can be read."""
        asked = self._ask(network, labeled, (AS_IT_IS,))
        return _arrays(asked[AS_IT_IS.name].maxima), _read(labeled, asked)

    def tempo(self, network: Network, labeled: LabeledClips) -> TempoReading:
        """Which units read the tempo of clips of the slow and the fast class."""
        both = tempo_classes(labeled.classes)
        assert both is not None
        found = {}
        for speed in (1 / REPLAY, 1.0, REPLAY):
            asked = self._ask(network, labeled, (AS_IT_IS,), speed)[AS_IT_IS.name].maxima
            found[speed] = np.concatenate([asked[name].numpy() for name in self.layers], 1)
        is_fast = labeled.labels == labeled.classes.index(both[1])
        return tempo_reading(found, is_fast, labeled.groups, seed=self.seed)

    def _ask(
        self, network: Network, labeled: LabeledClips, conditions: Sequence[Condition], speed: float = 1.0
    ) -> Asked:
        clips = labeled.clips
        if speed != 1:
            clips = tuple(retimed_clip(clip, speed, flow=self.flow, cache=self.cache) for clip in clips)
        return ask(
            network,
            clips,
            self.layers,
            conditions,
            flow=self.flow,
            cache=self.cache,
            seed=self.seed,
            report=lambda _done, _all: self.steps(1),
        )


def _arrays(maxima: Mapping[str, Tensor]) -> dict[str, Floats]:
    return {name: values.numpy() for name, values in maxima.items()}


def _read(labeled: LabeledClips, asked: Asked) -> LabeledClips:
    read = np.zeros(len(labeled.clips), bool)
    read[list(asked.rows)] = True
    return labeled.some(read)
