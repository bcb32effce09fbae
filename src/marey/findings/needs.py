"""What units lose when motion, appearance, order, the actor or what is around is taken from the clips they like."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from torch import Tensor

from marey.errors import MareyError
from marey.findings.actor_masks import mask_file
from marey.findings.asking import AS_IT_IS, Asked, Condition, ask
from marey.findings.finding import Finding
from marey.findings.interventions import (
    ACTOR,
    BACKGROUND,
    FLOW_ONLY,
    ONE_FRAME,
    RGB_ONLY,
    SHUFFLED,
    another_frame,
    interventions,
)
from marey.findings.labeled_clips import LabeledClips, labeled_clips
from marey.findings.losses import LEVEL, losses
from marey.findings.needs_told import (
    FRAME_ONLY,
    NEEDS,
    NETWORK,
    UNTRAINED,
    NeedsTold,
    chart,
    evidence,
    layer_table,
    sentence,
    shares_of_units,
    unit_table,
)
from marey.findings.provenance import of_recording
from marey.findings.question import Question, Report
from marey.findings.steps import Steps
from marey.findings.untrained import untrained
from marey.network.network import Network
from marey.recording.read.recording import Recording
from marey.video.flow.methods import Method

NAME = "needs"
ASKS = "What does each unit need: motion, appearance, the order of frames, the actor, or what is around?"

_ANOTHER = "another frame"


def needs(
    recording: Recording,
    network: Network,
    layers: Iterable[str] | None = None,
    *,
    clips: int = 120,
    flow: Method = "tvl1-fast",
    permutations: int = 199,
    seed: int = 0,
    report: Report | None = None,
) -> Finding:
    """What the units of `layers` (None: all recorded ones) lose of their responses to their own best clips.

    The clips are shown as they are, and changed in each way that means something for the network's streams
    (`interventions`). A unit needs what a change takes away if its best clips lose at least half of its range by it,
    beyond what clips of other classes lose by the same change, and if they lose more than as many clips of the same
    groups do, at a false discovery rate of 5 % over all units and changes. The range is from the unit's ordinary
    response, the median over clips, to that to its best clips, a tenth of all.

    network
        the recorded one. An untrained copy is asked the same of every other clip.
    clips
        at most so many are shown, chosen evenly from every class.

    A network of single frames is the control: what it has of the frames' order is another frame. What the test calls
    a need for order there is an error of the test. Raises MareyError for single pictures without masks,
    NetworkError for a layer that was not recorded.
    """
    names = list(recording.layers) if layers is None else [recording.layer(name).name for name in layers]
    labeled = labeled_clips(recording, most=clips)
    fewer = labeled.at_most(max(2 * len(labeled.classes), len(labeled.clips) // 2))
    conditions = _conditions(network, labeled)
    settings = _Settings(names, flow, permutations, seed, Steps(report, len(labeled.clips) + len(fewer.clips)))
    asked, labeled = _asked(network, labeled, conditions, settings)
    changes = [one.name for one in conditions if one.name not in (AS_IT_IS.name, _ANOTHER)]
    counted = _counted(asked, changes, names)
    found = {NETWORK: _told(asked, labeled, counted, changes, settings)}
    if len(changes) + 1 < len(conditions):
        found[FRAME_ONLY] = _frame_only(asked, labeled, counted, settings)
    copy, fewer = _asked(untrained(network, seed=seed), fewer, conditions, settings)
    found[UNTRAINED] = _told(copy, fewer, counted, changes, settings)
    settings_kept = {"clips": clips, "flow": flow, "permutations": permutations, "seed": seed, "level": LEVEL}
    tables = {"accuracy": _accuracy(asked, changes, network, labeled)}
    return _finding(
        found,
        tables,
        labeled,
        remarks=_remarks(labeled, fewer, found[NETWORK]),
        provenance=of_recording(recording, layers=names, **settings_kept),
    )


def _finding(
    found: Mapping[str, NeedsTold],
    tables: Mapping[str, pyarrow.Table],
    labeled: LabeledClips,
    *,
    remarks: tuple[str, ...],
    provenance: Mapping[str, Any],
) -> Finding:
    told = found[NETWORK]
    measures = shares_of_units(NETWORK, told)
    nulls = [one for of in list(found)[1:] for one in shares_of_units(of, found[of])]
    return Finding(
        NAME,
        ASKS,
        sentence(measures, nulls),
        measures,
        tuple(nulls),
        {"units": unit_table(told), "layers": layer_table(found), **tables},
        chart(found),
        evidence=evidence(told, labeled),
        unexplained=told.unexplained,
        remarks=remarks,
        provenance=provenance,
    )


@dataclass(frozen=True)
class _Settings:
    layers: list[str]
    flow: Method
    permutations: int
    seed: int
    steps: Steps


def _conditions(network: Network, labeled: LabeledClips) -> tuple[Condition, ...]:
    """The changes that mean something; where RGB is a single picture, one frame is the same as RGB only."""
    streams = network.streams
    left_out = {RGB_ONLY} if all(stream.still for stream in streams if stream.kind == "rgb") else set()
    if all(stream.still for stream in streams) and not all(mask_file(clip) for clip in labeled.clips):
        left_out |= {ACTOR, BACKGROUND}
    made = [AS_IT_IS, *(one for one in interventions(streams) if one.name not in left_out)]
    if len(made) == 1:
        raise MareyError(
            f"'{network.name}' sees single pictures, and no masks are beside the clips, so that nothing can be taken "
            "from them; ask with clips of `marey studies`, or ask a network that sees motion."
        )
    if any(stream.kind == "rgb" and stream.frames > 1 for stream in streams):
        made.append(Condition(_ANOTHER, another_frame(streams)))
    return tuple(made)


def _asked(
    network: Network, labeled: LabeledClips, conditions: Sequence[Condition], settings: _Settings
) -> tuple[Asked, LabeledClips]:
    """The answers, and the clips that could be read."""
    asked = ask(
        network,
        labeled.clips,
        settings.layers,
        conditions,
        flow=settings.flow,
        seed=settings.seed,
        report=lambda _done, _all: settings.steps(1),
    )
    read = np.zeros(len(labeled.clips), bool)
    read[list(asked.rows)] = True
    return asked, labeled.some(read)


def _counted(asked: Asked, changes: Sequence[str], layers: Sequence[str]) -> tuple[str, ...]:
    """The layers that see both RGB and flow; all where one kind is all that there is, or no layer sees both."""
    if FLOW_ONLY not in changes:
        return tuple(layers)
    before = asked[AS_IT_IS.name].maxima
    rest = [asked[change].maxima for change in (ONE_FRAME, FLOW_ONLY)]
    both = [name for name in layers if all(bool((before[name] != after[name]).any()) for after in rest)]
    return tuple(both or layers)


def _told(
    asked: Asked, labeled: LabeledClips, counted: Sequence[str], changes: Sequence[str], settings: _Settings
) -> NeedsTold:
    before, after = asked[AS_IT_IS.name].maxima, [asked[name].maxima for name in changes]
    return _tested(before, dict(zip(changes, after, strict=True)), labeled, counted, settings)


def _frame_only(asked: Asked, labeled: LabeledClips, counted: Sequence[str], settings: _Settings) -> NeedsTold:
    """The same network if it saw one frame only: the order of frames changes which one it sees."""
    return _tested(asked[ONE_FRAME].maxima, {SHUFFLED: asked[_ANOTHER].maxima}, labeled, counted, settings)


def _tested(
    before: Mapping[str, Tensor],
    after: Mapping[str, Mapping[str, Tensor]],
    labeled: LabeledClips,
    counted: Sequence[str],
    settings: _Settings,
) -> NeedsTold:
    changes = list(after)
    told_by = {need: [changes.index(one) for one in ways if one in changes] for need, ways in NEEDS.items()}
    there = {need: ways for need, ways in told_by.items() if ways}
    sizes = {name: int(before[name].shape[1]) for name in settings.layers}
    found = losses(
        _in_a_row(before, settings.layers),
        np.stack([_in_a_row(maxima, settings.layers) for maxima in after.values()]),
        labeled,
        needs=list(there.values()),
        layers=list(sizes.values()),
        counted=np.repeat([name in counted for name in sizes], list(sizes.values())),
        permutations=settings.permutations,
        seed=settings.seed,
    )
    return NeedsTold(tuple(changes), tuple(there), sizes, tuple(counted), found)


def _in_a_row(maxima: Mapping[str, Tensor], layers: Sequence[str]) -> NDArray[np.float32]:
    return np.concatenate([maxima[name].numpy() for name in layers], 1)  # clip unit


def _accuracy(asked: Asked, changes: Sequence[str], network: Network, labeled: LabeledClips) -> pyarrow.Table:
    """How many clips the network still tells under each change, of those of its classes."""
    own = [network.classes.index(name) if name in network.classes else -1 for name in labeled.classes]
    truth = np.array(own)[labeled.labels]
    known = truth >= 0
    rows = []
    for change in (AS_IT_IS.name, *changes) if known.any() else ():
        right = asked[change].scores.numpy().argmax(1)[known] == truth[known]
        rows.append({"change": change, "right": float(right.mean()), "clips": int(known.sum())})
    schema = pyarrow.schema({"change": pyarrow.string(), "right": pyarrow.float64(), "clips": pyarrow.int64()})
    return pyarrow.Table.from_pylist(rows, schema)


def _remarks(labeled: LabeledClips, fewer: LabeledClips, told: NeedsTold) -> tuple[str, ...]:
    remarks = [*labeled.remarks, f"the untrained copy is shown {len(fewer.clips)} clips"]
    if len(told.counted) < len(told.sizes):
        remarks.append(
            f"{len(told.sizes) - len(told.counted)} layers see either RGB or flow, and need what they see; they stand "
            "in the tables, but are not counted above"
        )
    if ACTOR in told.changes:
        estimated = sum(mask_file(clip) is None for clip in labeled.clips)
        remarks.append(
            f"the actor of {estimated} clips is estimated from what moves, as no masks are beside them; an actor, "
            "or a part of one, that does not move counts as background"
            if estimated
            else "where the actor is, the masks beside the clips say"
        )
    if dead := int((~told.losses.alive).sum()):
        remarks.append(f"{dead} units respond to their best clips as to ordinary ones; they do not count")
    return tuple(remarks)


NEEDS_OF_UNITS = Question(NAME, ASKS, needs)
