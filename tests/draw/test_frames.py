"""Frames and fields keep their values and their directions when they are enlarged to be seen."""

import torch

from marey.draw.frames import appearance_picture, cell_size, motion_picture, resized, strongest_field


def test_small_crops_are_enlarged_by_whole_factors_and_large_ones_shrunk() -> None:
    for side in (1, 7, 40, 56, 112, 224, 256, 500):
        shown = cell_size(side, side)[0]
        assert 112 <= shown <= 256
        assert shown % side == 0 or side > 256


def test_flow_is_resized_before_it_is_colored() -> None:
    flow = torch.zeros(2, 4, 8)
    flow[0, :, :4], flow[0, :, 4:] = 1.0, -1.0  # between right and left there is rest, no third direction
    picture = motion_picture(flow, (64, 128), max_px=1.0)
    hues = {tuple(pixel) for pixel in picture[32].tolist()}
    assert all((red == 255 and abs(green - blue) <= 1) or blue == 255 for red, green, blue in hues)
    assert (picture[32].min(axis=-1) > 200).any()


def test_resizing_adds_no_motion_beyond_the_fastest() -> None:
    field = torch.zeros(2, 4, 4)
    field[0, 1, 1] = 1.0
    for size in ((3, 3), (13, 17)):
        assert resized(field, size).shape == (2, *size)
        assert resized(field, size).min() >= 0 and resized(field, size).max() <= 1


def test_rgb_is_shown_as_it_is() -> None:
    frame = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1).expand(3, 8, 8)
    assert appearance_picture(frame, (8, 8))[4, 4].tolist() == [0, 128, 255]


def test_the_strongest_field_is_the_fastest_on_average() -> None:
    motion = torch.zeros(2, 5, 8, 8)
    motion[0, 3] = 2.0
    assert strongest_field(motion) == 3
