"""Which files and folders are clips: videos by their suffix, and folders of frame images."""

import re
from pathlib import Path

from marey.video.read.decode import IMAGE_SUFFIXES

_VIDEO_KINDS = "avi mp4 m4v mkv mov webm mpg mpeg wmv flv ogv 3gp ts mts gif"
VIDEO_SUFFIXES = frozenset(f".{kind}" for kind in _VIDEO_KINDS.split())

_METADATA = re.compile(
    r"\..*|__macosx|@eadir|@recycle|lost\+found|\$recycle\.bin|system volume information|(eh)?thumbs\.db|desktop\.ini",
    re.I,
)
_PREVIEWS = frozenset({"thumbs", "thumbnails"})


def visible(folder: Path) -> list[Path]:
    """List the entries of a folder, sorted, without hidden ones and those that systems and viewers put there."""
    return sorted(path for path in folder.iterdir() if not is_metadata(path))


def is_metadata(path: Path) -> bool:
    """Tell whether `path` is hidden, or is put there by a system or a viewer: `__MACOSX`, `@eaDir`, `Thumbs.db`.

    A folder `thumbs` with clips in it is a class, unless each is called as a folder beside it: then it holds pictures
    of these.
    """
    if _METADATA.fullmatch(path.name):
        return True
    if path.name.lower() not in _PREVIEWS or not path.is_dir():
        return False
    return not any(is_clip(inside) and not path.with_name(inside.name).is_dir() for inside in visible(path))


def only_metadata(folder: Path) -> bool:
    """Tell whether a folder holds something, but nothing that is meant to be seen."""
    return not visible(folder) and any(folder.iterdir())


def is_clip(path: Path) -> bool:
    """Tell whether `path` is named as a video file or is a folder of images, but not the flow of a video beside it."""
    if not path.is_dir():
        return path.suffix.lower() in VIDEO_SUFFIXES
    if not any(is_image(inside.name) for inside in path.iterdir()):
        return False
    return not any(path.with_name(path.name + suffix).is_file() for suffix in VIDEO_SUFFIXES)


def is_image(name: str) -> bool:
    """Tell whether a file is named as an image that is meant to be seen."""
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def bare(name: str) -> str:
    """Return a name without the suffix of a video.

    >>> bare("walk/ann.avi"), bare("walk/ann.1")
    ('walk/ann', 'walk/ann.1')
    """
    stem, _, kind = name.rpartition(".")
    return stem if f".{kind.lower()}" in VIDEO_SUFFIXES and stem and stem[-1] != "/" else name


def slashed(name: str) -> str:
    r"""Return a path as lists of other systems name it, with slashes and without a leading `./`.

    >>> slashed(".\\walk\\ann.avi"), slashed("./walk/ann.avi")
    ('walk/ann.avi', 'walk/ann.avi')
    """
    return name.replace("\\", "/").removeprefix("./")


def folder_of(name: str) -> str:
    r"""Return the folder that a listed clip lies in, which is its class where a list has none; "" without any.

    >>> folder_of("UCF\\Walk\\ann.avi"), folder_of("ann.avi"), folder_of("../ann.avi")
    ('Walk', '', '')
    """
    folders = [part for part in slashed(name).split("/")[:-1] if part not in ("", ".")]
    return "" if not folders or folders[-1] == ".." else folders[-1]
