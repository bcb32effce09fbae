"""The clips of a data set with their classes and groups, because every split and every report needs to say so."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from marey.errors import DatasetError
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class ClipSet(Sequence[Clip]):
    """Clips of a data set, in order.

    `grouping` says in words where their groups come from; `notes` what a reader of figures should know: clips that are
    listed and not there, files that were passed over.
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
    """The labels of `clips`, sorted; DatasetError when a clip has none."""
    labels = set()
    for clip in clips:
        if clip.label is None:
            raise DatasetError(f"'{clip.path}' has no class; give every clip a label.")
        labels.add(clip.label)
    return tuple(sorted(labels))


def group_of(clip: Clip) -> str:
    """What must stay on one side of a split: the clip's group, or its file (with its folder) where it has none."""
    return f"{clip.path.parent.name}/{clip.path.name}" if clip.group is None else clip.group


def check_on_disk(clips: Iterable[Clip]) -> None:
    """Raise DatasetError when a clip is made while it is read, where its file has to be found again."""
    made = next((clip for clip in clips if clip.maker is not None), None)
    if made is not None:
        raise DatasetError(
            f"the clip '{made.path}' is not on disk, where it has to be found again; "
            "write motion studies with `marey studies --out DIR`, and give that folder."
        )
