"""Which classes the units of some layers serve, and the shares of units that serve one, several or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.findings.average_precision import ClassDetection, class_auc, class_detection, descending_ranks
from marey.findings.detection_test import DetectionNull, Labels
from marey.findings.intervals import Estimate, group_intervals
from marey.findings.labeled_clips import LabeledClips
from marey.findings.selectivity import selectivity, sparseness

LEVEL = 0.05
"""The false discovery rate of units over all layers."""

SINGLED_OUT = 0.8
"""The F1 above which a threshold singles out one class. A unit that responds to two classes alike reaches 2/3; with ten
clips of a class chance takes it above 0.8 in few cases of a hundred."""

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
    ranks = {name: descending_ranks(values) for name, values in responses.items()}
    classes = len(labeled.classes)
    found = {name: class_detection(one, labeled.labels, classes) for name, one in ranks.items()}
    alive = {name: np.ptp(values, axis=0) > 0 for name, values in responses.items()}
    p = {name: nulls[name].p(nulls[name].z(found[name])) for name in responses}
    every_p = np.concatenate([p[name].min(1)[alive[name]] for name in responses])
    every_q = false_discovery_control(every_p) if len(every_p) else every_p
    largest_p = float(every_p[every_q <= LEVEL].max(initial=0))

    def shares(clips: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(layer and all, kind), of some of the clips."""
        rows = []
        for name, values in responses.items():
            one = found[name] if clips.all() else _detection(values[clips], labeled.labels[clips], classes)
            kinds = _kinds(one, nulls[name], largest_p)[alive[name]]
            rows.append([(kinds == place).sum() for place in range(len(KINDS))])
        counts = np.array([*rows, np.sum(rows, axis=0)], np.float64)
        return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1))

    every = group_intervals(shares, labeled.groups, least=0, most=1)
    names = [*responses, ""]
    units = {name: int(one.sum()) for name, one in alive.items()}
    split = np.split(every_q, np.cumsum(list(units.values()))[:-1])
    return ServedClasses(
        pyarrow.concat_tables(
            [
                _table(
                    name,
                    found[name],
                    nulls[name],
                    responses=responses[name],
                    labeled=labeled,
                    q=_of_all(q, alive[name]),
                    largest_p=largest_p,
                )
                for name, q in zip(responses, split, strict=True)
            ]
        ),
        {name: Estimate(every.value[place], every.low[place], every.high[place]) for place, name in enumerate(names)},
        {**units, "": sum(units.values())},
        sum(int((~one).sum()) for one in alive.values()),
    )


def _detection(responses: NDArray[np.float32], labels: Labels, classes: int) -> ClassDetection:
    """The detection of all classes; 0 for one without a clip here."""
    there, own = np.unique(labels, return_inverse=True)
    found = class_detection(descending_ranks(responses), own, len(there))
    auprc, f1 = np.zeros((2, responses.shape[1], classes))
    auprc[:, there], f1[:, there] = found.auprc, found.f1
    return ClassDetection(auprc, f1)


def _kinds(found: ClassDetection, null: DetectionNull, largest_p: float) -> NDArray[np.intp]:
    """The place of each unit's kind in KINDS."""
    z = null.z(found)
    best = z.argmax(1)
    units = np.arange(len(z))
    serves = z[units, best] > null.critical_z(largest_p)
    return np.where(serves, np.where(found.f1[units, best] > SINGLED_OUT, 0, 1), 2)


def _of_all(q: NDArray[np.float64], alive: NDArray[np.bool_]) -> NDArray[np.float64]:
    out = np.ones(len(alive))
    out[alive] = q
    return out


def _table(
    layer: str,
    found: ClassDetection,
    null: DetectionNull,
    *,
    responses: NDArray[np.float32],
    labeled: LabeledClips,
    q: NDArray[np.float64],
    largest_p: float,
) -> pyarrow.Table:
    z = null.z(found)
    best, units = z.argmax(1), np.arange(len(z))
    kinds = np.array(KINDS)[_kinds(found, null, largest_p)]
    kinds = np.where(np.ptp(responses, axis=0) > 0, kinds, "dead")
    serves = [
        [str(labeled.classes[label])] if kind == "specific" else _names(labeled.classes, row)
        for kind, label, row in zip(kinds, best, z > null.critical_z(largest_p)[:, None], strict=True)
    ]
    count = len(labeled.classes)
    return pyarrow.table(
        {
            "layer": pyarrow.array([layer] * len(best), pyarrow.string()),
            "unit": pyarrow.array(units, pyarrow.int32()),
            "kind": pyarrow.array(kinds.tolist(), pyarrow.string()),
            "class": pyarrow.array([labeled.classes[label] for label in best], pyarrow.string()),
            "serves": pyarrow.array(serves, pyarrow.list_(pyarrow.string())),
            "auprc": found.auprc[units, best].astype(np.float64),
            "f1": found.f1[units, best].astype(np.float64),
            "p": null.p(z)[units, best],
            "q": q,
            "auc": class_auc(responses, labeled.labels, count)[units, best],
            "selectivity": selectivity(responses, labeled.labels, count),
            "sparseness": sparseness(responses, labeled.labels, count),
        }
    )


def _names(classes: Sequence[str], chosen: NDArray[np.bool_]) -> list[str]:
    return [name for name, here in zip(classes, chosen, strict=True) if here]
