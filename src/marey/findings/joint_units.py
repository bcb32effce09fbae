"""The units of some layers that respond more where the appearance and the motion of their class belong together."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.findings.congruence import Congruence, TwoWay, at_class, own_classes
from marey.findings.crossing import Crossed
from marey.findings.intervals import Estimate, group_intervals
from marey.findings.labeled_clips import LabeledClips
from marey.findings.permutations import dealt_partners

LEVEL = 0.05
"""The false discovery rate of units over all layers."""

MOST = 0.5
"""A stream that explains more than this share of a unit's variance explains the unit."""

KINDS = ("joint", "appearance", "motion", "unexplained")

NUMBERS = ("appearance", "motion", "both", "joint_units", "congruence")
"""What is estimated for every layer: shares of the variance, the share of joint units, congruence at their class."""

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UnitsOfLayer:
    """What is known of the units of a layer, arrays (unit).

    appearance, motion, both
        shares of the variance over all pairs.
    own
        the class that drives the unit most.
    q
        false discovery rate at which its congruence at that class counts, over all layers; 1 for a sum of both streams.
    kind
        the place in KINDS; -1 for a unit that responds to all pairs alike.
    """

    appearance: Values
    motion: Values
    both: Values
    congruence: Congruence
    own: NDArray[np.intp]
    q: Values
    kind: NDArray[np.intp]

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Whether a unit responds at all."""
        return self.kind >= 0


@dataclass(frozen=True, eq=False)
class JointUnits:
    """The units by layer, and estimates (NUMBERS) by layer and, under "", of all units."""

    layers: Mapping[str, UnitsOfLayer]
    numbers: Mapping[str, Estimate]

    @property
    def units(self) -> int:
        """How many units respond at all."""
        return sum(int(one.alive.sum()) for one in self.layers.values())

    def share(self, kind: str) -> float:
        """The share of the units that are of a kind."""
        place = KINDS.index(kind)
        return sum(int((one.kind == place).sum()) for one in self.layers.values()) / max(self.units, 1)


def joint_units(crossed: Crossed, labeled: LabeledClips, *, permutations: int, seed: int) -> JointUnits:
    """Test every unit: its clips' own motion against that of other clips, at the class that drives it most.

    Intervals follow from leaving out each block of groups, with the threshold of the whole.
    """
    dealt = list(dealt_partners(labeled.labels, labeled.groups, permutations, seed=seed))
    clips = np.arange(len(labeled.labels))
    owns, parts_of, congruences = {}, {}, {}
    for name, responses in crossed.items():
        parts = TwoWay.of(responses)
        owns[name] = own_classes(responses[clips, clips], labeled.labels, labeled.groups)
        congruences[name] = Congruence.of(parts, owns[name], labeled.labels, dealt)
        parts_of[name] = (parts.appearance, parts.motion, parts.joint, parts.deviation)
    alive = {name: deviation > 0 for name, (*_, deviation) in parts_of.items()}
    tested = {name: both > 0 for name, (_, _, both, _) in parts_of.items()}  # a sum has nothing to test
    every_p = np.concatenate([congruences[name].class_p[tested[name]] for name in crossed])
    every_q = false_discovery_control(every_p) if len(every_p) else every_p
    largest_p = float(every_p[every_q <= LEVEL].max(initial=0))
    split = np.split(every_q, np.cumsum([int(one.sum()) for one in tested.values()])[:-1])
    layers = {}
    for (name, (appearance, motion, both, _)), some_q in zip(parts_of.items(), split, strict=True):
        q = np.ones(len(alive[name]))
        q[tested[name]] = some_q
        kind = np.select([~alive[name], q <= LEVEL, appearance > MOST, motion > MOST], [-1, 0, 1, 2], 3)
        usual = np.array([np.bincount(own).argmax() for own in owns[name].T], np.intp)
        layers[name] = UnitsOfLayer(appearance, motion, both, congruences[name], usual, q, kind)

    def estimate(some: NDArray[np.bool_]) -> Values:
        rows = []
        for name, one in layers.items():
            counted = one.alive
            shares, found = (one.appearance, one.motion, one.both), one.congruence.at_class
            critical = one.congruence.critical(largest_p)
            if not some.all():
                parts = TwoWay.of(crossed[name][np.ix_(some, some)])
                shares = (parts.appearance, parts.motion, parts.joint)
                found = at_class(parts, owns[name][some], labeled.labels[some])
                critical = critical * np.sqrt(len(some) / some.sum())  # means of fewer clips vary more
            joint = (found > critical) & (found > 0)
            rows.append(np.stack([*shares, joint, found], 1)[counted])
        rows.append(np.concatenate(rows))
        return np.stack([row.mean(0) if len(row) else np.zeros(len(NUMBERS)) for row in rows])

    units = [int(one.alive.sum()) for one in layers.values()]
    bound = np.array([1.0 if name == "joint_units" else np.inf for name in NUMBERS])
    least = np.where(np.isfinite(bound), 0, -np.inf)
    counted = np.array([[*units, sum(units)]]).T
    every = group_intervals(estimate, labeled.groups, least=least, most=bound, counted=counted)
    names = [*layers, ""]
    found = {
        name: Estimate(every.value[row], *(_within(ends[row]) for ends in (every.low, every.high)))
        for row, name in enumerate(names)
    }
    return JointUnits(layers, found)


def _within(ends: Values) -> Values:
    """Ends of intervals, of which those of shares stay within 0 and 1."""
    shares = np.array([name != "congruence" for name in NUMBERS])
    return np.where(shares, np.clip(ends, 0, 1), ends)
