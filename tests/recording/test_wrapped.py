"""Wrapped networks, frames and clips in loops: every layer is found in a recording, with values for any batch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from marey.cli import run
from marey.errors import NetworkError
from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording import Recording, check_same_weights, record
from marey.recording.write.settings import RecordingSettings
from marey.video.read.clips import Clip

_FRAMES = 3


class Recurrent(nn.Module):
    """A convolution, one ReLU in two places, and an LSTM over frames, time first."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu, self.pool, self.flat = (
            nn.Conv2d(3, 4, 5),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.lstm, self.fc = nn.LSTM(4, 3), nn.Linear(3, 6)

    def forward(self, clips: Tensor) -> Tensor:
        features = [self.flat(self.pool(self.relu(self.conv(frame)))) for frame in clips.unbind(1)]
        scores: Tensor = self.fc(self.relu(self.lstm(torch.stack(features))[0][-1]))
        return scores


class Wrapper(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, clips: Tensor) -> Tensor:
        scores: Tensor = self.net(clips)
        return scores


def _network(module: nn.Module) -> Network:
    classes = ("disc_down", "disc_left", "disc_right", "square_down", "square_left", "square_right")
    return Network(module, [rgb_frames(_FRAMES, size=16, layout="n t c h w")], classes=classes)


def _recorded(network: Network, clips: list[Clip], out: Path, *, batch: int = 4) -> Recording:
    return record(network, clips, out=out, settings=RecordingSettings(windows=2, batch=batch))


def _parallel(net: nn.Module) -> nn.Module:
    """A network in `DataParallel` as where there is no accelerator, also where other tests pretend one."""
    wrapped = nn.DataParallel(net)
    wrapped.device_ids = []
    return wrapped.cpu()


@pytest.mark.parametrize("wrap", [Wrapper, _parallel, lambda net: Wrapper(Wrapper(net)), lambda net: net])
def test_every_layer_of_a_wrapped_network_is_in_its_recording(
    wrap: type[nn.Module], clips: list[Clip], tmp_path: Path
) -> None:
    network = _network(wrap(Recurrent()))
    found = _recorded(network, clips[:4], tmp_path / "out")
    for name, layer in network.layers.items():
        recorded = found.layer(name)
        assert (recorded.name, recorded.shape) == (name, layer.shape)
        assert str(found.unit(f"{name}:1")) == f"{name}:1"
        assert found.matrix(name).shape == (4, layer.units)
        assert found.maxima([name]).layers == (name,)
    assert [one.number for one in found.top("disc_left", 4)]
    assert len(found.layers) < len(network.layers), "those that only pass on are not recorded twice"
    check_same_weights(found, network)


def test_a_wrapper_has_the_values_of_its_last_layer(clips: list[Clip], tmp_path: Path) -> None:
    found = _recorded(_network(Wrapper(Recurrent())), clips[:4], tmp_path / "out")
    assert found.twins["net"] == "net.fc" and "net" not in found.layers
    assert found.matrix("net").equal(found.matrix("net.fc"))
    assert found.largest("net").equal(found.largest("net.fc"))
    with pytest.raises(NetworkError, match="'net' is a layer; name a unit of it"):
        found.unit("net")


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_values_are_the_same_for_any_batch(batch: int, clips: list[Clip], tmp_path: Path) -> None:
    network = _network(Recurrent())
    found = _recorded(network, clips[:4], tmp_path / "out", batch=batch)
    other = _recorded(network, clips[:4], tmp_path / "other", batch=5)
    for layer in ("conv", "relu", "lstm", "fc"):
        for field in ("maximum", "mean", "t"):
            torch.testing.assert_close(found.matrix(layer, field=field), other.matrix(layer, field=field))
    assert found.matrix("conv", field="t").max() == _FRAMES - 1 and found.layer("lstm").positions == (_FRAMES, 1, 1)


def test_a_layer_read_in_part_says_so_in_recordings_and_results(clips: list[Clip], tmp_path: Path) -> None:
    network = _network(Recurrent())
    note = network.layer("relu").note
    assert note is not None and note.startswith("only 3 of 4 calls are read:")
    found = _recorded(network, clips[:2], tmp_path / "out")
    assert found.layer("relu").note == note and found.layer("conv").note is None
    result = maximize(network, "relu:0", recipe=Recipe(steps=2, slowness=(0,)))
    assert note in result.notes[0]


_FILE = """
import marey, torch
from torch import nn

class Again(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.relu, self.mask = nn.Conv3d(3, 4, 3), nn.Conv3d(4, 2, 1), nn.ReLU(), Mask()
    def forward(self, clips):
        self.mask(clips)
        return self.relu(self.two(self.relu(self.one(clips)))).mean((2, 3, 4))

class Mask(nn.Module):
    def forward(self, clips):
        return clips > 0

def again():
    return marey.Network(Again(), [marey.rgb_frames(4, size=16)])
"""


def test_the_command_line_lists_calls_and_what_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shapes: Path
) -> None:
    (tmp_path / "again.py").write_text(_FILE)
    net = f"{tmp_path / 'again.py'}:again"
    assert run(["layers", net]) == 0
    out = capsys.readouterr().out
    assert "calls (read)" in out and "2 (1)" in out
    assert "mask cannot be used: it does not give floating-point numbers." in out
    assert run(["layers", net, "mask"]) == 0
    assert run(["record", net, str(shapes), "--windows", "1", "--out", str(tmp_path / "out")]) == 0
    told = "called in several places of a pass, and read in the first: relu (1 of 2 calls)"
    assert told in capsys.readouterr().out
    assert run(["maximize", net, "mask:0", "--out", str(tmp_path / "p")]) == 1
    assert "layer 'mask' of Again cannot be used" in capsys.readouterr().err
