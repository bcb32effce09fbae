"""Data sets that are a list of clips in a file, in any of the forms in which benchmarks publish them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from marey.datasets.clip_set import ClipSet
from marey.datasets.found_files import FoundFiles
from marey.datasets.grouping import grouped
from marey.datasets.hmdb51 import hmdb51_clips, is_hmdb51
from marey.datasets.kinetics import COLUMNS, kinetics_clips
from marey.datasets.listed_clip import ListedClip, text_of
from marey.datasets.path_lists import companions, path_list_clips
from marey.datasets.something_something import something_clips
from marey.datasets.ucf101 import is_ucf101, ucf101_clips
from marey.errors import DatasetError
from marey.video.flow.stored import ImageLayout
from marey.video.read.clips import Clip

LIST_SUFFIXES = frozenset({".csv", ".txt", ".json"})
_ONE_EACH = "every clip is its own group"


@dataclass(frozen=True)
class _Listed:
    clips: list[ListedClip]
    notes: tuple[str, ...] = ()


def split_file(
    path: str | Path,
    *,
    folder: str | Path | None = None,
    group: str | None = None,
    images: ImageLayout | None = None,
) -> dict[str, ClipSet]:
    """The clips of each split that a list names: {split: clips}, the split being "" where the list does not say.

    The forms are those of docs/data.md: a CSV file with the columns path and label, and if wanted split and group;
    UCF101, HMDB51, Kinetics, Something-Something v2; lines "path label" and those of mmaction2. A list named after its
    split brings the one of the other split beside it, as train.csv brings val.csv.

    Paths start from `folder` (None: the folder of the list or one in or beside it, by which has the clips). `group` is
    as for `class_folders`; without it, groups that are guessed and would be on both sides of the published split are
    given up. `images` says how folders of frame and flow images are named. A clip that is not there stays in the list:
    who loads it reports it.

    Raises DatasetError when the list cannot be read, a line lacks something, none of its clips is there, or there are
    fewer than two classes.
    """
    path = Path(path)
    listed = _listed(path)
    if not listed.clips:
        raise DatasetError(f"'{path}' lists no clips; expected lines such as 'walk/ann_walk.avi walk'.")
    labels = {clip.label for clip in listed.clips}
    if len(labels) < 2:
        raise DatasetError(f"'{path}' lists clips of one class only, '{labels.pop()}'; expected at least two classes.")
    places = FoundFiles(path.parent, None if folder is None else Path(folder), images).places(listed.clips)
    clips = [
        Clip(place, label=clip.label, group=clip.group, flow=flow)
        for clip, (place, flow) in zip(listed.clips, places, strict=True)
    ]
    absent = [clip for clip in clips if not clip.path.exists()]
    if len(absent) == len(clips):
        raise DatasetError(
            f"none of the {len(clips)} clips that '{path}' lists is there, such as '{absent[0].path}'; "
            "put the list into or beside the folder of the clips, or give that folder."
        )
    notes = list(listed.notes)
    if absent:
        notes.append(f"{len(absent)} of {len(clips)} listed clips are not there, such as '{absent[0].path}'")
    splits = [clip.split for clip in listed.clips]
    found, said = _grouped(clips, splits, group, path)
    return {
        split: ClipSet(
            path.stem,
            tuple(clip for clip, own in zip(found, splits, strict=True) if own == split),
            said,
            tuple(notes),
        )
        for split in dict.fromkeys(splits)
    }


def _listed(path: Path) -> _Listed:
    if is_ucf101(path):
        return _Listed(ucf101_clips(path))
    if is_hmdb51(path):
        clips, unused = hmdb51_clips(path)
        return _Listed(clips, (f"{unused} clips are in neither part of this split of HMDB51",) if unused else ())
    if path.suffix.lower() == ".json":
        return _Listed(something_clips(path))
    return _Listed(
        [replace(clip, split=clip.split or split) for split, part in companions(path).items() for clip in _rows(part)]
    )


def _rows(path: Path) -> list[ListedClip]:
    if path.suffix.lower() != ".csv":
        return path_list_clips(path)
    first = next(iter(text_of(path).splitlines()), "")
    columns = {name.strip().strip('"').lower() for name in first.split(",")}
    if not {"path", "label", COLUMNS[0]} & columns and first:
        return path_list_clips(path)
    rows = _csv_rows(path)
    if rows and set(COLUMNS) <= set(rows[0]):
        return kinetics_clips(path, rows)
    return _own_clips(path, rows)


def _csv_rows(path: Path) -> list[dict[str, str | None]]:
    try:
        return list(csv.DictReader(text_of(path).splitlines(), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise DatasetError(f"'{path}' is no CSV file: {error}.") from None


def _own_clips(path: Path, rows: Sequence[Mapping[str, str | None]]) -> list[ListedClip]:
    columns = list(rows[0]) if rows else []
    for column in ("path", "label"):
        if column not in columns:
            has = ", ".join(str(name) for name in columns) or "nothing"
            raise DatasetError(
                f"'{path}' has no column '{column}'; its first line names {has}. Expected path,label,split,group."
            )
    clips = []
    for number, row in enumerate(rows, start=2):
        name, label, split, group = ((row.get(column) or "").strip() for column in ("path", "label", "split", "group"))
        if not name:
            raise DatasetError(f"line {number} of '{path}' has no path.")
        label = label or Path(name).parent.name
        if not label:
            raise DatasetError(f"line {number} of '{path}' gives '{name}' no class; write it, or name its folder.")
        clips.append(ListedClip(name, label, split, group or None))
    return clips


def _grouped(
    clips: Sequence[Clip], splits: Sequence[str], pattern: str | None, path: Path
) -> tuple[Sequence[Clip], str]:
    """The clips with groups: from the pattern, from the list, or guessed; and how, in words."""
    if pattern is not None:
        return grouped([replace(clip, group=None) for clip in clips], pattern)
    if any(clip.group is not None for clip in clips):
        found, said = clips, f"as '{path.name}' says"
        if path.suffix == ".csv" and "group" in text_of(path).split("\n", 1)[0]:
            return found, f"from the column 'group' of '{path.name}'"
    else:
        found, said = grouped(clips, None)
    sides: dict[str, set[str]] = {}
    for clip, split in zip(found, splits, strict=True):
        if clip.group is not None:
            sides.setdefault(clip.group, set()).add(split)
    both = sorted(name for name, where in sides.items() if len(where) > 1)
    if both:
        said = f"{_ONE_EACH}: '{both[0]}' ({said}) is on both sides of the published split"
        return [replace(clip, group=None) for clip in found], said
    return found, said
