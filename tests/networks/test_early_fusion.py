"""The verifier's architecture: both streams joined at the input, residual blocks, the same inputs as a TwoStream."""

from pathlib import Path

import pytest
import torch

from marey.errors import NetworkError
from marey.networks.early_fusion import EarlyFusion, Residual
from marey.networks.loading import from_file
from marey.networks.two_stream import TwoStream
from marey.networks.weights import NetworkFile, open_network, save


@pytest.fixture
def module() -> EarlyFusion:
    torch.manual_seed(0)
    return EarlyFusion(4, size=32, stack=4).eval()


def test_it_is_shown_what_a_two_stream_network_of_one_frame_is_shown(module: EarlyFusion) -> None:
    assert module.input_streams() == TwoStream(4, size=32, frames=1, stack=4).input_streams()


def test_it_sees_every_flow_field_and_the_picture(module: EarlyFusion) -> None:
    rgb = torch.randn(2, 3, 1, 32, 32, requires_grad=True)
    flow = torch.randn(2, 8, 1, 32, 32, requires_grad=True)
    scores = module(rgb, flow)
    assert scores.shape == (2, 4) and module.forward_all(rgb, flow)["fused"].equal(scores)
    scores.sum().backward()
    assert rgb.grad is not None and flow.grad is not None
    assert bool((flow.grad.abs().amax((0, 2, 3, 4)) > 0).all()) and float(rgb.grad.abs().max()) > 0


def test_a_block_adds_to_its_input() -> None:
    torch.manual_seed(0)
    same, other = Residual(4, 4, 1).eval(), Residual(4, 6, 2).eval()
    values = torch.rand(1, 4, 8, 8)
    assert other(values).shape == (1, 6, 4, 4)
    torch.nn.init.zeros_(same.norm2.weight)
    assert same(values).equal(values)  # nothing negative is there for the last ReLU


def test_a_file_gives_it_back_as_a_network(module: EarlyFusion, tmp_path: Path) -> None:
    streams = module.input_streams()
    save(NetworkFile(module, streams, ("a", "b", "c", "d")), tmp_path / "net.safetensors")
    network = from_file(open_network(tmp_path / "net.safetensors"))
    inputs = {stream.name: torch.rand(1, *stream.shape) for stream in streams}
    found = network.activations(inputs, ["scores"])["scores"].flatten()
    wanted = module(*(stream.to_network(inputs[stream.name]) for stream in streams)).flatten()
    assert torch.allclose(found, wanted, atol=1e-6)


def test_wrong_inputs_and_numbers_are_told(module: EarlyFusion) -> None:
    with pytest.raises(NetworkError, match=r"expected \(clips, 3, 1"):
        module(torch.zeros(1, 3, 2, 32, 32), torch.zeros(1, 8, 1, 32, 32))
    with pytest.raises(NetworkError, match="no EarlyFusion of 0 classes"):
        EarlyFusion(0)
