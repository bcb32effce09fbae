"""Motion studies as a data set: clips have names only and are made while they are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import torch

from marey.datasets.clip_set import ClipSet
from marey.errors import DatasetError
from marey.network.stream import Stream
from marey.studies.casting import drawn_factors
from marey.studies.classes import study_class, study_classes
from marey.studies.clips import StudyClip, study_clip
from marey.studies.difficulty import Difficulty, DifficultyName, named
from marey.studies.factors import Setting
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method, check_method
from marey.video.read.clips import Clip, LoadedClip

NAME = "motion-studies"

Labels = Literal["classes", "cells"]
"""Labels of clips: "classes" are their classes; "cells" also tell the color and axis of a conjunction, and which way a
walk goes."""


@dataclass(frozen=True)
class StudySet:
    """A set of motion studies: `count` clips of every class from one `seed`, with indices from `first` on.

    fair
        share of the indices whose clips are fair although `setting` is "biased".
    computed, methods
        share of the indices whose flow is computed from the frames, as for videos, by one method after the other; all
        other clips have their exact flow.
    labels
        "classes", or "cells" with finer names.
    cache
        the folder for computed flow.
    """

    count: int
    seed: int = 0
    first: int = 0
    classes: tuple[str, ...] = study_classes()
    frames: int = 16
    setting: Setting = "fair"
    fair: float = 0.0
    difficulty: Difficulty | DifficultyName = "natural"
    computed: float = 0.0
    methods: tuple[Method, ...] = ("tvl1-fast", "dis")
    labels: Labels = "classes"
    cache: FlowCache = field(default_factory=FlowCache, compare=False)

    def __post_init__(self) -> None:
        if self.count < 1 or self.seed < 0 or self.first < 0:
            raise DatasetError(
                f"no {self.count} motion studies of seed {self.seed} from index {self.first} on; "
                "expected a count of at least 1 for each class, seed and first index not below 0."
            )
        if self.labels not in get_args(Labels):
            raise DatasetError(f"labels of motion studies are {' or '.join(get_args(Labels))}, got '{self.labels}'.")
        named(self.difficulty)
        for method in self.methods:
            check_method(method)
        for label in self.classes:
            study_class(label)

    def clips(self) -> ClipSet:
        """Name the clips, in the order of `study_clips`; those of one index share actor and scene, and are a group."""
        clips = [
            Clip(
                Path(NAME) / label / f"{self.seed}-{index}",
                label=self._label(label, index),
                group=f"actor{index:05d}",
                maker=self,
            )
            for index in range(self.first, self.first + self.count)
            for label in self.classes
        ]
        return ClipSet(NAME, tuple(clips), "actor and scene")

    def study(self, clip: Clip, *, size: int) -> StudyClip:
        """Make the clip of that name at `size` px, with its exact flow: the same bytes at every call."""
        seed, index = (int(part) for part in clip.path.name.split("-"))
        return study_clip(
            clip.path.parent.name,
            seed,
            index,
            size=size,
            frames=self.frames,
            setting="fair" if _among(index, self.fair) else self.setting,
            difficulty=self.difficulty,
        )

    def load(self, clip: Clip, streams: Sequence[Stream]) -> LoadedClip:
        """Make the clip as training takes clips, in the size that the streams want, so that nothing is resized."""
        made = self.study(clip, size=max(max(one.short_side or 0, one.height, one.width) for one in streams))
        index = made.factors.index
        if _among(index, self.computed):
            method = self.methods[int(index * self.computed) % len(self.methods)]
            fields = self.cache.optical_flow(torch.from_numpy(made.frames), method=method)
            made = replace(made, flow=fields.transpose(0, 1).float().numpy())
        return replace(made.loaded(streams), clip=clip)

    def _label(self, label: str, index: int) -> str:
        if self.labels == "classes" or label not in _SEVERAL_CELLS:
            return label
        factors = drawn_factors(label, self.seed, index, self.setting, named(self.difficulty))
        if factors.what.axis is None or factors.what.thing_color is None:
            return f"{label}, {'left' if factors.where.mirrored else 'right'}"
        return f"{label}, {'warm' if factors.what.thing_color[0] > 0.5 else 'cool'} {factors.what.axis}"


_SEVERAL_CELLS = frozenset({"conjunction_one", "conjunction_two", "walk", "walk_backward"})


def _among(index: int, share: float) -> bool:
    """Tell whether an index is among the `share` of all indices that are chosen evenly.

    >>> [index for index in range(8) if _among(index, 0.25)]
    [3, 7]
    """
    return int((index + 1) * share) > int(index * share)
