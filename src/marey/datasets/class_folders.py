"""Data sets that are a folder per class, the commonest layout there is."""

from pathlib import Path

from marey.datasets.clip_set import ClipSet
from marey.datasets.grouping import grouped
from marey.errors import DatasetError
from marey.video.flow.stored import ImageLayout
from marey.video.read.clips import Clip
from marey.video.read.decode import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        "avi",
        "mp4",
        "m4v",
        "mkv",
        "mov",
        "webm",
        "mpg",
        "mpeg",
        "wmv",
        "flv",
        "ogv",
        "3gp",
        "ts",
        "mts",
        "gif",
    )
)


def class_folders(folder: str | Path, *, group: str | None = None, images: ImageLayout | None = None) -> ClipSet:
    """The clips of `folder`/class/clip, a clip being a video file or a folder of frame images.

    `group` is a regular expression whose first group, found in a file name, says which person or source video a clip
    shows; None guesses, and `ClipSet.grouping` says what. Hidden files and files of other kinds are passed over, the
    latter being counted in `ClipSet.notes`. `images` says under which folder the class folders of frames lie, and where
    the flow of a clip is stored; None: frames and flow as denseflow writes them are found by themselves.

    Raises DatasetError when there are fewer than two classes, or a class without clips.
    """
    folder = top = Path(folder)
    if images is not None:
        folder = top / images.frames.partition("{video}")[0]
    if not folder.is_dir():
        reason = "is no folder" if folder.exists() else "does not exist"
        raise DatasetError(f"'{folder}' {reason}; expected a folder with one folder of clips for each class.")
    try:
        classes = [path for path in visible(folder) if path.is_dir()]
        clips = [
            Clip(path, label=label.name, flow=None if images is None else images.stored(top, _video(path)))
            for label in classes
            for path in _clips(label)
        ]
        strange = [path for label in classes for path in visible(label) if path.is_file() and not is_clip(path)]
    except OSError as error:
        raise DatasetError(f"'{error.filename}' cannot be read: {error.strerror}.") from None
    if not classes:
        raise DatasetError(f"'{folder}' holds no folders; expected one folder of clips for each class.")
    if len(classes) == 1:
        raise DatasetError(
            f"'{folder}' holds one class only, '{classes[0].name}'; expected a folder of clips for each of two or more."
        )
    found, said = grouped(clips, group)
    notes = (f"{len(strange)} files that are no videos are passed over, such as '{strange[0]}'",) if strange else ()
    return ClipSet(top.resolve().name, found, said, notes)


def _video(path: Path) -> str:
    """The name of a clip's video in a tree of class folders."""
    return f"{path.parent.name}/{path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name}"


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without hidden entries."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _clips(folder: Path) -> list[Path]:
    entries = visible(folder)
    clips = [path for path in entries if is_clip(path)]
    if not clips:
        inside = f"; it holds {len(entries)} other entries, such as '{entries[0].name}'" if entries else ""
        raise DatasetError(
            f"class folder '{folder}' holds no clips{inside}. Put videos or folders of frames there, or remove it."
        )
    return clips


def is_clip(path: Path) -> bool:
    """Whether `path` is named as a video file, or is a folder that holds images, not the flow of a video beside it."""
    if not path.is_dir():
        return path.suffix.lower() in VIDEO_SUFFIXES
    if not any(inside.suffix.lower() in IMAGE_SUFFIXES for inside in path.iterdir()):
        return False
    return not any(path.with_name(path.name + suffix).is_file() for suffix in VIDEO_SUFFIXES)
