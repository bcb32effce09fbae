"""How the finding on fusion is put: its numbers, sentence, tables, figure and evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import isfinite

import numpy as np
import pyarrow

from marey.findings.carriers import Carrier
from marey.findings.chart import Chart, Series
from marey.findings.class_parts import ClassParts
from marey.findings.finding import Evidence, Finding
from marey.findings.intervals import Estimate
from marey.findings.joint_units import KINDS, LEVEL, NUMBERS, JointUnits
from marey.findings.measure import Measure, beyond
from marey.findings.pair_kinds import KINDS as PAIR_KINDS
from marey.findings.pair_kinds import PairKinds
from marey.findings.preferred_parts import PreferredParts

JOINT, BOTH, CONGRUENCE = (
    "units that respond more where appearance and motion of their class belong together",
    "variance that only both together explain",
    "response beyond the sum where both belong together",
)
SET_APART = "score by which both together set a class apart from the most similar class"
ADVANTAGE = "of what sets a class score apart from the most similar class, due to both together"

_SHOWN = {"joint_units": (JOINT, "share"), "both": (BOTH, "share"), "congruence": (CONGRUENCE, "standard deviations")}
_STREAMS = {"appearance": "variance that appearance explains", "motion": "variance that motion explains"}


def measures(
    found: Mapping[str, JointUnits],
    parts: Mapping[str, ClassParts],
    kinds: Mapping[str, PairKinds],
    network: str,
) -> tuple[tuple[Measure, ...], tuple[Measure, ...]]:
    """Those of the network, and those of the nulls."""
    own: list[Measure] = []
    nulls: list[Measure] = []
    for of, units in found.items():
        rows = own if of == network else nulls
        shown = {**_SHOWN, **({name: (words, "share") for name, words in _STREAMS.items()} if of == network else {})}
        for name, (words, unit) in shown.items():
            ends = _ends(units.numbers[""], NUMBERS.index(name))
            rows.append(Measure(words, of, *ends, units.units, _units(units), unit))
        if of in parts:
            count = len(parts[of].classes)
            rows.append(Measure(SET_APART, of, *_ends(parts[of].both, ()), count, "classes", "standard deviations"))
            if of == network:  # of what does not set classes apart, there is no share
                rows.append(Measure(ADVANTAGE, of, *_ends(parts[of].share, ()), count, "classes", "share"))
    every = np.concatenate([one.kind[found[network].layers[name].alive] for name, one in kinds.items()])
    none = float("nan")
    for place, kind in enumerate(PAIR_KINDS):
        share = float((every == place).mean()) if len(every) else 0.0
        own.append(
            Measure(f"units that pairs of clips call {kind}", network, share, none, none, len(every), "units", "share")
        )
    return tuple(own), tuple(nulls)


def _units(units: JointUnits) -> str:
    return f"units of {len(units.layers)} layer{'s' if len(units.layers) > 1 else ''}"


def _ends(found: Estimate, place: int | tuple[()]) -> tuple[float, float, float]:
    return (float(found.value[place]), float(found.low[place]), float(found.high[place]))


def sentence(own: Sequence[Measure], nulls: Sequence[Measure], units: JointUnits, parts: ClassParts | None) -> str:
    """The answer."""
    of = {one.name: one for one in own}
    beside = "; ".join(f"{one.of}: {100 * one.value:.0f} %" for one in nulls if one.name == JOINT)
    joint = of[JOINT]
    respond = f"{joint} respond" if joint.value > 0 else "none responds"
    said = (
        f"Of {units.units:,} {_units(units)} {respond} more where the appearance and the motion of their "
        f"class belong together than both add up to ({beside}){_more(joint, nulls)}, by {of[CONGRUENCE]} over all"
    )
    if parts is None:
        return f"{said}."
    clear = [place for place in range(len(parts.classes)) if parts.q[place] <= LEVEL and _total(parts, place) > 0]
    if not of[SET_APART].low > 0 or not clear:
        return f"{said}; nothing that needs both together sets class scores apart."
    said += f"; {of[ADVANTAGE]} of what sets class scores apart from the most similar class needs both together"
    first = max(clear, key=lambda place: parts.parts.value[place, 2] - np.abs(parts.parts.value[place, :2]).sum())
    share = min(parts.parts.value[first, 2] / _total(parts, first), 1)
    return f"{said}, most of all '{parts.classes[first]}' against '{parts.rivals[first]}' ({100 * share:.0f} %)."


def _more(joint: Measure, nulls: Sequence[Measure]) -> str:
    """How far the share of joint units lies above that of the strongest null."""
    strongest = max((one for one in nulls if one.name == JOINT), key=lambda one: one.value)
    if joint.value == 0:
        return ""
    more = beyond(joint, strongest)
    return f", {f'{more} more' if more.low > 0 else 'no more'} than in {strongest.of}"


def _total(parts: ClassParts, place: int) -> float:
    return float(parts.parts.value[place].sum())


def unit_table(units: JointUnits, kinds: Mapping[str, PairKinds], classes: Sequence[str]) -> pyarrow.Table:
    """A row for every unit of the network."""
    tables = []
    for name, one in units.layers.items():
        count, found = len(one.kind), one.congruence
        words = np.where(one.alive, np.array(KINDS)[one.kind], "dead")
        tables.append(
            pyarrow.table(
                {
                    "layer": pyarrow.array([name] * count, pyarrow.string()),
                    "unit": pyarrow.array(np.arange(count), pyarrow.int32()),
                    "kind": pyarrow.array(words.tolist(), pyarrow.string()),
                    "class": pyarrow.array([classes[label] for label in one.own], pyarrow.string()),
                    "appearance": one.appearance,
                    "motion": one.motion,
                    "both": one.both,
                    "congruence": found.at_class,
                    "p": found.class_p,
                    "q": one.q,
                    "same_class": found.same_class,
                    "congruence_of_all_clips": found.clips,
                    "p_of_all_clips": found.p,
                    "static": kinds[name].static,
                    "dynamic": kinds[name].dynamic,
                    "kept_in_pairs": [PAIR_KINDS[kind] for kind in kinds[name].kind],
                }
            )
        )
    return pyarrow.concat_tables(tables)


def layer_table(found: Mapping[str, JointUnits]) -> pyarrow.Table:
    """A row for every network and layer: estimates with their intervals, and the test over all clips."""
    rows = []
    for of, units in found.items():
        for name, one in units.layers.items():
            row: dict[str, object] = {"of": of, "layer": name, "units": int(one.alive.sum())}
            estimate = units.numbers[name]
            for place, number in enumerate(NUMBERS):
                ends = (estimate.value, estimate.low, estimate.high)
                row |= {
                    f"{number}{end}": float(values[place])
                    for end, values in zip(("", "_low", "_high"), ends, strict=True)
                }
            clips, p = one.congruence.clips[one.alive], one.congruence.p[one.alive]
            row["congruence_of_all_clips"] = float(clips.mean()) if len(clips) else 0.0
            row["p_of_all_clips_below_5_percent"] = float((p < 0.05).mean()) if len(p) else 0.0
            rows.append(row)
    return pyarrow.Table.from_pylist(rows)


def class_table(parts: Mapping[str, ClassParts], carried: Mapping[str, Sequence[Carrier | None]]) -> pyarrow.Table:
    """A row for every network and class: the parts of its advantage over the class most like it, in scores."""
    rows: list[dict[str, object]] = []
    for of, one in parts.items():
        value, low, high = one.parts.value, one.parts.low, one.parts.high
        for place, (name, rival) in enumerate(zip(one.classes, one.rivals, strict=True)):
            row: dict[str, object] = {"of": of, "class": name, "rival": rival, "advantage": _total(one, place)}
            for column, part in enumerate(_PARTS):
                row[part] = float(value[place, column])
                row[f"{part}_low"], row[f"{part}_high"] = float(low[place, column]), float(high[place, column])
            row["p"], row["q"] = float(one.p[place]), float(one.q[place])
            carrier = carried[of][place] if carried.get(of) else None
            row |= {"unit": None if carrier is None else carrier.unit}
            row |= {
                f"unit_{part}": None if carrier is None else carrier.parts[column] for column, part in enumerate(_PARTS)
            }
            rows.append(row)
    schema = None if rows else pyarrow.schema([("of", pyarrow.string()), ("class", pyarrow.string())])
    return pyarrow.Table.from_pylist(rows, schema=schema)


_PARTS = ("appearance", "motion", "both")


def chart(found: Mapping[str, JointUnits], network: str) -> Chart:
    """The share of joint units by layer, of the network and of what has nothing to find."""
    place = NUMBERS.index("joint_units")
    lines = []
    for of, units in found.items():
        some = [units.numbers[name] for name in units.layers]
        value, low, high = (
            tuple(float(ends[place]) for ends in every)
            for every in zip(*((one.value, one.low, one.high) for one in some), strict=True)
        )
        lines.append(Series(of, tuple(units.layers), value, low, high, null=of != network))
    return Chart("Units that join appearance and motion of their class", "layer", "share of units", tuple(lines))


def evidence(
    units: JointUnits,
    parts: ClassParts | None,
    carried: Sequence[Carrier | None],
    classes: Sequence[str],
    most: int = 3,
) -> tuple[Evidence, ...]:
    """The classes that both streams together set apart most, with the units that do it; the clearest joint units."""
    found: list[Evidence] = []
    if parts is not None:
        both = parts.parts.value[:, 2]
        for place in sorted(range(len(both)), key=lambda place: -both[place])[:most]:
            carrier = carried[place]
            if parts.q[place] <= LEVEL:
                said = (
                    f"'{parts.classes[place]}' against '{parts.rivals[place]}': {both[place]:.1f} of "
                    f"{_total(parts, place):.1f} scores by both together"
                )
                said += "" if carrier is None else f", and {carrier.parts[2]:.1f} of {carrier.apart:.1f} deviations"
                found.append(Evidence(said, float(both[place]), None if carrier is None else carrier.unit))
    best: dict[int, tuple[float, str]] = {}
    for name, one in units.layers.items():
        for unit in np.flatnonzero(one.kind == KINDS.index("joint")):
            value = float(one.congruence.at_class[unit])
            best[int(one.own[unit])] = max(best.get(int(one.own[unit]), (0.0, "")), (value, f"{name}:{unit}"))
    ordered = sorted(best.items(), key=lambda item: item[1], reverse=True)
    return (
        *found,
        *(
            Evidence(f"joins both for '{classes[label]}', {value:.1f} deviations beyond their sum", value, unit)
            for label, (value, unit) in ordered[: 2 * most]
        ),
    )


def with_preferred(found: Finding, pieces: Sequence[PreferredParts], network: str) -> Finding:
    """The finding with what responses to preferred inputs need."""
    others = [one.with_other for one in pieces if one.with_other is not None]
    rows = [{**asdict(one), "synergy": one.synergy} for one in pieces]
    return replace(
        found,
        measures=(*found.measures, *_median(network, [one.synergy for one in pieces])),
        nulls=(*found.nulls, *_median("another unit's motion", others)),
        tables={**found.tables, "preferred": pyarrow.Table.from_pylist(rows)},
    )


def _median(of: str, values: Sequence[float]) -> tuple[Measure, ...]:
    known, none = [value for value in values if isfinite(value)], float("nan")
    if not known:
        return ()
    name = "of what a preferred input adds to the response at rest, needs both streams, median"
    return (Measure(name, of, float(np.median(known)), none, none, len(known), "units", "share"),)
