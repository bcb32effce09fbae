"""Who or what a clip shows, read from its file name, because no person may be on both sides of a split."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from marey.datasets.clip_set import ClipSet, group_of
from marey.errors import DatasetError
from marey.video.read.clips import Clip

_PUBLISHED = (
    (r"^(.+_g\d\d)_c\d\d", "guessed: source video, from 'CLASS_gXX' in the file names (UCF101)"),
    (r"^([\w-]{11})_\d{6}_\d{6}(?:\.\w+)?$", "guessed: YouTube video, from the file names ID_SSSSSS_EEEEEE (Kinetics)"),
)
_PREFIX = "^([^_]+)_"
_ONE_EACH = "every clip is its own group"


@dataclass(frozen=True)
class Grouping:
    """A pattern whose first group, found in a file name, is the clip's group, and its description in words.

    >>> Grouping(r"(.+)_c[0-9]+", "source video").group("v_Biking_g01_c04.avi")
    'v_Biking_g01'
    """

    pattern: str
    words: str

    def group(self, name: str) -> str | None:
        """Find the group in a file name; None where the pattern does not fit."""
        match = re.search(self.pattern, name)
        if match is None:
            return None
        return match.group(1) if match.re.groups else match.group(0)


def grouped_splits(splits: Mapping[str, ClipSet], pattern: str | None) -> dict[str, ClipSet]:
    """Give the clips of all splits their groups.

    Groups come from `pattern`; where it is None, from the layout; where no clip has one, from a guess by file names.
    A guess that puts a group on both sides of a split is given up.

    Raises DatasetError when `pattern` is no regular expression, or does not fit every file name.
    """
    clips = [clip for part in splits.values() for clip in part]
    if pattern is not None:
        return _regrouped(splits, _given(pattern, clips))
    if any(clip.group is not None for clip in clips):
        return _told_apart(splits)
    guessed = _guess(clips)
    if guessed is None:
        words = f"{_ONE_EACH}: none could be guessed from the file names"
        return _told_apart({split: replace(part, grouping=words) for split, part in splits.items()})
    return _told_apart(unparted(_regrouped(splits, guessed)))


def _told_apart(splits: Mapping[str, ClipSet]) -> dict[str, ClipSet]:
    """Give clips without a group one with more of their path, where two splits have files of one name and folder."""
    paths: dict[str, dict[Path, str]] = defaultdict(dict)
    for split, part in splits.items():
        for clip in part:
            if clip.group is None:
                paths[group_of(clip)][clip.path] = split
    shared = {name for name, where in paths.items() if len(set(where.values())) > 1}
    if not shared:
        return dict(splits)

    def longer(clip: Clip) -> Clip:
        if clip.group is not None or group_of(clip) not in shared:
            return clip
        return replace(clip, group="/".join(clip.path.parts[-3:]))

    return {split: replace(part, clips=tuple(map(longer, part.clips))) for split, part in splits.items()}


def unparted(splits: Mapping[str, ClipSet]) -> dict[str, ClipSet]:
    """Give up groups, here those that are read from names, where one of them is on both sides of a published split."""
    sides: dict[str, set[str]] = defaultdict(set)
    for split, part in splits.items():
        for clip in part:
            if clip.group is not None:
                sides[clip.group].add(split)
    both = sorted(name for name, where in sides.items() if len(where) > 1)
    if not both:
        return dict(splits)
    return {
        split: replace(
            part,
            clips=tuple(replace(clip, group=None) for clip in part),
            grouping=f"{_ONE_EACH}: '{both[0]}' ({part.grouping}) is on both sides of the published split",
        )
        for split, part in splits.items()
    }


def _regrouped(splits: Mapping[str, ClipSet], grouping: Grouping) -> dict[str, ClipSet]:
    return {
        split: replace(
            part,
            clips=tuple(replace(clip, group=grouping.group(clip.path.name)) for clip in part),
            grouping=grouping.words,
        )
        for split, part in splits.items()
    }


def _given(pattern: str, clips: Sequence[Clip]) -> Grouping:
    try:
        re.compile(pattern)
    except re.error as error:
        raise DatasetError(f"the group pattern '{pattern}' is no regular expression: {error}.") from None
    grouping = Grouping(pattern, f"from the pattern '{pattern}' in the file names")
    without = [clip.path.name for clip in clips if grouping.group(clip.path.name) is None]
    if without:
        raise DatasetError(
            f"the group pattern '{pattern}' does not fit '{without[0]}' ({len(without)} of {len(clips)} clips); "
            "write one that fits every file name, such as '^([^_]+)_'."
        )
    return grouping


def _guess(clips: Sequence[Clip]) -> Grouping | None:
    """Guess the grouping from the file names: as UCF101 or Kinetics give them, or else the text before the first '_'.

    A guess must fit every name, and part the clips. Such a prefix counts as a group only where every class has at least
    two prefixes and several clips share one.
    """
    for pattern, words in _PUBLISHED:
        if len(_all(_groups(pattern, clips))) > 1:
            return Grouping(pattern, words)
    groups = _groups(_PREFIX, clips)
    different = _all(groups)
    if not different or len(different) == len(clips) or min(map(len, groups.values())) < 2:
        return None
    return Grouping(_PREFIX, f"guessed: {len(different)} groups, from the file names before the first '_'")


def _groups(pattern: str, clips: Sequence[Clip]) -> dict[str | None, set[str]]:
    """The groups that a pattern finds in each class; none where it does not fit every name."""
    found: dict[str | None, set[str]] = defaultdict(set)
    for clip in clips:
        group = Grouping(pattern, "").group(clip.path.name)
        if group is None:
            return {}
        found[clip.label].add(group)
    return found


def _all(groups: Mapping[str | None, set[str]]) -> set[str]:
    return set().union(*groups.values())
