"""The layout of HMDB51: CLASS_test_split1.txt for every class (Kuehne et al., 2011)."""

import re
from pathlib import Path

from marey.datasets.clip_set import ClipSet
from marey.datasets.grouping import unparted
from marey.datasets.layout import Hints
from marey.datasets.list_files import lines_of, lists_at
from marey.datasets.listed_splits import ListedClip, listed_splits
from marey.errors import DatasetError

_LIST = re.compile(r"^(?P<label>.+)_test_split_?(?P<number>[123])$")
_SPLITS = {"1": "train", "2": "test"}


class Hmdb51:
    """The list of any class, or a folder with the lists in it, of which split 1 is read."""

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is named as such a list, or holds one of split 1."""
        return bool(_lists(place))

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the splits "train" and "test" of all classes.

        A line is "NAME.avi 0", 1 or 2: unused, train, test. The group is the film that a clip is from: the part of its
        name before the class.
        """
        path = _lists(place)[0]
        number = _number(path)
        listed, unused = [], 0
        for list_path in sorted(path.parent.glob("*.txt")):
            if _number(list_path) != number:
                continue
            label = list_path.stem.rpartition("_test_split")[0]
            for line_number, line in lines_of(list_path):
                name, _, use = line.rpartition(" ")
                if use not in ("0", "1", "2") or not name:
                    raise DatasetError(
                        f"line {line_number} of '{list_path}' is '{line}'; expected 'NAME.avi 1', with 0 unused, "
                        "1 to train, 2 to test."
                    )
                if use == "0":
                    unused += 1
                    continue
                film = name.strip().split(f"_{label}_")[0]
                listed.append(ListedClip(f"{label}/{name.strip()}", label, _SPLITS[use], group=film))
        notes = (f"{unused} clips are in neither part of this split of HMDB51",) if unused else ()
        return unparted(listed_splits(path, listed, hints, notes=notes))


def _lists(place: Path) -> list[Path]:
    accepted = ("1", "2", "3") if place.is_file() else ("1",)
    return lists_at(place, lambda path: _number(path) in accepted)


def _number(path: Path) -> str | None:
    """The number of the split that a file is a list of."""
    match = _LIST.match(path.stem) if path.suffix == ".txt" else None
    return None if match is None else match["number"]
