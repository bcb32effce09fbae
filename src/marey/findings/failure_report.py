"""A network's errors as a finding: the sentence, its measures and nulls, tables, the figure, what to look at."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow

from marey.findings.carrying_units import Traced, pooled
from marey.findings.chart import Chart, Series
from marey.findings.failures_found import LEVEL, Failures
from marey.findings.finding import Evidence, Finding
from marey.findings.measure import Measure

NETWORK, SHUFFLED = "the network", "shuffled labels"

_ENDS = (2.5, 97.5)
_NAN = float("nan")


def finding_of(name: str, asks: str, found: Failures, remarks: Sequence[str], provenance: Mapping[str, Any]) -> Finding:
    """The finding that says what is known of the errors."""
    return Finding(
        name,
        asks,
        _sentence(found),
        _measures(found),
        _nulls(found),
        _tables(found),
        _chart(found),
        evidence=_evidence(found),
        remarks=(*remarks, *_remarks(found)),
        provenance=provenance,
    )


def _sentence(found: Failures) -> str:
    accuracy = _accuracy(found)
    right = f"{found.clips - found.errors} of {found.clips} clips are right ({accuracy}; {SHUFFLED}: "
    right += f"{100 * float(found.by_chance.mean()):.0f} %)"
    if not found.errors:
        return f"All {right.removeprefix(f'{found.clips} of ')}: there is no failure to explain."
    if not found.knows_classes:
        return f"{right}, which dealt labels reach as well (p = {found.p:.2g}): its errors say nothing."
    if not found.frequent:
        return f"{right}; no class is taken for another more often than evenly spread errors would be."
    pairs = ", ".join(
        f"{found.names(pair)} ({len(pair.failing)} of {pair.clips}, AUC of the scores "
        f"{float(found.apart[found.pairs.index(pair)].value):.2f})"
        for pair in found.frequent[:4]
    )
    more = f" and {len(found.frequent) - 4} more" if len(found.frequent) > 4 else ""
    taken = f"{right}; more often than evenly spread errors it takes {pairs}{more}."
    return " ".join(filter(None, (taken, _traced_words(found), _near_words(found))))


def _traced_words(found: Failures) -> str:
    best = list(found.best.values())
    if not best:
        return f"No error is carried by {found.units} units more than by random ones."
    before = pooled(best, lambda one: one.before)
    after = pooled(best, lambda one: float(one.after.value))
    by_chance = pooled(best, lambda one: float(one.random_after.mean()))
    put_right = pooled(best, lambda one: float(one.put_right.value))
    random_right = pooled(best, lambda one: float(one.random_put_right.mean()))
    other = pooled(best, lambda one: one.lost_other)
    which = "This error is" if len(found.frequent) == 1 else f"{len(best)} of these {len(found.frequent)} errors are"
    units = "1 unit" if found.units == 1 else f"{found.units} units"
    whose = ": these are the units of the other class, not of the error" if other > _WHOLE_CLASS else ""
    return (
        f"{which} carried by {units} of a layer: where these are held at their means, the lead of the wrong "
        f"class goes from {before:.2g} to {after:.2g} (random units {by_chance:.2g}), and {100 * put_right:.0f} % of "
        f"the failing clips come right (random {100 * random_right:.0f} %), but {100 * other:.0f} % of the right clips "
        f"of the other class are lost{whose}."
    )


_WHOLE_CLASS = 0.5
"""Of the right clips of the other class. Where more are lost, that class as a whole is held."""


def _near_words(found: Failures) -> str:
    near = found.closeness
    if near is None:
        return ""
    words = (
        "Near classes are confused more" if near.p <= LEVEL else "Nearness of classes does not tell what is confused"
    )
    return f"{words}: rank correlation {near.rank_correlation:.2f}, p = {near.p:.2g}."


def _accuracy(found: Failures) -> Measure:
    ends = found.accuracy
    values = (float(ends.value[0]), float(ends.low[0]), float(ends.high[0]))
    return Measure("accuracy", NETWORK, *values, found.clips, "clips", "share")


_OUTCOMES = (
    ("failing clips put right", "put_right", "random_put_right", "share"),
    ("lead of the wrong class", "after", "random_after", ""),
    ("right clips lost", "lost", "random_lost", "share"),
    ("right clips of the other class lost", "lost_other", "random_lost_other", "share"),
)


def _measures(found: Failures) -> tuple[Measure, ...]:
    measures = [_accuracy(found)]
    if found.errors:
        frequent = sum(len(pair.failing) for pair in found.frequent)
        measures.append(
            Measure(
                "errors in confused pairs",
                NETWORK,
                frequent / found.errors,
                _NAN,
                _NAN,
                found.errors,
                "errors",
                "share",
            )
        )
    if own := found.traced_of(found.layers[0]):
        before, clips = pooled(own, lambda one: one.before), sum(len(one.pair.failing) for one in own)
        measures.append(Measure("lead of the wrong class", NETWORK, before, _NAN, _NAN, clips, "failing clips"))
    for layer in found.layers:
        own = found.traced_of(layer)
        for name, field, _, unit in _OUTCOMES if own else ():
            measures.append(_pooled_measure(found, own, layer, name=name, field=field, unit=unit))
    if found.closeness is not None:
        near = found.closeness
        ends = (near.rank_correlation, near.low, near.high)
        measures.append(
            Measure("nearness of classes, rank correlation with confusions", near.of, *ends, near.classes, "classes")
        )
    return tuple(measures)


def _pooled_measure(found: Failures, own: Sequence[Traced], layer: str, *, name: str, field: str, unit: str) -> Measure:
    """The mean over pairs; its interval that of a mean of as many independent ones."""
    clips = sum(len(one.pair.failing) for one in own)
    of = f"{found.units} units of {layer} that carry the error"
    if field == "lost_other":
        return Measure(name, of, pooled(own, lambda one: one.lost_other), _NAN, _NAN, clips, "failing clips", unit)
    value = pooled(own, lambda one: float(getattr(one, field).value))
    low = pooled(own, lambda one: float(getattr(one, field).low))
    high = pooled(own, lambda one: float(getattr(one, field).high))
    return Measure(name, of, value, low, high, clips, "failing clips", unit)


def _nulls(found: Failures) -> tuple[Measure, ...]:
    low, high = np.percentile(found.by_chance, _ENDS)
    nulls = [
        Measure(
            "accuracy", SHUFFLED, float(found.by_chance.mean()), float(low), float(high), found.clips, "clips", "share"
        )
    ]
    for layer in found.layers:
        own = found.traced_of(layer)
        for name, _, field, unit in _OUTCOMES if own else ():
            every = np.average(
                [getattr(one, field) for one in own], axis=0, weights=[len(one.pair.failing) for one in own]
            )
            low, high = np.percentile(every, _ENDS)
            of = f"{found.units} random units of {layer}"
            nulls.append(Measure(name, of, float(every.mean()), float(low), float(high), found.draws, "draws", unit))
    return tuple(nulls)


def _tables(found: Failures) -> dict[str, pyarrow.Table]:
    tables = {"classes": _class_table(found), "confusion": _confusion_table(found)}
    if found.traced:
        tables |= {"pairs": _pair_table(found), "traced": _traced_table(found), "units": _unit_table(found)}
        tables["clips"] = pyarrow.Table.from_pylist(
            [
                {
                    "class": found.classes[pair.right],
                    "taken_for": found.classes[pair.taken_for],
                    "clip": found.paths[clip],
                }
                for pair in found.pairs
                for clip in pair.failing.tolist()
            ]
        )
    return tables


def _class_table(found: Failures) -> pyarrow.Table:
    clips = found.counts.sum(1)
    rows = [
        {
            "class": name,
            "clips": int(clips[place]),
            "right": int(found.counts[place, place]),
            "accuracy": float(found.accuracy.value[1 + place]),
            "accuracy_low": float(found.accuracy.low[1 + place]),
            "accuracy_high": float(found.accuracy.high[1 + place]),
        }
        for place, name in enumerate(found.classes)
        if clips[place]
    ]
    return pyarrow.Table.from_pylist(rows)


def _confusion_table(found: Failures) -> pyarrow.Table:
    rows = [
        {"class": found.classes[a], "predicted": found.classes[b], "clips": int(found.counts[a, b])}
        for a, b in np.argwhere(found.counts > 0).tolist()
    ]
    return pyarrow.Table.from_pylist(rows)


def _pair_table(found: Failures) -> pyarrow.Table:
    near = found.closeness
    rows = [
        {
            "class": found.classes[pair.right],
            "taken_for": found.classes[pair.taken_for],
            "clips": len(pair.failing),
            "of": pair.clips,
            "p": pair.p,
            "auc": float(apart.value),
            "auc_low": float(apart.low),
            "auc_high": float(apart.high),
            "nearness": _NAN if near is None else float(near.near[pair.right, pair.taken_for]),
        }
        for pair, apart in zip(found.pairs, found.apart, strict=True)
    ]
    return pyarrow.Table.from_pylist(rows)


def _traced_table(found: Failures) -> pyarrow.Table:
    rows = []
    for one, q in zip(found.traced, found.q, strict=True):
        row: dict[str, object] = {
            "class": found.classes[one.pair.right],
            "taken_for": found.classes[one.pair.taken_for],
            "layer": one.layer,
            "units": len(one.units),
            "held_out": one.held_out,
            "p": one.p,
            "q": q,
            "before": one.before,
            "lost_other": one.lost_other,
        }
        for field in ("put_right", "after", "lost"):
            ends = getattr(one, field)
            row |= {field: float(ends.value), f"{field}_low": float(ends.low), f"{field}_high": float(ends.high)}
        for _, _, field, _ in _OUTCOMES:
            every = getattr(one, field)
            low, high = np.percentile(every, _ENDS)
            row |= {field: float(every.mean()), f"{field}_low": float(low), f"{field}_high": float(high)}
        rows.append(row)
    return pyarrow.Table.from_pylist(rows)


def _unit_table(found: Failures) -> pyarrow.Table:
    rows = [
        {
            "class": found.classes[one.pair.right],
            "taken_for": found.classes[one.pair.taken_for],
            "layer": one.layer,
            "unit": unit,
            "adds": carried,
        }
        for one in found.traced
        for unit, carried in zip(one.units, one.carried, strict=True)
    ]
    return pyarrow.Table.from_pylist(rows)


def _chart(found: Failures) -> Chart:
    if not (found.traced and found.frequent):  # a pair that is not claimed is not drawn, either
        places = np.flatnonzero(found.counts.sum(1) > 0).tolist()
        names = tuple(found.classes[place] for place in places)
        ends = [tuple(float(end[1 + place]) for place in places) for end in
                (found.accuracy.value, found.accuracy.low, found.accuracy.high)]  # fmt: skip
        chance = tuple(float(found.by_chance.mean()) for _ in names)
        lines = (Series(NETWORK, names, ends[0], ends[1], ends[2]), Series(SHUFFLED, names, chance, null=True))
        return Chart("Clips that are classified right", "class", "share of clips", lines)
    pairs = list(dict.fromkeys(one.pair for one in found.traced))
    words = tuple(f"{found.names(pair)} ({len(pair.failing)})" for pair in pairs)
    leads = tuple(next(one.before for one in found.traced if one.pair is pair) for pair in pairs)
    series = [Series("as it is", words, leads)]
    for layer in found.layers:
        own = [one for one in found.traced if one.layer == layer]
        ends = [tuple(float(getattr(one.after, end)) for one in own) for end in ("value", "low", "high")]
        series.append(Series(f"{found.units} units of {layer} held", words, ends[0], ends[1], ends[2]))
    every = [np.concatenate([one.random_after for one in found.traced if one.pair is pair]) for pair in pairs]
    low, high = (tuple(float(np.percentile(values, end)) for values in every) for end in _ENDS)
    middle = tuple(float(values.mean()) for values in every)
    series.append(Series("as many random units held", words, middle, low, high, null=True))
    return Chart(
        "Failing clips with the units held that carry the error", "pair", "lead of the wrong class", tuple(series)
    )


def _evidence(found: Failures, most: int = 3) -> tuple[Evidence, ...]:
    """Of each pair the clips, then the units that carry most, in the layer where most of the lead goes."""
    shown = []
    for pair, one in found.best.items():
        clips = tuple(found.paths[clip] for clip in pair.failing[:most].tolist())
        shown.append(Evidence(f"{found.names(pair)}, {len(pair.failing)} clips", len(pair.failing), None, clips))
        for unit, carried in list(zip(one.units, one.carried, strict=True))[:most]:
            what = f"carries {found.names(pair)}, adds {carried:.2g}"
            shown.append(Evidence(what, carried, f"{one.layer}:{unit}", clips[:1]))
    return tuple(shown)


def _remarks(found: Failures) -> tuple[str, ...]:
    if not found.knows_classes:
        return ()
    remarks = []
    rare = [pair for pair in found.pairs if pair not in found.frequent]
    if rare:
        words = ", ".join(f"{found.names(pair)} ({len(pair.failing)} of {pair.clips})" for pair in rare[:6])
        remarks.append(f"no more than evenly spread errors give, in the tables only: {words}")
    blind = [
        found.names(pair)
        for pair, apart in zip(found.pairs, found.apart, strict=True)
        if pair in found.frequent and float(apart.low) <= 0.5 <= float(apart.high)
    ]
    if blind:
        remarks.append(
            f"the scores do not tell the classes apart (AUC 0.5 within its interval): {', '.join(blind)}; what puts "
            "these clips right loses as many of the other class"
        )
    if any(not one.held_out and one.pair in found.frequent for one in found.traced):
        remarks.append(
            "where all failing clips of a pair are of one group, units are tested on the clips they were chosen on"
        )
    return tuple(remarks)
