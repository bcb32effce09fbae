"""The motion of a moved clip is that of what is seen in it: blank places do not count."""

import pytest
import torch

from marey.maximization.moved import moved
from marey.maximization.seen_motion import seen_motion
from marey.network.stream import rgb_frames


def test_a_uniform_motion_is_found_as_it_is_whatever_the_picture() -> None:
    picture = torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    velocity = torch.tensor([[1.5, -0.5], [0.0, 2.0]]).view(2, 2, 1, 1, 1).expand(2, 2, 4, 3, 3)
    frames = moved(picture, velocity[..., :1, :1].expand(2, 2, 4, 12, 12), tuple(range(5)))
    found = seen_motion({"rgb": frames}, velocity, [rgb_frames(5, size=12)])
    torch.testing.assert_close(found, velocity[:, :, 0, 0, 0], atol=0.01, rtol=0.012)


def test_motion_along_stripes_does_not_count() -> None:
    stripes = torch.rand(8, 1, generator=torch.Generator().manual_seed(0)).expand(1, 3, 3, 8, 8)
    velocity = torch.tensor([5.0, -1.0]).view(1, 2, 1, 1, 1).expand(1, 2, 2, 8, 8)
    found = seen_motion({"rgb": stripes}, velocity, [rgb_frames(3, size=8)])
    assert found[0].tolist() == pytest.approx([0.0, -1.0], abs=0.03)


def test_what_moves_where_the_picture_is_blank_does_not_count() -> None:
    frames = torch.full((1, 3, 3, 16, 16), 0.5)
    frames[..., :8] = torch.rand(8, generator=torch.Generator().manual_seed(0))
    velocity = torch.zeros(1, 2, 2, 16, 16)
    velocity[:, 0, :, :, :9], velocity[:, 1, :, :, 9:] = 1.0, -4.0
    found = seen_motion({"rgb": frames}, velocity, [rgb_frames(3, size=16)])
    assert found[0].tolist() == pytest.approx([1.0, 0.0], abs=0.03)


def test_a_clip_without_any_slope_does_not_move() -> None:
    found = seen_motion({"rgb": torch.ones(1, 3, 3, 8, 8)}, torch.ones(1, 2, 2, 8, 8), [rgb_frames(3, size=8)])
    assert found.tolist() == [[0.0, 0.0]]


def test_velocities_count_by_how_long_they_hold_and_of_the_stream_with_most_frames() -> None:
    few = rgb_frames(2, step=3, size=8, name="few")  # at 0 and 3
    many = rgb_frames(3, size=6, name="many")  # at 0, 1 and 2
    texture = torch.rand(1, 3, 1, 6, 6, generator=torch.Generator().manual_seed(0)).expand(1, 3, 3, 6, 6)
    velocity = torch.zeros(1, 2, 3, 8, 8)
    velocity[:, 0, 0] = 3.0  # from 0 to 1, of the 3 between 0 and 3
    velocity[..., 0, :] = 9.0  # outside of what the small stream sees
    found = seen_motion({"few": torch.zeros(1, 3, 2, 8, 8), "many": texture}, velocity, [few, many])
    assert found[0].tolist() == pytest.approx([1.0, 0.0], abs=0.05)
