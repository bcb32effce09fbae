"""Question 4 of the paper: what do the data let a network know a class by, beside the action?"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow
from numpy.typing import NDArray

from marey.findings.actor_places import actor_places
from marey.findings.asking import AS_IT_IS
from marey.findings.chart import Chart, Series
from marey.findings.class_cues import LEVEL, ClassCues
from marey.findings.cue_answers import CueAnswers, cue_answers, known_clips, passes_of, shows_actors
from marey.findings.finding import Evidence, Finding
from marey.findings.group_leaks import GroupLeak, group_leak
from marey.findings.intervals import Estimate, group_intervals
from marey.findings.labeled_clips import labeled_clips
from marey.findings.measure import Measure
from marey.findings.outside_units import DEALS, NO_UNITS, OutsideUnits, outside_units
from marey.findings.permutations import dealt_labels
from marey.findings.provenance import of_recording
from marey.findings.question import Question, Report
from marey.findings.steps import Steps
from marey.findings.untrained import untrained
from marey.network.network import Network
from marey.recording.read.recording import Recording
from marey.video.flow.methods import Method

NAME = "idiosyncrasies"
ASKS = "What do the data let the network know classes by, beside the action?"

MOST_CLIPS = 160
"""Each is shown in some twenty ways."""

UNTRAINED_CLIPS = 52

MOST_PLACES = 320
"""Clips in which it is looked up where the actor is."""

NETWORK, SHUFFLED, UNTRAINED = "the network", "shuffled labels", "an untrained copy"
_HANG = "classes that hang on something beside the action"
_NOT = float("nan")


def idiosyncrasies(
    recording: Recording,
    network: Network,
    layers: Iterable[str] | None = None,
    *,
    flow: Method = "tvl1-fast",
    permutations: int = 9999,
    seed: int = 0,
    report: Report | None = None,
) -> Finding:
    """On which cues the accuracy of each class hangs: background, corners, border, camera, one frame, order, actor.

    Every clip is shown as it is, without each cue, and each cue alone. The background is taken away by that of clips of
    other classes, an area of the picture by what is around it. A class hangs on a cue beside the action if its clips
    lose more without it than clips do that its label is dealt to within groups, at a false discovery rate of 5 % over
    classes and cues; first comes the cue with the largest excess over other classes. The units of `layers` (None: all
    recorded ones) that tell a class and see a part of the picture are asked whether they look at the actor.

    Raises MareyError for a network without classes, clips of fewer than two of its classes, or of too few groups.
    """
    names = list(recording.layers) if layers is None else [recording.layer(name).name for name in layers]
    labeled = known_clips(labeled_clips(recording, most=MOST_CLIPS), network)
    few = labeled.at_most(UNTRAINED_CLIPS)
    read = min(MOST_PLACES, recording.recorded)
    steps = Steps(report, passes_of(network, labeled) + passes_of(network, few, alone=False) + read)
    answers = cue_answers(network, labeled, flow=flow, seed=seed, report=steps)
    copy = cue_answers(untrained(network, seed=seed), few, flow=flow, seed=seed, alone=False, report=steps)
    labeled = answers.labeled
    dealt = list(dealt_labels(labeled.labels, labeled.groups, permutations + 1, seed=seed))
    found = ClassCues.of(answers, labeled.labels, dealt[1:])
    copy_dealt = list(dealt_labels(copy.labeled.labels, copy.labeled.groups, permutations, seed=seed))
    nulls = {
        SHUFFLED: ClassCues.of(answers, dealt[0], dealt[1:]),
        UNTRAINED: ClassCues.of(copy, copy.labeled.labels, copy_dealt),
    }
    outside = _outside(recording, network, names, flow=flow, seed=seed, steps=steps)
    leak = group_leak(_features(recording, network)[labeled.rows], labeled.labels, labeled.groups, seed=seed)
    conditions = {NETWORK: _accuracies(answers), UNTRAINED: _accuracies(copy)}
    measures = [_hang(NETWORK, found), *_lost(found), *_overall(conditions[NETWORK], answers)]
    return Finding(
        NAME,
        ASKS,
        " ".join(filter(None, (_sentence(found, nulls, conditions[NETWORK]), leak.words if leak else ""))),
        (*measures, *_outside_measure(outside), *_leak_measures(leak)),
        (*(_hang(of, one) for of, one in nulls.items()), *_overall(conditions[UNTRAINED], copy, UNTRAINED)),
        {
            "classes": found.summary(),
            "cues": found.table(),
            "conditions": _condition_table(conditions),
            "outside_units": outside.table,
        },
        _chart(found),
        evidence=_evidence(found, outside),
        remarks=_remarks(found, leak),
        provenance=of_recording(recording, layers=names, permutations=permutations, seed=seed, level=LEVEL),
    )


def _outside(
    recording: Recording, network: Network, names: Sequence[str], *, flow: Method, seed: int, steps: Steps
) -> OutsideUnits:
    labeled = labeled_clips(recording, most=MOST_PLACES)
    if not shows_actors(network, labeled):
        return OutsideUnits(NO_UNITS)
    places = actor_places(labeled.clips, network.streams, flow=flow, report=steps)
    dealt = list(dealt_labels(labeled.labels, labeled.groups, DEALS, seed=seed))
    return outside_units(recording, names, labeled, places, dealt=dealt)


def _features(recording: Recording, network: Network) -> NDArray[np.float32]:
    """Responses (clip, unit) of the last recorded layer before the class scores."""
    names = [name for name in recording.layers if name != network.scores]
    return np.asarray(recording.matrix(names[-1] if names else network.scores).numpy(), np.float32)


def _accuracies(answers: CueAnswers) -> Mapping[str, Estimate]:
    labeled = answers.labeled

    def accuracy(name: str) -> Estimate:
        asked = np.flatnonzero(answers.asked(name))
        right = answers.right(labeled.labels, name)[asked]
        return group_intervals(
            lambda some: right[some].mean() if some.any() else np.nan,
            [labeled.groups[place] for place in asked],
            least=0,
            most=1,
        )

    return {name: accuracy(name) for name in answers.answers if _groups_asked(answers, name) > 1}


def _groups_asked(answers: CueAnswers, name: str) -> int:
    return len({answers.labeled.groups[place] for place in np.flatnonzero(answers.asked(name))})


def _hang(of: str, found: ClassCues) -> Measure:
    classes = len(found.answers.labeled.classes)
    return Measure(_HANG, of, len(found.idiosyncratic()) / classes, _NOT, _NOT, classes, "classes", "share")


def _lost(found: ClassCues, most: int = 8) -> list[Measure]:
    labeled = found.answers.labeled
    made = []
    for label, cue in found.idiosyncratic()[:most]:
        size = found.without.size
        name = f"accuracy that '{labeled.classes[label]}' loses without its own {found.answers.cues[cue].name}"
        ends = float(size.low[label, cue]), float(size.high[label, cue])
        count = int((found.labels == label).sum())
        made.append(Measure(name, NETWORK, float(size.value[label, cue]), *ends, count, "clips", "share"))
        others = float(found.without.others[label, cue])
        made.append(Measure(name, "other classes", others, _NOT, _NOT, len(found.labels) - count, "clips", "share"))
    return made


def _overall(conditions: Mapping[str, Estimate], answers: CueAnswers, of: str = NETWORK) -> list[Measure]:
    made = []
    for name, one in conditions.items():
        if of == NETWORK or name == AS_IT_IS.name:
            value, low, high = float(one.value), float(one.low), float(one.high)
            clips = int(answers.asked(name).sum())
            made.append(Measure(f"right, {name}", of, value, low, high, clips, "clips", "share"))
    return made


def _outside_measure(outside: OutsideUnits) -> list[Measure]:
    told = outside.table.num_rows
    if not told:
        return []
    beside = float(len(outside.beside(LEVEL)))
    counted = "units that tell a class and see a part of the picture"
    return [Measure("units that look beside the actor", NETWORK, beside, _NOT, _NOT, told, counted)]


def _leak_measures(leak: GroupLeak | None) -> list[Measure]:
    if leak is None:
        return []
    made = []
    for place, name in enumerate(("any group", "other groups only", "difference")):
        of = NETWORK if name != "difference" else f"{NETWORK}, p {leak.p:.3f}"
        value, low, high = (float(part[place]) for part in (leak.right.value, leak.right.low, leak.right.high))
        named = f"class of the nearest clip is right, {name}"
        made.append(Measure(named, of, value, low, high, leak.clips, "clips", "share"))
    return made


def _sentence(
    found: ClassCues, nulls: Mapping[str, ClassCues], conditions: Mapping[str, Estimate], most: int = 4
) -> str:
    classes = found.answers.labeled.classes
    hang = found.idiosyncratic()
    size, others = found.without.size, found.without.others
    parts = [
        f"'{classes[label]}' on the {found.answers.cues[cue].name} ({_looks_like(found, label, cue)}"
        f"accuracy falls by {_percent(size, label, cue)}, the accuracy of other classes by "
        f"{100 * others[label, cue]:.0f} %)"
        for label, cue in hang[:most]
    ]
    more = f", and {len(hang) - most} more" if len(hang) > most else ""
    chance = "; ".join(f"{of}: {len(one.idiosyncratic())}" for of, one in nulls.items())
    what = f": {', '.join(parts)}{more}" if parts else ""
    needs = [
        f"'{classes[label]}' loses {_percent(size, label, cue)} without its {found.answers.cues[cue].name} "
        f"(other classes {100 * others[label, cue]:.0f} %)"
        for label, cue in found.action()[:most]
    ]
    known = f" Of the action itself, {', '.join(needs)}." if needs else ""
    count = f"{len(hang)}" if hang else "None"
    verb = "hangs" if len(hang) < 2 else "hang"
    rest = [f"{name} {100 * float(conditions[name].value):.0f} %" for name in _SAID if name in conditions]
    return (
        f"{count} of {len(classes)} classes {verb} on something beside the action{what} ({chance}). "
        f"Right: {', '.join(rest)}; chance {100 / len(classes):.0f} %.{known}"
    )


def _looks_like(found: ClassCues, label: int, cue: int) -> str:
    color = found.color(label, found.answers.cues[cue])
    return "" if color is None else f"{color} than others'; "


_SAID = (AS_IT_IS.name, "one frame", "flow only", "shuffled", "mirrored", "background only", "actor only")


def _percent(size: Estimate, label: int, cue: int) -> str:
    return f"{100 * size.value[label, cue]:.0f} % [{100 * size.low[label, cue]:.0f}, {100 * size.high[label, cue]:.0f}]"


def _condition_table(conditions: Mapping[str, Mapping[str, Estimate]]) -> pyarrow.Table:
    return pyarrow.Table.from_pylist(
        [
            {"of": of, "shown": name, "right": float(one.value), "low": float(one.low), "high": float(one.high)}
            for of, every in conditions.items()
            for name, one in every.items()
        ]
    )


def _chart(found: ClassCues, most: int = 4) -> Chart:
    cues, size = tuple(cue.name for cue in found.answers.cues), found.without.size
    labels = list(dict.fromkeys(label for label, _ in (*found.idiosyncratic(), *found.action())))[:most]
    rest = [label for label in range(len(found.answers.labeled.classes)) if label not in labels]
    lines = []
    for label in labels:
        y, low, high = (tuple(part[label].tolist()) for part in (size.value, size.low, size.high))
        lines.append(Series(found.answers.labeled.classes[label], cues, y, low, high))
    if rest:
        name = "mean of the other classes" if labels else "mean of all classes"
        lines.append(Series(name, cues, tuple(size.value[rest].mean(0).tolist()), null=True))
    return Chart("What classes lose when something is taken away", "taken away", "accuracy lost", tuple(lines))


def _evidence(found: ClassCues, outside: OutsideUnits) -> tuple[Evidence, ...]:
    classes, made = found.answers.labeled.classes, []
    beside = outside.beside(LEVEL)
    for label, place in found.idiosyncratic()[:6]:
        cue, lost = found.answers.cues[place], float(found.without.size.value[label, place])
        other = found.taken_for(label, cue)
        color = found.color(label, cue)
        looks = "" if color is None else f", {color} than others',"
        what = f"'{classes[label]}' without its own {cue.name}{looks}" + (
            "" if other is None else f" is taken for '{other}'"
        )
        made.append(Evidence(what, lost, clips=found.changed(label, cue)))
        for row in [one for one in beside if one["class"] == classes[label]][:2]:
            made.append(_looks(row))
    made += [_looks(row) for row in beside[:4]]
    return tuple(dict.fromkeys(made))


def _looks(row: Mapping[str, object]) -> Evidence:
    where = f"{_third(row['y'], ('top', 'middle', 'bottom'))} {_third(row['x'], ('left', 'center', 'right'))}"
    what = f"tells '{row['class']}' and looks at the {where}, on the actor in {100 * float(str(row['on_actor'])):.0f} %"
    return Evidence(what, float(str(row["auprc"])), f"{row['layer']}:{row['unit']}")


def _third(place: object, words: Sequence[str]) -> str:
    return words[min(2, max(0, int(3 * float(str(place)))))]


def _remarks(found: ClassCues, leak: GroupLeak | None) -> tuple[str, ...]:
    answers = found.answers
    labeled = answers.labeled
    remarks = list(labeled.remarks)
    if not any(cue.name == "actor" for cue in answers.cues):
        remarks.append("single pictures without masks do not show where the actor is, so that it is not asked about")
    if estimated := int(np.isfinite(answers.moving).sum()):
        remarks.append(f"{estimated} clips have no mask beside them: the actor is what moves otherwise than the camera")
    if found.partly_still.any():
        names = ", ".join(np.array(labeled.classes)[found.partly_still].tolist())
        remarks.append(
            f"in clips of {names} half as much moves as in others, or less: parts of the actor that stand still count "
            "as background there, so that none of these classes is said to hang on its background"
        )
    if unknown := int((~answers.placed).sum()):
        often = [
            name
            for label, name in enumerate(labeled.classes)
            if answers.placed[labeled.labels == label].mean() < _OFTEN_PLACED
        ]
        most = f", most of {', '.join(often)}" if often else ""
        remarks.append(
            f"in {unknown} clips{most}, next to nothing or nearly everything moves, so that nothing tells where the "
            "actor is; they count as if nothing were lost without background or actor"
        )
    right = answers.right(labeled.labels, AS_IT_IS.name)
    poor = [name for label, name in enumerate(labeled.classes) if right[labeled.labels == label].mean() <= _POOR]
    if poor:
        remarks.append(f"hardly any clip of {', '.join(poor)} is right as it is, so that nothing can be lost there")
    if leak is None:
        remarks.append("fewer than two groups have several clips of a class, so that leaks of groups cannot be asked")
    return tuple(remarks)


_POOR = 0.25

_OFTEN_PLACED = 0.5


IDIOSYNCRASIES = Question(NAME, ASKS, idiosyncrasies)
