"""Motion is explained by flow, flicker is not."""

import torch
from torch import Tensor

from marey.video.flow.explained import explained_by_flow


def _texture(*shape: int) -> Tensor:
    noise = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    return (0.5 + 0.6 * smooth).clamp(0, 1)


def test_a_moving_texture_is_explained_and_flicker_is_not() -> None:
    texture = _texture(3, 64, 64)
    moving = torch.stack([texture[:, 8:56, 8 + 2 * t : 56 + 2 * t] for t in range(4)], 1)
    flicker = torch.stack([_texture(4, 3, 48, 48)[t] for t in range(4)], 1)
    motion, change = explained_by_flow(moving), explained_by_flow(flicker)
    assert motion is not None and motion > 0.9
    assert change is not None and change < 0.5


def test_nothing_is_said_where_nothing_changes_or_frames_are_too_small_for_flow() -> None:
    assert explained_by_flow(torch.full((3, 4, 48, 48), 0.5)) is None
    assert explained_by_flow(torch.rand(3, 1, 48, 48)) is None
    assert explained_by_flow(torch.rand(3, 4, 2, 2)) is None
