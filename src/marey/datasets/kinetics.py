"""The layout of Kinetics: CSV files with label, youtube_id, time_start, time_end, split (Kay et al., 2017)."""

from pathlib import Path

from marey.datasets.clip_set import ClipSet
from marey.datasets.grouping import unparted
from marey.datasets.layout import Hints
from marey.datasets.list_files import Row, columns_of, companions, lists_at, only_list, rows_of
from marey.datasets.listed_splits import ListedClip, listed_splits
from marey.errors import DatasetError

_COLUMNS = ("label", "youtube_id", "time_start", "time_end")


class Kinetics:
    """A list with classes, or a folder with such lists in it.

    The list of the hidden test videos has no classes: it is passed over beside others, and an error when it is named.
    """

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is a CSV file with the columns of Kinetics, or holds one."""
        return bool(lists_at(place, _is_list)) or set(_COLUMNS[1:]) <= columns_of(place)

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the list and the one of the other split beside it.

        The file of a clip is called ID_SSSSSS_EEEEEE after its seconds, in whatever folder it lies. The group is the
        video that the clip was cut from.
        """
        path = place if place.is_file() else only_list(place, _is_list)
        listed = [
            _clip(part, number, row, split)
            for split, part in companions(path).items()
            if part == path or _is_list(part)
            for number, row in rows_of(part, _COLUMNS)
        ]
        return unparted(listed_splits(path, listed, hints))


def _is_list(path: Path) -> bool:
    return set(_COLUMNS) <= columns_of(path)


def _clip(path: Path, number: int, row: Row, split: str) -> ListedClip:
    video, label = row["youtube_id"], row["label"]
    try:
        start, end = (round(float(row[column])) for column in _COLUMNS[2:])
    except (ValueError, OverflowError):
        times = f"{row['time_start']} to {row['time_end']}"
        raise DatasetError(f"line {number} of '{path}' is from {times} s; expected numbers.") from None
    if not video or not label:
        lacks = "label" if video else "youtube_id"
        raise DatasetError(f"line {number} of '{path}' has no {lacks}; give a list in which every clip has one.")
    name = f"{video}_{start:06d}_{end:06d}"
    return ListedClip(name, label, row.get("split") or split, group=video, anywhere=True)
