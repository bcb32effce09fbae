"""What the front page shows: the network, the clips, the layers in the order in which they see, the answers."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marey.atlas.preferred import Preferred
from marey.findings.finding import Finding
from marey.network.layer import Layer
from marey.network.stream import Stream
from marey.network.unit import Unit
from marey.recording import Recording

_STRIP = 8
"""Preferred inputs of a layer on the front page."""


@dataclass(frozen=True, eq=False)
class LayerRow:
    """A layer on the front page, with some of its preferred inputs."""

    layer: Layer
    strip: tuple[Preferred, ...]


@dataclass(frozen=True, eq=False)
class Tower:
    """Layers that see the same streams: "rgb", "flow", or "rgb and flow", where towers have met."""

    streams: str
    rows: tuple[LayerRow, ...]


@dataclass(frozen=True, eq=False)
class FrontData:
    """All of the front page.

    stages
        towers beside each other, then the layers in which they have met.
    network, clips
        (what, value) of the cards of the network and of the clips.
    remarks
        what a reader must know: what was left out.
    command
        makes the atlas again.
    """

    name: str
    summary: str
    stages: tuple[tuple[Tower, ...], ...]
    network: tuple[tuple[str, str], ...]
    clips: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    command: str


def front_data(
    recording: Recording,
    layers: Sequence[str],
    *,
    preferred: Mapping[Unit, Preferred],
    findings: Sequence[Finding],
    remarks: Sequence[str],
    command: str,
) -> FrontData:
    """Read what the front page shows."""
    units = sum(recording.layers[name].units for name in layers)
    about = recording.summary["network"]
    counts = recording.summary["clips"]
    right = f", {counts['right'] / counts['of_known_class']:.0%} classified right" if counts["of_known_class"] else ""
    summary = (
        f"{_many(len(layers), 'layer')}, {_many(units, 'unit')} and {_many(len(recording.classes), 'class')}; "
        f"{_many(recording.recorded, 'clip')}{right}."
    )
    network = [
        ("name", about["name"]),
        ("weights, SHA-256", about["weights"][:16]),
        ("classes", f"{len(recording.classes):,}"),
        *((f"stream '{stream.name}'", described(stream)) for stream in recording.streams),
        ("layers here", f"{len(layers)} of {len(recording.layers)} recorded"),
        ("preferred inputs", f"{len(preferred):,} of {units:,} units"),
    ]
    groups = {group for group in recording.recorded_clips["group"].to_pylist() if group is not None}
    clips = [
        ("recorded", f"{recording.recorded:,}"),
        ("skipped", f"{counts['skipped']:,}"),
        ("classes", f"{len(counts['labels']):,}"),
        ("people or source videos", f"{len(groups):,}" if groups else "not known"),
        ("classified right", f"{counts['right']:,} of {counts['of_known_class']:,}"),
        ("flow", str(recording.summary["settings"].get("flow", "none"))),
        ("windows of a clip", str(recording.summary["settings"].get("windows", 1))),
    ]
    stages = _stages([recording.layers[name] for name in layers], preferred)
    shown = (tuple(network), tuple(clips), tuple(findings), tuple(remarks))
    return FrontData(about["name"], summary, stages, *shown, command)


def _many(count: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def described(stream: Stream) -> str:
    """How much of a clip a stream sees, in words."""
    kind = {"rgb": "RGB frame", "flow": "flow field"}[stream.kind]
    return f"{_many(stream.frames, kind)} of {stream.width} x {stream.height} px"


def _stages(layers: Sequence[Layer], preferred: Mapping[Unit, Preferred]) -> tuple[tuple[Tower, ...], ...]:
    """Towers of single streams beside each other, where there are several, and below them what sees several streams."""
    towers: dict[tuple[str, ...], list[LayerRow]] = {}
    for layer in layers:
        shown = [preferred[unit] for channel in range(layer.units) if (unit := Unit(layer.name, channel)) in preferred]
        towers.setdefault(tuple(layer.receptive_field.streams), []).append(LayerRow(layer, tuple(shown[:_STRIP])))
    made = {streams: Tower(" and ".join(streams), tuple(rows)) for streams, rows in towers.items()}
    single = tuple(tower for streams, tower in made.items() if len(streams) == 1)
    joint = tuple(tower for streams, tower in made.items() if len(streams) != 1)
    return tuple(stage for stage in (single, joint) if stage)


def maximize_command(recording: Recording, unit: Unit, folder: str) -> str:
    """The command that makes the preferred input of a unit."""
    from marey.families.bundled import BUNDLED

    name = recording.summary["network"]["name"]
    words = ["marey", "maximize", name if name in BUNDLED else "NET", str(unit)]
    return shlex.join([*words, "--recording", str(recording.folder), "--out", folder])
