"""The clips that the networks that ship are trained on, and the cells that they learn before classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from bundled_card import CONJUNCTIONS

from marey.datasets.motion_studies import StudySet
from marey.datasets.motion_studies.casting import drawn_factors
from marey.datasets.motion_studies.difficulty import named
from marey.streams import Stream
from marey.video.clips import Clip, LoadedClip

WALKS = ("walk", "walk_backward")


@dataclass(frozen=True)
class Studied:
    """Clips in memory, with what they are called: the class, and the cell within it."""

    clips: Sequence[LoadedClip]
    classes: Sequence[str]
    cells: Sequence[str]


def studied(sets: Sequence[StudySet], out: Path, streams: Sequence[Stream], *, even: bool = False) -> Studied:
    """The clips, with twice as many of the conjunctions unless they are to be `even`.

    They are kept in `out`, as training may be run again.
    """
    every: list[LoadedClip] = []
    classes: list[str] = []
    cells: list[str] = []
    for studies in sets:
        more = replace(studies, first=studies.first + studies.count, classes=CONJUNCTIONS)
        clips = (*studies.clips(), *more.clips())
        path = out / f"clips-{studies.seed}-{studies.first}-{studies.count}.pt"
        if not path.exists():
            torch.save([studies.load(clip, tuple(streams)) for clip in clips], path)
        wanted = clips[: len(studies.clips())] if even else clips
        every += torch.load(path, weights_only=False, mmap=True)[: len(wanted)]
        classes += [str(clip.label) for clip in wanted]
        cells += [cell(studies, clip) for clip in wanted]
    return Studied(every, classes, cells)


def cell(studies: StudySet, clip: Clip) -> str:
    """The class, and of a conjunction its color and axis, of a walk which way the actor faces."""
    seed, index = (int(part) for part in clip.path.name.split("-"))
    label = str(clip.label)
    factors = drawn_factors(label, seed, index, studies.setting, named(studies.difficulty))
    if label in CONJUNCTIONS:
        assert factors.what.thing_color is not None
        return f"{label}, {'warm' if factors.what.thing_color[0] > 0.5 else 'cool'} {factors.what.axis}"
    if label in WALKS:
        return f"{label}, {'left' if factors.where.mirrored else 'right'}"
    return label
