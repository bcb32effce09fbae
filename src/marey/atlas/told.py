"""What findings say of single units: known tables in words, any other table with a row for a unit as it is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from pyarrow import compute

from marey.findings.finding import Finding

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Bar:
    """A number with its name: `share` is the length of its bar in 0..1, `marked` whether it counts."""

    name: str
    share: float
    text: str
    marked: bool = False


@dataclass(frozen=True)
class Told:
    """What one table of a finding says of a unit.

    facets
        {what units can be sorted and filtered by: the unit's words, or its number}.
    rows
        those of a table that has no words of its own.
    """

    question: str
    sentence: str = ""
    bars_name: str = ""
    bars: tuple[Bar, ...] = ()
    facets: Mapping[str, str | float] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


def told_of_units(findings: Iterable[Finding], layer: str) -> dict[int, list[Told]]:
    """{channel: what all findings say of this unit of a layer}."""
    found: dict[int, list[Told]] = {}
    for finding in findings:
        for name, table in finding.tables.items():
            if not {"layer", "unit"} <= set(table.schema.names):
                continue
            rows: dict[int, list[Row]] = {}
            for row in table.filter(compute.equal(table["layer"], layer)).to_pylist():
                rows.setdefault(int(row["unit"]), []).append(row)
            words = _WORDS.get((finding.question, name), _as_it_is)
            for channel, own in rows.items():
                told = words(finding.question, own)
                if told is not None:
                    found.setdefault(channel, []).append(told)
    return found


def _specificity(question: str, rows: Sequence[Row]) -> Told:
    (row,) = rows[:1]
    numbers = f"average precision {row['auprc']:.2f} for {row['class']}, q = {row['q']:.2g}"
    words = {
        "specific": f"Serves one class, {row['class']} ({numbers}).",
        "generic": f"Serves several classes: {', '.join(row['serves'])} ({numbers}).",
    }
    kind = {"specific": "one class", "generic": "several classes"}.get(row["kind"], "no class")
    sentence = words.get(row["kind"], f"Serves no class that the clips show ({numbers}).")
    return Told(question, sentence, facets={"serves": kind, "average precision": float(row["auprc"])})


def _fusion(question: str, rows: Sequence[Row]) -> Told:
    (row,) = rows[:1]
    words = {
        "joint": f"Joins appearance and motion: it responds more where those of {row['class']} belong together",
        "appearance": "Appearance explains most of its response",
        "motion": "Motion explains most of its response",
    }
    sentence = words.get(row["kind"], "Neither stream alone, nor their match, explains its response")
    sentence += f" (congruence {_number(row['congruence'])} s.d., q = {_number(row['q'])})."
    parts = ("appearance", "motion", "both")
    bars = tuple(Bar(name, _share(row[name]), f"{100 * _share(row[name]):.0f} %") for name in parts)
    return Told(question, sentence, "Share of the variance that is explained by", bars, {"joins": str(row["kind"])})


def _needs(question: str, rows: Sequence[Row]) -> Told | None:
    if not any(row["alive"] for row in rows):
        return None
    bars = tuple(
        Bar(str(row["change"]), _share(row["lost"]), f"{100 * row['lost']:.0f} %", bool(row["needed"]))
        for row in rows
        if row["lost"] is not None and isfinite(row["lost"])
    )
    most = [row["change"] for row in rows if row["costs_most"]]
    sentence = f"Shown otherwise, it loses most by '{most[0]}'." if most else "No change of its best clips stands out."
    name = "Part of its response that it loses; marked where it is more than with dealt clips"
    return Told(question, sentence, name, bars, {"loses most by": str(most[0]) if most else "nothing"})


def _speeds(question: str, rows: Sequence[Row]) -> Told | None:
    (row,) = rows[:1]
    speeds = [name for name in row if name.startswith("at_")]
    if any(row[name] is None for name in speeds) or row["preferred_octaves"] is None:
        return None
    bars = tuple(Bar(f"{name.removeprefix('at_')} x", _share(row[name]), f"{row[name]:.2f}") for name in speeds)
    sentence = (
        f"Prefers {2 ** row['preferred_octaves']:.2g} times the speed of its best clips; its tuning is "
        f"{row['bandwidth_octaves']:.1f} octaves wide."
    )
    return Told(
        question, sentence, "Response by speed of the clips", bars, {"preferred speed": float(row["preferred_octaves"])}
    )


def _tempo(question: str, rows: Sequence[Row]) -> Told | None:
    return Told(question, "Reads the tempo of drums.") if rows[0]["reads"] else None


def _outside(question: str, rows: Sequence[Row]) -> Told:
    (row,) = rows[:1]
    sentence = (
        f"Tells {row['class']}; in {100 * row['on_actor']:.0f} % of its best clips it responds most on the actor, at "
        f"random places in {100 * row['chance']:.0f} % (q = {_number(row['q'])})."
    )
    return Told(question, sentence)


def _errors(question: str, rows: Sequence[Row]) -> Told:
    pairs = "; ".join(f"{row['class']} taken for {row['taken_for']} (adds {_number(row['adds'])})" for row in rows)
    return Told(question, f"Carries errors of the network: {pairs}.")


def _as_it_is(question: str, rows: Sequence[Row]) -> Told:
    shown = tuple({name: _text(value) for name, value in row.items() if name not in ("layer", "unit")} for row in rows)
    return Told(question, rows=shown)


_WORDS: Mapping[tuple[str, str], Callable[[str, Sequence[Row]], Told | None]] = {
    ("specificity", "units"): _specificity,
    ("fusion", "units"): _fusion,
    ("needs", "units"): _needs,
    ("invariance", "units"): _speeds,
    ("invariance", "tempo"): _tempo,
    ("idiosyncrasies", "outside_units"): _outside,
    ("failures", "units"): _errors,
}


def _share(value: float | None) -> float:
    return 0.0 if value is None or not isfinite(value) else min(1.0, max(0.0, value))


def _number(value: float | None) -> str:
    return "-" if value is None or not isfinite(value) else f"{value:.2g}"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
