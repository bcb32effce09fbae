"""Lists of motion studies: a file that says which clips are made, to be given wherever clips on disk can be."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from marey.datasets.clip_set import ClipSet
from marey.datasets.listed_clip import beginning_of, text_of
from marey.datasets.study_set import StudySet
from marey.errors import DatasetError, did_you_mean
from marey.files import replacing
from marey.studies.difficulty import Difficulty

_KEY = "motion_studies"
_BEGINS = re.compile(rf'\s*\{{\s*"{_KEY}"')
_NAMES = tuple(field.name for field in fields(StudySet) if field.name != "cache")


def is_study_list(path: Path) -> bool:
    """Whether a file is such a list."""
    return path.suffix.lower() == ".json" and _BEGINS.match(beginning_of(path)) is not None


def study_list(path: str | Path) -> ClipSet:
    """The clips of a list, {"motion_studies": [{"count": 200, "seed": 1, ...}, ...]}: entries are `StudySet`s.

    Raises DatasetError when it cannot be read, an entry is no set of motion studies, or two have a clip in common.
    """
    path = Path(path)
    try:
        listed = json.loads(text_of(path))
    except json.JSONDecodeError as error:
        raise DatasetError(f"'{path}' is no JSON: {error.msg} in line {error.lineno}.") from None
    entries = listed.get(_KEY) if isinstance(listed, dict) else None
    if not isinstance(entries, list) or not entries:
        raise DatasetError(f'\'{path}\' lists no motion studies; expected {{"{_KEY}": [{{"count": 10}}]}}.')
    clips = [clip for number, entry in enumerate(entries) for clip in _set(path, number, entry).clips()]
    names: set[Path] = set()
    for clip in clips:
        if clip.path in names:
            raise DatasetError(f"'{path}' lists '{clip.path}' twice; give its sets other seeds or first indices.")
        names.add(clip.path)
    return ClipSet(path.stem, tuple(clips), "actor and scene")


def write_study_list(path: str | Path, sets: Sequence[StudySet]) -> None:
    """Write the list of `sets`, of each what differs from the defaults."""
    standard = StudySet(1)
    entries = [
        {
            name: getattr(one, name)
            for name in _NAMES
            if name == "count" or getattr(one, name) != getattr(standard, name)
        }
        for one in sets
    ]
    with replacing(Path(path)) as temporary:
        temporary.write_text(json.dumps({_KEY: entries}, indent=1, default=asdict) + "\n", encoding="utf-8")


def _set(path: Path, number: int, entry: Any) -> StudySet:
    if not isinstance(entry, dict) or "count" not in entry:
        raise DatasetError(f'entry {number} of \'{path}\' has no count; expected as {{"count": 10, "seed": 1}}.')
    for name in entry:
        if name not in _NAMES:
            near = did_you_mean(name, _NAMES)
            raise DatasetError(f"entry {number} of '{path}' has '{name}'.{near} Expected {', '.join(_NAMES)}.")
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    try:
        if isinstance(plain.get("difficulty"), dict):
            plain["difficulty"] = Difficulty(**plain["difficulty"])
        return StudySet(**plain)
    except (TypeError, AttributeError):
        raise DatasetError(
            f"entry {number} of '{path}' is no set of motion studies: a value is of the wrong kind; expected as "
            '{"count": 10, "seed": 1, "classes": ["walk", "run"]}.'
        ) from None
