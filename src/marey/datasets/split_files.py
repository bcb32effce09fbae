"""Data sets that are a list of clips in a file, as benchmarks publish their splits."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from marey.datasets.clip_set import ClipSet
from marey.datasets.grouping import grouped
from marey.errors import DatasetError
from marey.video.clips import Clip

_UCF101_LIST = re.compile(r"^(train|test)list(\d\d)$")


@dataclass(frozen=True)
class _Line:
    number: int
    path: str
    label: str | None
    split: str
    group: str | None


def split_file(
    path: str | Path,
    *,
    folder: str | Path | None = None,
    group: str | None = None,
    missing: Literal["error", "skip"] = "error",
) -> dict[str, ClipSet]:
    """The clips of each split that a list names: {split: clips}, the split being "" where the list does not say.

    Three forms are read: a CSV file with the columns path and label, and if wanted split and group; lines "path label";
    UCF101's trainlistNN.txt and testlistNN.txt, of which either one reads both. A label that is a number is named by
    `classInd.txt` beside the list ("1 ApplyEyeMakeup"), and a line without label by the folder of its clip. Paths are
    relative to `folder` (None: the folder of the list). `group` is as for `class_folders`. Clips that are not there are
    an error, or with `missing="skip"` left out.

    Raises DatasetError when the list cannot be read, a line lacks something, or fewer than two classes remain.
    """
    path = Path(path)
    lines = _lines(path)
    root = path.parent if folder is None else Path(folder)
    names = _class_names(path.parent / "classInd.txt")
    splits = list(dict.fromkeys(line.split for line in lines))
    found = [(line, Clip(root / line.path, label=_label(path, line, names), group=line.group)) for line in lines]
    absent = [clip for _, clip in found if not clip.path.exists()]
    if absent and missing == "error":
        raise DatasetError(
            f"'{absent[0].path}', listed in '{path.name}', does not exist ({len(absent)} of {len(found)} clips). "
            "Give the folder that the paths start from, or missing='skip'."
        )
    lost = set(absent)
    found = [(line, clip) for line, clip in found if clip not in lost]
    labels = {clip.label for _, clip in found}
    if not labels:
        raise DatasetError(f"none of the {len(absent)} clips that '{path}' lists exists; give the folder they are in.")
    if len(labels) < 2:
        raise DatasetError(f"'{path}' lists clips of one class only, '{labels.pop()}'; expected at least two classes.")
    if any(clip.group is not None for _, clip in found) and group is None:
        said = f"from the column 'group' of '{path.name}'"
        clips: Sequence[Clip] = [clip for _, clip in found]
    else:
        clips, said = grouped([replace(clip, group=None) for _, clip in found], group)
    return {
        split: ClipSet(
            path.stem, tuple(clip for (line, _), clip in zip(found, clips, strict=True) if line.split == split), said
        )
        for split in splits
    }


def _lines(path: Path) -> list[_Line]:
    text = _text(path)
    if path.suffix.lower() == ".csv":
        return _csv_lines(path, text)
    published = _UCF101_LIST.match(path.stem)
    if published is None:
        lines = _plain_lines(text, "")
    else:
        lines = []
        for split in ("train", "test"):
            list_path = path.with_name(f"{split}list{published[2]}{path.suffix}")
            if list_path.exists():
                lines += _plain_lines(_text(list_path), split)
    if not lines:
        raise DatasetError(f"'{path}' lists no clips; expected lines such as 'walk/ann_walk.avi walk'.")
    return lines


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DatasetError(f"'{path}' is no text file; expected a list of clips.") from None


def _plain_lines(text: str, split: str) -> list[_Line]:
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        clip, space, label = line.rpartition(" ")
        if not space or "/" in label or Path(label).suffix:
            clip, label = line, ""
        lines.append(_Line(number, clip.strip(), label or None, split, None))
    return lines


def _csv_lines(path: Path, text: str) -> list[_Line]:
    try:
        rows = list(csv.DictReader(text.splitlines(), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise DatasetError(f"'{path}' is no CSV file: {error}.") from None
    columns = list(rows[0]) if rows else []
    for column in ("path", "label"):
        if column not in columns:
            has = ", ".join(str(name) for name in columns) or "nothing"
            raise DatasetError(
                f"'{path}' has no column '{column}'; its first line names {has}. Expected path,label,split,group."
            )
    lines = []
    for number, row in enumerate(rows, start=2):
        values = {name: (row.get(name) or "").strip() for name in ("path", "label", "split", "group")}
        if not values["path"]:
            raise DatasetError(f"line {number} of '{path}' has no path.")
        lines.append(_Line(number, values["path"], values["label"] or None, values["split"], values["group"] or None))
    return lines


def _class_names(path: Path) -> dict[str, str]:
    """UCF101's class numbers and names, where their file is there."""
    if not path.exists():
        return {}
    pairs = (line.split(maxsplit=1) for line in _text(path).splitlines() if line.strip())
    return {number: name.strip() for number, name in (pair for pair in pairs if len(pair) == 2)}


def _label(path: Path, line: _Line, names: dict[str, str]) -> str:
    if line.label is not None:
        return names.get(line.label, line.label)
    parent = Path(line.path).parent.name
    if not parent:
        raise DatasetError(
            f"line {line.number} of '{path}' gives '{line.path}' no class; write it after the path, or name its folder."
        )
    return parent
