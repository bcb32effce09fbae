"""Measured maxima are those of the loops over clips and positions."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import nn

from marey.errors import NetworkError
from marey.network.measured_maxima import measured_maxima
from marey.network.network import Network
from marey.network.stream import rgb_frames


@pytest.fixture
def volumes() -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv3d(4, 2, 1))
    nn.init.constant_(module[2].bias, -1.0)  # so that its responses lie on both sides of zero
    return Network(module, [rgb_frames(3, size=7)])


def test_they_are_over_all_positions_of_all_windows_of_all_clips(
    volumes: Network, left_as_found: Callable[[nn.Module], AbstractContextManager[None]]
) -> None:
    clips = torch.rand(5, 3, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    parts = (clips[:2], clips[2:3], clips[3:])
    with left_as_found(volumes.module):
        found = measured_maxima(volumes, ({"rgb": part} for part in parts), ["1", "2"], source="5 windows")
    assert found.source == "5 windows"
    with torch.no_grad():
        for layer, module in (("1", volumes.module[:2]), ("2", volumes.module)):
            rows = [module(part).transpose(0, 1).flatten(1) for part in parts]  # unit, all values of a clip
            means = torch.stack([row.mean(1) for row in rows])
            torch.testing.assert_close(found.largest[layer], torch.stack([row.amax(1) for row in rows]).amax(0))
            torch.testing.assert_close(found.largest_mean[layer], means.amax(0))
            expected = torch.zeros(4) if layer == "1" else means.median(0).values
            torch.testing.assert_close(found.zeros(layer), expected)


def test_a_layer_that_is_not_there_is_named(volumes: Network) -> None:
    with pytest.raises(NetworkError, match="no layer '7'"):
        measured_maxima(volumes, [], ["7"], source="none")
