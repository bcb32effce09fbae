"""Splits into clips to train and to test on, which never have one person or source video on both sides."""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from marey.datasets.clip_set import classes_of, group_of
from marey.errors import DatasetError, did_you_mean
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class Fold:
    """Part `number` of `count` parts of the groups, counted from 1; the parts of one seed share no group.

    >>> Fold.parse("2/5")
    Fold(number=2, count=5)
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 2 or not 1 <= self.number <= self.count:
            raise DatasetError(f"no fold {self.number}/{self.count}; expected 1/n to n/n, with n at least 2.")

    @classmethod
    def parse(cls, text: str) -> "Fold":
        """Read a fold written k/n; DatasetError for any other text."""
        number, slash, count = text.partition("/")
        if not (slash and number.strip().isdecimal() and count.strip().isdecimal()):
            raise DatasetError(f"'{text}' is no fold; write it as 1/3 for the first of three.")
        return cls(int(number), int(count))


@dataclass(frozen=True)
class Split:
    """Clips to train on and clips held out, which share no group."""

    train: tuple[Clip, ...]
    held_out: tuple[Clip, ...]

    def __post_init__(self) -> None:
        both = {group_of(clip) for clip in self.train} & set(self.held_out_groups)
        twice = {clip.path for clip in self.train if clip.group is None and group_of(clip) in both}
        if twice:
            raise DatasetError(f"the clip '{min(twice)}' is on both sides of the split; list it on one.")
        if both:
            raise DatasetError(f"group '{min(both)}' is on both sides of the split; keep all its clips on one.")

    @property
    def held_out_groups(self) -> tuple[str, ...]:
        """The groups held out, sorted."""
        return tuple(sorted({group_of(clip) for clip in self.held_out}))


def grouped_split(clips: Sequence[Clip], *, held_out: Collection[str] | float | Fold, seed: int = 0) -> Split:
    """Split `clips` by whole groups; a clip without a group is a group of its own.

    held_out
        names of the groups to hold out, or a share (0..1) of the clips, or a fold. Shares and folds spread the classes
        as evenly as whole groups allow; `seed` decides among equal choices.

    Raises DatasetError when a group is unknown, one side is empty, or a class would be left without training clips.
    """
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[group_of(clip)].append(clip)
    classes = classes_of(clips)
    if len(groups) < 2:
        raise DatasetError(f"{len(clips)} clips of {len(groups)} group cannot be split; expected at least two groups.")
    counts = {name: Counter(str(clip.label) for clip in inside) for name, inside in groups.items()}
    if isinstance(held_out, Fold):
        if held_out.count > len(groups):
            raise DatasetError(f"{held_out.count} folds need as many groups, got {len(groups)}; ask for fewer.")
        chosen = _folds(counts, held_out.count, seed)[held_out.number - 1]
    elif isinstance(held_out, float | int):
        chosen = _share(counts, float(held_out), seed)
    else:
        chosen = _named(groups, held_out)
    split = Split(
        tuple(clip for clip in clips if group_of(clip) not in chosen),
        tuple(clip for clip in clips if group_of(clip) in chosen),
    )
    missing = sorted(set(classes) - {str(clip.label) for clip in split.train})
    if missing:
        raise DatasetError(
            f"holding out {', '.join(sorted(chosen)[:5])} leaves class '{missing[0]}' without training clips; "
            "hold out other groups, or none."
        )
    return split


def _named(groups: Collection[str], held_out: Collection[str]) -> set[str]:
    names = {held_out} if isinstance(held_out, str) else set(held_out)
    for name in sorted(names):
        if name not in groups:
            raise DatasetError(
                f"no group '{name}' to hold out.{did_you_mean(name, groups)} "
                f"There are {', '.join(sorted(groups)[:12])}."
            )
    if not names or len(names) == len(groups):
        raise DatasetError(f"{len(names)} of {len(groups)} groups are held out; leave some on either side.")
    return names


def _order(counts: Mapping[str, Counter[str]], seed: int) -> list[str]:
    """Sort groups from the largest to the smallest; the seed decides the order of equal ones."""
    names = sorted(counts)
    random.Random(seed).shuffle(names)
    return sorted(names, key=lambda name: -counts[name].total())


def _folds(counts: Mapping[str, Counter[str]], folds: int, seed: int) -> list[set[str]]:
    parts: list[set[str]] = [set() for _ in range(folds)]
    filled: list[Counter[str]] = [Counter() for _ in range(folds)]
    for name in _order(counts, seed):

        def crowding(part: int, added: Counter[str] = counts[name]) -> tuple[bool, int, int]:
            together = sum(filled[part][label] * count for label, count in added.items())
            return (bool(parts[part]) and not all(parts), together, filled[part].total())

        best = min(range(folds), key=crowding)
        parts[best].add(name)
        filled[best] += counts[name]
    return parts


def _share(counts: Mapping[str, Counter[str]], share: float, seed: int) -> set[str]:
    if not 0 < share < 1:
        raise DatasetError(
            f"a share of {share:g} cannot be held out; expected one between 0 and 1, or names of groups."
        )
    total = sum(counts.values(), Counter[str]())
    chosen: set[str] = set()
    filled: Counter[str] = Counter()

    def distance(held: Counter[str]) -> float:
        return sum((held[label] - share * total[label]) ** 2 for label in total)

    for name in _order(counts, seed):
        with_it = filled + counts[name]
        emptied = any(with_it[label] == total[label] for label in counts[name])
        if not emptied and distance(with_it) < distance(filled):
            chosen.add(name)
            filled = with_it
    if not chosen:
        return {min(_order(counts, seed), key=lambda name: distance(counts[name]))}
    return chosen
