"""What recording.json says, as types by which it is checked when it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marey.errors import NetworkError
from marey.network.layer import Layer
from marey.network.receptive_field import Field, ReceptiveField
from marey.network.stream import Stream
from marey.recording.write.settings import RecordingSettings

Triple = tuple[int, int, int]

Fields = Mapping[str, tuple[Triple, Triple, Triple]]
"""Start, stride and length along time, height and width of each stream."""


@dataclass(frozen=True)
class RecordedNetwork:
    """The network: `weights` is their hash, `scores` the layer of class scores, if any."""

    name: str
    weights: str
    classes: tuple[str, ...]
    scores: str | None
    streams: tuple[Stream, ...]
    dtype: str
    device: str


@dataclass(frozen=True)
class RecordedLayer:
    """A layer but for its name: what its positions see, and the patch that each stands for, see `Layer`."""

    kind: str
    units: int
    positions: Triple
    sees: Fields
    calls: int = 1
    read: int = 1
    patch: Fields | None = None

    def __post_init__(self) -> None:
        if min(self.units, *self.positions) < 1:
            raise NetworkError(f"a layer has {self.units} units at {self.positions} positions; expected some.")

    @classmethod
    def of(cls, layer: Layer) -> "RecordedLayer":
        """What is written of a layer."""
        patch = None if layer.patch is None else _written(layer.patch)
        sees = _written(layer.receptive_field)
        return cls(layer.kind, layer.units, layer.positions, sees, layer.calls, layer.read, patch)

    def layer(self, name: str) -> Layer:
        """The layer that was written."""
        patch = None if self.patch is None else _read(self.patch)
        shape = (self.units, *self.positions)
        return Layer(name, self.kind, shape, _read(self.sees), patch, self.calls, self.read)


def _written(field: ReceptiveField) -> Fields:
    written: dict[str, tuple[Triple, Triple, Triple]] = {}
    for name, fields in field.streams.items():
        t, y, x = ((one.start, one.stride, one.length) for one in fields)
        written[name] = (t, y, x)
    return written


def _read(fields: Fields) -> ReceptiveField:
    return ReceptiveField({stream: (Field(*t), Field(*y), Field(*x)) for stream, (t, y, x) in fields.items()})


@dataclass(frozen=True)
class ClipCounts:
    """How many clips there are, were recorded and skipped, are of a class of the network, and are classified right."""

    count: int
    sha256: str
    recorded: int
    skipped: int
    failures: tuple[Mapping[str, str], ...]
    labels: Mapping[str, int]
    of_known_class: int
    right: int


@dataclass(frozen=True)
class Summary:
    """All of recording.json.

    twins
        {layer that is not recorded: a recorded one that gives the same values}.
    responses
        {file in the folder of the responses: the layers whose units it holds, in order}.
    checksums
        {file in the recording's folder: those of its blocks, see `CheckedFile`}; format 4 has none.
    """

    format: int
    network: RecordedNetwork
    layers: Mapping[str, RecordedLayer]
    settings: RecordingSettings
    clips: ClipCounts
    versions: Mapping[str, Any]
    responses: Mapping[str, tuple[str, ...]]
    checksums: Mapping[str, str] = field(default_factory=dict)
    twins: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
