"""The clips of a data set with their classes and groups, which every split and every report needs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from marey.errors import DatasetError
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class ClipSet(Sequence[Clip]):
    """Clips of a data set, in order.

    `grouping` tells in words where the groups come from. `notes` are sentences that a reader of results should know,
    such as how many listed clips are not on disk.
    """

    name: str
    clips: tuple[Clip, ...]
    grouping: str = "every clip is its own group"
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> "ClipSet": ...
    def __getitem__(self, index: int | slice) -> "Clip | ClipSet":
        if isinstance(index, slice):
            return ClipSet(self.name, self.clips[index], self.grouping, self.notes)
        return self.clips[index]

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return classes_of(self.clips)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups, sorted."""
        return tuple(sorted({group_of(clip) for clip in self.clips}))


def classes_of(clips: Sequence[Clip]) -> tuple[str, ...]:
    """List the labels of `clips`, sorted; DatasetError when a clip has none."""
    labels = set()
    for clip in clips:
        if clip.label is None:
            raise DatasetError(f"'{clip.path}' has no class; give every clip a label.")
        labels.add(clip.label)
    return tuple(sorted(labels))


def group_of(clip: Clip) -> str:
    """Return the group that a split must not part: the clip's own, or its folder and file name where it has none."""
    return f"{clip.path.parent.name}/{clip.path.name}" if clip.group is None else clip.group


def check_on_disk(clips: Iterable[Clip]) -> None:
    """Raise DatasetError when one of `clips` is not on disk but made while it is read."""
    made = next((clip for clip in clips if clip.maker is not None), None)
    if made is not None:
        raise DatasetError(
            f"the clip '{made.path}' is not on disk but made while it is read; "
            "write motion studies with `marey studies --out DIR`, and give that folder."
        )
