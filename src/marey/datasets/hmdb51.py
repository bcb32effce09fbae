"""The layout of HMDB51: CLASS_test_split1.txt for every class (Kuehne et al., 2011)."""

import re
from collections.abc import Iterator
from pathlib import Path

from marey.datasets.clip_files import bare, visible
from marey.datasets.clip_set import ClipSet
from marey.datasets.grouping import unparted
from marey.datasets.layout import Hints
from marey.datasets.list_files import beginning_of, lines_of, lists_at
from marey.datasets.listed_splits import ListedClip, listed_splits
from marey.errors import DatasetError

_LIST = re.compile(r"^(?P<label>.+)_test_split_?(?P<number>[123])$")
_LINE = re.compile(r"^(?P<name>\S.*?)\s+(?P<use>[012])$")
_SPLITS = {"1": "train", "2": "test"}


class Hmdb51:
    """The list of any class, or a folder with the lists in it, of which split 1 is read."""

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is named as such a list, or holds one of split 1."""
        return bool(_lists(place))

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the splits "train" and "test" of all classes.

        A line is "NAME.avi 0", 1 or 2: unused, train, test. The group is the film that a clip is from: the part of its
        name before the class. Names may begin with '#'.
        """
        path = _lists(place)[0]
        number = _number(path)
        lists = [each for each in visible(path.parent) if _number(each) == number]
        lines = [(each, *line) for each in lists for line in _lines(each)]
        listed = [_clip(each.stem.rpartition("_test_split")[0], name, use) for each, name, use in lines if use != "0"]
        unused = len(lines) - len(listed)
        notes = (f"{unused} clips are in neither part of this split of HMDB51",) if unused else ()
        return unparted(listed_splits(path, listed, hints, notes=notes))


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the use of each clip; a line with '#' before anything but a video is a comment."""
    for number, line in lines_of(path):
        match = _LINE.match(line)
        if match is None and not line.startswith("#"):
            raise DatasetError(
                f"line {number} of '{path}' is '{line}'; expected 'NAME.avi 1', with 0 unused, 1 to train, 2 to test."
            )
        if match is not None and (not line.startswith("#") or bare(match["name"]) != match["name"]):
            yield match["name"], match["use"]


def _clip(label: str, name: str, use: str) -> ListedClip:
    return ListedClip(f"{label}/{name}", label, _SPLITS[use], group=name.partition(f"_{label}_")[0])


def _lists(place: Path) -> list[Path]:
    accepted = ("1", "2", "3") if place.is_file() else ("1",)
    return lists_at(place, lambda path: _number(path) in accepted)


def _number(path: Path) -> str | None:
    """The number of the split that a file is a list of; other lists of such names have folders in their lines."""
    match = _LIST.match(path.stem) if path.suffix == ".txt" else None
    if match is None or re.search(r"[/\\]", beginning_of(path).partition("\n")[0]):
        return None
    return match["number"]
