"""The clips that a user points at, whatever their layout, where classes do not matter or need not be there."""

from pathlib import Path

from marey.datasets.class_folders import class_folders, is_clip, visible
from marey.datasets.split_files import split_file
from marey.errors import DatasetError
from marey.video.clips import Clip


def clips_in(place: str | Path, *, group: str | None = None) -> list[Clip]:
    """The clips of a folder of class folders, of a split file (all its splits), of a plain folder, or one clip.

    Raises DatasetError when there is none.
    """
    place = Path(place)
    if not place.exists():
        raise DatasetError(f"'{place}' does not exist; expected a folder of clips, a split file or a clip.")
    if place.is_file() and place.suffix.lower() in (".csv", ".txt"):
        return [clip for clips in split_file(place, group=group).values() for clip in clips]
    if place.is_file():
        if is_clip(place):
            return [Clip(place)]
        raise DatasetError(f"'{place}' is no folder of clips, split file (.csv, .txt) or video.")
    inside = visible(place)
    folders = [path for path in inside if path.is_dir()]
    if any(is_clip(path) for folder in folders for path in visible(folder)):
        if len(folders) > 1:
            return list(class_folders(place, group=group))
        return [Clip(path, label=folders[0].name) for path in visible(folders[0]) if is_clip(path)]
    plain = [Clip(path) for path in inside if is_clip(path)]
    if plain:
        return plain
    if is_clip(place):
        return [Clip(place)]
    raise DatasetError(f"'{place}' holds no clips; expected videos, folders of frames, or folders of these.")
