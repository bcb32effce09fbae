"""How units respond to clips that are played slower and faster: preferred speed and bandwidth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Times the clip's own speed."""

HALF = 0.5

OCTAVES = float(np.log2(SPEEDS[-1] / SPEEDS[0]))
"""The widest bandwidth that can be told."""

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class SpeedTuning:
    """Of every unit.

    curve
        (speed, unit), the response to the unit's best clips above its ordinary one, relative to that at the best speed.
    bandwidth
        (unit), octaves from half to half of the largest; all that were shown where it stays above half.
    preferred
        (unit), octaves above the clips' own speed.
    alive
        (unit), whether the unit tells its best clips from ordinary ones.
    """

    curve: NDArray[np.float64]
    bandwidth: NDArray[np.float64]
    preferred: NDArray[np.float64]
    alive: NDArray[np.bool_]


def speed_tuning(responses: Floats) -> SpeedTuning:
    """The tuning behind `responses` (speed, clip, unit) to clips at all SPEEDS.

    The best clips of a unit, a tenth of all and at least five, are those of the largest mean over speeds, so that no
    speed is preferred because the clips were chosen at it. The ordinary response is the median at the own speed.
    """
    clips = responses.shape[1]
    count = min(clips, max(5, clips // 10))
    best = np.argsort(-responses.mean(0), axis=0, kind="stable")[:count]
    ordinary = np.median(responses[SPEEDS.index(1.0)], 0)
    means = np.take_along_axis(responses, best[None], 1).mean(1).astype(np.float64) - ordinary
    top = means.max(0)
    alive = top > 1e-5 * np.maximum(np.abs(responses).max((0, 1)), 1e-12)
    curve = means / np.where(alive, top, np.inf)
    low, high = _ends(curve)
    return SpeedTuning(curve, high - low, _peaks(curve), alive)


def _ends(curve: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where each curve falls to half on both sides of its largest value, in octaves."""
    octaves = np.log2(np.array(SPEEDS))
    units = np.arange(curve.shape[1])
    peak = curve.argmax(0)
    ends = []
    for step, last in ((-1, 0), (1, len(SPEEDS) - 1)):
        at, end, open_ = peak.copy(), np.full(len(units), octaves[last]), np.ones(len(units), bool)
        for _ in range(len(SPEEDS) - 1):
            after = np.clip(at + step, 0, len(SPEEDS) - 1)
            here, there = curve[at, units], curve[after, units]
            falls = open_ & (there < HALF) & (here >= HALF)
            share = (here - HALF) / np.where(falls, here - there, 1)
            end = np.where(falls, octaves[at] + share * (octaves[after] - octaves[at]), end)
            open_ &= ~falls
            at = after
        ends.append(end)
    return ends[0], ends[1]


def _peaks(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each curve is largest, in octaves, by a parabola through its neighbors."""
    octaves = np.log2(np.array(SPEEDS))
    units, peak = np.arange(curve.shape[1]), curve.argmax(0)
    inner = np.clip(peak, 1, len(SPEEDS) - 2)
    before, at, after = (curve[inner + step, units] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0)
    return np.asarray(np.where(inner == peak, octaves[peak] + np.clip(shift, -0.5, 0.5), octaves[peak]))
