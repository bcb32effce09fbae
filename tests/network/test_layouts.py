"""Any module in any layout is one kind of network: it is shown and read alike."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn

from marey.network.network import Network
from marey.network.stream import rgb_frames
from tests.network.layouts import CASES

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]


@pytest.mark.parametrize("case", CASES)
def test_every_layout_is_shown_and_read_alike(case: str, left_as_found: LeftAsFound) -> None:
    network, layer, shape = CASES[case]
    with left_as_found(network.module):
        inputs = {stream.name: torch.rand(2, *stream.shape) for stream in network.streams}
        found = network.activations(inputs, [layer, "fc"])
        assert network.layer(layer).shape == shape
        assert tuple(found[layer].shape) == (2, *shape)
        assert network.scores == "fc"
        assert found["fc"].shape[:2] == (2, 5)


@pytest.mark.parametrize("case", CASES)
def test_each_clip_of_a_batch_gets_its_own_activations(case: str) -> None:
    network, layer, _ = CASES[case]
    inputs = {stream.name: torch.rand(3, *stream.shape) for stream in network.streams}
    together = network.activations(inputs, [layer])[layer]
    for clip in range(3):
        alone = network.activations({name: value[clip : clip + 1] for name, value in inputs.items()}, [layer])[layer]
        torch.testing.assert_close(together[clip : clip + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_gradients_reach_every_stream_in_physical_units(case: str) -> None:
    network, _, _ = CASES[case]
    inputs = {stream.name: torch.rand(1, *stream.shape, requires_grad=True) for stream in network.streams}
    network.module.eval()
    score = network.activations(inputs, ["fc"])["fc"][0, 2]
    gradients = torch.autograd.grad(score.sum(), list(inputs.values()))
    assert all(float(gradient.abs().sum()) > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("wrap", "name"), [(lambda x: (x, 1), "tuple"), (lambda x: {"features": x}, "dict"), (lambda x: [x, x], "list")]
)
def test_a_layer_may_answer_with_several_things(wrap: Callable[[Tensor], object], name: str) -> None:
    class Wrapping(nn.Module):
        def forward(self, x: Tensor) -> object:
            return wrap(2 * x)

    module = nn.Sequential(nn.Conv3d(3, 2, 1), Wrapping())
    network = Network(module, [rgb_frames(1, size=4)])
    inputs = {"rgb": torch.rand(1, 3, 1, 4, 4)}
    torch.testing.assert_close(network.activations(inputs, ["1"])["1"], 2 * module[0](inputs["rgb"]))
