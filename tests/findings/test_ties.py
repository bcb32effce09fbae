"""Ties between units, on a network whose weights are set by hand."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import nn

import marey
from marey.errors import NetworkError
from marey.findings.ties import unit_ties, wiring
from marey.network.network import Network
from marey.recording import Recording, RecordingSettings, record
from marey.video.read.clips import Clip

LAYERS = ("first", "norm", "relu", "second", "scores")


class Chain(nn.Module):
    """Two 1 x 1 convolutions with a norm, a ReLU and a concatenation between, then a mean over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 2, 1)
        self.norm = nn.BatchNorm3d(2)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv3d(4, 3, 1)
        self.scores = nn.Linear(3, 2)
        with torch.no_grad():
            self.first.bias.fill_(0.5)
            self.first.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]).view(2, 3, 1, 1, 1))
            weights = torch.tensor([[1.0, 2.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, -1.0, 0.0, -1.0]])
            self.second.weight.copy_(weights.view(3, 4, 1, 1, 1))

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        seen = self.relu(self.norm(self.first(rgb)))
        second = self.second(torch.cat([seen, seen], 1))
        scores: torch.Tensor = self.scores(second.mean((2, 3, 4)))
        return scores


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return Network(Chain().eval(), [marey.Stream("rgb", "rgb", (0, 1), 16, 16)], classes=("a", "b"))


@pytest.fixture(scope="module")
def recording(network: Network, shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    clips = [Clip(path, label="a") for path in sorted(shapes.rglob("*.mp4"))[::8]]
    out = tmp_path_factory.mktemp("ties") / "recording"
    return record(network, clips, LAYERS, out=out, settings=RecordingSettings(windows=1))


def test_layers_that_keep_units_apart_are_alike_and_code_between_is_seen_through(network: Network) -> None:
    found = wiring(network, LAYERS)
    assert found.alike == (("first", "norm", "relu"), ("second",), ("scores",))
    assert found.sources == {"relu": (), "second": ("relu",), "scores": ("second",)}
    assert wiring(network, ("first", "scores")).sources == {"first": (), "scores": ("first",)}


def test_a_tie_is_the_weight_times_what_the_input_varies(
    network: Network, recording: Recording, left_as_found: Callable[[nn.Module], AbstractContextManager[None]]
) -> None:
    with left_as_found(network.module):
        ties = unit_ties(network, recording)
    inputs = recording.matrix("relu")
    reach = recording.largest("second") - recording.maxima(["second"]).zeros("second")
    weights = torch.tensor([[4.0, 2.0], [0.0, 0.0], [1.0, -2.0]])  # of both halves of what is concatenated
    expected = weights * inputs.std(0, correction=1) / reach.clamp(min=1e-12)[:, None]
    alive = reach > 0
    assert ties.moves["second", "relu"][alive] == pytest.approx(expected[alive], rel=1e-3)
    slopes = network.module.scores.weight.detach()  # a mean over positions: what is everywhere stronger counts whole
    own = recording.matrix("second").std(0, correction=1)
    reach = recording.largest("scores") - recording.maxima(["scores"]).zeros("scores")
    assert ties.moves["scores", "second"] == pytest.approx(slopes * own / reach[:, None], rel=1e-3)


def test_a_recording_of_another_network_is_refused(network: Network, recording: Recording) -> None:
    other = Network(Chain().eval(), network.streams, classes=("a", "b"))
    with torch.no_grad():
        other.module.first.weight.add_(1)
    with pytest.raises(NetworkError, match="is of other weights"):
        unit_ties(other, recording)
