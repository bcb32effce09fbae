"""A recording as it lies on disk: the answers of every unit to every clip, opened without network or clips."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from pyarrow import compute, parquet
from torch import Tensor

from marey.datasets.skipped_clip import SkippedClip
from marey.errors import MareyError, NetworkError, did_you_mean
from marey.evaluation.accuracy import Evaluation
from marey.network.receptive_field import Field, ReceptiveField
from marey.network.stream import Stream, Windows
from marey.network.unit import Unit
from marey.recording.clip_rows import ClipRows
from marey.recording.opening import damaged, numbers, parquet_file, read_summary, read_table, rows_between
from marey.recording.store import CLIPS, RESPONSE_SCHEMA, RESPONSES, STATISTICS, SUMMARY
from marey.video.read.clips import Clip


@dataclass(frozen=True)
class Response:
    """The strongest answer of a unit to a clip.

    value
        the largest activation over windows and places.
    position
        its place (t, y, x) in the layer, in the window that starts at `start_frame` (at the rate of the streams).
    seconds
        of the video, the middle of what this place sees.
    """

    unit: Unit
    number: int
    clip: Clip
    value: float
    mean: float
    position: tuple[int, int, int]
    start_frame: int
    seconds: float
    prediction: str | None


@dataclass(frozen=True)
class RecordedLayer:
    """A layer of the network, as recorded."""

    name: str
    kind: str
    units: int
    positions: tuple[int, int, int]
    receptive_field: ReceptiveField


class Recording:
    """The answers of the units of some layers to the clips of a data set, in a folder that `record` wrote.

    Holds in memory what it was asked for: the summary, then the clips, then the units' rows as they are read.
    """

    def __init__(self, folder: str | Path) -> None:
        """Open the folder; MareyError when it holds no whole recording."""
        self.folder = Path(folder)
        self.summary = read_summary(self.folder)
        try:
            self.layers, self.streams, self.recorded, self.left_out, self._responses  # noqa: B018 -- all there, or damaged
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self.folder / SUMMARY, error) from None
        self._files: dict[Path, parquet.ParquetFile] = {}
        self._clip_rows = ClipRows(self.folder / CLIPS)

    @classmethod
    def open(cls, folder: str | Path) -> "Recording":
        """The recording in a folder; MareyError when there is none, or it is not finished or damaged."""
        return cls(folder)

    def __repr__(self) -> str:
        return (
            f"Recording('{self.folder}': {len(self.layers)} layers of {self.summary['network']['name']}, "
            f"{self.recorded} clips, {self.left_out} left out)"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The network's class names."""
        return tuple(self.summary["network"]["classes"])

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """What the network was shown."""
        return tuple(_stream(values) for values in self.summary["network"]["streams"])

    @property
    def recorded(self) -> int:
        """How many clips were recorded."""
        return int(self.summary["clips"]["recorded"])

    @property
    def left_out(self) -> int:
        """How many clips could not be used; `failures` says which, and why."""
        return int(self.summary["clips"]["left_out"])

    @cached_property
    def layers(self) -> dict[str, RecordedLayer]:
        """The recorded layers, in the order of the network."""
        return {
            name: RecordedLayer(name, layer["kind"], layer["units"], tuple(layer["positions"]), _field(layer["sees"]))
            for name, layer in self.summary["layers"].items()
        }

    @cached_property
    def clips(self) -> pyarrow.Table:
        """One row for every clip, those left out too: see docs/recording.md for the columns."""
        return read_table(self.folder / CLIPS)

    @property
    def failures(self) -> tuple[SkippedClip, ...]:
        """Every clip left out, with the reason."""
        names = ["path", "label", "failure"]
        rows = read_table(self.folder / CLIPS, names)
        out = rows.filter(compute.is_valid(rows["failure"]))
        return tuple(SkippedClip(*row) for row in zip(*(out[name].to_pylist() for name in names), strict=True))

    @property
    def damaged(self) -> tuple[tuple[str, str], ...]:
        """(path, what it lacks) of clips that are cut off or damaged and were recorded as far as they can be read."""
        return _damaged(read_table(self.folder / CLIPS, ["path", "damage"]))

    @property
    def held(self) -> tuple[str, ...]:
        """Paths of clips shorter than the network's window, whose last frame was held."""
        return _held(read_table(self.folder / CLIPS, ["path", "held"]))

    def clip(self, number: int) -> Clip:
        """The clip with this number."""
        return self._clip_rows.clip(number)

    def layer(self, name: str) -> RecordedLayer:
        """A recorded layer; NetworkError when it was not recorded."""
        if name not in self.layers:
            raise NetworkError(
                f"layer '{name}' is not in the recording '{self.folder}'.{did_you_mean(name, self.layers)} "
                f"It has {', '.join(list(self.layers)[:12])}{', ...' if len(self.layers) > 12 else ''}."
            )
        return self.layers[name]

    def unit(self, address: str | Unit) -> Unit:
        """The unit at `layer:channel`, or of a class by its name; NetworkError when it was not recorded."""
        scores = self.summary["network"]["scores"]
        if isinstance(address, str):
            name = address.removeprefix("class:")
            if name in self.classes and scores is not None:
                address = Unit(scores, self.classes.index(name))
            elif address in self.layers:
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
        path, before = self._responses[layer]
        file = self._file(path)
        begin, end = ((before + one) * self.recorded for one in (first, stop))
        return rows_between(file, path, begin, end, RESPONSE_SCHEMA.names[1:])

    @cached_property
    def _responses(self) -> dict[str, tuple[Path, int]]:
        """Of every layer the file of its responses, and how many units are before it in there."""
        found: dict[str, tuple[Path, int]] = {}
        for name, layers in self.summary[RESPONSES].items():
            before = 0
            for layer in layers:
                found[layer] = (self.folder / RESPONSES / name, before)
                before += self.layers[layer].units
        return found

    def _file(self, path: Path) -> parquet.ParquetFile:
        if path not in self._files:
            self._files[path] = parquet_file(path)
        return self._files[path]

    def responses(self, unit: str | Unit) -> pyarrow.Table:
        """A unit's rows, one for every recorded clip: clip, maximum, mean, t, y, x, start_frame, seconds."""
        found = self.unit(unit)
        return self.units(found.layer, found.channel, found.channel + 1)

    def matrix(self, layer: str, *, field: str = "maximum") -> Tensor:
        """(clip, unit) of a field, the clips being those recorded, in order."""
        units = self.layer(layer).units
        values = numbers(self.units(layer, 0, units)[field])
        return torch.from_numpy(values.reshape(units, self.recorded).T.copy())

    def top(self, unit: str | Unit, count: int = 9, *, one_per_group: bool = True) -> list[Response]:
        """The clips that a unit answers to most, strongest first, of a group (person, source video) only the strongest.

        Clips without a group are each their own. Equal answers come in the order of the clips.
        """
        found = self.unit(unit)
        rows = self.responses(found)
        values, clips = numbers(rows["maximum"]), numbers(rows["clip"])
        chosen: list[int] = []
        groups: set[str] = set()
        for row in _descending(values, count):
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

    def maxima(self, layer: str) -> Tensor:
        """The largest activation of every unit over all clips: a_max of equation (1)."""
        table = self.statistics(layer)
        every = table.filter(compute.is_null(table["label"]))
        return torch.from_numpy(numbers(every["maximum"]).copy())

    def statistics(self, layer: str, channel: int | None = None) -> pyarrow.Table:
        """Of every unit and class (label; null: all clips): count, mean, variance, maximum, quantiles of the maxima."""
        self.layer(layer)
        path = self.folder / STATISTICS
        file = self._file(path)
        names = list(self.layers)
        counts = [self.layers[name].units for name in names]
        classes = file.metadata.num_rows // sum(counts)  # and all clips, which every unit has rows of
        first = classes * sum(counts[: names.index(layer)])
        table = rows_between(file, path, first, first + classes * self.layers[layer].units)
        return table if channel is None else table.filter(compute.equal(table["unit"], channel))

    def speeds(self) -> dict[str, float]:
        """{flow stream: the root mean square speed in px/frame, the median of the recorded clips}."""
        names = [stream.name for stream in self.streams if stream.kind == "flow"]
        columns = zip(*read_table(self.folder / CLIPS, ["speeds"])["speeds"].drop_null().to_pylist(), strict=True)
        return {name: float(np.median(values)) for name, values in zip(names, columns, strict=False)}

    def evaluation(self) -> Evaluation:
        """How often the network is right on the recorded clips of its classes, and on what.

        Raises MareyError when there are none. Clips of other classes, or without a class, count in no figure.
        """
        rows = self.recorded_clips
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
            left_out=tuple(one for one in self.failures if one.label in self.classes),
            held=_held(rows),
            damaged=_damaged(rows),
        )


def _damaged(rows: pyarrow.Table) -> tuple[tuple[str, str], ...]:
    found = rows.filter(compute.is_valid(rows["damage"]))
    return tuple(zip(found["path"].to_pylist(), found["damage"].to_pylist(), strict=True))


def _held(rows: pyarrow.Table) -> tuple[str, ...]:
    return tuple(rows.filter(rows["held"])["path"].to_pylist())


def _stream(values: Mapping[str, Any]) -> Stream:
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    windows = plain.pop("windows")
    return Stream(**plain, windows=None if windows is None else Windows(**windows))


def _field(sees: Mapping[str, Any]) -> ReceptiveField:
    fields: dict[str, tuple[Field, Field, Field]] = {}
    for name, (t, y, x) in sees.items():
        fields[name] = (Field(*t), Field(*y), Field(*x))
    return ReceptiveField(fields)


def _descending(values: NDArray[np.float32], first: int) -> Iterator[int]:
    """The places of the values, largest first, equal ones in order.

    They are put in order as far as is asked for: sixteen times `first`, then all.
    """
    given = 0
    for count in (16 * first, len(values)):
        places = np.arange(len(values))
        if 0 < count < len(values):
            least = np.partition(values, len(values) - count)[len(values) - count]
            places = np.flatnonzero(values >= least)
        descending = places[np.argsort(-values[places], kind="stable")]
        yield from descending[given:].tolist()
        given = len(descending)
        if given == len(values):
            return
