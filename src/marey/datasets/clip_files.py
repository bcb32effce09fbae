"""Which files and folders are clips: videos by their suffix, and folders of frame images."""

from pathlib import Path

from marey.video.read.decode import IMAGE_SUFFIXES

_VIDEO_KINDS = "avi mp4 m4v mkv mov webm mpg mpeg wmv flv ogv 3gp ts mts gif"
VIDEO_SUFFIXES = frozenset(f".{kind}" for kind in _VIDEO_KINDS.split())


def visible(folder: Path) -> list[Path]:
    """List the entries of a folder, sorted, without hidden ones."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def is_clip(path: Path) -> bool:
    """Tell whether `path` is named as a video file or is a folder of images, but not the flow of a video beside it."""
    if not path.is_dir():
        return path.suffix.lower() in VIDEO_SUFFIXES
    if not any(inside.suffix.lower() in IMAGE_SUFFIXES for inside in path.iterdir()):
        return False
    return not any(path.with_name(path.name + suffix).is_file() for suffix in VIDEO_SUFFIXES)


def bare(name: str) -> str:
    """Return a name without the suffix of a video.

    >>> bare("walk/ann.avi"), bare("walk/ann.1")
    ('walk/ann', 'walk/ann.1')
    """
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in VIDEO_SUFFIXES else name
