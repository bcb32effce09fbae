"""The units that carry an error: what they add to the wrong class, and what holding them at their means changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from marey.findings.confused_pairs import ConfusedPair
from marey.findings.deep_passes import DeepPasses
from marey.findings.intervals import Estimate, group_intervals
from marey.findings.steps import Steps

FOLDS = 20
"""Groups are put into so many folds at most; the units that are held for one fold are chosen on the others."""


@dataclass(frozen=True, eq=False)
class Traced:
    """What holding the units that carry the error of a pair changes, beside as many random units.

    units, carried
        the units that carry most, chosen on all failing clips, and what each adds to the wrong class over the right one
        on failing clips, beyond that on right clips of the same class.
    put_right, closed
        the share of failing clips that are then right, and of their margin that is gone.
    lost, lost_other
        the share of all clips that were right, and of those of the other class, that are then wrong.
    random_put_right, random_closed, random_lost, random_lost_other
        the same (draw) for random units.
    p
        how often random units close as much of the margin.
    held_out
        whether the units were chosen on clips of other groups than those on which they are held; not where all failing
        clips are of one group.
    """

    pair: ConfusedPair
    layer: str
    units: tuple[int, ...]
    carried: tuple[float, ...]
    before: float
    put_right: Estimate
    after: Estimate
    lost: Estimate
    lost_other: float
    random_put_right: NDArray[np.float64]
    random_after: NDArray[np.float64]
    random_lost: NDArray[np.float64]
    random_lost_other: NDArray[np.float64]
    p: float
    held_out: bool


@dataclass(frozen=True, eq=False)
class Judged:
    """Clips with their right classes and groups, as places of the network's classes."""

    labels: NDArray[np.intp]
    groups: tuple[str, ...]


def traced(
    passes: DeepPasses,
    means: Tensor,
    pairs: Sequence[ConfusedPair],
    judged: Judged,
    *,
    count: int,
    draws: int,
    seed: int,
    steps: Steps,
) -> list[Traced]:
    """Trace the error of every pair to `count` units of a layer; `draws` times as many random units are held, too.

    `steps` is told of every unit whose effects are known, and of every draw.
    """
    whole = passes.scores()
    asked = np.flatnonzero(np.isin(judged.labels, [pair.right for pair in pairs]))
    effects = passes.effects(means, clips=asked, report=steps)
    random = _random_outcomes(
        passes, means, pairs, judged, whole=whole, count=count, draws=draws, seed=seed, steps=steps
    )
    found = []
    for place, pair in enumerate(pairs):
        margin = np.zeros((len(whole), passes.units), np.float32)
        margin[asked] = effects[:, :, pair.taken_for] - effects[:, :, pair.right]
        right = np.flatnonzero((judged.labels == pair.right) & (whole.argmax(1) == pair.right))
        held, held_out = _held_out_scores(passes, means, margin, pair, judged, right=right, count=count)
        carried = _carried(margin, pair.failing, right)
        units = np.argsort(-carried, kind="stable")[:count]
        outcome = _outcome(whole, held, pair, judged, clips=np.ones(len(whole), bool))
        reached = int((random[place, :, 1] <= outcome[1] + 1e-9).sum())
        put_right, after, lost = _intervals(whole, held, pair, judged)
        found.append(
            Traced(
                pair,
                passes.layer,
                tuple(units.tolist()),
                tuple(carried[units].tolist()),
                float((whole[pair.failing, pair.taken_for] - whole[pair.failing, pair.right]).mean()),
                put_right,
                after,
                lost,
                float(outcome[3]),
                random[place, :, 0],
                random[place, :, 1],
                random[place, :, 2],
                random[place, :, 3],
                (1 + reached) / (1 + draws),
                held_out,
            )
        )
    return found


def _carried(margin: NDArray[np.float32], failing: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.float32]:
    """What each unit adds to the margin on failing clips, beyond what it adds on right ones."""
    beyond = margin[right].mean(0) if len(right) else np.float32(0)
    return np.asarray(margin[failing].mean(0) - beyond, np.float32)


def _held_out_scores(
    passes: DeepPasses,
    means: Tensor,
    margin: NDArray[np.float32],
    pair: ConfusedPair,
    judged: Judged,
    *,
    right: NDArray[np.intp],
    count: int,
) -> tuple[NDArray[np.float32], bool]:
    """The scores (clip, class) while units are held that were chosen without the clip's own fold."""
    number = {name: place % FOLDS for place, name in enumerate(sorted(set(judged.groups)))}
    fold = np.array([number[group] for group in judged.groups])
    held_out = len(set(fold[pair.failing].tolist())) > 1
    clips_of: dict[tuple[int, ...], list[NDArray[np.intp]]] = {}
    for one in sorted(set(fold.tolist())):
        others = pair.failing[fold[pair.failing] != one] if held_out else pair.failing
        carried = _carried(margin, others, right[fold[right] != one] if held_out else right)
        units = tuple(sorted(np.argsort(-carried, kind="stable")[:count].tolist()))
        clips_of.setdefault(units, []).append(np.flatnonzero(fold == one))
    scores = passes.scores()
    for units, parts in clips_of.items():
        clips = np.sort(np.concatenate(parts))
        scores[clips] = passes.scores(units, means[list(units)], clips=clips)
    return scores, held_out


def _random_outcomes(
    passes: DeepPasses,
    means: Tensor,
    pairs: Sequence[ConfusedPair],
    judged: Judged,
    *,
    whole: NDArray[np.float32],
    count: int,
    draws: int,
    seed: int,
    steps: Steps,
) -> NDArray[np.float64]:
    """(pair, draw, outcome) for random units, the same for all pairs."""
    random = np.random.default_rng(seed)
    found = np.empty((len(pairs), draws, 4))
    every = np.ones(len(whole), bool)
    for draw in range(draws):
        units = np.sort(random.permutation(passes.units)[:count])
        held = passes.scores(units.tolist(), means[units])
        found[:, draw] = [_outcome(whole, held, pair, judged, clips=every) for pair in pairs]
        steps(1)
    return found


def _outcome(
    whole: NDArray[np.float32],
    held: NDArray[np.float32],
    pair: ConfusedPair,
    judged: Judged,
    *,
    clips: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Share of failing clips put right, their margin, shares of right clips lost, of all and of the other class."""
    failing = pair.failing[clips[pair.failing]]
    after = held[failing, pair.taken_for] - held[failing, pair.right]
    was_right, now = clips & (whole.argmax(1) == judged.labels), held.argmax(1)
    lost = was_right & (now != judged.labels)
    other = judged.labels == pair.taken_for
    return np.array(
        [
            (now[failing] == pair.right).mean() if len(failing) else 0.0,
            after.mean() if len(failing) else 0.0,
            lost.sum() / max(int(was_right.sum()), 1),
            (lost & other).sum() / max(int((was_right & other).sum()), 1),
        ],
        np.float64,
    )


def _intervals(
    whole: NDArray[np.float32], held: NDArray[np.float32], pair: ConfusedPair, judged: Judged
) -> tuple[Estimate, Estimate, Estimate]:
    def outcome(clips: NDArray[np.bool_]) -> NDArray[np.float64]:
        return _outcome(whole, held, pair, judged, clips=clips)

    failing = len({judged.groups[clip] for clip in pair.failing.tolist()})
    everyone = len(set(judged.groups))
    found = group_intervals(
        outcome,
        judged.groups,
        least=[0, -np.inf, 0, 0],
        most=[1, np.inf, 1, 1],
        counted=[failing, failing, everyone, everyone],
    )
    ends = [(found.value[place], found.low[place], found.high[place]) for place in range(3)]
    put_right, after, lost = (Estimate(*(np.asarray(end) for end in one)) for one in ends)
    return put_right, after, lost


def pooled(found: Sequence[Traced], value: Callable[[Traced], float]) -> float:
    """The mean of a share over pairs, each weighing as many clips as fail."""
    return float(np.average([value(one) for one in found], weights=[len(one.pair.failing) for one in found]))
