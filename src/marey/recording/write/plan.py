"""What is to be recorded, settled before the first clip: the same plan gives the same recording, byte for byte."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import Any

import pyarrow

from marey._version import __version__
from marey.datasets.clip_set import check_on_disk
from marey.errors import DatasetError, MareyError
from marey.network.layer import Layer
from marey.network.network import Network
from marey.network.twins import twins
from marey.recording.clip_identity import clip_key, clips_hash, stored_flow_text
from marey.recording.layout import FORMAT, PLANNED_FIELDS
from marey.recording.summary import RecordedLayer
from marey.recording.write.settings import RecordingSettings
from marey.video.read.clips import Clip

_PACKAGES = ("torch", "av", "opencv-contrib-python-headless")


@dataclass(frozen=True, eq=False)
class Plan:
    """The clips in the order of their paths and times, the layers, the settings, and what the network is.

    A shard is `shard_clips` clips in a row; the recording does not depend on it.
    """

    network: Mapping[str, Any]
    layers: tuple[Layer, ...]
    settings: RecordingSettings
    clips: tuple[Clip, ...]
    shard_clips: int
    twins: Mapping[str, str]
    """{layer that is not recorded: a recorded one that gives the same values}."""

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-len(self.clips) // self.shard_clips)

    def shard(self, index: int) -> Iterator[tuple[int, Clip]]:
        """The numbers and clips of a shard."""
        first = index * self.shard_clips
        return iter(list(enumerate(self.clips[first : first + self.shard_clips], start=first)))

    @cached_property
    def table(self) -> pyarrow.Table:
        """One row for every clip, with its file's size (null where it is a folder, or missing)."""
        columns: dict[str, list[Any]] = {
            "clip": list(range(len(self.clips))),
            "path": [str(clip.path) for clip in self.clips],
            "start_seconds": [clip.start_seconds for clip in self.clips],
            "stop_seconds": [clip.stop_seconds for clip in self.clips],
            "label": [clip.label for clip in self.clips],
            "group": [clip.group for clip in self.clips],
            "flow": [stored_flow_text(clip.flow) for clip in self.clips],
            "bytes": [_bytes(clip) for clip in self.clips],
        }
        return pyarrow.table(columns, schema=pyarrow.schema(PLANNED_FIELDS))

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Everything that the recording depends on, as plain values for JSON."""
        values = {
            "format": FORMAT,
            "network": dict(self.network),
            "layers": {layer.name: asdict(RecordedLayer.of(layer)) for layer in self.layers},
            "twins": dict(self.twins),
            "settings": asdict(self.settings),
            "clips": {"count": len(self.clips), "sha256": clips_hash(self.table)},
            "versions": _versions(),
        }
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain


def planned(
    network: Network,
    clips: Sequence[Clip],
    layers: tuple[Layer, ...],
    settings: RecordingSettings,
    *,
    shard_clips: int | None,
) -> Plan:
    """The plan for recording `layers` of a network on `clips`, whose order does not matter.

    `shard_clips` None: 16 to 256 clips, so that there are about 64 shards. Raises DatasetError when there is no
    clip, or one is there twice.
    """
    ordered = tuple(sorted(clips, key=_key))
    if not ordered:
        raise DatasetError("there is no clip to record.")
    check_on_disk(ordered)
    for before, clip in pairwise(ordered):
        if _key(before) == _key(clip):
            raise DatasetError(f"the clip '{clip.path}' from {clip.start_seconds:g} s is given twice; give it once.")
    if shard_clips is None:
        shard_clips = min(256, max(16, -(-len(ordered) // 64)))
    if shard_clips < 1:
        raise MareyError(f"shard_clips is {shard_clips}; expected at least 1.")
    return Plan(_network(network), layers, settings, ordered, shard_clips, _twins(network, layers))


def _network(network: Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "weights": network.weights_hash,
        "classes": list(network.classes),
        "scores": _scores(network),
        "streams": [stream.to_json() for stream in network.streams],
        "dtype": str(network.dtype).removeprefix("torch."),
        "device": network.device.type,
    }


def _twins(network: Network, layers: Sequence[Layer]) -> dict[str, str]:
    recorded = {layer.name for layer in layers}
    same = twins(network.visits, network.axes)
    return {
        name: min(recorded.intersection(group), key=group.index)
        for name, group in same.items()
        if name not in recorded and recorded.intersection(group)
    }


def _scores(network: Network) -> str | None:
    """The layer of class scores; None for a network that has none, or no class names."""
    return network.scores if network.has_scores else None


def _key(clip: Clip) -> tuple[str, float, float]:
    return clip_key(str(clip.path), clip.start_seconds, clip.stop_seconds)


def _bytes(clip: Clip) -> int | None:
    try:
        return clip.path.stat().st_size if clip.path.is_file() else None
    except OSError:
        return None


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"marey": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
