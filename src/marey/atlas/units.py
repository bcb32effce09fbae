"""What the pages of a layer and of its units show, from plain files, one layer at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from marey.atlas.driving import Driving, RealClips
from marey.atlas.films import Film
from marey.atlas.preferred import Preferred
from marey.atlas.told import Told, told_of_units
from marey.findings.finding import Finding
from marey.network.layer import Layer
from marey.network.stream import Stream
from marey.network.unit import Unit
from marey.recording import Recording


@dataclass(frozen=True)
class ByClass:
    """A unit's largest responses to the clips of a class: their mean and the middle 90 %; `label` None: all clips."""

    label: str | None
    clips: int
    low: float
    mean: float
    high: float


@dataclass(frozen=True, eq=False)
class UnitData:
    """All that is shown of a unit.

    name
        its class for a unit of the class scores, else its address.
    ordinary, largest
        the response from which scores count, and the largest one to a recorded clip.
    best_class
        the class to whose clips it responds most on average.
    """

    unit: Unit
    name: str
    ordinary: float
    largest: float
    best_class: str | None
    by_class: tuple[ByClass, ...]
    preferred: Preferred | None
    driving: tuple[Driving, ...]
    told: tuple[Told, ...]

    @property
    def dead(self) -> bool:
        """Whether no recorded clip drives it above its ordinary response."""
        return self.largest <= self.ordinary

    @property
    def facets(self) -> dict[str, str | float]:
        """What it can be sorted and filtered by."""
        found: dict[str, str | float] = {} if self.best_class is None else {"best class": self.best_class}
        for one in self.told:
            found |= one.facets
        return found

    @property
    def films(self) -> tuple[Film, ...]:
        """What its tile shows: its preferred input, or what it saw of the clip that drives it most."""
        if self.preferred is not None:
            return self.preferred.best.films
        return (
            tuple(self.driving[0].films[kind] for kind in ("rgb", "flow") if kind in self.driving[0].films)
            if (self.driving)
            else ()
        )


@dataclass(frozen=True, eq=False)
class LayerData:
    """A layer and its units.

    sees
        (stream, how much of it a position sees).
    """

    layer: Layer
    sees: tuple[tuple[str, str], ...]
    units: tuple[UnitData, ...]


def layer_data(
    recording: Recording,
    name: str,
    *,
    preferred: Mapping[Unit, Preferred],
    findings: Sequence[Finding],
    clips: RealClips,
) -> LayerData:
    """Read what is known of a layer's units."""
    layer = recording.layer(name)
    largest = recording.largest(name).tolist()
    ordinary = recording.maxima([name]).zeros(name).tolist()
    classes = _by_class(recording, name)
    told = told_of_units(findings, name)
    scores = recording.summary["network"]["scores"]
    units = []
    for channel in range(layer.units):
        unit = Unit(name, channel)
        known = [one for one in classes[channel] if one.label is not None]
        best = max(known, key=lambda one: one.mean, default=None)
        units.append(
            UnitData(
                unit,
                recording.classes[channel] if name == scores and channel < len(recording.classes) else str(unit),
                ordinary[channel],
                largest[channel],
                None if best is None else best.label,
                tuple(classes[channel]),
                preferred.get(unit),
                tuple(clips.driving(name, channel, ordinary[channel])),
                tuple(told.get(channel, ())),
            )
        )
    sees = tuple(
        (stream.name, _seen(layer, stream))
        for stream in recording.streams
        if stream.name in layer.receptive_field.streams
    )
    return LayerData(layer, sees, tuple(units))


def _seen(layer: Layer, stream: Stream) -> str:
    """How much of a stream a position of the layer sees, in words."""
    t, y, x = layer.receptive_field.streams[stream.name]
    what = "frame" if stream.kind == "rgb" else "field"
    count = min(t.length, stream.frames)
    frames = f"{count} {what}{'' if count == 1 else 's'}"
    if y.length >= stream.height and x.length >= stream.width:
        return f"all of {frames}"
    return f"{x.length} x {y.length} px of {frames}"


def _by_class(recording: Recording, layer: str) -> list[list[ByClass]]:
    """For every unit the responses by class, strongest first, those to all clips last."""
    columns = ["unit", "label", "clips", "q05", "mean", "q95"]
    rows = recording.statistics(layer).select(columns).to_pylist()
    found: list[list[ByClass]] = [[] for _ in range(recording.layer(layer).units)]
    for row in rows:
        if row["clips"] and np.isfinite(row["mean"]):
            one = ByClass(row["label"], row["clips"], row["q05"], row["mean"], row["q95"])
            found[row["unit"]].append(one)
    return [sorted(own, key=lambda one: (one.label is None, -one.mean)) for own in found]
