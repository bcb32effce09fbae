"""Who or what a clip shows, read from its file name, because no person may be on both sides of a split."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from marey.errors import DatasetError
from marey.video.read.clips import Clip

_UCF101 = re.compile(r"_(g\d\d)_c\d\d")


@dataclass(frozen=True)
class Grouping:
    """A pattern whose first group, found in a file name, is the clip's group; `said` says it in words.

    >>> Grouping(r"_(g[0-9]+)_", "source video").group("v_Biking_g01_c04.avi")
    'g01'
    """

    pattern: str | None
    said: str

    def group(self, name: str) -> str | None:
        """The group in a file name, or None."""
        if self.pattern is None:
            return None
        match = re.search(self.pattern, name)
        if match is None:
            return None
        return match.group(1) if match.re.groups else match.group(0)


def grouped(clips: Sequence[Clip], pattern: str | None) -> tuple[tuple[Clip, ...], str]:
    """`clips` with their groups, and how these were found; `pattern` None guesses it from the file names.

    Raises DatasetError when `pattern` is no regular expression, or does not fit every file name.
    """
    grouping = guess([(clip.label or "", clip.path) for clip in clips]) if pattern is None else _given(pattern)
    found = tuple(replace(clip, group=grouping.group(clip.path.name)) for clip in clips)
    without = [clip for clip in found if clip.group is None]
    if grouping.pattern is not None and without:
        raise DatasetError(
            f"the group pattern '{grouping.pattern}' does not fit '{without[0].path.name}' "
            f"({len(without)} of {len(found)} clips); write one that fits every file name, such as '^([^_]+)_'."
        )
    return found, grouping.said


def guess(files: Sequence[tuple[str, Path]]) -> Grouping:
    """The grouping that the file names of (label, path) suggest: UCF101's gXX, else what stands before the first '_'.

    A prefix counts as a group only where at least two prefixes exist in every class and one is found in several clips.
    """
    names = [path.name for _, path in files]
    if names and all(_UCF101.search(name) for name in names):
        return Grouping(_UCF101.pattern, "guessed: source video, from 'gXX' in the file names (UCF101)")
    prefixes: dict[str, set[str]] = defaultdict(set)
    for label, path in files:
        if "_" not in path.name:
            break
        prefixes[label].add(path.name.split("_")[0])
    else:
        different = set().union(*prefixes.values()) if prefixes else set()
        if different and len(different) < len(files) and min(len(found) for found in prefixes.values()) > 1:
            return Grouping("^([^_]+)_", f"guessed: {len(different)} groups, from the file names before the first '_'")
    return Grouping(None, "every clip is its own group: none could be guessed from the file names")


def _given(pattern: str) -> Grouping:
    try:
        re.compile(pattern)
    except re.error as error:
        raise DatasetError(f"the group pattern '{pattern}' is no regular expression: {error}.") from None
    return Grouping(pattern, f"from the pattern '{pattern}' in the file names")
