"""A recording on disk: the responses of every unit to every clip, opened without network or clips."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from pyarrow import compute, parquet
from torch import Tensor

from marey.datasets.skipped_clip import SkippedClip
from marey.errors import MareyError, NetworkError, did_you_mean
from marey.evaluation.accuracy import Evaluation
from marey.network.layer import Layer
from marey.network.maxima import Maxima, has_natural_zero
from marey.network.stream import Stream
from marey.network.unit import Unit
from marey.recording.flow_bounds import flow_bounds
from marey.recording.layout import CLIPS, RESPONSE_SCHEMA, RESPONSES, STATISTICS
from marey.recording.read.clip_rows import ClipRows
from marey.recording.read.descending import descending
from marey.recording.read.opening import UNREADABLE, damaged, numbers, parquet_file, read_summary, rows_between
from marey.recording.read.response import Response
from marey.video.read.clips import Clip

ROWS_AT_ONCE = 2**22
"""Rows of units and clips that are in memory at once."""


class Recording:
    """The responses of the units of some layers to the clips of a data set, in a folder that `record` wrote.

    Opening reads the summary only; clips and the responses of units are read when they are asked for.
    """

    def __init__(self, folder: str | Path) -> None:
        """Open the folder; MareyError when it holds no whole recording."""
        self.folder = Path(folder)
        self._about, self.summary = read_summary(self.folder)
        self._files: dict[str, parquet.ParquetFile] = {}
        self._clip_rows = ClipRows(self.folder / CLIPS, lambda: self._file(CLIPS))

    @classmethod
    def open(cls, folder: str | Path) -> "Recording":
        """The recording in a folder; MareyError when there is none, or it is not finished or damaged."""
        return cls(folder)

    def __repr__(self) -> str:
        return (
            f"Recording('{self.folder}': {len(self.layers)} layers of {self._about.network.name}, "
            f"{self.recorded} clips, {self._about.clips.skipped} skipped)"
        )

    def _repr_html_(self) -> str:
        """What notebooks show: layers, clips and accuracy."""
        from marey.draw.shown_html import recording_html

        return recording_html(self)

    @property
    def classes(self) -> tuple[str, ...]:
        """The network's class names."""
        return self._about.network.classes

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The inputs of the network."""
        return self._about.network.streams

    @property
    def recorded(self) -> int:
        """How many clips were recorded."""
        return self._about.clips.recorded

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """The recorded layers, in the order of the network."""
        return {name: one.layer(name) for name, one in self._about.layers.items()}

    @property
    def twins(self) -> dict[str, str]:
        """{layer that is not recorded: a recorded one that gives the same values}, as a wrapper and its last layer."""
        return {name: self.layers[same].name for name, same in self._about.twins.items()}

    @cached_property
    def clips(self) -> pyarrow.Table:
        """One row for every clip, skipped ones too; `marey.recording.layout.CLIP_SCHEMA` has the columns."""
        return self._table()

    @property
    def skipped(self) -> tuple[SkippedClip, ...]:
        """The clips that could not be used, with the reasons."""
        names = ["path", "label", "failure"]
        rows = self._table(names)
        out = rows.filter(compute.is_valid(rows["failure"]))
        return tuple(SkippedClip(*row) for row in zip(*(out[name].to_pylist() for name in names), strict=True))

    @property
    def damaged(self) -> tuple[tuple[str, str], ...]:
        """(path, what it lacks) of clips that are cut off or damaged; they were recorded as far as they can be read."""
        return _damaged(self._table(["path", "damage"]))

    @property
    def padded(self) -> tuple[str, ...]:
        """Paths of clips shorter than the network's window, which were padded."""
        return _padded(self._table(["path", "padded"]))

    def clip(self, number: int) -> Clip:
        """The clip with this number."""
        return self._clip_rows.clip(number)

    def layer(self, name: str) -> Layer:
        """The layer with this name, or recorded as one that gives the same values; NetworkError when it was not."""
        if name in self.twins:
            return replace(self.layers[self.twins[name]], name=name)
        if name not in self.layers:
            raise NetworkError(
                f"layer '{name}' is not in the recording '{self.folder}'.{did_you_mean(name, self.layers)} "
                f"It has {', '.join(list(self.layers)[:12])}{', ...' if len(self.layers) > 12 else ''}."
            )
        return self.layers[name]

    def unit(self, address: str | Unit) -> Unit:
        """The unit at `layer:channel`, or of a class by its name; NetworkError when it was not recorded."""
        scores = self._about.network.scores
        if isinstance(address, str):
            name = address.removeprefix("class:")
            if name in self.classes and scores is not None:
                address = Unit(scores, self.classes.index(name))
            elif address in self.layers or address in self.twins:
                raise NetworkError(
                    f"'{address}' is a layer; name a unit of it, as in '{address}:0', or some, as in '{address}:0-8'."
                )
            elif ":" not in address:
                raise NetworkError(
                    f"'{address}' is neither a class nor a unit of the recording '{self.folder}'."
                    f"{did_you_mean(address, [*self.classes, *self.layers])} A unit is written layer:channel."
                )
            else:
                address = Unit.parse(address)
        layer = self.layer(address.layer)
        if not 0 <= address.channel < layer.units:
            raise NetworkError(
                f"unit {address} is out of range: layer '{layer.name}' has {layer.units} units, 0 to {layer.units - 1}."
            )
        return Unit(address.layer, address.channel)

    def units(self, layer: str, first: int, stop: int) -> pyarrow.Table:
        """The rows of units `first` up to, not with, `stop`: one for each clip, sorted by unit, then clip."""
        self.layer(layer)
        name, before = self._responses[self.twins.get(layer, layer)]
        begin, end = ((before + one) * self.recorded for one in (first, stop))
        return rows_between(self._file(name), self.folder / name, begin, end, RESPONSE_SCHEMA.names[1:])

    @cached_property
    def _responses(self) -> dict[str, tuple[str, int]]:
        """Of every layer the file of its responses, and how many units are before it in there."""
        found: dict[str, tuple[str, int]] = {}
        for name, layers in self._about.responses.items():
            before = 0
            for layer in layers:
                found[layer] = (f"{RESPONSES}/{name}", before)
                before += self.layers[layer].units
        return found

    def _file(self, name: str) -> parquet.ParquetFile:
        if name not in self._files:
            self._files[name] = parquet_file(self.folder, name, self._about)
        return self._files[name]

    def _table(self, columns: list[str] | None = None) -> pyarrow.Table:
        """Some columns of the clips."""
        try:
            return self._file(CLIPS).read(columns)
        except UNREADABLE as error:
            raise damaged(self.folder / CLIPS, error) from None

    def responses(self, unit: str | Unit) -> pyarrow.Table:
        """A unit's rows, one for every recorded clip: clip, maximum, mean, t, y, x, start_frame, seconds."""
        found = self.unit(unit)
        return self.units(found.layer, found.channel, found.channel + 1)

    def matrix(self, layer: str, *, field: str = "maximum") -> Tensor:
        """(clip, unit) of a column of the responses, the recorded clips in order."""
        units = self.layer(layer).units
        values = numbers(self.units(layer, 0, units)[field])
        return torch.from_numpy(values.reshape(units, self.recorded).T.copy())

    def top(self, unit: str | Unit, count: int = 9, *, one_per_group: bool = True) -> list[Response]:
        """The clips to which a unit responds most, strongest first.

        With `one_per_group` only the strongest of a group (a person, a source video) counts, and a clip without a group
        is a group of its own. Equal responses come in the order of the clips. Raises NetworkError for a unit that was
        not recorded.
        """
        found = self.unit(unit)
        rows = self.responses(found)
        values, clips = numbers(rows["maximum"]), numbers(rows["clip"])
        chosen: list[int] = []
        groups: set[str] = set()
        for row in descending(values, count):
            group = self._clip_rows.group(int(clips[row])) if one_per_group else None
            if group is not None:
                if group in groups:
                    continue
                groups.add(group)
            chosen.append(row)
            if len(chosen) >= count:
                break
        return [self._response(found, rows.slice(row, 1).to_pylist()[0]) for row in chosen]

    def _response(self, unit: Unit, row: Mapping[str, Any]) -> Response:
        number = row["clip"]
        return Response(
            unit,
            number,
            self._clip_rows.clip(number),
            row["maximum"],
            row["mean"],
            (row["t"], row["y"], row["x"]),
            row["start_frame"],
            row["seconds"],
            self._clip_rows.prediction(number),
        )

    @cached_property
    def recorded_clips(self) -> pyarrow.Table:
        """The rows of `clips` that were recorded, in the order of every unit's rows."""
        return self.clips.filter(compute.is_null(self.clips["failure"]))

    def maxima(self, layers: Iterable[str] | None = None) -> Maxima:
        """What the units of `layers` (None: of all recorded layers) reach on the recorded clips, and the flow bounds.

        `Maxima.of_clips` says how the values follow from the responses to single clips. Units are read a few at a time.
        Raises NetworkError for a layer that was not recorded, MareyError when no clip was recorded.
        """
        names = list(self.layers if layers is None else dict.fromkeys(self.layer(layer).name for layer in layers))
        if not self.recorded:
            raise MareyError(f"the recording '{self.folder}' holds no clip, so it has no maxima; record other clips.")
        largest: dict[str, Tensor] = {}
        largest_mean: dict[str, Tensor] = {}
        ordinary: dict[str, Tensor] = {}
        at_once = max(1, ROWS_AT_ONCE // self.recorded)
        for name in names:
            units = self.layer(name).units
            parts = [self._means(name, first, min(units, first + at_once)) for first in range(0, units, at_once)]
            largest[name] = self.largest(name)
            largest_mean[name] = torch.cat([top for top, _, _ in parts])
            least = min(lowest for _, _, lowest in parts)
            middle = torch.cat([middle for _, middle, _ in parts])
            zero = has_natural_zero(least, float(largest_mean[name].max()))
            ordinary[name] = torch.zeros_like(middle) if zero else middle
        bounds = flow_bounds(self.streams, self.speeds())
        return Maxima(largest, largest_mean, ordinary, bounds, f"{self.recorded} recorded clips")

    def _means(self, layer: str, first: int, stop: int) -> tuple[Tensor, Tensor, float]:
        """Of the means over positions of some units' responses to each clip: largest, median, and the lowest of all."""
        rows = numbers(self.units(layer, first, stop)["mean"])
        means = torch.from_numpy(rows.reshape(stop - first, self.recorded).copy())  # unit clip
        return means.amax(1), means.median(1).values, float(means.amin())

    def largest(self, layer: str) -> Tensor:
        """The largest response (unit) to any recorded clip; not a number where no clip was recorded."""
        table = self.statistics(layer)
        every = table.filter(compute.is_null(table["label"]))
        return torch.from_numpy(numbers(every["maximum"]).copy())

    def statistics(self, layer: str, channel: int | None = None) -> pyarrow.Table:
        """The rows of a layer's units, or of one: for each class (label; null: all clips) statistics of the maxima.

        These are their count, mean, variance, maximum and quantiles, and the mean of the means.
        """
        self.layer(layer)
        layer = self.twins.get(layer, layer)
        file = self._file(STATISTICS)
        names = list(self.layers)
        counts = [self.layers[name].units for name in names]
        classes = file.metadata.num_rows // sum(counts)  # and all clips, which every unit has rows of
        first = classes * sum(counts[: names.index(layer)])
        table = rows_between(file, self.folder / STATISTICS, first, first + classes * self.layers[layer].units)
        return table if channel is None else table.filter(compute.equal(table["unit"], channel))

    def speeds(self) -> dict[str, float]:
        """{flow stream: the root mean square speed in px/frame, the median of the recorded clips}."""
        names = [stream.name for stream in self.streams if stream.kind == "flow"]
        columns = zip(*self._table(["speeds"])["speeds"].drop_null().to_pylist(), strict=True)
        return {name: float(np.median(values)) for name, values in zip(names, columns, strict=False)}

    def evaluation(self) -> Evaluation:
        """How often the network is right on the recorded clips of its classes.

        Clips of other classes, or without a class, do not count. Raises MareyError when no clip counts, and for a
        network without class scores.
        """
        rows = self.recorded_clips
        if rows["scores"].null_count:
            raise MareyError(
                f"the recording '{self.folder}' is of a network without class scores; nothing is right or wrong."
            )
        known = compute.is_in(rows["label"], value_set=pyarrow.array(self.classes, pyarrow.string()))
        rows = rows.filter(known)
        if rows.num_rows == 0:
            raise MareyError(f"the recording '{self.folder}' has no clip of a class that the network knows.")
        labels = torch.tensor([self.classes.index(label) for label in rows["label"].to_pylist()])
        scores = torch.tensor(rows["scores"].to_pylist())
        return Evaluation(
            self.classes,
            tuple(rows["path"].to_pylist()),
            labels,
            scores.softmax(1),
            skipped=tuple(one for one in self.skipped if one.label in self.classes),
            padded=_padded(rows),
            damaged=_damaged(rows),
        )


def _damaged(rows: pyarrow.Table) -> tuple[tuple[str, str], ...]:
    found = rows.filter(compute.is_valid(rows["damage"]))
    return tuple(zip(found["path"].to_pylist(), found["damage"].to_pylist(), strict=True))


def _padded(rows: pyarrow.Table) -> tuple[str, ...]:
    return tuple(rows.filter(rows["padded"])["path"].to_pylist())
