"""The cache of flow on disk, because flow costs more than everything else before the network."""

import hashlib
import io
import json
import math
import os
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey.errors import OutputError, VideoError
from marey.files import DRAFT_SUFFIX, replacing
from marey.video.flow.methods import SETTINGS, Method, check_method, optical_flow

_FORMAT = 1
_SUFFIX = ".marey-flow"
_SUFFIXES = (_SUFFIX, ".marey-clip")
_STALE_SECONDS = 3600.0


def default_folder() -> Path:
    """Name the folder of all caches: $MAREY_CACHE, else `marey` in $XDG_CACHE_HOME or ~/.cache."""
    given = os.environ.get("MAREY_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "marey"


def default_limit() -> int:
    """Read the limit in bytes: $MAREY_CACHE_GB in GiB, else 20 GiB; VideoError when it is no number above 0."""
    given = os.environ.get("MAREY_CACHE_GB") or "20"
    try:
        limit = float(given) * 2**30
    except ValueError:
        limit = 0.0
    if not 0 < limit < math.inf:
        raise VideoError(f"MAREY_CACHE_GB is '{given}'; expected a number above 0, in GiB.")
    return int(limit)


class FlowCache:
    """Flow fields in a folder, found by the pixels they come from, the method, its settings and OpenCV's version.

    Values are float16, so that the error is at most 1/2048 of the value (1/128 px at 16 px/frame). The folder also
    holds the frames of whole clips, see `marey.video.read.cached_clips`. An entry is written whole or not at all and
    carries its checksum; a damaged entry is made again. Above `limit_bytes` the entries unused for longest are removed.
    Several processes may share a folder. Where the folder cannot be written to, flow is computed every time, and one
    warning says so.
    """

    def __init__(self, folder: str | Path | None = None, *, limit_bytes: int | None = None) -> None:
        """Use `folder` (None: "flow" in `default_folder()`) up to `limit_bytes` (None: `default_limit()`)."""
        self.folder = default_folder() / "flow" if folder is None else Path(folder)
        self.limit_bytes = default_limit() if limit_bytes is None else limit_bytes
        self._warned = False

    def optical_flow(self, frames: Tensor, *, method: Method = "tvl1") -> Tensor:
        """Compute `marey.video.flow.methods.optical_flow` without a bound, as float16, or read it from the folder."""
        return self.keyed_flow(frames, method=method)[1]

    def keyed_flow(self, frames: Tensor, *, method: Method = "tvl1") -> tuple[str, Tensor]:
        """Give the key of `optical_flow` in the folder, and the flow."""
        check_method(method)
        key = _key(frames, method)
        entry = self.flow_path(key)
        kept = _read(entry)
        if kept is not None:
            self.used(entry)
            return key, torch.from_numpy(kept)
        fields = optical_flow(frames, method=method, bound=None).half()
        buffer = io.BytesIO()
        np.save(buffer, fields.numpy(), allow_pickle=False)
        content = buffer.getbuffer()
        self.write(entry, [hashlib.sha256(content).digest(), content])
        return key, fields

    def flow_path(self, key: str) -> Path:
        """Name the file of a key; its end holds the fields as float16 (time 2 height width)."""
        return self.folder / (key + _SUFFIX)

    def used(self, entry: Path) -> None:
        """Note that an entry is used now, so that others are removed before it."""
        with suppress(OSError):
            os.utime(entry)

    def write(self, entry: Path, parts: Sequence[bytes | memoryview]) -> None:
        """Write an entry, unless it is above the limit; where the folder cannot be written to, one warning says so."""
        if sum(memoryview(part).nbytes for part in parts) > self.limit_bytes:
            return
        try:
            with replacing(entry) as draft, draft.open("wb") as file:
                for part in parts:
                    file.write(part)
            self._shrink()
        except (OutputError, OSError) as error:
            if not self._warned:
                self._warned = True
                warnings.warn(f"flow is not cached: {error}", stacklevel=3)

    def _shrink(self) -> None:
        """Remove the entries unused for longest until the limit holds, and the drafts that a killed process left."""
        entries: list[tuple[float, int, Path]] = []
        for path in self.folder.iterdir():
            if path.suffix not in (*_SUFFIXES, DRAFT_SUFFIX):
                continue
            with suppress(FileNotFoundError):
                status = path.stat()
                if path.suffix in _SUFFIXES:
                    entries.append((status.st_mtime, status.st_size, path))
                elif time.time() - status.st_mtime > _STALE_SECONDS:
                    path.unlink()
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.limit_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size


def _key(frames: Tensor, method: Method) -> str:
    how = {
        "format": _FORMAT,
        "method": method,
        "settings": dict(SETTINGS[method]),
        "shape": list(frames.shape),
        "opencv": cv2.__version__,
    }
    digest = hashlib.sha256(json.dumps(how, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(frames.numpy(force=True)).data)
    return digest.hexdigest()


def _read(entry: Path) -> NDArray[np.float16] | None:
    """Read the fields of an entry; None where it is missing or damaged."""
    try:
        content = entry.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(memoryview(content)[32:]).digest() != content[:32]:
        return None
    fields: NDArray[np.float16] = np.load(io.BytesIO(content[32:]), allow_pickle=False)
    return fields
