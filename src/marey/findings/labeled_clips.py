"""The clips of a recording with a class and a group each, which every question about classes is asked on."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from marey.datasets.clip_set import group_of
from marey.errors import MareyError
from marey.findings.intervals import check_groups
from marey.recording.read.recording import Recording
from marey.video.read.clips import Clip

MOST_CLIPS = 2000
"""Of more labeled clips an even choice of every class is used, so that no question takes longer with more clips."""


@dataclass(frozen=True, eq=False)
class LabeledClips:
    """Recorded clips that have a class.

    rows
        which of the recorded clips these are (clip).
    classes, labels
        the names, sorted, and for each clip the index of its own (clip).
    groups
        the person or source video of each clip; a clip without one is a group of its own.
    remarks
        what was left out, in words.
    """

    clips: tuple[Clip, ...]
    rows: NDArray[np.intp]
    classes: tuple[str, ...]
    labels: NDArray[np.intp]
    groups: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """How many clips each class has."""
        return np.bincount(self.labels, minlength=len(self.classes))

    def some(self, chosen: NDArray[np.bool_]) -> "LabeledClips":
        """Only the clips that are chosen, of the same classes."""
        places = np.flatnonzero(chosen)
        return replace(
            self,
            clips=tuple(self.clips[place] for place in places),
            rows=self.rows[places],
            labels=self.labels[places],
            groups=tuple(self.groups[place] for place in places),
        )

    def at_most(self, most: int) -> "LabeledClips":
        """At most `most` of the clips, at least two of every class, with a remark; the same clips each time.

        The clips of a class are taken at even steps, and each class starts one further, so that not the same groups
        count in all classes.
        """
        if len(self.clips) <= most:
            return self
        each = max(2, most // len(self.classes))
        chosen = np.zeros(len(self.clips), bool)
        for label in range(len(self.classes)):
            own = np.flatnonzero(self.labels == label)
            count = min(each, len(own))
            chosen[own[(np.arange(count) * len(own) // max(count, 1) + label) % max(len(own), 1)]] = True
        fewer = self.some(chosen)
        remark = f"{len(fewer.clips)} of {len(chosen)} labeled clips are asked, chosen evenly from every class"
        return replace(fewer, remarks=(*self.remarks, remark))


def labeled_clips(recording: Recording, *, most: int = MOST_CLIPS) -> LabeledClips:
    """The recorded clips that have a class.

    Where every group is of one class, nothing tells a class with a single group from the person or place: it does not
    count. Raises MareyError where all clips that count are of one class, or all of one group.
    """
    table = recording.recorded_clips
    names = table["label"].to_pylist()
    known = [row for row, name in enumerate(names) if name is not None]
    remarks = []
    if len(known) < len(names):
        remarks.append(f"{len(names) - len(known)} of {len(names)} recorded clips have no class and do not count")
    classes = tuple(sorted({names[row] for row in known}))
    if len(classes) < 2:
        held = f"clips of one class only, '{classes[0]}'" if classes else "no clip with a class"
        raise MareyError(
            f"the recording '{recording.folder}' has {held}; a question about classes needs clips of at least two."
        )
    if alone := _single_groups(recording, known):
        known = [row for row in known if names[row] not in alone]
        classes = _told_from_groups(recording, classes, alone)
        remarks.append(
            f"{len(alone)} classes with clips of one group only do not count, for nothing tells such a class from its "
            f"person or source video: {', '.join(sorted(alone))}"
        )
    numbers = table["clip"].to_pylist()
    clips = tuple(recording.clip(numbers[row]) for row in known)
    groups = tuple(group_of(clip) for clip in clips)
    labels = np.array([classes.index(names[row]) for row in known], np.intp)
    check_groups(groups)
    return LabeledClips(clips, np.array(known, np.intp), classes, labels, groups, tuple(remarks)).at_most(most)


def _single_groups(recording: Recording, rows: Sequence[int]) -> set[str]:
    """The classes that have a single group, where no group shows several classes."""
    table = recording.recorded_clips
    names, numbers = table["label"].to_pylist(), table["clip"].to_pylist()
    seen = {(group_of(recording.clip(numbers[row])), str(names[row])) for row in rows}
    if max(Counter(group for group, _ in seen).values()) > 1:
        return set()
    return {name for name, count in Counter(name for _, name in seen).items() if count < 2}


def _told_from_groups(recording: Recording, classes: Sequence[str], alone: Collection[str]) -> tuple[str, ...]:
    """The classes that are not `alone`; MareyError where these are fewer than two."""
    kept = tuple(name for name in classes if name not in alone)
    if len(kept) < 2:
        raise MareyError(
            f"of class '{min(alone)}' the recording '{recording.folder}' has clips of one group only, and no "
            "group shows several classes, so that nothing tells the class from the person or source video; record "
            "clips of at least two groups of at least two classes."
        )
    return kept
