"""What is said of one clip: a margin between two classes, and the units that make it, as a finding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from torch import Tensor

from marey.findings.chart import Chart, Series
from marey.findings.finding import Evidence, Finding
from marey.findings.measure import Measure
from marey.video.read.clips import LoadedClip

NAME = "explain"

SHEET = "explanation.png"
"""The file beside the folder of the finding in which its units are drawn."""

_ENDS = (2.5, 97.5)
_NAN = float("nan")


@dataclass(frozen=True, eq=False)
class UnitSeen:
    """A unit that made the difference, and where it responds.

    unit
        its address.
    effect
        how much the lead of the first class shrinks while it is held.
    frame, seconds, y, x
        where its largest response is: the frame, its time, and the place from 0 (top, left) to 1.
    top
        the clips of a recording to which it responds most, with their classes.
    loaded, heat
        the clip, and the responses (time height width) over the pixels of its frames.
    """

    unit: str
    effect: float
    frame: int
    seconds: float
    y: float
    x: float
    top: tuple[tuple[str, str | None], ...]
    loaded: LoadedClip
    heat: Tensor


@dataclass(frozen=True, eq=False)
class Margin:
    """The lead of the first of two classes in one clip, as it is and while units are held.

    first, other
        the classes.
    lead, held, random, whole
        of the first over the other: as it is, with the chosen units held, with as many random units held (draw), and
        with all units of the layer held.
    effects
        (unit), what each unit of the layer adds to the lead.
    held_at
        at which values units are held, in words.
    """

    first: str
    other: str
    layer: str
    lead: float
    held: float
    random: NDArray[np.float64]
    whole: float
    effects: NDArray[np.float64]
    held_at: str

    @property
    def p(self) -> float:
        """How often as many random units take as much of the lead."""
        return float((1 + (self.random <= self.held + 1e-9).sum()) / (1 + len(self.random)))


@dataclass(frozen=True, eq=False)
class Explanation:
    """What made the network say a class: the finding, and the units as they are seen in the clip.

    The finding is what is saved; `marey.draw.explanation` draws the units.
    """

    finding: Finding
    seen: tuple[UnitSeen, ...]

    def __str__(self) -> str:
        return str(self.finding)

    def save(self, folder: str | Path) -> Path:
        """Write the finding to a folder, see `Finding.save`."""
        return self.finding.save(folder)


def explanation_of(
    clip: str,
    margin: Margin,
    seen: Sequence[UnitSeen],
    probabilities: Mapping[str, float],
    *,
    remarks: Sequence[str],
    provenance: Mapping[str, Any],
) -> Explanation:
    """Put what was found into words, tables and a figure."""
    finding = Finding(
        NAME,
        f"Why does the network say '{margin.first}' and not '{margin.other}' of '{clip}'?",
        _sentence(margin, seen, probabilities),
        _measures(margin, len(seen)),
        _nulls(margin, len(seen)),
        _tables(margin, seen, probabilities),
        _chart(margin, seen),
        evidence=tuple(_evidence(one) for one in seen),
        remarks=tuple(remarks),
        provenance=provenance,
    )
    return Explanation(finding, tuple(seen))


def _sentence(margin: Margin, seen: Sequence[UnitSeen], probabilities: Mapping[str, float]) -> str:
    most = sorted(probabilities, key=lambda name: -probabilities[name])
    said = ", ".join(f"{name} {100 * probabilities[name]:.0f} %" for name in most[:3])
    low, high = np.percentile(margin.random, _ENDS)
    verdict = (
        f", with as many random units {low:.2f} to {high:.2f} (p = {margin.p:.2g})"
        if margin.p <= 0.05
        else f", as with random units ({low:.2f} to {high:.2f}, p = {margin.p:.2g}): no few units make the difference"
    )
    return (
        f"The network says {said}. {margin.first} leads {margin.other} by {margin.lead:.2f}; with the {len(seen)} "
        f"units of {margin.layer} held that add most to this lead it is {margin.held:.2f}{verdict}."
    )


def _measures(margin: Margin, count: int) -> tuple[Measure, ...]:
    lead = f"lead of {margin.first} over {margin.other}"
    measures = [
        Measure(lead, "the network", margin.lead, _NAN, _NAN, 1, "clip"),
        Measure(lead, f"{count} units of {margin.layer} held", margin.held, _NAN, _NAN, 1, "clip"),
        Measure(lead, f"all units of {margin.layer} held", margin.whole, _NAN, _NAN, 1, "clip"),
    ]
    if margin.whole < 0.5 * margin.lead:  # else the layer as a whole adds too little to be shared out
        share = (margin.lead - margin.held) / (margin.lead - margin.whole)
        name = "explained of what the layer adds to the lead"
        measures.append(Measure(name, f"{count} units of {margin.layer} held", share, _NAN, _NAN, 1, "clip", "share"))
    return tuple(measures)


def _nulls(margin: Margin, count: int) -> tuple[Measure, ...]:
    low, high = np.percentile(margin.random, _ENDS)
    name, of = f"lead of {margin.first} over {margin.other}", f"{count} random units of {margin.layer} held"
    return (Measure(name, of, float(margin.random.mean()), float(low), float(high), len(margin.random), "draws"),)


def _tables(margin: Margin, seen: Sequence[UnitSeen], probabilities: Mapping[str, float]) -> dict[str, pyarrow.Table]:
    order = np.argsort(-margin.effects, kind="stable")
    rows = [
        {
            "unit": one.unit,
            "effect": one.effect,
            "frame": one.frame,
            "seconds": one.seconds,
            "y": one.y,
            "x": one.x,
            "top_clips": [path for path, _ in one.top],
            "top_classes": [label or "" for _, label in one.top],
        }
        for one in seen
    ]
    return {
        "classes": pyarrow.table({"class": list(probabilities), "probability": list(probabilities.values())}),
        "effects": pyarrow.table(
            {
                "layer": [margin.layer] * len(order),
                "unit": pyarrow.array(order, pyarrow.int32()),
                "effect": margin.effects[order],
            }
        ),
        "seen": pyarrow.Table.from_pylist(rows),
    }


def _chart(margin: Margin, seen: Sequence[UnitSeen]) -> Chart:
    words = tuple(one.unit for one in seen)
    low, high = (float(end) for end in np.percentile(margin.effects, _ENDS))
    usual = float(margin.effects.mean())
    return Chart(
        f"What units add to the lead of {margin.first} over {margin.other}",
        "unit",
        "lead lost while the unit is held",
        (
            Series("units that made the difference", words, tuple(one.effect for one in seen)),
            Series(
                f"all units of {margin.layer}",
                words,
                (usual,) * len(words),
                (low,) * len(words),
                (high,) * len(words),
                null=True,
            ),
        ),
    )


def _evidence(one: UnitSeen) -> Evidence:
    down, across = _third(one.y, ("top", "middle", "bottom")), _third(one.x, ("left", "center", "right"))
    where = "" if one.y == one.x == 0.5 else f", at the {down} {across}"
    classes = ", ".join(dict.fromkeys(label for _, label in one.top if label))
    known = f"; its top clips are of {classes}" if classes else ""
    what = f"adds {one.effect:.2f}, most at {one.seconds:.2f} s{where}{known}"
    return Evidence(what, one.effect, one.unit, tuple(path for path, _ in one.top))


def _third(place: float, words: tuple[str, str, str]) -> str:
    return words[min(2, int(3 * place))]
