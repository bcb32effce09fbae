"""Flow that lies on disk as images: where it is, and its fields in any size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from marey.errors import VideoError
from marey.video.flow.files import DENSEFLOW, FlowFiles, Pair, numbered_images, read_pairs, unfinished

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class StoredFlow:
    """The flow images of one video: those of number k are the field from frame k to the next.

    Frames of other numbers are paired by `marey.video.read.paired_flow`. Flow is in pixels of the images' own size,
    whatever the size of the frames.
    """

    folder: Path
    video: str = ""
    files: FlowFiles = DENSEFLOW

    @property
    def images(self) -> dict[int, Pair]:
        """Find the images of u and v by their number."""
        return numbered_images(self.folder, self.video, files=self.files)

    @property
    def count(self) -> int:
        """Count the fields."""
        return len(self.images)

    @property
    def size(self) -> Size:
        """Read height and width of the images; VideoError when the first cannot be read."""
        height, width = read_pairs([next(iter(self.images.values()))], self.files).shape[2:]
        return height, width

    def fields(self, pairs: Sequence[Pair], size: Size) -> Tensor:
        """Read the fields of some of `images`, resized: float16 (time, 2, height, width) in px/frame of `size`.

        Where the gray of rest lies between two grays, as 127.5 does, both are read as no motion: otherwise everything
        at rest would drift by half a step. Raises VideoError for an image that is missing or damaged.
        """
        fields = torch.empty(len(pairs), 2, *size, dtype=torch.float16)
        half_step = 0.0 if self.files.rest.is_integer() else 0.501 * self.files.bound / self.files.rest
        for index, pair in enumerate(pairs):
            field = read_pairs([pair], self.files)[0]
            field[field.abs() < half_step] = 0
            fields[index] = torch.from_numpy(_resized(field.numpy(), size))
        return fields


@dataclass(frozen=True)
class ImageLayout:
    """The places of the images of many videos under one root.

    frames
        the folder of a video's frame images, with {video}; all its images count, in natural order, but for `flow_*`.
    flow
        names and meaning of its flow images under the root; None: there are none.

    >>> TWO_STREAM_TREE.place(Path("ucf101"), "v_Biking_g01_c01").as_posix()
    'ucf101/jpegs_256/v_Biking_g01_c01'
    """

    frames: str = "{video}"
    flow: FlowFiles | None = DENSEFLOW

    def __post_init__(self) -> None:
        if "{video}" not in self.frames:
            raise VideoError(f"'{self.frames}' names one folder for all videos; write {{video}} where its name stands.")

    def place(self, root: Path, video: str) -> Path:
        """Name the folder of a video's frames."""
        return root / self.frames.format(video=video)

    def stored(self, root: Path, video: str) -> StoredFlow | None:
        """Find the flow of a video; None where there is no first image."""
        return None if self.flow is None else _begun(root, video, self.flow)


DENSEFLOW_TREE = ImageLayout()
"""denseflow and mmaction2: img_00001.jpg, flow_x_00001.jpg and flow_y_00001.jpg in one folder for each video."""

TWO_STREAM_TREE = ImageLayout(
    "jpegs_256/{video}",
    FlowFiles("tvl1_flow/u/{video}/frame{frame:06d}.jpg", "tvl1_flow/v/{video}/frame{frame:06d}.jpg"),
)
"""Feichtenhofer's two-stream networks: jpegs_256/VIDEO/frame000001.jpg, tvl1_flow/u/VIDEO/frame000001.jpg, and v."""


def flow_beside(clip: Path) -> StoredFlow | None:
    """Find the flow stored for a clip under the names of denseflow or of Feichtenhofer's tree; None without any.

    The flow lies in the folder of the frames, in the tree of that folder, or in a folder beside a video file that has
    the file's name without suffix.
    """
    if clip.is_file():
        return _begun(clip.with_suffix(""), "", DENSEFLOW)
    if clip.parent.name.startswith("jpegs"):
        found = TWO_STREAM_TREE.stored(clip.parent.parent, clip.name)
        if found is not None:
            return found
    return _begun(clip, "", DENSEFLOW)


def _begun(root: Path, video: str, files: FlowFiles) -> StoredFlow | None:
    """Find flow whose images are numbered from 0, as `files` says, or from any other number on."""
    for numbered in (replace(files, first_frame=0), files):
        if unfinished(root, video, numbered):
            return None
        if (root / numbered.names(video, numbered.first_frame)[0].lstrip("/")).is_file():
            return StoredFlow(root, video, numbered)
    found = StoredFlow(root, video, files)
    return found if found.images else None


def _resized(field: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Resize a field (2, height, width), and its flow to pixels of that size."""
    height, width = field.shape[1:]
    if (height, width) == size:
        return field
    how = cv2.INTER_AREA if size[0] < height else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(field.transpose(1, 2, 0)), size[::-1], interpolation=how)
    scaled = resized * np.array([size[1] / width, size[0] / height], np.float32)
    return cast("NDArray[np.float32]", scaled.transpose(2, 0, 1))
