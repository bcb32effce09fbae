"""Where the clips of a list lie, which lists leave open: under which folder, as videos or as folders of frames."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from marey.datasets.class_folders import VIDEO_SUFFIXES
from marey.datasets.listed_clip import ListedClip
from marey.video.flow.stored import TWO_STREAM_TREE, ImageLayout, StoredFlow
from marey.video.read.decode import IMAGE_SUFFIXES

_SAMPLE = 50
_MOST_FOLDERS = 200

Placed = tuple[Path, StoredFlow | None]
Place = Callable[[Path, str], Placed]


def _as_named(root: Path, name: str) -> Placed:
    return root / name, None


def _as_frames(root: Path, name: str) -> Placed:
    return root / _bare(name), None


def _in_jpegs(root: Path, name: str) -> Placed:
    return TWO_STREAM_TREE.place(root, Path(_bare(name)).name), None


def _bare(name: str) -> str:
    """A name without the suffix of a video."""
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in VIDEO_SUFFIXES else name


@dataclass(frozen=True)
class FoundFiles:
    """Finds the files of listed clips under the folder given, or else in or beside that of the list.

    The first folder and way of naming that fit half of a sample serve all clips, or else those that fit most. Folders
    beside that of the list are tried for names with a folder in them only: a mere '1.avi' is in too many. With
    `images`, clips are folders of frames and flow images laid out as it says.
    """

    list_folder: Path
    folder: Path | None = None
    images: ImageLayout | None = None

    def places(self, clips: Sequence[ListedClip]) -> list[Placed]:
        """Where each clip lies, or would lie: path, and its stored flow where `images` names some."""
        if self.images is None and any(clip.anywhere for clip in clips):
            missing = self._starts()[0]
            return [self._by_name.get(clip.name, (missing / f"{clip.name}.mp4", None)) for clip in clips]
        root, way = self._way(clips)
        return [way(root, clip.name) for clip in clips]

    def _way(self, clips: Sequence[ListedClip]) -> tuple[Path, Place]:
        sample = clips[:: max(1, len(clips) // _SAMPLE)]
        ways: tuple[Place, ...] = (_as_named, _as_frames, _in_jpegs) if self.images is None else (self._laid_out,)
        best, most = (self._starts()[0], ways[0]), 0
        beside = all("/" in clip.name for clip in sample)
        for root in self._roots(beside):
            for way in ways:
                there = sum(way(root, clip.name)[0].exists() for clip in sample)
                if there > most:
                    best, most = (root, way), there
            if 2 * most >= len(sample):
                break
        return best

    def _laid_out(self, root: Path, name: str) -> Placed:
        assert self.images is not None
        video = _bare(name)
        return self.images.place(root, video), self.images.stored(root, video)

    def _roots(self, beside: bool) -> list[Path]:
        own, *around = self._starts()
        return [own, *_folders(own), *around, *(inside for start in around if beside for inside in _folders(start))]

    def _starts(self) -> list[Path]:
        return [self.folder] if self.folder is not None else [self.list_folder, self.list_folder.absolute().parent]

    @cached_property
    def _by_name(self) -> dict[str, Placed]:
        """Every clip by its name without suffix: under the first folder that has any."""
        for start in self._starts():
            found: dict[str, Path] = {}
            _add_clips(start, found)
            if found:
                return {name: (path, None) for name, path in found.items()}
        return {}


def _folders(folder: Path) -> list[Path]:
    try:
        inside = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []
    return sorted(inside)[:_MOST_FOLDERS]


def _add_clips(folder: Path, found: dict[str, Path]) -> None:
    """Note every video under a folder, and every folder of images, by its name without suffix."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if _holds_images(entry.path):
                found.setdefault(entry.name, Path(entry.path))
            else:
                _add_clips(Path(entry.path), found)
        elif Path(entry.name).suffix.lower() in VIDEO_SUFFIXES:
            found[Path(entry.name).stem] = Path(entry.path)  # a folder of its name is its flow


def _holds_images(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            first = next((entry.name for entry in entries if entry.is_file()), "")
    except OSError:
        return False
    return Path(first).suffix.lower() in IMAGE_SUFFIXES
