"""The layout of marey's own lists: a CSV file with the columns path and label, and if wanted split and group."""

import re
from pathlib import Path

from marey.datasets.clip_files import folder_of
from marey.datasets.clip_set import ClipSet
from marey.datasets.label_maps import named
from marey.datasets.layout import Hints
from marey.datasets.list_files import Row, columns_of, parts_of, rows_of, split_word
from marey.datasets.listed_splits import ListedClip, listed_splits
from marey.errors import DatasetError

_COLUMNS = ("path", "label")


class CsvLists:
    """A CSV file whose first line names its columns; a list named after its split brings the other split beside it.

    Columns may be parted by commas, semicolons, tabs or |. Numbers are named as in other lists.
    """

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is a CSV file that names a column of clips, or an empty one."""
        columns = columns_of(place)
        named_in_text = set(_COLUMNS) <= columns_of(place, (".txt", ".lst"))
        return bool({*_COLUMNS, "youtube_id"} & columns) or columns == {""} or named_in_text

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the rows; the class of a row without label is the folder of its clip."""
        listed, notes = parts_of(place, _listed)
        grouping = f"from the column 'group' of '{place.name}'"
        return listed_splits(place, named(place, listed), hints, grouping=grouping, notes=notes)


def _listed(path: Path, split: str) -> list[ListedClip]:
    return [_clip(path, number, row, split) for number, row in rows_of(path, _COLUMNS)]


def _clip(path: Path, number: int, row: Row, split: str) -> ListedClip:
    if not row["path"]:
        raise DatasetError(f"line {number} of '{path}' has no path.")
    label = row["label"] or folder_of(row["path"])
    if not label:
        raise DatasetError(f"line {number} of '{path}' gives '{row['path']}' no class; write it, or name its folder.")
    if re.fullmatch(r"\[?\d+(\s*[,;|\s]\s*\d+)+\]?", label) and label != folder_of(row["path"]):
        raise DatasetError(f"line {number} of '{path}' has several labels, '{label}'; expected one for each clip.")
    return ListedClip(row["path"], label, _split(row.get("split", "")) or split, row.get("group") or None)


def _split(name: str) -> str:
    """The split that a row names; words for splits in lower case."""
    return name.lower() if split_word(name) == name.lower() else name
