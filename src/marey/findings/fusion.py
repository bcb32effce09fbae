"""Question 1 of the paper: do units join appearance and motion, or do they add them up?"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from marey.errors import MareyError
from marey.findings.carriers import Carrier, carriers
from marey.findings.class_parts import ClassParts
from marey.findings.crossing import Crossed, Crossing, show_clips
from marey.findings.finding import Finding
from marey.findings.fusion_tables import (
    chart,
    class_table,
    evidence,
    layer_table,
    measures,
    sentence,
    unit_table,
    with_preferred,
)
from marey.findings.joint_units import JointUnits, joint_units
from marey.findings.labeled_clips import LabeledClips, labeled_clips
from marey.findings.pair_kinds import PairKinds
from marey.findings.permutations import dealt_partners
from marey.findings.preferred_parts import preferred_parts
from marey.findings.provenance import of_recording
from marey.findings.question import Question, Report
from marey.findings.steps import Steps
from marey.findings.towers import towers
from marey.findings.untrained import untrained
from marey.network.network import Network
from marey.recording.read.recording import Recording
from marey.video.flow.methods import Method

NAME = "fusion"
ASKS = "Do units join appearance and motion that belong together, or do they add them up?"

NETWORK, DEALT, REPAIRED = "the network", "motions of other clips", "re-paired fusion"
UNTRAINED, LATE = "an untrained copy", "late fusion"

_RESPONSES = 2**27
"""Responses in memory at once; of more units, fewer clips are crossed."""

_LEAST = 100
"""Permutations that a false discovery rate of 5 % over many units needs."""

_PER_CLASS = 4
"""Permutations for classes as many times those for units, so that one class of a hundred can stand out."""

_PAIRINGS = 20
"""Partners of every clip over which the correlation of pairs is averaged."""


def fusion(
    recording: Recording,
    network: Network,
    layers: Iterable[str] | None = None,
    *,
    late: Network | None = None,
    preferred: str | Path | None = None,
    flow: Method = "tvl1-fast",
    clips: int = 150,
    permutations: int = 499,
    seed: int = 0,
    report: Report | None = None,
) -> Finding:
    """Whether units of `layers` (None: all recorded ones that see both streams) respond to appearance with its motion.

    The appearance of every clip is shown with the motion of every clip. What appearance adds with any motion, and
    motion with any appearance, is subtracted; the rest is what only both together explain. A unit is joint if that rest
    is larger for clips with their own motion than for dealt partners, over the clips of the class that drives the unit
    most, at a false discovery rate of 5 % over all units. An interaction by itself is no sign: a ReLU of a sum has one.
    So the same is asked of a fusion whose motion half is paired with other channels, and of an untrained copy.

    late
        a network with the same streams that joins them in its scores only, as a further null.
    preferred
        a folder of preferred inputs that `marey maximize` wrote: what the responses to them need is told as well.
    clips
        at most so many labeled clips are crossed, chosen evenly from every class; passes grow with their square.
    report
        told how much is done, and of how much.

    Raises MareyError for a network of one kind of stream, layers that see one kind only, clips of one class or of too
    few groups, and NetworkError for a layer that was not recorded.
    """
    if permutations < _LEAST:
        raise MareyError(f"permutations is {permutations}; the test of many units needs at least {_LEAST}.")
    names = _layers(recording, network, layers)
    pieces = [] if preferred is None else preferred_parts(network, preferred)
    scores = [network.scores] if network.classes and network.scores in towers(network).both else []
    read = list(dict.fromkeys([*names, *scores]))
    units = sum(network.layer(name).units for name in read)
    labeled = labeled_clips(recording, most=min(clips, isqrt(_RESPONSES // units)))
    crossings = {NETWORK: Crossing(network, read), UNTRAINED: Crossing(untrained(network, seed=seed), read)}
    if late is not None:
        crossings[LATE] = Crossing(_same_streams(late, network), [late.scores])
    steps = Steps(report, len(labeled.clips) * (2 + len(crossings)))
    show_clips(list(crossings.values()), labeled.clips, flow=flow, seed=seed, report=steps)
    asked = _Asked(names, labeled, permutations, seed, steps)
    found, more = asked.all(crossings)
    remarks = (*labeled.remarks, *_remarks(recording, repaired=REPAIRED in found))
    provenance = of_recording(
        recording,
        layers=names,
        clips=len(labeled.clips),
        permutations=permutations,
        seed=seed,
        late=None if late is None else late.name,
        preferred=None if preferred is None else str(preferred),
    )
    made = _finding(found, more, labeled.classes, remarks, provenance)
    return made if preferred is None else with_preferred(made, pieces, NETWORK)


@dataclass(frozen=True, eq=False)
class _Answer:
    units: JointUnits
    classes: ClassParts | None


@dataclass(frozen=True, eq=False)
class _More:
    """What the network alone is asked."""

    kinds: Mapping[str, PairKinds]
    carriers: Sequence[Carrier | None]


@dataclass(frozen=True, eq=False)
class _Asked:
    """What every network is asked; responses to all pairs are in memory for one network at a time."""

    names: Sequence[str]
    labeled: LabeledClips
    permutations: int
    seed: int
    steps: Callable[[int], None]

    def __call__(self, crossing: Crossing, *, order: Sequence[int] | None = None) -> _Answer:
        return self._answer(crossing, crossing.responses(order=order, report=self.steps))

    def all(self, crossings: Mapping[str, Crossing]) -> tuple[dict[str, _Answer], _More]:
        """The answers of the network and of all that has nothing to find, and what the network alone is asked."""
        own = crossings[NETWORK]
        answer, by_others, more = self.network(own)
        found = {NETWORK: answer, DEALT: by_others}
        if own.motion_channels > 1:
            found[REPAIRED] = self(own, order=_others(own.motion_channels, self.seed))
        return found | {name: self(crossing) for name, crossing in crossings.items() if name != NETWORK}, more

    def network(self, crossing: Crossing) -> tuple[_Answer, _Answer, _More]:
        """The answer, the one for motions dealt to other clips, and what the network alone is asked."""
        crossed, shuffled = crossing.responses(report=self.steps), crossing.shuffled()
        labels, groups = self.labeled.labels, self.labeled.groups
        dealt = list(dealt_partners(labels, groups, _PAIRINGS, seed=self.seed + 1))
        kinds = {name: PairKinds.of(crossed[name], shuffled[name], dealt) for name in self.names}
        answer, parts = self._answer(crossing, crossed), []
        if answer.classes is not None:
            rivals = list(zip(answer.classes.classes, answer.classes.rivals, strict=True))
            hidden = {name: crossed[name] for name in self.names if name != crossing.network.scores}
            parts = carriers(hidden, self.labeled, rivals)
        by_others = {name: some[:, dealt[0]] for name, some in crossed.items()}
        return answer, self._answer(crossing, by_others), _More(kinds, parts)

    def _answer(self, crossing: Crossing, crossed: Crossed) -> _Answer:
        network = crossing.network
        some = {name: crossed[name] for name in crossed if name in self.names} or dict(crossed)
        scores = network.scores if network.classes else None
        classes = None
        if scores is not None and scores in crossed and len(set(network.classes) & set(self.labeled.classes)) > 1:
            classes = ClassParts.of(
                crossed[scores],
                self.labeled,
                network.classes,
                permutations=_PER_CLASS * self.permutations,
                seed=self.seed,
            )
        return _Answer(joint_units(some, self.labeled, permutations=self.permutations, seed=self.seed), classes)


def _others(channels: int, seed: int) -> list[int]:
    """Another channel for every channel, at random."""
    cycle = np.random.default_rng(seed).permutation(channels)
    order = np.empty(channels, np.intp)
    order[cycle] = np.roll(cycle, 1)
    return [int(one) for one in order]


def _layers(recording: Recording, network: Network, layers: Iterable[str] | None) -> list[str]:
    """The layers that are asked about: all see both streams, and none repeats another one unless it is named."""
    both = towers(network).both
    if layers is not None:
        names = [recording.layer(name).name for name in layers]
        if alone := [name for name in names if name not in both]:
            raise MareyError(
                f"layer '{alone[0]}' sees one kind of stream only; ask about layers that see both, such as '{both[0]}'."
            )
        return names
    recorded = [name for name in both if name in recording.layers]
    if not recorded:
        raise MareyError(
            f"the recording '{recording.folder}' has no layer that sees both streams; record '{both[0]}' or "
            f"{'another' if len(both) > 1 else 'no other'} one of {', '.join(both[:4])}."
        )
    kept: list[str] = []
    seen: set[bytes] = set()
    for name in recorded:  # containers, dropout and views repeat what a layer before them gives
        values = recording.matrix(name).numpy().tobytes()
        if values not in seen:
            kept.append(name)
            seen.add(values)
    return kept


def _same_streams(late: Network, network: Network) -> Network:
    if late.streams != network.streams:
        raise MareyError(f"{late.name} is shown other inputs than {network.name}; name one that is shown the same.")
    return late


def _remarks(recording: Recording, *, repaired: bool) -> Iterator[str]:
    if not repaired:
        yield "the motion tower ends in one channel or in layers of several sizes, so that its fusion was not re-paired"
    if {len(stream.times) for stream in recording.streams if stream.kind == "rgb"} == {1}:
        yield "the network is shown one RGB frame, so that frames in another order change its motion alone"


def _finding(
    found: Mapping[str, _Answer],
    more: _More,
    classes: Sequence[str],
    remarks: tuple[str, ...],
    provenance: Mapping[str, Any],
) -> Finding:
    numbers = {name: one.units for name, one in found.items()}
    parts = {name: one.classes for name, one in found.items() if one.classes is not None}
    own, nulls = measures(numbers, parts, more.kinds, NETWORK)
    return Finding(
        NAME,
        ASKS,
        sentence(own, nulls, numbers[NETWORK], parts.get(NETWORK)),
        own,
        nulls,
        {
            "units": unit_table(numbers[NETWORK], more.kinds, classes),
            "layers": layer_table(numbers),
            "classes": class_table(parts, {NETWORK: more.carriers}),
        },
        chart({name: one for name, one in numbers.items() if name in (NETWORK, REPAIRED, UNTRAINED)}, NETWORK),
        evidence=evidence(numbers[NETWORK], parts.get(NETWORK), more.carriers, classes),
        unexplained=numbers[NETWORK].share("unexplained"),
        remarks=remarks,
        provenance=provenance,
    )


FUSION = Question(NAME, ASKS, fusion)
