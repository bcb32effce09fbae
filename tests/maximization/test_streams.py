"""Preferred inputs are physical whatever the network gets: RGB of a BGR network, gray of a gray one."""

import torch
from torch import nn

from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.network import Network
from marey.network.stream import rgb_frames

QUICK = Recipe(slowness=(0,), steps=24)


def test_the_preferred_input_of_a_unit_for_the_first_of_bgr_is_blue() -> None:
    module = nn.Sequential(nn.Conv3d(3, 1, 1, bias=False))
    module[0].weight.data = torch.tensor([1.0, -0.5, -0.5]).view(1, 3, 1, 1, 1)
    frames = maximize(Network(module, [rgb_frames(1, size=8, order="bgr")]), "0:0", recipe=QUICK).frames["rgb"]
    red, green, blue = frames.mean((0, 2, 3, 4)).tolist()
    assert blue > 0.55 > 0.5 > max(red, green)


def test_the_preferred_input_of_a_network_for_gray_images_is_gray() -> None:
    module = nn.Sequential(nn.Conv3d(1, 1, (1, 3, 3), bias=False))
    frames = maximize(Network(module, [rgb_frames(2, size=8, order="gray")]), "0:0", recipe=QUICK).frames["rgb"]
    assert frames.shape[1:] == (3, 1, 3, 3)
    torch.testing.assert_close(frames[:, 0], frames[:, 2])
    assert frames.std() > 0.01
