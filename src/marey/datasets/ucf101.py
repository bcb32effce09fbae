"""UCF101's lists: classInd.txt, trainlistNN.txt, testlistNN.txt (Soomro, Zamir and Shah, 2012)."""

import re
from pathlib import Path

from marey.datasets.listed_clip import ListedClip, lines_of
from marey.errors import DatasetError

_LIST = re.compile(r"^(train|test)list(\d\d)$")


def is_ucf101(path: Path) -> bool:
    """Whether a file is named as one of these lists."""
    return _LIST.match(path.stem) is not None


def ucf101_clips(path: Path) -> list[ListedClip]:
    """The clips of both lists of a split, of which `path` is either one.

    Labels count from 1 and stand in trainlistNN.txt only; the class is the name in classInd.txt, or else the folder.
    """
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
    """The classes of a file of lines "1 ApplyEyeMakeup" by their number as text; none where there is no file."""
    if not path.exists():
        return {}
    parts = (line.partition(" ") for _, line in lines_of(path))
    return {number: name.strip() for number, _, name in parts if name.strip()}
