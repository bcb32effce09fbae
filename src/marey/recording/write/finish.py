"""Makes the finished recording out of all shards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from marey.network.layer import Layer
from marey.network.receptive_field import ReceptiveField
from marey.network.stream import Stream
from marey.recording.layout import ResponseArrays
from marey.recording.write.plan import Plan
from marey.recording.write.shard import ClipRow, shard_path, shard_rows, shard_units
from marey.recording.write.staged import staged
from marey.recording.write.tables import MEMORY_BYTES, LayerUnits, write_recording

_NOMINAL = 10_000
"""Frames of a clip in which places are found that are relative to the length of clips."""


@dataclass(frozen=True)
class _Kept:
    """Of recorded clips: the start frame of every window, how many frames and how many per second, their begin."""

    start_frames: NDArray[np.int32]  # clip window
    frames: NDArray[np.float64]
    rates: NDArray[np.float64]
    start_seconds: NDArray[np.float64]


def finish(
    folder: Path, shards: Path, plan: Plan, streams: Mapping[str, Stream], *, memory_bytes: int = MEMORY_BYTES
) -> None:
    """Write the recording in `folder` from all shards of the plan, which lie in `shards`."""
    kept: list[_Kept] = []
    layers = {layer.name: layer for layer in plan.layers}
    ends = np.cumsum([layer.units for layer in plan.layers]).tolist()
    begins = {layer.name: end - layer.units for layer, end in zip(plan.layers, ends, strict=True)}

    def rows() -> Iterator[dict[str, Any]]:
        for index in range(plan.shards):
            planned = plan.table.slice(index * plan.shard_clips, plan.shard_clips).to_pylist()
            found = shard_rows(shard_path(shards, index), [clip["clip"] for clip in planned])
            kept.append(_kept(found, planned))
            for row, clip in zip(found, planned, strict=True):
                yield _clip_row(clip, row, plan.network["classes"])

    @cache
    def all_kept() -> _Kept:
        windows = max(one.start_frames.shape[1] for one in kept)
        return _Kept(
            np.concatenate(
                [np.pad(one.start_frames, ((0, 0), (0, windows - one.start_frames.shape[1]))) for one in kept]
            ),
            np.concatenate([one.frames for one in kept]),
            np.concatenate([one.rates for one in kept]),
            np.concatenate([one.start_seconds for one in kept]),
        )

    def responses_of(part: LayerUnits) -> ResponseArrays:
        """The responses of layers that follow each other, of which each shard is read once."""
        first, last = part[0], part[-1]
        place = slice(begins[first[0]] + first[1].start, begins[last[0]] + last[1].stop)
        read = [shard_units(shard_path(shards, index), place) for index in range(plan.shards)]
        found = {name: np.concatenate([one[name] for one in read], axis=1) for name in read[0]}
        return _responses(
            found, all_kept(), [(layers[name], units.stop - units.start) for name, units in part], streams
        )

    with staged(folder, shards / f"whole-{uuid4().hex}") as staging:
        write_recording(staging, plan.provenance, rows(), responses_of, memory_bytes=memory_bytes)


def _kept(rows: tuple[ClipRow, ...], planned: list[dict[str, Any]]) -> _Kept:
    recorded = [(row, clip) for row, clip in zip(rows, planned, strict=True) if row.failure is None]
    windows = max((len(row.start_frames) for row, _ in recorded), default=1)
    start_frames = np.zeros((len(recorded), windows), np.int32)
    for place, (row, _) in enumerate(recorded):
        start_frames[place, : len(row.start_frames)] = row.start_frames
    frames, rates = (np.array([getattr(row, name) for row, _ in recorded], np.float64) for name in ("frames", "rate"))
    return _Kept(start_frames, frames, rates, np.array([clip["start_seconds"] for _, clip in recorded], np.float64))


def _clip_row(planned: dict[str, Any], row: ClipRow, classes: list[str]) -> dict[str, Any]:
    scores = list(row.scores)
    return {
        **planned,
        "failure": row.failure,
        "frames": row.frames,
        "rate": row.rate,
        "padded": row.padded,
        "damage": row.damage,
        "start_frames": list(row.start_frames) if row.failure is None else None,
        "speeds": list(row.speeds) if row.failure is None else None,
        "prediction": classes[int(np.argmax(scores))] if scores else None,
        "scores": scores if scores else None,
    }


def _responses(
    found: Mapping[str, NDArray[Any]],
    kept: _Kept,
    layers: Sequence[tuple[Layer, int]],
    streams: Mapping[str, Stream],
) -> ResponseArrays:
    """The responses to the recorded clips of some units, so many of each layer."""
    counts = [count for _, count in layers]

    def of_units(values: Sequence[int]) -> NDArray[np.int32]:
        return np.repeat(np.array(values, np.int32), counts)[:, None]

    middles = np.zeros((len(layers), max(layer.positions[0] for layer, _ in layers)))
    for row, (layer, _) in enumerate(layers):
        middles[row, : layer.positions[0]] = _middle_frames(layer.where, streams, layer.positions[0])
    t, rest = np.divmod(found["place"], of_units([layer.positions[1] * layer.positions[2] for layer, _ in layers]))
    y, x = np.divmod(rest, of_units([layer.positions[2] for layer, _ in layers]))
    start_frame = kept.start_frames[np.arange(len(kept.rates)), found["window"]]
    spread = any(stream.sampling == "spread" for stream in streams.values())
    scale = kept.frames / _NOMINAL if spread else 1.0
    seconds = kept.start_seconds + (start_frame + scale * middles[of_units(range(len(layers))), t]) / kept.rates
    return {
        "maximum": found["maximum"],
        "mean": found["mean"],
        "t": t.astype(np.int16),
        "y": y.astype(np.int16),
        "x": x.astype(np.int32),
        "start_frame": start_frame,
        "seconds": seconds.astype(np.float32),
    }


def _middle_frames(field: ReceptiveField, streams: Mapping[str, Stream], positions: int) -> NDArray[np.float64]:
    """For every position in time, the video frame in the middle of its field, counted from the window's start.

    Of streams that are spread over the clip, it is the frame of a clip of `_NOMINAL` frames.
    """
    middles = np.zeros(positions)
    for t in range(positions):
        seen: list[int] = []
        for name in field.streams:
            (start, stop), _, _ = field.interval(name, (t, 0, 0))
            times = streams[name].times_in(_NOMINAL)
            seen += times[max(0, start) : max(0, stop)]
        middles[t] = (min(seen) + max(seen)) / 2 if seen else 0.0
    return middles
