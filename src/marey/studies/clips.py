"""Motion studies one at a time, by class, seed and index: frames with exact flow, mask, hidden pixels and factors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from marey.errors import DatasetError
from marey.network.stream import Stream
from marey.studies.casting import drawn_factors
from marey.studies.classes import study_class, study_classes
from marey.studies.compression import compressed
from marey.studies.difficulty import Difficulty, DifficultyName, named
from marey.studies.factors import Factors, Setting
from marey.studies.scene import render_scene
from marey.video.read.clips import Clip, LoadedClip, resized_size

Size = tuple[int, int]  # height, width

RATE = 25.0
"""Frames per second of every clip; tempos are in cycles per second at this rate."""

MOST_FRAMES = 120  # more would be more parts than a label of 8 bits can name


@dataclass(frozen=True)
class StudyClip:
    """A generated clip with its exact flow, masks and factors.

    frames
        uint8 (time height width 3), RGB.
    flow
        float32 (2, time - 1, height, width), u (right) before v (down), px/frame; field k leads from frame k to k + 1.
        The flow is exact: every pixel moves as the part that it shows, and the backdrop moves with the camera.
    mask
        bool (time height width): the actor and what it handles.
    occluded
        bool (time - 1, height, width): pixels whose point is not seen in the next frame, because another part hides it
        or it has left the frame. Pixels on the border of a part may count as either.
    parts
        uint8 (time height width), index into `part_names`, 0 being the backdrop.
    factors
        who, what, where and how fast.
    """

    frames: NDArray[np.uint8]
    flow: NDArray[np.float32]
    mask: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    parts: NDArray[np.uint8]
    part_names: tuple[str, ...]
    factors: Factors

    @property
    def label(self) -> str:
        """The class."""
        return self.factors.what.label

    def loaded(self, streams: Sequence[Stream]) -> LoadedClip:
        """Return the clip as training and evaluation take clips, with its exact flow, resized as the streams want.

        A clip whose size is the streams' `short_side` is not resized.
        """
        clip = Clip(Path(f"motion-studies/{self.label}/{self.factors.seed}-{self.factors.index}"), label=self.label)
        count, *size = self.frames.shape[:3]
        source: Size = (size[0], size[1])
        pictures, fields = torch.from_numpy(self.frames), torch.from_numpy(self.flow).transpose(0, 1)
        sizes = {
            kind: {resized_size(source, stream) for stream in streams if stream.kind == kind}
            for kind in ("rgb", "flow")
        }
        return LoadedClip(
            replace(clip, group=f"{self.factors.seed}-{self.factors.index}"),
            count,
            RATE,
            source,
            {size: _pictures(pictures, size) for size in sizes["rgb"]},
            {size: _fields(fields, size) for size in sizes["flow"]},
        )

    def inputs(self, streams: Sequence[Stream], *, start_frame: int = 0) -> dict[str, Tensor]:
        """Cut inputs {stream: (channel time height width)} from `start_frame` on: RGB in 0..1, exact flow in px/frame.

        Raises VideoError when the clip is too short for the streams; make it with more frames.
        """
        return self.loaded(streams).window(streams, start_frame)


def study_clip(
    label: str,
    seed: int,
    index: int = 0,
    *,
    size: int = 112,
    frames: int = 16,
    setting: Setting = "fair",
    difficulty: Difficulty | DifficultyName = "plain",
) -> StudyClip:
    """Make clip number `index` of a class: `frames` frames of `size` x `size` px.

    The same arguments give the same bytes. Clips of different classes but one `seed` and `index` share actor, clothes,
    scene, view, tempo and phase as far as their classes allow. In the "biased" setting kicks are on a meadow and lifts
    carry a logo, low kicks and low lifts never; in the "fair" setting neither meadow nor logo tells the class.

    Raises DatasetError for an unknown class, setting or difficulty, a size below 32, fewer than 2 frames or more
    than `MOST_FRAMES`.

    >>> clip = study_clip("wave", seed=0)
    >>> clip.frames.shape, clip.flow.shape, clip.factors.what.program
    ((16, 112, 112, 3), (2, 15, 112, 112), 'wave')
    """
    study_class(label)
    difficulty = named(difficulty)
    if setting not in ("fair", "biased"):
        raise DatasetError(f"no setting '{setting}'; expected 'fair' or 'biased'.")
    if size < 32 or not 2 <= frames <= MOST_FRAMES or min(seed, index) < 0:
        raise DatasetError(
            f"no clip of {frames} frames of {size} px with seed {seed} and index {index}; "
            f"expected 2 to {MOST_FRAMES} frames of at least 32 px, seed and index not below 0."
        )
    factors, scene, names = render_scene(drawn_factors(label, seed, index, setting, difficulty), size, frames, RATE)
    shown = scene.frames if difficulty.compression is None else compressed(scene.frames, difficulty.compression)
    u, v = scene.flow.reshape(2, -1)[:, np.flatnonzero(scene.mask[:-1])]
    speed = float(np.hypot(u, v).mean()) if len(u) else 0.0
    factors = replace(factors, how=replace(factors.how, speed_px_per_frame=speed))
    return StudyClip(shown, scene.flow, scene.mask, scene.occluded, scene.labels, names, factors)


def study_clips(
    count: int,
    seed: int,
    *,
    classes: Sequence[str] | None = None,
    first: int = 0,
    size: int = 112,
    frames: int = 16,
    setting: Setting = "fair",
    difficulty: Difficulty | DifficultyName = "plain",
) -> Iterator[StudyClip]:
    """Make `count` clips of every class (None: of all classes), index by index from `first` on.

    Arguments and errors are as for `study_clip`. The clips of one index come in a row, in the order of the classes.
    """
    for index in range(first, first + count):
        for label in study_classes() if classes is None else classes:
            yield study_clip(label, seed, index, size=size, frames=frames, setting=setting, difficulty=difficulty)


def _pictures(pictures: Tensor, size: Size) -> Tensor:
    if tuple(pictures.shape[1:3]) == size:
        return pictures
    shown = functional.interpolate(pictures.permute(0, 3, 1, 2).float(), size, mode="bilinear", antialias=True)
    return shown.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous()


def _fields(fields: Tensor, size: Size) -> Tensor:
    """Resize flow (time 2 height width), in pixels of the new size."""
    if tuple(fields.shape[2:]) == size:
        return fields.half()
    scale = torch.tensor([size[1] / fields.shape[3], size[0] / fields.shape[2]]).view(1, 2, 1, 1)
    return (functional.interpolate(fields, size, mode="bilinear", antialias=True) * scale).half()
