"""Where the clips of a list lie: a list leaves open under which folder, and whether as videos or folders of frames."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from marey.datasets.clip_files import bare, is_image, is_metadata, slashed
from marey.datasets.list_files import split_of
from marey.video.flow.stored import TWO_STREAM_TREE, ImageLayout, StoredFlow

_SAMPLE = 50
_MOST_FOLDERS = 200

Placed = tuple[Path, StoredFlow | None]


class _Folders:
    """The names in each folder, and its videos by their names without suffix, read once."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[set[str], dict[str, str]] | None] = {}

    def clip(self, path: str) -> str | None:
        """Find a clip: the path itself, a video with another suffix, or the folder of that name without suffix."""
        folder, slash, name = path.rstrip("/").rpartition("/")
        if folder not in self._read:
            self._read[folder] = _names(folder + slash or ".")
        there = self._read[folder]
        if there is None:
            return path if Path(path).exists() else None
        names, videos = there
        if name in names:
            return path
        stem = bare(name)
        found = videos.get(stem) or (stem if stem in names else None)
        return None if found is None else folder + slash + found


def _names(folder: str) -> tuple[set[str], dict[str, str]] | None:
    """List a folder; None where it may not be listed, though its files may be there."""
    try:
        with os.scandir(folder) as entries:
            names = sorted((entry.name for entry in entries), reverse=True)
    except PermissionError:
        return None
    except OSError:
        return set(), {}
    return set(names), {bare(name): name for name in names if bare(name) != name}


@dataclass(frozen=True)
class Way:
    """How the paths of a list lead to files: below `root`, without their first `skip` folders."""

    root: Path
    skip: int = 0
    images: ImageLayout | None = None
    folders: _Folders = field(default_factory=_Folders, repr=False)

    def place(self, name: str) -> Placed:
        """Return where a clip lies, or would lie, and its stored flow where `images` names some."""
        if self.images is not None:
            video = bare(self.tail(name))
            return self.images.place(self.root, video), self.images.stored(self.root, video)
        return self.find(name) or self.root / self.tail(name), None

    def find(self, name: str) -> Path | None:
        """Return where a clip lies; None where it is not there."""
        tail = self.tail(name)
        if self.images is not None:
            path = self.images.place(self.root, bare(tail))
            return path if path.exists() else None
        found = self.folders.clip(tail if tail.startswith("/") else f"{self.root}/{tail}")
        if found is None and "\\" in name and not self.skip:
            found = self.folders.clip(f"{self.root}/{name}")
        if found is None:
            found = self.folders.clip(str(TWO_STREAM_TREE.place(self.root, bare(tail.rpartition("/")[2]))))
        return None if found is None else Path(found)

    def tail(self, name: str) -> str:
        """Return a path as below the root."""
        parts = slashed(name).split("/")
        return "/".join(parts[min(self.skip, len(parts) - 1) :])


@dataclass(frozen=True)
class FoundFiles:
    """Finds the files of listed clips under `folder`, or else in or beside the folder of the list.

    All clips of a split lie under one folder: the first that has half of a sample of the clips, or else the one that
    has most. Where none has any, a folder one level deeper that has half of them will do. Then paths are read without
    their first folder, and so on, as long as they stay different: lists name the folders of the machine that they were
    written on. Without any folder all of the sample must be there, but in the folder of the list. A folder beside that
    of the list is tried only where names have a folder in them: a mere '1.avi' is in too many. With `images`, clips are
    folders of frames and flow images laid out as it says.
    """

    list_folder: Path
    folder: Path | None = None
    images: ImageLayout | None = None
    folders: _Folders = field(default_factory=_Folders, repr=False)

    def way(self, names: Sequence[Sequence[str]], split: str = "") -> Way:
        """Find the way to clips, each given by the one path it has, or by those that a line may mean, likeliest first.

        Folders that are called after `split` come before others, and those called after other splits last.
        """
        sample = names[:: max(1, len(names) // _SAMPLE)]
        for skip, roots, least in self._searches(sample, split):
            best = _best([Way(root, skip, self.images, self.folders) for root in roots], sample, least)
            if best is not None and (not skip or _differ(best, names)):
                return best
        return Way(self._starts()[0], 0, self.images, self.folders)

    def places(self, names: Sequence[str], split: str = "") -> list[Placed]:
        """Return where each clip lies, or would lie, and its stored flow where `images` names some."""
        way = self.way([(name,) for name in names], split)
        return [way.place(name) for name in names]

    def anywhere(self, names: Sequence[str]) -> list[Placed]:
        """Return where each clip lies whose file has the name given, without suffix, in whatever folder."""
        if self.images is not None:
            return self.places(names)
        missing = self._starts()[0]
        return [self._by_name.get(name, (missing / f"{name}.mp4", None)) for name in names]

    def _searches(self, sample: Sequence[Sequence[str]], split: str) -> Iterator[tuple[int, list[Path], int]]:
        """Yield how many folders of a path to leave out, below which roots, and how many of the sample must be there.

        The more is left open, the more must be there.
        """
        own, *around = self._starts()
        near = [own, *_folders(own, split), *around]
        depth = min((slashed(names[0]).count("/") for names in sample), default=0)
        beside = [inner for start in around if depth for inner in _folders(start, split)]
        for skip in range(depth):
            roots = [*near, *beside]
            yield skip, roots, 1
            deeper = [inner for root in roots[1:] for inner in _folders(root, split)]
            yield skip, deeper[:_MOST_FOLDERS], (len(sample) + 1) // 2
        if depth:
            yield depth, [own], 1
            yield depth, [*near, *beside], len(sample)
        else:
            yield 0, near, 1

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


def _best(ways: Sequence[Way], sample: Sequence[Sequence[str]], least: int) -> Way | None:
    """Return the first way to half of a sample, or else that to most; None where none leads to `least` clips."""
    best, most = None, least - 1
    for way in ways:
        there = sum(any(way.find(name) is not None for name in names) for names in sample)
        if there > most:
            best, most = way, there
        if best is not None and 2 * most >= len(sample):
            break
    return best


def _differ(way: Way, names: Sequence[Sequence[str]]) -> bool:
    """Tell whether different paths stay different: two clips must not be read from one file."""
    return len({way.tail(each[0]) for each in names}) == len({each[0] for each in names})


def _folders(folder: Path, split: str = "") -> list[Path]:
    """List the folders in a folder, those of a split first, those of other splits last."""
    try:
        with os.scandir(folder) as entries:
            inside = [Path(entry.path) for entry in entries if entry.is_dir() and not is_metadata(Path(entry.path))]
    except OSError:
        return []

    def order(path: Path) -> tuple[int, Path]:
        there = split_of(path.name)
        return (1 if not (there and split) else 0 if there == split_of(split) else 2, path)

    return sorted(inside, key=order)[:_MOST_FOLDERS]


def _add_clips(folder: str | Path, found: dict[str, Path], seen_folders: set[str]) -> None:
    """Note every video under a folder, and every folder of images, by its name without suffix.

    A folder that was seen is passed over: links may lead back to where they lie.
    """
    try:
        real = os.path.realpath(folder)
        if real in seen_folders:
            return
        seen_folders.add(real)
        with os.scandir(folder) as entries:
            # of a link to itself, entry.is_dir() raises
            inside = sorted((entry.name, entry.path, os.path.isdir(entry.path)) for entry in entries)  # noqa: PTH112
    except OSError:
        return
    seen = [each for each in inside if not is_metadata(Path(each[1]))]
    videos = {bare(name): Path(path) for name, path, is_folder in seen if not is_folder and bare(name) != name}
    if not videos and any(is_image(name) for name, _, is_folder in seen if not is_folder):
        found.setdefault(Path(folder).name, Path(folder))
    for _, path, is_folder in seen:
        if is_folder:
            _add_clips(path, found, seen_folders)
    found.update(videos)  # a folder of the name of a video is its flow
