"""What the front page shows: the network, the clips, the layers in the order in which they see, the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marey.atlas.units import LayerData, UnitData
from marey.atlas.words import many
from marey.findings.finding import Finding
from marey.network.layer import Layer
from marey.network.stream import Stream
from marey.recording import Recording

_STRIP = 6
"""Units that stand for a layer on the front page."""


@dataclass(frozen=True, eq=False)
class LayerRow:
    """A layer on the front page, with some of its units."""

    layer: Layer
    strip: tuple[UnitData, ...]


@dataclass(frozen=True, eq=False)
class Tower:
    """Layers that see the same streams, in the order in which they see; the class scores stand alone.

    title, note
        what it sees, such as "sees rgb", and how much of it.
    """

    streams: tuple[str, ...]
    title: str
    note: str
    rows: tuple[LayerRow, ...]


@dataclass(frozen=True, eq=False)
class Stage:
    """Towers beside each other.

    lines
        from the towers of the stage before to these: where across the page each begins and ends, 0 to 1.
    """

    towers: tuple[Tower, ...]
    lines: tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class FrontData:
    """All of the front page.

    stages
        towers of one stream beside each other, then the layers in which they have met, the class scores last.
    network, clips
        (what, value) of the cards of the network and of the clips.
    remarks
        what a reader must know: what was left out.
    command
        makes the atlas again.
    """

    name: str
    summary: str
    stages: tuple[Stage, ...]
    network: tuple[tuple[str, str], ...]
    clips: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    command: str


def front_data(
    recording: Recording,
    layers: Mapping[str, Sequence[UnitData]],
    *,
    preferred: int,
    findings: Sequence[Finding],
    remarks: Sequence[str],
    command: str,
) -> FrontData:
    """Read what the front page shows.

    layers
        {layer of the atlas: units that stand for it}.
    preferred
        how many units have a preferred input.
    """
    units = sum(recording.layers[name].units for name in layers)
    about = recording.summary["network"]
    counts = recording.summary["clips"]
    right = f", {counts['right'] / counts['of_known_class']:.0%} classified right" if counts["of_known_class"] else ""
    parts = [many(len(layers), "layer"), many(units, "unit")]
    parts += [many(len(recording.classes), "class")] if recording.classes else []
    summary = f"{', '.join(parts[:-1])} and {parts[-1]}; {many(recording.recorded, 'clip')}{right}."
    network = [
        ("name", about["name"]),
        ("weights, SHA-256", about["weights"][:16]),
        ("classes", f"{len(recording.classes):,}" if recording.classes else "none"),
        *((f"stream '{stream.name}'", described(stream)) for stream in recording.streams),
        ("layers here", f"{len(layers)} of {len(recording.layers)} recorded"),
        ("preferred inputs", f"{preferred:,} of {units:,} units"),
    ]
    groups = {group for group in recording.recorded_clips["group"].to_pylist() if group is not None}
    clips = [
        ("recorded", f"{recording.recorded:,}"),
        ("skipped", f"{counts['skipped']:,}"),
        ("classes", f"{len(counts['labels']):,}"),
        ("people or source videos", f"{len(groups):,}" if groups else "not known"),
        *([("classified right", f"{counts['right']:,} of {counts['of_known_class']:,}")] if right else []),
        ("flow", str(recording.summary["settings"].get("flow", "none"))),
        ("windows of a clip", str(recording.summary["settings"].get("windows", 1))),
    ]
    stages = _stages(recording, layers)
    shown = (tuple(network), tuple(clips), tuple(findings), tuple(remarks))
    return FrontData(about["name"], summary, stages, *shown, command)


def described(stream: Stream) -> str:
    """How much of a clip a stream sees, in words."""
    kind = {"rgb": "RGB frame", "flow": "flow field"}[stream.kind]
    return f"{many(stream.frames, kind)} of {stream.width} x {stream.height} px"


def strip(data: LayerData) -> tuple[UnitData, ...]:
    """Units that stand for a layer: first with a preferred input, then by how well they tell a class."""

    def place(unit: UnitData) -> tuple[bool, float]:
        precision = unit.facets.get("average precision", 0.0)
        return unit.preferred is None, -precision if isinstance(precision, float) else 0.0

    return tuple(sorted((unit for unit in data.units if unit.films), key=place)[:_STRIP])


def _stages(recording: Recording, layers: Mapping[str, Sequence[UnitData]]) -> tuple[Stage, ...]:
    """Towers by how many streams they see; RGB stands left."""
    scores = recording.summary["network"]["scores"]
    streams = sorted(recording.streams, key=lambda stream: stream.kind != "rgb")
    rows: dict[tuple[str, ...], list[LayerRow]] = {}
    for name, units in layers.items():
        layer = recording.layers[name]
        seen = tuple(stream.name for stream in streams if stream.name in layer.receptive_field.streams)
        rows.setdefault(() if name == scores else seen, []).append(LayerRow(layer, tuple(units)))
    names = [stream.name for stream in streams]
    towers = [_tower(recording, seen, own) for seen, own in rows.items()]
    towers.sort(key=lambda tower: [names.index(name) for name in tower.streams])
    stages: list[Stage] = []
    for count in sorted({len(seen) for seen in rows}, key=lambda count: count or len(names) + 1):
        own = tuple(tower for tower in towers if len(tower.streams) == count)
        stages.append(Stage(own, _lines(stages[-1].towers, own) if stages else ()))
    return tuple(stages)


def _tower(recording: Recording, streams: tuple[str, ...], rows: Sequence[LayerRow]) -> Tower:
    """A tower that sees these streams; the class scores stand in a tower without any."""
    if not streams:
        return Tower((), "says the class", many(len(recording.classes), "class"), tuple(rows))
    seen = [described(stream) for stream in recording.streams if stream.name in streams]
    return Tower(streams, f"sees {' and '.join(streams)}", seen[0] if len(streams) == 1 else "", tuple(rows))


def _lines(above: Sequence[Tower], below: Sequence[Tower]) -> tuple[tuple[float, float], ...]:
    """From every tower to each one that sees all that it sees."""
    return tuple(
        ((start + 0.5) / len(above), (end + 0.5) / len(below))
        for start, one in enumerate(above)
        for end, other in enumerate(below)
        if not other.streams or set(one.streams) <= set(other.streams)
    )
