"""Class names for the numbers in a list, from a file beside it that names every one of them, or none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from marey.datasets.clip_files import folder_of, visible
from marey.datasets.list_files import lines_of, text_of
from marey.datasets.listed_splits import ListedClip
from marey.errors import DatasetError

_MAP = re.compile(r"^label_?map.*\.txt$", re.IGNORECASE)
_CLASS_INDEX = "classInd.txt"
_KEY = re.compile(r"([a-z]+)[-_]?(\d+)")


@dataclass(frozen=True)
class _Map:
    """Names by number, and the number of the first one: 0, or 1 as in `classInd.txt`."""

    path: Path
    names: dict[int, str]
    first: int

    def fit(self, clips: Sequence[ListedClip]) -> tuple[dict[str, str], bool] | None:
        """Name the labels of clips, and tell whether their folders say so; None where a label or a folder differs.

        Labels count as the map does, unless folders or a label 0 show that they begin at the other of 0 and 1.
        """
        labels = {clip.label for clip in clips}
        known = {_plain(name) for name in self.names.values()} - {""}
        folders = {(_plain(folder_of(clip.name)), clip.label) for clip in clips}
        for shift in (0, 2 * self.first - 1):
            named = {label: self.names.get(int(label) + shift, "") for label in labels}
            shown = [_plain(named[label]) == folder for folder, label in folders if folder in known]
            sure = bool(shown) or not shift or (self.first == 1 and any(int(label) == 0 for label in labels))
            if all(named.values()) and all(shown) and sure:
                return named, bool(shown)
        return None

    def exact(self, clips: Sequence[ListedClip]) -> bool:
        """Tell whether the last name is that of the largest label."""
        return max(self.names, default=-1) == max(int(clip.label) for clip in clips)


def named(path: Path, listed: Sequence[ListedClip]) -> list[ListedClip]:
    """Name the numbers that are labels of the clips of the list at `path`; nothing where labels are names already.

    The map is a `label_map*.txt` beside the list, a class in each line, from 0, or `classInd.txt` with numbers. Of
    several maps the one counts that is called as the list is, or that has as many names as there are labels.

    Raises DatasetError when there is a map and none names every label, or when several do.
    """
    clips = _numbered(listed)
    maps = _maps(path.parent)
    if not clips or not maps:
        return list(listed)
    names = _fitting(path, maps, clips)
    numbered = {clip.split for clip in clips}
    return [
        replace(clip, label=names[clip.label]) if clip.split in numbered and clip.label in names else clip
        for clip in listed
    ]


def class_index(path: Path) -> dict[str, str]:
    """Read the classes of a file of lines "1 ApplyEyeMakeup", by their number as text; none where there is no file.

    Raises DatasetError for any other line, or a number that stands there twice.
    """
    if not path.exists():
        return {}
    names: dict[str, str] = {}
    for number, line in lines_of(path):
        match = re.fullmatch(r"(\d+)[\s,;]+(.+)", line)
        if match is None and not line.startswith("#"):
            raise DatasetError(f"line {number} of '{path}' is '{line}'; expected a number and a class, '1 Biking'.")
        if match is not None and names.setdefault(match[1], match[2]) != match[2]:
            raise DatasetError(f"'{path}' names class {match[1]} twice, '{names[match[1]]}' and '{match[2]}'.")
    return names


def _numbered(listed: Sequence[ListedClip]) -> list[ListedClip]:
    """The clips with numbers of the splits whose labels are numbers, or else the folders of clips without label."""
    texts = {clip.split for clip in listed if not clip.label.isdecimal() and clip.label != folder_of(clip.name)}
    return [clip for clip in listed if clip.label.isdecimal() and clip.split not in texts]


def _maps(folder: Path) -> list[_Map]:
    maps = []
    for path in visible(folder):
        if _MAP.match(path.name) and path.is_file():
            lines = text_of(path).rstrip().split("\n")
            counted = [re.fullmatch(r"\s*(\d+)[\s,:;]+(\S.*)", line) for line in lines]
            numbers = [int(match[1]) for match in counted if match is not None]
            if len(numbers) == len(lines) and numbers == [*range(numbers[0], numbers[0] + len(lines))]:
                names = {number: match[2] for number, match in zip(numbers, counted, strict=True) if match is not None}
                maps.append(_Map(path, names, min(numbers[0], 1)))
            else:
                maps.append(_Map(path, {index: line.strip() for index, line in enumerate(lines)}, 0))
    index = class_index(folder / _CLASS_INDEX)
    if index:
        names = {int(number): name for number, name in index.items()}
        maps.append(_Map(folder / _CLASS_INDEX, names, min(1, *names)))
    return maps


def _fitting(path: Path, maps: Sequence[_Map], clips: Sequence[ListedClip]) -> dict[str, str]:
    kin = [_kinship(path, one.path) for one in maps]
    likely = [one for one, near in zip(maps, kin, strict=True) if near == max(0, *kin)]
    fits = [(one, fit) for one in likely if (fit := one.fit(clips)) is not None]
    for better in (
        [each for each in fits if each[1][1]],
        [each for each in fits if each[0].path.name != _CLASS_INDEX],
        [each for each in fits if each[0].exact(clips)],
    ):
        fits = better or fits
    if len({tuple(sorted(names.items())) for _, (names, _) in fits}) > 1:
        both = " and ".join(f"'{one.path.name}'" for one, _ in fits[:2])
        raise DatasetError(f"the labels of '{path}' fit both {both} beside it; leave only the map of this list there.")
    if not fits:
        raise DatasetError(_misfit(path, likely or list(maps), clips))
    _refuse_comment(path, fits[0][0], shown=fits[0][1][1], largest=max(int(clip.label) for clip in clips))
    return fits[0][1][0]


def _misfit(path: Path, maps: Sequence[_Map], clips: Sequence[ListedClip]) -> str:
    if all(one.path.name == _CLASS_INDEX for one in maps):
        return (
            f"the labels of '{path}' are not the numbers of classInd.txt beside it, counted from 1 or from 0; "
            "write names, or a label_map.txt with a class in each line."
        )
    maps = [one for one in maps if one.path.name != _CLASS_INDEX] or maps
    labels = sorted({int(clip.label) for clip in clips})
    return (
        f"the labels {labels[0]} to {labels[-1]} of '{path}' do not fit the label map beside it: "
        f"{'; '.join(_lack(one, labels) for one in maps)}. "
        "Write names into the list, or a label_map.txt with a class in each line, from 0, and no other line."
    )


def _lack(one: _Map, labels: Sequence[int]) -> str:
    lacks = [label for label in labels if not one.names.get(label)]
    what = f"names {min(one.names)} to {max(one.names)}"
    if not lacks:
        return f"'{one.path.name}' {what}, but other classes than the folders, or is of another data set"
    empty = ", an empty line" if lacks[0] in one.names else ""
    return f"'{one.path.name}' {what}, but not {lacks[0]}{empty}"


def _refuse_comment(path: Path, chosen: _Map, *, shown: bool, largest: int) -> None:
    """Refuse a map with a line such as '# classes' unless labels or folders show that it is a class."""
    remarks = [name for name in chosen.names.values() if name.startswith("# ")]
    if remarks and not shown and len(chosen.names) != largest + 1:
        raise DatasetError(
            f"'{chosen.path}' has the line '{remarks[0]}', and every line of a label map is a class, from 0; "
            f"remove it, or give '{path.name}' a label for each line."
        )


def _kinship(path: Path, name_map: Path) -> int:
    """1 where a map is called as a list, as label_map_k400.txt and kinetics400_val.txt; -1 where numbers differ."""
    key = re.sub(r"^label_?map[-_]*", "", name_map.stem.lower())
    same = [
        number == other
        for letters, number in _KEY.findall(key)
        for others, other in _KEY.findall(path.name.lower())
        if letters.startswith(others) or others.startswith(letters)
    ]
    if same:
        return 1 if any(same) else -1
    return int(bool(key) and name_map.name != _CLASS_INDEX and key in path.stem.lower())


def _plain(name: str) -> str:
    """A class name as folders write it: letters and digits only, in lower case."""
    return re.sub(r"[\W_]+", "", name.lower())
