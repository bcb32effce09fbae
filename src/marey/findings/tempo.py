"""Which units read how fast an action is: clips of an action made slow and fast, beside the same clips replayed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, spearmanr

from marey.errors import MareyError
from marey.findings.intervals import Estimate, group_intervals
from marey.studies.classes import EXPERIMENTS

LEVEL = 0.05

LEAST_GROUPS = 5
"""Groups that have clips of both classes; of fewer, nothing is told from chance."""

REPLAY = 2.0
"""How much faster slow clips are replayed, and how much slower fast ones."""


@dataclass(frozen=True, eq=False)
class TempoReading:
    """What was found of every unit, in standard deviations over the clips of both classes.

    made
        (unit), its response to fast clips above that to slow ones.
    replayed
        (unit), what is added when slow clips are replayed faster, and lost when fast ones are replayed slower.
    p, q
        (unit), of both together, by signs dealt to the groups.
    reads
        (unit), whether the unit reads the tempo: both go the same way, and are no chance.
    units
        how many units respond to these clips at all.
    share, agreement
        of these units that read it; Spearman's correlation of `made` and `replayed` over units.
    """

    made: NDArray[np.float64]
    replayed: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    reads: NDArray[np.bool_]
    units: int
    share: Estimate
    agreement: Estimate


def tempo_classes(classes: Sequence[str]) -> tuple[str, str] | None:
    """The slow and the fast class that differ in nothing else, if clips have both."""
    slow, fast = EXPERIMENTS["tempo"].classes
    return (slow, fast) if slow in classes and fast in classes else None


def tempo_reading(
    responses: Mapping[float, NDArray[np.floating]],
    is_fast: NDArray[np.bool_],
    groups: Sequence[str],
    *,
    permutations: int = 1999,
    seed: int = 0,
) -> TempoReading:
    """Which units read the tempo, by `responses` {speed: (clip, unit)} to slow and fast clips of the same groups.

    Raises MareyError for fewer than five groups with clips of both classes, which no chance can be told from.
    """
    own = responses[1.0].astype(np.float64)
    alive = np.ptp(own, axis=0) > 1e-6 * np.maximum(np.abs(own).max(0), 1e-12)
    spread = np.sqrt((own[is_fast].var(0) + own[~is_fast].var(0)) / 2)
    spread = np.where(alive, np.maximum(spread, 1e-9), np.inf)
    names = np.array(groups)
    both = sorted(set(names[is_fast]) & set(names[~is_fast]))
    if len(both) < LEAST_GROUPS:
        raise MareyError(f"{len(both)} groups have slow and fast clips; what reads the tempo takes {LEAST_GROUPS}.")
    effects = np.zeros((2, len(both), own.shape[1]))  # kind group unit
    for place, name in enumerate(both):
        slow, fast = (names == name) & ~is_fast, (names == name) & is_fast
        faster = (responses[REPLAY][slow] - own[slow]).mean(0)
        slower = (responses[1 / REPLAY][fast] - own[fast]).mean(0)
        effects[0, place] = (own[fast].mean(0) - own[slow].mean(0)) / spread
        effects[1, place] = (faster - slower) / 2 / spread
    p, q, reads = _tested(effects, alive, permutations, seed)

    def numbers(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        some = effects[:, chosen]
        hit = reads if chosen.all() else _tested(some, alive, permutations // 4, seed)[2]
        means = some.mean(1)[:, alive]
        told = means.shape[1] > 2 and bool((np.ptp(means, axis=1) > 0).all())
        return np.array([hit.sum() / max(1, alive.sum()), float(spearmanr(*means).statistic) if told else 0.0])

    found = group_intervals(numbers, both, least=[0, -1], most=1, counted=[alive.sum(), len(both)])
    share, agreement = (Estimate(*(ends[k] for ends in (found.value, found.low, found.high))) for k in (0, 1))
    made, replayed = effects.mean(1)
    return TempoReading(made, replayed, p, q, reads, int(alive.sum()), share, agreement)


def _tested(
    effects: NDArray[np.float64], alive: NDArray[np.bool_], permutations: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    p = _p(effects, permutations, seed)
    q = np.ones_like(p)
    if alive.any():
        q[alive] = false_discovery_control(p[alive])
    made, replayed = effects.mean(1)
    return p, q, np.asarray((q <= LEVEL) & (made * replayed > 0))


def _p(effects: NDArray[np.float64], permutations: int, seed: int) -> NDArray[np.float64]:
    """(unit): the larger p of both kinds (kind group unit), each that of its sign, and twice it as signs are two."""
    random = np.random.default_rng(seed)
    signs = random.choice([-1.0, 1.0], (permutations, effects.shape[1]))
    found = effects.sum(1)
    direction = np.sign(found[0] + found[1])
    room = 1e-9 * np.abs(effects).sum(1)
    kinds = []
    for kind in range(len(effects)):
        dealt = (signs @ effects[kind]) * direction
        reached = (dealt >= found[kind] * direction - room[kind]).sum(0) + 1
        kinds.append(reached / (permutations + 1))
    return np.asarray(np.minimum(1, 2 * np.maximum(*kinds)))
