"""The layout of marey's own lists: a CSV file with the columns path and label, and if wanted split and group."""

from pathlib import Path

from marey.datasets.clip_set import ClipSet
from marey.datasets.layout import Hints
from marey.datasets.list_files import Row, columns_of, companions, rows_of
from marey.datasets.listed_splits import ListedClip, listed_splits
from marey.errors import DatasetError

_COLUMNS = ("path", "label")


class CsvLists:
    """A CSV file whose first line names its columns; a list named after its split brings the other split beside it."""

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is a CSV file that names a column of clips, or an empty one."""
        columns = columns_of(place)
        return bool({*_COLUMNS, "youtube_id"} & columns) or columns == {""}

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the rows; the class of a row without label is the folder of its clip."""
        listed = [
            _clip(part, number, row, split)
            for split, part in companions(place).items()
            for number, row in rows_of(part, _COLUMNS)
        ]
        return listed_splits(place, listed, hints, grouping=f"from the column 'group' of '{place.name}'")


def _clip(path: Path, number: int, row: Row, split: str) -> ListedClip:
    if not row["path"]:
        raise DatasetError(f"line {number} of '{path}' has no path.")
    label = row["label"] or Path(row["path"]).parent.name
    if not label:
        raise DatasetError(f"line {number} of '{path}' gives '{row['path']}' no class; write it, or name its folder.")
    return ListedClip(row["path"], label, row.get("split") or split, row.get("group") or None)
