"""Where the actor is in what a network sees: from masks beside the clips, or estimated from what moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from marey.findings.asking import Shown
from marey.network.stream import Stream
from marey.studies.clips import RATE
from marey.video.flow.methods import optical_flow
from marey.video.read.clip import Clip, LoadedClip
from marey.video.read.windows import cut_window, resized_size

_LEAST_PX = 0.3
"""What moves less than this per frame, relative to the camera, is not taken for an actor."""

_SHARE = 0.25
"""Of the speed of what moves fastest: slower things belong to the background."""

_ACTOR_SHARE = (0.02, 0.6)
"""Of the frame. An estimate of less is an actor that stands still, one of more a camera that moves through a scene."""


@dataclass(frozen=True, eq=False)
class ActorMasks:
    """Where the actor is.

    of
        {stream: (window 1 time height width)}; fields of flow have the mask of the frame that they start from.
    source
        "truth" where masks are beside the clips, or "motion".
    """

    of: Mapping[str, Tensor]
    source: Literal["truth", "motion"]

    @property
    def known(self) -> bool:
        """Whether it can be told where the actor is: an estimate must be of 2 to 60 % of the frame."""
        low, high = _ACTOR_SHARE
        share = float(next(iter(self.of.values())).float().mean())
        return self.source == "truth" or low <= share <= high

    def widened(self, stream: str, margin_px: int) -> Tensor:
        """The mask of a stream with a margin around it."""
        mask = self.of[stream]
        windows, _, frames, height, width = mask.shape
        flat = mask.view(windows * frames, 1, height, width).float()
        wide = functional.max_pool2d(flat, 2 * margin_px + 1, stride=1, padding=margin_px)
        return (wide > 0).view_as(mask)


def actor_masks(shown: Shown, streams: Sequence[Stream]) -> ActorMasks:
    """The actor in each window of a clip: from its mask where one is kept (`mask_file`), else from what moves."""
    path = mask_file(shown.clip)
    if path is not None:
        return ActorMasks(_kept_masks(path, shown, streams), "truth")
    return ActorMasks(_moving(shown, streams), "motion")


def mask_file(clip: Clip) -> Path | None:
    """The file with the mask of a clip, as `marey studies` writes it: truth/CLASS/NAME.npz beside clips/CLASS/NAME."""
    label = clip.path.parent
    if label.parent.name != "clips":
        return None
    path = label.parent.parent / "truth" / label.name / f"{clip.path.stem}.npz"
    return path if path.is_file() else None


@lru_cache(maxsize=64)
def _mask(path: Path) -> Tensor:
    with np.load(path) as kept:
        return torch.from_numpy(kept["mask"])  # time height width


def _kept_masks(path: Path, shown: Shown, streams: Sequence[Stream]) -> dict[str, Tensor]:
    whole = _mask(path)
    size = (int(whole.shape[1]), int(whole.shape[2]))
    first = shown.clip.start_seconds * RATE
    frames = int((len(whole) - first) * shown.rate / RATE + 1e-6)
    index = [min(len(whole) - 1, round(first + k * RATE / shown.rate)) for k in range(max(1, frames))]
    made = {}
    for stream in streams:
        resized = resized_size(size, stream)
        pictures = functional.interpolate(whole[index, None].float(), resized, mode="bilinear", align_corners=False)
        clip = LoadedClip(shown.clip, len(index), shown.rate, size, {resized: pictures[:, 0, ..., None]}, {})
        as_rgb = replace(stream, kind="rgb", order=None, mean=None, std=None)
        cuts = [cut_window(clip, [as_rgb], min(start, len(index) - 1))[stream.name] for start in shown.start_frames]
        made[stream.name] = torch.stack([cut.permute(3, 0, 1, 2) for cut in cuts]) >= 0.5
    return made


def _moving(shown: Shown, streams: Sequence[Stream]) -> dict[str, Tensor]:
    """What moves otherwise than the camera, in any frame of a window."""
    moved = motion_mask(_fields(shown, streams))  # window 1 1 height width
    return {
        one.name: functional.interpolate(moved[:, 0].float(), (one.height, one.width), mode="nearest")[:, None]
        .expand(-1, -1, one.frames, -1, -1)
        .bool()
        for one in streams
    }


def _fields(shown: Shown, streams: Sequence[Stream]) -> Tensor:
    """The flow that is shown, else that of the stream with most frames: (window 2 time height width)."""
    for one in streams:
        if one.kind == "flow":
            return shown.inputs[one.name]
    most = max(streams, key=lambda one: one.frames)
    frames = shown.inputs[most.name]
    if most.frames < 2:
        return frames.new_zeros(len(frames), 2, 1, *frames.shape[-2:])
    pictures = (frames.permute(0, 2, 3, 4, 1) * 255).round().to(torch.uint8).cpu()
    fields = [optical_flow(one, method="dis", bound=None).transpose(0, 1) for one in pictures]
    return torch.stack(fields).to(frames)


def motion_mask(fields: Tensor) -> Tensor:
    """Where flow `fields` (window 2 time height width) differ from the camera's, in any frame: (window 1 1 y x).

    The camera's motion is the median over all pixels of a frame.
    """
    camera = fields.flatten(3).median(3).values[..., None, None]
    speed = (fields - camera).norm(dim=1).amax(1)  # window height width
    speed = functional.avg_pool2d(speed[:, None], 5, stride=1, padding=2, count_include_pad=False)
    fastest = speed.flatten(1).quantile(0.99, dim=1).view(-1, 1, 1, 1)
    return (speed > (_SHARE * fastest).clamp_min(_LEAST_PX))[:, :, None]
