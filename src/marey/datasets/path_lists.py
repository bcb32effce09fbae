"""Lists of lines "path label", also as mmaction2 and SlowFast write them."""

import re
from collections.abc import Sequence
from pathlib import Path

from marey.datasets.class_folders import VIDEO_SUFFIXES
from marey.datasets.listed_clip import ListedClip, lines_of
from marey.datasets.ucf101 import class_index
from marey.errors import DatasetError

_VIDEO = re.compile(
    rf"^(?P<path>.*(?:{'|'.join(re.escape(suffix) for suffix in sorted(VIDEO_SUFFIXES))}))"
    r"(?:[\s,]+(?P<label>.*))?$",
    re.IGNORECASE,
)
_FRAMES = re.compile(r"^(?P<path>.+?)\s+(?P<total>\d+)\s+(?P<label>\d+)$")
_TOKEN = re.compile(r"(?<![a-z])(train|training|val|validate|validation|test)(?![a-z])")
_OTHER = {"train": ("val", "validate", "validation", "test"), "training": ("validation", "test")}


def path_list_clips(path: Path) -> list[ListedClip]:
    """The clips of a list of lines.

    - "video.mp4 label": what follows the suffix is the label, spaces included; without it the folder is.
    - "folder total label": a folder of frames, how many these are (not used), and the number of its class (mmaction2).
    - "folder label".

    Numbers are named by `label_map.txt` beside the list (a class in each line, from 0), or by `classInd.txt`, which
    counts from 1 while a list may count from 0: the folders, or a label 0, decide.
    """
    found = [(number, *_parts(line)) for number, line in lines_of(path)]
    names = _names(path, [(name, label) for _, name, label in found])
    clips = []
    for number, name, label in found:
        given = names.get(label, label) or Path(name).parent.name
        if not given:
            raise DatasetError(
                f"line {number} of '{path}' gives '{name}' no class; write it after the path, or name its folder."
            )
        clips.append(ListedClip(name, given))
    return clips


def companions(path: Path) -> dict[str, Path]:
    """{split: list} for a list named after its split, as train.csv, and the list of the other one beside it.

    A list of another name is {"": path}.
    """
    match = _TOKEN.search(path.name.lower())
    if match is None:
        return {"": path}
    begin, end = match.span()
    own = match[1]
    others = _OTHER.get(own, ("train", "training"))
    beside = [(other, path.with_name(path.name[:begin] + other + path.name[end:])) for other in others]
    there = next(((other, place) for other, place in beside if place.is_file()), None)
    pairs = [(own, path)] + ([] if there is None else [there])
    return dict(sorted(pairs, key=lambda pair: pair[0] not in ("train", "training")))


def _parts(line: str) -> tuple[str, str]:
    """Path and label ("" where there is none) of a line."""
    match = _VIDEO.match(line)
    if match is not None:
        return match["path"].strip(), (match["label"] or "").strip()
    match = _FRAMES.match(line)
    if match is not None:
        return match["path"], match["label"]
    name, space, label = line.rpartition(" ")
    return (name.strip(), label) if space else (line, "")


def _names(path: Path, clips: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The names of the numbers that are labels in a list."""
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
