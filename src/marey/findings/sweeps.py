"""What preferred inputs say of invariance: how much a unit's score depends on slowness, and how fast its motion is."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow
import torch
from torch import Tensor

from marey.errors import MareyError, NetworkError
from marey.findings.depth import rank_correlation
from marey.maximization.result import PreferredInput
from marey.network.unit import Unit

_SCHEMA = pyarrow.schema(
    [
        ("layer", pyarrow.string()),
        ("unit", pyarrow.int32()),
        ("flatness", pyarrow.float64()),
        ("temporal_over_spatial", pyarrow.float64()),
    ]
)


def sweep_table(preferred: Iterable[PreferredInput], layers: Sequence[str]) -> pyarrow.Table:
    """A row for every preferred input of a unit of `layers`.

    flatness
        the lowest score of the sweep over the highest: 1 where slow motion drives the unit as fast motion does. Null
        of a single slowness.
    temporal_over_spatial
        of the stream of most frames at the lowest slowness: the mean square of what changes from frame to frame, over
        that of what changes from pixel to pixel, as in equation (2). Null where a single frame is seen.

    Raises MareyError where none is of a unit of these layers.
    """
    rows = []
    for one in preferred:
        try:
            unit = Unit.parse(one.target)
        except NetworkError:
            continue
        if unit.layer not in layers:
            continue
        highest = max(one.scores)
        flatness = None
        if len(one.slowness) > 1:
            flatness = max(0.0, min(one.scores)) / highest if highest > 0 else 0.0
        stream = max(one.streams, key=lambda stream: stream.frames)
        fastest = one.frames[stream.name][int(np.argmin(one.slowness))]
        rows.append(
            dict(zip(_SCHEMA.names, (unit.layer, unit.channel, flatness, variation_ratio(fastest)), strict=True))
        )
    if not rows:
        raise MareyError(
            "none of the preferred inputs is of a unit of the layers that are asked about; maximize units of these, "
            f"such as '{layers[-1]}:0'."
        )
    return pyarrow.Table.from_pylist(rows, _SCHEMA)


def variation_ratio(frames: Tensor) -> float | None:
    """Temporal over spatial variation of `frames` (channel time height width)."""
    if frames.shape[1] < 2:
        return None
    spatial = sum(float(torch.diff(frames.double(), dim=axis).square().mean()) for axis in (2, 3))
    temporal = float(torch.diff(frames.double(), dim=1).square().mean())
    return temporal / spatial if spatial > 0 else None


def sweep_remarks(table: pyarrow.Table, layers: Sequence[str]) -> tuple[str, ...]:
    """How flatness and variation go with depth, in words; medians of layers, without intervals."""
    rows = table.to_pylist()
    remarks = []
    for name, words in (
        ("flatness", "flatness of the slowness sweep"),
        ("temporal_over_spatial", "temporal over spatial variation"),
    ):
        values = {
            layer: [row[name] for row in rows if row["layer"] == layer and row[name] is not None] for layer in layers
        }
        medians = {layer: float(np.median(found)) for layer, found in values.items() if found}
        if not medians:
            continue
        ends = list(medians.values())
        count = sum(map(len, values.values()))
        rank = rank_correlation(np.array(ends), range(len(ends))) if len(ends) > 2 else None
        remarks.append(
            f"{words} of {count} preferred inputs: {ends[0]:.2f} in '{next(iter(medians))}', {ends[-1]:.2f} in "
            f"'{list(medians)[-1]}'"
            + ("" if rank is None else f" (rank correlation with depth {rank:+.2f} over {len(ends)} layers)")
        )
    return tuple(remarks)
