"""Films: frames beside each other, as many and as large as their size says."""

import numpy as np
import torch

from marey.draw.film import MOST_FRAMES, SIDE, film, film_size, heat_film


def test_frames_stand_beside_each_other_in_order() -> None:
    clip = torch.stack([torch.full((3, 8, 8), shade) for shade in (0.0, 0.4, 1.0)], dim=1)
    drawn = film(clip)
    assert drawn.shape == (SIDE, 3 * SIDE, 3)
    assert [round(float(part.mean())) for part in np.split(drawn, 3, axis=1)] == [0, 102, 255]


def test_a_long_clip_keeps_its_first_and_last_frame() -> None:
    shades = torch.linspace(0, 1, 60)
    drawn = film(shades.view(1, 60, 1, 1).expand(3, 60, 10, 20))
    count, height, width = film_size(60, 10, 20)
    assert count == MOST_FRAMES and (height, width) == (56, SIDE)
    assert drawn.shape == (height, count * width, 3)
    assert drawn[:, 0].max() == 0 and drawn[:, -1].min() == 255


def test_flow_is_colored_up_to_the_speed_given() -> None:
    clip = torch.zeros(2, 1, 8, 8)
    clip[0] = 2.0  # to the right
    assert film(clip, max_px=2.0)[0, 0].tolist() == [255, 0, 0]
    assert film(clip, max_px=4.0)[0, 0].tolist() == [255, 128, 128]


def test_heat_covers_what_responds_and_nothing_else_at_the_moments_of_the_film() -> None:
    share = torch.zeros(60, 56, 56)
    share[59, :28] = 1.0
    drawn = heat_film(share)
    assert drawn.shape == (SIDE // 2, MOST_FRAMES * SIDE // 2, 4)
    *before, last = np.split(drawn, MOST_FRAMES, axis=1)
    assert not np.array(before)[..., 3].any()
    assert last[:24, :, 3].min() > 180 and not last[32:, :, 3].any()
    assert last[0, 0, :3].tolist() == [252, 255, 164]
