"""Passes compute channels last where the network can, and leave its weights as they lay."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import nn

from marey.accelerate.passes import quick_passes
from marey.network.network import Network
from marey.network.stream import rgb_frames


class _Views(nn.Module):
    """A network whose code needs its maps in the usual order; it counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.passes = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        maps: torch.Tensor = self.conv(images)
        return maps.view(len(images), -1)


def _network(module: nn.Module) -> Network:
    return Network(module, [rgb_frames(1, size=8, layout="(n t) c h w")])


def test_inside_quick_passes_maps_lie_channels_last_and_the_weights_come_back_as_they_were(
    left_as_found: Callable[[nn.Module], AbstractContextManager[None]],
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    network, images = _network(module), torch.rand(2, 3, 1, 8, 8)
    weight = module.get_parameter("0.weight")
    before, plain = weight.data_ptr(), module(network.stream("rgb").to_network(images))

    def stopped() -> None:
        with quick_passes(network):
            output = network.forward({"rgb": images})
            assert isinstance(output, torch.Tensor)
            assert output.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(output, plain)
            raise KeyboardInterrupt

    with left_as_found(module), pytest.raises(KeyboardInterrupt):
        stopped()
    assert weight.is_contiguous() and weight.data_ptr() == before


def test_a_network_whose_code_needs_the_usual_order_has_it_and_is_asked_once() -> None:
    module = _Views()
    network, images = _network(module), {"rgb": torch.rand(2, 3, 1, 8, 8)}
    for passes in (2, 3):
        with quick_passes(network):
            network.forward(images)
        assert module.passes == passes


def test_what_runs_up_to_a_layer_says_nothing_of_the_network_beyond() -> None:
    network = _network(_Views())
    with quick_passes(network.resized(16, 16, deepest="conv")):
        pass
    with quick_passes(network):
        network.forward({"rgb": torch.rand(2, 3, 1, 8, 8)})


def test_an_error_of_the_network_itself_is_raised() -> None:
    class Broken(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise ValueError("a bug of the network")

    with pytest.raises(ValueError, match="a bug of the network"), quick_passes(_network(Broken())):
        pass
