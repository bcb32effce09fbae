"""Decoded clips in the cache, beside their flow, so that they are decoded once."""

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey._version import __version__
from marey.files import regular_file
from marey.network.stream import Kind, Stream
from marey.schema import parsed, typed
from marey.video.flow.cache import FlowCache
from marey.video.flow.methods import SETTINGS, Method
from marey.video.limits import Limits
from marey.video.read.clip import Clip, LoadedClip
from marey.video.read.image_folders import frame_images
from marey.video.read.windows import Size, span_frames

SUFFIX = ".marey-clip"
_FORMAT = 3
_HEAD = 12  # bytes before the description: its length and its checksum, in hexadecimal


class DamagedEntryError(Exception):
    """A cache entry that has changed since it was written; callers make it again from the clip."""


@dataclass(frozen=True)
class _Rows:
    """An array in a file, whose rows are read one by one, each with its checksum."""

    path: Path
    start_bytes: int
    row: tuple[int, ...]
    dtype: str
    checksums: tuple[int, ...]

    def read(self, index: Sequence[int]) -> Tensor:
        """Read the rows at a rising `index`; DamagedEntryError where they are not as they were written."""
        rows = np.empty((len(index), *self.row), self.dtype)
        if not len(rows):
            return torch.from_numpy(rows)
        into = rows.reshape(-1).view(np.uint8).data
        row_bytes = rows[0].nbytes
        breaks = [k for k, (before, after) in enumerate(pairwise(index), start=1) if after != before + 1]
        try:
            with self.path.open("rb", buffering=0) as file:
                for first, stop in pairwise([0, *breaks, len(index)]):
                    file.seek(self.start_bytes + index[first] * row_bytes)
                    part = into[first * row_bytes : stop * row_bytes]
                    while part and (count := file.readinto(part)):
                        part = part[count:]
                    if part:
                        raise DamagedEntryError
        except OSError as error:
            raise DamagedEntryError from error
        for place, number in enumerate(index):
            if zlib.crc32(into[place * row_bytes : (place + 1) * row_bytes]) != self.checksums[number]:
                raise DamagedEntryError
        return torch.from_numpy(rows)


@dataclass(frozen=True)
class _About:
    """What an entry says of itself; checksums are those of frames and fields."""

    frames: int
    rate: float
    source_size: Size
    damage: str | None
    pictures: tuple[tuple[Size, tuple[int, ...]], ...]
    fields: tuple[tuple[Size, str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class CachedClip:
    """A clip in the cache, of which only the rows asked for are read; `LoadedClip` is the same in memory."""

    clip: Clip
    frames: int
    rate: float
    source_size: Size
    damage: str | None
    pictures: dict[Size, _Rows]
    fields: dict[Size, _Rows]

    @property
    def path(self) -> Path:
        """The path of the clip."""
        return self.clip.path

    def rows(self, kind: Kind, size: Size, index: Sequence[int]) -> Tensor | None:
        """Read the pictures or fields of a size at a rising `index`; DamagedEntryError where they have changed."""
        kept = (self.pictures if kind == "rgb" else self.fields).get(size)
        return None if kept is None else kept.read(index)

    def loaded(self) -> LoadedClip:
        """Read all of it into memory; DamagedEntryError where it has changed."""
        pictures = {size: rows.read(range(self.frames)) for size, rows in self.pictures.items()}
        fields = {size: rows.read(range(self.frames - 1)) for size, rows in self.fields.items()}
        return LoadedClip(self.clip, self.frames, self.rate, self.source_size, pictures, fields, self.damage)


def entry_name(
    clip: Clip, streams: Sequence[Stream], *, flow: Method, folder_rate: float, limits: Limits
) -> str | None:
    """Name the entry of a clip by the content of its files and by all that decoding and flow depend on.

    None where its files cannot be read.
    """
    content = _content(clip.path)
    if content is None:
        return None
    moving = any(stream.kind == "flow" for stream in streams)
    how = {
        "format": _FORMAT,
        "content": content,
        "part": [clip.start_seconds, clip.stop_seconds],
        "streams": sorted({(one.kind, one.height, one.width, one.short_side or 0, one.fit) for one in streams}),
        "rates": sorted({str(stream.rate) for stream in streams}),
        "still": span_frames(streams) == 1,  # else a clip of one frame is refused
        "flow": [flow, dict(SETTINGS[flow])] if moving else None,
        "folder_rate": folder_rate if clip.path.is_dir() else None,
        "limits": asdict(limits),
        "versions": [__version__, av.__version__, cv2.__version__],
    }
    return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest() + SUFFIX


def _content(path: Path) -> str | None:
    """Hash a file, or the frame images in a folder with their names; None where they cannot be read."""
    digest = hashlib.sha256()
    try:
        if not path.is_dir():
            with regular_file(path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        for image in frame_images(path):
            content = image.read_bytes()
            digest.update(f"{image.name} {len(content)} ".encode())
            digest.update(content)
    except (OSError, ValueError):
        return None
    return digest.hexdigest()


def cached_clip(cache: FlowCache, name: str, clip: Clip) -> CachedClip | None:
    """Open the entry of a name; None where there is none, where it is damaged, and where its flow is gone."""
    entry = cache.folder / name
    try:
        with entry.open("rb", buffering=0) as file:
            head = file.read(2 * _HEAD)
            length, checksum = int(head[:_HEAD], 16), int(head[_HEAD:], 16)
            text = file.read(min(length, 2**26))
        if len(text) != length or zlib.crc32(text) != checksum:
            return None
        about = typed(parsed(text), _About)
        pictures: dict[Size, _Rows] = {}
        start = 2 * _HEAD + length
        for size, checksums in about.pictures:
            row = (*size, 3)
            pictures[size] = _Rows(entry, start, row, "uint8", checksums)
            start += len(checksums) * int(np.prod(row))
        fields: dict[Size, _Rows] = {}
        for size, key, checksums in about.fields:
            path, row = cache.flow_path(key), (2, *size)
            offset = path.stat().st_size - len(checksums) * 2 * int(np.prod(row))
            fields[size] = _Rows(path, offset, row, "float16", checksums)
            cache.used(path)
    except (OSError, ValueError):
        return None
    cache.used(entry)
    return CachedClip(clip, about.frames, about.rate, about.source_size, about.damage, pictures, fields)


def keep(cache: FlowCache, name: str, loaded: LoadedClip, flow_keys: dict[Size, str]) -> None:
    """Write a clip to the cache under a name; `flow_keys` name its fields there."""
    if not all(cache.flow_path(key).exists() for key in flow_keys.values()):
        return  # flow is above the limit, or the folder cannot be written to
    pictures = [(size, np.ascontiguousarray(frames.numpy())) for size, frames in loaded.pictures.items()]
    about = _About(
        frames=loaded.frames,
        rate=loaded.rate,
        source_size=loaded.source_size,
        damage=loaded.damage,
        pictures=tuple((size, _checksums(frames)) for size, frames in pictures),
        fields=tuple((size, flow_keys[size], _checksums(fields.numpy())) for size, fields in loaded.fields.items()),
    )
    text = json.dumps(asdict(about)).encode()
    head = f"{len(text):0{_HEAD}x}{zlib.crc32(text):0{_HEAD}x}".encode()
    cache.write(cache.folder / name, [head, text, *(frames.reshape(-1).data for _, frames in pictures)])


def _checksums(rows: NDArray[Any]) -> tuple[int, ...]:
    return tuple(zlib.crc32(np.ascontiguousarray(row).reshape(-1).view(np.uint8).data) for row in rows)
