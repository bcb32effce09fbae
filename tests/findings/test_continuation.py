"""A pass that goes on from layers gives what a whole pass gives, and says where it cannot."""

import pytest
import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.families.two_stream import TwoStream
from marey.findings.ablation import ablated
from marey.findings.continuation import Continuation
from marey.network.network import Network
from marey.network.stream import rgb_frames


def two_stream() -> Network:
    torch.manual_seed(0)
    module = TwoStream(4, size=32, width=1 / 16, frames=2, stack=3, step=3, fc=16)
    return Network(module.eval(), module.input_streams(), classes=("a", "b", "c", "d"))


def shown(network: Network, clips: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {one.name: torch.rand(clips, *one.shape, generator=generator) for one in network.streams}


@pytest.mark.parametrize("layers", [["rgb", "flow"], ["fusion.conv5"], ["fc6"], ["rgb.conv5_3", "flow.conv5_3"]])
def test_it_gives_what_a_whole_pass_gives(layers: list[str]) -> None:
    network = two_stream()
    inputs = shown(network, 3)
    Continuation(network, layers).checked(inputs, ["fc7", "scores"])


def test_streams_of_different_clips_are_joined_as_if_shown_together() -> None:
    network = two_stream()
    inputs = shown(network, 2)
    behind = Continuation(network, ["rgb", "flow"])
    first, second = behind.outputs(inputs)
    joined = behind.activations([{"rgb": first["rgb"], "flow": second["flow"]}], ["scores"])["scores"]
    whole = network.activations({"rgb": inputs["rgb"][:1], "flow": inputs["flow"][1:]}, ["scores"])["scores"]
    torch.testing.assert_close(joined, whole)


def test_the_network_is_left_as_it_was() -> None:
    network = two_stream()
    inputs = shown(network, 2)
    before = network.activations(inputs, ["scores"])["scores"]
    behind = Continuation(network, ["fusion.conv5"])
    behind.activations(behind.outputs(inputs), ["scores"])
    assert not any("forward" in part.__dict__ or part._forward_hooks for part in network.module.modules())
    torch.testing.assert_close(network.activations(inputs, ["scores"])["scores"], before, rtol=0, atol=0)


class Around(nn.Module):
    """A shortcut around its only convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 4, 1)
        self.branch = nn.Conv3d(4, 4, 1)
        self.head = nn.Conv3d(4, 2, 1)

    def forward(self, clip: Tensor) -> Tensor:
        stem = self.stem(clip)
        return self.head(stem + self.branch(stem))


def test_a_shortcut_around_the_layers_is_noticed() -> None:
    torch.manual_seed(0)
    network = Network(Around(), [rgb_frames(2, size=8)])
    with pytest.raises(NetworkError, match="does not follow from branch alone"):
        Continuation(network, ["branch"]).checked(shown(network, 2), ["head"])


def test_ablated_units_have_one_value_and_all_else_stays() -> None:
    network = two_stream()
    inputs = shown(network, 2)
    before = network.activations(inputs, ["fc6"])["fc6"]
    with ablated(network, "fc6", [1, 3], torch.tensor([0.5, -2.0])):
        held = network.activations(inputs, ["fc6", "scores"])
    assert held["fc6"][:, [1, 3], 0, 0, 0].tolist() == [[0.5, -2.0]] * 2
    kept = [unit for unit in range(16) if unit not in (1, 3)]
    torch.testing.assert_close(held["fc6"][:, kept], before[:, kept])
    torch.testing.assert_close(network.activations(inputs, ["fc6"])["fc6"], before)
