"""Which classes the units of some layers serve, and the shares of units that serve one, several or none."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.findings.average_precision import ClassDetection, class_auc, class_detection
from marey.findings.detection_test import DetectionNull
from marey.findings.intervals import Estimate, group_intervals
from marey.findings.labeled_clips import LabeledClips
from marey.findings.ranked_units import RankedUnits
from marey.findings.selectivity import selectivity, sparseness

LEVEL = 0.05
"""The false discovery rate of units over all layers."""

MOST = 0.5
"""The share of a class's clips that pass the threshold of a unit which serves the class."""

KINDS = ("specific", "generic", "unexplained")

Responses = Mapping[str, NDArray[np.float32]]
"""{layer: (clip, unit)}."""


@dataclass(frozen=True, eq=False)
class ServedClasses:
    """What the test says of every unit.

    table
        a row for every unit.
    shares
        (kind), by layer and, under "", of all: of the units that do not respond to all clips alike.
    units
        how many those are, by layer and, under "", of all.
    dead
        how many respond to all clips alike.
    """

    table: pyarrow.Table
    shares: Mapping[str, Estimate]
    units: Mapping[str, int]
    dead: int


def served_classes(responses: Responses, labeled: LabeledClips, nulls: Mapping[str, DetectionNull]) -> ServedClasses:
    """Test every unit against the null of its layer; intervals follow from leaving out each block of groups."""
    alive = {name: np.ptp(values, axis=0) > 0 for name, values in responses.items()}
    ranked = RankedUnits.of_responses(responses)
    found = _layers(ranked, labeled, nulls)
    every_p = np.concatenate([found[name].p[alive[name]] for name in responses])
    every_q = false_discovery_control(every_p) if len(every_p) else every_p
    largest_p = float(every_p[every_q <= LEVEL].max(initial=0))

    def shares(clips: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(layer and all, kind), of some of the clips."""
        rows = []
        every = found if clips.all() else _layers(ranked.among(clips), labeled.some(clips), nulls)
        for name, one in every.items():
            kinds = one.kinds(nulls[name].critical_z(largest_p))[alive[name]]
            rows.append([(kinds == place).sum() for place in range(len(KINDS))])
        counts = np.array([*rows, np.sum(rows, axis=0)], np.float64)
        return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1))

    names = [*responses, ""]
    units = {name: int(one.sum()) for name, one in alive.items()}
    counted = np.array([[*units.values(), sum(units.values())]]).T
    every = group_intervals(shares, labeled.groups, least=0, most=1, counted=counted)
    split = np.split(every_q, np.cumsum(list(units.values()))[:-1])
    tables = [
        _table(name, found[name], nulls[name].critical_z(largest_p), q, responses=responses[name], labeled=labeled)
        for name, q in zip(responses, split, strict=True)
    ]
    return ServedClasses(
        pyarrow.concat_tables(tables),
        {name: Estimate(every.value[place], every.low[place], every.high[place]) for place, name in enumerate(names)},
        {**units, "": sum(units.values())},
        sum(int((~one).sum()) for one in alive.values()),
    )


@dataclass(frozen=True, eq=False)
class _Layer:
    """The units of a layer: detection of each one's best class, and the classes that pass its threshold.

    best, z, p, auprc, f1
        (unit).
    passes
        (unit, class), whether more than half of the clips of a class pass the threshold that detects the best class.
    """

    best: NDArray[np.intp]
    z: NDArray[np.float32]
    p: NDArray[np.float64]
    auprc: NDArray[np.float64]
    f1: NDArray[np.float64]
    passes: NDArray[np.bool_]

    def kinds(self, critical_z: NDArray[np.float32]) -> NDArray[np.intp]:
        """The place of each unit's kind in KINDS."""
        return np.where(self.z > critical_z, np.where(self.passes.sum(1) == 1, 0, 1), 2)


def _layers(ranked: RankedUnits, labeled: LabeledClips, nulls: Mapping[str, DetectionNull]) -> dict[str, _Layer]:
    there, labels = np.unique(labeled.labels, return_inverse=True)  # a block that is left out may hold a class
    every = class_detection(ranked.distinct, labels, len(there))
    of_class = (labels[:, None] == np.arange(len(there))).astype(np.float32)
    found = {}
    for name, rows in ranked.rows.items():
        one = ClassDetection(every.auprc[rows], every.f1[rows], every.passing[rows])
        null = nulls[name]
        z = np.full((len(rows), len(labeled.classes)), -np.inf, np.float32)
        z[:, there] = (one.auprc - null.mean[there]) / null.deviation[there]
        best, units = z.argmax(1), np.arange(len(z))
        place = np.searchsorted(there, best)
        passed = (ranked.of(name) <= one.passing[units, place][:, None]).astype(np.float32)
        passes = np.zeros(z.shape, bool)
        passes[:, there] = passed @ of_class > MOST * of_class.sum(0)
        passes[units, best] = True
        largest = z[units, best]
        p = null.p(largest[:, None])[:, 0]
        found[name] = _Layer(best, largest, p, one.auprc[units, place], one.f1[units, place], passes)
    return found


def _table(
    layer: str,
    found: _Layer,
    critical_z: NDArray[np.float32],
    q: NDArray[np.float64],
    *,
    responses: NDArray[np.float32],
    labeled: LabeledClips,
) -> pyarrow.Table:
    """The rows of a layer's units; `q` is of those that do not respond to all clips alike."""
    alive = np.ptp(responses, axis=0) > 0
    words = np.where(alive, np.array(KINDS)[found.kinds(critical_z)], "dead").tolist()
    every_q = np.ones(len(words))
    every_q[alive] = q
    count, units = len(labeled.classes), np.arange(len(words))
    serves = [
        [name for name, here in zip(labeled.classes, row, strict=True) if here] if kind in KINDS[:2] else []
        for row, kind in zip(found.passes, words, strict=True)
    ]
    return pyarrow.table(
        {
            "layer": pyarrow.array([layer] * len(words), pyarrow.string()),
            "unit": pyarrow.array(units, pyarrow.int32()),
            "kind": pyarrow.array(words, pyarrow.string()),
            "class": pyarrow.array([labeled.classes[label] for label in found.best], pyarrow.string()),
            "serves": pyarrow.array(serves, pyarrow.list_(pyarrow.string())),
            "auprc": found.auprc.astype(np.float64),
            "f1": found.f1.astype(np.float64),
            "p": found.p,
            "q": every_q,
            "auc": class_auc(responses, labeled.labels, count)[units, found.best],
            "selectivity": selectivity(responses, labeled.labels, count),
            "sparseness": sparseness(responses, labeled.labels, count),
        }
    )
