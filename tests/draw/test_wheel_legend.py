"""The legend says which color is which direction, and at which speed."""

from collections.abc import Callable

import numpy as np
import torch

from marey.draw.color_wheel import color_wheel
from marey.draw.typeset import QUIET
from marey.draw.wheel_legend import wheel_disc, wheel_legend


def test_every_place_of_the_disc_has_the_color_of_motion_to_there() -> None:
    disc = np.asarray(wheel_disc(101))
    for y, x in ((50, 75), (50, 25), (75, 50), (25, 50), (70, 30)):
        motion = torch.tensor([(x - 50) / 50.5, (y - 50) / 50.5]).view(2, 1, 1)
        color = color_wheel(motion, max_px=1.0)[0, 0].astype(int)
        assert np.abs(disc[y, x] - color).max() <= 6, (y, x)
    assert (disc[0, 0] == 255).all()


def test_the_scale_is_written_below_the_wheel(says: Callable[..., bool]) -> None:
    legend = np.asarray(wheel_legend(4.0))
    for word in ("up", "down", "left", "right", "2", "4", "speed, px/frame", "magnitude, px/frame"):
        assert says(legend, word, 12, QUIET), word
    assert not says(legend, "8", 12, QUIET)
    assert says(np.asarray(wheel_legend(8.0)), "8", 12, QUIET)
    assert not says(np.asarray(wheel_legend(4.0, magnitude=False)), "magnitude, px/frame", 12, QUIET)
