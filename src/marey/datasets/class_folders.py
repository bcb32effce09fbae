"""The layout of one folder for each class: FOLDER/class/clip."""

from pathlib import Path

from marey.datasets.clip_files import bare, is_clip, only_metadata, visible
from marey.datasets.clip_set import ClipSet
from marey.datasets.layout import Hints
from marey.errors import DatasetError
from marey.video.read.clips import Clip


class ClassFolders:
    """Folders named after classes, whose clips are video files or folders of frame images.

    Hidden files, and those that systems and viewers write, are passed over. Files that are no clips are passed over
    too, and counted in `ClipSet.notes`. With `Hints.images` the class folders of frames lie where it says, and so does
    the flow of each clip.
    """

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is a folder; reading it tells what a folder of classes lacks."""
        return place.is_dir()

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the clips in order of class and name; DatasetError when a folder holds no clips."""
        images = hints.images
        top = place if images is None else place / images.frames.partition("{video}")[0]
        if not has_class_folders(top):
            inner = [path for path in visible(top) if has_class_folders(path)] if top.is_dir() else []
            raise DatasetError(
                f"'{top}' holds no clips; expected videos, folders of frames, or a folder of these for each class."
                + (f" Its folder '{inner[0].name}' holds some: name that one." if inner else "")
            )
        labels = [path for path in visible(top) if path.is_dir() and not only_metadata(path)]
        clips = [
            Clip(path, label=label.name, flow=None if images is None else images.stored(place, _video(path)))
            for label in labels
            for path in _clips(label)
        ]
        others = [path for label in labels for path in visible(label) if path.is_file() and not is_clip(path)]
        notes = (f"{len(others)} files that are no videos are passed over, such as '{others[0]}'",) if others else ()
        return {"": ClipSet(place.resolve().name, tuple(clips), notes=notes)}


def has_class_folders(folder: Path) -> bool:
    """Tell whether a folder holds a folder that holds a clip."""
    return folder.is_dir() and any(
        is_clip(path) for inner in visible(folder) if inner.is_dir() for path in visible(inner)
    )


def _video(path: Path) -> str:
    """The name by which flow images are stored for a clip in its class folder."""
    return f"{path.parent.name}/{path.name if path.is_dir() else bare(path.name)}"


def _clips(folder: Path) -> list[Path]:
    entries = visible(folder)
    clips = [path for path in entries if is_clip(path)]
    if not clips:
        inside = f"; it holds {len(entries)} other entries, such as '{entries[0].name}'" if entries else ""
        raise DatasetError(
            f"class folder '{folder}' holds no clips{inside}. Put videos or folders of frames there, or remove it."
        )
    return clips
