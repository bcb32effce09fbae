"""The clips that a user points at, whatever their layout, where classes do not matter or need not be there."""

from pathlib import Path

from marey.datasets.class_folders import class_folders, is_clip
from marey.datasets.split_files import split_file
from marey.errors import DatasetError
from marey.video.clips import Clip


def clips_in(place: str | Path, *, group: str | None = None) -> list[Clip]:
    """The clips of a folder of class folders, of a split file (all its splits), of a plain folder of clips, or one clip.

    Raises DatasetError when there is none.
    """
    place = Path(place)
    if not place.exists():
        raise DatasetError(f"'{place}' does not exist; expected a folder of clips, a split file or a clip.")
    if place.is_file() and place.suffix.lower() in (".csv", ".txt"):
        return [clip for clips in split_file(place, group=group).values() for clip in clips]
    if is_clip(place):
        return [Clip(place)]
    if place.is_dir():
        plain = sorted(path for path in place.iterdir() if not path.name.startswith(".") and is_clip(path))
        if plain and all(path.is_file() for path in plain):
            return [Clip(path) for path in plain]
        return list(class_folders(place, group=group))
    raise DatasetError(f"'{place}' is no folder of clips, split file (.csv, .txt) or video.")
