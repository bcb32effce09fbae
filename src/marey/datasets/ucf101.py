"""The layout of UCF101: classInd.txt, trainlistNN.txt, testlistNN.txt (Soomro, Zamir and Shah, 2012)."""

import re
from pathlib import Path

from marey.datasets.clip_set import ClipSet
from marey.datasets.layout import Hints
from marey.datasets.list_files import lines_of
from marey.datasets.listed_splits import ListedClip, listed_splits
from marey.errors import DatasetError

_LIST = re.compile(r"^(train|test)list(\d\d)$")
_FIRST = "trainlist01.txt"


class Ucf101:
    """Either list of a split, or a folder with these lists in it, of which split 1 is read."""

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is named as such a list, or holds trainlist01.txt."""
        return (_LIST.match(place.stem) is not None and place.is_file()) or (place / _FIRST).is_file()

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the splits "train" and "test"; the class is the name in classInd.txt, or else the folder."""
        path = place / _FIRST if place.is_dir() else place
        return listed_splits(path, _listed(path), hints)


def _listed(path: Path) -> list[ListedClip]:
    """Read both lists of a split; labels count from 1 and stand in trainlistNN.txt only."""
    published = _LIST.match(path.stem)
    number = "01" if published is None else published[2]
    names = class_index(path.with_name("classInd.txt"))
    clips = []
    for split in ("train", "test"):
        list_path = path.with_name(f"{split}list{number}{path.suffix}")
        if not list_path.exists():
            continue
        for line_number, line in lines_of(list_path):
            name, label = (line, "") if line.lower().endswith(".avi") else line.rsplit(maxsplit=1)
            if label and names and label not in names:
                raise DatasetError(
                    f"line {line_number} of '{list_path}' has label {label}, which classInd.txt does not name."
                )
            folder = Path(name).parent.name
            if not (label or folder):
                raise DatasetError(f"line {line_number} of '{list_path}' gives '{name}' no class; name its folder.")
            clips.append(ListedClip(name, names.get(label) or folder or label, split))
    return clips


def class_index(path: Path) -> dict[str, str]:
    """Read the classes of a file of lines "1 ApplyEyeMakeup", by their number as text; none where there is no file."""
    if not path.exists():
        return {}
    parts = (line.partition(" ") for _, line in lines_of(path))
    return {number: name.strip() for number, _, name in parts if name.strip()}
