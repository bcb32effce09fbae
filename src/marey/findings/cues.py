"""What a clip shows that may tell its class: each cue with the change that takes it away and the one that leaves it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from marey.findings.actor_masks import ActorMasks, actor_masks
from marey.findings.asking import Condition, Inputs, Shown
from marey.findings.exchanged import Backgrounds
from marey.findings.interventions import (
    Change,
    actor_only,
    at_rest,
    background_only,
    frozen,
    mirrored,
    noise_carried,
    shuffled,
)
from marey.findings.picture_areas import AREAS, area_filled, area_only
from marey.network.stream import Stream

AROUND = "background"
"""The name of the cue that is all but the actor."""

EXCHANGES = 2
"""How many backgrounds of other classes each clip is seen before."""


@dataclass(frozen=True)
class Cue:
    """Something that a clip shows.

    beside
        whether it lies beside the action, so that nothing is the matter with a network that does without it.
    of_actor
        whether it can be asked about only where it is known where the actor is.
    without, alone
        names of the conditions under which it is taken away, the mean of which counts, and under which nothing else is
        left; none where that cannot be shown to the network.
    """

    name: str
    beside: bool
    without: tuple[str, ...] = ()
    alone: str | None = None
    of_actor: bool = False


@dataclass(frozen=True)
class Cues:
    """The cues of some streams, and the conditions under which the network is asked."""

    cues: tuple[Cue, ...]
    conditions: tuple[Condition, ...]


class SeenActors:
    """The actor's masks of the clip that is shown, made once for all changes.

    moving
        {clip: what share of the picture moves}, of clips without a mask, so that what moves is taken for the actor.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._last: tuple[int, ActorMasks] | None = None
        self.moving: dict[int, float] = {}
        """Of clips without a mask by their number, what share of the picture moves, and is taken for the actor."""
        self.unknown: set[int] = set()
        """The numbers of clips of which it cannot be told where the actor is."""

    def __call__(self, shown: Shown) -> ActorMasks:
        """The masks of a clip."""
        if self._last is None or self._last[0] != shown.number:
            found = actor_masks(shown, self._streams)
            self._last = (shown.number, found)
            if found.source == "motion":
                self.moving[shown.number] = float(found.of[self._streams[0].name].float().mean())
            if not found.known:
                self.unknown.add(shown.number)
        return self._last[1]


def cues_of(streams: Sequence[Stream], masks: SeenActors | None) -> Cues:
    """All cues that mean something for these streams; `masks` None: those without an actor and its background."""
    kinds = {one.kind for one in streams}
    many = any(one.frames > 1 for one in streams)
    moving_rgb = any(one.kind == "rgb" and one.frames > 1 for one in streams)
    changes: dict[str, Change] = {}
    found: list[Cue] = []

    def add(cue: Cue, **made: Change) -> None:
        changes.update({name.replace("_", " "): change for name, change in made.items()})
        found.append(cue)

    if masks is not None:
        backgrounds = Backgrounds(streams, masks)
        names = tuple(f"another background {place + 1}" for place in range(EXCHANGES))
        changes.update({name: backgrounds.change(place) for place, name in enumerate(names)})
        add(
            Cue(AROUND, True, names, "background only", of_actor=True),
            background_only=background_only(streams, masks),
        )
        add(
            Cue("actor", False, ("background only",), "actor only", of_actor=True),
            actor_only=actor_only(streams, masks),
        )
    for area in AREAS:
        changes[f"no {area}"] = area_filled(streams, area)
        found.append(Cue(area, True, (f"no {area}",), "border only" if area == "border" else None))
    changes["border only"] = area_only(streams, "border")  # the corners are a part of it
    if "flow" in kinds:
        add(
            Cue("camera motion", True, ("no camera motion",), "camera motion only"),
            no_camera_motion=less_camera(streams),
            camera_motion_only=camera_only(streams),
        )
    if many:
        changes["one frame"] = frozen(streams)
        no_appearance = "flow only" if len(kinds) > 1 else "carried noise" if moving_rgb else None
        if no_appearance == "flow only":
            changes["flow only"] = at_rest(streams, "rgb")
        elif no_appearance is not None:
            changes["carried noise"] = noise_carried(streams)
        found.append(Cue("motion", False, ("one frame",), no_appearance))
        if no_appearance is not None:
            found.append(Cue("appearance", False, (no_appearance,), "one frame"))
        add(Cue("order of frames", False, ("shuffled",)), shuffled=shuffled(streams))
    add(Cue("handedness", False, ("mirrored",)), mirrored=mirrored(streams))
    return Cues(tuple(found), tuple(Condition(name, change) for name, change in changes.items()))


def without_only(cues: Cues) -> Cues:
    """The same cues, none of which is shown alone."""
    names = {name for cue in cues.cues for name in cue.without}
    kept = tuple(one for one in cues.conditions if one.name in names)
    return Cues(tuple(replace(cue, alone=None) for cue in cues.cues), kept)


def _camera(fields: Tensor) -> Tensor:
    """The camera's motion in each field of flow (window channel time 1 1), the median over pixels."""
    return fields.flatten(3).median(3).values[..., None, None]


def less_camera(streams: Sequence[Stream]) -> Change:
    """Flow without the camera's motion."""

    def change(shown: Shown) -> Inputs:
        return {
            one.name: fields if one.kind == "rgb" else fields - _camera(fields)
            for one, fields in ((one, shown.inputs[one.name]) for one in streams)
        }

    return change


def camera_only(streams: Sequence[Stream]) -> Change:
    """Flow that is the camera's motion everywhere; RGB is mid-gray."""

    def change(shown: Shown) -> Inputs:
        return {
            one.name: torch.full_like(fields, one.rest) if one.kind == "rgb" else _camera(fields).expand_as(fields)
            for one, fields in ((one, shown.inputs[one.name]) for one in streams)
        }

    return change
