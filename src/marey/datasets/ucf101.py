"""The layout of UCF101: classInd.txt, trainlistNN.txt, testlistNN.txt (Soomro, Zamir and Shah, 2012)."""

import re
from dataclasses import replace
from pathlib import Path

from marey.datasets.clip_files import folder_of
from marey.datasets.clip_set import ClipSet
from marey.datasets.label_maps import class_index
from marey.datasets.layout import Hints
from marey.datasets.list_lines import Line, labels_of, read_lines
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
        return listed_splits(path, _listed(path, hints), hints)


def _listed(path: Path, hints: Hints) -> list[ListedClip]:
    """Read both lists of a split; labels count from 1 and stand in trainlistNN.txt only."""
    published = _LIST.match(path.stem)
    number = "01" if published is None else published[2]
    names = class_index(path.with_name("classInd.txt"))
    clips = []
    for split in ("train", "test"):
        list_path = path.with_name(f"{split}list{number}{path.suffix}")
        if not list_path.exists():
            continue
        read, doubtful = read_lines(list_path, split, hints)
        lines = [_published(line) for line in (*read, *(line for line in doubtful if not line.folder))]
        for line, label in zip(lines, labels_of(list_path, lines), strict=True):
            clips.append(ListedClip(line.path, _label(list_path, line, label, names), split))
    return clips


def _published(line: Line) -> Line:
    """The line without a class as text after a folder, which these lists have not: it is part of the folder."""
    numbers = all(column.isdecimal() for column in line.columns)
    return replace(line, path=line.text, columns=()) if line.folder and not numbers else line


def _label(path: Path, line: Line, label: str, names: dict[str, str]) -> str:
    """The class of a line: its number, which must be that of its folder, or else its folder."""
    folder = folder_of(line.path)
    if label and names and label not in names:
        raise DatasetError(f"line {line.number} of '{path}' has label {label}, which classInd.txt does not name.")
    given = names.get(label) or folder or label
    if not given:
        raise DatasetError(f"line {line.number} of '{path}' gives '{line.path}' no class; name its folder.")
    if label and folder in names.values() and folder != given:
        raise DatasetError(
            f"line {line.number} of '{path}' has label {label}, which is '{given}' in classInd.txt, and lies in folder "
            f"'{folder}'; count labels as classInd.txt does."
        )
    return given
