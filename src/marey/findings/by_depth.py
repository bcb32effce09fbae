"""Numbers of units that tell abstraction and invariance, and how each goes with the depth of layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.findings.clip_span import effective_number, random_span, top_clips
from marey.findings.depth import Trend, Values, trend
from marey.findings.labeled_clips import LabeledClips
from marey.findings.losses import relative_losses
from marey.findings.replays import ORDER, Floats, Replays
from marey.findings.speed_tuning import SPEEDS, SpeedTuning, speed_tuning

NETWORK, UNTRAINED = "the network", "an untrained copy"

BANDWIDTH, PREFERRED = "speed bandwidth", "preferred speed"

ALONE = "speed bandwidth where motion alone is seen"
"""Units that see a picture, too, answer at any speed, as that stays."""

CLASSES, GROUPS = "classes of the best clips", "their groups"

LOST = {change: f"lost by '{change}'" for change in ORDER}


@dataclass(frozen=True, eq=False)
class ByDepth:
    """What was found of one network.

    sizes, moving
        {layer: units}, from the first to the last; the layers that see motion.
    trends
        by what was measured; over `layers_of` it.
    tuning
        of the units of the layers that see motion.
    lost
        {change: (unit)}, of the same units.
    spans
        {CLASSES or GROUPS: (unit)}, of all units.
    alone
        the layers that see motion, and no picture.
    """

    sizes: Mapping[str, int]
    moving: tuple[str, ...]
    trends: Mapping[str, Trend]
    tuning: SpeedTuning
    lost: Mapping[str, NDArray[np.floating]]
    spans: Mapping[str, NDArray[np.floating]]

    alone: tuple[str, ...]

    def layers_of(self, what: str) -> tuple[str, ...]:
        """The layers over which a trend goes."""
        return tuple(self.sizes) if what in (CLASSES, GROUPS) else self.alone if what == ALONE else self.moving

    @property
    def unexplained(self) -> float:
        """The share of units that see motion, and of whose speed nothing can be said."""
        return float(1 - self.tuning.alive.mean())

    @property
    def tuned(self) -> NDArray[np.bool_]:
        """(unit), whether the response falls below half at some speed."""
        return np.asarray(self.tuning.alive & (self.tuning.curve.min(0) < 0.5))


def by_depth(
    replays: Replays,
    responses: Mapping[str, Floats],
    labeled: LabeledClips,
    moving: Sequence[str],
    sizes: Mapping[str, int],
    *,
    depth: Mapping[str, int],
    seed: int,
) -> ByDepth:
    """All trends: of `replays`, and of `responses` {layer: (clip, unit)} to the clips `labeled`."""
    own = SPEEDS.index(1.0)
    deep = [depth[name] for name in moving]
    speeds = np.concatenate([replays.speeds[name] for name in moving], 2)  # speed clip unit
    shown, counts = replays.labeled, [sizes[name] for name in moving]
    alone = [name for name in moving if replays.sees_motion_alone(name)]
    sees_alone = np.repeat([name in alone for name in moving], counts)

    def bandwidth(clips: NDArray[np.bool_]) -> Values:
        found = speed_tuning(speeds[:, clips])
        return found.bandwidth, found.alive

    def bandwidth_alone(clips: NDArray[np.bool_]) -> Values:
        values, alive = bandwidth(clips)
        return values[sees_alone], alive[sees_alone]

    def preferred(clips: NDArray[np.bool_]) -> Values:
        found = speed_tuning(speeds[:, clips])
        return found.preferred, found.alive

    trends = {
        BANDWIDTH: trend(bandwidth, counts, deep, shown.groups, seed=seed),
        PREFERRED: trend(preferred, counts, deep, shown.groups, seed=seed),
    }
    if 0 < len(alone) < len(moving):
        trends[ALONE] = trend(
            bandwidth_alone, [sizes[name] for name in alone], [depth[name] for name in alone], shown.groups, seed=seed
        )
    lost = {}
    for change, answers in replays.order.items():
        changed = np.concatenate([answers[name] for name in moving], 1)[None]

        def loss(clips: NDArray[np.bool_], changed: Floats = changed) -> Values:
            own_loss, others, alive = relative_losses(speeds[own][clips], changed[:, clips], shown.some(clips))
            return (own_loss - others)[0], alive

        trends[LOST[change]] = trend(loss, counts, deep, shown.groups, seed=seed)
        lost[LOST[change]] = loss(np.ones(len(shown.clips), bool))[0]
    every = np.concatenate([responses[name] for name in sizes], 1)
    spans = {}
    for what, labels in _labels(labeled).items():

        def span(clips: NDArray[np.bool_], labels: NDArray[np.intp] = labels) -> Values:
            top = top_clips(every[clips], seed=seed)
            return effective_number(labels[clips][top], int(labels.max()) + 1), np.ptp(every[clips], axis=0) > 0

        trends[what] = trend(span, list(sizes.values()), [depth[name] for name in sizes], labeled.groups, seed=seed)
        spans[what] = span(np.ones(len(labeled.clips), bool))[0]
    return ByDepth(sizes, tuple(moving), trends, speed_tuning(speeds), lost, spans, tuple(alone))


def chance(labeled: LabeledClips, *, seed: int) -> dict[str, float]:
    """What as many clips drawn at random span."""
    count = len(top_clips(np.zeros((len(labeled.clips), 1)), seed=seed))
    return {
        what: random_span(labels, int(labels.max()) + 1, count=count, seed=seed)
        for what, labels in _labels(labeled).items()
    }


def _labels(labeled: LabeledClips) -> dict[str, NDArray[np.intp]]:
    groups = np.unique(np.array(labeled.groups), return_inverse=True)[1]
    return {CLASSES: labeled.labels, GROUPS: groups}
