"""For each class the unit that tells it best from the class most like it, and what that unit needs for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marey.findings.congruence import TwoWay
from marey.findings.labeled_clips import LabeledClips


@dataclass(frozen=True)
class Carrier:
    """A unit that tells clips of a class from those of its rival.

    apart
        how far the means of the two classes are apart, in deviations within a class.
    parts
        what appearance, motion, and only both together add to that.
    """

    unit: str
    apart: float
    parts: tuple[float, float, float]


def carriers(
    crossed: Mapping[str, NDArray[np.float32]], labeled: LabeledClips, pairs: Sequence[tuple[str, str]]
) -> list[Carrier | None]:
    """For each pair of a class and its rival the unit of all layers; None where no unit tells them apart.

    `crossed` are responses (appearance, motion, unit) by layer.
    """
    best: list[Carrier | None] = [None] * len(pairs)
    chosen = [
        (labeled.labels == labeled.classes.index(name), labeled.labels == labeled.classes.index(rival))
        for name, rival in pairs
    ]
    clips = np.arange(len(labeled.labels))
    for layer, responses in crossed.items():
        two, own = TwoWay.of(responses), responses[clips, clips].astype(np.float64)
        for place, (these, those) in enumerate(chosen):
            within = np.sqrt((own[these].var(0) + own[those].var(0)) / 2)
            spread = np.maximum(within, _LEAST * two.deviation)
            alive = spread > 0
            parts = np.stack([_apart(one, these, those) for one in (two.by_appearance, two.by_motion, two.own)])
            parts = parts / np.where(alive, spread, np.inf)
            unit = int(parts.sum(0).argmax())
            apart, so_far = float(parts[:, unit].sum()), best[place]
            if apart > (0.0 if so_far is None else so_far.apart):
                first, second, both = (float(part) for part in parts[:, unit])
                best[place] = Carrier(f"{layer}:{unit}", apart, (first, second, both))
    return best


_LEAST = 0.1
"""A deviation within classes counts as at least this part of that over all pairs: a unit that is off has none."""


def _apart(values: NDArray[np.floating], these: NDArray[np.bool_], those: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(values[these].mean(0, dtype=np.float64) - values[those].mean(0, dtype=np.float64))
