"""The layout of Something-Something v2: JSON files with labels, train, validation (Goyal et al., 2017)."""

import re
from pathlib import Path
from typing import Any

from marey.datasets.clip_set import ClipSet
from marey.datasets.layout import Hints
from marey.datasets.list_files import beginning_of, json_of, lists_at, only_list
from marey.datasets.listed_splits import ListedClip, listed_splits
from marey.errors import DatasetError, did_you_mean

_FILE = re.compile(r"^(?P<before>.*?)(?P<split>train|validation)$")


class SomethingSomething:
    """The train or the validation file, or a folder with these files in it."""

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is a JSON file, or holds one that is named and begins as these lists do."""
        return bool(lists_at(place, _is_json if place.is_file() else _is_list))

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Read the splits "train" and "validation".

        The `id` of an entry names its file, in whatever folder it lies. The class is its `template` without brackets,
        which must be in the labels file beside the list, where there is one.
        """
        path = place if place.is_file() else only_list(place, _is_list)
        return listed_splits(path, _listed(path), hints)


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _is_list(path: Path) -> bool:
    return _is_json(path) and _FILE.match(path.stem) is not None and '"template"' in beginning_of(path)


def _listed(path: Path) -> list[ListedClip]:
    match = _FILE.match(path.stem)
    if match is None:
        raise DatasetError(
            f"'{path.name}' is no list of Something-Something; expected train.json or validation.json, "
            'also with a prefix, and labels.json beside it, or a file that begins with {"motion_studies": [.'
        )
    before = match["before"]
    known = _labels(path.with_name(f"{before}labels.json"))
    clips = []
    for split in ("train", "validation"):
        list_path = path.with_name(f"{before}{split}.json")
        if list_path.exists():
            entries = json_of(list_path)
            if not isinstance(entries, list):
                raise DatasetError(f"'{list_path}' holds no list of entries with id and template.")
            clips += [_clip(list_path, index, entry, split, known) for index, entry in enumerate(entries)]
    return clips


def _clip(path: Path, index: int, entry: Any, split: str, known: set[str]) -> ListedClip:
    if not isinstance(entry, dict) or "id" not in entry or "template" not in entry:
        raise DatasetError(f"entry {index} of '{path}' has no id and template; expected both, as in train.json.")
    label = str(entry["template"]).replace("[", "").replace("]", "")
    if known and label not in known:
        raise DatasetError(
            f"entry {index} of '{path}' is of class '{label}', which the labels file does not name."
            f"{did_you_mean(label, known)}"
        )
    return ListedClip(str(entry["id"]), label, split, anywhere=True)


def _labels(path: Path) -> set[str]:
    if not path.exists():
        return set()
    names = json_of(path)
    if not isinstance(names, dict):
        raise DatasetError(f"'{path}' holds no classes; expected an object of names and numbers.")
    return {str(name) for name in names}
