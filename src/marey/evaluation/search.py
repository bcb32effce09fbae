"""Searches for the declarations under which a network is right more often than as declared, one after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from marey.datasets.skipped_clip import SkippedClip
from marey.evaluation.accuracy import wilson
from marey.evaluation.class_orders import class_orders, fitted_order
from marey.evaluation.compared import Answering, Answers, Compared, compared
from marey.evaluation.declarations import Declaration, declarations
from marey.evaluation.module_faults import Fault
from marey.network.network import Network
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import Method
from marey.video.read.clips import Clip

_ROUNDS = 3
"""Faults of one network that are found one after the other."""

CHANCE = 0.05
"""How often a right declaration may be called wrong."""

_LEAST = 5
"""Clips that must differ before a sign test can tell anything at 5 %."""

_FAR, _NEARER = 0.3, 0.5
"""A batch norm is far from its training beyond the first; another range is better below this share of its distance."""

_ALIKE = 0.05
"""Ranges at distances that differ by less cannot be told apart by a batch norm."""

_AS_GOOD = 0.05
"""Ranges that are right on as many clips but for this share are told apart by batch norms."""


@dataclass(frozen=True, eq=False)
class Row:
    """One declaration beside the one that is given.

    compared
        how often it is right; None without labels.
    same_answers, confidence
        on how many clips the best class is the same, and the mean probability of the best class.
    distances
        {stream: how far its first batch norm is from the statistics of training}.
    same_inputs
        whether the clips look the same under it.
    """

    declaration: Declaration
    compared: Compared | None
    same_answers: int
    confidence: float
    distances: Mapping[str, float]
    same_inputs: bool


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found: faults, all declarations beside the given one, and the clips that were shown or skipped."""

    faults: tuple[Fault, ...]
    rows: tuple[Row, ...]
    clips: int
    skipped: tuple[SkippedClip, ...]


def searched(
    network: Network,
    clips: Sequence[Clip],
    labels: Sequence[str] | None,
    *,
    ranges_alone: bool,
    flow: Method,
    cache: FlowCache,
    report: Callable[[int, int], None] | None = None,
) -> Found:
    """Compare declarations on clips of known (or None: unknown) classes, and go on from a better one.

    With `ranges_alone` only other means and deviations are tried.
    """
    names = None if labels is None else dict(zip(clips, labels, strict=True))
    given = Declaration("as declared", "", network.streams, classes=network.classes)
    faults: list[Fault] = []
    first: Found | None = None
    for _ in range(_ROUNDS):
        others = [one for one in declarations(given.streams) if one.about == "range" or not ranges_alone]
        answering = Answering(network, [given, *others], flow=flow, cache=cache)
        answers, used, skipped = answering.answers(clips, report=report)
        truth = None if names is None else [names[clip] for clip in used]
        rows = [*_rows(answers, truth, given.classes), *(_orders(answers[0], truth, given.classes) if truth else ())]
        first = first or Found((), tuple(rows), len(used), tuple(skipped))
        better, nearer = _better(rows, len(used)), _nearer(rows)
        if better is not None:
            faults.append(_right_more_often(rows[0], better, len(used)))
        elif nearer is not None:
            faults.append(_nearer_to_training(rows, nearer))
        else:
            break
        chosen = (better or nearer or rows[0]).declaration
        given = replace(given, streams=chosen.streams, classes=chosen.classes or given.classes)
    assert first is not None
    return replace(first, faults=tuple(faults))


def family(rows: Sequence[Row]) -> int:
    """How many declarations differ from the given one on so many clips that chance may take them for better."""
    return sum(row.compared is not None and row.compared.gained + row.compared.lost >= _LEAST for row in rows)


def _rows(answers: Sequence[Answers], truth: Sequence[str] | None, classes: Sequence[str]) -> Iterator[Row]:
    first = answers[0]
    right = None if truth is None else _right(first.scores, truth, classes)
    for one in answers:
        beside = None if right is None or truth is None else compared(right, _right(one.scores, truth, classes))
        same = int((one.scores.argmax(1) == first.scores.argmax(1)).sum())
        sure = float(one.scores.softmax(1).amax(1).mean())
        yield Row(one.declaration, beside, same, sure, one.distances, one.same_inputs)


def _orders(first: Answers, truth: Sequence[str], classes: Sequence[str]) -> Iterator[Row]:
    """Rows for other orders of the class names, under the streams as given."""
    right = _right(first.scores, truth, classes)
    found = [(name, write, order, _right(first.scores, truth, order)) for name, write, order in class_orders(classes)]
    labels = np.array([classes.index(name) for name in truth])
    hits, fitting = fitted_order(labels, first.scores.argmax(1).numpy(), len(classes))
    moved = [f"score {place} is '{classes[to]}'" for place, to in enumerate(fitting) if to != place]
    order = tuple(classes[to] for to in fitting)
    further = ", ..." if len(moved) > 6 else ""
    fits = "classes in the order of the scores: " + ", ".join(moved[:6]) + further
    found.append(("classes in the order that fits", fits, order, torch.from_numpy(hits)))
    for name, write, order, other in found:
        declaration = Declaration(name, write, first.declaration.streams, about="classes", classes=order)
        same = len(truth) if order == tuple(classes) else 0
        confidence = float(first.scores.softmax(1).amax(1).mean())
        yield Row(declaration, compared(right, other), same, confidence, first.distances, same_inputs=False)


def _right(scores: Tensor, truth: Sequence[str], classes: Sequence[str]) -> Tensor:
    return scores.argmax(1) == torch.tensor([classes.index(name) for name in truth])


def _better(rows: Sequence[Row], clips: int) -> Row | None:
    """The declaration that is right most often, of those that are so more often than chance may explain."""
    told: list[tuple[int, Row]] = []
    for row in rows[1:]:
        beside = row.compared
        if beside is not None and beside.gained + beside.lost >= _LEAST and beside.p * family(rows) < CHANCE:
            told.append((beside.right, row))
    if not told:
        return None
    most = max(right for right, _ in told)
    best = next(row for right, row in told if right == most)
    stream = best.declaration.stream
    if best.declaration.about != "range" or stream not in best.distances:
        return best
    as_good = _ranges([rows[0], *(row for right, row in told if right >= most - _AS_GOOD * clips)], stream)
    return min(as_good, key=lambda row: row.distances[stream])


def _nearer(rows: Sequence[Row]) -> Row | None:
    """Another range of a stream under which its first batch norm is much nearer to what it met in training."""
    for stream, far in rows[0].distances.items():
        near = min(_ranges(rows, stream), key=lambda row: row.distances[stream], default=None)
        if near is not None and far > _FAR and near.distances[stream] < _NEARER * far:
            worse = near.compared is not None and _worse(near.compared)
            return None if worse else near
    return None


def _worse(beside: Compared) -> bool:
    return Compared(0, beside.lost, beside.gained).p < CHANCE


def _right_more_often(given: Row, better: Row, clips: int) -> Fault:
    declared, beside = given.compared, better.compared
    assert declared is not None
    assert beside is not None
    shows = (
        f"declared right on {_share(declared.right, clips)}, as {better.declaration.name} on "
        f"{_share(beside.right, clips)}; {beside.gained} gained, {beside.lost} lost, p {beside.p:.2g}"
    )
    return Fault(_about(better.declaration), shows, f"write {better.declaration.write}")


def _nearer_to_training(rows: Sequence[Row], nearer: Row) -> Fault:
    """The fault that a batch norm shows; ranges that it cannot tell apart are all named."""
    stream = nearer.declaration.stream
    least = nearer.distances[stream]
    shows = (
        f"as declared its first batch norm is {rows[0].distances[stream]:.2f} from its training, as "
        f"{nearer.declaration.name} {least:.2f}"
    )
    alike = [row for row in _ranges(rows, stream) if row is not nearer and row.distances[stream] < least + _ALIKE]
    words = " or ".join(row.declaration.write for row in (nearer, *alike))
    return Fault(_about(nearer.declaration), shows, f"write {words}")


def _ranges(rows: Sequence[Row], stream: str) -> list[Row]:
    """The rows of other ranges of a stream."""
    return [row for row in rows[1:] if (row.declaration.about, row.declaration.stream) == ("range", stream)]


def _about(declaration: Declaration) -> str:
    return f"{declaration.about} of '{declaration.stream}'" if declaration.stream else str(declaration.about)


def _share(right: int, clips: int) -> str:
    low, high = wilson(right, clips)
    return f"{right} of {clips} ({low:.0%} to {high:.0%})"
