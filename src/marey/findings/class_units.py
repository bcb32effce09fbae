"""Whether the units that serve a class matter to it: they are held at their means, beside as many random units."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray

from marey.findings.ablation import mean_responses
from marey.findings.deep_passes import DeepPasses, deep_layers, most_clips, run_to
from marey.findings.intervals import Estimate, group_intervals
from marey.findings.labeled_clips import LabeledClips
from marey.findings.measure import Measure
from marey.network.network import Network
from marey.recording.read.recording import Recording
from marey.video.flow.methods import Method

DRAWS = 10
"""Random sets of units for each number of units."""

SHARE = 0.9
"""Of a class score; so many units are counted."""

_CLIPS_PER_CLASS = 5
_LAYERS = 3
_FLIPS = 4095

Serving = Mapping[str, Sequence[Sequence[int]]]
"""{layer: the units that serve each class}."""


@dataclass(frozen=True, eq=False)
class ClassUnits:
    """What holding the units that serve a class does, to be put into a finding.

    sentence
        of all layers, with their nulls.
    tables
        "held", a row for every deep layer and class; empty where nothing was held.
    """

    sentence: str = ""
    measures: tuple[Measure, ...] = ()
    nulls: tuple[Measure, ...] = ()
    tables: Mapping[str, pyarrow.Table] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Held:
    """What is right (clip) of one layer: as it is, and by class whose units are held; see `_held`."""

    layer: str
    sizes: NDArray[np.intp]  # class
    right: NDArray[np.bool_]  # clip
    mean: NDArray[np.bool_]  # class clip
    zero: NDArray[np.bool_]  # class clip
    random: NDArray[np.bool_]  # class draw clip
    needed: Estimate  # class, and the median of them


def class_units(
    recording: Recording,
    network: Network,
    labeled: LabeledClips,
    units: pyarrow.Table,
    layers: Sequence[str],
    *,
    flow: Method,
    seed: int,
    report: Callable[[int], None] | None = None,
) -> ClassUnits:
    """Hold the units that serve each class, in the deepest of `layers` that all streams reach.

    `units` is the table of `served_classes`; `report` is told how much more is done, `planned_steps` in all. Raises
    NetworkError where none of the layers can be held, MareyError for clips of one group.
    """
    names = deep_layers(network, {name: recording.layers[name] for name in layers}, most=_LAYERS)
    windows = int(recording.summary["settings"].get("windows", 1))
    known = labeled.some(np.array([labeled.classes[label] in network.classes for label in labeled.labels], bool))
    some = known.at_most(most_clips([recording.layers[name] for name in names], windows=windows))
    place_of = np.array([network.classes.index(name) if name in network.classes else -1 for name in some.classes])
    passes = run_to(network, some.clips, names, windows=windows, flow=flow, report=report)
    serving = _serving(units, some.classes, names)
    found = []
    for name in names:
        with passes[name].ready():
            found.append(_held(passes[name], recording, some, place_of, serving[name], seed=seed, report=report))
    if report is not None:
        report(planned_steps(labeled) - len(some.clips) - len(names) * len(some.classes))
    measures, nulls = [], []
    for one in found:
        own, other = _measures(one, some)
        measures += own
        nulls += other
    remark = (
        f"units are held in {', '.join(names)}, for {len(some.clips)} clips; random units: the median of {DRAWS} draws"
    )
    return ClassUnits(_sentence(found, some), tuple(measures), tuple(nulls), {"held": _table(found, some)}, (remark,))


def planned_steps(labeled: LabeledClips) -> int:
    """How much `class_units` reports in all."""
    return len(labeled.clips) + _LAYERS * len(labeled.classes)


def _serving(units: pyarrow.Table, classes: Sequence[str], names: Sequence[str]) -> dict[str, list[list[int]]]:
    serving: dict[str, list[list[int]]] = {name: [[] for _ in classes] for name in names}
    for layer, unit, serves in zip(*(units[name].to_pylist() for name in ("layer", "unit", "serves")), strict=True):
        for label in serves if layer in serving else ():
            serving[layer][classes.index(label)].append(unit)
    return serving


def _held(
    passes: DeepPasses,
    recording: Recording,
    labeled: LabeledClips,
    place_of: NDArray[np.intp],
    serving: Sequence[Sequence[int]],
    *,
    seed: int,
    report: Callable[[int], None] | None,
) -> _Held:
    means = mean_responses(recording, passes.layer)
    random = np.random.default_rng(seed)
    labels = place_of[labeled.labels]
    right = passes.scores().argmax(1) == labels
    classes, clips = len(serving), len(labels)
    mean, zero = (np.broadcast_to(right, (classes, clips)).copy() for _ in range(2))
    by_chance = np.broadcast_to(right, (classes, DRAWS, clips)).copy()
    sets: dict[int, NDArray[np.bool_]] = {}
    for label, units in enumerate(serving):
        size = len(units)
        if report is not None:
            report(1)
        if not size:
            continue
        mean[label] = passes.scores(units, means[list(units)]).argmax(1) == labels
        zero[label] = passes.scores(units, torch.zeros(size)).argmax(1) == labels
        if size not in sets:
            draws = [np.sort(random.permutation(passes.units)[:size]) for _ in range(DRAWS)]
            sets[size] = np.stack([passes.scores(one.tolist(), means[one]).argmax(1) == labels for one in draws])
        by_chance[label] = sets[size]
    sizes = np.array([len(units) for units in serving], np.intp)
    needed = _needed(passes, means, labeled, place_of, right)
    return _Held(passes.layer, sizes, right, mean, zero, by_chance, needed)


def units_needed(added: NDArray[np.floating], share: float = SHARE) -> int:
    """How many units (unit), strongest first, give this share of all that is added to a score.

    >>> units_needed(np.array([5.0, -3.0, 4.0, 1.0]))
    2
    """
    positive = np.sort(added[added > 0])[::-1]
    if not len(positive):
        return 0
    sums = np.cumsum(positive)
    return int(np.searchsorted(sums, share * sums[-1] * (1 - 1e-9))) + 1


def _needed(
    passes: DeepPasses,
    means: torch.Tensor,
    labeled: LabeledClips,
    place_of: NDArray[np.intp],
    right: NDArray[np.bool_],
) -> Estimate:
    """Units needed for SHARE of the score of each class, and their median (class + 1), on some clips that are right."""
    chosen: list[int] = []
    for label in range(len(labeled.classes)):
        own = np.flatnonzero((labeled.labels == label) & right)
        count = min(_CLIPS_PER_CLASS, len(own))
        chosen += own[np.arange(count) * len(own) // max(count, 1)].tolist()
    clips = np.array(sorted(chosen), np.intp)
    classes = len(labeled.classes)
    if not len(clips):
        nothing = np.full(classes + 1, np.nan)
        return Estimate(nothing, nothing, nothing)
    labels = labeled.labels[clips]
    effects = passes.effects(means, clips=clips)
    added = effects[np.arange(len(clips)), :, place_of[labels]]  # clip unit

    def needed(some: NDArray[np.bool_]) -> NDArray[np.float64]:
        each = np.full(classes, np.nan)
        for label in np.unique(labels):
            own = some & (labels == label)
            each[label] = units_needed(added[own if own.any() else labels == label].mean(0))
        return np.append(each, np.nanmedian(each))

    groups = [labeled.groups[clip] for clip in clips]
    if len(set(groups)) < 2:
        value = needed(np.ones(len(clips), bool))
        return Estimate(value, np.full_like(value, np.nan), np.full_like(value, np.nan))
    found = group_intervals(needed, groups, least=0)
    return Estimate(found.value, found.low, np.minimum(found.high, passes.units))


def _own(found: _Held, labeled: LabeledClips, held: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is right of each clip while the units of its own class are held; (class ... clip) gives (... clip)."""
    clips = np.arange(len(labeled.labels))
    return (
        np.asarray(np.moveaxis(held, -1, 0)[clips, labeled.labels]).T if held.ndim > 2 else held[labeled.labels, clips]
    )


def _measures(found: _Held, labeled: LabeledClips) -> tuple[list[Measure], list[Measure]]:
    """The accuracy of classes and of all others with the units of a class held, and the same for random units."""
    has = found.sizes[labeled.labels] > 0
    count = int((found.sizes > 0).sum())
    layer = found.layer
    if not count:
        return [], []

    shown = len({group for group, counts in zip(labeled.groups, has, strict=True) if counts})

    def measure(name: str, of: str, values: NDArray[np.float64]) -> Measure:
        def mean(chosen: NDArray[np.bool_]) -> float:
            both = chosen & has
            return float(values[both].mean()) if both.any() else float(values[has].mean())

        ends = group_intervals(mean, labeled.groups, least=0, most=1, counted=shown)
        numbers = (float(ends.value), float(ends.low), float(ends.high))
        return Measure(name, of, *numbers, int(has.sum()), f"clips of {count} classes", "share")

    random_own = _own(found, labeled, found.random).astype(float)  # draw clip
    middle = random_own[np.argsort(random_own[:, has].mean(1))[DRAWS // 2]]
    accuracy, others = f"accuracy of a class, {layer}", f"accuracy of all other classes, {layer}"
    measures = [
        measure(accuracy, "the network", found.right.astype(float)),
        measure(accuracy, "its units at their means", _own(found, labeled, found.mean).astype(float)),
        measure(accuracy, "its units at zero", _own(found, labeled, found.zero).astype(float)),
        measure(others, "its units at their means", _others(found, labeled, found.mean)),
        _needed_measure(found),
    ]
    nulls = [
        measure(accuracy, "as many random units at their means", middle),
        measure(others, "as many random units at their means", _others(found, labeled, found.random.mean(1))),
    ]
    return measures, nulls


def _others(found: _Held, labeled: LabeledClips, held: NDArray[np.generic]) -> NDArray[np.float64]:
    """What is right of each clip (clip) while the units of another class are held, the mean over classes with units."""
    counts = (found.sizes > 0)[:, None] & (np.arange(len(found.sizes))[:, None] != labeled.labels)
    return np.asarray((held * counts).sum(0) / np.maximum(counts.sum(0), 1), np.float64)


def _needed_measure(found: _Held) -> Measure:
    ends = (float(found.needed.value[-1]), float(found.needed.low[-1]), float(found.needed.high[-1]))
    classes = int(np.isfinite(found.needed.value[:-1]).sum())
    return Measure(f"units needed for 90 % of a class score, {found.layer}", "the network", *ends, classes, "classes")


def group_p(less: NDArray[np.floating], groups: Sequence[str], *, seed: int) -> float:
    """How often the mean of `less` (clip) is as large when each group's sign is drawn at random."""
    names = sorted(set(groups))
    number = {name: place for place, name in enumerate(names)}
    sums = np.bincount([number[group] for group in groups], weights=less, minlength=len(names))
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(_FLIPS, len(names)))
    return float((1 + (signs @ sums >= sums.sum() - 1e-9).sum()) / (1 + _FLIPS))


def _sentence(found: Sequence[_Held], labeled: LabeledClips) -> str:
    parts, needed, without = [], [], []
    for one in found:
        measures, nulls = _measures(one, labeled)
        if not measures:
            without.append(one.layer)
            continue
        less = np.median(_own(one, labeled, one.random), axis=0) - _own(one, labeled, one.mean)
        p = group_p(less, labeled.groups, seed=0)
        parts.append(f"{measures[1]} in {one.layer} (as many random units {100 * nulls[0].value:.0f} %, p = {p:.2g})")
        needed.append(f"{one.needed.value[-1]:.0f}")
    none = f"In {', '.join(without)} no unit serves a class." if without else ""
    if not parts:
        return none
    whole = 100 * float(found[0].right.mean())
    counts = f"; 90 % of a class score needs {', '.join(needed)} units of these"
    held = f"Held at their means, the units that serve a class take its accuracy from {whole:.0f} % to "
    return " ".join(filter(None, (f"{held}{', '.join(parts)}{counts}.", none)))


def _table(found: Sequence[_Held], labeled: LabeledClips) -> pyarrow.Table:
    rows = []
    for one in found:
        own_random = _own(one, labeled, one.random).mean(0)
        for label, name in enumerate(labeled.classes):
            own = labeled.labels == label
            if not own.any():
                continue
            draws = one.random[label][:, own].mean(1)
            less = (own_random - one.mean[label])[own]
            rows.append(
                {
                    "layer": one.layer,
                    "class": name,
                    "units": int(one.sizes[label]),
                    "accuracy": float(one.right[own].mean()),
                    "at_means": float(one.mean[label][own].mean()),
                    "at_zero": float(one.zero[label][own].mean()),
                    "random": float(np.median(draws)),
                    "random_low": float(draws.min()),
                    "random_high": float(draws.max()),
                    "others": float(one.right[~own].mean()),
                    "others_at_means": float(one.mean[label][~own].mean()),
                    "others_random": float(np.median(one.random[label][:, ~own].mean(1))),
                    "p": group_p(less, [labeled.groups[clip] for clip in np.flatnonzero(own)], seed=0),
                    "units_needed": float(one.needed.value[label]),
                }
            )
    return pyarrow.Table.from_pylist(rows)
