"""Something-Something v2's JSON files: labels, train, validation (Goyal et al., 2017)."""

import json
import re
from pathlib import Path
from typing import Any

from marey.datasets.listed_clip import ListedClip, beginning_of, text_of
from marey.errors import DatasetError, did_you_mean

_FILE = re.compile(r"^(?P<before>.*?)(?P<split>train|validation)$")


def is_something(path: Path) -> bool:
    """Whether a file is named as one of these lists, and has entries with a template."""
    named = path.suffix.lower() == ".json" and _FILE.match(path.stem) is not None
    return named and '"template"' in beginning_of(path)


def something_clips(path: Path) -> list[ListedClip]:
    """The clips of the train and the validation file, of which `path` is either one.

    An entry has an `id`, which names its file in whatever folder it lies, and a `template`, which with its brackets
    stripped is the class; it must be one of the labels file beside the list, where there is one.
    """
    match = _FILE.match(path.stem)
    if match is None:
        raise DatasetError(
            f"'{path.name}' is no list of Something-Something; expected train.json or validation.json, "
            "also with a prefix, and labels.json beside it."
        )
    before = match["before"]
    known = _labels(path.with_name(f"{before}labels.json"))
    clips = []
    for split in ("train", "validation"):
        list_path = path.with_name(f"{before}{split}.json")
        if list_path.exists():
            entries = _json(list_path)
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
    names = _json(path)
    if not isinstance(names, dict):
        raise DatasetError(f"'{path}' holds no classes; expected an object of names and numbers.")
    return {str(name) for name in names}


def _json(path: Path) -> Any:
    try:
        return json.loads(text_of(path))
    except ValueError as error:
        raise DatasetError(f"'{path}' is no JSON: {error}.") from None
