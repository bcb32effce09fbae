"""The clips that a list names, found on disk and sorted into its splits, for every layout that is a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marey.datasets.clip_set import ClipSet
from marey.datasets.found_files import FoundFiles
from marey.datasets.layout import Hints
from marey.errors import DatasetError
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class ListedClip:
    """A clip as a list names it, before its file is found.

    name
        its path under a folder that the list leaves open; with `anywhere` the name of its file without suffix, in
        whatever folder under that one it lies.
    split
        "" where the list does not say.
    """

    name: str
    label: str
    split: str = ""
    group: str | None = None
    anywhere: bool = False


def listed_splits(
    path: Path, listed: Sequence[ListedClip], hints: Hints, *, grouping: str = "", notes: Sequence[str] = ()
) -> dict[str, ClipSet]:
    """Find the clips of the list at `path` and sort them: {split: clips}, in the order of the list.

    `grouping` tells in words where the groups of listed clips come from. Clips that are not on disk are kept, and
    counted in the notes. Raises DatasetError when the list is empty, or no clip is on disk.
    """
    if not listed:
        raise DatasetError(f"'{path}' lists no clips; expected lines such as 'walk/ann_walk.avi walk'.")
    found = FoundFiles(path.parent, hints.folder, hints.images)
    parts: dict[str, list[ListedClip]] = {}
    for one in listed:
        parts.setdefault(one.split, []).append(one)
    placed = {split: _placed(found, split, part) for split, part in parts.items()}
    clips = [clip for part in placed.values() for clip in part]
    absent = [clip for clip in clips if not clip.path.exists()]
    if len(absent) == len(clips):
        raise DatasetError(
            f"none of the {len(clips)} clips that '{path}' lists is there, such as '{absent[0].path}'; "
            "put the list into or beside the folder of the clips, or give that folder."
        )
    if absent:
        notes = (*notes, f"{len(absent)} of {len(clips)} listed clips are not there, such as '{absent[0].path}'")
    return {
        split: ClipSet(path.stem, tuple(part), grouping or f"as '{path.name}' says", tuple(notes))
        for split, part in placed.items()
    }


def _placed(found: FoundFiles, split: str, listed: Sequence[ListedClip]) -> list[Clip]:
    names = [clip.name for clip in listed]
    places = found.anywhere(names) if listed[0].anywhere else found.places(names, split)
    return [
        Clip(place, label=clip.label, group=clip.group, flow=flow)
        for clip, (place, flow) in zip(listed, places, strict=True)
    ]
