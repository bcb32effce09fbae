"""Which cue a class hangs on first, of all that were taken away, and which one alone tells it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow
from numpy.typing import NDArray

from marey.findings.asking import AS_IT_IS
from marey.findings.class_effects import ClassEffects, kept_alone, lost_without
from marey.findings.cue_answers import UNKNOWN, CueAnswers
from marey.findings.cue_colors import ABOVE, BELOW, color_word
from marey.findings.cues import AROUND, Cue
from marey.findings.picture_areas import AREAS, area_share

LEVEL = 0.05

_STANDS = 0.5
"""Where so much less of the picture moves than in other classes, a part of the actor is taken to stand still."""

_AS_MUCH = 0.9
"""A cue that is part of another, as a corner is of the background, comes first if it takes so much of its effect."""


@dataclass(frozen=True, eq=False)
class ClassCues:
    """What every cue does to every class; `labels` are those that count as right, which chance may have dealt."""

    answers: CueAnswers
    labels: NDArray[np.intp]
    without: ClassEffects
    alone: ClassEffects | None

    @classmethod
    def of(cls, answers: CueAnswers, labels: NDArray[np.intp], dealt: Sequence[NDArray[np.intp]]) -> "ClassCues":
        groups, classes = answers.labeled.groups, len(answers.labeled.classes)
        return cls(
            answers,
            labels,
            lost_without(answers.lost(labels), labels, groups, dealt, classes),
            kept_alone(answers.alone()[1], labels, groups, dealt, classes) if answers.alone()[0] else None,
        )

    @property
    def partly_still(self) -> NDArray[np.bool_]:
        """(class), whether the actor is taken for what moves, and that is half as much as in other classes or less.

        A body whose arm waves is then a part of the background, and says nothing of what is around the actor.
        """
        moving = np.array(
            [self.answers.moving[self.labels == label].mean() for label in range(len(self.answers.labeled.classes))]
        )
        return np.asarray(moving <= _STANDS * np.median(moving))

    def first(self, label: int) -> int | None:
        """The cue beside the action on which a class hangs most: how much more it loses without it than others do."""
        excess = self.without.size.value[label] - self.without.others[label]
        counts = self.without.at(LEVEL)[label] & np.array([cue.beside for cue in self.answers.cues]) & (excess > 0)
        counts &= self.without.size.low[label] > 0  # else one group more or less may undo it
        if self.partly_still[label]:
            counts &= np.array([cue.name != AROUND for cue in self.answers.cues])
        if not counts.any():
            return None
        most = excess[counts].max()
        nearly = [place for place in np.flatnonzero(counts) if excess[place] >= _AS_MUCH * most]
        return int(min(nearly, key=lambda place: (_part(self.answers.cues[place]), -excess[place])))

    def idiosyncratic(self) -> list[tuple[int, int]]:
        """(class, cue) of the classes that hang on a cue beside the action, the largest excess first."""
        found = [
            (label, first)
            for label in range(len(self.answers.labeled.classes))
            if (first := self.first(label)) is not None
        ]
        excess = self.without.size.value - self.without.others
        return sorted(found, key=lambda one: -excess[one])

    def action(self) -> list[tuple[int, int]]:
        """(class, cue) where a class loses more than others without a part of the action, the largest excess first."""
        excess = self.without.size.value - self.without.others
        beside = np.array([cue.beside for cue in self.answers.cues])
        counts = self.without.at(LEVEL) & (excess > 0) & ~beside
        found = [(int(label), int(cue)) for label, cue in np.argwhere(counts)]
        return sorted(found, key=lambda one: -excess[one])

    def suffices(self, label: int) -> int | None:
        """The place among cues that can be alone of the one that tells a class most often by itself."""
        if self.alone is None:
            return None
        counts = self.alone.at(LEVEL)[label] & (self.alone.size.value[label] > self.alone.others[label])
        if not counts.any():
            return None
        return int(np.where(counts, self.alone.size.value[label], -1).argmax())

    def taken_for(self, label: int, cue: Cue) -> str | None:
        """The class for which clips of a class are mistaken most often without a cue."""
        own = self.labels == label
        wrong = Counter(
            int(answer)
            for name in cue.without
            for answer in self.answers.answers[name][own & self._right(AS_IT_IS.name)]
            if answer not in (label, UNKNOWN)
        )
        return self.answers.labeled.classes[wrong.most_common(1)[0][0]] if wrong else None

    def changed(self, label: int, cue: Cue, most: int = 3) -> tuple[str, ...]:
        """Paths of clips of a class that are right as they are, and wrong without a cue."""
        right = self._right(AS_IT_IS.name)
        wrong = np.any([~self._right(name) for name in cue.without], axis=0)
        places = np.flatnonzero((self.labels == label) & right & wrong)[:most]
        return tuple(str(self.answers.labeled.clips[place].path) for place in places)

    def color(self, label: int, cue: Cue) -> str | None:
        """How a cue looks in clips of a class, against all others; None where it has no color of its own."""
        if cue.name == AROUND:
            words = {place: self._color(label, part) for place, part in (("above", ABOVE), ("below", BELOW))}
            return ", ".join(f"{word} {place}" for place, word in words.items() if word is not None) or None
        return self._color(label, cue.name)

    def _color(self, label: int, name: str) -> str | None:
        own: list[NDArray[np.float64]] = []
        others: list[NDArray[np.float64]] = []
        for place, colors in enumerate(self.answers.colors):
            if name in colors:
                (own if self.labels[place] == label else others).append(colors[name])
        return color_word(own, others)

    def _right(self, name: str) -> NDArray[np.bool_]:
        return np.asarray(self.answers.answers[name] == self.labels)

    def table(self) -> pyarrow.Table:
        """A row for every class and cue."""
        names = self.answers.labeled.classes
        alone_at = {cue.name: place for place, cue in enumerate(self.answers.alone()[0])}
        rows = []
        for label, name in enumerate(names):
            for place, cue in enumerate(self.answers.cues):
                row: dict[str, object] = {"class": name, "cue": cue.name, "beside": cue.beside}
                row |= _columns("lost", self.without, label, place)
                row["taken_for"] = self.taken_for(label, cue)
                at = alone_at.get(cue.name)
                row |= _columns("alone", self.alone, label, at)
                rows.append(row)
        return pyarrow.Table.from_pylist(rows)

    def summary(self) -> pyarrow.Table:
        """A row for every class: its accuracy, the cue beside the action that it hangs on, and the cues that matter."""
        right = self._right(AS_IT_IS.name)
        alone = self.answers.alone()[0]
        rows = []
        for label, name in enumerate(self.answers.labeled.classes):
            own = self.labels == label
            lost = self.without.size.value[label]
            first, most, suffices = self.first(label), int(lost.argmax()), self.suffices(label)
            rows.append(
                {
                    "class": name,
                    "clips": int(own.sum()),
                    "right": float(right[own].mean()),
                    "idiosyncrasy": None if first is None else self.answers.cues[first].name,
                    "looks": None if first is None else self.color(label, self.answers.cues[first]),
                    "lost": None if first is None else float(lost[first]),
                    "needs_most": self.answers.cues[most].name if lost[most] > 0 else None,
                    "lost_most": float(lost[most]),
                    "told_by": None if suffices is None else alone[suffices].name,
                    "told_alone": None
                    if suffices is None or self.alone is None
                    else float(self.alone.size.value[label, suffices]),
                }
            )
        return pyarrow.Table.from_pylist(rows, schema=_SUMMARY)


_SUMMARY = pyarrow.schema(
    {
        "class": pyarrow.string(),
        "clips": pyarrow.int32(),
        "right": pyarrow.float64(),
        "idiosyncrasy": pyarrow.string(),
        "looks": pyarrow.string(),
        "lost": pyarrow.float64(),
        "needs_most": pyarrow.string(),
        "lost_most": pyarrow.float64(),
        "told_by": pyarrow.string(),
        "told_alone": pyarrow.float64(),
    }
)


def _part(cue: Cue) -> float:
    """What part of the picture a cue is."""
    return area_share(cue.name) if cue.name in AREAS else 1.0


def _columns(name: str, effects: ClassEffects | None, label: int, place: int | None) -> dict[str, float | None]:
    names = ("", "_low", "_high", "_of_others", "_p", "_q")
    if effects is None or place is None:
        return {f"{name}{ending}": None for ending in names}
    size = effects.size
    every = (size.value, size.low, size.high, effects.others, effects.p, effects.q)
    return {f"{name}{ending}": float(values[label, place]) for ending, values in zip(names, every, strict=True)}
