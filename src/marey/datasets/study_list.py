"""The layout of generated clips: a file that tells which motion studies to make, given wherever clips on disk are."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from marey.datasets.clip_set import ClipSet
from marey.datasets.layout import Hints
from marey.datasets.list_files import beginning_of, json_of
from marey.datasets.study_set import StudySet
from marey.errors import DatasetError
from marey.files import replacing
from marey.schema import SchemaError, typed

_KEY = "motion_studies"
_BEGINS = re.compile(rf'\s*\{{\s*"{_KEY}"')
_NAMES = tuple(field.name for field in fields(StudySet) if field.name != "cache")


class StudyLists:
    """A JSON file {"motion_studies": [{"count": 200, "seed": 1, ...}, ...]}, whose entries are `StudySet`s."""

    def matches(self, place: Path) -> bool:
        """Tell whether `place` is a JSON file that begins as such a list."""
        return place.suffix.lower() == ".json" and _BEGINS.match(beginning_of(place)) is not None

    def clips(self, place: Path, hints: Hints) -> dict[str, ClipSet]:
        """Name the clips of all sets, which are made while they are read.

        Raises DatasetError when an entry is no set of motion studies, or two sets have a clip in common.
        """
        listed = json_of(place)
        entries = listed.get(_KEY) if isinstance(listed, dict) else None
        if not isinstance(entries, list) or not entries:
            raise DatasetError(f'\'{place}\' lists no motion studies; expected {{"{_KEY}": [{{"count": 10}}]}}.')
        clips = [clip for number, entry in enumerate(entries) for clip in _set(place, number, entry).clips()]
        names: set[Path] = set()
        for clip in clips:
            if clip.path in names:
                raise DatasetError(f"'{place}' lists '{clip.path}' twice; give its sets other seeds or first indices.")
            names.add(clip.path)
        return {"": ClipSet(place.stem, tuple(clips), "actor and scene")}


def write_study_list(path: str | Path, sets: Sequence[StudySet]) -> None:
    """Write the list of `sets`, without the values that are defaults of `StudySet`."""
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
    try:
        return typed(entry, StudySet)
    except SchemaError as error:
        raise DatasetError(
            f"entry {number} of '{path}' is no set of motion studies: {error}; expected as "
            '{"count": 10, "seed": 1, "classes": ["walk", "run"]}.'
        ) from None
