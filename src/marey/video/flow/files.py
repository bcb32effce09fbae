"""Flow as 8-bit images, the form in which other programs write it and data sets are handed round."""

import itertools
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from marey.errors import OutputError, VideoError
from marey.files import drafting, drafts_of
from marey.video.images import image_files, read_image

_MOVING = "moving"

Pair = tuple[Path, Path]
"""The images of u and of v of one field."""


@dataclass(frozen=True)
class FlowFiles:
    """The names of the images of u and v, and the meaning of their gray values.

    `u` and `v` are templates under a folder with {video} and {frame}, the number of the field, counted from
    `first_frame`. Flow is clipped to +-`bound` px/frame; gray q means (q - rest) / rest * bound, where `rest` is the
    gray of no motion: 127.5 maps +-bound to 0 and 255; 128 is what networks assume that subtract 128.

    >>> DENSEFLOW.names("Archery/v_01", 1)
    ('Archery/v_01/flow_x_00001.jpg', 'Archery/v_01/flow_y_00001.jpg')
    >>> TWO_STREAM.names("v_01", 1)
    ('u/v_01/frame000001.jpg', 'v/v_01/frame000001.jpg')
    >>> I3D.names("v_01", 1)
    ('v_01-000001x.jpg', 'v_01-000001y.jpg')
    """

    u: str
    v: str
    bound: float = 20.0
    rest: float = 127.5
    first_frame: int = 1

    def __post_init__(self) -> None:
        try:
            pairs = {self.names("video", 1), self.names("video", 2)}
        except (KeyError, IndexError, ValueError) as error:
            raise VideoError(f"'{self.u}' and '{self.v}' are no names of flow images: {error!r}.") from None
        if len({name for pair in pairs for name in pair}) != 4:
            raise VideoError(f"'{self.u}' and '{self.v}' name one image twice; write {{frame:05d}} and tell u from v.")
        if not (self.bound > 0 and 0 < self.rest < 255):
            raise VideoError(
                f"flow files need a bound above 0 and a gray of rest in 0..255, got {self.bound}, {self.rest}."
            )

    def names(self, video: str, frame: int) -> tuple[str, str]:
        """Name the two images of a field, relative to the folder."""
        return self.u.format(video=video, frame=frame), self.v.format(video=video, frame=frame)

    def gray(self, fields: Tensor) -> Tensor:
        """Convert flow in px/frame to the nearest 8-bit values, of the same shape."""
        return (fields.float() / self.bound * self.rest + self.rest).round().clamp(0, 255).to(torch.uint8)

    def flow(self, gray: Tensor) -> Tensor:
        """Convert 8-bit values to flow in px/frame (float32), within `bound` / (2 `rest`) where nothing was clipped."""
        return (gray.float() - self.rest) / self.rest * self.bound


DENSEFLOW = FlowFiles("{video}/flow_x_{frame:05d}.jpg", "{video}/flow_y_{frame:05d}.jpg")
"""denseflow and mmaction2: a folder for each video."""

TWO_STREAM = FlowFiles("u/{video}/frame{frame:06d}.jpg", "v/{video}/frame{frame:06d}.jpg")
"""Feichtenhofer's two-stream networks: a tree for u and one for v."""

I3D = FlowFiles("{video}-{frame:06d}x.jpg", "{video}-{frame:06d}y.jpg")
"""I3D networks: all videos in one folder."""


def numbered_images(folder: str | Path, video: str = "", *, files: FlowFiles = DENSEFLOW) -> dict[int, Pair]:
    """Find the images of u and v by their number, however it is padded; a lone u or v does not count.

    Where the images of all videos lie in one folder, or those of each field in one of their own, they are looked for
    one by one from `files.first_frame` on, and end at the first gap. Unfinished flow is not found.
    """
    if unfinished(folder, video, files):
        return {}
    u, v = _by_number(folder, video, files)
    return {number: (u[number], v[number]) for number in sorted(u.keys() & v.keys())}


def _by_number(folder: str | Path, video: str, files: FlowFiles) -> tuple[dict[int, Path], dict[int, Path]]:
    """Find the images of u, and those of v, by their number."""
    names = (Path(files.u).name, Path(files.v).name)
    if any("{video" in name or "{frame" not in name for name in names):
        u: dict[int, Path] = {}
        v: dict[int, Path] = {}
        for number in itertools.count(files.first_frame):
            pair = _paths(folder, video, files, number - files.first_frame)
            there = [(found, path) for found, path in zip((u, v), pair, strict=True) if path.is_file()]
            if not there:
                return u, v
            for found, path in there:
                found[number] = path
    templates = (files.u.format(video=video, frame=_AnyNumber()), files.v.format(video=video, frame=_AnyNumber()))
    return _numbered(folder, templates[0]), _numbered(folder, templates[1])


class _AnyNumber:
    def __format__(self, form: str) -> str:
        return "\0"


def _numbered(folder: str | Path, pattern: str) -> dict[int, Path]:
    """Find images by their number, which stands for the one NUL in their name; of two with one number, the first."""
    place = Path(folder, pattern.lstrip("/"))
    before, _, after = place.stem.partition("\0")
    found: dict[int, Path] = {}
    with suppress(OSError):
        for path in sorted(image_files(place.parent)):
            number = path.stem.removeprefix(before).removesuffix(after)
            if path.stem == before + number + after and number.isascii() and number.isdecimal():
                found.setdefault(int(number), path)
    return found


def flow_frames(folder: str | Path, video: str = "", *, files: FlowFiles = DENSEFLOW) -> int:
    """Count the fields of a video that are numbered without a gap; a lone u or v does not count."""
    count = 0
    while all(path.is_file() for path in _paths(folder, video, files, count)):
        count += 1
    return count


def read_flow(
    folder: str | Path,
    video: str = "",
    *,
    files: FlowFiles = DENSEFLOW,
    start_frame: int = 0,
    count: int | None = None,
) -> Tensor:
    """Read flow images as float32 (time, 2, height, width) in px/frame, u to the right and v down.

    `start_frame` counts fields from 0; `count` None means all. Raises VideoError for the first image that is missing,
    damaged or of another size.
    """
    if count is None:
        count = max(1, flow_frames(folder, video, files=files) - start_frame)
    pairs = [_paths(folder, video, files, index) for index in range(start_frame, start_frame + count)]
    for index, path in ((index, path) for index, pair in enumerate(pairs, start_frame) for path in pair):
        if not path.exists():
            raise VideoError(f"no flow image at '{path}'; {index} fields come before it.")
    return read_pairs(pairs, files)


def read_pairs(pairs: Sequence[Pair], files: FlowFiles) -> Tensor:
    """Read images of u and v as float32 (time, 2, height, width) in px/frame; errors are those of `read_flow`."""
    gray: list[NDArray[np.uint8]] = []
    for path in (path for pair in pairs for path in pair):
        gray.append(read_image(path, "L", what="flow image"))
        if gray[-1].shape != gray[0].shape:
            size, before = (" x ".join(map(str, image.shape)) for image in (gray[-1], gray[0]))
            raise VideoError(f"flow image '{path}' is {size} px, those before it are {before}.")
    return files.flow(torch.from_numpy(np.stack(gray))).view(len(pairs), 2, *gray[0].shape)


def write_flow(
    folder: str | Path, video: str, fields: Tensor, *, files: FlowFiles = DENSEFLOW, jpeg_quality: int = 95
) -> None:
    """Write flow (time, 2, height, width; px/frame) as pairs of gray images, in the format that their names end in.

    All images are written beside their place before the first is moved there, and until the last is, the flow counts as
    not there. Images of more fields under the same names are removed. Raises OutputError where an image cannot be
    written.
    """
    pairs = [_paths(folder, video, files, index) for index in range(len(fields))]
    with drafting(_first(folder, video, files)) as drafts:
        moves: list[tuple[Path, Path]] = []
        for pair, grays in zip(pairs, files.gray(fields).numpy(force=True), strict=True):
            for path, gray in zip(pair, grays, strict=True):
                form = Image.registered_extensions().get(path.suffix.lower())
                if form is None:
                    raise OutputError(f"flow image '{path}' has a name of no known format; expected .jpg or .png.")
                moves.append((drafts / f"{len(moves)}{path.suffix}", path))
                Image.fromarray(gray).save(moves[-1][0], format=form, quality=jpeg_quality)
        for draft, _ in moves:  # all after all are written, which is faster by far than each after it is
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
        (drafts / _MOVING).touch()
        kept = {path for pair in pairs for path in pair}
        before = [one for found in _by_number(folder, video, files) for one in found.items()]
        for number, path in sorted(before, reverse=True):  # so that none is left behind a gap
            if path in _paths(folder, video, files, number - files.first_frame) and path not in kept:
                path.unlink()
        for place in {path.parent for _, path in moves}:
            place.mkdir(parents=True, exist_ok=True)
        for draft, path in moves:
            draft.replace(path)


def unfinished(folder: str | Path, video: str, files: FlowFiles) -> bool:
    """Whether `write_flow` was killed while it moved the images of a video to their place."""
    return (drafts_of(_first(folder, video, files)) / _MOVING).exists()


def _first(folder: str | Path, video: str, files: FlowFiles) -> Path:
    return _paths(folder, video, files, 0)[0]


def _paths(folder: str | Path, video: str, files: FlowFiles, index: int) -> tuple[Path, Path]:
    u, v = files.names(video, files.first_frame + index)
    return Path(folder, u.lstrip("/")), Path(folder, v.lstrip("/"))
