"""What units add to class scores is what whole passes say, and layers are chosen where passes can go on."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from marey.families.two_stream import TwoStream
from marey.findings.ablation import ablated
from marey.findings.deep_passes import deep_layers, run_to
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.recording.chosen_layers import chosen_layers
from marey.video.flow.cache import FlowCache
from marey.video.read.ahead import windows_ahead
from tests.findings.colors import BLUE, FAILING, RED, UNITS, clip, network
from tests.findings.test_continuation import two_stream


def test_effects_are_those_of_whole_passes(tmp_path: Path) -> None:
    colors = network()
    shown = (RED, FAILING, BLUE)
    clips = [clip(tmp_path / str(place), color, label="red", group="a") for place, color in enumerate(shown)]
    passes = run_to(colors, clips, ["maps"])["maps"]
    values = torch.linspace(-0.5, 0.5, UNITS)
    found = passes.effects(values)
    for place, color in enumerate(shown):
        stored = torch.tensor(color).mul(255).round() / 255
        inputs = {"rgb": stored[None, :, None, None, None].expand(1, 3, 1, 8, 8)}
        whole = colors.activations(inputs, ["scores"])["scores"].flatten().detach()
        for unit in (0, 3, 7):
            with torch.no_grad(), ablated(colors, "maps", [unit], values[unit : unit + 1]):
                held = colors.activations(inputs, ["scores"])["scores"].flatten()
            np.testing.assert_allclose(found[place, unit], (whole - held).numpy(), atol=1e-5)


def test_windows_of_a_clip_are_averaged(tmp_path: Path) -> None:
    colors = network()
    one = clip(tmp_path / "clip", RED, label="red", group="a")
    assert len(run_to(colors, [one], ["maps"], windows=2)["maps"].windows) == 2
    np.testing.assert_allclose(
        run_to(colors, [one], ["maps"], windows=2)["maps"].scores(), run_to(colors, [one], ["maps"])["maps"].scores()
    )


def test_the_deepest_layers_that_see_all_streams_are_chosen() -> None:
    fused = two_stream()
    assert deep_layers(fused, fused.layers) == ("fc7", "fc6", "fusion.conv5")


def late() -> Network:
    torch.manual_seed(0)
    module = TwoStream(3, size=32, width=1 / 16, frames=1, stack=2, step=2, fc=16, fusion="late")
    return Network(module.eval(), module.input_streams(), classes=("a", "b", "c"), scores="scores", name="late")


def test_where_streams_meet_in_the_scores_alone_the_deepest_of_each_are_chosen() -> None:
    meeting = late()
    chosen = deep_layers(meeting, meeting.layers, most=2)
    assert set(chosen[:2]) == {"rgb.fc7", "flow.fc7"} and set(chosen[2:]) == {"rgb.fc6", "flow.fc6"}


def test_units_of_one_stream_are_held_while_the_other_goes_on_as_it_was(tmp_path: Path) -> None:
    meeting = late()
    one = clip(tmp_path / "clip", RED, label="red", group="a", spot=(2, 2))
    passes = run_to(meeting, [one], ["rgb.fc7", "flow.conv5_3"])
    inputs = next(iter(windows_ahead([one], meeting.streams, count=1, flow="tvl1-fast", cache=FlowCache())))[1]
    assert not isinstance(inputs, str)
    shown = inputs.inputs(meeting.streams)
    for layer, found in passes.items():
        values = torch.linspace(-1, 1, found.units)
        effects = found.effects(values)[0]
        for unit in (0, found.units - 1):
            with torch.no_grad():
                whole = meeting.activations(shown, ["scores"])["scores"].flatten()
                with ablated(meeting, layer, [unit], values[unit : unit + 1]):
                    held = meeting.activations(shown, ["scores"])["scores"].flatten()
            np.testing.assert_allclose(effects[unit], (whole - held).numpy(), atol=1e-5)


class Block(nn.Module):
    """A convolution with a shortcut around it, and a ReLU behind both if wanted."""

    def __init__(self, *, relu: bool) -> None:
        super().__init__()
        self.conv = nn.Conv3d(4, 4, 1)
        if relu:
            self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = maps + self.conv(maps)
        return self.relu(out) if hasattr(self, "relu") else out


def residual(*, relu: bool) -> Network:
    torch.manual_seed(0)
    parts = {"stem": nn.Conv3d(3, 4, 1), "first": Block(relu=relu), "second": Block(relu=relu)}
    module = nn.Sequential()
    ends = {"pool": nn.AdaptiveAvgPool3d(1), "flat": nn.Flatten(), "scores": nn.Linear(4, 2)}
    for name, part in (parts | ends).items():
        module.add_module(name, part)
    return Network(module.eval(), [rgb_frames(2, size=8)], classes=("a", "b"), scores="scores")


def test_of_a_residual_network_blocks_are_chosen_and_not_what_a_shortcut_goes_around() -> None:
    shown = residual(relu=False)
    assert deep_layers(shown, shown.layers) == ("second", "first", "stem")


def test_a_block_is_chosen_by_its_last_layer_where_only_that_is_recorded() -> None:
    shown = residual(relu=True)
    recorded = {layer.name: layer for layer in chosen_layers(shown, None)}
    assert "second" not in recorded
    assert deep_layers(shown, recorded) == ("second.relu", "first.relu", "stem")
