"""Responses to pairs equal those of whole passes, and what cannot be crossed is said."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from marey.errors import MareyError, NetworkError
from marey.families.two_stream import TwoStream
from marey.findings.crossing import Crossing
from marey.findings.towers import towers
from marey.network.network import Network
from marey.network.stream import Stream, rgb_frames


def two_stream(fusion: str = "conv5", **options: object) -> Network:
    torch.manual_seed(0)
    module = TwoStream(4, size=32, width=1 / 16, frames=2, stack=3, step=3, fc=16, fusion=fusion, **options)  # type: ignore[arg-type]
    return Network(module.eval(), module.input_streams(), classes=("a", "b", "c", "d"))


def shown(network: Network, clips: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {one.name: torch.rand(clips, *one.shape, generator=generator) for one in network.streams}


def by_whole_passes(network: Network, inputs: dict[str, Tensor], layers: list[str]) -> dict[str, np.ndarray]:
    count = len(inputs["rgb"])
    found: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    for row in range(count):
        pairs = {**inputs, "rgb": inputs["rgb"][row : row + 1].expand_as(inputs["rgb"])}
        with torch.no_grad():
            for layer, values in network.activations(pairs, layers).items():
                found[layer].append(values.flatten(2).amax(2).numpy())
    return {layer: np.stack(rows) for layer, rows in found.items()}


class Product(nn.Module):
    """The product of two towers, which is no sum of a part of each; the towers are modules one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.see, self.more = nn.Conv3d(3, 4, 1), nn.Conv3d(4, 4, 1)
        self.move = nn.Conv3d(2, 4, 1)
        self.product = Times()
        self.head = nn.Conv3d(4, 3, 1)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        return self.head(self.product(self.more(self.see(rgb)), self.move(flow)))


class Times(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first * second


def product() -> Network:
    torch.manual_seed(0)
    return Network(Product(), [rgb_frames(2, size=8), Stream("flow", "flow", (0, 1), 8, 8)])


@pytest.mark.parametrize(
    ("network", "layers", "added"),
    [
        (two_stream(), ["fusion.conv5", "fusion.relu5", "fc7", "scores"], True),
        (two_stream("conv3"), ["fusion.conv3", "fused.conv5_1", "scores"], True),
        (two_stream("late"), ["scores"], True),
        (product(), ["product", "head"], False),
    ],
)
def test_pairs_answer_as_if_shown_together(network: Network, layers: list[str], added: bool) -> None:
    inputs = shown(network, 5)
    crossing = Crossing(network, layers)
    with torch.no_grad():
        crossing.show(inputs)
    found = crossing.responses()
    assert (crossing._joint is not None) is added
    for layer, values in by_whole_passes(network, inputs, layers).items():
        np.testing.assert_allclose(found[layer], values, rtol=1e-4, atol=1e-5 * np.abs(values).max())


def test_a_fusion_with_other_motion_channels_is_that_of_a_permuted_kernel() -> None:
    network = two_stream()
    inputs = shown(network, 4)
    crossing = Crossing(network, ["fusion.conv5", "scores"])
    with torch.no_grad():
        crossing.show(inputs)
    channels = crossing.motion_channels
    order = torch.randperm(channels, generator=torch.Generator().manual_seed(2))
    found = crossing.responses(order=order.tolist())
    kernel = network.module.get_submodule("fusion.conv5").weight
    with torch.no_grad():
        kernel[:, channels + order] = kernel[:, channels:].clone()
    for layer, values in by_whole_passes(network, inputs, ["fusion.conv5", "scores"]).items():
        np.testing.assert_allclose(found[layer], values, rtol=1e-4, atol=1e-5 * np.abs(values).max())


def test_the_network_is_left_as_it_was() -> None:
    network = two_stream()
    crossing = Crossing(network, ["scores"])
    with torch.no_grad():
        crossing.show(shown(network, 3))
    crossing.responses()
    assert not any("forward" in part.__dict__ or part._forward_hooks for part in network.module.modules())


def test_towers_are_the_outermost_layers_of_one_kind() -> None:
    found = towers(two_stream())
    assert (found.appearance, found.motion) == (("rgb",), ("flow",))
    assert found.both[0] == "fusion.conv5"
    assert towers(product()).appearance == ("see", "more")


def test_a_network_of_one_kind_of_stream_is_refused() -> None:
    with pytest.raises(MareyError, match="TwoStream is shown rgb alone; only a network with a stream of RGB and one"):
        towers(two_stream(streams=("rgb",)))


class Early(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(5, 4, 1)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        return self.first(torch.cat((rgb, flow), 1))


def test_a_network_that_joins_before_its_first_layer_is_refused() -> None:
    network = Network(Early(), [rgb_frames(2, size=8), Stream("flow", "flow", (0, 1), 8, 8)])
    with pytest.raises(MareyError, match="it joins its streams before the first layer"):
        towers(network)


class Around(Product):
    """Frames go around the tower of appearance."""

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        return self.head(self.product(self.more(self.see(rgb)), self.move(flow)) + rgb.mean())


def test_what_goes_around_the_towers_is_noticed() -> None:
    network = Network(Around(), [rgb_frames(2, size=8), Stream("flow", "flow", (0, 1), 8, 8)])
    with pytest.raises(NetworkError, match="does not follow from see and more and move alone"):
        Crossing(network, ["head"]).show(shown(network, 3))
