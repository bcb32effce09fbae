"""What is told of the needs of units: shares, tables, the figure, and units to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow
from numpy.typing import NDArray

from marey.findings.chart import Chart, Series
from marey.findings.finding import Evidence
from marey.findings.interventions import (
    ACTOR,
    BACKGROUND,
    FLOW_ONLY,
    NOISE,
    ONE_FRAME,
    REVERSED,
    RGB_ONLY,
    SHUFFLED,
)
from marey.findings.labeled_clips import LabeledClips
from marey.findings.losses import Losses
from marey.findings.measure import Measure

NEEDS: Mapping[str, tuple[str, ...]] = {
    "motion": (ONE_FRAME, RGB_ONLY),
    "appearance": (FLOW_ONLY, NOISE),
    "order": (SHUFFLED, REVERSED),
    "the actor": (BACKGROUND,),
    "what is around": (ACTOR,),
}
"""For each need the changes that take it away."""

NETWORK, UNTRAINED, FRAME_ONLY = "the network", "an untrained copy", "a network of single frames"


@dataclass(frozen=True, eq=False)
class NeedsTold:
    """What was found of one network.

    changes, needs
        how its clips were changed, and what that tells.
    sizes
        {layer: units}, in the order of the units.
    counted
        the layers that count in the share of all units.
    """

    changes: tuple[str, ...]
    needs: tuple[str, ...]
    sizes: Mapping[str, int]
    counted: tuple[str, ...]
    losses: Losses

    @property
    def layers(self) -> list[str]:
        """The layer of every unit."""
        return [name for name, size in self.sizes.items() for _ in range(size)]

    @property
    def channels(self) -> list[int]:
        """The channel of every unit."""
        return [channel for size in self.sizes.values() for channel in range(size)]

    @property
    def asked(self) -> NDArray[np.bool_]:
        """(unit), those that count in the share of all and are alive."""
        return np.asarray(np.isin(self.layers, self.counted) & self.losses.alive)

    @property
    def unexplained(self) -> float:
        """The share of units that need nothing of all that was taken away."""
        none = np.logical_not(np.any(self.losses.needed, 0))
        return float(np.mean(none, where=self.asked)) if self.asked.any() else 1.0


def shares_of_units(of: str, told: NeedsTold) -> tuple[Measure, ...]:
    """The share of units that need each thing."""
    shares = told.losses.shares
    return tuple(
        Measure(
            f"units that need {need}",
            of,
            float(shares.value[place, -1]),
            float(shares.low[place, -1]),
            float(shares.high[place, -1]),
            int(told.asked.sum()),
            f"units of {len(told.counted)} layers",
            "share",
        )
        for place, need in enumerate(told.needs)
    )


def sentence(measures: Sequence[Measure], nulls: Sequence[Measure]) -> str:
    """The answer in one sentence."""
    parts = [f"{one} need {one.name.removeprefix('units that need ')}" for one in measures]
    by: dict[str, list[str]] = {}
    for one in nulls:
        by.setdefault(one.of, []).append(f"{100 * one.value:.0f} % {one.name.removeprefix('units that need ')}")
    beside = "; ".join(f"{of}: {', '.join(shares)}" for of, shares in by.items())
    return f"Of {measures[0].count:,} {measures[0].counted} {', '.join(parts)} ({beside})."


def unit_table(told: NeedsTold) -> pyarrow.Table:
    """A row for every unit and change."""
    found = told.losses
    worst = np.where(found.needed, found.beyond.value, -np.inf).argmax(0)
    tables = [
        pyarrow.table(
            {
                "layer": pyarrow.array(told.layers, pyarrow.string()),
                "unit": pyarrow.array(told.channels, pyarrow.int32()),
                "change": pyarrow.array([change] * len(found.alive), pyarrow.string()),
                "lost": found.own[place],
                "lost_by_others": found.others[place],
                "lost_beyond": found.beyond.value[place],
                "low": found.beyond.low[place],
                "high": found.beyond.high[place],
                "p": found.p[place],
                "q": found.q[place],
                "needed": found.needed[place],
                "costs_most": found.needed[place] & (worst == place),
                "alive": found.alive,
            }
        )
        for place, change in enumerate(told.changes)
    ]
    return pyarrow.concat_tables(tables)


def layer_table(found: Mapping[str, NeedsTold]) -> pyarrow.Table:
    """A row for every layer and need, of the network and of its nulls."""
    rows = [
        {
            "of": of,
            "layer": name,
            "need": need,
            "share": float(told.losses.shares.value[place, layer]),
            "low": float(told.losses.shares.low[place, layer]),
            "high": float(told.losses.shares.high[place, layer]),
        }
        for of, told in found.items()
        for layer, name in enumerate(told.sizes)
        for place, need in enumerate(told.needs)
    ]
    return pyarrow.Table.from_pylist(rows)


def chart(found: Mapping[str, NeedsTold]) -> Chart:
    """The shares over the layers; of the nulls those of motion and of order."""

    def series(of: str, need: str, label: str) -> Series:
        told = found[of]
        shares, place = told.losses.shares, told.needs.index(need)
        value, low, high = (tuple(map(float, ends[place, :-1])) for ends in (shares.value, shares.low, shares.high))
        return Series(label, tuple(told.sizes), value, low, high, null=of != NETWORK)

    lines = [series(NETWORK, need, need) for need in found[NETWORK].needs]
    lines += [
        series(of, need, f"{need}, {of}")
        for of in list(found)[1:]
        for need in found[of].needs
        if need == ("motion" if of == UNTRAINED else "order")
    ]
    return Chart("What units need, from the first layer to the last", "layer", "share of units", tuple(lines))


def evidence(told: NeedsTold, labeled: LabeledClips, *, clips: int = 3) -> tuple[Evidence, ...]:
    """For each change the counted unit that surely loses most."""
    found, made = told.losses, []
    for place, change in enumerate(told.changes):
        sure = np.where(found.needed[place] & told.asked, found.beyond.low[place], -np.inf)
        unit = int(sure.argmax())
        if np.isfinite(sure[unit]):
            lost = float(found.beyond.value[place, unit])
            paths = tuple(str(labeled.clips[clip].path) for clip in found.best[unit, :clips])
            address = f"{told.layers[unit]}:{told.channels[unit]}"
            made.append(Evidence(f"loses {100 * lost:.0f} % by '{change}'", lost, address, paths))
    return tuple(made)
