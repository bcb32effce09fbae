import colorsys

import numpy as np
import pytest
import torch
from torch import Tensor

from marey.draw.flow_colors import color_wheel, nice_max_px, one_component, uv_magnitude
from marey.draw.moving_texture import moving_texture
from marey.draw.picture_row import (
    PictureRow,
    appearance_picture,
    cell_size,
    motion_picture,
    resized,
    stretched,
    strongest_field,
    wheel_legend,
)
from marey.draw.preferred_video import preferred_video
from marey.errors import MareyError


def uniform(u: float, v: float, size: int = 4) -> Tensor:
    return torch.tensor([float(u), float(v)]).view(2, 1, 1).expand(2, size, size)


def hue(u: float, v: float) -> float:
    red, green, blue = color_wheel(uniform(u, v), max_px=1.0)[0, 0] / 255
    return colorsys.rgb_to_hsv(red, green, blue)[0]


def one_row(time: int = 4, size: int = 24, **changes: object) -> PictureRow:
    torch.manual_seed(0)
    parts: dict = {
        "title": "fusion.conv5:21",
        "subtitle": "run",
        "appearance": torch.rand(2, 3, 3, size, size),
        "motion": torch.randn(2, 2, time, size, size),
        "chis": (0.0, 5.0),
        "captions": ("1.2 of real maximum", "0.9 of real maximum"),
    }
    return PictureRow(**(parts | changes))


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
    shades = [color_wheel(uniform(u, 0), max_px=4.0)[0, 0] for u in (1, 2, 4, 5)]
    assert [shade[1] for shade in shades] == [191, 128, 0, 0]
    assert [shade[0] for shade in shades] == [255, 255, 255, 191]


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


def test_u_v_and_magnitude_are_red_green_and_blue() -> None:
    assert uv_magnitude(uniform(0, 0), max_px=5)[0, 0].tolist() == [128, 128, 0]
    assert uv_magnitude(uniform(5, 0), max_px=5)[0, 0].tolist() == [255, 128, 255]
    assert uv_magnitude(uniform(0, -5), max_px=5)[0, 0].tolist() == [128, 0, 255]


def test_a_component_shows_its_own_axis_only() -> None:
    flow = uniform(2, -1)
    assert np.array_equal(one_component(flow, "u", max_px=4), color_wheel(uniform(2, 0), max_px=4))
    assert np.array_equal(one_component(flow, "v", max_px=4), color_wheel(uniform(0, -1), max_px=4))


def test_gray_components_are_mid_gray_at_rest_and_brighter_to_the_right() -> None:
    assert one_component(uniform(0, 3), "u", max_px=4, colors="gray")[0, 0].tolist() == [128] * 3
    assert one_component(uniform(4, 0), "u", max_px=4, colors="gray")[0, 0].tolist() == [255] * 3
    assert one_component(uniform(3, 4), "magnitude", max_px=5, colors="gray")[0, 0].tolist() == [255] * 3


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


def test_small_crops_are_enlarged_by_whole_factors_and_large_ones_shrunk() -> None:
    for side in (1, 7, 40, 56, 112, 224, 256, 500):
        shown = cell_size(side, side)[0]
        assert 112 <= shown <= 256
        assert shown % side == 0 or side > 256


def test_flow_is_resized_before_it_is_colored() -> None:
    flow = torch.cat([uniform(1, 0), uniform(-1, 0)], dim=2)  # between right and left there is rest, no third direction
    picture = motion_picture(flow, (64, 128), max_px=1.0)
    hues = {tuple(pixel) for pixel in picture[32].tolist()}
    assert all((red == 255 and abs(green - blue) <= 1) or blue == 255 for red, green, blue in hues)
    assert (picture[32].min(axis=-1) > 200).any()


def test_nearest_keeps_the_values() -> None:
    clip = torch.rand(3, 4, 4)
    assert torch.equal(resized(clip, (12, 12), enlarge="nearest")[:, ::3, ::3], clip)


def test_rgb_is_shown_as_it_is() -> None:
    frame = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1).expand(3, 8, 8)
    assert appearance_picture(frame, (8, 8))[4, 4].tolist() == [0, 128, 255]


def test_stretched_contrast_fills_the_range_of_every_clip_alone() -> None:
    clips = torch.stack([0.4 + 0.2 * torch.rand(3, 2, 16, 16), 0.1 * torch.rand(3, 2, 16, 16)])
    wide = stretched(clips)
    for clip in wide:
        assert clip.min() == 0
        assert clip.max() == 1
    assert (stretched(torch.full((1, 3, 1, 4, 4), 0.5)) == 0).all()


def test_the_strongest_field_is_the_fastest_on_average() -> None:
    motion = torch.zeros(2, 5, 8, 8)
    motion[0, 3] = 2.0
    assert strongest_field(motion) == 3


def test_a_row_is_ordered_from_slow_to_fast() -> None:
    row = PictureRow("a:0", motion=torch.zeros(3, 2, 1, 8, 8), chis=(1.0, 0.0, 10.0))
    assert [row.chis[place] for place in row.slow_to_fast] == [10.0, 1.0, 0.0]


def test_a_row_of_the_wrong_shape_says_what_was_expected() -> None:
    with pytest.raises(MareyError, match="neither appearance nor motion"):
        PictureRow("a:0")
    with pytest.raises(MareyError, match=r"motion of 'a:0' has shape \(1, 3, 1, 8, 8\); expected \(chi, 2, time"):
        PictureRow("a:0", motion=torch.zeros(1, 3, 1, 8, 8))
    with pytest.raises(MareyError, match="holds 2 clips for 1 chis"):
        PictureRow("a:0", motion=torch.zeros(2, 2, 1, 8, 8))
    with pytest.raises(MareyError, match="1 captions for 2 chis"):
        PictureRow("a:0", motion=torch.zeros(2, 2, 1, 8, 8), chis=(0, 1), captions=("one",))


def test_the_legend_shows_the_wheel_and_changes_with_the_scale() -> None:
    small, large = (np.asarray(wheel_legend(max_px)) for max_px in (4.0, 8.0))
    assert ((small[..., 0] > 250) & (small[..., 1:] < 15).all(-1)).any(), "full red"
    assert not np.array_equal(small, large)
    upper = slice(0, 100)  # the wheel itself stays, the numbers change
    assert np.array_equal(small[upper], large[upper])


def test_the_texture_moves_with_the_flow() -> None:
    fields = torch.zeros(2, 6, 48, 48)
    fields[0] = 2.0
    loop = moving_texture(fields, steps=2)[..., 0].astype(float)  # one pixel to the right in each picture
    assert loop.shape == (12, 48, 48)
    now, then = loop[:-1, :, 12:-12], loop[1:]

    def agreement(shift: int) -> float:
        there = then[:, :, 12 + shift : then.shape[2] - 12 + shift]
        return float(np.corrcoef(now.ravel(), there.ravel())[0, 1])

    assert max(range(-4, 5), key=agreement) == 1
    assert agreement(1) > 0.9


def test_the_texture_is_still_where_nothing_moves() -> None:
    loop = moving_texture(torch.zeros(2, 3, 20, 30), steps=2)
    assert (loop == loop[0]).all()


def test_the_loop_of_the_texture_has_no_seam() -> None:
    torch.manual_seed(0)
    fields = torch.randn(2, 10, 1, 1).expand(2, 10, 32, 32)
    loop = moving_texture(fields, steps=2).astype(float)
    jumps = np.abs(np.roll(loop, -1, axis=0) - loop).mean((1, 2, 3))
    assert jumps[-1] < 2 * np.median(jumps)


def test_the_video_loops_through_all_fields_at_one_size() -> None:
    frames = preferred_video(one_row(time=4), steps=3)
    assert frames.dtype == np.uint8
    assert frames.shape[0] == 12
    assert (frames[0] != frames[6]).any()


def test_a_short_stack_still_gives_a_loop_of_a_second() -> None:
    assert len(preferred_video(one_row(time=1))) >= 24


@pytest.mark.parametrize("missing", ["appearance", "motion"])
def test_a_network_of_one_stream_has_its_video(missing: str) -> None:
    frames = preferred_video(one_row(**{missing: None}))
    assert len(frames) >= 12
    assert (np.ptp(frames.astype(int), axis=0) > 0).any()


def test_the_video_shows_every_field_as_long() -> None:
    motion = torch.zeros(1, 2, 3, 16, 16)
    motion[0, 0, 1] = 1.0  # rest, right, rest
    frames = preferred_video(PictureRow("a:0", motion=motion), max_px=1.0, steps=8)
    red = (frames == [255, 0, 0]).all(-1).sum((1, 2))
    assert (red[8:16] > red[0] + 10_000).all()
    assert (red[:8] == red[0]).all()
    assert (red[16:] == red[0]).all()
