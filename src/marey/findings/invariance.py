"""Question 3 of the paper: do features become more abstract and more invariant with depth?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marey.errors import MareyError
from marey.findings.by_depth import NETWORK, UNTRAINED, by_depth, chance
from marey.findings.depth import depth_steps, depths
from marey.findings.finding import Finding
from marey.findings.invariance_told import (
    Chances,
    Found,
    Readings,
    chart,
    class_table,
    evidence,
    layer_table,
    measures,
    replayed_classes,
    sentence,
    tempo_table,
    trend_table,
    unit_table,
)
from marey.findings.labeled_clips import LabeledClips, labeled_clips
from marey.findings.preferred_folder import preferred_inputs
from marey.findings.provenance import of_recording
from marey.findings.question import Question, Report
from marey.findings.replays import Asking, Floats, Replays
from marey.findings.retimed import played_to_and_fro
from marey.findings.speed_tuning import SPEEDS
from marey.findings.steps import Steps
from marey.findings.sweeps import sweep_remarks, sweep_table
from marey.findings.tempo import LEAST_GROUPS, tempo_classes
from marey.findings.untrained import untrained
from marey.network.network import Network
from marey.recording.read.recording import Recording
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method

NAME = "invariance"
ASKS = "Do features become more abstract and more invariant with depth?"

_SPANNED = 160
"""So many clips at most tell what the best clips of an untrained copy span."""


def invariance(
    recording: Recording,
    network: Network,
    layers: Iterable[str] | None = None,
    *,
    preferred: str | Path | None = None,
    clips: int = 120,
    flow: Method = "tvl1-fast",
    seed: int = 0,
    report: Report | None = None,
) -> Finding:
    """How speed tuning, order, and the classes and groups of the best clips of units go with the depth of `layers`.

    Clips are replayed at a quarter to four times their speed, frames and flow alike (`retimed`), and shown as one
    frame, shuffled and reversed. A unit's bandwidth is the octaves of speed over which its response to its best clips
    stays above half of the largest one, counted from its ordinary response. How many classes and groups its 20 best
    clips span (exp of the entropy) says how abstract it is; these are read from the recording. Each number is the
    median over the units of a layer, with its interval over groups; the trend is the rank correlation with depth,
    beside that of layers in random order, and of an untrained copy.

    layers
        None: of the recorded ones the last before each next one with weights.
    preferred
        a folder of preferred inputs that `marey maximize` wrote, of a sweep of slowness; how flat the sweep is and how
        fast the motion then stands in the table "sweeps".
    clips
        at most so many are replayed, chosen evenly from every class.

    Raises MareyError for a network that sees single pictures, and a folder without preferred inputs of units of the
    layers; NetworkError for a layer that was not recorded.
    """
    if all(stream.still for stream in network.streams):
        raise MareyError(f"'{network.name}' sees single pictures, which have no speed; ask a network that sees motion.")
    names = _names(recording, layers)
    swept = None if preferred is None else sweep_table(preferred_inputs(preferred, network), names)
    made = _measured(recording, network, names, clips=clips, flow=flow, seed=seed, report=report)
    own, nulls = measures(made.found, made.chances, made.readings)
    told, reading = made.found[NETWORK], made.readings.get(NETWORK)
    turned = replayed_classes(made.replays, network)
    first = [f"{one.what[0].upper()}{one.what[1:]}." for one in turned[:2]]
    return Finding(
        NAME,
        ASKS,
        " ".join([sentence(made.found, made.chances, made.readings), *first]),
        own,
        nulls,
        {
            "units": unit_table(told),
            "layers": layer_table(made.found, made.chances),
            "classes": class_table(made.replays, network),
            "trends": trend_table(made.found),
            **({} if swept is None else {"sweeps": swept}),
            **({} if reading is None else {"tempo": tempo_table(reading, told.sizes)}),
        },
        chart(made.found),
        evidence=evidence(told, reading, made.responses, made.every) + turned,
        unexplained=told.unexplained,
        remarks=(*_remarks(made, recording, network), *(() if swept is None else sweep_remarks(swept, names))),
        provenance=of_recording(recording, layers=names, clips=clips, flow=flow, seed=seed, speeds=SPEEDS),
    )


def _names(recording: Recording, layers: Iterable[str] | None) -> list[str]:
    wanted = depth_steps(list(recording.layers.values())) if layers is None else layers
    return [recording.layer(name).name for name in wanted]


@dataclass(frozen=True, eq=False)
class _Measured:
    """All that was measured; `every` are the clips of `responses`, `fewer` those that the untrained copy is shown."""

    found: Found
    chances: Chances
    readings: Readings
    replays: Replays
    responses: Mapping[str, Floats]
    every: LabeledClips
    fewer: LabeledClips


def _measured(
    recording: Recording,
    network: Network,
    names: list[str],
    *,
    clips: int,
    flow: Method,
    seed: int,
    report: Report | None,
) -> _Measured:
    every = labeled_clips(recording)
    labeled, many = every.at_most(clips), every.at_most(_SPANNED)
    fewer = labeled.at_most(max(2 * len(labeled.classes), len(labeled.clips) // 2))
    tempo = _tempo_clips(every)
    shown = len(SPEEDS) * (len(labeled.clips) + len(fewer.clips)) + len(many.clips)
    steps = Steps(report, shown + (0 if tempo is None else 6 * len(tempo.clips)))
    asking = Asking(names, flow, FlowCache(), seed, steps)
    sizes = {name: recording.layers[name].units for name in names}
    depth = dict(zip(names, depths([recording.layers[name] for name in names]), strict=True))
    replays = asking.replays(network, labeled)
    moving = [name for name in names if replays.moves(name)]
    if not moving:
        raise MareyError(
            f"no unit of {', '.join(names[:3])}{', ...' if len(names) > 3 else ''} sees motion; name other layers."
        )
    responses = {name: recording.matrix(name).numpy()[every.rows] for name in names}
    copy = untrained(network, seed=seed)
    copied = asking.as_it_is(copy, many)
    copies = asking.replays(copy, fewer)
    found = {
        NETWORK: by_depth(replays, responses, every, moving, sizes, depth=depth, seed=seed),
        UNTRAINED: by_depth(copies, *copied, moving, sizes, depth=depth, seed=seed),
    }
    readings = {}
    if tempo is not None:
        readings = {NETWORK: asking.tempo(network, tempo), UNTRAINED: asking.tempo(copy, tempo)}
    chances = {of: chance(one, seed=seed) for of, one in ((NETWORK, every), (UNTRAINED, copied[1]))}
    return _Measured(found, chances, readings, replays, responses, every, copies.labeled)


def _tempo_clips(labeled: LabeledClips) -> LabeledClips | None:
    """The clips of the two classes that differ in tempo only, where there are both."""
    both = tempo_classes(labeled.classes)
    if both is None:
        return None
    some = labeled.some(np.isin(np.array(labeled.classes)[labeled.labels], both))
    groups = [
        {group for group, label in zip(some.groups, some.labels, strict=True) if label == own}
        for own in set(some.labels)
    ]
    return some if len(set.intersection(*groups)) >= LEAST_GROUPS else None


def _remarks(made: _Measured, recording: Recording, network: Network) -> tuple[str, ...]:
    labeled, told = made.replays.labeled, made.found[NETWORK]
    remarks = [*labeled.remarks, f"the untrained copy is shown {len(made.fewer.clips)} clips"]
    if len(told.moving) < len(told.sizes):
        remarks.append(
            f"{len(told.sizes) - len(told.moving)} of {len(told.sizes)} layers see no motion; in what is said of speed "
            "and order they do not count"
        )
    frames = recording.recorded_clips["frames"].to_pylist()
    for speed in SPEEDS:
        short = sum(played_to_and_fro(frames[row], network.streams, speed) for row in labeled.rows)
        if short:
            remarks.append(
                f"at {speed:g} times the speed {short} of {len(labeled.clips)} clips are too short and are played to "
                "and fro"
            )
    return tuple(remarks)


INVARIANCE = Question(NAME, ASKS, invariance)
