"""What is to be recorded, settled before the first clip: the same plan gives the same recording, byte for byte."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow

from marey._version import __version__
from marey.accelerate.compiled import numba_version
from marey.datasets.clip_set import check_on_disk
from marey.errors import DatasetError, MareyError, NetworkError
from marey.network.layer import Layer
from marey.network.network import Network
from marey.video.flow.files import FlowFiles
from marey.video.flow.methods import Method, check_method
from marey.video.flow.stored import StoredFlow
from marey.video.read.clips import Clip

FORMAT = 3  # 2: a file of responses for each layer; 1: clips without `speeds`
_PACKAGES = ("torch", "av", "opencv-contrib-python-headless")

CLIP_FIELDS = [
    ("clip", pyarrow.int32()),
    ("path", pyarrow.string()),
    ("start_seconds", pyarrow.float64()),
    ("stop_seconds", pyarrow.float64()),
    ("label", pyarrow.string()),
    ("group", pyarrow.string()),
    ("flow", pyarrow.string()),  # where it is stored as images, see `stored_flow_text`
    ("bytes", pyarrow.int64()),
]


@dataclass(frozen=True)
class Settings:
    """How clips are shown to the network.

    windows
        of every clip, spread from its start to its end; of a short one as many as differ.
    flow
        the method of optical flow, as training used it.
    batch
        windows in every forward pass. It is a setting because a processor adds up in another order for another size:
        values differ by 1e-6 of the layer's largest between sizes, and are the same bits for one size.
    """

    windows: int = 3
    flow: Method = "tvl1-fast"
    batch: int = 16

    def __post_init__(self) -> None:
        check_method(self.flow)
        for name in ("windows", "batch"):
            if getattr(self, name) < 1:
                raise MareyError(f"{name} is {getattr(self, name)}; expected at least 1.")
        if self.windows > 255:
            raise MareyError(f"windows is {self.windows}; expected at most 255.")


@dataclass(frozen=True, eq=False)
class Plan:
    """The clips in the order of their paths and times, the layers, the settings, and what the network is.

    A shard is `shard_clips` clips in a row; the recording does not depend on it.
    """

    network: Mapping[str, Any]
    layers: tuple[Layer, ...]
    settings: Settings
    clips: tuple[Clip, ...]
    shard_clips: int

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
        return pyarrow.table(columns, schema=pyarrow.schema(CLIP_FIELDS))

    @cached_property
    def described(self) -> dict[str, Any]:
        """All that the result depends on, as plain values for JSON."""
        record = {
            "format": FORMAT,
            "network": dict(self.network),
            "layers": {layer.name: _layer(layer) for layer in self.layers},
            "settings": asdict(self.settings),
            "clips": {"count": len(self.clips), "sha256": clips_hash(self.table)},
            "versions": _versions(),
        }
        plain: dict[str, Any] = json.loads(json.dumps(record))
        return plain


def planned(
    network: Network, clips: Sequence[Clip], layers: tuple[Layer, ...], settings: Settings, *, shard_clips: int | None
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
    return Plan(_network(network), layers, settings, ordered, shard_clips)


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


def _layer(layer: Layer) -> dict[str, Any]:
    sees = {
        name: [[field.start, field.stride, field.length] for field in fields]
        for name, fields in layer.receptive_field.streams.items()
    }
    return {"kind": layer.kind, "units": layer.units, "positions": layer.positions, "sees": sees}


def _scores(network: Network) -> str | None:
    """The layer of class scores; None for a network that has none, or no class names."""
    with suppress(NetworkError):
        return network.scores if network.classes else None
    return None


def clip_key(path: str, start_seconds: float, stop_seconds: float | None) -> tuple[str, float, float]:
    """By what clips are told apart, and put in order."""
    return (path, start_seconds, float("inf") if stop_seconds is None else stop_seconds)


def _key(clip: Clip) -> tuple[str, float, float]:
    return clip_key(str(clip.path), clip.start_seconds, clip.stop_seconds)


def clips_hash(table: pyarrow.Table) -> str:
    """SHA-256 over the rows of clips, as planned."""
    digest = hashlib.sha256()
    for row in (row for part in table.to_batches(max_chunksize=4096) for row in part.to_pylist()):
        digest.update(json.dumps(row, sort_keys=True).encode())
    return digest.hexdigest()


def stored_flow_text(flow: StoredFlow | None) -> str | None:
    """Where the flow of a clip is stored, as JSON."""
    return None if flow is None else json.dumps({**asdict(flow), "folder": str(flow.folder)}, sort_keys=True)


def stored_flow(text: str | None) -> StoredFlow | None:
    """What `stored_flow_text` was given."""
    if text is None:
        return None
    values = json.loads(text)
    return StoredFlow(Path(values["folder"]), values["video"], FlowFiles(**values["files"]))


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
    numba = numba_version()
    if numba is not None:  # else nothing, so that what was recorded without it is still the same
        found["numba"] = numba
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, what of two plans' descriptions differs, the clips left out.

    >>> differences({"settings": {"flow": "dis"}}, {"settings": {"flow": "tvl1"}})
    ["settings.flow was 'dis', is 'tvl1'"]
    """
    found = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old == new or name == "clips":
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += [f"{name}.{text}" for text in differences(old, new)]
        else:
            found.append(f"{name} was {_short(old)}, is {_short(new)}")
    return found


def clip_differences(before: pyarrow.Table, now: pyarrow.Table) -> list[str]:
    """In words, which clips of two tables differ."""

    def keyed(table: pyarrow.Table) -> dict[tuple[Any, ...], dict[str, Any]]:
        return {(row["path"], row["start_seconds"], row["stop_seconds"]): row for row in table.to_pylist()}

    old, new = keyed(before), keyed(now)
    found = []
    more = [key for key in new if key not in old]
    fewer = [key for key in old if key not in new]
    for word, keys in (("more", more), ("fewer", fewer)):
        if keys:
            found.append(f"{len(keys)} clips {word}, such as '{keys[0][0]}'")
    for name in ("label", "group", "flow", "bytes"):
        changed = [key for key, row in new.items() if key in old and old[key][name] != row[name]]
        if changed:
            was, now_is = old[changed[0]][name], new[changed[0]][name]
            found.append(f"{name} of '{changed[0][0]}' was {_short(was)}, is {_short(now_is)}")
    return found


def _short(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
