"""How often a network is right on clips: accuracy with its interval, accuracy per class, confusion of classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from marey.datasets.skipped_clip import SkippedClip


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Class probabilities of labeled clips, and the figures that follow from them.

    labels
        the right class of every clip, as an index.
    probabilities
        (clip, class), of the scores averaged over the windows of a clip.
    skipped
        clips that could not be used; `accuracy` does not count them, `accuracy_of_all` counts them as wrong.
    padded
        clips shorter than the network's window, and padded; they count as any other.
    damaged
        (clip, what it lacks) of clips that are cut off or damaged; they were used as far as they can be read.
    """

    classes: tuple[str, ...]
    clips: tuple[str, ...]
    labels: Tensor
    probabilities: Tensor
    skipped: tuple[SkippedClip, ...] = ()
    padded: tuple[str, ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        right = f"{self.right} of {len(self.labels)} clips right"
        return f"Evaluation({right}, {len(self.classes)} classes, {len(self.skipped)} skipped)"

    @cached_property
    def predictions(self) -> Tensor:
        """The class of highest probability of every clip."""
        return self.probabilities.argmax(1)

    @property
    def right(self) -> int:
        """How many clips are classified right."""
        return int((self.predictions == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """Share of the clips that were used that is classified right."""
        return self.right / len(self.labels)

    @property
    def total(self) -> int:
        """How many clips were to be classified, skipped ones included."""
        return len(self.labels) + len(self.skipped)

    @property
    def accuracy_of_all(self) -> float:
        """Share of `total` that is classified right; skipped clips count as wrong."""
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy (Wilson, 1927)."""
        return wilson(self.right, len(self.labels))

    @cached_property
    def confusion(self) -> Tensor:
        """How many clips of each right class are predicted to be of each class (right class, predicted class)."""
        size = len(self.classes)
        return torch.bincount(self.labels * size + self.predictions, minlength=size * size).view(size, size)

    def skipped_of(self, label: str) -> int:
        """How many clips of a class were skipped."""
        return sum(one.label == label for one in self.skipped)

    def per_class(self) -> list[tuple[str, int, int, str]]:
        """(name, clips, clips classified right, class it is mistaken for most often or "") of every class."""
        rows = []
        for index, name in enumerate(self.classes):
            counts = self.confusion[index].clone()
            right = int(counts[index])
            counts[index] = 0
            wrong = "" if int(counts.sum()) == 0 else self.classes[int(counts.argmax())]
            rows.append((name, int(self.confusion[index].sum()), right, wrong))
        return rows

    def mistakes(self) -> list[tuple[str, str, int]]:
        """(right class, predicted class, clips) of every pair of classes that is confused, most clips first."""
        wrong = self.confusion.clone().fill_diagonal_(0)
        pairs = sorted(wrong.nonzero().tolist(), key=lambda pair: -int(wrong[pair[0], pair[1]]))
        return [(self.classes[right], self.classes[taken], int(wrong[right, taken])) for right, taken in pairs]

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values for JSON."""
        low, high = self.interval
        return {
            "accuracy": self.accuracy,
            "clips": len(self.labels),
            "interval": [low, high],
            "total": self.total,
            "accuracy_of_all": self.accuracy_of_all,
            "padded": len(self.padded),
        }


def wilson(right: int, count: int, *, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a share.

    >>> tuple(round(end, 3) for end in wilson(9, 10))
    (0.596, 0.982)
    """
    if count == 0:
        return (0.0, 1.0)
    share = right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return (max(0.0, middle - half), min(1.0, middle + half))


def averaged(parts: Sequence[Evaluation]) -> Evaluation:
    """The evaluation of the mean probabilities of several networks on the same clips: late fusion."""
    first = parts[0]
    mean = torch.stack([part.probabilities for part in parts]).mean(0)
    return replace(first, probabilities=mean)
