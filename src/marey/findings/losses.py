"""What units lose of their responses to their own best clips when these are changed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.findings.intervals import Estimate, group_intervals
from marey.findings.labeled_clips import LabeledClips
from marey.findings.permutations import dealt_partners

HALF = 0.5
"""A unit needs what costs it at least half of its range, beyond what other clips lose."""

LEVEL = 0.05
"""The false discovery rate over all units and changes."""

_LEAST_REACH = 1e-5

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Losses:
    """Of every unit and change, relative to the unit's range: from its ordinary response to that to its best clips.

    own
        (change, unit), what the unit's best clips lose.
    others
        (change, unit), what clips of other classes lose by the same change.
    beyond
        (change, unit), the difference: the share of what sets the best clips apart that is gone.
    p, q
        (change, unit), whether the best clips lose more than clips that chance deals their places to.
    needed
        (change, unit), whether the unit needs what the change takes away.
    shares
        (need, layer and, last, all layers that count), the share of units that need it.
    best
        (unit, clip), which clips are the best, strongest first.
    alive
        (unit), whether the unit tells its best clips from ordinary ones at all.
    """

    own: NDArray[np.float64]
    others: NDArray[np.float64]
    beyond: Estimate
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    needed: NDArray[np.bool_]
    shares: Estimate
    best: NDArray[np.intp]
    alive: NDArray[np.bool_]


def losses(
    before: Floats,
    changes: Floats,
    labeled: LabeledClips,
    *,
    needs: Sequence[Sequence[int]],
    layers: Sequence[int],
    counted: NDArray[np.bool_],
    permutations: int,
    seed: int,
) -> Losses:
    """What the responses `before` (clip, unit) lose by `changes` (change, clip, unit).

    The best clips of a unit are a tenth of all, at least five. Its ordinary response is its median. Under the null a
    change costs the best clips what it costs any: they are dealt anew within groups, and between those of one class.

    needs
        for each need the changes that tell it; one of them is enough.
    layers
        how many units each layer has, in the order of the units.
    counted
        (unit), which units count in the share of all.
    """
    best = best_clips(before)
    own, others, alive = relative_losses(before, changes, labeled)
    p = _p(before - changes, best, labeled, permutations=permutations, seed=seed)
    q = np.ones_like(p)
    if alive.any():
        q[:, alive] = false_discovery_control(p[:, alive].ravel()).reshape(len(p), -1)

    def estimates(clips: NDArray[np.bool_]) -> NDArray[np.float64]:
        every = bool(clips.all())
        lost = (own, others) if every else relative_losses(before[clips], changes[:, clips], labeled.some(clips))[:2]
        beyond = lost[0] - lost[1]
        shares = _shares((beyond >= HALF) & (q <= LEVEL), alive, counted, needs, layers)
        return np.concatenate([beyond.ravel(), shares.ravel()])

    units = [*(int(one.sum()) for one in np.split(alive, np.cumsum(layers)[:-1])), int((alive & counted).sum())]
    per_unit, per_share = np.full(p.size, np.inf), np.ones(len(needs) * len(units))
    whole = group_intervals(
        estimates,
        labeled.groups,
        least=np.concatenate([-per_unit, 0 * per_share]),
        most=np.concatenate([per_unit, per_share]),
        counted=np.concatenate([np.ones(p.size), np.tile(units, len(needs))]),
    )
    parts = [np.split(ends, [p.size]) for ends in (whole.value, whole.low, whole.high)]
    beyond = Estimate(*(one.reshape(p.shape) for one, _ in parts))
    shares = Estimate(*(one.reshape(len(needs), -1) for _, one in parts))
    needed = (beyond.value >= HALF) & (q <= LEVEL) & alive
    return Losses(own, others, beyond, p, q, needed, shares, best.T, alive)


def _shares(
    needed: NDArray[np.bool_],
    alive: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    needs: Sequence[Sequence[int]],
    layers: Sequence[int],
) -> NDArray[np.float64]:
    """(need, layer and all that count), of the units that are alive."""
    ends = np.cumsum(layers)
    parts = [slice(end - count, end) for end, count in zip(ends, layers, strict=True)]
    rows = []
    for changes in needs:
        hit = needed[list(changes)].any(0) & alive
        rows.append([_share(hit[part], alive[part]) for part in parts] + [_share(hit[counted], alive[counted])])
    return np.array(rows)


def _share(hit: NDArray[np.bool_], alive: NDArray[np.bool_]) -> float:
    return float(hit.sum() / max(1, alive.sum()))


def best_clips(responses: Floats) -> NDArray[np.intp]:
    """(clip, unit): a tenth of the clips, at least five, to which each unit responds most, strongest first."""
    count = min(len(responses), max(5, len(responses) // 10))
    return np.argsort(-responses, axis=0, kind="stable")[:count]


def relative_losses(
    before: Floats, changes: Floats, labeled: LabeledClips
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """What best clips and others lose, relative to the range (change, unit), and which units have a range (unit)."""
    best = best_clips(before)
    is_best = np.zeros(before.shape, bool)
    np.put_along_axis(is_best, best, True, 0)
    of_class = labeled.labels[:, None] == np.arange(len(labeled.classes))  # clip class
    served = of_class.T.astype(np.float32) @ is_best > 0  # class unit
    other = ~served[labeled.labels]
    other |= ~is_best & ~other.any(0)  # where the best clips are of all classes
    reach = np.take_along_axis(before, best, 0).mean(0) - np.median(before, 0)
    alive = reach > _LEAST_REACH * np.abs(before).max(0)
    reach = np.where(alive, reach, np.inf)
    lost = before - changes  # change clip unit
    own = (lost * is_best).sum(1) / is_best.sum(0) / reach
    others = (lost * other).sum(1) / np.maximum(other.sum(0), 1) / reach
    return own.astype(np.float64), others.astype(np.float64), alive


def _p(
    lost: Floats, best: NDArray[np.intp], labeled: LabeledClips, *, permutations: int, seed: int
) -> NDArray[np.float64]:
    """How often clips that are dealt the places of the best ones, as groups allow, lose at least what these lose."""
    is_best = np.zeros(lost.shape[1:], np.float32)
    np.put_along_axis(is_best, best, 1.0, 0)
    found = np.einsum("kcu,cu->ku", lost, is_best)
    reached = np.ones(found.shape)
    room = 1e-6 * np.abs(lost).sum(1)  # sums in another order are not the same to the last bit
    for partners in dealt_partners(labeled.labels, labeled.groups, permutations, seed=seed):
        dealt = is_best[partners]
        count = dealt.sum(0)  # groups of other sizes may be dealt more or fewer of the best places
        mean = np.einsum("kcu,cu->ku", lost, dealt) / np.maximum(count, 1)
        reached += (mean * is_best.sum(0) >= found - room) | (count == 0)
    return np.asarray(reached / (permutations + 1))
