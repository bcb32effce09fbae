"""All that is known of a network's errors, before it is put into words, tables and a figure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.findings.carrying_units import Traced
from marey.findings.class_closeness import Closeness
from marey.findings.confused_pairs import ConfusedPair
from marey.findings.intervals import Estimate

LEVEL = 0.05
"""At which a pair counts, and the false discovery rate of layers and pairs that are traced to units."""


@dataclass(frozen=True, eq=False)
class Failures:
    """What a network takes for what.

    classes
        of the network.
    paths
        of the clips that count (clip).
    counts
        (right class, predicted class).
    accuracy
        of all clips and of each class (1 + class).
    by_chance
        the accuracy for dealt labels (permutation).
    pairs, apart
        the confused pairs, most frequent first, and how well the scores tell the two classes apart.
    layers, units, draws
        that were asked for units, how many units were held at once, and how many times as many random ones.
    traced, q
        for each layer and pair, with q by Benjamini and Hochberg over pairs in `frequent`.
    closeness
        of the classes; None where few pairs of classes are confused.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    counts: NDArray[np.intp]
    accuracy: Estimate
    by_chance: NDArray[np.float64]
    pairs: tuple[ConfusedPair, ...] = ()
    apart: tuple[Estimate, ...] = ()
    layers: tuple[str, ...] = ()
    units: int = 0
    draws: int = 0
    traced: Sequence[Traced] = ()
    q: Sequence[float] = ()
    closeness: Closeness | None = None

    @property
    def clips(self) -> int:
        """How many clips count."""
        return int(self.counts.sum())

    @property
    def errors(self) -> int:
        """How many clips are taken for another class."""
        return self.clips - int(np.trace(self.counts))

    @property
    def frequent(self) -> tuple[ConfusedPair, ...]:
        """The pairs that are confused more often than evenly spread errors; none of a network that knows no class."""
        return tuple(pair for pair in self.pairs if self.counts_as_one(pair))

    @property
    def p(self) -> float:
        """How often dealt labels give as high an accuracy."""
        return float((1 + (self.by_chance >= float(self.accuracy.value[0]) - 1e-9).sum()) / (1 + len(self.by_chance)))

    @property
    def knows_classes(self) -> bool:
        """Whether the accuracy is above that of dealt labels; else errors say nothing."""
        return self.p <= LEVEL

    def counts_as_one(self, pair: ConfusedPair) -> bool:
        """Whether a pair is in `frequent`."""
        return pair.p <= LEVEL and self.knows_classes

    def traced_of(self, layer: str) -> list[Traced]:
        """What was traced in a layer, of the pairs in `frequent`."""
        return [one for one in self.traced if one.layer == layer and self.counts_as_one(one.pair)]

    @property
    def best(self) -> dict[ConfusedPair, Traced]:
        """Of each pair in `frequent` that is traced (q at most LEVEL), the layer where most of the margin goes."""
        found: dict[ConfusedPair, Traced] = {}
        for one, q in zip(self.traced, self.q, strict=True):
            if q <= LEVEL and self.counts_as_one(one.pair):
                known = found.get(one.pair)
                if known is None or float(one.after.value) < float(known.after.value):
                    found[one.pair] = one
        return found

    def names(self, pair: ConfusedPair) -> str:
        """The pair in words."""
        return f"{self.classes[pair.right]} as {self.classes[pair.taken_for]}"
