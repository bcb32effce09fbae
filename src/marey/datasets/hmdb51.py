"""HMDB51's lists: CLASS_test_split1.txt for every class (Kuehne et al., 2011)."""

import re
from pathlib import Path

from marey.datasets.listed_clip import ListedClip, lines_of
from marey.errors import DatasetError

_LIST = re.compile(r"^(?P<label>.+)_test_split_?(?P<number>[123])$")
_SPLITS = {"1": "train", "2": "test"}


def is_hmdb51(path: Path) -> bool:
    """Whether a file is named as one of these lists."""
    return path.suffix == ".txt" and _LIST.match(path.stem) is not None


def hmdb51_clips(path: Path) -> tuple[list[ListedClip], int]:
    """The clips of all classes in the split of which `path` is one list, and how many clips the split does not use.

    A line is "NAME.avi 0", 1 or 2: unused, train, test. The group is what the file name says before the class: the film
    that the clip is from.
    """
    number = _number(path)
    clips, unused = [], 0
    for list_path in sorted(path.parent.glob("*.txt")):
        match = _LIST.match(list_path.stem)
        if match is None or match["number"] != number:
            continue
        label = match["label"]
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
            clips.append(ListedClip(f"{label}/{name.strip()}", label, _SPLITS[use], group=film))
    return clips, unused


def _number(path: Path) -> str:
    match = _LIST.match(path.stem)
    if match is None:
        raise DatasetError(f"'{path.name}' is no list of HMDB51; expected a name such as wave_test_split1.txt.")
    return match["number"]
