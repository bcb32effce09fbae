"""The layout of lists with lines "path label", which mmaction2 and SlowFast write too."""

import re
from collections.abc import Sequence
from pathlib import Path

from marey.datasets.clip_files import VIDEO_SUFFIXES
from marey.datasets.clip_set import ClipSet
from marey.datasets.layout import Hints
from marey.datasets.list_files import companions, lines_of
from marey.datasets.listed_splits import ListedClip, listed_splits
from marey.datasets.ucf101 import class_index
from marey.errors import DatasetError

_VIDEO = re.compile(
    rf"^(?P<path>.*(?:{'|'.join(re.escape(suffix) for suffix in sorted(VIDEO_SUFFIXES))}))"
    r"(?:[\s,]+(?P<label>.*))?$",
    re.IGNORECASE,
)
_FRAMES = re.compile(r"^(?P<path>.+?)\s+(?P<total>\d+)\s+(?P<label>\d+)$")


class PathLists:
    """Lines "video.mp4 label", "folder label" or, as mmaction2 writes them, "folder total label".

    The text after the suffix of a video is its label, spaces included; a line without label takes the name of its
    folder. The total number of frames is not used. Numbers are named by `label_map.txt` beside the list, a class in
    each line, from 0; or by `classInd.txt`, which counts from 1 while a list may count from 0: the folders, or a label
    0, decide. A list named after its split brings the other split beside it.
    """

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is a text or CSV file."""
        return place.suffix.lower() in (".txt", ".csv") and place.is_file()

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the lines; DatasetError for a line without class, or numbers that `classInd.txt` does not name."""
        listed = [clip for split, part in companions(place).items() for clip in _listed(part, split)]
        return listed_splits(place, listed, hints)


def _listed(path: Path, split: str) -> list[ListedClip]:
    found = [(number, *_parts(line)) for number, line in lines_of(path)]
    names = _names(path, [(name, label) for _, name, label in found])
    clips = []
    for number, name, label in found:
        given = names.get(label, label) or Path(name).parent.name
        if not given:
            raise DatasetError(
                f"line {number} of '{path}' gives '{name}' no class; write it after the path, or name its folder."
            )
        clips.append(ListedClip(name, given, split))
    return clips


def _parts(line: str) -> tuple[str, str]:
    """Split a line into path and label, "" where it has none."""
    match = _VIDEO.match(line)
    if match is not None:
        return match["path"].strip(), (match["label"] or "").strip()
    match = _FRAMES.match(line)
    if match is not None:
        return match["path"], match["label"]
    name, space, label = line.rpartition(" ")
    return (name.strip(), label) if space else (line, "")


def _names(path: Path, clips: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Name the numbers that are labels in a list; nothing where labels are names already."""
    labels = {label for _, label in clips}
    if not all(label.isdecimal() for label in labels):
        return {}
    for name_map in sorted(path.parent.glob("label_map*.txt")):
        return {str(index): name for index, (_, name) in enumerate(lines_of(name_map))}
    names = class_index(path.with_name("classInd.txt"))
    if not names:
        return {}
    folders = {(Path(name).parent.name, label) for name, label in clips}
    known = set(names.values())
    for shift in (0, 1):
        moved = {label: names.get(str(int(label) + shift)) for label in labels}
        if None not in moved.values() and all(moved[label] == folder for folder, label in folders if folder in known):
            return {label: str(name) for label, name in moved.items()}
    raise DatasetError(
        f"the labels of '{path}' are not the numbers of classInd.txt beside it, counted from 1 or from 0; "
        "write names, or a label_map.txt with a class in each line."
    )
