"""Where the clips of a list lie: a list leaves open under which folder, and whether as videos or folders of frames."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from marey.datasets.clip_files import VIDEO_SUFFIXES, bare
from marey.video.flow.stored import TWO_STREAM_TREE, ImageLayout, StoredFlow
from marey.video.read.decode import IMAGE_SUFFIXES

_SAMPLE = 50
_MOST_FOLDERS = 200

Placed = tuple[Path, StoredFlow | None]
Place = Callable[[Path, str], Placed]


def _as_named(root: Path, name: str) -> Placed:
    return root / name, None


def _as_frames(root: Path, name: str) -> Placed:
    return root / bare(name), None


def _in_jpegs(root: Path, name: str) -> Placed:
    return TWO_STREAM_TREE.place(root, Path(bare(name)).name), None


@dataclass(frozen=True)
class FoundFiles:
    """Finds the files of listed clips under `folder`, or else in or beside the folder of the list.

    All clips lie under one folder and are named in one way: the first that fits half of a sample of the clips, or else
    the one that fits most. A folder beside that of the list is tried only where names have a folder in them: a mere
    '1.avi' is in too many. With `images`, clips are folders of frames and flow images laid out as it says.
    """

    list_folder: Path
    folder: Path | None = None
    images: ImageLayout | None = None

    def places(self, names: Sequence[str]) -> list[Placed]:
        """Return where each clip lies, or would lie, and its stored flow where `images` names some."""
        root, way = self._way(names)
        return [way(root, name) for name in names]

    def anywhere(self, names: Sequence[str]) -> list[Placed]:
        """Return where each clip lies whose file has the name given, without suffix, in whatever folder."""
        if self.images is not None:
            return self.places(names)
        missing = self._starts()[0]
        return [self._by_name.get(name, (missing / f"{name}.mp4", None)) for name in names]

    def _way(self, names: Sequence[str]) -> tuple[Path, Place]:
        sample = names[:: max(1, len(names) // _SAMPLE)]
        ways: tuple[Place, ...] = (_as_named, _as_frames, _in_jpegs) if self.images is None else (self._laid_out,)
        best, most = (self._starts()[0], ways[0]), 0
        beside = all("/" in name for name in sample)
        for root in self._roots(beside):
            for way in ways:
                there = sum(way(root, name)[0].exists() for name in sample)
                if there > most:
                    best, most = (root, way), there
            if 2 * most >= len(sample):
                break
        return best

    def _laid_out(self, root: Path, name: str) -> Placed:
        assert self.images is not None
        video = bare(name)
        return self.images.place(root, video), self.images.stored(root, video)

    def _roots(self, beside: bool) -> list[Path]:
        own, *around = self._starts()
        return [own, *_folders(own), *around, *(inside for start in around if beside for inside in _folders(start))]

    def _starts(self) -> list[Path]:
        return [self.folder] if self.folder is not None else [self.list_folder, self.list_folder.absolute().parent]

    @cached_property
    def _by_name(self) -> dict[str, Placed]:
        """Every clip under the first folder that has any, by its name without suffix."""
        for start in self._starts():
            found: dict[str, Path] = {}
            _add_clips(start, found, set())
            if found:
                return {name: (path, None) for name, path in found.items()}
        return {}


def _folders(folder: Path) -> list[Path]:
    try:
        inside = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []
    return sorted(inside)[:_MOST_FOLDERS]


def _add_clips(folder: Path, found: dict[str, Path], seen: set[Path]) -> None:
    """Note every video under a folder, and every folder of images, by its name without suffix.

    A folder in `seen` is passed over: links may lead back to where they lie.
    """
    try:
        real = folder.resolve()
        if real in seen:
            return
        seen.add(real)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (OSError, RuntimeError):
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if os.path.isdir(entry.path):  # noqa: PTH112 -- entry.is_dir() fails on a link to itself
            if _holds_images(entry.path):
                found.setdefault(entry.name, Path(entry.path))
            else:
                _add_clips(Path(entry.path), found, seen)
        elif Path(entry.name).suffix.lower() in VIDEO_SUFFIXES:
            found[Path(entry.name).stem] = Path(entry.path)  # a folder of its name is its flow


def _holds_images(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            first = next((entry.name for entry in entries if entry.is_file()), "")
    except OSError:
        return False
    return Path(first).suffix.lower() in IMAGE_SUFFIXES
