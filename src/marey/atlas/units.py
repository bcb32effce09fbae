"""What the pages of a layer and of its units show, from plain files, one layer at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from marey.atlas.driving import Driving, ShownClip
from marey.atlas.films import Film
from marey.atlas.preferred import Preferred
from marey.atlas.sources import Sources
from marey.atlas.ties import KeptTies, Tied
from marey.atlas.told import Told, told_of_units
from marey.findings.class_means import ChanceMeans
from marey.network.layer import Layer
from marey.network.stream import Stream
from marey.network.unit import Unit
from marey.recording import Recording

QUANTILES = (0.95, 0.75, 0.5, 0.25)
"""Of all clips by the unit's largest response, beside the strongest ones."""


@dataclass(frozen=True)
class ByClass:
    """A unit's largest responses to the clips of a class: their mean and the middle 90 %; `label` None: all clips.

    chance
        where the mean lies in 95 of 100 cases when classes are dealt to the clips; None where this is not known.
    """

    label: str | None
    clips: int
    low: float
    mean: float
    high: float
    chance: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class AtQuantile:
    """A clip in the middle of all: to the `share` of the clips the unit responds less, or as much."""

    share: float
    value: float
    clip: ShownClip


@dataclass(frozen=True, eq=False)
class UnitData:
    """All that is shown of a unit.

    name
        its class for a unit of the class scores, else its address.
    ordinary, largest
        the response from which scores count, and the largest one to a recorded clip.
    best_class
        the class to whose clips it responds most on average.
    quantiles
        clips from strong to weak responses; none of a unit that nothing drives.
    inputs, outputs
        the units that move it most, and those that it moves most; None where this is not known.
    """

    unit: Unit
    name: str
    ordinary: float
    largest: float
    best_class: str | None
    by_class: tuple[ByClass, ...]
    preferred: Preferred | None
    driving: tuple[Driving, ...]
    quantiles: tuple[AtQuantile, ...]
    told: tuple[Told, ...]
    inputs: tuple[Tied, ...] | None
    outputs: tuple[Tied, ...] | None

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
    sources: Sources, name: str, values: Tensor, *, ties: KeptTies | None, channels: Sequence[int] | None = None
) -> LayerData:
    """Read what is known of a layer's units, or of some; `values` are its responses (recorded clip, unit)."""
    recording, clips = sources.recording, sources.clips
    layer = recording.layer(name)
    largest = recording.largest(name).tolist()
    ordinary = recording.maxima([name]).zeros(name).tolist()
    classes = _by_class(recording, name, sources.chance, values)
    told = told_of_units(sources.findings, name)
    quantiles = quantile_rows(values).tolist()
    units = []
    for channel in range(layer.units) if channels is None else channels:
        unit = Unit(name, channel)
        known = [one for one in classes[channel] if one.label is not None]
        best = max(known, key=lambda one: one.mean, default=None)
        alive = largest[channel] > ordinary[channel]
        units.append(
            UnitData(
                unit,
                sources.unit_name(unit),
                ordinary[channel],
                largest[channel],
                None if best is None else best.label,
                tuple(classes[channel]),
                sources.preferred.get(unit),
                tuple(clips.driving(name, channel, ordinary[channel], largest[channel])),
                tuple(
                    AtQuantile(share, float(values[rows[channel], channel]), clips.shown(clips.numbers[rows[channel]]))
                    for share, rows in zip(QUANTILES, quantiles, strict=True)
                    if alive
                ),
                tuple(told.get(channel, ())),
                None if ties is None else ties.inputs.get(unit, ()),
                None if ties is None else ties.outputs.get(unit, ()),
            )
        )
    sees = tuple(
        (stream.name, _seen(layer, stream))
        for stream in recording.streams
        if stream.name in layer.receptive_field.streams
    )
    return LayerData(layer, sees, tuple(units))


def some_units(
    sources: Sources, units: Sequence[Unit], *, ties: KeptTies | None
) -> Iterator[tuple[LayerData, UnitData]]:
    """Read what is known of some units, layer by layer, each with what its page says of the layer."""
    for name in dict.fromkeys(unit.layer for unit in units):
        channels = [unit.channel for unit in units if unit.layer == name]
        data = layer_data(sources, name, sources.recording.matrix(name), ties=ties, channels=channels)
        for one in data.units:
            yield data, one


def quantile_rows(values: Tensor) -> Tensor:
    """The recorded clips (share, unit) at `QUANTILES` of the responses (recorded clip, unit), from below."""
    order = values.argsort(dim=0, stable=True)
    return torch.stack([order[int(share * (len(values) - 1))] for share in QUANTILES])


def _seen(layer: Layer, stream: Stream) -> str:
    """How much of a stream a position of the layer sees, in words."""
    t, y, x = layer.receptive_field.streams[stream.name]
    what = "frame" if stream.kind == "rgb" else "field"
    count = min(t.length, stream.frames)
    frames = f"{count} {what}{'' if count == 1 else 's'}"
    if y.length >= stream.height and x.length >= stream.width:
        return f"all of {frames}"
    return f"{x.length} x {y.length} px of {frames}"


def _by_class(recording: Recording, layer: str, chance: ChanceMeans, values: Tensor) -> list[list[ByClass]]:
    """For every unit the responses by class, strongest first, those to all clips last."""
    columns = ["unit", "label", "clips", "q05", "mean", "q95"]
    rows = recording.statistics(layer).select(columns).to_pylist()
    low, high = chance.bands(values.numpy()) if chance.known else (None, None)
    place = {name: index for index, name in enumerate(chance.classes)}
    found: list[list[ByClass]] = [[] for _ in range(recording.layer(layer).units)]
    for row in rows:
        if row["clips"] and np.isfinite(row["mean"]):
            label, unit = row["label"], row["unit"]
            band = None
            if low is not None and high is not None and label in place and np.isfinite(low[place[label], unit]):
                band = (float(low[place[label], unit]), float(high[place[label], unit]))
            found[unit].append(ByClass(label, row["clips"], row["q05"], row["mean"], row["q95"], band))
    return [sorted(own, key=lambda one: (one.label is None, -one.mean)) for own in found]
