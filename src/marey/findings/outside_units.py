"""Units that tell a class and look beside the actor: where their strongest responses are, in pixels, against masks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from marey.findings.actor_places import ActorPlaces
from marey.findings.average_precision import class_auprc, descending_ranks
from marey.findings.labeled_clips import LabeledClips
from marey.network.layer import Layer
from marey.network.stream import Stream
from marey.recording.read.recording import Recording

_LARGEST = 0.5
"""Of height and width: units that see more look at the actor and beside it at once."""

_LEAST_CLIPS = 4
"""Clips, of different groups, that show where a unit looks."""

DEALS = 5
"""How often labels are dealt anew to tell how well a unit detects a class by chance."""


@dataclass(frozen=True, eq=False)
class OutsideUnits:
    """`table` has a row for every unit that tells a class and of which can be said where it looks."""

    table: pyarrow.Table

    def beside(self, level: float) -> list[dict[str, object]]:
        """The units that look beside the actor, at a false discovery rate, those that detect their class best first."""
        rows = [row for row in self.table.to_pylist() if row["q"] <= level and row["on_actor"] < row["chance"]]
        return sorted(rows, key=lambda row: (-row["auprc"], row["on_actor"]))


def outside_units(
    recording: Recording,
    layers: Iterable[str],
    labeled: LabeledClips,
    places: ActorPlaces,
    *,
    dealt: Sequence[NDArray[np.intp]],
) -> OutsideUnits:
    """Where units look that detect a class better than 99 of 100 units do for dealt labels.

    A unit looks at the actor in a clip if the middle of what the position of its maximum sees (half of its height and
    width) touches the actor. The null is that it does so as often as all units of its layer do in the same clips; p is
    that of so few hits. Only maxima of windows count that share at least half with the window of `places`, in one clip
    of each group.
    """
    rows: list[dict[str, object]] = []
    known: set[tuple[object, ...]] = set()
    for name in layers:
        layer = recording.layers[name]
        stream = _seen(layer, recording.streams)
        if stream is not None:
            found = _rows(recording, layer, stream, labeled, places, dealt=dealt)
            rows += [row for row in found if _same(row) not in known]  # a normalization looks where its layer looks
            known |= {_same(row) for row in found}
    q = false_discovery_control([row["p"] for row in rows]) if rows else []
    for row, value in zip(rows, q, strict=True):
        row["q"] = float(value)
    return OutsideUnits(pyarrow.Table.from_pylist(rows, schema=_SCHEMA))


_SCHEMA = pyarrow.schema(
    {
        "layer": pyarrow.string(),
        "unit": pyarrow.int32(),
        "class": pyarrow.string(),
        "auprc": pyarrow.float64(),
        "clips": pyarrow.int32(),
        "on_actor": pyarrow.float64(),
        "chance": pyarrow.float64(),
        "y": pyarrow.float64(),
        "x": pyarrow.float64(),
        "p": pyarrow.float64(),
        "q": pyarrow.float64(),
    }
)

NO_UNITS = _SCHEMA.empty_table()
"""The table where no unit can be asked."""


def _same(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("unit", "class", "auprc", "on_actor", "y", "x"))


def _seen(layer: Layer, streams: Sequence[Stream]) -> Stream | None:
    """The stream in which a position of the layer sees a part of the frame: RGB where it sees both."""
    for stream in sorted(streams, key=lambda one: one.kind != "rgb"):
        if stream.name in layer.receptive_field.streams:
            _, y, x = layer.receptive_field.length(stream.name)
            _, down, right = layer.receptive_field.stride(stream.name)
            small = y <= _LARGEST * stream.height and x <= _LARGEST * stream.width
            return stream if small and down and right and min(layer.positions[1:]) > 1 else None
    return None


def _rows(
    recording: Recording,
    layer: Layer,
    stream: Stream,
    labeled: LabeledClips,
    places: ActorPlaces,
    *,
    dealt: Sequence[NDArray[np.intp]],
) -> list[dict[str, object]]:
    responses = recording.matrix(layer.name).numpy()[labeled.rows]
    ranks, classes = descending_ranks(responses), len(labeled.classes)
    auprc = class_auprc(ranks, labeled.labels, classes)
    chance = np.concatenate([class_auprc(ranks, deal, classes).max(1) for deal in dealt])
    best = auprc.argmax(1)
    telling = np.flatnonzero((auprc.max(1) > np.quantile(chance, 0.99)) & (np.ptp(responses, axis=0) > 0))
    if not len(telling):
        return []
    y, x, start = (
        recording.matrix(layer.name, field=field).numpy()[labeled.rows] for field in ("y", "x", "start_frame")
    )
    looks = np.zeros(responses.shape, bool)
    for place, grids in places.grids.items():
        looks[place] = _touched(layer, stream, grids[stream.name])[y[place], x[place]]
    starts = np.array([places.starts.get(place, -(2**30)) for place in range(len(labeled.clips))])
    counts = np.abs(start - starts[:, None]) <= (stream.times[-1] + 1) // 2
    rates = (looks & counts).sum(1) / np.maximum(counts.sum(1), 1)
    centers = _centers(layer, stream)
    made: list[dict[str, object]] = []
    for unit in telling:
        own = np.flatnonzero((labeled.labels == best[unit]) & counts[:, unit])
        at = list({labeled.groups[place]: int(place) for place in own[::-1]}.values())
        if len(at) < _LEAST_CLIPS:
            continue
        down, right = (float(np.median(ends[one[at, unit]])) for ends, one in zip(centers, (y, x), strict=True))
        made.append(
            {
                "layer": layer.name,
                "unit": int(unit),
                "class": labeled.classes[best[unit]],
                "auprc": float(auprc[unit, best[unit]]),
                "clips": len(at),
                "on_actor": float(looks[at, unit].mean()),
                "chance": float(rates[at].mean()),
                "y": down,
                "x": right,
                "p": at_most(int(looks[at, unit].sum()), rates[at]),
            }
        )
    return made


def at_most(hits: int, rates: NDArray[np.float64]) -> float:
    """How likely at most so many hits are of chances that differ (Poisson binomial)."""
    counts = np.ones(1)
    for rate in rates:
        counts = np.convolve(counts, [1 - rate, rate])
    return float(min(1.0, counts[: hits + 1].sum()))


def _centers(layer: Layer, stream: Stream) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where in the frame, from 0 to 1, the middle of each row and column of positions looks."""
    _, y, x = layer.receptive_field.streams[stream.name]
    return tuple(  # type: ignore[return-value]
        (field.start + field.stride * np.arange(count) + field.length / 2) / size
        for field, count, size in zip((y, x), layer.positions[1:], (stream.height, stream.width), strict=True)
    )


def _touched(layer: Layer, stream: Stream, actor: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The positions (y x) of a layer that look at the actor, of whom a grid over the frame says where it is."""
    sums = np.pad(actor.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    _, y, x = layer.receptive_field.streams[stream.name]
    ends = []
    for field, count, size, cells in zip(
        (y, x), layer.positions[1:], (stream.height, stream.width), actor.shape, strict=True
    ):
        first = field.start + field.stride * np.arange(count) + field.length / 4
        low = np.floor(first / size * cells).clip(0, cells - 1).astype(int)
        high = np.ceil((first + field.length / 2) / size * cells).clip(1, cells).astype(int)
        ends.append((low, np.maximum(high, low + 1)))
    (top, bottom), (left, right) = ends
    inside = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    return np.asarray(inside > 0)
