"""The layout of clips without classes: a folder of videos and folders of frames, or one of these."""

from pathlib import Path

from marey.datasets.class_folders import has_class_folders
from marey.datasets.clip_files import is_clip, visible
from marey.datasets.clip_set import ClipSet
from marey.datasets.layout import Hints
from marey.video.read.clips import Clip


class LooseClips:
    """One video, one folder of frame images, or a folder of both kinds of clips."""

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is a clip or a folder of clips, and no folder of class folders."""
        return not has_class_folders(place) and bool(_paths(place))

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """List the clips by name, without class."""
        return {"": ClipSet(place.resolve().name, tuple(Clip(path) for path in _paths(place)))}


def _paths(place: Path) -> list[Path]:
    inside = [path for path in visible(place) if is_clip(path)] if place.is_dir() else []
    return inside if inside or not is_clip(place) else [place]
