"""The clips that a user points at, whatever their layout, where classes do not matter or need not be there."""

from pathlib import Path

from marey.datasets.class_folders import is_clip, visible
from marey.datasets.clip_set import ClipSet
from marey.datasets.data_set import JPEGS, data_set, published_list
from marey.datasets.split_files import LIST_SUFFIXES
from marey.errors import DatasetError
from marey.video.flow.stored import ImageLayout
from marey.video.read.clips import Clip


def clips_in(
    place: str | Path,
    *,
    folder: str | Path | None = None,
    group: str | None = None,
    images: ImageLayout | None = None,
) -> list[Clip]:
    """The clips of a data set (see `data_set`; all its splits), of a plain folder, or one clip.

    A listed clip that is not there is among them: who loads it reports it. Raises DatasetError when there is none.
    """
    place = Path(place)
    if not place.exists():
        raise DatasetError(f"'{place}' does not exist; expected a folder of clips, a split file or a clip.")
    if place.is_file():
        if place.suffix.lower() in LIST_SUFFIXES:
            return _all(data_set(place, folder=folder, group=group, images=images))
        if is_clip(place):
            return [Clip(place)]
        raise DatasetError(f"'{place}' is no folder of clips, list (.csv, .txt, .json) or video.")
    inside = visible(place)
    folders = [path for path in inside if path.is_dir()]
    if published_list(place) is not None or (place / JPEGS).is_dir():
        return _all(data_set(place, folder=folder, group=group, images=images))
    if any(is_clip(path) for inner in folders for path in visible(inner)):
        if len(folders) > 1:
            return _all(data_set(place, group=group, images=images))
        return [Clip(path, label=folders[0].name) for path in visible(folders[0]) if is_clip(path)]
    plain = [Clip(path) for path in inside if is_clip(path)]
    if plain:
        return plain
    if is_clip(place):
        return [Clip(place)]
    raise DatasetError(f"'{place}' holds no clips; expected videos, folders of frames, or folders of these.")


def _all(splits: dict[str, ClipSet]) -> list[Clip]:
    return [clip for clips in splits.values() for clip in clips]
