"""Flow has the colors of the Middlebury wheel, at a scale that a reader can use."""

import colorsys

import numpy as np
import pytest
import torch
from torch import Tensor

from marey.draw.color_wheel import color_wheel, nice_max_px, one_component
from marey.errors import MareyError


def uniform(u: float, v: float, size: int = 4) -> Tensor:
    return torch.tensor([float(u), float(v)]).view(2, 1, 1).expand(2, size, size)


def hue(u: float, v: float) -> float:
    red, green, blue = color_wheel(uniform(u, v), max_px=1.0)[0, 0] / 255
    return colorsys.rgb_to_hsv(red, green, blue)[0]


def test_no_motion_is_white_and_motion_to_the_right_is_red() -> None:
    assert (color_wheel(uniform(0, 0), max_px=1.0) == 255).all()
    assert color_wheel(uniform(2, 0), max_px=2.0)[0, 0].tolist() == [255, 0, 0]


def test_the_four_directions_have_the_colors_of_the_middlebury_wheel() -> None:
    right, down, left, up = (360 * hue(u, v) for u, v in ((1, 0), (0, 1), (-1, 0), (0, -1)))
    assert right == pytest.approx(0, abs=1)
    assert 45 < down < 65  # yellow
    assert 180 < left < 210  # between cyan and blue
    assert 250 < up < 290  # violet


@pytest.mark.parametrize("angle", [0, 30, 77, 145, 201, 290])
def test_opposite_directions_have_hues_far_apart(angle: float) -> None:
    u, v = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    apart = abs(hue(u, v) - hue(-u, -v))
    assert min(apart, 1 - apart) > 0.3


def test_hue_is_continuous_around_the_circle() -> None:
    angle = torch.linspace(-torch.pi, torch.pi, 2000)
    wheel = color_wheel(torch.stack([angle.cos(), angle.sin()]).unsqueeze(1), max_px=1.0)[0].astype(int)
    assert np.abs(np.diff(wheel, axis=0)).max() <= 8
    assert np.abs(wheel[0] - wheel[-1]).max() <= 1


def test_faster_motion_is_less_white_up_to_max_px_and_darker_beyond() -> None:
    shades = [color_wheel(uniform(u, 0), max_px=4.0)[0, 0] for u in (1, 2, 4, 5, 6, 9)]
    assert [shade[1] for shade in shades] == [191, 128, 0, 0, 0, 0]
    assert [shade[0] for shade in shades] == [255, 255, 255, 204, 191, 191]


def test_without_max_px_the_largest_magnitude_is_fully_colored() -> None:
    flow = torch.cat([uniform(3, 0), uniform(1.5, 0)], dim=2)
    assert color_wheel(flow)[0, 0].tolist() == [255, 0, 0]
    assert color_wheel(flow)[0, -1].tolist() == [255, 128, 128]


def test_unknown_flow_is_black_and_leaves_the_scale_alone() -> None:
    flow = uniform(1.0, 0.0).clone()
    flow[0, 0, 0] = float("nan")
    picture = color_wheel(flow)
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[1, 1].tolist() == [255, 0, 0]


def test_leading_axes_of_the_flow_are_kept() -> None:
    assert color_wheel(torch.zeros(3, 5, 2, 6, 7)).shape == (3, 5, 6, 7, 3)


def test_a_component_shows_its_own_axis_only() -> None:
    flow = uniform(2, -1)
    assert np.array_equal(one_component(flow, "u", max_px=4), color_wheel(uniform(2, 0), max_px=4))
    assert np.array_equal(one_component(flow, "v", max_px=4), color_wheel(uniform(0, -1), max_px=4))


def test_magnitude_is_white_at_rest_and_dark_when_fast() -> None:
    assert (one_component(uniform(0, 0), "magnitude", max_px=1) == 255).all()
    assert (one_component(uniform(3, 4), "magnitude", max_px=5) < 40).all()


def test_flow_with_channels_elsewhere_is_refused() -> None:
    with pytest.raises(MareyError, match=r"shape \(8, 8, 2\); expected \(\.\.\., 2, height, width\)"):
        color_wheel(torch.zeros(8, 8, 2))
    with pytest.raises(MareyError, match="max_px is -1"):
        color_wheel(uniform(1, 0), max_px=-1)


def test_the_scale_is_round_and_no_slave_to_a_few_wild_vectors() -> None:
    flow = uniform(0.9, 0, size=100).clone()
    assert nice_max_px(flow) == 1.0
    flow[0, 0, 0] = 500.0
    assert nice_max_px(flow) == 2.0
    assert nice_max_px(torch.zeros(2, 4, 4)) == 1.0
    assert nice_max_px(uniform(17, 0)) == 20.0
