"""A layer as plain values for JSON, and back."""

from collections.abc import Mapping
from typing import Any

from marey.network.layer import Layer
from marey.network.receptive_field import Field, ReceptiveField


def layer_to_json(layer: Layer) -> dict[str, Any]:
    """The layer, but for its name, as plain values for JSON."""
    sees = {
        name: [[field.start, field.stride, field.length] for field in fields]
        for name, fields in layer.receptive_field.streams.items()
    }
    calls = {"calls": layer.calls, "read": layer.read} if layer.calls > 1 else {}
    return {"kind": layer.kind, "units": layer.units, "positions": list(layer.positions), "sees": sees, **calls}


def layer_from_json(name: str, values: Mapping[str, Any]) -> Layer:
    """The layer that `layer_to_json` gave; KeyError, TypeError or ValueError for values that describe none."""
    t, height, width = values["positions"]
    fields: dict[str, tuple[Field, Field, Field]] = {}
    for stream, (time, y, x) in values["sees"].items():
        fields[stream] = (Field(*time), Field(*y), Field(*x))
    shape = (values["units"], t, height, width)
    return Layer(
        name, values["kind"], shape, ReceptiveField(fields), int(values.get("calls", 1)), int(values.get("read", 1))
    )
