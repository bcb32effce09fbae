"""Motion studies as a data set that is made while it is read: clips by name, and a function that loads them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from marey.datasets.clip_set import ClipSet
from marey.datasets.motion_studies.classes import study_class, study_classes
from marey.datasets.motion_studies.clips import StudyClip, study_clip
from marey.datasets.motion_studies.difficulty import Difficulty, DifficultyName
from marey.datasets.motion_studies.factors import Setting
from marey.errors import DatasetError
from marey.streams import Stream
from marey.video.clips import Clip, LoadedClip
from marey.video.flow import Method
from marey.video.flow_cache import FlowCache

NAME = "motion-studies"


@dataclass(frozen=True)
class StudySet:
    """Which motion studies: `count` clips of every class from `seed`, indices from `first` on.

    fair
        share of the indices that are in the fair setting although `setting` is "biased".
    computed, methods
        share of the indices whose flow is computed from the frames, by one method after the other, as for clips that
        come as videos; the others have their exact flow.
    cache
        where computed flow is kept.
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
    cache: FlowCache = field(default_factory=FlowCache, compare=False)

    def __post_init__(self) -> None:
        if self.count < 1 or self.seed < 0 or self.first < 0:
            raise DatasetError(
                f"no {self.count} motion studies of seed {self.seed} from {self.first} on; "
                "expected at least 1 of each class, seed and first index not below 0."
            )
        for label in self.classes:
            study_class(label)

    def clips(self) -> ClipSet:
        """Names of the clips, in the order of `study_clips`; the group is the index, which shares actor and scene."""
        clips = [
            Clip(Path(NAME) / label / f"{self.seed}-{index}", label=label, group=f"actor{index:05d}")
            for index in range(self.first, self.first + self.count)
            for label in self.classes
        ]
        return ClipSet(NAME, tuple(clips), "actor and scene")

    def study(self, clip: Clip, *, size: int) -> StudyClip:
        """The clip of that name at `size` px, made now, with its exact flow: the same bytes at every call."""
        seed, index = (int(part) for part in clip.path.name.split("-"))
        return study_clip(
            str(clip.label),
            seed,
            index,
            size=size,
            frames=self.frames,
            setting="fair" if _among(index, self.fair) else self.setting,
            difficulty=self.difficulty,
        )

    def load(self, clip: Clip, streams: Sequence[Stream]) -> LoadedClip:
        """The clip as training takes clips, made in the size that the streams want, so that nothing is resized."""
        made = self.study(clip, size=max(max(one.short_side or 0, one.height, one.width) for one in streams))
        index = made.factors.index
        if _among(index, self.computed):
            method = self.methods[int(index * self.computed) % len(self.methods)]
            fields = self.cache.optical_flow(torch.from_numpy(made.frames), method=method)
            made = replace(made, flow=fields.transpose(0, 1).float().numpy())
        return replace(made.loaded(streams), clip=clip)


def _among(index: int, share: float) -> bool:
    """True for `share` of the indices, evenly.

    >>> [index for index in range(8) if _among(index, 0.25)]
    [3, 7]
    """
    return int((index + 1) * share) > int(index * share)
