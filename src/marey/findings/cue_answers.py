"""The class that a network gives to clips as they are, and to clips from which cues were taken."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from marey.errors import MareyError
from marey.findings.actor_masks import mask_file
from marey.findings.asking import AS_IT_IS, WINDOWS_AT_ONCE, Condition, ask
from marey.findings.cue_colors import SeenColors
from marey.findings.cues import Cue, SeenActors, cues_of, without_only
from marey.findings.exchanged import KEPT
from marey.findings.labeled_clips import LabeledClips
from marey.network.network import Network
from marey.video.flow.methods import Method

_BYTES = 2**30
"""Changed clips that wait for a pass take at most about so much memory."""

UNKNOWN = -1
"""The answer for a class that no clip has."""


@dataclass(frozen=True, eq=False)
class CueAnswers:
    """What was answered to `labeled`, the clips that could be read.

    answers
        {condition: (clip), an index into the classes of `labeled`, or `UNKNOWN`}.
    colors
        (clip), {cue: its mean (red, green, blue)}, of cues that are a part of the picture.
    placed
        (clip), whether it is known where the actor is. Of the others, nothing is lost without actor or background, and
        nothing is told by either alone.
    moving
        (clip), what share of the picture moves, and is taken for the actor; not a number of a clip with a mask.
    """

    labeled: LabeledClips
    cues: tuple[Cue, ...]
    answers: Mapping[str, NDArray[np.intp]]
    colors: Sequence[Mapping[str, NDArray[np.float64]]]
    placed: NDArray[np.bool_]
    moving: NDArray[np.float64]

    def right(self, labels: NDArray[np.intp], *names: str) -> NDArray[np.float64]:
        """Whether the answers are `labels` (clip), the mean over the named conditions."""
        return np.asarray(np.mean([self.answers[name] == labels for name in names], axis=0), np.float64)

    def lost(self, labels: NDArray[np.intp]) -> NDArray[np.float64]:
        """What is right as it is and no more without each cue (clip, cue)."""
        whole = self.right(labels, AS_IT_IS.name)
        lost = np.stack([whole - self.right(labels, *cue.without) for cue in self.cues], axis=1)
        return np.where(self._asked(self.cues), lost, 0)

    def alone(self) -> tuple[tuple[Cue, ...], NDArray[np.intp]]:
        """The cues that can be shown alone, and the answers to them (clip, cue)."""
        cues = tuple(cue for cue in self.cues if cue.alone is not None)
        if not cues:
            return cues, np.empty((len(self.labeled.clips), 0), np.intp)
        answers = np.stack([self.answers[str(cue.alone)] for cue in cues], axis=1)
        return cues, np.where(self._asked(cues), answers, UNKNOWN)

    def asked(self, condition: str) -> NDArray[np.bool_]:
        """The clips (clip) of which a condition tells something."""
        of_actor = {name for cue in self.cues if cue.of_actor for name in (*cue.without, cue.alone)}
        return self.placed if condition in of_actor else np.ones_like(self.placed)

    def _asked(self, cues: Sequence[Cue]) -> NDArray[np.bool_]:
        """(clip, cue)."""
        return np.asarray(self.placed[:, None] | ~np.array([cue.of_actor for cue in cues]))


def known_clips(labeled: LabeledClips, network: Network) -> LabeledClips:
    """The clips of classes that the network has; MareyError where these are fewer than two classes."""
    known = [place for place, name in enumerate(labeled.classes) if name in network.classes]
    if len(known) < 2:
        has = f"has {len(network.classes)} classes" if network.classes else "has no classes"
        raise MareyError(
            f"{network.name} {has}, of which the recorded clips show {len(known)}; what clips give away is asked of "
            "class scores, and needs clips of at least two of the network's classes."
        )
    if len(known) == len(labeled.classes):
        return labeled
    some = labeled.some(np.isin(labeled.labels, known))
    return replace(
        some,
        classes=tuple(labeled.classes[place] for place in known),
        labels=np.searchsorted(known, some.labels),
        remarks=(*labeled.remarks, f"clips of {len(labeled.classes) - len(known)} classes that it does not know"),
    )


def cue_answers(
    network: Network,
    labeled: LabeledClips,
    *,
    flow: Method,
    seed: int,
    alone: bool = True,
    report: Callable[[int], None] | None = None,
) -> CueAnswers:
    """Show every clip as it is, without each cue, and, if asked for, each cue `alone`.

    Clips come in random order, so that backgrounds are those of random classes; the first ones come twice, and count
    the second time. Raises MareyError where clips can no longer be read that all of a class need.
    """
    masks = SeenActors(network.streams) if shows_actors(network, labeled) else None
    found = cues_of(network.streams, masks) if alone else without_only(cues_of(network.streams, masks))
    order = np.random.default_rng(seed).permutation(len(labeled.clips))
    first = order[-KEPT:]
    shown = [labeled.clips[place] for place in (*first, *order)]
    at_once = _at_once(network)
    answers: dict[str, NDArray[np.intp]] = {}
    rows: list[int] = []
    colors = SeenColors(network.streams, masks)
    conditions = (Condition(AS_IT_IS.name, colors), *found.conditions)
    parts = [conditions[begin : begin + at_once] for begin in range(0, len(conditions), at_once)]
    for part in parts:
        asked = ask(
            network,
            shown,
            [],
            part,
            flow=flow,
            seed=seed,
            report=None if report is None else lambda _done, _all: report(1),
        )
        rows = [number for number in asked.rows if number >= len(first)]
        keep = [place for place, number in enumerate(asked.rows) if number >= len(first)]
        for one in part:
            answers[one.name] = _classes(network, labeled)[asked[one.name].scores[keep].argmax(1).numpy()]
    places = order[np.array(rows) - len(first)]  # of the clips that could be read
    back = np.argsort(places)
    read = labeled.some(np.isin(np.arange(len(labeled.clips)), places))
    if lost := len(labeled.clips) - len(places):
        read = replace(read, remarks=(*read.remarks, f"{lost} of the recorded clips can no longer be read"))
    if len(set(read.labels.tolist())) < len(read.classes):
        raise MareyError(f"{lost} of the recorded clips can no longer be read, all of a class; put them back.")
    return CueAnswers(
        read,
        found.cues,
        {name: values[back] for name, values in answers.items()},
        [colors.of.get(rows[place], {}) for place in back],
        np.array([masks is None or rows[place] not in masks.unknown for place in back], bool),
        np.array([np.nan if masks is None else masks.moving.get(rows[place], np.nan) for place in back]),
    )


def shows_actors(network: Network, labeled: LabeledClips) -> bool:
    """Whether it can be told where the actor is: single pictures do not show what moves, and need masks."""
    moving = any(one.kind == "flow" or one.frames > 1 for one in network.streams)
    return moving or all(mask_file(clip) is not None for clip in labeled.clips)


def passes_of(network: Network, labeled: LabeledClips, *, alone: bool = True) -> int:
    """How many steps `cue_answers` reports."""
    found = cues_of(network.streams, SeenActors(network.streams) if shows_actors(network, labeled) else None)
    conditions = 1 + len((found if alone else without_only(found)).conditions)
    return -(-conditions // _at_once(network)) * (len(labeled.clips) + min(len(labeled.clips), KEPT))


def _at_once(network: Network) -> int:
    """How many conditions wait for a pass at once."""
    values = sum(int(np.prod(one.shape)) for one in network.streams)
    return max(4, _BYTES // (4 * values * WINDOWS_AT_ONCE))


def _classes(network: Network, labeled: LabeledClips) -> NDArray[np.intp]:
    """For each class of the network its index among those of the clips."""
    at = {name: place for place, name in enumerate(labeled.classes)}
    return np.array([at.get(name, UNKNOWN) for name in network.classes], np.intp)
